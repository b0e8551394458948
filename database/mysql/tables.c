// SPDX-License-Identifier: Apache-2.0
// Flyway's history table to the letter, our two beside it, the taking of the lease
// (docs/formats.md 1).
#include <inttypes.h>
#include "database/mydb_run.h"
#include "reconcile/base/mem.h"
#include "reconcile/model/reason.h"

#define HOLDER_MAX 200
#define TABLE_OPTIONS " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"

// Flyway makes the index afterwards; inside the statement table and index appear together.
static struct err *create_history(struct mydb *m)
{
    const char *table = m->base.table;
    AUTO(free_auto) char *key = mem_printf("%s_pk", table);
    AUTO(free_auto) char *index = mem_printf("%s_s_idx", table);
    AUTO(buf_done) struct buf sql = BUF(4096);
    buf_adds(&sql, "CREATE TABLE IF NOT EXISTS ");
    mydb_add_table(&sql, m, table);
    buf_adds(&sql, " (`installed_rank` INT NOT NULL, `version` VARCHAR(50), "
                   "`description` VARCHAR(200) NOT NULL, `type` VARCHAR(20) NOT NULL, "
                   "`script` VARCHAR(1000) NOT NULL, `checksum` INT, "
                   "`installed_by` VARCHAR(100) NOT NULL, "
                   "`installed_on` TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, "
                   "`execution_time` INT NOT NULL, `success` BOOL NOT NULL, CONSTRAINT ");
    if (!m->mariadb) {
        mydb_add_ident(&sql, key);
    }
    buf_adds(&sql, " PRIMARY KEY (`installed_rank`), KEY ");
    mydb_add_ident(&sql, index);
    buf_adds(&sql, " (`success`))");
    // No ENGINE clause, as Flyway's; but a default of MyISAM would break every promise of ours.
    TRY(mydb_exec(m, "set up the session", "SET default_storage_engine=InnoDB"));
    TRY(mydb_exec(m, "create the history table", buf_text(&sql)));
    return mydb_exec(m, "set up the session", "SET default_storage_engine=DEFAULT");
}

// What is written without transactions is not taken back with a file's effects, nor lost with them.
static struct err *check_engine(struct mydb *m)
{
    AUTO(buf_done) struct buf sql = BUF(4096);
    buf_adds(&sql,
             "SELECT table_name, engine FROM information_schema.tables WHERE table_schema = ");
    mydb_add_text(&sql, m->base.identity.schema);
    buf_adds(&sql, " AND table_name IN ('sluice_lease', 'sluice_journal', ");
    mydb_add_text(&sql, m->base.table);
    buf_adds(&sql, ") AND COALESCE(engine, '') <> 'InnoDB'");
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_read(m, "look at the history table", buf_text(&sql), &result));
    char **row = mydb_next(result);
    if (!row) {
        return NULL;
    }
    return err_new(
        ERR_TERMINAL, REASON_UNSUPPORTED_SERVER,
        "%s '%s' has engine %s, which has no transactions: ALTER TABLE %s ENGINE=InnoDB first",
        str_eq(row[0], m->base.table) ? "history table" : "table", row[0],
        row[1] ? row[1] : "none (a view?)", row[0]);
}

