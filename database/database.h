/* SPDX-License-Identifier: Apache-2.0 */
/* The database port: one session, one look, one run. PostgreSQL and MariaDB/MySQL behind it.
 * Thread rule: a struct db belongs to one thread at a time. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/cancel.h"
#include "base/err.h"
#include "model/assignment.h"
#include "model/command.h"
#include "model/history.h"
#include "model/migration.h"
#include "model/options.h"
#include "model/result.h"
#include "model/target.h"
#include "reconcile/migration/script.h"

struct db;

struct engine_ops;                       /* an adapter (database/engine.h) */
extern const struct engine_ops pgdb_ops; /* database/postgresql */
extern const struct engine_ops mydb_ops; /* database/mysql: MariaDB and MySQL */

/* Once, before there are threads and before db_open(): the adapters that there are; forgets the variables that libpq and
 * Connector/C would obey. */
void db_init(const struct engine_ops *postgresql, const struct engine_ops *mysql);

/* Adds the adapters' client libraries: name, and the version that is loaded. */
void db_libraries(struct kvlist *out);

struct db_options {
    const char *application;    /* "sluice", or sluice/<target8>/<epoch>/<nonce8> later */
    int64_t connect_timeout_ms; /* whole connect, TLS and login included; 0: 10000 */
    int64_t query_timeout_ms;   /* per read of ours, not for migrations; 0: 30000 */
    bool read_only;             /* inspection, gate */
    bool
        show_values; /* a person at a command line: what the server says is shown as it is. Else nothing that may be a
                         value is (base/mask.h) */
    const struct cancel *cancel; /* NULL: none */
    const struct command_place
        *place; /* for the commands that messages print; NULL: $SLUICE_URL's */
};

/* Reasons: DatabaseUnavailable AccessDenied TLSVerificationFailed UnsupportedServer (ERR_TRANSIENT
 * or ERR_TERMINAL as the table in the adapter says). */
struct err *db_open(const struct target *target, const struct db_options *options, struct db **out)
    ERR_MUST_USE;
void db_close(struct db *db); /* NULL is fine; releases the lock */
static inline void db_close_auto(struct db **p)
{
    db_close(*p);
}

/* Which rows of the journal are read. Of those behind the lease's `settled` mark none is left out. */
enum journal_scope {
    JOURNAL_HEAD, /* the newest one alone */
    JOURNAL_OPEN, /* what a run decides by: behind the mark, and the files' rows of repeatables */
    JOURNAL_FILES, /* also what the controller and `info` show: all files' rows, failures, verdicts */
};

/* Read only, few round trips. Verifies the chain from the lease's mark on (docs/reference/formats.md 1.4).
 * FormatTooNew, HistoryTampered; TargetReadOnly is NOT an error here (identity says). */
struct err *db_inspect(struct db *db, enum journal_scope scope, struct inspection *out)
    ERR_MUST_USE;
/* The whole chain, from the first row that is there to the head, in pieces, by what db_inspect() saw. *rows: how many.
 * HistoryTampered. */
struct err *db_verify_journal(struct db *db, const struct inspection *seen, int64_t *rows)
    ERR_MUST_USE;

/* Who holds the migration lock now, for people: "deploy@ci since 2026-…: backend 4711 (…)", by the lease as it was
 * seen. Owned; NULL: nobody, or it could not be seen. */
char *db_lock_holder(struct db *db, const struct lease *lease);
/* Tables of the schema that are another tool's history: table -> tool, in their order. "Flyway" is a history table
 * under another name. */
struct err *db_foreign_histories(struct db *db, struct kvlist *out) ERR_MUST_USE;

struct gate_value {
    bool answered; /* one row, one column */
    bool pass;     /* true or a number other than 0 */
    char text[64]; /* value for status; "NULL", "no row" */
};
/* Read-only transaction, own deadline. An error = no answer, the caller's AnalysisUnavailable. */
struct err *db_gate(struct db *db, const char *query, int64_t timeout_ms, struct gate_value *out)
    ERR_MUST_USE;

/* ---- the runner's work ---------------------------------------------------------------------- */

enum lease_mode {
    LEASE_COMMAND, /* command line and controller: epoch+1, attempt 0, no epoch condition */
    LEASE_JOB, /* epoch = greatest(epoch+1, attempt) where epoch < attempt; else Fenced / moved */
};

struct owner { /* all NULL: do not become or check the owner */
    const char *plan_uid, *namespace_, *name, *database, *cluster;
};

struct apply_item {
    bool baseline_marker;         /* the row of docs/reference/flyway.md 1.5 instead of a script */
    const struct migration *file; /* borrowed */
    int32_t checksum;
};

struct apply_list {
    struct apply_item *items; /* owned */
    size_t count;
};

struct progress { /* called on the runner's thread */
    void *payload;
    void (*file_begin)(void *payload, const struct migration *file, int index, int count,
                       int statements);
    /* From 1, and of how many; again when it is tried again. Its text is borrowed until it returns. Costs packets:
     * NULL where nobody watches. */
    void (*statement_begin)(void *payload, const struct migration *file, int statement, int count,
                            const struct statement *what);
    void (*statement)(void *payload, const struct migration *file, int statement,
                      int64_t elapsed_ms);
    void (*file_end)(void *payload, const struct migration *file, int64_t elapsed_ms,
                     const struct err *e);
    void (*notice)(void *payload, const char *text);
};

