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
        if (failed->has_version ? version_same(row->version, failed->version_text)
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

static bool has_file(const struct migration_set *files, const struct journal_row *row)
{
    for (size_t i = 0; i < files->count; i++) {
        if (row_of_file(row, &files->items[i])) {
            return true;
        }
    }
    return false;
}

/* Does no later row speak about this step or about the whole file? */
static bool is_newest(const struct journal *journal, size_t index)
{
    const struct journal_row *row = &journal->rows[index];

    for (size_t i = journal->count; --i > index;) {
        const struct journal_row *later = &journal->rows[i];
        if (journal_same_file(later, row) &&
            (later->step == row->step || journal_row_closes(later))) {
            return false;
        }
    }
    return true;
}

static bool succeeded_since(const struct history *history, const struct journal_row *row)
{
    for (size_t i = history->count; i-- > 0 && history->rows[i].rank >= row->installed_rank;) {
        const struct history_row *later = &history->rows[i];
        if (later->success &&
            (later->has_version ? version_same(later->version_text, row->version)
                                : !row->version && str_eq(later->description, row->description))) {
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
        bool stays = row->step > 0 && (row->state == JOURNAL_INTENT || journal_row_applied(row));
        if (stays && !is_recorded(history, row->installed_rank) && !has_file(files, row) &&
            is_newest(journal, i) && !succeeded_since(history, row)) {
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
