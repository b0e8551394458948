/* SPDX-License-Identifier: Apache-2.0 */
/* Reading one statement word by word. */
#include "reconcile/migration/cursor.h"

#include <strings.h>
#include "base/mem.h"

#define PG_NAME_BYTES 63

struct cursor cursor_make(const struct lexer *base, size_t start, size_t end)
{
    struct cursor c = { .lx = *base };

    c.lx.pos = start;
    c.lx.length = end;
    c.lx.in_code = false;
    cursor_next(&c);
    return c;
}

void cursor_next(struct cursor *c)
{
    c->last_end = c->tok.end;
    do {
        c->tok = lexer_next(&c->lx);
    } while (c->tok.kind == TOKEN_CODE_OPEN || c->tok.kind == TOKEN_CODE_CLOSE);
}

bool cursor_at_end(const struct cursor *c)
{
    return c->tok.kind == TOKEN_END || c->tok.kind == TOKEN_ERROR;
}

bool token_is(const struct lexer *lx, struct token tok, const char *word)
{
    /* Most words are told apart by their first letter. */
    if (tok.kind != TOKEN_WORD || (lx->text[tok.start] | 0x20) != (word[0] | 0x20)) {
        return false;
    }
    size_t length = strlen(word);
    return tok.end - tok.start == length && strncasecmp(lx->text + tok.start, word, length) == 0;
}

bool token_is_symbol(const struct lexer *lx, struct token tok, char symbol)
{
    return tok.kind == TOKEN_SYMBOL && lx->text[tok.start] == symbol;
}

bool cursor_is(const struct cursor *c, const char *word)
{
    return token_is(&c->lx, c->tok, word);
}

bool cursor_is_symbol(const struct cursor *c, char symbol)
{
    return token_is_symbol(&c->lx, c->tok, symbol);
}

bool cursor_is_one_of(const struct cursor *c, const char *const *words)
{
    for (; *words; words++) {
        if (cursor_is(c, *words)) {
            return true;
        }
    }
    return false;
}

bool cursor_take(struct cursor *c, const char *word)
{
    if (!cursor_is(c, word)) {
        return false;
    }
    cursor_next(c);
    return true;
}

bool cursor_take_symbol(struct cursor *c, char symbol)
{
    if (!cursor_is_symbol(c, symbol)) {
        return false;
    }
    cursor_next(c);
    return true;
}

bool cursor_take_all(struct cursor *c, const char *words)
{
    struct cursor ahead = *c;

    while (*words) {
        size_t length = strcspn(words, " ");
        if (ahead.tok.kind != TOKEN_WORD || ahead.tok.end - ahead.tok.start != length ||
            strncasecmp(ahead.lx.text + ahead.tok.start, words, length) != 0) {
            return false;
        }
        cursor_next(&ahead);
        words += length;
        words += *words == ' ';
    }
    *c = ahead;
    return true;
}

void cursor_skip_parens(struct cursor *c)
{
    size_t depth = 0;

    do {
        if (cursor_is_symbol(c, '(')) {
            depth++;
        } else if (cursor_is_symbol(c, ')')) {
            depth--;
        }
        cursor_next(c);
    } while (depth > 0 && !cursor_at_end(c));
}

static char *unquote(const char *text, size_t length)
{
    char *out = mem_alloc(length + 1);
    char quote = text[0];
    size_t used = 0;

    for (size_t i = 1; i + 1 < length; i++) {
        out[used++] = text[i];
        if (text[i] == quote) {
            i++;
        }
    }
    return out;
}

/* The current token as a name; NULL: it is none. */
static char *part(const struct cursor *c)
{
    const char *text = c->lx.text + c->tok.start;
    size_t length = c->tok.end - c->tok.start;
    bool pg = c->lx.engine == ENGINE_POSTGRESQL;
    char *name = NULL;

    if (c->tok.kind == TOKEN_NAME && (text[0] == '"' || text[0] == '`')) {
        name = unquote(text, length);
    } else if (c->tok.kind == TOKEN_WORD) {
        char *raw = mem_strndup(text, length);
        name = pg ? str_lower(raw) : mem_strdup(raw);
        free(raw);
    }
    if (name && pg) {
        name[str_utf8_cut(name, strlen(name), PG_NAME_BYTES)] = '\0';
    }
    return name;
}

bool cursor_name(struct cursor *c, const char *type, struct object_ref *out)
{
    char *schema = NULL;
    char *name = part(c);
    const size_t start = c->tok.start;
    size_t end = c->tok.end;

    if (!name) {
        return false;
    }
    cursor_next(c);
    while (cursor_is_symbol(c, '.')) {
        cursor_next(c);
        char *next = part(c);
        if (!next) {
            free(schema);
            free(name);
            return false;
        }
        free(schema);
        schema = name;
        name = next;
        end = c->tok.end;
        cursor_next(c);
    }
    *out = (struct object_ref){
        .type = mem_strdup(type),
        .schema = schema ? schema : mem_strdup(""),
        .name = name,
        .start = start,
        .end = end,
    };
    return true;
}

/* The statement keeps no capacity: it is full at 0 and at the powers of two from 8 on. */
static void objects_add(struct statement *s, struct object_ref ref)
{
    size_t n = s->object_count;

    if (n == 0 || (n >= 8 && (n & (n - 1)) == 0)) {
        size_t cap = n;
        s->objects = mem_grow(s->objects, &cap, n + 1, sizeof *s->objects);
    }
    s->objects[s->object_count++] = ref;
}

bool cursor_object(struct cursor *c, const char *type, bool is_new, struct statement *s)
{
    struct object_ref ref = { 0 };

    if (!cursor_name(c, type, &ref)) {
        return false;
    }
    ref.is_new = is_new;
    objects_add(s, ref);
    return true;
}
