/* SPDX-License-Identifier: Apache-2.0 */
/* Exhaustive walks over what can be observed, with the invariants of every decision. */
#include "reconcile/base/str.h"
#include "reconcile/model/reason.h"
#include "rows.h"
#include "step_world.h"

#define COMMIT "00000000000000000000000000000000000000aa"
#define OLDER "00000000000000000000000000000000000000bb"
#define TARGET "aaaabbbb-0000-4000-8000-000000000000"
#define NOW_MS 1767225600000

/* One observation and all that it points to. */
struct view {
    struct observed seen;
    struct mplan plan;
    struct mplan_database entries[2];
    struct mplan_gate gate;
    struct mplan_wave wave;
    struct kv annotations[2];
    struct database_view databases[2];
    struct result results[2];
    struct plan plans[2];
    struct action actions[2];
    struct err errors[2];
    struct err invalid;
    struct status status;
};

static char *text(const char *literal)
{
    return (char *)(uintptr_t)literal;
}

static void view_init(struct view *v, size_t databases)
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

static void view_done(struct view *v)
{
    status_done(&v->status);
}

static void fail_with(struct view *v, size_t i, const char *reason)
{
    v->errors[i] = (struct err){ ERR_TERMINAL, reason, text("V1__x.sql:1: it is so") };
    v->databases[i].plan = NULL;
    v->databases[i].plan_error = &v->errors[i];
}

/* ---- what status remembers --------------------------------------------------------------------- */

enum memory {
    NEVER,
    READY,
    STALLED,
    OTHER_SPEC,
    UNFROZEN,
    FIRST_WAVE,
    SECOND_WAVE,
    SOAKING,
    FAILED,
    OTHER_STRATEGY,
    QUEUE_FULL,
    CATCH_UP,
    MEMORIES
};

static void remember(struct view *v, enum memory memory)
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

struct tally {
    long views, broken;
    long effects[EFFECT_MAX_];
};

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

static void check_view(const struct view *v, struct tally *tally, const char *walk)
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

/* ---- walk 1: everything about one database ----------------------------------------------------- */

static const char *const plan_errors[] = { NULL, REASON_CHECKSUM_MISMATCH, REASON_MIGRATION_FAILED,
                                           REASON_OUTCOME_UNKNOWN };

enum {
    LOOKS = 5,
    JOBS = 3 + OUTCOME_MAX_,
    PLANS = 7,
    OWNERS = 6,
    TARGETS = 3,
    SNAGS = 9
};

static void set_look(struct view *v, size_t i, int look)
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

static void set_job(struct view *v, size_t i, int job)
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

static void set_plan(struct view *v, size_t i, int plan)
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

static void set_target(struct view *v, size_t i, int target)
{
    struct database_view *d = &v->databases[i];
    if (target == 1) {
        d->target[0] = '\0';
    } else if (target == 2) {
        d->head = 1; /* went backwards */
    }
}

static void set_snag(struct view *v, size_t i, int snag)
{
    struct database_view *d = &v->databases[i];
    switch (snag) {
    case 1:
        d->read_only = true;
        break;
    case 2:
        d->create = (struct failure){ "a reason of another version", "not ours", 1000, 1 };
        break;
    case 3:
        d->record = (struct failure){ REASON_DATABASE_UNAVAILABLE, "no answer", 1000, 1 };
        break;
    case 4:
        d->after_job = d->job.phase != JOB_ENDED;
        break;
    case 5:
        d->record = (struct failure){ REASON_FORMAT_TOO_NEW, "too new", 1000, 1 };
        break;
    case 6:
        d->job.tries = 9;
        break;
    case 7:
        d->busy = true;
        break;
    case 8:
        d->job.retry_token = NULL;
        d->inspecting = true;
        break;
    default:
        break;
    }
}

Test(step_walk, everything_about_one_database)
{
    static const enum memory memories[] = { NEVER, READY, FIRST_WAVE, FAILED };
    struct tally tally = { 0 };
    int counts[] = { LOOKS, JOBS, PLANS, OWNERS, TARGETS, SNAGS, (int)ROWS(memories) };
    long total = 1;
    for (size_t i = 0; i < ROWS(counts); i++) {
        total *= counts[i];
    }
    for (long n = 0; n < total; n++) {
        int pick[ROWS(counts)];
        long rest = n;
        for (size_t i = 0; i < ROWS(counts); i++) {
            pick[i] = (int)(rest % counts[i]);
            rest /= counts[i];
        }
        if (pick[0] != 1 && (pick[3] > 1 || pick[4] > 0)) {
            continue; /* owner and target are facts of a good look */
        }
        static struct view v;
        view_init(&v, 1);
        remember(&v, memories[pick[6]]);
        set_look(&v, 0, pick[0]);
        set_job(&v, 0, pick[1]);
        set_plan(&v, 0, pick[2]);
        v.databases[0].owner = (enum owner_relation)pick[3];
        set_target(&v, 0, pick[4]);
        set_snag(&v, 0, pick[5]);
        check_view(&v, &tally, "one database");
        view_done(&v);
    }
    cr_expect(tally.views > 100000, "walked %ld", tally.views);
    cr_log_info("walked %ld", tally.views);
    cr_expect(tally.effects[EFFECT_CREATE_JOB] > 0 && tally.effects[EFFECT_INSPECT] > 0 &&
                  tally.effects[EFFECT_RECORD_FAILURE] > 0,
              "the walk reaches the effects");
}

