// SPDX-License-Identifier: Apache-2.0
// The statements of one file: DDL by intent and fingerprint, DML in fenced transactions
// (docs/explanation/engine.md 7).
#include <inttypes.h>
#include "base/clock.h"
#include "base/mem.h"
#include "database/mysql/file.h"
#include "model/reason.h"

#define RECORD_BATCH 1000 // statements of one transaction whose rows are written together
#define DEFINITIONS_MAX ((size_t)256 * 1024) // a longer one is not kept: then a person is asked

struct err *mydb_session_gone(const struct mydb_file *f)
{
    if (f->generation == f->m->generation && f->m->conn) {
        return NULL;
    }
    return err_new(
        ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE,
        "%s: the connection was lost inside the file; what was done is recorded, the next "
        "run goes on from there",
        f->file->path);
}

// ---- rows ---------------------------------------------------------------------------------------

static void add_owned(struct strlist *list, char *sql)
{
    strlist_add(list, sql);
    free(sql);
}

static void add_close(struct mydb_file *f, struct strlist *sql)
{
    if (f->open_seq > 0) {
        add_owned(sql, mydb_sql_close(f->m, f->open_seq, JOURNAL_DONE, NULL, NULL, NULL));
        f->open_seq = 0;
    }
}

static void add_row(struct mydb_file *f, struct journal_row *row, struct strlist *sql)
{
    add_owned(sql, mydb_sql_journal(f->m, row, 0));
    journal_advance(f->run, row);
}

// Rows of DML that ran in the open transaction.
static void add_done_rows(struct mydb_file *f, size_t from, size_t to, struct strlist *sql)
{
    for (size_t i = from; i < to; i++) {
        const struct statement *s = script_at(&f->script, i);
        if (f->complete[i] || s->class != STEP_TRANSACTIONAL) {
            continue;
        }
        AUTO(journal_row_done) struct journal_row row = { 0 };
        journal_row_prepare(f->run, f->file, f->rank, (int32_t)i + 1, s, JOURNAL_DONE, NULL, &row);
        add_row(f, &row, sql);
    }
}

static void set_complete(struct mydb_file *f, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        f->complete[i] |= script_at(&f->script, i)->class == STEP_TRANSACTIONAL;
    }
}

void mydb_finish_rows(struct mydb_file *f, struct strlist *sql)
{
    add_close(f, sql);
    if (f->replaces) {
        add_owned(sql, mydb_sql_history_delete(f->m, f->rank));
    }
    const struct mydb_history history = { .rank = f->rank,
                                          .file = f->file,
                                          .checksum = f->item->checksum,
                                          .execution_ms = clock_mono_ms() - f->started_ms,
                                          .success = true };
    mydb_add_history(f->run, &history, sql);
    AUTO(journal_row_done) struct journal_row row = { 0 };
    journal_row_prepare(f->run, f->file, f->rank, 0, NULL, JOURNAL_DONE, NULL, &row);
    add_owned(sql, mydb_sql_journal(f->m, &row, history.execution_ms));
    journal_advance(f->run, &row);
}

struct err *mydb_verify(struct mydb_file *f)
{
    struct gate_value value = { 0 };
    AUTO(free_auto) char *sql = NULL;
    TRY(placeholders_verify(f->file, &f->run->placeholders, &sql));
    AUTO(err_free_auto) struct err *e = mydb_ask(f->m, sql, &value);
    if (e && mydb_lost(f->m)) {
        return mydb_error(f->m, "run the verify= query");
    }
    if (!e && value.pass) {
        return NULL;
    }
    run_failed(f->run, f->file, 0, 1, 1, NULL, e ? (int)f->m->failure.code : 0);
    return err_new(ERR_TERMINAL, REASON_MIGRATION_FAILED, "%s:1:1: verify= %s%s", f->file->path,
                   e ? "failed: " : "is not true after the file: ", e ? e->message : value.text);
}

// ---- SET, USE -----------------------------------------------------------------------------------

static struct err *run_setting(struct mydb_file *f, size_t index)
{
    enum mydb_kill killed = MYDB_KILL_NONE;
    if (mydb_run_statement(f, index, &killed)) {
        return mydb_record_failure(f, index, 0, mydb_statement_error(f, index, killed));
    }
    return mydb_session_look(f->m);
}

// ---- DML ----------------------------------------------------------------------------------------

struct group {
    size_t from, to; // statements
    size_t recorded; // up to here the open transaction has their rows
    bool last;       // nothing follows: the file's own rows go along
    bool stateful; // reads or leaves what a ROLLBACK does not take back: no second try in a session
};

