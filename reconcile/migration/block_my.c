/* SPDX-License-Identifier: Apache-2.0 */
/* Block structure of stored programs, as far as a splitter needs it. */
#include "reconcile/migration/block_my.h"

#include "reconcile/migration/cursor.h"

#define HEAD_TOKENS 24 /* a DEFINER clause and everything before it fit */

static const char *const program_words[] = { "PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", NULL };
static const char *const other_objects[] = { "TABLE",    "TEMPORARY",  "VIEW",    "INDEX",
                                             "UNIQUE",   "FULLTEXT",   "SPATIAL", "DATABASE",
                                             "SCHEMA",   "USER",       "ROLE",    "SERVER",
                                             "SEQUENCE", "TABLESPACE", NULL };
static const char *const compounds[] = { "IF", "LOOP", "WHILE", "REPEAT", "FOR", NULL };
/* Words behind which a statement begins. */
static const char *const openers[] = { "BEGIN", "THEN", "ELSE", "DO", "LOOP", "REPEAT", NULL };
/* Words behind which an expression or a name goes on. */
static const char *const mid_words[] = {
    "SELECT", "BY",       "WHERE",    "AND",    "OR",        "ON",       "SET",
    "FROM",   "JOIN",     "AS",       "INTO",   "DISTINCT",  "HAVING",   "CASE",
    "WHEN",   "IN",       "IS",       "NOT",    "XOR",       "LIKE",     "BETWEEN",
    "RETURN", "UNTIL",    "WHILE",    "IF",     "ELSEIF",    "TABLE",    "VIEW",
    "INDEX",  "COLUMN",   "DATABASE", "SCHEMA", "PROCEDURE", "FUNCTION", "TRIGGER",
    "EVENT",  "SEQUENCE", "USER",     "ROLE",   "END",       NULL
};
/* Words that follow a column called BEGIN, but never the keyword. */
static const char *const after_column[] = { "FROM",   "AS",      "AND",  "OR",    "IS",    "IN",
                                            "LIKE",   "BETWEEN", "DESC", "ASC",   "LIMIT", "THEN",
                                            "WHEN",   "ELSE",    "INTO", "WHERE", "GROUP", "ORDER",
                                            "HAVING", "UNION",   NULL };

static bool word_in(const struct lexer *lx, struct token tok, const char *const *words)
{
    for (; *words; words++) {
        if (token_is(lx, tok, *words)) {
            return true;
        }
    }
    return false;
}

static struct token peek_token(const struct lexer *lx)
{
    struct cursor c = { .lx = *lx };

    cursor_next(&c);
    return c.tok;
}

/* A program is known by the first words; DEFINER=... may stand between. */
static void see_head(struct blocks *b, const struct lexer *lx, struct token tok)
{
    if (b->mode == BLOCKS_HEAD) {
        struct token next = peek_token(lx);
        bool label = token_is_symbol(lx, tok, ':') || token_is_symbol(lx, next, ':');
        if (token_is(lx, tok, "CREATE")) {
            b->mode = BLOCKS_CREATE;
        } else if (token_is(lx, tok, "ALTER")) {
            b->mode = BLOCKS_ALTER;
        } else if (token_is(lx, tok, "BEGIN") && token_is(lx, next, "NOT")) {
            b->mode = BLOCKS_PROGRAM;
        } else if (word_in(lx, tok, compounds) || token_is(lx, tok, "CASE")) {
            b->mode = BLOCKS_PROGRAM;
        } else if (!label) {
            b->mode = BLOCKS_NONE;
        }
        return;
    }
    bool program =
        b->mode == BLOCKS_CREATE ? word_in(lx, tok, program_words) : token_is(lx, tok, "EVENT");
    if (program) {
        b->mode = BLOCKS_PROGRAM;
    } else if (word_in(lx, tok, other_objects) || ++b->head_tokens > HEAD_TOKENS) {
        b->mode = BLOCKS_NONE;
    }
}

static bool is_name_here(const struct blocks *b, const struct lexer *lx)
{
    return token_is_symbol(lx, b->previous, '.') || token_is_symbol(lx, b->previous, '@') ||
           token_is_symbol(lx, b->previous, ',') || token_is(lx, b->previous, "AS");
}

static bool behind_statement(const struct blocks *b, const struct lexer *lx)
{
    return b->previous.kind == TOKEN_DELIMITER || b->previous.kind == TOKEN_END ||
           token_is_symbol(lx, b->previous, ':') || word_in(lx, b->previous, openers);
}

