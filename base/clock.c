/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and their text; but for time_format_local() without the C library's calendar and its time zone. */
#include "base/clock.h"
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/calendar.h"
#include "base/hash.h"

static int64_t read_ms(clockid_t id)
{
    struct timespec now = { 0 };
    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_mono_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

int64_t clock_utc_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

void time_format_local(char out[TIME_TEXT_LEN])
{
    const time_t now = (time_t)(clock_utc_ms() / 1000);
    struct tm local = { 0 };
    localtime_r(&now, &local);
    strftime(out, TIME_TEXT_LEN, "%Y-%m-%d %H:%M:%S", &local);
}

/* 0001-01-01 .. 9999-12-31: what RFC 3339 can write. */
static int64_t clamp_seconds(int64_t s)
{
    const int64_t first = -62135596800;
    const int64_t last = 253402300799;
    return s < first ? first : s > last ? last : s;
}

static int format_seconds(int64_t seconds, char out[TIME_TEXT_LEN])
{
    int64_t s = clamp_seconds(seconds);
    int64_t days = floor_div(s, 86400);
    int of_day = (int)(s - days * 86400);
    struct date c = date_of_day(days);
    return snprintf(out, TIME_TEXT_LEN, "%04d-%02d-%02dT%02d:%02d:%02d", (int)c.year, c.month,
                    c.day, of_day / 3600, of_day / 60 % 60, of_day % 60);
}

void time_format(int64_t utc_ms, char out[TIME_TEXT_LEN])
{
    int used = format_seconds(floor_div(utc_ms, 1000), out);
    (void)snprintf(out + used, (size_t)(TIME_TEXT_LEN - used), "Z");
}

void time_format_micro(int64_t utc_us, char out[TIME_TEXT_LEN])
{
    int64_t seconds = floor_div(utc_us, 1000000);
    int used = format_seconds(seconds, out);
    (void)snprintf(out + used, (size_t)(TIME_TEXT_LEN - used), ".%06dZ",
                   (int)(utc_us - seconds * 1000000));
}

/* Exactly `digits` digits; -1 otherwise. */
static int fixed_number(const char **p, int digits)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        char c = **p;
        if (c < '0' || c > '9') {
            return -1;
        }
        value = value * 10 + (c - '0');
        (*p)++;
    }
    return value;
}

static bool skip_char(const char **p, const char *any)
{
    if (!**p || !strchr(any, **p)) {
        return false;
    }
    (*p)++;
    return true;
}

static bool parse_date(const char **p, int64_t *days)
{
    int year = fixed_number(p, 4);
    bool ok = skip_char(p, "-");
    int month = ok ? fixed_number(p, 2) : -1;
    ok = ok && skip_char(p, "-");
    int day = ok ? fixed_number(p, 2) : -1;
    if (year < 0 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) {
        return false;
    }
    *days = day_of_date(year, month, day);
    return true;
}

static bool parse_clock(const char **p, bool with_seconds, int64_t *seconds)
{
    int hour = fixed_number(p, 2);
    bool ok = skip_char(p, ":");
    int minute = ok ? fixed_number(p, 2) : -1;
    int second = 0;
    if (with_seconds) {
        ok = ok && skip_char(p, ":");
        second = ok ? fixed_number(p, 2) : -1;
    }
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) {
        return false;
    }
    *seconds = (int64_t)hour * 3600 + minute * 60 + second;
    return true;
}

static bool parse_fraction(const char **p, int64_t *ms)
{
    *ms = 0;
    if (!skip_char(p, ".,")) {
        return true;
    }
    int digits = 0;
    for (; **p >= '0' && **p <= '9'; (*p)++, digits++) {
        if (digits < 3) {
            *ms = *ms * 10 + (**p - '0');
        }
    }
    for (int i = digits; i < 3; i++) {
        *ms *= 10;
    }
    return digits > 0;
}

static bool parse_zone(const char **p, int64_t *offset_seconds)
{
    *offset_seconds = 0;
    if (skip_char(p, "Zz")) {
        return true;
    }
    int sign = **p == '-' ? -1 : 1;
    if (!skip_char(p, "+-") || !parse_clock(p, false, offset_seconds)) {
        return false;
    }
    *offset_seconds *= sign;
    return true;
}

bool time_parse(const char *text, int64_t *utc_ms)
{
    const char *p = text;
    int64_t days = 0;
    int64_t seconds = 0;
    int64_t ms = 0;
    int64_t zone = 0;
    if (!p || !parse_date(&p, &days) || !skip_char(&p, "Tt ") || !parse_clock(&p, true, &seconds) ||
        !parse_fraction(&p, &ms) || !parse_zone(&p, &zone) || *p) {
        return false;
    }
    *utc_ms = (days * 86400 + seconds - zone) * 1000 + ms;
    return true;
}

struct unit {
    const char *name;
    int64_t ns;
};

/* Longest names first: "ms" is not minutes. The micro sign exists twice in Unicode. */
static const struct unit units[] = {
    { "ns", 1 },       { "us", 1000 },      { "\xc2\xb5s", 1000 }, { "\xce\xbcs", 1000 },
    { "ms", 1000000 }, { "s", 1000000000 }, { "m", 60000000000 },  { "h", 3600000000000 },
};

