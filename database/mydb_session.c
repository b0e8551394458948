// SPDX-License-Identifier: Apache-2.0
// What a session is set to, what a file's SET and USE did, and the way back (docs/flyway.md 6.5).
#include <inttypes.h>
#include "database/mydb.h"
#include "reconcile/base/mem.h"

#define OWN_MODE "STRICT_TRANS_TABLES"
#define IDLE_TRANSACTION_S 60 // a stopped runner must not hold row locks for longer
#define IDLE_SESSION_S 600

static const char *isolation(const struct mydb *m)
{
    return m->mariadb && m->version < 110101 ? "tx_isolation" : "transaction_isolation";
}

// Modes that change how our statements are read or how SHOW CREATE writes.
static bool mode_is_foreign(const char *mode)
{
    static const char *const foreign[] = { "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES",
                                           "ORACLE",      "MSSQL",
                                           "DB2",         "POSTGRESQL",
                                           "MAXDB",       "MYSQL323",
                                           "MYSQL40",     "NO_FIELD",
                                           "NO_KEY",      "NO_TABLE",
                                           "NO_UNSIGNED", "IGNORE_SPACE" };
    for (size_t i = 0; mode && i < sizeof foreign / sizeof *foreign; i++) {
        if (strstr(mode, foreign[i])) {
            return true;
        }
    }
    return false;
}

static bool charset_is_foreign(const char *name, bool results)
{
    if (!name) {
        return true; // NULL: the server does not convert
    }
    return !str_eq(name, "utf8mb4") && (results || !str_starts(name, "utf8"));
}

static void keep(char **slot, const char *value)
{
    mem_strset(slot, value);
}

static void forget(struct mydb *m)
{
    free(m->session.sql_mode);
    free(m->session.client);
    free(m->session.results);
    free(m->session.database);
    memset(&m->session, 0, sizeof m->session);
    m->session.lock_s = m->session.statement_ms = -1;
    m->session.foreign = mode_is_foreign(m->start_mode);
}

void mydb_session_started(struct mydb *m, const char *sql_mode)
{
    keep(&m->start_mode, sql_mode);
    m->session.foreign = mode_is_foreign(sql_mode);
}

static void add_limits(const struct mydb *m, struct buf *sql, int64_t lock_s, int64_t statement_ms)
{
    buf_addf(sql, "lock_wait_timeout=%" PRId64 ", innodb_lock_wait_timeout=%" PRId64, lock_s,
             lock_s);
    if (m->mariadb) {
        buf_addf(sql, ", max_statement_time=%" PRId64 ".%03" PRId64, statement_ms / 1000,
                 statement_ms % 1000);
    }
}

// Files run under the server's sql_mode, made strict as Flyway's drivers do.
#define START_MODE "CONCAT(@@GLOBAL.sql_mode, ',STRICT_TRANS_TABLES')"

struct err *mydb_session_init(struct mydb *m)
{
    AUTO(buf_done) struct buf sql = BUF(4096);
    const bool look = m->options.read_only;
    forget(m);
    m->session.lock_s = 1;
    m->session.statement_ms = look && m->mariadb ? m->options.query_timeout_ms : 0;
    buf_addf(&sql,
             "SET NAMES utf8mb4, sql_mode=" START_MODE ", sql_quote_show_create=1, "
             "wait_timeout=%d, ",
             IDLE_SESSION_S);
    add_limits(m, &sql, m->session.lock_s, m->session.statement_ms);
    if (m->mariadb) {
        buf_addf(&sql, ", idle_transaction_timeout=%d", IDLE_TRANSACTION_S);
    } else if (look) {
        buf_addf(&sql, ", max_execution_time=%" PRId64, m->options.query_timeout_ms);
    }
    if (look) { // one snapshot for all that an inspection reads; it ends with a ROLLBACK
        buf_addf(&sql, ", %s='REPEATABLE-READ', autocommit=0", isolation(m));
    } else {
        buf_adds(&sql, ", autocommit=1");
    }
    return mydb_exec(m, "set up the session", buf_text(&sql));
}

// ---- what changed -------------------------------------------------------------------------------

struct err *mydb_session_look(struct mydb *m)
{
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_read(m, "read the session's settings",
                  "SELECT @@sql_mode, @@character_set_client, @@character_set_results, DATABASE(), "
                  "@@autocommit",
                  &result));
    const bool in_transaction = mydb_in_transaction(m);
    char **row = mydb_next(result);
    m->session.dirty = m->session.looked = true;
    keep(&m->session.sql_mode, row[0]);
    keep(&m->session.client, row[1]);
    keep(&m->session.results, row[2]);
    m->loose.known &= str_eq(row[3], mydb_session_schema(m));
    keep(&m->session.database, row[3] ? row[3] : "");
    m->session.foreign = mode_is_foreign(row[0]) || charset_is_foreign(row[1], false) ||
                         charset_is_foreign(row[2], true);
    if (str_eq(row[4], "0") && !in_transaction) {
        // A dump's SET autocommit=0: each step here is committed with its own record.
        return mydb_exec(m, "switch autocommit on again", "SET autocommit=1");
    }
    return NULL;
}

