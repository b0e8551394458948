/* SPDX-License-Identifier: Apache-2.0 */
/* The PostgreSQL adapter through database.h, on a real server (pg_apply.sh starts it). */
#include <criterion/criterion.h>
#include <libpq-fe.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "database/database.h"
#include "model/reason.h"
#include "reconcile/migration/parse.h"

// ---- a world ------------------------------------------------------------------------------------

struct world { /* one database and what a run on it needs */
    PGconn *admin;
    struct target target;
    struct tree tree;
    struct migration_set files;
    struct migrations_options migrations;
    struct execution_options execution;
    struct apply_request request;
    struct result result;
    const char *before_apply; /* SQL that somebody else runs when the lease is ours already */
    bool apply_nothing;
    int decisions;
};

static char *admin_uri(const char *database)
{
    const char *uri = getenv("SLUICE_TEST_PG_ADMIN_URI");
    cr_assert(uri, "run by pg_apply.sh");
    const char *at = strstr(uri, "/postgres?");
    return mem_printf("%.*s/%s%s", (int)(at - uri), uri, database, at + 9);
}

static char *sql(struct world *w, const char *text)
{
    PGresult *r = PQexec(w->admin, text);
    const ExecStatusType status = PQresultStatus(r);
    cr_assert(status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK, "%s: %s", text,
              PQerrorMessage(w->admin));
    char *value = mem_strdup(PQntuples(r) > 0 ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    return value;
}

#define EXPECT_SQL(w, text, want)                                                                  \
    do {                                                                                           \
        AUTO(free_auto) char *got_ = sql((w), (text));                                             \
        cr_expect_str_eq(got_, (want), "%s: %s", (text), got_);                                    \
    } while (0)

static void run_sql(struct world *w, const char *text)
{
    free(sql(w, text));
}

// Everything that the history does not have, by version or description.
static struct err *decide(void *payload, const struct inspection *seen, bool settled,
                          struct apply_list *out)
{
    struct world *w = payload;
    w->decisions++;
    if (settled && w->before_apply) {
        run_sql(w, w->before_apply);
    }
    out->items = mem_array(w->files.count + 1, sizeof *out->items);
    for (size_t i = 0; !w->apply_nothing && i < w->files.count; i++) {
        const struct migration *file = &w->files.items[i];
        bool there = false;
        for (size_t k = 0; k < seen->history.count; k++) {
            there = there || str_eq(seen->history.rows[k].script, file->script);
        }
        if (!there) {
            out->items[out->count++] =
                (struct apply_item){ .file = file, .checksum = file->raw_checksum };
        }
    }
    return NULL;
}

static void world_open(struct world *w, const char *name)
{
    db_init(&pgdb_ops, NULL);
    *w = (struct world){ .decisions = 0 };
    AUTO(free_auto) char *postgres = admin_uri("postgres");
    w->admin = PQconnectdb(postgres);
    cr_assert_eq(PQstatus(w->admin), CONNECTION_OK, "%s", PQerrorMessage(w->admin));
    AUTO(free_auto) char *create = mem_printf("CREATE DATABASE %s OWNER app", name);
    run_sql(w, create);
    PQfinish(w->admin);
    AUTO(free_auto) char *own = admin_uri(name);
    w->admin = PQconnectdb(own);
    const char *uri = getenv("SLUICE_TEST_PG_URI");
    cr_assert_null(target_parse_uri(uri, &w->target));
    free(w->target.database);
    w->target.database = mem_strdup(name);
    migrations_options_init(&w->migrations);
    execution_options_init(&w->execution);
    w->request = (struct apply_request){
        .target = &w->target,
        .migrations = &w->migrations,
        .execution = &w->execution,
        .holder = "test",
        .lock_wait_ms = 200,
        .decide = decide,
        .payload = w,
        .files = &w->files,
    };
}

static void add_file(struct world *w, const char *script, const char *text)
{
    uint8_t *bytes = (uint8_t *)mem_strdup(text);
    cr_assert_null(tree_add(&w->tree, script, script, bytes, strlen(text)));
}

static void parse(struct world *w)
{
    migration_set_done(&w->files);
    struct err *e = migration_set_parse(&w->tree, NULL, &w->files);
    cr_assert(!e, "%s", e ? e->message : "");
}

static struct err *apply(struct world *w)
{
    result_done(&w->result);
    return apply_run(&w->request, &w->result);
}

static void expect_ok(struct world *w, const char *what)
{
    AUTO(err_free_auto) struct err *e = apply(w);
    cr_assert(!e, "%s: %s", what, e ? e->message : "");
}

static void expect_reason(struct err *e, const char *reason, const char *what)
{
    cr_assert(e, "%s: no error", what);
    cr_expect_str_eq(e->reason, reason, "%s: %s: %s", what, e->reason, e->message);
    err_free(e);
}

static void world_close(struct world *w)
{
    PQfinish(w->admin);
    result_done(&w->result);
    migration_set_done(&w->files);
    tree_done(&w->tree);
    migrations_options_done(&w->migrations);
    target_done(&w->target);
}

// ---- fences -------------------------------------------------------------------------------------

Test(pg_apply, a_runner_whose_lease_was_taken_does_nothing_more)
{
    struct world w;
    world_open(&w, "fenced");
    add_file(&w, "V1__t.sql", "create table t (id int);");
    parse(&w);
    w.before_apply = "UPDATE sluice_lease SET epoch = epoch + 1, nonce = 'another'";
    expect_reason(apply(&w), REASON_DATABASE_BUSY, "the lease moved");
    cr_expect_eq(w.result.outcome, OUTCOME_FENCED);
    cr_expect_eq(w.result.code, 7);
    EXPECT_SQL(&w, "SELECT to_regclass('t') IS NULL", "t");
    EXPECT_SQL(&w, "SELECT count(*) FROM flyway_schema_history", "0");
    EXPECT_SQL(&w, "SELECT count(*) FROM sluice_journal", "0");
    w.before_apply = NULL;
    expect_ok(&w, "the next one");
    world_close(&w);
}

Test(pg_apply, a_step_is_fenced_too)
{
    struct world w;
    world_open(&w, "fenced_step");
    add_file(&w, "V1__t.sql", "create table t (id int);");
    parse(&w);
    expect_ok(&w, "the table");
    add_file(&w, "V2__i.sql", "create index concurrently t_id on t (id);");
    parse(&w);
    w.before_apply = "UPDATE sluice_lease SET epoch = epoch + 1, nonce = 'another'";
    expect_reason(apply(&w), REASON_DATABASE_BUSY, "the lease moved");
    cr_expect_eq(w.result.outcome, OUTCOME_FENCED);
    EXPECT_SQL(&w, "SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass", "0");
    EXPECT_SQL(&w, "SELECT count(*) FROM sluice_journal WHERE state = 'intent'", "0");
    world_close(&w);
}

Test(pg_apply, a_foreign_row_in_the_history_stops_the_run)
{
    struct world w;
    world_open(&w, "moved");
    add_file(&w, "V1__t.sql", "create table t (id int);");
    add_file(&w, "V2__u.sql", "create table u (id int);");
    parse(&w);
    w.before_apply = "INSERT INTO flyway_schema_history VALUES"
                     " (1, '7', 'x', 'SQL', 'x', 1, 'x', now(), 0, true)";
    expect_reason(apply(&w), REASON_ASSIGNMENT_STALE, "somebody wrote a row");
    cr_expect_eq(w.result.code, 10);
    EXPECT_SQL(&w, "SELECT to_regclass('t') IS NULL AND to_regclass('u') IS NULL", "t");
    world_close(&w);
}

Test(pg_apply, a_row_that_came_in_between_stops_the_files_in_flight)
{
    struct world w;
    world_open(&w, "slipped_in");
    add_file(&w, "V1__t.sql", "create table t (id int);");
    add_file(&w, "V2__u.sql",
             "insert into flyway_schema_history values"
             " (9, '9', 'x', 'SQL', 'x', 1, 'x', now(), 0, true);");
    add_file(&w, "V3__v.sql", "create table v (id int);");
    parse(&w);
    expect_reason(apply(&w), REASON_ASSIGNMENT_STALE, "a file wrote a row");
    EXPECT_SQL(&w, "SELECT to_regclass('t') IS NOT NULL AND to_regclass('v') IS NULL", "t");
    cr_expect_eq(w.result.applied.count, 2);
    cr_expect_str_eq(w.result.applied.last, "2");
    world_close(&w);
}

// ---- the lease ----------------------------------------------------------------------------------

Test(pg_apply, attempts_of_jobs)
{
    struct world w;
    world_open(&w, "attempts");
    add_file(&w, "V1__t.sql", "create table t (id int);");
    parse(&w);
    w.request.lease = LEASE_JOB;
    w.request.attempt = 4;
    w.request.owner = (struct owner){ "uid", "default", "shop", "orders", "cluster" };
    w.request.ownership = OWNERSHIP_ADOPT;
    w.request.retry_token = "abc";
    w.request.git_commit = "0123";
    expect_ok(&w, "the first attempt");
    cr_expect_eq(w.result.epoch, 4);
    cr_expect_eq(w.result.attempt, 4);
    cr_expect_eq(w.result.head.rank, 1);
    cr_expect_eq(w.result.head.journal_seq, 1);
    EXPECT_SQL(&w, "SELECT row_hash FROM sluice_journal", w.result.head.journal_hash);
    EXPECT_SQL(&w, "SELECT target_id FROM sluice_lease", w.result.target);
    EXPECT_SQL(&w,
               "SELECT concat_ws('|', epoch, attempt, owner_plan_uid, owner_namespace, owner_name,"
               " owner_database, owner_cluster, holder) FROM sluice_lease",
               "4|4|uid|default|shop|orders|cluster|test");
    EXPECT_SQL(&w,
               "SELECT concat_ws('|', epoch, attempt, retry_token, git_commit) FROM sluice_journal",
               "4|4|abc|0123");
    add_file(&w, "V2__u.sql", "create table u (id int);");
    parse(&w);
    expect_reason(apply(&w), REASON_DATABASE_BUSY, "started twice");
    cr_expect_eq(w.result.outcome, OUTCOME_FENCED);
    w.request.attempt = 3;
    expect_reason(apply(&w), REASON_ASSIGNMENT_STALE, "superseded");
    cr_expect_eq(w.result.outcome, OUTCOME_MOVED);
    w.request.attempt = 5;
    w.request.ownership = OWNERSHIP_KEEP;
    w.request.owner.plan_uid = "another";
    expect_reason(apply(&w), REASON_TARGET_ID_CONFLICT, "another plan");
    EXPECT_SQL(&w, "SELECT epoch FROM sluice_lease", "4");
    w.request.ownership = OWNERSHIP_TAKE_OVER;
    expect_ok(&w, "taken over");
    EXPECT_SQL(&w, "SELECT owner_plan_uid || epoch FROM sluice_lease", "another5");
    world_close(&w);
}

Test(pg_apply, nothing_to_do_writes_nothing_but_an_owner_is_written)
{
    struct world w;
    world_open(&w, "nothing");
    w.apply_nothing = true;
    expect_ok(&w, "no file");
    cr_expect_eq(w.result.outcome, OUTCOME_NOTHING_TO_DO);
    cr_expect_eq(w.decisions, 1);
    EXPECT_SQL(&w, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", "0");
    w.request.owner = (struct owner){ "uid", "default", "shop", "orders", "cluster" };
    w.request.ownership = OWNERSHIP_ADOPT;
    expect_ok(&w, "adopted");
    EXPECT_SQL(&w, "SELECT owner_name FROM sluice_lease", "shop");
    EXPECT_SQL(&w, "SELECT server_identity LIKE 'pg:%/%' FROM sluice_lease", "t");
    w.request.ownership = OWNERSHIP_KEEP;
    expect_ok(&w, "kept");
    EXPECT_SQL(&w, "SELECT epoch FROM sluice_lease", "1");
    world_close(&w);
}

Test(pg_apply, a_newer_format_is_refused)
{
    struct world w;
    world_open(&w, "format");
    add_file(&w, "V1__t.sql", "create table t (id int);");
    parse(&w);
    expect_ok(&w, "the table");
    run_sql(&w, "UPDATE sluice_lease SET format_version = 2"); /* its journal was pruned */
    expect_ok(&w, "of which this program knows");
    run_sql(&w, "UPDATE sluice_lease SET format_version = 3");
    expect_reason(apply(&w), REASON_FORMAT_TOO_NEW, "lease");
    run_sql(&w, "UPDATE sluice_lease SET format_version = 1");
    run_sql(&w, "UPDATE sluice_journal SET format_version = 2");
    expect_reason(apply(&w), REASON_FORMAT_TOO_NEW, "journal");
    world_close(&w);
}

Test(pg_apply, readers_go_by_name)
{
    struct world w;
    world_open(&w, "columns");
    add_file(&w, "V1__t.sql", "create table t (id int);");
    parse(&w);
    expect_ok(&w, "the table");
    run_sql(&w, "ALTER TABLE sluice_lease ADD later text");
    run_sql(&w, "ALTER TABLE sluice_journal ADD later text");
    add_file(&w, "V2__u.sql", "create table u (id int);");
    parse(&w);
    expect_ok(&w, "with columns of a later version");
    world_close(&w);
}

// ---- old sessions and limits --------------------------------------------------------------------

// Holds the migration lock as a runner of another process would.
static PGconn *hold_lock(const char *database, const char *application)
{
    AUTO(free_auto) char *uri = admin_uri(database);
    PGconn *conn = PQconnectdb(uri);
    AUTO(free_auto)
    char *text = mem_printf("SET application_name = '%s'; SET ROLE app;"
                            " SELECT pg_advisory_lock(77433833903597)",
                            application);
    PGresult *r = PQexec(conn, text);
    cr_assert_eq(PQresultStatus(r), PGRES_TUPLES_OK, "%s", PQerrorMessage(conn));
    PQclear(r);
    return conn;
}

Test(pg_apply, who_holds_the_lock_decides_the_reason)
{
    struct world w;
    world_open(&w, "held");
    add_file(&w, "V1__t.sql", "create table t (id int);");
    parse(&w);
    PGconn *rival = hold_lock("held", "flyway");
    AUTO(err_free_auto) struct err *busy = apply(&w);
    cr_assert(busy);
    cr_expect_str_eq(busy->reason, REASON_DATABASE_BUSY);
    cr_expect(strstr(busy->message, "(flyway, user postgres"), "%s", busy->message);
    PQfinish(rival);
    rival = hold_lock("held", "sluice/1f0c2a9b/7/ab12cd34");
    w.request.lease = LEASE_JOB;
    w.request.attempt = 9;
    expect_reason(apply(&w), REASON_WAITING_FOR_OLD_SESSION, "a Job meets an old session");
    PQfinish(rival);
    world_close(&w);
}

Test(pg_apply, an_old_session_is_ended_when_the_plan_says_so)
{
    struct world w;
    world_open(&w, "ended");
    add_file(&w, "V1__t.sql", "create table t (id int);");
    parse(&w);
    run_sql(&w, "CREATE ROLE strong LOGIN SUPERUSER"); /* the holder is one here */
    free(w.target.user);
    w.target.user = mem_strdup("strong");
    w.request.warn_superuser = true;
    w.execution.old_sessions = OLD_SESSIONS_TERMINATE;
    w.execution.lock_retry_for_ms = 300;
    PGconn *rival = hold_lock("ended", "sluice/1f0c2a9b/7/ab12cd34");
    expect_ok(&w, "after the old session");
    PGresult *r = PQexec(rival, "SELECT 1");
    cr_expect_eq(PQresultStatus(r), PGRES_FATAL_ERROR);
    PQclear(r);
    PQfinish(rival);
    world_close(&w);
}

Test(pg_apply, the_deadline_ends_a_statement)
{
    struct world w;
    world_open(&w, "deadline");
    add_file(&w, "V1__t.sql", "create table t (id int); select pg_sleep(600);");
    parse(&w);
    w.execution.deadline_ms = 1500;
    const int64_t start = clock_mono_ms();
    expect_reason(apply(&w), REASON_DEADLINE_EXCEEDED, "too long");
    cr_expect_lt(clock_mono_ms() - start, 20000);
    EXPECT_SQL(&w, "SELECT to_regclass('t') IS NULL", "t");
    EXPECT_SQL(&w, "SELECT count(*) FROM sluice_journal", "0");
    world_close(&w);
}

// ---- failures of dead runners -------------------------------------------------------------------

Test(pg_apply, a_dead_runners_failure_is_recorded_once)
{
    struct world w;
    world_open(&w, "recorded");
    add_file(&w, "V1__t.sql", "create table t (id int);");
    parse(&w);
    expect_ok(&w, "the table");
    add_file(&w, "V2__u.sql", "create table u (id int);");
    parse(&w);
    const struct migration *file = &w.files.items[1];
    struct result failed = { .message = mem_strdup("it broke") };
    failed.failed.script = mem_strdup("V2__u.sql");
    failed.failed.statement = 1;
    failed.failed.line = 7;
    memcpy(failed.failed.sqlstate, "42601", 6);
    for (int i = 0; i < 2; i++) {
        struct result out = { 0 };
        AUTO(err_free_auto) struct err *e = record_failure(&w.request, file, &failed, &out);
        cr_assert(!e, "%s", e ? e->message : "");
        result_done(&out);
    }
    EXPECT_SQL(&w,
               "SELECT concat_ws('|', count(*), max(installed_rank), max(version), max(step),"
               " max(line), max(error_code), max(message)) FROM sluice_journal"
               " WHERE state = 'failed'",
               "1|2|2|1|7|42601|it broke");
    w.request.retry_token = "another";
    struct result out = { 0 };
    cr_expect_null(record_failure(&w.request, file, &failed, &out));
    result_done(&out);
    EXPECT_SQL(&w, "SELECT count(*) FROM sluice_journal WHERE state = 'failed'", "2");
    expect_ok(&w, "the retry");
    cr_expect_null(record_failure(&w.request, file, &failed, &out));
    result_done(&out);
    EXPECT_SQL(&w, "SELECT count(*) FROM sluice_journal WHERE state = 'failed'", "2");
    result_done(&failed);
    world_close(&w);
}

// ---- reading ------------------------------------------------------------------------------------

static struct db *open_db(struct world *w)
{
    struct db *db = NULL;
    const struct db_options options = { .read_only = true };
    struct err *e = db_open(&w->target, &options, &db);
    cr_assert(!e, "%s", e ? e->message : "");
    return db;
}

static void expect_rows(struct db *db, enum journal_scope scope, size_t count, const char *rule)
{
    AUTO(inspection_done) struct inspection seen = { 0 };
    cr_assert_null(db_inspect(db, scope, &seen), "%s", rule);
    cr_expect_eq(seen.journal.count, count, "%s: %zu", rule, seen.journal.count);
    cr_expect_eq(seen.journal.head_seq, 3, "%s", rule);
    cr_expect_eq(seen.history.count, 3, "%s", rule);
    const struct journal_row *last = &seen.journal.rows[seen.journal.count - 1];
    cr_expect_eq(last->seq, 3, "%s", rule);
    cr_expect_gt(last->finished_ms, clock_utc_ms() - 600000, "%s", rule);
}

Test(pg_apply, an_inspection_reads_what_its_scope_needs)
{
    struct world w;
    int64_t rows = 0;
    world_open(&w, "scope");
    add_file(&w, "V1__a.sql", "create table a (id int);");
    add_file(&w, "V2__b.sql", "create table b (id int);");
    add_file(&w, "V3__c.sql", "create table c (id int);");
    parse(&w);
    expect_ok(&w, "three files");
    AUTO(db_close_auto) struct db *db = open_db(&w);
    expect_rows(db, JOURNAL_HEAD, 1, "the newest row");
    expect_rows(db, JOURNAL_OPEN, 1, "the marked row");
    expect_rows(db, JOURNAL_FILES, 3, "all files' rows");
    AUTO(inspection_done) struct inspection seen = { 0 };
    cr_assert_null(db_inspect(db, JOURNAL_OPEN, &seen));
    cr_assert_null(db_verify_journal(db, &seen, &rows));
    cr_expect_eq(rows, 3);
    run_sql(&w, "UPDATE sluice_journal SET row_hash = repeat('0', 64) WHERE seq = 2");
    expect_rows(db, JOURNAL_OPEN, 1, "what is over is not verified");
    expect_reason(db_verify_journal(db, &seen, &rows), REASON_HISTORY_TAMPERED, "but here");
    run_sql(&w, "UPDATE sluice_journal SET row_hash = repeat('0', 64) WHERE seq = 3");
    struct inspection none = { 0 };
    expect_reason(db_inspect(db, JOURNAL_OPEN, &none), REASON_HISTORY_TAMPERED, "the mark");
    world_close(&w);
}

Test(pg_apply, an_empty_schema_is_told_from_a_full_one)
{
    static const struct {
        const char *sql;
        bool empty;
    } rows[] = {
        { "SELECT 1", true },
        { "CREATE TABLE sluice_lease (id int); CREATE TABLE sluice_journal (id int)", true },
        { "CREATE EXTENSION hstore", true }, /* Flyway does not count what extensions own */
        { "CREATE TABLE t (id int)", false },
        { "CREATE VIEW v AS SELECT 1 AS x", false },
        { "CREATE SEQUENCE s", false },
        { "CREATE TYPE e AS ENUM ('a')", false },
        { "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", false },
        { "CREATE DOMAIN d AS int", false },
    };
    struct world w;
    world_open(&w, "empty");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        run_sql(&w, "DROP SCHEMA IF EXISTS public CASCADE");
        run_sql(&w, "CREATE SCHEMA public AUTHORIZATION app");
        run_sql(&w, rows[i].sql);
        run_sql(&w, "DROP TABLE IF EXISTS sluice_lease, sluice_journal");
        AUTO(db_close_auto) struct db *db = open_db(&w);
        struct inspection seen = { 0 };
        cr_assert_null(db_inspect(db, JOURNAL_FILES, &seen));
        cr_expect_not(seen.history.table_exists);
        cr_expect_eq(seen.history.schema_empty, rows[i].empty, "%s", rows[i].sql);
        inspection_done(&seen);
    }
    world_close(&w);
}

Test(pg_apply, gates_answer_by_one_value)
{
    static const struct {
        const char *query;
        bool error, answered, pass;
        const char *text;
    } rows[] = {
        { "select true", false, true, true, "true" },
        { "select false", false, true, false, "false" },
        { "select 1", false, true, true, "1" },
        { "select 0", false, true, false, "0" },
        { "select 0.0", false, true, false, "0.0" },
        { "select -0.25::numeric", false, true, true, "-0.25" },
        { "select 1e-300::float8", false, true, true, "1e-300" },
        { "select null::int", false, true, false, "NULL" },
        { "select 1 where false", false, false, false, "no row" },
        { "select 1, 2", true, false, false, "" },
        { "select generate_series(1, 2)", true, false, false, "" },
        { "select 'yes'", true, false, false, "" },
        { "select 1 / 0", true, false, false, "" },
        { "select pg_sleep(60)", true, false, false, "" },
        { "create table gate (id int)", true, false, false, "" },
        { "select 1; select 2", true, false, false, "" },
        { "commit; create table gate (id int)", true, false, false, "" },
    };
    struct world w;
    world_open(&w, "gates");
    AUTO(db_close_auto) struct db *db = open_db(&w);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct gate_value value = { 0 };
        AUTO(err_free_auto) struct err *e = db_gate(db, rows[i].query, 300, &value);
        cr_expect_eq(e != NULL, rows[i].error, "%s: %s", rows[i].query, e ? e->message : "");
        cr_expect_eq(value.answered, rows[i].answered, "%s", rows[i].query);
        cr_expect_eq(value.pass, rows[i].pass, "%s", rows[i].query);
        cr_expect_str_eq(value.text, rows[i].text, "%s", rows[i].query);
    }
    EXPECT_SQL(&w, "SELECT to_regclass('gate') IS NULL", "t");
    world_close(&w);
}
