// SPDX-License-Identifier: Apache-2.0
// What a session is set to, what a file's SET and USE did, and the way back (docs/reference/flyway.md 6.5).
#include <inttypes.h>
#include "base/mem.h"
#include "database/mysql/mydb.h"
#include "model/reason.h"

#define OWN_MODE "STRICT_TRANS_TABLES"
#define NO_LIMIT "18446744073709551615"
#define IDLE_TRANSACTION_S 60 // a stopped runner must not hold row locks for longer
#define IDLE_SESSION_S 600
#define LOCK_WAIT_MAX_S 31536000 // a year: more is not taken by the server

static const char *isolation(const struct mydb *m)
{
    return m->mariadb && m->version < 110101 ? "tx_isolation" : "transaction_isolation";
}

// Modes that change how our statements are read or how SHOW CREATE writes.
static bool mode_is_foreign(const char *mode)
{
    static const char *const foreign[] = { "ANSI_QUOTES",
                                           "NO_BACKSLASH_ESCAPES",
                                           "ORACLE",
                                           "MSSQL",
                                           "DB2",
                                           "POSTGRESQL",
                                           "MAXDB",
                                           "MYSQL323",
                                           "MYSQL40",
                                           "NO_FIELD",
                                           "NO_KEY",
                                           "NO_TABLE",
                                           "NO_UNSIGNED",
                                           "IGNORE_SPACE",
                                           "EMPTY_STRING_IS_NULL" };
    for (size_t i = 0; mode && i < sizeof foreign / sizeof *foreign; i++) {
        if (strstr(mode, foreign[i])) {
            return true;
        }
    }
    return false;
}

static void forget(struct mydb *m)
{
    free(m->session.database);
    memset(&m->session, 0, sizeof m->session);
    m->session.lock_s = m->session.statement_ms = -1;
    m->session.foreign = mode_is_foreign(m->start_mode);
}

void mydb_session_started(struct mydb *m, const char *sql_mode)
{
    mem_strset(&m->start_mode, sql_mode);
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
             "sql_select_limit=" NO_LIMIT ", sql_big_selects=1, wait_timeout=%d, ",
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

// ---- our own statements between the file's ------------------------------------------------------

// What the text or the result of our statements depends on. A file may have set each of them, in a way that
// makes even a read of it impossible: so its value is kept on the server.
static const struct own {
    const char *name, *value;
    bool mariadb; // on MySQL a file may not set it, nor may we
    bool run;     // a look keeps it
} own[] = {
    { "sql_mode", "'" OWN_MODE "'", false, false },
    { "character_set_client", "utf8mb4", false, false },
    { "character_set_results", "utf8mb4", false, false },
    { "collation_connection", "utf8mb4_bin", false, false },
    { "sql_select_limit", NO_LIMIT, false, false },
    { "sql_big_selects", "1", false, false },
    { "sql_quote_show_create", "1", false, false },
    { "time_zone", "_latin1'+00:00'", false, false },
    { "max_error_count", "64", true, false },
    { "max_statement_time", "0", true,
      true }, // the limit is the file's: what we do for it takes its time on a busy server
};

static bool is_ours(const struct mydb *m, const struct own *one)
{
    return (m->mariadb || !one->mariadb) && !(one->run && m->options.read_only);
}

static struct err *own_set(struct mydb *m)
{
    AUTO(buf_done) struct buf sql = BUF(4096);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (!is_ours(m, &own[i])) {
            continue;
        }
        buf_addf(&sql, "%s@sluice_%s=@@%s, %s=%s", i ? ", " : "SET ", own[i].name, own[i].name,
                 own[i].name, own[i].value);
    }
    return mydb_exec(m, "set up the session", buf_text(&sql));
}

static struct err *own_give_back(struct mydb *m)
{
    AUTO(buf_done) struct buf sql = BUF(4096);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (!is_ours(m, &own[i])) {
            continue;
        }
        buf_addf(&sql, "%s%s=@sluice_%s", i ? ", " : "SET ", own[i].name, own[i].name);
    }
    return mydb_exec(m, "give the file its settings back", buf_text(&sql));
}

// Where a file has set nothing the limit of its statements is all that there is to lift.
static struct err *limit_statements(struct mydb *m, int64_t ms)
{
    if (!m->mariadb || m->options.read_only || m->session.statement_ms <= 0) {
        return NULL;
    }
    return mydb_execf(m, "set the limit of statements",
                      "SET max_statement_time=%" PRId64 ".%03" PRId64, ms / 1000, ms % 1000);
}

struct err *mydb_own_begin(struct mydb *m)
{
    return m->session.foreign ? own_set(m) : limit_statements(m, 0);
}

struct err *mydb_own_end(struct mydb *m)
{
    return m->session.foreign ? own_give_back(m) : limit_statements(m, m->session.statement_ms);
}

// Before a file has set anything our statements need no settings around them, but for the time zone.
struct err *mydb_utc_begin(struct mydb *m)
{
    return own_set(m);
}

struct err *mydb_utc_end(struct mydb *m)
{
    return own_give_back(m);
}

// ---- what changed -------------------------------------------------------------------------------

struct err *mydb_session_look(struct mydb *m)
{
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    const bool in_transaction = mydb_in_transaction(m);
    m->session.foreign = true; // until the next file, which gets a session of its own
    m->session.set = true;
    TRY(own_set(m));
    TRY(mydb_read(m, "read the session's settings", "SELECT DATABASE(), @@autocommit", &result));
    TRY(own_give_back(m));
    char **row = mydb_next(result);
    if (!row) {
        return err_new(ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE,
                       "could not read the session's settings: the server gave no answer");
    }
    m->loose.known &= str_eq(row[0], mydb_session_schema(m));
    mem_strset(&m->session.database, row[0] ? row[0] : "");
    if (str_eq(row[1], "0") && !in_transaction) {
        // A dump's SET autocommit=0: each step here is committed with its own record.
        return mydb_exec(m, "switch autocommit on again", "SET autocommit=1");
    }
    return NULL;
}

const char *mydb_session_schema(const struct mydb *m)
{
    return m->session.database ? m->session.database : m->base.identity.schema;
}

// ---- limits --------------------------------------------------------------------------------------

struct err *mydb_session_limits(struct mydb *m, int64_t lock_ms, int64_t statement_ms)
{
    int64_t lock_s = (lock_ms + 999) / 1000;
    lock_s = lock_s < 1 ? 1 : lock_s > LOCK_WAIT_MAX_S ? LOCK_WAIT_MAX_S : lock_s;
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
