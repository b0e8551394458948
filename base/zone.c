/* SPDX-License-Identifier: Apache-2.0 */
/* A zone is a list of transitions and, for the time after the last one, a rule (POSIX TZ). */
#include "base/zone.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/calendar.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#define FOLDER "/usr/share/zoneinfo"
#define DAY 86400
#define AROUND (2 * DAY)       // no offset is larger, and no two transitions that matter are nearer
#define OFFSET_MAX (26 * 3600) // RFC 9636: between -25 and +26 hours
#define RULE_TIME_MAX (167 * 3600)
#define TRANSITIONS_MAX 5000
#define FOOTER_MAX 128

struct transition {
    int64_t at;
    int32_t offset; // from then on
};

struct rule_date { // when a season begins, by the wall clock until then
    enum {
        RULE_WEEKDAY, // Mm.w.d
        RULE_JULIAN,  // Jn: 1 to 365, no 29 February
        RULE_DAY,     // n: 0 to 365
    } kind;
    int month, week, day;
    int32_t time;
};

struct zone {
    struct zone *next; // of those that are known; name is owned
    char *name;
    int32_t first; // before the first transition
    struct transition *transitions;
    size_t count;
    bool seasons; // the rule has two
    int32_t standard, summer;
    struct rule_date begin, end; // of summer time
};

// ---- the rule ------------------------------------------------------------------------------------

// All of these move *at behind what they read; false: it is not there.
static bool read_number(const char **at, int64_t most, int32_t *out)
{
    int64_t value = 0;
    if (**at < '0' || **at > '9') {
        return false;
    }
    for (; **at >= '0' && **at <= '9' && value <= most; (*at)++) {
        value = value * 10 + (**at - '0');
    }
    *out = (int32_t)value;
    return value <= most;
}

static bool read_name(const char **at)
{
    const char *start = *at;
    if (**at == '<') {
        const char *end = strchr(*at, '>');
        *at = end ? end + 1 : *at;
        return end != NULL;
    }
    while ((**at >= 'A' && **at <= 'Z') || (**at >= 'a' && **at <= 'z')) {
        (*at)++;
    }
    return *at - start >= 3;
}

// [+-]hh[:mm[:ss]] in seconds.
static bool read_time(const char **at, int32_t most, int32_t *out)
{
    const bool negative = **at == '-';
    int32_t part = 0, scale = 3600;
    *at += negative || **at == '+';
    if (!read_number(at, most / 3600, &part)) {
        return false;
    }
    *out = part * scale;
    while (**at == ':' && scale > 1) {
        (*at)++;
        scale /= 60;
        if (!read_number(at, 59, &part)) {
            return false;
        }
        *out += part * scale;
    }
    *out = negative ? -*out : *out;
    return true;
}

static bool read_weekday(const char **at, struct rule_date *out)
{
    (*at)++;
    out->kind = RULE_WEEKDAY;
    if (!read_number(at, 12, &out->month) || out->month < 1 || *(*at)++ != '.' ||
        !read_number(at, 5, &out->week) || out->week < 1 || *(*at)++ != '.') {
        return false;
    }
    return read_number(at, 6, &out->day);
}

// ,date[/time]
static bool read_date(const char **at, struct rule_date *out)
{
    bool good = *(*at)++ == ',';
    out->time = 2 * 3600;
    if (good && **at == 'M') {
        good = read_weekday(at, out);
    } else if (good && **at == 'J') {
        (*at)++;
        out->kind = RULE_JULIAN;
        good = read_number(at, 365, &out->day) && out->day >= 1;
    } else if (good) {
        out->kind = RULE_DAY;
        good = read_number(at, 365, &out->day);
    }
    if (good && **at == '/') {
        (*at)++;
        good = read_time(at, RULE_TIME_MAX, &out->time);
    }
    return good;
}

// std offset [dst [offset] ,begin ,end]; offsets are west of UTC there. Empty: no rule, the last offset stays.
static bool read_rule(const char *text, struct zone *out)
{
    const char *at = text;
    if (!read_name(&at) || !read_time(&at, OFFSET_MAX, &out->standard)) {
        return false;
    }
    out->standard = -out->standard;
    if (*at == '\0') {
        return true;
    }
    out->seasons = true;
    out->summer = out->standard + 3600;
    if (!read_name(&at)) {
        return false;
    }
    if (*at != ',') {
        if (!read_time(&at, OFFSET_MAX, &out->summer)) {
            return false;
        }
        out->summer = -out->summer;
    }
    return read_date(&at, &out->begin) && read_date(&at, &out->end) && *at == '\0';
}

