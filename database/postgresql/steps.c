// SPDX-License-Identifier: Apache-2.0
// Files outside a transaction: every statement is a journalled step (docs/explanation/engine.md 4).
#include <libpq-fe.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "database/postgresql/pgdb.h"
#include "database/said.h"
#include "model/reason.h"

struct steps { // one file at work
    struct run *run;
    struct pgdb *pg;
    const struct apply_item *item;
    const struct migration *file;
    const struct script *script;
    int32_t rank;
    int64_t open_seq; // the last step's intent, which the history row's transaction closes; 0: none
    int64_t begun_ms, since_ms;
    bool taken_back; // the procedure or block that failed, as a whole
};

static struct err *enter(struct steps *p, size_t index)
{
    return pgdb_session_enter(p->run, p->file, p->script, index);
}

// Leaves even after an error, which stays the answer.
static struct err *leave(struct steps *p, struct err *e)
{
    struct err *after = p->pg->conn ? pgdb_session_leave(p->run) : NULL;
    if (e) {
        err_free(after);
        return e;
    }
    return after;
}

// ---- rows ---------------------------------------------------------------------------------------

// Behind the journal's head, sent by `commands` with the others; see advance().
static void make_row(struct steps *p, int32_t step, const struct statement *s,
                     enum journal_state state, const char *pre_state, struct journal_row *row)
{
    journal_row_prepare(p->run, p->file, p->rank, step, s, state, pre_state, row);
}

static struct err *write_intent(struct steps *p, size_t index, const char *pre_state, int64_t *seq)
{
    AUTO(journal_row_done) struct journal_row row = { 0 };
    make_row(p, (int32_t)index + 1, script_at(p->script, index), JOURNAL_INTENT, pre_state, &row);
    TRY(pgdb_append(p->run, &row));
    *seq = row.seq;
    return NULL;
}

static struct err *fail_intent(struct steps *p, int64_t seq, const struct pgdb_fault *fault,
                               struct err *e)
{
    const char *code = p->run->result->failed.sqlstate;
    AUTO(free_auto)
    char *message = pgdb_recorded(p->run, p->script, p->run->result->failed.statement, fault, e);
    p->pg->uncancellable = true;
    err_free(pgdb_close_step(p->run, seq, JOURNAL_FAILED, code[0] ? code : NULL, message));
    p->pg->uncancellable = false;
    return e;
}

// ---- a statement that can run in a transaction --------------------------------------------------

// Guard and the file's SETs; the transaction stays open.
static struct err *begin(struct steps *p, size_t index)
{
    struct pgdb_guard guard;
    AUTO(free_auto) char *guard_sql = pgdb_guard_sql(p->pg);
    AUTO(free_auto) struct pgdb_command *commands = mem_array(index + 2, sizeof *commands);
    AUTO(free_auto) size_t *from = mem_array(index + 2, sizeof *from);
    const bool once = pgdb_waits_once(script_at(p->script, index));
    pgdb_guard_fill(p->run, p->rank - 1, pgdb_lock_limit(p->run, p->file, once),
                    pgdb_statement_timeout(p->run, p->file), &guard);
    int count = 0;
    commands[count++] = (struct pgdb_command){ .sql = "BEGIN ISOLATION LEVEL READ COMMITTED" };
    commands[count++] = (struct pgdb_command){ guard_sql, false, PGDB_GUARD_VALUES, guard.values };
    for (size_t i = 0; i < index; i++) {
        if (script_at(p->script, i)->class == STEP_SESSION) {
            from[count] = i + 1;
            commands[count++] = (struct pgdb_command){ .sql = script_at(p->script, i)->text };
        }
    }
    AUTO(pgdb_fault_done) struct pgdb_fault fault = { 0 };
    int failed = 0;
    if (pgdb_batch(p->pg, commands, count, NULL, &fault, &failed)) {
        return NULL;
    }
    const char *word = failed == 1 ? pgdb_fence_word(&fault) : NULL;
    if (word) {
        return err_wrap(pgdb_fence_err(p->run, word), "%s", p->file->path);
    }
    return pgdb_statement_err(p->run, p->file, p->script, (int)from[failed],
                              from[failed] > 0 ? "" : "could not begin", &fault);
}

