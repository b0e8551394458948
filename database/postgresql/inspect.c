// SPDX-License-Identifier: Apache-2.0
// Reading: who we are connected to, history, journal, lease; a gate's query.
#include <libpq-fe.h>
#include "base/auto.h"
#include "base/limits.h"
#include "base/mem.h"
#include "database/postgresql/pgdb.h"
#include "model/reason.h"

#define LOCK_KEY_BASE INT64_C(0x466C79776179) // Flyway's (docs/reference/flyway.md 7.1)
#define OID_BOOL 16u

static bool is_true(const struct pg_result *result, int row, int column)
{
    return str_eq(pgdb_text(result, row, column), "t");
}

static char *copy_text(const struct pg_result *result, int row, int column)
{
    return mem_strdup(pgdb_text(result, row, column));
}

static void copy_into(char *out, size_t size, const struct pg_result *result, int row, int column)
{
    const char *text = pgdb_text(result, row, column);
    snprintf(out, size, "%s", text ? text : "");
}

// ---- identity -----------------------------------------------------------------------------------

static const char identify_sql[] =
    "SELECT pg_catalog.current_setting('server_version'), current_user,"
    " pg_catalog.current_database(), pg_catalog.current_schema(),"
    " pg_catalog.pg_is_in_recovery()"
    "   OR pg_catalog.current_setting('default_transaction_read_only')::bool,"
    " (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user),"
    " pg_catalog.pg_backend_pid(),"
    " (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) * 1000)::bigint,"
    " pg_catalog.current_setting('search_path'),"
    " (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()),"
    " pg_catalog.version() LIKE '%linux%',"
    " EXISTS (SELECT 1 FROM pg_catalog.pg_namespace"
    "         WHERE nspname = coalesce($1, pg_catalog.current_schema())),"
    " (SELECT system_identifier FROM pg_catalog.pg_control_system()),"
    " NOT pg_catalog.current_setting('standard_conforming_strings')::bool";

static char *qualified(const char *schema, const char *table)
{
    AUTO(buf_done) struct buf b = BUF(4096);
    pgdb_ident(&b, schema);
    buf_addc(&b, '.');
    pgdb_ident(&b, table);
    return buf_take(&b);
}

// The schema's own name first, as Flyway does, unless the session's path begins with it already.
static char *make_search_path(const char *schema, const char *session_path)
{
    AUTO(buf_done) struct buf b = BUF(65536);
    pgdb_ident(&b, schema);
    const size_t quoted = b.len, plain = strlen(schema);
    const bool first_quoted = strncmp(session_path, buf_text(&b), quoted) == 0 &&
                              (session_path[quoted] == '\0' || session_path[quoted] == ',');
    const bool first_plain = strncmp(session_path, schema, plain) == 0 &&
                             (session_path[plain] == '\0' || session_path[plain] == ',');
    if (first_quoted || first_plain) {
        return mem_strdup(session_path);
    }
    if (session_path[0] != '\0') {
        buf_addc(&b, ',');
        buf_adds(&b, session_path);
    }
    return buf_take(&b);
}

static void set_names(struct pgdb *pg, const char *session_path)
{
    const char *schema = pg->base.identity.schema;
    free(pg->search_path);
    free(pg->history);
    free(pg->lease);
    free(pg->journal);
    pg->search_path = make_search_path(schema, session_path);
    pg->history = qualified(schema, pg->base.table);
    pg->lease = qualified(schema, "sluice_lease");
    pg->journal = qualified(schema, "sluice_journal");
    pg->lock_key = LOCK_KEY_BASE + lock_java_hash(pg->history);
}

