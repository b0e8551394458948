// SPDX-License-Identifier: Apache-2.0
// Statements that control themselves (CALL, EXECUTE, DO, compound ones) and what a ROLLBACK leaves: a
// failed statement runs again only if nothing of it can have stayed.
#include <inttypes.h>
#include "database/mydb_file.h"
#include "reconcile/base/mem.h"
#include "reconcile/model/reason.h"

#define NOT_ROLLED_BACK 1196 // "Some non-transactional changed tables couldn't be rolled back"
// In the intent row's message, written in the statement's transaction: seen if that has committed.
#define MARK "running"

// ---- taking back --------------------------------------------------------------------------------

static struct err *read_warnings(struct mydb *m, bool *stays)
{
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_read(m, "read the warnings of a ROLLBACK", "SHOW WARNINGS", &result));
    for (char **row; (row = mydb_next(result));) {
        *stays |= mydb_int64(row[1], 0) == NOT_ROLLED_BACK;
    }
    return NULL;
}

struct err *mydb_roll_back(struct mydb *m, bool *stays)
{
    TRY(mydb_own_begin(m));
    TRY(mydb_exec(m, "roll back", "ROLLBACK"));
    TRY(read_warnings(m, stays));
    return mydb_own_end(m);
}

static struct err *read_mark(struct mydb *m, int64_t seq, bool *stays)
{
    AUTO(buf_done) struct buf sql = BUF(4096);
    buf_adds(&sql, "SELECT message FROM ");
    mydb_add_table(&sql, m, "sluice_journal");
    mydb_add_seq(&sql, m, seq);
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_own_begin(m));
    TRY(mydb_read(m, "look whether the statement committed", buf_text(&sql), &result));
    TRY(mydb_own_end(m));
    char **row = mydb_next(result);
    *stays |= !row || (row[0] && strcmp(row[0], MARK) == 0);
    return NULL;
}

static struct err *unknown(const struct mydb_file *f, size_t index, const struct err *e)
{
    return run_unknown(f->run, f->file, (int32_t)index + 1,
                       "%s; a part of it may have stayed (it committed by itself, or it wrote to "
                       "tables without transactions), so it does not run again by itself",
                       e->message);
}

// ---- one statement ------------------------------------------------------------------------------

static struct err *begin(struct mydb_file *f, int64_t seq)
{
    struct mydb *m = f->m;
    AUTO(buf_done) struct buf mark = BUF(4096);
    buf_adds(&mark, "UPDATE ");
    mydb_add_table(&mark, m, "sluice_journal");
    buf_adds(&mark, " SET message='" MARK "'");
    mydb_add_seq(&mark, m, seq);
    AUTO(strlist_done) struct strlist sql = { 0 };
    strlist_add(&sql, buf_text(&mark));
    return mydb_write(f->run, &sql, MYDB_BEGIN, NULL);
}

static struct err *finish(struct mydb_file *f, int64_t seq)
{
    AUTO(free_auto) char *close = mydb_sql_close(f->m, seq, JOURNAL_DONE, NULL, NULL, NULL);
    AUTO(strlist_done) struct strlist sql = { 0 };
    strlist_add(&sql, close);
    bool resolved = false;
    const int flags = mydb_in_transaction(f->m) ? MYDB_COMMIT : MYDB_BEGIN | MYDB_COMMIT;
    return mydb_write(f->run, &sql, flags, &resolved);
}

// *again: a lock was in the way, and nothing of the statement has stayed.
static struct err *fail(struct mydb_file *f, size_t index, int64_t seq, enum mydb_kill killed,
                        bool *again)
{
    struct mydb *m = f->m;
    const struct mydb_failure kept = m->failure;
    const bool lost = mydb_lost(m);
    struct err *e = mydb_statement_error(f, index, killed);
    bool stays = false;
    if (lost) {
        return e;
    }
    struct err *broken = mydb_roll_back(m, &stays);
    broken = broken ? broken : read_mark(m, seq, &stays);
    if (broken || stays) {
        struct err *why = unknown(f, index, e);
        err_free(broken);
        err_free(e);
        return why;
    }
    m->failure = kept;
    if (mydb_error_is_lock(kept.code) && !killed) {
        err_free(e);
        *again = true;
        return NULL;
    }
    return mydb_record_failure(f, index, seq, e);
}

struct err *mydb_execute_self(struct mydb_file *f, size_t index, int64_t seq)
{
    struct mydb_patience patience;
    mydb_patience_init(f, &patience);
    for (;;) {
        enum mydb_kill killed = MYDB_KILL_NONE;
        bool again = false;
        struct err *unbegun = begin(f, seq);
        if (unbegun) {
            mydb_rollback(f->m);
            return mydb_give_up(f, index, unbegun);
        }
        const unsigned code = mydb_run_statement(f, index, &killed);
        if (!code && !killed) {
            return finish(f, seq);
        }
        f->m->failure.code = code ? code : MYDB_INTERRUPTED;
        TRY(fail(f, index, seq, killed, &again));
        struct err *e = mydb_patience_wait(f, index, &patience);
        if (e) {
            return mydb_give_up(f, index, e);
        }
    }
}

// ---- a group that a ROLLBACK does not take back --------------------------------------------------

struct err *mydb_group_stays(struct mydb_file *f, size_t from, size_t to, struct err *e)
{
    AUTO(strlist_done) struct strlist sql = { 0 };
    for (size_t i = from; i <= to && i < f->script.count; i++) {
        struct statement *s = &f->script.statements[i];
        if (f->complete[i] || s->class != STEP_TRANSACTIONAL) {
            continue;
        }
        s->class = STEP_OTHER; // nobody can tell which of them have stayed
        AUTO(journal_row_done) struct journal_row row = { 0 };
        journal_row_prepare(f->run, f->file, f->rank, (int32_t)i + 1, s, JOURNAL_INTENT, "[]",
                            &row);
        AUTO(free_auto) char *insert = mydb_sql_journal(f->m, &row, 0);
        strlist_add(&sql, insert);
        journal_advance(f->run, &row);
    }
    bool resolved = false;
    struct err *unrecorded = mydb_write(f->run, &sql, MYDB_BEGIN | MYDB_COMMIT, &resolved);
    if (unrecorded) {
        run_notice(f->run, "that a part may have stayed could not be recorded: %s",
                   unrecorded->message);
        err_free(unrecorded);
    }
    struct err *why = unknown(f, from, e);
    err_free(e);
    return why;
}
