/* SPDX-License-Identifier: Apache-2.0 */
/* A parsed migration file, its directives, its statements. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/hash.h"
#include "base/str.h"
#include "model/engine.h"
#include "model/large.h"
#include "model/version.h"

enum migration_kind { /* texts are journal.kind: versioned repeatable baseline undo callback */
    MIGRATION_NONE,
    MIGRATION_VERSIONED,
    MIGRATION_REPEATABLE,
    MIGRATION_BASELINE,
    MIGRATION_UNDO,
    MIGRATION_CALLBACK,
    MIGRATION_KIND_MAX_
};
const char *migration_kind_text(enum migration_kind kind);
enum migration_kind migration_kind_parse(const char *text);

struct
    directives { /* head-of-file comments "-- sluice: key=value" (docs/reference/migrations.md) */
    bool transaction_none;
    bool idempotent;
    bool out_of_order_allow;
    int64_t lock_timeout_ms;      /* -1: not given */
    int64_t statement_timeout_ms; /* -1: not given */
    char *verify;                 /* owned; NULL: not given */
    struct kvlist after;          /* database -> version */
};

struct migration {
    enum migration_kind kind;
    struct version version; /* "" for repeatables */
    char *description;      /* '_' -> ' '; owned, full length */
    char *script;           /* history column; owned */
    char *path;             /* for messages; owned */
    const uint8_t *bytes;   /* borrowed from the tree, NUL-terminated behind size; NULL: not kept */
    size_t size;
    struct large *large; /* of a file that is not kept, borrowed from the tree; NULL: it is */
    uint8_t sha256[SHA256_LEN];       /* raw bytes */
    uint8_t lines_sha256[SHA256_LEN]; /* of the text, whatever its line ends: lines.h */
    bool undigested; /* neither is there, in a set that a command has read: migration_digests() */
    int32_t raw_checksum; /* Flyway's, over the raw text: the stored one for V and B */
    struct directives directives;
};

struct migration_set { /* sorted: versioned by version, then B, then repeatables by description */
    struct migration *items;
    size_t count;
    size_t cap;
    struct strlist
        notices; /* files that were passed over, one line each, a bounded number of them */
};

/* What a statement is, decided by the lexer and the verb table (docs/explanation/engine.md 4 and 6). */
enum step_class {
    STEP_NONE,
    STEP_SESSION = 'S',       /* SET, USE: replayed on every resume */
    STEP_TRANSACTIONAL = 'T', /* DML, and on PostgreSQL all that may run in a transaction */
    STEP_ATOMIC = 'A',        /* MariaDB/MySQL single-object DDL, judged by fingerprints */
    STEP_REPEATABLE = 'R',
    STEP_OTHER = 'X', /* cannot be probed: needs verify= or idempotent=true after a crash */
    STEP_NONTX = 'N', /* PostgreSQL, outside a transaction, with a probe */
};

enum step_verb { /* direction of the change, for recovery (docs/explanation/engine.md 4 and 6.4) */
    VERB_NONE,
    VERB_CREATE,
    VERB_CREATE_OR_REPLACE,
    VERB_DROP,
    VERB_ALTER,
    VERB_RENAME,
    VERB_CREATE_INDEX,
    VERB_DROP_INDEX,
    VERB_REINDEX,
    VERB_DETACH_PARTITION,
    VERB_VACUUM,
    VERB_DML,
    VERB_SET,
    VERB_COPY,
    VERB_LOCK_TABLES, /* dump files: skipped with a notice */
    VERB_UNLOCK_TABLES,
    VERB_OTHER,
    VERB_SET_TRANSACTION, /* PostgreSQL, first statement of a file: belongs into BEGIN */
};

struct
    object_ref { /* unquoted, PostgreSQL: unquoted names folded; "" schema: the session's default */
    char *
        type; /* table view index trigger procedure function event sequence database user; PostgreSQL:
                    temporary, of any kind */
    char *schema;
    char *name;        /* for an index: the index; its table is a ref of its own */
    bool is_new;       /* the new name of a RENAME */
    size_t start, end; /* where the name stands, with its schema: bytes of the expanded file */
};

