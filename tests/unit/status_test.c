/* SPDX-License-Identifier: Apache-2.0 */
/* struct status: JSON both ways, comparison, conditions. */
#include "base/auto.h"
#include "base/limits.h"
#include "base/mem.h"
#include "model/status.h"
#include "rows.h"

#define COMMIT "4f2c9e4f2c9e4f2c9e4f2c9e4f2c9e4f2c9e4f2c"

static void fill_database(struct database_status *d, const char *name)
{
    *d = (struct database_status){
        .name = mem_strdup(name),
        .state = DATABASE_FAILED,
        .version = mem_strdup("13"),
        .target = "1f0c2a9b",
        .head = 14,
        .journal = 57,
        .tree = "0123456789abcdef",
        .verified = "1123456789abcdef",
        .begun = true,
        .empty = true,
        .foreign = 3,
        .own = 2,
        .member = 1,
        .outage_ms = 61000,
        .wave = mem_strdup("canary"),
        .job = mem_strdup("shop-orders-0123456789-4"),
        .message = mem_strdup("V14__x.sql:3: no"),
        .attempt = 4,
    };
}

static void fill(struct status *s)
{
    status_init(s);
    s->observed_generation = 3;
    memcpy(s->spec, "fedcba9876543210", 17);
    condition_set(s, CONDITION_READY, CONDITION_FALSE, "CanaryFailed", "it failed", 1767225600999,
                  3);
    condition_set(s, CONDITION_STALLED, CONDITION_TRUE, "CanaryFailed", "it failed", 1767225600000,
                  3);
    s->last_attempted_revision = mem_strdup("main@sha1:" COMMIT);
    s->last_applied_revision = mem_strdup("main@sha1:" COMMIT);
    memcpy(s->last_attempted_commit, COMMIT, sizeof COMMIT);
    memcpy(s->last_applied_commit, COMMIT, sizeof COMMIT);
    memcpy(s->queued_commit, COMMIT, sizeof COMMIT);
    strlist_add(&s->covered_commits, COMMIT);
    s->last_verified_ms = 1767225500000;
    s->rollout = (struct rollout_status){
        .present = true,
        .digest = "sha256:00",
        .commit = COMMIT,
        .revision = mem_strdup("main@sha1:" COMMIT),
        .started_ms = 1767225400000,
        .wave_index = 1,
        .wave = mem_strdup("rest"),
        .phase = PHASE_SOAKING,
        .supersessions = 2,
        .elapsed_ms = 120000,
        .soak_since_ms = 1767225300000,
        .order = "bbbbccccddddeeee",
        .source = "ccccddddeeeeffff",
        .strategy = "aaaabbbbccccdddd",
        .lead = 1,
        .restarted = mem_strdup("strategy edited"),
        .catch_up = true,
    };
    memcpy(s->plan_digest, "sha256:00", 10);
    s->summary.databases = 5;
    s->summary.up_to_date = 3;
    s->summary.pending = s->summary.running = s->summary.failed = s->summary.refused = 1;
    s->summary.unreachable = 1;
    s->summary.min_version = mem_strdup("13");
    s->databases = mem_array(1, sizeof *s->databases);
    s->database_count = 1;
    fill_database(&s->databases[0], "orders");
    strlist_add(&s->ahead, "14");
    strlist_add(&s->notices, "sql/x.sql is passed over");
    s->gates = mem_array(1, sizeof *s->gates);
    s->gate_count = 1;
    s->gates[0] = (struct gate_status){ .wave = mem_strdup("canary"),
                                        .name = mem_strdup("rows"),
                                        .state = GATE_PASSING,
                                        .successes = 3,
                                        .failures = 1,
                                        .round = 5,
                                        .at_end = true,
                                        .last_value = mem_strdup("0.002") };
    s->history_count = 1;
    s->history[0] = (struct history_entry){ .commit = COMMIT,
                                            .started_ms = 1767225400000,
                                            .finished_ms = 1767225500000,
                                            .succeeded = true,
                                            .message = mem_strdup("3 of 3") };
    s->last_handled_reconcile = mem_strdup("r");
    s->last_handled_retry = mem_strdup("t");
    s->last_handled_resolve = mem_strdup("v");
    s->last_handled_accept = mem_strdup("a");
    s->outage_ms = 60000;
}

