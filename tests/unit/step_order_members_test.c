/* SPDX-License-Identifier: Apache-2.0 */
/* The order of a roll-out under every edit: rows of the table in docs/reference/migrationplan.md 5, each played
 * in the small world, in the soak of the canary where nothing else is said. Databases that come, go,
 * do not answer, or get files by hand. */
#include "step_order_rules.h"

static void leave(struct world *w, size_t index)
{
    struct mplan_database entry = w->entries[index];
    struct world_database database = w->databases[index];
    for (size_t i = index; i + 1 < w->count; i++) {
        w->entries[i] = w->entries[i + 1];
        w->databases[i] = w->databases[i + 1];
    }
    w->count = --w->plan.database_count;
    w->entries[w->count] = entry;
    w->databases[w->count] = database;
    edit(w);
}

/* ---- databases come and go --------------------------------------------------------------------- */

static void list_reordered(struct world *w, const char *rule)
{
    in_the_soak(w);
    leave(w, 0);
    w->count = ++w->plan.database_count; /* orders is the last of the list now */
    world_settle(w, 60000);
    cr_expect(!w->status.rollout.restarted, "%s: it began anew", rule);
    want_applied(w, rule, "billing:1 stock:1 orders:2");
    world_pass(w, HOUR_MS);
    want_applied(w, rule, "billing:2 stock:2 orders:2");
}

static void canary_removed(struct world *w, const char *rule)
{
    static char first[] = "first";
    in_the_soak(w);
    w->waves[0] = (struct mplan_wave){ .name = first, .select = SELECT_COUNT, .amount = 1 };
    w->waves[0].soak_ms = HOUR_MS;
    leave(w, 0);
    world_settle(w, 60000);
    int sum = w->databases[0].applied + w->databases[1].applied;
    want_number(rule, "files on both: one of them is the canary now", sum, 3);
    world_pass(w, HOUR_MS + 60000);
    want_applied(w, rule, "billing:2 stock:2");
}

/* The list alone changed: the strategy's hash did not. */
static void canary_removed_by_count(struct world *w, const char *rule)
{
    careful(w);
    w->waves[0].select = SELECT_COUNT;
    w->waves[0].amount = 1;
    world_push(w, 1, false);
    world_settle(w, 60000);
    size_t canary = 0;
    while (canary < w->count && w->databases[canary].applied == 0) {
        canary++;
    }
    cr_assert(canary < w->count, "%s: nobody began", rule);
    leave(w, canary);
    world_settle(w, 60000);
    want_number(rule, "files on both", w->databases[0].applied + w->databases[1].applied, 1);
    want_message(w, rule, CONDITION_WAITING, " has left: wave first soaks again");
    world_pass(w, HOUR_MS + 60000);
    want_number(rule, "files in the end", w->databases[0].applied + w->databases[1].applied, 2);
}

/* Two in the first wave; one of them leaves before it has passed. */
static void member_left(struct world *w, const char *rule)
{
    careful(w);
    w->waves[0].select = SELECT_COUNT;
    w->waves[0].amount = 2;
    world_push(w, 1, false);
    world_settle(w, 60000);
    int sum = 0;
    size_t member = w->count;
    for (size_t i = 0; i < w->count; i++) {
        sum += w->databases[i].applied;
        member = w->databases[i].applied && member == w->count ? i : member;
    }
    want_number(rule, "files", sum, 2);
    w->plan.suspend = true; /* also while suspended */
    edit(w);
    world_pass(w, 1000);
    leave(w, member);
    world_pass(w, 1000);
    w->plan.suspend = false;
    edit(w);
    world_settle(w, 60000);
    want_message(w, rule, CONDITION_WAITING, " has left: wave first soaks again");
    world_pass(w, HOUR_MS + 60000);
    want_applied(w, rule, w->entries[0].name[0] == 'o' ? "orders:1 stock:1" : "billing:1 stock:1");
}

/* A second wave that soaks for long: begun anew, all of it goes first, and still owes its own soak. */
static void second_wave_went_first(struct world *w, const char *rule)
{
    static char second[] = "second", billing[] = "billing";
    static char *names[] = { billing };
    careful(w);
    w->waves[0].soak_ms = 0;
    w->waves[1] = (struct mplan_wave){ .name = second, .soak_ms = 3 * HOUR_MS };
    select_name(&w->waves[1], names);
    w->plan.wave_count = 2;
    world_push(w, 1, false);
    world_settle(w, HOUR_MS);
    want_applied(w, rule, "orders:1 billing:1 stock:0");
    w->waves[0].soak_ms = 60000;
    edit(w);
    world_pass(w, HOUR_MS);
    want_applied(w, rule, "orders:1 billing:1 stock:0");
    want_message(w, rule, CONDITION_WAITING, "wave second soaks until ");
    world_pass(w, 2 * HOUR_MS);
    want_applied(w, rule, "orders:1 billing:1 stock:1");
}

