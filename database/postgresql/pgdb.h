/* SPDX-License-Identifier: Apache-2.0 */
/* The PostgreSQL adapter's own types. Internal to database/postgresql/. */
#pragma once
#include "database/engine.h"

struct pg_conn;   /* libpq's */
struct pg_result; /* libpq's */

struct pgdb {
    struct db base;              /* must be first */
    struct pg_conn *conn;        /* NULL: lost */
    const struct target *target; /* lives as long as we do */
    struct db_options options;   /* for another connection to the same place */
    struct pgdb *watcher;        /* second connection, opened when something waits; NULL */

    char *search_path;  /* what a file starts with: "<schema>",<the session's own path> */
    bool schema_exists; /* false: take_lease() creates it, as Flyway does */
    bool linux_server;  /* client_connection_check_interval works there */
    bool has_lease;     /* the table was there when last looked at */
    bool has_marks;     /* with the columns of docs/reference/formats.md 1.4 */
    bool may_alter;     /* we own it */
    char *history, *lease, *journal; /* "schema"."table", quoted */
    char *
        watchers; /* triggers and rules on the history table when last looked at; owned; NULL: none */
    int64_t lock_key;
    char name[64];       /* of the session, after the lease was taken; else "" */
    int prepared;        /* generation of the prepared statements; 0: none on this connection */
    int last_generation; /* names are never used twice on one connection */

    const struct run
        *run;           /* whose deadline and cancel stop a wait; NULL: base.options.cancel only */
    bool uncancellable; /* while cleaning up after a cancel */
    bool copies;        /* a file's statement is running, which may be a COPY */
    const struct script *script; /* whose statements are sent; NULL: none */
    const char *stopped;         /* reason for which we cancelled the running command; NULL */

    int64_t watch_after_ms;   /* ask who blocks us when nothing came for so long; 0: never */
    int64_t block_limit_ms;   /* cancel when blocked for so long (LockTimeout); 0: no limit */
    int64_t blocked_since_ms; /* monotonic; 0: not blocked when last asked */
    char *blocker;            /* for people, of the last time that we were blocked; owned; NULL */

    struct { /* whose notices come now (said.c); file NULL: nobody's, they are ours */
        const struct migration *file;
        const struct script *script;
        int statement; /* from 1 */
    } about;
};

static inline struct pgdb *pgdb_of(struct db *db)
{
    return (struct pgdb *)db;
}

/* ---- errors.c: pure -------------------------------------------------------------------- */

struct pgdb_fault { /* zeroed: none */
    bool lost;      /* the connection is gone */
    bool copies; /* with it, because what was to be a query is a COPY, which would wait for ever */
    char sqlstate[6];
    int position;  /* characters from 1 within the statement; 0: not given */
    char *message; /* primary message, for judging; with all its lines; owned, as all texts here */
    char *said;    /* its first line for people, without values where those are hidden */
    char *detail, *hint, *context; /* of the server's, as they are; NULL: not given */
    char *inner;          /* the query of a program that failed, and the place in it; NULL: none */
    int inner_position;   /* characters from 1; 0: not given */
    bool raised;          /* by a program that is not the server's */
    struct strlist names; /* that the server names: table, column, constraint */
};
void pgdb_fault_done(struct pgdb_fault *fault);

struct pgdb_rule {
    const char *sqlstate; /* five characters, or the two of a class */
    enum err_kind kind;
    const char *reason;
    bool in_file; /* also when a statement of a migration file says it; else MigrationFailed */
};
/* Most specific rule for a SQLSTATE; NULL: none. */
const struct pgdb_rule *pgdb_judge(const char *sqlstate);
/* The same for the text of a failed connect; never NULL. Finds "FATAL:  28P01: ...". */
const struct pgdb_rule *pgdb_judge_connect(const char *text);
/* One line without "connection to server ... failed: FATAL:  28P01:" noise and LOCATION. Owned. */
char *pgdb_connect_text(const char *text);
/* Is this text of libpq's own about memory? Then it is noted: db_memory_was_short(). */
bool pgdb_memory_short(const char *text);
/* Of one of our own on tables that were there: has somebody taken one away, or changed it? */
bool pgdb_table_gone(const char *sqlstate);
/* Of one of our own queries. `what` says what we wanted: "could not read the history". */
struct err *pgdb_fault_err(const struct pgdb_fault *fault, const char *stopped, const char *what)
    ERR_MUST_USE;
