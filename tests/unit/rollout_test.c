/* SPDX-License-Identifier: Apache-2.0 */
/* Waves, soak, gates, supersession and digests. */
#include <stdio.h>
#include "base/hash.h"
#include "base/str.h"
#include "model/reason.h"
#include "base/mem.h"
#include "reconcile/rollout/rollout.h"
#include "rows.h"

static char *text(const char *literal)
{
    return (char *)(uintptr_t)literal;
}

/* ---- membership -------------------------------------------------------------------------------- */

#define MOST 20

struct wave_row {
    const char *name;
    int select, amount;
    const char *names[3];
    const char *label; /* tier */
};

struct member_row {
    const char *rule;
    enum strategy strategy;
    size_t databases;
    const char *canaries; /* indices with tier=canary, as letters "ac" */
    struct wave_row waves[3];
    size_t wave_count;
    const char *counts; /* "canary:1 rest:4" */
};

static const struct member_row member_rows[] = {
    { "AllAtOnce is one wave", STRATEGY_ALL_AT_ONCE, 5, "", { { 0 } }, 0, "all:5" },
    { "no database, no wave", STRATEGY_CANARY, 0, "", { { 0 } }, 0, "" },
    { "without waves one canary, then the rest",
      STRATEGY_CANARY,
      5,
      "",
      { { 0 } },
      0,
      "canary:1 rest:4" },
    { "one database is its own canary", STRATEGY_CANARY, 1, "", { { 0 } }, 0, "canary:1" },
    { "the default canary is one of those labelled tier=canary",
      STRATEGY_CANARY,
      5,
      "bd",
      { { 0 } },
      0,
      "canary:1 rest:4" },
    { "percent is rounded up",
      STRATEGY_CANARY,
      11,
      "",
      { { .name = "some", .select = SELECT_PERCENT, .amount = 10 } },
      1,
      "some:2 rest:9" },
    { "100 percent leaves no rest",
      STRATEGY_CANARY,
      7,
      "",
      { { .name = "all", .select = SELECT_PERCENT, .amount = 100 } },
      1,
      "all:7" },
    { "a count larger than what is left takes what is left",
      STRATEGY_CANARY,
      3,
      "",
      { { .name = "many", .select = SELECT_COUNT, .amount = 9 } },
      1,
      "many:3" },
    { "percent counts those not yet taken",
      STRATEGY_CANARY,
      10,
      "",
      { { .name = "one", .select = SELECT_COUNT, .amount = 2 },
        { .name = "half", .select = SELECT_PERCENT, .amount = 50 } },
      2,
      "one:2 half:4 rest:4" },
    { "names and labels come first, whatever the order of the waves",
      STRATEGY_CANARY,
      6,
      "f",
      { { .name = "most", .select = SELECT_COUNT, .amount = 5 },
        { .name = "named", .select = SELECT_NAMES, .names = { "a" } },
        { .name = "labelled", .select = SELECT_LABELS, .label = "canary" } },
      3,
      "most:4 named:1 labelled:1" },
    { "the first match wins",
      STRATEGY_CANARY,
      4,
      "a",
      { { .name = "named", .select = SELECT_NAMES, .names = { "a", "b" } },
        { .name = "labelled", .select = SELECT_LABELS, .label = "canary" } },
      2,
      "named:2 labelled:0 rest:2" },
};

struct fleet {
    struct mplan plan;
    struct mplan_database databases[MOST];
    struct mplan_wave waves[3];
    char names[MOST][2];
    struct kv label, want;
};

static void fleet_init(struct fleet *f, const struct member_row *row)
{
    memset(f, 0, sizeof *f);
    f->label = f->want = (struct kv){ text("tier"), text("canary") };
    for (size_t i = 0; i < row->databases; i++) {
        f->names[i][0] = (char)('a' + (int)i);
        f->databases[i].name = f->names[i];
        if (strchr(row->canaries, 'a' + (int)i)) {
            f->databases[i].labels = (struct kvlist){ .items = &f->label, .count = 1 };
        }
    }
    for (size_t w = 0; w < row->wave_count; w++) {
        const struct wave_row *from = &row->waves[w];
        struct mplan_wave *to = &f->waves[w];
        to->name = text(from->name);
        to->select = (typeof(to->select))from->select;
        to->amount = from->amount;
        if (from->label) {
            to->labels = (struct kvlist){ .items = &f->want, .count = 1 };
        }
        to->names.items = (char **)(uintptr_t)from->names;
        while (to->names.count < 3 && from->names[to->names.count]) {
            to->names.count++;
        }
    }
    f->plan = (struct mplan){ .uid = text("uid-1"),
                              .strategy = row->strategy,
                              .databases = f->databases,
                              .database_count = row->databases,
                              .waves = f->waves,
                              .wave_count = row->wave_count };
}

