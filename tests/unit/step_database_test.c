/* SPDX-License-Identifier: Apache-2.0 */
/* Attempts, results, owners, targets, verdicts, deletion. */
#include "step_rules.h"

#include "base/auto.h"
#include "base/mem.h"

/* The Job of database 0 ends as given; what follows is the controller's. */
static void end_with(struct world *w, int code, enum outcome outcome, const char *reason)
{
    struct world_database *d = &w->databases[0];
    for (int i = 0; i < 100000 && d->job.phase != JOB_RUNNING; i++) {
        world_pass(w, 5);
    }
    d->job.phase = JOB_ENDED;
    d->job.ended_ms = w->mono_ms;
    d->job.has_result = outcome != OUTCOME_NONE;
    d->job.result = (struct result){
        .attempt = d->job.attempt,
        .code = code,
        .outcome = outcome,
        .reason = (char *)(uintptr_t)reason,
        .message = (char *)(uintptr_t)(reason ? "what the runner said" : NULL),
        .head = { .journal_seq = d->journal },
    };
    w->look_again = true;
}

struct ending {
    const char *rule;
    int code;
    enum outcome outcome;
    const char *reason;
    const char *ready;     /* shortly after */
    int64_t next_after_ms; /* the next attempt comes between half of it and it; -1: none comes */
};

static const struct ending endings[] = {
    { "exit 7: busy, tried again after a back-off", 7, OUTCOME_BUSY, REASON_DATABASE_BUSY,
      "False DatabaseBusy", 30000 },
    { "exit 9: unreachable, tried again after a back-off", 9, OUTCOME_UNREACHABLE,
      REASON_DATABASE_UNAVAILABLE, "False DatabaseUnavailable", 30000 },
    { "exit 10: the assignment is stale, tried again at once after the inspection", 10,
      OUTCOME_MOVED, REASON_ASSIGNMENT_STALE, "Unknown Progressing", 100 },
    { "exit 143: interrupted, tried again after a back-off", 143, OUTCOME_INTERRUPTED,
      REASON_INTERRUPTED, "False AttemptInterrupted", 30000 },
    { "no result: the database says what it did, tried again after a back-off", 137, OUTCOME_NONE,
      NULL, "False AttemptInterrupted", 30000 },
    { "exit 2: a lock timeout is tried again after a back-off", 2, OUTCOME_TIMED_OUT,
      REASON_LOCK_TIMEOUT, "False LockTimeout", 30000 },
    { "exit 1: an unknown error is tried again after a back-off", 1, OUTCOME_ERROR, REASON_INTERNAL,
      "False AttemptInterrupted", 30000 },
    { "a result without a message still says something", 7, OUTCOME_BUSY, NULL,
      "False AttemptInterrupted", 30000 },
    { "exit 5: denied, at most three times in ten minutes", 5, OUTCOME_DENIED, REASON_ACCESS_DENIED,
      "False AccessDenied", 200000 },
    { "exit 0 without effect: the database is believed, tried again after a back-off", 0,
      OUTCOME_DONE, NULL, "False AssignmentStale", 30000 },
    { "exit 6: validation failed, Stalled until a commit, a spec or a token", 6, OUTCOME_INVALID,
      REASON_INVALID_MIGRATION, "False InvalidMigration", -1 },
    { "exit 8: outcome unknown, Stalled until a verdict", 8, OUTCOME_UNKNOWN,
      REASON_OUTCOME_UNKNOWN, "False OutcomeUnknown", -1 },
    { "exit 3 without a file: the Job is the memory", 3, OUTCOME_FAILED, REASON_TRANSACTION_CONTROL,
      "False TransactionControlInMigration", -1 },
};

Test(step_database, what_follows_the_end_of_a_job)
{
    for (size_t i = 0; i < ROWS(endings); i++) {
        const struct ending *e = &endings[i];
        static struct world w;
        world_init(&w, 1, 42);
        w.plan.strategy = STRATEGY_ALL_AT_ONCE;
        world_push(&w, 1, false);
        end_with(&w, e->code, e->outcome, e->reason);
        int64_t at = w.mono_ms;
        world_pass(&w, 60);
        want(&w, e->rule, CONDITION_READY, e->ready);
        bool stalled = world_condition(&w, CONDITION_STALLED)->status == CONDITION_TRUE;
        cr_expect(stalled == (e->next_after_ms < 0), "%s: Stalled", e->rule);
        while (w.databases[0].highest_attempt == 1 && w.mono_ms < at + 1800000) {
            world_pass(&w, 10);
        }
        int64_t took = w.mono_ms - at;
        if (e->next_after_ms < 0) {
            want_number(e->rule, "attempts", w.databases[0].highest_attempt, 1);
            world_annotate(&w, ANNOTATION_RETRY, "again");
            world_settle(&w, 600000);
            want(&w, e->rule, CONDITION_READY, "True ReconciliationSucceeded");
        } else {
            cr_expect(took <= e->next_after_ms && took >= e->next_after_ms / 2,
                      "%s: the next attempt came after %lld ms", e->rule, (long long)took);
        }
        cr_expect(w.trouble[0] == '\0', "%s: %s", e->rule, w.trouble);
        world_done(&w);
    }
}