static const struct unit *unit_at(const char *p, size_t *length)
{
    *length = 0;
    while (p[*length] && p[*length] != '.' && (p[*length] < '0' || p[*length] > '9')) {
        (*length)++;
    }
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strlen(units[i].name) == *length && memcmp(units[i].name, p, *length) == 0) {
            return &units[i];
        }
    }
    return NULL;
}

/* One "1.5h"; adds to *total ns. */
static bool duration_part(const char **p, int64_t *total)
{
    int64_t whole = 0;
    int64_t fraction = 0;
    int64_t scale = 1;
    bool digits = false;
    for (; **p >= '0' && **p <= '9'; (*p)++) {
        digits = true;
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, **p - '0', &whole)) {
            return false;
        }
    }
    if (**p == '.') {
        (*p)++;
        for (; **p >= '0' && **p <= '9'; (*p)++) {
            digits = true;
            if (scale < 100000) { /* keeps fraction * 3.6e12 inside 64 bits */
                fraction = fraction * 10 + (**p - '0');
                scale *= 10;
            }
        }
    }
    size_t length = 0;
    const struct unit *unit = unit_at(*p, &length);
    if (!digits || !unit || __builtin_mul_overflow(whole, unit->ns, &whole)) {
        return false;
    }
    *p += length;
    return !__builtin_add_overflow(whole, fraction * unit->ns / scale, &whole) &&
           !__builtin_add_overflow(*total, whole, total);
}

bool duration_parse(const char *text, int64_t *ms)
{
    if (!text || !*text) {
        return false;
    }
    const char *p = *text == '+' ? text + 1 : text;
    int64_t total = 0;
    if (strcmp(p, "0") != 0) {
        if (!*p) {
            return false;
        }
        while (*p) {
            if (!duration_part(&p, &total)) {
                return false;
            }
        }
    }
    *ms = total / 1000000;
    return true;
}

void duration_format(int64_t ms, char out[TIME_TEXT_LEN])
{
    if (ms < 0) {
        ms = 0;
    }
    if (ms == 0) {
        (void)snprintf(out, TIME_TEXT_LEN, "0s");
        return;
    }
    if (ms < 1000) {
        (void)snprintf(out, TIME_TEXT_LEN, "%dms", (int)ms);
        return;
    }
    int64_t seconds = ms / 1000;
    char fraction[8] = "";
    if (ms % 1000) {
        int used = snprintf(fraction, sizeof fraction, ".%03d", (int)(ms % 1000));
        while (used > 0 && fraction[used - 1] == '0') {
            fraction[--used] = '\0';
        }
    }
    int second = (int)(seconds % 60);
    int minute = (int)(seconds / 60 % 60);
    if (seconds >= 3600) {
        (void)snprintf(out, TIME_TEXT_LEN, "%lldh%dm%d%ss", (long long)(seconds / 3600), minute,
                       second, fraction);
    } else if (seconds >= 60) {
        (void)snprintf(out, TIME_TEXT_LEN, "%dm%d%ss", minute, second, fraction);
    } else {
        (void)snprintf(out, TIME_TEXT_LEN, "%d%ss", second, fraction);
    }
}

/* "5m30s", or "5m" when the smaller part is zero. */
static void two_parts(char out[TIME_TEXT_LEN], int64_t big, char big_unit, int64_t small,
                      char small_unit)
{
    if (small) {
        (void)snprintf(out, TIME_TEXT_LEN, "%lld%c%lld%c", (long long)big, big_unit,
                       (long long)small, small_unit);
    } else {
        (void)snprintf(out, TIME_TEXT_LEN, "%lld%c", (long long)big, big_unit);
    }
}

/* The borders are kubectl's, so that our tables read like its own. */
void duration_format_short(int64_t ms, char out[TIME_TEXT_LEN])
{
    int64_t s = ms < 0 ? 0 : ms / 1000;
    int64_t m = s / 60;
    int64_t h = m / 60;
    int64_t d = h / 24;
    if (s < 120) {
        two_parts(out, s, 's', 0, 0);
    } else if (m < 10) {
        two_parts(out, m, 'm', s % 60, 's');
    } else if (m < 180) {
        two_parts(out, m, 'm', 0, 0);
    } else if (h < 8) {
        two_parts(out, h, 'h', m % 60, 'm');
    } else if (h < 48) {
        two_parts(out, h, 'h', 0, 0);
    } else if (d < 8) {
        two_parts(out, d, 'd', h % 24, 'h');
    } else if (d < 730) {
        two_parts(out, d, 'd', 0, 0);
    } else if (d < 2920) {
        two_parts(out, d / 365, 'y', d % 365, 'd');
    } else {
        two_parts(out, d / 365, 'y', 0, 0);
    }
}

int64_t backoff_ms(int64_t first_ms, int64_t most_ms, int32_t nth)
{
    int64_t wait_ms = first_ms;
    for (int32_t i = 1; i < nth && wait_ms < most_ms; i++) {
        wait_ms *= 2;
    }
    return wait_ms < most_ms ? wait_ms : most_ms;
}

int64_t jitter_ms(int64_t base_ms)
{
    if (base_ms <= 0) {
        return 0;
    }
    uint32_t r = 0;
    random_bytes(&r, sizeof r);
    return base_ms / 2 + (int64_t)((double)base_ms * ((double)r / 4294967296.0));
}
