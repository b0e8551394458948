/* SPDX-License-Identifier: Apache-2.0 */
/* The order of a roll-out under every edit: the rows of the table in docs/migrationplan.md 9, each played
 * in the small world, in the soak of the canary where nothing else is said. */
#include "step_rules.h"

#define HOUR_MS 3600000

static void select_name(struct mplan_wave *wave, char **name)
{
    wave->select = SELECT_NAMES;
    wave->names = (struct strlist){ .items = name, .count = 1 };
}

/* orders first: an hour of soak and a gate, then the rest. */
static void careful(struct world *w)
{
    static char first[] = "first", rows[] = "rows", orders[] = "orders";
    static char *names[] = { orders };
    w->waves[0] = (struct mplan_wave){ .name = first, .soak_ms = HOUR_MS };
    select_name(&w->waves[0], names);
    w->gate = (struct mplan_gate){ .name = rows, .interval_ms = 30000, .count = 1 };
    w->waves[0].gates = &w->gate;
    w->waves[0].gate_count = 1;
    w->plan.waves = w->waves;
    w->plan.wave_count = 1;
}

/* V1 is everywhere and verified, V2 on orders, which soaks. */
static void in_the_soak(struct world *w)
{
    careful(w);
    w->waves[0].soak_ms = 0;
    settle_with(w, 1);
    w->waves[0].soak_ms = HOUR_MS;
    new_spec(w);
    world_push(w, 1, false);
    world_settle(w, 60000);
}

/* The same, but the gate has said no. */
static void after_the_gate(struct world *w)
{
    careful(w);
    w->waves[0].soak_ms = 0;
    settle_with(w, 1);
    w->gate_value = false;
    world_push(w, 1, false);
    world_settle(w, 60000);
}

static void edit(struct world *w)
{
    new_spec(w);
    w->look_again = true;
}

static void want_soak_from(struct world *w, const char *rule, int64_t from_ms, int64_t soak_ms)
{
    world_pass(w, from_ms + soak_ms - w->mono_ms - 40000);
    want_number(rule, "files of the second before the soak is over", w->databases[1].applied, 1);
    world_pass(w, 100000);
    want_number(rule, "files of the second after the soak", w->databases[1].applied, 2);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static int64_t soak_began(const struct world *w) /* mono, of orders' newest row */
{
    int64_t now = w->utc_ms + w->databases[0].clock_ms;
    return w->mono_ms - (now - w->databases[0].finished_ms);
}

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
    careful(w);
    w->waves[0].soak_ms = 0;
    settle_with(w, 1);
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

static void newcomer_empty(struct world *w, const char *rule)
{
    careful(w);
    w->waves[0].soak_ms = 0;
    w->count = w->plan.database_count = 2;
    settle_with(w, 2);
    w->waves[0].soak_ms = HOUR_MS;
    w->count = w->plan.database_count = 3;
    edit(w);
    world_settle(w, 60000);
    want_applied(w, rule, "orders:2 billing:2 stock:2");
}

static void newcomer_with_history(struct world *w, const char *rule)
{
    careful(w);
    w->waves[0].soak_ms = 0;
    w->count = w->plan.database_count = 2;
    settle_with(w, 2);
    w->waves[0].soak_ms = HOUR_MS;
    w->databases[2].applied = 1;
    w->databases[2].content[1] = 1;
    w->databases[2].head = 1;
    w->count = w->plan.database_count = 3;
    edit(w);
    world_settle(w, 60000);
    cr_expect(!w->status.rollout.catch_up, "%s: no waves", rule);
    want_applied(w, rule, "orders:2 billing:2 stock:1"); /* orders proves what stock lacks */
    want(w, rule, CONDITION_WAITING, "True Soaking");
    world_pass(w, HOUR_MS + 60000);
    want_applied(w, rule, "orders:2 billing:2 stock:2");
}

static void catch_up_and_another(struct world *w, const char *rule)
{
    careful(w);
    w->waves[0].soak_ms = 0;
    w->count = w->plan.database_count = 2;
    settle_with(w, 2);
    w->waves[0].soak_ms = HOUR_MS;
    w->databases[3].applied = 1; /* a newcomer with a history, that does not answer yet */
    w->databases[3].content[1] = 1;
    w->databases[3].head = 1;
    w->databases[3].up = false;
    w->count = w->plan.database_count = 4;
    edit(w);
    world_pass(w, 2000);
    cr_expect(w->status.rollout.catch_up, "%s: waves for the empty one", rule);
    want_number(rule, "the empty newcomer is not held", w->databases[2].applied, 2);
    w->databases[3].up = true;
    world_settle(w, 60000);
    cr_expect(!w->status.rollout.catch_up, "%s: no waves for the other", rule);
    want_message(w, rule, CONDITION_READY, "others have files that are not verified yet");
    want_number(rule, "files of the other in the soak", w->databases[3].applied, 1);
    world_pass(w, HOUR_MS + 60000);
    want_applied(w, rule, "orders:2 billing:2 stock:2 returns:2");
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
    careful(w);
    w->waves[0].soak_ms = 0;
    settle_with(w, 1);
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
    careful(w);
    w->waves[0].soak_ms = 0;
    settle_with(w, 1);
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
    careful(w);
    w->waves[0].soak_ms = 0;
    settle_with(w, 1);
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

/* Whoever waits for another database has files that nobody has verified. */
static void waits_are_no_catch_up(struct world *w, const char *rule)
{
    careful(w);
    w->waves[0].soak_ms = 0;
    w->count = w->plan.database_count = 4;
    settle_with(w, 1);
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
    careful(w);
    w->waves[0].soak_ms = 0;
    settle_with(w, 1);
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
    { "database added, empty, no roll-out on: it catches up alone", 3, newcomer_empty },
    { "database added with a history: waves", 3, newcomer_with_history },
    { "a catch-up takes nobody along who is not verified", 4, catch_up_and_another },
    { "an empty database proves nothing", 3, empty_proves_nothing },
    { "a wave that selects nothing: InvalidSpec", 3, selects_nothing },
    { "an edit while the canary does not answer", 3, unreachable_when_edited },
    { "an edit while the canary's Job cannot start", 3, cannot_start },
    { "files run by hand soak from when they were found", 3, by_hand },
    { "files run by hand on one that has begun, while suspended", 3, by_hand_while_suspended },
    { "a Job of an entry that is gone is waited for", 3, stray_job },
    { "a Job of an entry that is gone, and has not started, is deleted", 3, stray_that_waits },
    { "who waits for another database does not catch up", 5, waits_are_no_catch_up },
    { "no roll-out starts, and no plan goes, beside a Job of an entry that is gone", 3,
      stray_and_a_commit },
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
