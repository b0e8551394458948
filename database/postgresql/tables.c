// SPDX-License-Identifier: Apache-2.0
// Flyway's history table to the letter, our two beside it, the taking of the lease
// (docs/reference/formats.md 1).
#include <inttypes.h>
#include <libpq-fe.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "database/postgresql/pgdb.h"
#include "model/reason.h"

#define LEASE_LOCK_TIMEOUT "1000"
#define LEASE_WAIT_MS 30000   // for the lease row: an old transaction of ours may still hold it
#define RESOLVE_WAIT_MS 30000 // for a server that went away in the middle of a COMMIT
#define MAX_COMMANDS 16

static const char lease_columns[] =
    "history_table varchar(64) PRIMARY KEY, format_version integer NOT NULL,"
    " target_id varchar(36) NOT NULL, server_identity varchar(128) NOT NULL,"
    " owner_plan_uid varchar(64), owner_namespace varchar(63), owner_name varchar(253),"
    " owner_database varchar(63), owner_cluster varchar(64), epoch bigint NOT NULL,"
    " nonce varchar(32) NOT NULL, attempt bigint NOT NULL, holder varchar(200) NOT NULL,"
    " since timestamptz NOT NULL, settled_seq bigint, settled_hash varchar(64), pruned_seq bigint,"
    " pruned_hash varchar(64), pruned_rank integer";
static const char add_marks[] = // to a table of version 0.1
    " ADD COLUMN settled_seq bigint, ADD COLUMN settled_hash varchar(64),"
    " ADD COLUMN pruned_seq bigint, ADD COLUMN pruned_hash varchar(64),"
    " ADD COLUMN pruned_rank integer";

static const char journal_columns[] =
    "history_table varchar(64) NOT NULL, seq bigint NOT NULL, format_version integer NOT NULL,"
    " installed_rank integer NOT NULL, kind varchar(16) NOT NULL, version varchar(50),"
    " description varchar(200) NOT NULL, script varchar(1000) NOT NULL, step integer NOT NULL,"
    " line integer NOT NULL, statement_sha256 varchar(64), step_class varchar(1), pre_state text,"
    " post_state text, state varchar(16) NOT NULL, verdict varchar(16), git_commit varchar(64),"
    " file_sha256 varchar(64) NOT NULL, placeholders_hmac varchar(64), epoch bigint NOT NULL,"
    " attempt bigint NOT NULL, retry_token varchar(64) NOT NULL, session_id bigint NOT NULL,"
    " error_code varchar(16), message varchar(1024), started timestamptz NOT NULL,"
    " finished timestamptz, row_hash varchar(64) NOT NULL, PRIMARY KEY (history_table, seq)";

struct batch {
    struct pgdb_command commands[MAX_COMMANDS];
    char *owned[MAX_COMMANDS]; // texts of the commands that were built
    int count;
};

static void batch_done(struct batch *b)
{
    for (int i = 0; i < b->count; i++) {
        free(b->owned[i]);
    }
}

static void add(struct batch *b, const char *sql)
{
    b->commands[b->count++] = (struct pgdb_command){ .sql = sql };
}

static void add_owned(struct batch *b, char *sql)
{
    b->owned[b->count] = sql;
    add(b, sql);
}

static char *table_name(const struct pgdb *pg, const char *suffix)
{
    AUTO(buf_done) struct buf b = BUF(1024);
    AUTO(free_auto) char *name = mem_printf("%s%s", pg->base.table, suffix);
    pgdb_ident(&b, name);
    return buf_take(&b);
}

static void add_history(struct batch *b, const struct pgdb *pg)
{
    AUTO(free_auto) char *key = table_name(pg, "_pk");
    AUTO(free_auto) char *index = table_name(pg, "_s_idx");
    add_owned(b, mem_printf("CREATE TABLE %s ("
                            "\"installed_rank\" INT NOT NULL, \"version\" VARCHAR(50),"
                            " \"description\" VARCHAR(200) NOT NULL, \"type\" VARCHAR(20) NOT NULL,"
                            " \"script\" VARCHAR(1000) NOT NULL, \"checksum\" INTEGER,"
                            " \"installed_by\" VARCHAR(100) NOT NULL,"
                            " \"installed_on\" TIMESTAMP NOT NULL DEFAULT now(),"
                            " \"execution_time\" INTEGER NOT NULL, \"success\" BOOLEAN NOT NULL)",
                            pg->history));
    add_owned(b, mem_printf("ALTER TABLE %s ADD CONSTRAINT %s PRIMARY KEY (\"installed_rank\")",
                            pg->history, key));
    add_owned(b, mem_printf("CREATE INDEX %s ON %s (\"success\")", index, pg->history));
}

