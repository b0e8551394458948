/* SPDX-License-Identifier: Apache-2.0 */
/* (files, history, journal, policy) -> states, ordered actions, or a terminal error. */
#include "reconcile/plan/plan.h"

#include <string.h>

#include "base/auto.h"
#include "base/mem.h"
#include "model/reason.h"
#include "reconcile/migration/parse.h"
#include "reconcile/plan/states.h"

static void add_entry(struct plan *plan, struct plan_entry entry)
{
    plan->entries[plan->entry_count++] = entry;
}

static void add_rows(const struct states *s, struct plan *plan)
{
    for (size_t i = 0; i < s->row_count; i++) {
        const struct row_view *view = &s->rows[i];
        if (str_eq(view->row->type, "DELETE") && view->row->has_version) {
            continue; /* told by the row that it deletes */
        }
        struct plan_entry entry = { .state = states_of_row(s, view),
                                    .file = view->file,
                                    .row = view->row };
        if (entry.state == STATE_FUTURE) { /* an undo row is none */
            strlist_add(&plan->ahead, view->row->version_text);
        }
        if (entry.state == STATE_OUTDATED) {
            entry.open = journal_open_row(s->input->journal, entry.file, view->row);
        }
        if (entry.state == STATE_FAILED && states_retried(s, entry.file, entry.row)) {
            entry.open = journal_open_row(s->input->journal, entry.file, NULL);
            entry.state = entry.open ? journal_state_of(entry.open, entry.file) : entry.state;
        }
        add_entry(plan, entry);
    }
}

static void add_files(const struct states *s, struct plan *plan)
{
    const struct migration_set *files = s->input->files;

    for (size_t i = 0; i < files->count; i++) {
        const struct migration *file = &files->items[i];
        if (file->kind == MIGRATION_CALLBACK || file->kind == MIGRATION_UNDO ||
            states_live_row(s, file)) {
            continue;
        }
        struct plan_entry entry = { .state = states_of_file(s, file), .file = file };
        if (entry.state == STATE_PENDING) {
            entry.open = journal_open_row(s->input->journal, file, NULL);
            if (entry.open) {
                entry.state = journal_state_of(entry.open, file);
            }
        }
        add_entry(plan, entry);
    }
}

static int below_baseline(const struct plan_entry *e)
{
    return e->state == STATE_BELOW_BASELINE || e->state == STATE_IGNORED_BASELINE;
}

/* By version, repeatables last. The set is sorted already: what is equal stays in its order. */
static int file_order(const struct migration *a, const struct migration *b)
{
    int by_kind = (a->kind == MIGRATION_REPEATABLE) - (b->kind == MIGRATION_REPEATABLE);
    int by_version = version_compare(&a->version, &b->version);

    if (by_kind != 0) {
        return by_kind;
    }
    return by_version != 0 ? by_version : (a > b) - (a < b);
}

/* Flyway's order of `info`, docs/reference/flyway.md 4.4. */
static int entry_order(const void *left, const void *right)
{
    const struct plan_entry *a = left;
    const struct plan_entry *b = right;
    int by_row = !a->row - !b->row;
    int by_baseline = below_baseline(b) - below_baseline(a); /* only files lie below one */

    if (by_row != 0) {
        return by_baseline != 0 ? by_baseline : by_row;
    }
    if (a->row) {
        return (a->row->rank > b->row->rank) - (a->row->rank < b->row->rank);
    }
    return file_order(a->file, b->file);
}

/* A `failed` row of the controller's own stands until the file or the retry token changes. */
static struct err *check_held(const struct plan_input *input, const struct plan_entry *entry)
{
    const struct journal_row *open = entry->open;

    if (!open || open->state != JOURNAL_FAILED || !input->held_by_failed) {
        return NULL;
    }
    if (!migration_was(entry->file, open->file_sha256) ||
        !str_eq(open->retry_token, input->retry_token)) {
        return NULL;
    }
    return err_new(ERR_TERMINAL, REASON_MIGRATION_FAILED, "%s:%d: %s%s%s", entry->file->path,
                   open->line, open->error_code ? open->error_code : "",
                   open->error_code ? " " : "", open->message ? open->message : "failed");
}

static bool after_met(const struct plan_input *input, const struct kv *after)
{
    const char *known = input->assume ? kvlist_get(input->assume, after->key) : NULL;
    struct version have;
    struct version want = { 0 };

    (void)version_parse(after->value, &want); /* the directive's parser wrote it */
    return known && version_parse(known, &have) && version_compare(&have, &want) >= 0;
}

/* False: the file has to wait and so has everything behind it. */
static struct err *check_after(const struct plan_input *input, const struct migration *file,
                               struct plan *plan, bool *met)
{
    *met = true;
    for (size_t i = 0; i < file->directives.after.count; i++) {
        const struct kv *after = &file->directives.after.items[i];
        if (after_met(input, after)) {
            continue;
        }
        *met = false;
        if (!input->wait_for_others) {
            return err_new(
                ERR_TERMINAL, REASON_INVALID_MIGRATION,
                "%s: after=%s/%s needs another database that a single run cannot see; if it "
                "has that version, say --assume %s=%s",
                file->path, after->key, after->value, after->key, after->value);
        }
        plan->waits_for = mem_printf("%s/%s", after->key, after->value);
        return NULL;
    }
    return NULL;
}

