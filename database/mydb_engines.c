// SPDX-License-Identifier: Apache-2.0
// Tables whose engine has no transactions: DML on them is not undone by ROLLBACK, so it is class X, and what the
// server would take back around it must not be parted (docs/engine.md 6.5).
#include "database/mydb_file.h"
#include "reconcile/migration/script.h"
#include "reconcile/model/reason.h"

static bool is_made_above(const struct mydb_file *f, size_t index, const char *name)
{
    for (size_t i = 0; i < index; i++) {
        const struct statement *s = &f->script.statements[i];
        if (s->commits && !f->complete[i] && mydb_mentions(s, name)) {
            return true;
        }
    }
    return false;
}

// `ahead`: statements above it have not run yet, and may change the engine.
static struct err *check_statement(struct mydb_file *f, size_t index, bool ahead)
{
    struct statement *s = &f->script.statements[index];
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

static struct err *check_blocks(struct mydb_file *f, size_t from, size_t to)
{
    const struct statement *s = script_divides(&f->script, f->complete, from, to);
    if (!s) {
        return NULL;
    }
    const size_t index = (size_t)(s - f->script.statements);
    f->m->failure = (struct mydb_failure){ 0 };
    run_failed(f->run, f->file, (int)index + 1, s->line, s->column, NULL, 0);
    return mydb_record_failure(f, index, 0,
                               err_new(ERR_TERMINAL, REASON_TRANSACTION_CONTROL,
                                       "%s:%d:%d: " SCRIPT_DIVIDES, f->file->path, s->line,
                                       s->column));
}

struct err *mydb_engines_ahead(struct mydb_file *f, bool fixed)
{
    for (size_t i = 0; i < f->script.count; i++) {
        mydb_loose_look_into(f->m, f->script.statements[i].writes.schema);
    }
    for (size_t i = 0; fixed && i < f->script.count; i++) {
        if (f->script.statements[i].block > 0) {
            TRY(check_statement(f, i, true));
        }
    }
    return fixed ? check_blocks(f, 0, f->script.count) : NULL;
}

struct err *mydb_engines_check(struct mydb_file *f, size_t index)
{
    const struct statement *all = f->script.statements;
    for (size_t i = index; i < f->script.count && all[i].grouped; i++) {
        TRY(check_statement(f, i, false));
    }
    if (index < f->checked) {
        return NULL;
    }
    // The group may reach into a block that goes on behind it: whole blocks, before the first of them begins.
    size_t end = index + 1;
    const bool joins = all[index].grouped || all[index].block > 0;
    while (joins && end < f->script.count &&
           (all[end].grouped || (all[end].block > 0 && all[end].block == all[end - 1].block))) {
        end++;
    }
    for (size_t i = index; i < end; i++) {
        TRY(check_statement(f, i, false));
    }
    f->checked = end;
    return check_blocks(f, index, end);
}