/* Of a migration file's statement: reason and kind only. */
void pgdb_fault_judge(const struct pgdb_fault *fault, const char *stopped, enum err_kind *kind,
                      const char **reason);

/* ---- connect.c ------------------------------------------------------------------------- */

void pgdb_library(struct kvlist *out);
struct err *pgdb_open(const struct target *target, const struct db_options *options,
                      struct db **out) ERR_MUST_USE;
void pgdb_close(struct db *db);
/* A new connection in place of a lost one; neither lock nor lease. */
struct err *pgdb_reconnect(struct pgdb *pg) ERR_MUST_USE;

/* ---- said.c: what the server says ------------------------------------------------------ */

void pgdb_fault_read(const struct pgdb *pg, const struct pg_result *result,
                     struct pgdb_fault *fault);
/* A fault in words of our own, or of libpq's. */
void pgdb_fault_set(const struct pgdb *pg, struct pgdb_fault *fault, const char *text);
/* The server's message about a statement of a file (NULL: about none). *recorded (NULL: not wanted): for the journal.
 * Both owned. */
char *pgdb_fault_text(const struct run *run, const struct pgdb_fault *fault,
                      const struct statement *s, char **recorded);
/* Place, DETAIL, HINT and CONTEXT below the message. After run_failed(). */
void pgdb_fault_lines(struct run *run, const struct migration *file, const struct pgdb_fault *fault,
                      int line, int column);
/* As libpq's notice receiver: payload is the struct pgdb. */
void pgdb_notice(void *payload, const struct pg_result *result);

/* ---- query.c --------------------------------------------------------------------------- */

struct pgdb_command {
    const char *sql; /* one statement; or the name of a prepared one */
    bool prepared;
    int count; /* of values */
    const char *const *values;
};

void pgdb_clear_auto(struct pg_result **result);
/* Value of a field, NULL for SQL NULL; borrowed from the result. */
const char *pgdb_text(const struct pg_result *result, int row, int column);
const char *pgdb_value(const struct pg_result *result, int row, int column); /* "" for NULL */
int64_t pgdb_int(const struct pg_result *result, int row, int column);       /* 0 for NULL */
bool pgdb_send(struct pgdb *pg, const struct pgdb_command *command);
/* Takes the next result; *out NULL: the command has no more. False: *fault is filled and lost.
 * Cancel and deadline (monotonic ms) send a cancel request and go on waiting for the answer. */
bool pgdb_take(struct pgdb *pg, int64_t deadline_ms, struct pg_result **out,
               struct pgdb_fault *fault);
bool pgdb_result_ok(const struct pg_result *result);
int64_t pgdb_deadline(const struct pgdb *pg);      /* for one of our own queries */
int64_t pgdb_file_deadline(const struct pgdb *pg); /* for a file's statement: the run's */

/* One statement, extended protocol; result owned (NULL out: not wanted). `what` as above. */
struct err *pgdb_query(struct pgdb *pg, const struct pgdb_command *command, const char *what,
                       struct pg_result **out) ERR_MUST_USE;
/* Simple protocol: leaves no snapshot behind (docs/explanation/engine.md 4). */
struct err *pgdb_simple(struct pgdb *pg, const char *sql, const char *what, struct pg_result **out)
    ERR_MUST_USE;
/* All in one trip, stopping at the first error; an open transaction is rolled back then. results:
 * NULL or count entries, owned. False: *fault, and *failed is the index of the command. */
bool pgdb_batch(struct pgdb *pg, const struct pgdb_command *commands, int count,
                struct pg_result **results, struct pgdb_fault *fault, int *failed);
