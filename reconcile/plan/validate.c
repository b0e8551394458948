/* SPDX-License-Identifier: Apache-2.0 */
/* docs/reference/flyway.md 4.5: what stands in the way of a run, entry by entry, with our reasons. */
#include "base/auto.h"
#include "base/mem.h"
#include "model/reason.h"
#include "reconcile/migration/parse.h"
#include "reconcile/plan/states.h"

static bool pattern_matches(const struct ignore_pattern *p, bool versioned, enum state state)
{
    static const enum state states[] = {
        [IGNORE_MISSING] = STATE_MISSING,
        [IGNORE_PENDING] = STATE_PENDING,
        [IGNORE_IGNORED] = STATE_IGNORED,
        [IGNORE_FUTURE] = STATE_FUTURE,
    };
    if ((p->type == IGNORE_VERSIONED && !versioned) ||
        (p->type == IGNORE_REPEATABLE && versioned)) {
        return false;
    }
    return p->state == IGNORE_ANY_STATE || states[p->state] == state;
}

bool states_ignored(const struct states *s, bool versioned, enum state state)
{
    const struct migrations_options *options = s->input->options;

    for (int i = 0; i < options->ignore_count; i++) {
        if (pattern_matches(&options->ignore[i], versioned, state)) {
            return true;
        }
    }
    return false;
}

static bool ignored(const struct states *s, bool versioned, enum state state)
{
    if (!s->input->validate_only && state == STATE_PENDING) {
        return true; /* a run is there to apply them */
    }
    return states_ignored(s, versioned, state);
}

/* "version 3" or "repeatable \"views\"", for messages. */
static char *entry_name(const struct plan_entry *entry)
{
    if (entry->file) {
        return mem_strdup(entry->file->path);
    }
    return entry->row->has_version ? mem_printf("version %s (\"%s\")", entry->row->version_text,
                                                entry->row->description)
                                   : mem_printf("repeatable \"%s\"", entry->row->description);
}

static struct err *failed_problem(const struct states *s, const struct plan_entry *entry,
                                  bool pending_ignored, const char *name)
{
    const struct history_row *row = entry->row; /* none on PostgreSQL: only our journal knows */

    if (!row || states_retried(s, entry->file, row)) {
        return pending_ignored ? NULL
                               : err_new(ERR_TERMINAL, REASON_PENDING,
                                         "%s failed in its last run and is not applied", name);
    }
    if (!journal_explains(s->input->journal, row)) {
        AUTO(free_auto) char *repair = command_repair(s->input->place, false);
        return err_new(
            ERR_TERMINAL, REASON_FAILED_HISTORY_ROW,
            "%s has failed in an earlier run of another tool (history row %d, success = false): "
            "undo what it left behind, then remove the row: %s",
            name, row->rank, repair);
    }
    if (str_eq(row->type, "SQL_BASELINE") && !entry->file) {
        return err_new(
            ERR_TERMINAL, REASON_FAILED_HISTORY_ROW,
            "%s, a baseline, has failed in an earlier run (history row %d, success = false) and "
            "its file is gone: put it back, or files below it would pass for covered",
            name, row->rank);
    }
    return NULL; /* our own row: its file is gone, or a newer row stands for it; what stays is left_behind()'s */
}

/* "statement 1 (line 2) applied, statement 3 (line 9) open": all that stays of the attempt. */
static char *what_stays(const struct journal *journal, const struct journal_row *of)
{
    AUTO(buf_done) struct buf out = BUF(300);

    for (size_t i = 0; i < journal->count; i++) {
        const struct journal_row *row = &journal->rows[i];
        if (journal_same_file(row, of) && journal_row_stays(journal, i)) {
            buf_addf(&out, "%sstatement %d (line %d) %s", out.len > 0 ? ", " : "", row->step,
                     row->line, row->state == JOURNAL_INTENT ? "open" : "applied");
        }
    }
    return mem_printf("%s%s", buf_text(&out), out.failed ? " and more" : "");
}

/* An attempt that went half-way, of a file that is gone, renamed or numbered otherwise: what took its place would do a
 * part again. */
static struct err *left_behind(const struct states *s)
{
    const struct plan_input *input = s->input;
    const struct journal_row *row =
        journal_left_behind(input->journal, input->history, input->files);

    if (!row) {
        return NULL;
    }
    AUTO(free_auto) char *stays = what_stays(input->journal, row);
    AUTO(free_auto) char *restart =
        command_resolve(input->place, row->version, row->description, row->step, VERDICT_RESTART);
    return err_new(ERR_TERMINAL, REASON_MIGRATION_MISSING,
                   "%s%s: an attempt has left %s, and its file is gone: put it back, or, when what "
                   "stays is wanted or undone, say so: %s",
                   row->version ? "version " : "", row->version ? row->version : row->script, stays,
                   restart);
}

static struct err *compare_problem(const struct states *s, const struct plan_entry *entry,
                                   const char *name)
{
    const struct history_row *row = entry->row;
    const struct migration *file = entry->file;

    if (!row->has_version) {
        return NULL; /* matched by its description, and another checksum says Outdated */
    }
    if (version_set(&s->applied_baseline) &&
        version_compare(&row->version, &s->applied_baseline) <= 0) {
        return NULL; /* rows at or below the baseline are not compared at all */
    }
    if (row->has_checksum && row->checksum != file->raw_checksum) {
        AUTO(free_auto) char *repair = command_repair(s->input->place, true);
        return err_new(
            ERR_TERMINAL, REASON_CHECKSUM_MISMATCH,
            "%s was changed after it had been applied as version %s: checksum applied %d, "
            "now %d; if the database is right as it is, accept the file: %s",
            name, row->version_text, row->checksum, file->raw_checksum, repair);
    }
    AUTO(free_auto) char *stored = description_stored(file->description);
    if (!str_eq(stored, row->description) &&
        !(stored[0] == '\0' && str_eq(row->description, "<< no description >>"))) {
        AUTO(free_auto) char *repair = command_repair(s->input->place, true);
        return err_new(
            ERR_TERMINAL, REASON_DESCRIPTION_MISMATCH,
            "%s: version %s was applied with the description \"%s\", the file now says \"%s\"; if "
            "that shall be its name: %s",
            name, row->version_text, row->description, stored, repair);
    }
    return NULL;
}

