/* SPDX-License-Identifier: Apache-2.0 */
/* Days from dates and back: the calendar repeats after 400 years, which are 146,097 days. A year begins in March
 * here, so that the leap day is its last one. */
#include "base/calendar.h"
#include <stdbool.h>

#define TO_EPOCH 719468 // days from 0000-03-01 to 1970-01-01

int64_t day_of_date(int64_t year, int month, int day)
{
    year -= month <= 2;
    const int64_t era = floor_div(year, 400);
    const int64_t of_era = year - era * 400;
    const int64_t of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - TO_EPOCH;
}

struct date date_of_day(int64_t day)
{
    const int64_t shifted = day + TO_EPOCH;
    const int64_t era = floor_div(shifted, 146097);
    const int64_t of_era = shifted - era * 146097;
    const int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    const int64_t month = (5 * of_year + 2) / 153;
    const int64_t weekday = (day % 7 + 7 + 4) % 7; // 1970-01-01 was a Thursday
    struct date out = { .month = (int)(month < 10 ? month + 3 : month - 9),
                        .day = (int)(of_year - (153 * month + 2) / 5 + 1),
                        .weekday = (int)weekday };
    out.year = year + era * 400 + (out.month <= 2);
    return out;
}

int days_in_month(int64_t year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (leap && month == 2);
}