static int64_t rule_day(const struct rule_date *date, int64_t year)
{
    const int64_t first = day_of_date(year, 1, 1);
    if (date->kind == RULE_JULIAN) {
        return first + date->day - 1 + (days_in_month(year, 2) == 29 && date->day >= 60);
    }
    if (date->kind == RULE_DAY) {
        return first + date->day;
    }
    const int64_t month = day_of_date(year, date->month, 1);
    const int64_t next = month + days_in_month(year, date->month);
    int64_t day = month + (date->day - date_of_day(month).weekday + 7) % 7 + 7 * (date->week - 1);
    while (day >= next) { // week 5 is the last one
        day -= 7;
    }
    return day;
}

// Two a year, in the order of the year's list, not of time.
static struct transition rule_transition(const struct zone *zone, int64_t index)
{
    const int64_t year = floor_div(index, 2);
    const bool begins = index - year * 2 == 0;
    const struct rule_date *date = begins ? &zone->begin : &zone->end;
    const int32_t before = begins ? zone->standard : zone->summer;
    return (struct transition){ .at = rule_day(date, year) * DAY + date->time - before,
                                .offset = begins ? zone->summer : zone->standard };
}

// ---- transitions ---------------------------------------------------------------------------------

static int64_t table_end(const struct zone *zone)
{
    return zone->count > 0 ? zone->transitions[zone->count - 1].at : INT64_MIN;
}

// The last transition at or before `utc` that the rule has, and the first one after it.
static void rule_around(const struct zone *zone, int64_t utc, struct transition *before,
                        struct transition *after)
{
    const int64_t year = date_of_day(floor_div(utc, DAY)).year;
    *before = (struct transition){ INT64_MIN, zone->standard };
    *after = (struct transition){ INT64_MAX, zone->standard };
    for (int64_t i = (year - 2) * 2; i < (year + 3) * 2 && zone->seasons; i++) {
        const struct transition one = rule_transition(zone, i);
        if (one.at <= utc && one.at >= before->at) {
            *before = one;
        }
        if (one.at > utc && one.at < after->at) {
            *after = one;
        }
    }
}

static size_t table_count_until(const struct zone *zone, int64_t utc)
{
    size_t low = 0, high = zone->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (zone->transitions[middle].at <= utc) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

int32_t zone_offset(const struct zone *zone, int64_t utc)
{
    const size_t passed = table_count_until(zone, utc);
    if (passed == zone->count && zone->seasons) {
        struct transition before, after;
        rule_around(zone, utc, &before, &after);
        return before.at > table_end(zone) || passed == 0 ? before.offset
                                                          : zone->transitions[passed - 1].offset;
    }
    return passed == 0 ? zone->first : zone->transitions[passed - 1].offset;
}

// INT64_MAX: there is none any more.
static struct transition next_transition(const struct zone *zone, int64_t utc)
{
    const size_t passed = table_count_until(zone, utc);
    struct transition before, after = { INT64_MAX, 0 };
    if (passed < zone->count) {
        return zone->transitions[passed];
    }
    if (zone->seasons) {
        rule_around(zone, utc, &before, &after);
    }
    return after;
}

int64_t zone_instant(const struct zone *zone, int64_t local)
{
    int64_t from = local - AROUND;
    int32_t offset = zone_offset(zone, from);
    for (;;) {
        const struct transition next = next_transition(zone, from);
        const int64_t instant = local - offset;
        if (instant < next.at) { // shown before the transition
            return instant;
        }
        if (local < next.at + next.offset) { // the transition skips it
            return next.at;
        }
        offset = next.offset;
        from = next.at;
    }
}

// ---- the file ------------------------------------------------------------------------------------

struct reader {
    const uint8_t *at;
    size_t left;
};

static int64_t big_endian(const uint8_t *bytes, int count)
{
    uint64_t value = bytes[0] & 0x80 && count < 8 ? UINT64_MAX : 0;
    for (int i = 0; i < count; i++) {
        value = value << 8 | bytes[i];
    }
    return (int64_t)value;
}

static const uint8_t *take(struct reader *in, size_t length)
{
    const uint8_t *at = in->at;
    if (length > in->left) {
        return NULL;
    }
    in->at += length;
    in->left -= length;
    return at;
}

struct head {
    size_t ut, std, leap, time, type, chars;
};

static bool read_head(struct reader *in, struct head *out)
{
    const uint8_t *at = take(in, 44);
    size_t *const counts[] = {
        &out->ut, &out->std, &out->leap, &out->time, &out->type, &out->chars
    };
    if (!at || memcmp(at, "TZif", 4) != 0 || at[4] < '2') {
        return false;
    }
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const int64_t count = big_endian(at + 20 + 4 * i, 4);
        if (count < 0 || count > TRANSITIONS_MAX) {
            return false;
        }
        *counts[i] = (size_t)count;
    }
    return true;
}

