/* SPDX-License-Identifier: Apache-2.0 */
/* Seeded mutations: no text crashes a splitter or makes it loop, and its pieces cover the text. */
#include "migration_split_support.h"
#include "reconcile/migration/split.h"

#define ROUNDS 6000
#define TEXT_MAX 400

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static const char *const fragments[] = {
    "'",
    "''",
    "\"",
    "`",
    "\\",
    "\\'",
    "$$",
    "$x$",
    "$1",
    "$",
    "/*",
    "*/",
    "/*!50001 ",
    "/*M!100100 ",
    "--",
    "-- ",
    "#",
    "\n",
    "\r\n",
    ";",
    "//",
    "(",
    ")",
    "E'",
    "U&'",
    "U&\"",
    "begin ",
    "end ",
    "atomic ",
    "case ",
    "if ",
    "then ",
    "else ",
    "loop ",
    "while ",
    "repeat ",
    "for ",
    "do ",
    "not ",
    "delimiter //\n",
    "delimiter ;\n",
    "delimiter ",
    "create ",
    "or replace ",
    "procedure ",
    "function ",
    "trigger ",
    "event ",
    "table ",
    "index ",
    "concurrently ",
    "copy t from stdin;\n",
    "\\.\n",
    "drop table a, b",
    "drop view ",
    "rename table a to b, b to a",
    "alter table ",
    "set sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES';",
    "set standard_conforming_strings=off;",
    "x",
    " ",
    ".",
    ",",
    "@",
    "=",
    ":",
    "\xc5\xbe",
    "\xf0\x9f\x9a\x80",
    "select ",
    "1",
    "-- sluice: x=1\n",
    "reindex (",
    "definer=",
    "${",
    "}",
    "set @a=1,",
    "exchange partition p with table ",
    "rename ",
    "on ",
    "as ",
    "language sql ",
};

static size_t make_text(uint64_t *state, char *text)
{
    size_t length = 0;
    size_t wanted = next_random(state) % 40;

    for (size_t i = 0; i < wanted; i++) {
        const char *fragment = fragments[next_random(state) % COUNT_OF(fragments)];
        size_t size = strlen(fragment);
        if (length + size >= TEXT_MAX) {
            break;
        }
        memcpy(text + length, fragment, size);
        length += size;
    }
    if (length > 0 && next_random(state) % 4 == 0) {
        text[next_random(state) % length] = (char)(next_random(state) % 127 + 1);
    }
    text[length] = '\0';
    return length;
}

/* Between statements PostgreSQL's text holds blanks, comments and one delimiter, no code. */
static void check_gap(const struct script *script, const struct piece *piece, uint64_t seed)
{
    struct lexer lx = lexer_make(ENGINE_POSTGRESQL, 0, script->expanded + piece->begin,
                                 piece->code - piece->begin);
    cr_assert_eq(lexer_next(&lx).kind, TOKEN_END, "seed %llu: code before a statement",
                 (unsigned long long)seed);
    if (!piece->has_copy) {
        lx = lexer_make(ENGINE_POSTGRESQL, 0, script->expanded + piece->end,
                        piece->next - piece->end);
        struct token tok = lexer_next(&lx);
        if (token_is_symbol(&lx, tok, ';')) {
            tok = lexer_next(&lx);
        }
        cr_assert_eq(tok.kind, TOKEN_END, "seed %llu: code behind a statement",
                     (unsigned long long)seed);
    }
}

static void check_pieces(enum engine engine, const struct migration *m, const struct script *script,
                         uint64_t seed)
{
    struct splitter sp = splitter_make(engine, 0, m, script);
    size_t at = 0;

    for (;;) {
        struct piece piece;
        bool more = false;
        struct err *e = split_next(&sp, &piece, &more);
        if (e) {
            cr_expect(strncmp(e->message, "V1__x.sql:", 10) == 0, "%s", e->message);
            err_free(e);
            return;
        }
        if (!more) {
            break;
        }
        cr_assert_eq(piece.begin, at, "seed %llu: a hole", (unsigned long long)seed);
        cr_assert(piece.next > piece.begin, "seed %llu: no progress", (unsigned long long)seed);
        if (piece.end > 0) {
            cr_assert(piece.begin <= piece.code && piece.code < piece.end &&
                          piece.end <= piece.next,
                      "seed %llu: a statement outside its piece", (unsigned long long)seed);
            if (engine == ENGINE_POSTGRESQL) {
                check_gap(script, &piece, seed);
            }
        }
        at = piece.next;
    }
    cr_assert_eq(at, script->expanded_length, "seed %llu: the end is missing",
                 (unsigned long long)seed);
}

