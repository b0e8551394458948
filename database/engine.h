/* SPDX-License-Identifier: Apache-2.0 */
/* What an engine adapter supplies. Internal to database/. The common order of a run is in apply.c;
 * SQL, fences and recovery are the adapters' (docs/explanation/engine.md 1-4 for pgdb, 6-8 for mydb). */
#pragma once
#include "base/clock.h"
#include "database/database.h"
#include "database/overdue.h"
#include "reconcile/migration/parse.h"
#include "reconcile/migration/placeholder.h"

struct engine_ops;

struct db { /* an adapter embeds this as its first member; database.c frees the fields */
    const struct engine_ops *ops;
    const struct target *target; /* copy owned by database.c */
    struct db_options options; /* defaults filled in; options.application lives until open() ends */
    char *table;               /* history table */
    struct identity identity;  /* filled by identify() */
    int64_t session_id;        /* backend pid or connection id; filled by open() */
};

struct run_notices { /* of the server's, about the file at work (said.h) */
    const struct migration *file;
    int64_t told, more;
};

struct run { /* one apply_run, shared by apply.c and the adapter */
    const struct apply_request *request;
    struct db *db;
    struct inspection seen; /* as last read; only the journal's head moves: journal_advance() */
    int64_t epoch;
    char nonce[33]; /* filled by apply.c before take_lease() */
    char target_id[37];
    struct placeholders placeholders; /* filled by apply.c after identify() */
    struct result *result;
    int64_t started_mono_ms;
    int64_t stop_mono_ms;        /* request->stop_at_ms by our clock; 0: never */
    bool paused;                 /* files are left because that time had come: run_must_pause() */
    enum journal_scope scope;    /* of run_refresh() */
    struct journal_mark settled; /* what take_lease() writes; seq 0: leave it */
    int32_t rank;                /* highest installed_rank in the history; moved by run_applied() */
    const struct script *script; /* of the file at work: its placeholders enter the journal rows */
    char timestamp[TIME_TEXT_LEN]; /* storage of placeholders.timestamp */
    char *working_directory;       /* likewise; owned */
    struct run_notices *notices;   /* owned; NULL: none are told */
};

struct prunable {
    struct journal_mark last; /* seq 0: nothing */
    int32_t rank;             /* highest installed_rank up to there */
    int64_t rows;
};

