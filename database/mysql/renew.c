// SPDX-License-Identifier: Apache-2.0
// A new session between two files: what the first one left in its session must not reach the second.
#include <mysql.h>
#include <inttypes.h>
#include "base/clock.h"
#include "base/mem.h"
#include "database/mysql/run.h"
#include "model/reason.h"

#define QUEUE_MS 2000 // for the server to show that the new session waits for the lock
#define QUEUE_PAUSE_MS 5
#define HAND_OVER_S 30 // Flyway may have been in the queue before us

// ---- the lock goes over -------------------------------------------------------------------------

static struct err *no_lock(void)
{
    return err_new(ERR_TRANSIENT, REASON_DATABASE_BUSY,
                   "another runner took the migration lock between two files");
}

static bool is_queued(struct mydb *m, int64_t id)
{
    AUTO(free_auto) char *sql =
        mem_printf("SELECT 1 FROM information_schema.processlist WHERE id = %" PRId64
                   " AND state LIKE 'User lock%%' LIMIT 1",
                   id);
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    return !mydb_try_read(m, sql, &result) && mydb_rows(result) == 1;
}

// Without this wait a rival that asks in between would get the lock: then the next write is refused.
static struct err *wait_queued(struct run *run, int64_t id)
{
    struct mydb *m = mydb_of(run->db);
    const int64_t end = clock_mono_ms() + QUEUE_MS;
    TRY(mydb_own_begin(m));
    while (!is_queued(m, id) && clock_mono_ms() < end) {
        TRY(run_pause(run, QUEUE_PAUSE_MS));
    }
    return NULL;
}

static struct err *take_answer(MYSQL *fresh)
{
    if (mysql_read_query_result(fresh)) {
        return err_new(ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE,
                       "could not take the migration lock in a new session: %u %s",
                       mysql_errno(fresh), mysql_error(fresh));
    }
    MYSQL_RES *result = mysql_store_result(fresh);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    const bool taken = row && row[0] && strcmp(row[0], "1") == 0;
    mysql_free_result(result);
    return taken ? NULL : no_lock();
}

// The server gives a lock to who waits for it, before anybody who only asks: so the new session waits
// before the old one ends, and there is no moment in which a rival's GET_LOCK(name, 0) succeeds.
static struct err *hand_over(struct run *run, MYSQL *fresh)
{
    struct mydb *m = mydb_of(run->db);
    AUTO(free_auto) char *sql =
        mem_printf("SELECT GET_LOCK('%s', %d) LIMIT 1", m->lock_name, HAND_OVER_S);
    if (mysql_send_query(fresh, sql, (unsigned long)strlen(sql))) {
        return err_new(ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE,
                       "could not ask for the migration lock: %s", mysql_error(fresh));
    }
    TRY(wait_queued(run, (int64_t)mysql_thread_id(fresh)));
    mydb_hang_up(m);
    return take_answer(fresh);
}

// ---- still ours? --------------------------------------------------------------------------------

static struct err *check_unmoved(struct run *run)
{
    struct mydb *m = mydb_of(run->db);
    bool again = false;
    TRY(mydb_try_lock(run->db, &again)); // ours already; takes the mark as well
    AUTO(buf_done) struct buf sql = BUF(4096);
    buf_adds(&sql, "SELECT (SELECT COUNT(*) FROM ");
    mydb_add_table(&sql, m, "sluice_lease");
    buf_adds(&sql, " WHERE history_table=");
    mydb_add_text(&sql, m->base.table);
    buf_addf(&sql, " AND epoch=%" PRId64 " AND nonce='%s'), (SELECT MAX(installed_rank) FROM ",
             run->epoch, run->nonce);
    mydb_add_table(&sql, m, m->base.table);
    buf_adds(&sql, ") LIMIT 1");
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_read(m, "read the lease again", buf_text(&sql), &result));
    char **row = mydb_next(result);
    const bool same = row && mydb_int64(row[0], 0) == 1 && mydb_int64(row[1], 0) == run->rank;
    return same ? NULL : mydb_fenced(run);
}

struct err *mydb_renew(struct run *run)
{
    struct mydb *m = mydb_of(run->db);
    void *fresh = NULL;
    TRY(mydb_flush(run));
    TRY(mydb_dial(m->target, &m->options, &fresh));
    struct err *e = hand_over(run, fresh);
    if (e) {
        mysql_close(fresh);
        return e;
    }
    TRY(mydb_adopt(m, fresh));
    return check_unmoved(run);
}
