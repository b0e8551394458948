/* SPDX-License-Identifier: Apache-2.0 */
/* The invariants of a decision, for the walk, the simulation and every rule. */
#include "model/reason.h"
#include "reconcile/rollout/window.h"
#include "step_world.h"

static bool is(const struct status *s, enum condition_type type, enum condition_status value)
{
    return s->conditions[type].status == value;
}

static const char *check_shape(const struct status *s, int64_t generation)
{
    static const enum condition_type only_true[] = { CONDITION_RECONCILING, CONDITION_STALLED,
                                                     CONDITION_WAITING, CONDITION_FINISHED };
    for (int type = 0; type < CONDITION_TYPE_MAX_; type++) {
        const struct condition *c = &s->conditions[type];
        if (c->status == CONDITION_ABSENT) {
            continue;
        }
        const struct reason *reason = reason_find(c->reason);
        if (!reason || reason->class == REASON_CLASS_EVENT ||
            reason->class == REASON_CLASS_COMMAND) {
            return "a condition has a reason that is not in the table";
        }
        if (!c->message) {
            return "a condition has no message";
        }
        if (is(s, CONDITION_READY, CONDITION_TRUE) && c->generation != generation) {
            return "Ready=True with a condition of another generation";
        }
    }
    for (size_t i = 0; i < sizeof only_true / sizeof *only_true; i++) {
        if (is(s, only_true[i], CONDITION_FALSE) || is(s, only_true[i], CONDITION_UNKNOWN)) {
            return "a condition that is present only when True is not True";
        }
    }
    return NULL;
}

static const char *check_kstatus(const struct status *s, int64_t generation)
{
    bool reconciling = is(s, CONDITION_RECONCILING, CONDITION_TRUE);
    bool stalled = is(s, CONDITION_STALLED, CONDITION_TRUE);
    if (is(s, CONDITION_READY, CONDITION_ABSENT)) {
        return "Ready is absent";
    }
    if (reconciling && stalled) {
        return "Reconciling and Stalled at once";
    }
    if ((reconciling || stalled) && is(s, CONDITION_READY, CONDITION_TRUE)) {
        return "Ready=True beside Reconciling or Stalled";
    }
    if (is(s, CONDITION_READY, CONDITION_UNKNOWN) && !reconciling) {
        return "Ready=Unknown without Reconciling";
    }
    if (is(s, CONDITION_READY, CONDITION_FALSE) && !reconciling && !stalled) {
        return "Ready=False with neither Reconciling nor Stalled";
    }
    if (s->observed_generation != generation) {
        return "observedGeneration is not the plan's";
    }
    return NULL;
}

static const char *check_ready(const struct observed *seen, const struct decision *d)
{
    if (!is(&d->status, CONDITION_READY, CONDITION_TRUE) || seen->plan->suspend) {
        return NULL;
    }
    for (size_t i = 0; i < seen->plan->database_count; i++) {
        const struct database_view *view = &seen->databases[i];
        if (view->inspection == INSPECTION_FAILED &&
            view->failure.count >= STEP_FAILED_INSPECTIONS) {
            return "Ready=True after three failed inspections";
        }
        if (view->known && view->plan_error) {
            return "Ready=True though a database is refused";
        }
        if (view->known && view->plan && view->plan->action_count > 0) {
            return "Ready=True though a database has pending files";
        }
        if (view->known && view->plan && view->owner != OWNER_MINE) {
            return "Ready=True though a database is not ours";
        }
    }
    return d->status.rollout.present ? "Ready=True while a roll-out is on" : NULL;
}

static const char *check_job(const struct observed *seen, const struct decision *d, size_t at)
{
    const struct rollout_status *rollout = &d->status.rollout;
    const struct database_view *view = &seen->databases[d->databases[at]];
    if (seen->plan->deleting || seen->plan->suspend || seen->spec_error) {
        return "a Job while deleting, suspended or invalid";
    }
    if (is(&d->status, CONDITION_STALLED, CONDITION_TRUE)) {
        return "a Job while Stalled";
    }
    if (view->job.phase == JOB_WAITING || view->job.phase == JOB_RUNNING) {
        return "a second live Job for a database";
    }
    if (view->inspection != INSPECTION_OK || !view->after_job) {
        return "a new attempt without an inspection after the last one";
    }
    if (d->jobs[at].attempt <= view->job.attempt || d->jobs[at].attempt <= view->epoch) {
        return "an attempt that is not greater than what was before";
    }
    if (!rollout->present || !rollout->digest[0] || strcmp(rollout->commit, d->commit) != 0) {
        return "a Job without a frozen roll-out of its commit";
    }
    const struct new_job *job = &d->jobs[at];
    const bool empty = rollout->catch_up && d->status.databases[d->databases[at]].empty;
    if (!window_state(seen->plan, seen->now_ms).open && !empty && !job->first_only) {
        return "a Job while no window is open";
    }
    if (job->first_only && (!view->plan || view->plan->action_count == 0)) {
        return "a Job for an interrupted file that there is not";
    }
    int32_t member = d->status.databases[d->databases[at]].member;
    if (member <= LIMIT_WAVES && member > rollout->wave_index) {
        return "a Job in a later wave";
    }
    if (!d->write_first && seen->status_dirty) {
        return "a Job before its roll-out is stored";
    }
    return NULL;
}

