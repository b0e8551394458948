/* SPDX-License-Identifier: Apache-2.0 */
/* Files to migrations: duplicates, order, directives, and what is refused. */
#include "base/auto.h"
#include "migration_support.h"

static struct err *parse_files(const char *const *names, size_t count, struct tree *tree,
                               struct migration_set *set)
{
    for (size_t i = 0; i < count; i++) {
        support_tree_add(tree, names[i], names[i], strlen(names[i]));
    }
    return migration_set_parse(tree, NULL, set);
}

Test(parse, order_is_versions_then_baselines_then_descriptions)
{
    const char *files[] = { "R__b.sql",
                            "V10__x.sql",
                            "R__Z.sql",
                            "V9__x.sql",
                            "R__9.sql",
                            "B5__x.sql",
                            "R__10.sql",
                            "V1.10__x.sql",
                            "V1_9__x.sql",
                            "R__a_a.sql",
                            "R__\xc3\xa9.sql",
                            "R__A.sql",
                            "R__\xef\xbf\xbc.sql",
                            "R__\xf0\x9f\x9a\x80.sql" };
    const char *expected[] = { "V1_9__x.sql",
                               "V1.10__x.sql",
                               "V9__x.sql",
                               "V10__x.sql",
                               "B5__x.sql",
                               "R__10.sql",
                               "R__9.sql",
                               "R__A.sql",
                               "R__Z.sql",
                               "R__a_a.sql",
                               "R__b.sql",
                               "R__\xc3\xa9.sql",
                               "R__\xf0\x9f\x9a\x80.sql",
                               "R__\xef\xbf\xbc.sql" };
    struct tree tree = { 0 };
    struct migration_set set = { 0 };

    support_expect_ok(parse_files(files, COUNT_OF(files), &tree, &set), "order");
    cr_assert_eq(set.count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < set.count; i++) {
        cr_expect_str_eq(set.items[i].script, expected[i]);
    }
    migration_set_done(&set);
    tree_done(&tree);
}

struct duplicate {
    const char *rule;
    const char *first, *first_text, *second, *second_text;
    const char *message; /* NULL: fine */
    size_t count;
};

static const struct duplicate duplicates[] = {
    { "equal versions", "V1__a.sql", "a", "V1__b.sql", "b",
      "two migrations have version 1: sql/V1__a.sql and sql/V1__b.sql", 0 },
    { "equal versions spelled differently", "V1__a.sql", "a", "V01.0__a.sql", "a",
      "two migrations have version", 0 },
    { "the same version in two folders", "x/V1__a.sql", "a", "y/V1__a.sql", "a", "two migrations",
      0 },
    { "equal descriptions of repeatables", "x/R__a_b.sql", "a", "y/R__a b.sql", "a",
      "two repeatable migrations have the description 'a b'", 0 },
    { "equal baselines", "B1__a.sql", "a", "B1__b.sql", "b",
      "two baseline migrations have version 1", 0 },
    { "V and B of one version do not clash", "V1__a.sql", "a", "B1__a.sql", "a", NULL, 2 },
    { "the same file from two locations is one", "V1__a.sql", "a\n", "V1__a.sql", "a\r\n", NULL,
      1 },
    { "two locations with different content clash", "V1__a.sql", "a", "V1__a.sql", "b",
      "two migrations", 0 },
    { "the same repeatable from two locations is one", "R__a.sql", "a", "R__a.sql", "a", NULL, 1 },
};

Test(parse, duplicates)
{
    for (size_t i = 0; i < sizeof duplicates / sizeof *duplicates; i++) {
        const struct duplicate *d = &duplicates[i];
        struct tree tree = { 0 };
        struct migration_set set = { 0 };
        support_tree_add(&tree, d->first, d->first_text, strlen(d->first_text));
        support_tree_add(&tree, d->second, d->second_text, strlen(d->second_text));
        struct err *e = migration_set_parse(&tree, NULL, &set);
        if (d->message) {
            support_expect_error(e, d->rule, REASON_DUPLICATE_VERSION, d->message);
        } else {
            support_expect_ok(e, d->rule);
            cr_expect_eq(set.count, d->count, "%s", d->rule);
            migration_set_done(&set);
        }
        tree_done(&tree);
    }
}