static struct group find_group(const struct mydb_file *f, size_t from)
{
    const struct script *script = &f->script;
    struct group g = { .from = from, .to = from, .recorded = from };
    while (g.to < script->count && !f->complete[g.to] && script_at(script, g.to)->grouped) {
        g.stateful |= f->temporary || mydb_touches_session(script_at(script, g.to));
        g.to++;
    }
    g.last = g.to == script->count;
    return g;
}

// The statement committed by itself (a stored function that does?): what ran so far is recorded at
// once, and the rest goes on in a new transaction.
static struct err *record_so_far(struct mydb_file *f, struct group *g, size_t index)
{
    AUTO(strlist_done) struct strlist sql = { 0 };
    f->stepped = true;
    add_done_rows(f, g->recorded, index + 1, &sql);
    TRY(mydb_write(f->run, &sql, MYDB_BEGIN | MYDB_COMMIT, NULL));
    set_complete(f, g->from, index + 1);
    g->from = g->recorded = index + 1;
    const struct strlist none = { 0 };
    return mydb_write(f->run, &none, MYDB_BEGIN, NULL);
}

// The rows of many statements do not wait for the last of them: memory is finite.
static struct err *record_batch(struct mydb_file *f, struct group *g, size_t to)
{
    AUTO(strlist_done) struct strlist sql = { 0 };
    if (!f->stepped || g->stateful || to - g->recorded < RECORD_BATCH) {
        return NULL;
    }
    add_done_rows(f, g->recorded, to, &sql);
    TRY(mydb_write(f->run, &sql, 0, NULL));
    g->recorded = to;
    return NULL;
}

// *failed: the statement's index when the server refused one, with *killed.
static struct err *run_members(struct mydb_file *f, struct group *g, size_t *failed,
                               enum mydb_kill *killed)
{
    for (size_t i = g->from; i < g->to; i++) {
        const struct statement *s = script_at(&f->script, i);
        if (s->verb == VERB_LOCK_TABLES || s->verb == VERB_UNLOCK_TABLES) {
            continue;
        }
        TRY(run_check(f->run));
        const unsigned code = mydb_run_statement(f, i, killed);
        if (code ||
            *killed) { // SLEEP() and BENCHMARK() end early and well: a killed one is not done
            *failed = i;
            f->m->failure.code = code ? code : MYDB_INTERRUPTED;
            return NULL;
        }
        const bool ended = !mydb_in_transaction(f->m);
        if (s->class == STEP_SESSION || s->verb == VERB_SET) {
            TRY(mydb_session_look(f->m));
        }
        TRY(ended ? record_so_far(f, g, i) : record_batch(f, g, i + 1));
    }
    return NULL;
}

static struct err *commit_group(struct mydb_file *f, const struct group *g)
{
    AUTO(strlist_done) struct strlist sql = { 0 };
    if (g->last && f->file->directives.verify) {
        TRY(mydb_verify(f));
    }
    if (f->stepped) {
        add_done_rows(f, g->recorded, g->to, &sql);
    }
    if (g->last) {
        mydb_finish_rows(f, &sql);
    }
    bool resolved = false;
    TRY(mydb_write(f->run, &sql, MYDB_COMMIT, &resolved));
    set_complete(f, g->from, g->to);
    f->finished = g->last;
    if (g->last) {
        run_applied(f->run, f->file, f->rank);
        f->generation = f->m->generation;
    }
    return resolved && !g->last ? mydb_session_gone(f) : NULL;
}

static struct err *abandon(struct mydb_file *f, struct err *e, bool *stays)
{
    const struct mydb_failure kept = f->m->failure;
    if (!mydb_lost(f->m)) {
        // A session that ends at its ROLLBACK has been taken back by the server.
        err_free(mydb_roll_back(f->m, stays));
    }
    f->m->failure = kept;
    mydb_head_rewind(f->run);
    return e;
}

// One try. *again: a lock was in the way and nothing of the group remains. The step before ended well: that is
// recorded first, in a transaction of its own, since the group's may roll back.
static struct err *try_group(struct mydb_file *f, struct group *g, struct mydb_patience *patience,
                             bool *again)
{
    AUTO(strlist_done) struct strlist before = { 0 };
    add_close(f, &before);
    TRY(mydb_write_begin(f->run, &before));
    size_t failed = SIZE_MAX;
    bool stays = false;
    enum mydb_kill killed = MYDB_KILL_NONE;
    g->recorded = g->from;
    struct err *e = run_members(f, g, &failed, &killed);
    if (!e && failed == SIZE_MAX) {
        e = commit_group(f, g);
        const bool blamed = e && str_eq(e->reason, REASON_MIGRATION_FAILED);
        e = e && !f->finished ? abandon(f, e, &stays) : e;
        if (stays) {
            return mydb_group_stays(f, g->from, g->to, e);
        }
        return blamed ? mydb_record_failure(f, f->script.count, 0, e) : e;
    }
    if (e) {
        e = abandon(f, e, &stays);
        return stays ? mydb_group_stays(f, g->from, g->to, e) : e;
    }
    e = abandon(f, mydb_statement_error(f, failed, killed), &stays);
    if (stays) {
        return mydb_group_stays(f, g->from, failed, e);
    }
    if (mydb_error_is_lock(f->m->failure.code) && !killed && !g->stateful) {
        err_free(e);
        *again = true;
        return mydb_patience_wait(f, failed, patience);
    }
    return mydb_record_failure(f, failed, 0, e);
}

