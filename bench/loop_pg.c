/* SPDX-License-Identifier: Apache-2.0 */
/* The raw loop on PostgreSQL, what a script of one's own would do: loop_pg URI FOLDER */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include "bench/loop.h"

static PGresult *done(PGconn *c, PGresult *result, const char *what)
{
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        loop_fail(what, PQerrorMessage(c));
    }
    return result;
}

static void run(PGconn *c, const char *sql, const char *what)
{
    PQclear(done(c, PQexec(c, sql), what));
}

static void quiet(void *nothing, const char *message)
{
    (void)nothing, (void)message;
}

static size_t apply(PGconn *c, const struct loop_files *files)
{
    size_t applied = 0;
    for (size_t i = 0; i < files->count; i++) {
        const struct loop_file *file = &files->items[i];
        char checksum[16];
        const char *const values[] = { file->name, checksum };
        if (!file->pending) {
            continue;
        }
        snprintf(checksum, sizeof checksum, "%u", file->checksum);
        run(c, "BEGIN", file->name);
        run(c, file->text, file->name);
        PQclear(done(c,
                     PQexecParams(c, "INSERT INTO versions (name, checksum) VALUES ($1, $2)", 2,
                                  NULL, values, NULL, NULL, 0),
                     file->name));
        run(c, "COMMIT", file->name);
        applied++;
    }
    return applied;
}

int main(int argc, char **argv)
{
    struct loop_files files;
    if (argc != 3) {
        loop_fail("loop_pg", "usage: loop_pg URI FOLDER");
    }
    loop_read(argv[2], &files);
    PGconn *c = PQconnectdb(argv[1]);
    if (PQstatus(c) != CONNECTION_OK) {
        loop_fail("connect", PQerrorMessage(c));
    }
    PQsetNoticeProcessor(c, quiet, NULL);
    run(c,
        "CREATE TABLE IF NOT EXISTS versions (name text PRIMARY KEY, checksum bigint NOT NULL, "
        "applied_by text NOT NULL DEFAULT current_user, applied_at timestamptz NOT NULL DEFAULT "
        "now())",
        "versions");
    PGresult *rows =
        done(c, PQexec(c, "SELECT name, checksum FROM versions ORDER BY name"), "versions");
    for (int i = 0; i < PQntuples(rows); i++) {
        loop_compare(&files, PQgetvalue(rows, i, 0), PQgetvalue(rows, i, 1));
    }
    PQclear(rows);
    printf("%zu applied\n", apply(c, &files));
    PQfinish(c);
    return 0;
}