static struct err *create_ours(struct mydb *m)
{
    AUTO(buf_done) struct buf sql = BUF(8192);
    buf_adds(&sql, "CREATE TABLE IF NOT EXISTS ");
    mydb_add_table(&sql, m, "sluice_lease");
    buf_adds(&sql,
             " (history_table varchar(64) NOT NULL PRIMARY KEY, format_version integer NOT NULL, "
             "target_id varchar(36) NOT NULL, server_identity varchar(128) NOT NULL, "
             "owner_plan_uid varchar(64), owner_namespace varchar(63), owner_name varchar(253), "
             "owner_database varchar(63), owner_cluster varchar(64), epoch bigint NOT NULL, "
             "nonce varchar(32) NOT NULL, attempt bigint NOT NULL, holder varchar(200) NOT NULL, "
             "since datetime(6) NOT NULL, settled_seq bigint, settled_hash varchar(64), "
             "pruned_seq bigint, pruned_hash varchar(64), pruned_rank integer)" TABLE_OPTIONS);
    TRY(mydb_exec(m, "create sluice_lease", buf_text(&sql)));
    buf_reset(&sql);
    buf_adds(&sql, "CREATE TABLE IF NOT EXISTS ");
    mydb_add_table(&sql, m, "sluice_journal");
    buf_adds(
        &sql,
        " (history_table varchar(64) NOT NULL, seq bigint NOT NULL, format_version integer NOT "
        "NULL, installed_rank integer NOT NULL, kind varchar(16) NOT NULL, version varchar(50), "
        "description varchar(200) NOT NULL, script varchar(1000) NOT NULL, step integer NOT NULL, "
        "line integer NOT NULL, statement_sha256 varchar(64), step_class varchar(1), "
        "pre_state mediumtext, post_state mediumtext, state varchar(16) NOT NULL, "
        "verdict varchar(16), git_commit varchar(64), file_sha256 varchar(64) NOT NULL, "
        "placeholders_hmac varchar(64), epoch bigint NOT NULL, attempt bigint NOT NULL, "
        "retry_token varchar(64) NOT NULL, session_id bigint NOT NULL, error_code varchar(16), "
        "message varchar(1024), started datetime(6) NOT NULL, finished datetime(6), "
        "row_hash varchar(64) NOT NULL, PRIMARY KEY (history_table, seq))" TABLE_OPTIONS);
    return mydb_exec(m, "create sluice_journal", buf_text(&sql));
}

// To a table of version 0.1. Who may not, or meets a backup that reads the table, goes on without: then more is read.
static struct err *add_marks(struct mydb *m)
{
    TRY(mydb_session_limits(m, 1000, 0));
    AUTO(buf_done) struct buf sql = BUF(4096);
    buf_adds(&sql, "ALTER TABLE ");
    mydb_add_table(&sql, m, "sluice_lease");
    buf_adds(&sql, " ADD COLUMN settled_seq bigint, ADD COLUMN settled_hash varchar(64), "
                   "ADD COLUMN pruned_seq bigint, ADD COLUMN pruned_hash varchar(64), "
                   "ADD COLUMN pruned_rank integer");
    AUTO(err_free_auto) struct err *e = mydb_exec(m, "alter sluice_lease", buf_text(&sql));
    m->has_marks = !e;
    return e && mydb_lost(m) ? TAKE(e) : NULL;
}

static struct err *create_missing(const struct run *run)
{
    struct mydb *m = mydb_of(run->db);
    if (m->has_lease && !m->has_marks) {
        TRY(add_marks(m));
    }
    if (run->seen.history.table_exists) {
        TRY(check_engine(m));
    } else {
        TRY(create_history(m));
    }
    return run->seen.lease.present && run->seen.journal.table_exists ? NULL : create_ours(m);
}

// ---- the row ------------------------------------------------------------------------------------

static void add_owner(struct buf *sql, const struct owner *owner, bool names)
{
    const char *const columns[] = { "owner_plan_uid", "owner_namespace", "owner_name",
                                    "owner_database", "owner_cluster" };
    const char *const values[] = { owner->plan_uid, owner->namespace_, owner->name, owner->database,
                                   owner->cluster };
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        buf_adds(sql, ", ");
        if (names) {
            buf_addf(sql, "%s=", columns[i]);
        }
        mydb_add_text(sql, values[i]);
    }
}

static char *holder_text(const struct apply_request *request)
{
    const char *holder = request->holder ? request->holder : "unknown";
    return mem_strndup(holder, str_utf8_cut(holder, strlen(holder), HOLDER_MAX));
}

static char *insert_sql(const struct run *run, const struct owner *owner)
{
    struct mydb *m = mydb_of(run->db);
    const struct apply_request *request = run->request;
    AUTO(free_auto) char *holder = holder_text(request);
    AUTO(buf_done) struct buf sql = BUF(16384);
    buf_adds(&sql, "INSERT INTO ");
    mydb_add_table(&sql, m, "sluice_lease");
    buf_adds(&sql,
             " (history_table, format_version, target_id, server_identity, owner_plan_uid, "
             "owner_namespace, owner_name, owner_database, owner_cluster, epoch, nonce, attempt, "
             "holder, since) VALUES (");
    mydb_add_text(&sql, m->base.table);
    buf_addf(&sql, ", %d, '%s', ", DB_FORMAT, run->target_id);
    mydb_add_text(&sql, m->base.identity.server_identity);
    add_owner(&sql, owner, false);
    buf_addf(&sql, ", %" PRId64 ", '%s', %" PRId64 ", ", run->epoch, run->nonce,
             request->lease == LEASE_JOB ? request->attempt : 0);
    mydb_add_text(&sql, holder);
    buf_adds(&sql, ", UTC_TIMESTAMP(6))");
    return buf_take(&sql);
}

