// SPDX-License-Identifier: Apache-2.0
// What others have put on the tables: on our own it is refused, on the history our row is read back before the COMMIT.
#include "base/mem.h"
#include "database/postgresql/pgdb.h"
#include "model/reason.h"

struct err *pgdb_refuse_changed_tables(const char *what)
{
    return what
               ? err_new(ERR_TERMINAL, REASON_UNSUPPORTED_SERVER,
                         "%s: it can change or hide what Sluice writes there, and a file would run "
                         "twice: remove it",
                         what)
               : NULL;
}

// The cast stands outside the CASE, as in the guard. Not installed_on and execution_time: the server makes them.
char *pgdb_kept_sql(const struct pgdb *pg)
{
    return mem_printf(
        "SELECT (CASE WHEN EXISTS (SELECT 1 FROM %s WHERE installed_rank = $1::int"
        " AND version IS NOT DISTINCT FROM $2::text AND description = $3::text AND type = $4::text"
        " AND script = $5::text AND checksum IS NOT DISTINCT FROM $6::int"
        " AND installed_by = $7::text AND success) THEN '1' ELSE 'sluice:altered' END)::int",
        pg->history);
}

void pgdb_kept_fill(const struct pgdb_rows *rows, const char *values[PGDB_KEPT_VALUES])
{
    static const int of[PGDB_KEPT_VALUES] = { 2, 4, 5, 24, 6, 25, 26 };
    for (int i = 0; i < PGDB_KEPT_VALUES; i++) {
        values[i] = rows->values[of[i]];
    }
}
