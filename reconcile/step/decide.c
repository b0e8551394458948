/* SPDX-License-Identifier: Apache-2.0 */
/* One decision: an ordered list of small parts, and the plumbing that they share. */
#include "reconcile/step/inside.h"

#include "reconcile/base/clock.h"

#define BACKOFF_MAX_MS (5 * 60 * 1000)

static const char *const effect_texts[EFFECT_MAX_] = {
    "None",         "Refresh",   "Fetch",         "Inspect",          "CreateJob",
    "DeleteJob",    "CancelJob", "RecordFailure", "RecordResolution", "MeasureGate",
    "DeleteStrays", "Forget",
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
    *decision = (struct decision){ 0 };
}

/* ---- what the parts share ---------------------------------------------------------------------- */

static bool takes_many(enum effect effect)
{
    return effect == EFFECT_INSPECT || effect == EFFECT_CREATE_JOB || effect == EFFECT_DELETE_JOB ||
           effect == EFFECT_CANCEL_JOB || effect == EFFECT_MEASURE_GATE;
}

void step_want(struct step *s, enum effect effect, size_t index)
{
    struct decision *out = s->out;
    if (out->effect != EFFECT_NONE && (out->effect != effect || !takes_many(effect))) {
        s->again = true; /* once the first one is under way */
        return;
    }
    if (out->effect == EFFECT_NONE) {
        out->effect = effect;
        out->databases = mem_array(s->plan->database_count, sizeof *out->databases);
    }
    if (index < s->plan->database_count) {
        out->databases[out->count++] = index;
    }
}

void step_wake(struct step *s, int64_t after_ms)
{
    int64_t at_least = after_ms > 0 ? after_ms : 0;
    if (s->wake_ms < 0 || at_least < s->wake_ms) {
        s->wake_ms = at_least;
    }
}

void step_say(struct step *s, enum say say, const char *reason, char *message)
{
    free(s->message);
    s->say = say;
    s->reason = reason;
    s->message = message;
}

void step_event(struct step *s, bool warning, const char *reason, char *message)
{
    struct decision *out = s->out;
    size_t cap = out->event_count;
    out->events = mem_grow(out->events, &cap, out->event_count + 1, sizeof *out->events);
    out->events[out->event_count++] =
        (struct event){ .warning = warning, .reason = reason, .message = message };
}

static bool for_conditions(enum reason_class class)
{
    return class >= REASON_CLASS_RETRY && class <= REASON_CLASS_STICKY;
}

const char *step_reason(const char *reason, const char *otherwise)
{
    const struct reason *found = reason_find(reason);
    return found && for_conditions(found->class) ? found->name : otherwise;
}

enum reason_class step_class_of(const char *reason)
{
    const struct reason *found = reason_find(step_reason(reason, REASON_SOURCE_UNAVAILABLE));
    return found->class;
}

bool step_may_delete(const struct job_view *job)
{
    return job->phase == JOB_WAITING && !job->cancelling;
}

int64_t step_backoff_ms(const struct mplan *plan, int32_t tries)
{
    int64_t most =
        plan->retry_interval_ms > BACKOFF_MAX_MS ? plan->retry_interval_ms : BACKOFF_MAX_MS;
    int64_t wait = plan->retry_interval_ms;
    for (int32_t i = 1; i < tries && wait < most; i++) {
        wait *= 2;
    }
    return wait < most ? wait : most;
}

const char *step_annotation(const struct mplan *plan, const char *key)
{
    const char *value = kvlist_get(&plan->annotations, key);
    return value && value[0] ? value : NULL;
}

