// SPDX-License-Identifier: Apache-2.0
// What earlier attempts left open, with their session gone: by direction (docs/explanation/engine.md 6.4).
#include <inttypes.h>
#include "base/clock.h"
#include "base/mem.h"
#include "database/mysql/file.h"
#include "model/reason.h"
#include "reconcile/migration/parse.h"
#include "reconcile/migration/script.h"

struct open_step {
    struct run *run;
    struct mydb *m;
    const struct migration *file;
    const struct journal_row *row; /* intent */
    struct script script;
    const struct statement *statement; /* NULL: it is another one now */
    struct mydb_states before, now;
    bool look; /* before a run: nothing is written, nothing of the file is asked */
    enum step_standing standing; /* with look */
};

static void open_step_done(struct open_step *o)
{
    script_done(&o->script);
    mydb_states_done(&o->before);
    mydb_states_done(&o->now);
}

// ---- reading ------------------------------------------------------------------------------------

static void find_statement(struct open_step *o)
{
    AUTO(err_free_auto) struct err *unreadable = mydb_parse(o->run, o->file, &o->script);
    const size_t step = (size_t)o->row->step;
    if (unreadable || o->row->step < 1 || step > o->script.count) {
        return; // the file was changed since; apply() will say so if that matters
    }
    const struct statement *s = script_at(&o->script, step - 1);
    o->statement = statement_was(s, o->file, o->row->statement_sha256) ? s : NULL;
}

// A row of an earlier version may have counted a statement among those that its definition decides.
static enum step_class class_of(const struct open_step *o)
{
    const enum step_class class = (enum step_class)o->row->step_class;
    return class == STEP_ATOMIC && o->statement ? o->statement->class : class;
}

static struct err *read_states(struct open_step *o)
{
    if (!o->row->pre_state || !mydb_states_parse(o->row->pre_state, &o->before)) {
        return NULL; // nothing to compare: class X, R and T have none
    }
    mydb_states_take_definitions(&o->before, o->row->post_state);
    const int64_t end = clock_mono_ms() + o->run->request->execution->lock_retry_for_ms;
    for (;;) {
        struct err *e = mydb_fingerprint_again(o->m, &o->before, &o->now);
        if (!e || !mydb_error_is_lock(o->m->failure.code) || clock_mono_ms() >= end) {
            return e;
        }
        err_free(e);
        TRY(run_pause(o->run, jitter_ms(500)));
    }
}

// ---- verdicts -----------------------------------------------------------------------------------

static struct err *infer(struct open_step *o)
{
    if (o->look) {
        o->standing = STEP_IS_DONE;
        return NULL;
    }
    AUTO(free_auto) char *post = o->now.count > 0 ? mydb_states_format(&o->now, false) : NULL;
    AUTO(free_auto) char *sql =
        mydb_sql_close(o->m, o->row->seq, JOURNAL_INFERRED, post, NULL, NULL);
    AUTO(strlist_done) struct strlist list = { 0 };
    strlist_add(&list, sql);
    run_notice(o->run, "%s:%" PRId32 ": statement %" PRId32 " of an interrupted attempt is applied",
               o->file->path, o->row->line, o->row->step);
    return mydb_write(o->run, &list, MYDB_BEGIN | MYDB_COMMIT, NULL);
}

// "`s`.`t` before 1f0c2a9b1234, now absent"
static void add_states(const struct open_step *o, struct buf *text)
{
    for (size_t i = 0; i < o->now.count; i++) {
        buf_addf(text, "; %s %s before %.12s, now %.12s", o->before.items[i].type,
                 o->before.items[i].name, o->before.items[i].state, o->now.items[i].state);
    }
}

static struct err *unknown(struct open_step *o, const char *why)
{
    AUTO(buf_done) struct buf states = BUF(600);
    add_states(o, &states);
    run_failed(o->run, o->file, o->row->step, o->row->line, 1, NULL, 0);
    return run_unknown(o->run, o->file, o->row->step,
                       "%s:%" PRId32 ": statement %" PRId32
                       ": an attempt was interrupted inside it and %s%s",
                       o->file->path, o->row->line, o->row->step, why, buf_text(&states));
}

