// SPDX-License-Identifier: Apache-2.0
// Reading history, journal and lease: one trip each, in one snapshot for an inspection.
#include <inttypes.h>
#include "database/mydb.h"
#include "reconcile/base/limits.h"
#include "reconcile/base/mem.h"
#include "reconcile/model/reason.h"

#define NO_SUCH_TABLE 1146

static void copy_into(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text ? text : "");
}

static struct err *too_many(const char *table, int limit)
{
    return err_new(ERR_TERMINAL, REASON_UNSUPPORTED_SERVER, "%s has more than %d rows", table,
                   limit);
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
        return too_many(m->base.table, LIMIT_HISTORY_ROWS);
    }
    out->rows = mem_array(mydb_rows(result) + 1, sizeof *out->rows);
    out->cap = mydb_rows(result) + 1;
    for (char **row; (row = mydb_next(result));) {
        parse_history(row, &out->rows[out->count++]);
    }
    return NULL;
}

// Flyway's question (docs/flyway.md 1.4), our own two tables aside.
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
    TRY(mydb_read(m, "look whether the schema is empty", sql, &result));
    out->schema_empty = mydb_int64(mydb_next(result)[0], 1) == 0;
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
    L_SINCE
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
}

static struct err *read_leases(struct mydb *m, struct inspection *out)
{
    AUTO(buf_done) struct buf sql = BUF(4096);
    buf_adds(&sql,
             "SELECT history_table, format_version, target_id, server_identity, owner_plan_uid, "
             "owner_namespace, owner_name, owner_database, owner_cluster, epoch, nonce, attempt, "
             "holder, since FROM ");
    mydb_add_table(&sql, m, "sluice_lease");
    buf_adds(&sql, " ORDER BY history_table");
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    const unsigned code = mydb_try_read(m, buf_text(&sql), &result);
    if (code) {
        return code == NO_SUCH_TABLE ? NULL : mydb_error(m, "read the lease");
    }
    for (char **row; (row = mydb_next(result));) {
        const bool ours = str_eq(row[L_TABLE], m->base.table);
        if (!ours && row[L_UID] && !out->other_lease_table) {
            out->other_lease_table = mem_strdup(row[L_TABLE]);
        }
        if (ours && mydb_int64(row[L_FORMAT], 0) > DB_FORMAT) {
            return db_format_too_new("sluice_lease", mydb_int64(row[L_FORMAT], 0));
        }
        if (ours) {
            parse_lease(row, &out->lease);
        }
    }
    return NULL;
}

// ---- journal ------------------------------------------------------------------------------------

enum {
    J_SEQ,
    J_FORMAT,
    J_RANK,
    J_KIND,
    J_VERSION,
    J_DESCRIPTION,
    J_SCRIPT,
    J_STEP,
    J_LINE,
    J_SHA256,
    J_CLASS,
    J_PRE,
    J_POST,
    J_STATE,
    J_VERDICT,
    J_COMMIT,
    J_FILE,
    J_HMAC,
    J_EPOCH,
    J_ATTEMPT,
    J_TOKEN,
    J_SESSION,
    J_ERROR,
    J_MESSAGE,
    J_STARTED,
    J_FINISHED,
    J_HASH,
    J_FINISHED_MS
};