struct err *pgdb_identify(struct db *db)
{
    struct pgdb *pg = pgdb_of(db);
    AUTO(pgdb_clear_auto) PGresult *r = NULL;
    const char *values[] = { pg->target->schema };
    TRY(pgdb_query(pg, &(struct pgdb_command){ identify_sql, false, 1, values },
                   "could not identify the server", &r));
    struct identity *id = &db->identity;
    static const int owed[] = { 0, 1, 2, 6, 7, 8, 9, 12 };
    for (size_t i = 0; i < sizeof owed / sizeof *owed; i++) {
        if (!pgdb_text(r, 0, owed[i])) {
            return err_new(ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE,
                           "could not identify the server: its answer does not fit the "
                           "question");
        }
    }
    const char *schema = pg->target->schema ? pg->target->schema : pgdb_text(r, 0, 3);
    if (!schema) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC,
                       "role '%s' has no current schema in database '%s' (search_path is %s): name "
                       "the schema",
                       pgdb_text(r, 0, 1), pgdb_text(r, 0, 2), pgdb_text(r, 0, 8));
    }
    identity_done(id);
    *id = (struct identity){
        .engine = ENGINE_POSTGRESQL,
        .server_version = PQserverVersion(pg->conn),
        .server_text = mem_printf("PostgreSQL %s", pgdb_text(r, 0, 0)),
        .server_identity = mem_printf("pg:%s/%s", pgdb_text(r, 0, 12), pgdb_text(r, 0, 9)),
        .user = copy_text(r, 0, 1),
        .database = copy_text(r, 0, 2),
        .schema = mem_strdup(schema),
        .read_only = is_true(r, 0, 4),
        .superuser = is_true(r, 0, 5),
        .other_strings = is_true(r, 0, 13),
        .pooled = pgdb_int(r, 0, 6) != PQbackendPID(pg->conn),
        .now_ms = pgdb_int(r, 0, 7),
    };
    pg->linux_server = is_true(r, 0, 10);
    pg->schema_exists = is_true(r, 0, 11);
    set_names(pg, pgdb_text(r, 0, 8));
    return NULL;
}

// ---- the tables ---------------------------------------------------------------------------------

// Only an ordinary table counts as the history, as for Flyway. "Empty" is Flyway's rule
// (docs/reference/flyway.md 1.4), our own two tables aside.
static const char look_sql[] =
    "SELECT coalesce(bool_or(c.relname = $2 AND c.relkind = 'r'), false),"
    " coalesce(bool_or(c.relname = 'sluice_lease' AND c.relkind IN ('r','p')), false),"
    " coalesce(bool_or(c.relname = 'sluice_journal' AND c.relkind IN ('r','p')), false),"
    " coalesce(bool_or(c.relname = 'sluice_lease' AND EXISTS (SELECT 1"
    "   FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'pruned_rank'"
    "   AND NOT a.attisdropped)), false),"
    " coalesce(bool_or(c.relname = 'sluice_lease'"
    "   AND pg_catalog.pg_has_role(c.relowner, 'USAGE')), false),"
    " (pg_catalog.array_agg(w.what) FILTER (WHERE w.what IS NOT NULL"
    "   AND (c.relname <> $2 OR w.hides)))[1],"
    " pg_catalog.string_agg(w.what, ', ') FILTER (WHERE c.relname = $2)"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace"
    " LEFT JOIN LATERAL ("
    "   SELECT 'trigger ' || pg_catalog.quote_ident(tgname) || ' on ' || c.relname AS what,"
    "     false AS hides FROM pg_catalog.pg_trigger"
    "     WHERE c.relhastriggers AND tgrelid = c.oid AND NOT tgisinternal AND tgenabled <> 'D'"
    "   UNION ALL SELECT 'rule ' || pg_catalog.quote_ident(rulename) || ' on ' || c.relname, false"
    "     FROM pg_catalog.pg_rewrite WHERE c.relhasrules AND ev_class = c.oid"
    "     AND c.relkind IN ('r','p') AND ev_enabled <> 'D'"
    "   UNION ALL SELECT 'row security on ' || c.relname, true"
    "     WHERE c.relrowsecurity AND c.relkind IN ('r','p')"
    "     AND pg_catalog.row_security_active(c.oid)) w ON true"
    " WHERE s.nspname = $1 AND c.relname IN ($2, 'sluice_lease', 'sluice_journal')";

static const char empty_sql[] =
    "SELECT NOT EXISTS (SELECT 1 FROM pg_catalog.pg_class x JOIN pg_catalog.pg_namespace n"
    "   ON n.oid = x.relnamespace LEFT JOIN pg_catalog.pg_depend d ON d.objid = x.oid"
    "   AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'e'"
    "   WHERE n.nspname = $1 AND d.objid IS NULL AND x.relkind IN ('r','v','S','t')"
    "   AND x.relname NOT IN ($2,'sluice_lease','sluice_journal'))"
    " AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type x JOIN pg_catalog.pg_namespace n"
    "   ON n.oid = x.typnamespace LEFT JOIN pg_catalog.pg_depend d ON d.objid = x.oid"
    "   AND d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.deptype = 'e'"
    "   WHERE n.nspname = $1 AND d.objid IS NULL AND x.typcategory NOT IN ('A','C'))"
    " AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_proc x JOIN pg_catalog.pg_namespace n"
    "   ON n.oid = x.pronamespace LEFT JOIN pg_catalog.pg_depend d ON d.objid = x.oid"
    "   AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.deptype = 'e'"
    "   WHERE n.nspname = $1 AND d.objid IS NULL)";

