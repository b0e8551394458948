/* SPDX-License-Identifier: Apache-2.0 */
/* A whole file: how it runs, where its statements are, what is remembered of them. */
#include "migration_split_support.h"

struct mode_row {
    const char *rule;
    enum engine engine;
    bool transaction_none;
    const char *text;
    bool transactional;
};

static const struct mode_row modes[] = {
    { "an ordinary file", ENGINE_POSTGRESQL, false,
      "create table t (a int); insert into t values (1);", true },
    { "an empty file", ENGINE_POSTGRESQL, false, "", true },
    { "settings alone", ENGINE_POSTGRESQL, false, "set a.b = 1;", true },
    { "one statement outside", ENGINE_POSTGRESQL, false, "create index concurrently i on t (a)",
      false },
    { "several outside", ENGINE_POSTGRESQL, false,
      "create index concurrently i on t (a); drop index concurrently j; vacuum;", false },
    { "settings beside", ENGINE_POSTGRESQL, false, "set lock_timeout = 0; vacuum; reset all;",
      false },
    { "the directive", ENGINE_POSTGRESQL, true, "insert into t values (1);", false },
    { "the directive allows both", ENGINE_POSTGRESQL, true, "insert into t values (1); vacuum;",
      false },
    { "MariaDB: DML and settings", ENGINE_MARIADB, false,
      "set names utf8; insert into t values (1); delete from t", true },
    { "MariaDB: DDL", ENGINE_MARIADB, false, "insert into t values (1); create table u (a int)",
      false },
    { "MariaDB: the directive", ENGINE_MARIADB, true, "insert into t values (1)", false },
};

static struct err *parse_with(const struct mode_row *row, struct script *script)
{
    struct placeholders none = { .replacement = false };
    struct migration m = support_migration("V1__x.sql", row->text, strlen(row->text));

    m.directives.transaction_none = row->transaction_none;
    return script_parse(row->engine, 0, &m, &none, script);
}

Test(script, a_file_is_transactional_unless_it_cannot_be)
{
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        struct script script = { 0 };
        support_expect_ok(parse_with(&modes[i], &script), modes[i].rule);
        cr_expect_eq(script.transactional, modes[i].transactional, "%s", modes[i].rule);
        script_done(&script);
    }
}

static const struct split_error mixed[] = {
    { "both kinds, inside first",
      "create table t (a int);\n\n  create index concurrently i on t (a);",
      "V1__x.sql:3:3: create index concurrently cannot run in a transaction, but create table t in "
      "line 1 needs one: split the file, or begin it with the line -- sluice: transaction=none" },
    { "both kinds, outside first", "vacuum;\nselect 1;",
      "V1__x.sql:1:1: vacuum cannot run in a transaction, but select 1 in line 2 needs one" },
    { "CALL beside", "call p(); vacuum", "but call p() in line 1 needs one" },
    { "SET LOCAL beside", "set local lock_timeout = 0;\nvacuum;",
      "V1__x.sql:1:1: set local lock_timeout has no effect here: the statements of this file share "
      "no transaction" },
    { "SET TRANSACTION beside", "set transaction isolation level serializable; vacuum",
      "set transaction isolation has no effect here" },
};

Test(script, mixed_files_are_refused)
{
    support_check_errors(ENGINE_POSTGRESQL, mixed, COUNT_OF(mixed), REASON_INVALID_MIGRATION);
    struct mode_row directed = { "directed", ENGINE_POSTGRESQL, true,
                                 "set constraints all deferred", false };
    struct script script = { 0 };
    support_expect_error(parse_with(&directed, &script), "directed", REASON_INVALID_MIGRATION,
                         "set constraints all has no effect here");
}

static const char located[] =
    "\xef\xbb\xbf-- head\r\n"
    "select 1;\r\n"
    "  /* c */ insert into \xc5\xbe values ('${tenant}', '${long}'), (x);\r\n"
    "${both}\n"
    "copy t from stdin;\n${tenant}\n\\.\nselect 2";

