/* SPDX-License-Identifier: Apache-2.0 */
/* The order of a roll-out under every edit: what proves nothing, what nobody knew at the start, and
 * whose soak counts from when. */
#include "step_order_rules.h"

/* More databases of the plan are there from now on. */
static void join(struct world *w, size_t count)
{
    w->count = w->plan.database_count = count;
    edit(w);
}

static void look_at(struct world *w, size_t index)
{
    w->databases[index].next_look_ms = w->mono_ms;
}

static void set_up(struct world *w, bool up)
{
    for (size_t i = 2; i < 4; i++) {
        w->databases[i].up = up;
        look_at(w, i);
    }
}

/* V1 is on four databases and verified; stock and returns have trees of their own, the same ones. */
static void two_with_trees_of_theirs(struct world *w)
{
    w->databases[2].own_tree = w->databases[3].own_tree = 7;
    everywhere(w, 1);
    w->waves[0].soak_ms = HOUR_MS;
    edit(w);
    world_settle(w, 60000);
}

/* ---- it was empty ------------------------------------------------------------------------------- */

/* Stock alone has files left, so it goes first, empty as it is, and its Job does nothing. */
static void begun_while_empty(struct world *w, const char *rule)
{
    static char stock[] = "tier", value[] = "stock";
    static struct kv label[] = { { stock, value } };
    w->count = w->plan.database_count = 2;
    everywhere(w, 1);
    w->waves[0].soak_ms = HOUR_MS;
    w->waves[0].select = SELECT_LABELS;
    w->waves[0].labels = (struct kvlist){ .items = label, .count = 1 };
    w->entries[2].labels = w->waves[0].labels;
    w->databases[2].own_tree = 7;
    w->status.last_applied_commit[0] = '\0'; /* no catch-up */
    join(w, 3);
    for (int i = 0; i < 1000 && w->databases[2].job.phase != JOB_WAITING; i++) {
        world_pass(w, 5);
    }
    w->databases[2].job.next_ms = INT64_MAX; /* no node for it */
    want_number(rule, "stock is marked", w->status.databases[2].begun, 1);
    world_push(w, 1, false);
    world_settle(w, 60000);
    want_number(rule, "files of the others: one of them proves",
                w->databases[0].applied + w->databases[1].applied, 3);
    want_number(rule, "files of the empty one", w->databases[2].applied, 0);
    world_pass(w, 2 * HOUR_MS);
    want_applied(w, rule, "orders:2 billing:2 stock:2");
}

/* It has got everything by its catch-up when the others answer again. */
static void fill_by_catch_up(struct world *w, const char *rule)
{
    two_verified(w);
    w->databases[0].up = w->databases[1].up = false;
    look_at(w, 0);
    look_at(w, 1);
    world_pass(w, 5000);
    world_push(w, 1, false);
    world_pass(w, 5000);
    join(w, 3);
    world_pass(w, 20000);
    want_applied(w, rule, "orders:2 billing:2 stock:3");
    w->databases[0].up = w->databases[1].up = true;
    look_at(w, 0);
    look_at(w, 1);
    world_settle(w, 60000);
    want_message(w, rule, CONDITION_WAITING, "files are pending that no roll-out has verified");
    want_applied(w, rule, "orders:3 billing:2 stock:3"); /* stock was not first */
    want_number(rule, "stock is known as one that was empty", w->status.databases[2].empty, 1);
}

static void filled_by_its_catch_up(struct world *w, const char *rule)
{
    fill_by_catch_up(w, rule);
    world_pass(w, HOUR_MS + 60000);
    want_applied(w, rule, "orders:3 billing:3 stock:3");
    want_number(rule, "remembered after the end", w->status.databases[2].empty, 0);
}

/* Of its files it is one like the others. */
static void filled_and_a_newer_commit(struct world *w, const char *rule)
{
    fill_by_catch_up(w, rule);
    world_push(w, 1, false);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:4 billing:2 stock:3");
    want_number(rule, "stock is known as one that was empty", w->status.databases[2].empty, 0);
    want_number(rule, "stock has begun", w->status.databases[2].begun, 1);
}