static struct err *read_history(const struct db *db, const struct pg_result *r, struct history *out)
{
    const int count = PQntuples(r);
    if (count > LIMIT_HISTORY_ROWS) {
        return db_history_full(db);
    }
    out->rows = mem_grow(out->rows, &out->cap, (size_t)count + 1, sizeof *out->rows);
    for (int i = 0; i < count; i++) {
        struct history_row *row = &out->rows[out->count++];
        row->rank = (int32_t)pgdb_int(r, i, 0);
        row->version_text = copy_text(r, i, 1);
        row->has_version = row->version_text && version_parse(row->version_text, &row->version);
        row->description = copy_text(r, i, 2);
        row->type = copy_text(r, i, 3);
        row->script = copy_text(r, i, 4);
        row->has_checksum = pgdb_text(r, i, 5) != NULL;
        row->checksum = (int32_t)pgdb_int(r, i, 5);
        row->installed_by = copy_text(r, i, 6);
        row->installed_on = copy_text(r, i, 7);
        row->execution_ms = (int32_t)pgdb_int(r, i, 8);
        row->success = is_true(r, i, 9);
    }
    return NULL;
}

#define LEASE_COLUMNS                                                                              \
    "format_version, target_id, server_identity, owner_plan_uid, owner_namespace, owner_name,"     \
    " owner_database, owner_cluster, epoch, attempt, nonce, holder, since, history_table, "

const char *pgdb_lease_columns(bool marks)
{
    return marks ? LEASE_COLUMNS "settled_seq, settled_hash, pruned_seq, pruned_hash, pruned_rank"
                 : LEASE_COLUMNS "NULL, NULL, NULL, NULL, NULL";
}

static void read_mark(const struct pg_result *r, int row, int column, struct journal_mark *out)
{
    out->seq = pgdb_int(r, row, column);
    copy_into(out->hash, sizeof out->hash, r, row, column + 1);
}

void pgdb_read_lease(const struct pg_result *r, int row, struct lease *out)
{
    *out = (struct lease){
        .present = true,
        .format_version = (int32_t)pgdb_int(r, row, 0),
        .server_identity = copy_text(r, row, 2),
        .owner_plan_uid = copy_text(r, row, 3),
        .owner_namespace = copy_text(r, row, 4),
        .owner_name = copy_text(r, row, 5),
        .owner_database = copy_text(r, row, 6),
        .owner_cluster = copy_text(r, row, 7),
        .epoch = pgdb_int(r, row, 8),
        .attempt = pgdb_int(r, row, 9),
        .holder = copy_text(r, row, 11),
        .since = copy_text(r, row, 12),
    };
    copy_into(out->target_id, sizeof out->target_id, r, row, 1);
    copy_into(out->nonce, sizeof out->nonce, r, row, 10);
    read_mark(r, row, 14, &out->settled);
    read_mark(r, row, 16, &out->pruned);
    out->pruned_rank = (int32_t)pgdb_int(r, row, 18);
}

struct err *pgdb_lease_format(const struct lease *lease)
{
    return lease->format_version > DB_LEASE_FORMAT
               ? db_format_too_new("sluice_lease", lease->format_version, DB_LEASE_FORMAT)
               : NULL;
}

// Ours, and one of another history table that has an owner: TargetChanged
// (docs/reference/migrationplan.md 3).
static struct err *read_leases(const struct pgdb *pg, const struct pg_result *r,
                               struct inspection *out)
{
    for (int i = 0; i < PQntuples(r); i++) {
        if (!str_eq(pgdb_text(r, i, 13), pg->base.table)) {
            if (!out->other_lease_table && pgdb_text(r, i, 3)) {
                out->other_lease_table = copy_text(r, i, 13);
            }
            continue;
        }
        pgdb_read_lease(r, i, &out->lease);
        TRY(pgdb_lease_format(&out->lease));
    }
    return NULL;
}