/* Descriptions of 197 times x and these ends. */
static const struct ends {
    const char *rule;
    const char *ends[3];
    bool same; /* the first and the last would be one in the history */
} ends[] = {
    { "two that are cut to the same", { "aaaa", "bbbb", NULL }, true },
    { "another one stands between them", { "aaaa", "b", "cccc" }, true },
    { "one is what the other is cut to", { "...", "aaaa", NULL }, true },
    { "two that just fit", { "aaa", "bbb", NULL }, false },
    { "one that is cut and one that fits", { "aaa", "bbbb", NULL }, false },
};

Test(parse, repeatables_that_the_history_cannot_tell_apart)
{
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        struct tree tree = { 0 };
        struct migration_set set = { 0 };
        for (size_t k = 0; k < 3 && ends[i].ends[k]; k++) {
            char same[198];
            memset(same, 'x', 197);
            same[197] = '\0';
            AUTO(free_auto) char *name = mem_printf("R__%s%s.sql", same, ends[i].ends[k]);
            support_tree_add(&tree, name, ends[i].ends[k], strlen(ends[i].ends[k]));
        }
        struct err *e = migration_set_parse(&tree, NULL, &set);
        if (ends[i].same) {
            support_expect_error(e, ends[i].rule, REASON_DUPLICATE_VERSION,
                                 "keeps 200 characters of a description");
        } else {
            support_expect_ok(e, ends[i].rule);
            migration_set_done(&set);
        }
        tree_done(&tree);
    }
}

struct bad_content {
    const char *rule;
    const char *bytes;
    size_t size;
    const char *message;
};

#define CONTENT(rule, bytes, message)                                                              \
    {                                                                                              \
        rule, bytes, sizeof(bytes) - 1, message                                                    \
    }

static const struct bad_content bad_contents[] = {
    CONTENT("bad UTF-8 is named by place", "select 1;\nselect '\xff';",
            "sql/V1__x.sql:2:9: invalid UTF-8 (byte 0xff)"),
    CONTENT("NUL is named by place", "a\n\nb\0c", "sql/V1__x.sql:3:2: a NUL byte"),
    CONTENT("UTF-16 is named as such", "\xff\xfes\0e\0", "sql/V1__x.sql:1:1: the file is UTF-16"),
    CONTENT("an unknown directive", "-- sluice: transactions=none\n",
            "sql/V1__x.sql:1:12: unknown directive transactions="),
    CONTENT("a repeated directive", "-- sluice: idempotent=true\n-- sluice: idempotent=true\n",
            "sql/V1__x.sql:2:12: the directive idempotent= is given twice, first in line 1"),
    CONTENT("repeated in one line", "-- sluice: lock-timeout=1s lock-timeout=2s\n",
            "sql/V1__x.sql:1:28: "),
    CONTENT("an empty directive", "--\n\n  -- sluice:\n", "sql/V1__x.sql:3:3: an empty directive"),
    CONTENT("a word without a value", "-- sluice: idempotent\n",
            "a directive is written -- sluice: key=value"),
    CONTENT("a value without a key", "-- sluice: =none\n",
            "sql/V1__x.sql:1:12: a directive is written"),
    CONTENT("transaction knows one value", "-- sluice: transaction=auto\n",
            "write transaction=none"),
    CONTENT("idempotent knows one value", "-- sluice: idempotent=yes\n", "write idempotent=true"),
    CONTENT("out-of-order knows one value", "-- sluice: out-of-order=true\n",
            "write out-of-order=allow"),
    CONTENT("durations have units", "-- sluice: lock-timeout=5\n",
            "lock-timeout=5 is not understood: write a duration such as lock-timeout=5s"),
    CONTENT("durations have units, too", "-- sluice: statement-timeout=x\n",
            "statement-timeout=2h"),
    CONTENT("verify needs a query", "-- sluice: verify=  \n", "write verify=select"),
    CONTENT("after needs a version", "-- sluice: after=billing\n", "write after=DATABASE/VERSION"),
    CONTENT("after needs a database", "-- sluice: after=/12\n", "write after=DATABASE/VERSION"),
    CONTENT("after needs a good version", "-- sluice: after=b/1x\n",
            "write after=DATABASE/VERSION"),
    CONTENT("after names a database once", "-- sluice: after=b/1 after=b/2\n",
            "names database b twice"),
    CONTENT("contract files are not built yet", "-- sluice: phase=contract\n",
            "phase=contract is not supported yet"),
    CONTENT("a directive without its colon", "-- sluice transaction=none\n",
            "sql/V1__x.sql:1:1: a directive is written -- sluice: key=value"),
    CONTENT("with another mark", "--Sluice; verify = select 1\n", "a directive is written"),
    CONTENT("with a blank before the colon", "\n-- sluice : idempotent=true\n",
            "sql/V1__x.sql:2:1: a directive is written"),
    CONTENT("with three dashes", "--- sluice: idempotent=true\n", "a directive is written"),
    CONTENT("in a comment of MySQL's own", "# sluice: transaction=none\n",
            "sql/V1__x.sql:1:1: a directive is written"),
    CONTENT("in a block comment", "/* sluice: transaction=none */\n",
            "sql/V1__x.sql:1:1: a directive is written"),
    CONTENT("in a line of a block comment", "/*\n * sluice: after=a/1\n */\n",
            "a directive is written"),
    CONTENT("a directive behind a block comment", "/* x\n */ -- sluice: nope=1\n",
            "sql/V1__x.sql:2:16: unknown directive nope="),
};

