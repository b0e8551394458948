// SPDX-License-Identifier: Apache-2.0
// What a CONCURRENTLY statement left in the catalogue (docs/explanation/engine.md 4).
#include <libpq-fe.h>
#include "base/auto.h"
#include "base/json.h"
#include "base/mem.h"
#include "database/postgresql/pgdb.h"
#include "model/reason.h"

// ---- before -------------------------------------------------------------------------------------

// An index leads to its table; an index is looked for by its own name only if no table is named.
static const char before_sql[] =
    "SELECT t.oid::text, (SELECT pg_catalog.string_agg(indexrelid::text, ',' ORDER BY indexrelid)"
    "  FROM pg_catalog.pg_index WHERE indrelid = t.oid)"
    " FROM (SELECT coalesce(pg_catalog.to_regclass(nullif($1, ''))::oid,"
    "  (SELECT indrelid FROM pg_catalog.pg_index"
    "   WHERE indexrelid = pg_catalog.to_regclass(nullif($2, '')))) AS oid) t"
    " WHERE t.oid IS NOT NULL";

struct err *pgdb_probe_before(struct pgdb *pg, const struct statement *statement, char **out)
{
    AUTO(free_auto) char *table = pgdb_quoted_name(pgdb_object_of(statement, "table"));
    AUTO(free_auto) char *index = pgdb_quoted_name(pgdb_object_of(statement, "index"));
    AUTO(pgdb_clear_auto) PGresult *r = NULL;
    const char *values[] = { table, table[0] ? "" : index };
    TRY(pgdb_query(pg, &(struct pgdb_command){ before_sql, false, 2, values },
                   "could not read the indexes", &r));
    if (PQntuples(r) == 0) { // IF EXISTS, or the statement will fail
        *out = mem_strdup("{\"table\":0,\"indexes\":[]}");
        return NULL;
    }
    const char *indexes = pgdb_text(r, 0, 1);
    *out =
        mem_printf("{\"table\":%s,\"indexes\":[%s]}", pgdb_value(r, 0, 0), indexes ? indexes : "");
    return NULL;
}

struct before { // pre_state, read back
    char table[24];
    char *indexes; // as an array literal; owned
};

static void before_done(struct before *b)
{
    free(b->indexes);
}

static struct err *before_parse(const char *pre_state, struct before *out)
{
    AUTO(json_free_auto) struct json *root = NULL;
    TRY(json_parse(pre_state, strlen(pre_state), "pre_state", &root));
    AUTO(buf_done) struct buf b = BUF(1 << 20);
    buf_addc(&b, '{');
    const struct json *list = json_get(root, "indexes");
    for (const struct json *i = json_first(list); i; i = json_next(i)) {
        int64_t oid = 0;
        json_int64(i, &oid);
        buf_addf(&b, "%s%lld", b.len > 1 ? "," : "", (long long)oid);
    }
    buf_addc(&b, '}');
    snprintf(out->table, sizeof out->table, "%lld", (long long)json_get_int64(root, "table", 0));
    out->indexes = buf_take(&b);
    return NULL;
}

// ---- leftovers ----------------------------------------------------------------------------------

// Indexes of the table: quoted name, plain name, valid, was it there before.
static const char indexes_sql[] =
    "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), c.relname, i.indisvalid,"
    " i.indexrelid = ANY ($2::oid[])"
    " FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE i.indrelid = $1::oid ORDER BY i.indexrelid";

static struct err *read_indexes(struct pgdb *pg, const struct before *before,
                                struct pg_result **out)
{
    const char *values[] = { before->table, before->indexes };
    return pgdb_query(pg, &(struct pgdb_command){ indexes_sql, false, 2, values },
                      "could not read the indexes", out);
}

