/* SPDX-License-Identifier: Apache-2.0 */
/* The standalone platform without Jobs: uid and generation, overlays, deletion, the lock, readers. */
#include <pthread.h>

#include "base/clock.h"
#include "local/local.h"
#include "model/reason.h"
#include "tests/unit/local_support.h"

TestSuite(local, .timeout = 60);

static const char *const no_environment[] = { NULL };

static struct platform open_owner(const struct folder *f)
{
    const struct local_options options = { .dir = f->path,
                                           .program = "/bin/true",
                                           .envp = no_environment };
    struct platform p = { 0 };
    struct err *failed = local_open(&options, &p);
    cr_assert_null(failed, "%s", failed ? failed->message : "");
    return p;
}

static void close_platform(struct platform *p)
{
    p->ops->close(p->self);
}

static struct json *read_plan(const struct platform *p, const char *name)
{
    struct json *object = NULL;
    struct err *failed = p->ops->read_plan(p->self, "default", name, &object);
    cr_assert_null(failed, "%s", failed ? failed->message : "");
    return object;
}

static int64_t generation(const struct json *object)
{
    return json_get_int64(json_get(object, "metadata"), "generation", -1);
}

static const char *uid(const struct json *object)
{
    return json_get_string(json_get(object, "metadata"), "uid");
}