static bool opens_begin(const struct blocks *b, const struct lexer *lx)
{
    struct token next = peek_token(lx);

    if (b->parens > 0 || is_name_here(b, lx) || b->previous.kind == TOKEN_SYMBOL) {
        return token_is_symbol(lx, b->previous, ':') || token_is_symbol(lx, b->previous, ')');
    }
    if (next.kind != TOKEN_WORD && next.kind != TOKEN_NAME && !token_is_symbol(lx, next, '(')) {
        return false;
    }
    bool expression = word_in(lx, b->previous, mid_words) && !word_in(lx, b->previous, openers);
    return !expression && !word_in(lx, next, after_column);
}

/* IF the statement, not the function and not IF EXISTS: THEN comes before the statement ends. */
static bool then_follows(struct blocks *b, const struct lexer *lx)
{
    struct cursor c = { .lx = *lx };
    size_t parens = 0;

    if (lx->pos < b->no_then_before) {
        return false;
    }
    for (;;) {
        cursor_next(&c);
        if (cursor_at_end(&c) || c.tok.kind == TOKEN_DELIMITER) {
            b->no_then_before = c.tok.start;
            return false;
        }
        if (cursor_is_symbol(&c, '(')) {
            parens++;
        } else if (cursor_is_symbol(&c, ')')) {
            parens -= parens > 0;
        } else if (parens == 0 && cursor_is(&c, "THEN")) {
            return true;
        }
    }
}

static bool opens_compound(struct blocks *b, const struct lexer *lx, struct token tok)
{
    bool inside = b->depth > 0 && b->stack[b->depth - 1] != 'I';

    if (inside || b->parens > 0) {
        return false;
    }
    bool place = b->depth > 0 ? behind_statement(b, lx)
                              : !is_name_here(b, lx) && !word_in(lx, b->previous, mid_words);
    if (!place) {
        return false;
    }
    if (token_is(lx, tok, "IF")) {
        return then_follows(b, lx);
    }
    if (token_is(lx, tok, "REPEAT")) {
        return !token_is_symbol(lx, peek_token(lx), '(');
    }
    if (token_is(lx, tok, "FOR")) {
        struct cursor c = { .lx = *lx };
        cursor_next(&c);
        cursor_next(&c);
        return cursor_is(&c, "IN");
    }
    return true;
}

static bool push(struct blocks *b, char kind, size_t at)
{
    if (b->depth == BLOCK_DEPTH) {
        return false;
    }
    b->opened_at[b->depth] = at;
    b->stack[b->depth++] = kind;
    return true;
}

static void see_end(struct blocks *b, const struct lexer *lx)
{
    char top = b->depth > 0 ? b->stack[b->depth - 1] : '\0';

    if (top == '\0' || is_name_here(b, lx)) {
        return;
    }
    if (word_in(lx, peek_token(lx), compounds)) {
        b->depth -= top == 'I';
    } else if (top == 'C') {
        b->depth--;
    } else if (top == 'B' &&
               (b->previous.kind == TOKEN_DELIMITER || token_is(lx, b->previous, "BEGIN") ||
                token_is(lx, b->previous, "ATOMIC"))) {
        b->depth--;
    }
}

static bool see_word(struct blocks *b, const struct lexer *lx, struct token tok)
{
    if (token_is(lx, tok, "END")) {
        see_end(b, lx);
    } else if (token_is(lx, tok, "BEGIN")) {
        return !opens_begin(b, lx) || push(b, 'B', tok.start);
    } else if (token_is(lx, tok, "CASE")) {
        bool opens = !is_name_here(b, lx) || token_is_symbol(lx, b->previous, ',');
        return !opens || token_is(lx, b->previous, "END") || push(b, 'C', tok.start);
    } else if (word_in(lx, tok, compounds) && !token_is(lx, b->previous, "END")) {
        return !opens_compound(b, lx, tok) || push(b, 'I', tok.start);
    }
    return true;
}

bool blocks_see(struct blocks *b, const struct lexer *lx, struct token tok)
{
    bool ok = true;

    if (b->mode != BLOCKS_PROGRAM && b->mode != BLOCKS_NONE) {
        see_head(b, lx, tok);
    }
    if (token_is_symbol(lx, tok, '(')) {
        b->parens++;
    } else if (token_is_symbol(lx, tok, ')')) {
        b->parens -= b->parens > 0;
    } else if (b->mode == BLOCKS_PROGRAM && tok.kind == TOKEN_WORD) {
        ok = see_word(b, lx, tok);
    }
    b->previous = tok;
    return ok;
}