/* What it got by hand soaks in the wave that the spec selects it for, though it went first. */
static void second_wave_by_hand(struct world *w, const char *rule)
{
    static char second[] = "second", billing[] = "billing";
    static char *names[] = { billing };
    careful(w);
    w->waves[0].soak_ms = 0;
    w->waves[1] = (struct mplan_wave){ .name = second, .soak_ms = HOUR_MS };
    select_name(&w->waves[1], names);
    w->plan.wave_count = 2;
    world_push(w, 1, false);
    world_settle(w, 2 * HOUR_MS);
    world_push(w, 1, false);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:2 billing:2 stock:1");
    world_pass(w, HOUR_MS / 2);
    int commit = world_push(w, 1, false);
    world_run_by_hand(w, 1, commit);
    int64_t found = w->mono_ms;
    world_pass(w, 60000);
    want_applied(w, rule, "orders:3 billing:3 stock:1");
    world_pass(w, found + HOUR_MS - w->mono_ms - 40000);
    want_applied(w, rule, "orders:3 billing:3 stock:1");
    world_pass(w, 100000);
    want_applied(w, rule, "orders:3 billing:3 stock:3");
}

static void failed_and_edited(struct world *w, const char *rule)
{
    careful(w);
    w->waves[0].soak_ms = 0;
    w->plan.max_failures = 2;
    settle_with(w, 1);
    w->databases[0].fails = 2;
    world_push(w, 1, false);
    world_settle(w, 60000);
    want(w, rule, CONDITION_STALLED, "True CanaryFailed");
    static char billing[] = "billing";
    static char *names[] = { billing };
    select_name(&w->waves[0], names);
    edit(w);
    world_settle(w, 600000);
    want(w, rule, CONDITION_STALLED, "True CanaryFailed");
    want_applied(w, rule, "orders:1 billing:1 stock:1"); /* nobody takes its place */
}

static void rename_all(struct world *w)
{
    static char names[3][8] = { "a", "b", "c" };
    static char *first[] = { names[0] };
    for (size_t i = 0; i < w->count; i++) {
        w->entries[i].name = names[i];
        w->databases[i].owner = OWNER_GONE;
        w->databases[i].next_look_ms = w->mono_ms;
    }
    select_name(&w->waves[0], first);
}

static void renamed_while_suspended(struct world *w, const char *rule)
{
    in_the_soak(w);
    w->plan.suspend = true;
    edit(w);
    world_pass(w, 10000);
    rename_all(w);
    edit(w);
    world_pass(w, 10000);
    w->plan.suspend = false;
    edit(w);
    world_settle(w, 60000);
    want_applied(w, rule, "a:2 b:1 c:1");
    want(w, rule, CONDITION_WAITING, "True Soaking");
    want_soak_from(w, rule, soak_began(w), HOUR_MS);
}

/* In the last wave, so that nobody of a first wave leaves: a newer commit is nobody's too. */
static void renamed_in_the_rest(struct world *w, const char *rule)
{
    in_the_soak(w);
    w->databases[1].job.next_ms = INT64_MAX;
    w->waves[0].soak_ms = 0;
    edit(w);
    w->plan.max_parallel = 1;
    for (int i = 0; i < 10000 && w->databases[1].job.phase != JOB_RUNNING; i++) {
        world_pass(w, 5);
    }
    w->plan.suspend = true;
    edit(w);
    world_pass(w, 60000);
    rename_all(w);
    world_push(w, 1, false);
    w->plan.suspend = false;
    w->waves[0].soak_ms = HOUR_MS;
    edit(w);
    world_settle(w, 120000);
    int more = 0;
    for (size_t i = 0; i < w->count; i++) {
        more += w->databases[i].applied == 3;
    }
    cr_expect(more <= 1, "%s: %d have the newest file", rule, more);
}

