/* SPDX-License-Identifier: Apache-2.0 */
/* The options that every command on one database shares, and what they resolve to. */
#pragma once
#include <stdbool.h>
#include "base/clock.h"
#include "cli/cli.h"
#include "database/ask.h"
#include "database/database.h"
#include "model/command.h"
#include "model/migration.h"
#include "model/options.h"
#include "model/target.h"
#include "model/tree.h"
#include "reconcile/migration/parse.h"
#include "reconcile/migration/placeholder.h"
#include "reconcile/plan/plan.h"

struct db_args { /* as given; release with db_args_done() */
    const char *url, *password_file;
    struct strlist dirs;
    const char *repo, *ref;
    struct strlist paths;
    const char *git_secret_dir;
    const char *allow_scheme;
    int64_t fetch_timeout_ms;
    const char *prefix, *repeatable_prefix, *separator;
    struct strlist suffixes;
    bool validate_naming;
    const char *schema, *table, *target;
    bool out_of_order, baseline_on_migrate, no_placeholders;
    const char *baseline_version, *baseline_description;
    struct strlist ignore;
    struct kvlist placeholders, assume;
    int64_t lock_wait_ms, lock_timeout_ms, lock_retry_for_ms, statement_timeout_ms,
        connect_timeout_ms, memory_mib;
    const char *output;
    bool force;
};

/* Rows for struct TYPE with a member `db` of struct db_args. */
#define DB_OPTION(TYPE, name, letter, type, value, help, field)                                    \
    {                                                                                              \
        name, letter, type, value, help, offsetof(TYPE, db.field)                                  \
    }
#define DB_CONNECT_OPTIONS(TYPE)                                                                   \
    DB_OPTION(TYPE, "url", 'u', OPTION_TEXT, "URL",                                                \
              "postgresql://, mysql:// or mariadb:// (or $SLUICE_URL)", url),                      \
        DB_OPTION(TYPE, "password-file", 0, OPTION_TEXT, "FILE",                                   \
                  "file with the password (or $SLUICE_PASSWORD)", password_file),                  \
        DB_OPTION(TYPE, "schema", 0, OPTION_TEXT, "NAME",                                          \
                  "schema of the history table (default: the session's)", schema),                 \
        DB_OPTION(TYPE, "table", 0, OPTION_TEXT, "NAME",                                           \
                  "history table (default flyway_schema_history)", table),                         \
        DB_OPTION(TYPE, "connect-timeout", 0, OPTION_DURATION, "TIME",                             \
                  "whole connect with login (default 10s)", connect_timeout_ms),                   \
        DB_OPTION(TYPE, "memory", 0, OPTION_NUMBER, "MIB",                                         \
                  "what the server's answers may take (default: docs/reference/limits.md)",        \
                  memory_mib),                                                                     \
        DB_OPTION(TYPE, "output", 'o', OPTION_WORD, "json", "print JSON instead of text", output)
#define DB_FILE_OPTIONS(TYPE)                                                                      \
    DB_OPTION(TYPE, "dir", 'd', OPTION_LIST, "DIR", "folder of migrations; may be repeated",       \
              dirs),                                                                               \
        DB_OPTION(TYPE, "repo", 0, OPTION_TEXT, "URL",                                             \
                  "git repository instead of --dir (through $https_proxy, but for $no_proxy)",     \
                  repo),                                                                           \
        DB_OPTION(TYPE, "ref", 0, OPTION_TEXT, "REF", "branch, tag or commit (default main)",      \
                  ref),                                                                            \
        DB_OPTION(TYPE, "path", 0, OPTION_LIST, "PATH",                                            \
                  "folder in the repository; may be repeated (default sql)", paths),               \
        DB_OPTION(                                                                                 \
            TYPE, "git-credentials", 0, OPTION_TEXT, "DIR",                                        \
            "folder of files username, password, bearerToken, identity, known_hosts, ca.crt",      \
            git_secret_dir),                                                                       \
        DB_OPTION(TYPE, "allow-source-scheme", 0, OPTION_TEXT, "LIST",                             \
                  "also http and/or file, comma-separated", allow_scheme),                         \
        DB_OPTION(TYPE, "fetch-timeout", 0, OPTION_DURATION, "TIME",                               \
                  "whole fetch of the repository (default 60s)", fetch_timeout_ms),                \
        DB_OPTION(TYPE, "sql-migration-prefix", 0, OPTION_TEXT, "TEXT",                            \
                  "names of versioned migrations begin with it; may be empty (default V)",         \
                  prefix),                                                                         \
        DB_OPTION(TYPE, "repeatable-sql-migration-prefix", 0, OPTION_TEXT, "TEXT",                 \
                  "the same of repeatable ones (default R)", repeatable_prefix),                   \
        DB_OPTION(TYPE, "sql-migration-separator", 0, OPTION_TEXT, "TEXT",                         \
                  "between version and description (default __)", separator),                      \
        DB_OPTION(TYPE, "sql-migration-suffix", 0, OPTION_LIST, "TEXT",                            \
                  "names end with it; may be repeated, replaces the default .sql", suffixes),      \
        DB_OPTION(TYPE, "validate-migration-naming", 0, OPTION_FLAG, NULL,                         \
                  "files with that suffix and another name are an error", validate_naming)