/* ---- walk 2: the plan around two databases ----------------------------------------------------- */

enum {
    KINDS = 9,
    LIVES = 7,
    SOURCES = 13,
    POLLS = 3
};

static void set_kind(struct view *v, size_t i, int kind)
{
    switch (kind) {
    case 0:
        break; /* up to date */
    case 1:
        set_look(v, i, 0);
        break;
    case 2:
        set_look(v, i, 2);
        break;
    case 3:
        set_plan(v, i, 2);
        break;
    case 4:
        set_plan(v, i, 2);
        set_job(v, i, 2);
        break;
    case 5:
        set_plan(v, i, 2);
        set_job(v, i, 1);
        break;
    case 6:
        fail_with(v, i, REASON_MIGRATION_FAILED);
        break;
    case 7:
        fail_with(v, i, REASON_CHECKSUM_MISMATCH);
        break;
    default: /* failed, and the database does not know */
        set_plan(v, i, 2);
        set_job(v, i, 3 + OUTCOME_FAILED);
        break;
    }
}

static void set_life(struct view *v, int life)
{
    v->plan.suspend = life == 1 || life == 6;
    v->plan.deleting = life == 2 || life == 3 || life == 5;
    v->plan.deletion_policy = life == 3 || life == 5 ? DELETION_CANCEL : DELETION_WAIT;
    v->databases[0].job.cancelling = life == 5;
    if (life == 4 || life == 6) {
        v->invalid = (struct err){ ERR_TERMINAL, REASON_INVALID_SPEC, text("spec.x: unknown") };
        v->seen.spec_error = &v->invalid;
    }
}

/* 7: with other trees; 8: not looked into yet; 9: rewritten; from 10 on the roll-out's is not to be
 * had: gone, cut off, too large. */
static void another_commit(struct view *v, int source)
{
    struct commit_view *newest = &v->seen.source.newest;
    v->seen.source.rollout = *newest;
    memcpy(newest->commit, OLDER, sizeof OLDER);
    newest->rewrite = source == 9 ? REWRITE_CHANGED : REWRITE_NONE;
    if (source >= 10) {
        static const char *const reasons_[] = { REASON_REVISION_NOT_FOUND,
                                                REASON_SOURCE_FETCH_FAILED,
                                                REASON_SOURCE_TOO_LARGE };
        v->seen.source.rollout.fetch = FETCH_FAILED;
        v->seen.source.rollout.fetch_failure =
            (struct failure){ reasons_[source - 10], "not to be had", 1000, 1 };
    }
    for (size_t i = 0; i < v->plan.database_count; i++) {
        memcpy(v->databases[i].newest_inputs, source == 8 ? "" : "9999222233334444",
               source == 8 ? 1 : 17);
    }
}

static void set_source(struct view *v, int source)
{
    struct commit_view *newest = &v->seen.source.newest;
    switch (source) {
    case 0:
        break; /* here, the roll-out's own */
    case 1:
        memset(newest, 0, sizeof *newest);
        break;
    case 2:
        newest->fetch = FETCH_NONE;
        break;
    case 3:
        newest->fetch = FETCH_RUNNING;
        break;
    case 4:
        newest->fetch = FETCH_FAILED;
        newest->fetch_failure = (struct failure){ REASON_SOURCE_FETCH_FAILED, "cut off", 1000, 1 };
        break;
    case 5:
        newest->fetch = FETCH_FAILED;
        newest->fetch_failure = (struct failure){ REASON_SOURCE_TOO_LARGE, "too large", 1000, 1 };
        break;
    case 6:
        newest->rewrite = REWRITE_CHANGED;
        break;
    default: /* another commit than the roll-out's */
        another_commit(v, source);
        break;
    }
    if (newest->fetch != FETCH_DONE) {
        for (size_t i = 0; i < v->plan.database_count; i++) {
            v->databases[i].plan = NULL;
            v->databases[i].plan_error = NULL;
            v->databases[i].inputs[0] = v->databases[i].newest_inputs[0] = '\0';
        }
    }
}

static void set_poll(struct view *v, int poll)
{
    if (poll > 0) {
        v->seen.source.poll =
            (struct failure){ REASON_SOURCE_UNAVAILABLE, "no route", 1000, poll == 1 ? 1 : 3 };
    }
}

static void set_waves(struct view *v, int strategy)
{
    if (strategy == 1) {
        v->plan.strategy = STRATEGY_ALL_AT_ONCE;
    } else if (strategy > 1) {
        v->gate = (struct mplan_gate){ .name = text("rows"), .interval_ms = 30000, .count = 1 };
        v->wave = (struct mplan_wave){ .name = text("first"),
                                       .select = SELECT_COUNT,
                                       .amount = strategy - 1,
                                       .soak_ms = 60000,
                                       .gates = &v->gate,
                                       .gate_count = 1 };
        v->plan.waves = &v->wave;
        v->plan.wave_count = 1;
    }
}

