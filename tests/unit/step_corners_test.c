/* SPDX-License-Identifier: Apache-2.0 */
/* Fleets, gates in numbers, and what is left of the corners. */
#include "base/mem.h"
#include "step_rules.h"

/* ---- gates ------------------------------------------------------------------------------------- */

static struct mplan_gate gates[2];

static void two_gates(struct world *w)
{
    static char first[] = "first", rows[] = "rows", errors[] = "errors";
    gates[0] = (struct mplan_gate){ .name = rows, .interval_ms = 30000, .count = 1 };
    gates[1] = (struct mplan_gate){ .name = errors, .interval_ms = 30000, .count = 1 };
    w->waves[0] = (struct mplan_wave){
        .name = first, .select = SELECT_COUNT, .amount = 1, .gates = gates, .gate_count = 2
    };
    w->plan.waves = w->waves;
    w->plan.wave_count = 1;
}

static void both_gates(struct world *w, const char *rule)
{
    two_gates(w);
    settle_with(w, 1);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_number(rule, "gates", (long long)w->status.gate_count, 2);
    for (size_t i = 0; i < 2; i++) {
        want_number(rule, "state", w->status.gates[i].state, GATE_PASSED);
        want_number(rule, "successes", w->status.gates[i].successes, 1);
    }
}

