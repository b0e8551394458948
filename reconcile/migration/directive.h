/* SPDX-License-Identifier: Apache-2.0 */
/* "-- sluice: key=value" at the head of a file (docs/migrations.md). Internal to migration/. */
#pragma once
#include "reconcile/base/err.h"
#include "reconcile/model/migration.h"

/* Reads the comments before the first statement of m->bytes. Grammar:
 *   "--" blanks "sluice:" item { blanks item }      item = key "=" value without blanks
 *   verify= takes the rest of its line.
 * ERR_TERMINAL InvalidMigration "path:line:column: ..." for anything unknown, repeated or ill-formed.
 * *out is set only on success; directives_done() releases it. */
struct err *directives_parse(const struct migration *m, struct directives *out) ERR_MUST_USE;

/* Is the comment at text[start..end), which begins with "--", a directive? The splitters use this to
 * refuse one behind the first statement, where it would have no effect. */
bool directive_comment(const char *text, size_t start, size_t end);