static struct err *run_group(struct mydb_file *f, size_t from, size_t *next)
{
    struct group g = find_group(f, from);
    *next = g.to;
    struct mydb_patience patience;
    mydb_patience_init(f, &patience);
    TRY(g.stateful ? mydb_wait_once(f) : mydb_wait_often(f));
    for (;;) {
        bool again = false;
        struct err *e = try_group(f, &g, &patience, &again);
        if (e || !again) {
            return e;
        }
    }
}

// ---- DDL and what cannot be probed ---------------------------------------------------------------

// A recovery wants the definitions of what the statement changes; what it makes or drops has none that matter.
static bool keeps_definitions(const struct statement *s, const struct mydb_states *states)
{
    size_t length = 0;
    for (size_t i = 0; i < states->count; i++) {
        length += states->items[i].definition ? strlen(states->items[i].definition) : 0;
    }
    return s->class == STEP_ATOMIC && s->verb != VERB_CREATE && s->verb != VERB_DROP &&
           length > 0 && length <= DEFINITIONS_MAX;
}

static struct err *read_before(struct mydb_file *f, size_t index, char **pre_state,
                               char **definitions)
{
    const struct statement *s = script_at(&f->script, index);
    AUTO(mydb_states_done) struct mydb_states states = { 0 };
    struct mydb_patience patience;
    mydb_patience_init(f, &patience);
    for (;;) { // a rival's ALTER may hold even SHOW CREATE up
        struct err *e = mydb_fingerprint(f->m, s, &states);
        if (!e) {
            *pre_state = mydb_states_format(&states, false);
            *definitions = keeps_definitions(s, &states) ? mydb_states_format(&states, true) : NULL;
            return NULL;
        }
        if (!mydb_error_is_lock(f->m->failure.code)) {
            return e;
        }
        err_free(e);
        TRY(mydb_patience_wait(f, index, &patience));
    }
}

static struct err *write_intent(struct mydb_file *f, size_t index, int64_t *seq)
{
    const struct statement *s = script_at(&f->script, index);
    AUTO(free_auto) char *pre_state = NULL, *definitions = NULL;
    TRY(read_before(f, index, &pre_state, &definitions));
    AUTO(strlist_done) struct strlist sql = { 0 };
    add_close(f, &sql);
    AUTO(journal_row_done) struct journal_row row = { 0 };
    journal_row_prepare(f->run, f->file, f->rank, (int32_t)index + 1, s, JOURNAL_INTENT, pre_state,
                        &row);
    row.post_state = mem_strdup(definitions);
    add_row(f, &row, &sql);
    bool resolved = false;
    TRY(mydb_write(f->run, &sql, MYDB_BEGIN | MYDB_COMMIT, &resolved));
    if (resolved) { // the intent is there, the settings of the session are not: stop before the DDL
        TRY(mydb_not_begun(f, index, "the connection was lost before the statement was sent"));
        return mydb_session_gone(f);
    }
    *seq = row.seq;
    return NULL;
}

// What does not control itself commits before it begins and is all or nothing, or may be repeated: after a lock wait
// that ends in 1205 or 1213 nothing of it has happened.
static struct err *execute(struct mydb_file *f, size_t index, int64_t seq)
{
    struct mydb_patience patience;
    mydb_patience_init(f, &patience);
    for (;;) {
        enum mydb_kill killed = MYDB_KILL_NONE;
        const unsigned code = mydb_run_statement(f, index, &killed);
        if (!code) {
            return NULL;
        }
        if (!mydb_error_is_lock(code) || killed) {
            struct err *e = mydb_statement_error(f, index, killed);
            return mydb_record_failure(f, index, seq, e);
        }
        struct err *e = mydb_patience_wait(f, index, &patience);
        if (e) {
            return mydb_give_up(f, index, e);
        }
    }
}