static size_t block_size(const struct head *head, size_t time_size)
{
    return head->time * (time_size + 1) + head->type * 6 + head->chars +
           head->leap * (time_size + 4) + head->std + head->ut;
}

static bool read_transitions(const struct head *head, const uint8_t *times, const uint8_t *kinds,
                             const uint8_t *types, struct zone *out)
{
    out->transitions = mem_array(head->time + 1, sizeof *out->transitions);
    out->first = (int32_t)big_endian(types, 4);
    for (size_t i = 0; i < head->time; i++) {
        struct transition *one = &out->transitions[out->count++];
        if (kinds[i] >= head->type) {
            return false;
        }
        *one = (struct transition){ big_endian(times + 8 * i, 8),
                                    (int32_t)big_endian(types + (size_t)6 * kinds[i], 4) };
        const bool sane = one->offset > -OFFSET_MAX && one->offset < OFFSET_MAX;
        if (!sane || (i > 0 && one->at <= one[-1].at) || one->at > INT64_C(1) << 40 ||
            one->at < -(INT64_C(1) << 60)) {
            return false;
        }
    }
    return out->first > -OFFSET_MAX && out->first < OFFSET_MAX;
}

// The rule is between two line feeds. Without one the last offset stays.
static bool read_footer(struct reader *in, struct zone *out)
{
    const uint8_t *end =
        in->left > 1 && in->at[0] == '\n' ? memchr(in->at + 1, '\n', in->left - 1) : NULL;
    char text[FOOTER_MAX + 1];
    const size_t length = end ? (size_t)(end - in->at) - 1 : 0;
    out->standard = out->count > 0 ? out->transitions[out->count - 1].offset : out->first;
    if (!end || length > FOOTER_MAX || memchr(in->at + 1, '\0', length)) {
        return false;
    }
    memcpy(text, in->at + 1, length);
    text[length] = '\0';
    return length == 0 || read_rule(text, out);
}

static bool read_zone(struct reader *in, struct zone *out)
{
    struct head head;
    if (!read_head(in, &head) || !take(in, block_size(&head, 4)) || !read_head(in, &head) ||
        head.type == 0 || block_size(&head, 8) > in->left) {
        return false;
    }
    const uint8_t *times = take(in, head.time * 8), *kinds = take(in, head.time);
    const uint8_t *types = take(in, head.type * 6);
    if (!read_transitions(&head, times, kinds, types, out)) {
        return false;
    }
    (void)take(in, head.chars + head.leap * 12 + head.std + head.ut);
    return read_footer(in, out);
}

struct zone *zone_parse(const void *bytes, size_t length)
{
    struct zone *zone = mem_alloc(sizeof *zone);
    struct reader in = { bytes, length };
    if (read_zone(&in, zone)) {
        return zone;
    }
    zone_free(zone);
    return NULL;
}

void zone_free(struct zone *zone)
{
    if (zone) {
        free(zone->transitions);
        free(zone->name);
        free(zone);
    }
}

// ---- the system's database -----------------------------------------------------------------------

static pthread_mutex_t known_lock = PTHREAD_MUTEX_INITIALIZER;
static struct zone *known;

bool zone_database_exists(void)
{
    return file_exists(FOLDER "/Etc/UTC");
}

// Folders and names of letters, digits, '_', '+', '-': never a way out of the database.
static bool is_name(const char *name)
{
    const size_t length = strlen(name);
    const bool inside = length > 0 && length <= ZONE_NAME_MAX && name[0] != '/' &&
                        name[length - 1] != '/' && !strstr(name, "//");
    return inside && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "_+-/") == length;
}

static struct zone *read_file(const char *name)
{
    AUTO(free_auto) char *path = mem_printf(FOLDER "/%s", name);
    struct buf bytes = BUF(ZONE_FILE_MAX);
    struct err *e = file_read(path, &bytes);
    struct zone *zone = e ? NULL : zone_parse(bytes.data, bytes.len);
    err_free(e);
    buf_done(&bytes);
    return zone;
}

static struct zone *make(const char *name)
{
    struct zone *zone = read_file(name);
    if (!zone && (str_eq(name, "UTC") || str_eq(name, "Etc/UTC"))) {
        zone = mem_alloc(sizeof *zone); // needs no database
    }
    if (zone) {
        zone->name = mem_strdup(name);
        zone->next = known;
        known = zone;
    }
    return zone;
}

const struct zone *zone_get(const char *name)
{
    if (!is_name(name)) {
        return NULL;
    }
    pthread_mutex_lock(&known_lock);
    struct zone *zone = known;
    while (zone && !str_eq(zone->name, name)) {
        zone = zone->next;
    }
    if (!zone) {
        zone = make(name);
    }
    pthread_mutex_unlock(&known_lock);
    return zone;
}
