// SPDX-License-Identifier: Apache-2.0
// Sending and waiting: every wait looks at the socket, the cancel descriptor, a deadline and who
// blocks us.
#include <errno.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <poll.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "database/postgresql/pgdb.h"
#include "model/reason.h"

#define RESULTS_MAX 16         // of one command of ours, which is one statement
#define CANCEL_AGAIN_MS 500    // the first request may have met the gap between two statements
#define CANCEL_GRACE_MS 15000  // a server that does not answer a cancel by then is given up
#define CANCEL_CONNECT_MS 5000 // for the cancel request's own connection
#define WATCH_AGAIN_MS 1000
#define WATCH_TIMEOUT_MS 2000 // for the second connection: it must never hold us up long

void pgdb_clear_auto(struct pg_result **result)
{
    PQclear(*result);
    *result = NULL;
}

const char *pgdb_text(const struct pg_result *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

const char *pgdb_value(const struct pg_result *result, int row, int column)
{
    const char *text = pgdb_text(result, row, column);
    return text ? text : "";
}

int64_t pgdb_int(const struct pg_result *result, int row, int column)
{
    int64_t number = 0;
    const char *text = pgdb_text(result, row, column);
    if (text) {
        str_to_int64(text, INT64_MIN, INT64_MAX, &number);
    }
    return number;
}

// ---- cancel requests ----------------------------------------------------------------------------

#ifdef LIBPQ_HAS_ASYNC_CANCEL
static void send_cancel(PGconn *conn)
{
    PGcancelConn *cancel = PQcancelCreate(conn);
    const int64_t deadline = clock_mono_ms() + CANCEL_CONNECT_MS;
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    if (cancel && PQcancelStart(cancel)) {
        while (status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) {
            const int64_t left = deadline - clock_mono_ms();
            struct pollfd p = { .fd = PQcancelSocket(cancel),
                                .events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT };
            if (left <= 0 || poll(&p, 1, (int)left) <= 0) {
                break;
            }
            status = PQcancelPoll(cancel);
        }
    }
    PQcancelFinish(cancel);
}
#else
// Blocking, but bounded by the connection's tcp_user_timeout.
static void send_cancel(PGconn *conn)
{
    char why[256];
    PGcancel *cancel = PQgetCancel(conn);
    if (cancel) {
        (void)PQcancel(cancel, why, sizeof why); // sent again if it did not help
        PQfreeCancel(cancel);
    }
}
#endif

// ---- waiting ------------------------------------------------------------------------------------

struct wait {
    int64_t started_ms, deadline_ms;
    int64_t next_cancel_ms, give_up_ms; // once stopped
    int64_t next_watch_ms;
};

static const struct cancel *cancel_of(const struct pgdb *pg)
{
    if (pg->uncancellable) {
        return NULL;
    }
    return pg->run ? pg->run->request->cancel : pg->base.options.cancel;
}

static void look_for_reasons_to_stop(struct pgdb *pg, const struct wait *w, int64_t now)
{
    if (pg->stopped) {
        return;
    }
    if (cancel_triggered(cancel_of(pg))) {
        pg->stopped = REASON_INTERRUPTED;
    } else if (now >= w->deadline_ms) {
        const bool of_run = pg->run && run_remaining_ms(pg->run) == 0;
        pg->stopped = of_run ? REASON_DEADLINE_EXCEEDED : REASON_DATABASE_UNAVAILABLE;
    } else if (pg->block_limit_ms > 0 && pg->blocked_since_ms > 0 &&
               now - pg->blocked_since_ms >= pg->block_limit_ms) {
        pg->stopped = REASON_LOCK_TIMEOUT;
    }
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

// False: the server does not even answer our cancel.
static bool stop_if_needed(struct pgdb *pg, struct wait *w, int64_t now)
{
    look_for_reasons_to_stop(pg, w, now);
    if (!pg->stopped) {
        return true;
    }
    if (w->give_up_ms == 0) {
        w->give_up_ms = now + CANCEL_GRACE_MS;
    }
    if (now >= w->give_up_ms) {
        return false;
    }
    if (now >= w->next_cancel_ms) {
        send_cancel(pg->conn);
        w->next_cancel_ms = clock_mono_ms() + CANCEL_AGAIN_MS;
    }
    return true;
}

char *pgdb_session_text(const struct pg_result *r, int row)
{
    const char *application = pgdb_text(r, row, 1), *user = pgdb_text(r, row, 2);
    const char *state = pgdb_text(r, row, 3), *seconds = pgdb_text(r, row, 4);
    AUTO(buf_done) struct buf b = BUF(1024);
    buf_addf(&b, "backend %s (%s, user %s", pgdb_text(r, row, 0),
             application && application[0] ? application : "no application name",
             user ? user : "?");
    if (state) {
        buf_addf(&b, ", %s", state);
    }
    if (state && seconds) {
        buf_addf(&b, " for %s s", seconds);
    }
    buf_addc(&b, ')');
    return buf_take(&b);
}

static const char blocker_sql[] =
    "SELECT " PGDB_SESSION_COLUMNS
    " FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids($1::int)) b(pid)"
    " JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid ORDER BY a.state_change NULLS LAST";

static struct pgdb *watcher_of(struct pgdb *pg)
{
    if (pg->watcher && PQstatus(pg->watcher->conn) == CONNECTION_BAD) {
        pgdb_close(&TAKE(pg->watcher)->base);
    }
    if (!pg->watcher) {
        struct db_options options = pg->options;
        options.connect_timeout_ms = WATCH_TIMEOUT_MS;
        options.query_timeout_ms = WATCH_TIMEOUT_MS;
        options.cancel = NULL;
        struct db *db = NULL;
        struct err *e = pgdb_open(pg->target, &options, &db);
        err_free(e); // no second connection to be had: no name of the blocker
        pg->watcher = e ? NULL : pgdb_of(db);
    }
    return pg->watcher;
}

// On the second connection: fills blocker and blocked_since_ms.
static void look_who_blocks(struct pgdb *pg)
{
    struct pgdb *watcher = watcher_of(pg);
    if (!watcher) {
        return;
    }
    AUTO(pgdb_clear_auto) PGresult *r = NULL;
    char pid[24];
    snprintf(pid, sizeof pid, "%" PRId64, pg->base.session_id);
    const char *values[] = { pid };
    struct err *e = pgdb_query(watcher, &(struct pgdb_command){ blocker_sql, false, 1, values },
                               "could not read which session blocks", &r);
    if (e) {
        err_free(e);
        return;
    }
    if (PQntuples(r) == 0) {
        pg->blocked_since_ms = 0;
        return;
    }
    free(pg->blocker);
    pg->blocker = pgdb_session_text(r, 0);
    if (pg->blocked_since_ms == 0) {
        pg->blocked_since_ms = clock_mono_ms();
    }
}

static void watch_if_silent(struct pgdb *pg, struct wait *w, int64_t now)
{
    if (pg->watch_after_ms <= 0 || pg->stopped || now < w->next_watch_ms) {
        return;
    }
    look_who_blocks(pg);
    w->next_watch_ms = clock_mono_ms() + WATCH_AGAIN_MS;
}

static int poll_ms(const struct pgdb *pg, const struct wait *w, int64_t now)
{
    int64_t until = w->deadline_ms;
    if (pg->stopped) {
        until = least(w->next_cancel_ms, w->give_up_ms);
    } else if (pg->watch_after_ms > 0) {
        until = least(until, w->next_watch_ms);
    }
    const int64_t left = until - now;
    return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

// Until a result can be taken, or the connection fails (then PQgetResult says so). False: given up.
static bool wait_result(struct pgdb *pg, int64_t deadline_ms)
{
    const int64_t start = clock_mono_ms();
    struct wait w = { .started_ms = start,
                      .deadline_ms = deadline_ms,
                      .next_watch_ms = start + pg->watch_after_ms };
    for (;;) {
        const int unsent = PQflush(pg->conn);
        if (unsent < 0 || !PQisBusy(pg->conn)) {
            return true;
        }
        const int64_t now = clock_mono_ms();
        if (!stop_if_needed(pg, &w, now)) {
            return false;
        }
        watch_if_silent(pg, &w, now);
        const struct cancel *cancel = pg->stopped ? NULL : cancel_of(pg);
        struct pollfd p[2] = {
            { .fd = PQsocket(pg->conn), .events = (short)(unsent > 0 ? POLLIN | POLLOUT : POLLIN) },
            { .fd = cancel ? cancel->fd : -1, .events = POLLIN },
        };
        if (poll(p, 2, poll_ms(pg, &w, clock_mono_ms())) < 0 && errno != EINTR) {
            return false;
        }
        if ((p[0].revents & (POLLIN | POLLERR | POLLHUP)) && !PQconsumeInput(pg->conn)) {
            return true;
        }
    }
}

// ---- results ------------------------------------------------------------------------------------

static void set_lost(const struct pgdb *pg, struct pgdb_fault *fault, const char *text)
{
    AUTO(free_auto) char *copy = mem_strdup(text); // it may be the fault's own
    pgdb_fault_set(pg, fault, copy);
    fault->lost = true;
}

static bool begins_copy(const struct pg_result *result)
{
    const ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

bool pgdb_take(struct pgdb *pg, int64_t deadline_ms, struct pg_result **out,
               struct pgdb_fault *fault)
{
    if (!pg->conn) {
        set_lost(pg, fault, "the connection is lost");
        return false;
    }
    if (!wait_result(pg, deadline_ms)) {
        PQfinish(TAKE(pg->conn));
        set_lost(pg, fault, "the server does not answer");
        return false;
    }
    PGresult *result = PQgetResult(pg->conn);
    if (PQstatus(pg->conn) == CONNECTION_BAD) { // also without a result: that is no end of results
        const bool told = fault->sqlstate[0] != '\0'; // by the server's last words
        if (result && !told) {
            pgdb_fault_read(pg, result, fault);
        } else if (!told) {
            set_lost(pg, fault, PQerrorMessage(pg->conn));
        }
        fault->lost = true;
        PQclear(result);
        return false;
    }
    if (!pg->copies && begins_copy(result)) {
        PQclear(result);
        PQfinish(TAKE(pg->conn)); // the only way out of it that needs nobody's consent
        set_lost(pg, fault, "a COPY is no query: write a SELECT");
        fault->copies = true;
        return false;
    }
    *out = result;
    return true;
}

bool pgdb_result_ok(const struct pg_result *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_EMPTY_QUERY:
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_SINGLE_TUPLE:
        return true;
    case PGRES_COPY_OUT:
    case PGRES_COPY_IN:
    case PGRES_BAD_RESPONSE:
    case PGRES_NONFATAL_ERROR:
    case PGRES_FATAL_ERROR:
    case PGRES_COPY_BOTH:
    case PGRES_PIPELINE_SYNC:
    case PGRES_PIPELINE_ABORTED:
    default: // newer libpq
        return false;
    }
}

int64_t pgdb_file_deadline(const struct pgdb *pg)
{
    const int64_t left = pg->run ? run_remaining_ms(pg->run) : INT64_MAX;
    return left == INT64_MAX ? INT64_MAX : clock_mono_ms() + left;
}

int64_t pgdb_deadline(const struct pgdb *pg)
{
    const int64_t own = clock_mono_ms() + pg->options.query_timeout_ms;
    return pg->uncancellable ? own : least(own, pgdb_file_deadline(pg));
}

bool pgdb_send(struct pgdb *pg, const struct pgdb_command *c)
{
    if (!pg->conn) {
        return false;
    }
    return c->prepared
               ? PQsendQueryPrepared(pg->conn, c->sql, c->count, c->values, NULL, NULL, 0)
               : PQsendQueryParams(pg->conn, c->sql, c->count, NULL, c->values, NULL, NULL, 0);
}

// All results of one command; the last one that is not an error goes to *out. False: *fault.
static bool take_all(struct pgdb *pg, struct pg_result **out, struct pgdb_fault *fault)
{
    const int64_t deadline = pgdb_deadline(pg);
    bool ok = true;
    for (int seen = 0;; seen++) {
        AUTO(pgdb_clear_auto) PGresult *result = NULL;
        if (!pgdb_take(pg, deadline, &result, fault)) {
            return false;
        }
        if (!result && seen == 0) {
            set_lost(pg, fault, "the server gave no result");
            return false;
        }
        if (seen > RESULTS_MAX) {
            PQfinish(TAKE(pg->conn));
            set_lost(pg, fault, "the server's answer does not end");
            return false;
        }
        if (!result) {
            return ok;
        }
        if (!pgdb_result_ok(result)) {
            if (ok) {
                pgdb_fault_read(pg, result, fault);
            }
            ok = false;
        } else if (out) {
            PQclear(*out);
            *out = TAKE(result);
        }
    }
}

static struct err *finish(struct pgdb *pg, bool sent, const char *what, struct pg_result **out)
{
    AUTO(pgdb_fault_done) struct pgdb_fault fault = { 0 };
    AUTO(pgdb_clear_auto) PGresult *result = NULL;
    pg->stopped = sent ? NULL : pg->stopped;
    if (!sent) {
        set_lost(pg, &fault, pg->conn ? PQerrorMessage(pg->conn) : "the connection is lost");
        return pgdb_fault_err(&fault, NULL, what);
    }
    if (!take_all(pg, &result, &fault)) {
        return pgdb_fault_err(&fault, pg->stopped, what);
    }
    if (out) {
        *out = TAKE(result);
    }
    return NULL;
}

struct err *pgdb_query(struct pgdb *pg, const struct pgdb_command *command, const char *what,
                       struct pg_result **out)
{
    return finish(pg, pgdb_send(pg, command), what, out);
}

struct err *pgdb_simple(struct pgdb *pg, const char *sql, const char *what, struct pg_result **out)
{
    return finish(pg, pg->conn && PQsendQuery(pg->conn, sql), what, out);
}

// ---- several in one trip ------------------------------------------------------------------------

static bool send_batch(struct pgdb *pg, const struct pgdb_command *commands, int count)
{
    if (!pg->conn || !PQenterPipelineMode(pg->conn)) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (!pgdb_send(pg, &commands[i])) {
            return false;
        }
    }
    return PQpipelineSync(pg->conn) == 1;
}

bool pgdb_batch(struct pgdb *pg, const struct pgdb_command *commands, int count,
                struct pg_result **results, struct pgdb_fault *fault, int *failed)
{
    *failed = 0;
    pg->stopped = NULL;
    if (!send_batch(pg, commands, count)) {
        set_lost(pg, fault, pg->conn ? PQerrorMessage(pg->conn) : "the connection is lost");
        return false;
    }
    bool ok = true;
    for (int i = 0; i < count; i++) {
        AUTO(pgdb_fault_done) struct pgdb_fault later = {
            0
        }; // 25P02 and "aborted" are consequences
        if (!take_all(pg, results ? &results[i] : NULL, ok ? fault : &later)) {
            *failed = ok ? i : *failed;
            if (fault->lost || later.lost || !pg->conn) {
                fault->lost = true;
                return false;
            }
            ok = false;
        }
    }
    AUTO(pgdb_clear_auto) PGresult *sync = NULL;
    AUTO(pgdb_fault_done) struct pgdb_fault lost = { 0 };
    if (!pgdb_take(pg, pgdb_deadline(pg), &sync, &lost) ||
        PQresultStatus(sync) != PGRES_PIPELINE_SYNC) {
        fault->lost = true;
        return false;
    }
    PQexitPipelineMode(pg->conn);
    if (!ok) {
        pgdb_rollback(pg);
    }
    return ok;
}

void pgdb_rollback(struct pgdb *pg)
{
    if (!pg->conn || PQstatus(pg->conn) == CONNECTION_BAD) {
        return;
    }
    const bool before = pg->uncancellable;
    const char *stopped = pg->stopped;
    pg->uncancellable = true;
    if (PQtransactionStatus(pg->conn) != PQTRANS_IDLE) {
        err_free(pgdb_simple(pg, "ROLLBACK", "could not roll back", NULL));
    }
    pg->uncancellable = before;
    pg->stopped = stopped;
}

void pgdb_ident(struct buf *out, const char *name)
{
    buf_addc(out, '"');
    for (const char *p = name; *p; p++) {
        if (*p == '"') {
            buf_addc(out, '"');
        }
        buf_addc(out, *p);
    }
    buf_addc(out, '"');
}