static void count_text(const struct rollout_waves *waves, char out[256])
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t w = 0; w < waves->count; w++) {
        int members = 0;
        for (size_t i = 0; i < waves->database_count; i++) {
            members += waves->member[i] == (int32_t)w;
        }
        at += (size_t)snprintf(out + at, 256 - at, "%s%s:%d", w ? " " : "", waves->items[w].name,
                               members);
    }
}

Test(rollout, membership_is_a_stable_function)
{
    for (size_t i = 0; i < ROWS(member_rows); i++) {
        static struct fleet f;
        struct rollout_waves waves;
        char counts[256];
        fleet_init(&f, &member_rows[i]);
        rollout_waves_make(&f.plan, NULL, &waves);
        count_text(&waves, counts);
        check_text(member_rows[i].rule, counts, member_rows[i].counts);
        for (size_t k = 0; k < waves.database_count; k++) {
            cr_expect(waves.member[k] >= 0 && (size_t)waves.member[k] < waves.count, "%s",
                      member_rows[i].rule);
        }
        rollout_waves_done(&waves);
    }
}

static size_t canary_of(struct fleet *f)
{
    struct rollout_waves waves;
    rollout_waves_make(&f->plan, NULL, &waves);
    size_t canary = 0;
    while (waves.member[canary] != 0) {
        canary++;
    }
    rollout_waves_done(&waves);
    return canary;
}

Test(rollout, the_canary_depends_on_uid_and_names_alone)
{
    static const struct member_row row = { "", STRATEGY_CANARY, 9, "", { { 0 } }, 0, "" };
    static struct fleet f;
    fleet_init(&f, &row);
    size_t canary = canary_of(&f);
    char name = f.names[canary][0];
    for (size_t i = 0; i < 9; i++) { /* the other way round */
        f.databases[i].name = f.names[8 - i];
    }
    cr_expect(f.databases[canary_of(&f)].name[0] == name, "the order of the spec moves it");
    f.plan.database_count = 8; /* without one that is not the canary */
    bool dropped = f.names[0][0] == name;
    cr_expect(dropped || f.databases[canary_of(&f)].name[0] == name, "a neighbour moves it");
    f.plan.database_count = 9;
    bool moved = false;
    static const char *const uids[] = { "u2", "u3", "u4", "u5", "u6", "u7" };
    for (size_t i = 0; i < ROWS(uids); i++) {
        f.plan.uid = text(uids[i]);
        moved = moved || f.databases[canary_of(&f)].name[0] != name;
    }
    cr_expect(moved, "every plan of the world starts with the same name");
    f.plan.uid = NULL;
    (void)canary_of(&f);                       /* total */
    f.databases[1].name = f.databases[0].name; /* refused by the decoder, ordered all the same */
    (void)canary_of(&f);
}

Test(rollout, the_labelled_canary_is_taken)
{
    static const struct member_row row = { "", STRATEGY_CANARY, 9, "bd", { { 0 } }, 0, "" };
    static struct fleet f;
    fleet_init(&f, &row);
    size_t canary = canary_of(&f);
    cr_expect(canary == 1 || canary == 3, "canary is %zu", canary);
}

/* The order is SHA-256(UID NUL name): pinned, because a new version must not move canaries. */
Test(rollout, the_order_of_membership_is_pinned)
{
    static const struct member_row row = { "", STRATEGY_CANARY, 4, "", { { 0 } }, 0, "" };
    static struct fleet f;
    fleet_init(&f, &row);
    size_t least = 0;
    uint8_t best[SHA256_LEN];
    for (size_t i = 0; i < 4; i++) {
        uint8_t hash[SHA256_LEN];
        const char joined[] = { 'u', 'i', 'd', '-', '1', '\0', f.names[i][0] };
        sha256(joined, sizeof joined, hash);
        if (i == 0 || memcmp(hash, best, sizeof hash) < 0) {
            least = i;
            memcpy(best, hash, sizeof hash);
        }
    }
    cr_expect(canary_of(&f) == least, "got %zu, want %zu", canary_of(&f), least);
}

/* ---- soak -------------------------------------------------------------------------------------- */