/* What is remembered is of the database before. */
static void filled_and_another_database(struct world *w, const char *rule)
{
    static const char other[] = "bbbbbbbb-0000-4000-8000-000000000000";
    fill_by_catch_up(w, rule);
    memcpy(w->databases[2].target, other, sizeof other);
    look_at(w, 2);
    world_settle(w, 60000);
    want(w, rule, CONDITION_STALLED, "True TargetChanged");
    want_number(rule, "stock is known as one that was empty", w->status.databases[2].empty, 1);
    world_annotate(w, ANNOTATION_ACCEPT, "stock=bbbbbbbb");
    world_settle(w, 60000);
    want_number(rule, "stock is known as one that was empty", w->status.databases[2].empty, 0);
}

/* The canary's Secret leads to an empty one for a while: that one is not what has begun. */
static void led_to_an_empty_one(struct world *w, const char *rule)
{
    in_the_soak(w);
    struct world_database *orders = &w->databases[0];
    orders->applied = orders->head = 0;
    orders->target[0] = '\0';
    orders->owner = OWNER_NONE;
    look_at(w, 0);
    world_pass(w, 10000);
    want(w, rule, CONDITION_STALLED, "True TargetChanged");
    w->plan.max_failures = 1;
    w->waves[0].soak_ms = 2 * HOUR_MS;
    edit(w);
    world_settle(w, 60000);
    cr_expect(w->status.rollout.restarted && w->status.rollout.order[0],
              "%s: it did not begin anew", rule);
    want_number(rule, "orders is taken for one that was empty", w->status.databases[0].empty, 0);
}

/* An empty one counts for nothing; with a person's data in it, it shares stock's files. */
static void filled_by_a_person(struct world *w, const char *rule)
{
    w->databases[2].own_tree = w->databases[3].own_tree = 7;
    w->count = w->plan.database_count = 3;
    in_the_soak(w);
    join(w, 4); /* returns, empty */
    world_settle(w, 60000);
    cr_expect(!w->status.rollout.restarted, "%s: it began anew for an empty one", rule);
    want_number(rule, "returns is known as empty", w->status.databases[3].empty, 1);
    w->databases[3].tables = true;
    look_at(w, 3);
    world_settle(w, 60000);
    want_message(
        w, rule, CONDITION_WAITING,
        "database returns has come with files that no first wave has: wave first soaks again");
    want_applied(w, rule, "orders:2 billing:1 stock:1 returns:0");
    world_pass(w, HOUR_MS);
    want_number(rule, "one of the two", w->databases[2].applied + w->databases[3].applied, 2);
}

/* With trees of its own it takes nothing from anybody, filled or not. */
static void filled_alone(struct world *w, const char *rule)
{
    w->databases[3].own_tree = 8;
    w->count = w->plan.database_count = 3;
    in_the_soak(w);
    join(w, 4);
    world_settle(w, 60000);
    w->databases[3].tables = true;
    look_at(w, 3);
    world_settle(w, 60000);
    cr_expect(!w->status.rollout.restarted, "%s: it began anew", rule);
    want_number(rule, "returns is known as empty", w->status.databases[3].empty, 0);
}

/* ---- nobody knew at the start what they have left ------------------------------------------------ */

static void silent_at_the_start(struct world *w, const char *rule)
{
    two_with_trees_of_theirs(w);
    set_up(w, false);
    world_pass(w, 10000);
    world_push(w, 1, false);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:2 billing:1 stock:1 returns:1");
    set_up(w, true);
    world_settle(w, 60000);
    want_message(
        w, rule, CONDITION_WAITING,
        "database stock has come with files that no first wave has: wave first soaks again");
    world_pass(w, HOUR_MS + 60000);
    want_applied(w, rule, "orders:2 billing:1 stock:2 returns:1"); /* one of the two */
    world_pass(w, HOUR_MS + 60000);
    want_applied(w, rule, "orders:2 billing:2 stock:2 returns:2");
}

/* The same, seen by a process that has never had an answer. */
static void unknown_at_the_start(struct world *w, const char *rule)
{
    two_with_trees_of_theirs(w);
    set_up(w, false);
    world_crash(w);
    world_pass(w, 10000);
    world_push(w, 1, false);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:2 billing:1 stock:1 returns:1");
    set_up(w, true);
    world_settle(w, 60000);
    want_message(
        w, rule, CONDITION_WAITING,
        "database stock has come with files that no first wave has: wave first soaks again");
    want_applied(w, rule, "orders:2 billing:1 stock:1 returns:1");
}