// What failed behind the statement, by its place in commit().
static const char *behind(int failed)
{
    static const char *const parts[] = { "a deferred constraint",
                                         "could not reset the session",
                                         "could not reset the session",
                                         "could not reset the session",
                                         "could not read the history's tables",
                                         "could not write to the journal",
                                         "could not write to the journal" };
    const size_t count = sizeof parts / sizeof *parts;
    return failed >= 0 && (size_t)failed < count ? parts[failed] : "could not commit";
}

// Constraints, reset, the step's row, COMMIT. The history is there: a step may not take it away.
static struct err *commit(struct steps *p, size_t index, const struct pgdb_outside *outside)
{
    char lock_timeout[24];
    const bool once = pgdb_waits_once(script_at(p->script, index));
    snprintf(lock_timeout, sizeof lock_timeout, "%lld",
             (long long)pgdb_lock_limit(p->run, p->file, once));
    AUTO(journal_row_done) struct journal_row row = { 0 };
    struct pgdb_rows rows = { 0 };
    make_row(p, (int32_t)index + 1, script_at(p->script, index), JOURNAL_DONE, NULL, &row);
    pgdb_rows_fill(p->run, &row, NULL, -1, &rows);
    AUTO(free_auto) char *after_sql = pgdb_after_sql(p->pg);
    AUTO(free_auto) char *journal_sql = pgdb_journal_sql(p->pg);
    const char *after[] = { lock_timeout, p->pg->name };
    const bool open = outside->first > 0;
    AUTO(free_auto) char *close_sql = pgdb_outside_close_sql(p->pg, outside, JOURNAL_DONE);
    const char *close[] = { p->pg->base.table, NULL, NULL };
    const struct pgdb_command closing = { close_sql, false, 3, close };
    AUTO(free_auto) char *look_sql =
        mem_printf("SELECT l.epoch, l.nonce FROM %s h, %s l, %s j LIMIT 0", p->pg->history,
                   p->pg->lease, p->pg->journal);
    const struct pgdb_command insert = { journal_sql, false, PGDB_JOURNAL_VALUES, rows.values };
    const struct pgdb_command commands[] = {
        { .sql = "SET CONSTRAINTS ALL IMMEDIATE" },
        { .sql = "RESET SESSION AUTHORIZATION" },
        { .sql = "RESET ROLE" },
        { .sql = "RESET ALL" },
        { .sql = look_sql },
        { after_sql, false, PGDB_AFTER_VALUES, after },
        open ? closing : insert,
        { .sql = "COMMIT" },
    };
    AUTO(pgdb_fault_done) struct pgdb_fault fault = { 0 };
    int failed = 0;
    if (pgdb_batch(p->pg, commands, 8, NULL, &fault, &failed)) {
        if (!open) {
            journal_advance(p->run, &row);
        }
        return NULL;
    }
    return pgdb_statement_err(p->run, p->file, p->script, (int)index + 1, behind(failed), &fault);
}

// An intent goes before what a rollback does not take back.
static struct err *open_outside(struct steps *p, size_t index, struct pgdb_outside *out)
{
    AUTO(journal_row_done) struct journal_row row = { 0 };
    if (!script_at(p->script, index)->leaves_transaction) {
        return NULL;
    }
    pgdb_outside_row(p->run, p->file, p->rank, p->script, index, JOURNAL_INTENT, &row);
    TRY(pgdb_append(p->run, &row));
    *out = (struct pgdb_outside){ row.seq, row.seq, index };
    return NULL;
}

// One that leaves its transaction has failed: not again by itself if it was sent. A lost one is asked about next time.
static struct err *outside_failed(struct steps *p, const struct pgdb_outside *outside, bool sent,
                                  const struct pgdb_fault *fault, struct err *e)
{
    if (fault->lost || !p->pg->conn || PQstatus(p->pg->conn) == CONNECTION_BAD) {
        return e;
    }
    e = sent ? pgdb_no_repeat(p->file, p->script, (int)outside->index + 1, e) : e;
    return pgdb_outside_failed(p->run, p->file, p->rank, p->script, outside, fault->sqlstate, e);
}

