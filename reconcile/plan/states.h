/* SPDX-License-Identifier: Apache-2.0 */
/* States of rows and files (docs/reference/flyway.md 4.1-4.4). Internal to plan/. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "reconcile/plan/plan.h"

enum row_trait {
    ROW_SYNTHETIC = 1,
    ROW_BASELINE = 2,
    ROW_UNDO = 4
};

struct row_view { /* a history row with what its neighbours say about it */
    const struct history_row *row;
    unsigned traits;
    bool deleted;
    bool undone; /* by a row of an undo type */
    bool out_of_order;
    bool latest;                  /* newest run of this repeatable */
    const struct migration *file; /* borrowed; NULL: no matching file */
};

struct states {
    const struct plan_input *input;
    struct row_view *rows; /* owned; in rank order */
    size_t row_count;
    const struct row_view **live; /* owned; per file: states_live_row() */
    struct version last_resolved, applied_baseline, pending_baseline, last_applied;
    struct version
        current; /* highest that is in: last_applied counts failed rows, as Flyway does */
    bool has_target;
    struct version target; /* with has_target; "" = below every version */
};

/* HistoryTampered for a row type that nobody writes and for a version deleted twice; InvalidSpec for a target that does not exist.
 * `history` may differ from input->history (a baseline marker that is about to be written). */
struct err *states_make(const struct plan_input *input, const struct history *history,
                        struct states *out) ERR_MUST_USE;
void states_done(struct states *s);

enum state states_of_row(const struct states *s, const struct row_view *view);
/* The newest row that stands for this file and is not deleted; NULL: the file has no live row. */
const struct row_view *states_live_row(const struct states *s, const struct migration *file);
enum state states_of_file(const struct states *s, const struct migration *file);

/* Is the stored checksum of a repeatable's latest run that of the present file? */
struct err *states_repeatable_current(const struct states *s, const struct migration *file,
                                      const struct history_row *row, bool *current) ERR_MUST_USE;

/* Does a run repeat the file of this failed row (docs/reference/formats.md 1)? Our journal explains it, the file
 * (NULL: gone) is there, and no newer row stands for it. */
bool states_retried(const struct states *s, const struct migration *file,
                    const struct history_row *failed);

/* journal_view.c: the newest journal row that tells of an attempt at `file` which the history table
 * does not show as done; NULL: none. */
const struct journal_row *journal_open_row(const struct journal *journal,
                                           const struct migration *file,
                                           const struct history_row *success);
/* Does our journal explain this success=0 row (docs/reference/formats.md 1)? */
bool journal_explains(const struct journal *journal, const struct history_row *row);
/* The step-0 row of the run that wrote history row `rank`; NULL: another tool wrote it. */
const struct journal_row *journal_file_row(const struct journal *journal, int32_t rank);
/* A statement of an attempt that has stayed, or may have, of a file that is gone; NULL: none. */
const struct journal_row *journal_left_behind(const struct journal *journal,
                                              const struct history *history,
                                              const struct migration_set *files);
/* Has this statement taken effect, or may it have, and does no later row say otherwise? */
bool journal_row_stays(const struct journal *journal, size_t index);
/* The same of the attempt that a failed row tells of, whether its file is there or not. */
const struct journal_row *journal_stays(const struct journal *journal,
                                        const struct history_row *failed);
/* failed, interrupted or unknown, from an open row. */
enum state journal_state_of(const struct journal_row *open, const struct migration *file);

/* Does `repair` mark rows of this type as deleted? Of files that a folder of SQL files shows, when they are there. */
bool states_markable(const char *type);
/* "type:state" of ignoreMigrationPatterns, as given. */
bool states_ignored(const struct states *s, bool versioned, enum state state);

/* validate.c: docs/reference/flyway.md 4.5 over all entries; fills plan->problems; returns the first one. */
struct err *validate_entries(const struct states *s, struct plan *plan) ERR_MUST_USE;
