/* SPDX-License-Identifier: Apache-2.0 */
/* The order of a roll-out under every edit: rows of the table in docs/reference/migrationplan.md 5, each played
 * in the small world, in the soak of the canary where nothing else is said. Edits, commits, people and
 * accidents; step_order_members_test.c has those about databases. */
#include "step_order_rules.h"

/* ---- edits of the spec ------------------------------------------------------------------------- */

static void longer_soak(struct world *w, const char *rule)
{
    in_the_soak(w);
    want_applied(w, rule, "orders:2 billing:1 stock:1");
    w->waves[0].soak_ms = 2 * HOUR_MS;
    edit(w);
    world_settle(w, 60000);
    want(w, rule, CONDITION_WAITING, "True Soaking");
    want_message(w, rule, CONDITION_WAITING, "strategy edited: wave first soaks again until ");
    want_number(rule, "Jobs of the canary", w->databases[0].highest_attempt, 2);
    want_soak_from(w, rule, soak_began(w), 2 * HOUR_MS);
}

static void shorter_soak(struct world *w, const char *rule)
{
    in_the_soak(w);
    world_pass(w, 600000);
    w->waves[0].soak_ms = 300000;
    edit(w);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:2 billing:2 stock:2");
}

static void another_gate(struct world *w, const char *rule)
{
    static char other[] = "errors";
    in_the_soak(w);
    w->gate.name = other;
    w->gate.count = 3;
    edit(w);
    world_settle(w, 60000);
    const struct gate_status *gate = status_gate(&w->status, "first", "errors");
    cr_assert(gate, "%s: no gate in status", rule);
    cr_expect(gate->successes <= 2, "%s: answers from before count", rule);
    cr_expect(!status_gate(&w->status, "first", "rows"), "%s: the old gate stayed", rule);
    want_soak_from(w, rule, soak_began(w), HOUR_MS);
}

static void edit_after_gate_failed(struct world *w, const char *rule)
{
    after_the_gate(w);
    want(w, rule, CONDITION_STALLED, "True GateFailed");
    w->gate.count = 2; /* another question, the same answer */
    edit(w);
    world_settle(w, 600000);
    want(w, rule, CONDITION_STALLED, "True GateFailed");
    w->plan.max_parallel = 9;
    edit(w);
    world_settle(w, 600000);
    want(w, rule, CONDITION_STALLED, "True GateFailed");
    w->waves[0].soak_ms = 60000;
    edit(w);
    world_settle(w, 600000);
    want(w, rule, CONDITION_STALLED, "True GateFailed");
    want_applied(w, rule, "orders:2 billing:1 stock:1");
}

static void edit_while_down(struct world *w, const char *rule)
{
    in_the_soak(w);
    w->waves[0].soak_ms = 2 * HOUR_MS;
    new_spec(w);
    world_crash(w);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:2 billing:1 stock:1");
    want_soak_from(w, rule, soak_began(w), 2 * HOUR_MS);
}

static void nothing_anew(struct world *w, const char *rule)
{
    in_the_soak(w);
    int64_t started = w->status.rollout.started_ms;
    int32_t round = w->status.gates[0].round;
    w->plan.max_parallel = 1;
    w->plan.max_failures = 3;
    w->plan.execution.lock_retry_for_ms = 5;
    w->plan.timeout_ms *= 2;
    w->plan.interval_ms *= 2;
    edit(w);
    world_settle(w, 60000);
    want_number(rule, "start", w->status.rollout.started_ms, started);
    cr_expect(w->status.gates[0].round >= round && w->status.gates[0].successes >= 1, "%s: gates",
              rule);
    cr_expect(!w->status.rollout.restarted, "%s: it began anew", rule);
    want_applied(w, rule, "orders:2 billing:1 stock:1");
    want_soak_from(w, rule, soak_began(w), HOUR_MS);
}