// What the server says meanwhile is about this statement.
static bool run_statement(struct steps *p, size_t index, struct pgdb_fault *fault)
{
    p->pg->about.file = p->file;
    p->pg->about.script = p->script;
    p->pg->about.statement = (int)index + 1;
    const bool ok = pgdb_run_statement(p->pg, script_at(p->script, index), fault);
    p->pg->about.file = NULL;
    return ok;
}

// One try. *sent: the statement reached the server.
static struct err *try_inside(struct steps *p, size_t index, const struct pgdb_outside *outside,
                              bool *sent, struct pgdb_fault *fault)
{
    TRY(run_check(p->run));
    TRY(begin(p, index));
    *sent = true;
    return run_statement(p, index, fault)
               ? commit(p, index, outside)
               : pgdb_statement_err(p->run, p->file, p->script, (int)index + 1, "", fault);
}

static struct err *run_inside(struct steps *p, size_t index)
{
    const bool once = pgdb_waits_once(script_at(p->script, index));
    struct pgdb_retry retry = { .since_ms = once ? clock_mono_ms() : 0 };
    for (;;) {
        struct pgdb_outside outside = { 0 };
        AUTO(pgdb_fault_done) struct pgdb_fault fault = { 0 };
        bool sent = false;
        TRY(open_outside(p, index, &outside));
        struct err *e = try_inside(p, index, &outside, &sent, &fault);
        if (!e) {
            return NULL;
        }
        pgdb_rollback(p->pg);
        e = outside.first > 0 ? outside_failed(p, &outside, sent, &fault, e)
                              : pgdb_record_failed(p->run, p->file, p->rank, p->script, &fault, e);
        TRY(pgdb_retry_wait(p->run, p->file, &retry, e));
    }
}

// ---- a statement that cannot --------------------------------------------------------------------

static struct err *probe_before(struct steps *p, size_t index, char **pre_state)
{
    const struct statement *s = script_at(p->script, index);
    if (s->class != STEP_NONTX) {
        *pre_state = mem_strdup("[]");
        return NULL;
    }
    TRY(enter(p, index));
    return leave(p, pgdb_probe_before(p->pg, s, pre_state));
}

// An index that is there but invalid must not pass for success.
static struct err *check_result(struct steps *p, size_t index, const char *pre_state)
{
    AUTO(free_auto) char *invalid = NULL;
    const struct statement *s = script_at(p->script, index);
    if (s->class != STEP_NONTX) {
        return NULL;
    }
    TRY(pgdb_probe_invalid(p->pg, s, pre_state, &invalid));
    if (!invalid) {
        return NULL;
    }
    run_failed(p->run, p->file, (int)index + 1, s->line, s->column, NULL, 0);
    return err_new(ERR_TERMINAL, REASON_MIGRATION_FAILED,
                   "%s:%d:%d: statement %d: index %s is there but invalid: drop it first",
                   p->file->path, s->line, s->column, (int)index + 1, invalid);
}

static struct err *blocked_err(struct steps *p, size_t index, struct err *e)
{
    if (!str_eq(p->pg->stopped, REASON_LOCK_TIMEOUT)) {
        return e;
    }
    err_free(e);
    const struct statement *s = script_at(p->script, index);
    return err_new(ERR_TRANSIENT, REASON_LOCK_TIMEOUT,
                   "%s:%d:%d: statement %d waited for %s for longer than %lld s", p->file->path,
                   s->line, s->column, (int)index + 1,
                   p->pg->blocker ? p->pg->blocker : "another transaction",
                   (long long)(p->pg->block_limit_ms / 1000));
}

