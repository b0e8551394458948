/* SPDX-License-Identifier: Apache-2.0 */
/* The proleptic Gregorian calendar: days since 1970-01-01 and their dates. No clock, no time zone. */
#pragma once
#include <stdint.h>

struct date {
    int64_t year;
    int month, day; /* 1 to 12, 1 to 31 */
    int weekday;    /* 0 is Sunday; day_of_date() does not read it */
};

/* Rounds down, below zero, too; b > 0. */
static inline int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int64_t day_of_date(int64_t year, int month, int day);
struct date date_of_day(int64_t day);
int days_in_month(int64_t year, int month);
