/* SPDX-License-Identifier: Apache-2.0 */
/* The migration trees of one commit for one plan: fetched, parsed, kept while they are wanted.
 * Immutable once made, shared by reference count. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "git/repo.h"
#include "reconcile/migration/parse.h"
#include "reconcile/model/mplan.h"

struct tree_set { /* one list of paths; several databases may share it */
    struct strlist paths;
    struct err *error; /* InvalidMigration, SourceTooLarge, DuplicateVersion; then no files */
    struct tree tree;  /* owns the bytes */
    struct migration_set files; /* borrows them */
    struct strlist oids;        /* of the trees; of the error's text when there are none */
    bool has_after;             /* some file names another database */
};

struct trees {
    atomic_int refs;
    uint64_t serial; /* unique in this process */
    char commit[REPO_COMMIT_LEN];
    char *revision;
    enum repo_history history; /* against last_applied */
    char last_applied[REPO_COMMIT_LEN];
    struct strlist ancestors;
    struct tree_set *sets;
    size_t count;
};

struct trees_want { /* owned by the task that fetches; trees_want_done() */
    char *url;
    struct kvlist secret;
    enum repo_ref_kind kind;
    char *ref;
    char *revision; /* NULL: the tip */
    char last_applied[REPO_COMMIT_LEN];
    char *cache;
    int64_t timeout_ms;
    struct strlist *sets;
    size_t set_count, set_cap;
};

struct trees_options {
    unsigned allow;
    const int *cancel_fd;
    const char *scratch;
};

/* The resolved paths of one database: its own, else the source's, with ${database} put in. */
void trees_paths(const struct mplan *plan, size_t database, struct strlist *out);
/* Adds every distinct list of the plan to want->sets. */
void trees_sets(const struct mplan *plan, struct trees_want *want);
/* Adds the lists of another want. */
void trees_want_sets(struct trees_want *to, const struct trees_want *from);
struct err *trees_fetch(const struct trees_want *want, const struct trees_options *options,
                        struct trees **out) ERR_MUST_USE;
/* NULL: that list was not fetched. */
const struct tree_set *trees_find(const struct trees *trees, const struct strlist *paths);
/* The file with this script name; NULL: none. */
const struct migration *tree_set_script(const struct tree_set *set, const char *script);
struct trees *trees_ref(struct trees *trees);
void trees_unref(struct trees *trees); /* NULL is fine */
void trees_want_done(struct trees_want *want);
