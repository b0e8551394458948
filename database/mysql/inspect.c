// SPDX-License-Identifier: Apache-2.0
// Reading history and lease: one trip each, in one snapshot for an inspection.
#include <inttypes.h>
#include "base/limits.h"
#include "base/mem.h"
#include "database/mysql/mydb.h"
#include "model/reason.h"

#define NO_SUCH_TABLE 1146
#define NO_SUCH_COLUMN 1054

static void copy_into(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text ? text : "");
}

// ---- history ------------------------------------------------------------------------------------

static void parse_history(char **row, struct history_row *out)
{
    int64_t checksum = mydb_int64(row[5], 0);
    *out = (struct history_row){
        .rank = (int32_t)mydb_int64(row[0], 0),
        .version_text = mem_strdup(row[1]),
        .description = mem_strdup(row[2]),
        .type = mem_strdup(row[3]),
        .script = mem_strdup(row[4]),
        .has_checksum = row[5] != NULL,
        .checksum = (int32_t)checksum,
        .installed_by = mem_strdup(row[6]),
        .installed_on = mem_strdup(row[7]),
        .execution_ms = (int32_t)mydb_int64(row[8], 0),
        .success = mydb_int64(row[9], 0) != 0,
    };
    out->has_version = row[1] && version_parse(row[1], &out->version);
}

static struct err *read_history(struct mydb *m, struct history *out)
{
    AUTO(buf_done) struct buf sql = BUF(4096);
    // In UTC whatever the session's zone: a timestamp column is shown in it.
    buf_adds(&sql,
             "SELECT installed_rank, version, description, type, script, checksum, installed_by, "
             "IFNULL(CONVERT_TZ(installed_on, @@session.time_zone, '+00:00'), installed_on), "
             "execution_time, success FROM ");
    mydb_add_table(&sql, m, m->base.table);
    buf_addf(&sql, " WHERE installed_rank > -1 ORDER BY installed_rank LIMIT %d",
             LIMIT_HISTORY_ROWS + 1);
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    const unsigned code = mydb_try_read(m, buf_text(&sql), &result);
    if (code == NO_SUCH_TABLE) {
        return NULL;
    }
    if (code) {
        return mydb_error(m, "read the history table");
    }
    out->table_exists = true;
    if (mydb_rows(result) > LIMIT_HISTORY_ROWS) {
        return db_history_full(&m->base);
    }
    out->rows = mem_array(mydb_rows(result) + 1, sizeof *out->rows);
    out->cap = mydb_rows(result) + 1;
    for (char **row; (row = mydb_next(result));) {
        parse_history(row, &out->rows[out->count++]);
    }
    return NULL;
}

// Flyway's question (docs/reference/flyway.md 1.4), our own two tables aside.
static struct err *read_emptiness(struct mydb *m, struct history *out)
{
    AUTO(buf_done) struct buf schema = BUF(1024);
    mydb_add_text(&schema, m->base.identity.schema);
    AUTO(buf_done) struct buf table = BUF(1024);
    mydb_add_text(&table, m->base.table);
    const char *s = buf_text(&schema);
    AUTO(free_auto) char *sql = mem_printf(
        "SELECT EXISTS (SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND "
        "table_name NOT IN (%s, 'sluice_lease', 'sluice_journal')) OR EXISTS (SELECT 1 FROM "
        "information_schema.routines WHERE routine_schema = %s) OR EXISTS (SELECT 1 FROM "
        "information_schema.triggers WHERE trigger_schema = %s) OR EXISTS (SELECT 1 FROM "
        "information_schema.events WHERE event_schema = %s)",
        s, buf_text(&table), s, s, s);
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_read(m, "find out whether the schema is empty", sql, &result));
    char **row = mydb_next(result);
    out->schema_empty = row && mydb_int64(row[0], 1) == 0;
    return NULL;
}

// ---- lease --------------------------------------------------------------------------------------

enum {
    L_TABLE,
    L_FORMAT,
    L_TARGET,
    L_SERVER,
    L_UID,
    L_NAMESPACE,
    L_NAME,
    L_DATABASE,
    L_CLUSTER,
    L_EPOCH,
    L_NONCE,
    L_ATTEMPT,
    L_HOLDER,
    L_SINCE,
    L_SETTLED,
    L_SETTLED_HASH,
    L_PRUNED,
    L_PRUNED_HASH,
    L_PRUNED_RANK,
    L_TRIGGERS,
    L_WATCHERS
};

static void parse_lease(char **row, struct lease *out)
{
    *out = (struct lease){
        .present = true,
        .format_version = (int32_t)mydb_int64(row[L_FORMAT], 0),
        .server_identity = mem_strdup(row[L_SERVER]),
        .owner_plan_uid = mem_strdup(row[L_UID]),
        .owner_namespace = mem_strdup(row[L_NAMESPACE]),
        .owner_name = mem_strdup(row[L_NAME]),
        .owner_database = mem_strdup(row[L_DATABASE]),
        .owner_cluster = mem_strdup(row[L_CLUSTER]),
        .epoch = mydb_int64(row[L_EPOCH], 0),
        .attempt = mydb_int64(row[L_ATTEMPT], 0),
        .holder = mem_strdup(row[L_HOLDER]),
        .since = mem_strdup(row[L_SINCE]),
    };
    copy_into(out->target_id, sizeof out->target_id, row[L_TARGET]);
    copy_into(out->nonce, sizeof out->nonce, row[L_NONCE]);
    out->settled.seq = mydb_int64(row[L_SETTLED], 0);
    copy_into(out->settled.hash, sizeof out->settled.hash, row[L_SETTLED_HASH]);
    out->pruned.seq = mydb_int64(row[L_PRUNED], 0);
    copy_into(out->pruned.hash, sizeof out->pruned.hash, row[L_PRUNED_HASH]);
    out->pruned_rank = (int32_t)mydb_int64(row[L_PRUNED_RANK], 0);
}

