// SPDX-License-Identifier: Apache-2.0
// PostgreSQL: an attempt whose session was ended at a statement (database/ended.c).
#include "base/auto.h"
#include "base/mem.h"
#include "database/postgresql/pgdb.h"

#define ADMIN_SHUTDOWN "57P01"

static struct err *up_since(struct run *run, char **out)
{
    AUTO(pgdb_clear_auto) PGresult *r = NULL;
    TRY(pgdb_query(pgdb_of(run->db),
                   &(struct pgdb_command){
                       "SELECT '" SESSION_ENDED "'"
                       " || (pg_catalog.pg_postmaster_start_time() AT TIME ZONE 'UTC')::text",
                       false, 0, NULL },
                   "could not ask since when the server is up", &r));
    *out = mem_strdup(pgdb_value(r, 0, 0));
    return NULL;
}

struct err *pgdb_session_ended(struct run *run, const struct migration *file, int32_t rank,
                               const struct script *script, struct err *e)
{
    const int step = run->result->failed.statement;
    AUTO(free_auto) char *since = NULL;
    if (step < 1 || (size_t)step > script->count || e->kind != ERR_TRANSIENT ||
        !str_eq(run->result->failed.sqlstate, ADMIN_SHUTDOWN)) {
        return e;
    }
    const struct journal_row *known = pgdb_step_row(&run->seen.journal, file, step);
    AUTO(err_free_auto) struct err *mute = up_since(run, &since);
    if (mute || (known && journal_row_applied(known))) {
        return e;
    }
    const struct session_end end = { .file = file,
                                     .script = script,
                                     .rank = rank,
                                     .step = step,
                                     .code = ADMIN_SHUTDOWN,
                                     .since = since,
                                     .example = "pg_terminate_backend(pg_backend_pid())" };
    struct err *blamed = run_ended_too_often(run, &end);
    if (!blamed) {
        err_free(run_write_end(run, &end)); // unwritten: one attempt more
        return e;
    }
    err_free(e);
    const struct pgdb_fault ours = { .sqlstate = ADMIN_SHUTDOWN };
    return pgdb_record_failed(run, file, rank, script, &ours, blamed);
}