static struct err *ask_verify(struct open_step *o)
{
    struct gate_value value = { 0 };
    AUTO(free_auto) char *sql = NULL;
    if (o->look) {
        o->standing = STEP_IS_OPEN;
        return NULL;
    }
    TRY(placeholders_verify(o->file, &o->run->placeholders, &sql));
    AUTO(err_free_auto) struct err *e = mydb_ask(o->m, sql, &value);
    if (e && mydb_lost(o->m)) {
        return mydb_error(o->m, "run the verify= query");
    }
    if (e) {
        AUTO(free_auto) char *why = mem_printf("its verify= failed: %s", e->message);
        return unknown(o, why);
    }
    if (!value.pass && (size_t)o->row->step < o->script.count) {
        return unknown(o, "its verify= is false, which statements behind it may change");
    }
    return value.pass ? infer(o) : NULL; // false: it runs again
}

static struct err *undecided(struct open_step *o, const char *why)
{
    if (o->file->directives.verify) {
        return ask_verify(o);
    }
    return o->file->directives.idempotent ? NULL : unknown(o, why);
}

// "Other than before" is not "done": somebody else may have changed the object, or the server by itself.
static struct err *compare(struct open_step *o)
{
    bool equal = false;
    AUTO(free_auto) char *cannot = NULL;
    if (o->look) { // it is compared with what the statement makes of empty objects
        o->standing = STEP_IS_OPEN;
        return NULL;
    }
    TRY(mydb_expected(o->run, &o->script, (size_t)o->row->step - 1, &o->before, &o->now, &equal,
                      &cannot));
    if (equal) {
        return infer(o);
    }
    AUTO(free_auto) char *why =
        cannot ? mem_printf("its object is not as before; whether it is as the statement makes it "
                            "could not be "
                            "found out (%s)",
                            cannot)
               : mem_strdup("its object is neither as before nor as the statement makes it");
    return undecided(o, why);
}

static struct err *judge(struct open_step *o)
{
    find_statement(o);
    if (o->statement) {
        TRY(journal_check_values(o->run, o->file, &o->script, o->row));
    }
    TRY(read_states(o));
    const enum step_class class = class_of(o);
    const enum step_verb verb = o->statement ? o->statement->verb : VERB_NONE;
    switch (mydb_recover(class, verb, o->before.items, o->now.items, o->now.count)) {
    case MYDB_RECOVERY_DONE:
        return infer(o);
    case MYDB_RECOVERY_AGAIN:
        return NULL;
    case MYDB_RECOVERY_COMPARE:
        return compare(o);
    case MYDB_RECOVERY_UNKNOWN:
        break;
    }
    return undecided(o, class == STEP_OTHER
                            ? "nothing on the server tells whether it ran"
                            : "its objects are neither as before nor as it makes them");
}

// ---- all open steps -----------------------------------------------------------------------------

// Still the newest word about its step, of a file that is not finished?
static bool is_open(const struct run *run, const struct journal_row *row,
                    const struct migration *file)
{
    const size_t room = (size_t)row->step + 1;
    AUTO(free_auto) const struct journal_row **steps = mem_array(room + 1, sizeof *steps);
    const struct journal_row *beyond = NULL;
    mydb_progress_rows(&run->seen, file, room, steps, &beyond);
    return steps[row->step] == row;
}

// ---- failed rows that nothing will replace -------------------------------------------------------

static bool is_ours(const struct run *run, const struct history_row *failed)
{
    for (size_t i = 0; i < run->seen.journal.count; i++) {
        const struct journal_row *row = &run->seen.journal.rows[i];
        if (row->installed_rank == failed->rank &&
            history_row_is_about(failed, row->version, row->description)) {
            return true;
        }
    }
    return false;
}

