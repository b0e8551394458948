// SPDX-License-Identifier: Apache-2.0
// Flyway's advisory lock, and who holds it.
#include <inttypes.h>
#include <libpq-fe.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "database/postgresql/pgdb.h"

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

// Ordinary roles see pid, user and application name of every session, the rest of their own.
static const char holder_sql[] = "SELECT " PGDB_SESSION_COLUMNS " FROM pg_catalog.pg_locks l"
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
                      "could not read which session holds the migration lock", out);
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
    return pgdb_session_text(r, 0);
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
