// SPDX-License-Identifier: Apache-2.0
// Statements to the server, their results and errors, and literals that need no escaping rules.
#include <mysql.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/socket.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "database/mysql/mydb.h"
#include "model/reason.h"

#define TLS_ERROR 2026
#define CONNECTION_LOST 2013
#define RESULTS_MAX 64     // of one statement of ours; a block has some
#define COLUMNS_MAX 40     // more than any statement of ours has
#define READ_PATIENCE 2    // times the time of a read: the server's own limit comes first
#define OUT_OF_MEMORY 2008 // in the library, not the server

// What a server answers may have other columns than were asked for, or none: the missing ones are NULL.
struct mydb_result {
    MYSQL_RES *rows; // NULL: no result set
    unsigned columns;
    char *row[COLUMNS_MAX];
};

void mydb_result_free(struct mydb_result *result)
{
    if (result) {
        mysql_free_result(result->rows);
        free(result);
    }
}

static struct mydb_result *result_make(MYSQL_RES *rows)
{
    struct mydb_result *result = mem_alloc(sizeof *result);
    result->rows = rows;
    result->columns = rows ? mysql_num_fields(rows) : 0;
    return result;
}

char **mydb_next(struct mydb_result *result)
{
    char **row = result && result->rows ? mysql_fetch_row(result->rows) : NULL;
    if (!row) {
        return NULL;
    }
    for (unsigned i = 0; i < COLUMNS_MAX; i++) {
        result->row[i] = i < result->columns ? row[i] : NULL;
    }
    return result->row;
}

void mydb_rewind(struct mydb_result *result)
{
    if (result && result->rows) {
        mysql_data_seek(result->rows, 0);
    }
}

size_t mydb_rows(struct mydb_result *result)
{
    return result && result->rows ? (size_t)mysql_num_rows(result->rows) : 0;
}

size_t mydb_columns(struct mydb_result *result)
{
    return result ? result->columns : 0;
}

// After the login an error of TLS is no doubt about certificates: it is the connection's end.
static unsigned remember(struct mydb *m)
{
    const unsigned code = mysql_errno(m->conn);
    m->failure.code = code == TLS_ERROR ? CONNECTION_LOST : code;
    snprintf(m->failure.sqlstate, sizeof m->failure.sqlstate, "%s", mysql_sqlstate(m->conn));
    snprintf(m->failure.text, sizeof m->failure.text, "%s", mysql_error(m->conn));
    if (code == OUT_OF_MEMORY ||
        (mydb_error_is_lost(code) &&
         db_memory_is_short())) { // what follows of the answer is not read: the connection is of no use
        db_note_memory_short();
        snprintf(m->failure.text, sizeof m->failure.text, "%s", DB_MEMORY_TEXT);
        m->failure.code = CONNECTION_LOST;
    }
    return m->failure.code;
}

static unsigned no_connection(struct mydb *m)
{
    m->failure = (struct mydb_failure){ .code = 2006, .sqlstate = "HY000" };
    snprintf(m->failure.text, sizeof m->failure.text, "the connection is gone");
    return m->failure.code;
}

// ---- what the server says -----------------------------------------------------------------------

#define CUT_FROM 500 // bytes: servers and libraries cut at 511

// SIGNAL has numbers of its own, unless it takes another; a syntax error quotes the statement.
void mydb_said_of(const struct mydb *m, unsigned code, const char *sqlstate, const char *text,
                  const struct statement *s, struct said *out)
{
    said_init(&m->base, s, out);
    out->raised = (code >= 1642 && code <= 1644) || str_starts(sqlstate, "45");
    out->quotes_code = code == 1064 || code == 1149;
    out->cut = strlen(text) >= CUT_FROM;
}

char *mydb_said(const struct mydb *m, const struct statement *s)
{
    const struct mydb_failure *f = &m->failure;
    AUTO(said_done) struct said said = { 0 };
    mydb_said_of(m, f->code, f->sqlstate, f->text, s, &said);
    return said_text(&m->base, &said, f->text);
}

void mydb_read_warnings(struct mydb *m, int limit, void (*row)(void *payload, char **columns),
                        void *payload)
{
    char sql[40];
    const struct mydb_failure kept = m->failure;
    snprintf(sql, sizeof sql, "SHOW WARNINGS LIMIT %d", limit);
    if (!m->conn || mysql_real_query(m->conn, sql, (unsigned long)strlen(sql))) {
        return; // a lost connection shows with the next statement
    }
    MYSQL_RES *result = mysql_store_result(m->conn);
    char **columns;
    while (result && mysql_num_fields(result) >= 3 && (columns = mysql_fetch_row(result))) {
        row(payload, columns);
    }
    mysql_free_result(result);
    m->failure = kept;
}