static void locate_setup(struct kvlist *user, struct placeholders *p, struct migration *m)
{
    kvlist_set(user, "tenant", "a");
    kvlist_set(user, "long", "0123456789");
    kvlist_set(user, "both", "select 'x'; select 'y';");
    *p = (struct placeholders){ .replacement = true, .user = user };
    *m = support_migration("V1__x.sql", located, sizeof located - 1);
}

Test(script, statements_know_their_place_in_the_file)
{
    struct kvlist user = { 0 };
    struct placeholders p;
    struct migration m;
    struct script script = { 0 };

    locate_setup(&user, &p, &m);
    support_expect_ok(script_parse(ENGINE_POSTGRESQL, 0, &m, &p, &script), "located");
    const struct {
        const char *text, *source;
        int line, column;
    } expected[] = {
        { "select 1", "select 1", 2, 1 },
        { "insert into \xc5\xbe values ('a', '0123456789'), (x)",
          "insert into \xc5\xbe values ('${tenant}', '${long}'), (x)", 3, 11 },
        { "select 'x'", "${both}", 4, 1 },
        { "select 'y'", "${both}", 4, 1 },
        { "copy t from stdin", "copy t from stdin", 5, 1 },
        { "select 2", "select 2", 8, 1 },
    };
    cr_assert_eq(script.count, COUNT_OF(expected));
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        const struct statement *s = &script.statements[i];
        uint8_t digest[SHA256_LEN];
        sha256(expected[i].source, strlen(expected[i].source), digest);
        cr_expect_str_eq(s->text, expected[i].text);
        cr_expect_eq(s->text_length, strlen(expected[i].text));
        cr_expect_eq(s->source_length, strlen(expected[i].source), "%s", expected[i].text);
        cr_expect(memcmp(located + s->source_offset, expected[i].source, s->source_length) == 0);
        cr_expect(memcmp(s->sha256, digest, SHA256_LEN) == 0, "%s", expected[i].text);
        cr_expect_eq(s->line, expected[i].line, "%s: line %d", expected[i].text, s->line);
        cr_expect_eq(s->column, expected[i].column, "%s: column %d", expected[i].text, s->column);
        cr_expect(memcmp(script.expanded + s->expanded_offset, s->text, s->text_length) == 0);
    }
    cr_expect_str_eq(script.statements[4].copy_data, "a\n");
    cr_expect_eq(script.placeholders_used.count, 3);
    script_done(&script);
    kvlist_done(&user);
}