// As Flyway's createSchemas: a row tells that the schema is ours (docs/reference/flyway.md 1.5).
static void add_schema(struct batch *b, const struct pgdb *pg)
{
    AUTO(buf_done) struct buf name = BUF(1024);
    pgdb_ident(&name, pg->base.identity.schema);
    add_owned(b, mem_printf("CREATE SCHEMA IF NOT EXISTS %s", buf_text(&name)));
}

static void add_schema_row(struct batch *b, const struct pgdb *pg, const char *values[2])
{
    AUTO(buf_done) struct buf name = BUF(1024);
    pgdb_ident(&name, pg->base.identity.schema);
    add_owned(b, mem_printf("INSERT INTO %s (installed_rank, version, description, type, script,"
                            " checksum, installed_by, execution_time, success) VALUES"
                            " (0, NULL, '<< Flyway Schema Creation >>', 'SCHEMA', $1, NULL, $2, 0,"
                            " true)",
                            pg->history));
    struct pgdb_command *c = &b->commands[b->count - 1];
    c->count = 2;
    c->values = values;
    values[1] = pg->base.identity.user;
}

// A backup that reads the table would make an ALTER TABLE wait, and all others behind it: one try, else without.
static bool adds_marks(const struct pgdb *pg, int tries)
{
    return pg->has_lease && !pg->has_marks && pg->may_alter && tries == 0;
}

static bool will_have_marks(const struct pgdb *pg, int tries)
{
    return pg->has_marks || !pg->has_lease || adds_marks(pg, tries);
}

// Opens the transaction, makes what is missing, locks the lease row and reads it.
static void fill_begin(struct batch *b, const struct run *run, int tries,
                       const char *lease_values[1], const char *schema_values[2])
{
    const struct pgdb *pg = pgdb_of(run->db);
    const bool makes_history = !run->seen.history.table_exists;
    add(b, "BEGIN ISOLATION LEVEL READ COMMITTED");
    add(b, "SELECT pg_catalog.set_config('lock_timeout', '" LEASE_LOCK_TIMEOUT "', true),"
           " pg_catalog.set_config('statement_timeout', '0', true),"
           " pg_catalog.set_config('timezone', 'UTC', true)");
    if (!pg->schema_exists) {
        add_schema(b, pg);
    }
    if (makes_history) {
        add_history(b, pg);
    }
    if (!pg->schema_exists && makes_history) {
        add_schema_row(b, pg, schema_values);
    }
    add_owned(b, mem_printf("CREATE TABLE IF NOT EXISTS %s (%s)", pg->lease, lease_columns));
    add_owned(b, mem_printf("CREATE TABLE IF NOT EXISTS %s (%s)", pg->journal, journal_columns));
    if (adds_marks(pg, tries)) {
        add_owned(b, mem_printf("ALTER TABLE %s%s", pg->lease, add_marks));
    }
    add_owned(b, mem_printf("SELECT %s FROM %s WHERE history_table = $1 FOR UPDATE",
                            pgdb_lease_columns(will_have_marks(pg, tries)), pg->lease));
    lease_values[0] = pg->base.table;
    b->commands[b->count - 1].count = 1;
    b->commands[b->count - 1].values = lease_values;
}

// Two plans of one schema may make our tables at the same moment: then they are there now.
static bool is_passing(const struct pgdb_fault *fault, int tries)
{
    const bool locked = str_eq(fault->sqlstate, "55P03") || str_eq(fault->sqlstate, "40P01");
    const bool made = str_eq(fault->sqlstate, "42P07") || str_eq(fault->sqlstate, "42P06") ||
                      str_eq(fault->sqlstate, "23505") || str_eq(fault->sqlstate, "42703") ||
                      str_eq(fault->sqlstate, "42701"); // of version 0.1, or altered already
    return locked || (made && tries < 3);               // a view of that name stays
}

static struct err *begin_once(struct run *run, int tries, struct lease *lease, bool *again)
{
    struct pgdb *pg = pgdb_of(run->db);
    AUTO(batch_done) struct batch b = { .count = 0 };
    AUTO(pgdb_fault_done) struct pgdb_fault fault = { 0 };
    AUTO(buf_done) struct buf quoted = BUF(1024);
    const char *lease_values[1];
    const char *schema_values[2] = { NULL, NULL };
    struct pg_result *results[MAX_COMMANDS] = { NULL };
    int failed = 0;
    pgdb_ident(&quoted, pg->base.identity.schema);
    schema_values[0] = buf_text(&quoted);
    fill_begin(&b, run, tries, lease_values, schema_values);
    const bool ok = pgdb_batch(pg, b.commands, b.count, results, &fault, &failed);
    pg->has_marks = ok ? will_have_marks(pg, tries) : pg->has_marks;
    if (ok && PQntuples(results[b.count - 1]) == 1) {
        pgdb_read_lease(results[b.count - 1], 0, lease);
    }
    for (int i = 0; i < b.count; i++) {
        PQclear(results[i]);
    }
    *again = !ok && !fault.lost && !pg->stopped && is_passing(&fault, tries);
    return ok ? NULL : pgdb_fault_err(&fault, pg->stopped, "could not take the lease");
}

