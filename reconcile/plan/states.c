/* SPDX-License-Identifier: Apache-2.0 */
/* States of rows and files (docs/reference/flyway.md 4.1-4.4). */
#include "reconcile/plan/states.h"

#include <string.h>

#include "base/auto.h"
#include "base/mem.h"
#include "model/reason.h"
#include "reconcile/migration/parse.h"

static const struct row_type {
    const char *name;
    unsigned traits;
} row_types[] = {
    { "SQL", 0 },
    { "SQL_BASELINE", ROW_BASELINE },
    { "JDBC", 0 },
    { "JDBC_BASELINE", ROW_BASELINE },
    { "SPRING_JDBC", 0 },
    { "SCRIPT", 0 },
    { "CUSTOM", 0 },
    { "BASELINE", ROW_BASELINE | ROW_SYNTHETIC },
    { "SCHEMA", ROW_SYNTHETIC },
    { "DELETE", ROW_SYNTHETIC },
    { "UNDO_SCRIPT", ROW_UNDO },
    { "UNDO_SQL", ROW_UNDO },
    { "UNDO_JDBC", ROW_UNDO },
};

const char *state_text(enum state state)
{
    static const char *const texts[STATE_MAX_] = {
        [STATE_NONE] = "",
        [STATE_PENDING] = "Pending",
        [STATE_ABOVE_TARGET] = "Above Target",
        [STATE_BELOW_BASELINE] = "Below Baseline",
        [STATE_IGNORED_BASELINE] = "Ignored (Baseline)",
        [STATE_BASELINE] = "Baseline",
        [STATE_IGNORED] = "Ignored",
        [STATE_MISSING] = "Missing",
        [STATE_FAILED_MISSING] = "Failed (Missing)",
        [STATE_SUCCESS] = "Success",
        [STATE_UNDONE] = "Undone",
        [STATE_AVAILABLE] = "Available",
        [STATE_FAILED] = "Failed",
        [STATE_OUT_OF_ORDER] = "Out of Order",
        [STATE_FUTURE] = "Future",
        [STATE_FAILED_FUTURE] = "Failed (Future)",
        [STATE_OUTDATED] = "Outdated",
        [STATE_SUPERSEDED] = "Superseded",
        [STATE_DELETED] = "Deleted",
        [STATE_INTERRUPTED] = "Interrupted",
        [STATE_OUTCOME_UNKNOWN] = "Outcome Unknown",
    };
    return state > STATE_NONE && state < STATE_MAX_ ? texts[state] : "";
}

static bool row_traits(const char *type, unsigned *traits)
{
    for (size_t i = 0; i < sizeof row_types / sizeof *row_types; i++) {
        if (str_eq(row_types[i].name, type)) {
            *traits = row_types[i].traits;
            return true;
        }
    }
    return false;
}

static bool is_type(const struct row_view *view, const char *type)
{
    return str_eq(view->row->type, type);
}

/* A file without a version is named by its description, which rows store abbreviated. */
static bool same_description(const struct migration *file, const char *stored)
{
    AUTO(free_auto) char *cut = description_stored(file->description);
    return str_eq(cut, stored) || (cut[0] == '\0' && str_eq(stored, "<< no description >>"));
}

static bool file_matches(const struct migration *file, const struct row_view *view)
{
    const struct history_row *row = view->row;

    switch (file->kind) {
    case MIGRATION_VERSIONED:
        return is_type(view, "SQL") && version_compare(&file->version, &row->version) == 0;
    case MIGRATION_BASELINE:
        return is_type(view, "SQL_BASELINE") && version_compare(&file->version, &row->version) == 0;
    case MIGRATION_REPEATABLE:
        return !row->has_version && !(view->traits & (ROW_SYNTHETIC | ROW_UNDO)) &&
               same_description(file, row->description);
    default:
        return false;
    }
}

/* A DELETE row of `repair` takes back the latest earlier row of its version or description. Flyway
 * gives up on a version that is taken back twice, and so do we. */
static struct err *mark_deleted(struct states *s, size_t delete_index)
{
    const struct history_row *marker = s->rows[delete_index].row;

