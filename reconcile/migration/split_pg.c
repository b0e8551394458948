/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL: statements end at ';' outside parentheses and BEGIN ATOMIC bodies; COPY data follows. */
#include "reconcile/migration/cursor.h"
#include "reconcile/migration/placeholder.h"
#include "reconcile/migration/split.h"

struct state {              /* of the statement being read */
    const struct cursor *c; /* the splitter's */
    struct token previous;  /* TOKEN_END: none yet */
    int words;              /* leading words counted up to 8 */
    bool create, routine;   /* CREATE [OR REPLACE] FUNCTION|PROCEDURE */
    bool copy, copy_stdin;
    size_t parens, parens_at;
    size_t atomic, atomic_at; /* depth of BEGIN ATOMIC and the CASEs in it */
};

static bool previous_is(const struct state *st, const char *word)
{
    return token_is(&st->c->lx, st->previous, word);
}

/* A keyword that is a name here: "t.end", "AS end". */
static bool is_label(const struct state *st)
{
    return token_is_symbol(&st->c->lx, st->previous, '.') || previous_is(st, "AS");
}

static void see_atomic(struct state *st)
{
    if (st->atomic == 0) {
        if (st->routine && st->parens == 0 && cursor_is(st->c, "ATOMIC") &&
            previous_is(st, "BEGIN")) {
            st->atomic = 1;
            st->atomic_at = st->previous.start;
        }
    } else if (cursor_is(st->c, "CASE") && !is_label(st)) {
        st->atomic++;
    } else if (cursor_is(st->c, "END") && !is_label(st)) {
        st->atomic--;
    }
}

static struct err *see_copy(struct splitter *sp, struct state *st)
{
    if (!st->copy || st->parens > 0) {
        return NULL;
    }
    bool stream = cursor_is(st->c, "STDIN") || cursor_is(st->c, "STDOUT");
    if (stream && previous_is(st, "FROM")) {
        st->copy_stdin = true;
    } else if (stream && previous_is(st, "TO")) {
        return SPLIT_ERR(sp, st->c->tok.start,
                         "COPY ... TO STDOUT has no reader in a migration: remove it");
    }
    return NULL;
}

static struct err *see_word(struct splitter *sp, struct state *st)
{
    if (st->words < 8) {
        if (st->words == 0) {
            st->create = cursor_is(st->c, "CREATE");
            st->copy = cursor_is(st->c, "COPY");
        } else if (st->create && st->words < 4) {
            st->routine =
                st->routine || cursor_is(st->c, "FUNCTION") || cursor_is(st->c, "PROCEDURE");
        }
        st->words++;
    }
    see_atomic(st);
    return see_copy(sp, st);
}

static struct err *see_symbol(struct splitter *sp, struct state *st)
{
    if (cursor_is_symbol(st->c, '(')) {
        if (st->parens++ == 0) {
            st->parens_at = st->c->tok.start;
        }
    } else if (cursor_is_symbol(st->c, ')')) {
        st->parens -= st->parens > 0;
    } else if (cursor_is_symbol(st->c, '\\')) {
        size_t at = st->c->tok.start;
        size_t end = at + 1;
        while (end < sp->c.lx.length && end < at + 20 &&
               strchr(" \t\r\n", sp->c.lx.text[end]) == NULL) {
            end++;
        }
        return SPLIT_ERR(sp, at, "psql's %.*s is not SQL: remove it", (int)(end - at),
                         sp->c.lx.text + at);
    }
    return NULL;
}

static struct err *check_complete(struct splitter *sp, const struct state *st)
{
    if (st->parens > 0) {
        return SPLIT_ERR(sp, st->parens_at, "the parenthesis that opens here is never closed");
    }
    if (st->atomic > 0) {
        return SPLIT_ERR(sp, st->atomic_at, "the BEGIN ATOMIC that begins here has no END");
    }
    return NULL;
}