// Which tables there are decides what can be asked, so this is the one trip that cannot be folded.
static struct err *look(struct pgdb *pg, struct inspection *out)
{
    AUTO(pgdb_clear_auto) PGresult *r = NULL;
    const char *values[] = { pg->base.identity.schema, pg->base.table };
    TRY(pgdb_query(pg, &(struct pgdb_command){ look_sql, false, 2, values },
                   "could not look for the history table", &r));
    out->history.table_exists = is_true(r, 0, 0);
    pg->has_lease = is_true(r, 0, 1);
    out->journal.table_exists = is_true(r, 0, 2);
    pg->has_marks = is_true(r, 0, 3);
    pg->may_alter = is_true(r, 0, 4);
    mem_strset(&pg->watchers, pgdb_text(r, 0, 6));
    return pgdb_refuse_changed_tables(pgdb_text(r, 0, 5));
}

// Asked only where it can matter: it looks through three catalogs.
static struct err *look_whether_empty(struct pgdb *pg, struct history *out)
{
    AUTO(pgdb_clear_auto) PGresult *r = NULL;
    const char *values[] = { pg->base.identity.schema, pg->base.table };
    if (out->count > 0) {
        return NULL;
    }
    TRY(pgdb_query(pg, &(struct pgdb_command){ empty_sql, false, 2, values },
                   "could not find out whether the schema is empty", &r));
    out->schema_empty = is_true(r, 0, 0);
    return NULL;
}

enum {
    READ_BEGIN,
    READ_HISTORY,
    READ_JOURNAL,
    READ_LEASE,
    READ_COMMIT,
    READ_COUNT
};

static struct err *read_tables(struct pgdb *pg, enum journal_scope scope,
                               struct pg_result *results[READ_COUNT], const struct inspection *out)
{
    static const char nothing[] = "SELECT 1 WHERE false";
    const char *values[] = { pg->base.table };
    AUTO(free_auto) char *history = mem_printf(
        "SELECT installed_rank, version, description, type, script, checksum, installed_by,"
        " installed_on, execution_time, success FROM %s WHERE installed_rank > -1 ORDER BY 1",
        pg->history);
    AUTO(free_auto) char *journal = pgdb_journal_select(pg, scope, out->history.table_exists);
    AUTO(free_auto) char *lease = mem_printf("SELECT %s FROM %s ORDER BY history_table",
                                             pgdb_lease_columns(pg->has_marks), pg->lease);
    const struct pgdb_command commands[READ_COUNT] = {
        { "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", false, 0, NULL }, // one snapshot
        { out->history.table_exists ? history : nothing, false, 0, NULL },
        { out->journal.table_exists ? journal : nothing, false, out->journal.table_exists ? 1 : 0,
          values },
        { pg->has_lease ? lease : nothing, false, 0, NULL },
        { "COMMIT", false, 0, NULL },
    };
    AUTO(pgdb_fault_done) struct pgdb_fault fault = { 0 };
    int failed = 0;
    if (!pgdb_batch(pg, commands, READ_COUNT, results, &fault, &failed)) {
        return pgdb_fault_err(&fault, pg->stopped, "could not read the history");
    }
    return NULL;
}

struct err *pgdb_inspect(struct db *db, enum journal_scope scope, struct inspection *out)
{
    struct pgdb *pg = pgdb_of(db);
    TRY(look(pg, out));
    if (!out->history.table_exists && !out->journal.table_exists && !pg->has_lease) {
        return look_whether_empty(pg, &out->history);
    }
    struct pg_result *results[READ_COUNT] = { NULL };
    struct err *e = read_tables(pg, scope, results, out);
    if (!e) {
        e = read_history(db, results[READ_HISTORY], &out->history);
    }
    if (!e) {
        e = pgdb_journal_rows(db, results[READ_JOURNAL], &out->journal);
    }
    if (!e) {
        e = read_leases(pg, results[READ_LEASE], out);
    }
    for (int i = 0; i < READ_COUNT; i++) {
        PQclear(results[i]);
    }
    return e ? e : look_whether_empty(pg, &out->history);
}

// ---- gates --------------------------------------------------------------------------------------