// A statement that may wait for others: watched, and cancelled when blocked for too long.
static struct err *run_long(struct pgdb *pg, const char *sql, const char *what)
{
    const struct statement statement = { .text = (char *)(uintptr_t)sql };
    AUTO(pgdb_fault_done) struct pgdb_fault fault = { 0 };
    if (pgdb_run_statement(pg, &statement, &fault)) {
        return NULL;
    }
    struct err *e = pgdb_fault_err(&fault, pg->stopped, what);
    if (str_eq(pg->stopped, REASON_LOCK_TIMEOUT) && pg->blocker) {
        err_free(e);
        e = err_new(ERR_TRANSIENT, REASON_LOCK_TIMEOUT, "%s: blocked by %s", what, pg->blocker);
    }
    return e;
}

static struct err *drop_index(struct pgdb *pg, const char *quoted)
{
    AUTO(free_auto) char *sql = mem_printf("DROP INDEX CONCURRENTLY IF EXISTS %s", quoted);
    AUTO(free_auto) char *what = mem_printf("could not drop the invalid index %s", quoted);
    return run_long(pg, sql, what);
}

static bool is_reindex_leftover(const char *name, bool old)
{
    const char *new_mark = strstr(name, "_ccnew"), *old_mark = strstr(name, "_ccold");
    const char *mark = new_mark && !old ? new_mark : old_mark; // _ccold had its oid before
    return mark && mark[6 + strspn(mark + 6, "0123456789")] == '\0';
}

static bool is_text(const struct pg_result *r, int row, int column, const char *text)
{
    return str_eq(pgdb_text(r, row, column), text);
}

// An invalid index is dropped only when nobody is at work on its table: theirs is invalid while it is being built.
static struct err *drop_leftover(struct pgdb *pg, const struct before *before, const char *quoted)
{
    AUTO(free_auto) char *builder = NULL;
    TRY(pgdb_index_builder(pg, before->table, &builder));
    if (builder) {
        return err_new(
            ERR_TRANSIENT, REASON_LOCK_TIMEOUT,
            "process %s is at work on the table of the invalid index %s: it may be building it",
            builder, quoted);
    }
    return drop_index(pg, quoted);
}

static struct err *after_create(struct pgdb *pg, const struct statement *statement,
                                const struct before *before, enum pgdb_probe *out)
{
    const struct object_ref *named = pgdb_object_of(statement, "index");
    AUTO(free_auto) char *wanted = NULL;
    AUTO(pgdb_clear_auto) PGresult *r = NULL;
    TRY(read_indexes(pg, before, &r));
    for (int i = 0; i < PQntuples(r); i++) {
        if (is_text(r, i, 3, "t") || (named && !is_text(r, i, 1, named->name))) {
            continue;
        }
        bool ours = false;
        if (!wanted) {
            TRY(pgdb_index_wanted(pg, statement, &wanted));
        }
        if (!wanted) {
            *out = PROBE_UNKNOWN;
            return NULL;
        }
        TRY(pgdb_index_is(pg, pgdb_value(r, i, 0), wanted, &ours));
        if (ours && is_text(r, i, 2, "t")) {
            *out = PROBE_DONE;
        } else if (ours) {
            TRY(drop_leftover(pg, before, pgdb_value(r, i, 0)));
        }
    }
    return NULL;
}

static struct err *after_reindex(struct pgdb *pg, const struct before *before)
{
    AUTO(pgdb_clear_auto) PGresult *r = NULL;
    TRY(read_indexes(pg, before, &r));
    for (int i = 0; i < PQntuples(r); i++) {
        const bool old = is_text(r, i, 3, "t");
        if (is_text(r, i, 2, "f") && is_reindex_leftover(pgdb_value(r, i, 1), old)) {
            TRY(drop_leftover(pg, before, pgdb_value(r, i, 0)));
        }
    }
    return NULL;
}

static struct err *after_drop(struct pgdb *pg, const struct statement *statement,
                              enum pgdb_probe *out)
{
    AUTO(free_auto) char *index = pgdb_quoted_name(pgdb_object_of(statement, "index"));
    AUTO(pgdb_clear_auto) PGresult *r = NULL;
    const char *values[] = { index };
    TRY(pgdb_query(pg,
                   &(struct pgdb_command){ "SELECT pg_catalog.to_regclass($1)", false, 1, values },
                   "could not look for the index", &r));
    *out = pgdb_text(r, 0, 0) ? PROBE_AGAIN : PROBE_DONE;
    return NULL;
}