static void all_at_once(struct world *w, const char *rule)
{
    in_the_soak(w);
    w->plan.strategy = STRATEGY_ALL_AT_ONCE;
    w->plan.wave_count = 0;
    edit(w);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:2 billing:2 stock:2");
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void inputs_edited(struct world *w, const char *rule)
{
    in_the_soak(w);
    w->options = 7; /* spec.migrations */
    edit(w);
    world_settle(w, 60000);
    want_message(w, rule, CONDITION_WAITING, "migrations edited: wave first soaks again until ");
    want_applied(w, rule, "orders:2 billing:1 stock:1");
    want_soak_from(w, rule, soak_began(w), HOUR_MS);
}

static void other_canary(struct world *w, const char *rule)
{
    static char billing[] = "billing";
    static char *names[] = { billing };
    in_the_soak(w);
    select_name(&w->waves[0], names);
    edit(w);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:2 billing:1 stock:1"); /* who has begun goes first */
    world_pass(w, HOUR_MS);
    want_applied(w, rule, "orders:2 billing:2 stock:1"); /* then the selection, with its own soak */
    want(w, rule, CONDITION_WAITING, "True Soaking");
    world_pass(w, HOUR_MS + 60000);
    want_applied(w, rule, "orders:2 billing:2 stock:2");
}

static void failure_in_first_wave(struct world *w, const char *rule)
{
    everywhere(w, 1);
    w->plan.max_failures = 2;
    w->databases[0].content[1] = 77; /* refused, not failed */
    w->databases[0].next_look_ms = w->mono_ms;
    world_push(w, 1, false);
    world_settle(w, 600000);
    want(w, rule, CONDITION_STALLED, "True ChecksumMismatch");
    want_applied(w, rule, "orders:1 billing:1 stock:1");
}

static void nothing_for_the_old_source(struct world *w, const char *rule)
{
    static char url[] = "https://g/other";
    careful(w);
    world_push(w, 4, false);
    world_settle(w, 1200); /* the canary's Job runs */
    int applied = w->databases[0].applied;
    w->plan.source.url = url;
    w->newest = -1; /* what is known is of the old one */
    w->next_poll_ms = w->mono_ms + 50000;
    w->databases[0].job.next_ms = w->mono_ms;
    (void)world_push(w, 0, false);
    w->next_poll_ms = w->mono_ms + 50000;
    edit(w);
    world_pass(w, 40000);
    cr_expect(w->databases[0].applied <= 4 && applied <= 4, "%s", rule);
    want_number(rule, "files of the second", w->databases[1].applied, 0);
    want_message(w, rule, CONDITION_READY, "source edited");
}

/* The entry is gone from the list, and those behind it move up. */
/* ---- commits ----------------------------------------------------------------------------------- */

static void withdrawn(struct world *w, const char *rule)
{
    in_the_soak(w);
    int commit = world_push(w, 0, false);
    w->commits[commit].files = 1; /* V2 is taken back */
    world_settle(w, 60000);
    want_applied(w, rule, "orders:2 billing:1 stock:1");
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_message(w, rule, CONDITION_READY, "ahead by 2");
}

static void withdrawn_ends_the_queue(struct world *w, const char *rule)
{
    in_the_soak(w);
    for (int i = 0; i < 3; i++) {
        world_push(w, 1, false);
        world_settle(w, 10000);
    }
    cr_expect(w->status.queued_commit[0], "%s: the third is queued", rule);
    int commit = world_push(w, 0, false);
    w->commits[commit].files = 2; /* what is pending elsewhere is gone */
    world_settle(w, 60000);
    check_text(rule, w->status.queued_commit, "");
    check_text(rule, w->status.rollout.commit, w->commits[commit].id);
    want_number(rule, "files of the second", w->databases[1].applied, 1);
    world_pass(w, 2 * HOUR_MS);
    want_number(rule, "files of the second in the end", w->databases[1].applied, 2);
}

static void pending_edited(struct world *w, const char *rule)
{
    everywhere(w, 1);
    w->waves[0].soak_ms = HOUR_MS;
    edit(w);
    world_push(w, 2, true); /* V2 good, V3 fails */
    world_settle(w, 60000);
    want(w, rule, CONDITION_STALLED, "True CanaryFailed");
    world_edit(w, 3, 0);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:3 billing:1 stock:1"); /* the same canary goes first */
    want(w, rule, CONDITION_WAITING, "True Soaking");
    world_pass(w, HOUR_MS + 60000);
    want_applied(w, rule, "orders:3 billing:3 stock:3");
}

/* ---- people and accidents ---------------------------------------------------------------------- */

static void retry(struct world *w, const char *rule)
{
    after_the_gate(w);
    w->waves[0].soak_ms = HOUR_MS;
    edit(w);
    world_settle(w, 60000);
    w->gate_value = true;
    world_pass(w, 2 * HOUR_MS);
    int64_t now = w->mono_ms;
    world_annotate(w, ANNOTATION_RETRY, "go");
    world_settle(w, 60000);
    want_applied(w, rule, "orders:2 billing:1 stock:1");
    want_soak_from(w, rule, now, HOUR_MS);
}

static void suspended(struct world *w, const char *rule)
{
    in_the_soak(w);
    w->plan.suspend = true;
    w->plan.generation++;
    w->look_again = true;
    world_pass(w, 2 * HOUR_MS);
    want_applied(w, rule, "orders:2 billing:1 stock:1");
    w->plan.suspend = false;
    w->plan.generation++;
    w->look_again = true;
    world_settle(w, 600000);
    want_applied(w, rule, "orders:2 billing:2 stock:2"); /* it goes on where it was */
}

static void clocks(struct world *w, const char *rule)
{
    in_the_soak(w);
    int64_t began = soak_began(w);
    w->utc_ms += 10 * HOUR_MS; /* the controller's jumps, the database's does not */
    for (size_t i = 0; i < w->count; i++) {
        w->databases[i].clock_ms -= 10 * HOUR_MS;
    }
    w->look_again = true;
    world_settle(w, 60000);
    want_applied(w, rule, "orders:2 billing:1 stock:1");
    want_soak_from(w, rule, began, HOUR_MS);
}

static void status_lost(struct world *w, const char *rule)
{
    in_the_soak(w);
    status_done(&w->stored);
    world_crash(w);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:2 billing:1 stock:1");
    cr_expect(w->status.databases[0].begun && !w->status.databases[1].begun, "%s: begun", rule);
    want_soak_from(w, rule, soak_began(w), HOUR_MS);
}

static void begun_before_its_job(struct world *w, const char *rule)
{
    careful(w);
    world_push(w, 1, false);
    for (int i = 0; i < 1000 && w->databases[0].job.phase == JOB_NONE; i++) {
        world_pass(w, 5);
    }
    cr_expect(w->stored.databases[0].begun, "%s: the stored status does not know of it", rule);
    cr_expect(!w->stored.databases[1].begun, "%s: who has no Job has not begun", rule);
    world_pass(w, 3 * HOUR_MS);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    for (size_t i = 0; i < w->count; i++) {
        const struct database_status *d = &w->status.databases[i];
        cr_expect(!d->begun && d->verified[0] && d->member == -1, "%s: after the end", rule);
    }
}

/* ---- what the version before wrote ------------------------------------------------------------- */

static void upgrade(struct world *w, const char *rule)
{
    in_the_soak(w);
    struct rollout_status *rollout = &w->stored.rollout;
    rollout->order[0] = rollout->source[0] = '\0';
    for (size_t i = 0; i < w->count; i++) {
        w->stored.databases[i].verified[0] = '\0';
        w->stored.databases[i].begun = false;
    }
    w->stored.databases[2].member = -1; /* it came later */
    int64_t started = rollout->started_ms;
    world_crash(w);
    world_settle(w, 60000);
    want_number(rule, "start", w->status.rollout.started_ms, started);
    cr_expect(w->status.databases[0].begun && !w->status.databases[1].begun, "%s: begun", rule);
    want_soak_from(w, rule, soak_began(w), HOUR_MS);
}

static void upgrade_with_an_edit(struct world *w, const char *rule)
{
    in_the_soak(w);
    w->stored.rollout.order[0] = w->stored.rollout.source[0] = '\0';
    w->stored.databases[0].begun = false;
    memset(w->stored.databases[0].verified, 0, sizeof w->stored.databases[0].verified);
    w->waves[0].soak_ms = 2 * HOUR_MS;
    new_spec(w);
    world_crash(w);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:2 billing:1 stock:1");
    want_soak_from(w, rule, soak_began(w), 2 * HOUR_MS);
}

static const struct scene scenes[] = {
    { "edit of waves: a longer soak is served in full", 3, longer_soak },
    { "edit of waves: a shorter soak counts at once", 3, shorter_soak },
    { "edit of waves: gates count from zero", 3, another_gate },
    { "edit of waves, maxParallel after the gate failed: nothing is released", 3,
      edit_after_gate_failed },
    { "edit of waves while the controller is down", 3, edit_while_down },
    { "edit of maxParallel, maxFailures, execution, timeout, interval: nothing begins anew", 3,
      nothing_anew },
    { "edit of type: AllAtOnce opens the rest", 3, all_at_once },
    { "edit of migrations, paths, schema: anew", 3, inputs_edited },
    { "edit of the selection: who has begun goes first, the others in their own waves", 3,
      other_canary },
    { "maxFailures never covers the first wave", 3, failure_in_first_wave },
    { "edit of the source: nothing starts for the old one", 3, nothing_for_the_old_source },
    { "a pending file taken back: anew at once", 3, withdrawn },
    { "a pending file taken back ends the queue", 3, withdrawn_ends_the_queue },
    { "a pending file edited after a failure: the same canary goes first", 3, pending_edited },
    { "retry: this wave again, soak from now", 3, retry },
    { "suspend and resume: waves go on where they were", 3, suspended },
    { "the controller's clock jumps: soak does not move", 3, clocks },
    { "status lost: who has begun is known by its journal", 3, status_lost },
    { "begun is stored before the Job, verified at the end", 3, begun_before_its_job },
    { "a status of the version before: the soak goes on", 3, upgrade },
    { "a status of the version before, and an edit", 3, upgrade_with_an_edit },
};

Test(step_order, under_every_edit)
{
    play_scenes(scenes, ROWS(scenes));
}