Test(step_walk, the_plan_around_two_databases)
{
    struct tally tally = { 0 };
    int counts[] = { KINDS, KINDS, LIVES, SOURCES, POLLS, MEMORIES, 4, 2, 2 };
    long total = 1;
    for (size_t i = 0; i < ROWS(counts); i++) {
        total *= counts[i];
    }
    for (long n = 0; n < total; n++) {
        int pick[ROWS(counts)];
        long rest = n;
        for (size_t i = 0; i < ROWS(counts); i++) {
            pick[i] = (int)(rest % counts[i]);
            rest /= counts[i];
        }
        bool plain = pick[4] == 0 && pick[7] == 0 && pick[8] == 0;
        bool source = pick[3] < 2 || pick[3] == 7;
        if ((pick[2] > 0 && (!plain || !source)) || (pick[4] > 0 && pick[3] > 1) ||
            (pick[6] > 1 && (pick[7] || pick[8]))) {
            continue; /* poll, token, maxFailures and source do not matter there */
        }
        static struct view v;
        view_init(&v, 2);
        set_waves(&v, pick[6]);
        v.plan.max_failures = pick[8];
        remember(&v, (enum memory)pick[5]);
        set_kind(&v, 0, pick[0]);
        set_kind(&v, 1, pick[1]);
        set_life(&v, pick[2]);
        set_source(&v, pick[3]);
        set_poll(&v, pick[4]);
        if (pick[7]) {
            v.annotations[0] = (struct kv){ text(ANNOTATION_RETRY), text("now") };
            v.plan.annotations.count = 1;
        }
        check_view(&v, &tally, "two databases");
        view_done(&v);
    }
    cr_expect(tally.views > 100000, "walked %ld", tally.views);
    cr_log_info("walked %ld", tally.views);
    for (int effect = EFFECT_NONE; effect < EFFECT_MAX_; effect++) {
        bool elsewhere = effect == EFFECT_REFRESH || effect == EFFECT_RECORD_FAILURE ||
                         effect == EFFECT_RECORD_RESOLUTION;
        cr_expect(elsewhere || tally.effects[effect] > 0, "the walk never reaches %s",
                  effect_text((enum effect)effect));
    }
}

/* ---- walk 3: verdicts -------------------------------------------------------------------------- */

enum {
    RECORDS = 5,
    ITEMS = 5
};

static void set_record(struct view *v, int record)
{
    struct failure failures[RECORDS] = { { 0 },
                                         { REASON_DATABASE_UNAVAILABLE, "no answer", 1000, 1 },
                                         { REASON_DATABASE_UNAVAILABLE, "no answer", 900000, 1 },
                                         { REASON_INVALID_SPEC, "nothing to resolve", 1000, 1 },
                                         { REASON_SUCCEEDED, "no reason to fail", 1000, 1 } };
    v->databases[0].record = failures[record];
}

Test(step_walk, verdicts)
{
    static const enum memory memories[] = { NEVER, FIRST_WAVE, FAILED };
    struct tally tally = { 0 };
    int counts[] = { RECORDS, ITEMS, LOOKS, 5, 2, 2, (int)ROWS(memories) };
    long total = 1;
    for (size_t i = 0; i < ROWS(counts); i++) {
        total *= counts[i];
    }
    for (long n = 0; n < total; n++) {
        int pick[ROWS(counts)];
        long rest = n;
        for (size_t i = 0; i < ROWS(counts); i++) {
            pick[i] = (int)(rest % counts[i]);
            rest /= counts[i];
        }
        struct resolve_item items[2] = { { .database = text("orders"), .version = text("1") },
                                         { .database = text("nobody"), .version = text("1") } };
        struct resolve_list list = { .items = items, .count = (size_t)(pick[1] > 2) + 1 };
        bool resolved[2] = { pick[1] == 1 || pick[1] == 4, false };
        static struct view v;
        view_init(&v, 1);
        remember(&v, memories[pick[6]]);
        set_look(&v, 0, pick[2]);
        set_job(&v, 0, pick[3]);
        set_record(&v, pick[0]);
        if (v.databases[0].known) {
            fail_with(&v, 0, REASON_OUTCOME_UNKNOWN);
        }
        v.databases[0].busy = pick[4];
        v.databases[0].inspecting = pick[5];
        v.annotations[0] = (struct kv){ text(ANNOTATION_RESOLVE), text("[...]") };
        v.plan.annotations.count = 1;
        items[1].database = pick[1] == 3 ? text("orders") : text("nobody");
        v.databases[0].after_job = pick[3] < 3 || pick[1] > 0;
        items[0].database = pick[1] == 2 ? text("nobody") : text("orders");
        v.seen.resolve = pick[1] == 0 && pick[4] ? NULL : &list;
        v.seen.resolved = resolved;
        check_view(&v, &tally, "verdicts");
        view_done(&v);
    }
    cr_expect(tally.effects[EFFECT_RECORD_RESOLUTION] > 0, "the walk reaches the effect");
}
