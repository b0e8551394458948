/* SPDX-License-Identifier: Apache-2.0 */
/* Counting requests. */
#include "controller/bucket.h"

#include <stdio.h>

#include "reconcile/base/str.h"

#define PEER_BURST 60
#define PEER_PER_SECOND 20
#define ALL_BURST 600
#define ALL_PER_SECOND 200

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

static struct bucket *peer_bucket(struct buckets *buckets, const char *peer)
{
    struct bucket_peer *oldest = &buckets->peers[0];

    for (int i = 0; i < BUCKET_PEERS; i++) {
        struct bucket_peer *p = &buckets->peers[i];
        if (str_eq(p->peer, peer)) {
            return &p->bucket;
        }
        if (p->bucket.at_ms < oldest->bucket.at_ms) {
            oldest = p;
        }
    }
    *oldest = (struct bucket_peer){ 0 };
    snprintf(oldest->peer, sizeof oldest->peer, "%s", peer);
    return &oldest->bucket;
}

bool buckets_take(struct buckets *buckets, const char *peer, int64_t now_mono_ms)
{
    return bucket_take(peer_bucket(buckets, peer), PEER_BURST, PEER_PER_SECOND, now_mono_ms) &&
           bucket_take(&buckets->all, ALL_BURST, ALL_PER_SECOND, now_mono_ms);
}