// Equality of both columns lets the server open one table alone. What is not ours to see is not shown.
static void add_triggers(struct buf *sql, const struct mydb *m, const char *table)
{
    buf_adds(sql, "(SELECT GROUP_CONCAT('trigger ', trigger_name, ' on ', event_object_table) FROM "
                  "information_schema.triggers WHERE event_object_schema=");
    mydb_add_text(sql, m->base.identity.schema);
    buf_adds(sql, " AND event_object_table=");
    mydb_add_text(sql, table);
    buf_addc(sql, ')');
}

static struct err *refuse_triggers(const char *what)
{
    return what && *what
               ? err_new(ERR_TERMINAL, REASON_UNSUPPORTED_SERVER,
                         "%s: it can change what Sluice writes there, and a file would run twice: "
                         "remove it",
                         what)
               : NULL;
}

static unsigned try_leases(struct mydb *m, bool marks, struct mydb_result **out)
{
    AUTO(buf_done) struct buf sql = BUF(4096);
    buf_adds(&sql,
             "SELECT history_table, format_version, target_id, server_identity, owner_plan_uid, "
             "owner_namespace, owner_name, owner_database, owner_cluster, epoch, nonce, attempt, "
             "holder, since, ");
    buf_adds(&sql, marks ? "settled_seq, settled_hash, pruned_seq, pruned_hash, pruned_rank"
                         : "NULL, NULL, NULL, NULL, NULL");
    static const char *const ours[] = { "sluice_lease", "sluice_journal" };
    buf_adds(&sql, ", CONCAT_WS(', '");
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        buf_adds(&sql, ", ");
        add_triggers(&sql, m, ours[i]);
    }
    buf_adds(&sql, "), ");
    add_triggers(&sql, m, m->base.table);
    buf_adds(&sql, " FROM ");
    mydb_add_table(&sql, m, "sluice_lease");
    buf_adds(&sql, " ORDER BY history_table");
    return mydb_try_read(m, buf_text(&sql), out);
}

static struct err *read_leases(struct mydb *m, struct inspection *out)
{
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    unsigned code = try_leases(m, true, &result);
    m->has_marks = code == 0;
    if (code == NO_SUCH_COLUMN) { // made by version 0.1
        code = try_leases(m, false, &result);
    }
    m->has_lease = code == 0;
    if (code) {
        return code == NO_SUCH_TABLE ? NULL : mydb_error(m, "read the lease");
    }
    for (char **row; (row = mydb_next(result));) {
        const bool ours = str_eq(row[L_TABLE], m->base.table);
        TRY(refuse_triggers(row[L_TRIGGERS]));
        m->watched = row[L_WATCHERS] != NULL;
        if (!ours && row[L_UID] && !out->other_lease_table) {
            out->other_lease_table = mem_strdup(row[L_TABLE]);
        }
        if (ours && mydb_int64(row[L_FORMAT], 0) > DB_LEASE_FORMAT) {
            return db_format_too_new("sluice_lease", mydb_int64(row[L_FORMAT], 0), DB_LEASE_FORMAT);
        }
        if (ours) {
            parse_lease(row, &out->lease);
        }
    }
    return NULL;
}

static struct err *read_all(struct mydb *m, enum journal_scope scope, struct inspection *out)
{
    TRY(read_history(m, &out->history));
    TRY(read_leases(m, out));
    TRY(mydb_journal_load(m, scope, out));
    return out->history.count > 0 ? NULL : read_emptiness(m, &out->history);
}

struct err *mydb_inspect(struct db *db, enum journal_scope scope, struct inspection *out)
{
    struct mydb *m = mydb_of(db);
    TRY(mydb_own_begin(m));
    struct err *e = read_all(m, scope, out);
    if (!e && m->options.read_only) {
        e = mydb_exec(m, "end reading", "ROLLBACK");
    }
    if (!e) {
        e = mydb_own_end(m);
    }
    return e;
}

// ---- other tools --------------------------------------------------------------------------------

struct err *mydb_find_histories(struct db *db, struct kvlist *out)
{
    struct mydb *m = mydb_of(db);
    AUTO(buf_done) struct buf schema = BUF(1024);
    mydb_add_text(&schema, m->base.identity.schema);
    AUTO(buf_done) struct buf table = BUF(1024);
    mydb_add_text(&table, m->base.table);
    AUTO(free_auto) char *sql = mem_printf(
        "SELECT table_name, GROUP_CONCAT(LOWER(column_name)) FROM information_schema.columns "
        "WHERE table_schema = %s AND table_name <> %s GROUP BY table_name "
        "HAVING LOWER(table_name) IN (" FOREIGN_NAMES ") "
        "OR SUM(LOWER(column_name) = 'installed_rank') > 0 ORDER BY 1 LIMIT 20",
        buf_text(&schema), buf_text(&table));
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_read(m, "look for other history tables", sql, &result));
    for (char **row; (row = mydb_next(result));) {
        kvlist_set(out, row[0], row[1] ? row[1] : "");
    }
    return NULL;
}
