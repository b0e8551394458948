/* SPDX-License-Identifier: Apache-2.0 */
/* What our journal adds to the history table: attempts that did not end (docs/formats.md 1). */
#include <string.h>

#include "reconcile/base/auto.h"
#include "reconcile/migration/parse.h"
#include "reconcile/plan/states.h"

static bool row_of_file(const struct journal_row *row, const struct migration *file)
{
    if (file->kind != row->kind) {
        return false;
    }
    if (file->kind == MIGRATION_REPEATABLE) {
        AUTO(free_auto) char *stored = description_stored(file->description);
        return str_eq(stored, row->description);
    }
    struct version version;
    return row->version && version_parse(row->version, &version) &&
           version_compare(&version, &file->version) == 0;
}

const struct journal_row *journal_open_row(const struct journal *journal,
                                           const struct migration *file,
                                           const struct history_row *success)
{
    for (size_t i = journal->count; i-- > 0;) {
        const struct journal_row *row = &journal->rows[i];
        if (!row_of_file(row, file)) {
            continue;
        }
        if (success && success->rank >= row->installed_rank) {
            return NULL; /* that attempt, or a later one, succeeded */
        }
        return row->step == 0 && row->state == JOURNAL_DONE ? NULL : row;
    }
    return NULL;
}

bool journal_explains(const struct journal *journal, const struct history_row *failed)
{
    for (size_t i = journal->count; i-- > 0;) {
        const struct journal_row *row = &journal->rows[i];
        if (row->installed_rank != failed->rank) {
            continue;
        }
        if (failed->has_version ? str_eq(row->version, failed->version_text)
                                : !row->version && str_eq(row->description, failed->description)) {
            return row->step > 0 || row->state != JOURNAL_DONE; /* done: its row would say so */
        }
    }
    return false;
}

const struct journal_row *journal_file_row(const struct journal *journal, int32_t rank)
{
    for (size_t i = journal->count; i-- > 0;) {
        const struct journal_row *row = &journal->rows[i];
        if (row->installed_rank == rank && row->step == 0 && row->state == JOURNAL_DONE) {
            return row;
        }
    }
    return NULL;
}

enum state journal_state_of(const struct journal_row *open, const struct migration *file)
{
    if (open->state == JOURNAL_FAILED) {
        return STATE_FAILED;
    }
    if (open->state == JOURNAL_INTENT && open->step_class == 'X' && !file->directives.verify &&
        !file->directives.idempotent) {
        return STATE_OUTCOME_UNKNOWN;
    }
    return STATE_INTERRUPTED;
}