static bool is_nonzero(const char *text, bool *number)
{
    bool nonzero = false, digits = false;
    const char *p = text;
    p += *p == '-' || *p == '+' ? 1 : 0;
    for (; (*p >= '0' && *p <= '9') || *p == '.'; p++) {
        digits = digits || *p != '.';
        nonzero = nonzero || (*p >= '1' && *p <= '9');
    }
    if (digits && (*p == 'e' || *p == 'E')) { // of a double; the exponent does not make it zero
        p++;
        p += *p == '-' || *p == '+' ? 1 : 0;
        p += strspn(p, "0123456789");
    }
    *number = digits && *p == '\0';
    return nonzero;
}

static struct err *judge_gate(const struct pg_result *r, struct gate_value *out)
{
    *out = (struct gate_value){ 0 };
    if (PQntuples(r) == 0 && PQnfields(r) == 1) {
        snprintf(out->text, sizeof out->text, "no row");
        return NULL;
    }
    if (PQntuples(r) != 1 || PQnfields(r) != 1) {
        return err_new(ERR_TERMINAL, REASON_ANALYSIS_UNAVAILABLE,
                       "the query gave %d rows of %d columns: one row of one column is needed",
                       PQntuples(r), PQnfields(r));
    }
    const char *text = pgdb_text(r, 0, 0);
    bool number = false, pass = false;
    if (text && PQftype(r, 0) == OID_BOOL) {
        pass = text[0] == 't';
        text = pass ? "true" : "false";
    } else if (text) {
        pass = is_nonzero(text, &number);
        if (!number) {
            return err_new(ERR_TERMINAL, REASON_ANALYSIS_UNAVAILABLE,
                           "the query's value is neither a boolean nor a number");
        }
    }
    out->answered = true;
    out->pass = pass;
    snprintf(out->text, sizeof out->text, "%s", text ? text : "NULL");
    return NULL;
}

struct err *pgdb_gate(struct db *db, const char *query, int64_t timeout_ms, struct gate_value *out)
{
    struct pgdb *pg = pgdb_of(db);
    char timeout[24];
    snprintf(timeout, sizeof timeout, "%lld", (long long)timeout_ms);
    const char *values[] = { timeout, pg->search_path };
    const struct pgdb_command commands[] = {
        { "BEGIN READ ONLY", false, 0, NULL },
        { "SELECT pg_catalog.set_config('statement_timeout', $1, true),"
          " pg_catalog.set_config('lock_timeout', $1, true),"
          " pg_catalog.set_config('search_path', $2, true)",
          false, 2, values },
        { query, false, 0, NULL },
        { "ROLLBACK", false, 0, NULL },
    };
    struct pg_result *results[4] = { NULL };
    AUTO(pgdb_fault_done) struct pgdb_fault fault = { 0 };
    int failed = 0;
    const int64_t before = pg->options.query_timeout_ms;
    pg->options.query_timeout_ms = timeout_ms + 1000; // the server's own limit first
    const bool ok = pgdb_batch(pg, commands, 4, results, &fault, &failed);
    pg->options.query_timeout_ms = before;
    struct err *e = ok ? judge_gate(results[2], out)
                       : pgdb_fault_err(&fault, pg->stopped, "the query did not answer");
    for (int i = 0; i < 4; i++) {
        PQclear(results[i]);
    }
    return e;
}

// ---- other tools --------------------------------------------------------------------------------

static const char histories_sql[] =
    "SELECT c.relname, (SELECT pg_catalog.string_agg(pg_catalog.lower(a.attname::text), ',')"
    "   FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0"
    "   AND NOT a.attisdropped)"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = $1 AND c.relkind IN ('r','p') AND c.relname <> $2"
    " AND (pg_catalog.lower(c.relname::text) IN (" FOREIGN_NAMES ")"
    "   OR EXISTS (SELECT 1 FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid"
    "              AND a.attname = 'installed_rank')) ORDER BY 1 LIMIT 20";

struct err *pgdb_find_histories(struct db *db, struct kvlist *out)
{
    struct pgdb *pg = pgdb_of(db);
    AUTO(pgdb_clear_auto) PGresult *r = NULL;
    const char *values[] = { pg->base.identity.schema, pg->base.table };
    TRY(pgdb_query(pg, &(struct pgdb_command){ histories_sql, false, 2, values },
                   "could not look for other history tables", &r));
    for (int i = 0; i < PQntuples(r); i++) {
        const char *columns = pgdb_text(r, i, 1);
        kvlist_set(out, pgdb_value(r, i, 0), columns ? columns : "");
    }
    return NULL;
}