static void parse_text(const char *json_text_, struct status *out)
{
    AUTO(json_free_auto) struct json *json = NULL;
    err_free(json_parse(json_text_, strlen(json_text_), "status", &json));
    status_parse(json, out);
}

/* The exact keys: get, describe, pipelines and later versions read them. */
Test(status, format_is_pinned)
{
    AUTO(status_done) struct status s;
    fill(&s);
    AUTO(json_free_auto) struct json *json = status_format(&s);
    AUTO(free_auto) char *text = json_text(json);
    check_text(
        "every field", text,
        "{\"observedGeneration\":3,\"observedSpec\":\"fedcba9876543210\",\"conditions\":["
        "{\"type\":\"Ready\",\"status\":\"False\",\"observedGeneration\":3,"
        "\"lastTransitionTime\":\"2026-01-01T00:00:00Z\",\"reason\":\"CanaryFailed\","
        "\"message\":\"it failed\"},"
        "{\"type\":\"Stalled\",\"status\":\"True\",\"observedGeneration\":3,"
        "\"lastTransitionTime\":\"2026-01-01T00:00:00Z\",\"reason\":\"CanaryFailed\","
        "\"message\":\"it failed\"}],"
        "\"lastAttemptedRevision\":\"main@sha1:" COMMIT "\",\"lastAttemptedCommit\":\"" COMMIT "\","
        "\"lastAppliedRevision\":\"main@sha1:" COMMIT "\",\"lastAppliedCommit\":\"" COMMIT "\","
        "\"revision\":\"main@sha1:4f2c9e4f2c\","
        "\"coveredCommits\":[\"" COMMIT "\"],\"lastVerified\":\"2025-12-31T23:58:20Z\","
        "\"rollout\":{\"digest\":\"sha256:00\",\"commit\":\"" COMMIT "\","
        "\"revision\":\"main@sha1:" COMMIT "\",\"started\":\"2025-12-31T23:56:40Z\","
        "\"wave\":\"rest\",\"waveIndex\":1,\"phase\":\"Soaking\",\"supersessions\":2,"
        "\"elapsed\":120,\"soakSince\":\"2025-12-31T23:55:00Z\","
        "\"order\":\"bbbbccccddddeeee\",\"source\":\"ccccddddeeeeffff\","
        "\"strategy\":\"aaaabbbbccccdddd\",\"lead\":1,\"restarted\":\"strategy edited\","
        "\"catchUp\":true},"
        "\"queuedCommit\":\"" COMMIT "\",\"planDigest\":\"sha256:00\",\"progress\":\"3/5\","
        "\"summary\":{\"databases\":5,\"upToDate\":3,\"pending\":1,\"running\":1,\"failed\":1,"
        "\"refused\":1,"
        "\"unreachable\":1,\"minVersion\":\"13\"},"
        "\"databases\":[{\"name\":\"orders\",\"state\":\"Failed\",\"version\":\"13\","
        "\"target\":\"1f0c2a9b\",\"head\":14,\"journal\":57,\"tree\":\"0123456789abcdef\","
        "\"verified\":\"1123456789abcdef\",\"begun\":true,\"empty\":true,"
        "\"member\":1,\"foreign\":3,\"own\":2,\"outage\":61,\"wave\":\"canary\",\"job\":\"shop-"
        "orders-0123456789-"
        "4\","
        "\"attempt\":4,\"message\":\"V14__x.sql:3: "
        "no\"}],\"ahead\":[\"14\"],\"notices\":[\"sql/x.sql is passed over\"],"
        "\"gates\":[{\"wave\":\"canary\",\"name\":\"rows\",\"state\":\"Passing\",\"successes\":3,"
        "\"failures\":1,\"round\":5,\"atEnd\":true,\"lastValue\":\"0.002\"}],"
        "\"history\":[{\"commit\":\"" COMMIT "\",\"started\":\"2025-12-31T23:56:40Z\","
        "\"finished\":\"2025-12-31T23:58:20Z\",\"outcome\":\"Succeeded\",\"message\":\"3 of 3\"}],"
        "\"outage\":60,\"lastHandledReconcileAt\":\"r\",\"lastHandledRetryAt\":\"t\","
        "\"lastHandledResolve\":\"v\",\"lastHandledAccept\":\"a\"}");
}

