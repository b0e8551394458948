// SPDX-License-Identifier: Apache-2.0
// From a server's error to file, line and column; what is written down about it; what is tried again.
#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "database/postgresql/pgdb.h"
#include "database/said.h"
#include "model/reason.h"
#include "reconcile/migration/script.h"

#define RETRY_FIRST_MS 250
#define RETRY_MAX_MS 10000

void pgdb_failure_done(struct pgdb_failure *failure)
{
    pgdb_fault_done(&failure->fault);
    *failure = (struct pgdb_failure){ 0 };
}

// What stands in the message instead of the server's words when we ended the statement ourselves.
static const char *stop_text(const char *stopped)
{
    if (str_eq(stopped, REASON_INTERRUPTED)) {
        return "interrupted";
    }
    if (str_eq(stopped, REASON_DEADLINE_EXCEEDED)) {
        return "execution.deadline is over";
    }
    return NULL;
}

// Does the statement run others, which are a program's then?
static bool is_program(const struct statement *s)
{
    static const char *const words[] = { "do", "call", "select", "with" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strncasecmp(s->text, words[i], strlen(words[i])) == 0) {
            return true;
        }
    }
    return false;
}

// What the server refuses inside a transaction, and what leads out of that.
static const char *hint(const struct script *script, const struct statement *s,
                        const char *sqlstate)
{
    if (str_eq(sqlstate, "25001") && is_program(s)) {
        return "; a block, a procedure or a function never may: write it as a statement of its own";
    }
    if (!script->transactional) {
        return "";
    }
    if (str_eq(sqlstate, "2D000") || str_eq(sqlstate, "25001")) {
        return "; outside a transaction it may: begin the file with the line -- sluice: "
               "transaction=none";
    }
    if (str_eq(sqlstate, "55P04")) {
        return "; the value can be used once its file is committed: put this statement into a new "
               "file";
    }
    return "";
}

// Of a statement of our own that `where` names, behind the file's.
static const char *taken_away(const char *where, const char *sqlstate)
{
    return where[0] && pgdb_table_gone(sqlstate) ? "; the file takes away or changes a table that "
                                                   "holds the history of this database: "
                                                   "take that out of it"
                                                 : "";
}

struct err *pgdb_statement_err(struct run *run, const struct migration *file,
                               const struct script *script, int statement, const char *where,
                               const struct pgdb_fault *fault)
{
    const struct pgdb *pg = pgdb_of(run->db);
    enum err_kind kind;
    const char *reason;
    pgdb_fault_judge(fault, pg->stopped, &kind, &reason);
    const struct statement *s = statement > 0 ? &script->statements[statement - 1] : NULL;
    AUTO(free_auto) char *said = fault->message ? pgdb_fault_text(run, fault, s, NULL) : NULL;
    const char *text = stop_text(pg->stopped);
    text = text ? text : said ? said : "the connection is lost";
    const char *code = stop_text(pg->stopped) ? "" : fault->sqlstate;
    const char *blocked = str_eq(reason, REASON_LOCK_TIMEOUT) ? pg->blocker : NULL;
    AUTO(free_auto) char *tail =
        blocked ? mem_printf("%s, held by %s", text, blocked) : mem_strdup(text);
    if (!s) {
        run_failed(run, file, 0, 1, 1, fault->sqlstate, 0);
        pgdb_fault_lines(run, file, fault, 0, 0);
        return err_new(kind, reason, "%s: %s: %s%s%s%s", file->path, where, code,
                       code[0] ? " " : "", tail, taken_away(where, code));
    }
    int line = 0, column = 0;
    script_locate(script, file, s, where[0] ? 0 : fault->position, &line, &column);
    run_failed(run, file, statement, line, column, fault->sqlstate, 0);
    if (!stop_text(pg->stopped)) {
        pgdb_fault_lines(run, file, fault, line, column);
    }
    return err_new(kind, reason, "%s:%d:%d: statement %d: %s%s%s%s%s%s", file->path, line, column,
                   statement, where, where[0] ? ": " : "", code, code[0] ? " " : "", tail,
                   where[0] ? taken_away(where, code) : hint(script, s, code));
}

static const char *part_text(enum pgdb_part part)
{
    switch (part) {
    case PART_BEGIN:
        return "could not begin";
    case PART_GUARD:
        return "could not check the lease";
    case PART_CONSTRAINTS:
        return "a deferred constraint at the end of the file";
    case PART_VERIFY:
        return "verify=";
    case PART_RESET:
        return "could not reset the session after the file";
    case PART_CLOSE:
    case PART_ROWS:
    case PART_KEPT:
        return "could not write the history row";
    case PART_COMMIT:
        return "could not commit";
    case PART_STATEMENT:
        break;
    }
    return "";
}

// Before the file's first statement an error is ours. At its end it is the file's: it dropped our
// tables, or took our rights away.
static bool is_own(enum pgdb_part part)
{
    return part == PART_BEGIN || part == PART_GUARD;
}

