// SPDX-License-Identifier: Apache-2.0
// Procedures and blocks that may commit, outside a transaction: what a failed one has left (docs/explanation/engine.md 4).
#include <libpq-fe.h>
#include <strings.h>
#include "base/auto.h"
#include "database/postgresql/pgdb.h"
#include "model/reason.h"

bool pgdb_controls_itself(const struct statement *s)
{
    return s->class == STEP_OTHER &&
           (strncasecmp(s->text, "call", 4) == 0 || strncasecmp(s->text, "do", 2) == 0);
}

// How many transactions this session has begun, with the one that asks.
struct err *pgdb_count_transactions(struct pgdb *pg, int64_t *out)
{
    static const char sql[] =
        "SELECT pg_catalog.split_part(virtualtransaction, '/', 2) FROM pg_catalog.pg_locks"
        " WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'virtualxid' LIMIT 1";
    AUTO(pgdb_clear_auto) PGresult *r = NULL;
    TRY(pgdb_query(pg, &(struct pgdb_command){ .sql = sql },
                   "could not read the state of the transaction", &r));
    *out = PQntuples(r) == 1 ? pgdb_int(r, 0, 0) : 0;
    return NULL;
}

// It failed. Between the two counts there is one transaction, its own, unless it has ended some by itself.
struct err *pgdb_check_stayed(struct run *run, const struct migration *file,
                              const struct script *script, size_t index, int64_t before,
                              struct err *e, bool *nothing_stayed)
{
    struct pgdb *pg = pgdb_of(run->db);
    const struct statement *s = script_at(script, index);
    const bool cancellable = !pg->uncancellable;
    const char *stopped = pg->stopped;
    int64_t now = 0;
    pg->uncancellable = true; // one read, also of who was told to stop
    struct err *blind = pgdb_count_transactions(pg, &now);
    pg->uncancellable = !cancellable;
    pg->stopped = stopped;
    *nothing_stayed = !blind && before > 0 && now == before + 2;
    const bool told = !blind && before > 0;
    err_free(blind);
    if (*nothing_stayed || (stopped && !told)) { // else its intent stays open: the next run asks
        return e;
    }
    struct err *unknown =
        run_unknown(run, file, (int32_t)index + 1, "%s; %s", e->message,
                    told ? "it has committed in between, so a part of it has stayed"
                         : "whether it has committed in between could not be found out");
    run_failed(run, file, (int)index + 1, s->line, s->column, NULL, 0);
    err_free(e);
    return unknown;
}
