// SPDX-License-Identifier: Apache-2.0
// Statements to the server, their results and errors, and literals that need no escaping rules.
#include <mysql.h>
#include <stdarg.h>
#include "database/mydb.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/mem.h"
#include "reconcile/base/str.h"

#define TLS_ERROR 2026
#define CONNECTION_LOST 2013

void mydb_result_free(struct mydb_result *result)
{
    mysql_free_result((MYSQL_RES *)result);
}

char **mydb_next(struct mydb_result *result)
{
    return mysql_fetch_row((MYSQL_RES *)result);
}

void mydb_rewind(struct mydb_result *result)
{
    mysql_data_seek((MYSQL_RES *)result, 0);
}

size_t mydb_rows(struct mydb_result *result)
{
    return (size_t)mysql_num_rows((MYSQL_RES *)result);
}

size_t mydb_columns(struct mydb_result *result)
{
    return mysql_num_fields((MYSQL_RES *)result);
}

// After the login an error of TLS is no doubt about certificates: it is the connection's end.
static unsigned remember(struct mydb *m)
{
    const unsigned code = mysql_errno(m->conn);
    m->failure.code = code == TLS_ERROR ? CONNECTION_LOST : code;
    snprintf(m->failure.sqlstate, sizeof m->failure.sqlstate, "%s", mysql_sqlstate(m->conn));
    snprintf(m->failure.text, sizeof m->failure.text, "%s", mysql_error(m->conn));
    return m->failure.code;
}

static unsigned no_connection(struct mydb *m)
{
    m->failure = (struct mydb_failure){ .code = 2006, .sqlstate = "HY000" };
    snprintf(m->failure.text, sizeof m->failure.text, "the connection is gone");
    return m->failure.code;
}

// Every result of the statement, row by row: a file's SELECT may be larger than our memory.
static unsigned discard(struct mydb *m)
{
    for (;;) {
        MYSQL_RES *result = mysql_use_result(m->conn);
        if (result) {
            m->results++;
            while (mysql_fetch_row(result)) {
            }
            mysql_free_result(result);
        }
        if (mysql_errno(m->conn)) {
            return remember(m);
        }
        m->affected = (int64_t)mysql_affected_rows(m->conn);
        const int next = mysql_next_result(m->conn);
        if (next < 0) {
            return 0;
        }
        if (next > 0) {
            return remember(m);
        }
    }
}

unsigned mydb_send(struct mydb *m, const char *sql, size_t length)
{
    m->results = 0;
    if (!m->conn) {
        return no_connection(m);
    }
    m->failure.code = 0;
    if (mysql_real_query(m->conn, sql, (unsigned long)length)) {
        return remember(m);
    }
    return discard(m);
}

int64_t mydb_affected(const struct mydb *m)
{
    return m->affected;
}

bool mydb_lost(const struct mydb *m)
{
    return mydb_error_is_lost(m->failure.code);
}

bool mydb_in_transaction(const struct mydb *m)
{
    const MYSQL *conn = m->conn;
    return conn && (conn->server_status & SERVER_STATUS_IN_TRANS);
}

struct err *mydb_error(const struct mydb *m, const char *what)
{
    const struct mydb_failure *f = &m->failure;
    const struct mydb_error_class class = mydb_error_of_ours(f->code, f->text);
    return err_new(class.kind, class.reason, "could not %s: %u (%s) %s", what, f->code, f->sqlstate,
                   f->text);
}

struct err *mydb_exec(struct mydb *m, const char *what, const char *sql)
{
    return mydb_send(m, sql, strlen(sql)) ? mydb_error(m, what) : NULL;
}

struct err *mydb_execf(struct mydb *m, const char *what, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *sql = NULL;
    const int length = vasprintf(&sql, fmt, args);
    va_end(args);
    if (length < 0) {
        abort();
    }
    struct err *e = mydb_exec(m, what, sql);
    free(sql);
    return e;
}

unsigned mydb_try_read(struct mydb *m, const char *sql, struct mydb_result **out)
{
    if (!m->conn) {
        return no_connection(m);
    }
    m->failure.code = 0;
    if (mysql_real_query(m->conn, sql, (unsigned long)strlen(sql))) {
        return remember(m);
    }
    MYSQL_RES *result = mysql_store_result(m->conn);
    if (!result && mysql_errno(m->conn)) {
        return remember(m);
    }
    if (mysql_more_results(m->conn) && mysql_next_result(m->conn) == 0 && discard(m)) {
        mysql_free_result(result);
        return m->failure.code;
    }
    *out = (struct mydb_result *)result;
    return 0;
}

struct err *mydb_read(struct mydb *m, const char *what, const char *sql, struct mydb_result **out)
{
    return mydb_try_read(m, sql, out) ? mydb_error(m, what) : NULL;
}

int64_t mydb_int64(const char *text, int64_t fallback)
{
    int64_t value = fallback;
    return text && str_to_int64(text, INT64_MIN, INT64_MAX, &value) ? value : fallback;
}

// ---- literals -----------------------------------------------------------------------------------

static bool is_plain(const char *text)
{
    for (; *text; text++) {
        if (*text < ' ' || *text > '~' || *text == '\'' || *text == '\\') {
            return false;
        }
    }
    return true;
}

void mydb_add_text(struct buf *sql, const char *text)
{
    if (!text) {
        buf_adds(sql, "NULL");
        return;
    }
    if (is_plain(text)) { // nothing that a sql_mode could read in another way
        buf_addc(sql, '\'');
        buf_adds(sql, text);
        buf_addc(sql, '\'');
        return;
    }
    static const char digits[] = "0123456789abcdef";
    buf_adds(sql, "_utf8mb4 0x");
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        buf_addc(sql, digits[*p >> 4]);
        buf_addc(sql, digits[*p & 15]);
    }
}

void mydb_add_ident(struct buf *sql, const char *name)
{
    buf_addc(sql, '`');
    for (;;) {
        const size_t plain = strcspn(name, "`");
        buf_add(sql, name, plain);
        name += plain;
        if (*name == '\0') {
            break;
        }
        buf_adds(sql, "``");
        name++;
    }
    buf_addc(sql, '`');
}

void mydb_add_table(struct buf *sql, const struct mydb *m, const char *table)
{
    mydb_add_ident(sql, m->base.identity.schema);
    buf_addc(sql, '.');
    mydb_add_ident(sql, table);
}
