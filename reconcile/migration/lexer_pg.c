/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL's tokens: nested comments, E'' strings with their continuations, dollar quotes. */
#include "reconcile/migration/directive.h"
#include "reconcile/migration/lexer.h"

static char peek(const struct lexer *lx, size_t at)
{
    return at < lx->length ? lx->text[at] : '\0';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static bool is_newline(char c)
{
    return c == '\n' || c == '\r';
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

/* Behind the block comment at `at`, nested ones included; 0: no end. */
static size_t comment_end(const struct lexer *lx, size_t at)
{
    size_t depth = 0;

    for (size_t i = at; i + 1 < lx->length; i++) {
        if (lx->text[i] == '/' && lx->text[i + 1] == '*') {
            depth++;
            i++;
        } else if (lx->text[i] == '*' && lx->text[i + 1] == '/') {
            i++;
            if (--depth == 0) {
                return i + 1;
            }
        }
    }
    return 0;
}

/* Over blanks and comments. False: a comment without an end. */
static bool skip_blank(struct lexer *lx)
{
    while (lx->pos < lx->length) {
        char c = lx->text[lx->pos];
        if (is_space(c)) {
            lx->pos++;
        } else if (c == '-' && peek(lx, lx->pos + 1) == '-') {
            size_t end = lexer_line_end(lx, lx->pos);
            if (lx->directive_at == LEXER_NOWHERE && directive_comment(lx->text, lx->pos, end)) {
                lx->directive_at = lx->pos;
            }
            lx->pos = end;
        } else if (c == '/' && peek(lx, lx->pos + 1) == '*') {
            size_t end = comment_end(lx, lx->pos);
            if (end == 0) {
                (void)lexer_fail(lx, lx->pos, "the comment that begins here has no */");
                return false;
            }
            lx->pos = end;
        } else {
            break;
        }
    }
    return true;
}

/* A quoted text that goes on behind blanks with a line break ('a' <newline> 'b') keeps its escapes.
 * The opening quote of the next part, or 0. */
static size_t continuation(const struct lexer *lx, size_t at)
{
    bool newline = false;

    while (at < lx->length) {
        if (is_space(lx->text[at])) {
            newline = newline || is_newline(lx->text[at]);
            at++;
        } else if (lx->text[at] == '-' && peek(lx, at + 1) == '-') {
            at = lexer_line_end(lx, at);
        } else {
            break;
        }
    }
    return newline && peek(lx, at) == '\'' ? at : 0;
}

/* The literal that begins at `start` with its first quote at `quote`. */
static struct token lex_string(struct lexer *lx, size_t start, size_t quote, bool backslash)
{
    size_t end = 0;

    do {
        end = lexer_quoted_end(lx, quote, '\'', backslash);
        if (end == 0) {
            return lexer_fail(lx, start, "the string that begins here has no closing quote");
        }
        quote = backslash ? continuation(lx, end) : 0;
    } while (quote);
    lx->pos = end;
    return (struct token){ TOKEN_STRING, start, end };
}

static struct token lex_name(struct lexer *lx, size_t start, size_t quote)
{
    size_t end = lexer_quoted_end(lx, quote, '"', false);

    if (end == 0) {
        return lexer_fail(lx, start, "the quoted name that begins here has no closing quote");
    }
    lx->pos = end;
    return (struct token){ TOKEN_NAME, start, end };
}

/* "$tag$ ... $tag$", "$1", or a lone dollar. */
static struct token lex_dollar(struct lexer *lx, size_t start)
{
    size_t at = start + 1;

    if (lexer_is_digit(peek(lx, at))) {
        while (lexer_is_digit(peek(lx, at))) {
            at++;
        }
        lx->pos = at;
        return (struct token){ TOKEN_NUMBER, start, at };
    }
    if (is_name_start(peek(lx, at))) {
        while (is_name_start(peek(lx, at)) || lexer_is_digit(peek(lx, at))) {
            at++;
        }
    }
    if (peek(lx, at) != '$') {
        lx->pos = start + 1;
        return (struct token){ TOKEN_SYMBOL, start, start + 1 };
    }
    size_t tag = at + 1 - start;
    const char *body = lx->text + start + tag;
    const char *close = memmem(body, lx->length - start - tag, lx->text + start, tag);
    if (!close) {
        return lexer_fail(lx, start, "the dollar quote that begins here has no end");
    }
    lx->pos = (size_t)(close - lx->text) + tag;
    return (struct token){ TOKEN_STRING, start, lx->pos };
}

/* A word, or the prefix of a literal: E'' B'' X'' N'' U&'' U&"". */
static struct token lex_word(struct lexer *lx, size_t start)
{
    char first = (char)(lx->text[start] | 0x20);
    char next = peek(lx, start + 1);

    if (next == '\'' && first == 'e') {
        return lex_string(lx, start, start + 1, true);
    }
    if (next == '\'' && (first == 'b' || first == 'x')) {
        return lex_string(lx, start, start + 1, false);
    }
    if (next == '\'' && first == 'n') {
        return lex_string(lx, start, start + 1, lx->backslash);
    }
    if (first == 'u' && next == '&' && peek(lx, start + 2) == '\'') {
        return lex_string(lx, start, start + 2, false);
    }
    if (first == 'u' && next == '&' && peek(lx, start + 2) == '"') {
        return lex_name(lx, start, start + 2);
    }
    size_t end = start + 1;
    while (is_name_start(peek(lx, end)) || lexer_is_digit(peek(lx, end)) || peek(lx, end) == '$') {
        end++;
    }
    lx->pos = end;
    return (struct token){ TOKEN_WORD, start, end };
}

static struct token lex_number(struct lexer *lx, size_t start)
{
    size_t end = start;

    while (lexer_is_digit(peek(lx, end)) || peek(lx, end) == '.') {
        end++;
    }
    lx->pos = end;
    return (struct token){ TOKEN_NUMBER, start, end };
}

struct token lexer_next_pg(struct lexer *lx)
{
    if (!skip_blank(lx)) {
        return (struct token){ TOKEN_ERROR, lx->problem_at, lx->length };
    }
    size_t start = lx->pos;
    if (start >= lx->length) {
        return (struct token){ TOKEN_END, lx->length, lx->length };
    }
    char c = lx->text[start];
    if (c == '\'') {
        return lex_string(lx, start, start, lx->backslash);
    }
    if (c == '"') {
        return lex_name(lx, start, start);
    }
    if (c == '$') {
        return lex_dollar(lx, start);
    }
    if (is_name_start(c)) {
        return lex_word(lx, start);
    }
    if (lexer_is_digit(c)) {
        return lex_number(lx, start);
    }
    lx->pos = start + 1;
    return (struct token){ TOKEN_SYMBOL, start, start + 1 };
}
