// SPDX-License-Identifier: Apache-2.0
// Flyway's advisory lock, who holds it, and who else stands in our way.
#include <inttypes.h>
#include <libpq-fe.h>
#include "database/pgdb.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/clock.h"
#include "reconcile/base/mem.h"

#define WATCH_TIMEOUT_MS 2000 // for the second connection: it must never hold us up long

struct err *pgdb_try_lock(struct db *db, bool *taken)
{
    struct pgdb *pg = pgdb_of(db);
    AUTO(pgdb_clear_auto) PGresult *r = NULL;
    char sql[96];
    snprintf(sql, sizeof sql, "SELECT pg_catalog.pg_try_advisory_lock(%" PRId64 ")", pg->lock_key);
    TRY(pgdb_simple(pg, sql, "could not ask for the migration lock", &r));
    *taken = str_eq(pgdb_text(r, 0, 0), "t");
    return NULL;
}

// "backend 4711 (psql, user app, idle in transaction for 34 s)". Columns: pid, application, user, state,
// seconds.
static char *describe(const struct pg_result *r, int row)
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

#define SESSION_COLUMNS                                                                            \
    "a.pid, a.application_name, a.usename, a.state,"                                               \
    " greatest(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.state_change), "     \
    "0)::bigint"

// Ordinary roles see pid, user and application name of every session, the rest of their own.
static const char holder_sql[] = "SELECT " SESSION_COLUMNS " FROM pg_catalog.pg_locks l"
                                 " JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid"
                                 " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
                                 " AND l.classid = ($1::bigint >> 32)::bigint::oid"
                                 " AND l.objid = ($1::bigint & 4294967295)::oid"
                                 " AND l.database = (SELECT oid FROM pg_catalog.pg_database"
                                 "                   WHERE datname = pg_catalog.current_database())"
                                 " AND l.pid <> pg_catalog.pg_backend_pid()";

static struct err *find_holder(struct pgdb *pg, struct pg_result **out)
{
    char key[24];
    snprintf(key, sizeof key, "%" PRId64, pg->lock_key);
    const char *values[] = { key };
    return pgdb_query(pg, &(struct pgdb_command){ holder_sql, false, 1, values },
                      "could not see who holds the migration lock", out);
}

char *pgdb_lock_holder(struct db *db, bool *old_sluice)
{
    AUTO(pgdb_clear_auto) PGresult *r = NULL;
    *old_sluice = false;
    struct err *e = find_holder(pgdb_of(db), &r);
    if (e || PQntuples(r) == 0) {
        err_free(e); // a message is all that is at stake
        return NULL;
    }
    const char *application = pgdb_text(r, 0, 1);
    *old_sluice = application && str_starts(application, "sluice/");
    return describe(r, 0);
}

struct err *pgdb_terminate_holder(struct db *db)
{
    struct pgdb *pg = pgdb_of(db);
    AUTO(pgdb_clear_auto) PGresult *r = NULL;
    TRY(find_holder(pg, &r));
    if (PQntuples(r) == 0) {
        return NULL;
    }
    const char *values[] = { pgdb_text(r, 0, 0) };
    return pgdb_query(pg,
                      &(struct pgdb_command){ "SELECT pg_catalog.pg_terminate_backend($1::int)",
                                              false, 1, values },
                      "could not end the old session", NULL);
}

// ---- blockers -----------------------------------------------------------------------------------

static const char blocker_sql[] =
    "SELECT " SESSION_COLUMNS " FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids($1::int)) b(pid)"
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

void pgdb_watch(struct pgdb *pg)
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
                               "could not see who blocks", &r);
    if (e) {
        err_free(e);
        return;
    }
    if (PQntuples(r) == 0) {
        pg->blocked_since_ms = 0;
        return;
    }
    free(pg->blocker);
    pg->blocker = describe(r, 0);
    if (pg->blocked_since_ms == 0) {
        pg->blocked_since_ms = clock_mono_ms();
    }
}