/* Another one is the first in the new spec: who has begun is known by its journal. */
static void renamed_and_another_first(struct world *w, const char *rule)
{
    in_the_soak(w);
    rename_all(w);
    static char second[] = "b";
    static char *names[] = { second };
    select_name(&w->waves[0], names);
    edit(w);
    world_settle(w, 60000);
    want_applied(w, rule, "a:2 b:1 c:1");
}

static void back_again(struct world *w, const char *rule)
{
    careful(w);
    w->waves[0].select = SELECT_COUNT;
    w->waves[0].amount = 1;
    w->count = w->plan.database_count = 2;
    w->databases[2].applied = 1; /* stock left the plan after it had got V1 of this commit */
    w->databases[2].content[1] = 1;
    w->databases[2].head = 1;
    w->databases[2].row_commit = 1;
    w->databases[2].finished_ms = w->utc_ms;
    w->databases[0].tables = w->databases[1].tables = true;
    world_push(w, 1, false);
    world_settle(w, 1200);
    w->count = w->plan.database_count = 3;
    edit(w);
    world_settle(w, 60000);
    want_message(w, rule, CONDITION_READY, "database stock has begun before");
    want_number(rule, "files of the others", w->databases[0].applied + w->databases[1].applied <= 1,
                1);
    world_pass(w, 3 * HOUR_MS);
    want_applied(w, rule, "orders:1 billing:1 stock:1");
}

static void added_empty(struct world *w, const char *rule)
{
    w->databases[0].tables = w->databases[1].tables = true;
    w->count = w->plan.database_count = 2;
    in_the_soak(w);
    w->count = w->plan.database_count = 3;
    edit(w);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:2 billing:1 stock:0"); /* it joins the last wave */
    cr_expect(!w->status.rollout.restarted, "%s: it began anew", rule);
    world_pass(w, 2 * HOUR_MS);
    want_applied(w, rule, "orders:2 billing:2 stock:2");
}

static void newcomer_with_history(struct world *w, const char *rule)
{
    two_verified(w);
    has_history(w, 2, 0);
    w->count = w->plan.database_count = 3;
    edit(w);
    world_settle(w, 60000);
    cr_expect(!w->status.rollout.catch_up, "%s: no waves", rule);
    want_applied(w, rule, "orders:2 billing:2 stock:1"); /* orders proves what stock lacks */
    want(w, rule, CONDITION_WAITING, "True Soaking");
    world_pass(w, HOUR_MS + 60000);
    want_applied(w, rule, "orders:2 billing:2 stock:2");
}

static void newcomer_with_own_trees(struct world *w, const char *rule)
{
    w->count = w->plan.database_count = 2;
    in_the_soak(w);
    has_history(w, 2, 7);
    w->count = w->plan.database_count = 3;
    edit(w);
    world_settle(w, 60000);
    cr_expect(!w->status.rollout.restarted, "%s: it began anew", rule);
    world_pass(w, HOUR_MS);
    want_applied(w, rule, "orders:2 billing:2 stock:2");
}

static void newcomers_with_trees_of_theirs(struct world *w, const char *rule)
{
    w->count = w->plan.database_count = 2;
    in_the_soak(w);
    has_history(w, 2, 7);
    has_history(w, 3, 7);
    w->count = w->plan.database_count = 4;
    edit(w);
    world_settle(w, 60000);
    want_message(
        w, rule, CONDITION_WAITING,
        "database stock has come with files that no first wave has: wave first soaks again");
    want_applied(w, rule, "orders:2 billing:1 stock:1 returns:1");
    world_pass(w, HOUR_MS);
    want_applied(w, rule, "orders:2 billing:1 stock:2 returns:1"); /* one of the two */
    world_pass(w, HOUR_MS + 60000);
    want_applied(w, rule, "orders:2 billing:2 stock:2 returns:2");
}

static void begun_and_silent_at_the_start(struct world *w, const char *rule)
{
    struct world_database *billing = &w->databases[1];
    in_the_soak(w);
    billing->applied = billing->head = 2; /* it got V2 from this roll-out, too */
    billing->content[2] = w->databases[0].content[2];
    billing->row_commit = w->databases[0].row_commit;
    billing->up = false;
    status_done(&w->stored);
    world_crash(w);
    world_pass(w, 600000);
    want(w, rule, CONDITION_WAITING, "True Soaking");
    cr_expect(!w->status.rollout.restarted, "%s: it began anew too early", rule);
    billing->up = true;
    billing->next_look_ms = w->mono_ms;
    world_settle(w, 60000);
    want_message(w, rule, CONDITION_WAITING,
                 "database billing has begun before: wave first soaks again");
    want_applied(w, rule, "orders:2 billing:2 stock:1");
}