/* What it lacks, billing has, of which nobody knows since when. */
static void another_has_what_it_lacks(struct world *w, const char *rule)
{
    careful(w);
    for (size_t i = 0; i < 3; i++) {
        has_history(w, i, 0);
    }
    for (size_t i = 0; i < 2; i++) {
        w->databases[i].applied = w->databases[i].head = w->databases[i].content[2] = 2;
    }
    world_push(w, 3, false);
    for (int v = 1; v <= 2; v++) {
        w->databases[0].content[v] = w->databases[1].content[v] = w->commits[0].content[v];
    }
    w->databases[2].content[1] = w->commits[0].content[1];
    w->databases[2].up = false;
    world_pass(w, 30000);
    want_applied(w, rule, "orders:3 billing:2 stock:1");
    cr_expect(!w->status.rollout.restarted, "%s: it began anew too early", rule);
    w->databases[2].up = true;
    look_at(w, 2);
    world_settle(w, 60000);
    want_message(w, rule, CONDITION_READY, "database billing has begun before");
    world_pass(w, 4 * HOUR_MS);
    want_applied(w, rule, "orders:3 billing:3 stock:3");
}

/* A newcomer is compared by a process that has not heard of stock yet, which shares its files. */
static void newcomer_and_one_not_known(struct world *w, const char *rule)
{
    w->databases[2].own_tree = 7;
    w->count = w->plan.database_count = 3;
    in_the_soak(w);
    has_history(w, 3, 7);
    w->databases[2].up = false;
    join(w, 4);
    world_crash(w);
    world_settle(w, 60000);
    cr_expect(!w->status.rollout.restarted, "%s: it began anew too early", rule);
    w->databases[2].up = true;
    look_at(w, 2);
    world_settle(w, 60000);
    want_message(w, rule, CONDITION_WAITING, "has come with files that no first wave has");
    want_applied(w, rule, "orders:2 billing:1 stock:1 returns:1");
}

/* Its file failed: it gets it by a retry, as soon as the newcomer gets it. */
static void failed_and_a_newcomer(struct world *w, const char *rule)
{
    w->databases[2].own_tree = 7;
    w->databases[2].fails = 2;
    in_the_soak(w);
    world_pass(w, HOUR_MS + 60000);
    want_applied(w, rule, "orders:2 billing:2 stock:1");
    want(w, rule, CONDITION_STALLED, "True MigrationFailed");
    has_history(w, 3, 7);
    join(w, 4);
    world_settle(w, 60000);
    cr_expect(w->status.rollout.restarted &&
                  str_eq(w->status.rollout.restarted,
                         "database returns has come with files that no first wave has"),
              "%s: it did not begin anew", rule);
    w->databases[2].fails = 0;
    world_annotate(w, ANNOTATION_RETRY, "now");
    world_pass(w, HOUR_MS + 60000);
    want_number(rule, "one of the two", w->databases[2].applied + w->databases[3].applied, 3);
    world_pass(w, 3 * HOUR_MS);
    want_applied(w, rule, "orders:2 billing:2 stock:2 returns:2");
}

/* In the soak, and 50 s after another commit: billing's Job was asked for, and could not be made. */
static void not_made(struct world *w, const char *reason)
{
    static char why[] = "no answer";
    in_the_soak(w);
    struct world_database *billing = &w->databases[1];
    billing->view.create = (struct failure){ reason, why, 0, 1 };
    billing->create_ms = w->mono_ms;
    world_push(w, 1, false);
    world_pass(w, 50000);
}

/* The platform may make it yet: then billing would have V2, of the commit before. */
static void job_that_may_land(struct world *w, const char *rule)
{
    not_made(w, REASON_NAME_CONFLICT);
    cr_expect(!w->status.rollout.restarted || w->status.rollout.order[0] == '\0',
              "%s: it began anew too early", rule);
    want_applied(w, rule, "orders:2 billing:1 stock:1");
    world_pass(w, 20000);
    want_applied(w, rule, "orders:3 billing:1 stock:1");
}

/* That one is gone. */
static void job_that_did_not_start(struct world *w, const char *rule)
{
    not_made(w, REASON_RUNNER_NOT_STARTED);
    want_applied(w, rule, "orders:3 billing:1 stock:1");
}

/* ---- whose soak counts from when ----------------------------------------------------------------- */