struct engine_ops {
    /* Adds the name of the client library and the version that is loaded. */
    void (*library)(struct kvlist *out);
    /* Allocates, connects, logs in. `target` lives as long as the db. database.c fills the fields of
     * struct db afterwards (session_id excepted), then calls identify(). */
    struct err *(*open)(const struct target *target, const struct db_options *options,
                        struct db **out);
    /* Ends the session and frees what open() allocated; database.c frees the fields of struct db. */
    void (*close)(struct db *db);
    /* Fills db->identity: version, user, schema, read_only, superuser, pooled, topology, now. */
    struct err *(*identify)(struct db *db);
    /* Fills history, lease, other_lease_table and the journal rows of the scope, by seq, with the row of the lease's
     * `settled` mark. `out` is zeroed before and released by the caller after an error. database.c copies the
     * identity, verifies the chain and sets the journal's head. A format_version above ours is db_format_too_new(). */
    struct err *(*inspect)(struct db *db, enum journal_scope scope, struct inspection *out);
    /* At most `limit` journal rows with seq > after, by seq. */
    struct err *(*read_journal)(struct db *db, int64_t after, int limit, struct journal *out);
    struct err *(*gate)(struct db *db, const char *query, int64_t timeout_ms,
                        struct gate_value *out);
    /* Flyway's key (docs/reference/flyway.md 7.1) on this session, outside any transaction. One try. */
    struct err *(*try_lock)(struct db *db, bool *taken);
    /* Who holds it, for people: "backend 4711 (sluice/1f0c2a9b/7/ab12cd34), idle for 12 s". Owned;
     * NULL when nobody does now. *old_sluice: it is a session of Sluice. */
    char *(*lock_holder)(struct db *db, bool *old_sluice);
    struct err *(*terminate_holder)(struct db *db);
    /* Tables of the schema, ours aside, that are called as FOREIGN_NAMES or have a column installed_rank: lower-case
     * columns by table, joined by commas. At most 20. */
    struct err *(*find_histories)(struct db *db, struct kvlist *out);
    /* Create history table, lease, journal where missing; take the lease (docs/reference/formats.md 1.1);
     * rename the session. Sets run->epoch and target_id. apply.c reads everything again afterwards:
     * after the bump the history is final. */
    struct err *(*take_lease)(struct run *run);
    /* Judge what earlier attempts left open (docs/explanation/engine.md 3, 4, 6.4) in run->seen; run_refresh()
     * at its end if it wrote anything. OutcomeUnknown when a verdict is needed. */
    struct err *(*settle)(struct run *run);
    struct err *(*apply)(struct run *run, const struct apply_list *list);
    /* For apply_rehearse(): what take_lease() refuses of our tables; NULL: nothing. */
    struct err *(*review_tables)(struct db *db);
    /* What settle() and apply() refuse of the file before its first statement, and how its statements stand, without a
     * write. `next`: it is the first one that runs. */
    struct err *(*review)(struct run *run, const struct migration *file, bool next,
                          struct script *script, enum step_standing *statements[]);
    /* Insert one journal row by itself (failed, resolved), fenced. */
    struct err *(*append)(struct run *run, struct journal_row *row);
    /* Write the `settled` mark into the lease, fenced; nothing where the lease has no such columns. */
    struct err *(*mark_settled)(struct run *run, const struct journal_mark *mark);
    /* prune_sql() for this server, without a lock of its own: the row of docs/reference/formats.md 1.4, up to which may be deleted. */
    struct err *(*find_prunable)(struct run *run, int64_t keep_ms, struct prunable *out);
    /* Delete up to there and say so in the lease, in one fenced transaction. */
    struct err *(*prune)(struct run *run, const struct prunable *what);
    /* Changes rows of the history table, fenced, all or none; markers take the ranks behind last_rank. May be sent
     * twice: each statement does nothing where it is done already. */
    struct err *(*rewrite)(struct run *run, const struct history_changes *changes);
};

/* ---- database.c --------------------------------------------------------------------------- */

/* What db_init() does, for an adapter that is used without it. */
void db_forget_environment(void);

/* A library had no memory for what the server sent. Adapters say so where they read its errors; true from then on. */
void db_note_memory_short(void);
bool db_memory_was_short(void);
/* For a library that calls it a lost connection: was so much of a budget in use that a large packet did not fit? */
bool db_memory_is_short(void);
/* What an error says then, in place of the library's words. */
#define DB_MEMORY_TEXT                                                                             \
    "the server's answer is larger than the memory that this process may take "                    \
    "(docs/reference/limits.md)"

struct err *db_format_too_new(const char *table, int64_t version, int known) ERR_MUST_USE;
struct err *db_history_full(const struct db *db) ERR_MUST_USE;
struct err *db_journal_full(const struct db *db) ERR_MUST_USE;
struct err *db_no_marks(const struct run *run) ERR_MUST_USE; /* of a lease that we may not alter */
#define DB_FORMAT 1                                          /* format_version of both tables */
#define DB_LEASE_FORMAT 2 /* of a lease whose journal was pruned: version 0.1 cannot verify that */

/* ---- journal.c ---------------------------------------------------------------------------- */

/* row_hash of docs/reference/formats.md 1; prev is "" for seq 1. */
void journal_row_hash(const char *history_table, const char *prev_hex,
                      const struct journal_row *row, char out[SHA256_HEX_LEN + 1]);
/* Chain over rows[0..count), which begin behind the row `from` (seq 0: at seq 1). ERR_TERMINAL HistoryTampered
 * naming the seq. */
struct err *journal_verify(const char *history_table, const struct journal_mark *from,
                           const struct journal_row *rows, size_t count) ERR_MUST_USE;
/* Is that row there, and what it was? NULL row: it is not. ERR_TERMINAL HistoryTampered. */
struct err *journal_check_mark(const char *history_table, const struct journal_mark *mark,
                               const struct journal_row *row) ERR_MUST_USE;