Test(parse, contents_that_are_refused)
{
    for (size_t i = 0; i < sizeof bad_contents / sizeof *bad_contents; i++) {
        const struct bad_content *b = &bad_contents[i];
        struct tree tree = { 0 };
        struct migration_set set = { 0 };
        support_tree_add(&tree, "V1__x.sql", b->bytes, b->size);
        support_expect_error(migration_set_parse(&tree, NULL, &set), b->rule,
                             REASON_INVALID_MIGRATION, b->message);
        tree_done(&tree);
    }
}

Test(parse, directives)
{
    const char *text =
        "\xef\xbb\xbf\r\n-- a file\r\n/* block */ --SLUICE:transaction=none idempotent=true\r\n"
        "# mysql\r\n-- sluice: lock-timeout=5s\tstatement-timeout=2h out-of-order=allow\r\n"
        "-- sluice: after=billing/1.2 after=a/b/3\r\n"
        "-- sluice: verify=select count(*) = 1 from t ; \r\nselect 1;\n";
    struct tree tree = { 0 };
    struct migration_set set = { 0 };

    support_tree_add(&tree, "V1__x.sql", text, strlen(text));
    support_expect_ok(migration_set_parse(&tree, NULL, &set), "directives");
    const struct directives *d = &set.items[0].directives;
    cr_expect(d->transaction_none);
    cr_expect(d->idempotent);
    cr_expect(d->out_of_order_allow);
    cr_expect_eq(d->lock_timeout_ms, 5000);
    cr_expect_eq(d->statement_timeout_ms, 7200000);
    cr_expect_str_eq(d->verify, "select count(*) = 1 from t");
    cr_assert_eq(d->after.count, 2);
    cr_expect_str_eq(kvlist_get(&d->after, "billing"), "1.2");
    cr_expect_str_eq(kvlist_get(&d->after, "a/b"), "3");
    migration_set_done(&set);
    tree_done(&tree);
}

Test(parse, without_directives_nothing_is_set)
{
    const char *text =
        "-- sluice is a gate; not a directive\n-- sluiceway: after=b/1\n-- sluice, where = x\n/* "
        "sluices\n transaction=none */\n# not sluice: after=b/1\nselect '-- sluice: nope=1';\n";
    struct tree tree = { 0 };
    struct migration_set set = { 0 };

    support_tree_add(&tree, "V1__x.sql", text, strlen(text));
    support_expect_ok(migration_set_parse(&tree, NULL, &set), "no directives");
    const struct directives *d = &set.items[0].directives;
    cr_expect(!d->transaction_none && !d->idempotent && !d->out_of_order_allow);
    cr_expect_eq(d->lock_timeout_ms, -1);
    cr_expect_eq(d->statement_timeout_ms, -1);
    cr_expect_null(d->verify);
    migration_set_done(&set);
    tree_done(&tree);
}

