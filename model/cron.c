/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a schedule: every field becomes a set of bits. */
#include "model/cron.h"

#include <string.h>
#include <strings.h>

#define FIELDS "is not a schedule: write five fields: minute hour day month weekday"

struct field {
    int min, max;
    const char *const *names; // of the values from min on; NULL: none
};

static const char *const month_names[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul",
                                           "aug", "sep", "oct", "nov", "dec", NULL };
static const char *const weekday_names[] = {
    "sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL
};
static const struct field fields[] = { { 0, 59, NULL },
                                       { 0, 23, NULL },
                                       { 1, 31, NULL },
                                       { 1, 12, month_names },
                                       { 0, 7, weekday_names } };

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Moves *at behind the value; false: there is none.
static bool read_value(const char **at, const struct field *field, int *out)
{
    if (field->names && is_letter(**at)) {
        for (int i = 0; field->names[i]; i++) {
            if (strncasecmp(*at, field->names[i], 3) == 0 && !is_letter((*at)[3])) {
                *at += 3;
                *out = field->min + i;
                return true;
            }
        }
        return false;
    }
    int value = 0;
    const char *start = *at;
    for (; **at >= '0' && **at <= '9' && *at < start + 2; (*at)++) {
        value = value * 10 + (**at - '0');
    }
    *out = value;
    return *at > start && !(**at >= '0' && **at <= '9');
}

// value | value-value | * , each with /step. A value with a step goes on to the end of the field.
static bool read_item(const char **at, const struct field *field, uint64_t *bits, bool *any)
{
    int from = field->min, to = field->max == 7 ? 6 : field->max, step = 1; // 7 is Sunday once more
    const bool star = **at == '*';
    *at += star;
    if (!star) {
        if (!read_value(at, field, &from)) {
            return false;
        }
        const bool range = **at == '-';
        *at += range;
        if (range && !read_value(at, field, &to)) {
            return false;
        }
        to = range || **at == '/' ? to : from;
    }
    if (**at == '/') {
        (*at)++;
        if (!read_value(at, &(struct field){ 1, 99, NULL }, &step) || step == 0) {
            return false;
        }
    }
    if (from < field->min || to > field->max || from > to) {
        return false;
    }
    *any = *any || (star && step == 1);
    for (int value = from; value <= to; value += step) {
        *bits |= UINT64_C(1) << value;
    }
    return true;
}

static bool read_field(const char **at, const struct field *field, uint64_t *bits, bool *any)
{
    *at += strspn(*at, " \t");
    while (read_item(at, field, bits, any)) {
        if (**at != ',') {
            return **at == '\0' || **at == ' ' || **at == '\t';
        }
        (*at)++;
    }
    return false;
}

// In a year that has a 29 February.
static bool has_any_date(const struct cron *cron)
{
    static const int lengths[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    for (int month = 1; month <= 12; month++) {
        for (int day = 1; day <= lengths[month - 1]; day++) {
            for (int weekday = 0; weekday < 7; weekday++) {
                if (cron_has_day(cron, month, day, weekday)) {
                    return true;
                }
            }
        }
    }
    return false;
}

const char *cron_parse(const char *text, struct cron *out)
{
    uint64_t bits[5] = { 0 };
    bool any[5] = { false };
    for (int i = 0; i < 5; i++) {
        if (!read_field(&text, &fields[i], &bits[i], &any[i])) {
            return FIELDS;
        }
    }
    text += strspn(text, " \t");
    if (*text != '\0') {
        return FIELDS;
    }
    *out = (struct cron){ .minutes = bits[0],
                          .hours = (uint32_t)bits[1],
                          .days = (uint32_t)bits[2],
                          .months = (uint32_t)bits[3],
                          .weekdays = (uint32_t)((bits[4] | bits[4] >> 7) & 0x7f),
                          .any_day = any[2],
                          .any_weekday = any[4] };
    return has_any_date(out)
               ? NULL
               : "never comes: no date of the calendar has this day, month and weekday";
}

bool cron_has_day(const struct cron *cron, int month, int day, int weekday)
{
    const bool by_day = (cron->days >> day) & 1, by_weekday = (cron->weekdays >> weekday) & 1;
    if (!((cron->months >> month) & 1)) {
        return false;
    }
    return cron->any_day || cron->any_weekday ? by_day && by_weekday : by_day || by_weekday;
}
