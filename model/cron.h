/* SPDX-License-Identifier: Apache-2.0 */
/* A schedule of five fields (minute hour day month weekday), as the CronJobs of Kubernetes read it: `*`, lists,
 * ranges, steps, names of months and weekdays; Sunday is 0 or 7. When both day and weekday are restricted, one of them
 * is enough. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define CRON_TEXT_MAX 256 /* bytes */

struct cron {
    uint64_t minutes; /* bit n: value n */
    uint32_t hours, days, months, weekdays;
    bool any_day, any_weekday; /* the field is `*` */
};

/* NULL, or what is wrong with it (static): among it that no date of the calendar fits. */
const char *cron_parse(const char *text, struct cron *out);
/* month 1 to 12, day 1 to 31, weekday 0 to 6 */
bool cron_has_day(const struct cron *cron, int month, int day, int weekday);
