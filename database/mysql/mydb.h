/* SPDX-License-Identifier: Apache-2.0 */
/* The MariaDB/MySQL session: connect, query, quote. Internal to database/mysql/.
 * A struct mydb belongs to the runner's thread; cancel.c has a thread of its own that only
 * looks at what it was given under a lock. */
#pragma once
#include "base/auto.h"
#include "base/buf.h"
#include "database/engine.h"
#include "database/mysql/rules.h"
#include "database/said.h"

struct mydb_result; /* the library's */
struct mydb_watch;

#define MYDB_SQL_MAX ((size_t)64 * 1024 * 1024) /* one statement of ours or of a file */

struct mydb_failure { /* what the server or the library said last */
    unsigned code;    /* errno; 0: none */
    char sqlstate[6];
    char text[512]; /* as it is, for judging; people get mydb_said() */
};

struct mydb_head { /* the journal's newest row */
    int64_t seq;
    char hash[SHA256_HEX_LEN + 1];
};

struct mydb {
    struct db base;
    struct db_options options;
    const struct target *target; /* lives as long as the session */
    void *conn;                  /* MYSQL *; NULL: no session */
    int generation;              /* counts sessions: settings of a file do not survive a new one */
    bool mariadb;
    int32_t version; /* 101119, 90704 */
    char *lock_name; /* owned; NULL before the first try */
    bool locked;
    char tag
        [80]; /* "sluice <target8>/<epoch>/<nonce8>" with comment signs, in front of a statement */
    struct mydb_failure failure;
    int64_t affected;
    int results;       /* that mydb_send() threw away, before an error too */
    unsigned warnings; /* of the last statement that succeeded */
    /* Looks at the rows that a statement of a file returns; NULL: nobody does. */
    void (*row)(void *payload, char **columns);
    void *row_payload;

    bool plain_identity; /* an older MariaDB without server_uid */
    bool has_lease;      /* the table was there when last looked at */
    bool has_marks;      /* with the columns of docs/reference/formats.md 1.4 */
    bool watched;        /* a trigger was on the history table when last looked at */
    char *start_mode;    /* sql_mode that files begin with; owned */

    /* What a file's SET and USE may have changed (session.c). */
    struct {
        char *database; /* owned; as the last look saw it; NULL: as the session began */
        bool foreign;   /* our own statements need our own settings around them */
        bool used;      /* a file may have left something: the next one gets a new one */
        bool set;       /* a SET of a file has run */
        int64_t lock_s, statement_ms; /* limits as last set; -1: not set yet */
    } session;

    struct { /* tables whose engine has no transactions, and what leads to them (loose.c) */
        bool known;
        bool innodb;            /* new tables have transactions unless they say otherwise */
        struct strlist schemas; /* looked at beside the session's */
        struct strlist names;   /* tables, views, tables with triggers, programs */
        struct strlist plain;   /* "schema.table": such a table without triggers */
    } loose;

    struct mydb_watch *watch; /* NULL until the first statement of a file */

    /* A finished file whose history row goes along with the next file's first step. */
    struct {
        struct strlist sql;
        const struct migration *file;
        int32_t rank;
        struct mydb_head head; /* the journal's head with its rows */
        bool set;
    } pending;
    struct mydb_head committed; /* the head that is certainly in the database */
};

static inline struct mydb *mydb_of(struct db *db)
{
    return (struct mydb *)(void *)db;
}

/* ---- login.c: one login, by the runner or by the watchdog -------------------------- */

/* ERR_TRANSIENT DatabaseUnavailable, ERR_TERMINAL AccessDenied, TLSVerificationFailed. */
struct err *mydb_dial(const struct target *target, const struct db_options *options, void **out)
    ERR_MUST_USE;
void mydb_library(struct kvlist *out);
int mydb_socket(void *conn); /* of a connection of the library; -1: NULL */

/* ---- connect.c: the session -------------------------------------------------------------------- */

struct err *mydb_open(const struct target *target, const struct db_options *options,
                      struct db **out) ERR_MUST_USE;
