/* SPDX-License-Identifier: Apache-2.0 */
/* The order of a roll-out under every edit: who may catch up without waves. */
#include "step_order_rules.h"

static void newcomer_empty(struct world *w, const char *rule)
{
    two_verified(w);
    w->count = w->plan.database_count = 3;
    edit(w);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:2 billing:2 stock:2");
}

static void catch_up_and_another(struct world *w, const char *rule)
{
    two_verified(w);
    has_history(w, 3, 0); /* a newcomer that does not answer yet */
    w->databases[3].up = false;
    w->count = w->plan.database_count = 4;
    edit(w);
    world_pass(w, 2000);
    cr_expect(w->status.rollout.catch_up, "%s: waves for the empty one", rule);
    want_number(rule, "the empty newcomer is not held", w->databases[2].applied, 2);
    w->databases[3].up = true;
    world_settle(w, 60000);
    cr_expect(!w->status.rollout.catch_up, "%s: no waves for the other", rule);
    want_message(w, rule, CONDITION_READY, "files are pending that no roll-out has verified");
    want_number(rule, "files of the other in the soak", w->databases[3].applied, 1);
    world_pass(w, HOUR_MS + 60000);
    want_applied(w, rule, "orders:2 billing:2 stock:2 returns:2");
}

static void until_catch_up(struct world *w, const char *rule)
{
    for (int i = 0; i < 1000 && !w->status.rollout.catch_up; i++) {
        world_pass(w, 5);
    }
    cr_assert(w->status.rollout.catch_up, "%s: no catch-up", rule);
}

static void filled_in_its_catch_up(struct world *w, const char *rule)
{
    two_verified(w);
    w->count = w->plan.database_count = 3;
    edit(w);
    until_catch_up(w, rule);
    has_history(w, 2, 0);
    w->databases[2].foreign = 1;
    w->databases[2].journal++; /* the Job for the empty one finds it moved */
    w->databases[2].next_look_ms = w->mono_ms;
    world_settle(w, 60000);
    want_message(w, rule, CONDITION_WAITING, "files are pending that no roll-out has verified");
    want_applied(w, rule, "orders:2 billing:2 stock:1");
    world_pass(w, HOUR_MS + 60000);
    want_applied(w, rule, "orders:2 billing:2 stock:2");
}

/* What it has got is its catch-up's own. */
static void failed_in_its_catch_up(struct world *w, const char *rule)
{
    two_verified(w);
    w->databases[2].fails = 2;
    w->count = w->plan.database_count = 3;
    edit(w);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:2 billing:2 stock:1");
    w->databases[2].fails = 0;
    world_annotate(w, ANNOTATION_RETRY, "now");
    world_settle(w, 60000);
    want_applied(w, rule, "orders:2 billing:2 stock:2");
    cr_expect(!w->status.rollout.restarted, "%s: it began anew", rule);
}

/* Nothing was pending, so nothing had waves; none has been adopted yet, so none is another one. */
static void led_elsewhere_in_a_catch_up(struct world *w, const char *rule)
{
    careful(w);
    world_push(w, 1, false);
    for (size_t i = 0; i < 3; i++) {
        has_history(w, i, 0);
        w->databases[i].content[1] = w->commits[w->commit_count - 1].content[1];
    }
    until_catch_up(w, rule);
    for (size_t i = 1; i < 3; i++) {
        w->databases[i].applied = 0; /* with a row of something else */
        w->databases[i].tables = true;
        w->databases[i].journal++;
        w->databases[i].next_look_ms = w->mono_ms;
    }
    world_settle(w, 60000);
    want_message(w, rule, CONDITION_WAITING, "files are pending that no roll-out has verified");
    want_applied(w, rule, "orders:1 billing:0 stock:0");
}

/* Whoever waits for another database has files that nobody has verified. */
static void waits_are_no_catch_up(struct world *w, const char *rule)
{
    w->count = w->plan.database_count = 4;
    everywhere(w, 1);
    w->waves[0].soak_ms = HOUR_MS;
    for (size_t i = 0; i < 4; i++) {
        w->databases[i].waits_for = "users/1";
    }
    world_push(w, 1, false);
    world_settle(w, 60000);
    static char users[] = "users";
    static char *names[] = { users };
    w->count = w->plan.database_count = 5; /* it is there now, empty, and first */
    select_name(&w->waves[0], names);
    edit(w);
    world_settle(w, 30000);
    cr_expect(!w->status.rollout.catch_up, "%s: no waves", rule);
    for (size_t i = 0; i < 4; i++) {
        w->databases[i].waits_for = NULL;
        w->databases[i].next_look_ms = w->mono_ms;
    }
    world_settle(w, 600000);
    want_number(rule, "files of the second", w->databases[1].applied, 1);
}

static const struct scene scenes[] = {
    { "database added, empty, no roll-out on: it catches up alone", 3, newcomer_empty },
    { "a catch-up takes nobody along who is not verified", 4, catch_up_and_another },
    { "one that failed in its catch-up goes on without waves", 3, failed_in_its_catch_up },
    { "one that somebody fills in its catch-up gets waves", 3, filled_in_its_catch_up },
    { "one that is another database in a catch-up gets waves", 3, led_elsewhere_in_a_catch_up },
    { "who waits for another database does not catch up", 5, waits_are_no_catch_up },
};

Test(step_order_catch_up, without_waves)
{
    play_scenes(scenes, ROWS(scenes));
}
