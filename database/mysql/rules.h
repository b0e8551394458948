/* SPDX-License-Identifier: Apache-2.0 */
/* What the MariaDB/MySQL adapter decides without a server: error classes, normal forms, recovery.
 * No I/O. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/buf.h"
#include "base/err.h"
#include "model/migration.h"

/* ---- errors ------------------------------------------------------------------------------- */

struct mydb_error_class {
    enum err_kind kind;
    const char *reason;
};
/* A statement of ours (or the login) failed. An unknown code is DatabaseUnavailable, to be retried. */
struct mydb_error_class mydb_error_of_ours(unsigned code, const char *message);
/* Of a statement of our own: what the table does not list is not tried again. set: a file has set something in this
 * session, and is to blame for it. */
struct mydb_error_class mydb_error_of_statement(unsigned code, const char *message, bool set);
/* A statement of a file failed. An unknown code is MigrationFailed. */
struct mydb_error_class mydb_error_of_file(unsigned code, const char *message);
bool mydb_error_is_lost(unsigned code);   /* the connection is gone, the outcome open */
bool mydb_error_is_lock(unsigned code);   /* 1205, 1213: nothing of it happened, try again */
bool mydb_error_is_gone(unsigned code);   /* of a table of ours: it, a column or its schema */
bool mydb_error_is_absent(unsigned code); /* SHOW CREATE of what does not exist */

/* Where a server's message puts the error: "... near 'x y' at line 3", of a syntax error in any language. False: it does
 * not say. *position is the character (from 1) in `text`; without *exact that of the line's first one. */
bool mydb_error_position(unsigned code, const char *message, const char *text, int *position,
                         bool *exact);
/* The message with the line of the file in the place of the statement's own. Owned. */
char *mydb_error_translate(unsigned code, const char *message, int line);

/* ---- who and what the server is ----------------------------------------------------------- */

/* One line of SHOW GRANTS: SUPER, FILE, ALL PRIVILEGES or GRANT OPTION on *.*? */
bool mydb_grant_too_powerful(const char *grant);
bool mydb_setting_on(const char *value); /* of a system variable: not NULL, "", 0, OFF, NO */

/* ---- fingerprints ------------------------------------------------------------------------- */

#define MYDB_ABSENT "absent"
#define MYDB_UNREADABLE "unreadable" /* rights are missing: nothing follows from it */

struct mydb_state {                 /* one object; strings owned */
    char *type;                     /* as in struct object_ref */
    char *name;                     /* quoted, with schema: `s`.`t` */
    char state[SHA256_HEX_LEN + 1]; /* 64 hex, absent, unreadable */
    int form;                       /* MYDB_FORM_…: how the state was made */
    char *definition; /* the text that was hashed; NULL: absent, unreadable, unknown */
};

enum {                     /* docs/reference/formats.md 1.1 */
    MYDB_FORM_SESSION = 1, /* of 0.1: in the session's time zone, a view by the current schema */
    MYDB_FORM_FIXED = 2,
};

/* Does SHOW CREATE TABLE depend on the session's time zone: a TIMESTAMP with a default that is written out? */
bool mydb_shows_time(const char *text);
/* SHOW CREATE VIEW up to the view's name, which depends on the current schema as all behind it does. */
size_t mydb_view_head(const char *text);
/* The definition under another quoted name; NULL: not one that can be made again so. Owned. */
char *mydb_renamed_definition(const char *type, const char *text, const char *name);

/* SHOW CREATE TABLE without AUTO_INCREMENT=n among the table's options: it moves by plain INSERTs. */
void mydb_normalize_table(const char *text, struct buf *out);
/* `a`, `a`.`b`: quoted as mydb_add_ident() does, nothing else. */
bool mydb_name_is_quoted(const char *name);
/* The name of such a one without quotes; *schema: "" if it has none. Both owned. */
char *mydb_name_parts(const char *quoted, char **schema);

/* Do two CREATE TRIGGER make the same trigger in `schema`? The words before TRIGGER (whose it is) do not count, nor how
 * names are quoted and qualified; the body must be the same text. */
bool mydb_same_trigger(const char *a, const char *b, const char *schema);
/* The statement with `prefix` in front of each constraint's name, which is the schema's and not the table's. */
char *mydb_prefix_constraints(const char *sql, struct my_quotes quotes, const char *prefix);

/* ---- recovery ----------------------------------------------------------------------------- */

enum mydb_recovery {
    MYDB_RECOVERY_AGAIN,   /* it did not happen, or a repeat does no harm */
    MYDB_RECOVERY_DONE,    /* it happened: inferred */
    MYDB_RECOVERY_COMPARE, /* something happened: it, if the objects now are what it makes of them */
    MYDB_RECOVERY_UNKNOWN, /* a verdict is needed */
};

/* An attempt ended inside the statement: what happened (docs/explanation/engine.md 6.4)? By direction: `now`
 * has the same objects as `before`, in the same order. VERB_NONE: the statement was changed since,
 * then nobody knows what it would have made. */
enum mydb_recovery mydb_recover(enum step_class class, enum step_verb verb,
                                const struct mydb_state *before, const struct mydb_state *now,
                                size_t count);

/* ---- what a session carries from one statement to the next --------------------------------- */

bool mydb_is_temporary(
    const struct statement *s); /* CREATE, DROP TEMPORARY TABLE: run on each resume */
/* The statement's words hold this name (bare or quoted), outside strings and comments. */
bool mydb_mentions(const struct statement *s, const char *name);
/* The statement's words after comments, compared without case. */
bool mydb_starts_with(const struct statement *s, const char *word);
/* CREATE TABLE … SELECT, also OR REPLACE, not TEMPORARY. */
bool mydb_fills_table(const struct statement *s);
/* Class X that may commit by itself or stop half-way: CALL, EXECUTE, DO, compounds, DML without transactions. */
bool mydb_controls_itself(const struct statement *s);
/* Does the statement read or leave something of the session: a setting, a user variable, LAST_INSERT_ID, a
 * temporary table, a prepared statement? Of those that control themselves nobody knows. */
bool mydb_touches_session(const struct statement *s);
bool mydb_uses_session(const struct script *script); /* does one of them? */
/* Going on in the middle of a file: complete[i] says what is applied already. NULL, or the first
 * statement that needs a value of the lost session (a user variable, LAST_INSERT_ID, a temporary
 * table, a prepared statement) which running the rest does not bring back. */
const struct statement *mydb_resume_blocked(const struct script *script, const bool *complete);