/* The statement's text is the source range, replaced; parts of a DROP aside. */
static void check_statements(const struct script *script, size_t length, uint64_t seed)
{
    for (size_t i = 0; i < script->count; i++) {
        const struct statement *s = &script->statements[i];
        cr_assert(s->source_offset + s->source_length <= length, "seed %llu",
                  (unsigned long long)seed);
        cr_assert(s->text_length > 0 && strlen(s->text) == s->text_length, "seed %llu",
                  (unsigned long long)seed);
        cr_assert(s->class != STEP_NONE, "seed %llu", (unsigned long long)seed);
        cr_assert(s->line >= 1 && s->column >= 1, "seed %llu", (unsigned long long)seed);
    }
}

static void run_rounds(enum engine engine)
{
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
        char text[TEXT_MAX + 1];
        size_t length = make_text(&state, text);
        struct migration m = support_migration("V1__x.sql", text, length);
        struct placeholders none = { .replacement = false };
        struct script plain = { 0 };
        struct script script = { 0 };

        m.directives.transaction_none = seed % 2;
        support_expect_ok(placeholders_apply(&m, &none, &plain), "no placeholders");
        check_pieces(engine, &m, &plain, seed);
        script_done(&plain);
        struct err *e = script_parse(engine, 0, &m, &none, &script);
        if (!e) {
            check_statements(&script, length, seed);
            script_done(&script);
        }
        err_free(e);
    }
}

Test(mutation, postgresql)
{
    run_rounds(ENGINE_POSTGRESQL);
}

Test(mutation, mariadb)
{
    run_rounds(ENGINE_MARIADB);
}

Test(mutation, mysql)
{
    run_rounds(ENGINE_MYSQL);
}

Test(mutation, file_names)
{
    static const char *const parts[] = { "V",
                                         "R",
                                         "B",
                                         "U",
                                         "1",
                                         "2.",
                                         "_",
                                         "__",
                                         ".sql",
                                         ".SQL",
                                         ".sh",
                                         ".conf",
                                         "a",
                                         "-",
                                         " ",
                                         "beforeMigrate",
                                         "afterMigrate",
                                         "v",
                                         "r",
                                         ".",
                                         "\xc5\xbe" };
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
        char name[128] = "";
        size_t length = 0;
        for (size_t i = next_random(&state) % 8 + 1; i > 0; i--) {
            const char *part = parts[next_random(&state) % COUNT_OF(parts)];
            memcpy(name + length, part, strlen(part) + 1);
            length += strlen(part);
        }
        struct tree tree = { 0 };
        struct migration_set set = { 0 };
        support_tree_add(&tree, name, "x", 1);
        struct err *e = migration_set_parse(&tree, NULL, &set);
        cr_expect(e != NULL || set.count == 1, "%s", name);
        err_free(e);
        migration_set_done(&set);
        tree_done(&tree);
    }
}

/* Time grows with the text, not with its square: these took minutes if anything looked back. */
Test(mutation, long_texts_take_linear_time, .timeout = 60)
{
    static const char *const units[] = {
        "if a ", "select 'x';\n",    "(",    "begin ", "if ",    "/*!50001 ",
        "case ", "drop table a, b;", "end ", "$x",     "-- x\n", "E'a'\n",
        "'a'\n"
    };
    size_t size = 128 * 1024;
    char *text = mem_alloc(size + 64);

    for (size_t u = 0; u < COUNT_OF(units); u++) {
        size_t unit = strlen(units[u]);
        memcpy(text, "create procedure p() ", 21);
        for (size_t at = 21; at < size; at += unit) {
            memcpy(text + at, units[u], unit + 1);
        }
        for (int engine = ENGINE_POSTGRESQL; engine <= ENGINE_MYSQL; engine++) {
            struct script script = { 0 };
            struct err *e = support_script((enum engine)engine, text, &script);
            if (!e) {
                script_done(&script);
            }
            err_free(e);
        }
    }
    free(text);
}
