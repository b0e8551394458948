// SPDX-License-Identifier: Apache-2.0
// Which tables have an engine without transactions, and which names lead to one: views, tables with triggers, programs.
#include "base/mem.h"
#include "database/mysql/mydb.h"

#define SCHEMAS_MAX 16

// Asking costs the server a look at every table: not again after each CREATE TABLE ... ENGINE=InnoDB.
void mydb_engines_forget(struct mydb *m, const struct statement *s)
{
    const bool plain = m->loose.innodb && m->loose.names.count == 0;
    const bool other = mydb_mentions(s, "engine") && !mydb_mentions(s, "innodb");
    if (!plain || other || mydb_mentions(s, "like") || s->class == STEP_OTHER) {
        m->loose.known = false;
    }
}

void mydb_loose_done(struct mydb *m)
{
    strlist_done(&m->loose.schemas);
    strlist_done(&m->loose.names);
    strlist_done(&m->loose.plain);
    m->loose.known = false;
}

static bool has(const struct strlist *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (str_ieq(list->items[i], text)) {
            return true;
        }
    }
    return false;
}

void mydb_loose_look_into(struct mydb *m, const char *schema)
{
    if (schema && *schema && !str_ieq(schema, mydb_session_schema(m)) &&
        !has(&m->loose.schemas, schema) && m->loose.schemas.count < SCHEMAS_MAX) {
        strlist_add(&m->loose.schemas, schema);
        m->loose.known = false;
    }
}

// ---- reading ------------------------------------------------------------------------------------

// "WHERE <column> = " is at the end of `select`: one branch for each schema, because only equality is looked up.
static void add_branches(struct buf *sql, const struct mydb *m, const char *select,
                         const char *rest)
{
    for (size_t i = 0; i <= m->loose.schemas.count; i++) {
        buf_adds(sql, sql->len > 0 ? " UNION ALL " : "");
        buf_adds(sql, select);
        mydb_add_text(sql, i == 0 ? mydb_session_schema(m) : m->loose.schemas.items[i - 1]);
        buf_adds(sql, rest);
    }
}

static struct err *read_tables(struct mydb *m)
{
    AUTO(buf_done) struct buf sql = BUF(64 * 1024);
    buf_adds(&sql, "SELECT @@default_storage_engine, '', 1");
    add_branches(
        &sql, m,
        "SELECT table_name, table_schema, EXISTS (SELECT 1 FROM information_schema.triggers g "
        "WHERE g.event_object_schema = t.table_schema AND g.event_object_table = "
        "t.table_name) FROM information_schema.tables t WHERE table_schema = ",
        " AND table_type = 'BASE TABLE' AND engine NOT IN (SELECT engine FROM "
        "information_schema.engines WHERE transactions = 'YES')");
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_read(m, "look for tables without transactions", buf_text(&sql), &result));
    char **engine = mydb_next(result);
    m->loose.innodb = engine && str_ieq(engine[0], "InnoDB");
    for (char **row; (row = mydb_next(result));) {
        if (!row[0] || !row[1]) {
            return mydb_no_row(m, "look for tables without transactions");
        }
        strlist_add(&m->loose.names, row[0]);
        if (mydb_int64(row[2], 1) == 0) {
            AUTO(free_auto) char *table = mem_printf("%s.%s", row[1], row[0]);
            strlist_add(&m->loose.plain, table);
        }
    }
    return NULL;
}

static bool text_leads_there(const struct mydb *m, char *text)
{
    return mydb_loose_named(m, &(struct statement){ .text = text, .text_length = strlen(text) });
}

// What is not readable with the rights of this user is found at a ROLLBACK, by its warning.
static struct err *read_ways(struct mydb *m)
{
    AUTO(buf_done) struct buf sql = BUF(64 * 1024);
    add_branches(&sql, m,
                 "SELECT table_name, view_definition FROM information_schema.views WHERE "
                 "table_schema = ",
                 "");
    add_branches(&sql, m,
                 "SELECT event_object_table, action_statement FROM information_schema.triggers "
                 "WHERE event_object_schema = ",
                 "");
    add_branches(&sql, m,
                 "SELECT routine_name, routine_definition FROM information_schema.routines WHERE "
                 "routine_schema = ",
                 "");
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_read(m, "find the views, triggers and routines that use them", buf_text(&sql),
                  &result));
    for (bool more = true; more;) { // one may lead to another
        more = false;
        mydb_rewind(result);
        for (char **row; (row = mydb_next(result));) {
            if (row[0] && row[1] && !has(&m->loose.names, row[0]) && text_leads_there(m, row[1])) {
                strlist_add(&m->loose.names, row[0]);
                more = true;
            }
        }
    }
    return NULL;
}

struct err *mydb_loose_read(struct mydb *m)
{
    strlist_done(&m->loose.names);
    strlist_done(&m->loose.plain);
    TRY(mydb_own_begin(m));
    TRY(read_tables(m));
    TRY(m->loose.names.count > 0 ? read_ways(m) : NULL);
    TRY(mydb_own_end(m));
    m->loose.known = true;
    return NULL;
}

// ---- asking -------------------------------------------------------------------------------------

const char *mydb_loose_named(const struct mydb *m, const struct statement *s)
{
    for (size_t i = 0; i < m->loose.names.count; i++) {
        if (mydb_mentions(s, m->loose.names.items[i])) {
            return m->loose.names.items[i];
        }
    }
    return NULL;
}

bool mydb_loose_only(const struct mydb *m, const struct statement *s)
{
    const struct object_ref *t = &s->writes;
    if (!t->name || s->calls) {
        return false;
    }
    AUTO(free_auto) char *table =
        mem_printf("%s.%s", t->schema[0] ? t->schema : mydb_session_schema(m), t->name);
    return has(&m->loose.plain, table);
}