void pgdb_rollback(struct pgdb *pg);                /* outside pipeline mode; as well as it can */
void pgdb_ident(struct buf *out, const char *name); /* "name", quotes doubled */

/* The columns of a session of pg_stat_activity `a`, and the text of one: "backend 4711 (psql, user app, idle in
 * transaction for 34 s)". Owned. */
#define PGDB_SESSION_COLUMNS                                                                       \
    "a.pid, a.application_name, a.usename, a.state,"                                               \
    " greatest(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.state_change), "     \
    "0)::bigint"
char *pgdb_session_text(const struct pg_result *result, int row);

/* ---- inspect.c ------------------------------------------------------------------------- */

struct err *pgdb_identify(struct db *db) ERR_MUST_USE;
struct err *pgdb_inspect(struct db *db, enum journal_scope scope, struct inspection *out)
    ERR_MUST_USE;
struct err *pgdb_gate(struct db *db, const char *query, int64_t timeout_ms, struct gate_value *out)
    ERR_MUST_USE;
/* The columns of a lease that pgdb_read_lease() reads, from the first on; marks false: the table has no such columns. */
const char *pgdb_lease_columns(bool marks);
void pgdb_read_lease(const struct pg_result *result, int row, struct lease *out);
struct err *pgdb_lease_format(const struct lease *lease) ERR_MUST_USE; /* FormatTooNew */

/* ---- journal.c ------------------------------------------------------------------------- */

/* The statement that reads a scope: $1 is the history table. Owned. */
char *pgdb_journal_select(const struct pgdb *pg, enum journal_scope scope, bool has_history);
/* Its rows; FormatTooNew, HistoryTooLarge. */
struct err *pgdb_journal_rows(const struct db *db, const struct pg_result *result,
                              struct journal *out) ERR_MUST_USE;
struct err *pgdb_read_journal(struct db *db, int64_t after, int limit, struct journal *out)
    ERR_MUST_USE;
struct err *pgdb_mark_settled(struct run *run, const struct journal_mark *mark) ERR_MUST_USE;
struct err *pgdb_find_prunable(struct run *run, int64_t keep_ms, struct prunable *out) ERR_MUST_USE;
struct err *pgdb_prune(struct run *run, const struct prunable *what) ERR_MUST_USE;

/* ---- lock.c ---------------------------------------------------------------------------- */

struct err *pgdb_try_lock(struct db *db, bool *taken) ERR_MUST_USE;
struct err *pgdb_find_histories(struct db *db, struct kvlist *out) ERR_MUST_USE;
char *pgdb_lock_holder(struct db *db, bool *old_sluice);
struct err *pgdb_terminate_holder(struct db *db) ERR_MUST_USE;

/* ---- tables.c -------------------------------------------------------------------------- */

struct err *pgdb_take_lease(struct run *run) ERR_MUST_USE;
/* The connection was lost: a new one, our epoch bumped, everything read again into run->seen.
 * Afterwards no transaction of ours is open and none can begin. ERR_TRANSIENT when the server cannot be
 * reached in time. */
struct err *pgdb_resolve(struct run *run) ERR_MUST_USE;

/* ---- fence.c --------------------------------------------------------------------------- */

#define PGDB_GUARD_VALUES 7
struct pgdb_guard { /* parameters of the guard, kept until it was sent */
    const char *values[PGDB_GUARD_VALUES];
    char lock_timeout[24], statement_timeout[24], epoch[24], rank[16];
};
#define PGDB_ANY_RANK (-1)
void pgdb_guard_fill(const struct run *run, int32_t rank_before, int64_t lock_timeout_ms,
                     int64_t statement_timeout_ms, struct pgdb_guard *out);
#define PGDB_JOURNAL_VALUES 24
#define PGDB_ROWS_VALUES 29
struct pgdb_rows { /* parameters of the statement that writes history and journal rows */
    const char *values[PGDB_ROWS_VALUES];
    char seq[24], rank[16], step[16], line[16], class_text[2], epoch[24], attempt[24], session[24];
    char checksum[16], execution[24];
};
/* Journal row, and with an item the history row too (execution_ms -1: the transaction's age). `row`
 * must live until the command was sent. */
