/* SPDX-License-Identifier: Apache-2.0 */
/* A file's text cut into pieces, one statement each (docs/reference/flyway.md 5). Internal to migration/.
 * The pieces lie end to end and cover the text; between statements there are only blanks, comments,
 * delimiters, DELIMITER lines and COPY data. The lexer's settings are the caller's to change between
 * two pieces, as a SET in the file changes them on the server. */
#pragma once
#include "base/err.h"
#include "reconcile/migration/cursor.h"
#include "reconcile/migration/position.h"

struct splitter {
    struct cursor c;             /* c.lx is where the text goes on */
    const struct migration *m;   /* for messages */
    const struct script *script; /* text and map */
    bool seen_code;              /* a statement has begun: the head of the file is over */
};

struct piece {
    size_t begin, next; /* the piece is [begin, next) */
    size_t code, end;   /* the statement is [code, end); empty: there is none */
    bool has_copy;
    size_t copy_start, copy_end; /* lines of COPY data, without the "\." */
    size_t psql, psql_end;       /* pg_dump's \restrict or \unrestrict in front; empty: none */
};

struct splitter splitter_make(enum engine engine, int32_t server_version, const struct migration *m,
                              const struct script *script);
/* *more false: the text is used up and *out is not set. ERR_TERMINAL InvalidMigration with place. */
struct err *split_next(struct splitter *sp, struct piece *out, bool *more) ERR_MUST_USE;

struct err *split_next_pg(struct splitter *sp, struct piece *out) ERR_MUST_USE;
struct err *split_next_my(struct splitter *sp, struct piece *out) ERR_MUST_USE;
/* After each token: a directive behind the head is refused. `code`: the token is code. */
struct err *split_check_directive(struct splitter *sp, bool code) ERR_MUST_USE;

/* ERR_AT for a byte of the expanded text. */
#define ERR_AT_EXPANDED(m_, script_, offset, reason, fmt, ...)                                     \
    ERR_AT(m_, script_map_source((script_), (offset), false), reason, fmt, ##__VA_ARGS__)
#define SPLIT_ERR(sp, offset, fmt, ...)                                                            \
    ERR_AT_EXPANDED((sp)->m, (sp)->script, offset, REASON_INVALID_MIGRATION, fmt, ##__VA_ARGS__)