/* A new row behind the journal's head with everything the client knows: seq, rank, ids, epoch, hash.
 * file NULL: the baseline marker. statement NULL: step's line is 1. pre_state NULL: none (an intent
 * row has one, "[]" at least). Release by journal_row_done(). */
void journal_row_prepare(const struct run *run, const struct migration *file, int32_t rank,
                         int32_t step, const struct statement *statement, enum journal_state state,
                         const char *pre_state, struct journal_row *out);
/* Has a placeholder of the file another value than when this row's statement ran, or is there another SET or USE above
 * it? ERR_TERMINAL ChecksumMismatch: the rest would run with others. */
struct err *journal_check_values(const struct run *run, const struct migration *file,
                                 const struct script *script, const struct journal_row *row)
    ERR_MUST_USE;
/* Again after a field that the hash covers was changed by hand (line, step, session_id). */
void journal_row_rehash(const struct run *run, struct journal_row *row);
/* The row was sent (or committed): it is the head now, the next row chains to it. */
void journal_advance(struct run *run, const struct journal_row *row);
/* Newest row of (rank, version or description, step), or NULL: what counts (docs/reference/formats.md 1). */
const struct journal_row *journal_find(const struct journal *journal, int32_t rank,
                                       const struct migration *file, int32_t step);
/* Of such a row: is it, and are all before it, about another content of a repeatable? What that did never keeps this one
 * from running as a whole. */
bool journal_row_is_old_content(const struct journal_row *row, const struct migration *file);

/* ---- ended.c -------------------------------------------------------------------------------- */

#define SESSION_ENDED "the session was ended; the server is up since " /* and a time, in a row */
struct session_end { /* an attempt whose session was ended at a statement that has left nothing */
    const struct migration *file;
    const struct script *script;
    int32_t rank;
    int step;         /* from 1 */
    const char *code; /* of the server's error */
    const char *
        since; /* SESSION_ENDED and since when the server is up, which has the same text each time */
    const char *example; /* what a statement does that ends its own session */
};
/* In a new session, with what it sees. MigrationFailed, which the caller records: it is one of some attempts in a row
 * that have ended there. */
struct err *run_ended_too_often(const struct run *run, const struct session_end *end) ERR_MUST_USE;
/* A row which the next attempt counts: nothing of the statement has stayed. An open intent with that code and since as
 * its message counts as well. */
struct err *run_write_end(struct run *run, const struct session_end *end) ERR_MUST_USE;

/* ---- columns.c ------------------------------------------------------------------------------ */

struct history_column {
    char name[16];    /* version description script */
    int64_t width;    /* characters; 0: no limit */
    bool any;         /* it holds every character */
    bool of_database; /* its character set is the database's */
    char charset[64];
};
/* Can they hold what will be written about each item? InvalidMigration names the file. encodes: asks the server about a
 * text that is not ASCII, for a column that does not hold every character. */
struct err *run_check_columns(const struct run *run, const struct apply_list *list,
                              const struct history_column *columns, size_t count,
                              struct err *(*encodes)(void *payload,
                                                     const struct history_column *column,
                                                     const char *text, bool *out),
                              void *payload) ERR_MUST_USE;

/* ---- settled.c: pure ------------------------------------------------------------------------ */

/* The last row up to which every file is over: finished, or failed without a trace and not in `files`. At least the
 * lease's own mark; seq 0: none. `seen` has all rows behind that. */
struct journal_mark journal_settled(const struct inspection *seen,
                                    const struct migration_set *files);

/* Of a connect that asks for TLS; `option` as the URI of the engine writes it. */
#define DB_NO_TLS(option)                                                                          \
    "the server offers no TLS: add ?" option                                                       \
    " to the URL (plan: tls.mode: disable) if the network is trusted"
#define LOGIN_GRACE_MS                                                                             \
    1500 /* a library that keeps the time by itself says better what it waited for */

/* ---- egress.c ----------------------------------------------------------------------------- */

/* Around a library's login, in its thread: no connection is made to an address that is refused, whatever the name leads to
 * by then. */