Test(script, a_server_position_is_found_in_the_file)
{
    struct kvlist user = { 0 };
    struct placeholders p;
    struct migration m;
    struct script script = { 0 };

    locate_setup(&user, &p, &m);
    support_expect_ok(script_parse(ENGINE_POSTGRESQL, 0, &m, &p, &script), "located");
    /* insert into Z values ('a', '0123456789'), (x) */
    const struct {
        const char *rule;
        size_t statement;
        int position, line, column;
    } rows[] = {
        { "no position: the start", 1, 0, 3, 11 },
        { "the first character", 1, 1, 3, 11 },
        { "characters, not bytes", 1, 15, 3, 25 },
        { "inside a value: its placeholder", 1, 24, 3, 34 },
        { "behind a value", 1, 25, 3, 43 },
        { "inside a long value", 1, 35, 3, 47 },
        { "behind two values", 1, 43, 3, 58 },
        { "a statement that is a value", 3, 8, 4, 1 },
        { "behind the end", 5, 900, 8, 9 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int line = 0;
        int column = 0;
        script_locate(&script, &m, &script.statements[rows[i].statement], rows[i].position, &line,
                      &column);
        cr_expect_eq(line, rows[i].line, "%s: line %d", rows[i].rule, line);
        cr_expect_eq(column, rows[i].column, "%s: column %d", rows[i].rule, column);
    }
    script_done(&script);
    kvlist_done(&user);
}

Test(script, errors_inside_a_value_name_its_placeholder)
{
    struct kvlist user = { 0 };
    const char *text = "select 1;\nselect ${open}";
    struct migration m = support_migration("V1__x.sql", text, strlen(text));
    struct placeholders p = { .replacement = true, .user = &user };
    struct script script = { 0 };

    kvlist_set(&user, "open", "1, 'x");
    support_expect_error(script_parse(ENGINE_POSTGRESQL, 0, &m, &p, &script), "value",
                         REASON_INVALID_MIGRATION, "V1__x.sql:2:8: the string that begins here");
    support_expect_error(script_parse(ENGINE_POSTGRESQL, 0, &m,
                                      &(struct placeholders){ .replacement = true }, &script),
                         "undefined", REASON_INVALID_MIGRATION,
                         "V1__x.sql:2:8: no value for placeholder ${open}");
    kvlist_done(&user);
}

Test(script, line_ends_do_not_change_a_statements_digest)
{
    static const char *const texts[] = { "select 1,\n  -- x\n  'a\nb';\nselect 2",
                                         "select 1,\r\n  -- x\r\n  'a\r\nb';\r\nselect 2",
                                         "select 1,\n  -- x\r\n  'a\r\nb';\r\nselect 2" };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct migration m = support_migration("V1__x.sql", texts[i], strlen(texts[i]));
        const struct placeholders none = { .replacement = false };
        for (size_t k = 0; k < COUNT_OF(texts); k++) {
            struct migration then = support_migration("V1__x.sql", texts[k], strlen(texts[k]));
            struct script now = { 0 }, old = { 0 };
            support_expect_ok(script_parse(ENGINE_POSTGRESQL, 0, &m, &none, &now), texts[i]);
            support_expect_ok(script_parse(ENGINE_POSTGRESQL, 0, &then, &none, &old), texts[k]);
            const struct statement *s = &old.statements[0];
            char kept[SHA256_HEX_LEN + 1];
            hex_format(s->sha256, SHA256_LEN, kept);
            cr_expect(statement_was(&now.statements[0], &m, kept), "%zu after %zu", i, k);
            cr_expect_not(statement_was(&now.statements[1], &m, kept), "%zu after %zu", i, k);
            /* A row of version 0.1: one that mixed both is known only as it stood. */
            sha256_hex(texts[k] + s->source_offset, s->source_length, kept);
            cr_expect_eq(statement_was(&now.statements[0], &m, kept), k < 2 || i == k,
                         "%zu after %zu, as it stood", i, k);
            script_done(&now);
            script_done(&old);
        }
    }
}

Test(script, comments_do_not_change_a_statements_digest)
{
    struct script a = { 0 };
    struct script b = { 0 };

    support_expect_ok(support_script(ENGINE_POSTGRESQL, "select 1; -- x", &a), "a");
    support_expect_ok(support_script(ENGINE_POSTGRESQL, "-- y\n\nselect 1 /* z */", &b), "b");
    cr_expect(memcmp(a.statements[0].sha256, b.statements[0].sha256, SHA256_LEN) == 0);
    script_done(&a);
    script_done(&b);
}

Test(script, too_many_statements_are_refused)
{
    size_t count = 100001;
    char *text = mem_alloc(count * 2 + 1);
    struct script script = { 0 };

    for (size_t i = 0; i < count; i++) {
        text[2 * i] = 'a';
        text[2 * i + 1] = ';';
    }
    support_expect_error(support_script(ENGINE_POSTGRESQL, text, &script), "many",
                         REASON_INVALID_MIGRATION,
                         "V1__x.sql:1:200001: more than 100000 statements");
    text[count * 2 - 2] = '\0';
    support_expect_ok(support_script(ENGINE_POSTGRESQL, text, &script), "just enough");
    cr_expect_eq(script.count, 100000);
    script_done(&script);
    free(text);
}
