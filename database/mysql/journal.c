// SPDX-License-Identifier: Apache-2.0
// Reading the journal, and what the lease says about it: what is over, what was deleted (docs/reference/formats.md 1.4).
#include <inttypes.h>
#include "base/limits.h"
#include "base/mem.h"
#include "database/mysql/run.h"
#include "model/reason.h"

#define NO_SUCH_TABLE 1146

// ---- reading ------------------------------------------------------------------------------------

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
    snprintf(out->row_hash, sizeof out->row_hash, "%s", row[J_HASH] ? row[J_HASH] : "");
}

static void add_select(struct buf *sql, const struct mydb *m)
{
    buf_adds(
        sql,
        "SELECT seq, format_version, installed_rank, kind, version, description, script, step, "
        "line, statement_sha256, step_class, pre_state, post_state, state, verdict, git_commit, "
        "file_sha256, placeholders_hmac, epoch, attempt, retry_token, session_id, error_code, "
        "message, DATE_FORMAT(started, '%Y-%m-%dT%H:%i:%s.%fZ'), "
        "DATE_FORMAT(finished, '%Y-%m-%dT%H:%i:%s.%fZ'), row_hash, TIMESTAMPDIFF(MICROSECOND, "
        "'1970-01-01 00:00:00', finished) DIV 1000 FROM ");
    mydb_add_table(sql, m, "sluice_journal");
    buf_adds(sql, " WHERE history_table = ");
    mydb_add_text(sql, m->base.table);
}

static struct err *read_rows(struct mydb *m, const char *sql, struct journal *out)
{
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    const unsigned code = mydb_try_read(m, sql, &result);
    if (code) {
        return code == NO_SUCH_TABLE ? NULL : mydb_error(m, "read the journal");
    }
    out->table_exists = true;
    const size_t rows = mydb_rows(result);
    if (rows > LIMIT_JOURNAL_ROWS) {
        return db_journal_full(&m->base);
    }
    out->rows = mem_array(rows + 1, sizeof *out->rows);
    out->cap = rows + 1;
    for (char **row; (row = mydb_next(result));) {
        if (mydb_int64(row[J_FORMAT], 0) > DB_FORMAT) {
            return db_format_too_new("sluice_journal", mydb_int64(row[J_FORMAT], 0), DB_FORMAT);
        }
        parse_journal(row, &out->rows[out->count++]);
    }
    return NULL;
}

static bool has_repeatable(const struct history *history)
{
    for (size_t i = 0; i < history->count; i++) {
        if (!history->rows[i].version_text && str_eq(history->rows[i].type, "SQL")) {
            return true;
        }
    }
    return false;
}

struct err *mydb_journal_load(struct mydb *m, enum journal_scope scope, struct inspection *out)
{
    const int64_t settled = out->lease.settled.seq;
    AUTO(buf_done) struct buf sql = BUF(4096);
    add_select(&sql, m);
    if (scope == JOURNAL_HEAD) {
        buf_adds(&sql, " ORDER BY seq DESC LIMIT 1");
        return read_rows(m, buf_text(&sql), &out->journal);
    }
    if (scope == JOURNAL_FILES) {
        buf_addf(&sql, " AND (seq >= %" PRId64 " OR step = 0 OR state IN ('failed', 'resolved'))",
                 settled);
    } else if (has_repeatable(&out->history)) {
        buf_addf(&sql, " AND (seq >= %" PRId64 " OR (kind = 'repeatable' AND step = 0))", settled);
    } else {
        buf_addf(&sql, " AND seq >= %" PRId64, settled);
    }
    buf_addf(&sql, " ORDER BY seq LIMIT %d", LIMIT_JOURNAL_ROWS + 1);
    return read_rows(m, buf_text(&sql), &out->journal);
}

struct err *mydb_read_journal(struct db *db, int64_t after, int limit, struct journal *out)
{
    struct mydb *m = mydb_of(db);
    AUTO(buf_done) struct buf sql = BUF(4096);
    add_select(&sql, m);
    buf_addf(&sql, " AND seq > %" PRId64 " ORDER BY seq LIMIT %d", after, limit);
    TRY(mydb_own_begin(m));
    TRY(read_rows(m, buf_text(&sql), out));
    return mydb_own_end(m);
}