static void empty_proves_nothing(struct world *w, const char *rule)
{
    careful(w);
    w->waves[0].select = SELECT_COUNT;
    w->waves[0].amount = 1;
    w->databases[2].tables = true; /* the only one with data */
    world_push(w, 1, false);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:0 billing:0 stock:1");
    want(w, rule, CONDITION_WAITING, "True Soaking");
    world_pass(w, HOUR_MS + 60000);
    want_applied(w, rule, "orders:1 billing:1 stock:1");
}

static void selects_nothing(struct world *w, const char *rule)
{
    static char canary[] = "canary", teir[] = "teir", tier[] = "tier", value[] = "canary";
    static struct kv wanted[] = { { teir, value } }, have[] = { { tier, value } };
    w->waves[0] = (struct mplan_wave){ .name = canary, .select = SELECT_LABELS };
    w->waves[0].labels = (struct kvlist){ .items = wanted, .count = 1 };
    w->plan.waves = w->waves;
    w->plan.wave_count = 1;
    w->entries[1].labels = (struct kvlist){ .items = have, .count = 1 };
    world_push(w, 1, false);
    world_settle(w, 60000);
    want(w, rule, CONDITION_STALLED, "True InvalidSpec");
    want_message(w, rule, CONDITION_STALLED,
                 "wave canary selects none of 3 databases: no label teir; did you mean tier; "
                 "correct strategy.waves[0].select");
    want_applied(w, rule, "orders:0 billing:0 stock:0");
    w->waves[0].labels.items = have;
    edit(w);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:1 billing:1 stock:1");
}

static void unreachable_when_edited(struct world *w, const char *rule)
{
    in_the_soak(w);
    w->databases[0].up = false;
    w->databases[0].next_look_ms = w->mono_ms;
    world_pass(w, 5000);
    w->waves[0].soak_ms = 0;
    edit(w);
    world_pass(w, 600000);
    want_applied(w, rule, "orders:2 billing:1 stock:1"); /* it alone could prove V2 */
    want(w, rule, CONDITION_READY, "False DatabaseUnavailable");
    w->databases[0].up = true;
    world_settle(w, 600000);
    want_applied(w, rule, "orders:2 billing:2 stock:2");
}

static void cannot_start(struct world *w, const char *rule)
{
    everywhere(w, 1);
    world_push(w, 1, false);
    for (int i = 0; i < 1000 && w->databases[0].job.phase != JOB_WAITING; i++) {
        world_pass(w, 5);
    }
    w->databases[0].job.next_ms = INT64_MAX; /* no node for it */
    w->waves[0].soak_ms = HOUR_MS;
    edit(w);
    world_settle(w, 60000);
    want_number(rule, "files of the second", w->databases[1].applied, 1);
    want_number(rule, "files of the third", w->databases[2].applied, 1);
    want_number(rule, "files of the canary", w->databases[0].applied, 2);
}

/* ---- files by hand ----------------------------------------------------------------------------- */

static void by_hand(struct world *w, const char *rule)
{
    everywhere(w, 1);
    w->waves[0].soak_ms = HOUR_MS;
    edit(w);
    world_pass(w, 2 * HOUR_MS); /* its newest journal row is old */
    int commit = world_push(w, 1, false);
    world_run_by_hand(w, 0, commit);
    int64_t found = w->mono_ms;
    world_settle(w, 60000);
    want_applied(w, rule, "orders:2 billing:1 stock:1");
    want_number(rule, "Jobs of the canary", w->databases[0].highest_attempt, 1);
    want(w, rule, CONDITION_WAITING, "True Soaking");
    w->plan.max_parallel = 2;
    w->waves[0].soak_ms = 2 * HOUR_MS; /* what was found is not forgotten by an edit */
    edit(w);
    want_soak_from(w, rule, found, 2 * HOUR_MS);
}