// One try. After an error of the server's the leftovers are gone. *spent: blocked for all of lockRetryFor already.
static struct err *run_once(struct steps *p, size_t index, const char *pre_state,
                            struct pgdb_fault *fault, bool *spent)
{
    const struct statement *s = script_at(p->script, index);
    int64_t before = 0;
    p->taken_back = false;
    TRY(enter(p, index));
    if (pgdb_controls_itself(s)) {
        TRY(pgdb_count_transactions(p->pg, &before));
    }
    if (run_statement(p, index, fault)) {
        return leave(p, check_result(p, index, pre_state));
    }
    struct err *e = pgdb_statement_err(p->run, p->file, p->script, (int)index + 1, "", fault);
    if (fault->lost) {
        return e;
    }
    if (pgdb_controls_itself(s)) {
        return leave(
            p, pgdb_check_stayed(p->run, p->file, p->script, index, before, e, &p->taken_back));
    }
    e = blocked_err(p, index, e);
    const char *stopped = p->pg->stopped;
    *spent = str_eq(stopped, REASON_LOCK_TIMEOUT);
    const bool hurry = stopped && !*spent;
    if (s->class == STEP_NONTX && !hurry) { // interrupted: the next run settles it
        enum pgdb_probe left = PROBE_AGAIN;
        struct err *cleaning = pgdb_probe_after(p->pg, s, pre_state, &left);
        if (cleaning) {
            run_notice(p->run, "%s", cleaning->message);
            err_free(cleaning);
        } else if (left == PROBE_DONE && s->verb == VERB_DETACH_PARTITION) {
            err_free(e);
            e = NULL;
        }
    }
    return leave(p, e);
}

static bool is_failure(const struct err *e, const struct pgdb_fault *fault)
{
    return str_eq(e->reason, REASON_MIGRATION_FAILED) && !fault->lost;
}

static struct err *run_outside(struct steps *p, size_t index, bool last)
{
    const struct statement *s = script_at(p->script, index);
    AUTO(free_auto) char *pre_state = NULL;
    struct pgdb_retry retry = { .since_ms = pgdb_waits_once(s) ? clock_mono_ms() : 0 };
    int64_t seq = 0;
    struct err *before = probe_before(p, index, &pre_state);
    if (before) { // a SET of the file, perhaps
        AUTO(pgdb_fault_done) struct pgdb_fault told = { 0 };
        pgdb_fault_set(p->pg, &told, before->message);
        return pgdb_record_failed(p->run, p->file, p->rank, p->script, &told, before);
    }
    TRY(write_intent(p, index, pre_state, &seq));
    p->pg->block_limit_ms = pgdb_lock_limit(p->run, p->file, true);
    for (;;) {
        AUTO(pgdb_fault_done) struct pgdb_fault fault = { 0 };
        bool spent = false;
        struct err *e = run_once(p, index, pre_state, &fault, &spent);
        if (!e) {
            break;
        }
        if (is_failure(e, &fault)) {
            return fail_intent(p, seq, &fault, e);
        }
        const bool again = !spent && (p->taken_back || pgdb_may_retry(s));
        e = again ? pgdb_retry_wait(p->run, p->file, &retry, e) : e;
        if (e) {
            return p->taken_back ? fail_intent(p, seq, &fault, e) : e;
        }
    }
    p->pg->block_limit_ms = 0;
    if (last) {
        p->open_seq = seq;
        return NULL;
    }
    return pgdb_close_step(p->run, seq, JOURNAL_DONE, NULL, NULL);
}

// ---- the file -----------------------------------------------------------------------------------

static size_t last_step(const struct script *script)
{
    for (size_t i = script->count; i > 0; i--) {
        if (script_at(script, i - 1)->class != STEP_SESSION) {
            return i - 1;
        }
    }
    return 0;
}

static struct err *check_verify(struct steps *p)
{
    bool pass = false;
    AUTO(pgdb_fault_done) struct pgdb_fault told = { 0 };
    if (!p->file->directives.verify) {
        return NULL;
    }
    struct err *e = enter(p, p->script->count);
    if (!e) {
        e = leave(p, pgdb_verify(p->run, p->file, &pass));
        if (!e && pass) {
            return NULL;
        }
        run_failed(p->run, p->file, 0, 1, 1, NULL, 0);
    }
    if (e) {
        pgdb_fault_set(p->pg, &told, e->message);
    } else {
        e = err_new(ERR_TERMINAL, REASON_MIGRATION_FAILED, "%s: verify= is not true after the file",
                    p->file->path);
    }
    return pgdb_record_failed(p->run, p->file, p->rank, p->script, &told, e);
}

static bool in_history(const struct steps *p)
{
    const struct history *history = &p->run->seen.history;
    const struct history_row *row = history->count > 0 ? &history->rows[history->count - 1] : NULL;
    return row && row->rank == p->rank && row->success;
}