const char *mydb_session_schema(const struct mydb *m)
{
    return m->session.database ? m->session.database : m->base.identity.schema;
}

// ---- our own statements between the file's ------------------------------------------------------

struct err *mydb_own_begin(struct mydb *m)
{
    if (!m->session.foreign) {
        return NULL;
    }
    return mydb_exec(m, "set up the session",
                     "SET sql_mode='" OWN_MODE "', character_set_client=utf8mb4, "
                     "character_set_results=utf8mb4");
}

struct err *mydb_own_end(struct mydb *m)
{
    if (!m->session.foreign) {
        return NULL;
    }
    AUTO(buf_done) struct buf sql = BUF(8192);
    buf_adds(&sql, "SET sql_mode=");
    mydb_add_text(&sql, m->session.looked ? m->session.sql_mode : m->start_mode);
    buf_adds(&sql, ", character_set_client=");
    mydb_add_text(&sql, m->session.looked ? m->session.client : "utf8mb4");
    buf_adds(&sql, ", character_set_results=");
    mydb_add_text(&sql, m->session.looked ? m->session.results : "utf8mb4");
    return mydb_exec(m, "give the file its settings back", buf_text(&sql));
}

// ---- back to the start --------------------------------------------------------------------------

static struct err *reset_variables(struct mydb *m)
{
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    const char *sql =
        m->mariadb
            ? "SELECT variable_name FROM information_schema.user_variables"
            : "SELECT v.variable_name FROM performance_schema.user_variables_by_thread v JOIN "
              "performance_schema.threads t USING (thread_id) WHERE t.processlist_id = "
              "CONNECTION_ID()";
    if (mydb_try_read(m, sql, &result)) { // not readable: they stay, as with Flyway
        return mydb_lost(m) ? mydb_error(m, "read the user variables") : NULL;
    }
    AUTO(buf_done) struct buf set = BUF(MYDB_SQL_MAX);
    for (char **row; (row = mydb_next(result));) {
        buf_adds(&set, set.len ? ", @" : "SET @");
        mydb_add_ident(&set, row[0]);
        buf_adds(&set, "=NULL");
    }
    return set.len ? mydb_exec(m, "clear the user variables", buf_text(&set)) : NULL;
}

struct err *mydb_session_reset(struct mydb *m)
{
    if (m->session.variables) {
        TRY(reset_variables(m));
        m->session.variables = false;
    }
    if (!m->session.dirty) {
        return NULL;
    }
    AUTO(buf_done) struct buf sql = BUF(4096);
    buf_adds(&sql, "USE ");
    mydb_add_ident(&sql, m->base.identity.schema);
    TRY(mydb_exec(m, "return to the default schema", buf_text(&sql)));
    buf_reset(&sql);
    buf_addf(&sql,
             "SET NAMES utf8mb4, sql_mode=" START_MODE ", sql_quote_show_create=1, autocommit=1, "
             "time_zone=DEFAULT, foreign_key_checks=DEFAULT, unique_checks=DEFAULT, "
             "sql_safe_updates=DEFAULT, sql_select_limit=DEFAULT, sql_auto_is_null=DEFAULT, "
             "default_storage_engine=DEFAULT, auto_increment_increment=DEFAULT, "
             "auto_increment_offset=DEFAULT, group_concat_max_len=DEFAULT, lc_time_names=DEFAULT, "
             "big_tables=DEFAULT, %s=DEFAULT, wait_timeout=%d",
             isolation(m), IDLE_SESSION_S);
    if (m->mariadb) {
        buf_addf(&sql, ", check_constraint_checks=DEFAULT, idle_transaction_timeout=%d",
                 IDLE_TRANSACTION_S);
    }
    TRY(mydb_exec(m, "reset the session", buf_text(&sql)));
    m->loose.known &= str_eq(mydb_session_schema(m), m->base.identity.schema);
    forget(m);
    return NULL;
}

struct err *mydb_session_limits(struct mydb *m, int64_t lock_ms, int64_t statement_ms)
{
    int64_t lock_s = (lock_ms + 999) / 1000;
    lock_s = lock_s < 1 ? 1 : lock_s > 3600 ? 3600 : lock_s;
    const bool same_limit = m->session.statement_ms == statement_ms || !m->mariadb;
    m->session.statement_ms = statement_ms; // on MySQL the watchdog's
    if (m->session.lock_s == lock_s && same_limit) {
        return NULL;
    }
    AUTO(buf_done) struct buf sql = BUF(256);
    buf_adds(&sql, "SET ");
    add_limits(m, &sql, lock_s, statement_ms);
    TRY(mydb_exec(m, "set the lock limits", buf_text(&sql)));
    m->session.lock_s = lock_s;
    return NULL;
}

void mydb_session_done(struct mydb *m)
{
    forget(m);
    free(m->start_mode);
    m->start_mode = NULL;
}
