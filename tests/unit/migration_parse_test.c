/* SPDX-License-Identifier: Apache-2.0 */
/* Files to migrations: names, duplicates, order, directives, and what is refused. */
#include "migration_support.h"

static struct err *parse_files(const char *const *names, size_t count, struct tree *tree,
                               struct migration_set *set)
{
    for (size_t i = 0; i < count; i++) {
        support_tree_add(tree, names[i], names[i], strlen(names[i]));
    }
    return migration_set_parse(tree, set);
}

struct good_name {
    const char *rule;
    const char *file;
    enum migration_kind kind;
    const char *version;
    const char *description;
};

static const struct good_name good_names[] = {
    { "a version and a description", "V1__init.sql", MIGRATION_VERSIONED, "1", "init" },
    { "single underscores become blanks", "V2__add_all_users.sql", MIGRATION_VERSIONED, "2",
      "add all users" },
    { "the first separator splits", "V3__in_sub__dir_x.sql", MIGRATION_VERSIONED, "3",
      "in sub  dir x" },
    { "underscores separate version parts", "V1_2_3__x.sql", MIGRATION_VERSIONED, "1.2.3", "x" },
    { "dots separate version parts", "V1.2.3__x.sql", MIGRATION_VERSIONED, "1.2.3", "x" },
    { "zeros are kept", "V0012_01__x.sql", MIGRATION_VERSIONED, "0012.01", "x" },
    { "a long version", "V20261122033000123456789012345__x.sql", MIGRATION_VERSIONED,
      "20261122033000123456789012345", "x" },
    { "no description", "V5.sql", MIGRATION_VERSIONED, "5", "" },
    { "an empty description", "V4__.sql", MIGRATION_VERSIONED, "4", "" },
    { "the suffix ignores case", "V6__up.SQL", MIGRATION_VERSIONED, "6", "up" },
    { "folders do not matter", "sub/dir/V7__x.sql", MIGRATION_VERSIONED, "7", "x" },
    { "blanks and dashes in a description", "V8__a b-c.sql", MIGRATION_VERSIONED, "8", "a b-c" },
    { "letters of any alphabet", "V9__\xc5\xbelu\xc5\xa5.sql", MIGRATION_VERSIONED, "9",
      "\xc5\xbelu\xc5\xa5" },
    { "a dot in a description", "V10__a.b.sql", MIGRATION_VERSIONED, "10", "a.b" },
    { "a repeatable", "R__views.sql", MIGRATION_REPEATABLE, "", "views" },
    { "a repeatable with an empty description", "R__.sql", MIGRATION_REPEATABLE, "", "" },
    { "a baseline", "B7__base.sql", MIGRATION_BASELINE, "7", "base" },
};

Test(parse, names)
{
    for (size_t i = 0; i < sizeof good_names / sizeof *good_names; i++) {
        const struct good_name *n = &good_names[i];
        struct tree tree = { 0 };
        struct migration_set set = { 0 };
        support_expect_ok(parse_files(&n->file, 1, &tree, &set), n->rule);
        cr_assert_eq(set.count, 1, "%s", n->rule);
        cr_expect_eq(set.items[0].kind, n->kind, "%s", n->rule);
        cr_expect_str_eq(set.items[0].version.text, n->version, "%s", n->rule);
        cr_expect_str_eq(set.items[0].description, n->description, "%s", n->rule);
        cr_expect_str_eq(set.items[0].script, n->file, "%s", n->rule);
        migration_set_done(&set);
        tree_done(&tree);
    }
}

static const char *const ignored[] = {
    "README.md",
    "README",
    "Readme.sql",
    "notes.sql",
    "V.sql",
    "R.sql",
    "Report.sql",
    "V_customer.sql",
    "Views.sql",
    "Users.sql",
    "Update.sql",
    "Vacuum.sql",
    "R2D2.sql",
    "v.sql",
    "r.sql",
    "views.sql",
    ".V8__x.sql",
    "V1__x.sql.bak",
    "V1__x.txt",
    "V1__x.java",
    "flyway.conf",
    "flyway.toml",
    "notes.sql.conf",
    "Vagrantfile",
    "Build",
    "beforeMigrates.sql",
    "beforeMigrate.txt",
    "aftermigrate.sql",
    ".gitkeep",
    "Makefile",
    "R1.sql",
    "V1__x.",
    "setup.sh",
    "Release.sh",
};

