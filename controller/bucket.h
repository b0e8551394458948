/* SPDX-License-Identifier: Apache-2.0 */
/* Token buckets: so many requests at once, so many a second, per address and in all. One thread. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define BUCKET_PEERS 256 /* addresses remembered; the least recent one is forgotten */

struct bucket {
    double tokens;
    int64_t at_ms; /* 0: full */
};

struct buckets {
    struct bucket all;
    struct bucket_peer {
        char peer[64];
        struct bucket bucket;
    } peers[BUCKET_PEERS];
};

/* May one more request of `peer` pass now? */
bool buckets_take(struct buckets *buckets, const char *peer, int64_t now_mono_ms);