struct statement {
    size_t source_offset; /* bytes in the raw file */
    size_t source_length;
    int line;   /* of the first character that is not blank or comment, from 1 */
    int column; /* characters, from 1 */
    char *text; /* after placeholder replacement, without delimiter, trimmed; owned */
    size_t text_length;
    uint8_t sha256
        [SHA256_LEN]; /* of the source range BEFORE placeholder replacement, with LF: lines.h */
    enum step_class class;
    enum step_verb verb;
    bool concurrently;      /* ... CONCURRENTLY: lock_timeout must be 0 */
    bool in_transaction_ok; /* PostgreSQL: may run inside a transaction block */
    bool
        leaves_transaction; /* PostgreSQL: writes what a ROLLBACK does not take back (dblink, a program, a file) */
    bool sets_config; /* PostgreSQL: set_config() that is not written out as a SET would be */
    /* MariaDB/MySQL */
    struct my_quotes {     /* how its text is read */
        bool no_backslash; /* NO_BACKSLASH_ESCAPES */
        bool ansi;         /* ANSI_QUOTES */
    } quotes;
    int block;    /* the file's own transaction that it stands in, from 1; 0: none */
    bool commits; /* the server commits before it begins, which ends such a transaction */
    bool grouped; /* may share a transaction with its neighbours */
    bool lasting; /* it does nothing that a ROLLBACK takes back */
    struct object_ref writes; /* DML: the one table that it changes; name NULL: not known; owned */
    bool calls;               /* it does, by functions, which may change others */
    bool touches_session; /* PREPARE DEALLOCATE DISCARD TEMP CURSOR LISTEN: extra reset needed */
    char *copy_data;      /* PostgreSQL COPY FROM STDIN: its lines; owned; NULL otherwise */
    size_t copy_length;
    struct object_ref *objects; /* owned */
    size_t object_count;
    /* For server error positions: character c of text (from 0) is at source line/column given by
     * script_locate(); offset of text in the expanded file, in bytes. */
    size_t expanded_offset;
};

struct script {
    struct statement *statements; /* to be read by script_at() */
    size_t count;
    size_t cap;
    bool transactional; /* false: every statement is its own journalled step (PostgreSQL) */
    char *expanded;     /* file text after placeholder replacement; owned */
    size_t expanded_length;
    struct script_map {
        size_t expanded, source;
    } * map; /* replacement borders, ascending */
    size_t map_count;
    struct session_mark { /* after each SET and USE: a digest of all of them up to there */
        size_t index;     /* of the statement */
        char sha256[SHA256_HEX_LEN + 1];
    } * marks;
    size_t mark_count, mark_cap;
    struct strlist placeholders_used; /* user placeholders named by the file, sorted, unique */
    struct strlist notices;           /* e.g. "V1__dump.sql:12: LOCK TABLES is skipped" */
    struct large *large;              /* held open, of a file that is not kept; NULL: it is */
    /* Where statements, what they own and the expanded text stand if the file is too large for memory. */
    struct spool *array, *store, *text;
};

/* Its two digests, made now where they are not there: a file that is applied is asked for neither. */
void migration_digests(const struct migration *m, uint8_t raw[SHA256_LEN],
                       uint8_t lines[SHA256_LEN]);

/* The file's bytes; of one that is not kept while a script of it lives, else NULL. */
static inline const uint8_t *migration_bytes(const struct migration *m)
{
    return m->large ? m->large->bytes : m->bytes;
}
/* Too large for memory: nothing of it is owned by itself. */
static inline bool script_is_spooled(const struct script *script)
{
    return script->large && script->large->spool;
}
/* Statement `index` from 0. Whoever looks at many looks through this: what lies behind is given back. */
const struct statement *script_at(const struct script *script, size_t index)
    __attribute__((returns_nonnull));
struct statement *script_edit(struct script *script, size_t index) __attribute__((returns_nonnull));
/* `bytes` of the file or of what was made of it were touched: is memory to be given back? */
void script_touch(const struct script *script, size_t bytes);

void directives_done(struct directives *d);
void migration_done(struct migration *m);
void migration_set_done(struct migration_set *set);
void object_ref_done(struct object_ref *ref);
void script_done(struct script *script);
