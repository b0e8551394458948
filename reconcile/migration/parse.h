/* SPDX-License-Identifier: Apache-2.0 */
/* Tree -> migrations: file names, checksums, directives (flyway.md 2 and 3, design.md 8). PURE. */
#pragma once
#include "reconcile/base/err.h"
#include "reconcile/model/migration.h"
#include "reconcile/model/tree.h"

/* Every migration of the tree, sorted. Bytes are borrowed from the tree, which must live longer.
 * ERR_TERMINAL, message "path:line:column: ...":
 *   InvalidMigration   bad UTF-8, NUL, a SQL name that does not parse, a script Flyway would run as a
 *                      program, an unknown or repeated directive, .conf / U / callback files (later)
 *   DuplicateVersion   two files of one version or description (flyway.md 3.4), naming both */
struct err *migration_set_parse(const struct tree *tree, struct migration_set *out) ERR_MUST_USE;

/* Flyway's checksum (flyway.md 2.1). False: malformed UTF-8, *bad_offset says where. */
bool checksum_make(const uint8_t *bytes, size_t size, int32_t *out, size_t *bad_offset);
/* Over text that is valid UTF-8 already (a repeatable after replacement). */
int32_t checksum_text(const char *text, size_t length);
/* Description as stored: over 200 characters -> 197 + "..."; script over 1000 likewise. Owned. */
char *description_stored(const char *description);
char *script_stored(const char *script);
