// SPDX-License-Identifier: Apache-2.0
// The watchdog: a thread that kills the running statement on cancel or at a limit, over a connection
// of its own. A statement is not stopped by closing the connection that sent it (docs/explanation/engine.md 8).
#include <mysql.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "database/mysql/run.h"
#include "model/reason.h"

#define REPEAT_MS 1000 // a KILL QUERY that came before the statement began is lost: say it again
#define IDLE_MS 10000
#define CUT_MS 60000 // a server that does not end by then what must end is left

struct mydb_watch {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t quiet; // no kill is being sent
    int wake;             // eventfd
    int cancel_fd;
    const struct target *target;
    struct db_options options;
    char *server_sql; // "SELECT @@server_uid": must be the same server, ids mean nothing elsewhere
    char *server;     // its answer when the session was identified
    // under lock:
    bool stop, armed, cancelled, killing;
    int64_t id;     // connection to kill
    int fd;         // its socket, here
    int64_t cut_at; // when we leave; 0: not yet known
    int64_t timeout_at, deadline_at;
    int64_t kill_at;     // earliest time of the next kill
    int64_t next_look;   // when the thread wakes by itself
    enum mydb_kill sent; // why a kill was sent since the arm
};

// ---- the second connection ----------------------------------------------------------------------

static bool same_server(MYSQL *conn, const struct mydb_watch *w)
{
    if (mysql_query(conn, w->server_sql)) {
        return false;
    }
    MYSQL_RES *result = mysql_store_result(conn);
    char **row = result ? mysql_fetch_row(result) : NULL;
    const bool same = row && str_eq(row[0], w->server);
    mysql_free_result(result);
    return same;
}

static bool kill_query(const struct mydb_watch *w, int64_t id)
{
    void *conn = NULL;
    AUTO(err_free_auto) struct err *e = mydb_dial(w->target, &w->options, &conn);
    if (e) {
        return false; // tried again in a second
    }
    char sql[64];
    snprintf(sql, sizeof sql, "KILL QUERY %" PRId64, id);
    const bool sent = same_server(conn, w) && mysql_query(conn, sql) == 0;
    mysql_close(conn);
    return sent;
}

// ---- the thread ---------------------------------------------------------------------------------

static enum mydb_kill due(const struct mydb_watch *w, int64_t now)
{
    if (!w->armed || now < w->kill_at) {
        return MYDB_KILL_NONE;
    }
    if (w->cancelled) {
        return MYDB_KILL_CANCEL;
    }
    if (now >= w->deadline_at) {
        return MYDB_KILL_DEADLINE;
    }
    return now >= w->timeout_at ? MYDB_KILL_TIMEOUT : MYDB_KILL_NONE;
}

static void send_kill(struct mydb_watch *w, enum mydb_kill why)
{
    const int64_t id = w->id, now = clock_mono_ms();
    if (why != MYDB_KILL_TIMEOUT &&
        w->cut_at == 0) { // a statement's own limit may mean a long ROLLBACK
        w->cut_at = now + CUT_MS;
    }
    if (w->cut_at > 0 && now >= w->cut_at && w->fd >= 0) {
        shutdown(w->fd, SHUT_RDWR); // whoever waits there sees the connection's end
    }
    w->killing = true;
    w->sent = w->sent ? w->sent : why; // told even if the answer of the KILL is lost
    pthread_mutex_unlock(&w->lock);
    kill_query(w, id);
    pthread_mutex_lock(&w->lock);
    w->killing = false;
    w->kill_at = clock_mono_ms() + REPEAT_MS;
    pthread_cond_broadcast(&w->quiet);
}

static int64_t next_look(const struct mydb_watch *w, int64_t now)
{
    int64_t next = now + IDLE_MS;
    if (w->armed) {
        int64_t at = w->timeout_at < w->deadline_at ? w->timeout_at : w->deadline_at;
        at = w->cancelled || at < w->kill_at ? w->kill_at : at;
        next = at < next ? at : next;
    }
    return next > now ? next : now;
}