Test(status, what_is_written_is_read_again)
{
    AUTO(status_done) struct status s;
    AUTO(status_done) struct status again;
    fill(&s);
    AUTO(json_free_auto) struct json *json = status_format(&s);
    status_parse(json, &again);
    cr_expect(status_equal(&s, &again), "equal");
    cr_expect(again.conditions[CONDITION_READY].transition_ms == 1767225600000, "transition");
    cr_expect(again.last_verified_ms == s.last_verified_ms, "lastVerified");
    AUTO(json_free_auto) struct json *twice = status_format(&again);
    cr_expect(json_equal(json, twice), "the same JSON");
}

Test(status, a_status_that_was_never_written)
{
    AUTO(status_done) struct status s;
    AUTO(status_done) struct status again;
    status_init(&s);
    AUTO(json_free_auto) struct json *json = status_format(&s);
    AUTO(free_auto) char *text = json_text(json);
    check_text(
        "empty", text,
        "{\"observedGeneration\":-1,\"conditions\":[],\"progress\":\"0/0\",\"summary\":{"
        "\"databases\":0,\"upToDate\":0,\"pending\":0,\"running\":0,\"failed\":0,\"refused\":0,"
        "\"unreachable\":0},\"databases\":[]}");
    status_parse(NULL, &again);
    cr_expect(status_equal(&s, &again), "no status at all reads the same");
}

struct odd_row {
    const char *rule;
    const char *json;
};
static const struct odd_row odd_rows[] = {
    { "not an object", "[1,2]" },
    { "wrong types", "{\"observedGeneration\":\"x\",\"conditions\":{\"a\":1},\"rollout\":[],"
                     "\"databases\":7,\"gates\":null,\"history\":\"\",\"outage\":-5}" },
    { "unknown conditions and values",
      "{\"conditions\":[{\"type\":\"Odd\",\"status\":\"True\"},{\"type\":\"Ready\",\"status\":"
      "\"Maybe\"},{\"type\":\"Stalled\",\"status\":\"\"},7]}" },
    { "too long and not hex", "{\"lastAppliedCommit\":\"../../etc\",\"queuedCommit\":"
                              "\"0123456789012345678901234567890123456789012345678901234567890123"
                              "4567890123456789\",\"lastVerified\":\"yesterday\"}" },
    { "entries without names", "{\"databases\":[{\"state\":\"UpToDate\"},3],\"gates\":[{},"
                               "{\"wave\":\"a\"},{\"name\":\"b\"}]}" },
    { "unknown keys", "{\"later\":{\"a\":1}}" },
};

Test(status, odd_input_is_passed_over)
{
    AUTO(status_done) struct status never;
    status_init(&never);
    for (size_t i = 0; i < ROWS(odd_rows); i++) {
        AUTO(status_done) struct status s;
        parse_text(odd_rows[i].json, &s);
        cr_expect(status_equal(&s, &never), "%s", odd_rows[i].rule);
    }
}

