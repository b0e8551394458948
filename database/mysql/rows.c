// SPDX-License-Identifier: Apache-2.0
// The SQL that writes history and journal rows.
#include <inttypes.h>
#include "base/mem.h"
#include "database/mysql/run.h"
#include "reconcile/migration/parse.h"

#define MESSAGE_MAX 1024
#define INSTALLED_BY_MAX 100

static void add_comma_text(struct buf *sql, const char *text)
{
    buf_adds(sql, ", ");
    mydb_add_text(sql, text);
}

char *mydb_sql_journal_head(const struct mydb *m)
{
    AUTO(buf_done) struct buf sql = BUF(4096);
    buf_adds(&sql, "INSERT INTO ");
    mydb_add_table(&sql, m, "sluice_journal");
    buf_adds(&sql,
             " (history_table, seq, format_version, installed_rank, kind, version, description, "
             "script, step, line, statement_sha256, step_class, pre_state, post_state, state, "
             "verdict, git_commit, file_sha256, placeholders_hmac, epoch, attempt, retry_token, "
             "session_id, error_code, message, started, finished, row_hash) VALUES ");
    return buf_take(&sql);
}

char *mydb_sql_journal(const struct mydb *m, const struct journal_row *row, int64_t elapsed_ms)
{
    const char class[2] = { row->step_class, '\0' };
    AUTO(free_auto) char *head = mydb_sql_journal_head(m);
    AUTO(buf_done) struct buf sql = BUF(MYDB_SQL_MAX);
    buf_adds(&sql, head);
    buf_addc(&sql, '(');
    mydb_add_text(&sql, m->base.table);
    buf_addf(&sql, ", %" PRId64 ", %d, %" PRId32 ", '%s'", row->seq, DB_FORMAT, row->installed_rank,
             migration_kind_text(row->kind));
    add_comma_text(&sql, row->version);
    add_comma_text(&sql, row->description);
    add_comma_text(&sql, row->script);
    buf_addf(&sql, ", %" PRId32 ", %" PRId32, row->step, row->line);
    add_comma_text(&sql, row->statement_sha256);
    add_comma_text(&sql, row->step_class ? class : NULL);
    add_comma_text(&sql, row->pre_state);
    add_comma_text(&sql, row->post_state);
    add_comma_text(&sql, journal_state_text(row->state));
    add_comma_text(&sql, row->verdict ? verdict_text(row->verdict) : NULL);
    add_comma_text(&sql, row->git_commit);
    add_comma_text(&sql, row->file_sha256);
    add_comma_text(&sql, row->placeholders_hmac);
    buf_addf(&sql, ", %" PRId64 ", %" PRId64, row->epoch, row->attempt);
    add_comma_text(&sql, row->retry_token);
    buf_addf(&sql, ", %" PRId64, row->session_id);
    add_comma_text(&sql, row->error_code);
    add_comma_text(&sql, row->message);
    buf_addf(&sql, ", UTC_TIMESTAMP(6) - INTERVAL %" PRId64 " MICROSECOND, %s, '%s')",
             elapsed_ms * 1000, row->state == JOURNAL_INTENT ? "NULL" : "UTC_TIMESTAMP(6)",
             row->row_hash);
    return buf_take(&sql);
}

void mydb_add_seq(struct buf *sql, const struct mydb *m, int64_t seq)
{
    buf_adds(sql, " WHERE history_table=");
    mydb_add_text(sql, m->base.table);
    buf_addf(sql, " AND seq=%" PRId64, seq);
}

char *mydb_sql_close(const struct mydb *m, int64_t seq, enum journal_state state,
                     const char *post_state, const char *error_code, const char *message)
{
    AUTO(buf_done) struct buf sql = BUF(MYDB_SQL_MAX);
    buf_adds(&sql, "UPDATE ");
    mydb_add_table(&sql, m, "sluice_journal");
    buf_addf(&sql, " SET state='%s', finished=UTC_TIMESTAMP(6)", journal_state_text(state));
    buf_adds(&sql, ", post_state="); // an intent's definitions have done their duty
    mydb_add_text(&sql, post_state);
    if (!message) {
        buf_adds(&sql, ", message=NULL"); // the mark of self.c
    } else {
        AUTO(free_auto) char *cut =
            mem_strndup(message, str_utf8_cut(message, strlen(message), MESSAGE_MAX));
        buf_adds(&sql, ", error_code=");
        mydb_add_text(&sql, error_code);
        buf_adds(&sql, ", message=");
        mydb_add_text(&sql, cut);
    }
    mydb_add_seq(&sql, m, seq);
    buf_adds(&sql, " AND state='intent'");
    return buf_take(&sql);
}

