/* SPDX-License-Identifier: Apache-2.0 */
/* Tree -> migrations: file names, checksums, directives (docs/flyway.md 2 and 3). PURE. */
#pragma once
#include "reconcile/base/err.h"
#include "reconcile/model/migration.h"
#include "reconcile/model/tree.h"

/* Every migration of the tree, sorted: V by version, B by version, R by description in UTF-16 order.
 * Bytes are borrowed from the tree, which must live longer. Names follow Flyway's grammar; a name
 * outside it is ignored as Flyway does, but refused where it looks meant:
 *   V, B, U + digit, or + '_' '.' '-' and then a digit or '_'   V1_x.sql V1-x.sql V__x.sql V_1__x.sql
 *   R + '_', or R + digits + '_'                                R_x.sql R1__x.sql
 *   a lower-case prefix before an otherwise good name           v1__x.sql r__views.sql
 * (Report.sql, V_customer.sql, README.md, flyway.conf, V1__x.sql.bak are ignored.)
 * Two files of one kind with equal path below their locations, version, description and checksum are
 * one migration.
 * ERR_TERMINAL, message "path: ..." or "path:line:column: ...":
 *   InvalidMigration   no migration at all, bad UTF-8, NUL, UTF-16, a name that looks meant, a script
 *                      Flyway would run as a program (.sh .bash .py .ps1 .cmd .bat or no extension),
 *                      an unknown or repeated directive, U and callback files, <migration>.sql.conf
 *   DuplicateVersion   two files of one version or description (docs/flyway.md 3.4), naming both */
struct err *migration_set_parse(const struct tree *tree, struct migration_set *out) ERR_MUST_USE;

/* Flyway's checksum (docs/flyway.md 2.1). False: malformed UTF-8, *bad_offset says where. */
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
/* The file that it is about, borrowed; NULL: there is none, or no files. */
const struct migration *journal_row_file(const struct migration_set *files,
                                         const struct journal_row *row);
