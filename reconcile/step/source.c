/* SPDX-License-Identifier: Apache-2.0 */
/* Commits: what to fetch, and what a missing source means. */
#include "reconcile/step/internal.h"

/* ---- fetching ---------------------------------------------------------------------------------- */

static void want_fetch(struct step *s, const struct commit_view *view, const char *commit)
{
    if (view->fetch == FETCH_RUNNING || view->fetch == FETCH_DONE || commit[0] == '\0') {
        return;
    }
    if (view->fetch == FETCH_FAILED) {
        const struct failure *failure = &view->fetch_failure;
        if (step_class_of(failure->reason) != REASON_CLASS_RETRY) {
            return; /* the commit itself is at fault */
        }
        int64_t wait = step_backoff_ms(s->plan, failure->count) - failure->age_ms;
        if (wait > 0) {
            step_wake(s, wait);
            return;
        }
    }
    if (s->out->effect == EFFECT_NONE) {
        (void)snprintf(s->out->commit, sizeof s->out->commit, "%s", commit);
    }
    step_want(s, EFFECT_FETCH, SIZE_MAX);
}

/* Is something that we want from git not to be had? */
static bool missing(const struct step *s)
{
    return s->commit->fetch == FETCH_FAILED || s->seen->source.newest.fetch == FETCH_FAILED ||
           s->seen->source.poll.reason;
}

/* ---- the order --------------------------------------------------------------------------------- */

static void count_missing(struct step *s)
{
    bool out = missing(s) || step_no_databases(s);
    int64_t *outage_ms = &s->next->outage_ms;
    *outage_ms = !out ? 0 : *outage_ms + (*outage_ms == 0 ? 1 : s->delta_ms);
}

static void note_attempt(struct step *s)
{
    const struct commit_view *commit = s->commit;
    if (commit->fetch != FETCH_DONE || str_eq(commit->commit, s->next->last_attempted_commit)) {
        return;
    }
    if (commit->tag_moved) {
        step_event(s, true, REASON_TAG_MOVED,
                   mem_printf("the tag named %.12s and now names %.12s",
                              s->next->last_attempted_commit, commit->commit));
    }
    if (commit->rewrite == REWRITE_HARMLESS) {
        step_event(s, true, REASON_HISTORY_REWRITTEN,
                   mem_printf("%.12s does not descend from %.12s, but the applied files are the "
                              "same",
                              commit->commit, s->next->last_applied_commit));
    }
    (void)snprintf(s->next->last_attempted_commit, sizeof s->next->last_attempted_commit, "%s",
                   commit->commit);
    mem_strset(&s->next->last_attempted_revision, commit->revision);
}

bool source_decide(struct step *s)
{
    const struct commit_view *newest = &s->seen->source.newest;
    count_missing(s);
    want_fetch(s, s->commit, step_commit(s->seen));
    if (s->commit != newest) {
        want_fetch(s, newest, newest->commit);
    }
    bool stopping = begin_check(s);
    if (!stopping) {
        note_attempt(s);
    }
    return stopping;
}

const char *step_commit(const struct observed *seen)
{
    const struct rollout_status *rollout = &seen->status->rollout;
    return rollout->present ? rollout->commit : seen->source.newest.commit;
}
