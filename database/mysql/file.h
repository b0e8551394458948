/* SPDX-License-Identifier: Apache-2.0 */
/* One file at work on MariaDB/MySQL. Internal to apply.c, steps.c and their neighbours. */
#pragma once
#include "database/mysql/run.h"

struct mydb_file {
    struct run *run;
    struct mydb *m;
    const struct apply_item *item;
    const struct migration *file;
    struct script script; /* parsed; classes may be made stricter while running */
    bool *complete;       /* per statement: applied by an earlier attempt or by this one; owned */
    bool stepped;         /* more than one transaction: steps have rows of their own */
    bool temporary;       /* it has made temporary tables */
    bool accepted;        /* a person said that the whole file is applied */
    bool finished;        /* its rows went along with its last transaction */
    size_t checked;       /* up to here no transaction of the file's own is parted */
    int32_t rank;
    bool replaces; /* a success=0 row of an earlier attempt has this rank */
    int64_t started_ms;
    int64_t open_seq; /* intent row of a statement that ended well and is not closed yet; 0: none */
    int generation;   /* session at the start */
};

/* ---- progress.c ---------------------------------------------------------------------- */

/* The file as its rows count its steps: those of an earlier version had one for each object of a DROP of several. */
struct err *mydb_parse(const struct run *run, const struct migration *file, struct script *out)
    ERR_MUST_USE;
/* The newest row of each step that still counts for the file: after its last completion. `steps` has
 * room for count + 1 rows, [0] for the file's own. True: some row counts. Rows of steps beyond count:
 * *beyond is the first (ChecksumMismatch). */
bool mydb_progress_rows(const struct inspection *seen, const struct migration *file, size_t count,
                        const struct journal_row **steps, const struct journal_row **beyond);
/* Fills complete, accepted, rank, replaces. ChecksumMismatch: an applied statement was changed. */
struct err *mydb_progress_load(struct mydb_file *f) ERR_MUST_USE;
/* MigrationFailed: a later statement needs what an earlier attempt's session took with it. */
struct err *mydb_check_resume(const struct mydb_file *f) ERR_MUST_USE;

/* ---- fail.c -------------------------------------------------------------------------- */

/* "path:line:column: statement N: errno (SQLSTATE) message" from m->failure, classed for a file. */
struct err *mydb_statement_error(struct mydb_file *f, size_t index, enum mydb_kill killed)
    ERR_MUST_USE __attribute__((returns_nonnull));
/* Records the failure of a statement (count: of verify=) that the file is to blame for: the open
 * intent `seq` or a new row, and Flyway's success=0 row. Takes and returns e. */
struct err *mydb_record_failure(struct mydb_file *f, size_t index, int64_t seq, struct err *e)
    ERR_MUST_USE;
/* The statement never began (or never left us): said in a row of its own, so that nobody has to ask. */
struct err *mydb_not_begun(struct mydb_file *f, size_t index, const char *why) ERR_MUST_USE;
/* A lock was in the way to the end: a class X statement did not begin, and that is recorded. Takes e. */
struct err *mydb_give_up(struct mydb_file *f, size_t index, struct err *e) ERR_MUST_USE;

/* ---- exec.c: statements of the file -------------------------------------------------- */

/* Once, under the watchdog. 0 or the errno in m->failure; *killed tells who killed it. */
unsigned mydb_run_statement(struct mydb_file *f, size_t index, enum mydb_kill *killed);
/* Waits before the next try for a lock; LockTimeout, Deadlock when execution.lockRetryFor is over. */
struct mydb_patience {
    int64_t end_ms, pause_ms;
    bool told;
};
void mydb_patience_init(const struct mydb_file *f, struct mydb_patience *p);
struct err *mydb_patience_wait(struct mydb_file *f, size_t index, struct mydb_patience *p)
    ERR_MUST_USE;

/* Before any statement of the file runs. MigrationFailed: the largest one does not reach the server, which ends the
 * connection instead. */
struct err *mydb_check_sizes(struct mydb_file *f) ERR_MUST_USE;
/* What may be tried again waits for a lock as long as lockTimeout says, again and again; what may not waits
 * once, as long as execution.lockRetryFor. */
struct err *mydb_wait_often(struct mydb_file *f) ERR_MUST_USE;
struct err *mydb_wait_once(struct mydb_file *f) ERR_MUST_USE;

/* ---- self.c -------------------------------------------------------------------------- */

#define MYDB_INTERRUPTED 1317
/* Runs it inside the fenced transaction, closes its intent `seq`. OutcomeUnknown: it failed, and a part of it
 * may have stayed; its intent stays open. */
struct err *mydb_execute_self(struct mydb_file *f, size_t index, int64_t seq) ERR_MUST_USE;
/* Of an open intent of such a statement: has it committed by itself? */
bool mydb_is_marked(const struct journal_row *row);
/* ROLLBACK; *stays is set if the server says that it could not take everything back. */
struct err *mydb_roll_back(struct mydb *m, bool *stays) ERR_MUST_USE;
/* The statements from..to failed in one transaction and a part stays: open intents for them. Takes e. */
struct err *mydb_group_stays(struct mydb_file *f, size_t from, size_t to, struct err *e)
    ERR_MUST_USE __attribute__((returns_nonnull));

/* ---- ended.c ------------------------------------------------------------------------------ */

/* After an attempt that ended with `e`: if its session was ended at a statement, that is judged in a new session, and
 * counted if nothing of it has stayed. OutcomeUnknown; MigrationFailed after some in a row. Takes e. */
struct err *mydb_session_ended(struct mydb_file *f, struct err *e) ERR_MUST_USE
    __attribute__((returns_nonnull));

/* ---- engines.c ---------------------------------------------------------------------------- */

/* Makes DML on tables without transactions class X, from `index` to the end of its group. TransactionControlInMigration:
 * what the server takes back together would be recorded in parts (script_divides). */
struct err *mydb_engines_check(struct mydb_file *f, size_t index) ERR_MUST_USE;
/* The same for the whole file before any of it runs, as far as that can be known then: fixed: no USE decides what
 * its names mean. */
struct err *mydb_engines_ahead(struct mydb_file *f, bool fixed) ERR_MUST_USE;
struct err *mydb_engines_review(struct mydb_file *f, bool fixed)
    ERR_MUST_USE; /* ... without recording it */

/* ---- steps.c ------------------------------------------------------------------------- */

struct err *mydb_run_statements(struct mydb_file *f) ERR_MUST_USE;
/* Before any of them runs: MigrationFailed for one that takes our tables away, and mydb_engines_review(), which is only
 * asked of the file that runs next: those before another one may change its tables. */
struct err *mydb_review_statements(struct mydb_file *f, bool next) ERR_MUST_USE;
/* The rows that end the file. */
void mydb_finish_rows(struct mydb_file *f, struct strlist *sql);
struct err *mydb_verify(struct mydb_file *f)
    ERR_MUST_USE; /* MigrationFailed: verify= is not true */
struct err *mydb_session_gone(const struct mydb_file *f) ERR_MUST_USE;
