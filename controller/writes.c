/* SPDX-License-Identifier: Apache-2.0 */
/* A roll-out changes its plan's status in every pass; the API server should not hear of each. */
#include "controller/writes.h"

#include "base/str.h"

/* A change that people and pipelines wait for: does anything go on, and how did it end? The conditions
 * that say how far it is come with the next write. */
static bool urgent(const struct status *stored, const struct status *next)
{
    static const enum condition_type waited_for[] = { CONDITION_READY, CONDITION_RECONCILING,
                                                      CONDITION_STALLED, CONDITION_WAITING,
                                                      CONDITION_FINISHED };

    for (size_t i = 0; i < sizeof waited_for / sizeof *waited_for; i++) {
        const struct condition *a = &stored->conditions[waited_for[i]];
        const struct condition *b = &next->conditions[waited_for[i]];
        if (a->status != b->status || !str_eq(a->reason, b->reason) ||
            a->generation != b->generation) {
            return true;
        }
    }
    return false;
}

/* That all is as it was is no news: a fleet that is idle would write nothing but this. */
static bool only_verified_again(const struct status *stored, const struct status *next)
{
    struct status same = *next; /* borrows */

    same.last_verified_ms = stored->last_verified_ms;
    return next->last_verified_ms - stored->last_verified_ms < VERIFIED_GAP_MS &&
           status_equal(stored, &same);
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t left_of(const struct pending_write *write, int64_t held_mono_ms)
{
    int64_t due_ms = write->now_mono_ms;

    if (write->again) { /* the next pass changes it again; but there may always be a next one */
        due_ms = held_mono_ms + WRITE_GAP_MS;
    } else if (!urgent(write->stored, write->next)) { /* its news may come with greater ones */
        due_ms = later(write->written_mono_ms + WRITE_GAP_MS, held_mono_ms + WRITE_SETTLE_MS);
    }
    return due_ms - write->now_mono_ms;
}

int64_t write_in_ms(const struct pending_write *write, int64_t *held_mono_ms)
{
    if (status_equal(write->stored, write->next) ||
        (!write->first && only_verified_again(write->stored, write->next))) {
        *held_mono_ms = 0;
        return WRITE_NOTHING;
    }
    if (write->first || write->written_mono_ms == 0) {
        *held_mono_ms = 0;
        return 0;
    }
    *held_mono_ms = *held_mono_ms ? *held_mono_ms : write->now_mono_ms;
    int64_t left_ms = left_of(write, *held_mono_ms);
    if (left_ms <= 0) {
        *held_mono_ms = 0;
    }
    return left_ms > 0 ? left_ms : 0;
}
