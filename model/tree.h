/* SPDX-License-Identifier: Apache-2.0 */
/* The files under a plan's paths at one commit (or in a folder), checked while they are added:
 * both readers, git/ and --dir, refuse the same things with the same words (docs/migrations.md). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "reconcile/base/err.h"
#include "reconcile/base/str.h"

struct tree_file {
    char *path;   /* for messages: path in the repository, or as the user gave the folder; owned */
    char *script; /* relative to its location root, '/' separated (history column); owned */
    uint8_t *bytes; /* raw blob, no filters; owned; followed by a NUL that is not counted */
    size_t size;
};

struct tree {
    char commit[65];          /* hex; "" for a folder */
    struct strlist locations; /* as asked for */
    struct strlist oids;      /* per location: hex OID of its git tree; empty for folders */
    struct tree_file *files;  /* sorted by path, bytewise */
    size_t count;
    size_t cap;
    size_t total_bytes;
};

enum tree_entry_kind {
    TREE_FILE,
    TREE_DIR,
    TREE_SYMLINK,
    TREE_SUBMODULE,
    TREE_OTHER
};

/* Is this entry acceptable under a plan's paths? Names: valid UTF-8, no control characters, no NUL,
 * not "." "..", ".git" in any case. Symlinks, submodules and special files are refused.
 * ERR_TERMINAL InvalidMigration naming the path; SourceTooLarge for depth. Hidden folders (leading
 * '.') are not entered: *skip is set. */
struct err *tree_check_entry(const char *path, size_t path_length, enum tree_entry_kind kind,
                             int depth, bool *skip) ERR_MUST_USE;

/* Takes ownership of bytes on success. Refuses LFS pointer files among migration files, a file over
 * LIMIT_MIGRATION_FILE, a total over LIMIT_TREE_BYTES, more than LIMIT_MIGRATIONS files, and two
 * paths that are equal when case is folded. */
struct err *tree_add(struct tree *tree, const char *path, const char *script, uint8_t *bytes,
                     size_t size) ERR_MUST_USE;
/* Sorts; ERR_TERMINAL InvalidMigration when a location holds no file at all. */
struct err *tree_finish(struct tree *tree) ERR_MUST_USE;
void tree_done(struct tree *tree);
