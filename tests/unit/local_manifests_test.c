/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the folder: what becomes an object, what is reported and where, what a change is. */
#include "local/manifests.h"
#include "tests/unit/local_support.h"

TestSuite(manifests, .timeout = 30);

static const struct manifests_patience at_once = { 0 };
#define NOW 1000000000000 /* far from the files' own times: nothing is fresh */

static size_t scan(struct manifests *m, const struct folder *f)
{
    struct manifests_changes changes = { 0 };
    if (!m->dir) {
        m->dir = mem_strdup(f->path);
    }
    manifests_scan(m, NOW, &at_once, &changes);
    size_t count = changes.count;
    manifests_changes_done(&changes);
    return count;
}

static const struct row {
    const char *name, *text;
    const char *problem; /* NULL: none */
    bool plan, secret;   /* MigrationPlan default/a, Secret default/s are there */
} rows[] = {
    { "a plan and a Secret in one file", PLAN("a") "---\n" SECRET("s"), NULL, true, true },
    { "a bad document names its first line and the others count",
      SECRET("s") "---\nkind: Secret\n---\n" PLAN("a"), "x.yaml:6: ", true, true },
    { "a file that is no YAML names line and column", PLAN("a") "  bad: [\n", "x.yaml:", false,
      false },
    { "kinds of others are told and ignored",
      "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n---\n" PLAN("a"),
      "x.yaml:1: kind Deployment is not read", true, false },
    { "another apiVersion is refused",
      "apiVersion: sluice.dev/v2\nkind: MigrationPlan\nmetadata: {name: a}\n",
      "apiVersion of a MigrationPlan is sluice.dev/v1alpha1", false, false },
    { "a name that would leave the folder is refused",
      "apiVersion: v1\nkind: Secret\nmetadata: {name: ../../s}\nstringData: {a: b}\n",
      "is not a DNS name", false, false },
    { "a namespace with a dot is refused, else two plans would share a file",
      "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: a.b}\nstringData: {a: b}\n",
      "is not a DNS label", false, false },
    { "a Secret whose data is no base64 is refused and its value is not told",
      "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {uri: 'hunter2!'}\n",
      "x.yaml:1: ", false, false },
    { "a spec that does not decode is still a plan: its status tells",
      "apiVersion: sluice.dev/v1alpha1\nkind: MigrationPlan\nmetadata: {name: a}\nspec: {nope: "
      "1}\n",
      NULL, true, false },
    { "no metadata.name", "apiVersion: v1\nkind: Secret\nstringData: {a: b}\n",
      "Secret without metadata.name", false, false },
};

Test(manifests, follow_the_table)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        AUTO(folder_done) struct folder f = folder_new();
        AUTO(manifests_done) struct manifests m = { 0 };
        AUTO(strlist_done) struct strlist problems = { 0 };
        put(&f, "x.yaml", row->text);
        scan(&m, &f);
        manifests_problems(&m, &problems);
        cr_expect_eq(manifests_find(&m, PLATFORM_PLAN, "default", "a") != NULL, row->plan, "%s",
                     row->name);
        cr_expect_eq(manifests_find(&m, PLATFORM_SECRET, "default", "s") != NULL, row->secret, "%s",
                     row->name);
        cr_expect_eq(problems.count, row->problem ? 1 : 0, "%s: %zu problems", row->name,
                     problems.count);
        if (row->problem && problems.count) {
            cr_expect(strstr(problems.items[0], row->problem), "%s: %s", row->name,
                      problems.items[0]);
            cr_expect_null(strstr(problems.items[0], "hunter2"), "%s: tells the value", row->name);
        }
    }
}

Test(manifests, only_yaml_files_that_are_not_hidden_are_read)
{
    AUTO(folder_done) struct folder f = folder_new();
    AUTO(manifests_done) struct manifests m = { 0 };
    put(&f, "a.yaml", SECRET("a"));
    put(&f, "b.yml", SECRET("b"));
    put(&f, "c.yaml~", SECRET("c"));
    put(&f, ".d.yaml", SECRET("d"));
    put(&f, "e.json", SECRET("e"));
    scan(&m, &f);
    cr_expect_not_null(manifests_find(&m, PLATFORM_SECRET, "default", "a"));
    cr_expect_not_null(manifests_find(&m, PLATFORM_SECRET, "default", "b"));
    for (char name[2] = "c"; name[0] <= 'e'; name[0]++) {
        cr_expect_null(manifests_find(&m, PLATFORM_SECRET, "default", name), "%s", name);
    }
}

Test(manifests, an_object_that_is_defined_twice_is_refused_the_second_time)
{
    AUTO(folder_done) struct folder f = folder_new();
    AUTO(manifests_done) struct manifests m = { 0 };
    AUTO(strlist_done) struct strlist problems = { 0 };
    put(&f, "b.yaml", SECRET("s"));
    put(&f, "a.yaml",
        "# a comment\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {uri: x}\n");
    scan(&m, &f);
    manifests_problems(&m, &problems);
    const struct manifest *s = manifests_find(&m, PLATFORM_SECRET, "default", "s");
    cr_assert_not_null(s);
    cr_expect(strncmp(s->where, "a.yaml:", 7) == 0, "%s", s->where);
    cr_assert_eq(problems.count, 1);
    cr_expect(strstr(problems.items[0], "b.yaml:1: Secret default/s is defined already at a.yaml:"),
              "%s", problems.items[0]);
}

