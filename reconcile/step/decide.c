/* SPDX-License-Identifier: Apache-2.0 */
/* One decision: an ordered list of small parts. */
#include "reconcile/step/internal.h"

static const char *const effect_texts[EFFECT_MAX_] = {
    "None",        "Refresh",      "Fetch",     "Inspect",       "TakeOver",
    "CreateJob",   "DeleteJob",    "CancelJob", "RecordFailure", "RecordResolution",
    "MeasureGate", "DeleteStrays", "Forget",
};

const char *effect_text(enum effect effect)
{
    return effect_texts[effect];
}

void decision_done(struct decision *decision)
{
    free(decision->databases);
    free(decision->jobs);
    status_done(&decision->status);
    for (size_t i = 0; i < decision->event_count; i++) {
        free(decision->events[i].message);
    }
    free(decision->events);
    free(decision->wishes.inspect);
    *decision = (struct decision){ 0 };
}

/* ---- the parts that need no judgement ---------------------------------------------------------- */

/* No statement is open and no Job will start: our tables stay, the platform may drop the plan. */
static void decide_deletion(struct step *s)
{
    const struct observed *seen = s->seen;
    bool live = seen->stray_jobs > 0;
    if (seen->stray_waiting > 0) {
        step_want(s, EFFECT_DELETE_STRAYS, SIZE_MAX);
    }
    for (size_t i = 0; i < s->plan->database_count; i++) {
        const struct job_view *job = &seen->databases[i].job;
        if (job->phase == JOB_WAITING) {
            live = true;
            if (step_may_delete(job)) {
                step_want(s, EFFECT_DELETE_JOB, i);
            }
        } else if (job->phase == JOB_RUNNING) {
            live = true;
            if (s->plan->deletion_policy == DELETION_CANCEL && !job->cancelling) {
                step_want(s, EFFECT_CANCEL_JOB, i);
            }
        }
    }
    bool forced = step_annotation(s->plan, ANNOTATION_FORCE_DELETE) != NULL;
    if (!live || forced || seen->deleting_age_ms >= STEP_DELETE_BOUND_MS) {
        s->out->effect = EFFECT_FORGET;
        s->out->count = 0;
        s->again = false;
        return;
    }
    step_wake(s, STEP_DELETE_BOUND_MS - seen->deleting_age_ms);
}

/* Running Jobs go on with what they were given; what status remembers stays. */
static void decide_invalid(struct step *s)
{
    step_say(s, SAY_STALLED, REASON_INVALID_SPEC, mem_strdup(s->seen->spec_error->message));
    report_conditions(s);
}

/* Nothing starts and nothing is fetched, but a Job that ends is looked at and remembered. */
static void decide_suspended(struct step *s)
{
    for (size_t i = 0; i < s->plan->database_count; i++) {
        if (step_may_delete(&s->seen->databases[i].job)) {
            step_want(s, EFFECT_DELETE_JOB, i);
        }
    }
    s->next->rollout.counting = false;
    report_databases(s);
    report_conditions(s);
}

/* ---- memory of databases ----------------------------------------------------------------------- */

/* One entry per database of the spec, with what was remembered of it. */
static void sync_databases(struct step *s)
{
    size_t count = s->plan->database_count;
    struct database_status *fresh = mem_array(count, sizeof *fresh);
    for (size_t i = 0; i < count; i++) {
        const struct database_status *before = step_before(s, i);
        fresh[i].member = fresh[i].own = fresh[i].foreign = -1;
        if (before) {
            fresh[i] = *before;
        }
        fresh[i].name = mem_strdup(s->plan->databases[i].name);
        fresh[i].version = before ? mem_strdup(before->version) : NULL;
        fresh[i].wave = fresh[i].job = fresh[i].message = NULL;
        fresh[i].attempt = 0;
    }
    for (size_t i = 0; i < s->next->database_count; i++) {
        struct database_status *database = &s->next->databases[i];
        free(database->name);
        free(database->version);
        free(database->wave);
        free(database->job);
        free(database->message);
    }
    free(s->next->databases);
    s->next->databases = fresh;
    s->next->database_count = count;
}

/* ---- the order --------------------------------------------------------------------------------- */

/* Rows of another tool tell of no time that could be trusted: a soak counts from when they were found,
 * also while suspended. */
