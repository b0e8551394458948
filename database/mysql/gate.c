// SPDX-License-Identifier: Apache-2.0
// A question with one answer: gates of a plan and verify= of a file.
#include <inttypes.h>
#include "base/mem.h"
#include "database/mysql/mydb.h"
#include "model/reason.h"

// A decimal number as the server writes it; the exponent of a double does not make it zero.
static bool is_number(const char *text, bool *nonzero)
{
    bool digits = false;
    text += *text == '-' || *text == '+';
    for (; (*text >= '0' && *text <= '9') || *text == '.'; text++) {
        digits |= *text != '.';
        *nonzero |= *text >= '1' && *text <= '9';
    }
    if (digits && (*text == 'e' || *text == 'E')) {
        text++;
        text += *text == '-' || *text == '+';
        text += strspn(text, "0123456789");
    }
    return digits && *text == '\0';
}

static struct err *judge(struct mydb_result *result, struct gate_value *out)
{
    *out = (struct gate_value){ 0 };
    const size_t rows = result ? mydb_rows(result) : 0;
    const size_t columns = result ? mydb_columns(result) : 0;
    if (columns == 1 && rows == 0) {
        snprintf(out->text, sizeof out->text, "no row");
        return NULL;
    }
    if (columns != 1 || rows != 1) {
        return err_new(ERR_TERMINAL, REASON_ANALYSIS_UNAVAILABLE,
                       "the query gave %zu rows of %zu columns: one row of one column is needed",
                       rows, columns);
    }
    const char *text = mydb_next(result)[0];
    bool pass = false;
    if (text && !is_number(text, &pass)) {
        return err_new(ERR_TERMINAL, REASON_ANALYSIS_UNAVAILABLE,
                       "the query's value is neither a boolean nor a number");
    }
    out->answered = true;
    out->pass = text && pass;
    snprintf(out->text, sizeof out->text, "%s", text ? text : "NULL");
    return NULL;
}

struct err *mydb_ask(struct mydb *m, const char *query, struct gate_value *out)
{
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    if (mydb_try_ask(m, query, &result)) {
        AUTO(free_auto) char *said = mydb_said(m, NULL);
        return err_new(mydb_lost(m) ? ERR_TRANSIENT : ERR_TERMINAL, REASON_ANALYSIS_UNAVAILABLE,
                       "the query did not answer: %u (%s) %s", m->failure.code, m->failure.sqlstate,
                       said);
    }
    return judge(result, out);
}

struct err *mydb_gate(struct db *db, const char *query, int64_t timeout_ms, struct gate_value *out)
{
    struct mydb *m = mydb_of(db);
    const int64_t limit = timeout_ms > 0 ? timeout_ms : m->options.query_timeout_ms;
    if (m->mariadb) {
        TRY(mydb_execf(m, "limit the query", "SET max_statement_time=%" PRId64 ".%03" PRId64,
                       limit / 1000, limit % 1000));
    } else {
        TRY(mydb_execf(m, "limit the query", "SET max_execution_time=%" PRId64, limit));
    }
    TRY(mydb_exec(m, "begin reading", "START TRANSACTION READ ONLY"));
    struct err *e = mydb_ask(m, query, out);
    const unsigned code = mydb_send(m, "ROLLBACK", strlen("ROLLBACK"));
    return e || !code ? e : mydb_error(m, "end reading");
}