/* A new session in place of a lost one: same target, same settings, no lock. */
struct err *mydb_reopen(struct mydb *m) ERR_MUST_USE;
void mydb_hang_up(struct mydb *m); /* ends the session, and with it the lock */
/* A connection of mydb_dial() becomes the session; the old one has been hung up. Takes `fresh`. */
struct err *mydb_adopt(struct mydb *m, void *fresh) ERR_MUST_USE;
void mydb_close(struct db *db);
struct err *mydb_identify(struct db *db) ERR_MUST_USE;
/* The expression that names the server: equal on every connection to the same one. */
const char *mydb_server_expression(const struct mydb *m);
const char *
mydb_server_of(const struct identity *identity); /* its value on the session's server; borrowed */

/* ---- query.c ------------------------------------------------------------------------- */

/* Send one statement, throw away what it returns. 0, or the errno, with m->failure filled. */
unsigned mydb_send(struct mydb *m, const char *sql, size_t length);
/* A statement of our own; the error begins "could not WHAT". */
struct err *mydb_exec(struct mydb *m, const char *what, const char *sql) ERR_MUST_USE;
struct err *mydb_execf(struct mydb *m, const char *what, const char *fmt, ...) ERR_MUST_USE
    __attribute__((format(printf, 3, 4)));
/* A read of our own, the whole result in memory; release by mydb_result_free(). `out` NULL on error. */
struct err *mydb_read(struct mydb *m, const char *what, const char *sql, struct mydb_result **out)
    ERR_MUST_USE;
/* The same without making an error of the server's refusal: 0 or the errno. */
unsigned mydb_try_read(struct mydb *m, const char *sql, struct mydb_result **out);
/* The same with somebody else's query, which may take as long as it likes. */
unsigned mydb_try_ask(struct mydb *m, const char *sql, struct mydb_result **out);
/* A row or a value is missing that the server owes. */
struct err *mydb_no_row(const struct mydb *m, const char *what) ERR_MUST_USE;
void mydb_result_free(struct mydb_result *result);
DEFINE_AUTO(struct mydb_result, mydb_result_free)
char **mydb_next(struct mydb_result *result); /* the next row's columns, borrowed; NULL: no more */
void mydb_rewind(struct mydb_result *result); /* the first row is next again */
size_t mydb_rows(struct mydb_result *result);
size_t mydb_columns(struct mydb_result *result);
/* m->failure.text for people: about a statement of a file, or NULL. Owned. */
void mydb_said_of(const struct mydb *m, unsigned code, const char *sqlstate, const char *text,
                  const struct statement *s, struct said *out);
char *mydb_said(const struct mydb *m, const struct statement *s);
/* Warnings of the last statement, before anything else is sent: row() is called with level, code, text of at most
 * `limit`. */
void mydb_read_warnings(struct mydb *m, int limit, void (*row)(void *payload, char **columns),
                        void *payload);
/* An error from m->failure by the table of rules.c. */
struct err *mydb_error(const struct mydb *m, const char *what) ERR_MUST_USE
    __attribute__((returns_nonnull));
/* Is the session still inside its transaction? Meaningful after a statement that succeeded. */
bool mydb_in_transaction(const struct mydb *m);
int64_t mydb_affected(const struct mydb *m); /* rows changed by the last statement that succeeded */
bool mydb_lost(const struct mydb *m);        /* the last failure was the connection's end */

/* Literals that mean the same under every sql_mode and character set. */
void mydb_add_text(struct buf *sql, const char *text); /* NULL -> NULL */
void mydb_add_ident(struct buf *sql, const char *name);
/* `schema`.`table` */
void mydb_add_table(struct buf *sql, const struct mydb *m, const char *table);
int64_t mydb_int64(const char *text, int64_t fallback); /* of a result's column; NULL: fallback */

/* ---- session.c: settings of the session and what files do to them -------------------- */

