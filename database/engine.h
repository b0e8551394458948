/* SPDX-License-Identifier: Apache-2.0 */
/* What an engine adapter supplies. Internal to database/. The common order of a run is in apply.c;
 * SQL, fences and recovery are the adapters' (docs/engine.md 1-4 for pgdb, 6-8 for mydb). */
#pragma once
#include "database/database.h"
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
    int32_t rank;                /* highest installed_rank in the history; moved by run_applied() */
    const struct script *script; /* of the file at work: its placeholders enter the journal rows */
    char timestamp[32];          /* storage of placeholders.timestamp */
    char *working_directory;     /* likewise; owned */
};

struct engine_ops {
    /* Allocates, connects, logs in. `target` lives as long as the db. database.c fills the fields of
     * struct db afterwards (session_id excepted), then calls identify(). */
    struct err *(*open)(const struct target *target, const struct db_options *options,
                        struct db **out);
    /* Ends the session and frees what open() allocated; database.c frees the fields of struct db. */
    void (*close)(struct db *db);
    /* Fills db->identity: version, user, schema, read_only, superuser, pooled, topology, now. */
    struct err *(*identify)(struct db *db);
    /* Fills history, lease, other_lease_table and the journal rows with seq >= journal_after. `out` is
     * zeroed before and released by the caller after an error. database.c copies the identity,
     * verifies the chain, drops the row `journal_after` itself and sets the journal's head. A
     * format_version above ours is db_format_too_new(). */
    struct err *(*inspect)(struct db *db, int64_t journal_after, struct inspection *out);
    struct err *(*gate)(struct db *db, const char *query, int64_t timeout_ms,
                        struct gate_value *out);
    /* Flyway's key (docs/flyway.md 7.1) on this session, outside any transaction. One try. */
    struct err *(*try_lock)(struct db *db, bool *taken);
    /* Who holds it, for people: "backend 4711 (sluice/1f0c2a9b/7/ab12cd34), idle for 12 s". Owned;
     * NULL when nobody does now. *old_sluice: it is a session of Sluice. */
    char *(*lock_holder)(struct db *db, bool *old_sluice);
    struct err *(*terminate_holder)(struct db *db);
    /* Create history table, lease, journal where missing; take the lease (docs/formats.md 1.1);
     * rename the session. Sets run->epoch and target_id. apply.c reads everything again afterwards:
     * after the bump the history is final. */
    struct err *(*take_lease)(struct run *run);
    /* Judge what earlier attempts left open (docs/engine.md 3, 4, 6.4) in run->seen; run_refresh()
     * at its end if it wrote anything. OutcomeUnknown when a verdict is needed. */
    struct err *(*settle)(struct run *run);
    struct err *(*apply)(struct run *run, const struct apply_list *list);
    /* Insert one journal row by itself (failed, resolved), fenced. */
    struct err *(*append)(struct run *run, struct journal_row *row);
};

extern const struct engine_ops pgdb_ops;
extern const struct engine_ops mydb_ops;

/* ---- database.c --------------------------------------------------------------------------- */

struct err *db_format_too_new(const char *table, int64_t version) ERR_MUST_USE;
#define DB_FORMAT 1 /* format_version of both tables */

/* ---- journal.c ---------------------------------------------------------------------------- */

/* row_hash of docs/formats.md 1; prev is "" for seq 1. */
void journal_row_hash(const char *history_table, const char *prev_hex,
                      const struct journal_row *row, char out[SHA256_HEX_LEN + 1]);
/* Chain over rows[0..count) starting from prev_hex (of row rows[0].seq - 1; "" when that is 0).
 * ERR_TERMINAL HistoryTampered naming the seq. */
struct err *journal_verify(const char *history_table, const char *prev_hex,
                           const struct journal *journal) ERR_MUST_USE;
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
/* Newest row of (rank, version or description, step), or NULL: what counts (docs/formats.md 1). */
const struct journal_row *journal_find(const struct journal *journal, int32_t rank,
                                       const struct migration *file, int32_t step);
bool journal_row_is_of(const struct journal_row *row, const struct migration *file);
/* Of such a row: is it, and are all before it, about another content of a repeatable? What that did never keeps this one
 * from running as a whole. */
bool journal_row_is_old_content(const struct journal_row *row, const struct migration *file);
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
/* Java's String.hashCode over the UTF-16 units of UTF-8 text (docs/flyway.md 7.1). */
int32_t lock_java_hash(const char *text);
/* Interrupted when cancelled, DeadlineExceeded when execution.deadline is over. */
struct err *run_check(const struct run *run) ERR_MUST_USE;
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
void run_notice(const struct run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
