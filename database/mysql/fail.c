// SPDX-License-Identifier: Apache-2.0
// A statement that failed: where, why, and what is recorded of it.
#include <inttypes.h>
#include "base/clock.h"
#include "base/mem.h"
#include "database/mysql/file.h"
#include "model/reason.h"
#include "reconcile/migration/script.h"

// True: the message says which character it is about.
static bool locate(const struct mydb_file *f, size_t index, int *line, int *column)
{
    const struct statement *s = script_at(&f->script, index);
    const struct mydb_failure *failure = &f->m->failure;
    int position = 0;
    bool exact = false;
    if (!mydb_error_position(failure->code, failure->text, s->text, &position, &exact)) {
        position = 0;
    }
    script_locate(&f->script, f->file, s, position, line, column);
    return exact;
}

// The server's words about a statement, with the line of the file. *recorded (NULL: not wanted) for the journal.
static char *say(const struct mydb_file *f, size_t index, char **recorded)
{
    const struct mydb_failure *failure = &f->m->failure;
    const struct statement *s = index < f->script.count ? &f->script.statements[index] : NULL;
    int line = 1, column = 1;
    if (s) {
        locate(f, index, &line, &column);
    }
    AUTO(free_auto)
    char *text =
        s ? mydb_error_translate(failure->code, failure->text, line) : mem_strdup(failure->text);
    AUTO(said_done) struct said said = { 0 };
    mydb_said_of(f->m, failure->code, failure->sqlstate, failure->text, s, &said);
    if (recorded) {
        *recorded = said_recorded(f->run, &said, text);
    }
    return said_text(&f->m->base, &said, text);
}

static struct err *killed_error(const struct mydb_file *f, enum mydb_kill killed, const char *where)
{
    switch (killed) {
    case MYDB_KILL_CANCEL:
        return err_new(ERR_TRANSIENT, REASON_INTERRUPTED, "%s: interrupted", where);
    case MYDB_KILL_DEADLINE:
        return err_new(ERR_TRANSIENT, REASON_DEADLINE_EXCEEDED,
                       "%s: stopped, execution.deadline is over", where);
    case MYDB_KILL_TIMEOUT:
        return err_new(ERR_TERMINAL, REASON_MIGRATION_FAILED,
                       "%s: stopped after the statement timeout of %" PRId64 " ms", where,
                       f->m->session.statement_ms);
    case MYDB_KILL_NONE:
        break;
    }
    return NULL;
}

struct err *mydb_statement_error(struct mydb_file *f, size_t index, enum mydb_kill killed)
{
    const struct mydb_failure *failure = &f->m->failure;
    int line = 1, column = 1;
    const bool exact = locate(f, index, &line, &column);
    run_failed(f->run, f->file, (int)index + 1, line, column, failure->sqlstate,
               (int)failure->code);
    run_excerpt(f->run, (const char *)migration_bytes(f->file), f->file->size, line,
                exact ? column : 0);
    AUTO(free_auto) char *where =
        mem_printf("%s:%d:%d: statement %zu", f->file->path, line, column, index + 1);
    const bool stopped = failure->code == 1317 || failure->code == 1969 || failure->code == 3024 ||
                         failure->code == 1028;
    struct err *e = stopped || mydb_lost(f->m) ? killed_error(f, killed, where) : NULL;
    if (e) {
        return e;
    }
    const struct mydb_error_class class = mydb_error_of_file(failure->code, failure->text);
    AUTO(free_auto) char *said = say(f, index, NULL);
    return err_new(class.kind, class.reason, "%s: %u (%s) %s", where, failure->code,
                   failure->sqlstate, said);
}