/* Its newest row is by hand, and the newest journal row is of the wanted commit, but old. */
static void by_hand_and_status_lost(struct world *w, const char *rule)
{
    everywhere(w, 1);
    w->waves[0].soak_ms = HOUR_MS;
    w->databases[0].fails = 3;
    edit(w);
    int commit = world_push(w, 2, false);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:2 billing:1 stock:1");
    world_pass(w, 2 * HOUR_MS);
    world_run_by_hand(w, 0, commit);
    w->databases[0].failed_version = 0;
    status_done(&w->stored);
    world_crash(w);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:3 billing:1 stock:1");
    want(w, rule, CONDITION_WAITING, "True Soaking");
    world_pass(w, HOUR_MS - 60000);
    want_applied(w, rule, "orders:3 billing:1 stock:1");
    world_pass(w, 120000);
    want_number(rule, "files of the second after the soak", w->databases[1].applied, 3);
}

/* The canary failed, its status was lost, nothing could start; what it said then is not forgotten. */
static void said_before_a_crash(struct world *w, const char *rule)
{
    static char billing[] = "billing";
    static char *names[] = { billing };
    everywhere(w, 1);
    w->databases[0].fails = 3;
    world_push(w, 2, false);
    world_settle(w, 60000);
    w->databases[0].foreign = 1; /* by hand, but older */
    status_done(&w->stored);
    world_crash(w);
    world_settle(w, 60000);
    want(w, rule, CONDITION_STALLED, "True MigrationFailed");
    w->databases[0].up = false;
    select_name(&w->waves[0], names);
    edit(w);
    world_crash(w);
    world_pass(w, 60000);
    want_applied(w, rule, "orders:2 billing:1 stock:1");
    want(w, rule, CONDITION_READY, "False DatabaseUnavailable");
}

/* Billing has begun, is in the second wave, and gets the rest by hand before that. */
static void later_wave_by_hand(struct world *w, const char *rule)
{
    static char second[] = "second", billing[] = "billing";
    static char *names[] = { billing };
    careful(w);
    w->waves[0].soak_ms = 0;
    w->waves[1] = (struct mplan_wave){ .name = second };
    select_name(&w->waves[1], names);
    w->plan.wave_count = 2;
    w->plan.max_failures = 1;
    settle_with(w, 1);
    w->databases[2].up = false;
    look_at(w, 2);
    world_push(w, 1, false);
    world_pass(w, 3 * HOUR_MS);
    want_applied(w, rule, "orders:2 billing:2 stock:1");
    w->waves[0].soak_ms = HOUR_MS / 2;
    w->waves[1].soak_ms = 2 * HOUR_MS;
    edit(w);
    int commit = world_push(w, 1, false);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:3 billing:2 stock:1");
    world_run_by_hand(w, 1, commit);
    look_at(w, 1);
    world_pass(w, HOUR_MS);
    want_applied(w, rule, "orders:3 billing:3 stock:1");
    want_message(w, rule, CONDITION_WAITING, "wave second soaks until ");
    world_pass(w, HOUR_MS - 60000);
    want_applied(w, rule, "orders:3 billing:3 stock:1");
    w->databases[2].up = true;
    world_pass(w, HOUR_MS);
    want_applied(w, rule, "orders:3 billing:3 stock:3");
}

/* Two come that no first wave proves, but its gate has said no: only a person undoes that. */
static void silent_and_a_failed_gate(struct world *w, const char *rule)
{
    two_with_trees_of_theirs(w);
    set_up(w, false);
    world_pass(w, 10000);
    w->gate_value = false;
    world_push(w, 1, false);
    world_settle(w, 60000);
    want(w, rule, CONDITION_STALLED, "True GateFailed");
    w->gate_value = true;
    set_up(w, true);
    world_settle(w, 60000);
    world_pass(w, HOUR_MS);
    want(w, rule, CONDITION_STALLED, "True GateFailed");
    want_applied(w, rule, "orders:2 billing:1 stock:1 returns:1");
    world_annotate(w, ANNOTATION_RETRY, "go");
    world_pass(w, 100000);
    want_message(
        w, rule, CONDITION_WAITING,
        "database stock has come with files that no first wave has: wave first soaks again");
    world_pass(w, 5 * HOUR_MS);
    want_applied(w, rule, "orders:2 billing:2 stock:2 returns:2");
}