static void gate_dropped(struct world *w, const char *rule)
{
    two_gates(w);
    settle_with(w, 1);
    w->waves[0].gate_count = 1;
    new_spec(w);
    world_push(w, 1, false);
    world_settle(w, 600000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_number(rule, "gates", (long long)w->status.gate_count, 1);
    check_text(rule, w->status.gates[0].name, "rows");
}

static void measurement_lost(struct world *w, const char *rule)
{
    two_gates(w);
    w->waves[0].gate_count = 1;
    world_push(w, 1, false);
    for (int i = 0; i < 1000 && w->gate_ends_ms == 0; i++) {
        world_pass(w, 5);
    }
    w->gate_ends_ms = 0; /* it never ends, and nobody runs it */
    w->look_again = true;
    world_settle(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void gate_beside_failure(struct world *w, const char *rule)
{
    static char second[] = "second", orders[] = "orders", billing[] = "billing", stock[] = "stock";
    static char *first_names[] = { orders }, *second_names[] = { billing, stock };
    two_gates(w);
    w->waves[1] = w->waves[0];
    w->waves[1].name = second;
    w->waves[1].select = SELECT_NAMES;
    w->waves[1].names = (struct strlist){ .items = second_names, .count = 2 };
    w->waves[1].soak_ms = 60000;
    w->waves[0].select = SELECT_NAMES;
    w->waves[0].names = (struct strlist){ .items = first_names, .count = 1 };
    w->waves[0].gate_count = 0;
    w->plan.wave_count = 2;
    w->plan.max_failures = 1;
    settle_with(w, 1);
    w->databases[1].content[1] = 77; /* refused, and that is tolerated */
    w->databases[1].next_look_ms = w->mono_ms;
    world_push(w, 1, false);
    world_settle(w, 600000);
    want(w, rule, CONDITION_STALLED, "True ChecksumMismatch");
    for (size_t i = 0; i < w->count; i++) {
        want_number(rule, "applied", w->databases[i].applied, i == 1 ? 1 : 2);
    }
}

/* ---- roll-outs --------------------------------------------------------------------------------- */

static void all_removed(struct world *w, const char *rule)
{
    world_push(w, 8, false);
    world_settle(w, 1500); /* the canary's Job runs */
    w->count = w->plan.database_count = 0;
    new_spec(w);
    world_pass(w, 1000);
    want(w, rule, CONDITION_READY, "False NoDatabases");
}

static void empty_fleet(struct world *w, const char *rule)
{
    settle_with(w, 1);
    w->count = w->plan.database_count = 0;
    w->plan.selector.set = w->plan.selector.expanded = true;
    new_spec(w);
    world_pass(w, 1000);
    want(w, rule, CONDITION_READY, "False NoDatabases");
    w->plan.selector.allow_empty = true;
    new_spec(w);
    world_push(w, 1, false);
    world_settle(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want(w, rule, CONDITION_MIGRATED, "True Succeeded");
    struct observed seen;
    struct decision d;
    world_observe(w, &seen);
    seen.selection_problem = "the Secrets cannot be listed";
    step_decide(&seen, &d);
    check_text(rule, d.status.conditions[CONDITION_READY].message, "the Secrets cannot be listed");
    check_text(rule, d.status.conditions[CONDITION_READY].reason, REASON_NO_DATABASES);
    decision_done(&d);
}

static void retry_waits_for_looks(struct world *w, const char *rule)
{
    world_push(w, 1, true);
    world_settle(w, 60000);
    world_annotate(w, ANNOTATION_RETRY, "one");
    struct observed seen;
    struct decision d;
    world_observe(w, &seen);
    seen.retry_early = true;
    step_decide(&seen, &d);
    check_text(rule, d.status.last_handled_retry ? d.status.last_handled_retry : "none", "none");
    decision_done(&d);
    seen.retry_age_ms = STEP_RETRY_BOUND_MS + 1; /* a server that never answers */
    step_decide(&seen, &d);
    check_text(rule, d.status.last_handled_retry, "one");
    decision_done(&d);
    seen.retry_early = false;
    seen.retry_age_ms = -1; /* the inspections that it asks for have not begun */
    step_decide(&seen, &d);
    check_text(rule, d.status.last_handled_retry ? d.status.last_handled_retry : "none", "none");
    decision_done(&d);
    seen.retry_age_ms = 0;
    step_decide(&seen, &d);
    check_text(rule, d.status.last_handled_retry, "one");
    decision_done(&d);
}

static void waves_with_gates(struct world *w, const char *rule)
{
    static char second[] = "second";
    two_gates(w);
    w->waves[1] = w->waves[0];
    w->waves[1].name = second;
    w->plan.wave_count = 2;
    settle_with(w, 1);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_number(rule, "gates", (long long)w->status.gate_count, 4);
    world_push(w, 1, false);
    world_settle(w, 600000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    for (size_t i = 0; i < 4; i++) {
        want_number(rule, "successes", w->status.gates[i].successes, 1);
    }
}

static void first_removed(struct world *w, const char *rule)
{
    settle_with(w, 2);
    struct mplan_database entry = w->entries[0];
    struct world_database database = w->databases[0];
    char target[9];
    memcpy(target, w->status.databases[1].target, sizeof target);
    w->entries[0] = w->entries[1]; /* the list moves up */
    w->databases[0] = w->databases[1];
    w->entries[1] = entry;
    w->databases[1] = database;
    w->count = w->plan.database_count = 1;
    new_spec(w);
    world_settle(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    check_text(rule, w->status.databases[0].name, "billing");
    check_text(rule, w->status.databases[0].target, target);
}

static void covered(struct world *w, const char *rule)
{
    static struct strlist list;
    for (int i = 0; i < 70; i++) {
        char commit[41];
        (void)snprintf(commit, sizeof commit, "%040d", i);
        strlist_add(&list, commit);
    }
    w->covered = &list;
    settle_with(w, 1);
    want_number(rule, "covered commits", (long long)w->status.covered_commits.count,
                STATUS_COVERED);
    struct strlist two = { .items = list.items, .count = 2 };
    w->covered = &two;
    settle_with(w, 1);
    want_number(rule, "covered commits", (long long)w->status.covered_commits.count, 2);
    strlist_done(&list);
}

static void dead_first_wave(struct world *w, const char *rule)
{
    w->plan.max_failures = 1;
    settle_with(w, 1);
    for (size_t i = 0; i < w->count; i++) {
        if (w->databases[i].highest_attempt > 0 && i == 1) {
            w->databases[i].up = false; /* billing is the canary */
            w->databases[i].next_look_ms = w->mono_ms;
        }
    }
    world_pass(w, 4000000); /* dead for longer than timeout before anything new comes */
    world_push(w, 1, false);
    world_pass(w, 60000);
    want(w, rule, CONDITION_STALLED, "True DeadlineExceeded");
    want_applied(w, rule, "orders:1 billing:1");
}

static void history_is_five(struct world *w, const char *rule)
{
    for (int i = 0; i < 7; i++) {
        settle_with(w, 1);
    }
    want_number(rule, "history", (long long)w->status.history_count, STATUS_HISTORY);
    check_text(rule, w->status.history[0].commit, w->commits[6].id);
    check_text(rule, w->status.history[4].commit, w->commits[2].id);
}

static void fix_is_fetched_again(struct world *w, const char *rule)
{
    world_push(w, 1, true);
    world_settle(w, 60000);
    want(w, rule, CONDITION_STALLED, "True CanaryFailed");
    world_edit(w, 1, 0);
    w->next_poll_ms = w->mono_ms;
    world_pass(w, 10);
    want(w, rule, CONDITION_READY, "Unknown Progressing");
    w->git_up = false; /* while it is being fetched */
    world_pass(w, 2000);
    want(w, rule, CONDITION_READY, "False SourceFetchFailed");
    want(w, rule, CONDITION_RECONCILING, "True ProgressingWithRetry");
    w->git_up = true;
    w->next_poll_ms = INT64_MAX; /* nothing else wakes it */
    world_pass(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void fix_is_refused(struct world *w, const char *rule)
{
    world_push(w, 1, true);
    world_settle(w, 60000);
    want(w, rule, CONDITION_STALLED, "True CanaryFailed");
    w->commits[world_edit(w, 1, 0)].refused = REASON_SOURCE_TOO_LARGE;
    w->next_poll_ms = w->mono_ms;
    world_settle(w, 600000);
    want(w, rule, CONDITION_READY, "False CanaryFailed");
    want(w, rule, CONDITION_STALLED, "True CanaryFailed");
    want(w, rule, CONDITION_RECONCILING, "");
    want_applied(w, rule, "orders:0");
    world_edit(w, 1, 0);
    w->next_poll_ms = w->mono_ms;
    world_settle(w, 600000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_applied(w, rule, "orders:1");
}

static void unstarted_is_deleted(struct world *w, const char *rule)
{
    w->plan.strategy = STRATEGY_ALL_AT_ONCE;
    world_push(w, 1, true);
    for (int i = 0; i < 1000 && w->databases[1].job.phase != JOB_WAITING; i++) {
        world_pass(w, 5);
    }
    w->databases[1].job.next_ms = INT64_MAX; /* its node is not ready */
    world_settle(w, 60000);
    want(w, rule, CONDITION_STALLED, "True MigrationFailed");
    want_number(rule, "phase of the other Job", w->databases[1].job.phase, JOB_NONE);
    want(w, rule, CONDITION_FINISHED, "True Failed");
}

static void says_what_it_waits_for(struct world *w, const char *rule)
{
    static const char *const waits[][2] = {
        { NULL, "has not started within execution.startTimeout" },
        { "0/3 nodes have room", "execution.startTimeout: 0/3 nodes have room" },
    };
    world_push(w, 1, false);
    for (int i = 0; i < 1000 && w->databases[0].job.phase != JOB_WAITING; i++) {
        world_pass(w, 5);
    }
    w->databases[0].job.next_ms = INT64_MAX;
    w->mono_ms += 610000;
    for (size_t i = 0; i < ROWS(waits); i++) {
        struct decision d;
        w->databases[0].job.waiting = waits[i][0];
        world_decide(w, &d);
        const char *message = d.status.conditions[CONDITION_READY].message;
        size_t length = message ? strlen(message) : 0;
        size_t end = strlen(waits[i][1]);
        cr_expect(length >= end && str_eq(message + length - end, waits[i][1]), "%s: \"%s\"", rule,
                  message ? message : "");
        decision_done(&d);
    }
}

static void requested_ours(struct world *w, const char *rule)
{
    settle_with(w, 1);
    world_annotate(w, ANNOTATION_REQUESTED, "any text");
    world_settle(w, 10000);
    check_text(rule, w->status.last_handled_reconcile, "any text");
}

static const struct scene scenes[] = {
    { "every gate of a wave is judged", 2, both_gates },
    { "a gate that is no longer in the spec leaves the status", 2, gate_dropped },
    { "two waves may have gates of the same name", 4, waves_with_gates },
    { "a measurement that was lost is taken again", 2, measurement_lost },
    { "gates ask the databases that are up to date; a tolerated failure is not asked", 4,
      gate_beside_failure },
    { "every entry removed during a roll-out: NoDatabases", 2, all_removed },
    { "an empty fleet is ready only where that is allowed", 1, empty_fleet },
    { "a retry waits for the looks that it asked for", 1, retry_waits_for_looks },
    { "what is remembered of a database follows its name", 2, first_removed },
    { "coveredCommits keeps 64", 1, covered },
    { "a first wave that is dead for long holds a new roll-out", 2, dead_first_wave },
    { "history keeps the last five roll-outs", 1, history_is_five },
    { "a fetch that fails while Stalled is tried again", 1, fix_is_fetched_again },
    { "a fix that is too large is not waited for: Stalled as before, until the next commit", 1,
      fix_is_refused },
    { "a Job that has not started is deleted when the roll-out is Stalled", 2,
      unstarted_is_deleted },
    { "a Job that does not start says what it waits for, if anybody knows", 1,
      says_what_it_waits_for },
    { "requestedAt is opaque", 1, requested_ours },
};

Test(step_corners, scenes)
{
    play_scenes(scenes, ROWS(scenes));
}

/* ---- nobody to migrate ------------------------------------------------------------------------- */

static const struct {
    const char *rule, *problem;
    bool selector;
    const char *says;
} nobody[] = {
    { "a list without entries says so", NULL, false, "spec.databases is empty" },
    { "a selector that selects nothing says so", NULL, true,
      "no Secret has the labels of spec.databaseSelector" },
    { "a selector that cannot be followed says why", "Secrets of shop cannot be listed", true,
      "Secrets of shop cannot be listed" },
};

Test(step_corners, nobody_to_migrate)
{
    for (size_t i = 0; i < ROWS(nobody); i++) {
        struct status status;
        struct decision d;
        struct mplan plan = { .name = (char *)(uintptr_t) "shop",
                              .uid = (char *)(uintptr_t) "u",
                              .namespace_ = (char *)(uintptr_t) "shop",
                              .selector.set = nobody[i].selector,
                              .retry_interval_ms = 30000,
                              .timeout_ms = 3600000 };
        status_init(&status);
        struct observed seen = { .plan = &plan,
                                 .status = &status,
                                 .selection_problem = nobody[i].problem,
                                 .now_ms = 1767225600000,
                                 .now_mono_ms = 1000 };
        memset(seen.source.newest.commit, 'a', 40);
        seen.source.newest.revision = "main@sha1:aaaa";
        seen.source.newest.fetch = FETCH_DONE;
        step_decide(&seen, &d);
        const struct condition *ready = &d.status.conditions[CONDITION_READY];
        check_text(nobody[i].rule, ready->reason, REASON_NO_DATABASES);
        check_text(nobody[i].rule, ready->message, nobody[i].says);
        cr_expect(check_decision(&seen, &d) == NULL, "%s: invariants", nobody[i].rule);
        decision_done(&d);
    }
}

/* ---- a fleet ----------------------------------------------------------------------------------- */

#define FLEET 60

Test(step_corners, a_fleet_that_does_not_answer)
{
    static struct mplan_database entries[FLEET];
    static struct database_view views[FLEET];
    static char names[FLEET][8];
    static struct mplan plan;
    struct status status;
    status_init(&status);
    for (int i = 0; i < FLEET; i++) {
        (void)snprintf(names[i], sizeof names[i], "db%02d", i);
        entries[i].name = names[i];
        views[i].inspection = INSPECTION_FAILED;
        views[i].failure = (struct failure){ REASON_ACCESS_DENIED, "no such role", 0, 1 };
        views[i].after_job = true;
    }
    plan = (struct mplan){ .name = (char *)(uintptr_t) "shop",
                           .uid = (char *)(uintptr_t) "u",
                           .namespace_ = (char *)(uintptr_t) "shop",
                           .databases = entries,
                           .database_count = FLEET,
                           .strategy = STRATEGY_CANARY,
                           .max_parallel = 4,
                           .retry_interval_ms = 30000,
                           .timeout_ms = 3600000 };
    struct observed seen = { .plan = &plan,
                             .databases = views,
                             .status = &status,
                             .now_ms = 1767225600000,
                             .now_mono_ms = 1000 };
    memset(seen.source.newest.commit, 'a', 40);
    seen.source.newest.revision = "main@sha1:aaaa";
    seen.source.newest.fetch = FETCH_DONE;
    struct decision d;
    step_decide(&seen, &d);
    const struct condition *c = &d.status.conditions[CONDITION_DATABASES_REACHABLE];
    check_text("first three and how many more", c->message,
               "db00: no such role; db01: no such role; db02: no such role; and 57 more");
    check_text("reason", c->reason, REASON_ACCESS_DENIED);
    int shown = 0;
    for (int i = 0; i < FLEET; i++) {
        shown += d.status.databases[i].message != NULL;
    }
    cr_expect(shown == 50, "%d are shown to people", shown);
    cr_expect(check_decision(&seen, &d) == NULL, "invariants");
    decision_done(&d);
}