static bool wants_run(const struct states *s, const struct plan_entry *e)
{
    switch (e->state) {
    case STATE_PENDING:
    case STATE_OUTDATED:
    case STATE_INTERRUPTED:
    case STATE_OUTCOME_UNKNOWN:
        return true;
    case STATE_FAILED: /* not beside a newer success */
        return !e->row || states_retried(s, e->file, e->row);
    default:
        return false;
    }
}

static int run_order(const void *left, const void *right)
{
    const struct plan_entry *const *a = left;
    const struct plan_entry *const *b = right;

    return file_order((*a)->file, (*b)->file);
}

/* What runs goes by version, whereas `info` lists by rank what an earlier run left a row of. */
static struct err *add_actions(const struct states *s, struct plan *plan)
{
    const struct plan_input *input = s->input;
    AUTO(free_auto) const struct plan_entry **due = mem_array(plan->entry_count + 1, sizeof *due);
    size_t count = 0;

    for (size_t i = 0; i < plan->entry_count; i++) {
        if (wants_run(s, &plan->entries[i])) {
            due[count++] = &plan->entries[i];
        }
    }
    qsort(due, count, sizeof *due, run_order);
    for (size_t i = 0; i < count; i++) {
        struct action action = { .kind = ACTION_APPLY, .file = due[i]->file };
        bool met;

        TRY(check_held(input, due[i]));
        TRY(check_after(input, action.file, plan, &met));
        if (!met) {
            return NULL;
        }
        TRY(placeholders_checksum(action.file, input->placeholders, &action.checksum));
        plan->actions[plan->action_count++] = action;
        if (input->options->target == TARGET_NEXT) {
            return NULL;
        }
    }
    return NULL;
}

static struct err *require_baseline(const struct plan_input *input, struct history *with_marker,
                                    struct plan *plan)
{
    const struct migrations_options *options = input->options;

    *with_marker = *input->history;
    if (input->history->count > 0 || input->history->schema_empty || input->validate_only) {
        return NULL;
    }
    /* An empty table may be ours, made just before the marker: the wish for a baseline still stands,
     * unless an attempt at a file began already (then what is in the schema may be its). */
    bool begun = input->journal->count > 0 || input->journal->head_seq > 0;
    if (input->history->table_exists && (begun || !options->baseline_on_migrate)) {
        return NULL;
    }
    if (!options->baseline_on_migrate) {
        AUTO(free_auto)
        char *baseline = command_baseline(input->place, options->baseline_version.text);
        return err_new(ERR_TERMINAL, REASON_BASELINE_REQUIRED,
                       "the schema is not empty and has no history table \"%s\": if it holds what "
                       "the files up to version %s make, say so: %s",
                       options->table, options->baseline_version.text, baseline);
    }
    plan->marker = mem_alloc(sizeof *plan->marker);
    *plan->marker = (struct history_row){
        .rank = 1,
        .has_version = true,
        .version = options->baseline_version,
        .version_text = mem_strdup(options->baseline_version.text),
        .description = mem_strdup(options->baseline_description),
        .type = mem_strdup("BASELINE"),
        .script = mem_strdup(options->baseline_description),
        .success = true,
    };
    *with_marker = (struct history){ .table_exists = true, .rows = plan->marker, .count = 1 };
    plan->actions[plan->action_count++] = (struct action){ .kind = ACTION_BASELINE_MARKER };
    return NULL;
}

static struct err *fill(const struct plan_input *input, const struct states *s, struct plan *plan)
{
    plan->current = s->current;
    add_rows(s, plan);
    add_files(s, plan);
    mem_sort(plan->entries, plan->entry_count, sizeof *plan->entries, entry_order);
    TRY(validate_entries(s, plan));
    if (input->validate_only) {
        return NULL;
    }
    return add_actions(s, plan);
}

struct err *plan_make(const struct plan_input *input, struct plan *out)
{
    AUTO(states_done) struct states s = { 0 };
    struct plan plan = { 0 };
    struct history history;
    size_t most = input->files->count + input->history->count + 2;

    plan.entries = mem_array(most, sizeof *plan.entries);
    plan.actions = mem_array(input->files->count + 1, sizeof *plan.actions);
    struct err *failed = require_baseline(input, &history, &plan);
    if (!failed) {
        failed = states_make(input, &history, &s);
    }
    if (!failed) {
        failed = fill(input, &s, &plan);
    }
    if (failed) {
        plan.action_count = 0;
    }
    *out = plan;
    return failed;
}

void plan_done(struct plan *plan)
{
    free(plan->entries);
    free(plan->actions);
    strlist_done(&plan->ahead);
    strlist_done(&plan->problems);
    free(plan->waits_for);
    if (plan->marker) {
        free(plan->marker->version_text);
        free(plan->marker->description);
        free(plan->marker->type);
        free(plan->marker->script);
        free(plan->marker);
    }
    *plan = (struct plan){ 0 };
}
