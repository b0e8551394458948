// SPDX-License-Identifier: Apache-2.0
// How far earlier attempts at a file came, by the journal.
#include <inttypes.h>
#include "base/hash.h"
#include "base/mem.h"
#include "database/mysql/file.h"
#include "model/reason.h"
#include "reconcile/migration/parse.h"
#include "reconcile/migration/script.h"

static bool history_is_of(const struct history_row *row, const struct migration *file)
{
    if (version_set(&file->version)) {
        return row->has_version && version_compare(&row->version, &file->version) == 0;
    }
    AUTO(free_auto) char *description = description_stored(file->description);
    return !row->version_text && str_eq(row->description, description);
}

// What came before a success, perhaps a real Flyway's, is over.
static int32_t last_success(const struct history *history, const struct migration *file)
{
    for (size_t i = history->count; i > 0; i--) {
        const struct history_row *row = &history->rows[i - 1];
        if (row->success && history_is_of(row, file)) {
            return row->rank;
        }
    }
    return INT32_MIN;
}

bool mydb_progress_rows(const struct inspection *seen, const struct migration *file, size_t count,
                        const struct journal_row **steps, const struct journal_row **beyond)
{
    const int32_t over = last_success(&seen->history, file);
    bool any = false;
    *beyond = NULL;
    for (size_t i = 0; i < seen->journal.count; i++) {
        const struct journal_row *row = &seen->journal.rows[i];
        if (row->installed_rank <= over || !journal_row_is_of(row, file)) {
            continue;
        }
        if (journal_row_closes(row) || journal_row_is_old_content(row, file)) {
            memset(steps, 0, (count + 1) * sizeof *steps);
            *beyond = NULL;
            any = false;
            continue;
        }
        any = true;
        if (row->step < 0 || (size_t)row->step > count) {
            const bool stays = journal_row_applied(row) && journal_is_newest(&seen->journal, row);
            *beyond = stays && !*beyond ? row : *beyond;
        } else {
            steps[row->step] = row;
        }
    }
    return any;
}

// ---- steps as an earlier version has counted them -----------------------------------------------

static bool has_list(const struct script *script)
{
    bool found = false;
    for (size_t i = 0; i < script->count; i++) {
        const struct statement *s = script_at(script, i);
        found = found || (s->verb == VERB_DROP && s->class == STEP_ATOMIC && s->object_count > 1);
    }
    return found;
}

static bool is_part(const struct script *script, size_t index)
{
    const struct statement *s = script_at(script, index);
    const bool before = index > 0 && s[-1].source_offset == s->source_offset;
    const bool after = index + 1 < script->count && s[1].source_offset == s->source_offset;
    return s->verb == VERB_DROP && (before || after);
}

// A row of one object, where the statement as a whole has several?
static bool is_row_of_part(const struct migration *file, const struct journal_row *row,
                           const struct statement *s)
{
    AUTO(mydb_states_done) struct mydb_states states = { 0 };
    return row && row->pre_state && statement_was(s, file, row->statement_sha256) &&
           mydb_states_parse(row->pre_state, &states) && states.count == 1;
}

struct err *mydb_parse(const struct run *run, const struct migration *file, struct script *out)
{
    const struct identity *id = &run->db->identity;
    AUTO(script_done) struct script whole = { 0 }, split = { 0 };
    TRY(script_parse_on(id, file, &run->placeholders, &whole));
    bool parted = false;
    if (has_list(&whole)) {
        TRY(script_parse_split(id, file, &run->placeholders, &split));
        AUTO(free_auto)
        const struct journal_row **steps = mem_array(split.count + 1, sizeof *steps);
        const struct journal_row *beyond = NULL;
        mydb_progress_rows(&run->seen, file, split.count, steps, &beyond);
        for (size_t i = 0; i < split.count; i++) {
            parted = parted || (is_part(&split, i) &&
                                is_row_of_part(file, steps[i + 1], script_at(&split, i)));
        }
    }
    *out = parted ? split : whole;
    if (parted) {
        split = (struct script){ 0 };
    } else {
        whole = (struct script){ 0 };
    }
    return NULL;
}

// ---- what is applied ----------------------------------------------------------------------------

static bool is_complete(const struct journal_row *row)
{
    return row && journal_row_applied(row);
}

static struct err *changed(const struct mydb_file *f, const struct journal_row *row, int line)
{
    return run_changed(f->run, f->file, REASON_CHECKSUM_MISMATCH,
                       "%s:%d: statement %" PRId32
                       " was applied by an interrupted attempt (journal row %" PRId64
                       ") and is another one now: restore it and change only what comes after",
                       f->file->path, line, row->step, row->seq);
}

static struct err *check_applied(const struct mydb_file *f, const struct journal_row *row,
                                 const struct statement *s)
{
    return row->statement_sha256 && !statement_was(s, f->file, row->statement_sha256)
               ? changed(f, row, s->line)
               : NULL;
}

static void choose_rank(struct mydb_file *f)
{
    const struct history *history = &f->run->seen.history;
    const int32_t over = last_success(history, f->file);
    f->rank = (f->m->pending.set ? f->m->pending.rank : f->run->rank) + 1;
    for (size_t i = 0; i < history->count; i++) {
        const struct history_row *row = &history->rows[i];
        if (!row->success && row->rank > over && history_is_of(row, f->file)) {
            f->rank = row->rank;
            f->replaces = true;
        }
    }
}

struct err *mydb_progress_load(struct mydb_file *f)
{
    const size_t count = f->script.count;
    AUTO(free_auto) const struct journal_row **steps = mem_array(count + 1, sizeof *steps);
    const struct journal_row *beyond = NULL;
    choose_rank(f);
    f->complete = mem_array(count + 1, sizeof *f->complete);
    mydb_progress_rows(&f->run->seen, f->file, count, steps, &beyond);
    f->accepted = is_complete(steps[0]);
    if (f->accepted) {
        return NULL;
    }
    if (is_complete(beyond)) {
        return changed(f, beyond, beyond->line);
    }
    for (size_t i = 0; i < count; i++) {
        if (is_complete(steps[i + 1])) {
            TRY(check_applied(f, steps[i + 1], script_at(&f->script, i)));
            TRY(journal_check_values(f->run, f->file, &f->script, steps[i + 1]));
            f->complete[i] = true;
        }
    }
    return NULL;
}

struct err *mydb_check_resume(const struct mydb_file *f)
{
    const struct statement *blocked = mydb_resume_blocked(&f->script, f->complete);
    if (!blocked) {
        return NULL;
    }
    return run_changed(
        f->run, f->file, REASON_MIGRATION_FAILED,
        "%s:%d:%d: statement %zu needs a value of the session (a variable, LAST_INSERT_ID, "
        "a temporary table, a computed setting) that ended with the session of an interrupted "
        "attempt: write the value in its place, or move the rest into a new file",
        f->file->path, blocked->line, blocked->column,
        (size_t)(blocked - f->script.statements) + 1);
}
