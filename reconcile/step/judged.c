/* SPDX-License-Identifier: Apache-2.0 */
/* What the judgements about single databases amount to. */
#include "reconcile/step/internal.h"

bool judged_pending(const struct judged *judged)
{
    return judged->kind == J_PENDING || judged->kind == J_WAITS || judged->kind == J_BACKOFF;
}

bool judged_live(const struct judged *judged)
{
    return judged->kind == J_LIVE;
}

bool judged_failed(const struct judged *judged)
{
    return judged->kind == J_REFUSED || judged->kind == J_FAILED ||
           (judged->kind == J_UNREACHABLE && judged->timed_out);
}

struct tally step_count(const struct step *s)
{
    struct tally tally = { .live = s->seen->stray_jobs, .first_failed = s->plan->database_count };
    for (size_t i = 0; i < s->plan->database_count; i++) {
        const struct judged *judged = &s->judged[i];
        tally.live += judged_live(judged);
        tally.up_to_date += judged->kind == J_UP_TO_DATE;
        tally.unknown += judged->kind == J_UNKNOWN || judged->kind == J_STALE;
        tally.pending += judged_pending(judged);
        if (judged_failed(judged)) {
            tally.failed++;
            tally.refused += judged->kind == J_REFUSED;
            bool worse = tally.first_failed < s->plan->database_count &&
                         judged->kind > s->judged[tally.first_failed].kind;
            if (tally.first_failed == s->plan->database_count || worse) {
                tally.first_failed = i; /* J_FAILED over J_REFUSED over J_UNREACHABLE */
            }
        }
    }
    return tally;
}