    for (size_t i = delete_index; i-- > 0;) {
        struct row_view *view = &s->rows[i];
        if (view->traits & ROW_SYNTHETIC) {
            continue;
        }
        bool same =
            marker->has_version
                ? view->row->has_version &&
                      version_compare(&marker->version, &view->row->version) == 0
                : !view->row->has_version && str_eq(marker->description, view->row->description);
        if (same && view->deleted && marker->has_version) {
            return err_new(ERR_TERMINAL, REASON_HISTORY_TAMPERED,
                           "history row %d deletes version %s, whose row %d was deleted before",
                           marker->rank, marker->version_text, view->row->rank);
        }
        if (same) {
            view->deleted = true;
            return NULL;
        }
    }
    return NULL;
}

/* An undo row takes back the latest earlier row of its version that still stands. */
static void mark_undone(struct states *s, size_t undo_index)
{
    const struct history_row *undo = s->rows[undo_index].row;

    for (size_t i = undo_index; i-- > 0;) {
        struct row_view *view = &s->rows[i];
        bool stands = !(view->traits & (ROW_SYNTHETIC | ROW_UNDO)) && !view->deleted;
        if (stands && view->row->has_version &&
            version_compare(&undo->version, &view->row->version) == 0) {
            view->undone = true;
            return;
        }
    }
}

static struct err *read_rows(struct states *s, const struct history *history)
{
    for (size_t i = 0; i < history->count; i++) {
        const struct history_row *row = &history->rows[i];
        struct row_view *view = &s->rows[s->row_count];

        if (row->rank < 0) {
            continue; /* invisible to Flyway, which uses -100 as a lock row elsewhere */
        }
        view->row = row;
        if (!row_traits(row->type, &view->traits)) {
            return err_new(
                ERR_TERMINAL, REASON_HISTORY_TAMPERED,
                "history row %d has the type \"%s\", which neither Flyway nor Sluice writes",
                row->rank, row->type);
        }
        s->row_count++;
        if (is_type(view, "DELETE") && row->success) {
            TRY(mark_deleted(s, s->row_count - 1));
        }
        if (view->traits & ROW_UNDO && row->success && row->has_version) {
            mark_undone(s, s->row_count - 1);
        }
    }
    return NULL;
}

static void raise_to(struct version *highest, const struct version *candidate)
{
    if (version_compare(candidate, highest) > 0) {
        *highest = *candidate;
    }
}

static void judge_order(struct states *s)
{
    for (size_t i = 0; i < s->row_count; i++) {
        struct row_view *view = &s->rows[i];
        if (!view->row->has_version || is_type(view, "DELETE") || view->traits & ROW_UNDO) {
            continue;
        }
        bool stands = !view->deleted && !view->undone;
        if (view->traits & ROW_BASELINE && stands) {
            raise_to(&s->applied_baseline, &view->row->version);
        }
        if (view->row->success && stands) {
            raise_to(&s->current, &view->row->version);
        }
        if (version_compare(&view->row->version, &s->last_applied) <= 0) {
            view->out_of_order = true;
        } else if (stands) {
            s->last_applied = view->row->version;
        }
    }
}

static void judge_latest(struct states *s)
{
    for (size_t i = 0; i < s->row_count; i++) {
        struct row_view *view = &s->rows[i];
        if (view->row->has_version || is_type(view, "SCHEMA")) {
            continue;
        }
        view->latest = true;
        for (size_t later = i + 1; later < s->row_count; later++) {
            if (!s->rows[later].row->has_version && !is_type(&s->rows[later], "SCHEMA") &&
                str_eq(s->rows[later].row->description, view->row->description)) {
                view->latest = false;
                break;
            }
        }
    }
}