struct soak_row {
    const char *rule;
    int64_t soak, now, finished, since, left;
};
static const struct soak_row soak_rows[] = {
    { "no journal row: soaked", 600, 5000, 0, 0, 0 },
    { "counted from the newest journal row on the database's clock", 600, 5000, 4900, 0, 500 },
    { "over", 600, 5000, 4400, 0, 0 },
    { "long over", 600, 5000, 100, 0, 0 },
    { "no soak", 0, 5000, 5000, 0, 0 },
    { "a retry starts it again", 600, 5000, 100, 4950, 550 },
    { "a row after the retry counts", 600, 5000, 4990, 4950, 590 },
    { "a retry without a row counts", 600, 5000, 0, 4950, 550 },
    { "a clock that is behind lengthens, never skips", 600, 5000, 5300, 0, 600 },
};

Test(rollout, soak_on_the_database_clock)
{
    for (size_t i = 0; i < ROWS(soak_rows); i++) {
        const struct soak_row *r = &soak_rows[i];
        int64_t left = soak_left_ms(r->soak, r->now, r->finished, r->since);
        cr_expect(left == r->left, "%s: left %lld", r->rule, (long long)left);
    }
}

/* ---- gates ------------------------------------------------------------------------------------- */

struct judge_row {
    const char *rule;
    int32_t count, limit, successes, failures;
    bool at_end;
    enum gate_verdict verdict;
};
static const struct judge_row judge_rows[] = {
    { "nothing measured", 1, 0, 0, 0, false, GATE_VERDICT_OPEN },
    { "one success at the end passes", 1, 0, 1, 0, true, GATE_VERDICT_PASS },
    { "a success before the end does not pass", 1, 0, 1, 0, false, GATE_VERDICT_OPEN },
    { "one failure fails", 1, 0, 5, 1, true, GATE_VERDICT_FAIL },
    { "count is not reached", 5, 0, 4, 0, true, GATE_VERDICT_OPEN },
    { "count is reached", 5, 0, 5, 0, true, GATE_VERDICT_PASS },
    { "a tolerated failure is a measurement", 5, 1, 4, 1, true, GATE_VERDICT_PASS },
    { "one failure too many", 5, 1, 4, 2, true, GATE_VERDICT_FAIL },
    { "tolerated failures alone do not pass", 1, 3, 0, 3, true, GATE_VERDICT_OPEN },
};

Test(rollout, gates_are_judged)
{
    for (size_t i = 0; i < ROWS(judge_rows); i++) {
        const struct judge_row *r = &judge_rows[i];
        struct mplan_gate gate = { .count = r->count, .failure_limit = r->limit };
        struct gate_count count = { r->successes, r->failures, r->at_end };
        cr_expect(gate_judge(&gate, &count) == r->verdict, "%s", r->rule);
    }
}

struct answer_row {
    const char *rule;
    const char *answers; /* y n s: yes, no, silence */
    const char *want;    /* "yes t", "no f", "silence" */
    const char *message;
};
static const struct answer_row answer_rows[] = {
    { "one yes", "y", "yes t", "a: t" },
    { "one no", "n", "no f", "a: f" },
    { "silence", "s", "silence ", "a: timeout" },
    { "a no outweighs every yes", "yyn", "no f", "c: f" },
    { "the first no is told", "nn", "no f", "a: f" },
    { "silence outweighs a yes", "ys", "silence ", "b: timeout" },
    { "a yes does not undo silence", "sy", "silence ", "a: timeout" },
    { "silence does not undo a no", "ns", "no f", "a: f" },
    { "a no outweighs silence", "sn", "no f", "b: f" },
    { "the first silence is told", "ss", "silence ", "a: timeout" },
};

Test(rollout, answers_of_a_wave_are_one_measurement)
{
    for (size_t i = 0; i < ROWS(answer_rows); i++) {
        const struct answer_row *r = &answer_rows[i];
        struct gate_answer sum = { 0 };
        for (size_t k = 0; r->answers[k]; k++) {
            char name[2] = { (char)('a' + (int)k), '\0' };
            char kind = r->answers[k];
            gate_answer_add(&sum, name, kind != 's', kind == 'y', kind == 'y' ? "t" : "f",
                            "timeout");
        }
        char got[100];
        (void)snprintf(got, sizeof got, "%s %s",
                       !sum.answered ? "silence"
                       : sum.pass    ? "yes"
                                     : "no",
                       sum.text);
        check_text(r->rule, got, r->want);
        check_text(r->rule, sum.message, r->message);
        cr_expect(sum.taken, "%s", r->rule);
    }
    struct mplan_gate gate = { .engine = ENGINE_UNKNOWN };
    cr_expect(gate_applies(&gate, ENGINE_MARIADB), "a gate without engine asks all");
    gate.engine = ENGINE_POSTGRESQL;
    cr_expect(gate_applies(&gate, ENGINE_POSTGRESQL) && !gate_applies(&gate, ENGINE_MARIADB),
              "a gate asks its engine");
}