static const char *check_jobs(const struct observed *seen, const struct decision *d)
{
    const char *trouble = NULL;
    size_t live = 0;
    for (size_t i = 0; i < seen->plan->database_count; i++) {
        enum job_phase phase = seen->databases[i].job.phase;
        live += phase == JOB_WAITING || phase == JOB_RUNNING;
    }
    if (live + d->count > (size_t)seen->plan->max_parallel) {
        return "more Jobs than maxParallel";
    }
    for (size_t at = 0; at < d->count && !trouble; at++) {
        trouble = check_job(seen, d, at);
        for (size_t other = 0; other < at && !trouble; other++) {
            trouble = d->databases[other] == d->databases[at] ? "two Jobs for one database" : NULL;
        }
    }
    return trouble;
}

static const char *check_wake(const struct observed *seen, const struct decision *d)
{
    bool stalled = is(&d->status, CONDITION_STALLED, CONDITION_TRUE);
    bool ready = is(&d->status, CONDITION_READY, CONDITION_TRUE);
    if (stalled && !seen->plan->deleting && d->effect == EFFECT_NONE && d->requeue_after_ms >= 0) {
        return "Stalled requeues itself";
    }
    if (seen->plan->deleting) {
        return d->effect == EFFECT_FORGET || d->requeue_after_ms >= 0
                   ? NULL
                   : "a deletion that nothing wakes";
    }
    if (!stalled && !ready && !seen->plan->suspend && d->requeue_after_ms < 0) {
        return "a wait that nothing wakes";
    }
    return NULL;
}

/* Only what no file is left for, whose owner is gone, and on which nobody works. */
static const char *check_take_overs(const struct observed *seen, const struct decision *d)
{
    for (size_t at = 0; at < d->count; at++) {
        const struct database_view *view = &seen->databases[d->databases[at]];
        if (view->owner != OWNER_GONE || view->busy || !view->after_job || !view->plan ||
            view->plan->action_count > 0 || view->job.phase == JOB_WAITING ||
            view->job.phase == JOB_RUNNING) {
            return "a database that may not be taken over";
        }
    }
    return seen->plan->suspend ? "a database is taken over while suspended" : NULL;
}

static const char *check_effect(const struct observed *seen, const struct decision *d)
{
    for (size_t i = 0; i < d->count; i++) {
        if (d->databases[i] >= seen->plan->database_count) {
            return "an effect on a database that is not in the plan";
        }
    }
    bool none = d->effect == EFFECT_NONE || d->effect == EFFECT_REFRESH ||
                d->effect == EFFECT_FETCH || d->effect == EFFECT_DELETE_STRAYS ||
                d->effect == EFFECT_FORGET;
    if (none != (d->count == 0)) {
        return "an effect with the wrong number of databases";
    }
    if (d->effect == EFFECT_FETCH && !d->commit[0]) {
        return "a fetch of no commit";
    }
    if (d->effect == EFFECT_MEASURE_GATE && (!d->gate || !d->wave || d->round < 1)) {
        return "a measurement of no gate";
    }
    if (seen->plan->suspend && (d->effect == EFFECT_FETCH || d->effect == EFFECT_REFRESH ||
                                d->effect == EFFECT_MEASURE_GATE)) {
        return "something is fetched while suspended";
    }
    for (size_t i = 0; i < d->event_count; i++) {
        if (!reason_find(d->events[i].reason) || !d->events[i].message) {
            return "an event without reason or message";
        }
    }
    return d->effect == EFFECT_CREATE_JOB  ? check_jobs(seen, d)
           : d->effect == EFFECT_TAKE_OVER ? check_take_overs(seen, d)
                                           : NULL;
}

const char *check_decision(const struct observed *seen, const struct decision *d)
{
    const char *trouble = check_effect(seen, d);
    trouble = trouble ? trouble : check_wake(seen, d);
    if (trouble || seen->plan->deleting) {
        return trouble;
    }
    trouble = check_shape(&d->status, seen->plan->generation);
    trouble = trouble ? trouble : check_kstatus(&d->status, seen->plan->generation);
    return trouble || seen->spec_error ? trouble : check_ready(seen, d);
}