Test(status, odd_values_have_a_default)
{
    AUTO(status_done) struct status s;
    parse_text("{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}],"
               "\"rollout\":{\"phase\":\"Later\",\"waveIndex\":99999999999},"
               "\"databases\":[{\"name\":\"a\",\"state\":\"Odd\",\"head\":-7}],"
               "\"gates\":[{\"wave\":\"w\",\"name\":\"g\",\"state\":\"Odd\"}],"
               "\"history\":[{},{},{},{},{},{},{}]}",
               &s);
    check_text("reason", s.conditions[CONDITION_READY].reason, "");
    cr_expect(s.rollout.phase == PHASE_APPLYING && s.rollout.wave_index == 0, "rollout");
    cr_expect(s.databases[0].state == DATABASE_UNKNOWN && s.databases[0].head == 0, "database");
    cr_expect(s.databases[0].member == -1, "member");
    cr_expect(s.gates[0].state == GATE_NONE && s.gates[0].round == 1, "gate");
    cr_expect(s.history_count == STATUS_HISTORY, "history");
    cr_expect(status_database(&s, "b") == NULL, "no such database");
    cr_expect(status_gate(&s, "w", "h") == NULL && status_gate(&s, "v", "g") == NULL, "no gate");
    cr_expect(status_gate(&s, "w", "g") == &s.gates[0], "the gate");
}

/* Entries with the longest names, in the middle of a roll-out that began anew. */
static void fleet(struct status *out, size_t count, const char *version, struct status *again)
{
    status_init(out);
    out->databases = mem_array(count, sizeof *out->databases);
    out->database_count = count;
    for (size_t i = 0; i < count; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%063zu", i);
        fill_database(&out->databases[i], name);
        free(out->databases[i].version);
        out->databases[i].version = mem_strdup(version);
        out->databases[i].state = DATABASE_UNREACHABLE;
        out->databases[i].journal = 1000000000000000;
        out->databases[i].outage_ms = 86400000;
    }
    AUTO(json_free_auto) struct json *json = status_format(out);
    AUTO(free_auto) char *text = json_text(json);
    cr_expect(strlen(text) <= LIMIT_STATUS, "%zu bytes", strlen(text));
    status_parse(json, again);
    cr_expect(again->database_count == count, "all of them");
    const struct database_status *last = &again->databases[count - 1];
    cr_expect(last->head == 14 && last->target[0] && last->begun && last->verified[0],
              "memory stays");
}

Test(status, a_fleet_fits_the_limit)
{
    AUTO(status_done) struct status s;
    AUTO(status_done) struct status again;
    fleet(&s, 1500, "13", &again);
    cr_expect(!again.databases[0].message && again.databases[0].version, "people's fields go");
    cr_expect(again.databases[0].state == DATABASE_UNREACHABLE, "the state stays");
}

Test(status, a_fleet_with_long_versions_fits_the_limit)
{
    AUTO(status_done) struct status s;
    AUTO(status_done) struct status again;
    fleet(&s, 1800, "20260101000000.20260101000000.20260101000000.12345", &again);
    cr_expect(!again.databases[0].message && !again.databases[0].version, "versions go too");
    cr_expect(again.databases[0].state == DATABASE_UNREACHABLE, "the state stays");
}

Test(status, the_largest_fleet_fits_the_limit)
{
    AUTO(status_done) struct status s;
    AUTO(status_done) struct status again;
    fleet(&s, 2000, "13", &again);
    cr_expect(again.databases[0].state == DATABASE_UNKNOWN, "states go last");
}

/* Every field must make a difference for a reader, and only memory for later decisions. */
struct change {
    const char *field;
    bool memory, conditions;
    void (*make)(struct status *s);
};

static void replace(char **text, const char *with)
{
    free(*text);
    *text = mem_strdup(with);
}

#define CHANGE(name, statement)                                                                    \
    static void change_##name(struct status *s)                                                    \
    {                                                                                              \
        statement;                                                                                 \
    }