/* ---- supersession ------------------------------------------------------------------------------ */

Test(rollout, commits_in_the_middle)
{
    cr_expect(rollout_may_supersede(0, false) && rollout_may_supersede(1, false), "twice");
    cr_expect(!rollout_may_supersede(2, false), "then the present roll-out finishes first");
    cr_expect(rollout_may_supersede(7, true), "a failed one is always fixed forward");
    cr_expect(rollout_supersede(0, false, 0) == 1 && rollout_supersede(1, false, 0) == 2, "count");
    cr_expect(rollout_supersede(1, false, 1) == 0, "leaving the first wave starts the count anew");
    cr_expect(rollout_supersede(1, true, 0) == 0, "a failure starts the count anew");
}

/* ---- digests ----------------------------------------------------------------------------------- */

static void options(struct mplan_database *d)
{
    migrations_options_init(&d->migrations);
}

Test(rollout, inputs_hash_moves_with_trees_and_migrations)
{
    struct mplan_database d = { .name = text("orders") };
    char oid[] = "aaaa", *oids[] = { oid };
    struct strlist list = { .items = oids, .count = 1 };
    char base[17], other[17];
    options(&d);
    rollout_inputs_hash(&d, &list, base);
    cr_expect(strlen(base) == 16, "16 hex");
    rollout_inputs_hash(&d, &list, other);
    check_text("same inputs, same hash", other, base);
    d.name = text("billing");
    rollout_inputs_hash(&d, &list, other);
    check_text("the name is no input", other, base);
    oid[0] = 'b';
    rollout_inputs_hash(&d, &list, other);
    cr_expect(!str_eq(base, other), "another tree");
    oid[0] = 'a';
    d.migrations.naming = (struct naming){ .prefix = text("V"), .validate = true };
    rollout_inputs_hash(&d, &list, other);
    check_text("Flyway's default, written out, and what changes no file", other, base);
    d.migrations.naming = (struct naming){ .prefix = text("ver") };
    rollout_inputs_hash(&d, &list, other);
    cr_expect(!str_eq(base, other), "another prefix");
    d.migrations.naming = (struct naming){ .repeatable_prefix = text("rep") };
    rollout_inputs_hash(&d, &list, other);
    cr_expect(!str_eq(base, other), "another prefix of repeatables");
    d.migrations.naming = (struct naming){ .separator = text("-") };
    rollout_inputs_hash(&d, &list, other);
    cr_expect(!str_eq(base, other), "another separator");
    d.migrations.naming = (struct naming){ .suffixes = list };
    rollout_inputs_hash(&d, &list, other);
    cr_expect(!str_eq(base, other), "another suffix");
    d.migrations.naming = (struct naming){ 0 };
    kvlist_set(&d.migrations.placeholders, "region", "eu");
    rollout_inputs_hash(&d, &list, other);
    cr_expect(!str_eq(base, other), "another placeholder");
    kvlist_done(&d.migrations.placeholders);
    d.migrations.target = TARGET_VERSION;
    cr_expect(version_parse("2.1", &d.migrations.target_version), "2.1");
    rollout_inputs_hash(&d, &list, other);
    cr_expect(!str_eq(base, other), "another target");
    d.migrations.target_optional = true;
    rollout_inputs_hash(&d, NULL, base);
    cr_expect(!str_eq(base, other), "2.1? and no tree");
    migrations_options_done(&d.migrations);
}