struct err *pgdb_failure_err(struct run *run, const struct pgdb_group *group,
                             const struct pgdb_failure *failure)
{
    const struct pgdb *pg = pgdb_of(run->db);
    const struct migration *file = group->item->file;
    const struct pgdb_fault *fault = &failure->fault;
    const char *where = part_text(failure->part);
    const char *name = file ? file->path : "baseline marker";
    const bool fenced =
        failure->part == PART_GUARD || failure->part == PART_ROWS || failure->part == PART_KEPT;
    const char *word = fenced ? pgdb_fence_word(fault) : NULL;
    if (failure->part == PART_ROWS && str_eq(fault->sqlstate, "23505")) {
        word = "moved"; // the primary key of the history: somebody else's row
    }
    if (word) {
        return err_wrap(pgdb_fence_err(run, word), "%s", name);
    }
    if (fault->lost && !fault->copies && fault->sqlstate[0] == '\0' &&
        failure->part != PART_STATEMENT) {
        // The server answers a whole group at its end: where it was nobody knows.
        return err_new(ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE,
                       "%s: the connection was lost in this file or at its COMMIT: %s", name,
                       fault->said ? fault->said : "no reason given");
    }
    if (failure->verify_false) {
        run_failed(run, file, 0, 1, 1, NULL, 0);
        return err_new(ERR_TERMINAL, REASON_MIGRATION_FAILED,
                       "%s: verify= is not true after the file: rolled back", name);
    }
    const bool ours = !file || (is_own(failure->part) && !fault->lost && !pg->stopped &&
                                !pgdb_judge(fault->sqlstate));
    if (ours || (is_own(failure->part) && str_eq(fault->sqlstate, "42501"))) {
        return err_wrap(pgdb_fault_err(fault, pg->stopped, where), "%s", name);
    }
    const int statement = failure->part == PART_STATEMENT ? failure->statement + 1 : 0;
    return pgdb_statement_err(run, file, &group->script, statement, where, fault);
}

// ---- the failed row -----------------------------------------------------------------------------

static bool is_of_the_file(const struct err *e)
{
    return str_eq(e->reason, REASON_MIGRATION_FAILED) ||
           str_eq(e->reason, REASON_TRANSACTION_CONTROL);
}

char *pgdb_recorded(const struct run *run, const struct script *script, int step,
                    const struct pgdb_fault *fault, const struct err *e)
{
    const struct statement *s = step > 0 ? &script->statements[step - 1] : NULL;
    char *recorded = NULL;
    if (!fault->message) { // our own words
        return mem_strndup(e->message, str_utf8_cut(e->message, strlen(e->message), SAID_MAX));
    }
    free(pgdb_fault_text(run, fault, s, &recorded));
    return recorded;
}

struct err *pgdb_record_failed(struct run *run, const struct migration *file, int32_t rank,
                               const struct script *script, const struct pgdb_fault *fault,
                               struct err *e)
{
    struct pgdb *pg = pgdb_of(run->db);
    if (!file || !is_of_the_file(e) || fault->lost) {
        return e;
    }
    const int step = run->result->failed.statement;
    const struct statement *s = step > 0 ? &script->statements[step - 1] : NULL;
    AUTO(journal_row_done) struct journal_row row = { 0 };
    run->script = script;
    journal_row_prepare(run, file, rank, step, s, JOURNAL_FAILED, NULL, &row);
    run->script = NULL;
    row.line = run->result->failed.line;
    const char *code = run->result->failed.sqlstate;
    row.error_code = code[0] ? mem_strdup(code) : NULL;
    row.message = pgdb_recorded(run, script, step, fault, e);
    journal_row_rehash(run, &row);
    // If it cannot be written, the controller does it; the failure itself is the answer.
    pg->uncancellable = true;
    err_free(pgdb_append(run, &row));
    pg->uncancellable = false;
    return e;
}

// ---- what must not run again by itself ---------------------------------------------------------

static size_t first_leaving(const struct script *script)
{
    size_t i = 0;
    while (i < script->count && !script_at(script, i)->leaves_transaction) {
        i++;
    }
    return i;
}

bool pgdb_script_leaves(const struct script *script)
{
    return first_leaving(script) < script->count;
}

struct err *pgdb_no_repeat(const struct migration *file, const struct script *script, int statement,
                           struct err *e)
{
    const size_t first = first_leaving(script);
    const bool before = statement > 0 && (size_t)statement <= first;
    if (first == script->count || before || e->kind == ERR_TERMINAL) {
        return e;
    }
    struct err *stop =
        err_new(ERR_TERMINAL, REASON_MIGRATION_FAILED,
                "%s; line %d writes outside of the transaction, which a rollback does not take "
                "back, so that nothing is retried automatically: find out what %s left there "
                "before you run it again",
                e->message, script_at(script, first)->line, file->path);
    err_free(e);
    return stop;
}

// ---- trying again -------------------------------------------------------------------------------

static bool is_retryable(const struct err *e)
{
    return str_eq(e->reason, REASON_LOCK_TIMEOUT) || str_eq(e->reason, REASON_DEADLOCK);
}

struct err *pgdb_retry_wait(struct run *run, const struct migration *file, struct pgdb_retry *retry,
                            struct err *e)
{
    const int64_t now = clock_mono_ms();
    if (!is_retryable(e)) {
        return e;
    }
    retry->since_ms = retry->since_ms > 0 ? retry->since_ms : now;
    retry->pause_ms = retry->pause_ms > 0 ? retry->pause_ms : RETRY_FIRST_MS;
    const int64_t pause = jitter_ms(retry->pause_ms);
    if (now + pause - retry->since_ms > run->request->execution->lock_retry_for_ms) {
        return e;
    }
    run_notice(run, "%s; trying %s again in %lld ms", e->message, file ? file->script : "",
               (long long)pause);
    err_free(e);
    retry->pause_ms = backoff_ms(retry->pause_ms, RETRY_MAX_MS, 2);
    return run_pause(run, pause);
}