CHANGE(generation, s->observed_generation = 4)
CHANGE(spec, s->spec[0] = 'x')
CHANGE(condition, s->conditions[CONDITION_READY].status = CONDITION_TRUE)
CHANGE(reason, replace(&s->conditions[CONDITION_READY].reason, "GateFailed"))
CHANGE(message, replace(&s->conditions[CONDITION_READY].message, "other"))
CHANGE(condition_generation, s->conditions[CONDITION_READY].generation = 9)
CHANGE(attempted, s->last_attempted_commit[0] = 'a')
CHANGE(attempted_revision, replace(&s->last_attempted_revision, "x"))
CHANGE(applied, s->last_applied_commit[0] = 'a')
CHANGE(applied_revision, replace(&s->last_applied_revision, "x"))
CHANGE(covered, strlist_add(&s->covered_commits, "x"))
CHANGE(covered_other, replace(&s->covered_commits.items[0], "x"))
CHANGE(verified, s->last_verified_ms += 1000)
CHANGE(queued, s->queued_commit[0] = 'a')
CHANGE(digest, s->plan_digest[8] = 'x')
CHANGE(rollout_present, s->rollout.present = false)
CHANGE(rollout_digest, s->rollout.digest[8] = 'x')
CHANGE(rollout_commit, s->rollout.commit[0] = 'a')
CHANGE(rollout_revision, replace(&s->rollout.revision, "x"))
CHANGE(rollout_started, s->rollout.started_ms++)
CHANGE(rollout_wave_index, s->rollout.wave_index++)
CHANGE(rollout_wave, replace(&s->rollout.wave, "x"))
CHANGE(rollout_phase, s->rollout.phase = PHASE_FAILED)
CHANGE(rollout_supersessions, s->rollout.supersessions++)
CHANGE(rollout_soak, s->rollout.soak_since_ms++)
CHANGE(rollout_strategy, s->rollout.strategy[0] = 'x')
CHANGE(rollout_order, s->rollout.order[0] = 'x')
CHANGE(rollout_source, s->rollout.source[0] = 'x')
CHANGE(rollout_lead, s->rollout.lead++)
CHANGE(rollout_restarted, replace(&s->rollout.restarted, "x"))
CHANGE(rollout_catch_up, s->rollout.catch_up = false)
CHANGE(rollout_elapsed, s->rollout.elapsed_ms += 60000)
CHANGE(rollout_elapsed_back, s->rollout.elapsed_ms -= 60000)
CHANGE(outage, s->outage_ms = 0)
CHANGE(ahead, replace(&s->ahead.items[0], "15"))
CHANGE(notices, replace(&s->notices.items[0], "x"))
CHANGE(summary_databases, s->summary.databases++)
CHANGE(summary_up, s->summary.up_to_date++)
CHANGE(summary_pending, s->summary.pending++)
CHANGE(summary_running, s->summary.running++)
CHANGE(summary_failed, s->summary.failed++)
CHANGE(summary_refused, s->summary.refused++)
CHANGE(summary_unreachable, s->summary.unreachable++)
CHANGE(summary_min, replace(&s->summary.min_version, "12"))
CHANGE(database_count, free(s->databases[0].name); free(s->databases[0].version);
       free(s->databases[0].wave); free(s->databases[0].job); free(s->databases[0].message);
       s->database_count = 0)
CHANGE(database_name, replace(&s->databases[0].name, "x"))
CHANGE(database_state, s->databases[0].state = DATABASE_PENDING)
CHANGE(database_version, replace(&s->databases[0].version, "x"))
CHANGE(database_target, s->databases[0].target[0] = 'x')
CHANGE(database_head, s->databases[0].head++)
CHANGE(database_journal, s->databases[0].journal++)
CHANGE(database_tree, s->databases[0].tree[0] = 'x')
CHANGE(database_verified, s->databases[0].verified[0] = 'x')
CHANGE(database_begun, s->databases[0].begun = false)
CHANGE(database_empty, s->databases[0].empty = false)
CHANGE(database_member, s->databases[0].member++)
CHANGE(database_own, s->databases[0].own++)
CHANGE(database_foreign, s->databases[0].foreign++)
CHANGE(database_outage, s->databases[0].outage_ms += 100000)
CHANGE(database_wave, replace(&s->databases[0].wave, "x"))
CHANGE(database_job, replace(&s->databases[0].job, "x"))
CHANGE(database_message, replace(&s->databases[0].message, "x"))
CHANGE(database_attempt, s->databases[0].attempt++)
CHANGE(gate_count, free(s->gates[0].wave); free(s->gates[0].name); free(s->gates[0].last_value);
       s->gate_count = 0)
