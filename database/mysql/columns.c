// SPDX-License-Identifier: Apache-2.0
// What the columns of the history table hold on MariaDB/MySQL: Flyway made it in the database's character set.
#include "base/mem.h"
#include "database/mysql/run.h"

#define COLUMNS 3

static struct err *encodes(void *payload, const struct history_column *column, const char *text,
                           bool *out)
{
    struct mydb *m = payload;
    AUTO(buf_done) struct buf sql = BUF(16384);
    // Text, there and back; what the set does not have becomes a question mark.
    buf_adds(&sql, "SELECT CONVERT(CONVERT(");
    mydb_add_text(&sql, text);
    buf_addf(&sql, " USING %s) USING utf8mb4) COLLATE utf8mb4_bin = ", column->charset);
    mydb_add_text(&sql, text);
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_read(m, "find out whether the history table can hold a name", buf_text(&sql),
                  &result));
    char **row = mydb_next(result);
    *out = row && mydb_int64(row[0], 0) == 1;
    return NULL;
}

static bool is_word(const char *text)
{
    return *text && text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

struct err *mydb_check_columns(struct run *run, const struct apply_list *list)
{
    struct mydb *m = mydb_of(run->db);
    AUTO(buf_done) struct buf sql = BUF(4096);
    buf_adds(&sql, "SELECT column_name, character_maximum_length, character_set_name"
                   " FROM information_schema.columns WHERE table_schema=");
    mydb_add_text(&sql, m->base.identity.schema);
    buf_adds(&sql, " AND table_name=");
    mydb_add_text(&sql, m->base.table);
    buf_adds(&sql, " AND column_name IN ('version', 'description', 'script')");
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_read(m, "read the history table's columns", buf_text(&sql), &result));
    struct history_column columns[COLUMNS] = { 0 };
    size_t count = 0;
    for (char **row; count < COLUMNS && (row = mydb_next(result));) {
        struct history_column *c = &columns[count++];
        snprintf(c->name, sizeof c->name, "%s", row[0] ? row[0] : "");
        c->width = mydb_int64(row[1], 0);
        snprintf(c->charset, sizeof c->charset, "%s", row[2] ? row[2] : "");
        c->any = str_eq(row[2], "utf8mb4") || !is_word(c->charset);
    }
    return run_check_columns(run, list, columns, count, encodes, m);
}