struct err *mydb_session_init(struct mydb *m) ERR_MUST_USE;
void mydb_session_started(struct mydb *m, const char *sql_mode);
/* After a statement that may have changed the session. */
struct err *mydb_session_look(struct mydb *m) ERR_MUST_USE;
/* Around statements of our own whose text or result depends on settings. No trip when not needed. */
struct err *mydb_own_begin(struct mydb *m) ERR_MUST_USE;
struct err *mydb_own_end(struct mydb *m) ERR_MUST_USE;
/* Around a statement that shows times, where mydb_own_begin() has set nothing. */
struct err *mydb_utc_begin(struct mydb *m) ERR_MUST_USE;
struct err *mydb_utc_end(struct mydb *m) ERR_MUST_USE;
struct err *mydb_session_limits(struct mydb *m, int64_t lock_ms, int64_t statement_ms) ERR_MUST_USE;
void mydb_session_done(struct mydb *m);
/* The schema that an unqualified name means now. */
const char *mydb_session_schema(const struct mydb *m);

/* ---- loose.c: tables without transactions -------------------------------------------- */

/* Fills m->loose from the server. */
struct err *mydb_loose_read(struct mydb *m) ERR_MUST_USE;
void mydb_loose_look_into(struct mydb *m, const char *schema); /* this one, too; NULL, "": none */
/* The name in the statement that leads to such a table, borrowed; NULL: there is none. */
const char *mydb_loose_named(const struct mydb *m, const struct statement *s);
/* It changes one such table and nothing else, so a ROLLBACK takes nothing of it back. */
bool mydb_loose_only(const struct mydb *m, const struct statement *s);
void mydb_engines_forget(struct mydb *m,
                         const struct statement *s); /* it ran: may engines differ? */
void mydb_loose_done(struct mydb *m);

/* ---- lock.c -------------------------------------------------------------------------- */

struct err *mydb_try_lock(struct db *db, bool *taken) ERR_MUST_USE;
struct err *mydb_find_histories(struct db *db, struct kvlist *out) ERR_MUST_USE;
char *mydb_lock_holder(struct db *db, bool *old_sluice);
struct err *mydb_terminate_holder(struct db *db) ERR_MUST_USE;
/* "connection 12 of 'app'@'host', transaction open for 37 s": who may hold table locks; NULL: unknown */
char *mydb_blocker(struct mydb *m);

/* ---- inspect.c ----------------------------------------------------------------------- */

struct err *mydb_inspect(struct db *db, enum journal_scope scope, struct inspection *out)
    ERR_MUST_USE;
/* ---- journal.c ----------------------------------------------------------------------- */

/* The rows of a scope; `out` has the history and the lease already. FormatTooNew, HistoryTooLarge. */
struct err *mydb_journal_load(struct mydb *m, enum journal_scope scope, struct inspection *out)
    ERR_MUST_USE;
struct err *mydb_read_journal(struct db *db, int64_t after, int limit, struct journal *out)
    ERR_MUST_USE;
struct err *mydb_mark_settled(struct run *run, const struct journal_mark *mark) ERR_MUST_USE;
struct err *mydb_find_prunable(struct run *run, int64_t keep_ms, struct prunable *out) ERR_MUST_USE;
struct err *mydb_prune(struct run *run, const struct prunable *what) ERR_MUST_USE;

/* ---- gate.c ----------------------------------------------------------- */

struct err *mydb_gate(struct db *db, const char *query, int64_t timeout_ms, struct gate_value *out)
    ERR_MUST_USE;
/* One row, one column, truth: for gates and verify=. AnalysisUnavailable: no answer. */
struct err *mydb_ask(struct mydb *m, const char *query, struct gate_value *out) ERR_MUST_USE;

/* ---- lease.c ---------------------------------------------------------------------------------- */

struct err *mydb_take_lease(struct run *run) ERR_MUST_USE;
struct err *mydb_bump_epoch(struct run *run)
    ERR_MUST_USE; /* with a new nonce, in the same process */
/* What a run is that has lost it: ERR_CONFLICT DatabaseBusy, outcome Fenced. */
struct err *mydb_fenced(struct run *run) ERR_MUST_USE __attribute__((returns_nonnull));