CHANGE(gate_wave, replace(&s->gates[0].wave, "x"))
CHANGE(gate_name, replace(&s->gates[0].name, "x"))
CHANGE(gate_state, s->gates[0].state = GATE_FAILED)
CHANGE(gate_successes, s->gates[0].successes++)
CHANGE(gate_failures, s->gates[0].failures++)
CHANGE(gate_round, s->gates[0].round++)
CHANGE(gate_at_end, s->gates[0].at_end = false)
CHANGE(gate_value, replace(&s->gates[0].last_value, "x"))
CHANGE(history_count, free(s->history[0].message); s->history_count = 0)
CHANGE(history_commit, s->history[0].commit[0] = 'a')
CHANGE(history_started, s->history[0].started_ms++)
CHANGE(history_finished, s->history[0].finished_ms++)
CHANGE(history_outcome, s->history[0].succeeded = false)
CHANGE(history_message, replace(&s->history[0].message, "x"))
CHANGE(reconcile, replace(&s->last_handled_reconcile, "x"))
CHANGE(retry, replace(&s->last_handled_retry, "x"))
CHANGE(resolve, replace(&s->last_handled_resolve, "x"))
CHANGE(accept, replace(&s->last_handled_accept, "x"))

#define ROW(name, memory, conditions)                                                              \
    {                                                                                              \
#name, memory, conditions, change_##name                                                   \
    }
static const struct change changes[] = {
    ROW(generation, false, false),
    ROW(spec, true, false),
    ROW(condition, false, true),
    ROW(reason, false, true),
    ROW(message, false, false),
    ROW(condition_generation, false, true),
    ROW(attempted, false, false),
    ROW(attempted_revision, false, false),
    ROW(applied, true, false),
    ROW(applied_revision, false, false),
    ROW(covered, false, false),
    ROW(covered_other, false, false),
    ROW(verified, false, false),
    ROW(queued, true, false),
    ROW(digest, false, false),
    ROW(rollout_present, true, false),
    ROW(rollout_digest, true, false),
    ROW(rollout_commit, true, false),
    ROW(rollout_revision, true, false),
    ROW(rollout_started, true, false),
    ROW(rollout_wave_index, true, false),
    ROW(rollout_wave, true, false),
    ROW(rollout_phase, true, false),
    ROW(rollout_supersessions, true, false),
    ROW(rollout_soak, true, false),
    ROW(rollout_strategy, true, false),
    ROW(rollout_order, true, false),
    ROW(rollout_source, true, false),
    ROW(rollout_lead, true, false),
    ROW(rollout_restarted, true, false),
    ROW(rollout_catch_up, true, false),
    ROW(rollout_elapsed, true, false),
    ROW(rollout_elapsed_back, true, false),
    ROW(outage, true, false),
    ROW(ahead, false, false),
    ROW(notices, false, false),
    ROW(summary_databases, false, false),
    ROW(summary_up, false, false),
    ROW(summary_pending, false, false),
    ROW(summary_running, false, false),
    ROW(summary_failed, false, false),
    ROW(summary_refused, false, false),
    ROW(summary_unreachable, false, false),
    ROW(summary_min, false, false),
    ROW(database_count, true, false),
    ROW(database_name, true, false),
    ROW(database_state, false, false),
    ROW(database_version, false, false),
    ROW(database_target, true, false),
    ROW(database_head, true, false),
    ROW(database_journal, true, false),
    ROW(database_tree, true, false),
    ROW(database_verified, true, false),
    ROW(database_begun, true, false),
    ROW(database_empty, true, false),
    ROW(database_member, true, false),
    ROW(database_own, true, false),
    ROW(database_foreign, true, false),
    ROW(database_outage, true, false),
    ROW(database_wave, false, false),
    ROW(database_job, false, false),
    ROW(database_message, false, false),
    ROW(database_attempt, false, false),
    ROW(gate_count, true, false),
    ROW(gate_wave, true, false),
    ROW(gate_name, true, false),
    ROW(gate_state, true, false),
    ROW(gate_successes, true, false),
    ROW(gate_failures, true, false),
    ROW(gate_round, true, false),
    ROW(gate_at_end, true, false),
    ROW(gate_value, true, false),
    ROW(history_count, false, false),
    ROW(history_commit, false, false),
    ROW(history_started, false, false),
    ROW(history_finished, false, false),
    ROW(history_outcome, false, false),
    ROW(history_message, false, false),
    ROW(reconcile, true, false),
    ROW(retry, true, false),
    ROW(resolve, true, false),
    ROW(accept, true, false),
};

