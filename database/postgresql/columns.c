// SPDX-License-Identifier: Apache-2.0
// What the columns of the history table hold on PostgreSQL: characters are the database's encoding.
#include <libpq-fe.h>
#include "base/auto.h"
#include "database/postgresql/pgdb.h"

#define COLUMNS 3

// The server reads a parameter in its own encoding, or refuses it (22P05).
static struct err *encodes(void *payload, const struct history_column *column, const char *text,
                           bool *out)
{
    struct pgdb *pg = payload;
    const char *values[] = { text };
    struct err *e =
        pgdb_query(pg, &(struct pgdb_command){ "SELECT $1::pg_catalog.text", false, 1, values },
                   column->name, NULL);
    if (e && e->kind != ERR_TERMINAL) {
        return e;
    }
    *out = !e;
    err_free(e);
    return NULL;
}

struct err *pgdb_check_columns(struct run *run, const struct apply_list *list)
{
    struct pgdb *pg = pgdb_of(run->db);
    static const char sql[] =
        "SELECT attname, CASE WHEN atttypmod > 4 THEN atttypmod - 4 ELSE 0 END"
        " FROM pg_catalog.pg_attribute WHERE attrelid = $1::pg_catalog.regclass"
        " AND attname IN ('version', 'description', 'script')";
    const char *values[] = { pg->history };
    const char *encoding = PQparameterStatus(pg->conn, "server_encoding");
    AUTO(pgdb_clear_auto) PGresult *r = NULL;
    TRY(pgdb_query(pg, &(struct pgdb_command){ sql, false, 1, values },
                   "could not read the history table's columns", &r));
    struct history_column columns[COLUMNS] = { 0 };
    size_t count = 0;
    for (int i = 0; i < PQntuples(r) && count < COLUMNS; i++) {
        struct history_column *c = &columns[count++];
        snprintf(c->name, sizeof c->name, "%s", pgdb_text(r, i, 0));
        snprintf(c->charset, sizeof c->charset, "%s", encoding ? encoding : "");
        c->width = pgdb_int(r, i, 1);
        c->of_database = true;
        c->any = !encoding || str_eq(encoding, "UTF8") || str_eq(encoding, "SQL_ASCII");
    }
    return run_check_columns(run, list, columns, count, encodes, pg);
}