// ---- what the lease says about it ---------------------------------------------------------------

static struct err *write_list(struct run *run, struct strlist *list)
{
    bool resolved = false;
    return mydb_write(run, list, MYDB_BEGIN | MYDB_COMMIT, &resolved);
}

static void add_where(struct buf *sql, const struct mydb *m)
{
    buf_adds(sql, " WHERE history_table = ");
    mydb_add_text(sql, m->base.table);
}

struct err *mydb_mark_settled(struct run *run, const struct journal_mark *mark)
{
    struct mydb *m = mydb_of(run->db);
    if (!m->has_marks || mark->seq == 0) {
        return NULL;
    }
    AUTO(buf_done) struct buf sql = BUF(4096);
    AUTO(strlist_done) struct strlist list = { 0 };
    buf_adds(&sql, "UPDATE ");
    mydb_add_table(&sql, m, "sluice_lease");
    buf_addf(&sql, " SET settled_seq = %" PRId64 ", settled_hash = '%s'", mark->seq, mark->hash);
    add_where(&sql, m);
    strlist_add(&list, buf_text(&sql));
    return write_list(run, &list);
}

struct err *mydb_find_prunable(struct run *run, int64_t keep_ms, struct prunable *out)
{
    struct mydb *m = mydb_of(run->db);
    AUTO(buf_done) struct buf journal = BUF(1024);
    AUTO(buf_done) struct buf table = BUF(1024);
    mydb_add_table(&journal, m, "sluice_journal");
    mydb_add_text(&table, m->base.table);
    AUTO(free_auto) char *cutoff =
        mem_printf("UTC_TIMESTAMP(6) - INTERVAL %" PRId64 " MICROSECOND", keep_ms * 1000);
    AUTO(free_auto) char *sql =
        prune_sql(buf_text(&journal), buf_text(&table), cutoff, run->seen.lease.settled.seq);
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_own_begin(m));
    TRY(mydb_read(m, "look for old rows of the journal", sql, &result));
    char **row = mydb_next(result);
    if (!row) {
        return mydb_no_row(m, "look for old rows of the journal");
    }
    out->last.seq = mydb_int64(row[0], 0);
    snprintf(out->last.hash, sizeof out->last.hash, "%s", row[1] ? row[1] : "");
    out->rank = (int32_t)mydb_int64(row[2], 0);
    out->rows = mydb_int64(row[3], 0);
    return mydb_own_end(m);
}

struct err *mydb_prune(struct run *run, const struct prunable *what)
{
    struct mydb *m = mydb_of(run->db);
    if (!m->has_marks) {
        return db_no_marks(run);
    }
    AUTO(buf_done) struct buf erase = BUF(4096);
    AUTO(buf_done) struct buf mark = BUF(4096);
    AUTO(strlist_done) struct strlist list = { 0 };
    buf_adds(&erase, "DELETE FROM ");
    mydb_add_table(&erase, m, "sluice_journal");
    add_where(&erase, m);
    buf_addf(&erase, " AND seq <= %" PRId64, what->last.seq);
    buf_adds(&mark, "UPDATE ");
    mydb_add_table(&mark, m, "sluice_lease");
    // What is deleted is over, too. MySQL assigns from left to right: the hash asks for the old seq.
    buf_addf(&mark,
             " SET format_version = %d, pruned_seq = %" PRId64 ", pruned_hash = '%s', pruned_rank ="
             " GREATEST(COALESCE(pruned_rank, 0), %" PRId32 "),"
             " settled_hash = IF(settled_seq > %" PRId64 ", settled_hash, NULL),"
             " settled_seq = IF(settled_seq > %" PRId64 ", settled_seq, NULL)",
             DB_LEASE_FORMAT, what->last.seq, what->last.hash, what->rank, what->last.seq,
             what->last.seq);
    add_where(&mark, m);
    strlist_add(&list, buf_text(&erase));
    strlist_add(&list, buf_text(&mark));
    return write_list(run, &list);
}
