/* SPDX-License-Identifier: Apache-2.0 */
/* The raw loop on MariaDB: loop_my HOST PORT USER DATABASE FOLDER, the password in MYSQL_PWD */
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench/loop.h"

static void run(MYSQL *c, const char *sql, size_t length, const char *what)
{
    if (mysql_real_query(c, sql, (unsigned long)length) != 0) {
        loop_fail(what, mysql_error(c));
    }
    MYSQL_RES *rows = mysql_store_result(c);
    if (rows) {
        mysql_free_result(rows);
    }
}

/* The bench writes its files so that a statement, and nothing else, ends with ";" and a new line. */
static void run_file(MYSQL *c, const struct loop_file *file)
{
    const char *at = file->text, *end;
    while ((end = strstr(at, ";\n"))) {
        run(c, at, (size_t)(end - at), file->name);
        at = end + 2;
    }
}

static size_t apply(MYSQL *c, const struct loop_files *files)
{
    size_t applied = 0;
    for (size_t i = 0; i < files->count; i++) {
        const struct loop_file *file = &files->items[i];
        char sql[512];
        if (!file->pending) {
            continue;
        }
        run_file(c, file);
        const int length =
            snprintf(sql, sizeof sql, "INSERT INTO versions (name, checksum) VALUES ('%s', %u)",
                     file->name, file->checksum);
        run(c, sql, (size_t)length, file->name);
        run(c, "COMMIT", 6, file->name);
        applied++;
    }
    return applied;
}

static unsigned port_of(const char *text)
{
    unsigned port = 0;
    for (; *text >= '0' && *text <= '9' && port < 65536; text++) {
        port = port * 10 + (unsigned)(*text - '0');
    }
    return port;
}

int main(int argc, char **argv)
{
    static const char make[] =
        "CREATE TABLE IF NOT EXISTS versions (name varchar(200) PRIMARY KEY, checksum bigint NOT "
        "NULL, applied_by varchar(100) NOT NULL DEFAULT (current_user()), applied_at timestamp NOT "
        "NULL DEFAULT current_timestamp)";
    static const char look[] = "SELECT name, checksum FROM versions ORDER BY name";
    struct loop_files files;
    MYSQL_ROW row;
    if (argc != 6) {
        loop_fail("loop_my", "usage: loop_my HOST PORT USER DATABASE FOLDER");
    }
    loop_read(argv[5], &files);
    MYSQL *c = mysql_init(NULL);
    if (!c || !mysql_real_connect(c, argv[1], argv[3], getenv("MYSQL_PWD"), argv[4],
                                  port_of(argv[2]), NULL, 0)) {
        loop_fail("connect", c ? mysql_error(c) : "out of memory");
    }
    /* Data changes of a file and its row are one transaction; DDL commits by itself. */
    run(c, "SET autocommit = 0", 18, "autocommit");
    run(c, make, sizeof make - 1, "versions");
    if (mysql_real_query(c, look, sizeof look - 1) != 0) {
        loop_fail("versions", mysql_error(c));
    }
    MYSQL_RES *rows = mysql_store_result(c);
    while (rows && (row = mysql_fetch_row(rows))) {
        loop_compare(&files, row[0], row[1]);
    }
    mysql_free_result(rows);
    printf("%zu applied\n", apply(c, &files));
    mysql_close(c);
    return 0;
}
