// SPDX-License-Identifier: Apache-2.0
// MariaDB: an attempt whose session was ended at a statement (database/ended.c), judged at once in a new session.
#include "base/mem.h"
#include "database/mysql/file.h"
#include "model/reason.h"

#define KILLED 1927
#define KILLED_TEXT "1927"
#define EXAMPLE "KILL CONNECTION_ID()"

// Both times are those of the statement's begin, so that the difference is the same each time.
static struct err *up_since(struct mydb *m, char **out)
{
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_own_begin(m));
    TRY(mydb_read(m, "ask since when the server is up",
                  "SELECT CONCAT('" SESSION_ENDED "', '1970-01-01' + INTERVAL UNIX_TIMESTAMP() - "
                  "CAST(variable_value AS SIGNED) SECOND) FROM information_schema.global_status "
                  "WHERE variable_name = 'UPTIME'",
                  &result));
    TRY(mydb_own_end(m));
    char **row = mydb_next(result);
    if (!row || !row[0]) {
        return mydb_no_row(m, "ask since when the server is up");
    }
    *out = mem_strdup(row[0]);
    return NULL;
}

// Its last row, if what became of it is not known.
static const struct journal_row *open_row(const struct mydb_file *f, int step, bool *applied)
{
    const size_t count = f->script.count;
    AUTO(free_auto) const struct journal_row **steps = mem_array(count + 1, sizeof *steps);
    const struct journal_row *beyond = NULL;
    mydb_progress_rows(&f->run->seen, f->file, count, steps, &beyond);
    const struct journal_row *row = steps[step];
    *applied = row && journal_row_applied(row);
    return row && row->state == JOURNAL_INTENT ? row : NULL;
}

// Of a statement that controls itself its session took along what says how far it came.
static struct err *unknown(const struct mydb_file *f, const struct journal_row *row,
                           const struct err *e)
{
    const char *stays =
        mydb_is_marked(row)
            ? "it has committed by itself, so that a part of it may have stayed"
            : "what it did in its transaction is rolled back, what it wrote to tables without "
              "transactions has stayed";
    return run_unknown(f->run, f->file, row->step,
                       "%s; %s; if it ends its own session, as " EXAMPLE
                       " does, take that out of the file or of what it calls before it runs again",
                       e->message, stays);
}

// With a new session and what it sees: NULL if nothing of the statement has stayed.
static struct err *judge(struct mydb_file *f, int step, const struct err *e, int64_t *seq)
{
    bool applied = false;
    TRY(mydb_come_back(f->run));
    const struct journal_row *open = open_row(f, step, &applied);
    if (!open) {
        return NULL; // it was in a transaction
    }
    const struct statement *s = script_at(&f->script, (size_t)step - 1);
    const struct directives *said = &f->file->directives;
    if (mydb_controls_itself(s) && !said->verify && !said->idempotent) {
        return unknown(f, open, e);
    }
    TRY(mydb_settle(f->run));
    open = open_row(f, step, &applied);
    *seq = open ? open->seq : 0;
    return applied ? mydb_session_gone(f) : NULL;
}

// What may run again and may have left something (idempotent=true) stays open.
static bool stays_open(const struct mydb_file *f, int step)
{
    return script_at(&f->script, (size_t)step - 1)->class == STEP_OTHER &&
           !f->file->directives.verify;
}

static struct err *write_down(struct mydb_file *f, const struct session_end *end, int64_t seq)
{
    if (seq == 0 || !stays_open(f, end->step)) {
        return run_write_end(f->run, end);
    }
    AUTO(free_auto) char *note = mydb_sql_note(f->m, seq, end->code, end->since);
    AUTO(strlist_done) struct strlist sql = { 0 };
    strlist_add(&sql, note);
    bool resolved = false;
    return mydb_write(f->run, &sql, MYDB_BEGIN | MYDB_COMMIT, &resolved);
}

// The step was judged: nothing of it has stayed, or it may run again.
static struct err *count(struct mydb_file *f, int step, int64_t seq, struct err *e)
{
    const struct mydb_failure kept = f->m->failure;
    AUTO(free_auto) char *since = NULL;
    AUTO(err_free_auto) struct err *mute = up_since(f->m, &since);
    f->m->failure = kept;
    if (mute) {
        return e; // the next run finds out
    }
    const struct session_end end = { .file = f->file,
                                     .script = &f->script,
                                     .rank = f->rank,
                                     .step = step,
                                     .code = KILLED_TEXT,
                                     .since = since,
                                     .example = EXAMPLE };
    struct err *blamed = run_ended_too_often(f->run, &end);
    if (!blamed || (seq > 0 && stays_open(f, step))) {
        err_free(write_down(f, &end, seq)); // unwritten: one attempt more
    }
    if (!blamed) {
        return e;
    }
    err_free(e);
    return seq > 0 && stays_open(f, step) ? blamed
                                          : mydb_record_failure(f, (size_t)step - 1, seq, blamed);
}

struct err *mydb_session_ended(struct mydb_file *f, struct err *e)
{
    const int step = f->run->result->failed.statement;
    if (f->run->result->failed.error_number != KILLED || step < 1 ||
        (size_t)step > f->script.count || f->complete[step - 1] ||
        !str_eq(e->reason, REASON_DATABASE_UNAVAILABLE)) {
        return e;
    }
    const struct mydb_failure kept = f->m->failure;
    int64_t seq = 0;
    struct err *judged = judge(f, step, e, &seq);
    f->m->failure = kept;
    if (!judged) {
        return count(f, step, seq, e);
    }
    if (judged->kind == ERR_TRANSIENT) {
        err_free(judged); // the next run finds out
        return e;
    }
    err_free(e);
    return judged;
}