void db_egress_begin(void);
/* Consumes `e`, what became of the login; it says so if no address was left. */
struct err *db_egress_end(const struct target *target, struct err *e) ERR_MUST_USE;

/* ---- foreign.c: history tables of other tools --------------------------------------------- */

#define FOREIGN_NAMES                                                                              \
    "'schema_migrations', 'goose_db_version', 'databasechangelog', 'alembic_version', "            \
    "'django_migrations', 'migrations', '_prisma_migrations', 'atlas_schema_revisions', "          \
    "'knex_migrations', '__efmigrationshistory', 'doctrine_migration_versions'"
/* Whose history a table of that name with these columns ("version,dirty") is; NULL: nobody's that we know. Pure. */
const char *foreign_tool(const char *table, const char *columns);

/* ---- prune.c -------------------------------------------------------------------------------- */

/* One row: seq, row_hash, highest rank and number of the rows that may be deleted (docs/reference/formats.md 1.4). `journal` is a
 * quoted name, `table` a literal, `cutoff` an expression; owned. */
char *prune_sql(const char *journal, const char *table, const char *cutoff, int64_t settled);

/* ---- lease.c: pure decisions over the lease row ------------------------------------------- */

/* Is the row's owner already who we are? True also when we do not become an owner. */
bool lease_is_ours(const struct lease *lease, const struct owner *owner);
/* May this run take the lease, and does it write the owner? TargetIdConflict, AssignmentStale. */
struct err *lease_check(const struct lease *lease, const struct apply_request *request,
                        bool *write_owner) ERR_MUST_USE;
/* The epoch to write. A Job that was started twice: DatabaseBusy (*fenced); overtaken: AssignmentStale. */
struct err *lease_next_epoch(const struct lease *lease, const struct apply_request *request,
                             int64_t *epoch, bool *fenced) ERR_MUST_USE;
/* sluice/<8 hex of target>/<epoch>/<8 hex of nonce> */
void lease_session_name(const char *target_id, int64_t epoch, const char *nonce, char out[64]);

/* ---- prepare.c: what both adapters say about a run ---------------------------------------- */

#define LOCK_TEXT_MAX 1024
/* Java's String.hashCode over the UTF-16 units of UTF-8 text (docs/reference/flyway.md 7.1). */
int32_t lock_java_hash(const char *text);
/* Interrupted when cancelled, DeadlineExceeded when execution.deadline is over. */
struct err *run_check(const struct run *run) ERR_MUST_USE;
/* No file may be begun any more: request->stop_at_ms has come. Asked before each one. */
bool run_must_pause(struct run *run);
/* Reads everything again into run->seen; an adapter calls it at the end of settle(). */
struct err *run_refresh(struct run *run) ERR_MUST_USE;
/* Waits ms, or less when cancelled or at the deadline; then run_check(). */
struct err *run_pause(const struct run *run, int64_t ms) ERR_MUST_USE;
/* Milliseconds until execution.deadline; INT64_MAX: none. */
int64_t run_remaining_ms(const struct run *run);
/* A history row is committed: rank and the result's `applied` move. file NULL: the baseline marker. */
void run_applied(struct run *run, const struct migration *file, int32_t rank);
/* Fills result->failed; statement 0: the file as a whole. sqlstate may be NULL. */
void run_failed(struct run *run, const struct migration *file, int statement, int line, int column,
                const char *sqlstate, int error_number);
/* OutcomeUnknown: what is said of a statement, and the commands that settle it. What is too long is cut before them. */
struct err *run_unknown(const struct run *run, const struct migration *file, int32_t step,
                        const char *fmt, ...) ERR_MUST_USE __attribute__((format(printf, 4, 5)));
/* A file that cannot go on behind what an attempt has left: what is said, and the command that lets it run as a whole. */
struct err *run_changed(const struct run *run, const struct migration *file, const char *reason,
                        const char *fmt, ...) ERR_MUST_USE __attribute__((format(printf, 4, 5)));
void run_tell_begin(const struct run *run, const struct migration *file,
                    const struct script *script,
                    int statement); /* from 1: progress->statement_begin */
void run_notice(const struct run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
