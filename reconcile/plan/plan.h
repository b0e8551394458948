/* SPDX-License-Identifier: Apache-2.0 */
/* (files, history, journal, policy) -> states, ordered actions, or a terminal error. PURE. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"
#include "model/command.h"
#include "model/history.h"
#include "model/migration.h"
#include "model/options.h"
#include "reconcile/migration/placeholder.h"

enum state { /* docs/reference/flyway.md 4.3-4.4, display names by state_text() */
    STATE_NONE,
    STATE_PENDING,
    STATE_ABOVE_TARGET,
    STATE_BELOW_BASELINE,
    STATE_IGNORED_BASELINE,
    STATE_BASELINE,
    STATE_IGNORED,
    STATE_MISSING,
    STATE_FAILED_MISSING,
    STATE_SUCCESS,
    STATE_UNDONE,
    STATE_AVAILABLE,
    STATE_FAILED,
    STATE_OUT_OF_ORDER,
    STATE_FUTURE,
    STATE_FAILED_FUTURE,
    STATE_OUTDATED,
    STATE_SUPERSEDED,
    STATE_DELETED,
    /* ours, told by the journal (docs/explanation/engine.md) */
    STATE_INTERRUPTED,     /* an attempt ended inside this file; the next one settles it */
    STATE_OUTCOME_UNKNOWN, /* needs a verdict */
    STATE_MAX_
};
const char *state_text(enum state state); /* "Below Baseline" */

struct plan_entry { /* one line of `info`, in Flyway's order */
    enum state state;
    const struct migration *file;   /* borrowed; NULL: no file */
    const struct history_row *row;  /* borrowed; NULL: not applied */
    const struct journal_row *open; /* newest step row that explains failed/interrupted/unknown */
};

enum action_kind {
    ACTION_APPLY,
    ACTION_BASELINE_MARKER
};

struct action {
    enum action_kind kind;
    const struct migration *file; /* borrowed; NULL for the baseline marker */
    int32_t checksum;             /* to store */
};

struct plan_input {
    const struct migration_set *files;
    const struct history *history;
    const struct journal *journal;
    const struct migrations_options *options;
    const struct placeholders *placeholders; /* for repeatables' checksums */
    const char *target_id;                   /* for placeholders_hmac; "" before adoption */
    bool validate_only;                      /* `validate`: pending is an error unless ignored */
    bool
        held_by_failed; /* the controller: a `failed` row holds (retry_token below); migrate: false */
    const char *retry_token; /* with held_by_failed; "" without one */
    /* The controller: a repeatable whose last run has a journal row is judged by its raw SHA-256 and
     * the user placeholders, so that ${flyway:timestamp} does not make it pending for ever. False:
     * Flyway's rule (docs/reference/flyway.md 4.8) alone. */
    bool journal_repeatables;
    /* database -> version, for the directive after=; NULL: nothing is known of other databases. */
    const struct kvlist *assume;
    const struct command_place
        *place; /* for the commands that messages print; NULL: $SLUICE_URL's */
    bool
        wait_for_others; /* an unmet after= cuts the actions and fills waits_for; false: an error */
};

struct plan {
    struct plan_entry *entries;
    size_t entry_count;
    struct action *actions; /* in the order to run */
    size_t action_count;
    struct strlist ahead;   /* versions applied above every file (status.ahead) */
    struct version current; /* highest applied version, "" if none */
    struct strlist
        problems;    /* every validation problem, one line each; the error names the first */
    char *waits_for; /* "billing/12": the next file's after= is not met; NULL: none */
    struct history_row *marker; /* the baseline marker that the first action writes; NULL: none */
};

/* ERR_TERMINAL with reasons ChecksumMismatch DescriptionMismatch MigrationMissing OutOfOrder
 * BaselineRequired FailedHistoryRow HistoryTampered InvalidMigration InvalidSpec (target) OutcomeUnknown
 * (validate_only) MigrationFailed (held). On error *out still holds entries and problems (release it),
 * but no actions. */
struct err *plan_make(const struct plan_input *input, struct plan *out) ERR_MUST_USE;
void plan_done(struct plan *plan);

/* What `repair` would do to the history table: Flyway's meaning (docs/reference/flyway.md 4.9), and for rows of ours only what the
 * journal proves. Without files only failed rows are looked at. Changes borrow from the history; release
 * them. ERR_TERMINAL: FailedHistoryRow for a failed row of ours of which something has stayed or may have, with the
 * command that settles it; HistoryTampered, InvalidMigration as plan_make. */
struct err *repair_plan(const struct plan_input *input, struct history_changes *out) ERR_MUST_USE;
