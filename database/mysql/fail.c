// SPDX-License-Identifier: Apache-2.0
// A statement that failed: where, why, and what is recorded of it.
#include <inttypes.h>
#include "database/mydb_file.h"
#include "reconcile/base/clock.h"
#include "reconcile/base/mem.h"
#include "reconcile/migration/script.h"
#include "reconcile/model/reason.h"

static void locate(const struct mydb_file *f, size_t index, int *line, int *column)
{
    const struct statement *s = &f->script.statements[index];
    int position = 0;
    if (!mydb_error_position(f->m->failure.text, s->text, &position)) {
        position = 0;
    }
    script_locate(&f->script, f->file, s, position, line, column);
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
    locate(f, index, &line, &column);
    run_failed(f->run, f->file, (int)index + 1, line, column, failure->sqlstate,
               (int)failure->code);
    AUTO(free_auto) char *where =
        mem_printf("%s:%d:%d: statement %zu", f->file->path, line, column, index + 1);
    const bool stopped = failure->code == 1317 || failure->code == 1969 || failure->code == 3024 ||
                         failure->code == 1028;
    struct err *e = stopped || mydb_lost(f->m) ? killed_error(f, killed, where) : NULL;
    if (e) {
        return e;
    }
    const struct mydb_error_class class = mydb_error_of_file(failure->code, failure->text);
    return err_new(class.kind, class.reason, "%s: %u (%s) %s", where, failure->code,
                   failure->sqlstate, failure->text);
}

// The statement's own row: the intent is closed, or a row is added for one that had none.
static void add_failed_row(struct mydb_file *f, size_t index, int64_t seq, const struct err *e,
                           unsigned code, struct strlist *sql)
{
    char number[16];
    snprintf(number, sizeof number, "%u", code);
    // The server's words alone: file, line and number have columns of their own.
    const char *text = f->m->failure.text;
    const char *message = code && strstr(e->message, text) ? text : e->message;
    if (seq > 0) {
        AUTO(free_auto) char *close =
            mydb_sql_close(f->m, seq, JOURNAL_FAILED, NULL, code ? number : NULL, message);
        strlist_add(sql, close);
        return;
    }
    AUTO(journal_row_done) struct journal_row row = { 0 };
    const bool whole = index >= f->script.count;
    journal_row_prepare(f->run, f->file, f->rank, whole ? 0 : (int32_t)index + 1,
                        whole ? NULL : &f->script.statements[index], JOURNAL_FAILED, NULL, &row);
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
    AUTO(free_auto) char *insert = mydb_sql_history(f->run, &row);
    strlist_add(sql, clear);
    strlist_add(sql, insert);
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