static void resolved_by_hand(struct world *w, const char *rule)
{
    w->databases[0].journal++; /* `sluice resolve --url` */
    w->databases[0].next_look_ms = w->mono_ms;
    world_settle(w, 600000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void verdict_moves_on(struct world *w, const char *rule)
{
    w->plan.strategy = STRATEGY_ALL_AT_ONCE;
    world_push(w, 1, false);
    end_with(w, 8, OUTCOME_UNKNOWN, REASON_OUTCOME_UNKNOWN);
    world_settle(w, 10000);
    want(w, rule, CONDITION_STALLED, "True OutcomeUnknown");
    resolved_by_hand(w, rule);
}

/* A changed statement of an attempt, and a verdict that the file runs as a whole. */
static void verdict_releases_a_refused_file(struct world *w, const char *rule)
{
    w->plan.strategy = STRATEGY_ALL_AT_ONCE;
    w->databases[0].journal = 4;
    world_push(w, 1, false);
    end_with(w, 6, OUTCOME_INVALID, REASON_CHECKSUM_MISMATCH);
    world_settle(w, 10000);
    want(w, rule, CONDITION_STALLED, "True ChecksumMismatch");
    resolved_by_hand(w, rule);
}

static void backs_off(struct world *w, const char *rule)
{
    w->plan.strategy = STRATEGY_ALL_AT_ONCE;
    world_push(w, 1, false);
    static const int64_t waits[] = { 30, 60, 120, 240, 300, 300 };
    for (size_t i = 0; i < ROWS(waits); i++) {
        end_with(w, 7, OUTCOME_BUSY, REASON_DATABASE_BUSY);
        int64_t at = w->mono_ms, attempt = w->databases[0].highest_attempt;
        while (w->databases[0].highest_attempt == attempt && w->mono_ms < at + 3600000) {
            world_pass(w, 100);
        }
        want_number(rule, "seconds", (w->mono_ms - at + 500) / 1000, waits[i]);
    }
}

static void retried_until_timeout(struct world *w, const char *rule)
{
    w->plan.strategy = STRATEGY_ALL_AT_ONCE;
    world_push(w, 1, false);
    w->plan.timeout_ms = 600000;
    for (int i = 0; i < 4; i++) { /* 30 + 60 + 120 + 240 s of back-off, then one more */
        end_with(w, 7, OUTCOME_BUSY, REASON_DATABASE_BUSY);
        world_pass(w, 100);
        want(w, rule, CONDITION_READY, "False DatabaseBusy");
    }
    end_with(w, 7, OUTCOME_BUSY, REASON_DATABASE_BUSY);
    world_pass(w, 200000);
    want(w, rule, CONDITION_STALLED, "True DeadlineExceeded");
    cr_expect(w->mono_ms < 700000, "%s: after %lld ms", rule, (long long)w->mono_ms);
}

static void dead_runner(struct world *w, const char *rule)
{
    world_push(w, 1, true);
    for (int i = 0; i < 1000 && w->databases[0].job.phase != JOB_RUNNING; i++) {
        world_pass(w, 5);
    }
    struct world_database *d = &w->databases[0];
    d->job.failed_version = 1;
    end_with(w, 3, OUTCOME_FAILED, REASON_MIGRATION_FAILED);
    d->job.result.failed.script = (char *)(uintptr_t) "V1__x.sql";
    world_settle(w, 10000);
    want(w, rule, CONDITION_STALLED, "True CanaryFailed");
    want_number(rule, "the failed row's attempt", d->failed_attempt, d->job.attempt);
    d->job = (struct world_job){ 0 };
    world_crash(w);
    world_pass(w, 60000);
    want(w, rule, CONDITION_STALLED, "True CanaryFailed");
}

static void recording_is_retried(struct world *w, const char *rule)
{
    world_push(w, 1, true);
    end_with(w, 3, OUTCOME_FAILED, REASON_MIGRATION_FAILED);
    w->databases[0].job.failed_version = 1;
    w->databases[0].job.result.failed.script = (char *)(uintptr_t) "V1__x.sql";
    struct observed seen;
    struct decision d;
    world_pass(w, 30); /* the look after it has begun */
    w->databases[0].look_ends_ms = w->mono_ms;
    w->databases[0].view.record = (struct failure){ REASON_DATABASE_UNAVAILABLE, "refused", 0, 1 };
    w->databases[0].record_ms = w->mono_ms;
    world_pass(w, 100);
    world_observe(w, &seen);
    step_decide(&seen, &d);
    cr_expect(d.effect == EFFECT_NONE && d.requeue_after_ms > 0, "%s", rule);
    cr_expect(d.status.conditions[CONDITION_RECONCILING].status == CONDITION_TRUE,
              "%s: not Stalled before the database knows", rule);
    decision_done(&d);
    world_settle(w, 60000);
    want(w, rule, CONDITION_STALLED, "True CanaryFailed");
    want_number(rule, "the failed row's attempt", w->databases[0].failed_attempt, 1);
}

static void held_by_token(struct world *w, const char *rule)
{
    world_push(w, 1, true);
    world_settle(w, 60000);
    want(w, rule, CONDITION_STALLED, "True CanaryFailed");
    world_push_readme(w); /* the file's SHA-256 is still the wanted one */
    world_settle(w, 60000);
    want(w, rule, CONDITION_STALLED, "True CanaryFailed");
    want_number(rule, "attempts", w->databases[0].highest_attempt, 1);
    world_annotate(w, ANNOTATION_RETRY, "one");
    world_settle(w, 60000);
    want_number(rule, "attempts after a token", w->databases[0].highest_attempt, 2);
    want(w, rule, CONDITION_STALLED, "True CanaryFailed");
    world_annotate(w, ANNOTATION_RETRY, ""); /* taken away: no retry */
    world_settle(w, 60000);
    want_number(rule, "attempts without the token", w->databases[0].highest_attempt, 2);
    w->cured = true;
    world_annotate(w, ANNOTATION_RETRY, "two");
    world_settle(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void job_says_failed_database_says_done(struct world *w, const char *rule)
{
    w->plan.strategy = STRATEGY_ALL_AT_ONCE;
    world_push(w, 1, false);
    for (int i = 0; i < 1000 && w->databases[0].applied < 1; i++) {
        world_pass(w, 5);
    }
    end_with(w, 137, OUTCOME_NONE, NULL);
    world_settle(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_number(rule, "attempts", w->databases[0].highest_attempt, 1);
}

static void not_started(struct world *w, const char *rule)
{
    world_push(w, 1, false);
    for (int i = 0; i < 1000 && w->databases[0].job.phase != JOB_WAITING; i++) {
        world_pass(w, 5);
    }
    w->databases[0].job.next_ms = INT64_MAX;
    world_pass(w, 590000);
    want(w, rule, CONDITION_READY, "Unknown Progressing");
    struct decision d;
    w->mono_ms += 20000;
    world_decide(w, &d);
    cr_expect(d.effect == EFFECT_DELETE_JOB, "%s: %s", rule, effect_text(d.effect));
    check_text(rule, d.status.conditions[CONDITION_READY].reason, REASON_RUNNER_NOT_STARTED);
    decision_done(&d);
    world_settle(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_number(rule, "attempts", w->databases[0].highest_attempt, 2);
}

/* Said within seconds, not only after startTimeout, and still said while it is tried again. */
static void waits_to_start(struct world *w, const char *rule)
{
    world_push(w, 1, false);
    for (int i = 0; i < 1000 && w->databases[0].job.phase != JOB_WAITING; i++) {
        world_pass(w, 5);
    }
    w->databases[0].job.next_ms = INT64_MAX;
    w->databases[0].job.waiting = "Unschedulable: 0/3 nodes are available";
    world_pass(w, 2000);
    cr_expect(!w->status.databases[0].message, "%s: a pod may need a moment", rule);
    world_pass(w, 2000);
    want_number(rule, "state", w->status.databases[0].state, DATABASE_PENDING);
    want_message(w, rule, CONDITION_READY,
                 "0 running; canary/orders: Job shop-orders-1 has not started: "
                 "Unschedulable: 0/3 nodes are available");
    w->databases[0].view.create =
        (struct failure){ REASON_RUNNER_NOT_STARTED, "Job shop-orders-1 did not start", 0, 1 };
    w->create_kept = true;
    w->databases[0].create_ms = w->mono_ms;
    w->databases[0].job = (struct world_job){ 0 };
    w->look_again = true;
    world_settle(w, 20000); /* retryInterval */
    want(w, rule, CONDITION_READY, "False RunnerNotStarted");
    for (int i = 0; i < 10000 && w->databases[0].job.phase != JOB_WAITING; i++) {
        world_pass(w, 5);
    }
    w->databases[0].job.next_ms = INT64_MAX;
    world_pass(w, 500);
    want_message(w, rule, CONDITION_READY, "Job shop-orders-1 did not start");
    w->databases[0].job.waiting = "ImagePullBackOff";
    w->databases[0].job.created_ms = w->mono_ms;
    w->look_again = true;
    world_pass(w, 500);
    want_message(w, rule, CONDITION_READY, "Job shop-orders-2 has not started: ImagePullBackOff");
}

/* Somebody has made a Job with a name of ours: the next attempt goes beside it, and people are told. */
static void job_beside(struct world *w, const char *rule)
{
    w->databases[0].view.idle_job = "shop-orders-7";
    world_push(w, 1, false);
    for (int i = 0; i < 1000 && w->databases[0].job.phase != JOB_RUNNING; i++) {
        world_pass(w, 5);
    }
    const char *told = w->status.databases[0].message;
    cr_expect(str_eq(told, "Job shop-orders-7 has not begun and is not waited for: delete it"),
              "%s: %s", rule, told ? told : "nothing");
    world_settle(w, 600000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void many_wait_to_start(struct world *w, const char *rule)
{
    w->plan.strategy = STRATEGY_ALL_AT_ONCE;
    world_push(w, 1, false);
    for (int i = 0; i < 1000 && w->databases[1].job.phase != JOB_WAITING; i++) {
        world_pass(w, 5);
    }
    w->databases[0].job.next_ms = w->databases[1].job.next_ms = INT64_MAX;
    world_pass(w, 4000);
    want_message(w, rule, CONDITION_READY,
                 "0 running; all/orders: Job shop-orders-1 has not started");
}

/* Several are accepted at once: those that nobody has looked at yet stay accepted. */
static void accept_waits_for_looks(struct world *w, const char *rule)
{
    world_push(w, 1, false);
    world_settle(w, 60000);
    world_annotate(w, ANNOTATION_ACCEPT, "orders,audit=x orderz=none,orders=none,billing=none");
    w->databases[0].view.inspection = INSPECTION_NONE;
    struct decision d;
    world_decide(w, &d);
    cr_expect(!d.status.last_handled_accept, "%s: handled before it was looked at", rule);
    decision_done(&d);
}

/* Until its pods are gone it is there, and asking again and again would not make that faster. */
static void not_started_is_deleted_once(struct world *w, const char *rule)
{
    world_push(w, 1, false);
    for (int i = 0; i < 1000 && w->databases[0].job.phase != JOB_WAITING; i++) {
        world_pass(w, 5);
    }
    w->databases[0].job.next_ms = INT64_MAX;
    w->databases[0].job.cancelling = true;
    w->mono_ms += 610000;
    struct decision d;
    world_decide(w, &d);
    cr_expect(d.effect != EFFECT_DELETE_JOB && d.requeue_after_ms != 0, "%s: %s", rule,
              effect_text(d.effect));
    check_text(rule, d.status.conditions[CONDITION_READY].reason, REASON_RUNNER_NOT_STARTED);
    decision_done(&d);
}

static void made_from_another_spec(struct world *w, const char *rule)
{
    world_push(w, 1, false);
    for (int i = 0; i < 1000 && w->databases[0].job.phase != JOB_WAITING; i++) {
        world_pass(w, 5);
    }
    w->databases[0].job.next_ms = INT64_MAX;
    w->databases[0].job.outdated = true;
    struct decision d;
    world_decide(w, &d);
    cr_expect(d.effect == EFFECT_DELETE_JOB, "%s: %s", rule, effect_text(d.effect));
    decision_done(&d);
    world_settle(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void create_fails_for(struct world *w, const char *rule, const char *reason)
{
    AUTO(free_auto) char *ready = mem_printf("False %s", reason);

    world_push(w, 1, false);
    w->databases[0].view.create = (struct failure){ reason, "not ours", 0, 1 };
    w->databases[0].create_ms = w->mono_ms;
    world_pass(w, 1000);
    want(w, rule, CONDITION_READY, ready);
    want(w, rule, CONDITION_RECONCILING, "True ProgressingWithRetry");
    world_settle(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void create_fails(struct world *w, const char *rule)
{
    create_fails_for(w, rule, REASON_NAME_CONFLICT);
}

static void create_is_rejected(struct world *w, const char *rule)
{
    create_fails_for(w, rule, REASON_JOB_REJECTED);
}

static void read_only(struct world *w, const char *rule)
{
    w->databases[0].read_only = true;
    world_push(w, 1, false);
    world_pass(w, 5000);
    want(w, rule, CONDITION_READY, "False TargetReadOnly");
    want_number(rule, "attempts", w->databases[0].highest_attempt, 0);
    w->databases[0].read_only = false;
    w->databases[0].next_look_ms = w->mono_ms;
    world_settle(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    w->databases[0].read_only = true; /* nothing to write: equal is equal */
    w->databases[0].next_look_ms = w->mono_ms;
    world_settle(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void refused_login(struct world *w, const char *rule)
{
    static char name[] = "x";
    static const struct {
        struct identity identity;
        const char *want;
    } logins[] = {
        { { .superuser = true, .user = name }, "RoleTooPowerful" },
        { { .pooled = true, .database = name }, "PoolerUnsupported" },
        { { .multi_primary = true, .server_text = name }, "UnsupportedTopology" },
    };
    for (size_t i = 0; i < ROWS(logins); i++) {
        AUTO(free_auto) char *stalled = mem_printf("True %s", logins[i].want);
        int64_t attempts = w->databases[0].highest_attempt;
        w->databases[0].identity = &logins[i].identity;
        world_push(w, (int)i + 1, false);
        w->next_poll_ms = w->mono_ms;
        w->databases[0].next_look_ms = w->mono_ms;
        world_pass(w, 5000);
        want(w, rule, CONDITION_STALLED, stalled);
        want(w, rule, CONDITION_RECONCILING, "");
        want_number(rule, "attempts", w->databases[0].highest_attempt, attempts);
        w->databases[0].identity = NULL;
        w->databases[0].next_look_ms = w->mono_ms;
        world_settle(w, 60000);
        want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    }
    w->databases[0].identity = &logins[0].identity; /* nothing to write: it may be what it is */
    w->databases[0].next_look_ms = w->mono_ms;
    world_settle(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    w->plan.execution.allow_superuser = true;
    settle_with(w, 1);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

/* ---- owners and targets ------------------------------------------------------------------------ */

struct owner_case {
    const char *rule;
    enum owner_relation owner;
    const char *accept; /* annotation; NULL: none */
    const char *ready;
    enum ownership ownership; /* of the Job, when Ready */
};

static const struct owner_case owners[] = {
    { "a database without an owner gets a Job even with no pending file", OWNER_NONE, NULL,
      "True ReconciliationSucceeded", OWNERSHIP_ADOPT },
    { "the owner still exists: TargetIdConflict", OWNER_OTHER_PLAN, NULL, "False TargetIdConflict",
      0 },
    { "the owner is another entry of this plan: TargetIdConflict", OWNER_OTHER_ENTRY, NULL,
      "False TargetIdConflict", 0 },
    { "the owner is gone: the controller takes it over, without a Job", OWNER_GONE, NULL,
      "True ReconciliationSucceeded", OWNERSHIP_TAKE_OVER },
    { "another cluster: TargetIdConflict until accept-target", OWNER_OTHER_CLUSTER, NULL,
      "False TargetIdConflict", 0 },
    { "another cluster, accepted by 8 hex: Accept", OWNER_OTHER_CLUSTER, "orders=aaaabbbb",
      "True ReconciliationSucceeded", OWNERSHIP_ACCEPT },
    { "another cluster, accepted by the full UUID: Accept", OWNER_OTHER_CLUSTER,
      "stock=none, orders=aaaabbbb-0000-4000-8000-000000000000", "True ReconciliationSucceeded",
      OWNERSHIP_ACCEPT },
    { "accepted for another database: not this one", OWNER_OTHER_CLUSTER, "billing=aaaabbbb",
      "False TargetIdConflict", 0 },
    { "accepted another target: not this one", OWNER_OTHER_CLUSTER, "orders=ccccdddd",
      "False TargetIdConflict", 0 },
    { "accepted another full UUID: not this one", OWNER_OTHER_CLUSTER,
      "orders=aaaabbbb-0000-4000-8000-000000000001", "False TargetIdConflict", 0 },
    { "accepted a part of the id that is not its 8 hex: not this one", OWNER_OTHER_CLUSTER,
      "orders=aaaabbb", "False TargetIdConflict", 0 },
    { "accepted without a target: not this one", OWNER_OTHER_CLUSTER, "orders",
      "False TargetIdConflict", 0 },
    { "another entry cannot be accepted away", OWNER_OTHER_ENTRY, "orders=aaaabbbb",
      "False TargetIdConflict", 0 },
    { "another plan cannot be accepted away", OWNER_OTHER_PLAN, "orders=aaaabbbb",
      "False TargetIdConflict", 0 },
};

Test(step_database, who_owns_a_database)
{
    for (size_t i = 0; i < ROWS(owners); i++) {
        const struct owner_case *c = &owners[i];
        static struct world w;
        world_init(&w, 1, 42);
        world_push(&w, 1, false);
        struct world_database *d = &w.databases[0];
        d->applied = 1;
        d->content[1] = 1;
        d->head = 1;
        d->owner = c->owner;
        (void)snprintf(d->target, sizeof d->target, "aaaabbbb-0000-4000-8000-000000000000");
        if (c->accept) {
            world_annotate(&w, ANNOTATION_ACCEPT, c->accept);
        }
        world_settle(&w, 60000);
        want(&w, c->rule, CONDITION_READY, c->ready);
        bool ready = world_condition(&w, CONDITION_READY)->status == CONDITION_TRUE;
        const bool by_itself = c->ownership == OWNERSHIP_TAKE_OVER;
        want_number(c->rule, "attempts", d->highest_attempt, ready && !by_itself);
        want_number(c->rule, "times it was taken over", d->taken_over, by_itself);
        if (ready) {
            want_number(c->rule, "ownership", d->job.ownership, by_itself ? 0 : c->ownership);
            check_text(c->rule, w.status.last_handled_accept, c->accept);
        } else {
            want(&w, c->rule, CONDITION_STALLED, "True TargetIdConflict");
            check_text(c->rule, w.status.last_handled_accept, NULL);
        }
        cr_expect(w.trouble[0] == '\0', "%s: %s", c->rule, w.trouble);
        world_done(&w);
    }
}

static void swap_target(struct world *w, const char *id)
{
    struct world_database *d = &w->databases[0];
    (void)snprintf(d->target, sizeof d->target, "%s", id);
    d->next_look_ms = w->mono_ms;
    world_pass(w, 1000);
}

static void target_changed(struct world *w, const char *rule)
{
    char first[37];
    settle_with(w, 1);
    memcpy(first, w->databases[0].target, sizeof first);
    swap_target(w, "eeeeffff-0000-4000-8000-000000000000");
    want(w, rule, CONDITION_STALLED, "True TargetChanged");
    want_message(w, rule, CONDITION_STALLED, "sluice.dev/accept-target: orders=eeeeffff");
    swap_target(w, first);
    want(w, rule, CONDITION_STALLED, "True TargetChanged"); /* a person looks first */
    world_annotate(w, ANNOTATION_RETRY, "looked");
    world_settle(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    swap_target(w, "eeeeffff-0000-4000-8000-000000000000");
    world_annotate(w, ANNOTATION_ACCEPT, "orders=eeeeffff");
    world_settle(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    check_text(rule, w->status.databases[0].target, "eeeeffff");
    swap_target(w, first); /* acted on once */
    want(w, rule, CONDITION_STALLED, "True TargetChanged");
    swap_target(w, "eeeeffff-0000-4000-8000-000000000000");
    want(w, rule, CONDITION_STALLED, "True TargetChanged");
}

static void empty_target(struct world *w, const char *rule)
{
    settle_with(w, 1);
    struct world_database *d = &w->databases[0];
    d->applied = d->head = 0;
    d->journal = 0;
    d->owner = OWNER_NONE;
    d->effects[1] = 0; /* another database */
    swap_target(w, "");
    want(w, rule, CONDITION_STALLED, "True TargetChanged");
    want_message(w, rule, CONDITION_STALLED, "found none");
    want_applied(w, rule, "orders:0");
    world_annotate(w, ANNOTATION_ACCEPT, "orders=none");
    world_settle(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_applied(w, rule, "orders:1");
}

static void other_history(struct world *w, const char *rule)
{
    settle_with(w, 1);
    w->databases[0].other_table = true;
    w->databases[0].next_look_ms = w->mono_ms;
    world_settle(w, 10000);
    want(w, rule, CONDITION_STALLED, "True TargetChanged");
    want_message(w, rule, CONDITION_STALLED, "in another table");
    char accept[64];
    (void)snprintf(accept, sizeof accept, "orders=%.8s", w->databases[0].target);
    world_annotate(w, ANNOTATION_ACCEPT, accept);
    world_settle(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void odd_ids(struct world *w, const char *rule)
{
    static const char *const wrong[] = { "orders=nobody",   "orders=nono", "orders=",
                                         "orders=abcdefgh", "orders=abd",  "other1=abc" };
    settle_with(w, 1);
    for (size_t i = 0; i < ROWS(wrong); i++) {
        swap_target(w, i < 3 ? "" : "abc");
        world_annotate(w, ANNOTATION_ACCEPT, wrong[i]);
        world_settle(w, 1000);
        want(w, rule, CONDITION_STALLED, "True TargetChanged");
    }
    world_annotate(w, ANNOTATION_ACCEPT, "orders=abc");
    world_settle(w, 10000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void regressed_accepted(struct world *w, const char *rule)
{
    settle_with(w, 3);
    w->databases[0].journal--; /* the newest journal row is gone */
    w->databases[0].next_look_ms = w->mono_ms;
    world_settle(w, 10000);
    want(w, rule, CONDITION_STALLED, "True HistoryRegressed");
    static char accept[64];
    (void)snprintf(accept, sizeof accept, "billing=none orders=%.8s", w->databases[0].target);
    world_annotate(w, ANNOTATION_ACCEPT, accept);
    world_settle(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    check_text(rule, w->status.last_handled_accept, accept);
}

static void owner_named(struct world *w, const char *rule)
{
    w->databases[0].owner = OWNER_OTHER_PLAN;
    w->databases[0].owner_label = "plan shop/other, database orders";
    settle_with(w, 1);
    want_message(w, rule, CONDITION_STALLED, "belongs to plan shop/other, database orders");
}

/* It was not ours yet when it was looked at first, so it had no id. */
static void regressed_without_id(struct world *w, const char *rule)
{
    settle_with(w, 3);
    struct world_database *d = &w->databases[0];
    w->status.databases[0].target[0] = '\0';
    d->applied = d->head = 2;
    d->effects[3] = 0;
    d->next_look_ms = w->mono_ms;
    world_settle(w, 10000);
    world_push(w, 1, false);
    world_settle(w, 60000);
    want(w, rule, CONDITION_STALLED, "True HistoryRegressed");
    want_applied(w, rule, "orders:2");
}

static void regressed(struct world *w, const char *rule)
{
    settle_with(w, 3);
    struct world_database *d = &w->databases[0];
    d->applied = d->head = 2;
    d->journal = 2;
    d->effects[3] = 0;
    d->next_look_ms = w->mono_ms;
    world_settle(w, 10000);
    world_push(w, 1, false);
    world_settle(w, 60000);
    want(w, rule, CONDITION_STALLED, "True HistoryRegressed");
    want_message(w, rule, CONDITION_STALLED, "restored from a backup");
    want_applied(w, rule, "orders:2");
    world_annotate(w, ANNOTATION_RETRY, "looked");
    world_settle(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_applied(w, rule, "orders:4");
}

/* ---- verdicts ---------------------------------------------------------------------------------- */

static void verdict(struct world *w, const char *rule)
{
    static char orders[] = "orders", other[] = "nowhere", one[] = "1";
    static struct resolve_item items[] = {
        { .database = orders, .version = one, .step = 1, .verdict = VERDICT_APPLIED },
        { .database = other, .version = one, .step = 1, .verdict = VERDICT_APPLIED },
    };
    static const struct resolve_list list = { .items = items, .count = 2 };
    w->databases[0].unknown = true;
    world_push(w, 1, false);
    world_settle(w, 10000);
    want(w, rule, CONDITION_STALLED, "True OutcomeUnknown");
    w->resolve = &list;
    world_annotate(w, ANNOTATION_RESOLVE, "the list");
    world_settle(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    check_text(rule, w->status.last_handled_resolve, "the list");
}

static void bad_verdict(struct world *w, const char *rule)
{
    w->databases[0].unknown = true;
    world_push(w, 1, false);
    world_settle(w, 10000);
    struct resolve_list none;
    struct err *e = resolve_parse("{}", &none);
    w->resolve_error = e;
    world_annotate(w, ANNOTATION_RESOLVE, "{}");
    struct decision d;
    world_decide(w, &d);
    want_number(rule, "events", (long long)d.event_count, 1);
    check_text(rule, d.events[0].reason, REASON_INVALID_SPEC);
    check_text(rule, d.status.last_handled_resolve, "{}");
    decision_done(&d);
    err_free(e);
    w->resolve_error = NULL;
}

/* ---- deletion ---------------------------------------------------------------------------------- */

static void start_deleting(struct world *w)
{
    w->plan.strategy = STRATEGY_ALL_AT_ONCE;
    w->plan.max_parallel = 1;
    world_push(w, 3, false);
    for (int i = 0; i < 1000 && w->databases[0].job.phase != JOB_RUNNING; i++) {
        world_pass(w, 5);
    }
    w->plan.deleting = true;
    w->deleting_ms = w->mono_ms;
    w->look_again = true;
}

static void deleted_wait(struct world *w, const char *rule)
{
    start_deleting(w);
    world_pass(w, 300);
    cr_expect(!w->forgotten, "%s: forgotten while its Job runs", rule);
    world_settle(w, 600000);
    cr_expect(w->forgotten, "%s: not forgotten", rule);
    want_applied(w, rule, "orders:3 billing:0");
}

static void deleted_cancel(struct world *w, const char *rule)
{
    w->plan.deletion_policy = DELETION_CANCEL;
    start_deleting(w);
    world_settle(w, 600000);
    cr_expect(w->forgotten, "%s: not forgotten", rule);
    cr_expect(w->databases[0].applied < 3, "%s: the Job was not cancelled", rule);
}

static void deleted_bound(struct world *w, const char *rule)
{
    start_deleting(w);
    w->databases[0].job.next_ms = INT64_MAX; /* hangs */
    world_pass(w, STEP_DELETE_BOUND_MS - 1000);
    cr_expect(!w->forgotten, "%s: too early", rule);
    world_settle(w, 600000);
    cr_expect(w->forgotten, "%s: not forgotten", rule);
}

static void deleted_forced(struct world *w, const char *rule)
{
    start_deleting(w);
    world_annotate(w, ANNOTATION_FORCE_DELETE, "now");
    world_settle(w, 100);
    cr_expect(w->forgotten, "%s: not forgotten", rule);
}

/* ---- after= ------------------------------------------------------------------------------------ */

static void waits(struct world *w, const char *rule)
{
    w->plan.strategy = STRATEGY_ALL_AT_ONCE;
    w->databases[0].waits_for = "billing/1";
    w->databases[1].waits_for = "stock/1";
    w->databases[0].owner = w->databases[1].owner = OWNER_MINE;
    world_push(w, 1, false);
    for (int i = 0; i < 1000 && w->databases[2].applied < 1; i++) {
        world_pass(w, 10);
        want_number(rule, "Jobs of orders", w->databases[0].highest_attempt, 0);
        want_number(rule, "Jobs of billing", w->databases[1].highest_attempt, 0);
    }
    w->databases[1].waits_for = NULL; /* stock has it */
    for (int i = 0; i < 1000 && w->databases[1].applied < 1; i++) {
        world_pass(w, 10);
        want_number(rule, "Jobs of orders", w->databases[0].highest_attempt, 0);
    }
    w->databases[0].waits_for = NULL;
    world_settle(w, 60000);
    want_applied(w, rule, "orders:1 billing:1 stock:1");
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

struct hopeless {
    const char *rule;
    const char *waits[3];
    const char *message;
};
static const struct hopeless hopeless[] = {
    { "after= a database that the plan does not have is an error",
      { "nobody/1" },
      "the plan has no such database" },
    { "after= a later wave is an error", { NULL, "orders/1" }, "is in a later wave" },
    { "after= in a cycle is an error", { "stock/1", NULL, "orders/1" }, "wait for each other" },
    { "after= into a cycle: the cycle is the error",
      { "billing/1", "stock/1", "billing/1" },
      "the databases wait for each other" },
    { "after= something that waits for what is not there",
      { "stock/1", NULL, "nobody/1" },
      "the plan has no such database" },
    { "after= something that never comes is an error",
      { NULL, NULL, "billing/9" },
      "is up to date without it" },
};

Test(step_database, waits_that_cannot_end)
{
    for (size_t i = 0; i < ROWS(hopeless); i++) {
        static struct world w;
        world_init(&w, 3, 42);
        for (size_t k = 0; k < 3; k++) {
            w.databases[k].waits_for = hopeless[i].waits[k];
            w.databases[k].owner = OWNER_MINE;
        }
        static char tier[] = "tier", canary[] = "canary";
        static struct kv label[] = { { tier, canary } };
        w.entries[1].labels = (struct kvlist){ .items = label, .count = 1 };
        if (hopeless[i].waits[0] && hopeless[i].waits[1] && hopeless[i].waits[2]) {
            w.plan.strategy = STRATEGY_ALL_AT_ONCE;
        }
        world_push(&w, 1, false);
        world_settle(&w, 60000);
        want(&w, hopeless[i].rule, CONDITION_STALLED, "True InvalidMigration");
        want_message(&w, hopeless[i].rule, CONDITION_STALLED, hopeless[i].message);
        cr_expect(w.trouble[0] == '\0', "%s: %s", hopeless[i].rule, w.trouble);
        world_done(&w);
    }
}

static void waits_for_failed(struct world *w, const char *rule)
{
    w->plan.strategy = STRATEGY_ALL_AT_ONCE;
    w->plan.max_failures = 2;
    settle_with(w, 1);
    w->databases[0].waits_for = "billing/2";
    w->databases[1].content[1] = 77; /* refused */
    w->databases[1].next_look_ms = w->mono_ms;
    world_push(w, 1, false);
    world_settle(w, 60000);
    want(w, rule, CONDITION_STALLED, "True InvalidMigration");
    want_message(w, rule, CONDITION_STALLED, "after=billing/2: that database has failed");
    want_applied(w, rule, "orders:1 billing:1 stock:2");
}

static void never_recorded(struct world *w, const char *rule)
{
    w->plan.timeout_ms = 120000;
    w->refuse_records = true;
    world_push(w, 1, true);
    end_with(w, 3, OUTCOME_FAILED, REASON_MIGRATION_FAILED);
    w->databases[0].job.failed_version = 1;
    w->databases[0].job.result.failed.script = (char *)(uintptr_t) "V1__x.sql";
    world_pass(w, 100000);
    want(w, rule, CONDITION_READY, "False CanaryFailed");
    want(w, rule, CONDITION_RECONCILING, "True ProgressingWithRetry");
    world_pass(w, 100000);
    want(w, rule, CONDITION_STALLED, "True CanaryFailed");
    want_number(rule, "attempts", w->databases[0].highest_attempt, 1);
}

static const struct scene scenes[] = {
    { "a verdict given by hand lets an unknown outcome go on", 1, verdict_moves_on },
    { "and a refused file run as a whole", 1, verdict_releases_a_refused_file },
    { "the back-off doubles up to five minutes", 1, backs_off },
    { "an attempt is retried until timeout", 1, retried_until_timeout },
    { "a failure that the runner could not record is recorded by the controller", 1, dead_runner },
    { "not Stalled before the failure is recorded; recording is tried again", 1,
      recording_is_retried },
    { "a failed row holds until the file changes or a new retry token comes", 1, held_by_token },
    { "success is what the database says, whatever the Job said", 1,
      job_says_failed_database_says_done },
    { "a Job that has not started within startTimeout is deleted and reported", 1, not_started },
    { "a Job that has not started is Pending with its reason within seconds", 1, waits_to_start },
    { "a Job that can do nothing any more is told, and another does its work", 1, job_beside },
    { "of many that have not started the first is told", 2, many_wait_to_start },
    { "accept-target waits for every entry that it names", 2, accept_waits_for_looks },
    { "at most one create per back-off", 1, create_fails },
    { "a Job that is being deleted is not deleted again", 1, not_started_is_deleted_once },
    { "a Job that waits gives way to one of the present spec", 1, made_from_another_spec },
    { "what the API server does not take is tried again", 1, create_is_rejected },
    { "a read-only target is retried, and does not matter when nothing is pending", 1, read_only },
    { "what its Job would refuse of the login is refused before one is made, and looked at again",
      1, refused_login },
    { "an unexpected target id: TargetChanged, nothing runs before a person says so", 1,
      target_changed },
    { "an empty database behind the Secret: TargetChanged until accepted as none", 1,
      empty_target },
    { "another history table than the lease of this plan: TargetChanged until accepted", 1,
      other_history },
    { "accept-target means exactly this database and this target", 1, odd_ids },
    { "a journal that went backwards is held, and can be accepted", 1, regressed_accepted },
    { "the owner of a database is named", 1, owner_named },
    { "a history that went backwards is held", 1, regressed },
    { "also that of one without an id", 1, regressed_without_id },
    { "verdicts are recorded, then the token is handled", 1, verdict },
    { "a verdict that cannot be read is an event, not a hold", 1, bad_verdict },
    { "deletionPolicy Wait: the Job runs to its end, nothing starts", 2, deleted_wait },
    { "deletionPolicy Cancel: running Jobs are cancelled", 2, deleted_cancel },
    { "deletion is bounded", 1, deleted_bound },
    { "force-delete waits for nothing", 1, deleted_forced },
    { "after= a database that has failed cannot end", 3, waits_for_failed },
    { "a failure that cannot be recorded is Stalled at timeout", 1, never_recorded },
    { "after= waits for another database of the plan", 3, waits },
};

Test(step_database, rules)
{
    play_scenes(scenes, ROWS(scenes));
}