void pgdb_rows_fill(const struct run *run, const struct journal_row *row,
                    const struct apply_item *item, int64_t execution_ms, struct pgdb_rows *out);
#define PGDB_AFTER_VALUES 2

char *pgdb_guard_sql(const struct pgdb *pg);   /* owned */
char *pgdb_rows_sql(const struct pgdb *pg);    /* history and journal; owned */
char *pgdb_journal_sql(const struct pgdb *pg); /* journal alone, PGDB_JOURNAL_VALUES; owned */
char *pgdb_after_sql(const struct pgdb *pg);   /* after RESET ALL; owned */
/* Prepares guard, rows and after under new names. */
struct err *pgdb_prepare(struct pgdb *pg) ERR_MUST_USE;
/* BEGIN, guard, the commands, COMMIT in one trip; waits for the lease row up to 10 s. `what` as above. */
struct err *pgdb_fenced(struct run *run, const struct pgdb_command *commands, int count,
                        const char *what) ERR_MUST_USE;
/* The guard's or the rows' word in the message of a 22P02: "fenced", "moved", "txcontrol", "norow" (the
 * history took no row); or NULL. */
const char *pgdb_fence_word(const struct pgdb_fault *fault);
struct err *pgdb_fence_err(struct run *run, const char *word) ERR_MUST_USE;
struct err *pgdb_append(struct run *run, struct journal_row *row) ERR_MUST_USE;
/* repair.c */
struct err *pgdb_rewrite(struct run *run, const struct history_changes *changes) ERR_MUST_USE;
/* intent -> done, inferred or failed. */
struct err *pgdb_close_step(struct run *run, int64_t seq, enum journal_state state,
                            const char *error_code, const char *message) ERR_MUST_USE;

/* ---- group.c, pipeline.c, single.c: transactional files ---------------------- */

enum pgdb_part {
    PART_BEGIN,
    PART_GUARD,
    PART_STATEMENT,
    PART_CONSTRAINTS,
    PART_VERIFY,
    PART_RESET,
    PART_CLOSE,
    PART_ROWS,
    PART_KEPT,
    PART_COMMIT,
};

/* ---- ended.c --------------------------------------------------------------------------- */

/* After an attempt whose session was ended (57P01) at a statement that leaves nothing behind, with a new session and what
 * it sees: written down, and after some attempts in a row that end there it is the file's failure. Takes e. */
struct err *pgdb_session_ended(struct run *run, const struct migration *file, int32_t rank,
                               const struct script *script, struct err *e) ERR_MUST_USE;

/* ---- triggers.c ------------------------------------------------------------------------ */

/* UnsupportedServer: what can change rows of our own tables is there. NULL: nothing is. */
struct err *pgdb_refuse_changed_tables(const char *what) ERR_MUST_USE;
/* Fails with a fence word unless the history row is there as it was written; owned. */
#define PGDB_KEPT_VALUES 7
char *pgdb_kept_sql(const struct pgdb *pg);
void pgdb_kept_fill(const struct pgdb_rows *rows, const char *values[PGDB_KEPT_VALUES]);

struct pgdb_outside {    /* intents of the statements that write outside of the transaction */
    int64_t first, last; /* seq; 0: none */
    size_t index;        /* of the first such statement */
};

struct pgdb_group { /* one file on its way */
    const struct apply_item *item;
    struct script script; /* empty for the baseline marker */
    int32_t rank;
    bool unnamed; /* the file may drop our prepared statements */
    bool touches; /* pgdb_script_touches() */
    bool once;    /* it waits once for its locks, as long as lockRetryFor */
    struct journal_row row;
    int64_t head_seq; /* the journal's head before `row` */
    char head_hash[SHA256_HEX_LEN + 1];
    struct pgdb_guard guard;
    struct pgdb_rows rows;
    const char *after[PGDB_AFTER_VALUES];
    char *guard_sql, *rows_sql, *after_sql; /* texts, or names of prepared ones; owned */
    char *verify;                           /* the query of verify=, replaced; NULL: none; owned */
    int sent;                               /* commands that are on their way, or were */
    bool *skip; /* per statement: it wrote outside in an earlier attempt; owned */
    struct pgdb_outside outside;
    char *close_sql; /* NULL: no intents; owned */
    const char *close[3];
    char *kept_sql; /* reads the history row back; NULL: nothing can change it; owned */
    const char *kept[PGDB_KEPT_VALUES];
};

