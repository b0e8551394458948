/* SPDX-License-Identifier: Apache-2.0 */
/* Names and literals of a statement told apart, by the lexer that splits files. */
#include "reconcile/migration/names.h"
#include "reconcile/migration/cursor.h"

#define NAMES_MAX 2000 /* of one statement: a longer one has names enough */
#define DEPTH_MAX 3

struct reading {
    struct strlist *names, *words;
    bool code; /* its dollar quotes hold code */
};

static void add(struct strlist *list, const char *text, size_t length)
{
    if (list && length > 0 && list->count < NAMES_MAX) {
        strlist_addn(list, text, length);
    }
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

/* A text that was written for people. */
static void add_words(struct strlist *words, const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        size_t end = i;
        while (end < length && (is_letter(text[end]) || text[end] == '-')) {
            end++;
        }
        add(words, text + i, end - i);
        i = end > i ? end : i + 1;
    }
}

static bool is_level(const struct lexer *lx, struct token t)
{
    static const char *const levels[] = {
        "debug", "log", "info", "notice", "warning", "exception"
    };
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (token_is(lx, t, levels[i])) {
            return true;
        }
    }
    return false;
}

static void read_text(const struct reading *r, struct lexer lx, int depth);

/* $tag$ body $tag$ */
static void read_body(const struct reading *r, const struct lexer *lx, struct token t, int depth)
{
    const char *text = lx->text + t.start;
    const char *end = memchr(text + 1, '$', t.end - t.start - 1);
    const size_t tag = end ? (size_t)(end - text) + 1 : 0;
    if (text[0] != '$' || tag == 0 || t.end - t.start < 2 * tag || depth >= DEPTH_MAX) {
        return;
    }
    struct lexer inner = *lx;
    inner.text = text + tag;
    inner.length = t.end - t.start - 2 * tag;
    inner.pos = 0;
    inner.directive_at = LEXER_NOWHERE;
    read_text(r, inner, depth + 1);
}

/* Quotes and all: "a ""b""". */
static void add_name(const struct reading *r, const struct lexer *lx, struct token t)
{
    if (t.end - t.start > 2) {
        add(r->names, lx->text + t.start + 1, t.end - t.start - 2);
    }
}

static void read_text(const struct reading *r, struct lexer lx, int depth)
{
    bool said = false; /* the next literal is what RAISE or SIGNAL says */
    for (;;) {
        const struct token t = lexer_next(&lx);
        switch (t.kind) {
        case TOKEN_END:
        case TOKEN_ERROR:
            return;
        case TOKEN_WORD:
            if (lexer_is_digit(lx.text[t.start])) {
                said = false;
                break;
            }
            add(r->names, lx.text + t.start, t.end - t.start);
            said = token_is(&lx, t, "raise") || token_is(&lx, t, "message") ||
                   token_is(&lx, t, "message_text") || (said && is_level(&lx, t));
            break;
        case TOKEN_NAME:
            add_name(r, &lx, t);
            said = false;
            break;
        case TOKEN_STRING:
            if (said) {
                add_words(r->words, lx.text + t.start, t.end - t.start);
            } else if (r->code) {
                read_body(r, &lx, t, depth);
            }
            said = false;
            break;
        case TOKEN_SYMBOL:
            said = said && lx.text[t.start] == '=';
            break;
        case TOKEN_NUMBER:
        case TOKEN_DELIMITER:
        case TOKEN_CODE_OPEN:
        case TOKEN_CODE_CLOSE:
            said = false;
            break;
        }
    }
}

/* DO $$...$$, CREATE [OR REPLACE] FUNCTION ... AS $$...$$: elsewhere a dollar quote holds a value. */
static bool has_code(struct lexer lx)
{
    struct token t = lexer_next(&lx);
    if (token_is(&lx, t, "do")) {
        return true;
    }
    const bool create = token_is(&lx, t, "create");
    for (int i = 0; create && i < 3; i++) { /* OR REPLACE */
        t = lexer_next(&lx);
        if (token_is(&lx, t, "function") || token_is(&lx, t, "procedure")) {
            return true;
        }
    }
    return false;
}

void statement_names(const struct identity *server, const struct statement *s,
                     struct strlist *names, struct strlist *words)
{
    struct lexer lx = lexer_make(server->engine, server->server_version, s->text, s->text_length);
    const bool postgresql = server->engine == ENGINE_POSTGRESQL;
    lx.backslash = postgresql ? server->other_strings : !s->quotes.no_backslash;
    lx.ansi_quotes = s->quotes.ansi;
    const struct reading r = { .names = names, .words = words, .code = postgresql && has_code(lx) };
    read_text(&r, lx, 0);
}
