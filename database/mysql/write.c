// SPDX-License-Identifier: Apache-2.0
// Our own rows in fenced transactions of few trips, and what to do when the answer to a COMMIT is lost.
#include <inttypes.h>
#include "base/clock.h"
#include "base/mem.h"
#include "database/mysql/run.h"
#include "model/reason.h"

#define BLOCK_BYTES (512 * 1024) // of one compound statement; max_allowed_packet is 16 MiB or more
#define RETRY_FIRST_MS 50
#define RETRY_MAX_MS 1000
#define TRIES_AFTER_CANCEL 5
#define RESOLVE_MS 60000 // for a server to come back and the old session to end
#define RESOLVE_PAUSE_MS 200

#define THEN_BEGIN                                                                                 \
    4 // a flag of ours: after the COMMIT another transaction, in the same trip. MariaDB only

#define FENCED_CODE 1644 // SIGNAL
#define DUPLICATE_CODE 1062
#define STALE_READ_CODE 1020 // MariaDB: a row changed since the snapshot, try again
#define INTERRUPTED_CODE 1317
#define TWO_ROWS_CODE 1242 // mydb_add_history()

void mydb_rollback(struct mydb *m)
{
    mydb_send(m, "ROLLBACK", strlen("ROLLBACK")); // a lost connection has rolled back by itself
}

struct mydb_head mydb_head_of(const struct run *run)
{
    struct mydb_head head = { .seq = run->seen.journal.head_seq };
    memcpy(head.hash, run->seen.journal.head_hash, sizeof head.hash);
    return head;
}

static void head_set(struct run *run, const struct mydb_head *head)
{
    run->seen.journal.head_seq = head->seq;
    memcpy(run->seen.journal.head_hash, head->hash, sizeof head->hash);
}

void mydb_head_rewind(struct run *run)
{
    head_set(run, &mydb_of(run->db)->committed);
}

void mydb_start_writing(struct run *run)
{
    mydb_of(run->db)->committed = mydb_head_of(run);
}

static void head_commit(struct run *run)
{
    mydb_of(run->db)->committed = mydb_head_of(run);
}

// ---- the fence ----------------------------------------------------------------------------------

// The lease row, locked to the end of the transaction, and the lock still on this session.
static void add_fence_tables(struct buf *sql, const struct run *run)
{
    const struct mydb *m = mydb_of(run->db);
    buf_adds(sql, " FROM ");
    mydb_add_table(sql, m, "sluice_lease");
    buf_adds(sql, " WHERE history_table=");
    mydb_add_text(sql, m->base.table);
    buf_addf(sql, " AND epoch=%" PRId64 " AND nonce='%s' AND IS_USED_LOCK('%s')=CONNECTION_ID()",
             run->epoch, run->nonce, m->lock_name ? m->lock_name : "");
}

static void add_block_begin(struct buf *sql, const struct run *run)
{
    buf_adds(sql,
             "DECLARE sluice_e BIGINT DEFAULT NULL; START TRANSACTION; SELECT epoch INTO sluice_e");
    add_fence_tables(sql, run);
    buf_adds(sql, " FOR UPDATE; IF sluice_e IS NULL THEN SIGNAL SQLSTATE '45000' SET "
                  "MESSAGE_TEXT='sluice:fenced'; END IF; ");
}

static struct err *fail(struct run *run, const char *what)
{
    const struct mydb *m = mydb_of(run->db);
    if ((m->failure.code == FENCED_CODE && strstr(m->failure.text, "sluice:fenced")) ||
        m->failure.code == DUPLICATE_CODE) { // somebody else wrote that seq or rank
        return mydb_fenced(run);
    }
    if (m->failure.code == TWO_ROWS_CODE ||
        (m->failure.code == FENCED_CODE && strstr(m->failure.text, MYDB_ALTERED))) {
        return err_new(
            ERR_TERMINAL, REASON_MIGRATION_FAILED,
            "the history table '%s' did not keep our row as it was written: rolled back; "
            "correct or remove the trigger on it that changes it",
            m->base.table);
    }
    if (mydb_error_is_gone(m->failure.code)) { // it was there when the run began
        return err_new(ERR_TERMINAL, REASON_HISTORY_TAMPERED,
                       "could not %s: %u (%s) %s; a file, or somebody else, has taken away or "
                       "changed a table that holds the history of this database: restore it before "
                       "the next run",
                       what, m->failure.code, m->failure.sqlstate, m->failure.text);
    }
    return mydb_error(m, what);
}