#define DB_PLAN_OPTIONS(TYPE)                                                                      \
    DB_OPTION(TYPE, "target", 0, OPTION_TEXT, "latest|current|next|VERSION",                       \
              "the last version to apply (2.1? if it may be missing)", target),                    \
        DB_OPTION(TYPE, "out-of-order", 0, OPTION_FLAG, NULL,                                      \
                  "apply versions below the newest applied one", out_of_order),                    \
        DB_OPTION(TYPE, "ignore-pattern", 0, OPTION_LIST, "TYPE:STATE",                            \
                  "as ignoreMigrationPatterns; replaces the default *:future", ignore),            \
        DB_OPTION(TYPE, "placeholder", 0, OPTION_PAIRS, "K=V", "value of ${K}; may be repeated",   \
                  placeholders),                                                                   \
        DB_OPTION(TYPE, "no-placeholders", 0, OPTION_FLAG, NULL, "leave ${...} alone",             \
                  no_placeholders),                                                                \
        DB_OPTION(TYPE, "assume", 0, OPTION_PAIRS, "DB=VERSION",                                   \
                  "another database has this version (directive after=)", assume)
#define DB_BASELINE_OPTIONS(TYPE)                                                                  \
    DB_OPTION(TYPE, "baseline-version", 0, OPTION_TEXT, "VERSION", "default 1", baseline_version), \
        DB_OPTION(TYPE, "baseline-description", 0, OPTION_TEXT, "TEXT",                            \
                  "default \"<< Flyway Baseline >>\"", baseline_description)
#define DB_RUN_OPTIONS(TYPE)                                                                       \
    DB_OPTION(TYPE, "baseline-on-migrate", 0, OPTION_FLAG, NULL,                                   \
              "mark a non-empty schema without history as baselined", baseline_on_migrate),        \
        DB_OPTION(TYPE, "lock-wait", 0, OPTION_DURATION, "TIME",                                   \
                  "how long to wait for another runner (default 51s)", lock_wait_ms),              \
        DB_OPTION(TYPE, "lock-timeout", 0, OPTION_DURATION, "TIME",                                \
                  "one try for a table lock (default 1s)", lock_timeout_ms),                       \
        DB_OPTION(TYPE, "lock-retry-for", 0, OPTION_DURATION, "TIME",                              \
                  "tries for a table lock in all (default 10m)", lock_retry_for_ms),               \
        DB_OPTION(TYPE, "statement-timeout", 0, OPTION_DURATION, "TIME",                           \
                  "limit of one statement (default none)", statement_timeout_ms)
/* Of commands that write: see owner.h. */
#define DB_FORCE_OPTION(TYPE)                                                                      \
    DB_OPTION(TYPE, "force", 0, OPTION_FLAG, NULL, "also where a MigrationPlan owns the database", \
              force)

void db_args_init(struct db_args *args); /* durations: not given = -1 */
void db_args_done(struct db_args *args);
/* The command line into `values`, of which `args` is the member `db`, with db_args_init() before. *json: -o json. Usage. */
struct err *db_args_parse(const struct cli_spec *spec, int argc, char **argv, struct db_args *args,
                          void *values, bool *help, bool *json) ERR_MUST_USE;

struct db_context { /* resolved; release with db_context_done() */
    struct target target;
    struct migrations_options migrations;
    struct execution_options execution;
    struct tree tree;
    struct migration_set files;
    bool from_git;                 /* tree.commit is set */
    char timestamp[TIME_TEXT_LEN]; /* flyway:timestamp of this command */
    char *working_directory;
    char *holder;               /* user@host */
    char *label;                /* target without password, for messages */
    char *url, *file_options;   /* of `place` */
    struct command_place place; /* for the commands that messages print */
};

/* Usage, SecretInvalid, InvalidSpec, source and file errors. `with_files`: --dir or --repo is needed. */
struct err *db_context_make(const struct db_args *args, bool with_files, struct db_context *out)
    ERR_MUST_USE;
void db_context_done(struct db_context *context);

/* What the files mean for the database as it was seen. `plan` borrows from both; it is filled on an
 * error too (see plan_make). */
struct err *db_plan(const struct db_context *context, const struct db_args *args,
                    const struct inspection *seen, bool validate_only, struct plan *plan)
    ERR_MUST_USE;
/* What of a plan goes to apply_run(); `out` borrows the files. */
void db_apply_list(const struct plan *plan, struct apply_list *out);

/* What a command asks of the database port: the lease as LEASE_COMMAND, owned by nobody, waited for as --lock-wait says.
 * Borrows from the context. */
struct apply_request db_request(const struct db_context *context, const struct db_args *args);

/* One look by a child process, whose memory and time a server cannot stretch (database/ask.h). */
struct err *db_look(const struct db_context *context, const struct db_args *args,
                    struct inspection *out) ERR_MUST_USE;

/* db_look() of a person: also who works there now. A statement that is open in *out with no runner beside it was left. */
struct err *db_look_around(const struct db_context *context, const struct db_args *args,
                           struct inspection *out, struct ask_around *around) ERR_MUST_USE;

/* The journal from end to end, likewise. */
struct err *db_look_journal(const struct db_context *context, const struct db_args *args,
                            int64_t *rows) ERR_MUST_USE;

/* "postgresql://…/orders (PostgreSQL 15.20), schema app". Owned. */
char *db_headline(const struct db_context *context, const struct identity *identity);