struct pgdb_failure { /* the first error of a group */
    enum pgdb_part part;
    int statement; /* from 1 with PART_STATEMENT */
    struct pgdb_fault fault;
    bool verify_false;
};
void pgdb_failure_done(struct pgdb_failure *failure);

/* Parses the file and fills everything behind the journal's head, which moves on. */
struct err *pgdb_group_make(struct run *run, const struct apply_item *item, int32_t rank,
                            struct pgdb_group *out) ERR_MUST_USE;
/* Before it is sent alone: intents of what it writes outside of its transaction. */
struct err *pgdb_group_open(struct run *run, struct pgdb_group *group) ERR_MUST_USE;
void pgdb_group_done(struct pgdb_group *group);
/* The journal's head is again where it was before this group: it did not commit. */
void pgdb_group_unwind(struct run *run, const struct pgdb_group *group);
int pgdb_group_count(const struct pgdb_group *group); /* of commands */
/* statement: index from 0 with PART_STATEMENT. */
enum pgdb_part pgdb_group_command(const struct pgdb_group *group, int index,
                                  struct pgdb_command *out, int *statement);
/* Whose notices come while that command of the group runs. */
void pgdb_notices_of(struct pgdb *pg, const struct pgdb_group *group, enum pgdb_part part,
                     int statement);
/* Does the file leave more in the session than settings: temporary tables, cursors, LISTEN? */
bool pgdb_script_touches(const struct script *script);
bool pgdb_group_is_single(const struct pgdb_group *group); /* must run trip by trip */
bool pgdb_group_is_alone(const struct pgdb_group *group);  /* nothing else in flight beside it */
/* Runs a group trip by trip: COPY, verify=. True: committed. Rolls back otherwise. */
bool pgdb_single_run(struct run *run, const struct pgdb_group *group, struct pgdb_failure *failure);
/* Runs one statement of a file, COPY too; results are thrown away. False: *fault. */
bool pgdb_run_statement(struct pgdb *pg, const struct statement *statement,
                        struct pgdb_fault *fault);
void pgdb_tell_statement(const struct run *run, const struct migration *file, int statement,
                         int64_t *since_ms);

/* "path:line:column: statement 2: 42P01 relation ...", result->failed filled. */
struct err *pgdb_failure_err(struct run *run, const struct pgdb_group *group,
                             const struct pgdb_failure *failure) ERR_MUST_USE;
/* The same for one statement, from 1; 0: the file as a whole, `where` says at which point. */
struct err *pgdb_statement_err(struct run *run, const struct migration *file,
                               const struct script *script, int statement, const char *where,
                               const struct pgdb_fault *fault) ERR_MUST_USE;
/* Writes the `failed` row if `e` is a failure of the file's own; returns e. The place is that of
 * result->failed. */
struct err *pgdb_record_failed(struct run *run, const struct migration *file, int32_t rank,
                               const struct script *script, const struct pgdb_fault *fault,
                               struct err *e) ERR_MUST_USE;
/* What the journal keeps of a failure of statement `step` (from 1; 0: of the file). Owned. */
char *pgdb_recorded(const struct run *run, const struct script *script, int step,
                    const struct pgdb_fault *fault, const struct err *e);
/* InvalidMigration: the history table cannot hold the name of a file (columns.c). */
struct err *pgdb_check_columns(struct run *run, const struct apply_list *list) ERR_MUST_USE;
struct err *pgdb_apply(struct run *run, const struct apply_list *list) ERR_MUST_USE;
struct pgdb_retry {   /* of one file */
    int64_t since_ms; /* 0: from the first failure on */
    int64_t pause_ms;
};
/* ---- stepped.c: what the journal says of the steps of a file ---------------------------------- */