// Only if the row still is what was decided upon: a rival between the read and now changes its nonce.
static char *update_sql(const struct run *run, const struct owner *owner)
{
    struct mydb *m = mydb_of(run->db);
    const struct apply_request *request = run->request;
    AUTO(free_auto) char *holder = holder_text(request);
    AUTO(buf_done) struct buf sql = BUF(16384);
    buf_adds(&sql, "UPDATE ");
    mydb_add_table(&sql, m, "sluice_lease");
    buf_adds(&sql, " SET server_identity=");
    mydb_add_text(&sql, m->base.identity.server_identity);
    if (owner) {
        add_owner(&sql, owner, true);
    }
    if (m->has_marks && run->settled.seq > run->seen.lease.settled.seq) {
        buf_addf(&sql, ", settled_seq=%" PRId64 ", settled_hash='%s'", run->settled.seq,
                 run->settled.hash);
    }
    buf_addf(&sql, ", epoch=%" PRId64 ", nonce='%s', attempt=%" PRId64 ", holder=", run->epoch,
             run->nonce, request->lease == LEASE_JOB ? request->attempt : 0);
    mydb_add_text(&sql, holder);
    buf_adds(&sql, ", since=UTC_TIMESTAMP(6) WHERE history_table=");
    mydb_add_text(&sql, m->base.table);
    buf_addf(&sql, " AND epoch=%" PRId64 " AND nonce=", run->seen.lease.epoch);
    mydb_add_text(&sql, run->seen.lease.nonce);
    return buf_take(&sql);
}

static void name_session(struct mydb *m, const struct run *run)
{
    char name[64];
    lease_session_name(run->target_id, run->epoch, run->nonce, name);
    snprintf(m->tag, sizeof m->tag, "/* sluice %s */ ", name + strlen("sluice/"));
}

struct err *mydb_take_lease(struct run *run)
{
    struct mydb *m = mydb_of(run->db);
    const struct lease *seen = &run->seen.lease;
    bool write_owner = false, fenced = false;
    TRY(lease_check(seen, run->request, &write_owner));
    struct err *e = lease_next_epoch(seen, run->request, &run->epoch, &fenced);
    if (e) {
        run->result->outcome = fenced ? OUTCOME_FENCED : run->result->outcome;
        return e;
    }
    TRY(create_missing(run));
    const struct owner none = { 0 };
    AUTO(free_auto) char *sql = NULL;
    if (seen->present) {
        memcpy(run->target_id, seen->target_id, sizeof run->target_id);
        sql = update_sql(run, write_owner ? &run->request->owner : NULL);
    } else {
        random_uuid(run->target_id);
        sql = insert_sql(run, write_owner ? &run->request->owner : &none);
    }
    TRY(mydb_exec(m, "take the lease", sql));
    if (mydb_affected(m) != 1) {
        return mydb_fenced(run);
    }
    name_session(m, run);
    return NULL;
}

struct err *mydb_bump_epoch(struct run *run)
{
    struct mydb *m = mydb_of(run->db);
    char nonce[33];
    random_hex(nonce, 32);
    AUTO(buf_done) struct buf sql = BUF(4096);
    buf_adds(&sql, "UPDATE ");
    mydb_add_table(&sql, m, "sluice_lease");
    buf_addf(&sql, " SET epoch=epoch+1, nonce='%s' WHERE history_table=", nonce);
    mydb_add_text(&sql, m->base.table);
    buf_addf(&sql, " AND epoch=%" PRId64 " AND nonce='%s'", run->epoch, run->nonce);
    TRY(mydb_exec(m, "take the lease again", buf_text(&sql)));
    if (mydb_affected(m) != 1) {
        return mydb_fenced(run);
    }
    run->epoch++;
    memcpy(run->nonce, nonce, sizeof run->nonce);
    name_session(m, run);
    return NULL;
}