// ---- one transaction ----------------------------------------------------------------------------

// Adds the next statement. Journal rows that follow each other are one INSERT: half of what a row costs is to read
// the names of its columns.
static void add_statement(const struct strlist *sql, const char *head, size_t *next,
                          struct buf *out)
{
    const char *text = sql->items[(*next)++];
    buf_adds(out, text);
    while (str_starts(text, head) && *next < sql->count && str_starts(sql->items[*next], head) &&
           out->len < BLOCK_BYTES) {
        buf_adds(out, ", ");
        buf_adds(out, sql->items[(*next)++] + strlen(head));
    }
}

// MariaDB takes several statements as one compound statement: one trip, and no multi-statements.
static struct err *send_blocks(struct run *run, const struct strlist *sql, int flags)
{
    struct mydb *m = mydb_of(run->db);
    AUTO(free_auto) char *head = mydb_sql_journal_head(m);
    AUTO(buf_done) struct buf block = BUF(MYDB_SQL_MAX);
    size_t next = 0;
    bool first = true;
    do {
        buf_reset(&block);
        buf_adds(&block, "BEGIN NOT ATOMIC ");
        if (first && (flags & MYDB_BEGIN)) {
            add_block_begin(&block, run);
        }
        while (next < sql->count && block.len < BLOCK_BYTES) {
            add_statement(sql, head, &next, &block);
            buf_adds(&block, "; ");
        }
        if (next == sql->count && (flags & MYDB_COMMIT)) {
            buf_adds(&block, "COMMIT; ");
        }
        if (next == sql->count && (flags & THEN_BEGIN)) {
            buf_adds(&block,
                     "SELECT 1; BEGIN "); // its result tells us that the COMMIT is behind us
            add_block_begin(&block, run);
            buf_adds(&block, "END; ");
        }
        buf_adds(&block, "END");
        TRY(buf_check(&block, REASON_INTERNAL, "the record of a step"));
        if (mydb_send(m, block.data, block.len)) {
            return fail(run, "record a step");
        }
        first = false;
    } while (next < sql->count);
    return NULL;
}

static struct err *check_fence(struct run *run)
{
    struct mydb *m = mydb_of(run->db);
    AUTO(buf_done) struct buf sql = BUF(4096);
    buf_adds(&sql, "SELECT epoch");
    add_fence_tables(&sql, run);
    buf_adds(&sql, " FOR UPDATE");
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    TRY(mydb_read(m, "check the lease", buf_text(&sql), &result));
    return mydb_rows(result) == 1 ? NULL : mydb_fenced(run);
}

static struct err *send_singly(struct run *run, const struct strlist *sql, int flags)
{
    struct mydb *m = mydb_of(run->db);
    if (flags & MYDB_BEGIN) {
        TRY(mydb_exec(m, "begin a transaction", "START TRANSACTION"));
        TRY(check_fence(run));
    }
    AUTO(free_auto) char *head = mydb_sql_journal_head(m);
    AUTO(buf_done) struct buf text = BUF(MYDB_SQL_MAX);
    for (size_t next = 0; next < sql->count;) {
        buf_reset(&text);
        add_statement(sql, head, &next, &text);
        TRY(buf_check(&text, REASON_INTERNAL, "the record of a step"));
        if (mydb_send(m, text.data, text.len)) {
            return fail(run, "record a step");
        }
    }
    return flags & MYDB_COMMIT ? mydb_exec(m, "commit", "COMMIT") : NULL;
}

static struct err *write_once(struct run *run, const struct strlist *sql, int flags)
{
    struct mydb *m = mydb_of(run->db);
    TRY(mydb_own_begin(m));
    TRY(m->mariadb ? send_blocks(run, sql, flags) : send_singly(run, sql, flags));
    return mydb_own_end(m);
}

