/* SPDX-License-Identifier: Apache-2.0 */
/* The migration files of one commit for one plan: fetched, parsed, kept while they are wanted.
 * Immutable once made, shared by reference count. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "git/repo.h"
#include "model/mplan.h"
#include "reconcile/migration/parse.h"

struct path_files { /* one list of paths; several databases may share it */
    struct strlist paths;
    struct err *error; /* InvalidMigration, SourceTooLarge, DuplicateVersion; then no files */
    struct tree tree;  /* owns the bytes */
    struct migration_set files; /* borrows them */
    struct strlist oids;        /* of the files; of the error's text when there are none */
    bool has_after;             /* some file names another database */
};

struct commit_files {
    atomic_int refs;
    uint64_t serial; /* unique in this process */
    char commit[REPO_COMMIT_LEN];
    char *revision;
    enum repo_history history; /* against last_applied */
    char last_applied[REPO_COMMIT_LEN];
    struct strlist ancestors;
    struct naming naming; /* that the names were read by */
    struct path_files *sets;
    size_t count;
    /* held.h's */
    struct held *held; /* NULL: not counted */
    struct commit_files *next_held;
    char *namespace_;
    size_t content_bytes, file_bytes;
    atomic_bool given_way; /* their plans do without them: nobody is to take them up */
    bool notices;          /* some set has */
};

struct files_want { /* owned by the task that fetches; files_want_done() */
    char *namespace_;
    char *url;
    struct kvlist secret;
    enum repo_ref_kind kind;
    char *ref;
    char *revision; /* NULL: the tip */
    char last_applied[REPO_COMMIT_LEN];
    char *cache;
    int64_t timeout_ms;
    struct naming naming;
    struct strlist *sets;
    size_t set_count, set_cap;
};

struct files_options {
    unsigned allow;
    const int *cancel_fd;
    const char *scratch;
};

/* The resolved paths of one database: its own, else the source's, with ${database} put in. */
void commit_files_paths(const struct mplan *plan, size_t database, struct strlist *out);
/* Adds every distinct list of the plan to want->sets. */
void commit_files_sets(const struct mplan *plan, struct files_want *want);
/* Adds the lists of another want. */
void files_want_join(struct files_want *to, const struct files_want *from);
struct err *commit_files_fetch(const struct files_want *want, const struct files_options *options,
                               struct commit_files **out) ERR_MUST_USE;
/* NULL: that list was not fetched. */
const struct path_files *commit_files_find(const struct commit_files *files,
                                           const struct strlist *paths);
/* The file with this script name; NULL: none. */
const struct migration *path_files_script(const struct path_files *set, const char *script);
/* What was passed over in the sets of this plan, each file once, at most LIMIT_NOTICES and then a word. */
void commit_files_notices(const struct commit_files *files, const struct mplan *plan,
                          struct strlist *out);
struct commit_files *commit_files_ref(struct commit_files *files);
void commit_files_unref(struct commit_files *files); /* NULL is fine */
void files_want_done(struct files_want *want);