static void parse_journal(char **row, struct journal_row *out)
{
    *out = (struct journal_row){
        .seq = mydb_int64(row[J_SEQ], 0),
        .installed_rank = (int32_t)mydb_int64(row[J_RANK], 0),
        .kind = migration_kind_parse(row[J_KIND]),
        .version = mem_strdup(row[J_VERSION]),
        .description = mem_strdup(row[J_DESCRIPTION]),
        .script = mem_strdup(row[J_SCRIPT]),
        .step = (int32_t)mydb_int64(row[J_STEP], 0),
        .line = (int32_t)mydb_int64(row[J_LINE], 0),
        .statement_sha256 = mem_strdup(row[J_SHA256]),
        .step_class = row[J_CLASS] ? row[J_CLASS][0] : '\0',
        .pre_state = mem_strdup(row[J_PRE]),
        .post_state = mem_strdup(row[J_POST]),
        .state = journal_state_parse(row[J_STATE]),
        .verdict = row[J_VERDICT] ? verdict_parse(row[J_VERDICT]) : VERDICT_NONE,
        .git_commit = mem_strdup(row[J_COMMIT]),
        .file_sha256 = mem_strdup(row[J_FILE]),
        .placeholders_hmac = mem_strdup(row[J_HMAC]),
        .epoch = mydb_int64(row[J_EPOCH], 0),
        .attempt = mydb_int64(row[J_ATTEMPT], 0),
        .retry_token = mem_strdup(row[J_TOKEN]),
        .session_id = mydb_int64(row[J_SESSION], 0),
        .error_code = mem_strdup(row[J_ERROR]),
        .message = mem_strdup(row[J_MESSAGE]),
        .started = mem_strdup(row[J_STARTED]),
        .finished = mem_strdup(row[J_FINISHED]),
        .finished_ms = mydb_int64(row[J_FINISHED_MS], 0),
    };
    copy_into(out->row_hash, sizeof out->row_hash, row[J_HASH]);
}

static struct err *read_journal(struct mydb *m, int64_t after, struct journal *out)
{
    AUTO(buf_done) struct buf sql = BUF(4096);
    buf_adds(
        &sql,
        "SELECT seq, format_version, installed_rank, kind, version, description, script, step, "
        "line, statement_sha256, step_class, pre_state, post_state, state, verdict, git_commit, "
        "file_sha256, placeholders_hmac, epoch, attempt, retry_token, session_id, error_code, "
        "message, DATE_FORMAT(started, '%Y-%m-%dT%H:%i:%s.%fZ'), "
        "DATE_FORMAT(finished, '%Y-%m-%dT%H:%i:%s.%fZ'), row_hash, TIMESTAMPDIFF(MICROSECOND, "
        "'1970-01-01 00:00:00', finished) DIV 1000 FROM ");
    mydb_add_table(&sql, m, "sluice_journal");
    buf_adds(&sql, " WHERE history_table = ");
    mydb_add_text(&sql, m->base.table);
    buf_addf(&sql, " AND seq >= %" PRId64 " ORDER BY seq LIMIT %d", after, LIMIT_JOURNAL_ROWS + 1);
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    const unsigned code = mydb_try_read(m, buf_text(&sql), &result);
    if (code) {
        return code == NO_SUCH_TABLE ? NULL : mydb_error(m, "read the journal");
    }
    out->table_exists = true;
    const size_t rows = mydb_rows(result);
    if (rows > LIMIT_JOURNAL_ROWS) {
        return too_many("sluice_journal", LIMIT_JOURNAL_ROWS);
    }
    out->rows = mem_array(rows + 1, sizeof *out->rows);
    out->cap = rows + 1;
    for (char **row; (row = mydb_next(result));) {
        if (mydb_int64(row[J_FORMAT], 0) > DB_FORMAT) {
            return db_format_too_new("sluice_journal", mydb_int64(row[J_FORMAT], 0));
        }
        parse_journal(row, &out->rows[out->count++]);
    }
    return NULL;
}

static struct err *read_all(struct mydb *m, int64_t journal_after, struct inspection *out)
{
    TRY(read_history(m, &out->history));
    TRY(read_leases(m, out));
    TRY(read_journal(m, journal_after, &out->journal));
    return out->history.count > 0 ? NULL : read_emptiness(m, &out->history);
}

struct err *mydb_inspect(struct db *db, int64_t journal_after, struct inspection *out)
{
    struct mydb *m = mydb_of(db);
    TRY(mydb_own_begin(m));
    struct err *e = read_all(m, journal_after, out);
    if (!e && m->options.read_only) {
        e = mydb_exec(m, "end reading", "ROLLBACK");
    }
    if (!e) {
        e = mydb_own_end(m);
    }
    return e;
}
