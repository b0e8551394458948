/* SPDX-License-Identifier: Apache-2.0 */
/* The files under a plan's paths at one commit (or in a folder), checked while they are added:
 * both readers, git/ and --dir, refuse the same things with the same words (docs/reference/migrations.md). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/content.h"
#include "base/err.h"
#include "base/str.h"
#include "model/large.h"

struct tree_file {
    char *path;   /* for messages: path in the repository, or as the user gave the folder; owned */
    char *script; /* relative to its location root, '/' separated (history column); owned */
    struct content *
        content; /* raw blob, no filters; a reference: equal files share one copy; NULL: not kept */
    const uint8_t *bytes; /* of content; followed by a NUL that is not counted */
    size_t size;
    struct large *large; /* of a file that is not kept; owned */
};

struct tree {
    char commit[65];          /* hex; "" for a folder */
    struct strlist locations; /* as asked for */
    struct strlist oids;      /* per location: hex OID of its git tree; empty for folders */
    struct tree_file *files;  /* sorted by path, bytewise */
    size_t count;
    size_t cap;
    size_t total_bytes; /* kept */
    const struct large_ops
        *large_ops; /* how files that are not kept are opened; NULL: they cannot */
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

/* Takes ownership of bytes on success. When those of all files pass LIMIT_TREE_BYTES, the largest are not kept.
 * Refuses LFS pointer files among migration files, more than LIMIT_MIGRATIONS files, and two paths that are equal when
 * case is folded. */
struct err *tree_add(struct tree *tree, const char *path, const char *script, uint8_t *bytes,
                     size_t size) ERR_MUST_USE;
/* The same for a file over LIMIT_MIGRATION_FILE, which is not kept. */
struct err *tree_add_large(struct tree *tree, const char *path, const char *script,
                           struct large *large) ERR_MUST_USE;
/* The same with a content that is held already; takes over the reference on success. */
struct err *tree_add_content(struct tree *tree, const char *path, const char *script,
                             struct content *content) ERR_MUST_USE;
/* Sorts; ERR_TERMINAL InvalidMigration when a location holds no file at all. */
struct err *tree_finish(struct tree *tree) ERR_MUST_USE;
void tree_done(struct tree *tree);
