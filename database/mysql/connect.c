// SPDX-License-Identifier: Apache-2.0
// The session: opened, opened again, closed with all that hangs on it.
#include <mysql.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "database/mysql/run.h"

void mydb_hang_up(struct mydb *m)
{
    if (m->conn) {
        mysql_close(m->conn);
    }
    m->conn = NULL;
    m->locked = false;
}

struct err *mydb_adopt(struct mydb *m, void *fresh)
{
    MYSQL *conn = m->conn = fresh;
    m->generation++;
    m->base.session_id = (int64_t)mysql_thread_id(conn);
    m->version = (int32_t)mysql_get_server_version(conn);
    m->mariadb = strstr(mysql_get_server_info(conn), "MariaDB") != NULL;
    return mydb_session_init(m);
}

struct err *mydb_reopen(struct mydb *m)
{
    void *fresh = NULL;
    mydb_hang_up(m);
    TRY(mydb_dial(m->target, &m->options, &fresh));
    struct overdue o;
    overdue_begin(&o, clock_mono_ms() + 2 * m->options.query_timeout_ms, mydb_socket(fresh),
                  "the session's beginning");
    struct err *e = mydb_adopt(m, fresh);
    overdue_end(&o);
    if (e) {
        mydb_hang_up(m);
    }
    return e;
}

struct err *mydb_open(const struct target *target, const struct db_options *options,
                      struct db **out)
{
    struct mydb *m = mem_alloc(sizeof *m);
    m->target = target;
    m->options = *options;
    m->options.application = "sluice"; // the caller's text need not live as long
    struct err *e = mydb_reopen(m);
    if (e) {
        mydb_session_done(m);
        free(m);
        return e;
    }
    *out = &m->base;
    return NULL;
}

void mydb_close(struct db *db)
{
    struct mydb *m = mydb_of(db);
    mydb_watch_stop(m);
    mydb_hang_up(m);
    mydb_session_done(m);
    strlist_done(&m->pending.sql);
    mydb_loose_done(m);
    free(m->lock_name);
    free(m);
}
