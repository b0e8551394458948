/* SPDX-License-Identifier: Apache-2.0 */
/* --dir: the refusals of the git reader for a plain folder, and mounted ConfigMaps. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "git/repo.h"
#include "model/reason.h"

TestSuite(repo_read_dir, .timeout = 60);

/* Each test is a process of its own; it works in a folder of its own. */
static char root[64];

static void enter(void)
{
    (void)snprintf(root, sizeof root, "/tmp/sluice-dir-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
    cr_assert_eq(chdir(root), 0);
}

static void leave(void)
{
    cr_assert_eq(chdir("/"), 0);
    cr_assert_null(file_remove_tree(root));
}

static void put(const char *path, const char *text)
{
    const char *slash = strrchr(path, '/');
    if (slash) {
        AUTO(free_auto) char *folder = mem_strndup(path, (size_t)(slash - path));
        cr_assert_null(file_mkdirs(folder, 0700));
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    cr_assert(fd >= 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
}

static struct err *read_one(const char *path, struct tree *tree)
{
    struct err *error = repo_read_dir(path, NULL, tree);
    return error ? error : tree_finish(tree);
}

static void refused(const char *path, const char *reason, const char *says)
{
    AUTO(tree_done) struct tree tree = { 0 };
    AUTO(err_free_auto) struct err *error = read_one(path, &tree);
    cr_assert_not_null(error, "taken, wanted: %s", says);
    cr_expect_str_eq(error->reason, reason, "%s", error->message);
    cr_expect_not_null(strstr(error->message, says), "want '%s' in '%s'", says, error->message);
}

/* "script,script,": what was found, in order. */
static char *scripts(const struct tree *tree)
{
    AUTO(buf_done) struct buf text = BUF(4096);
    for (size_t i = 0; i < tree->count; i++) {
        buf_addf(&text, "%s,", tree->files[i].script);
    }
    return buf_take(&text);
}

Test(repo_read_dir, reads_folders_below_with_names_relative_to_the_location)
{
    enter();
    put("sql/V1__a.sql", "select 1;\r\n");
    put("sql/sub/V2__b.sql", "select 2;");
    put("sql/README.md", "text");
    put("sql/.git/V9__x.sql", "no");
    put("sql/.hidden/V8__x.sql", "no");
    static const char *const forms[] = { "sql", "sql/", "./sql", "sql//" };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        AUTO(tree_done) struct tree tree = { 0 };
        cr_assert_null(read_one(forms[i], &tree), "%s", forms[i]);
        AUTO(free_auto) char *names = scripts(&tree);
        cr_expect_str_eq(names, "README.md,V1__a.sql,sub/V2__b.sql,", "%s", forms[i]);
        cr_expect_eq(tree.files[1].size, 11);
        cr_expect_eq(memcmp(tree.files[1].bytes, "select 1;\r\n", 11), 0);
        cr_expect_eq(tree.files[0].size, 0, "only the name of a file that is not SQL");
        cr_expect_str_eq(tree.commit, "");
        cr_expect_eq(tree.oids.count, 0);
    }
    leave();
}

Test(repo_read_dir, reads_several_folders)
{
    enter();
    put("a/V1__a.sql", "1");
    put("b/V2__b.sql", "2");
    AUTO(tree_done) struct tree tree = { 0 };
    cr_assert_null(repo_read_dir("a", NULL, &tree));
    cr_assert_null(repo_read_dir("b", NULL, &tree));
    cr_assert_null(tree_finish(&tree));
    AUTO(free_auto) char *names = scripts(&tree);
    cr_expect_str_eq(names, "V1__a.sql,V2__b.sql,");
    leave();
}

Test(repo_read_dir, names_what_is_missing)
{
    enter();
    put("file", "x");
    cr_assert_eq(mkdir("empty", 0700), 0);
    refused("nowhere", REASON_INVALID_MIGRATION, "folder 'nowhere' does not exist");
    refused("file", REASON_INVALID_MIGRATION, "folder 'file' is not a folder");
    refused("empty", REASON_INVALID_MIGRATION, "empty");
    leave();
}

Test(repo_read_dir, refuses_links_and_special_files)
{
    enter();
    put("real/V1__a.sql", "1");
    put("one/V2__b.sql", "2");
    cr_assert_eq(symlink("../real/V1__a.sql", "one/V1__a.sql"), 0);
    refused("one", REASON_INVALID_MIGRATION, "one/V1__a.sql: symbolic link");
    put("two/V2__b.sql", "2");
    cr_assert_eq(symlink("../real", "two/more"), 0);
    refused("two", REASON_INVALID_MIGRATION, "two/more: symbolic link");
    put("three/V2__b.sql", "2");
    cr_assert_eq(mkfifo("three/V1__a.sql", 0600), 0);
    refused("three", REASON_INVALID_MIGRATION, "three/V1__a.sql: not a regular file");
    put("loop/V2__b.sql", "2");
    cr_assert_eq(symlink(".", "loop/again"), 0);
    refused("loop", REASON_INVALID_MIGRATION, "loop/again: symbolic link");
    cr_assert_eq(symlink("real", "linked"), 0);
    AUTO(tree_done) struct tree tree = { 0 };
    cr_expect_null(read_one("linked", &tree), "the folder itself may be a link");
    leave();
}

Test(repo_read_dir, refuses_names)
{
    enter();
    put("a/V1__x.sql", "1");
    put("a/V1__X.sql", "1");
    refused("a", REASON_INVALID_MIGRATION, "differ only in upper and lower case");
    put("b/One/V1__x.sql", "1");
    put("b/one/V2__y.sql", "1");
    refused("b", REASON_INVALID_MIGRATION, "'One' and 'one' differ only");
    put("c/V1__\xff.sql", "1");
    refused("c", REASON_INVALID_MIGRATION, "not valid UTF-8");
    put("d/V1__\n.sql", "1");
    refused("d", REASON_INVALID_MIGRATION, "control character");
    put("e/V1__x.sql", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
    refused("e", REASON_INVALID_MIGRATION, "LFS pointer");
    leave();
}

Test(repo_read_dir, keeps_the_limits)
{
    enter();
    put("dump/V1__x.sql", "1");
    put("dump/dump.bin", "1");
    cr_assert_eq(truncate("dump/dump.bin", 1LL << 40), 0);
    AUTO(tree_done) struct tree tree = { 0 };
    cr_expect_null(read_one("dump", &tree), "a huge file that is no migration is not read");
    AUTO(buf_done) struct buf path = BUF(4096);
    buf_adds(&path, "deep");
    for (int i = 0; i < 34; i++) {
        buf_adds(&path, "/d");
    }
    buf_adds(&path, "/V1__x.sql");
    put(buf_text(&path), "1");
    refused("deep", REASON_SOURCE_TOO_LARGE, "more than 32 folders deep");
    leave();
}

/* `size` bytes of comment lines. */
static void put_large(const char *path, size_t size)
{
    AUTO(free_auto) char *text = mem_alloc(size + 1);
    memset(text, '-', size);
    for (size_t i = 99; i < size; i += 100) {
        text[i] = '\n';
    }
    put(path, text);
}

static const struct tree_file *read_large(struct tree *tree)
{
    AUTO(err_free_auto) struct err *error = read_one("large", tree);
    cr_assert_null(error, "%s", error ? error->message : "");
    cr_assert_eq(tree->count, 1);
    cr_assert(tree->files[0].large && !tree->files[0].bytes);
    return &tree->files[0];
}

Test(repo_read_dir, opens_large_files_when_they_are_wanted)
{
    static const size_t sizes[] = { 2 * 1024 * 1024 + 1, 3 * 1024 * 1024, 9 * 1024 * 1024 + 7 };
    enter();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        AUTO(tree_done) struct tree tree = { 0 };
        put_large("large/V1__x.sql", sizes[i]);
        const struct tree_file *file = read_large(&tree);
        cr_expect_eq(file->size, sizes[i]);
        cr_assert_null(large_open(file->large));
        cr_assert_null(large_open(file->large), "twice");
        uint8_t digest[SHA256_LEN];
        sha256(file->large->bytes, sizes[i], digest);
        cr_expect_eq(memcmp(digest, file->large->sha256, SHA256_LEN), 0);
        cr_expect_eq(file->large->bytes[sizes[i]], '\0', "a NUL stands behind it");
        large_close(file->large);
        cr_expect_not_null(file->large->bytes, "once is left");
        large_close(file->large);
        cr_expect_null(file->large->bytes);
    }
    leave();
}

Test(repo_read_dir, runs_no_other_large_file_than_it_has_read)
{
    static const char *const says = "large/V1__x.sql: the file was changed while it was read";
    AUTO(tree_done) struct tree tree = { 0 };
    enter();
    put_large("large/V1__x.sql", 3 * 1024 * 1024);
    const struct tree_file *file = read_large(&tree);
    int fd = open("large/V1__x.sql", O_WRONLY | O_CLOEXEC);
    cr_assert_eq(pwrite(fd, "x", 1, 3 * 1024 * 1024 - 1), 1); /* its last byte, its size stays */
    (void)close(fd);
    AUTO(err_free_auto) struct err *changed = large_open(file->large);
    cr_assert_not_null(changed);
    cr_expect_not_null(strstr(changed->message, says), "%s", changed->message);
    cr_expect(!file->large->bytes && file->large->users == 0);
    put_large("large/V1__x.sql", 3 * 1024 * 1024 + 1);
    AUTO(err_free_auto) struct err *longer = large_open(file->large);
    cr_assert_not_null(longer);
    cr_expect_not_null(strstr(longer->message, says), "%s", longer->message);
    cr_assert_eq(unlink("large/V1__x.sql"), 0);
    cr_assert_eq(mkfifo("large/V1__x.sql", 0600), 0);
    AUTO(err_free_auto) struct err *fifo = large_open(file->large);
    cr_assert_not_null(fifo, "and does not wait for a FIFO");
    leave();
}

Test(repo_read_dir, a_file_that_runs_has_a_limit)
{
    AUTO(tree_done) struct tree tree = { 0 };
    enter();
    put("large/V1__x.sql", "--");
    cr_assert_eq(truncate("large/V1__x.sql", LIMIT_STREAM_FILE + 1), 0);
    const struct tree_file *file = read_large(&tree);
    AUTO(err_free_auto) struct err *e = large_open(file->large);
    cr_assert_not_null(e);
    cr_expect_str_eq(e->reason, REASON_SOURCE_TOO_LARGE);
    cr_expect_not_null(strstr(e->message, "a file that must run has up to 268435456: split it"),
                       "%s", e->message);
    leave();
}

/* name -> ..data/name, ..data -> ..<time>: what kubelet makes of a ConfigMap. */
static void mount_configmap(const char *folder, const char *stamp)
{
    AUTO(free_auto) char *file = mem_printf("%s/..%s/V1__a.sql", folder, stamp);
    AUTO(free_auto) char *sub = mem_printf("%s/..%s/sub/V2__b.sql", folder, stamp);
    AUTO(free_auto) char *data = mem_printf("%s/..data", folder);
    AUTO(free_auto) char *real = mem_printf("..%s", stamp);
    put(file, "select 1;");
    put(sub, "select 2;");
    cr_assert_eq(symlink(real, data), 0);
}

Test(repo_read_dir, follows_the_links_of_a_mounted_configmap)
{
    enter();
    mount_configmap("mount", "2026_11_22_10_00_00.1");
    cr_assert_eq(symlink("..data/V1__a.sql", "mount/V1__a.sql"), 0);
    cr_assert_eq(symlink("..data/sub", "mount/sub"), 0);
    AUTO(tree_done) struct tree tree = { 0 };
    AUTO(err_free_auto) struct err *error = read_one("mount", &tree);
    cr_assert_null(error, "%s", error ? error->message : "");
    AUTO(free_auto) char *names = scripts(&tree);
    cr_expect_str_eq(names, "V1__a.sql,sub/V2__b.sql,");
    cr_expect_eq(tree.files[0].size, 9);
    leave();
}

Test(repo_read_dir, follows_no_link_that_only_looks_like_a_mount)
{
    static const struct {
        const char *data, *link, *target;
    } rows[] = {
        { "..x", "V1__a.sql", "..data/V2__b.sql" },     /* another name */
        { "..x", "V1__a.sql", "..data/../secret" },     /* out of it */
        { "../out", "V1__a.sql", "..data/V1__a.sql" },  /* ..data leads elsewhere */
        { "..x/..y", "V1__a.sql", "..data/V1__a.sql" }, /* not a folder beside it */
        { "..", "V1__a.sql", "..data/V1__a.sql" },      /* the parent */
        { "..x", "V3__c.sql", "..data/V3__c.sql" },     /* which is a link itself */
    };
    enter();
    put("secret", "secret");
    put("V1__a.sql", "outside");
    put("out/V1__a.sql", "outside");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AUTO(free_auto) char *folder = mem_printf("m%zu", i);
        AUTO(free_auto) char *real = mem_printf("%s/..x/..y/V1__a.sql", folder);
        AUTO(free_auto) char *file = mem_printf("%s/..x/V1__a.sql", folder);
        AUTO(free_auto) char *inner = mem_printf("%s/..x/V3__c.sql", folder);
        AUTO(free_auto) char *data = mem_printf("%s/..data", folder);
        AUTO(free_auto) char *link = mem_printf("%s/%s", folder, rows[i].link);
        put(real, "x");
        put(file, "x");
        cr_assert_eq(symlink("../../secret", inner), 0);
        cr_assert_eq(symlink(rows[i].data, data), 0);
        cr_assert_eq(symlink(rows[i].target, link), 0);
        refused(folder, REASON_INVALID_MIGRATION, "symbolic link");
    }
    leave();
}
