/* SPDX-License-Identifier: Apache-2.0 */
/* What a database says about itself: history, journal, lease, identity, and one inspection. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"
#include "model/engine.h"
#include "model/migration.h"
#include "model/version.h"

struct history_row { /* flyway_schema_history, strings owned */
    int32_t rank;
    bool has_version;
    struct version version;
    char *version_text; /* as stored; NULL when NULL */
    char *description, *type, *script, *installed_by, *installed_on;
    bool has_checksum;
    int32_t checksum;
    int32_t execution_ms;
    bool success;
};

struct history { /* in rank order */
    bool table_exists;
    bool
        schema_empty; /* but for the history table; meaningful while that has no row (docs/reference/flyway.md 1.4) */
    struct history_row *rows;
    size_t count;
    size_t cap;
};

enum journal_state {
    JOURNAL_NONE,
    JOURNAL_INTENT,
    JOURNAL_DONE,
    JOURNAL_INFERRED,
    JOURNAL_FAILED,
    JOURNAL_RESOLVED
};
enum verdict {
    VERDICT_NONE,
    VERDICT_APPLIED,
    VERDICT_NOT_APPLIED,
    VERDICT_RESTART /* of a whole file (step 0): nothing of earlier attempts counts any more */
};
const char *journal_state_text(enum journal_state s);
enum journal_state journal_state_parse(const char *text);
const char *verdict_text(enum verdict v); /* applied | not-applied | restart */
enum verdict verdict_parse(const char *text);

struct
    journal_row { /* sluice_journal (docs/reference/formats.md 1), strings owned, NULL where NULL */
    int64_t seq;
    int32_t installed_rank;
    enum migration_kind kind;
    char *version;
    char *description, *script;
    int32_t step, line;
    char *statement_sha256;
    char step_class; /* 0: NULL */
    char *pre_state, *post_state;
    enum journal_state state;
    enum verdict verdict;
    char *git_commit, *file_sha256, *placeholders_hmac;
    int64_t epoch, attempt;
    char *retry_token;
    int64_t session_id;
    char *error_code, *message;
    char *started, *finished; /* text, UTC */
    int64_t finished_ms;      /* database time of finished as UTC ms; 0: NULL */
    char row_hash[SHA256_HEX_LEN + 1];
};

/* Are all rows of its file before this one over: the file was finished, or a person said that it starts anew? */
bool journal_row_closes(const struct journal_row *row);
/* Did the step take effect, as far as this row tells? */
bool journal_row_applied(const struct journal_row *row);
/* Is it a step that did, or may have done? */
bool journal_row_may_stay(const struct journal_row *row);
/* Is a row of that version and description about the file of `version` or, if that is NULL, of `description`? Versions
 * compare as numbers. */
bool row_is_about(const char *row_version, const char *row_description, const char *version,
                  const char *description);
/* Does the row stand for that version or, if that is NULL, for that description? */
bool history_row_is_about(const struct history_row *row, const char *version,
                          const char *description);
/* Rows of one file: kind and version, compared as numbers, or description. */
bool journal_same_file(const struct journal_row *a, const struct journal_row *b);

struct journal {
    bool table_exists;
    struct journal_row *rows; /* by seq; with gaps where an inspection left finished files out */
    size_t count;
    size_t cap;
    int64_t head_seq; /* 0: empty */
    char head_hash[SHA256_HEX_LEN + 1];
};

struct journal_mark { /* a row of the journal */
    int64_t seq;      /* 0: none */
    char hash[SHA256_HEX_LEN + 1];
};

/* Does no later row speak about this one's step or close its file? */
bool journal_is_newest(const struct journal *journal, const struct journal_row *row);

struct lease { /* sluice_lease row; strings owned, NULL where NULL */
    bool present;
    int32_t format_version;
    char target_id[37];
    char *server_identity;
    char *owner_plan_uid, *owner_namespace, *owner_name, *owner_database, *owner_cluster;
    int64_t epoch, attempt;
    char nonce[33];
    char *holder;
    char *since;
    /* Up to the first every row is of a file that is over; up to the second they were deleted (docs/reference/formats.md 1.4). */
    struct journal_mark settled, pruned;
    int32_t pruned_rank; /* highest installed_rank among the deleted rows */
};

struct identity {
    enum engine engine;
    int32_t server_version; /* 150020, 101119 */
    char *server_text;      /* "PostgreSQL 15.20" for people; owned */
    char *server_identity;  /* docs/reference/formats.md 1; owned */
    char *user;             /* Flyway's installed_by; owned */
    char *database;         /* owned */
    char *schema;           /* resolved default schema; owned */
    bool read_only;         /* standby, read_only, default_transaction_read_only */
    bool
        other_strings; /* a file's session begins with standard_conforming_strings off, or NO_BACKSLASH_ESCAPES */
    bool ansi_quotes;   /* ... with ANSI_QUOTES */
    bool superuser;     /* too powerful a role, docs/reference/migrationplan.md 1 */
    bool pooled;        /* transaction pooling detected */
    bool multi_primary; /* Galera and the like */
    int64_t now_ms;     /* the database's clock, UTC */
};

/* May a migration run in such a session? `powerful`: also by a role that may do everything. NULL: it may. TargetReadOnly
 * clears by itself; UnsupportedTopology, PoolerUnsupported and RoleTooPowerful when somebody changes something. */
struct err *identity_check(const struct identity *id, bool powerful) ERR_MUST_USE;

struct inspection { /* everything one read-only look returns */
    struct identity identity;
    struct history history;
    struct journal journal;
    struct lease lease;
    char *
        other_lease_table; /* a lease in this schema for another history table, owner = same plan; owned */
};

/* What `repair` does to rows of the history table; the rest of it is never rewritten. */
enum history_change_kind {
    HISTORY_REMOVE,  /* a row of success = false goes */
    HISTORY_REALIGN, /* description and checksum become those of the file */
    HISTORY_DELETED, /* a new row of type DELETE takes this one back (docs/reference/flyway.md 1.5) */
};

struct history_change {
    enum history_change_kind kind;
    const struct history_row *row; /* borrowed */
    char *description;             /* HISTORY_REALIGN, as stored; owned */
    int32_t checksum;              /* HISTORY_REALIGN */
    bool ours; /* HISTORY_REMOVE: our journal explains the row, and that nothing has stayed */
};

struct history_changes { /* in the order to write: what goes, what is new */
    struct history_change *items;
    size_t count;
    int32_t last_rank;        /* that is left; a marker takes the next one */
    struct history_row *left; /* the rows without the failed ones; texts borrowed */
    struct strlist kept;      /* what stays as it is, a sentence each, with what to do about it */
};

/* Texts that the tables never hold as NULL become "" where a server says NULL all the same: nobody else has to ask. */
void inspection_complete(struct inspection *seen);
void history_changes_done(struct history_changes *changes);
void history_done(struct history *h);
void journal_done(struct journal *j);
void journal_row_done(struct journal_row *row);
void lease_done(struct lease *l);
void identity_done(struct identity *i);
void inspection_done(struct inspection *i);