/* Billing has begun and goes first, but the soak of its own wave is still to be served. */
static void silent_in_its_own_wave(struct world *w, const char *rule)
{
    static char second[] = "second", billing[] = "billing";
    static char *names[] = { billing };
    careful(w);
    w->waves[0].soak_ms = 0;
    w->waves[1] = (struct mplan_wave){ .name = second, .soak_ms = HOUR_MS };
    select_name(&w->waves[1], names);
    w->plan.wave_count = 2;
    settle_with(w, 1);
    world_pass(w, 2 * HOUR_MS);
    world_push(w, 1, false);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:2 billing:2 stock:1");
    want_message(w, rule, CONDITION_WAITING, "wave second soaks until ");
    w->waves[1].soak_ms = 2 * HOUR_MS;
    edit(w);
    world_settle(w, 120000);
    want_message(w, rule, CONDITION_WAITING, "wave second soaks");
    want_number(rule, "billing's own wave", w->status.databases[1].own,
                w->status.rollout.wave_index);
    w->databases[1].up = false;
    look_at(w, 1);
    world_pass(w, 4 * HOUR_MS);
    want_applied(w, rule, "orders:2 billing:2 stock:1");
    w->databases[1].up = true;
    look_at(w, 1);
    world_pass(w, HOUR_MS);
    want_applied(w, rule, "orders:2 billing:2 stock:2");
}

/* The last answer comes while those looks are under way that a retry waits for. */
static void retry_before_it_passes(struct world *w, const char *rule)
{
    struct observed seen;
    struct decision d;
    everywhere(w, 1);
    w->gate_answers = false;
    world_push(w, 1, false);
    world_pass(w, 10000);
    want(w, rule, CONDITION_WAITING, "True AnalysisUnavailable");
    for (int retried = 0; retried < 2; retried++) {
        if (retried) {
            world_annotate(w, ANNOTATION_RETRY, "now");
        }
        world_observe(w, &seen);
        struct gate_view yes = { .wave = seen.gates[0].wave, .name = seen.gates[0].name };
        yes.round = w->status.gates[0].round;
        yes.answer = (struct gate_answer){ .taken = true, .answered = true, .pass = true };
        seen.gates = &yes;
        seen.retry_early = true;
        step_decide(&seen, &d);
        want_number(rule, "the wave", d.status.rollout.wave_index, retried ? 0 : 1);
        const char *said = d.status.conditions[CONDITION_READY].message;
        cr_expect(!retried ||
                      strstr(said, "wave first is repeated once every database has been inspected"),
                  "%s: it says %s", rule, said);
        decision_done(&d);
    }
}

static const struct scene scenes[] = {
    { "who has begun while it was empty does not go first", 3, begun_while_empty },
    { "an empty one that its catch-up has filled proves nothing", 3, filled_by_its_catch_up },
    { "of a newer commit it is one like the others", 3, filled_and_a_newer_commit },
    { "one that was empty, and another database is accepted", 3, filled_and_another_database },
    { "a canary whose Secret leads to an empty one for a while", 3, led_to_an_empty_one },
    { "an empty one that a person fills counts as a newcomer", 4, filled_by_a_person },
    { "one with trees of its own does not", 4, filled_alone },
    { "two that do not answer at the start and share files: anew", 4, silent_at_the_start },
    { "two of which nothing is known at the start", 4, unknown_at_the_start },
    { "one that answers late lacks what another has: anew", 3, another_has_what_it_lacks },
    { "a newcomer, and one of which this process knows nothing: anew", 4,
      newcomer_and_one_not_known },
    { "one that failed still wants what a newcomer wants: anew", 3, failed_and_a_newcomer },
    { "a Job that may be made yet is waited for before it begins anew", 3, job_that_may_land },
    { "one that did not start is not", 3, job_that_did_not_start },
    { "status lost, and the newest file is by hand: it soaks", 3, by_hand_and_status_lost },
    { "status lost: who has begun is remembered though nothing can start", 3, said_before_a_crash },
    { "files run by hand on a later wave soak there", 3, later_wave_by_hand },
    { "a failed gate: nobody who answers again undoes its no", 4, silent_and_a_failed_gate },
    { "who went first does not answer in its own wave: it waits", 3, silent_in_its_own_wave },
    { "a retry is for the wave in which it was asked for", 3, retry_before_it_passes },
};

Test(step_order_proof, what_counts)
{
    play_scenes(scenes, ROWS(scenes));
}
