/* SPDX-License-Identifier: Apache-2.0 */
/* MySQL's and MariaDB's tokens: '#' and "-- " comments that do not nest, conditional comments that
 * are code, back quotes, and the delimiter of the file. */
#include "reconcile/migration/directive.h"
#include "reconcile/migration/lexer.h"

#define NEWEST_SERVER                                                                              \
    899999 /* assumed when the version is unknown; 999999 means "never" in dumps */

static char peek(const struct lexer *lx, size_t at)
{
    return at < lx->length ? lx->text[at] : '\0';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' ||
           lexer_is_digit(c) || (unsigned char)c >= 0x80;
}

/* The delimiter that DELIMITER set stands at `at`. One made of letters is a word of its own. */
static bool at_delimiter(const struct lexer *lx, size_t at)
{
    if (lx->delimiter[0] == '\0' || lx->text[at] != lx->delimiter[0]) {
        return false;
    }
    size_t length = strlen(lx->delimiter);
    if (lx->length - at < length || memcmp(lx->text + at, lx->delimiter, length) != 0) {
        return false;
    }
    char first = lx->delimiter[0];
    char last = lx->delimiter[length - 1];
    bool joined_left =
        is_name_char(first) && first != '$' && at > 0 && is_name_char(lx->text[at - 1]);
    bool joined_right = is_name_char(last) && last != '$' && is_name_char(peek(lx, at + length));
    return !joined_left && !joined_right;
}

/* Is the conditional comment at `at` run by this server? *body: behind its head. Both servers take
 * five or six digits; MariaDB passes over the versions that only MySQL has had. */
static bool is_code(const struct lexer *lx, size_t at, size_t *body)
{
    bool mariadb_only = peek(lx, at + 2) == 'M' && peek(lx, at + 3) == '!';
    size_t digits = at + (mariadb_only ? 4 : 3);
    size_t end = digits;
    int32_t version = 0;

    while (end < digits + 6 && lexer_is_digit(peek(lx, end))) {
        version = version * 10 + (peek(lx, end) - '0');
        end++;
    }
    if (end - digits < 5) {
        end = digits;
        version = 0;
    }
    *body = end;
    bool mariadb = lx->engine == ENGINE_MARIADB;
    if (mariadb_only && !mariadb) {
        return false;
    }
    if (mariadb && !mariadb_only && version >= 50700 && version <= 99999) {
        return false;
    }
    return version <= (lx->server_version > 0 ? lx->server_version : NEWEST_SERVER);
}

static bool is_conditional(const struct lexer *lx, size_t at)
{
    char c = peek(lx, at + 2);

    return c == '!' || (c == 'M' && peek(lx, at + 3) == '!');
}

static bool is_dash_comment(const struct lexer *lx, size_t at)
{
    char after = peek(lx, at + 2);

    return peek(lx, at) == '-' && peek(lx, at + 1) == '-' &&
           (at + 2 >= lx->length || is_space(after) || (unsigned char)after < 0x20);
}

static void note_directive(struct lexer *lx, size_t end)
{
    if (lx->directive_at == LEXER_NOWHERE && directive_comment(lx->text, lx->pos, end)) {
        lx->directive_at = lx->pos;
    }
}

/* Over blanks, comments and code that this server passes over. False: a comment without an end. */
static bool skip_blank(struct lexer *lx)
{
    while (lx->pos < lx->length && !at_delimiter(lx, lx->pos)) {
        size_t body = 0;
        if (is_space(lx->text[lx->pos])) {
            lx->pos++;
        } else if (lx->text[lx->pos] == '#') {
            lx->pos = lexer_line_end(lx, lx->pos);
        } else if (is_dash_comment(lx, lx->pos)) {
            size_t end = lexer_line_end(lx, lx->pos);
            note_directive(lx, end);
            lx->pos = end;
        } else if (lx->text[lx->pos] == '/' && peek(lx, lx->pos + 1) == '*' &&
                   !(is_conditional(lx, lx->pos) && is_code(lx, lx->pos, &body))) {
            const char *from = lx->text + lx->pos + 2;
            size_t left = lx->length - lx->pos - 2;
            const char *close = memmem(from, left, "*/", 2);
            if (!close) {
                (void)lexer_fail(lx, lx->pos, "the comment that begins here has no */");
                return false;
            }
            lx->pos = (size_t)(close - lx->text) + 2;
        } else {
            break;
        }
    }
    return true;
}

static struct token take(struct lexer *lx, enum token_kind kind, size_t end)
{
    struct token tok = { kind, lx->pos, end };

    lx->pos = end;
    return tok;
}

static struct token lex_quoted(struct lexer *lx)
{
    char quote = lx->text[lx->pos];
    bool name = quote == '`' || (quote == '"' && lx->ansi_quotes);
    size_t end = lexer_quoted_end(lx, lx->pos, quote, lx->backslash && !name);

    if (end == 0) {
        return lexer_fail(lx, lx->pos,
                          name ? "the quoted name that begins here has no closing quote"
                               : "the string that begins here has no closing quote");
    }
    return take(lx, name ? TOKEN_NAME : TOKEN_STRING, end);
}

static struct token lex_word(struct lexer *lx)
{
    size_t end = lx->pos;
    bool number = true;

    while (end < lx->length && is_name_char(lx->text[end]) &&
           (end == lx->pos || !at_delimiter(lx, end))) {
        number = number && lexer_is_digit(lx->text[end]);
        end++;
    }
    return take(lx, number ? TOKEN_NUMBER : TOKEN_WORD, end);
}

struct token lexer_next_my(struct lexer *lx)
{
    if (!skip_blank(lx)) {
        return (struct token){ TOKEN_ERROR, lx->problem_at, lx->length };
    }
    if (lx->pos >= lx->length) {
        return lx->in_code ? lexer_fail(lx, lx->code_at, "the comment that begins here has no */")
                           : take(lx, TOKEN_END, lx->length);
    }
    char c = lx->text[lx->pos];
    size_t body = 0;
    if (at_delimiter(lx, lx->pos)) {
        return take(lx, TOKEN_DELIMITER, lx->pos + strlen(lx->delimiter));
    }
    if (c == ';' && lx->delimiter[0] == '\0') {
        return take(lx, TOKEN_DELIMITER, lx->pos + 1);
    }
    if (c == '/' && peek(lx, lx->pos + 1) == '*') {
        (void)is_code(lx, lx->pos, &body); /* skip_blank() stops only at code */
        lx->in_code = true;
        lx->code_at = lx->pos;
        return take(lx, TOKEN_CODE_OPEN, body);
    }
    if (c == '*' && lx->in_code && peek(lx, lx->pos + 1) == '/') {
        lx->in_code = false;
        return take(lx, TOKEN_CODE_CLOSE, lx->pos + 2);
    }
    if (c == '\'' || c == '"' || c == '`') {
        return lex_quoted(lx);
    }
    return is_name_char(c) ? lex_word(lx) : take(lx, TOKEN_SYMBOL, lx->pos + 1);
}
