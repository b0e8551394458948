// SPDX-License-Identifier: Apache-2.0
// Statements that control themselves (CALL, EXECUTE, DO, compound ones) and what a ROLLBACK leaves: a
// failed statement runs again only if nothing of it can have stayed.
#include <inttypes.h>
#include "base/mem.h"
#include "database/mysql/file.h"
#include "model/reason.h"

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

static struct err *read_mark(struct mydb *m, int64_t seq, bool *committed)
{
    AUTO(buf_done) struct buf sql = BUF(4096);
    buf_adds(&sql, "SELECT message FROM ");
    mydb_add_table(&sql, m, "sluice_journal");
    mydb_add_seq(&sql, m, seq);
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_own_begin(m));
    TRY(mydb_read(m, "find out whether the statement committed", buf_text(&sql), &result));
    TRY(mydb_own_end(m));
    char **row = mydb_next(result);
    *committed = !row || (row[0] && strcmp(row[0], MARK) == 0);
    return NULL;
}

bool mydb_is_marked(const struct journal_row *row)
{
    return row->state == JOURNAL_INTENT && str_eq(row->message, MARK);
}

static struct err *unknown(const struct mydb_file *f, size_t index, const struct err *e)
{
    return run_unknown(f->run, f->file, (int32_t)index + 1,
                       "%s; a part of it may have stayed (it committed by itself, or it wrote to "
                       "tables without transactions), so it does not run again by itself",
                       e->message);
}

// ---- what EXECUTE has run -----------------------------------------------------------------------

// What the server counts of the session: statements that are all or nothing and commit before they begin, and all others
// that could have changed something.
struct counts {
    int64_t whole, others; // -1: not known
};

#define WHOLE                                                                                      \
    "'COM_ALTER_TABLE', 'COM_CREATE_INDEX', 'COM_DROP_INDEX', 'COM_RENAME_TABLE', "                \
    "'COM_TRUNCATE', 'COM_CREATE_TRIGGER', 'COM_DROP_TRIGGER', 'COM_CREATE_VIEW', "                \
    "'COM_CREATE_DB', 'COM_LOCK_TABLES'"
#define HARMLESS                                                                                   \
    "'COM_SELECT', 'COM_EXECUTE_SQL', 'COM_EXECUTE_IMMEDIATE', 'COM_STMT_PREPARE', "               \
    "'COM_STMT_EXECUTE', 'COM_STMT_CLOSE', 'COM_STMT_REPREPARE'"

// In the file's settings, as it is: an answer that does not fit proves nothing.
static struct counts count(struct mydb *m)
{
    struct counts counts = { -1, -1 };
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    const char *sql = "SELECT SUM(IF(variable_name IN (" WHOLE "), variable_value, 0)), "
                      "SUM(IF(variable_name IN (" WHOLE ", " HARMLESS "), 0, variable_value)) "
                      "FROM information_schema.session_status WHERE variable_name LIKE 'COM%'";
    if (mydb_try_read(m, sql, &result)) {
        return counts;
    }
    char **row = mydb_next(result);
    counts.whole = row ? mydb_int64(row[0], -1) : -1;
    counts.others = row ? mydb_int64(row[1], -1) : -1;
    return counts;
}

static bool is_execute(const struct mydb *m, const struct statement *s)
{
    return m->mariadb && mydb_starts_with(s, "execute");
}

// One statement that is all or nothing, and it has failed: what it committed is the mark.
static bool was_whole(const struct counts *before, const struct counts *after)
{
    return before->whole >= 0 && after->whole == before->whole + 1 && before->others >= 0 &&
           after->others == before->others;
}

// ---- one statement ------------------------------------------------------------------------------

static struct err *begin(struct mydb_file *f, int64_t seq)
{
    AUTO(free_auto) char *mark = mydb_sql_note(f->m, seq, NULL, MARK);
    AUTO(strlist_done) struct strlist sql = { 0 };
    strlist_add(&sql, mark);
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
                        const struct counts *before, bool *again)
{
    struct mydb *m = f->m;
    const struct mydb_failure kept = m->failure;
    const bool lost = mydb_lost(m);
    struct err *e = mydb_statement_error(f, index, killed);
    bool stays = false, committed = false;
    if (lost) {
        return e;
    }
    const struct counts after = before->whole < 0 ? *before : count(m);
    struct err *broken = mydb_roll_back(m, &stays);
    broken = broken ? broken : read_mark(m, seq, &committed);
    stays |= committed && !was_whole(before, &after);
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
    // What the file is not to blame for is tried again, so that nobody has to ask.
    return e->kind == ERR_TRANSIENT ? mydb_give_up(f, index, e)
                                    : mydb_record_failure(f, index, seq, e);
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
        const struct counts before = is_execute(f->m, script_at(&f->script, index))
                                         ? count(f->m)
                                         : (struct counts){ -1, -1 };
        const unsigned code = mydb_run_statement(f, index, &killed);
        if (!code && !killed) {
            return finish(f, seq);
        }
        f->m->failure.code = code ? code : MYDB_INTERRUPTED;
        TRY(fail(f, index, seq, killed, &before, &again));
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
        struct statement *s = script_edit(&f->script, i);
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