static bool is_end_of_data(const struct lexer *lx, size_t start, size_t end)
{
    while (start < end && (lx->text[start] == ' ' || lx->text[start] == '\t')) {
        start++;
    }
    while (end > start && (lx->text[end - 1] == ' ' || lx->text[end - 1] == '\t')) {
        end--;
    }
    return end - start == 2 && lx->text[start] == '\\' && lx->text[start + 1] == '.';
}

static size_t next_line(const struct lexer *lx, size_t end)
{
    if (end + 1 < lx->length && lx->text[end] == '\r' && lx->text[end + 1] == '\n') {
        return end + 2;
    }
    return end < lx->length ? end + 1 : end;
}

/* The lines behind "COPY ... FROM STDIN;" up to "\." are data. */
static struct err *read_copy(struct splitter *sp, struct piece *out)
{
    struct lexer *lx = &sp->c.lx;
    size_t end = lexer_line_end(lx, lx->pos);

    for (size_t i = lx->pos; i < end; i++) {
        if (lx->text[i] == '-' && i + 1 < end && lx->text[i + 1] == '-') {
            break;
        }
        if (lx->text[i] != ' ' && lx->text[i] != '\t') {
            return SPLIT_ERR(sp, i, "text behind COPY ... FROM STDIN; must begin on a new line");
        }
    }
    size_t line = next_line(lx, end);
    out->has_copy = true;
    out->copy_start = line;
    while (line < lx->length) {
        end = lexer_line_end(lx, line);
        if (is_end_of_data(lx, line, end)) {
            out->copy_end = line;
            lx->pos = next_line(lx, end);
            return NULL;
        }
        script_touch(sp->script, end - line);
        line = next_line(lx, end);
    }
    return SPLIT_ERR(sp, out->code,
                     "the data of this COPY ... FROM STDIN has no end: add a line \\.");
}

/* pg_dump writes these around its output, for psql: they have no effect on the database. */
static bool skip_restrict(struct splitter *sp, const struct state *st, struct piece *out)
{
    static const char *const words[] = { "\\restrict", "\\unrestrict" };
    struct lexer *lx = &sp->c.lx;
    const size_t at = sp->c.tok.start;

    if (out->end > 0 || st->previous.kind != TOKEN_END || !cursor_is_symbol(&sp->c, '\\')) {
        return false;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const size_t length = strlen(words[i]);
        const bool same = at + length <= lx->length && memcmp(lx->text + at, words[i], length) == 0;
        const char behind = same && at + length < lx->length ? lx->text[at + length] : '\n';
        if (same && strchr(" \t\r\n", behind)) {
            out->psql = at;
            out->psql_end = at + length;
            lx->pos = lexer_line_end(lx, at);
            return true;
        }
    }
    return false;
}

struct err *split_next_pg(struct splitter *sp, struct piece *out)
{
    struct cursor *c = &sp->c;
    struct state st = { .c = c };

    for (;;) {
        cursor_next(c);
        bool code = !cursor_at_end(c);
        if (code && skip_restrict(sp, &st, out)) {
            continue;
        }
        TRY(split_check_directive(sp, code));
        if (c->tok.kind == TOKEN_ERROR) {
            return SPLIT_ERR(sp, c->lx.problem_at, "%s", c->lx.problem);
        }
        bool ends = cursor_is_symbol(c, ';') && st.parens == 0 && st.atomic == 0;
        if (ends || !code) {
            break;
        }
        if (out->end == 0) {
            out->code = c->tok.start;
        }
        out->end = c->tok.end;
        if (c->tok.kind == TOKEN_WORD) {
            TRY(see_word(sp, &st));
        } else if (c->tok.kind == TOKEN_SYMBOL) {
            TRY(see_symbol(sp, &st));
        }
        st.previous = c->tok;
    }
    TRY(check_complete(sp, &st));
    return st.copy_stdin ? read_copy(sp, out) : NULL;
}
