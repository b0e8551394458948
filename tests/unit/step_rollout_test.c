/* SPDX-License-Identifier: Apache-2.0 */
/* Strategies and commits in the middle: what may run, where, and when. */
#include "step_rules.h"

static void use_waves(struct world *w, int64_t soak_ms, bool gate)
{
    static char first[] = "first", rows[] = "rows";
    w->waves[0] = (struct mplan_wave){ .name = first, .select = SELECT_NAMES, .soak_ms = soak_ms };
    static char orders[] = "orders";
    static char *names[] = { orders };
    w->waves[0].names = (struct strlist){ .items = names, .count = 1 };
    w->gate = (struct mplan_gate){ .name = rows, .interval_ms = 30000, .count = 1 };
    w->waves[0].gates = gate ? &w->gate : NULL;
    w->waves[0].gate_count = gate;
    w->plan.waves = w->waves;
    w->plan.wave_count = 1;
}

static void canary_first(struct world *w, const char *rule)
{
    use_waves(w, 0, false);
    world_push(w, 3, false);
    for (int i = 0; i < 400 && w->databases[0].applied < 3; i++) {
        want_number(rule, "Jobs of the second", w->databases[1].highest_attempt, 0);
        world_pass(w, 10);
    }
    world_settle(w, 60000);
    want_applied(w, rule, "orders:3 billing:3 stock:3");
}