Test(rollout, strategy_hash_moves_with_the_strategy)
{
    struct mplan_gate gate = { .name = text("g"), .query = text("select true"), .count = 1 };
    struct mplan_wave waves[4] = {
        { .name = text("a"), .select = SELECT_NAMES, .gates = &gate, .gate_count = 1 },
        { .name = text("b"), .select = SELECT_LABELS },
        { .name = text("c"), .select = SELECT_COUNT, .amount = 1 },
        { .name = text("d"), .select = SELECT_PERCENT, .amount = 1 },
    };
    struct mplan plan = {
        .strategy = STRATEGY_CANARY, .max_parallel = 4, .waves = waves, .wave_count = 4
    };
    char base[17], other[17];
    rollout_strategy_hash(&plan, base);
    plan.max_parallel = 5;
    rollout_strategy_hash(&plan, other);
    cr_expect(!str_eq(base, other), "maxParallel");
    plan.max_parallel = 4;
    plan.strategy = STRATEGY_ALL_AT_ONCE;
    rollout_strategy_hash(&plan, other);
    cr_expect(!str_eq(base, other), "type");
    plan.strategy = STRATEGY_CANARY;
    gate.query = text("select false");
    rollout_strategy_hash(&plan, other);
    cr_expect(!str_eq(base, other), "a gate's query");
    gate.query = text("select true");
    waves[3].select = SELECT_COUNT;
    rollout_strategy_hash(&plan, other);
    cr_expect(!str_eq(base, other), "count is not percent");
}

/* Compatible for ever: the exact text that is hashed. */
Test(rollout, plan_digest_is_pinned)
{
    struct mplan_database databases[2] = { { .name = text("orders") }, { .name = text("new") } };
    options(&databases[0]);
    options(&databases[1]);
    struct mplan plan = { .uid = text("u"),
                          .databases = databases,
                          .database_count = 2,
                          .strategy = STRATEGY_CANARY,
                          .max_parallel = 4 };
    char oid[] = "abcd", *oids[] = { oid };
    struct strlist list = { .items = oids, .count = 1 };
    struct migration file = { .path = text("sql/V1__a.sql") };
    struct action actions[2] = { { .kind = ACTION_BASELINE_MARKER }, { .file = &file } };
    struct plan pending = { .actions = actions, .action_count = 2 };
    struct rollout_entry entries[2] = {
        { .reachable = true, .head = 3, .oids = &list, .plan = &pending },
        { .oids = &list, .plan = &pending },
    };
    static const char migrations[] =
        "{\"baselineDescription\":\"<< Flyway Baseline >>\",\"baselineOnMigrate\":false,"
        "\"baselineVersion\":\"1\",\"ignoreMigrationPatterns\":[\"*:future\"],\"outOfOrder\":false,"
        "\"placeholderReplacement\":true,\"placeholders\":{},\"schema\":null,"
        "\"table\":\"flyway_schema_history\",\"target\":\"latest\"}";
    char expected[4096], want[72] = "sha256:", got[72];
    (void)snprintf(
        expected, sizeof expected,
        "{\"databases\":[{\"head\":3,\"migrations\":%s,\"name\":\"orders\",\"pending\":["
        "{\"path\":null,\"sha256\":null},{\"path\":\"sql/V1__a.sql\",\"sha256\":\"%064d\"}],"
        "\"trees\":[\"abcd\"]},{\"head\":null,\"migrations\":%s,\"name\":\"new\",\"pending\":[],"
        "\"trees\":[\"abcd\"]}],\"strategy\":{\"maxFailures\":0,\"maxParallel\":4,"
        "\"type\":\"Canary\",\"waves\":[]},\"uid\":\"u\"}",
        migrations, 0, migrations);
    sha256_hex(expected, strlen(expected), want + 7);
    rollout_digest(&plan, entries, got);
    check_text("planDigest", got, want);
    struct mplan_window windows[2] = { { .schedule = text("0 2 * * SAT"),
                                         .duration_ms = 3600000,
                                         .time_zone = text("Europe/Prague") },
                                       { .schedule = text("0 4 * * *"), .duration_ms = 300000 } };
    struct mplan_window freeze = { .from_ms = 1000, .to_ms = 2000 };
    plan.windows = windows;
    plan.window_count = 2;
    plan.freezes = &freeze;
    plan.freeze_count = 1;
    char *strategy = strstr(expected, "\"strategy\":"), *rest = mem_strdup(strategy);
    (void)snprintf(strategy, sizeof expected - (size_t)(strategy - expected),
                   "\"order\":{\"freezes\":[{\"fromMs\":1000,\"toMs\":2000}],\"windows\":["
                   "{\"durationMs\":3600000,\"schedule\":\"0 2 * * SAT\","
                   "\"timeZone\":\"Europe/Prague\"},{\"durationMs\":300000,"
                   "\"schedule\":\"0 4 * * *\",\"timeZone\":\"UTC\"}]},%s",
                   rest);
    free(rest);
    sha256_hex(expected, strlen(expected), want + 7);
    rollout_digest(&plan, entries, got);
    check_text("planDigest with windows and freezes", got, want);
    migrations_options_done(&databases[0].migrations);
    migrations_options_done(&databases[1].migrations);
}
