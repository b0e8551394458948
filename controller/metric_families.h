/* SPDX-License-Identifier: Apache-2.0 */
/* The table of metrics: what each is called, what it says. */
#pragma once
#include <stddef.h>
#include "controller/metrics.h"

#define METRIC_BUCKETS 16 /* of a histogram, at most */

struct metric_family {
    const char *name; /* counters: without _total */
    enum metric_type {
        METRIC_COUNTER,
        METRIC_GAUGE,
        METRIC_HISTOGRAM
    } type;
    const char *help;
    const double *buckets;
    size_t bucket_count;
};

extern const struct metric_family metric_families[METRIC_MAX_];
