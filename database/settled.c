// SPDX-License-Identifier: Apache-2.0
// How much of the journal is over, so that nobody has to read it again (docs/reference/formats.md 1.4).
#include "base/auto.h"
#include "database/engine.h"
#include "reconcile/migration/parse.h"

struct search {
    const struct inspection *seen;
    const struct migration_set *files;
    const struct journal_row *rows, *end;
    const struct journal_row
        *closing; // of the file of the row before, which may close this one too
};

static bool is_closed(struct search *s, const struct journal_row *row)
{
    if (s->closing && s->closing >= row && journal_same_file(s->closing, row)) {
        return true;
    }
    s->closing = NULL;
    for (const struct journal_row *later = row; later < s->end && !s->closing; later++) {
        s->closing = journal_row_closes(later) && journal_same_file(later, row) ? later : NULL;
    }
    return s->closing != NULL;
}

// A real Flyway's success ends what came before, too; a failed row is explained by the rows of its rank.
static bool in_history(const struct search *s, const struct journal_row *row, bool success)
{
    const struct history *history = &s->seen->history;
    for (size_t i = history->count; i > 0 && history->rows[i - 1].rank >= row->installed_rank;
         i--) {
        const struct history_row *h = &history->rows[i - 1];
        if (h->success == success && (success || h->rank == row->installed_rank) &&
            history_row_is_about(h, row->version, row->description)) {
            return true;
        }
    }
    return false;
}

static bool is_over(struct search *s, const struct journal_row *row)
{
    if (in_history(s, row, false)) {
        return false;
    }
    if (is_closed(s, row) || in_history(s, row, true)) {
        return true;
    }
    const bool stays = journal_row_may_stay(row) && journal_is_newest(&s->seen->journal, row);
    return !stays && !journal_row_file(s->files, row);
}

struct journal_mark journal_settled(const struct inspection *seen,
                                    const struct migration_set *files)
{
    const struct journal *journal = &seen->journal;
    struct journal_mark mark = seen->lease.settled;
    struct search s = {
        .seen = seen, .files = files, .rows = journal->rows, .end = journal->rows + journal->count
    };
    for (const struct journal_row *row = s.rows; row < s.end; row++) {
        if (row->seq <= mark.seq) {
            continue;
        }
        if (!is_over(&s, row)) {
            break;
        }
        mark.seq = row->seq;
        memcpy(mark.hash, row->row_hash, sizeof mark.hash);
    }
    return mark;
}
