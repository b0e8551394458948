// SPDX-License-Identifier: Apache-2.0
// Flyway's history table to the letter, and our two beside it
// (docs/reference/formats.md 1).
#include <inttypes.h>
#include "base/mem.h"
#include "database/mysql/run.h"
#include "model/reason.h"

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
struct err *mydb_review_tables(struct db *db)
{
    struct mydb *m = mydb_of(db);
    AUTO(buf_done) struct buf sql = BUF(4096);
    buf_adds(&sql,
             "SELECT table_name, engine FROM information_schema.tables WHERE table_schema = ");
    mydb_add_text(&sql, m->base.identity.schema);
    buf_adds(&sql, " AND table_name IN ('sluice_lease', 'sluice_journal', ");
    mydb_add_text(&sql, m->base.table);
    buf_adds(&sql, ") AND COALESCE(engine, '') <> 'InnoDB'");
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_read(m, "read the definition of the history table", buf_text(&sql), &result));
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

struct err *mydb_create_missing(const struct run *run)
{
    struct mydb *m = mydb_of(run->db);
    if (m->has_lease && !m->has_marks) {
        TRY(add_marks(m));
    }
    if (run->seen.history.table_exists) {
        TRY(mydb_review_tables(&m->base));
    } else {
        TRY(create_history(m));
    }
    return run->seen.lease.present && run->seen.journal.table_exists ? NULL : create_ours(m);
}
