/* SPDX-License-Identifier: Apache-2.0 */
/* Commits: what to fetch, what a missing source means, when a newer commit takes over. */
#include "reconcile/step/inside.h"

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

/* ---- what is on does not fit any more ---------------------------------------------------------- */

enum fit {
    FIT_SAME,
    FIT_CHANGED,
    FIT_UNKNOWN
};

/* Against what every database was frozen with; newcomers have no say. */
static enum fit inputs_fit(const struct step *s, bool newest)
{
    for (size_t i = 0; i < s->plan->database_count; i++) {
        const struct database_view *view = &s->seen->databases[i];
        const struct database_status *database = &s->next->databases[i];
        const char *inputs = newest ? view->newest_inputs : view->inputs;
        if (database->member < 0) {
            continue;
        }
        if (inputs[0] == '\0') {
            return FIT_UNKNOWN;
        }
        if (!str_eq(inputs, database->tree)) {
            return FIT_CHANGED;
        }
    }
    return FIT_SAME;
}

static void set_commit(struct rollout_status *rollout, const struct commit_view *commit)
{
    (void)snprintf(rollout->commit, sizeof rollout->commit, "%s", commit->commit);
    free(rollout->revision);
    rollout->revision = mem_strdup(commit->revision);
}

static bool spec_fits(const struct step *s)
{
    char strategy[ROLLOUT_HASH_LEN + 1];
    rollout_strategy_hash(s->plan, strategy);
    return str_eq(strategy, s->next->rollout.strategy) && inputs_fit(s, false) != FIT_CHANGED;
}

/* Its commit is gone from the repository, or was never whole. */
static bool commit_lost(const struct step *s)
{
    const char *reason = s->commit->fetch_failure.reason;
    return s->commit->fetch == FETCH_FAILED && (step_class_of(reason) != REASON_CLASS_RETRY ||
                                                str_eq(reason, REASON_REVISION_NOT_FOUND));
}

static void queue_commit(struct step *s, const char *commit)
{
    (void)snprintf(s->next->queued_commit, sizeof s->next->queued_commit, "%s", commit);
}

/* Must the roll-out that is on give way to the newest commit (or to the new spec)? */
static bool gives_way(struct step *s)
{
    struct rollout_status *rollout = &s->next->rollout;
    const struct commit_view *newest = &s->seen->source.newest;
    bool failed = rollout->phase == PHASE_FAILED;
    if (!spec_fits(s)) {
        return true;
    }
    if (s->commit == newest || newest->commit[0] == '\0') {
        return false;
    }
    if (newest->fetch == FETCH_DONE && newest->rewrite != REWRITE_CHANGED) {
        enum fit fit = inputs_fit(s, true);
        if (fit == FIT_SAME) { /* no migration tree changed: the roll-out is this commit's too */
            set_commit(rollout, newest);
            s->again = true;
            return false;
        }
        if (fit == FIT_CHANGED &&
            (rollout_may_supersede(rollout->supersessions, failed) || commit_lost(s))) {
            return true;
        }
        queue_commit(s, newest->commit);
    }
    return false;
}

/* Nothing runs, and what ran has been looked at. */
static bool at_rest(struct step *s)
{
    bool rest = true;
    for (size_t i = 0; i < s->plan->database_count; i++) {
        if (step_may_delete(&s->seen->databases[i].job)) {
            step_want(s, EFFECT_DELETE_JOB, i);
        }
        rest = rest && !judged_live(&s->judged[i]) && s->judged[i].kind != J_STALE;
    }
    return rest && s->out->effect != EFFECT_RECORD_FAILURE;
}

/* The next roll-out, not frozen yet: it is when every database has been compared with its tree. */
static void begin_anew(struct step *s)
{
    struct rollout_status *rollout = &s->next->rollout;
    const struct commit_view *newest = &s->seen->source.newest;
    bool failed = rollout->phase == PHASE_FAILED;
    bool other = newest->commit[0] && !str_eq(newest->commit, rollout->commit);
    int32_t supersessions =
        other ? rollout_supersede(rollout->supersessions, failed, rollout->wave_index)
              : rollout->supersessions;
    if (newest->commit[0]) {
        set_commit(rollout, newest);
    }
    rollout->digest[0] = '\0';
    rollout->started_ms = s->seen->now_ms - s->seen->now_ms % 1000;
    rollout->wave_index = 0;
    free(rollout->wave);
    rollout->wave = NULL;
    rollout->phase = PHASE_APPLYING;
    rollout->supersessions = supersessions;
    rollout->elapsed_ms = 0;
    rollout->soak_since_ms = 0;
    rollout->catch_up = false;
    for (size_t i = 0; i < s->next->database_count; i++) {
        s->next->databases[i].member = -1;
    }
    gates_reset(s);
    s->again = true;
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
    free(s->next->last_attempted_revision);
    s->next->last_attempted_revision = mem_strdup(commit->revision);
}

bool source_decide(struct step *s)
{
    struct rollout_status *rollout = &s->next->rollout;
    const struct commit_view *newest = &s->seen->source.newest;
    count_missing(s);
    want_fetch(s, s->commit, step_commit(s->seen));
    if (s->commit != newest) {
        want_fetch(s, newest, newest->commit);
    }
    bool stopping = false;
    queue_commit(s, "");
    if (rollout->present && rollout->digest[0]) {
        stopping = gives_way(s);
        if (stopping && at_rest(s)) {
            begin_anew(s);
        }
    } else if (rollout->present && s->commit != newest && newest->fetch == FETCH_DONE) {
        set_commit(rollout, newest); /* nothing was frozen, nothing is lost */
        stopping = s->again = true;
    }
    if (!stopping) {
        note_attempt(s);
    }
    return stopping;
}