Test(local, a_new_plan_has_a_uid_generation_1_and_a_status_that_nobody_observed)
{
    AUTO(folder_done) struct folder f = folder_new();
    put(&f, "x.yaml", PLAN("a"));
    AUTO(close_platform) struct platform p = open_owner(&f);
    AUTO(json_free_auto) struct json *object = read_plan(&p, "a");
    cr_expect_eq(generation(object), 1);
    cr_expect_eq(strlen(uid(object)), 36);
    cr_expect_eq(json_get_int64(json_get(object, "status"), "observedGeneration", 0), -1);
    cr_expect_not_null(json_get(json_get(object, "metadata"), "creationTimestamp"));
    const struct json *source = json_get(json_get(object, "spec"), "source");
    cr_expect_str_eq(json_get_string(source, "interval"), "1m", "defaults are filled in");
    AUTO(free_auto) char *ignore = take_text(&f, ".sluice/.gitignore");
    cr_expect_str_eq(ignore, "*\n");
    AUTO(free_auto) char *format = take_text(&f, ".sluice/format");
    cr_expect_str_eq(format, "1\n");
    struct stat st;
    AUTO(free_auto) char *dir = mem_printf("%s/.sluice", f.path);
    cr_expect_eq(stat(dir, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0700);
}

Test(local, a_restart_keeps_uid_and_generation_and_a_changed_spec_bumps_it)
{
    AUTO(folder_done) struct folder f = folder_new();
    put(&f, "x.yaml", PLAN("a"));
    struct platform p = open_owner(&f);
    AUTO(json_free_auto) struct json *first = read_plan(&p, "a");
    AUTO(free_auto) char *cluster = mem_strdup(p.ops->cluster_id(p.self));
    p.ops->close(p.self);

    put(&f, "x.yaml",
        "# only a comment\n" PLAN("a") "  interval: 5m\n"); /* the default, written out */
    p = open_owner(&f);
    AUTO(json_free_auto) struct json *same = read_plan(&p, "a");
    cr_expect_str_eq(uid(same), uid(first));
    cr_expect_eq(generation(same), 1, "a written-out default is no change");
    cr_expect_str_eq(p.ops->cluster_id(p.self), cluster);
    p.ops->close(p.self);

    put(&f, "x.yaml", PLAN("a") "  interval: 6m\n");
    p = open_owner(&f);
    AUTO(json_free_auto) struct json *changed = read_plan(&p, "a");
    cr_expect_str_eq(uid(changed), uid(first));
    cr_expect_eq(generation(changed), 2);
    p.ops->close(p.self);
}

Test(local, a_status_is_stored_by_uid_and_survives)
{
    AUTO(folder_done) struct folder f = folder_new();
    put(&f, "x.yaml", PLAN("a"));
    struct platform p = open_owner(&f);
    AUTO(json_free_auto) struct json *object = read_plan(&p, "a");
    AUTO(json_free_auto) struct json *status = json_object();
    json_set_int64(status, "observedGeneration", 1);
    expect_no_error(p.ops->write_status(p.self, "default", "a", uid(object), status));
    struct err *conflict = p.ops->write_status(p.self, "default", "a", "other-uid", status);
    cr_assert_not_null(conflict);
    cr_expect_eq(conflict->kind, ERR_CONFLICT);
    err_free(conflict);
    p.ops->close(p.self);

    p = open_owner(&f);
    AUTO(json_free_auto) struct json *again = read_plan(&p, "a");
    cr_expect_eq(json_get_int64(json_get(again, "status"), "observedGeneration", 0), 1);
    p.ops->close(p.self);
    AUTO(free_auto) char *manifest = take_text(&f, "x.yaml");
    cr_expect_str_eq(manifest, PLAN("a"), "the user's file was written");
}

static void patch(const struct platform *p, const char *text)
{
    AUTO(json_free_auto) struct json *json = NULL;
    expect_no_error(json_parse(text, strlen(text), "patch", &json));
    expect_no_error(p->ops->patch_plan(p->self, "default", "a", json));
}

Test(local, requests_are_merged_beside_the_manifest_and_only_spec_suspend_bumps_generation)
{
    AUTO(folder_done) struct folder f = folder_new();
    put(&f, "x.yaml",
        "apiVersion: sluice.dev/v1alpha1\nkind: MigrationPlan\n"
        "metadata: {name: a, annotations: {keep: me, drop: me}}\n"
        "spec:\n  source: {url: https://git.example.com/a.git}\n"
        "  databases:\n  - {name: one, secretRef: {name: one-db}}\n");
    struct platform owner = open_owner(&f);
    owner.ops->close(owner.self);
    struct platform reader = { 0 };
    expect_no_error(local_attach(f.path, &reader));
    patch(&reader, "{\"metadata\":{\"annotations\":{\"sluice.dev/retry\":\"1\",\"drop\":null}}}");
    patch(&reader, "{\"metadata\":{\"annotations\":{\"sluice.dev/requestedAt\":\"2\"}},"
                   "\"spec\":{\"suspend\":true,\"interval\":\"9h\"}}");
    reader.ops->close(reader.self);

    owner = open_owner(&f);
    AUTO(json_free_auto) struct json *object = read_plan(&owner, "a");
    const struct json *annotations = json_get(json_get(object, "metadata"), "annotations");
    cr_expect_str_eq(json_get_string(annotations, "keep"), "me");
    cr_expect_null(json_get(annotations, "drop"), "a null deletes");
    cr_expect_str_eq(json_get_string(annotations, "sluice.dev/retry"), "1");
    cr_expect_str_eq(json_get_string(annotations, "sluice.dev/requestedAt"), "2");
    cr_expect(json_bool(json_get(json_get(object, "spec"), "suspend"), false));
    cr_expect_str_eq(json_get_string(json_get(object, "spec"), "interval"), "5m",
                     "an overlay may say nothing else of the spec");
    cr_expect_eq(generation(object), 2);
    owner.ops->close(owner.self);
}

Test(local, a_plan_that_vanished_is_deleting_and_one_behind_a_broken_file_is_not)
{
    AUTO(folder_done) struct folder f = folder_new();
    AUTO(free_auto) char *path = mem_printf("%s/x.yaml", f.path);
    put(&f, "x.yaml", PLAN("a"));
    struct platform p = open_owner(&f);
    AUTO(json_free_auto) struct json *first = read_plan(&p, "a");
    p.ops->close(p.self);

    put(&f, "x.yaml", "a: [\n");
    p = open_owner(&f);
    AUTO(json_free_auto) struct json *hidden = read_plan(&p, "a");
    cr_expect_null(json_get(json_get(hidden, "metadata"), "deletionTimestamp"));
    expect_no_error(p.ops->release_plan(p.self, "default", "a", uid(hidden)));
    p.ops->close(p.self);

    cr_assert_eq(unlink(path), 0);
    p = open_owner(&f);
    AUTO(json_free_auto) struct json *gone = read_plan(&p, "a");
    cr_expect_str_eq(uid(gone), uid(first));
    cr_expect_not_null(json_get(json_get(gone, "metadata"), "deletionTimestamp"));
    expect_no_error(p.ops->release_plan(p.self, "default", "a", uid(gone)));
    struct json *object = NULL;
    struct err *failed = p.ops->read_plan(p.self, "default", "a", &object);
    cr_assert_not_null(failed);
    cr_expect_str_eq(failed->reason, REASON_NOT_FOUND);
    err_free(failed);
    p.ops->close(p.self);

    put(&f, "x.yaml", PLAN("a"));
    p = open_owner(&f);
    AUTO(json_free_auto) struct json *second = read_plan(&p, "a");
    cr_expect_str_neq(uid(second), uid(first), "a new object has a new uid");
    p.ops->close(p.self);
}

Test(local, a_second_controller_is_refused_by_the_first_ones_pid)
{
    AUTO(folder_done) struct folder f = folder_new();
    AUTO(close_platform) struct platform p = open_owner(&f);
    cr_assert_not_null(p.self);
    AUTO(free_auto) char *pid = mem_printf("(pid %ld,", (long)getpid());
    const struct local_options options = { .dir = f.path,
                                           .program = "/bin/true",
                                           .envp = no_environment };
    struct platform second = { 0 };
    struct err *failed = local_open(&options, &second);
    cr_assert_not_null(failed);
    cr_expect(strstr(failed->message, pid), "%s", failed->message);
    err_free(failed);
}

Test(local, a_newer_format_and_a_lost_cluster_id_stop_the_start)
{
    AUTO(folder_done) struct folder f = folder_new();
    const struct local_options options = { .dir = f.path,
                                           .program = "/bin/true",
                                           .envp = no_environment };
    struct platform p = open_owner(&f);
    p.ops->close(p.self);
    put(&f, ".sluice/cluster-id", "not a uuid\n");
    struct err *failed = local_open(&options, &p);
    cr_assert_not_null(failed);
    cr_expect(strstr(failed->message, "cluster-id"), "%s", failed->message);
    err_free(failed);
    put(&f, ".sluice/format", "2\n");
    failed = local_open(&options, &p);
    cr_assert_not_null(failed);
    cr_expect_str_eq(failed->reason, REASON_FORMAT_TOO_NEW);
    err_free(failed);
}

Test(local, a_reader_sees_the_generation_that_the_controller_will_give)
{
    AUTO(folder_done) struct folder f = folder_new();
    put(&f, "x.yaml", PLAN("a"));
    struct platform owner = open_owner(&f);
    owner.ops->close(owner.self);
    AUTO(close_platform) struct platform reader = { 0 };
    expect_no_error(local_attach(f.path, &reader));
    AUTO(json_free_auto) struct json *before = read_plan(&reader, "a");
    cr_expect_eq(generation(before), 1);
    put(&f, "x.yaml", PLAN("a") "  interval: 7m\n");
    AUTO(json_free_auto) struct json *after = read_plan(&reader, "a");
    cr_expect_eq(generation(after), 2);
    AUTO(json_free_auto) struct json *twice = read_plan(&reader, "a");
    cr_expect_eq(generation(twice), 2, "each look counts up");
    struct json *status = json_object();
    struct err *failed = reader.ops->write_status(reader.self, "default", "a", "x", status);
    cr_expect_not_null(failed, "a reader may not write");
    err_free(failed);
    json_free(status);
}

/* A controller deletes plans while a command lists them: the command finds a name and no file. */
Test(local, a_plan_that_goes_while_a_reader_lists_is_none)
{
    AUTO(folder_done) struct folder f = folder_new();
    put(&f, "x.yaml", PLAN("a"));
    struct platform owner = open_owner(&f);
    owner.ops->close(owner.self);
    AUTO(free_auto) char *gone = mem_printf("%s/.sluice/plans/default.gone.json", f.path);
    cr_assert_eq(symlink("nowhere", gone), 0);
    AUTO(close_platform) struct platform reader = { 0 };
    expect_no_error(local_attach(f.path, &reader));
    AUTO(json_free_auto) struct json *object = read_plan(&reader, "a");
    cr_expect_eq(generation(object), 1);
    put(&f, ".sluice/plans/default.broken.json", "{");
    struct json *none = NULL;
    struct err *failed = reader.ops->read_plan(reader.self, "default", "a", &none);
    cr_assert_not_null(failed, "one that is there and cannot be read is told");
    err_free(failed);
}

/* ---- changes ------------------------------------------------------------------------------------ */

struct heard {
    pthread_mutex_t lock;
    pthread_cond_t more;
    char text[256];
};

static void hear(void *payload, enum platform_kind kind, const char *namespace_, const char *name)
{
    struct heard *h = payload;
    pthread_mutex_lock(&h->lock);
    if (name) {
        snprintf(h->text, sizeof h->text, "%d %s/%s", (int)kind, namespace_, name);
        pthread_cond_signal(&h->more);
    }
    pthread_mutex_unlock(&h->lock);
}

static void expect_heard(struct heard *h, const char *want)
{
    struct timespec until;
    int late = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    pthread_mutex_lock(&h->lock);
    while (!late && strcmp(h->text, want) != 0) {
        late = pthread_cond_timedwait(&h->more, &h->lock, &until);
    }
    cr_expect_str_eq(h->text, want);
    h->text[0] = '\0';
    pthread_mutex_unlock(&h->lock);
}

Test(local, a_running_controller_hears_of_manifests_secrets_and_requests)
{
    struct heard h = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, "" };
    AUTO(folder_done) struct folder f = folder_new();
    put(&f, "x.yaml", PLAN("a"));
    AUTO(close_platform) struct platform p = open_owner(&f);
    expect_no_error(p.ops->watch(p.self, hear, &h));
    put(&f, "s.yaml", SECRET("s"));
    expect_heard(&h, "1 default/s");
    put(&f, "x.yaml", PLAN("a") "  interval: 8m\n");
    expect_heard(&h, "0 default/a");
    AUTO(json_free_auto) struct json *changed = read_plan(&p, "a");
    cr_expect_eq(generation(changed), 2, "announced before it can be read");
    struct platform reader = { 0 };
    expect_no_error(local_attach(f.path, &reader));
    patch(&reader, "{\"metadata\":{\"annotations\":{\"sluice.dev/retry\":\"1\"}}}");
    reader.ops->close(reader.self);
    expect_heard(&h, "0 default/a");
    AUTO(free_auto) char *path = mem_printf("%s/x.yaml", f.path);
    cr_assert_eq(unlink(path), 0);
    expect_heard(&h, "0 default/a");
    AUTO(json_free_auto) struct json *gone = read_plan(&p, "a");
    cr_expect_not_null(json_get(json_get(gone, "metadata"), "deletionTimestamp"));
}
