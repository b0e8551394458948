/* SPDX-License-Identifier: Apache-2.0 */
/* A Job's assignment in its folder: manifest.json and its bundles (docs/reference/formats.md 2). */
#pragma once
#include "base/err.h"
#include "model/assignment.h"
#include "model/migration.h"

/* Reads DIR: checks manifest bytes against sha256_hex, parses, reads and checks every bundle and file.
 * files->items[i].bytes point into *content, which the caller frees. */
struct err *assignment_read(const char *dir, const char *sha256_hex, struct assignment *out,
                            struct migration_set *files, char **content) ERR_MUST_USE;
