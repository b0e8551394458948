// SPDX-License-Identifier: Apache-2.0
// Reading the journal, and what the lease says about it: what is over, what was deleted (docs/reference/formats.md 1.4).
#include <inttypes.h>
#include <libpq-fe.h>
#include "base/auto.h"
#include "base/limits.h"
#include "base/mem.h"
#include "database/postgresql/pgdb.h"
#include "model/reason.h"

// ---- reading ------------------------------------------------------------------------------------

static char *copy_text(const struct pg_result *result, int row, int column)
{
    return mem_strdup(pgdb_text(result, row, column));
}

static const char journal_columns[] =
    "format_version, seq, installed_rank, kind, version, description, script, step, line,"
    " statement_sha256, step_class, pre_state, post_state, state, verdict, git_commit, file_sha256,"
    " placeholders_hmac, epoch, attempt, retry_token, session_id, error_code, message,"
    " pg_catalog.to_char(started AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),"
    " pg_catalog.to_char(finished AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),"
    " (pg_catalog.date_part('epoch', finished) * 1000)::bigint, row_hash";

static void read_journal_row(const struct pg_result *r, int i, struct journal_row *row)
{
    const char *class = pgdb_text(r, i, 10);
    *row = (struct journal_row){
        .seq = pgdb_int(r, i, 1),
        .installed_rank = (int32_t)pgdb_int(r, i, 2),
        .kind = migration_kind_parse(pgdb_text(r, i, 3)),
        .version = copy_text(r, i, 4),
        .description = copy_text(r, i, 5),
        .script = copy_text(r, i, 6),
        .step = (int32_t)pgdb_int(r, i, 7),
        .line = (int32_t)pgdb_int(r, i, 8),
        .statement_sha256 = copy_text(r, i, 9),
        .step_class = class ? class[0] : '\0',
        .pre_state = copy_text(r, i, 11),
        .post_state = copy_text(r, i, 12),
        .state = journal_state_parse(pgdb_text(r, i, 13)),
        .verdict = pgdb_text(r, i, 14) ? verdict_parse(pgdb_text(r, i, 14)) : VERDICT_NONE,
        .git_commit = copy_text(r, i, 15),
        .file_sha256 = copy_text(r, i, 16),
        .placeholders_hmac = copy_text(r, i, 17),
        .epoch = pgdb_int(r, i, 18),
        .attempt = pgdb_int(r, i, 19),
        .retry_token = copy_text(r, i, 20),
        .session_id = pgdb_int(r, i, 21),
        .error_code = copy_text(r, i, 22),
        .message = copy_text(r, i, 23),
        .started = copy_text(r, i, 24),
        .finished = copy_text(r, i, 25),
        .finished_ms = pgdb_int(r, i, 26),
    };
    const char *hash = pgdb_text(r, i, 27);
    snprintf(row->row_hash, sizeof row->row_hash, "%s", hash ? hash : "");
}

struct err *pgdb_journal_rows(const struct db *db, const struct pg_result *r, struct journal *out)
{
    const int count = PQntuples(r);
    if (count > LIMIT_JOURNAL_ROWS) {
        return db_journal_full(db);
    }
    out->rows = mem_grow(out->rows, &out->cap, (size_t)count + 1, sizeof *out->rows);
    for (int i = 0; i < count; i++) {
        if (pgdb_int(r, i, 0) > DB_FORMAT) {
            return db_format_too_new("sluice_journal", pgdb_int(r, i, 0), DB_FORMAT);
        }
        read_journal_row(r, i, &out->rows[out->count++]);
    }
    return NULL;
}

// The branch for repeatables costs nothing where the history has none: its condition is asked once.
static char *select_open(const struct pgdb *pg, const char *mark, bool has_history)
{
    AUTO(free_auto) char *repeatables =
        has_history
            ? mem_printf(" UNION ALL SELECT %s FROM %s WHERE history_table = $1 AND seq < %s AND"
                         " kind = 'repeatable' AND step = 0 AND EXISTS (SELECT 1 FROM %s"
                         " WHERE version IS NULL AND type = 'SQL')",
                         journal_columns, pg->journal, mark, pg->history)
            : mem_strdup("");
    return mem_printf("SELECT %s FROM %s WHERE history_table = $1 AND seq >= %s%s ORDER BY seq"
                      " LIMIT %d",
                      journal_columns, pg->journal, mark, repeatables, LIMIT_JOURNAL_ROWS + 1);
}