static struct err *begin(struct run *run, struct lease *lease)
{
    const int64_t end = clock_mono_ms() + LEASE_WAIT_MS;
    for (int tries = 0;; tries++) {
        bool again = false;
        struct err *e = begin_once(run, tries, lease, &again);
        if (!e || !again || clock_mono_ms() > end) {
            return e;
        }
        err_free(e);
        TRY(run_pause(run, jitter_ms(200)));
        TRY(run_refresh(run)); // somebody may have made the tables meanwhile
    }
}

// ---- the row ------------------------------------------------------------------------------------

static const char insert_tail[] =
    " (history_table, format_version, target_id, server_identity, epoch, nonce, attempt, holder,"
    " since, owner_plan_uid, owner_namespace, owner_name, owner_database, owner_cluster)"
    " VALUES ($1, 1, $2, $3, $4::bigint, $5, $6::bigint, $7, pg_catalog.clock_timestamp(),"
    " $8, $9, $10, $11, $12)";
static const char update_tail[] =
    " SET target_id = $2, server_identity = $3, epoch = $4::bigint, nonce = $5,"
    " attempt = $6::bigint, holder = $7, since = pg_catalog.clock_timestamp(),"
    " owner_plan_uid = CASE WHEN $13::text = 'owner' THEN $8::text ELSE owner_plan_uid END,"
    " owner_namespace = CASE WHEN $13::text = 'owner' THEN $9::text ELSE owner_namespace END,"
    " owner_name = CASE WHEN $13::text = 'owner' THEN $10::text ELSE owner_name END,"
    " owner_database = CASE WHEN $13::text = 'owner' THEN $11::text ELSE owner_database END,"
    " owner_cluster = CASE WHEN $13::text = 'owner' THEN $12::text ELSE owner_cluster END%s"
    " WHERE history_table = $1";

static char *holder_text(const struct apply_request *request)
{
    const char *holder = request->holder ? request->holder : "unknown";
    return mem_strndup(holder, str_utf8_cut(holder, strlen(holder), 200));
}

// Up to where the journal was over when it was read: only a later mark than the one that is there.
static char *mark_text(const struct run *run)
{
    return pgdb_of(run->db)->has_marks && run->settled.seq > run->seen.lease.settled.seq
               ? mem_printf(", settled_seq = %" PRId64 ", settled_hash = '%s'", run->settled.seq,
                            run->settled.hash)
               : mem_strdup("");
}

// Writes the row and commits; the session takes its new name in the same trip.
static struct err *write_lease(struct run *run, bool present, bool write_owner)
{
    struct pgdb *pg = pgdb_of(run->db);
    const struct apply_request *request = run->request;
    const struct owner owner = write_owner ? request->owner : (struct owner){ 0 };
    AUTO(free_auto) char *holder = holder_text(request);
    AUTO(free_auto) char *marks = mark_text(run);
    AUTO(free_auto) char *update = mem_printf(update_tail, marks);
    AUTO(free_auto) char *sql = mem_printf(present ? "UPDATE %s%s" : "INSERT INTO %s%s", pg->lease,
                                           present ? update : insert_tail);
    char epoch[24], attempt[24], name[64];
    snprintf(epoch, sizeof epoch, "%" PRId64, run->epoch);
    snprintf(attempt, sizeof attempt, "%" PRId64,
             request->lease == LEASE_JOB ? request->attempt : (int64_t)0);
    lease_session_name(run->target_id, run->epoch, run->nonce, name);
    const char *const values[] = { pg->base.table,
                                   run->target_id,
                                   pg->base.identity.server_identity,
                                   epoch,
                                   run->nonce,
                                   attempt,
                                   holder,
                                   owner.plan_uid,
                                   owner.namespace_,
                                   owner.name,
                                   owner.database,
                                   owner.cluster,
                                   write_owner ? "owner" : "keep" };
    const char *name_values[] = { name };
    const struct pgdb_command commands[] = {
        { sql, false, present ? 13 : 12, values },
        { "COMMIT", false, 0, NULL },
        { "SELECT pg_catalog.set_config('application_name', $1, false)", false, 1, name_values },
    };
    AUTO(pgdb_fault_done) struct pgdb_fault fault = { 0 };
    int failed = 0;
    if (!pgdb_batch(pg, commands, 3, NULL, &fault, &failed)) {
        return pgdb_fault_err(&fault, pg->stopped, "could not take the lease");
    }
    memcpy(pg->name, name, sizeof pg->name);
    return NULL;
}

