/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of inspections as counted blocks. Texts are blocks, a row is a block of references to its texts, the rows
 * of a table are a block of references to them: equal ones are equal to the byte, at each of the three levels. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "controller/kept.h"

static char *add_text(const char *text)
{
    return text ? kept_add(text, strlen(text) + 1, NULL) : NULL;
}

static void rows_refer(const void *bytes, size_t size)
{
    const struct kept_row *rows = bytes;
    for (size_t i = 0; i < size / sizeof *rows; i++) {
        kept_drop(rows[i].row);
    }
}

static struct kept_table add_rows(struct kept_row *rows, size_t count)
{
    return (struct kept_table){
        .rows = count ? kept_add(rows, count * sizeof *rows, rows_refer) : NULL,
        .count = count,
    };
}

/* ---- of the history --------------------------------------------------------------------------- */

static void history_row_refers(const void *bytes, size_t size)
{
    const struct history_row *row = bytes;
    (void)size;
    kept_drop(row->version_text);
    kept_drop(row->description);
    kept_drop(row->type);
    kept_drop(row->script);
    kept_drop(row->installed_by);
    kept_drop(row->installed_on);
}

/* Field by field into zeroes, as in journal_row(): what lies between and behind them is compared, too. */
static const void *history_row(const struct history_row *from)
{
    struct history_row row;
    memset(&row, 0, sizeof row);
    row.has_version = from->has_version;
    memcpy(row.version.text, from->version.text, strlen(from->version.text));
    row.version_text = add_text(from->version_text);
    row.description = add_text(from->description);
    row.type = add_text(from->type);
    row.script = add_text(from->script);
    row.installed_by = add_text("");
    row.installed_on = add_text("");
    row.has_checksum = from->has_checksum;
    row.checksum = from->checksum;
    row.success = from->success;
    return kept_add(&row, sizeof row, history_row_refers);
}

static void take_history(const struct history *from, struct kept_rows *out)
{
    struct kept_row *rows = mem_array(from->count + 1, sizeof *rows);
    for (size_t i = 0; i < from->count; i++) {
        const struct history_row *row = &from->rows[i];
        rows[i].row = history_row(row);
        rows[i].rank = row->rank;
        if (row->success && row->has_version && version_compare(&row->version, &out->newest) > 0) {
            out->newest = row->version;
        }
    }
    out->history = add_rows(rows, from->count);
    free(rows);
}

static void open_history(const struct kept_table *kept, struct history *out)
{
    out->rows = mem_array(kept->count + 1, sizeof *out->rows);
    out->count = out->cap = kept->count;
    for (size_t i = 0; i < kept->count; i++) {
        out->rows[i] = *(const struct history_row *)kept->rows[i].row;
        out->rows[i].rank = kept->rows[i].rank;
    }
}

/* ---- of the journal --------------------------------------------------------------------------- */

static void journal_row_refers(const void *bytes, size_t size)
{
    const struct journal_row *row = bytes;
    (void)size;
    kept_drop(row->version);
    kept_drop(row->description);
    kept_drop(row->script);
    kept_drop(row->git_commit);
    kept_drop(row->file_sha256);
    kept_drop(row->placeholders_hmac);
    kept_drop(row->retry_token);
    kept_drop(row->error_code);
    kept_drop(row->message);
    kept_drop(row->started);
}

static const void *journal_row(const struct journal_row *from)
{
    struct journal_row row;
    memset(&row, 0, sizeof row);
    row.kind = from->kind;
    row.version = add_text(from->version);
    row.description = add_text(from->description);
    row.script = add_text(from->script);
    row.step = from->step;
    row.line = from->line;
    row.step_class = from->step_class;
    row.state = from->state;
    row.verdict = from->verdict;
    row.git_commit = add_text(from->git_commit);
    row.file_sha256 = add_text(from->file_sha256);
    row.placeholders_hmac = add_text(from->placeholders_hmac);
    row.epoch = from->epoch;
    row.attempt = from->attempt;
    row.retry_token = add_text(from->retry_token);
    row.error_code = add_text(from->error_code);
    row.message = add_text(from->message);
    row.started = add_text("");
    return kept_add(&row, sizeof row, journal_row_refers);
}

static void take_journal(const struct journal *from, struct kept_rows *out)
{
    struct kept_row *rows = mem_array(from->count + 1, sizeof *rows);
    for (size_t i = 0; i < from->count; i++) {
        const struct journal_row *row = &from->rows[i];
        rows[i].row = journal_row(row);
        rows[i].rank = row->installed_rank;
        out->finished_ms =
            row->finished_ms > out->finished_ms ? row->finished_ms : out->finished_ms;
    }
    out->journal = add_rows(rows, from->count);
    free(rows);
}

static void open_journal(const struct kept_table *kept, struct journal *out)
{
    out->rows = mem_array(kept->count + 1, sizeof *out->rows);
    out->count = out->cap = kept->count;
    for (size_t i = 0; i < kept->count; i++) {
        out->rows[i] = *(const struct journal_row *)kept->rows[i].row;
        out->rows[i].installed_rank = kept->rows[i].rank;
    }
}

/* ---- of both ---------------------------------------------------------------------------------- */

void kept_rows_take(struct inspection *from, struct kept_rows *out)
{
    *out = (struct kept_rows){ 0 };
    kept_lock();
    take_history(&from->history, out);
    take_journal(&from->journal, out);
    kept_unlock();
    struct history history = from->history;
    struct journal journal = from->journal;
    from->history.rows = NULL;
    from->history.count = from->history.cap = 0;
    from->journal.rows = NULL;
    from->journal.count = from->journal.cap = 0;
    history_done(&history);
    journal_done(&journal);
}

void kept_rows_open(const struct kept_rows *kept, struct inspection *out)
{
    open_history(&kept->history, &out->history);
    open_journal(&kept->journal, &out->journal);
    kept_rows_date(kept, &out->journal);
}

void kept_rows_date(const struct kept_rows *kept, struct journal *out)
{
    if (out->count > 0) {
        out->rows[out->count - 1].finished_ms = kept->finished_ms;
    }
}

void kept_rows_close(struct inspection *opened)
{
    free(opened->history.rows);
    free(opened->journal.rows);
    opened->history.rows = NULL;
    opened->journal.rows = NULL;
    opened->history.count = opened->history.cap = 0;
    opened->journal.count = opened->journal.cap = 0;
}

void kept_rows_done(struct kept_rows *kept)
{
    kept_release(kept->history.rows);
    kept_release(kept->journal.rows);
    *kept = (struct kept_rows){ 0 };
}
