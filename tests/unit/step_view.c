/* SPDX-License-Identifier: Apache-2.0 */
/* Observations for the walks, and what must hold for the decision on each. */
#include "step_view.h"

void view_init(struct view *v, size_t databases)
{
    memset(v, 0, sizeof *v);
    status_init(&v->status);
    v->entries[0].name = text("orders");
    v->entries[1].name = text("billing");
    v->plan = (struct mplan){
        .namespace_ = text("shop"),
        .name = text("plan"),
        .uid = text("uid"),
        .generation = 7,
        .databases = v->entries,
        .database_count = databases,
        .strategy = STRATEGY_CANARY,
        .max_parallel = 1,
        .start_timeout_ms = 600000,
        .interval_ms = 300000,
        .retry_interval_ms = 30000,
        .timeout_ms = 3600000,
        .annotations = { .items = v->annotations },
    };
    v->seen = (struct observed){
        .plan = &v->plan,
        .spec_hash = "0123456789abcdef",
        .databases = v->databases,
        .status = &v->status,
        .now_ms = NOW_MS,
        .now_mono_ms = 5000000,
    };
    for (size_t i = 0; i < databases; i++) {
        struct database_view *d = &v->databases[i];
        d->inspection = INSPECTION_OK;
        d->known = d->after_job = true;
        d->owner = OWNER_MINE;
        d->plan = &v->plans[i];
        d->now_ms = NOW_MS;
        d->newest_finished_ms = NOW_MS - 1000;
        d->journal = d->head = 3;
        d->epoch = 4;
        memcpy(d->target, TARGET, sizeof d->target);
        memcpy(d->inputs, "1111222233334444", sizeof d->inputs);
        memcpy(d->newest_inputs, "1111222233334444", sizeof d->inputs);
        v->plans[i].actions = &v->actions[i];
    }
    memcpy(v->seen.source.newest.commit, COMMIT, sizeof COMMIT);
    v->seen.source.newest.revision = "main@sha1:" COMMIT;
    v->seen.source.newest.fetch = FETCH_DONE;
}

void view_done(struct view *v)
{
    status_done(&v->status);
}

void fail_with(struct view *v, size_t i, const char *reason)
{
    v->errors[i] = (struct err){ ERR_TERMINAL, reason, text("V1__x.sql:1: it is so") };
    v->databases[i].plan = NULL;
    v->databases[i].plan_error = &v->errors[i];
}

/* ---- what status remembers --------------------------------------------------------------------- */

void remember(struct view *v, enum memory memory)
{
    struct status *s = &v->status;
    if (memory == NEVER) {
        return;
    }
    s->observed_generation = 7;
    memcpy(s->spec, memory == OTHER_SPEC ? "another spec 123" : v->seen.spec_hash, sizeof s->spec);
    s->mark_mono_ms = v->seen.now_mono_ms - 1000;
    memcpy(s->last_attempted_commit, COMMIT, sizeof COMMIT);
    memcpy(s->last_applied_commit, OLDER, sizeof OLDER);
    size_t count = v->plan.database_count;
    s->databases = calloc(count ? count : 1, sizeof *s->databases);
    s->database_count = count;
    for (size_t i = 0; i < count; i++) {
        size_t other = memory == CATCH_UP ? count - 1 - i : i; /* the spec lists them otherwise */
        s->databases[i].name = strdup(v->entries[other].name);
        s->databases[i].version = strdup(memory == UNFROZEN ? "not a version" : "3");
        memcpy(s->databases[i].target, TARGET, 8);
        memcpy(s->databases[i].tree, "1111222233334444", 17);
        s->databases[i].head = 3;
        s->databases[i].journal = 3;
        s->databases[i].member = memory == CATCH_UP     ? 0
                                 : memory == QUEUE_FULL ? 40
                                 : memory > UNFROZEN    ? (int32_t)i
                                                        : -1;
    }
    bool ready = memory == READY;
    bool stalled = memory == STALLED || memory == FAILED || memory == OTHER_SPEC;
    condition_set(s, CONDITION_READY,
                  ready     ? CONDITION_TRUE
                  : stalled ? CONDITION_FALSE
                            : CONDITION_UNKNOWN,
                  stalled ? REASON_TARGET_CHANGED : REASON_PROGRESSING, "so it was", NOW_MS, 7);
    if (stalled) {
        condition_set(s, CONDITION_STALLED, CONDITION_TRUE, REASON_TARGET_CHANGED, "so it was",
                      NOW_MS, 7);
    } else if (!ready) {
        condition_set(s, CONDITION_RECONCILING, CONDITION_TRUE, REASON_PROGRESSING, "so it was",
                      NOW_MS, 7);
    }
    if (memory < UNFROZEN) {
        return;
    }
    s->rollout.present = true;
    memcpy(s->rollout.commit, COMMIT, sizeof COMMIT);
    rollout_strategy_hash(&v->plan, s->rollout.strategy);
    s->rollout.wave_index = memory == SECOND_WAVE ? 1 : memory == QUEUE_FULL ? 40 : 0;
    s->rollout.phase = memory == FAILED    ? PHASE_FAILED
                       : memory == SOAKING ? PHASE_SOAKING
                                           : PHASE_APPLYING;
    s->rollout.catch_up = memory == CATCH_UP;
    s->rollout.supersessions = memory == QUEUE_FULL ? 2 : 0;
    if (memory == OTHER_STRATEGY) {
        memcpy(s->rollout.strategy, "anotherstrategy.", 17);
    }
    s->rollout.counting = true;
    if (memory != UNFROZEN) {
        memcpy(s->rollout.digest, "sha256:00", 10);
    }
}

