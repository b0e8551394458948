/* SPDX-License-Identifier: Apache-2.0 */
/* plan_make: Flyway's states, validation and order, and what our journal adds, as rules. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "reconcile/base/auto.h"
#include "reconcile/base/mem.h"
#include "reconcile/migration/parse.h"
#include "reconcile/model/reason.h"
#include "reconcile/plan/plan.h"

#define MOST 12

struct plan_case {
    const char *rule;
    /* "V2__two=text": file and content; "V2__two+=text" carries out-of-order=allow */
    const char *files[MOST];
    /* "RANK TYPE VERSION|- DESCRIPTION CONTENT|NULL ok|failed" */
    const char *rows[MOST];
    /* "RANK VERSION|- DESCRIPTION STEP CLASS STATE CONTENT [TOKEN]" */
    const char *journal[MOST];
    const char *target;
    const char *ignore[4];
    bool out_of_order, validate, no_table, full_schema, baseline_on_migrate, held, by_journal;
    const char *token;
    const char *assume; /* DB=VERSION */
    const char *states; /* "1:Success 2:Pending views:Pending"; NULL: not compared */
    const char *actions;
    const char *ahead;
    const char *current; /* NULL: not compared */
    const char *reason;  /* NULL: no error */
};

static const struct plan_case cases[] = {
    /* ---- what runs -------------------------------------------------------------------------- */
    { .rule = "an empty history runs every file in order",
      .files = { "V2__b=2", "V1__a=1", "V10__c=3" },
      .states = "1:Pending 2:Pending 10:Pending",
      .actions = "1 2 10" },
    { .rule = "the current version is the highest one that is in, whatever came after it",
      .files = { "V1__a=1", "V2__b=2", "V3__c=3", "V4__d=4" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL 3 c 3 ok", "3 SQL 2 b 2 ok" },
      .current = "3" },
    { .rule = "nothing applied: there is no current version",
      .files = { "V1__a=1" },
      .current = "" },
    { .rule = "a failed version is not the current one",
      .files = { "V1__a=1", "V2__b=2" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL 2 b 2 failed" },
      .journal = { "2 2 b 1 A failed 2" },
      .current = "1" },
    { .rule = "a version that repair took back is not the current one",
      .files = { "V1__a=1", "V2__b=2" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL 2 b 2 ok", "3 DELETE 2 b 2 ok" },
      .current = "1" },
    { .rule = "applied files are not run again",
      .files = { "V1__a=1", "V2__b=2" },
      .rows = { "1 SQL 1 a 1 ok" },
      .states = "1:Success 2:Pending",
      .actions = "2" },
    { .rule = "1, 1.0 and 01 are one version",
      .files = { "V01.0__a=1" },
      .rows = { "1 SQL 1 a 1 ok" },
      .states = "1:Success",
      .actions = "" },
    { .rule = "repeatables come last, by description",
      .files = { "R__b=b", "R__a=a", "V1__x=1" },
      .states = "1:Pending a:Pending b:Pending",
      .actions = "1 a b" },
    { .rule = "nothing to do is an empty plan",
      .files = { "V1__a=1", "R__v=v" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL - v v ok" },
      .states = "1:Success v:Success",
      .actions = "" },
    { .rule = "a changed repeatable runs again, its older run is superseded",
      .files = { "R__v=v2" },
      .rows = { "1 SQL - v v0 ok", "2 SQL - v v1 ok" },
      .states = "v:Superseded v:Outdated",
      .actions = "v" },
    { .rule = "a repeatable whose newest run was deleted by repair runs again",
      .files = { "R__v=v" },
      .rows = { "1 SQL - v v ok", "2 DELETE - v v ok" },
      .states = "v:Deleted v:Success v:Pending",
      .actions = "v" },
    { .rule = "a version deleted by repair is pending again when it is the newest",
      .files = { "V1__a=1", "V2__b=2" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL 2 b 2 ok", "3 DELETE 2 b 2 ok" },
      .states = "1:Success 2:Deleted 2:Pending",
      .actions = "2" },
    { .rule = "a version deleted by repair below a newer one is ignored: out of order",
      .files = { "V1__a=1", "V2__b=2" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL 2 b 2 ok", "3 DELETE 1 a 1 ok" },
      .states = "1:Deleted 2:Success 1:Ignored",
      .reason = "OutOfOrder" },
    { .rule = "a schema creation row is no migration",
      .files = { "V1__a=1" },
      .rows = { "0 SCHEMA - <<Flyway 7 ok", "1 SQL 1 a 1 ok" },
      .states = "<<Flyway:Success 1:Success",
      .actions = "" },
    { .rule = "rows with a negative rank are invisible",
      .files = { "V1__a=1" },
      .rows = { "-100 SQL 9 lock 9 ok" },
      .states = "1:Pending",
      .actions = "1" },
    /* ---- order ------------------------------------------------------------------------------ */
    { .rule = "a late lower version is refused",
      .files = { "V1__a=1", "V2__b=2", "V3__c=3" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL 3 c 3 ok" },
      .states = "1:Success 3:Success 2:Ignored",
      .reason = "OutOfOrder" },
    { .rule = "a late lower version runs with outOfOrder",
      .files = { "V1__a=1", "V2__b=2", "V3__c=3" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL 3 c 3 ok" },
      .out_of_order = true,
      .states = "1:Success 3:Success 2:Pending",
      .actions = "2" },
    { .rule = "a late lower version runs when its file allows it",
      .files = { "V1__a=1", "V2__b+=2", "V3__c=3" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL 3 c 3 ok" },
      .states = "1:Success 3:Success 2:Pending",
      .actions = "2" },
    { .rule = "a late lower version is passed over when ignored is ignored",
      .files = { "V1__a=1", "V2__b=2", "V3__c=3" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL 3 c 3 ok" },
      .ignore = { "*:ignored" },
      .actions = "" },
    { .rule = "a row applied out of order says so",
      .files = { "V1__a=1", "V2__b=2", "V3__c=3" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL 3 c 3 ok", "3 SQL 2 b 2 ok" },
      .states = "1:Success 3:Success 2:Out of Order",
      .actions = "" },
    /* ---- target ----------------------------------------------------------------------------- */
    { .rule = "files above the target wait, repeatables do not",
      .files = { "V1__a=1", "V2__b=2", "R__v=v" },
      .target = "1",
      .states = "1:Pending 2:Above Target v:Pending",
      .actions = "1 v" },
    { .rule = "target current runs no new version",
      .files = { "V1__a=1", "V2__b=2" },
      .rows = { "1 SQL 1 a 1 ok" },
      .target = "current",
      .states = "1:Success 2:Above Target",
      .actions = "" },
    { .rule = "target next runs exactly one file",
      .files = { "V1__a=1", "V2__b=2", "R__v=v" },
      .target = "next",
      .actions = "1" },
    { .rule = "a target that nobody has is an error",
      .files = { "V1__a=1" },
      .target = "7",
      .reason = "InvalidSpec" },
    { .rule = "a target that nobody has is fine with a question mark",
      .files = { "V1__a=1" },
      .target = "7?",
      .actions = "1" },
    /* ---- baseline --------------------------------------------------------------------------- */
    { .rule = "files at and below the baseline are not run",
      .files = { "V1__a=1", "V2__b=2", "V3__c=3" },
      .rows = { "1 BASELINE 2 base NULL ok" },
      .states = "1:Below Baseline 2:Ignored (Baseline) 2:Baseline 3:Pending",
      .actions = "3" },
    { .rule = "a full schema without history needs a baseline",
      .files = { "V1__a=1" },
      .no_table = true,
      .full_schema = true,
      .reason = "BaselineRequired" },
    { .rule = "baselineOnMigrate marks first, then runs what is above",
      .files = { "V1__a=1", "V2__b=2" },
      .no_table = true,
      .full_schema = true,
      .baseline_on_migrate = true,
      .actions = "<baseline 1> 2" },
    { .rule = "baselineOnMigrate holds while the history table is there but empty",
      .files = { "V1__a=1", "V2__b=2" },
      .full_schema = true,
      .baseline_on_migrate = true,
      .actions = "<baseline 1> 2" },
    { .rule = "baselineOnMigrate does not pass over a first file that failed half-way",
      .files = { "V1__a=1", "V2__b=2" },
      .journal = { "1 1 a 2 N failed 1" },
      .full_schema = true,
      .baseline_on_migrate = true,
      .states = "1:Failed 2:Pending",
      .actions = "1 2" },
    { .rule = "an empty history table in a full schema runs everything, as Flyway does",
      .files = { "V1__a=1", "V2__b=2" },
      .full_schema = true,
      .actions = "1 2" },
    { .rule = "an empty schema needs no baseline",
      .files = { "V1__a=1" },
      .no_table = true,
      .actions = "1" },
    { .rule = "on an empty database only the newest B file runs, then later versions",
      .files = { "V1__a=1", "V2__b=2", "B2__base=x", "B1__old=y", "V3__c=3" },
      .states = "1:Below Baseline 1:Below Baseline 2:Ignored (Baseline) 2:Pending 3:Pending",
      .actions = "B2 3" },
    { .rule = "on a live database B files never run and never fail",
      .files = { "V1__a=1", "V2__b=2", "B2__base=x" },
      .rows = { "1 SQL 1 a 1 ok" },
      .states = "1:Success 2:Pending 2:Ignored",
      .actions = "2" },
    { .rule = "rows at or below an applied baseline are not compared",
      .files = { "V2__b=changed", "V3__c=3" },
      .rows = { "1 SQL 2 b 2 ok", "2 SQL_BASELINE 2 base x ok", "3 SQL 3 c 3 ok" },
      .ignore = { "*:missing" },
      .actions = "" },
    /* ---- what stands in the way ------------------------------------------------------------- */
    { .rule = "an applied file that was edited is refused",
      .files = { "V1__a=edited" },
      .rows = { "1 SQL 1 a 1 ok" },
      .reason = "ChecksumMismatch" },
    { .rule = "a NULL checksum on the row counts as equal",
      .files = { "V1__a=edited" },
      .rows = { "1 SQL 1 a NULL ok" },
      .actions = "" },
    { .rule = "an applied file that was renamed is refused",
      .files = { "V1__other=1" },
      .rows = { "1 SQL 1 a 1 ok" },
      .reason = "DescriptionMismatch" },
    { .rule = "an applied file that is gone is refused",
      .files = { "V2__b=2" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL 2 b 2 ok" },
      .states = "1:Missing 2:Success",
      .reason = "MigrationMissing" },
    { .rule = "an applied file that is gone is passed over when missing is ignored",
      .files = { "V2__b=2" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL 2 b 2 ok" },
      .ignore = { "*:missing" },
      .actions = "" },
    { .rule = "a repeatable that is gone is missing",
      .files = { "V1__a=1" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL - v v ok" },
      .states = "1:Success v:Missing",
      .reason = "MigrationMissing" },
    { .rule = "versions above every file are ahead, not an error",
      .files = { "V1__a=1" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL 13 m 13 ok", "3 SQL 14 n 14 ok" },
      .states = "1:Success 13:Future 14:Future",
      .actions = "",
      .ahead = "13 14" },
    { .rule = "versions above every file are an error when future is not ignored",
      .files = { "V1__a=1" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL 13 m 13 ok" },
      .ignore = { "*:missing" },
      .reason = "MigrationMissing" },
    { .rule = "a failed row of another tool stops everything",
      .files = { "V1__a=1", "V2__b=2" },
      .rows = { "1 SQL 1 a 1 failed" },
      .states = "1:Failed 2:Pending",
      .reason = "FailedHistoryRow" },
    { .rule = "a failed row whose file is gone says Failed (Missing)",
      .files = { "V2__b=2" },
      .rows = { "1 SQL 1 a 1 failed" },
      .states = "1:Failed (Missing) 2:Pending",
      .reason = "FailedHistoryRow" },
    { .rule = "a failed row above every file is passed over with future ignored",
      .files = { "V1__a=1" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL 5 e 5 failed" },
      .states = "1:Success 5:Failed (Future)",
      .actions = "" },
    { .rule = "a row type that nobody writes is tampering",
      .files = { "V1__a=1" },
      .rows = { "1 sql 1 a 1 ok" },
      .reason = "HistoryTampered" },
    { .rule = "a row of type JDBC does not stand for a SQL file of its version",
      .files = { "V2__b=2" },
      .rows = { "1 JDBC 2 b 2 ok" },
      .ignore = { "*:future" },
      .states = "2:Future 2:Pending",
      .actions = "2" },
    /* ---- validate ---------------------------------------------------------------------------- */
    { .rule = "validate: pending is an error",
      .files = { "V1__a=1" },
      .validate = true,
      .reason = "InvalidMigration" },
    { .rule = "validate: pending is fine when ignored",
      .files = { "V1__a=1" },
      .validate = true,
      .ignore = { "*:pending" } },
    { .rule = "validate: an outdated repeatable is an error",
      .files = { "R__v=v2" },
      .rows = { "1 SQL - v v1 ok" },
      .validate = true,
      .reason = "InvalidMigration" },
    { .rule = "validate: everything applied is fine",
      .files = { "V1__a=1" },
      .rows = { "1 SQL 1 a 1 ok" },
      .validate = true },
    { .rule = "validate: a failure that only the journal knows is no agreement",
      .files = { "V1__a=1", "V2__b=2" },
      .rows = { "1 SQL 1 a 1 ok" },
      .journal = { "2 2 b 0 T failed 2" },
      .validate = true,
      .reason = "InvalidMigration" },
    { .rule = "validate: a failed row that the journal explains is no agreement",
      .files = { "V1__a=1" },
      .rows = { "1 SQL 1 a 1 failed" },
      .journal = { "1 1 a 1 A failed 1" },
      .validate = true,
      .reason = "InvalidMigration" },
    { .rule = "validate: a failure that a run would retry is fine when pending is ignored",
      .files = { "V1__a=1" },
      .journal = { "1 1 a 0 T failed 1" },
      .validate = true,
      .ignore = { "*:pending" } },
    /* ---- what the journal adds ---------------------------------------------------------------- */
    { .rule = "a failed row that the journal explains is retried",
      .files = { "V1__a=1", "V2__b=2" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL 2 b 2 failed" },
      .journal = { "2 2 b 1 A failed 2" },
      .states = "1:Success 2:Failed",
      .actions = "2" },
    { .rule = "a failed row whose repeat was interrupted is no applied one: the file may be fixed",
      .files = { "V1__a=1", "V2__b=fixed" },
      .rows = { "1 SQL 1 a 1 ok", "2 SQL 2 b 2 failed" },
      .journal = { "2 2 b 1 A failed 2", "2 2 b 1 A intent 3" },
      .states = "1:Success 2:Interrupted",
      .actions = "2" },
    { .rule = "a failure that only the journal knows shows as failed and is retried",
      .files = { "V1__a=1", "V2__b=2" },
      .rows = { "1 SQL 1 a 1 ok" },
      .journal = { "2 2 b 0 T failed 2" },
      .states = "1:Success 2:Failed",
      .actions = "2" },
    { .rule = "the controller is held by a failed row of the same file and token",
      .files = { "V1__a=1" },
      .journal = { "1 1 a 0 T failed 1" },
      .held = true,
      .states = "1:Failed",
      .reason = "MigrationFailed" },
    { .rule = "a new retry token releases the controller",
      .files = { "V1__a=1" },
      .journal = { "1 1 a 0 T failed 1" },
      .held = true,
      .token = "aa",
      .actions = "1" },
    { .rule = "a changed file releases the controller",
      .files = { "V1__a=fixed" },
      .journal = { "1 1 a 0 T failed 1" },
      .held = true,
      .actions = "1" },
    { .rule = "an intent without an end shows as interrupted",
      .files = { "V1__a=1" },
      .journal = { "1 1 a 1 A intent 1" },
      .states = "1:Interrupted",
      .actions = "1" },
    { .rule = "an intent that nobody can probe shows as outcome unknown",
      .files = { "V1__a=1" },
      .journal = { "1 1 a 1 X intent 1" },
      .states = "1:Outcome Unknown",
      .actions = "1" },
    { .rule = "an attempt that a later success explains is over",
      .files = { "V1__a=1" },
      .rows = { "2 SQL 1 a 1 ok" },
      .journal = { "1 1 a 0 T failed 1", "2 1 a 0 T done 1" },
      .states = "1:Success",
      .actions = "" },
    { .rule = "controller: a repeatable is judged by its journal row, not by volatile placeholders",
      .files = { "R__v=at ${flyway:timestamp}" },
      .rows = { "1 SQL - v whatever ok" },
      .journal = { "1 - v 0 T done at ${flyway:timestamp}" },
      .by_journal = true,
      .states = "v:Success",
      .actions = "" },
    { .rule = "command line: a repeatable with flyway:timestamp runs every time, as Flyway does",
      .files = { "R__v=at ${flyway:timestamp}" },
      .rows = { "1 SQL - v whatever ok" },
      .journal = { "1 - v 0 T done at ${flyway:timestamp}" },
      .states = "v:Outdated",
      .actions = "v" },
    /* ---- other databases ---------------------------------------------------------------------- */
    { .rule = "after= that is not known is an error on the command line",
      .files = { "V1__a@billing/12=1" },
      .reason = "InvalidMigration" },
    { .rule = "after= is met by a version that is assumed",
      .files = { "V1__a@billing/12=1" },
      .assume = "billing=12.1",
      .actions = "1" },
    { .rule = "after= is not met by a lower version",
      .files = { "V1__a@billing/12=1" },
      .assume = "billing=9",
      .reason = "InvalidMigration" },
};

struct world {
    struct tree tree;
    struct migration_set files;
    struct history history;
    struct journal journal;
    struct migrations_options options;
    struct kvlist assume;
};

/* One word up to a blank; moves *at behind it. Owned. */
static char *word(const char **at)
{
    size_t length = strcspn(*at, " ");
    char *out = mem_strndup(*at, length);
    *at += length + ((*at)[length] == ' ');
    return out;
}

static void add_file(struct world *w, const char *text)
{
    const char *equals = strchr(text, '=');
    const char *after = strchr(text, '@');
    bool allow = equals > text && equals[-1] == '+';
    size_t name = (size_t)((after && after < equals ? after : allow ? equals - 1 : equals) - text);
    AUTO(free_auto) char *path = mem_printf("sql/%.*s.sql", (int)name, text);
    AUTO(free_auto) char *order =
        after && after < equals
            ? mem_printf("-- sluice: after=%.*s\n", (int)(equals - after - 1), after + 1)
            : mem_strdup(allow ? "-- sluice: out-of-order=allow\n" : "");
    char *bytes = mem_printf("%s%s", order, equals + 1);

    cr_assert_null(tree_add(&w->tree, path, path + 4, (uint8_t *)bytes, strlen(bytes)));
}

/* Content of a row is compared with the file, head comment included: rows of directive files are not
 * used here. */
static void add_row(struct world *w, const char *text)
{
    const char *at = text;
    AUTO(free_auto) char *rank = word(&at);
    int64_t number = 0;
    struct history_row row = { .type = word(&at) };
    AUTO(free_auto) char *version = word(&at);

    cr_assert(str_to_int64(rank, -1000, 1000, &number));
    row.rank = (int32_t)number;
    row.description = word(&at);
    AUTO(free_auto) char *content = word(&at);
    row.has_version = !str_eq(version, "-");
    if (row.has_version) {
        cr_assert(version_parse(version, &row.version));
        row.version_text = mem_strdup(version);
    }
    row.has_checksum = !str_eq(content, "NULL");
    row.checksum = row.has_checksum ? checksum_text(content, strlen(content)) : 0;
    row.success = str_eq(at, "ok");
    row.script = mem_printf("V%s.sql", version);
    row.installed_by = mem_strdup("tester");
    row.installed_on = mem_strdup("2026-01-01 00:00:00");
    w->history.rows = mem_grow(w->history.rows, &w->history.cap, w->history.count + 1, sizeof row);
    w->history.rows[w->history.count++] = row;
}

static void add_journal(struct world *w, const char *text)
{
    const char *at = text;
    AUTO(free_auto) char *rank = word(&at);
    AUTO(free_auto) char *version = word(&at);
    struct journal_row row = { .seq = (int64_t)w->journal.count + 1, .description = word(&at) };
    AUTO(free_auto) char *step = word(&at);
    AUTO(free_auto) char *class = word(&at);
    AUTO(free_auto) char *state = word(&at);
    int64_t number = 0;

    cr_assert(str_to_int64(rank, 0, 1000, &number));
    row.installed_rank = (int32_t)number;
    cr_assert(str_to_int64(step, 0, 1000, &number));
    row.step = (int32_t)number;
    row.version = str_eq(version, "-") ? NULL : mem_strdup(version);
    row.kind = row.version ? MIGRATION_VERSIONED : MIGRATION_REPEATABLE;
    row.step_class = class[0];
    row.state = journal_state_parse(state);
    cr_assert_neq(row.state, JOURNAL_NONE, "%s", text);
    row.script = mem_strdup("x.sql");
    row.retry_token = mem_strdup("");
    row.file_sha256 = mem_alloc(SHA256_HEX_LEN + 1);
    sha256_hex(at, strlen(at), row.file_sha256);
    w->journal.table_exists = true;
    w->journal.rows = mem_grow(w->journal.rows, &w->journal.cap, w->journal.count + 1, sizeof row);
    w->journal.rows[w->journal.count++] = row;
}

static void world_make(const struct plan_case *c, struct world *w)
{
    *w = (struct world){ .history = { .table_exists = !c->no_table,
                                      .schema_empty = !c->full_schema } };
    migrations_options_init(&w->options);
    w->options.out_of_order = c->out_of_order;
    w->options.baseline_on_migrate = c->baseline_on_migrate;
    strlist_add(&w->tree.locations, "sql");
    for (int i = 0; c->files[i]; i++) {
        add_file(w, c->files[i]);
    }
    for (int i = 0; c->rows[i]; i++) {
        add_row(w, c->rows[i]);
    }
    for (int i = 0; c->journal[i]; i++) {
        add_journal(w, c->journal[i]);
    }
    if (c->target) {
        cr_assert(migrations_target_parse(c->target, &w->options), "%s", c->rule);
    }
    if (c->ignore[0]) {
        w->options.ignore_count = 0;
    }
    for (int i = 0; c->ignore[i]; i++) {
        cr_assert(
            ignore_pattern_parse(c->ignore[i], &w->options.ignore[w->options.ignore_count++]));
    }
    if (c->assume) {
        const char *equals = strchr(c->assume, '=');
        AUTO(free_auto) char *key = mem_strndup(c->assume, (size_t)(equals - c->assume));
        kvlist_set(&w->assume, key, equals + 1);
    }
    AUTO(err_free_auto) struct err *e = tree_finish(&w->tree);
    cr_assert_null(e, "%s: %s", c->rule, e ? e->message : "");
    e = migration_set_parse(&w->tree, &w->files);
    cr_assert_null(e, "%s: %s", c->rule, e ? e->message : "");
}

static void world_done(struct world *w)
{
    migration_set_done(&w->files);
    tree_done(&w->tree);
    history_done(&w->history);
    journal_done(&w->journal);
    migrations_options_done(&w->options);
    kvlist_done(&w->assume);
}

static void check_states(const struct plan_case *c, const struct plan *plan)
{
    AUTO(buf_done) struct buf text = BUF(4096);

    for (size_t i = 0; i < plan->entry_count; i++) {
        const struct plan_entry *e = &plan->entries[i];
        const char *name = e->row
                               ? (e->row->has_version ? e->row->version_text : e->row->description)
                           : version_set(&e->file->version) ? e->file->version.text
                                                            : e->file->description;
        buf_addf(&text, "%s%s:%s", i ? " " : "", name, state_text(e->state));
    }
    cr_expect_str_eq(buf_text(&text), c->states, "%s: states\n have %s\n want %s", c->rule,
                     buf_text(&text), c->states);
}

static void check_actions(const struct plan_case *c, const struct plan *plan)
{
    AUTO(buf_done) struct buf text = BUF(4096);

    for (size_t i = 0; i < plan->action_count; i++) {
        const struct migration *file = plan->actions[i].file;
        buf_adds(&text, i ? " " : "");
        if (!file) {
            buf_addf(&text, "<baseline %s>", plan->marker->version_text);
        } else {
            buf_addf(&text, "%s%s", file->kind == MIGRATION_BASELINE ? "B" : "",
                     version_set(&file->version) ? file->version.text : file->description);
        }
    }
    cr_expect_str_eq(buf_text(&text), c->actions, "%s: actions\n have %s\n want %s", c->rule,
                     buf_text(&text), c->actions);
}

static void check_ahead(const struct plan_case *c, const struct plan *plan)
{
    AUTO(buf_done) struct buf text = BUF(4096);

    for (size_t i = 0; i < plan->ahead.count; i++) {
        buf_addf(&text, "%s%s", i ? " " : "", plan->ahead.items[i]);
    }
    cr_expect_str_eq(buf_text(&text), c->ahead, "%s: ahead have %s", c->rule, buf_text(&text));
}

static void check_case(const struct plan_case *c)
{
    static const struct kvlist no_placeholders;
    const struct placeholders placeholders = { .replacement = true,
                                               .user = &no_placeholders,
                                               .timestamp = "2026-11-22 10:00:00" };
    AUTO(world_done) struct world w = { 0 };
    AUTO(plan_done) struct plan plan = { 0 };

    world_make(c, &w);
    const struct plan_input input = {
        .files = &w.files,
        .history = &w.history,
        .journal = &w.journal,
        .options = &w.options,
        .placeholders = &placeholders,
        .target_id = "",
        .validate_only = c->validate,
        .held_by_failed = c->held,
        .retry_token = c->token ? c->token : "",
        .journal_repeatables = c->by_journal,
        .assume = &w.assume,
    };
    AUTO(err_free_auto) struct err *e = plan_make(&input, &plan);
    cr_expect_str_eq(e ? e->reason : "", c->reason ? c->reason : "", "%s: have %s (%s)", c->rule,
                     e ? e->reason : "no error", e ? e->message : "");
    if (e) {
        cr_expect_eq(plan.action_count, 0, "%s: an error leaves no action", c->rule);
        cr_expect_eq(e->kind, ERR_TERMINAL, "%s", c->rule);
    }
    if (c->states) {
        check_states(c, &plan);
    }
    if (c->actions) {
        check_actions(c, &plan);
    }
    if (c->ahead) {
        check_ahead(c, &plan);
    }
    if (c->current) {
        cr_expect_str_eq(plan.current.text, c->current, "%s", c->rule);
    }
}

Test(plan_make, follows_the_rules)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_case(&cases[i]);
    }
}

Test(plan_make, waits_for_another_database_when_it_may)
{
    struct plan_case c = { .rule = "wait",
                           .files = { "V1__a=1", "V2__b@billing/12=2", "V3__c=3" } };
    static const struct kvlist none;
    const struct placeholders placeholders = { .replacement = true, .user = &none };
    AUTO(world_done) struct world w = { 0 };
    AUTO(plan_done) struct plan plan = { 0 };

    world_make(&c, &w);
    const struct plan_input input = { .files = &w.files,
                                      .history = &w.history,
                                      .journal = &w.journal,
                                      .options = &w.options,
                                      .placeholders = &placeholders,
                                      .target_id = "",
                                      .retry_token = "",
                                      .wait_for_others = true };
    cr_assert_null(plan_make(&input, &plan));
    cr_expect_eq(plan.action_count, 1, "only what comes before the waiting file runs");
    cr_expect_str_eq(plan.waits_for, "billing/12");
}

Test(state_text, names_every_state_once)
{
    for (enum state a = STATE_NONE + 1; a < STATE_MAX_; a++) {
        cr_expect_neq(state_text(a)[0], '\0', "state %d has no name", (int)a);
        for (enum state b = a + 1; b < STATE_MAX_; b++) {
            cr_expect_str_neq(state_text(a), state_text(b));
        }
    }
    cr_expect_str_eq(state_text(STATE_NONE), "");
    cr_expect_str_eq(state_text(STATE_MAX_), "");
}
