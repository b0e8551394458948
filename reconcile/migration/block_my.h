/* SPDX-License-Identifier: Apache-2.0 */
/* Where a stored program written without DELIMITER ends. Internal to migration/.
 * BEGIN and CASE are counted everywhere in the body; IF, LOOP, WHILE, REPEAT and FOR only where the
 * body itself is one, for inside a block its END comes first. Keywords that stand as names (t.end,
 * AS end, a column called begin) are told by their neighbours. */
#pragma once
#include "reconcile/migration/lexer.h"

#define BLOCK_DEPTH 256

struct blocks { /* of one statement; zeroed at its start */
    enum {
        BLOCKS_HEAD,
        BLOCKS_CREATE,
        BLOCKS_ALTER,
        BLOCKS_NONE,
        BLOCKS_PROGRAM
    } mode;
    int head_tokens;
    struct token previous; /* TOKEN_END: none yet */
    size_t parens;
    size_t no_then_before; /* no THEN stands in front of this offset: searched already */
    size_t depth;
    char stack[BLOCK_DEPTH]; /* B begin, C case, I any other compound statement */
    size_t opened_at[BLOCK_DEPTH];
};

/* `lx` stands behind `tok`. False: nested deeper than BLOCK_DEPTH. */
bool blocks_see(struct blocks *b, const struct lexer *lx, struct token tok);