static void look(struct mydb_watch *w)
{
    const int64_t now = clock_mono_ms();
    w->next_look = next_look(w, now);
    const int wait = (int)(w->next_look - now);
    struct pollfd fds[2] = { { .fd = w->wake, .events = POLLIN },
                             { .fd = w->cancelled ? -1 : w->cancel_fd, .events = POLLIN } };
    pthread_mutex_unlock(&w->lock);
    poll(fds, 2, wait);
    uint64_t count = 0;
    const ssize_t got = fds[0].revents & POLLIN ? read(w->wake, &count, sizeof count) : 0;
    (void)got;
    pthread_mutex_lock(&w->lock);
    w->cancelled |= (fds[1].revents & POLLIN) != 0;
}

static void *watch_main(void *arg)
{
    struct mydb_watch *w = arg;
    mysql_thread_init();
    pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        const enum mydb_kill why = due(w, clock_mono_ms());
        if (why) {
            send_kill(w, why);
        } else {
            look(w);
        }
    }
    pthread_mutex_unlock(&w->lock);
    mysql_thread_end();
    return NULL;
}

static void wake(const struct mydb_watch *w)
{
    const uint64_t one = 1;
    const ssize_t written = write(w->wake, &one, sizeof one); // full: it is awake already
    (void)written;
}

// ---- for the runner -----------------------------------------------------------------------------

static void watch_free(struct mydb_watch *w)
{
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->quiet);
    if (w->wake >= 0) {
        close(w->wake);
    }
    free(w->server_sql);
    free(w->server);
    free(w);
}
DEFINE_AUTO(struct mydb_watch, watch_free)

struct err *mydb_watch_start(struct mydb *m, const struct cancel *cancel)
{
    if (m->watch) {
        return NULL;
    }
    AUTO(watch_free_auto) struct mydb_watch *w = mem_alloc(sizeof *w);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->quiet, NULL);
    w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    w->cancel_fd = cancel ? cancel->fd : -1;
    w->target = m->target;
    w->options = m->options;
    w->options.read_only = true; // with a read timeout: a KILL is answered at once
    w->server_sql = mem_printf("SELECT %s", mydb_server_expression(m));
    w->server = mem_strdup(mydb_server_of(&m->base.identity));
    if (w->wake < 0 || pthread_create(&w->thread, NULL, watch_main, w) != 0) {
        return err_new(ERR_TRANSIENT, REASON_INTERNAL, "could not start the watchdog: %s",
                       strerror(errno));
    }
    m->watch = TAKE(w);
    return NULL;
}

static int64_t later(int64_t now, int64_t ms)
{
    return ms < INT64_MAX - now ? now + ms : INT64_MAX;
}

void mydb_watch_arm(struct mydb *m, int64_t timeout_ms, int64_t deadline_ms)
{
    struct mydb_watch *w = m->watch;
    const int64_t now = clock_mono_ms();
    pthread_mutex_lock(&w->lock);
    w->armed = true;
    w->id = m->base.session_id;
    w->fd = mydb_socket(m->conn);
    w->cut_at = 0;
    w->sent = MYDB_KILL_NONE;
    w->kill_at = now;
    w->timeout_at = later(now, timeout_ms);
    w->deadline_at = later(now, deadline_ms);
    if (w->cancelled || w->timeout_at < w->next_look || w->deadline_at < w->next_look) {
        wake(w);
    }
    pthread_mutex_unlock(&w->lock);
}

enum mydb_kill mydb_watch_disarm(struct mydb *m)
{
    struct mydb_watch *w = m->watch;
    pthread_mutex_lock(&w->lock);
    w->armed = false;
    while (w->killing) { // else it would hit our next statement
        pthread_cond_wait(&w->quiet, &w->lock);
    }
    const enum mydb_kill sent = w->sent;
    pthread_mutex_unlock(&w->lock);
    return sent;
}

void mydb_watch_stop(struct mydb *m)
{
    struct mydb_watch *w = m->watch;
    if (!w) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    wake(w);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    watch_free(w);
    m->watch = NULL;
}
