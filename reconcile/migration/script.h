/* SPDX-License-Identifier: Apache-2.0 */
/* One file -> classified statements for one engine (flyway.md 5 and 6, reliability.md 4.6-4.7). PURE. */
#pragma once
#include "reconcile/base/err.h"
#include "reconcile/migration/placeholder.h"
#include "reconcile/model/migration.h"

/* Replace, split, classify, decide transactional or not. Refused, ERR_TERMINAL with
 * "path:line:column: ...":
 *   InvalidMigration               unterminated quote, comment, dollar quote, block or parenthesis; COPY
 *                                  without \. ; psql meta-command; mixed transactional and not (offers
 *                                  transaction=none); RELEASE_LOCK, KILL and friends; PREPARE TRANSACTION
 *   TransactionControlInMigration  BEGIN/START TRANSACTION/COMMIT/END/ROLLBACK/ABORT at top level */
struct err *script_parse(enum engine engine, int32_t server_version, const struct migration *m,
                         const struct placeholders *p, struct script *out) ERR_MUST_USE;

/* Where character `position` (from 1, characters not bytes, as PG_DIAG_STATEMENT_POSITION) of
 * statement s is in the source file; position 0: the statement's start. */
void script_locate(const struct script *script, const struct migration *m,
                   const struct statement *s, int position, int *line, int *column);
