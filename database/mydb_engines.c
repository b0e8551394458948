// SPDX-License-Identifier: Apache-2.0
// Tables whose engine has no transactions: DML on them is not undone by ROLLBACK, so it is class X.
#include "database/mydb_file.h"
#include "reconcile/base/mem.h"

// Asking costs the server a look at every table: not again after each CREATE TABLE ... ENGINE=InnoDB.
void mydb_engines_forget(struct mydb *m, const struct statement *s)
{
    const bool plain = m->loose.innodb && m->loose.tables.count == 0;
    const bool other = mydb_mentions(s, "engine") && !mydb_mentions(s, "innodb");
    if (!plain || other || mydb_mentions(s, "like") || s->class == STEP_OTHER) {
        m->loose.known = false;
    }
}

static struct err *read_loose(struct mydb *m)
{
    AUTO(buf_done) struct buf sql = BUF(4096);
    buf_adds(&sql, "SELECT @@default_storage_engine UNION ALL SELECT table_name FROM "
                   "information_schema.tables WHERE table_schema = ");
    mydb_add_text(&sql, mydb_session_schema(m));
    buf_adds(&sql, " AND table_type = 'BASE TABLE' AND engine NOT IN (SELECT engine FROM "
                   "information_schema.engines WHERE transactions = 'YES')");
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_own_begin(m));
    TRY(mydb_read(m, "look for tables without transactions", buf_text(&sql), &result));
    TRY(mydb_own_end(m));
    strlist_done(&m->loose.tables);
    char **engine = mydb_next(result);
    m->loose.innodb = engine && str_ieq(engine[0], "InnoDB");
    for (char **row; (row = mydb_next(result));) {
        strlist_add(&m->loose.tables, row[0]);
    }
    m->loose.known = true;
    return NULL;
}

static bool names_loose(const struct mydb *m, const struct statement *s)
{
    for (size_t i = 0; i < m->loose.tables.count; i++) {
        if (mydb_mentions(s, m->loose.tables.items[i])) {
            return true;
        }
    }
    return false;
}

struct err *mydb_engines_check(struct mydb_file *f, size_t index)
{
    for (size_t i = index; i < f->script.count && mydb_groups(&f->script.statements[i]); i++) {
        struct statement *s = &f->script.statements[i];
        if (s->class != STEP_TRANSACTIONAL || f->complete[i] || mydb_starts_with(s, "select")) {
            continue;
        }
        if (!f->m->loose.known) {
            TRY(read_loose(f->m));
        }
        if (names_loose(f->m, s)) {
            s->class = STEP_OTHER;
            f->stepped = true;
        }
    }
    return NULL;
}