// A whole transaction of ours that met a lock is simply sent again.
static bool may_repeat(const struct mydb *m, int flags)
{
    const unsigned code = m->failure.code;
    return (flags & (MYDB_BEGIN | MYDB_COMMIT)) == (MYDB_BEGIN | MYDB_COMMIT) &&
           (mydb_error_is_lock(code) || code == STALE_READ_CODE || code == INTERRUPTED_CODE);
}

// *committed: the rows are in, even if a transaction behind them could not begin.
static struct err *write_patiently(struct run *run, const struct strlist *sql, int flags,
                                   bool *committed)
{
    struct mydb *m = mydb_of(run->db);
    const int64_t end = clock_mono_ms() + run->request->execution->lock_retry_for_ms;
    int tries_left = INT32_MAX;
    for (int64_t pause = RETRY_FIRST_MS;; pause = backoff_ms(pause, RETRY_MAX_MS, 2)) {
        struct err *e = write_once(run, sql, flags);
        *committed = (flags & MYDB_COMMIT) && (!e || ((flags & THEN_BEGIN) && m->results > 0));
        if (!e) {
            return NULL;
        }
        const bool again =
            !*committed && may_repeat(m, flags) && clock_mono_ms() < end && tries_left-- > 0;
        if (!mydb_lost(m)) {
            const struct mydb_failure kept = m->failure;
            mydb_rollback(m);
            m->failure = kept;
        }
        if (!again) {
            return e;
        }
        err_free(e);
        // What is recorded here has happened already: a cancel leaves it a few more tries.
        AUTO(err_free_auto) struct err *stop = run_pause(run, jitter_ms(pause));
        tries_left = stop && tries_left > TRIES_AFTER_CANCEL ? TRIES_AFTER_CANCEL : tries_left;
    }
}

// ---- with the history row that waits ------------------------------------------------------------

static void pending_take(struct mydb *m, struct strlist *all)
{
    for (size_t i = 0; i < m->pending.sql.count; i++) {
        strlist_add(all, m->pending.sql.items[i]);
    }
}

static void pending_applied(struct run *run)
{
    struct mydb *m = mydb_of(run->db);
    if (m->pending.set) {
        run_applied(run, m->pending.file, m->pending.rank);
    }
    m->pending.set = false;
    strlist_done(&m->pending.sql);
}

static struct err *send_all(struct run *run, const struct strlist *all, int flags, bool *committed)
{
    struct err *e = write_patiently(run, all, flags, committed);
    if (*committed) {
        head_commit(run);
        pending_applied(run);
    }
    return e;
}

// The connection went at a COMMIT. What did not arrive is sent again if it is ours alone: it records
// what has happened. A file's own DML is not, it was rolled back.
static struct err *resolve(struct run *run, const struct strlist *all, int flags, struct err *lost)
{
    const struct mydb_head sent = mydb_head_of(run);
    bool committed = false;
    struct err *e = mydb_resolve_commit(run, &committed);
    if (e) {
        err_free(e); // the first error names what happened, the second only why we do not know more
        return lost;
    }
    if (!committed && flags != (MYDB_BEGIN | MYDB_COMMIT)) {
        return lost;
    }
    if (!committed) {
        head_set(run, &sent);
        e = send_all(run, all, flags, &committed);
    } else {
        pending_applied(run);
    }
    err_free(lost);
    return e;
}

struct err *mydb_write(struct run *run, const struct strlist *sql, int flags, bool *resolved)
{
    struct mydb *m = mydb_of(run->db);
    AUTO(strlist_done) struct strlist all = { 0 };
    const int whole = flags & (MYDB_BEGIN | MYDB_COMMIT);
    bool committed = false;
    if (whole == (MYDB_BEGIN | MYDB_COMMIT)) {
        pending_take(m, &all);
    }
    for (size_t i = 0; i < sql->count; i++) {
        strlist_add(&all, sql->items[i]);
    }
    const int generation = m->generation;
    struct err *e = send_all(run, &all, flags, &committed);
    if (e && mydb_lost(m) && (flags & MYDB_COMMIT) && !committed) {
        e = resolve(run, &all, whole, e);
    }
    if (!e && m->generation != generation) {
        if (!resolved) {
            return err_new(
                ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE,
                "the connection was lost; what was done is recorded, the next run goes on "
                "from there");
        }
        *resolved = true;
    }
    return e;
}

