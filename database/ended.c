// SPDX-License-Identifier: Apache-2.0
// A session that ends at a statement of a file: by an administrator, who is met once, or by the statement itself, which is
// met each time.
#include "base/auto.h"
#include "base/mem.h"
#include "database/engine.h"
#include "model/reason.h"
#include "reconcile/migration/script.h"

#define MOST 3 // attempts that end at the same statement, on a server that was up all the time

static bool is_same_end(const struct session_end *end, const struct statement *s,
                        const struct journal_row *row)
{
    const bool left = row->state == JOURNAL_INTENT ||
                      (row->state == JOURNAL_RESOLVED && row->verdict == VERDICT_NOT_APPLIED);
    return left && row->step == end->step && str_eq(row->error_code, end->code) &&
           str_eq(row->message, end->since) && statement_was(s, end->file, row->statement_sha256);
}

// In a row, by the newest rows of the file. An intent without a word comes before what became of it.
static int ends_before(const struct run *run, const struct session_end *end,
                       const struct statement *s)
{
    const struct journal *journal = &run->seen.journal;
    int count = 0;
    for (size_t i = journal->count; i > 0; i--) {
        const struct journal_row *row = &journal->rows[i - 1];
        if (!journal_row_is_of(row, end->file) ||
            (row->state == JOURNAL_INTENT && row->step == end->step && !row->error_code)) {
            continue;
        }
        if (!is_same_end(end, s, row)) {
            break;
        }
        count++;
    }
    return count;
}

static struct err *blame(const struct run *run, const struct session_end *end)
{
    return err_new(ERR_TERMINAL, REASON_MIGRATION_FAILED,
                   "%s:%d:%d: statement %d: %s %s, and %d attempts in a row have ended at this "
                   "statement: it ends its own session, as %s does; take that out of the file or "
                   "of what it calls. If somebody else ended them, run it again",
                   end->file->path, run->result->failed.line, run->result->failed.column, end->step,
                   end->code, end->since, MOST, end->example);
}

struct err *run_ended_too_often(const struct run *run, const struct session_end *end)
{
    const struct statement *s = script_at(end->script, (size_t)end->step - 1);
    return ends_before(run, end, s) + 1 < MOST ? NULL : blame(run, end);
}

struct err *run_write_end(struct run *run, const struct session_end *end)
{
    AUTO(journal_row_done) struct journal_row row = { 0 };
    const struct script *at_work = run->script;
    run->script = end->script;
    journal_row_prepare(run, end->file, end->rank, end->step,
                        script_at(end->script, (size_t)end->step - 1), JOURNAL_RESOLVED, NULL,
                        &row);
    run->script = at_work;
    row.verdict = VERDICT_NOT_APPLIED;
    row.error_code = mem_strdup(end->code);
    row.message = mem_strdup(end->since);
    return run->db->ops->append(run, &row);
}