char *pgdb_journal_select(const struct pgdb *pg, enum journal_scope scope, bool has_history)
{
    if (scope == JOURNAL_HEAD) {
        return mem_printf("SELECT %s FROM %s WHERE history_table = $1 ORDER BY seq DESC LIMIT 1",
                          journal_columns, pg->journal);
    }
    AUTO(free_auto) char *mark = pg->has_marks
                                     ? mem_printf("(SELECT coalesce(max(settled_seq), 0) FROM %s"
                                                  " WHERE history_table = $1)",
                                                  pg->lease)
                                     : mem_strdup("0");
    if (scope == JOURNAL_OPEN) {
        return select_open(pg, mark, has_history);
    }
    return mem_printf("SELECT %s FROM %s WHERE history_table = $1 AND (seq >= %s OR step = 0 OR"
                      " state IN ('failed', 'resolved')) ORDER BY seq LIMIT %d",
                      journal_columns, pg->journal, mark, LIMIT_JOURNAL_ROWS + 1);
}

struct err *pgdb_read_journal(struct db *db, int64_t after, int limit, struct journal *out)
{
    struct pgdb *pg = pgdb_of(db);
    AUTO(pgdb_clear_auto) PGresult *r = NULL;
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, after);
    const char *values[] = { db->table, text };
    AUTO(free_auto) char *sql =
        mem_printf("SELECT %s FROM %s WHERE history_table = $1 AND seq > $2::bigint ORDER BY seq"
                   " LIMIT %d",
                   journal_columns, pg->journal, limit);
    TRY(pgdb_query(pg, &(struct pgdb_command){ sql, false, 2, values },
                   "could not read the journal", &r));
    return pgdb_journal_rows(db, r, out);
}

// ---- what the lease says about it ---------------------------------------------------------------

struct err *pgdb_mark_settled(struct run *run, const struct journal_mark *mark)
{
    struct pgdb *pg = pgdb_of(run->db);
    if (!pg->has_marks || mark->seq == 0) {
        return NULL;
    }
    char seq[24];
    snprintf(seq, sizeof seq, "%" PRId64, mark->seq);
    const char *values[] = { seq, mark->hash, pg->base.table };
    AUTO(free_auto) char *sql = mem_printf("UPDATE %s SET settled_seq = $1::bigint,"
                                           " settled_hash = $2 WHERE history_table = $3",
                                           pg->lease);
    const struct pgdb_command command = { sql, false, 3, values };
    return pgdb_fenced(run, &command, 1, "could not write to the lease");
}

struct err *pgdb_find_prunable(struct run *run, int64_t keep_ms, struct prunable *out)
{
    struct pgdb *pg = pgdb_of(run->db);
    AUTO(pgdb_clear_auto) PGresult *r = NULL;
    char keep[24];
    snprintf(keep, sizeof keep, "%" PRId64, keep_ms);
    const char *values[] = { pg->base.table, keep };
    AUTO(free_auto) char *sql = prune_sql(
        pg->journal, "$1", "pg_catalog.clock_timestamp() - $2::bigint * interval '1 millisecond'",
        run->seen.lease.settled.seq);
    TRY(pgdb_query(pg, &(struct pgdb_command){ sql, false, 2, values },
                   "could not look for old rows of the journal", &r));
    out->last.seq = pgdb_int(r, 0, 0);
    const char *hash = pgdb_text(r, 0, 1);
    snprintf(out->last.hash, sizeof out->last.hash, "%s", hash ? hash : "");
    out->rank = (int32_t)pgdb_int(r, 0, 2);
    out->rows = pgdb_int(r, 0, 3);
    return NULL;
}

struct err *pgdb_prune(struct run *run, const struct prunable *what)
{
    struct pgdb *pg = pgdb_of(run->db);
    if (!pg->has_marks) {
        return db_no_marks(run);
    }
    char seq[24], rank[16];
    snprintf(seq, sizeof seq, "%" PRId64, what->last.seq);
    snprintf(rank, sizeof rank, "%" PRId32, what->rank);
    const char *rows[] = { pg->base.table, seq };
    const char *marks[] = { pg->base.table, seq, what->last.hash, rank };
    AUTO(free_auto) char *erase =
        mem_printf("DELETE FROM %s WHERE history_table = $1 AND seq <= $2::bigint", pg->journal);
    // What is deleted is over, too.
    AUTO(free_auto) char *mark =
        mem_printf("UPDATE %s SET format_version = %d, pruned_seq = $2::bigint, pruned_hash = $3,"
                   " pruned_rank = greatest(coalesce(pruned_rank, 0), $4::int),"
                   " settled_hash = CASE WHEN coalesce(settled_seq, 0) <= $2::bigint THEN NULL ELSE"
                   " settled_hash END,"
                   " settled_seq = CASE WHEN coalesce(settled_seq, 0) <= $2::bigint THEN NULL ELSE"
                   " settled_seq END"
                   " WHERE history_table = $1",
                   pg->lease, DB_LEASE_FORMAT);
    const struct pgdb_command commands[] = { { erase, false, 2, rows }, { mark, false, 4, marks } };
    return pgdb_fenced(run, commands, 2, "could not delete old rows of the journal");
}