static struct err *unresolved_problem(const struct states *s, const struct plan_entry *entry,
                                      const char *name)
{
    const char *type = entry->row->type;

    if (entry->state == STATE_SUPERSEDED || str_eq(type, "BASELINE") || str_eq(type, "SCHEMA") ||
        str_eq(type, "DELETE") || str_starts(type, "UNDO_")) {
        return NULL;
    }
    AUTO(free_auto)
    char *repair = states_markable(type) ? command_repair(s->input->place, true)
                                         : mem_strdup("--ignore-pattern '*:missing'");
    return err_new(
        ERR_TERMINAL, REASON_MIGRATION_MISSING,
        "%s was applied (history row %d, script %s) but its file is gone; if it is gone for "
        "good: %s",
        name, entry->row->rank, entry->row->script, repair);
}

static struct err *unknown_problem(const struct states *s, const struct plan_entry *entry,
                                   const char *name)
{
    const struct journal_row *open = entry->open;
    AUTO(free_auto) char *verdicts =
        command_verdicts(s->input->place, open->version, open->description, open->step);

    return err_new(
        ERR_TERMINAL, REASON_OUTCOME_UNKNOWN,
        "%s: an attempt was interrupted inside statement %d (line %d) and its outcome is "
        "unknown: %s",
        name, open->step, open->line, verdicts);
}

static struct err *file_problem(const struct states *s, const struct plan_entry *entry,
                                bool pending_ignored, const char *name)
{
    switch (entry->state) {
    case STATE_IGNORED:
        return entry->file->kind == MIGRATION_BASELINE
                   ? NULL /* a live database never runs B files, and never fails for them */
                   : err_new(ERR_TERMINAL, REASON_OUT_OF_ORDER,
                             "%s has a version below the newest applied one, %s", name,
                             s->last_applied.text);
    case STATE_PENDING:
        return err_new(ERR_TERMINAL, REASON_PENDING, "%s is not applied yet", name);
    case STATE_OUTDATED:
        return pending_ignored
                   ? NULL
                   : err_new(ERR_TERMINAL, REASON_PENDING,
                             "%s was changed since its last run and is not applied yet", name);
    case STATE_INTERRUPTED:
        return pending_ignored
                   ? NULL
                   : err_new(ERR_TERMINAL, REASON_PENDING,
                             "%s was interrupted in its last run and is not applied", name);
    case STATE_OUTCOME_UNKNOWN: /* a run can still settle it, or says what to look at */
        return s->input->validate_only ? unknown_problem(s, entry, name) : NULL;
    case STATE_BELOW_BASELINE:
    case STATE_IGNORED_BASELINE:
        return NULL;
    default: /* applied */
        return compare_problem(s, entry, name);
    }
}

/* The order of docs/reference/flyway.md 4.5. */
static struct err *entry_problem(const struct states *s, const struct plan_entry *entry)
{
    bool versioned =
        entry->file ? entry->file->kind != MIGRATION_REPEATABLE : entry->row->has_version;
    bool is_ignored = ignored(s, versioned, entry->state);
    bool pending_ignored = ignored(s, versioned, STATE_PENDING);
    AUTO(free_auto) char *name = entry_name(entry);

    switch (entry->state) {
    case STATE_ABOVE_TARGET:
    case STATE_DELETED:
    case STATE_UNDONE:
        return NULL;
    case STATE_FAILED_FUTURE:
        return ignored(s, versioned, STATE_FUTURE)
                   ? NULL
                   : failed_problem(s, entry, pending_ignored, name);
    case STATE_FAILED:
    case STATE_FAILED_MISSING: /* "*:*" may hide it, but no run goes on from it */
        return is_ignored && s->input->validate_only
                   ? NULL
                   : failed_problem(s, entry, pending_ignored, name);
    default:
        if (is_ignored) {
            return NULL;
        }
        return entry->file ? file_problem(s, entry, pending_ignored, name)
                           : unresolved_problem(s, entry, name);
    }
}

/* The one that stands for all: what is only not applied yet comes after what is wrong. */
static struct err *graver(struct err *first, struct err *e)
{
    bool later =
        first && (!str_eq(first->reason, REASON_PENDING) || str_eq(e->reason, REASON_PENDING));

    err_free(later ? e : first);
    return later ? first : e;
}

struct err *validate_entries(const struct states *s, struct plan *plan)
{
    struct err *first = left_behind(s);

    if (first) {
        strlist_add(&plan->problems, first->message);
    }
    for (size_t i = 0; i < plan->entry_count; i++) {
        struct err *e = entry_problem(s, &plan->entries[i]);
        if (e) {
            strlist_add(&plan->problems, e->message);
            first = graver(first, e);
        }
    }
    if (first && plan->problems.count > 1 && !s->input->validate_only) { /* who validates, lists */
        char *message = mem_printf("%s (and %zu more)", first->message, plan->problems.count - 1);
        free(first->message);
        first->message = message;
    }
    return first;
}
