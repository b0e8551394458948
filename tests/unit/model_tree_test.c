/* SPDX-License-Identifier: Apache-2.0 */
/* What may stand under a plan's paths. */
#include <stdint.h>
#include <stdlib.h>
#include "base/auto.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/casefold.h"
#include "model/tree.h"
#include "tests/unit/rows.h"

TestSuite(tree, .timeout = 60);

Test(tree, entries_are_judged_by_name_and_kind)
{
#define N(text_) .path = (text_), .length = sizeof(text_) - 1
    static const struct {
        const char *name;
        const char *path;
        size_t length;
        enum tree_entry_kind kind;
        int depth;
        bool skip;
        const char *want, *reason;
    } rows[] = {
        { "a file", N("sql/V1__a.sql"), TREE_FILE, 1, false, NULL, NULL },
        { "a folder", N("sql/sub"), TREE_DIR, 1, false, NULL, NULL },
        { "letters of any script", N("sql/V1__\xc3\xa9t\xc3\xa9.sql"), TREE_FILE, 1, false, NULL,
          NULL },
        { "a file with a leading dot", N("sql/.gitkeep"), TREE_FILE, 1, false, NULL, NULL },
        { "a hidden folder is not entered", N("sql/.idea"), TREE_DIR, 1, true, NULL, NULL },
        { "dots before the last part are the user's", N("../../sql/V1__a.sql"), TREE_FILE, 1, false,
          NULL, NULL },
        { "a symbolic link", N("sql/V1__a.sql"), TREE_SYMLINK, 1, false,
          "sql/V1__a.sql: symbolic links", "InvalidMigration" },
        { "a submodule", N("sql/common"), TREE_SUBMODULE, 1, false, "sql/common: submodules",
          "InvalidMigration" },
        { "a device", N("sql/x"), TREE_OTHER, 1, false, "not a regular file", "InvalidMigration" },
        { "bad UTF-8", N("sql/V1__\xff.sql"), TREE_FILE, 1, false,
          "V1__\\xff.sql: the name is not valid UTF-8", "InvalidMigration" },
        { "a control character", N("sql/V1__a\n.sql"), TREE_FILE, 1, false, "control character",
          "InvalidMigration" },
        { "an escape of C1", N("sql/V1__\xc2\x9b.sql"), TREE_FILE, 1, false, "control character",
          "InvalidMigration" },
        { "a NUL", N("sql/V1\0__a.sql"), TREE_FILE, 1, false, "control character",
          "InvalidMigration" },
        { "the parent folder", N("sql/.."), TREE_DIR, 1, false, "not allowed", "InvalidMigration" },
        { "the folder itself", N("sql/."), TREE_DIR, 1, false, "not allowed", "InvalidMigration" },
        { "git's own folder", N("sql/.git"), TREE_DIR, 1, false, "not allowed",
          "InvalidMigration" },
        { "git's own folder in disguise", N("sql/.GiT"), TREE_FILE, 1, false, "not allowed",
          "InvalidMigration" },
        { "an empty name", N("sql/"), TREE_FILE, 1, false, "not allowed", "InvalidMigration" },
        { "deeper than allowed", N("sql/x"), TREE_DIR, LIMIT_TREE_DEPTH + 1, false, "folders deep",
          "SourceTooLarge" },
        { "as deep as allowed", N("sql/x"), TREE_DIR, LIMIT_TREE_DEPTH, false, NULL, NULL },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        bool skip = true;
        struct err *e =
            tree_check_entry(rows[i].path, rows[i].length, rows[i].kind, rows[i].depth, &skip);
        cr_expect(str_eq(e ? e->reason : NULL, rows[i].reason), "%s: reason", rows[i].name);
        cr_expect(skip == rows[i].skip, "%s: skip", rows[i].name);
        check_error(rows[i].name, e, rows[i].want);
    }
}

static struct err *add(struct tree *tree, const char *path, const char *text)
{
    char *bytes = mem_strdup(text);
    struct err *e = tree_add(tree, path, path, (uint8_t *)bytes, strlen(text));
    if (e) {
        free(bytes);
    }
    return e;
}

static const char lfs[] = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n";