/* It has begun, so only its rows tell. */
static void by_hand_while_suspended(struct world *w, const char *rule)
{
    everywhere(w, 1);
    w->waves[0].soak_ms = HOUR_MS;
    w->databases[0].fails = 2;
    edit(w);
    int commit = world_push(w, 1, false);
    world_settle(w, 60000);
    want(w, rule, CONDITION_STALLED, "True CanaryFailed");
    world_pass(w, 2 * HOUR_MS);
    w->plan.suspend = true;
    edit(w);
    world_run_by_hand(w, 0, commit);
    w->databases[0].failed_version = 0;
    world_pass(w, 10000);
    int64_t found = w->mono_ms;
    w->databases[0].next_look_ms = w->mono_ms;
    world_pass(w, 10000);
    w->plan.suspend = false;
    edit(w);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:2 billing:1 stock:1");
    want(w, rule, CONDITION_WAITING, "True Soaking");
    want_soak_from(w, rule, found, HOUR_MS);
}

static void stray_job(struct world *w, const char *rule)
{
    in_the_soak(w);
    w->stray_jobs = 1; /* of an entry that was renamed while it ran */
    w->waves[0].soak_ms = 0;
    edit(w);
    world_pass(w, 600000);
    want_applied(w, rule, "orders:2 billing:1 stock:1");
    w->stray_jobs = 0;
    w->look_again = true;
    world_settle(w, 600000);
    want_applied(w, rule, "orders:2 billing:2 stock:2");
}

/* It would wait for as long as execution.deadline. */
static void stray_that_waits(struct world *w, const char *rule)
{
    in_the_soak(w);
    w->stray_jobs = w->stray_waiting = 1;
    w->waves[0].soak_ms = 0;
    edit(w);
    world_settle(w, 600000);
    want_number(rule, "Jobs of entries that are gone", (long long)w->stray_jobs, 0);
    want_applied(w, rule, "orders:2 billing:2 stock:2");
}

static void stray_and_a_commit(struct world *w, const char *rule)
{
    careful(w);
    settle_with(w, 1);
    world_pass(w, 2 * HOUR_MS);
    w->stray_jobs = 1;
    world_push(w, 1, false);
    world_settle(w, 60000);
    want_message(w, rule, CONDITION_READY, "a Job of an entry that is gone has not ended yet");
    want_number(rule, "files of the canary", w->databases[0].applied, 1);
    w->stray_jobs = w->stray_waiting = 1;
    w->plan.deleting = true; /* the last of them goes with the plan */
    w->deleting_ms = w->mono_ms;
    w->look_again = true;
    world_settle(w, 60000);
    want_number(rule, "Jobs of entries that are gone", (long long)w->stray_jobs, 0);
    want_number(rule, "forgotten", w->forgotten, 1);
}

static const struct scene scenes[] = {
    { "the list in another order: nothing changes", 3, list_reordered },
    { "the canary removed: another one, with soak and gates", 3, canary_removed },
    { "the canary removed, the strategy as it was", 3, canary_removed_by_count },
    { "a member of the first wave removed, also while suspended: anew", 3, member_left },
    { "a later wave whose databases went first still soaks", 3, second_wave_went_first },
    { "a canary that failed is not replaced by an edit", 3, failed_and_edited },
    { "entries renamed while suspended", 3, renamed_while_suspended },
    { "entries renamed in the last wave, and a newer commit", 3, renamed_in_the_rest },
    { "entries renamed, another one selected", 3, renamed_and_another_first },
    { "a database that had begun is back: anew", 3, back_again },
    { "database added, empty: it joins the last wave", 3, added_empty },
    { "database added with a history: waves", 3, newcomer_with_history },
    { "database added with trees of its own: it joins the last wave", 3, newcomer_with_own_trees },
    { "databases added that share files which no first wave has: anew", 4,
      newcomers_with_trees_of_theirs },
    { "status lost, and one that has begun does not answer: anew when it does", 3,
      begun_and_silent_at_the_start },
    { "files run by hand on one that went first soak in its own wave", 3, second_wave_by_hand },
    { "an empty database proves nothing", 3, empty_proves_nothing },
    { "a wave that selects nothing: InvalidSpec", 3, selects_nothing },
    { "an edit while the canary does not answer", 3, unreachable_when_edited },
    { "an edit while the canary's Job cannot start", 3, cannot_start },
    { "files run by hand soak from when they were found", 3, by_hand },
    { "files run by hand on one that has begun, while suspended", 3, by_hand_while_suspended },
    { "a Job of an entry that is gone is waited for", 3, stray_job },
    { "a Job of an entry that is gone, and has not started, is deleted", 3, stray_that_waits },
    { "no roll-out starts, and no plan goes, beside a Job of an entry that is gone", 3,
      stray_and_a_commit },
};

Test(step_order_members, come_and_go)
{
    play_scenes(scenes, ROWS(scenes));
}
