/* SPDX-License-Identifier: Apache-2.0 */
/* What `sluice repair` does to the history table: docs/reference/flyway.md 4.9, bounded by what is known to be in. */
#include "base/auto.h"
#include "base/mem.h"
#include "model/reason.h"
#include "reconcile/migration/parse.h"
#include "reconcile/plan/states.h"

struct repair {
    const struct plan_input *input;
    const struct states *s; /* of the rows that are left */
    struct history_changes *out;
};

static void add(const struct repair *r, struct history_change change)
{
    r->out->items[r->out->count++] = change;
}

static char *row_name(const struct history_row *row)
{
    return row->has_version ? mem_printf("version %s", row->version_text)
                            : mem_printf("repeatable \"%s\"", row->description);
}

static void keep(const struct repair *r, const struct history_row *row, const char *why)
{
    AUTO(free_auto) char *name = row_name(row);
    AUTO(free_auto) char *text = mem_printf("history row %d, %s: %s", row->rank, name, why);
    strlist_add(&r->out->kept, text);
}

/* ---- failed rows ------------------------------------------------------------------------------------ */

/* Another tool's goes: whoever runs repair has looked. Of ours the journal tells what has stayed, and a row that goes
 * would take that knowledge out of everybody's sight. */
static struct err *remove_failed(const struct repair *r, const struct history_row *row)
{
    const struct plan_input *input = r->input;
    bool ours = journal_explains(input->journal, row);
    const struct journal_row *stays = ours ? journal_stays(input->journal, row) : NULL;

    if (stays) {
        AUTO(free_auto) char *name = row_name(row);
        AUTO(free_auto) char *restart =
            command_resolve(input->place, stays->version, stays->description, 0, VERDICT_RESTART);
        return err_new(
            ERR_TERMINAL, REASON_FAILED_HISTORY_ROW,
            "%s failed (history row %d), and its statement %d (line %d) %s: `sluice migrate` goes "
            "on from there; when what stays is wanted or undone instead, say so, then repair: %s",
            name, row->rank, stays->step, stays->line,
            stays->state == JOURNAL_INTENT ? "may have taken effect" : "is applied", restart);
    }
    add(r, (struct history_change){ .kind = HISTORY_REMOVE, .row = row, .ours = ours });
    return NULL;
}

/* ---- missing files ---------------------------------------------------------------------------------- */

static bool is_missing(enum state state)
{
    return state == STATE_MISSING || state == STATE_FUTURE;
}

/* A marker takes back the newest row of a version, so it may be written for that one only. Of repeatables none but the
 * newest run is ever missing. */
static bool is_newest_row(const struct states *s, const struct row_view *view)
{
    for (size_t i = s->row_count - 1; s->rows[i].row != view->row; i--) {
        const struct history_row *later = s->rows[i].row;
        if (later->has_version && version_compare(&later->version, &view->row->version) == 0 &&
            !(s->rows[i].traits & ROW_SYNTHETIC)) {
            return false;
        }
    }
    return true;
}

/* What no folder of SQL files shows, and what stands for more than itself, would run again if it passed for undone. */
static const char *why_kept(const struct states *s, const struct row_view *view)
{
    if (view->traits & ROW_BASELINE) {
        return "a baseline whose file is gone is not marked as deleted, or what it stands for "
               "would run again: put the file back, or say --ignore-pattern '*:missing'";
    }
    if (!states_markable(view->row->type)) {
        return "not a migration of a SQL file, so it is not marked as deleted: say "
               "--ignore-pattern '*:missing'";
    }
    if (!is_newest_row(s, view)) {
        return "a newer row stands for the same migration, and a marker would take that one back: "
               "say --ignore-pattern '*:missing'";
    }
    return NULL;
}

static void mark_missing(const struct repair *r, const struct row_view *view)
{
    enum state state = states_of_row(r->s, view);

    if (view->traits & (ROW_SYNTHETIC | ROW_UNDO) || !is_missing(state) ||
        states_ignored(r->s, view->row->has_version, state)) {
        return;
    }
    const char *why = why_kept(r->s, view);
    if (why) {
        keep(r, view->row, why);
    } else {
        add(r, (struct history_change){ .kind = HISTORY_DELETED, .row = view->row });
    }
}