struct err *pgdb_take_lease(struct run *run)
{
    struct pgdb *pg = pgdb_of(run->db);
    pg->run = run;
    AUTO(lease_done) struct lease lease = { 0 };
    TRY(begin(run, &lease));
    bool write_owner = false, fenced = false;
    struct err *e = NULL;
    e = pgdb_lease_format(&lease);
    if (!e) {
        e = lease_check(&lease, run->request, &write_owner);
    }
    if (!e) {
        e = lease_next_epoch(&lease, run->request, &run->epoch, &fenced);
    }
    if (e) {
        run->result->outcome = fenced ? OUTCOME_FENCED : run->result->outcome;
        pgdb_rollback(pg);
        return e;
    }
    if (lease.present) {
        memcpy(run->target_id, lease.target_id, sizeof run->target_id);
    } else {
        random_uuid(run->target_id);
    }
    TRY(write_lease(run, lease.present, write_owner));
    pg->schema_exists = true;
    return NULL;
}

// ---- an unknown COMMIT --------------------------------------------------------------------------

// Waits for an open transaction of the old session: it holds the row (docs/explanation/engine.md 3).
static struct err *bump(struct run *run, bool *again)
{
    struct pgdb *pg = pgdb_of(run->db);
    char nonce[33], epoch[24];
    random_hex(nonce, 32);
    snprintf(epoch, sizeof epoch, "%" PRId64, run->epoch);
    AUTO(free_auto) char *sql = mem_printf(
        "UPDATE %s SET epoch = epoch + 1, nonce = $1, since = pg_catalog.clock_timestamp()"
        " WHERE history_table = $2 AND epoch = $3::bigint AND nonce = $4 RETURNING epoch",
        pg->lease);
    const char *values[] = { nonce, pg->base.table, epoch, run->nonce };
    const struct pgdb_command commands[] = {
        { "BEGIN ISOLATION LEVEL READ COMMITTED", false, 0, NULL },
        { "SELECT pg_catalog.set_config('lock_timeout', '200', true)", false, 0, NULL },
        { sql, false, 4, values },
        { "COMMIT", false, 0, NULL },
    };
    struct pg_result *results[4] = { NULL };
    AUTO(pgdb_fault_done) struct pgdb_fault fault = { 0 };
    int failed = 0;
    const bool ok = pgdb_batch(pg, commands, 4, results, &fault, &failed);
    // No row: another runner took the lease after us, which is a bump too.
    if (ok && PQntuples(results[2]) == 1) {
        run->epoch = pgdb_int(results[2], 0, 0);
        memcpy(run->nonce, nonce, sizeof run->nonce);
    }
    for (int i = 0; i < 4; i++) {
        PQclear(results[i]);
    }
    *again = !ok && (fault.lost || str_eq(fault.sqlstate, "55P03"));
    return ok ? NULL : pgdb_fault_err(&fault, pg->stopped, "could not take the lease again");
}

static struct err *resolve_once(struct run *run, bool *again)
{
    struct pgdb *pg = pgdb_of(run->db);
    if (!pg->conn || PQstatus(pg->conn) == CONNECTION_BAD) {
        struct err *e = pgdb_reconnect(pg);
        *again = e && str_eq(e->reason, REASON_DATABASE_UNAVAILABLE);
        TRY(e);
    }
    struct err *e = bump(run, again);
    if (!e) {
        e = run_refresh(run);
        *again = e && str_eq(e->reason, REASON_DATABASE_UNAVAILABLE);
    }
    return e;
}

struct err *pgdb_resolve(struct run *run)
{
    const int64_t end = clock_mono_ms() + RESOLVE_WAIT_MS;
    int64_t pause = 50;
    PQfinish(TAKE(pgdb_of(run->db)->conn));
    for (;;) {
        bool again = false;
        struct err *e = resolve_once(run, &again);
        if (!e) {
            run->result->epoch = run->epoch;
            return NULL;
        }
        if (!again || clock_mono_ms() > end) {
            return e;
        }
        err_free(e);
        TRY(run_pause(run, jitter_ms(pause)));
        pause = backoff_ms(pause, 2000, 2);
    }
}
