/* SPDX-License-Identifier: Apache-2.0 */
/* File names: what is a migration, what is passed over with a notice, what is refused, by which settings. */
#include "base/auto.h"
#include "base/limits.h"
#include "migration_support.h"

static struct err *parse_file(const char *name, struct tree *tree, struct migration_set *set)
{
    support_tree_add(tree, name, name, strlen(name));
    return migration_set_parse(tree, NULL, set);
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

Test(names, of_migrations)
{
    for (size_t i = 0; i < sizeof good_names / sizeof *good_names; i++) {
        const struct good_name *n = &good_names[i];
        struct tree tree = { 0 };
        struct migration_set set = { 0 };
        support_expect_ok(parse_file(n->file, &tree, &set), n->rule);
        cr_assert_eq(set.count, 1, "%s", n->rule);
        cr_expect_eq(set.items[0].kind, n->kind, "%s", n->rule);
        cr_expect_str_eq(set.items[0].version.text, n->version, "%s", n->rule);
        cr_expect_str_eq(set.items[0].description, n->description, "%s", n->rule);
        cr_expect_str_eq(set.items[0].script, n->file, "%s", n->rule);
        migration_set_done(&set);
        tree_done(&tree);
    }
}

/* ---- what is not taken ------------------------------------------------------------------------ */

/* Parsed beside a good file, which is all that is taken. */
static void beside_good(const char *file, const struct naming *naming, const char *good,
                        struct tree *tree, struct migration_set *set)
{
    support_tree_add(tree, good, "x", 1);
    support_tree_add(tree, file, "x", 1);
    support_expect_ok(migration_set_parse(tree, naming, set), file);
    cr_expect_eq(set->count, 1, "%s", file);
}

static const char *const ignored[] = {
    "README.md",     "README",       "V1__x.sql.bak",  "V1__x.txt",   "V1__x.java",
    "flyway.conf",   "flyway.toml",  "notes.sql.conf", "Vagrantfile", "Build",
    ".gitkeep",      "Makefile",     "V1__x.",         "setup.sh",    "Release.sh",
    "U2__x.sh",      "U2__x",        "U2__x.sql.conf", ".sql",        "beforeMigrate.txt",
    "afterparty.sh", "V1__x.sql.gz",
};

Test(names, files_without_the_suffix_are_ignored)
{
    for (size_t i = 0; i < COUNT_OF(ignored); i++) {
        struct tree tree = { 0 };
        struct migration_set set = { 0 };
        beside_good(ignored[i], NULL, "V999__x.sql", &tree, &set);
        cr_expect_eq(set.notices.count, 0, "%s", ignored[i]);
        migration_set_done(&set);
        tree_done(&tree);
    }
}

#define NO_NAME "its name is not that of a migration"

struct misnamed {
    const char *file;
    const char *problem; /* behind "sql/FILE is passed over: " */
};

static const struct misnamed misnamed[] = {
    { "Readme.sql", NO_NAME },
    { "notes.sql", NO_NAME },
    { "NOTES.SQL", NO_NAME },
    { "V.sql", NO_NAME },
    { "R.sql", NO_NAME },
    { "B.sql", NO_NAME },
    { "Report.sql", NO_NAME },
    { "V_customer.sql", NO_NAME },
    { "Views.sql", NO_NAME },
    { "Update.sql", NO_NAME },
    { "R2D2.sql", NO_NAME },
    { "v.sql", NO_NAME },
    { "views.sql", NO_NAME },
    { ".V8__x.sql", NO_NAME },
    { "beforeMigrates.sql", NO_NAME },
    { "aftermigrate.sql", NO_NAME },
    { "R1.sql", NO_NAME },
    { "V1_x.sql", NO_NAME "; V1__x.sql would be" },
    { "sub/V1_x.sql", NO_NAME "; V1__x.sql would be" },
    { "V10_desc.SQL", NO_NAME "; V10__desc.SQL would be" },
    { "V1-x.sql", NO_NAME "; V1__x.sql would be" },
    { "V1 x.sql", NO_NAME "; V1__x.sql would be" },
    { "V1x__y.sql", NO_NAME "; V1__x__y.sql would be" },
    { "V__x.sql", NO_NAME "; V1__x.sql would be" },
    { "V_1__x.sql", NO_NAME "; V1__x.sql would be" },
    { "V1.__x.sql", NO_NAME "; V1__x.sql would be" },
    { "V1..2__x.sql", NO_NAME "; V1..2__x.sql would be" },
    { "V-x__y.sql", NO_NAME },
    { "B1_x.sql", NO_NAME "; B1__x.sql would be" },
    { "R1__x.sql", NO_NAME "; R__x.sql would be" },
    { "R_x.sql", NO_NAME "; R__x.sql would be" },
    { "v1__x.sql", NO_NAME "; V1__x.sql would be" },
    { "r__x.sql", NO_NAME "; R__x.sql would be" },
    { "b3__x.sql", NO_NAME "; B3__x.sql would be" },
    { "U2__x.sql", "undo migrations are not run" },
    { "U2_x.sql", NO_NAME "; U2__x.sql would be" },
};

Test(names, misnamed_files_are_passed_over_with_a_notice_as_flyway_does_in_silence)
{
    for (size_t i = 0; i < COUNT_OF(misnamed); i++) {
        struct tree tree = { 0 };
        struct migration_set set = { 0 };
        AUTO(free_auto)
        char *notice =
            mem_printf("sql/%s is passed over: %s", misnamed[i].file, misnamed[i].problem);
        beside_good(misnamed[i].file, NULL, "V999__x.sql", &tree, &set);
        cr_assert_eq(set.notices.count, 1, "%s", misnamed[i].file);
        cr_expect_str_eq(set.notices.items[0], notice);
        migration_set_done(&set);
        tree_done(&tree);
    }
}

Test(names, misnamed_files_are_an_error_where_names_are_validated)
{
    const struct naming strict = { .validate = true };
    const char *good[] = { "V1__x.sql", "README.md" };
    const char *one[] = { "V1__x.sql", "V2_y.sql" };
    const char *two[] = { "V1__x.sql", "notes.sql", "U1__x.sql" };
    struct tree trees[3] = { 0 };
    struct migration_set set = { 0 };

    for (size_t i = 0; i < 3; i++) {
        support_tree_add(&trees[i], good[0], "x", 1);
    }
    support_tree_add(&trees[0], good[1], "x", 1);
    support_tree_add(&trees[1], one[1], "x", 1);
    support_tree_add(&trees[2], two[1], "x", 1);
    support_tree_add(&trees[2], two[2], "x", 1);
    support_expect_ok(migration_set_parse(&trees[0], &strict, &set), "nothing is misnamed");
    migration_set_done(&set);
    support_expect_error(migration_set_parse(&trees[1], &strict, &set), "one",
                         REASON_INVALID_MIGRATION, "sql/V2_y.sql: " NO_NAME "; V2__y.sql would be");
    support_expect_error(migration_set_parse(&trees[2], &strict, &set), "two",
                         REASON_INVALID_MIGRATION, "sql/notes.sql: " NO_NAME " (and 1 more)");
    for (size_t i = 0; i < 3; i++) {
        tree_done(&trees[i]);
    }
}

Test(names, notices_are_bounded_and_say_how_many_more)
{
    struct tree tree = { 0 };
    struct migration_set set = { 0 };

    support_tree_add(&tree, "V1__x.sql", "x", 1);
    for (int i = 0; i < LIMIT_NOTICES + 3; i++) {
        AUTO(free_auto) char *name = mem_printf("n%02d.sql", i);
        support_tree_add(&tree, name, "x", 1);
    }
    support_expect_ok(migration_set_parse(&tree, NULL, &set), "many");
    cr_assert_eq(set.notices.count, LIMIT_NOTICES + 1);
    cr_expect_str_eq(set.notices.items[LIMIT_NOTICES],
                     "3 more files are passed over because of their names");
    migration_set_done(&set);
    tree_done(&tree);
}

Test(names, a_tree_of_misnamed_files_says_so)
{
    struct tree tree = { 0 };
    struct migration_set set = { 0 };
    char comma[] = ".ddl";
    char *suffixes[] = { comma };
    const struct naming naming = { .prefix = (char *)(uintptr_t) "M",
                                   .separator = (char *)(uintptr_t) "-",
                                   .suffixes = { .items = suffixes, .count = 1 } };

    strlist_add(&tree.locations, "sql");
    support_tree_add(&tree, "V1_x.sql", "x", 1);
    support_tree_add(&tree, "a.sql", "x", 1);
    support_expect_error(migration_set_parse(&tree, NULL, &set), "none", REASON_INVALID_MIGRATION,
                         "no migration found in sql: files are named like V1__create_orders.sql; 2 "
                         "passed over, the first: sql/V1_x.sql: " NO_NAME);
    support_expect_error(migration_set_parse(&tree, &naming, &set), "other names",
                         REASON_INVALID_MIGRATION, "files are named like M1-create_orders.ddl");
    tree_done(&tree);
}

struct refused {
    const char *file;
    const char *message;
};

/* Flyway takes them, so it would not do to pass them over. */
static const struct refused refused[] = {
    { "V-13__x.sql", "sql/V-13__x.sql: a version cannot be negative" },
    { "B-1.sql", "a version cannot be negative" },
    { "Vnext__x.sql", "latest, current and next name targets, not versions" },
    { "VCURRENT__x.sql", "latest, current and next name targets, not versions" },
    { "V123456789012345678901234567890123456789012345678901__x.sql", "longer than 50 characters" },
    { "V2__x.sql.conf", "configuration files are not supported yet" },
    { "R__x.sql.conf", "configuration files are not supported yet" },
    { "beforeMigrate.sql.conf", "configuration files are not supported yet" },
    { "beforeMigrate.sql", "callbacks are not supported yet" },
    { "createSchema.sql", "callbacks are not supported yet" },
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

Test(names, names_that_flyway_takes_and_we_cannot_are_refused)
{
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct tree tree = { 0 };
        struct migration_set set = { 0 };
        support_tree_add(&tree, "V999__x.sql", "x", 1);
        support_tree_add(&tree, refused[i].file, "x", 1);
        support_expect_error(migration_set_parse(&tree, NULL, &set), refused[i].file,
                             REASON_INVALID_MIGRATION, refused[i].message);
        tree_done(&tree);
    }
}

/* ---- other prefixes, separators, suffixes ----------------------------------------------------- */

struct other_naming {
    const char *prefix, *repeatable, *separator; /* NULL: the default */
    const char *suffixes[4];
    const char *file;
    enum migration_kind kind; /* MIGRATION_NONE: a notice; MIGRATION_CALLBACK: ignored */
    const char *version, *description;
};

static const struct other_naming others[] = {
    { "", NULL, NULL, { NULL }, "1__a.sql", MIGRATION_VERSIONED, "1", "a" },
    { "",
      NULL,
      NULL,
      { NULL },
      "20261122_1030__b_c.sql",
      MIGRATION_VERSIONED,
      "20261122.1030",
      "b c" },
    { "", NULL, NULL, { NULL }, "1_a.sql", MIGRATION_NONE, "", NO_NAME "; 1__a.sql would be" },
    { "", NULL, NULL, { NULL }, "notes.sql", MIGRATION_NONE, "", NO_NAME },
    { "", NULL, NULL, { NULL }, "R__views.sql", MIGRATION_REPEATABLE, "", "views" },
    { "", NULL, NULL, { NULL }, "B5__base.sql", MIGRATION_BASELINE, "5", "base" },
    { "", NULL, NULL, { NULL }, "V1__a.sql", MIGRATION_NONE, "", NO_NAME },
    { "", NULL, NULL, { NULL }, "LICENSE", MIGRATION_CALLBACK, "", "" },
    { "", NULL, NULL, { NULL }, "run.sh", MIGRATION_CALLBACK, "", "" },
    { "ver", NULL, NULL, { NULL }, "ver1.1__a.sql", MIGRATION_VERSIONED, "1.1", "a" },
    { "ver",
      NULL,
      NULL,
      { NULL },
      "Ver1__a.sql",
      MIGRATION_NONE,
      "",
      NO_NAME "; ver1__a.sql would be" },
    { "ver", NULL, NULL, { NULL }, "V1__a.sql", MIGRATION_NONE, "", NO_NAME },
    { "V", "VR", NULL, { NULL }, "VR__a.sql", MIGRATION_REPEATABLE, "", "a" },
    { "V", "VR", NULL, { NULL }, "V1__a.sql", MIGRATION_VERSIONED, "1", "a" },
    { "V", "", NULL, { NULL }, "__a.sql", MIGRATION_REPEATABLE, "", "a" },
    { "V", "", NULL, { NULL }, "x__a.sql", MIGRATION_NONE, "", NO_NAME },
    { "B", NULL, NULL, { NULL }, "B1__a.sql", MIGRATION_BASELINE, "1", "a" },
    { "U", NULL, NULL, { NULL }, "U1__a.sql", MIGRATION_VERSIONED, "1", "a" },
    { NULL, NULL, "-", { NULL }, "V1-a_b.sql", MIGRATION_VERSIONED, "1", "a b" },
    { NULL, NULL, "-", { NULL }, "V1_2-a-b.sql", MIGRATION_VERSIONED, "1.2", "a-b" },
    { NULL, NULL, "-", { NULL }, "R-a.sql", MIGRATION_REPEATABLE, "", "a" },
    { NULL, NULL, "-", { NULL }, "V1__a.sql", MIGRATION_NONE, "", NO_NAME "; V1-a.sql would be" },
    { NULL, NULL, "_", { NULL }, "V1_2_a.sql", MIGRATION_VERSIONED, "1", "2 a" },
    { NULL, NULL, NULL, { ".ddl", ".sql" }, "V1__a.ddl", MIGRATION_VERSIONED, "1", "a" },
    { NULL, NULL, NULL, { ".ddl", ".sql" }, "V1__a.DDL", MIGRATION_VERSIONED, "1", "a" },
    { NULL, NULL, NULL, { ".ddl", ".sql" }, "V1__a.sql", MIGRATION_VERSIONED, "1", "a" },
    { NULL, NULL, NULL, { ".ddl" }, "V1__a.sql", MIGRATION_CALLBACK, "", "" },
    { NULL,
      NULL,
      NULL,
      { ".ddl" },
      "V1_a.ddl",
      MIGRATION_NONE,
      "",
      NO_NAME "; V1__a.ddl would be" },
    { NULL,
      NULL,
      NULL,
      { ".sql", ".pkg.sql" },
      "V1__a.pkg.sql",
      MIGRATION_VERSIONED,
      "1",
      "a.pkg" },
    { NULL, NULL, NULL, { ".pkg.sql", ".sql" }, "V1__a.pkg.sql", MIGRATION_VERSIONED, "1", "a" },
    { NULL, NULL, NULL, { ".sh" }, "V1__a.sh", MIGRATION_VERSIONED, "1", "a" },
    { "M", "X", "~", { "-up.psql" }, "M3~a-up.psql", MIGRATION_VERSIONED, "3", "a" },
};

Test(names, names_by_other_settings)
{
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        const struct other_naming *o = &others[i];
        struct naming naming = { .prefix = mem_strdup(o->prefix),
                                 .repeatable_prefix = mem_strdup(o->repeatable),
                                 .separator = mem_strdup(o->separator) };
        for (size_t k = 0; k < COUNT_OF(o->suffixes) && o->suffixes[k]; k++) {
            strlist_add(&naming.suffixes, o->suffixes[k]);
        }
        AUTO(free_auto)
        char *good = mem_printf("%s99%sgood%s", naming_prefix(&naming), naming_separator(&naming),
                                naming_suffix(&naming, 0));
        struct tree tree = { 0 };
        struct migration_set set = { 0 };
        support_tree_add(&tree, good, "x", 1);
        support_tree_add(&tree, o->file, "x", 1);
        support_expect_ok(migration_set_parse(&tree, &naming, &set), o->file);
        bool taken = o->kind != MIGRATION_NONE && o->kind != MIGRATION_CALLBACK;
        cr_assert_eq(set.count, taken ? 2U : 1U, "%s: row %zu", o->file, i);
        cr_assert_eq(set.notices.count, o->kind == MIGRATION_NONE ? 1U : 0U, "%s: row %zu", o->file,
                     i);
        if (o->kind == MIGRATION_NONE) {
            cr_expect(str_ends(set.notices.items[0], o->description), "%s: %s", o->file,
                      set.notices.items[0]);
        }
        for (size_t k = 0; k < set.count && taken; k++) {
            const struct migration *m = &set.items[k];
            if (str_eq(m->script, o->file)) {
                cr_expect_eq(m->kind, o->kind, "%s: row %zu", o->file, i);
                cr_expect_str_eq(m->version.text, o->version, "%s: row %zu", o->file, i);
                cr_expect_str_eq(m->description, o->description, "%s: row %zu", o->file, i);
            }
        }
        migration_set_done(&set);
        tree_done(&tree);
        naming_done(&naming);
    }
}