static struct err *run_step(struct mydb_file *f, size_t index)
{
    const struct statement *s = script_at(&f->script, index);
    int64_t seq = 0;
    TRY(write_intent(f, index, &seq));
    TRY(mydb_session_gone(f));
    if (mydb_controls_itself(s)) {
        TRY(mydb_wait_once(f));
        TRY(mydb_execute_self(f, index, seq));
        f->complete[index] = true;
        mydb_engines_forget(f->m, s);
        return mydb_session_look(f->m);
    }
    TRY(mydb_wait_often(f));
    TRY(execute(f, index, seq));
    f->open_seq = seq;
    f->complete[index] = true;
    mydb_engines_forget(f->m, s);
    if (s->class != STEP_OTHER) {
        return NULL; // closed along with the next rows
    }
    AUTO(strlist_done) struct strlist sql = { 0 };
    add_close(f, &sql); // nothing could tell later: closed at once
    bool resolved = false;
    TRY(mydb_write(f->run, &sql, MYDB_BEGIN | MYDB_COMMIT, &resolved));
    return mydb_session_look(f->m);
}

// ---- our own tables -----------------------------------------------------------------------------

static bool is_our_table(const struct mydb *m, const struct statement *s, const char *name)
{
    const bool goes =
        s->verb == VERB_DROP || s->verb == VERB_RENAME || s->verb == VERB_CREATE_OR_REPLACE;
    return (goes && str_ieq(name, m->base.table)) || str_ieq(name, "sluice_lease") ||
           str_ieq(name, "sluice_journal");
}

// A file that takes them away cannot be recorded any more; two of them are not changed by anybody else.
static struct err *takes_ours(const struct mydb_file *f, size_t index)
{
    const struct statement *s = script_at(&f->script, index);
    const char *ours = f->m->base.identity.schema;
    for (size_t i = 0; i < s->object_count; i++) {
        const struct object_ref *o = &s->objects[i];
        const bool schema =
            s->verb == VERB_DROP && str_eq(o->type, "database") && str_ieq(o->name, ours);
        const char *in = o->schema[0] ? o->schema : mydb_session_schema(f->m);
        if (schema ||
            (str_eq(o->type, "table") && str_ieq(in, ours) && is_our_table(f->m, s, o->name))) {
            return err_new(ERR_TERMINAL, REASON_MIGRATION_FAILED,
                           "%s:%d:%d: statement %zu takes away or changes %s `%s`, which holds the "
                           "history of this database: remove it",
                           f->file->path, s->line, s->column, index + 1,
                           schema ? "the schema" : "the table", o->name);
        }
    }
    return NULL;
}

static struct err *spare_ours(struct mydb_file *f, size_t index)
{
    const struct statement *s = script_at(&f->script, index);
    struct err *e = takes_ours(f, index);
    if (!e) {
        return NULL;
    }
    run_failed(f->run, f->file, (int)index + 1, s->line, s->column, NULL, 0);
    return mydb_record_failure(f, index, 0, e);
}

// ---- all of them --------------------------------------------------------------------------------

static bool uses_schema(const struct mydb_file *f)
{
    for (size_t i = 0; i < f->script.count; i++) {
        if (mydb_starts_with(script_at(&f->script, i), "use")) {
            return true;
        }
    }
    return false;
}

struct err *mydb_review_statements(struct mydb_file *f, bool next)
{
    const bool fixed = !uses_schema(f);
    for (size_t i = 0; fixed && i < f->script.count; i++) {
        TRY(f->complete[i] ? NULL : takes_ours(f, i));
    }
    return next ? mydb_engines_review(f, fixed) : NULL;
}

struct err *mydb_run_statements(struct mydb_file *f)
{
    const bool fixed = !uses_schema(f);
    TRY(mydb_check_sizes(f));
    for (size_t i = 0; fixed && i < f->script.count; i++) { // before any of them runs
        TRY(f->complete[i] ? NULL : spare_ours(f, i));
    }
    TRY(mydb_engines_ahead(f, fixed));
    for (size_t i = 0; i < f->script.count;) {
        const struct statement *s = script_at(&f->script, i);
        TRY(run_check(f->run));
        TRY(mydb_session_gone(f));
        if (f->complete[i] || s->verb == VERB_LOCK_TABLES || s->verb == VERB_UNLOCK_TABLES) {
            i++;
            continue;
        }
        TRY(fixed ? NULL : spare_ours(f, i)); // a USE decides which schema a name means
        TRY(mydb_engines_check(f, i));
        f->temporary |= mydb_is_temporary(s);
        if (s->class == STEP_SESSION) {
            TRY(run_setting(f, i++));
        } else if (s->grouped) {
            TRY(run_group(f, i, &i));
        } else {
            TRY(run_step(f, i++));
        }
    }
    return NULL;
}
