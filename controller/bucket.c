/* SPDX-License-Identifier: Apache-2.0 */
/* Counting requests. */
#include "controller/bucket.h"

#include <stdio.h>

#include "base/str.h"

static bool bucket_take(struct bucket *b, double burst, double per_second, int64_t now_ms)
{
    if (b->at_ms == 0) {
        b->tokens = burst;
    } else if (now_ms > b->at_ms) {
        b->tokens += (double)(now_ms - b->at_ms) * per_second / 1000;
        b->tokens = b->tokens > burst ? burst : b->tokens;
    }
    b->at_ms = now_ms;
    if (b->tokens < 1) {
        return false;
    }
    b->tokens -= 1;
    return true;
}

static struct bucket *bucket_of(struct buckets *buckets, const char *name)
{
    struct bucket_name *oldest = &buckets->names[0];

    for (int i = 0; i < BUCKET_NAMES; i++) {
        struct bucket_name *n = &buckets->names[i];
        if (str_eq(n->name, name)) {
            return &n->bucket;
        }
        if (n->bucket.at_ms < oldest->bucket.at_ms) {
            oldest = n;
        }
    }
    *oldest = (struct bucket_name){ 0 };
    snprintf(oldest->name, sizeof oldest->name, "%s", name);
    return &oldest->bucket;
}

bool buckets_take(struct buckets *buckets, const struct bucket_rate *rate, const char *name,
                  int64_t now_mono_ms)
{
    return bucket_take(bucket_of(buckets, name), rate->burst, rate->per_second, now_mono_ms) &&
           (rate->all_burst <= 0 ||
            bucket_take(&buckets->all, rate->all_burst, rate->all_per_second, now_mono_ms));
}