/* ---- invariants -------------------------------------------------------------------------------- */

/* A decision that asks to look again at once must have changed something, and the looking ends. */
static const char *check_rest(const struct view *v, struct tally *tally)
{
    struct observed seen = v->seen;
    struct status status;
    const char *trouble = NULL;
    bool again = true;
    for (int round = 0; !trouble && again; round++) {
        struct decision d;
        seen.status = round == 0 ? &v->status : &status;
        step_decide(&seen, &d);
        trouble = check_decision(&seen, &d);
        again = d.effect == EFFECT_NONE && d.requeue_after_ms == 0;
        if (!trouble && again && status_memory_equal(seen.status, &d.status)) {
            trouble = "looks again at once though nothing changed";
        }
        if (!trouble && round > 8) {
            trouble = "never comes to rest";
        }
        if (round > 0) {
            status_done(&status);
        } else {
            tally->effects[d.effect]++;
        }
        status = d.status;
        status_init(&d.status);
        decision_done(&d);
    }
    status_done(&status);
    return trouble;
}

static const char *check_pure(const struct view *v)
{
    struct decision one, two;
    step_decide(&v->seen, &one);
    step_decide(&v->seen, &two);
    bool same = one.effect == two.effect && one.count == two.count &&
                one.requeue_after_ms == two.requeue_after_ms &&
                status_equal(&one.status, &two.status);
    decision_done(&one);
    decision_done(&two);
    return same ? NULL : "two decisions on the same observation differ";
}

static void tell(const struct view *v, const char *walk, long number, const char *trouble)
{
    struct decision d;
    step_decide(&v->seen, &d);
    const struct condition *ready = &d.status.conditions[CONDITION_READY];
    cr_expect(false, "%s %ld: %s (effect %s, requeue %lld, Ready=%s %s: %s)", walk, number, trouble,
              effect_text(d.effect), (long long)d.requeue_after_ms,
              condition_status_text(ready->status), ready->reason ? ready->reason : "",
              ready->message ? ready->message : "");
    decision_done(&d);
}

void check_view(const struct view *v, struct tally *tally, const char *walk)
{
    const char *trouble = check_rest(v, tally);
    if (!trouble && tally->views % 64 == 0) {
        trouble = check_pure(v);
    }
    tally->views++;
    if (trouble && tally->broken++ < 5) {
        tell(v, walk, tally->views, trouble);
    }
}

/* ---- one database --------------------------------------------------------------------------------- */

static const char *const plan_errors[] = { NULL, REASON_CHECKSUM_MISMATCH, REASON_MIGRATION_FAILED,
                                           REASON_OUTCOME_UNKNOWN };

void set_look(struct view *v, size_t i, int look)
{
    struct database_view *d = &v->databases[i];
    switch (look) {
    case 0:
        d->inspection = INSPECTION_NONE;
        d->known = false;
        d->plan = NULL;
        break;
    case 1:
        break;
    default:
        d->inspection = INSPECTION_FAILED;
        d->failure =
            (struct failure){ look == 3 ? REASON_UNSUPPORTED_SERVER : REASON_DATABASE_UNAVAILABLE,
                              "no answer", look == 4 ? 900000 : 1000, 3 };
        break;
    }
}

void set_job(struct view *v, size_t i, int job)
{
    static const int codes[OUTCOME_MAX_] = { 137, 0, 0, 3, 6, 7, 7, 8, 9, 5, 10, 143, 2, 1 };
    struct job_view *view = &v->databases[i].job;
    if (job == 0) {
        return;
    }
    view->phase = job == 1 ? JOB_WAITING : job == 2 ? JOB_RUNNING : JOB_ENDED;
    view->attempt = 5;
    view->name = "job";
    view->retry_token = "";
    view->ended_age_ms = 2000;
    view->tries = 1;
    memcpy(view->commit, COMMIT, sizeof COMMIT);
    if (view->phase == JOB_ENDED && job > 3) { /* 3: no result */
        v->results[i] = (struct result){ .outcome = (enum outcome)(job - 3),

                                         .code = codes[job - 3],
                                         .message = text("it said"),
                                         .failed = { .script = text("V1__x.sql") },
                                         .head = { .journal_seq = 3 } };
        view->result = &v->results[i];
    }
}

void set_plan(struct view *v, size_t i, int plan)
{
    struct database_view *d = &v->databases[i];
    if (!d->known) {
        return;
    }
    switch (plan) {
    case 0:
        d->plan = NULL; /* not judged */
        break;
    case 1:
        break; /* up to date */
    case 2:
        v->plans[i].action_count = 1;
        break;
    case 3:
        v->plans[i].waits_for = text("billing/1");
        break;
    default:
        fail_with(v, i, plan_errors[plan - 3]);
        break;
    }
}

bool next_pick(const int *counts, int *pick, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (++pick[i] < counts[i]) {
            return true;
        }
        pick[i] = 0;
    }
    return false;
}

void set_first_wave(struct view *v, int amount)
{
    v->gate = (struct mplan_gate){ .name = text("rows"), .interval_ms = 30000, .count = 1 };
    v->wave = (struct mplan_wave){ .name = text("first"),
                                   .select = SELECT_COUNT,
                                   .amount = amount,
                                   .soak_ms = 60000,
                                   .gates = &v->gate,
                                   .gate_count = 1 };
    v->plan.waves = &v->wave;
    v->plan.wave_count = 1;
}