// Closes the last step, writes the file's own row and the history row.
static struct err *finish(struct steps *p)
{
    AUTO(journal_row_done) struct journal_row row = { 0 };
    struct pgdb_rows rows = { 0 };
    make_row(p, 0, NULL, JOURNAL_DONE, NULL, &row);
    pgdb_rows_fill(p->run, &row, p->item, clock_mono_ms() - p->begun_ms, &rows);
    AUTO(free_auto) char *rows_sql = pgdb_rows_sql(p->pg);
    AUTO(free_auto) char *close_sql =
        mem_printf("UPDATE %s SET state = 'done', finished = pg_catalog.clock_timestamp()"
                   " WHERE history_table = $1 AND seq = $2::bigint AND state = 'intent'",
                   p->pg->journal);
    char seq[24];
    snprintf(seq, sizeof seq, "%lld", (long long)p->open_seq);
    const char *values[] = { p->pg->base.table, seq };
    AUTO(free_auto) char *kept_sql = pgdb_kept_sql(p->pg);
    const char *kept[PGDB_KEPT_VALUES];
    pgdb_kept_fill(&rows, kept);
    const struct pgdb_command commands[] = {
        { .sql = "SET LOCAL timezone = 'UTC'" },
        { close_sql, false, 2, values },
        { rows_sql, false, PGDB_ROWS_VALUES, rows.values },
        { kept_sql, false, PGDB_KEPT_VALUES, kept },
    };
    struct err *e =
        pgdb_fenced(p->run, commands, p->pg->watchers ? 4 : 3, "could not write the history row");
    if (!e) {
        journal_advance(p->run, &row);
        return NULL;
    }
    if (p->pg->conn && PQstatus(p->pg->conn) != CONNECTION_BAD) {
        return err_wrap(e, "%s", p->file->path);
    }
    struct err *unresolved = pgdb_resolve(p->run);
    if (unresolved || !in_history(p)) {
        err_free(unresolved);
        return err_wrap(e, "%s", p->file->path);
    }
    err_free(e);
    return NULL;
}

// Temporary tables, cursors and the like are not the next file's.
static struct err *clean_session(struct steps *p)
{
    static const struct pgdb_command commands[] = {
        { .sql = "CLOSE ALL" },
        { .sql = "UNLISTEN *" },
        { .sql = "DISCARD TEMP" },
        { .sql = "DEALLOCATE ALL" },
    };
    AUTO(pgdb_fault_done) struct pgdb_fault fault = { 0 };
    int failed = 0;
    if (!pgdb_script_touches(p->script) || pgdb_batch(p->pg, commands, 4, NULL, &fault, &failed)) {
        return NULL;
    }
    return pgdb_fault_err(&fault, p->pg->stopped, "could not reset the session");
}

struct err *pgdb_steps_run(struct run *run, const struct apply_item *item,
                           const struct script *script)
{
    struct steps p = {
        .run = run,
        .pg = pgdb_of(run->db),
        .item = item,
        .file = item->file,
        .script = script,
        .rank = run->rank + 1,
        .begun_ms = clock_mono_ms(),
        .since_ms = clock_mono_ms(),
    };
    const size_t last = last_step(script);
    AUTO(free_auto) bool *done = mem_array(script->count + 1, sizeof *done);
    TRY(pgdb_steps_look(run, item->file, script, done));
    for (size_t i = 0; i < script->count; i++) {
        const struct statement *s = script_at(script, i);
        if (done[i] || s->class == STEP_SESSION) { // a SET is made again before each statement
            continue;
        }
        TRY(run_check(run));
        run_tell_begin(run, p.file, script, (int)i + 1);
        struct err *e =
            s->class == STEP_TRANSACTIONAL ? run_inside(&p, i) : run_outside(&p, i, i == last);
        if (e) {
            const bool undone =
                (s->class == STEP_TRANSACTIONAL && !s->leaves_transaction) || p.taken_back;
            return run_stays_done(run, e, p.file, script, done, undone ? i : SIZE_MAX);
        }
        done[i] = true;
        pgdb_tell_statement(run, p.file, (int)i + 1, &p.since_ms);
    }
    struct err *untrue = check_verify(&p);
    if (untrue) {
        return run_stays_done(run, untrue, p.file, script, done, SIZE_MAX);
    }
    TRY(finish(&p));
    return clean_session(&p);
}