// The statement's own row: the intent is closed, or a row is added for one that had none.
static void add_failed_row(struct mydb_file *f, size_t index, int64_t seq, const struct err *e,
                           unsigned code, struct strlist *sql)
{
    char number[16];
    snprintf(number, sizeof number, "%u", code);
    // The server's words alone: file, line and number have columns of their own.
    AUTO(free_auto) char *recorded = NULL;
    AUTO(free_auto) char *text = say(f, index, &recorded);
    const bool servers = f->m->failure.code && strstr(e->message, text);
    const char *message = servers ? recorded : e->message;
    if (seq > 0) {
        AUTO(free_auto) char *close =
            mydb_sql_close(f->m, seq, JOURNAL_FAILED, NULL, code ? number : NULL, message);
        strlist_add(sql, close);
        return;
    }
    AUTO(journal_row_done) struct journal_row row = { 0 };
    const bool whole = index >= f->script.count;
    journal_row_prepare(f->run, f->file, f->rank, whole ? 0 : (int32_t)index + 1,
                        whole ? NULL : script_at(&f->script, index), JOURNAL_FAILED, NULL, &row);
    row.error_code = code ? mem_strdup(number) : NULL;
    row.message = mem_strndup(message, str_utf8_cut(message, strlen(message), 1024));
    AUTO(free_auto) char *insert = mydb_sql_journal(f->m, &row, 0);
    strlist_add(sql, insert);
    journal_advance(f->run, &row);
}

static void add_failed_history(const struct mydb_file *f, struct strlist *sql)
{
    const struct mydb_history row = { .rank = f->rank,
                                      .file = f->file,
                                      .checksum = f->item->checksum,
                                      .execution_ms = clock_mono_ms() - f->started_ms,
                                      .success = false };
    AUTO(free_auto) char *clear = mydb_sql_history_delete(f->m, f->rank);
    strlist_add(sql, clear);
    mydb_add_history(f->run, &row, sql);
}

struct err *mydb_record_failure(struct mydb_file *f, size_t index, int64_t seq, struct err *e)
{
    if (!str_eq(e->reason, REASON_MIGRATION_FAILED) &&
        !str_eq(e->reason, REASON_TRANSACTION_CONTROL)) {
        return e; // the file is not to blame: the next run tries again
    }
    const unsigned code = index < f->script.count ? f->m->failure.code : 0;
    AUTO(strlist_done) struct strlist sql = { 0 };
    if (f->open_seq > 0) { // the step before ended well
        AUTO(free_auto) char *close =
            mydb_sql_close(f->m, f->open_seq, JOURNAL_DONE, NULL, NULL, NULL);
        strlist_add(&sql, close);
        f->open_seq = 0;
    }
    add_failed_row(f, index, seq, e, code, &sql);
    add_failed_history(f, &sql);
    bool resolved = false;
    AUTO(err_free_auto) struct err *unrecorded =
        mydb_write(f->run, &sql, MYDB_BEGIN | MYDB_COMMIT, &resolved);
    if (unrecorded) {
        run_notice(f->run, "the failure could not be recorded: %s", unrecorded->message);
    }
    return e;
}

struct err *mydb_not_begun(struct mydb_file *f, size_t index, const char *why)
{
    AUTO(journal_row_done) struct journal_row row = { 0 };
    journal_row_prepare(f->run, f->file, f->rank, (int32_t)index + 1, script_at(&f->script, index),
                        JOURNAL_RESOLVED, NULL, &row);
    row.verdict = VERDICT_NOT_APPLIED;
    row.message = mem_strndup(why, str_utf8_cut(why, strlen(why), 1024));
    return mydb_append(f->run, &row);
}

struct err *mydb_give_up(struct mydb_file *f, size_t index, struct err *e)
{
    if (script_at(&f->script, index)->class == STEP_OTHER) {
        AUTO(said_done) struct said said = { 0 };
        said_init(&f->m->base, script_at(&f->script, index), &said);
        AUTO(free_auto)
        char *why = f->run->request->show_values ? said_recorded(f->run, &said, e->message)
                                                 : mem_strdup(e->message); // hidden already
        err_free(mydb_not_begun(f, index, why)); // unrecorded, it will be asked about
    }
    return e;
}
