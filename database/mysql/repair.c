// SPDX-License-Identifier: Apache-2.0
// Rows of the history table that `sluice repair` takes away, marks or realigns.
#include <inttypes.h>
#include "base/auto.h"
#include "base/mem.h"
#include "database/mysql/run.h"

#define SQL_MAX 8192

static char *realign_sql(const struct mydb *m, const struct history_change *change)
{
    AUTO(buf_done) struct buf sql = BUF(SQL_MAX);
    buf_adds(&sql, "UPDATE ");
    mydb_add_table(&sql, m, m->base.table);
    buf_addf(&sql, " SET checksum=%" PRId32 ", description=", change->checksum);
    mydb_add_text(&sql, change->description);
    buf_addf(&sql, " WHERE installed_rank=%" PRId32, change->row->rank);
    return buf_take(&sql);
}

// Copied by the server, so that the copy is one. The inner tables are derived: MySQL reads no table that it writes.
static char *deleted_sql(const struct run *run, const struct history_change *change, int32_t rank)
{
    const struct mydb *m = mydb_of(run->db);
    AUTO(buf_done) struct buf sql = BUF(SQL_MAX);
    buf_adds(&sql, "INSERT INTO ");
    mydb_add_table(&sql, m, m->base.table);
    buf_addf(&sql,
             " (installed_rank, version, description, type, script, checksum, installed_by, "
             "execution_time, success) SELECT %" PRId32
             ", h.version, h.description, 'DELETE', h.script, h.checksum, ",
             rank);
    mydb_add_text(&sql, m->base.identity.user);
    buf_adds(&sql, ", 0, h.success FROM (SELECT * FROM ");
    mydb_add_table(&sql, m, m->base.table);
    buf_addf(&sql,
             " WHERE installed_rank=%" PRId32 ") h WHERE NOT EXISTS (SELECT 1 FROM (SELECT "
             "MAX(installed_rank) AS newest FROM ",
             change->row->rank);
    mydb_add_table(&sql, m, m->base.table);
    buf_addf(&sql, ") n WHERE n.newest>=%" PRId32 ")", rank);
    return buf_take(&sql);
}

struct err *mydb_rewrite(struct run *run, const struct history_changes *changes)
{
    const struct mydb *m = mydb_of(run->db);
    AUTO(strlist_done) struct strlist list = { 0 };
    int32_t rank = changes->last_rank;
    for (size_t i = 0; i < changes->count; i++) {
        const struct history_change *change = &changes->items[i];
        AUTO(free_auto)
        char *sql = change->kind == HISTORY_REMOVE ? mydb_sql_history_delete(m, change->row->rank)
                    : change->kind == HISTORY_REALIGN ? realign_sql(m, change)
                                                      : deleted_sql(run, change, ++rank);
        strlist_add(&list, sql);
    }
    mydb_start_writing(run); // no journal row goes along: after a lost COMMIT all is sent again
    bool resolved = false;
    return mydb_write(run, &list, MYDB_BEGIN | MYDB_COMMIT, &resolved);
}