static const char detach_sql[] =
    "SELECT inhdetachpending FROM pg_catalog.pg_inherits"
    " WHERE inhparent = pg_catalog.to_regclass($1) AND inhrelid = pg_catalog.to_regclass($2)";

static struct err *after_detach(struct pgdb *pg, const struct statement *s, enum pgdb_probe *out)
{
    if (s->object_count < 2) {
        return NULL;
    }
    AUTO(free_auto) char *parent = pgdb_quoted_name(&s->objects[0]);
    AUTO(free_auto) char *part = pgdb_quoted_name(&s->objects[1]);
    AUTO(pgdb_clear_auto) PGresult *r = NULL;
    const char *values[] = { parent, part };
    TRY(pgdb_query(pg, &(struct pgdb_command){ detach_sql, false, 2, values },
                   "could not read the partition", &r));
    if (PQntuples(r) > 0 && is_text(r, 0, 0, "t")) {
        AUTO(free_auto) char *sql =
            mem_printf("ALTER TABLE %s DETACH PARTITION %s FINALIZE", parent, part);
        TRY(run_long(pg, sql, "could not finish the detach of the partition"));
        *out = PROBE_DONE;
        return NULL;
    }
    *out = PQntuples(r) > 0 ? PROBE_AGAIN : PROBE_DONE;
    return NULL;
}

struct err *pgdb_probe_after(struct pgdb *pg, const struct statement *statement,
                             const char *pre_state, enum pgdb_probe *out)
{
    AUTO(before_done) struct before before = { .indexes = NULL };
    TRY(before_parse(pre_state, &before));
    *out = PROBE_AGAIN;
    switch (statement->verb) {
    case VERB_CREATE_INDEX:
        return after_create(pg, statement, &before, out);
    case VERB_REINDEX: // complete or not: again does no harm
        return after_reindex(pg, &before);
    case VERB_DROP_INDEX:
        return str_eq(before.table, "0") ? NULL : after_drop(pg, statement, out);
    case VERB_DETACH_PARTITION:
        return after_detach(pg, statement, out);
    default:
        return NULL;
    }
}

struct err *pgdb_probe_invalid(struct pgdb *pg, const struct statement *statement,
                               const char *pre_state, char **out)
{
    const struct object_ref *named = pgdb_object_of(statement, "index");
    AUTO(before_done) struct before before = { .indexes = NULL };
    AUTO(pgdb_clear_auto) PGresult *r = NULL;
    if (statement->verb != VERB_CREATE_INDEX || !named) { // one without a name is new, or fails
        return NULL;
    }
    TRY(before_parse(pre_state, &before));
    TRY(read_indexes(pg, &before, &r));
    for (int i = 0; i < PQntuples(r); i++) {
        if (is_text(r, i, 1, named->name) && is_text(r, i, 2, "f")) {
            mem_strset(out, pgdb_value(r, i, 0));
        }
    }
    return NULL;
}

struct err *pgdb_verify(struct run *run, const struct migration *file, bool *out)
{
    AUTO(free_auto) char *sql = NULL;
    AUTO(pgdb_clear_auto) PGresult *r = NULL;
    AUTO(free_auto) char *what = mem_printf("%s: verify=", file->path);
    TRY(placeholders_verify(file, &run->placeholders, &sql));
    struct err *e = pgdb_query(pgdb_of(run->db), &(struct pgdb_command){ .sql = sql }, what, &r);
    if (e && e->kind == ERR_TERMINAL) { // the query is the file's, so is its error
        struct err *failed = err_new(ERR_TERMINAL, REASON_MIGRATION_FAILED, "%s", e->message);
        err_free(e);
        return failed;
    }
    TRY(e);
    *out = pgdb_verify_value(r);
    return NULL;
}