/* done[i]: an earlier attempt has done statement i. ChecksumMismatch, MigrationFailed: the file cannot go on behind it. */
struct err *pgdb_steps_look(const struct run *run, const struct migration *file,
                            const struct script *script, bool *done) ERR_MUST_USE;
/* "path:line: statement STEP WHY; ...", with the commands of run_unknown() */
struct err *pgdb_unknown(const struct run *run, const struct migration *file, int line, int step,
                         const char *why) ERR_MUST_USE __attribute__((returns_nonnull));
/* The row that counts for a step of the present attempt at this file; NULL: none. */
const struct journal_row *pgdb_step_row(const struct journal *journal, const struct migration *file,
                                        int32_t step);
/* Was this step done by an earlier attempt? ChecksumMismatch: with another text, or under other values or settings. */
struct err *pgdb_step_done(const struct run *run, const struct migration *file,
                           const struct script *script, size_t index, bool *out) ERR_MUST_USE;

/* ---- outside.c: what a rollback does not take back (dblink, a program, a file) ---------- */

/* skip[i]: statement i wrote outside in an earlier attempt, and is passed over. ChecksumMismatch: it was changed. */
struct err *pgdb_outside_skip(const struct run *run, const struct migration *file,
                              const struct script *script, bool *skip) ERR_MUST_USE;
/* The row of such a statement, behind the journal's head. */
void pgdb_outside_row(struct run *run, const struct migration *file, int32_t rank,
                      const struct script *script, size_t index, enum journal_state state,
                      struct journal_row *out);
/* Commits an intent of each of them that is not skipped. */
struct err *pgdb_outside_begin(struct run *run, const struct migration *file, int32_t rank,
                               const struct script *script, const bool *skip,
                               struct pgdb_outside *out) ERR_MUST_USE;
/* Closes them; its values: history table, error code, message. Owned. */
char *pgdb_outside_close_sql(const struct pgdb *pg, const struct pgdb_outside *o,
                             enum journal_state state);
/* The server has refused something: `e` says what is done about it, and the intents are closed. Returns e. */
struct err *pgdb_outside_failed(struct run *run, const struct migration *file, int32_t rank,
                                const struct script *script, const struct pgdb_outside *o,
                                const char *sqlstate, struct err *e) ERR_MUST_USE;
/* The connection is gone and nothing was committed: OutcomeUnknown, unless the next run can settle it. Takes e. */
struct err *pgdb_outside_lost(struct run *run, const struct migration *file,
                              const struct script *script, const struct pgdb_outside *o,
                              struct err *e) ERR_MUST_USE;

/* Does the file write what a rollback does not take back (dblink, a program)? */
bool pgdb_script_leaves(const struct script *script);
/* Such a file is not tried again by itself, unless its statement `statement` (from 1; 0: unknown) failed before it
 * wrote there: then `e` becomes ERR_TERMINAL MigrationFailed. Takes `e`. */
struct err *pgdb_no_repeat(const struct migration *file, const struct script *script, int statement,
                           struct err *e) ERR_MUST_USE __attribute__((returns_nonnull));
/* May the file be tried again within lockRetryFor after `e`? Then waits and returns NULL; else e, or
 * why the wait ended. */
struct err *pgdb_retry_wait(struct run *run, const struct migration *file, struct pgdb_retry *retry,
                            struct err *e) ERR_MUST_USE;

/* ---- steps.c, settle.c, probe.c: files outside a transaction ----------------- */

/* All statements of one file, step by step, and its history row. */
struct err *pgdb_steps_run(struct run *run, const struct apply_item *item,
                           const struct script *script) ERR_MUST_USE;
struct err *pgdb_settle(struct run *run) ERR_MUST_USE;
struct err *pgdb_review(struct run *run, const struct migration *file, bool next,
                        struct script *script, enum step_standing *statements[]) ERR_MUST_USE;