static void note_by_hand(struct step *s)
{
    for (size_t i = 0; i < s->plan->database_count && s->next->rollout.present; i++) {
        if (s->judged[i].by_hand) {
            step_soak_from_now(s, i);
        }
    }
}

static void decide_plan(struct step *s)
{
    sync_databases(s);
    s->judged = mem_array(s->plan->database_count, sizeof *s->judged);
    if (s->next->rollout.present) {
        begin_note_left(s);
        step_waves(s);
    }
    requests_before(s);
    if (s->seen->stray_waiting > 0) { /* nobody else would, and the next roll-out waits for them */
        step_want(s, EFFECT_DELETE_STRAYS, SIZE_MAX);
    }
    judge_databases(s);
    note_by_hand(s);
    requests_after(s);
    if (s->suspended) {
        window_report(s);
        decide_suspended(s);
        return;
    }
    bool stopping = source_decide(s);
    take_over(s);
    rollout_decide(s, stopping);
    report_notices(s);
    window_report(s);
    report_databases(s);
    report_conditions(s);
}

static void step_begin(struct step *s, const struct observed *seen, struct decision *out)
{
    *out = (struct decision){ .requeue_after_ms = -1 };
    status_copy(seen->status, &out->status);
    *s = (struct step){
        .seen = seen,
        .plan = seen->plan,
        .old = seen->status,
        .next = &out->status,
        .out = out,
        .suspended = seen->plan->suspend,
        .wake_ms = -1,
    };
    int64_t mark = seen->status->mark_mono_ms;
    s->delta_ms = mark > 0 && seen->now_mono_ms > mark ? seen->now_mono_ms - mark : 0;
    out->status.mark_mono_ms = seen->now_mono_ms;
    /* A status without Ready is none, whoever wrote it. */
    s->spec_same = seen->status->conditions[CONDITION_READY].status != CONDITION_ABSENT &&
                   str_eq(seen->status->spec, seen->spec_hash);
    const struct rollout_status *rollout = &seen->status->rollout;
    bool newest = !rollout->present || str_eq(rollout->commit, seen->source.newest.commit);
    s->commit = newest ? &seen->source.newest : &seen->source.rollout;
    step_retry_token(s->plan, seen->status, s->retry_token);
    s->window = window_state(s->plan, seen->now_ms);
}

static bool in_background(enum effect effect)
{
    return effect == EFFECT_REFRESH || effect == EFFECT_FETCH || effect == EFFECT_INSPECT ||
           effect == EFFECT_TAKE_OVER || effect == EFFECT_MEASURE_GATE;
}

/* A Job must not exist before the roll-out that it belongs to is remembered; a request must not be
 * acted on twice. All else may be written late: it follows from what is observed. */
static bool write_first(const struct step *s)
{
    switch (s->out->effect) {
    case EFFECT_CREATE_JOB:
        return s->seen->status_dirty || !status_memory_equal(s->old, s->next);
    case EFFECT_REFRESH:
        return true;
    default:
        return false;
    }
}

static void step_end(struct step *s)
{
    struct decision *out = s->out;
    bool stalled =
        s->next->conditions[CONDITION_STALLED].status == CONDITION_TRUE && !s->plan->deleting;
    bool foreground = out->effect != EFFECT_NONE && !in_background(out->effect);
    if (out->effect == EFFECT_FORGET) {
        out->requeue_after_ms = -1;
    } else if (foreground || (s->again && !(stalled && out->effect == EFFECT_NONE))) {
        out->requeue_after_ms = 0;
    } else {
        out->requeue_after_ms = stalled ? -1 : s->wake_ms;
    }
    out->write_first = write_first(s);
    rollout_waves_done(&s->waves);
    for (size_t i = 0; s->judged && i < s->plan->database_count; i++) {
        free(s->judged[i].message);
    }
    free(s->judged);
    free(s->message);
}

void step_decide(const struct observed *seen, struct decision *out)
{
    struct step s;
    step_begin(&s, seen, out);
    if (s.plan->deleting) {
        decide_deletion(&s);
    } else if (seen->spec_error) {
        decide_invalid(&s);
    } else {
        decide_plan(&s);
    }
    step_end(&s);
    step_wishes(seen, &out->wishes);
}