// Its file was taken back, or has succeeded since under another rank: a run replaces only the row of its file.
static bool is_stale(const struct run *run, const struct history_row *failed)
{
    const struct history *history = &run->seen.history;
    const struct migration_set *files = run->request->files;
    for (size_t i = 0; i < history->count; i++) {
        const struct history_row *row = &history->rows[i];
        if (row->success && row->rank > failed->rank &&
            history_row_is_about(failed, row->version_text, row->description)) {
            return true;
        }
    }
    for (size_t i = 0; i < files->count; i++) {
        AUTO(free_auto) char *description = description_stored(files->items[i].description);
        const struct version *version = &files->items[i].version;
        if (history_row_is_about(failed, version_set(version) ? version->text : NULL,
                                 description)) {
            return false;
        }
    }
    return true;
}

// The plan has found that nothing of them stays. Flyway would stop at such a row.
static struct err *forget_failed(struct run *run, bool *wrote)
{
    const struct history *history = &run->seen.history;
    AUTO(strlist_done) struct strlist list = { 0 };
    for (size_t i = 0; run->request->files && i < history->count; i++) {
        const struct history_row *row = &history->rows[i];
        if (!row->success && is_ours(run, row) && is_stale(run, row)) {
            AUTO(free_auto) char *sql = mydb_sql_history_delete(mydb_of(run->db), row->rank);
            strlist_add(&list, sql);
            run_notice(run,
                       "history row %" PRId32
                       " (%s, success = false) is removed: nothing of it stays",
                       row->rank, row->script);
        }
    }
    *wrote = *wrote || list.count > 0;
    return list.count > 0 ? mydb_write(run, &list, MYDB_BEGIN | MYDB_COMMIT, NULL) : NULL;
}

struct err *mydb_settle(struct run *run)
{
    mydb_start_writing(run);
    bool wrote = false;
    TRY(forget_failed(run, &wrote));
    for (size_t i = 0; i < run->seen.journal.count; i++) {
        const struct journal_row *row = &run->seen.journal.rows[i];
        const struct migration *file =
            row->state == JOURNAL_INTENT ? journal_row_file(run->request->files, row) : NULL;
        if (!file || row->step < 0 || !is_open(run, row, file)) {
            continue;
        }
        AUTO(open_step_done) struct open_step o = {
            .run = run, .m = mydb_of(run->db), .file = file, .row = row
        };
        TRY(judge(&o));
        wrote = true;
    }
    return wrote ? run_refresh(run) : NULL;
}

// ---- the same, before a run ----------------------------------------------------------------------

static struct err *review_open(struct run *run, const struct migration *file,
                               enum step_standing *statements, size_t count)
{
    for (size_t i = 0; i < run->seen.journal.count; i++) {
        const struct journal_row *row = &run->seen.journal.rows[i];
        if (row->state != JOURNAL_INTENT || !journal_row_is_of(row, file) || row->step < 0 ||
            !is_open(run, row, file)) {
            continue;
        }
        AUTO(open_step_done)
        struct open_step o = {
            .run = run, .m = mydb_of(run->db), .file = file, .row = row, .look = true
        };
        TRY(judge(&o));
        if (row->step > 0 && (size_t)row->step <= count) {
            statements[row->step - 1] = o.standing;
        }
    }
    return NULL;
}

struct err *mydb_review(struct run *run, const struct migration *file, bool next,
                        struct script *script, enum step_standing *statements[])
{
    struct mydb_file f = { .run = run, .m = mydb_of(run->db), .file = file };
    TRY(mydb_parse(run, file, script));
    *statements = mem_array(script->count + 1, sizeof **statements);
    TRY(review_open(run, file, *statements, script->count));
    f.script = *script; // borrowed
    struct err *e = mydb_progress_load(&f);
    for (size_t i = 0; !e && i < script->count; i++) {
        // what an interrupted one has done is recorded before the others are looked at
        f.complete[i] |= f.accepted || (*statements)[i] == STEP_IS_DONE;
        (*statements)[i] = f.complete[i] ? STEP_IS_DONE : (*statements)[i];
    }
    e = e ? e : mydb_check_resume(&f);
    e = e ? e : mydb_review_statements(&f, next);
    free(f.complete);
    return e;
}