/* ---- session.c ------------------------------------------------------------------------------- */

/* lock_timeout: lockTimeout of a try. once: what cannot be tried again waits once, as long as all tries together may. */
int64_t pgdb_lock_limit(const struct run *run, const struct migration *file, bool once);
int64_t pgdb_statement_timeout(const struct run *run, const struct migration *file);
/* May it be sent again after a lock was in its way? Does it wait once for its locks, as a second try
 * could do twice what the first has done, or is not allowed to (CALL that committed, dblink)? */
bool pgdb_may_retry(const struct statement *s);
bool pgdb_waits_once(const struct statement *s);
/* The session as statement `index` of the file finds it: our settings, the SETs before it, no lock
 * timeout for CONCURRENTLY. Outside a transaction. */
struct err *pgdb_session_enter(struct run *run, const struct migration *file,
                               const struct script *script, size_t index) ERR_MUST_USE;
struct err *pgdb_session_leave(struct run *run) ERR_MUST_USE; /* everything set is undone */

/* JSON for pre_state: {"table":oid,"indexes":[oid,...]}. Inside pgdb_session_enter(). */
struct err *pgdb_probe_before(struct pgdb *pg, const struct statement *statement, char **out)
    ERR_MUST_USE;
enum pgdb_probe {
    PROBE_AGAIN,
    PROBE_DONE,
    PROBE_UNKNOWN
};
/* done[i]: an earlier attempt has done statement i. MigrationFailed: a later one may need what its session held. */
struct err *pgdb_check_resume(const struct run *run, const struct migration *file,
                              const struct script *script, const bool *done) ERR_MUST_USE;

/* ---- self.c: procedures and blocks outside a transaction --------------------------------- */

bool pgdb_controls_itself(const struct statement *s);
/* How many transactions the session has begun, with the one that asks. */
struct err *pgdb_count_transactions(struct pgdb *pg, int64_t *out) ERR_MUST_USE;
/* The statement failed with `e` (taken) right after that count. OutcomeUnknown: it has committed by itself before. Else
 * `e`, and *nothing_stayed. */
struct err *pgdb_check_stayed(struct run *run, const struct migration *file,
                              const struct script *script, size_t index, int64_t before,
                              struct err *e, bool *nothing_stayed) ERR_MUST_USE;

/* ---- expect.c: the index that a CREATE INDEX CONCURRENTLY describes -------------------- */

/* The first object of that type; NULL: the statement names none. */
const struct object_ref *pgdb_object_of(const struct statement *s, const char *type);
char *pgdb_quoted_name(const struct object_ref *object); /* for SQL; "" for NULL; owned */
/* Its definition without names; *out NULL: it could not be found out. Inside pgdb_session_enter(). */
struct err *pgdb_index_wanted(struct pgdb *pg, const struct statement *s, char **out) ERR_MUST_USE;
struct err *pgdb_index_is(struct pgdb *pg, const char *index, const char *wanted, bool *out)
    ERR_MUST_USE;
/* A process that builds an index of the table, or vacuums it; NULL: none. */
struct err *pgdb_index_builder(struct pgdb *pg, const char *table_oid, char **out) ERR_MUST_USE;

/* What an interrupted or failed statement left. Invalid leftovers are dropped and a pending detach is
 * finished on the way; LockTimeout when somebody blocks that for longer than block_limit_ms. */
struct err *pgdb_probe_after(struct pgdb *pg, const struct statement *statement,
                             const char *pre_state, enum pgdb_probe *out) ERR_MUST_USE;
/* Is an index of this statement there but invalid (IF NOT EXISTS hides that)? Its name, owned; NULL. */
struct err *pgdb_probe_invalid(struct pgdb *pg, const struct statement *statement,
                               const char *pre_state, char **out) ERR_MUST_USE;
/* verify= of a file: true, false, or an error. */
struct err *pgdb_verify(struct run *run, const struct migration *file, bool *out) ERR_MUST_USE;
bool pgdb_verify_value(const struct pg_result *result);