static void canary_fails(struct world *w, const char *rule)
{
    use_waves(w, 0, false);
    w->plan.max_failures = 2; /* does not help a canary */
    settle_with(w, 1);
    world_push(w, 2, true);
    world_settle(w, 600000);
    want(w, rule, CONDITION_STALLED, "True CanaryFailed");
    want_message(w, rule, CONDITION_STALLED,
                 "first/orders: V3__x.sql:3: 42P01 relation does not exist; fix forward with a new "
                 "commit or retry with `sluice retry plan/shop`");
    want_message(w, rule, CONDITION_FINISHED, w->commits[1].id);
    want_applied(w, rule, "orders:2 billing:1 stock:1");
    world_edit(w, 3, 0); /* fix forward */
    world_settle(w, 600000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_applied(w, rule, "orders:3 billing:3 stock:3");
    want_number(rule, "supersessions after a failure", w->status.rollout.supersessions, 0);
}

static void later_wave_fails(struct world *w, const char *rule)
{
    use_waves(w, 0, false);
    settle_with(w, 1);
    w->plan.max_parallel = 1;
    w->databases[1].fails = 2; /* good in the first wave */
    world_push(w, 1, false);
    world_settle(w, 60000);
    want(w, rule, CONDITION_STALLED, "True MigrationFailed");
    want_message(w, rule, CONDITION_STALLED, "rest/billing: V2");
    want_applied(w, rule, "orders:2 billing:1 stock:1");
}

static void gate_fails(struct world *w, const char *rule)
{
    use_waves(w, 60000, true);
    settle_with(w, 1);
    w->gate_value = false;
    world_push(w, 1, false);
    world_settle(w, 600000);
    want(w, rule, CONDITION_STALLED, "True GateFailed");
    want_message(w, rule, CONDITION_STALLED, "wave first: gate rows failed: orders: f");
    want_applied(w, rule, "orders:2 billing:1");
    w->gate_value = true;
    world_crash(w);
    world_pass(w, 3600000);
    want(w, rule, CONDITION_STALLED, "True GateFailed"); /* only a commit, a spec or a token */
    int64_t before = w->mono_ms;
    world_annotate(w, ANNOTATION_RETRY, "go");
    world_settle(w, 600000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    cr_expect(w->mono_ms - before >= 60000, "%s: the soak was not repeated", rule);
    want_applied(w, rule, "orders:2 billing:2");
}

static void gate_at_end(struct world *w, const char *rule)
{
    use_waves(w, 60000, true);
    world_push(w, 1, false);
    world_settle(w, 45000); /* it passed twice, the soak is not over */
    const struct gate_status *gate = status_gate(&w->status, "first", "rows");
    cr_assert(gate, "%s: no gate in status", rule);
    cr_expect(gate->successes >= 1 && !gate->at_end, "%s", rule);
    want(w, rule, CONDITION_WAITING, "True Soaking");
    w->gate_value = false; /* true at first, false at the end */
    world_settle(w, 600000);
    want(w, rule, CONDITION_STALLED, "True GateFailed");
    want_applied(w, rule, "orders:1 billing:0");
}

static void gate_limits(struct world *w, const char *rule)
{
    use_waves(w, 0, true);
    w->gate.count = 3;
    w->gate.failure_limit = 1;
    w->gate_value = false;
    world_push(w, 1, false);
    world_settle(w, 10000);
    want(w, rule, CONDITION_WAITING, "True Soaking"); /* one failure is allowed */
    w->gate_value = true;
    world_settle(w, 600000);
    const struct gate_status *gate = status_gate(&w->status, "first", "rows");
    cr_assert(gate, "%s: no gate in status", rule);
    want_number(rule, "failures", gate->failures, 1);
    want_number(rule, "successes", gate->successes, 2);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void gate_other_engine(struct world *w, const char *rule)
{
    use_waves(w, 0, true);
    w->gate.engine = ENGINE_MARIADB; /* nobody in the wave to ask */
    w->gate_value = false;
    settle_with(w, 1);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void gate_new_spec(struct world *w, const char *rule)
{
    use_waves(w, 0, true);
    w->gate_value = false;
    settle_with(w, 1);
    want(w, rule, CONDITION_STALLED, "True GateFailed");
    w->gate_value = true;
    w->plan.max_parallel = 9;
    new_spec(w);
    world_settle(w, 600000);
    want(w, rule, CONDITION_STALLED, "True GateFailed");
    w->gate.interval_ms = 20000;
    new_spec(w);
    world_settle(w, 600000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void parallel(struct world *w, const char *rule)
{
    w->plan.strategy = STRATEGY_ALL_AT_ONCE;
    w->plan.max_parallel = 2;
    world_push(w, 2, false);
    int most = 0;
    for (int i = 0; i < 1000; i++) {
        world_pass(w, 5);
        int live = 0;
        for (size_t k = 0; k < w->count; k++) {
            live += w->databases[k].job.phase == JOB_WAITING ||
                    w->databases[k].job.phase == JOB_RUNNING;
        }
        most = live > most ? live : most;
    }
    want_number(rule, "most live Jobs", most, 2);
    want_applied(w, rule, "orders:2 billing:2 stock:2 returns:2 users:2");
}

static void dead_tenant(struct world *w, const char *rule)
{
    w->plan.max_failures = 1;
    use_waves(w, 0, false);
    settle_with(w, 1);
    w->databases[2].up = false;
    w->databases[2].next_look_ms = w->mono_ms;
    world_pass(w, 1000);
    world_push(w, 1, false);
    world_pass(w, 60000);
    want_applied(w, rule, "orders:2 billing:2 stock:1"); /* it joins the last wave */
    want(w, rule, CONDITION_READY, "False DatabaseUnavailable");
    world_pass(w, 3700000);
    want(w, rule, CONDITION_STALLED, "True DeadlineExceeded");
    want_message(w, rule, CONDITION_STALLED, "rest/stock: connection refused");
    w->databases[2].up = true;
    world_settle(w, 600000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_applied(w, rule, "orders:2 billing:2 stock:2");
}

static void dead_between(struct world *w, const char *rule)
{
    static char second[] = "second", billing[] = "billing";
    static char *names[] = { billing };
    w->plan.max_failures = 1;
    use_waves(w, 0, false);
    w->waves[1] = (struct mplan_wave){ .name = second, .select = SELECT_NAMES };
    w->waves[1].names = (struct strlist){ .items = names, .count = 1 };
    w->plan.wave_count = 2;
    world_push(w, 1, false);
    for (int i = 0; i < 1000 && w->databases[0].applied < 1; i++) {
        world_pass(w, 5);
    }
    w->databases[1].up = false;
    w->databases[1].next_look_ms = w->mono_ms;
    world_pass(w, 1800000);
    want_applied(w, rule, "orders:1 billing:0 stock:0"); /* the second wave is waited for */
    world_pass(w, 3600000);
    want_applied(w, rule, "orders:1 billing:0 stock:1"); /* longer than timeout: it has failed */
    want(w, rule, CONDITION_STALLED, "True DeadlineExceeded");
}

static void silent_canary(struct world *w, const char *rule)
{
    use_waves(w, 0, false);
    w->plan.max_failures = 1;
    settle_with(w, 1);
    w->databases[0].up = false;
    w->databases[0].next_look_ms = w->mono_ms;
    world_pass(w, 1000);
    world_push(w, 1, false);
    world_pass(w, 60000);
    want_applied(w, rule, "orders:1 billing:1");
    want(w, rule, CONDITION_READY, "False DatabaseUnavailable");
    world_pass(w, 4000000);
    want_applied(w, rule, "orders:1 billing:1"); /* nobody takes the canary's place */
    want(w, rule, CONDITION_STALLED, "True DeadlineExceeded");
}

static void later_wave_lost(struct world *w, const char *rule)
{
    static char billing[] = "billing", stock[] = "stock", second[] = "second";
    static char *names[] = { billing }, *third[] = { stock };
    use_waves(w, 600000, false);
    w->waves[0].names = (struct strlist){ .items = names, .count = 1 };
    world_push(w, 1, false);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:0 billing:1 stock:0");
    w->waves[1] = (struct mplan_wave){ .name = second, .select = SELECT_NAMES, .soak_ms = 60000 };
    w->waves[1].names = (struct strlist){ .items = third, .count = 1 };
    w->plan.wave_count = 2;
    world_settle(w, 60000);
    w->count = w->plan.database_count = 2; /* stock is gone, the only one of the second wave */
    w->waves[1].allow_empty = true;
    new_spec(w);
    world_settle(w, 3 * 3600000);
    want_applied(w, rule, "orders:1 billing:1");
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void newcomer_alone(struct world *w, const char *rule)
{
    w->count = w->plan.database_count = 2;
    settle_with(w, 1);
    int64_t orders = w->databases[0].highest_attempt;
    w->count = w->plan.database_count = 3;
    new_spec(w);
    world_settle(w, 600000);
    want_applied(w, rule, "orders:1 billing:1 stock:1");
    want_number(rule, "Jobs of the others", w->databases[0].highest_attempt, orders);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void newcomer_joins(struct world *w, const char *rule)
{
    use_waves(w, 60000, false);
    w->count = w->plan.database_count = 2;
    world_push(w, 1, false);
    world_settle(w, 10000);
    want_applied(w, rule, "orders:1 billing:0");
    char digest[72];
    memcpy(digest, w->status.rollout.digest, sizeof digest);
    w->count = w->plan.database_count = 3;
    new_spec(w);
    world_pass(w, 10000);
    check_text(rule, w->status.rollout.digest, digest); /* frozen */
    want_applied(w, rule, "orders:1 billing:0 stock:0");
    world_settle(w, 600000);
    want_applied(w, rule, "orders:1 billing:1 stock:1");
}

static void superseded(struct world *w, const char *rule)
{
    use_waves(w, 0, false);
    world_push(w, 4, false);
    world_settle(w, 900); /* the canary's Job runs */
    int64_t attempt = w->databases[0].highest_attempt;
    int second = world_push(w, 1, false);
    world_pass(w, 900);
    want_number(rule, "its attempt", w->databases[0].highest_attempt, attempt);
    want_number(rule, "commit of the running Job", w->databases[0].job.commit, 0);
    want_message(w, rule, CONDITION_READY, "the roll-out begins anew once running Jobs have ended");
    world_settle(w, 600000);
    want_number(rule, "its next attempt", w->databases[0].highest_attempt, attempt + 1);
    want_number(rule, "attempts of the second", w->databases[1].highest_attempt, 1);
    check_text(rule, w->status.last_applied_commit, w->commits[second].id);
    want_number(rule, "roll-outs that ended", (long long)w->status.history_count, 1);
}

static void not_started_deleted(struct world *w, const char *rule)
{
    w->plan.strategy = STRATEGY_ALL_AT_ONCE;
    w->plan.max_parallel = 1;
    world_push(w, 1, false);
    for (int i = 0; i < 1000 && w->databases[0].job.phase != JOB_WAITING; i++) {
        world_pass(w, 5);
    }
    w->databases[0].job.next_ms = INT64_MAX; /* no node for it */
    world_push(w, 1, false);
    world_settle(w, 10000);
    want_applied(w, rule, "orders:2 billing:2");
    want_number(rule, "attempts", w->databases[0].highest_attempt, 2);
}

static void queued(struct world *w, const char *rule)
{
    use_waves(w, 3600000, false);
    world_push(w, 1, false);
    world_settle(w, 10000);
    world_push(w, 1, false);
    world_settle(w, 10000);
    want_number(rule, "supersessions", w->status.rollout.supersessions, 1);
    world_push(w, 1, false);
    world_settle(w, 10000);
    want_number(rule, "supersessions", w->status.rollout.supersessions, 2);
    int waiting = world_push(w, 1, false);
    world_settle(w, 10000);
    check_text(rule, w->status.queued_commit, w->commits[waiting].id);
    check_text(rule, w->status.rollout.commit, w->commits[2].id);
    want_applied(w, rule, "orders:3 billing:0");
    world_settle(w, 3 * 3600000);
    want_applied(w, rule, "orders:4 billing:4");
    check_text(rule, w->status.queued_commit, "");
}

static void readme_in_the_middle(struct world *w, const char *rule)
{
    use_waves(w, 600000, false);
    world_push(w, 1, false);
    world_settle(w, 10000);
    int64_t attempt = w->databases[0].highest_attempt;
    int commit = world_push_readme(w);
    world_settle(w, 10000);
    check_text(rule, w->status.rollout.commit, w->commits[commit].id);
    want_number(rule, "supersessions", w->status.rollout.supersessions, 0);
    want_number(rule, "attempts", w->databases[0].highest_attempt, attempt);
    world_settle(w, 3600000);
    check_text(rule, w->status.last_applied_commit, w->commits[commit].id);
}

static void strategy_changed(struct world *w, const char *rule)
{
    use_waves(w, 3600000, false);
    world_push(w, 1, false);
    world_settle(w, 10000);
    char digest[72];
    memcpy(digest, w->status.rollout.digest, sizeof digest);
    w->waves[0].soak_ms = 0;
    new_spec(w);
    world_settle(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_applied(w, rule, "orders:1 billing:1");
    cr_expect(!str_eq(w->status.plan_digest, digest), "%s: the digest stayed", rule);
}

static void commit_lost(struct world *w, const char *rule)
{
    use_waves(w, 3600000, false);
    int first = world_push(w, 1, false);
    world_settle(w, 10000);
    w->commits[first].lost = true;
    int second = world_push(w, 1, false);
    world_crash(w); /* the trees of the roll-out's commit are gone with it */
    w->waves[0].soak_ms = 3600000;
    world_settle(w, 10000);
    check_text(rule, w->status.rollout.commit, w->commits[second].id);
    want_applied(w, rule, "orders:2 billing:0");
}

static void rewritten(struct world *w, const char *rule)
{
    settle_with(w, 1);
    w->rewrite = REWRITE_CHANGED;
    world_push(w, 1, false);
    world_settle(w, 600000);
    want(w, rule, CONDITION_STALLED, "True HistoryRewritten");
    want(w, rule, CONDITION_SOURCE_READY, "False HistoryRewritten");
    want_applied(w, rule, "orders:1");
    w->rewrite = REWRITE_HARMLESS; /* the applied files are the same: an event, and on */
    world_push(w, 0, false);
    world_settle(w, 600000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_applied(w, rule, "orders:2");
}

static void straggler(struct world *w, const char *rule)
{
    use_waves(w, 3600000, false);
    settle_with(w, 0);
    world_push(w, 1, false);
    world_settle(w, 3 * 3600000LL);
    want_applied(w, rule, "orders:1 billing:1");
    w->databases[1].owner = OWNER_GONE; /* same tree: no soak of the canary again */
    w->databases[1].next_look_ms = w->mono_ms;
    world_settle(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_number(rule, "owner", w->databases[1].owner, OWNER_MINE);
    want_number(rule, "times it was taken over", w->databases[1].taken_over, 1);
}

static int64_t attempts(const struct world *w)
{
    int64_t all = 0;
    for (size_t i = 0; i < w->count; i++) {
        all += w->databases[i].highest_attempt;
    }
    return all;
}

static void all_change_owners(struct world *w, bool refused)
{
    use_waves(w, 3600000, false);
    settle_with(w, 2);
    world_settle(w, 3 * 3600000LL);
    w->refuse_records = refused;
    for (size_t i = 0; i < w->count; i++) {
        w->databases[i].owner = OWNER_GONE;
        w->databases[i].next_look_ms = w->mono_ms;
    }
}

static void renamed_plan(struct world *w, const char *rule)
{
    all_change_owners(w, false);
    int64_t before = attempts(w);
    world_settle(w, 60000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_number(rule, "Jobs", attempts(w), before);
    for (size_t i = 0; i < w->count; i++) {
        want_number(rule, "owner", w->databases[i].owner, OWNER_MINE);
        want_number(rule, "times it was taken over", w->databases[i].taken_over, 1);
    }
}

/* With files left the Job that brings them takes the lease, in its turn. */
static void renamed_with_files(struct world *w, const char *rule)
{
    all_change_owners(w, false);
    world_push(w, 1, false);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:3 billing:2");
    want_number(rule, "who has files left", w->databases[1].taken_over, 0);
    world_settle(w, 3 * 3600000LL);
    want_applied(w, rule, "orders:3 billing:3");
    want_number(rule, "owner", w->databases[1].owner, OWNER_MINE);
}

static void take_over_refused(struct world *w, const char *rule)
{
    all_change_owners(w, true);
    world_settle(w, 600000);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    for (size_t i = 0; i < w->count; i++) {
        want_number(rule, "owner", w->databases[i].owner, OWNER_MINE);
        want_number(rule, "how it was asked", w->databases[i].job.ownership, OWNERSHIP_TAKE_OVER);
    }
}

static const struct scene scenes[] = {
    { "nothing reaches the second database before the first one is applied and verified", 3,
      canary_first },
    { "failure of a Job in the first wave: CanaryFailed, later waves get not one statement", 3,
      canary_fails },
    { "failure of a Job in a later wave: MigrationFailed", 3, later_wave_fails },
    { "failure of a gate: GateFailed until a token, which repeats the soak", 2, gate_fails },
    { "gates are judged through the soak and at least once at its end", 2, gate_at_end },
    { "a gate takes count measurements and tolerates failureLimit", 2, gate_limits },
    { "a gate asks the databases of its engine only", 2, gate_other_engine },
    { "GateFailed is cleared by an edit of the gate, not by another one", 2, gate_new_spec },
    { "maxParallel at a time", 5, parallel },
    { "a database not reachable at the start joins the last wave when it answers", 3, dead_tenant },
    { "a database unreachable for longer than timeout counts as failed", 3, dead_between },
    { "nobody takes the place of a canary that does not answer", 2, silent_canary },
    { "a later wave that is empty though it was not at the start has passed", 3, later_wave_lost },
    { "with no roll-out on, newcomers catch up alone", 3, newcomer_alone },
    { "a database new since the roll-out began joins the last wave", 3, newcomer_joins },
    { "a new commit: running Jobs finish on their commit, then it starts at the first wave", 2,
      superseded },
    { "a new commit: Jobs that have not started are deleted", 2, not_started_deleted },
    { "after two supersessions in the first wave the present roll-out finishes first", 2, queued },
    { "a commit without SQL in the middle changes nothing but the revision", 2,
      readme_in_the_middle },
    { "a changed strategy replaces the roll-out", 2, strategy_changed },
    { "a roll-out whose commit is gone from the repository gives way", 2, commit_lost },
    { "rewritten history: refused by the content rule, or noted", 1, rewritten },
    { "a straggler of a verified tree catches up without waves", 2, straggler },
    { "a renamed plan takes every database over without a Job", 3, renamed_plan },
    { "one that has files left is taken over by the Job that brings them", 2, renamed_with_files },
    { "where the controller cannot write the owner, a Job does", 2, take_over_refused },
};

Test(step_rollout, strategies_and_commits)
{
    play_scenes(scenes, ROWS(scenes));
}
