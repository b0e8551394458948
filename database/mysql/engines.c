// SPDX-License-Identifier: Apache-2.0
// Tables whose engine has no transactions: DML on them is not undone by ROLLBACK, so it is class X, and what the
// server would take back around it must not be parted (docs/explanation/engine.md 6.5). Queries that fill a table and write elsewhere.
#include "database/mysql/file.h"
#include "model/reason.h"
#include "reconcile/migration/script.h"

static bool is_made_above(const struct mydb_file *f, size_t index, const char *name)
{
    for (size_t i = 0; i < index; i++) {
        const struct statement *s = script_at(&f->script, i);
        if (s->commits && !f->complete[i] && mydb_mentions(s, name)) {
            return true;
        }
    }
    return false;
}

// `ahead`: statements above it have not run yet, and may change the engine.
static struct err *check_statement(struct mydb_file *f, size_t index, bool ahead)
{
    struct statement *s = script_edit(&f->script, index);
    if (s->class != STEP_TRANSACTIONAL || f->complete[index] || mydb_starts_with(s, "select")) {
        return NULL;
    }
    if (!f->m->loose.known) {
        TRY(mydb_loose_read(f->m));
    }
    const char *name = mydb_loose_named(f->m, s);
    if (name && !(ahead && is_made_above(f, index, name))) {
        s->class = STEP_OTHER;
        s->grouped = false;
        s->lasting = mydb_loose_only(f->m, s);
        f->stepped = true;
    }
    return NULL;
}

// ---- a table that a query fills -------------------------------------------------------------------

static bool mentions_one(const struct statement *s, const struct strlist *names)
{
    for (size_t i = 0; i < names->count; i++) {
        if (mydb_mentions(s, names->items[i])) {
            return true;
        }
    }
    return false;
}

// The names of stored functions, and of views that lead to one.
static struct err *read_functions(struct mydb *m, struct strlist *names)
{
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_own_begin(m));
    TRY(mydb_read(m, "look for stored functions",
                  "SELECT routine_name, NULL FROM information_schema.routines WHERE routine_type = "
                  "'FUNCTION' AND routine_schema <> 'sys' UNION ALL SELECT table_name, "
                  "view_definition FROM information_schema.views WHERE table_schema <> 'sys'",
                  &result));
    TRY(mydb_own_end(m));
    for (size_t known = SIZE_MAX; known != names->count;) { // one view may lead to another
        known = names->count;
        mydb_rewind(result);
        for (char **row; (row = mydb_next(result));) {
            struct statement view = { .text = row[1], .text_length = row[1] ? strlen(row[1]) : 0 };
            const bool known_one = !row[0] || strlist_has(names, row[0]);
            if (!known_one && (!row[1] || mentions_one(&view, names))) {
                strlist_add(names, row[0]);
            }
        }
    }
    return NULL;
}

// What a stored function writes stays when the query fails: to take the table back commits.
static struct err *check_filled(struct mydb_file *f, size_t index)
{
    struct statement *s = script_edit(&f->script, index);
    AUTO(strlist_done) struct strlist names = { 0 };
    if (f->complete[index] || !mydb_fills_table(s)) {
        return NULL;
    }
    TRY(read_functions(f->m, &names));
    if (mentions_one(s, &names)) {
        s->class = STEP_OTHER;
        s->commits = false; // it controls itself: how far it came its mark does not tell
    }
    return NULL;
}

// ---- transactions of the file -----------------------------------------------------------------------

static struct err *divided(const struct mydb_file *f, const struct statement *s)
{
    return err_new(ERR_TERMINAL, REASON_TRANSACTION_CONTROL, "%s:%d:%d: " SCRIPT_DIVIDES,
                   f->file->path, s->line, s->column);
}

static struct err *check_blocks(struct mydb_file *f, size_t from, size_t to)
{
    const struct statement *s = script_divides(&f->script, f->complete, from, to);
    if (!s) {
        return NULL;
    }
    const size_t index = (size_t)(s - f->script.statements);
    f->m->failure = (struct mydb_failure){ 0 };
    run_failed(f->run, f->file, (int)index + 1, s->line, s->column, NULL, 0);
    return mydb_record_failure(f, index, 0, divided(f, s));
}

static struct err *look_ahead(struct mydb_file *f, bool fixed)
{
    for (size_t i = 0; i < f->script.count; i++) {
        mydb_loose_look_into(f->m, script_at(&f->script, i)->writes.schema);
    }
    for (size_t i = 0; fixed && i < f->script.count; i++) {
        if (script_at(&f->script, i)->block > 0) {
            TRY(check_statement(f, i, true));
        }
    }
    return NULL;
}

struct err *mydb_engines_ahead(struct mydb_file *f, bool fixed)
{
    TRY(look_ahead(f, fixed));
    return fixed ? check_blocks(f, 0, f->script.count) : NULL;
}

struct err *mydb_engines_review(struct mydb_file *f, bool fixed)
{
    TRY(look_ahead(f, fixed));
    const struct statement *s =
        fixed ? script_divides(&f->script, f->complete, 0, f->script.count) : NULL;
    return s ? divided(f, s) : NULL;
}

struct err *mydb_engines_check(struct mydb_file *f, size_t index)
{
    TRY(check_filled(f, index));
    for (size_t i = index; i < f->script.count && script_at(&f->script, i)->grouped; i++) {
        TRY(check_statement(f, i, false));
    }
    if (index < f->checked) {
        return NULL;
    }
    // The group may reach into a block that goes on behind it: whole blocks, before the first of them begins.
    size_t end = index + 1;
    const bool joins =
        script_at(&f->script, index)->grouped || script_at(&f->script, index)->block > 0;
    while (joins && end < f->script.count) {
        const struct statement *s = script_at(&f->script, end);
        if (!s->grouped && (s->block == 0 || s->block != s[-1].block)) {
            break;
        }
        end++;
    }
    for (size_t i = index; i < end; i++) {
        TRY(check_statement(f, i, false));
    }
    f->checked = end;
    return check_blocks(f, index, end);
}
