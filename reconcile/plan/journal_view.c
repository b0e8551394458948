/* SPDX-License-Identifier: Apache-2.0 */
/* What our journal adds to the history table: attempts that did not end (docs/reference/formats.md 1). */
#include <string.h>

#include "base/auto.h"
#include "reconcile/migration/parse.h"
#include "reconcile/plan/states.h"

const struct journal_row *journal_open_row(const struct journal *journal,
                                           const struct migration *file,
                                           const struct history_row *success)
{
    for (size_t i = journal->count; i-- > 0;) {
        const struct journal_row *row = &journal->rows[i];
        if (!journal_row_is_of(row, file)) {
            continue;
        }
        if (success && success->rank >= row->installed_rank) {
            return NULL; /* that attempt, or a later one, succeeded */
        }
        return journal_row_closes(row) ? NULL : row;
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
        if (history_row_is_about(failed, row->version, row->description)) {
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

static bool is_recorded(const struct history *history, int32_t rank)
{
    size_t low = 0, high = history->count; /* by rank; a journal may be three times as long */

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (history->rows[middle].rank < rank) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < history->count && history->rows[low].rank == rank && history->rows[low].success;
}

bool journal_row_stays(const struct journal *journal, size_t index)
{
    return journal_row_may_stay(&journal->rows[index]) &&
           journal_is_newest(journal, &journal->rows[index]);
}

const struct journal_row *journal_stays(const struct journal *journal,
                                        const struct history_row *failed)
{
    for (size_t i = 0; i < journal->count; i++) {
        const struct journal_row *row = &journal->rows[i];
        if (history_row_is_about(failed, row->version, row->description) &&
            journal_row_stays(journal, i)) {
            return row;
        }
    }
    return NULL;
}

static bool succeeded_since(const struct history *history, const struct journal_row *row)
{
    for (size_t i = history->count; i-- > 0 && history->rows[i].rank >= row->installed_rank;) {
        const struct history_row *later = &history->rows[i];
        if (later->success && history_row_is_about(later, row->version, row->description)) {
            return true;
        }
    }
    return false;
}

const struct journal_row *journal_left_behind(const struct journal *journal,
                                              const struct history *history,
                                              const struct migration_set *files)
{
    for (size_t i = 0; i < journal->count; i++) {
        const struct journal_row *row = &journal->rows[i];
        if (journal_row_may_stay(row) && !is_recorded(history, row->installed_rank) &&
            !journal_row_file(files, row) && journal_is_newest(journal, row) &&
            !succeeded_since(history, row)) {
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