struct apply_request {
    const struct target *target;
    const struct migrations_options *migrations;
    const struct execution_options *execution;
    enum lease_mode lease;
    int64_t attempt; /* LEASE_JOB */
    struct owner owner;
    enum ownership ownership;
    const char *holder;         /* Job name or user@host */
    const char *git_commit;     /* NULL with --dir */
    const char *timestamp;      /* flyway:timestamp, local "yyyy-MM-dd HH:mm:ss"; NULL: the clock */
    const char *retry_token;    /* hex or "" */
    int64_t connect_timeout_ms; /* of each login; 0: as db_options */
    int64_t
        stop_at_ms; /* UTC, the database's clock: no file is begun from then on (Paused); 0: never */
    int64_t lock_wait_ms; /* Flyway's lock is polled this long, then DatabaseBusy */
    bool warn_superuser;  /* command line: a notice instead of RoleTooPowerful */
    bool
        show_values; /* as in struct db_options; the journal has values only if execution.showValues is set */
    const struct cancel *cancel;
    const struct progress *progress; /* NULL: silent */
    /* LEASE_COMMAND: asked before the first write to a database that a plan owns, perhaps twice. An error ends the run
     * with nothing done. NULL: it is written. */
    struct err *(*owned)(void *payload, const struct lease *lease);
    void *owned_payload;
    const struct command_place
        *place; /* for the commands that messages print; NULL: $SLUICE_URL's */

    /* Called with the lock held: once on what is there before anything is written, and again after
     * leftovers were settled. Checks expectations, returns what to apply; an error ends the run with
     * nothing (more) done. `settled` is false in the first call. */
    struct err *(*decide)(void *payload, const struct inspection *seen, bool settled,
                          struct apply_list *out);
    void *payload;
    /* All files of the tree, so that an interrupted one can be settled. */
    const struct migration_set *files;
};

/* Connect, check, lock, lease, settle, apply, record, verdict. `out` is always filled (result_done),
 * the error repeats its reason. Never retries a lost connection by itself except to resolve the
 * outcome of a COMMIT. */
struct err *apply_run(const struct apply_request *request, struct result *out) ERR_MUST_USE;

/* How a statement stands before a run. */
enum step_standing {
    STEP_WILL_RUN,
    STEP_IS_DONE, /* by an earlier attempt: it is not run again */
    STEP_IS_OPEN, /* an attempt was interrupted inside it: the run finds out whether it took effect */
};
struct rehearsed_file { /* borrowed for the call */
    bool baseline_marker;
    const struct migration *file;
    const struct script *script;
    const enum step_standing *statements; /* one a statement */
};
struct rehearsal { /* who is told */
    void *payload;
    /* How many files would run, before the first of them; not where a run would end before it knows. */
    void (*begin)(void *payload, const struct identity *identity, size_t count);
    void (*file)(void *payload, const struct rehearsed_file *file);
};
/* Everything that apply_run() looks at before its first statement, in its order and by the same functions, but without
 * its lock, its lease and a write: the error is the one that it would end with. Whether a statement that an attempt was
 * interrupted in took effect is not always known before. */
struct err *apply_rehearse(const struct apply_request *request, const struct rehearsal *listener)
    ERR_MUST_USE;

/* A human verdict: takes lock and lease (LEASE_COMMAND), writes a `resolved` row. */
struct resolution {
    const char *version;     /* or */
    const char *description; /* of a repeatable */
    int32_t step;
    enum verdict verdict;
    const char *reason; /* with the claimed name; goes to message */
    const char *token;  /* hex SHA-256 of the annotation, or "" */
};
struct err *record_resolution(const struct apply_request *request, const struct resolution *r,
                              struct result *out) ERR_MUST_USE;
/* The controller writes the `failed` row that a dead runner could not: idempotent. */
struct err *record_failure(const struct apply_request *request, const struct migration *file,
                           const struct result *failed, struct result *out) ERR_MUST_USE;

/* Deletes the journal's rows of files that are over and that ended more than keep_ms ago; the newest row stays. Takes
 * lock and lease (LEASE_COMMAND). dry: only counts. */
struct pruned {
    int64_t rows;
    int64_t seq; /* of the last of them; 0: none */
};
struct err *prune_journal(const struct apply_request *request, int64_t keep_ms, bool dry,
                          struct pruned *pruned, struct result *out) ERR_MUST_USE;
/* Rewrites rows of the history table, in one transaction under lock and lease (LEASE_COMMAND). `decide` says what,
 * borrowing from `seen`: once on what is there before anything is written, again with the lease taken, and a last time
 * on the outcome, which must have nothing left. Without changes nothing is written. `told` is called with the changes
 * that were committed. Killed at any moment it has done all or nothing, and may be run again. */
struct repair {
    void *payload;
    struct err *(*decide)(void *payload, const struct inspection *seen,
                          struct history_changes *out);
    void (*told)(void *payload, const struct history_changes *changes);
};
struct err *repair_run(const struct apply_request *request, const struct repair *repair,
                       struct result *out) ERR_MUST_USE;