Test(tree, a_whole_tree_is_taken_or_refused)
{
    static const struct {
        const char *name;
        const char *location;
        const char *files[4];
        const char *text;
        const char *want;
    } rows[] = {
        { "files are sorted by bytes",
          "sql",
          { "sql/b.sql", "sql/a.sql", "sql/B/x.sql" },
          "x",
          NULL },
        { "a location with a slash at its end", "sql/", { "sql/a.sql" }, "x", NULL },
        { "a location with a dot before", "./sql", { "./sql/a.sql" }, "x", NULL },
        { "the repository's root", ".", { "a.sql" }, "x", NULL },
        { "a missing folder", "sql", { NULL }, "x", "sql: no file in this folder" },
        { "a folder of another name", "sql", { "sqlx/a.sql" }, "x", "sql: no file in this folder" },
        { "only a .gitkeep", "sql", { "sql/.gitkeep" }, "", "sql: no file in this folder" },
        { "names that differ in case",
          "sql",
          { "sql/V1__a.sql", "sql/v1__A.sql" },
          "x",
          "sql/V1__a.sql and sql/v1__A.sql differ only in upper and lower case" },
        { "folders that differ in case",
          "sql",
          { "sql/A/x.sql", "sql/a/x.sql" },
          "x",
          "differ only in" },
        { "accents that differ in case",
          "sql",
          { "sql/\xc3\x89.sql", "sql/\xc3\xa9.sql" },
          "x",
          "differ only" },
        { "Cyrillic that differs in case",
          "sql",
          { "sql/\xd0\x96.sql", "sql/\xd0\xb6.sql" },
          "x",
          "differ only" },
        { "the same file twice", "sql", { "sql/a.sql", "sql/a.sql" }, "x", "found twice" },
        { "an LFS pointer", "sql", { "sql/V1__a.sql" }, lfs, "sql/V1__a.sql: a Git LFS pointer" },
        { "an LFS pointer in capitals", "sql", { "sql/V1__a.SQL" }, lfs, "a Git LFS pointer" },
        { "an LFS pointer of a picture", "sql", { "sql/er-diagram.png" }, lfs, NULL },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        AUTO(tree_done) struct tree tree = { 0 };
        struct err *e = NULL;
        strlist_add(&tree.locations, rows[i].location);
        for (size_t f = 0; f < ROWS(rows[i].files) && rows[i].files[f] && !e; f++) {
            e = add(&tree, rows[i].files[f], rows[i].text);
        }
        e = e ? e : tree_finish(&tree);
        cr_expect(!e || str_eq(e->reason, "InvalidMigration"), "%s: reason", rows[i].name);
        check_error(rows[i].name, e, rows[i].want);
        for (size_t f = 1; f < tree.count && !rows[i].want; f++) {
            cr_expect(strcmp(tree.files[f - 1].path, tree.files[f].path) < 0, "%s: order",
                      rows[i].name);
        }
    }
}

Test(tree, one_empty_location_among_several_is_named)
{
    AUTO(tree_done) struct tree tree = { 0 };
    strlist_add(&tree.locations, "common");
    strlist_add(&tree.locations, "sql/orders");
    check_error("file", add(&tree, "common/V1__a.sql", "x"), NULL);
    check_error("finish", tree_finish(&tree), "sql/orders: no file");
}

Test(tree, the_largest_are_not_kept_when_all_pass_the_limit)
{
    AUTO(tree_done) struct tree tree = { 0 };
    char path[64];
    for (int i = 0; i < 9; i++) { /* 8 MiB of others each, and the fourth a little more */
        const size_t size = LIMIT_MIGRATION_FILE - (i == 3 ? 0 : 1);
        uint8_t *big = mem_alloc(size + 1);
        memset(big, 'a' + i, size);
        (void)snprintf(path, sizeof path, "sql/V%d__x.sql", i);
        cr_assert_null(tree_add(&tree, path, path + 4, big, size));
    }
    cr_expect_leq(tree.total_bytes, LIMIT_TREE_BYTES);
    for (size_t i = 0; i < tree.count; i++) {
        const struct tree_file *file = &tree.files[i];
        cr_expect(i == 3 ? !file->bytes && !file->content && file->large
                         : file->bytes && file->content && !file->large,
                  "%s", file->path);
    }
    uint8_t digest[SHA256_LEN];
    AUTO(free_auto) uint8_t *same = mem_alloc(LIMIT_MIGRATION_FILE + 1);
    memset(same, 'd', LIMIT_MIGRATION_FILE);
    sha256(same, LIMIT_MIGRATION_FILE, digest);
    cr_expect_eq(memcmp(tree.files[3].large->sha256, digest, SHA256_LEN), 0);
    cr_expect_eq(tree.files[3].size, LIMIT_MIGRATION_FILE);
    cr_expect_str_eq(tree.files[3].large->path, "sql/V3__x.sql");
    check_error("finish", tree_finish(&tree), NULL);
}

