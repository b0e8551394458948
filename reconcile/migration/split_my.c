/* SPDX-License-Identifier: Apache-2.0 */
/* MySQL and MariaDB: statements end at the delimiter in force; ';' ends none inside parentheses, a
 * conditional comment or the body of a stored program. */
#include "reconcile/migration/block_my.h"
#include "reconcile/migration/placeholder.h"
#include "reconcile/migration/split.h"

#define DELIMITER_WORD "delimiter"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\f' || c == '\v';
}

static char char_at(const struct lexer *lx, size_t at)
{
    return at < lx->length ? lx->text[at] : '\0';
}

/* DELIMITER is the client's own command; "DELIMITER$$" is one too. */
static bool is_delimiter_word(const struct lexer *lx, struct token tok)
{
    size_t length = strlen(DELIMITER_WORD);
    size_t behind = tok.start + length;

    if (tok.kind != TOKEN_WORD || lx->length - tok.start < length ||
        strncasecmp(lx->text + tok.start, DELIMITER_WORD, length) != 0) {
        return false;
    }
    char c = char_at(lx, behind);
    return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || lexer_is_digit(c) ||
             (unsigned char)c >= 0x80);
}

/* The first word of the line's rest, or of the next line that has one. */
static struct err *read_delimiter(struct splitter *sp)
{
    struct lexer *lx = &sp->c.lx;
    size_t word = sp->c.tok.start;
    size_t start = word + strlen(DELIMITER_WORD);

    while (start < lx->length && strchr(" \t\r\n", lx->text[start])) {
        start++;
    }
    size_t end = start;
    while (end < lx->length && !strchr(" \t\r\n", lx->text[end])) {
        end++;
    }
    size_t length = end - start;
    if (length == 0 || length >= sizeof lx->delimiter) {
        return SPLIT_ERR(sp, word, "DELIMITER must be followed by at most %zu characters",
                         sizeof lx->delimiter - 1);
    }
    for (size_t i = start; i < end; i++) {
        if (strchr("\\'\"`", lx->text[i])) {
            return SPLIT_ERR(sp, i, "a delimiter may not contain quotes or a backslash");
        }
    }
    memset(lx->delimiter, 0, sizeof lx->delimiter);
    if (length != 1 || lx->text[start] != ';') {
        memcpy(lx->delimiter, lx->text + start, length);
    }
    lx->pos = lexer_line_end(lx, end);
    return NULL;
}

/* DELIMITER at the start of a line inside a statement means that the statement's own end is missing.
 * A column may have that name, so what follows must look like a delimiter. */
static struct err *check_forgotten_end(struct splitter *sp, const struct piece *out)
{
    const struct lexer *lx = &sp->c.lx;
    size_t line = sp->c.tok.start;
    while (line > 0 && is_blank(lx->text[line - 1])) {
        line--;
    }
    if (line == 0 || (lx->text[line - 1] != '\n' && lx->text[line - 1] != '\r')) {
        return NULL;
    }
    size_t at = sp->c.tok.start + strlen(DELIMITER_WORD);
    while (is_blank(char_at(lx, at))) {
        at++;
    }
    size_t end = at;
    while (end < lx->length && strchr("/$;|&!@#%^~:", lx->text[end])) {
        end++;
    }
    size_t rest = end;
    while (is_blank(char_at(lx, rest))) {
        rest++;
    }
    bool line_ends = rest >= lx->length || lx->text[rest] == '\n' || lx->text[rest] == '\r';
    bool is_own_end = lx->delimiter[0] == '\0' && char_at(lx, at) == ';';
    if (end == at || !line_ends || is_own_end) {
        return NULL;
    }
    struct position begin = position_find((const char *)migration_bytes(sp->m), sp->m->size,
                                          script_map_source(sp->script, out->code, false));
    return SPLIT_ERR(sp, sp->c.tok.start,
                     "DELIMITER inside the statement of line %d: end that with %s first",
                     begin.line, lx->delimiter[0] ? lx->delimiter : ";");
}

static struct err *check_token(struct splitter *sp, const struct piece *out)
{
    const struct lexer *lx = &sp->c.lx;
    struct token tok = sp->c.tok;

    if (tok.kind == TOKEN_ERROR) {
        return SPLIT_ERR(sp, lx->problem_at, "%s", lx->problem);
    }
    if (out->end > 0 && is_delimiter_word(lx, tok)) {
        return check_forgotten_end(sp, out);
    }
    if (out->end == 0 && token_is_symbol(lx, tok, '-') && char_at(lx, tok.start + 1) == '-') {
        return SPLIT_ERR(sp, tok.start, "-- needs a blank behind it to begin a comment here");
    }
    return NULL;
}

static struct err *check_complete(struct splitter *sp, const struct blocks *b, size_t parens_at)
{
    if (b->parens > 0) {
        return SPLIT_ERR(sp, parens_at, "the parenthesis that opens here is never closed");
    }
    if (b->depth > 0) {
        const char *what = b->stack[b->depth - 1] == 'C' ? "CASE" : "block";
        return SPLIT_ERR(sp, b->opened_at[b->depth - 1], "the %s that begins here has no END",
                         what);
    }
    return NULL;
}

static bool ends_statement(const struct lexer *lx, struct token tok, const struct blocks *b)
{
    if (tok.kind == TOKEN_END) {
        return true;
    }
    if (tok.kind != TOKEN_DELIMITER || lx->in_code) {
        return false;
    }
    return lx->delimiter[0] || (b->parens == 0 && b->depth == 0);
}

/* With a delimiter of its own the file says where a program ends. */
static struct err *see_token(struct splitter *sp, struct blocks *b, size_t *parens_at)
{
    const struct lexer *lx = &sp->c.lx;
    struct token tok = sp->c.tok;

    if (tok.kind == TOKEN_CODE_OPEN || tok.kind == TOKEN_CODE_CLOSE) {
        return NULL;
    }
    if (b->parens == 0 && token_is_symbol(lx, tok, '(')) {
        *parens_at = tok.start;
    }
    if (lx->delimiter[0]) {
        b->mode = BLOCKS_NONE;
    }
    if (!blocks_see(b, lx, tok)) {
        return SPLIT_ERR(sp, tok.start, "blocks are nested deeper than %d", BLOCK_DEPTH);
    }
    return NULL;
}

struct err *split_next_my(struct splitter *sp, struct piece *out)
{
    struct blocks blocks = { 0 };
    struct blocks *b = &blocks;
    size_t parens_at = 0;

    for (;;) {
        sp->c.tok = lexer_next(&sp->c.lx);
        struct token tok = sp->c.tok;
        TRY(split_check_directive(sp, tok.kind != TOKEN_END && tok.kind != TOKEN_ERROR));
        TRY(check_token(sp, out));
        if (out->end == 0 && is_delimiter_word(&sp->c.lx, tok)) {
            TRY(read_delimiter(sp));
            continue;
        }
        if (ends_statement(&sp->c.lx, tok, b)) {
            break;
        }
        if (out->end == 0) {
            out->code = tok.start;
        }
        out->end = tok.end;
        TRY(see_token(sp, b, &parens_at));
    }
    return check_complete(sp, b, parens_at);
}