struct err *mydb_write_begin(struct run *run, const struct strlist *sql)
{
    const struct mydb *m = mydb_of(run->db);
    const struct strlist none = { 0 };
    if (m->pending.set) {
        head_set(run, &m->pending.head); // it may have been rewound after an error
    }
    if (sql->count == 0 && !m->pending.set) {
        return mydb_write(run, &none, MYDB_BEGIN, NULL);
    }
    if (m->mariadb) {
        return mydb_write(run, sql, MYDB_BEGIN | MYDB_COMMIT | THEN_BEGIN, NULL);
    }
    TRY(mydb_write(run, sql, MYDB_BEGIN | MYDB_COMMIT, NULL));
    return mydb_write(run, &none, MYDB_BEGIN, NULL);
}

struct err *mydb_flush(struct run *run)
{
    const struct mydb *m = mydb_of(run->db);
    const struct strlist none = { 0 };
    if (!m->pending.set) {
        return NULL;
    }
    head_set(run, &m->pending.head); // it may have been rewound after an error
    bool resolved = false;           // a new session serves the next file as well
    return mydb_write(run, &none, MYDB_BEGIN | MYDB_COMMIT, &resolved);
}

struct err *mydb_append(struct run *run, struct journal_row *row)
{
    const struct mydb *m = mydb_of(run->db);
    AUTO(free_auto) char *sql = mydb_sql_journal(m, row, 0);
    AUTO(strlist_done) struct strlist list = { 0 };
    strlist_add(&list, sql);
    journal_advance(run, row);
    bool resolved = false;
    return mydb_write(run, &list, MYDB_BEGIN | MYDB_COMMIT, &resolved);
}

// ---- unknown COMMIT -----------------------------------------------------------------------------

static struct err *dial_again(struct run *run, int64_t end)
{
    struct mydb *m = mydb_of(run->db);
    for (;;) {
        struct err *e = mydb_reopen(m);
        if (!e || e->kind != ERR_TRANSIENT || clock_mono_ms() >= end) {
            return e;
        }
        err_free(e);
        TRY(run_pause(run, jitter_ms(RESOLVE_PAUSE_MS)));
    }
}

// The old session holds the lock as long as it lives, so having it means that it is gone.
static struct err *lock_again(struct run *run, int64_t end)
{
    for (;;) {
        bool taken = false;
        TRY(mydb_try_lock(run->db, &taken));
        if (taken) {
            return NULL;
        }
        if (clock_mono_ms() >= end) {
            return err_new(ERR_TRANSIENT, REASON_WAITING_FOR_OLD_SESSION,
                           "the lost session still holds the migration lock");
        }
        TRY(run_pause(run, jitter_ms(RESOLVE_PAUSE_MS)));
    }
}

static bool has_row(const struct journal *journal, const struct mydb_head *head)
{
    for (size_t i = journal->count; i > 0; i--) {
        const struct journal_row *row = &journal->rows[i - 1];
        if (row->seq == head->seq) {
            return strcmp(row->row_hash, head->hash) == 0;
        }
    }
    return false;
}

struct err *mydb_come_back(struct run *run)
{
    const int64_t end = clock_mono_ms() + RESOLVE_MS;
    TRY(dial_again(run, end));
    TRY(lock_again(run, end));
    TRY(mydb_bump_epoch(run));
    TRY(run_refresh(run));
    head_commit(run);
    return NULL;
}

struct err *mydb_resolve_commit(struct run *run, bool *committed)
{
    const struct mydb *m = mydb_of(run->db);
    const struct mydb_head sent = mydb_head_of(run);
    const int64_t before = m->committed.seq;
    run_notice(run, "the connection was lost at a COMMIT: checking whether it was committed");
    TRY(mydb_come_back(run));
    *committed = sent.seq > before && has_row(&run->seen.journal, &sent);
    return NULL;
}