Test(manifests, a_file_that_breaks_keeps_its_objects_and_says_so)
{
    AUTO(folder_done) struct folder f = folder_new();
    AUTO(manifests_done) struct manifests m = { 0 };
    AUTO(strlist_done) struct strlist problems = { 0 };
    put(&f, "x.yaml", PLAN("a"));
    cr_expect_eq(scan(&m, &f), 1);
    cr_expect_not(manifests_broken(&m));
    put(&f, "x.yaml", PLAN("a") "\tx: 1\n");
    cr_expect_eq(scan(&m, &f), 0);
    cr_expect(manifests_broken(&m), "absence must not count now");
    cr_expect_not_null(manifests_find(&m, PLATFORM_PLAN, "default", "a"));
    manifests_problems(&m, &problems);
    cr_expect_eq(problems.count, 1);
    put(&f, "x.yaml", PLAN("a"));
    cr_expect_eq(scan(&m, &f), 0, "equal to what was kept: no change");
    cr_expect_not(manifests_broken(&m));
}

Test(manifests, changes_name_what_differs_and_nothing_else)
{
    AUTO(folder_done) struct folder f = folder_new();
    AUTO(manifests_done) struct manifests m = { .dir = mem_strdup(f.path) };
    struct manifests_changes changes = { 0 };
    put(&f, "x.yaml", PLAN("a") "---\n" SECRET("s"));
    cr_expect_eq(scan(&m, &f), 2);
    cr_expect_eq(scan(&m, &f), 0);
    put(&f, "x.yaml", "# another comment\n---\n" SECRET("s") "---\n" PLAN("a"));
    cr_expect_eq(scan(&m, &f), 0, "order and comments are no change");
    put(&f, "x.yaml", PLAN("a"));
    manifests_scan(&m, NOW, &at_once, &changes);
    cr_assert_eq(changes.count, 1);
    cr_expect_eq(changes.items[0].kind, PLATFORM_SECRET);
    cr_expect_str_eq(changes.items[0].name, "s");
    manifests_changes_done(&changes);
}

Test(manifests, a_file_that_is_gone_for_a_moment_is_still_there)
{
    const struct manifests_patience patience = { .absence_ms = 1000 };
    AUTO(folder_done) struct folder f = folder_new();
    AUTO(manifests_done) struct manifests m = { .dir = mem_strdup(f.path) };
    AUTO(free_auto) char *path = mem_printf("%s/x.yaml", f.path);
    struct manifests_changes changes = { 0 };
    put(&f, "x.yaml", SECRET("s"));
    scan(&m, &f);
    cr_assert_eq(unlink(path), 0);
    manifests_scan(&m, NOW, &patience, &changes);
    manifests_scan(&m, NOW + 999, &patience, &changes);
    cr_expect_eq(changes.count, 0);
    cr_expect(changes.unsettled, "nobody would look again");
    manifests_scan(&m, NOW + 1000, &patience, &changes);
    cr_expect_eq(changes.count, 1);
    cr_expect_null(manifests_find(&m, PLATFORM_SECRET, "default", "s"));
    manifests_changes_done(&changes);
}

Test(manifests, a_file_that_is_being_written_is_left_for_the_next_scan)
{
    const struct manifests_patience patience = { .settle_ms = 60 };
    AUTO(folder_done) struct folder f = folder_new();
    AUTO(manifests_done) struct manifests m = { .dir = mem_strdup(f.path) };
    AUTO(free_auto) char *path = mem_printf("%s/x.yaml", f.path);
    struct manifests_changes changes = { 0 };
    struct stat st;
    put(&f, "x.yaml", SECRET("s"));
    cr_assert_eq(stat(path, &st), 0);
    int64_t written_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    manifests_scan(&m, written_ms + 59, &patience, &changes);
    cr_expect_eq(changes.count, 0);
    cr_expect(changes.unsettled);
    manifests_scan(&m, written_ms + 60, &patience, &changes);
    cr_expect_eq(changes.count, 1);
    manifests_changes_done(&changes);
}

Test(manifests, an_unreadable_folder_deletes_nothing)
{
    struct folder f = folder_new();
    AUTO(manifests_done) struct manifests m = { 0 };
    AUTO(strlist_done) struct strlist problems = { 0 };
    put(&f, "x.yaml", SECRET("s"));
    scan(&m, &f);
    folder_done(&f);
    cr_expect_eq(scan(&m, &f), 0);
    cr_expect_not_null(manifests_find(&m, PLATFORM_SECRET, "default", "s"));
    manifests_problems(&m, &problems);
    cr_expect_eq(problems.count, 1);
}