// What OPTIMIZE, ANALYZE, REPAIR and CHECK TABLE say, they say in rows.
static bool is_report(MYSQL_RES *result)
{
    static const char *const names[] = { "Table", "Op", "Msg_type", "Msg_text" };
    if (mysql_num_fields(result) != 4) {
        return false;
    }
    const MYSQL_FIELD *fields = mysql_fetch_fields(result);
    for (size_t i = 0; i < 4; i++) {
        if (!str_ieq(fields[i].name, names[i])) {
            return false;
        }
    }
    return true;
}

// Every result of the statement, row by row: a file's SELECT may be larger than our memory.
static unsigned discard(struct mydb *m, int most)
{
    for (int sets = 0;; sets++) {
        if (sets > most) {
            shutdown(mydb_socket(m->conn), SHUT_RDWR);
            m->failure = (struct mydb_failure){ .code = CONNECTION_LOST, .sqlstate = "HY000" };
            snprintf(m->failure.text, sizeof m->failure.text, "the server's answer does not end");
            return m->failure.code;
        }
        MYSQL_RES *result = mysql_use_result(m->conn);
        if (result) {
            m->results++;
            const bool told = m->row && is_report(result);
            for (char **columns; (columns = mysql_fetch_row(result));) {
                if (told) {
                    m->row(m->row_payload, columns);
                }
            }
            mysql_free_result(result);
        }
        if (mysql_errno(m->conn)) {
            return remember(m);
        }
        m->affected = (int64_t)mysql_affected_rows(m->conn);
        m->warnings = mysql_warning_count(m->conn);
        const int next = mysql_next_result(m->conn);
        if (next < 0) {
            return 0;
        }
        if (next > 0) {
            return remember(m);
        }
    }
}

static unsigned send_for(struct mydb *m, const char *sql, size_t length, int most)
{
    m->results = 0;
    m->warnings = 0;
    if (!m->conn) {
        return no_connection(m);
    }
    m->failure.code = 0;
    if (mysql_real_query(m->conn, sql, (unsigned long)length)) {
        return remember(m);
    }
    return discard(m, most);
}

unsigned mydb_send(struct mydb *m, const char *sql, size_t length)
{
    return send_for(m, sql, length, INT_MAX); // a procedure of a file has as many as it likes
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
    const struct mydb_error_class class = mydb_error_of_statement(f->code, f->text, m->session.set);
    AUTO(free_auto) char *said = mydb_said(m, NULL);
    const char *blame = str_eq(class.reason, REASON_MIGRATION_FAILED)
                            ? "; a setting that the file has SET prevents its record: set it back "
                              "at the end of the file"
                            : "";
    return err_new(class.kind, class.reason, "could not %s: %u (%s) %s%s", what, f->code,
                   f->sqlstate, said, blame);
}

struct err *mydb_exec(struct mydb *m, const char *what, const char *sql)
{
    return send_for(m, sql, strlen(sql), RESULTS_MAX) ? mydb_error(m, what) : NULL;
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

unsigned mydb_try_ask(struct mydb *m, const char *sql, struct mydb_result **out)
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
    if (mysql_more_results(m->conn) && mysql_next_result(m->conn) == 0 && discard(m, RESULTS_MAX)) {
        mysql_free_result(result);
        return m->failure.code;
    }
    *out = result_make(result);
    return 0;
}

unsigned mydb_try_read(struct mydb *m, const char *sql, struct mydb_result **out)
{
    struct overdue o;
    overdue_begin(&o, clock_mono_ms() + READ_PATIENCE * m->options.query_timeout_ms,
                  mydb_socket(m->conn), "a read of our own");
    const unsigned code = mydb_try_ask(m, sql, out);
    overdue_end(&o);
    return code;
}

struct err *mydb_read(struct mydb *m, const char *what, const char *sql, struct mydb_result **out)
{
    return mydb_try_read(m, sql, out) ? mydb_error(m, what) : NULL;
}

struct err *mydb_no_row(const struct mydb *m, const char *what)
{
    AUTO(free_auto) char *label = target_label(m->target);
    return err_new(ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE,
                   "could not %s: %s gave no answer that fits the question", what, label);
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
