// SPDX-License-Identifier: Apache-2.0
// What the journal says of a file's steps: which are done, which were changed since, which nobody knows of.
#include "base/auto.h"
#include "database/postgresql/pgdb.h"
#include "model/reason.h"
#include "reconcile/migration/script.h"

const struct journal_row *pgdb_step_row(const struct journal *journal, const struct migration *file,
                                        int32_t step)
{
    for (size_t i = journal->count; i > 0; i--) {
        const struct journal_row *row = &journal->rows[i - 1];
        if (!journal_row_is_of(row, file)) {
            continue;
        }
        if (journal_row_closes(row) || journal_row_is_old_content(row, file)) {
            return NULL; // an earlier run of a repeatable, or a person's word: what came before is over
        }
        if (row->step == step) {
            return row;
        }
    }
    return NULL;
}

struct err *pgdb_step_done(const struct run *run, const struct migration *file,
                           const struct script *script, size_t index, bool *out)
{
    const struct statement *s = script_at(script, index);
    const struct journal_row *row = pgdb_step_row(&run->seen.journal, file, (int32_t)index + 1);
    *out = row && journal_row_applied(row);
    if (*out && !statement_was(s, file, row->statement_sha256)) {
        return run_changed(
            run, file, REASON_CHECKSUM_MISMATCH,
            "%s:%d:%d: statement %d was changed after an earlier attempt had applied it: "
            "restore it, and put the change into a new file",
            file->path, s->line, s->column, (int)index + 1);
    }
    return *out ? journal_check_values(run, file, script, row) : NULL;
}

// The file is shorter now than what an earlier attempt has applied of it.
static struct err *check_beyond(const struct run *run, const struct migration *file,
                                const struct script *script)
{
    const struct journal *journal = &run->seen.journal;
    for (size_t i = journal->count; i > 0; i--) {
        const struct journal_row *row = &journal->rows[i - 1];
        if (row->step > (int32_t)script->count && journal_row_applied(row) &&
            journal_row_is_of(row, file) && pgdb_step_row(journal, file, row->step) == row) {
            return run_changed(
                run, file, REASON_CHECKSUM_MISMATCH,
                "%s:%d: statement %d of an earlier attempt is applied and is not in the "
                "file any more: restore it, and put the change into a new file",
                file->path, row->line, row->step);
        }
    }
    return NULL;
}

struct err *pgdb_steps_look(const struct run *run, const struct migration *file,
                            const struct script *script, bool *done)
{
    for (size_t i = 0; i < script->count; i++) {
        // a SET has no row, unless it has taken another statement's place
        TRY(pgdb_step_done(run, file, script, i, &done[i]));
    }
    TRY(check_beyond(run, file, script));
    return pgdb_check_resume(run, file, script, done);
}

struct err *pgdb_unknown(const struct run *run, const struct migration *file, int line, int step,
                         const char *why)
{
    return run_unknown(run, file, step, "%s:%d: statement %d %s", file->path, line, step, why);
}
