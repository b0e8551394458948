/* SPDX-License-Identifier: Apache-2.0 */
/* Folders of a commit as a struct tree: objects are read one by one, nothing is checked out, no
 * filter or attribute applies. Private to git/. */
#pragma once
#include "git/repo.h"

struct git_repository;
struct git_commit;

struct walk {
    struct git_repository *repo;
    const struct git_commit *commit;
    const struct naming *naming; /* of which files the content is wanted */
    int64_t entries;             /* read so far, over all sets; bounded */
    bool damaged; /* an object could not be read: the clone, not the commit, is at fault */
};

/* One set of paths. ERR_TERMINAL InvalidMigration, SourceTooLarge: what the commit holds.
 * ERR_TRANSIENT SourceFetchFailed with walk->damaged: the clone is broken. */
struct err *walk_read(struct walk *walk, const struct strlist *paths, struct tree *out)
    ERR_MUST_USE;
