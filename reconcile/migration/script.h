/* SPDX-License-Identifier: Apache-2.0 */
/* One file -> classified statements for one engine (docs/reference/flyway.md 5, docs/explanation/engine.md 4 and 6). PURE.
 *
 * A statement begins at its first character that is neither blank nor comment and ends with its last
 * token: comments before and behind it are not sent. Its sha256 covers that range of the file, with LF for its line
 * ends.
 *
 * PostgreSQL. Inside a transaction everything is class T, SET and RESET are S. What cannot run in one
 * (CREATE/DROP INDEX CONCURRENTLY, VACUUM, CREATE DATABASE, ...) makes the file non-transactional:
 * N, R or X. Such a file may hold S statements beside, nothing else, unless it says transaction=none:
 * then each statement is a step, those that can run in a transaction get one each, and CALL and DO
 * (X), REINDEX and CLUSTER (R) run outside, because only there they may commit.
 *
 * MySQL/MariaDB. S SET USE PREPARE, LOCK/UNLOCK TABLES (to be skipped: a notice says so) · T DML · A DDL of
 * one object, judged by the fingerprints of `objects` · R ANALYZE, OPTIMIZE, GRANT, CREATE OR REPLACE
 * of a view or program, temporary tables, rebuilding ALTERs · X everything else. DROP TABLE, VIEW or
 * SEQUENCE of several objects becomes a statement for each, with the same sha256 and source range, where the server drops
 * them one by one: MariaDB, and MySQL before 8.
 * script->transactional is true when all are T or S. */
#pragma once
#include "base/err.h"
#include "model/migration.h"
#include "reconcile/migration/placeholder.h"

/* Replace, split, classify, decide transactional or not. server_version as the server counts
 * (150020, 101119, 80036); 0: unknown, taken as new. Refused, ERR_TERMINAL with "path:line:column: ...":
 *   InvalidMigration               unterminated quote, comment, dollar quote, block or parenthesis; COPY
 *                                  without \. ; psql meta-command; a directive behind the head; mixed
 *                                  transactional and not (offers transaction=none); RELEASE_LOCK, KILL,
 *                                  DISCARD ALL and friends; PREPARE TRANSACTION; XA
 *   TransactionControlInMigration  BEGIN/START TRANSACTION/COMMIT/END/ROLLBACK/ABORT at top level,
 *                                  SET autocommit, where what was one transaction would not stay one */
struct err *script_parse(enum engine engine, int32_t server_version, const struct migration *m,
                         const struct placeholders *p, struct script *out) ERR_MUST_USE;

/* The same as the session of a file begins on that server: its version and its settings of quotes and strings. */
struct identity;
struct err *script_parse_on(const struct identity *server, const struct migration *m,
                            const struct placeholders *p, struct script *out) ERR_MUST_USE;

#define SCRIPT_DIVIDES                                                                             \
    "a statement that is recorded by itself, in one transaction with other changes: if one of "    \
    "them failed, the others would stay; write COMMIT and START TRANSACTION where they may be "    \
    "parted, or make it a file of its own"

/* The same with a statement for each object of such a DROP on every server, as earlier versions have counted steps. */
struct err *script_parse_split(const struct identity *server, const struct migration *m,
                               const struct placeholders *p, struct script *out) ERR_MUST_USE;

/* MariaDB/MySQL: what the server would take back together must not be recorded in parts. Looks at the blocks of the
 * statements [from, to) that are not complete (NULL: none is); a block's changes must stand in one group, or in one
 * statement, with nothing behind that is recorded by itself. NULL, or the statement that is. */
const struct statement *script_divides(const struct script *script, const bool *complete,
                                       size_t from, size_t to);

/* A digest of the SETs and USEs that stand above statement `index` (from 0), line ends aside; "": there are none. */
const char *script_session(const struct script *script, size_t index);

/* Is the digest that a journal keeps this statement's, line ends aside? Of a script of the file that lives. */
bool statement_was(const struct statement *s, const struct migration *m, const char *sha256_hex);

/* The statement's text with others in the place of pieces [start, end) of it, which follow each other. Owned; NULL: they
 * do not, or reach beyond it. */
struct text_edit {
    size_t start, end;
    const char *text;
};
char *script_edited(const struct statement *s, const struct text_edit *edits, size_t count);

/* Where character `position` (from 1, characters not bytes, as PG_DIAG_STATEMENT_POSITION) of
 * statement s is in the source file; position 0: the statement's start. */
void script_locate(const struct script *script, const struct migration *m,
                   const struct statement *s, int position, int *line, int *column);