Test(tree, files_of_one_content_share_one_copy_of_it)
{
    struct tree trees[2] = { 0 };
    size_t before = content_held();
    uint8_t *given = mem_alloc(LIMIT_MIGRATION_FILE + 1);
    given[0] = 'x';
    check_error("first", tree_add(&trees[0], "a.sql", "a.sql", given, LIMIT_MIGRATION_FILE), NULL);
    for (int i = 0; i < 6; i++) {
        uint8_t *big = mem_alloc(LIMIT_MIGRATION_FILE + 1);
        big[0] = 'x';
        check_error("equal", tree_add(&trees[1], "b.sql", "b.sql", big, LIMIT_MIGRATION_FILE),
                    NULL);
        cr_expect_eq(trees[1].files[i].bytes, trees[0].files[0].bytes, "one copy");
    }
    cr_expect_eq(content_held() - before, LIMIT_MIGRATION_FILE, "counted once");
    cr_expect_eq(trees[1].total_bytes, 6 * (size_t)LIMIT_MIGRATION_FILE, "the limit counts names");
    tree_done(&trees[0]);
    cr_expect_eq(trees[1].files[0].bytes[0], 'x', "who holds it still has it");
    cr_expect_eq(content_held() - before, LIMIT_MIGRATION_FILE);
    tree_done(&trees[1]);
    cr_expect_eq(content_held(), before, "nobody holds it");
}

Test(tree, contents_that_differ_in_one_byte_are_two)
{
    AUTO(tree_done) struct tree tree = { 0 };
    size_t before = content_held();
    check_error("a", add(&tree, "a.sql", "select 1"), NULL);
    check_error("b", add(&tree, "b.sql", "select 2"), NULL);
    check_error("c", add(&tree, "c.sql", "select 1\n"), NULL);
    cr_expect_eq(content_held() - before, 8 + 8 + 9);
    cr_expect_str_eq((const char *)tree.files[1].bytes, "select 2");
}

Test(tree, ten_thousand_files_fit_and_one_more_does_not)
{
    AUTO(tree_done) struct tree tree = { 0 };
    char path[64];
    for (int i = 0; i < LIMIT_MIGRATIONS; i++) {
        (void)snprintf(path, sizeof path, "sql/V%d__x.sql", i);
        cr_assert(add(&tree, path, "x") == NULL);
    }
    check_error("one more", add(&tree, "sql/last.sql", "x"), "more than 10000 files");
    check_error("finish", tree_finish(&tree), NULL);
}

Test(tree, folding_knows_more_than_ascii)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        { "AbC-9", "abc-9" },
        { "\xc3\x80\xc3\x9e\xc3\x97", "\xc3\xa0\xc3\xbe\xc3\x97" }, /* the times sign has no case */
        { "\xc4\x8c\xc5\xbd", "\xc4\x8d\xc5\xbe" },                 /* C and Z with caron */
        { "\xce\x91\xce\xa3\xcf\x82", "\xce\xb1\xcf\x83\xcf\x83" }, /* alpha, both sigmas */
        { "\xd0\x81\xd0\xaf", "\xd1\x91\xd1\x8f" },                 /* io, ya */
        { "\xe2\x84\xaa", "k" },                                    /* the Kelvin sign */
        { "\xff", "\xff" },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        AUTO(free_auto) char *got = casefold(rows[i].text);
        check_text(rows[i].text, got, rows[i].want);
    }
}
