/* SPDX-License-Identifier: Apache-2.0 */
/* Tree -> migrations: file names, checksums, directives (docs/reference/flyway.md 2 and 3). PURE. */
#pragma once
#include "base/err.h"
#include "model/migration.h"
#include "model/naming.h"
#include "model/tree.h"

/* Every migration of the tree, sorted: V by version, B by version, R by description in UTF-16 order.
 * Bytes are borrowed from the tree, which must live longer. Names follow Flyway's grammar with the prefixes,
 * separator and suffixes of `naming` (NULL: Flyway's defaults). What has none of the suffixes is ignored
 * (README.md, flyway.conf, V1__x.sql.bak); a file that has one and no migration's name is passed over as
 * Flyway does, and out->notices says so, as it does of undo files.
 * Two files of one kind with equal path below their locations, version, description and checksum are
 * one migration.
 * ERR_TERMINAL, message "path: ..." or "path:line:column: ...":
 *   InvalidMigration   no migration at all, bad UTF-8, NUL, UTF-16, a Git LFS pointer, a version that only Flyway
 *                      takes (-1, next, more than 50 characters), a script that Flyway would run as a program
 *                      (.sh .bash .py .ps1 .cmd .bat or no extension), an unknown or repeated directive,
 *                      callback files, <migration>.sql.conf; with naming->validate a misnamed file
 *   DuplicateVersion   two files of one version or description (docs/reference/flyway.md 3.4), naming both */
struct err *migration_set_parse(const struct tree *tree, const struct naming *naming,
                                struct migration_set *out) ERR_MUST_USE;

/* Flyway's checksum (docs/reference/flyway.md 2.1). False: malformed UTF-8, *bad_offset says where. */
bool checksum_make(const uint8_t *bytes, size_t size, int32_t *out, size_t *bad_offset);
/* Over text that is valid UTF-8 already (a repeatable after replacement, its mark dropped). */
int32_t checksum_text(const char *text, size_t length);
/* Description as stored: over 200 UTF-16 units -> 197 + "..."; script over 1000: "..." + units 4 to
 * 1000, as Flyway cuts them. Owned. */
char *description_stored(const char *description);
char *script_stored(const char *script);
/* Is the row about the file: kind and version, compared as numbers, or stored description? */
struct journal_row;
bool journal_row_is_of(const struct journal_row *row, const struct migration *file);
/* Is the digest that a journal keeps this file's, line ends aside? Of a file that is not kept in memory, a row of
 * version 0.1 is known only with today's line ends, or with LF. */
bool migration_was(const struct migration *file, const char *sha256_hex);
/* The file that it is about, borrowed; NULL: there is none, or no files. */
const struct migration *journal_row_file(const struct migration_set *files,
                                         const struct journal_row *row);