/* The file of a row, by its version: the set is sorted, V by version, then B, then R. NULL: there is none. */
static const struct migration *file_of(const struct migration_set *files,
                                       const struct row_view *view)
{
    size_t low = 0;
    size_t high = view->row->has_version ? files->count : 0;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct migration *file = &files->items[middle];
        if (file->kind == MIGRATION_VERSIONED &&
            version_compare(&file->version, &view->row->version) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (view->row->has_version && low < files->count && file_matches(&files->items[low], view)) {
        return &files->items[low];
    }
    for (size_t f = files->count; f-- > 0 && files->items[f].kind != MIGRATION_VERSIONED;) {
        if (file_matches(&files->items[f], view)) {
            return &files->items[f];
        }
    }
    return NULL;
}

/* 10,000 files by 10,000 rows must stay linear-ish. Files are mostly applied in their order: the next one is tried first. */
static void match_files(struct states *s)
{
    const struct migration_set *files = s->input->files;
    size_t next = 0;
    for (size_t i = 0; i < s->row_count; i++) {
        struct row_view *view = &s->rows[i];
        const bool is_next = view->row->has_version && next < files->count &&
                             file_matches(&files->items[next], view);
        view->file = is_next ? &files->items[next] : file_of(files, view);
        if (view->file) {
            next = (size_t)(view->file - files->items) + 1;
        }
    }
}

/* In rank order, so that the newest row wins and a DELETE marker takes its repeatable back. */
static void find_live(struct states *s)
{
    const struct migration_set *files = s->input->files;

    for (size_t i = 0; i < s->row_count; i++) {
        const struct row_view *view = &s->rows[i];
        if (view->file && !view->deleted && !view->undone) {
            s->live[view->file - files->items] = view;
        }
        if (!is_type(view, "DELETE") || view->row->has_version) {
            continue;
        }
        for (size_t f = files->count; f-- > 0 && files->items[f].kind == MIGRATION_REPEATABLE;) {
            if (same_description(&files->items[f], view->row->description)) {
                s->live[f] = NULL;
            }
        }
    }
}

const struct row_view *states_live_row(const struct states *s, const struct migration *file)
{
    return s->live[file - s->input->files->items];
}

bool states_retried(const struct states *s, const struct migration *file,
                    const struct history_row *failed)
{
    const struct row_view *live = file ? states_live_row(s, file) : NULL;
    return live && live->row == failed && journal_explains(s->input->journal, failed);
}

static struct err *resolve_target(struct states *s)
{
    const struct migrations_options *options = s->input->options;
    bool known = false;

    s->has_target = options->target == TARGET_CURRENT || options->target == TARGET_VERSION;
    if (options->target == TARGET_CURRENT) {
        s->target = s->last_applied; /* nothing applied: no version runs, not even 0 */
        return NULL;
    }
    if (options->target != TARGET_VERSION) {
        return NULL;
    }
    s->target = options->target_version;
    for (size_t i = 0; i < s->input->files->count && !known; i++) {
        const struct migration *file = &s->input->files->items[i];
        known = version_compare(&file->version, &s->target) == 0; /* repeatables have none */
    }
    for (size_t i = 0; i < s->row_count && !known; i++) {
        known = s->rows[i].row->has_version &&
                version_compare(&s->rows[i].row->version, &s->target) == 0;
    }
    if (!known && !options->target_optional) {
        return err_new(
            ERR_TERMINAL, REASON_INVALID_SPEC,
            "target %s is the version of no file and of no applied migration; write \"%s?\" "
            "if it may be missing",
            s->target.text, s->target.text);
    }
    return NULL;
}

struct err *states_make(const struct plan_input *input, const struct history *history,
                        struct states *out)
{
    struct states s = { .input = input,
                        .rows = mem_array(history->count + 1, sizeof *s.rows),
                        .live = mem_array(input->files->count + 1, sizeof *s.live) };
    struct err *failed = read_rows(&s, history);

    if (failed) {
        states_done(&s);
        return failed;
    }
    match_files(&s);
    find_live(&s);
    judge_order(&s);
    judge_latest(&s);
    for (size_t i = 0; i < input->files->count; i++) {
        const struct migration *file = &input->files->items[i];
        if (file->kind == MIGRATION_VERSIONED || file->kind == MIGRATION_BASELINE) {
            raise_to(&s.last_resolved, &file->version);
        }
        if (file->kind == MIGRATION_BASELINE && !states_live_row(&s, file)) {
            raise_to(&s.pending_baseline, &file->version);
        }
    }
    failed = resolve_target(&s);
    if (failed) {
        states_done(&s);
        return failed;
    }
    *out = s;
    return NULL;
}

void states_done(struct states *s)
{
    free(s->rows);
    free(s->live);
    *s = (struct states){ 0 };
}

static enum state unmatched(const struct states *s, const struct history_row *row)
{
    bool missing = !row->has_version || version_compare(&row->version, &s->last_resolved) < 0;

    if (row->success) {
        return missing ? STATE_MISSING : STATE_FUTURE;
    }
    return missing ? STATE_FAILED_MISSING : STATE_FAILED_FUTURE;
}

static enum state of_baseline_row(const struct states *s, const struct row_view *view)
{
    if (view->traits & ROW_SYNTHETIC) {
        return STATE_BASELINE;
    }
    if (!view->row->success) {
        return STATE_FAILED;
    }
    return view->file ? STATE_BASELINE : unmatched(s, view->row);
}

enum state states_of_row(const struct states *s, const struct row_view *view)
{
    const struct history_row *row = view->row;
    bool repeatable = !row->has_version;

    if (view->undone) {
        return STATE_UNDONE;
    }
    if (view->deleted) {
        return STATE_DELETED;
    }
    if (is_type(view, "DELETE") || (view->traits & ROW_UNDO && row->success)) {
        return STATE_SUCCESS;
    }
    if (view->traits & ROW_BASELINE) {
        return of_baseline_row(s, view);
    }
    if (is_type(view, "SCHEMA")) {
        return STATE_SUCCESS;
    }
    if (!view->file && (!repeatable || view->latest)) {
        return unmatched(s, row);
    }
    if (!row->success) {
        return STATE_FAILED;
    }
    if (repeatable) {
        bool current = false;
        if (!view->latest) {
            return STATE_SUPERSEDED;
        }
        err_free(states_repeatable_current(s, view->file, row, &current));
        return current ? STATE_SUCCESS : STATE_OUTDATED;
    }
    return view->out_of_order ? STATE_OUT_OF_ORDER : STATE_SUCCESS;
}

static enum state of_versioned_file(const struct states *s, const struct migration *file)
{
    bool nothing = !version_set(&s->last_applied);
    const struct version *reference = nothing ? &s->pending_baseline : &s->applied_baseline;
    bool newest_baseline = file->kind == MIGRATION_BASELINE && nothing &&
                           version_compare(&file->version, &s->pending_baseline) == 0;

    if (newest_baseline) {
        return STATE_PENDING; /* even above the target */
    }
    if (version_set(reference)) {
        int order = version_compare(&file->version, reference);
        if (order < 0) {
            return STATE_BELOW_BASELINE;
        }
        if (order == 0) {
            return STATE_IGNORED_BASELINE;
        }
    }
    if (s->has_target && version_compare(&file->version, &s->target) > 0) {
        return STATE_ABOVE_TARGET;
    }
    if (file->kind == MIGRATION_BASELINE) {
        return STATE_IGNORED; /* a live database never runs B files */
    }
    if (version_compare(&file->version, &s->last_applied) < 0 && !s->input->options->out_of_order &&
        !file->directives.out_of_order_allow) {
        return STATE_IGNORED;
    }
    return STATE_PENDING;
}

enum state states_of_file(const struct states *s, const struct migration *file)
{
    return file->kind == MIGRATION_REPEATABLE ? STATE_PENDING : of_versioned_file(s, file);
}

struct err *states_repeatable_current(const struct states *s, const struct migration *file,
                                      const struct history_row *row, bool *current)
{
    const struct plan_input *input = s->input;
    const struct journal_row *ran = journal_file_row(input->journal, row->rank);
    int32_t replaced = 0;

    if (ran && input->journal_repeatables) {
        AUTO(script_done) struct script script = { 0 };
        char hmac[SHA256_HEX_LEN + 1];
        TRY(placeholders_apply(file, input->placeholders, &script));
        placeholders_hmac(&script, input->placeholders, input->target_id, hmac);
        *current = migration_was(file, ran->file_sha256) &&
                   str_eq(hmac, ran->placeholders_hmac ? ran->placeholders_hmac : "");
        return NULL;
    }
    if (!row->has_checksum) {
        *current = true; /* NULL equals everything, docs/reference/flyway.md 4.5 */
        return NULL;
    }
    TRY(placeholders_checksum(file, input->placeholders, &replaced));
    *current = row->checksum == replaced || row->checksum == file->raw_checksum;
    return NULL;
}

bool states_markable(const char *type)
{
    return str_eq(type, "SQL") || str_eq(type, "SCRIPT");
}
