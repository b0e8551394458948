// SPDX-License-Identifier: Apache-2.0
// The index that a CREATE INDEX CONCURRENTLY describes: made on an empty copy of the table in a transaction that is
// rolled back, so that an index which somebody else makes is never taken for ours (docs/explanation/engine.md 4).
#include <libpq-fe.h>
#include <strings.h>
#include "base/auto.h"
#include "base/mem.h"
#include "database/postgresql/pgdb.h"
#include "reconcile/migration/script.h"

#define COPY "pg_temp.sluice_copy"
// All of an index but its name and its table's.
#define DEFINITION                                                                                 \
    "i.indisunique::text || pg_catalog.substr(d.def, pg_catalog.strpos(d.def, ' USING '))"
#define FROM_INDEX                                                                                 \
    " FROM pg_catalog.pg_index i, LATERAL (SELECT pg_catalog.pg_get_indexdef(i.indexrelid) AS "    \
    "def) d"

const struct object_ref *pgdb_object_of(const struct statement *s, const char *type)
{
    for (size_t i = 0; i < s->object_count; i++) {
        if (str_eq(s->objects[i].type, type)) {
            return &s->objects[i];
        }
    }
    return NULL;
}

// As to_regclass() reads it; "" when the statement names none.
char *pgdb_quoted_name(const struct object_ref *object)
{
    AUTO(buf_done) struct buf b = BUF(4096);
    if (object && object->schema && object->schema[0]) {
        pgdb_ident(&b, object->schema);
        buf_addc(&b, '.');
    }
    if (object) {
        pgdb_ident(&b, object->name);
    }
    return buf_take(&b);
}

// The word stands between INDEX and the first name, where only comments can be, too.
static bool find_concurrently(const struct statement *s, size_t limit, struct text_edit *out)
{
    static const char word[] = "CONCURRENTLY";
    for (size_t i = 0; i + sizeof word - 1 <= limit; i++) {
        if (strncasecmp(s->text + i, word, sizeof word - 1) == 0) {
            *out = (struct text_edit){ i, i + sizeof word - 1, "" };
            return true;
        }
    }
    return false;
}

// The statement for the copy; NULL: its names are not where they were read.
static char *copy_statement(const struct statement *s)
{
    const struct object_ref *table = pgdb_object_of(s, "table"),
                            *index = pgdb_object_of(s, "index");
    struct text_edit edits[3];
    size_t count = 0;
    if (!table || table->start < s->expanded_offset) {
        return NULL;
    }
    const size_t first = (index ? index : table)->start - s->expanded_offset;
    if (!find_concurrently(s, first, &edits[count++])) {
        return NULL;
    }
    if (index) {
        edits[count++] =
            (struct text_edit){ first, index->end - s->expanded_offset, "sluice_index" };
    }
    edits[count++] = (struct text_edit){ table->start - s->expanded_offset,
                                         table->end - s->expanded_offset, COPY };
    return script_edited(s, edits, count);
}

struct err *pgdb_index_wanted(struct pgdb *pg, const struct statement *s, char **out)
{
    AUTO(free_auto) char *index_sql = copy_statement(s);
    if (!index_sql) {
        return NULL;
    }
    AUTO(free_auto) char *name = pgdb_quoted_name(pgdb_object_of(s, "table"));
    AUTO(free_auto) char *copy_sql =
        mem_printf("CREATE TEMPORARY TABLE sluice_copy (LIKE %s)", name);
    const struct pgdb_command commands[] = {
        { .sql = "BEGIN" },
        { .sql = "SET LOCAL client_min_messages = error" },
        { .sql = copy_sql },
        { .sql = index_sql },
        { .sql = "SELECT " DEFINITION FROM_INDEX " WHERE i.indrelid = pg_catalog.to_regclass('" COPY
                 "')" },
        { .sql = "ROLLBACK" },
    };
    struct pg_result *results[6] = { NULL };
    AUTO(pgdb_fault_done) struct pgdb_fault fault = { 0 };
    int failed = 0;
    const bool ok = pgdb_batch(pg, commands, 6, results, &fault, &failed);
    const char *text = ok && PQntuples(results[4]) == 1 ? pgdb_text(results[4], 0, 0) : NULL;
    *out = mem_strdup(text);
    for (int i = 0; i < 6; i++) {
        PQclear(results[i]);
    }
    // A refusal (no right to make temporary tables) leaves it unknown; a lost server says nothing.
    return fault.lost || pg->stopped
               ? pgdb_fault_err(&fault, pg->stopped, "could not find out which index was wanted")
               : NULL;
}

struct err *pgdb_index_is(struct pgdb *pg, const char *index, const char *wanted, bool *out)
{
    const char *values[] = { index, wanted };
    AUTO(pgdb_clear_auto) PGresult *r = NULL;
    TRY(pgdb_query(pg,
                   &(struct pgdb_command){ "SELECT " DEFINITION " = $2" FROM_INDEX
                                           " WHERE i.indexrelid = pg_catalog.to_regclass($1)",
                                           false, 2, values },
                   "could not read the index", &r));
    *out = PQntuples(r) == 1 && str_eq(pgdb_text(r, 0, 0), "t");
    return NULL;
}

// Who builds an index concurrently holds this lock on its table from the beginning to the end.
struct err *pgdb_index_builder(struct pgdb *pg, const char *table_oid, char **out)
{
    static const char sql[] =
        "SELECT l.pid FROM pg_catalog.pg_locks l WHERE l.locktype = 'relation' AND l.granted"
        " AND l.mode = 'ShareUpdateExclusiveLock' AND l.relation = $1::oid"
        " AND l.pid <> pg_catalog.pg_backend_pid() AND l.database ="
        " (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())"
        " ORDER BY 1 LIMIT 1";
    const char *values[] = { table_oid };
    AUTO(pgdb_clear_auto) PGresult *r = NULL;
    TRY(pgdb_query(pg, &(struct pgdb_command){ sql, false, 1, values },
                   "could not find out whether an index is being built", &r));
    *out = PQntuples(r) == 1 ? mem_strdup(pgdb_text(r, 0, 0)) : NULL;
    return NULL;
}
