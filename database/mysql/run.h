/* SPDX-License-Identifier: Apache-2.0 */
/* What a run on MariaDB/MySQL is made of: fingerprints, the watchdog, fenced writes. Internal to
 * database/mysql/. */
#pragma once
#include "database/mysql/mydb.h"

/* ---- fingerprint.c ------------------------------------------------------------------- */

struct mydb_states { /* of the objects that one statement names */
    struct mydb_state *items;
    size_t count;
};
/* Reads the present state of every object of the statement. */
struct err *mydb_fingerprint(struct mydb *m, const struct statement *s, struct mydb_states *out)
    ERR_MUST_USE;
/* The same objects again, as a recorded pre_state names them. */
struct err *mydb_fingerprint_again(struct mydb *m, const struct mydb_states *before,
                                   struct mydb_states *out) ERR_MUST_USE;
/* JSON of docs/reference/formats.md 1.1, with the texts if `definitions`; owned. */
char *mydb_states_format(const struct mydb_states *states, bool definitions);
/* False: not such JSON, or a name that is not quoted as ours are. */
bool mydb_states_parse(const char *text, struct mydb_states *out);
/* The texts that an intent row keeps, each only if it hashes to the state of that object. */
void mydb_states_take_definitions(struct mydb_states *states, const char *text);
void mydb_states_done(struct mydb_states *states);

/* ---- expect.c ------------------------------------------------------------------------ */

/* Is what stands there now what the statement makes of what stood there before? It is applied to empty objects
 * under names of ours, which are removed again. *why (owned): it cannot be told. */
struct err *mydb_expected(struct run *run, const struct script *script, size_t index,
                          const struct mydb_states *before, const struct mydb_states *now,
                          bool *equal, char **why) ERR_MUST_USE;

/* ---- cancel.c: the watchdog ---------------------------------------------------------- */

enum mydb_kill {
    MYDB_KILL_NONE,
    MYDB_KILL_CANCEL,
    MYDB_KILL_TIMEOUT,
    MYDB_KILL_DEADLINE
};

struct err *mydb_watch_start(struct mydb *m, const struct cancel *cancel) ERR_MUST_USE;
/* From now until the disarm the session runs a statement that may be killed. INT64_MAX: no limit. */
void mydb_watch_arm(struct mydb *m, int64_t timeout_ms, int64_t deadline_ms);
enum mydb_kill mydb_watch_disarm(struct mydb *m);
void mydb_watch_stop(struct mydb *m);

/* ---- the runner: write.c, steps.c, apply.c, settle.c ------------------ */

enum {
    MYDB_BEGIN = 1,
    MYDB_COMMIT = 2
};
/* Our own rows in one transaction, fenced at its begin. BEGIN without COMMIT leaves it open. Retries
 * row locks when it is a whole transaction. A lost connection at a COMMIT is resolved here: the rows
 * are in, *resolved is set (NULL: DatabaseUnavailable is returned) and the session is a new one. */
struct err *mydb_write(struct run *run, const struct strlist *sql, int flags, bool *resolved)
    ERR_MUST_USE;
/* The rows, if any, and those that wait in a transaction of their own; then a fenced transaction is open for
 * what comes next. DatabaseUnavailable: the connection was lost; the rows are in, or the error says why not. */
struct err *mydb_write_begin(struct run *run, const struct strlist *sql) ERR_MUST_USE;
void mydb_rollback(struct mydb *m);
/* Behind a lost connection: reconnect, lock, bump the epoch, read. What the old session did is final then. */
struct err *mydb_come_back(struct run *run) ERR_MUST_USE;
/* The same: is the row that was the head when the COMMIT went out there? */
struct err *mydb_resolve_commit(struct run *run, bool *committed) ERR_MUST_USE;
/* The finished file before this one gets its history row. */
struct err *mydb_flush(struct run *run) ERR_MUST_USE;
struct mydb_head mydb_head_of(const struct run *run);
void mydb_start_writing(struct run *run); /* what run->seen says is committed */
void mydb_head_rewind(struct run *run);   /* after a rollback: to m->committed */

/* A new session in place of one that a file has used: the lock goes over without a gap, the lease and the
 * history must be as this run left them. ERR_CONFLICT: they are not. */
struct err *mydb_renew(struct run *run) ERR_MUST_USE;

char *
mydb_sql_journal_head(const struct mydb *m); /* what the text of each such row begins with; owned */
char *mydb_sql_journal(const struct mydb *m, const struct journal_row *row, int64_t elapsed_ms);
void mydb_add_seq(struct buf *sql, const struct mydb *m, int64_t seq); /* WHERE: that journal row */
char *mydb_sql_close(const struct mydb *m, int64_t seq, enum journal_state state,
                     const char *post_state, const char *error_code, const char *message);
/* Into the row of an open intent, which stays open. */
char *mydb_sql_note(const struct mydb *m, int64_t seq, const char *error_code, const char *message);
char *mydb_sql_history_delete(const struct mydb *m, int32_t rank);
struct mydb_history {
    int32_t rank;
    const struct migration *file; /* NULL: the baseline marker */
    int32_t checksum;
    int64_t execution_ms;
    bool success;
};
#define MYDB_ALTERED "sluice:altered" /* what the check says */
/* The row, and the check that it is there as it was written. */
void mydb_add_history(const struct run *run, const struct mydb_history *row, struct strlist *sql);

/* InvalidMigration: the history table cannot hold the name of a file (columns.c). */
struct err *mydb_check_columns(struct run *run, const struct apply_list *list) ERR_MUST_USE;
struct err *mydb_settle(struct run *run) ERR_MUST_USE;
/* UnsupportedServer: a table of ours, or the history table, has no transactions. */
struct err *mydb_review_tables(struct db *db) ERR_MUST_USE;
/* The tables that a run needs and that are not there yet. */
struct err *mydb_create_missing(const struct run *run) ERR_MUST_USE;
struct err *mydb_review(struct run *run, const struct migration *file, bool next,
                        struct script *script, enum step_standing *statements[]) ERR_MUST_USE;
struct err *mydb_apply(struct run *run, const struct apply_list *list) ERR_MUST_USE;
struct err *mydb_append(struct run *run, struct journal_row *row) ERR_MUST_USE;
/* repair.c */
struct err *mydb_rewrite(struct run *run, const struct history_changes *changes) ERR_MUST_USE;