bool step_ready_before(const struct step *s)
{
    return s->old->conditions[CONDITION_READY].status == CONDITION_TRUE && s->spec_same;
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

/* ---- waves and memory of databases ------------------------------------------------------------- */

const struct database_status *step_before(const struct step *s, size_t index)
{
    const char *name = s->plan->databases[index].name;
    if (index < s->old->database_count && str_eq(s->old->databases[index].name, name)) {
        return &s->old->databases[index]; /* the usual case: the list did not change */
    }
    return status_database(s->old, name);
}

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

/* Newcomers and stragglers; whoever else turns up with files waits for their end (begin.c). */
static void catch_up_waves(struct step *s)
{
    s->waves.count = 0;
    s->waves.items[s->waves.count++] = (struct rollout_wave){ .name = "rest" };
    s->waves.items[s->waves.count++] = (struct rollout_wave){ .name = "later" };
    s->next->rollout.wave_index = 0;
    for (size_t i = 0; i < s->waves.database_count; i++) {
        s->waves.member[i] = s->next->databases[i].member == 0 ? 0 : 1;
    }
}

/* The last wave. Members frozen behind it are in one more: the spec has lost databases since. */
static int32_t last_wave(const struct step *s)
{
    int32_t last = (int32_t)s->waves.count - 1;
    for (size_t i = 0; i < s->next->database_count; i++) {
        if (s->next->databases[i].member > last) {
            return last + 1;
        }
    }
    return last;
}

/* Membership is frozen while a roll-out is on; who came later belongs to the last wave. */
static void apply_frozen_members(struct step *s)
{
    struct rollout_waves *waves = &s->waves;
    int32_t last = last_wave(s);
    if ((int32_t)waves->count <= last) {
        waves->items[waves->count++] = (struct rollout_wave){ .name = "rest" };
    }
    for (size_t i = 0; i < waves->database_count; i++) {
        int32_t member = s->next->databases[i].member;
        waves->member[i] = member < 0 || member > last ? last : member;
    }
    int32_t *at = &s->next->rollout.wave_index;
    *at = *at > last ? last : *at;
}

/* Only when something needs them: a fleet's order is a thousand digests. */
void step_waves(struct step *s)
{
    const struct rollout_status *rollout = &s->next->rollout;
    bool frozen = rollout->present && rollout->digest[0];
    if (s->waves.member) {
        return;
    }
    rollout_waves_make(s->plan, NULL, &s->waves);
    if (frozen && s->waves.count > 0 && !rollout->catch_up) {
        int32_t most = (int32_t)s->plan->database_count; /* a status may come from anybody */
        rollout_waves_lead(&s->waves, rollout->lead < most ? rollout->lead : most);
    }
    if (frozen && rollout->catch_up) {
        catch_up_waves(s);
    } else if (frozen && s->waves.count > 0) {
        apply_frozen_members(s);
    }
    for (size_t i = 0; i < s->plan->database_count; i++) {
        s->judged[i].member = s->waves.member[i];
    }
}

const char *step_restarted(const struct step *s)
{
    const struct rollout_status *rollout = &s->next->rollout;
    return rollout->wave_index <= rollout->lead ? rollout->restarted : NULL;
}

void step_soak_from_now(struct step *s, size_t index)
{
    const struct database_view *view = &s->seen->databases[index];
    int64_t now = step_whole_second(view->now_ms + view->age_ms);
    int64_t *since = &s->next->rollout.soak_since_ms;
    *since = now > *since ? now : *since;
}

/* The spec's later waves have their soak and gates, though all of their databases went first. */
bool step_in_wave(const struct step *s, size_t index, int32_t wave)
{
    return s->judged[index].member == wave || s->next->databases[index].own == wave;
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
        decide_suspended(s);
        return;
    }
    bool stopping = source_decide(s);
    rollout_decide(s, stopping);
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
}

static bool in_background(enum effect effect)
{
    return effect == EFFECT_REFRESH || effect == EFFECT_FETCH || effect == EFFECT_INSPECT ||
           effect == EFFECT_MEASURE_GATE;
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
}

const char *step_commit(const struct observed *seen)
{
    const struct rollout_status *rollout = &seen->status->rollout;
    return rollout->present ? rollout->commit : seen->source.newest.commit;
}
