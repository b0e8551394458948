/* SPDX-License-Identifier: Apache-2.0 */
/* "-- sluice: key=value" at the head of a file (docs/reference/migrations.md). Internal to migration/. */
#pragma once
#include "base/err.h"
#include "model/migration.h"

/* Reads the comments before the first statement of a file. Grammar:
 *   "--" blanks "sluice:" item { blanks item }      item = key "=" value without blanks
 *   verify= takes the rest of its line.
 * ERR_TERMINAL InvalidMigration "path:line:column: ..." for anything unknown, repeated or ill-formed.
 * *out is set only on success; directives_done() releases it. */
struct err *directives_parse(const struct migration *file, struct directives *out) ERR_MUST_USE;

/* Is the comment at text[start..end), which begins with "--", a directive? The splitters use this to
 * refuse one behind the first statement, where it would have no effect. */
bool directive_comment(const char *text, size_t start, size_t end);