char *mydb_sql_note(const struct mydb *m, int64_t seq, const char *error_code, const char *message)
{
    AUTO(buf_done) struct buf sql = BUF(8192);
    buf_adds(&sql, "UPDATE ");
    mydb_add_table(&sql, m, "sluice_journal");
    buf_adds(&sql, " SET error_code=");
    mydb_add_text(&sql, error_code);
    buf_adds(&sql, ", message=");
    mydb_add_text(&sql, message);
    mydb_add_seq(&sql, m, seq);
    return buf_take(&sql);
}

char *mydb_sql_history_delete(const struct mydb *m, int32_t rank)
{
    AUTO(buf_done) struct buf sql = BUF(4096);
    buf_adds(&sql, "DELETE FROM ");
    mydb_add_table(&sql, m, m->base.table);
    buf_addf(&sql, " WHERE installed_rank=%" PRId32 " AND success=0", rank);
    return buf_take(&sql);
}

// version, description, type, script and checksum of a file.
static void add_file(struct buf *sql, const struct migration *file, int32_t checksum)
{
    AUTO(free_auto) char *description = description_stored(file->description);
    AUTO(free_auto) char *script = script_stored(file->script);
    add_comma_text(sql, version_set(&file->version) ? file->version.text : NULL);
    add_comma_text(sql, description);
    add_comma_text(sql, file->kind == MIGRATION_BASELINE ? "SQL_BASELINE" : "SQL");
    add_comma_text(sql, script);
    buf_addf(sql, ", %" PRId32, checksum);
}

static void add_marker(struct buf *sql, const struct migrations_options *options)
{
    AUTO(free_auto) char *description = description_stored(options->baseline_description);
    add_comma_text(sql, options->baseline_version.text);
    add_comma_text(sql, description);
    add_comma_text(sql, "BASELINE");
    add_comma_text(sql, description);
    buf_adds(sql, ", NULL");
}

// The values of all columns but installed_on.
static void add_history_values(const struct run *run, const struct mydb_history *row,
                               struct buf *sql)
{
    const char *user = run->db->identity.user;
    AUTO(free_auto) char *by =
        mem_strndup(user, str_utf8_cut(user, strlen(user), INSTALLED_BY_MAX));
    buf_addf(sql, "%" PRId32, row->rank);
    if (row->file) {
        add_file(sql, row->file, row->checksum);
    } else {
        add_marker(sql, run->request->migrations);
    }
    add_comma_text(sql, by);
    buf_addf(sql, ", %" PRId64 ", %d", row->execution_ms, row->success);
}

#define HISTORY_COLUMNS                                                                            \
    "installed_rank, version, description, type, script, checksum, installed_by, "                 \
    "execution_time, success"

static char *kept_condition(const struct mydb *m, const struct mydb_history *row,
                            const char *values)
{
    AUTO(buf_done) struct buf sql = BUF(2 * 65536);
    buf_adds(&sql, "EXISTS (SELECT 1 FROM ");
    mydb_add_table(&sql, m, m->base.table);
    buf_addf(&sql, " WHERE installed_rank=%" PRId32 " AND (" HISTORY_COLUMNS ") <=> (%s))",
             row->rank, values);
    return buf_take(&sql);
}

void mydb_add_history(const struct run *run, const struct mydb_history *row, struct strlist *sql)
{
    const struct mydb *m = mydb_of(run->db);
    AUTO(buf_done) struct buf values = BUF(65536), text = BUF(2 * 65536);
    add_history_values(run, row, &values);
    buf_adds(&text, "INSERT INTO ");
    mydb_add_table(&text, m, m->base.table);
    buf_addf(&text, " (" HISTORY_COLUMNS ") VALUES (%s)", buf_text(&values));
    strlist_add(sql, buf_text(&text));
    if (!m->mariadb && !m->watched) { // there it is a trip of its own
        return;
    }
    // A trigger BEFORE the INSERT can write another row than ours.
    AUTO(free_auto) char *condition = kept_condition(m, row, buf_text(&values));
    AUTO(free_auto)
    char *check =
        m->mariadb ? mem_printf("IF NOT %s THEN SIGNAL SQLSTATE '45000' SET "
                                "MESSAGE_TEXT='" MYDB_ALTERED "'; END IF",
                                condition)
                   // no block there: a subquery of two rows is an error
                   : mem_printf("SET @sluice_kept=IF(%s, 1, (SELECT 1 UNION SELECT 2))", condition);
    strlist_add(sql, check);
}