Test(parse, other_files_are_ignored_as_flyway_does)
{
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) {
        const char *files[] = { "V999__x.sql", ignored[i] };
        struct tree tree = { 0 };
        struct migration_set set = { 0 };
        support_expect_ok(parse_files(files, 2, &tree, &set), ignored[i]);
        cr_expect_eq(set.count, 1, "%s", ignored[i]);
        migration_set_done(&set);
        tree_done(&tree);
    }
}

struct bad_name {
    const char *file;
    const char *message;
};

static const struct bad_name bad_names[] = {
    { "V1_x.sql", "sql/V1_x.sql: not a migration name, and so it would never run: rename it, for "
                  "example to V1__x.sql" },
    { "V10_desc.sql", "to V10__desc.sql" },
    { "V1-x.sql", "to V1__x.sql" },
    { "V1 x.sql", "to V1__x.sql" },
    { "V1x__y.sql", "to V1__x__y.sql" },
    { "V__x.sql", "to V1__x.sql" },
    { "V_1__x.sql", "to V1__x.sql" },
    { "V1___x.sql", NULL },
    { "V1.__x.sql", "to V1__x.sql" },
    { "V1..2__x.sql", "rename it" },
    { "V-13__x.sql", "to V13__x.sql" },
    { "B1_x.sql", "to B1__x.sql" },
    { "R1__x.sql", "to R__" },
    { "R_x.sql", "to R__x.sql" },
    { "v1__x.sql",
      "prefixes are upper case, and so this file would never run: rename it to V1__x.sql" },
    { "r__x.sql", "rename it to R__x.sql" },
    { "V123456789012345678901234567890123456789012345678901__x.sql", "longer than 50 characters" },
    { "U2__x.sql", "undo files are not supported yet" },
    { "U2_x.sql", "undo files are not supported yet" },
    { "V2__x.sql.conf", "configuration files are not supported yet" },
    { "R__x.sql.conf", "configuration files are not supported yet" },
    { "beforeMigrate.sql.conf", "configuration files are not supported yet" },
    { "beforeMigrate.sql", "callbacks are not supported yet" },
    { "afterMigrate__vacuum.sql", "callbacks are not supported yet" },
    { "afterEachMigrateStatementError.SQL", "callbacks are not supported yet" },
    { "beforeConnect.sh", "callbacks are not supported yet" },
    { "afterMigrate", "callbacks are not supported yet" },
    { "V2__x.sh", "sql/V2__x.sh: Flyway would run this file as a program" },
    { "V2__x.bash", "as a program" },
    { "V2__x.py", "as a program" },
    { "V2__x.ps1", "as a program" },
    { "V2__x.cmd", "as a program" },
    { "V2__x.BAT", "as a program" },
    { "V3__noext", "as a program" },
    { "V3", "as a program" },
    { "V1.2__noext", "as a program" },
    { "R__noext", "as a program" },
};

Test(parse, names_that_look_meant_are_refused)
{
    for (size_t i = 0; i < sizeof bad_names / sizeof *bad_names; i++) {
        const char *files[] = { "V999__x.sql", bad_names[i].file };
        struct tree tree = { 0 };
        struct migration_set set = { 0 };
        struct err *e = parse_files(files, 2, &tree, &set);
        if (bad_names[i].message) {
            support_expect_error(e, bad_names[i].file, REASON_INVALID_MIGRATION,
                                 bad_names[i].message);
        } else {
            support_expect_ok(e, bad_names[i].file);
            migration_set_done(&set);
        }
        tree_done(&tree);
    }
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
        struct err *e = migration_set_parse(&tree, &set);
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
        support_expect_error(migration_set_parse(&tree, &set), b->rule, REASON_INVALID_MIGRATION,
                             b->message);
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
    support_expect_ok(migration_set_parse(&tree, &set), "directives");
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
    const char *text = "-- sluice is a gate; not a directive\nselect '-- sluice: nope=1';\n";
    struct tree tree = { 0 };
    struct migration_set set = { 0 };

    support_tree_add(&tree, "V1__x.sql", text, strlen(text));
    support_expect_ok(migration_set_parse(&tree, &set), "no directives");
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
    support_expect_ok(migration_set_parse(&tree, &set), "digest");
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
