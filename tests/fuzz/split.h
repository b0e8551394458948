/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of both dialects' splitters. The first byte of an input chooses server and settings, the rest is a file. */
#pragma once
#include "fuzz.h"
#include "model/history.h"
#include "model/reason.h"
#include "reconcile/migration/names.h"
#include "reconcile/migration/script.h"
#include "reconcile/migration/split.h"

#define FUZZ_PATH "V1__x.sql"

struct fuzz_settings {
    struct identity server; /* engine and version */
    bool backslash, ansi_quotes;
};

static inline struct migration fuzz_migration(const char *text, size_t length)
{
    return (struct migration){
        .kind = MIGRATION_VERSIONED,
        .script = (char *)(uintptr_t)FUZZ_PATH,
        .path = (char *)(uintptr_t)FUZZ_PATH,
        .bytes = (const uint8_t *)text,
        .size = length,
        .directives = { .lock_timeout_ms = -1, .statement_timeout_ms = -1 },
    };
}

static inline void fuzz_refused_file(struct err *e)
{
    assert(str_eq(e->reason, REASON_INVALID_MIGRATION) ||
           str_eq(e->reason, REASON_TRANSACTION_CONTROL));
    fuzz_refused(e, NULL, FUZZ_PATH ":");
}

/* A statement alone, read as it was read in its file, is one statement with nothing around it. But for MySQL "--" begins a
 * comment where nothing is behind it, and a line DELIMITER inside of one is told by what stands behind it, too. */
static inline void fuzz_check_alone(const struct lexer *lx, const char *text, size_t length)
{
    AUTO(free_auto) char *copy = mem_strndup(text, length);
    const bool comment = length >= 2 && memcmp(text + length - 2, "--", 2) == 0;
    if (lx->engine != ENGINE_POSTGRESQL && (comment || strcasestr(copy, "delimiter"))) {
        return;
    }
    struct script_map map = { 0 };
    const struct script script = {
        .expanded = copy, .expanded_length = length, .map = &map, .map_count = 1
    };
    const struct migration m = fuzz_migration(copy, length);
    struct splitter sp = splitter_make(lx->engine, lx->server_version, &m, &script);
    struct piece piece = { 0 };
    bool more = false;

    sp.c.lx.backslash = lx->backslash;
    sp.c.lx.ansi_quotes = lx->ansi_quotes;
    memcpy(sp.c.lx.delimiter, lx->delimiter, sizeof sp.c.lx.delimiter);
    fuzz_read_again(split_next(&sp, &piece, &more), copy);
    if (!more || piece.code != 0 || piece.end != length || piece.next != length) {
        fprintf(stderr, "another statement: [%zu, %zu) of %zu\n%s\n", piece.code, piece.end, length,
                copy);
        abort();
    }
}

/* Nothing that a server would run: blanks, comments and no more than one delimiter. */
static inline void fuzz_check_between(const struct lexer *lx, size_t start, size_t end)
{
    struct lexer rest = lexer_make(lx->engine, lx->server_version, lx->text, end);
    size_t delimiters = 0;

    rest.backslash = lx->backslash;
    rest.pos = start;
    for (struct token tok = lexer_next(&rest); tok.kind != TOKEN_END; tok = lexer_next(&rest)) {
        assert(token_is_symbol(&rest, tok, ';') && ++delimiters == 1);
    }
}

/* Pieces lie end to end and cover the text. False: there is an error in it. */
static inline void fuzz_check_pieces(const struct fuzz_settings *s, const struct migration *m,
                                     const struct script *script)
{
    const size_t length = script->expanded_length;
    struct splitter sp = splitter_make(s->server.engine, s->server.server_version, m, script);
    size_t at = 0;

    sp.c.lx.backslash = s->backslash;
    sp.c.lx.ansi_quotes = s->ansi_quotes;
    for (;;) {
        struct piece p = { 0 };
        bool more = false;
        struct err *e = split_next(&sp, &p, &more);
        if (e) {
            fuzz_refused_file(e);
            return;
        }
        if (!more) {
            break;
        }
        assert(p.begin == at && p.next > at && p.next <= length);
        assert(p.end == 0 || (p.code >= p.begin && p.code < p.end && p.end <= p.next));
        assert(!p.has_copy || (p.end > 0 && p.copy_start >= p.end && p.copy_end >= p.copy_start &&
                               p.copy_end < p.next));
        if (s->server.engine == ENGINE_POSTGRESQL && p.psql_end == 0) {
            const size_t data = p.has_copy ? p.copy_start : p.next;
            fuzz_check_between(&sp.c.lx, p.begin, p.end ? p.code : p.next);
            fuzz_check_between(&sp.c.lx, p.end ? p.end : p.next, data);
        }
        if (p.end > 0 && !p.has_copy) {
            fuzz_check_alone(&sp.c.lx, script->expanded + p.code, p.end - p.code);
        }
        at = p.next;
    }
    assert(at == length);
}

/* Line and column by counting, from 1; a mark of the byte order has no width. */
static inline void fuzz_count(const char *text, size_t offset, int *line, int *column)
{
    *line = *column = 1;
    for (size_t i = str_starts(text, "\xEF\xBB\xBF") ? 3 : 0; i < offset; i++) {
        const bool ends = text[i] == '\n' || (text[i] == '\r' && text[i + 1] != '\n');
        *line += ends;
        *column = ends ? 1 : *column + (((unsigned char)text[i] & 0xC0) != 0x80 && text[i] != '\r');
    }
}

/* What becomes of a file: its statements are ranges of it, in order, and each knows where it stands. */
static inline void fuzz_check_script(const struct fuzz_settings *s, const struct migration *m)
{
    const char *raw = (const char *)m->bytes;
    const struct placeholders none = { .replacement = false };
    struct script script = { 0 };
    struct err *e = script_parse_on(&s->server, m, &none, &script);

    if (e) {
        fuzz_refused_file(e);
        return;
    }
    AUTO(strlist_done) struct strlist names = { 0 };
    AUTO(strlist_done) struct strlist words = { 0 };
    for (size_t i = 0, end = 0; i < script.count; i++) {
        const struct statement *st = script_at(&script, i);
        const bool again = i > 0 && st->source_offset == script_at(&script, i - 1)->source_offset;
        assert(st->source_length > 0 && st->source_offset + st->source_length <= m->size);
        assert(again || st->source_offset >= end); /* a DROP of several is a statement for each */
        assert(st->text_length == strlen(st->text) && st->class != STEP_NONE);
        end = st->source_offset + st->source_length;
        if (s->server.engine == ENGINE_POSTGRESQL) {
            int line = 0, column = 0;
            fuzz_count(raw, st->source_offset, &line, &column);
            assert(!again && st->line == line && st->column == column);
            assert(st->text_length == st->source_length);
            assert(memcmp(st->text, raw + st->source_offset, st->text_length) == 0);
        }
        statement_names(&s->server, st, &names, &words);
    }
    script_done(&script);
}

static inline void fuzz_split(const struct fuzz_settings *s, const uint8_t *data, size_t size)
{
    AUTO(free_auto) char *text = fuzz_text(data, size);
    const struct migration m = fuzz_migration(text, size);
    const struct placeholders none = { .replacement = false };
    AUTO(script_done) struct script script = { 0 };

    struct err *e = placeholders_apply(&m, &none, &script);
    assert(!e);
    fuzz_check_pieces(s, &m, &script);
    fuzz_check_script(s, &m);
}
