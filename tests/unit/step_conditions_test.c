/* SPDX-License-Identifier: Apache-2.0 */
/* How situations map to conditions, and what a person's request does. */
#include "step_rules.h"

#include "base/auto.h"
#include "base/mem.h"

static void soaking(struct world *w, const char *rule)
{
    w->waves[0] = (struct mplan_wave){
        .name = (char[]){ "first" }, .select = SELECT_COUNT, .amount = 1, .soak_ms = 600000
    };
    w->plan.waves = w->waves;
    w->plan.wave_count = 1;
    world_push(w, 1, false);
    world_settle(w, 60000);
    want(w, rule, CONDITION_READY, "Unknown Soaking");
    want(w, rule, CONDITION_RECONCILING, "True Soaking");
    want(w, rule, CONDITION_WAITING, "True Soaking");
    want_message(w, rule, CONDITION_WAITING, "wave first soaks until 2026-01-01T00:");
    want(w, rule, CONDITION_FINISHED, "");
}

static void silent_gate(struct world *w, const char *rule)
{
    w->gate = (struct mplan_gate){ .name = (char[]){ "rows" }, .interval_ms = 30000, .count = 1 };
    w->waves[0] = (struct mplan_wave){ .name = (char[]){ "first" },
                                       .select = SELECT_COUNT,
                                       .amount = 1,
                                       .gates = &w->gate,
                                       .gate_count = 1 };
    w->plan.waves = w->waves;
    w->plan.wave_count = 1;
    w->gate_answers = false;
    settle_with(w, 1);
    want(w, rule, CONDITION_READY, "Unknown AnalysisUnavailable");
    want(w, rule, CONDITION_WAITING, "True AnalysisUnavailable");
    want_message(w, rule, CONDITION_READY, "orders: canceling statement due to timeout");
    w->plan.timeout_ms = 60000;
    world_pass(w, 7200000);
    want(w, rule, CONDITION_READY, "Unknown AnalysisUnavailable"); /* never counts */
    w->gate_answers = true;
    world_pass(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want(w, rule, CONDITION_WAITING, "");
}

static void missing_source(struct world *w, const char *rule)
{
    w->git_up = false;
    world_push(w, 1, false);
    world_pass(w, 5000);
    want(w, rule, CONDITION_READY, "False SourceUnavailable");
    want(w, rule, CONDITION_RECONCILING, "True ProgressingWithRetry");
    want(w, rule, CONDITION_SOURCE_READY, "False SourceUnavailable");
    world_pass(w, 3700000);
    want(w, rule, CONDITION_STALLED, "True DeadlineExceeded");
    want_message(w, rule, CONDITION_STALLED, "could not connect");
    want(w, rule, CONDITION_FINISHED, "True Failed");
    w->git_up = true; /* a Stalled caused by something missing clears when the observation does */
    world_settle(w, 600000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

/* What no waiting mends is Stalled at once; a plan that was Ready stays so for three polls. */
static void refused_source(struct world *w, const char *rule)
{
    static const char *const reasons_[] = { REASON_INVALID_SPEC, REASON_HOST_KEY_MISMATCH };
    for (size_t i = 0; i < ROWS(reasons_); i++) {
        AUTO(free_auto) char *stalled = mem_printf("True %s", reasons_[i]);
        w->git_up = false;
        w->poll_reason = reasons_[i];
        w->newest = -1;
        new_spec(w);
        world_push(w, 1, false);
        w->next_poll_ms = w->mono_ms;
        world_pass(w, 5000);
        want(w, rule, CONDITION_STALLED, stalled);
        want(w, rule, CONDITION_RECONCILING, "");
        want_message(w, rule, CONDITION_READY, "could not connect");
        w->git_up = true;
        w->next_poll_ms = w->mono_ms;
        world_settle(w, 600000);
        want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
        w->git_up = false;
        w->next_poll_ms = w->mono_ms;
        world_pass(w, 1000);
        want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
        world_pass(w, 125000);
        want(w, rule, CONDITION_STALLED, stalled);
        w->git_up = true;
        world_settle(w, 600000);
        want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
        w->newest = -1; /* the controller begins anew, and its first poll fails */
        w->git_up = false;
        w->poll.count = 0;
        w->next_poll_ms = w->mono_ms;
        world_pass(w, 1000);
        want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
        want(w, rule, CONDITION_STALLED, "");
    }
}

static void missing_revision(struct world *w, const char *rule)
{
    settle_with(w, 1);
    w->newest = world_push(w, 1, false);
    w->commits[w->newest].lost = true;
    w->fetched[w->newest] = FETCH_NONE;
    new_spec(w); /* spec.revision names it */
    w->next_poll_ms = INT64_MAX;
    world_pass(w, 2000);
    want(w, rule, CONDITION_READY, "False RevisionNotFound");
    want(w, rule, CONDITION_RECONCILING, "True ProgressingWithRetry");
    w->commits[w->newest].lost = false;
    world_pass(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void missing_database(struct world *w, const char *rule)
{
    w->databases[0].up = false;
    world_push(w, 1, false);
    world_pass(w, 5000);
    want(w, rule, CONDITION_READY, "False DatabaseUnavailable");
    want(w, rule, CONDITION_RECONCILING, "True ProgressingWithRetry");
    want(w, rule, CONDITION_DATABASES_REACHABLE, "False DatabaseUnavailable");
    want_message(w, rule, CONDITION_DATABASES_REACHABLE, "orders: connection refused");
    world_pass(w, 3700000);
    want(w, rule, CONDITION_STALLED, "True DeadlineExceeded");
    w->databases[0].up = true;
    world_settle(w, 600000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_applied(w, rule, "orders:1");
}

static void no_databases(struct world *w, const char *rule)
{
    settle_with(w, 1);
    want(w, rule, CONDITION_READY, "False NoDatabases");
    want(w, rule, CONDITION_RECONCILING, "True ProgressingWithRetry");
    world_pass(w, 3700000);
    want(w, rule, CONDITION_STALLED, "True DeadlineExceeded");
}

static void outage_while_idle(struct world *w, const char *rule)
{
    settle_with(w, 1);
    w->databases[1].up = false;
    w->databases[1].next_look_ms = w->mono_ms;
    world_pass(w, 1000);
    want(w, rule, CONDITION_DATABASES_REACHABLE, "False DatabaseUnavailable");
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    world_pass(w, 31000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    world_pass(w, 90000);
    want(w, rule, CONDITION_READY, "False DatabaseUnavailable");
    want(w, rule, CONDITION_FINISHED, "True Succeeded");
    w->databases[1].up = true;
    world_settle(w, 600000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void source_outage_while_idle(struct world *w, const char *rule)
{
    settle_with(w, 1);
    w->git_up = false;
    w->next_poll_ms = w->mono_ms;
    world_pass(w, 1000);
    want(w, rule, CONDITION_SOURCE_READY, "False SourceUnavailable");
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    world_pass(w, 125000);
    want(w, rule, CONDITION_READY, "False SourceUnavailable");
    w->git_up = true;
    world_settle(w, 600000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void suspended_unchanged(struct world *w, const char *rule)
{
    settle_with(w, 1);
    w->plan.suspend = true;
    w->plan.generation++;
    world_push(w, 1, false);
    w->look_again = true;
    world_pass(w, 600000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_message(w, rule, CONDITION_READY, " (suspended)");
    want_number(rule, "observedGeneration", w->status.observed_generation, 2);
    want_number(rule, "Ready's generation", world_condition(w, CONDITION_READY)->generation, 2);
    want_applied(w, rule, "orders:1 billing:1");
    w->plan.suspend = false;
    w->plan.generation++;
    w->look_again = true;
    world_settle(w, 600000);
    want_applied(w, rule, "orders:2 billing:2");
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void suspended_changed(struct world *w, const char *rule)
{
    settle_with(w, 1);
    int64_t ended = world_condition(w, CONDITION_FINISHED)->generation;
    w->plan.suspend = true;
    new_spec(w);
    world_pass(w, 1000);
    want(w, rule, CONDITION_READY, "Unknown Suspended");
    want(w, rule, CONDITION_RECONCILING, "True Suspended");
    want_number(rule, "observedGeneration", w->status.observed_generation, w->plan.generation);
    world_pass(w, 600000);
    want(w, rule, CONDITION_READY, "Unknown Suspended");
    want_number(rule, "Finished's generation, or a waiter would take it for this spec's",
                world_condition(w, CONDITION_FINISHED)->generation, ended);
}

static void suspended_running(struct world *w, const char *rule)
{
    world_push(w, 3, false);
    world_settle(w, 900); /* the canary's Job runs */
    want_number(rule, "the canary's phase", w->databases[1].job.phase, JOB_RUNNING);
    w->plan.suspend = true;
    w->plan.generation++;
    w->look_again = true;
    world_pass(w, 600000);
    want_applied(w, rule, "orders:0 billing:3");
    want(w, rule, CONDITION_RECONCILING, "True Progressing");
}

static void readme_commit(struct world *w, const char *rule)
{
    settle_with(w, 1);
    int64_t jobs = jobs_ever(w), since = world_condition(w, CONDITION_READY)->transition_ms;
    int64_t looked = w->databases[0].looked_ms;
    int commit = world_push_readme(w);
    world_settle(w, 30000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    check_text(rule, w->status.last_applied_commit, w->commits[commit].id);
    check_text(rule, w->status.last_attempted_commit, w->commits[commit].id);
    want_number(rule, "Jobs", jobs_ever(w), jobs);
    want_number(rule, "Ready's transition", world_condition(w, CONDITION_READY)->transition_ms,
                since);
    want_number(rule, "time of the last inspection", w->databases[0].looked_ms, looked);
    want_message(w, rule, CONDITION_FINISHED, w->commits[commit].id);
}

static void ahead(struct world *w, const char *rule)
{
    settle_with(w, 3);
    int commit = world_push_readme(w);
    w->commits[commit].files = 1; /* the wanted commit is older than what is applied */
    world_settle(w, 600000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_message(w, rule, CONDITION_READY, "ahead by 2, 3");
    want_number(rule, "status.ahead", (long long)w->status.ahead.count, 2);
}

static void rest_allowed(struct world *w, const char *rule)
{
    w->plan.strategy = STRATEGY_ALL_AT_ONCE;
    w->plan.max_failures = 1;
    w->plan.max_parallel = 1;
    settle_with(w, 1);
    w->databases[1].content[1] = 77; /* another file was applied there: this one is refused */
    w->databases[1].next_look_ms = w->mono_ms;
    world_push(w, 1, false);
    world_settle(w, 600000);
    want(w, rule, CONDITION_STALLED, "True ChecksumMismatch");
    want_message(w, rule, CONDITION_STALLED, "all/billing: V1__x.sql was changed");
    want_applied(w, rule, "orders:2 billing:1 stock:2");
    want(w, rule, CONDITION_FINISHED, "True Failed");
    want_number(rule, "history", (long long)w->status.history_count, 2);
    cr_expect(!w->status.history[0].succeeded && w->status.history[1].succeeded, "%s", rule);
}

static void rest_allowed_job(struct world *w, const char *rule)
{
    w->plan.strategy = STRATEGY_ALL_AT_ONCE;
    w->plan.max_failures = 3;
    w->plan.max_parallel = 1;
    world_push(w, 2, true);
    world_settle(w, 600000);
    want(w, rule, CONDITION_STALLED, "True MigrationFailed");
    want_message(w, rule, CONDITION_STALLED, "(and 2 more failed); fix forward");
    want_applied(w, rule, "orders:1 billing:1 stock:1");
}

static void timed_out(struct world *w, const char *rule)
{
    w->plan.timeout_ms = 1000;
    w->plan.max_parallel = 1;
    w->plan.strategy = STRATEGY_ALL_AT_ONCE;
    world_push(w, 8, false);
    world_settle(w, 2000);
    want(w, rule, CONDITION_STALLED, "True DeadlineExceeded");
    want(w, rule, CONDITION_FINISHED, ""); /* its Job still runs */
    world_settle(w, 600000);
    want_applied(w, rule, "orders:8 billing:0");
    want(w, rule, CONDITION_STALLED, "True DeadlineExceeded");
    want(w, rule, CONDITION_FINISHED, "True Failed");
    world_pass(w, 7200000);
    want_applied(w, rule, "orders:8 billing:0");
    w->plan.timeout_ms = 100000;
    world_annotate(w, ANNOTATION_RETRY, "again");
    world_settle(w, 600000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void invalid_spec(struct world *w, const char *rule)
{
    settle_with(w, 1);
    w->spec_error = err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "spec.strategy.type: unknown");
    new_spec(w);
    world_settle(w, 10000);
    want(w, rule, CONDITION_STALLED, "True InvalidSpec");
    want(w, rule, CONDITION_READY, "False InvalidSpec");
    want_number(rule, "databases remembered", (long long)w->status.database_count, 2);
    err_free(w->spec_error);
    w->spec_error = NULL;
    new_spec(w);
    world_settle(w, 10000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void first_sight(struct world *w, const char *rule)
{
    w->git_up = true;
    struct decision d;
    world_decide(w, &d);
    want_number(rule, "observedGeneration", d.status.observed_generation, 1);
    cr_expect(d.status.conditions[CONDITION_READY].status == CONDITION_UNKNOWN, "%s", rule);
    cr_expect(d.status.conditions[CONDITION_RECONCILING].status == CONDITION_TRUE, "%s", rule);
    decision_done(&d);
}

static void pin_same_tree(struct world *w, const char *rule)
{
    settle_with(w, 1);
    int64_t since = world_condition(w, CONDITION_READY)->transition_ms;
    new_spec(w);
    world_settle(w, 1000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_number(rule, "Ready's transition", world_condition(w, CONDITION_READY)->transition_ms,
                since);
    want_number(rule, "Finished's generation", world_condition(w, CONDITION_FINISHED)->generation,
                w->plan.generation);
}

static void finished_removed(struct world *w, const char *rule)
{
    settle_with(w, 1);
    want(w, rule, CONDITION_FINISHED, "True Succeeded");
    world_push(w, 3, false);
    world_settle(w, 900);
    want(w, rule, CONDITION_FINISHED, "");
    world_settle(w, 600000);
    want(w, rule, CONDITION_FINISHED, "True Succeeded");
}

static void progress_numbers(struct world *w, const char *rule)
{
    settle_with(w, 2);
    world_push(w, 1, true);
    world_settle(w, 600000);
    want_number(rule, "up to date", w->status.summary.up_to_date, 0);
    want_number(rule, "failed", w->status.summary.failed, 1);
    want_number(rule, "pending", w->status.summary.pending, 2);
    check_text(rule, w->status.summary.min_version, "2");
    struct json *json = status_format(&w->status);
    check_text(rule, json_get_string(json, "progress"), "0/3");
    json_free(json);
    const struct database_status *d = status_database(&w->status, "orders");
    check_text(rule, d->wave, "rest");
    cr_expect(!d->message && d->head == 2, "%s", rule);
    want_number(rule, "target's length", (long long)strlen(d->target), 8);
}

/* Nothing ran on them: they have not failed, and the Jobs of the roll-out before say nothing of them. */
static void refused_words(struct world *w, const char *rule)
{
    settle_with(w, 2);
    world_edit(w, 1, 0);
    w->next_poll_ms = w->mono_ms;
    world_settle(w, 60000);
    want(w, rule, CONDITION_STALLED, "True ChecksumMismatch");
    want_message(w, rule, CONDITION_STALLED, "(and 2 more refused)");
    want_number(rule, "refused", w->status.summary.refused, 3);
    want_number(rule, "failed", w->status.summary.failed, 0);
    for (size_t i = 0; i < w->count; i++) {
        const struct database_status *d = &w->status.databases[i];
        check_text(rule, database_state_text(d->state), "Refused");
        cr_expect(!d->job && d->attempt == 0, "%s: job %s", rule, d->job ? d->job : "");
    }
}

static void failed_and_refused(struct world *w, const char *rule)
{
    w->plan.strategy = STRATEGY_ALL_AT_ONCE;
    w->plan.max_failures = 2;
    settle_with(w, 1);
    w->databases[0].fails = w->databases[1].fails = 2;
    w->databases[2].content[1] = 99; /* changed after it had been applied */
    w->databases[2].next_look_ms = w->mono_ms;
    world_push(w, 1, false);
    w->next_poll_ms = w->mono_ms;
    world_settle(w, 600000);
    want_message(w, rule, CONDITION_STALLED, "(and 1 more failed, 1 more refused)");
    want_number(rule, "failed", w->status.summary.failed, 2);
    want_number(rule, "refused", w->status.summary.refused, 1);
    cr_expect(w->status.databases[0].job && !w->status.databases[2].job, "%s: jobs", rule);
}

static void requested(struct world *w, const char *rule)
{
    settle_with(w, 1);
    int64_t looked = w->databases[0].looked_ms;
    world_annotate(w, ANNOTATION_FLUX_REQUESTED, "2026-01-01T00:00:00Z");
    struct decision d;
    world_decide(w, &d);
    cr_expect(d.effect == EFFECT_REFRESH && d.write_first, "%s", rule);
    decision_done(&d);
    world_settle(w, 10000);
    check_text(rule, w->status.last_handled_reconcile, "2026-01-01T00:00:00Z");
    cr_expect(w->databases[0].looked_ms > looked, "%s: not looked at", rule);
    world_annotate(w, ANNOTATION_REQUESTED, "2025-12-31T00:00:00Z"); /* an older request */
    world_settle(w, 10000);
    check_text(rule, w->status.last_handled_reconcile, "2026-01-01T00:00:00Z");
    world_annotate(w, ANNOTATION_REQUESTED, "2026-02-01T00:00:00Z");
    world_settle(w, 10000);
    check_text(rule, w->status.last_handled_reconcile, "2026-02-01T00:00:00Z");
}

static void ready_survives_restart(struct world *w, const char *rule)
{
    settle_with(w, 1);
    int64_t since = world_condition(w, CONDITION_READY)->transition_ms, jobs = jobs_ever(w);
    world_crash(w);
    for (int i = 0; i < 200; i++) {
        world_pass(w, 10);
        want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    }
    want_number(rule, "Ready's transition", world_condition(w, CONDITION_READY)->transition_ms,
                since);
    want_number(rule, "Jobs", jobs_ever(w), jobs);
}

static void stalled_survives_restart(struct world *w, const char *rule)
{
    world_push(w, 1, true);
    world_settle(w, 600000);
    want(w, rule, CONDITION_STALLED, "True CanaryFailed");
    int64_t jobs = jobs_ever(w);
    for (size_t i = 0; i < w->count; i++) {
        w->databases[i].job = (struct world_job){ 0 }; /* the evidence is gone */
    }
    world_crash(w);
    for (int i = 0; i < 200; i++) {
        world_pass(w, 10);
        want(w, rule, CONDITION_STALLED, "True CanaryFailed");
    }
    world_pass(w, 7200000);
    want(w, rule, CONDITION_STALLED, "True CanaryFailed");
    want_number(rule, "Jobs", jobs_ever(w), jobs);
}

static void status_lost(struct world *w, const char *rule)
{
    settle_with(w, 2);
    int64_t jobs = jobs_ever(w);
    status_done(&w->status);
    status_done(&w->stored);
    world_crash(w);
    world_settle(w, 600000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_number(rule, "Jobs", jobs_ever(w), jobs);
    check_text(rule, w->status.last_applied_commit, w->commits[0].id);
}

static const struct scene situations[] = {
    { "soak: Ready=Unknown, Reconciling=True, Waiting=True saying until when", 2, soaking },
    { "a gate without an answer: Waiting, for as long as it takes", 2, silent_gate },
    { "source missing: retried until timeout, then Stalled until it is there", 1, missing_source },
    { "a revision that is not there yet does not fail at once", 1, missing_revision },
    { "database missing: retried until timeout, then Stalled until it is there", 1,
      missing_database },
    { "zero databases: retried until timeout, then Stalled", 0, no_databases },
    { "outage while nothing is pending: Ready changes after 3 failed inspections", 2,
      outage_while_idle },
    { "a database that was refused has not failed, and shows no Job of a former roll-out", 3,
      refused_words },
    { "others are told by what became of them", 3, failed_and_refused },
    { "a source that no waiting mends: Stalled at once", 1, refused_source },
    { "source outage while nothing is pending: Ready changes after 3 failed polls", 1,
      source_outage_while_idle },
    { "suspended, spec unchanged: conditions kept, message says so, nothing starts", 2,
      suspended_unchanged },
    { "suspended, spec changed: generation moves, Ready=Unknown Suspended", 1, suspended_changed },
    { "suspended: running Jobs finish, nothing starts", 2, suspended_running },
    { "a commit that changes no migration tree: revisions advance, Ready never flips", 2,
      readme_commit },
    { "applied versions above the wanted commit: Ready=True and ahead", 2, ahead },
    { "one database refused, rest allowed: the rest goes on, then Stalled naming it", 3,
      rest_allowed },
    { "failures within maxFailures: at the end Stalled MigrationFailed", 3, rest_allowed_job },
    { "timeout reached: nothing new starts, running Jobs finish, Stalled", 2, timed_out },
    { "an invalid spec is Stalled and forgets nothing", 2, invalid_spec },
    { "the first status is Reconciling with the generation that was seen", 1, first_sight },
    { "a new generation that is verified in the same pass never flips Ready", 2, pin_same_tree },
    { "Finished is removed when a roll-out starts and set when it ends", 2, finished_removed },
    { "summary, progress and databases count what the databases say", 3, progress_numbers },
    { "requestedAt, ours or Flux's: status first, then poll and inspect; acted on once", 1,
      requested },
    { "a restart keeps Ready while nothing speaks against it", 2, ready_survives_restart },
    { "a restart without the failed Job's evidence: still Stalled, nothing run again", 3,
      stalled_survives_restart },
    { "a lost status is filled again from what the databases say", 2, status_lost },
};

Test(step_conditions, situations_map_to_conditions)
{
    play_scenes(situations, ROWS(situations));
}
