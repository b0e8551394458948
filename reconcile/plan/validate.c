/* SPDX-License-Identifier: Apache-2.0 */
/* docs/flyway.md 4.5: what stands in the way of a run, entry by entry, with our reasons. */
#include "reconcile/base/auto.h"
#include "reconcile/base/mem.h"
#include "reconcile/migration/parse.h"
#include "reconcile/model/reason.h"
#include "reconcile/plan/states.h"

static bool pattern_matches(const struct ignore_pattern *p, bool versioned, enum state state)
{
    if ((p->type == IGNORE_VERSIONED && !versioned) ||
        (p->type == IGNORE_REPEATABLE && versioned)) {
        return false;
    }
    switch (p->state) {
    case IGNORE_ANY_STATE:
        return true;
    case IGNORE_MISSING:
        return state == STATE_MISSING;
    case IGNORE_PENDING:
        return state == STATE_PENDING;
    case IGNORE_IGNORED:
        return state == STATE_IGNORED;
    case IGNORE_FUTURE:
        return state == STATE_FUTURE;
    }
    return false;
}

static bool ignored(const struct states *s, bool versioned, enum state state)
{
    const struct migrations_options *options = s->input->options;

    if (!s->input->validate_only && state == STATE_PENDING) {
        return true; /* a run is there to apply them */
    }
    for (int i = 0; i < options->ignore_count; i++) {
        if (pattern_matches(&options->ignore[i], versioned, state)) {
            return true;
        }
    }
    return false;
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
                                  bool versioned, const char *name)
{
    /* On PostgreSQL only the journal knows of it, and it explains itself. */
    bool explained = !entry->row || (entry->state != STATE_FAILED_MISSING &&
                                     journal_explains(s->input->journal, entry->row));
    if (explained) { /* a run retries it: docs/formats.md 1.3 */
        return s->input->validate_only && !ignored(s, versioned, STATE_PENDING)
                   ? err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION,
                             "%s failed in its last run and is not applied", name)
                   : NULL;
    }
    return err_new(
        ERR_TERMINAL, REASON_FAILED_HISTORY_ROW,
        "%s has failed in an earlier run of another tool (history row %d, success = false); "
        "check what it left behind, then run `flyway repair`",
        name, entry->row->rank);
}

static struct err *compare_problem(const struct states *s, const struct plan_entry *entry,
                                   const char *name)
{
    const struct history_row *row = entry->row;
    const struct migration *file = entry->file;

    if (row->has_version && version_set(&s->applied_baseline) &&
        version_compare(&row->version, &s->applied_baseline) <= 0) {
        return NULL; /* rows at or below the baseline are not compared at all */
    }
    if (row->has_version && row->has_checksum && row->checksum != file->raw_checksum) {
        return err_new(
            ERR_TERMINAL, REASON_CHECKSUM_MISMATCH,
            "%s was changed after it had been applied as version %s: checksum applied %d, "
            "now %d",
            name, row->version_text, row->checksum, file->raw_checksum);
    }
    AUTO(free_auto) char *stored = description_stored(file->description);
    if (!str_eq(stored, row->description) &&
        !(stored[0] == '\0' && str_eq(row->description, "<< no description >>"))) {
        return err_new(
            ERR_TERMINAL, REASON_DESCRIPTION_MISMATCH,
            "%s: version %s was applied with the description \"%s\", the file now says \"%s\"",
            name, row->has_version ? row->version_text : "-", row->description, stored);
    }
    return NULL;
}

static struct err *unresolved_problem(const struct plan_entry *entry, const char *name)
{
    return err_new(ERR_TERMINAL, REASON_MIGRATION_MISSING,
                   "%s was applied (history row %d, script %s) but its file is gone", name,
                   entry->row->rank, entry->row->script);
}

static struct err *pending_problem(const struct states *s, const struct plan_entry *entry,
                                   const char *name)
{
    if (entry->state == STATE_IGNORED) {
        return err_new(ERR_TERMINAL, REASON_OUT_OF_ORDER,
                       "%s has a version below the newest applied one, %s", name,
                       s->last_applied.text);
    }
    return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION,
                   entry->state == STATE_OUTDATED
                       ? "%s was changed since its last run and is not applied yet"
                       : "%s is not applied yet: apply it, or let it pass with \"*:pending\"",
                   name);
}

static bool is_failed(enum state state)
{
    return state == STATE_FAILED || state == STATE_FAILED_MISSING || state == STATE_FAILED_FUTURE;
}

static struct err *entry_problem(const struct states *s, const struct plan_entry *entry)
{
    bool versioned =
        entry->file ? entry->file->kind != MIGRATION_REPEATABLE : entry->row->has_version;
    bool future_ignored = ignored(s, versioned, STATE_FUTURE);
    bool missing_ignored = ignored(s, versioned, STATE_MISSING);
    bool synthetic = entry->row && !entry->file &&
                     (str_eq(entry->row->type, "BASELINE") || str_eq(entry->row->type, "SCHEMA") ||
                      str_eq(entry->row->type, "DELETE") || str_starts(entry->row->type, "UNDO_"));
    AUTO(free_auto) char *name = entry_name(entry);

    if (entry->state == STATE_UNDONE || entry->state == STATE_ABOVE_TARGET ||
        entry->state == STATE_DELETED || ignored(s, versioned, entry->state)) {
        return NULL;
    }
    if (is_failed(entry->state)) {
        bool skip = entry->state == STATE_FAILED_FUTURE && future_ignored;
        return skip ? NULL : failed_problem(s, entry, versioned, name);
    }
    if (entry->row && !entry->file) {
        bool skip = synthetic || entry->state == STATE_SUPERSEDED ||
                    (missing_ignored && entry->state == STATE_MISSING) ||
                    (future_ignored && entry->state == STATE_FUTURE);
        return skip ? NULL : unresolved_problem(entry, name);
    }
    bool open = entry->state == STATE_PENDING || entry->state == STATE_INTERRUPTED ||
                entry->state == STATE_OUTCOME_UNKNOWN;
    if (!entry->row || open) { /* an interrupted repeat may have the row of its first failure */
        bool baseline = entry->file->kind == MIGRATION_BASELINE;
        if ((entry->state == STATE_IGNORED && !baseline) || (open && s->input->validate_only)) {
            return pending_problem(s, entry, name);
        }
        return NULL;
    }
    if (entry->state == STATE_OUTDATED) {
        return s->input->validate_only && !ignored(s, versioned, STATE_PENDING)
                   ? pending_problem(s, entry, name)
                   : NULL;
    }
    return entry->state == STATE_SUPERSEDED ? NULL : compare_problem(s, entry, name);
}

struct err *validate_entries(const struct states *s, struct plan *plan)
{
    struct err *first = NULL;

    for (size_t i = 0; i < plan->entry_count; i++) {
        struct err *e = entry_problem(s, &plan->entries[i]);
        if (e) {
            strlist_add(&plan->problems, e->message);
        }
        if (e && !first) {
            first = e;
        } else {
            err_free(e);
        }
    }
    if (first && plan->problems.count > 1) {
        char *message = mem_printf("%s (and %zu more)", first->message, plan->problems.count - 1);
        free(first->message);
        first->message = message;
    }
    return first;
}