/* ---- edited files ----------------------------------------------------------------------------------- */

static void realign_versioned(const struct repair *r, const struct row_view *view)
{
    const struct history_row *row = view->row;
    const struct migration *file = view->file;
    AUTO(free_auto) char *stored = description_stored(file->description);
    bool marker = stored[0] == '\0' && str_eq(row->description, "<< no description >>");
    bool same = row->has_checksum && row->checksum == file->raw_checksum;

    if (same && (marker || str_eq(stored, row->description))) {
        return;
    }
    add(r, (struct history_change){ .kind = HISTORY_REALIGN,
                                    .row = row,
                                    .checksum = file->raw_checksum,
                                    .description =
                                        marker ? mem_strdup(row->description) : TAKE(stored) });
}

/* Stored over the text before replacement, as Flyway 5 did: newer ones want it over the text after it. An edited one
 * is left alone, it runs again. */
static struct err *realign_repeatable(const struct repair *r, const struct row_view *view)
{
    const struct history_row *row = view->row;
    int32_t replaced = 0;

    if (!row->has_checksum || row->checksum != view->file->raw_checksum) {
        return NULL;
    }
    TRY(placeholders_checksum(view->file, r->input->placeholders, &replaced));
    if (replaced != row->checksum) {
        add(r, (struct history_change){ .kind = HISTORY_REALIGN,
                                        .row = row,
                                        .checksum = replaced,
                                        .description = mem_strdup(row->description) });
    }
    return NULL;
}

static struct err *realign(const struct repair *r, const struct row_view *view)
{
    if (!view->file || view->deleted || view->undone) {
        return NULL;
    }
    if (view->row->has_version) {
        realign_versioned(r, view);
        return NULL;
    }
    return view->latest ? realign_repeatable(r, view) : NULL;
}

/* ---- all -------------------------------------------------------------------------------------------- */

/* What is left is judged as if the failed rows had never been, so that a second repair has nothing to do. */
static struct err *remove_all_failed(const struct repair *r, struct history *left)
{
    const struct history *history = r->input->history;

    for (size_t i = 0; i < history->count; i++) {
        const struct history_row *row = &history->rows[i];
        if (row->success || row->rank < 0) { /* below 0: invisible to Flyway, and not ours */
            left->rows[left->count++] = *row;
            r->out->last_rank = row->rank;
        } else {
            TRY(remove_failed(r, row));
        }
    }
    return NULL;
}

static struct err *compare_with_files(const struct repair *r, const struct history *left)
{
    AUTO(states_done) struct states s = { 0 };
    struct migrations_options options = *r->input->options; /* borrowed: nothing is released here */
    struct plan_input all = *r->input;

    options.target = TARGET_LATEST; /* what is in the table is looked at as a whole */
    options.out_of_order = true;
    all.options = &options;
    TRY(states_make(&all, left, &s));
    const struct repair with_states = { .input = r->input, .s = &s, .out = r->out };
    for (size_t i = 0; i < s.row_count; i++) {
        mark_missing(&with_states, &s.rows[i]);
    }
    for (size_t i = 0; i < s.row_count; i++) {
        TRY(realign(&with_states, &s.rows[i]));
    }
    return NULL;
}

struct err *repair_plan(const struct plan_input *input, struct history_changes *out)
{
    AUTO(history_changes_done) struct history_changes changes = {
        .items = mem_array(2 * input->history->count + 1, sizeof *changes.items),
        .left = mem_array(input->history->count + 1, sizeof *changes.left),
    };
    struct history left = { .table_exists = true, .rows = changes.left };
    struct repair r = { .input = input, .out = &changes };

    TRY(remove_all_failed(&r, &left));
    if (input->files->count > 0) { /* none given: everything would pass for missing */
        TRY(compare_with_files(&r, &left));
    }
    *out = changes;
    changes = (struct history_changes){ 0 };
    return NULL;
}
