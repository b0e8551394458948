/* SPDX-License-Identifier: Apache-2.0 */
/* The real grammar as a second opinion: on texts that PostgreSQL's parser accepts, both cut at the
 * same places. */
#include "migration_split_support.h"

#include <pg_query.h>

#define ROUNDS 4000
#define TEXT_MAX 2000

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* What may stand where an expression is wanted. */
static const char *const atoms[] = {
    "1",
    "'a;b'",
    "'it''s'",
    "E'\\';'",
    "e'\\\\'",
    "B'01'",
    "x'1F'",
    "U&'\\0061;'",
    "u&'d!0061' uescape '!'",
    "$$;$$",
    "$a$ $$ ; $a$",
    "$_1$;$_1$",
    "\"a;b\"",
    "\"x\"\"y;\"",
    "U&\"a;\"",
    "a$b$c",
    "(select ';')",
    "n';'",
    "case when true then 1 end",
    "case a when 1 then case when b then ';' end else 2 end",
    "-1",
    "+ 1",
    "1.5e10",
    "'a'\n'b;'",
    "E'a'\n  'b\\';c'",
    "E'a' -- x;\n 'b\\';'",
    "t.\"end\"",
    "array[1, 2]",
    "null::text",
    "\xc5\xbe",
    "1 - -1",
    "a @> b",
    "a -> 'x;'",
    "not true",
    "'--'",
    "'/*'",
    "(1, ';')",
    "x.begin",
    "atomic",
    "date '2026-01-01'",
};

static const char *const forms[] = {
    "select %s",
    "select %s as \"end\", %s",
    "insert into t values (%s, %s)",
    "update t set a = %s where b = %s",
    "delete from t where a = %s",
    "create table t%d (a int default (%s))",
    "do $do$ begin perform %s; end $do$",
    "create function f() returns text as $f$ begin return %s; end $f$ language plpgsql",
    "create function f() returns text language sql return %s",
    "create or replace function f(a int) returns int language sql begin atomic select %s; select "
    "%s as x; end",
    "create procedure p() language sql begin atomic insert into t values (%s); end",
    "create or replace procedure s.p(inout a int) begin atomic select case when %s then 1 end; "
    "update t set a = %s; end",
    "create function f() returns int begin atomic end",
    "create rule r as on insert to t do also (select %s; select %s)",
    "create view v as select %s",
    "comment on table t is 'a;b'",
    "prepare p as select $1, %s",
    "execute p(%s)",
    "alter table t add constraint c check (a > %s)",
    "create index on t ((%s))",
    "copy t from '/x'",
    "set a.b = 'x;y'",
    "create schema s create table t (a int) create view v as select %s",
    "declare c cursor for select %s",
    "values (%s), (%s)",
    "with x as (select %s) select * from x",
    "create index concurrently i on t (a)",
    "grant select on t to u",
    "explain select %s",
    "truncate t",
    "vacuum",
    "select 1 /*+ hint; */ + %s",
    "create type e as enum ('a;', 'b')",
    "create trigger g before insert on t for each row execute function f(';')",
    "",
    "",
    "",
};

static const char *const gaps[] = {
    " ", "\n", "\r\n", "\t", "-- it's; \n", "/* ; ' */", "/* a /* ; */ $$ */ ", "--\n", ""
};

static void add(char *text, size_t *length, const char *part)
{
    size_t size = strlen(part);

    if (*length + size < TEXT_MAX) {
        memcpy(text + *length, part, size + 1);
        *length += size;
    }
}

/* A form with its %s replaced by atoms, blanks of all kinds around. */
static void add_statement(uint64_t *state, char *text, size_t *length)
{
    const char *form = forms[next_random(state) % COUNT_OF(forms)];

    for (const char *p = form; *p; p++) {
        if (p[0] == '%' && p[1] == 's') {
            add(text, length, " ");
            add(text, length, atoms[next_random(state) % COUNT_OF(atoms)]);
            p++;
        } else if (p[0] == '%' && p[1] == 'd') {
            p++;
        } else if (*p == ' ' && next_random(state) % 6 == 0) {
            add(text, length, " ");
            add(text, length, gaps[next_random(state) % COUNT_OF(gaps)]);
        } else {
            add(text, length, (char[]){ *p, '\0' });
        }
    }
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == '\v';
}

/* The library's pieces begin behind the delimiter before them, comments included; ours do not. */
static void compare(const char *text, const PgQuerySplitResult *judge, const struct script *script)
{
    cr_assert_eq((size_t)judge->n_stmts, script->count, "%d and %zu statements: %s", judge->n_stmts,
                 script->count, text);
    for (size_t i = 0; i < script->count; i++) {
        const PgQuerySplitStmt *theirs = judge->stmts[i];
        const struct statement *ours = &script->statements[i];
        size_t begin = (size_t)theirs->stmt_location;
        size_t end = begin + (size_t)theirs->stmt_len;
        cr_assert(begin <= ours->source_offset && ours->source_offset + ours->source_length <= end,
                  "statement %zu of: %s", i, text);
        struct script again = { 0 };
        char *part = mem_strndup(text + begin, end - begin);
        support_expect_ok(support_script(ENGINE_POSTGRESQL, part, &again), part);
        cr_assert_eq(again.count, 1, "%s", part);
        cr_assert_str_eq(again.statements[0].text, ours->text, "%s", part);
        cr_assert(!is_blank(ours->text[0]) && !is_blank(ours->text[ours->text_length - 1]), "%s",
                  part);
        script_done(&again);
        free(part);
    }
}

Test(pg_query, both_cut_at_the_same_places)
{
    int judged = 0;

    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
        char text[TEXT_MAX + 1] = "";
        size_t length = 0;
        for (size_t i = next_random(&state) % 5 + 1; i > 0; i--) {
            add(text, &length, gaps[next_random(&state) % COUNT_OF(gaps)]);
            add_statement(&state, text, &length);
            add(text, &length, gaps[next_random(&state) % COUNT_OF(gaps)]);
            add(text, &length, i > 1 || next_random(&state) % 2 ? ";" : "");
        }
        PgQuerySplitResult judge = pg_query_split_with_parser(text);
        if (!judge.error) {
            struct placeholders none = { .replacement = false };
            struct migration m = support_migration("V1__x.sql", text, length);
            struct script script = { 0 };
            /* One file of mixed kinds is fine here: only the places count. */
            m.directives.transaction_none = true;
            support_expect_ok(script_parse(ENGINE_POSTGRESQL, 150000, &m, &none, &script), text);
            compare(text, &judge, &script);
            script_done(&script);
            judged++;
        }
        pg_query_free_split_result(judge);
    }
    cr_expect(judged > ROUNDS / 3, "only %d texts were judged", judged);
}
