/* SPDX-License-Identifier: Apache-2.0 */
/* Token buckets: so many requests at once, so many a second, per name (an address, a plan) and in all. One
 * thread. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define BUCKET_NAMES 256 /* names remembered; the least recent one is forgotten */

struct bucket_rate {
    double burst, per_second;
    double all_burst, all_per_second; /* of all names together; 0: no limit */
};

struct bucket {
    double tokens;
    int64_t at_ms; /* 0: full */
};

struct buckets {
    struct bucket all;
    struct bucket_name {
        char name[320];
        struct bucket bucket;
    } names[BUCKET_NAMES];
};

/* May one more request of `name` pass now? */
bool buckets_take(struct buckets *buckets, const struct bucket_rate *rate, const char *name,
                  int64_t now_mono_ms);