Test(status, every_field_makes_a_difference)
{
    AUTO(status_done) struct status base;
    fill(&base);
    for (size_t i = 0; i < ROWS(changes); i++) {
        AUTO(status_done) struct status s;
        status_copy(&base, &s);
        cr_expect(status_equal(&base, &s), "%s: a copy is equal", changes[i].field);
        changes[i].make(&s);
        cr_expect(!status_equal(&base, &s), "%s: not seen", changes[i].field);
        cr_expect(status_memory_equal(&base, &s) != changes[i].memory, "%s: memory",
                  changes[i].field);
        cr_expect(status_conditions_equal(&base, &s) != changes[i].conditions, "%s: conditions",
                  changes[i].field);
    }
}

/* What a version before `verified` and `begun` wrote. */
Test(status, an_older_version_s_memory_is_understood)
{
    AUTO(status_done) struct status idle;
    AUTO(status_done) struct status busy;
    parse_text("{\"databases\":[{\"name\":\"a\",\"tree\":\"0123456789abcdef\"}]}", &idle);
    check_text("no roll-out: the tree was verified", idle.databases[0].verified,
               "0123456789abcdef");
    parse_text("{\"rollout\":{\"commit\":\"" COMMIT "\"},"
               "\"databases\":[{\"name\":\"a\",\"tree\":\"0123456789abcdef\"}]}",
               &busy);
    check_text("a roll-out: it is the roll-out's", busy.databases[0].verified, "");
    cr_expect(!busy.databases[0].begun, "nobody is known to have begun");
}

Test(status, a_running_clock_is_not_a_write)
{
    AUTO(status_done) struct status a;
    AUTO(status_done) struct status b;
    fill(&a);
    status_copy(&a, &b);
    b.rollout.elapsed_ms += 59999;
    b.databases[0].outage_ms += 59999;
    b.outage_ms -= 59000;
    b.mark_mono_ms = 77;
    b.rollout.counting = true;
    cr_expect(status_equal(&a, &b), "less than a minute");
    b.outage_ms = 0;
    cr_expect(!status_equal(&a, &b), "none and some differ");
}

Test(status, transition_time_moves_with_status_only)
{
    AUTO(status_done) struct status s;
    status_init(&s);
    condition_set(&s, CONDITION_READY, CONDITION_UNKNOWN, "Progressing", "a", 5500, 1);
    condition_set(&s, CONDITION_READY, CONDITION_UNKNOWN, "Soaking", "b", 9000, 2);
    cr_expect(s.conditions[CONDITION_READY].transition_ms == 5000, "reason alone does not");
    cr_expect(s.conditions[CONDITION_READY].generation == 2, "generation");
    condition_set(&s, CONDITION_READY, CONDITION_TRUE, "Soaking",
                  s.conditions[CONDITION_READY].message, 12000, 2);
    cr_expect(s.conditions[CONDITION_READY].transition_ms == 12000, "status does");
    check_text("its own message again", s.conditions[CONDITION_READY].message, "b");
    condition_clear(&s, CONDITION_READY);
    cr_expect(s.conditions[CONDITION_READY].status == CONDITION_ABSENT, "cleared");
}

Test(status, texts)
{
    check_text("type", condition_type_text(CONDITION_DATABASES_REACHABLE), "DatabasesReachable");
    check_text("status", condition_status_text(CONDITION_UNKNOWN), "Unknown");
    check_text("state", database_state_text(DATABASE_UNREACHABLE), "Unreachable");
    check_text("phase", rollout_phase_text(PHASE_APPLYING), "Applying");
    check_text("gate", gate_state_text(GATE_NO_ANSWER), "NoAnswer");
}