Test(parse, what_follows_a_merged_pair_is_kept)
{
    const char *files[] = { "V1__a.sql", "V1__a.sql", "V2__b.sql", "V2__b.sql", "V3__c.sql" };
    struct tree tree = { 0 };
    struct migration_set set = { 0 };

    support_expect_ok(parse_files(files, COUNT_OF(files), &tree, &set), "merged");
    cr_assert_eq(set.count, 3);
    for (size_t i = 0; i < 3; i++) {
        cr_expect_str_eq(set.items[i].script, files[2 * i]);
    }
    migration_set_done(&set);
    tree_done(&tree);
}

Test(parse, a_tree_without_migrations_is_refused)
{
    struct tree tree = { 0 };
    struct migration_set set = { 0 };
    const char *files[] = { "README.md" };

    strlist_add(&tree.locations, "db/one");
    strlist_add(&tree.locations, "db/two");
    support_expect_error(parse_files(files, 1, &tree, &set), "empty", REASON_INVALID_MIGRATION,
                         "no migration found in db/one, db/two");
    tree_done(&tree);
}

Test(parse, bytes_are_borrowed_and_digested)
{
    struct tree tree = { 0 };
    struct migration_set set = { 0 };

    support_tree_add(&tree, "V1__x.sql", "SELECT 1;\n", 10);
    support_expect_ok(migration_set_parse(&tree, NULL, &set), "digest");
    char hex[SHA256_HEX_LEN + 1];
    hex_format(set.items[0].sha256, SHA256_LEN, hex);
    cr_expect_eq(set.items[0].bytes, tree.files[0].bytes);
    cr_expect_eq(set.items[0].raw_checksum, 78787420);
    char expected[SHA256_HEX_LEN + 1];
    sha256_hex("SELECT 1;\n", 10, expected);
    cr_expect_str_eq(hex, expected);
    migration_set_done(&set);
    tree_done(&tree);
}

Test(parse, a_file_of_one_command_is_digested_when_somebody_asks)
{
    static const char text[] = "SELECT 1;\r\n";
    struct tree tree = { 0 };
    struct migration_set set = { 0 };
    uint8_t raw[SHA256_LEN], lines[SHA256_LEN], want[SHA256_LEN];
    struct content *content = content_alone((uint8_t *)mem_strdup(text), sizeof text - 1);
    cr_expect_eq(content_held(), sizeof text - 1);
    support_expect_ok(tree_add_content(&tree, "V1__x.sql", "V1__x.sql", content), "alone");
    support_tree_add(&tree, "V2__x.sql", text, sizeof text - 1); // the same, but shared
    support_expect_ok(migration_set_parse(&tree, NULL, &set), "alone");
    cr_expect(set.items[0].undigested && !set.items[1].undigested);
    migration_digests(&set.items[0], raw, lines);
    sha256(text, sizeof text - 1, want);
    cr_expect_eq(memcmp(raw, want, SHA256_LEN), 0);
    sha256("SELECT 1;\n", 10, want);
    cr_expect_eq(memcmp(lines, want, SHA256_LEN), 0);
    migration_digests(&set.items[1], raw, lines);
    cr_expect_eq(memcmp(lines, want, SHA256_LEN), 0);
    char hex[SHA256_HEX_LEN + 1];
    hex_format(want, SHA256_LEN, hex);
    cr_expect(migration_was(&set.items[0], hex), "with LF");
    sha256_hex(text, sizeof text - 1, hex);
    cr_expect(migration_was(&set.items[0], hex), "as it stands");
    sha256_hex("SELECT 2;\n", 10, hex);
    cr_expect_not(migration_was(&set.items[0], hex), "another");
    migration_set_done(&set);
    tree_done(&tree);
    cr_expect_eq(content_held(), 0);
}
