/* SPDX-License-Identifier: Apache-2.0 */
/* The platform functions over manifests, state and jobs, under one mutex. */
#include "local/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "local/internal.h"
#include "manifest/manifest.h"
#include "model/command.h"
#include "model/reason.h"

static const struct manifests_patience at_once = { 0 };

/* ---- reads ------------------------------------------------------------------------------------ */

/* A reader beside the controller looks at the disk each time; the controller's thread keeps up. */
static struct err *refresh(struct local *l)
{
    struct manifests_changes changes = { 0 };
    struct err *failed = NULL;

    if (!l->owner) {
        struct state fresh = { 0 };
        failed = state_attach(l->dir, &fresh);
        failed = failed ? failed : state_load(&fresh);
        if (failed) {
            state_done(&fresh);
            return failed;
        }
        state_done(&l->state);
        l->state = fresh;
        manifests_scan(&l->manifests, clock_utc_ms(), &at_once, &changes);
        failed = local_settle_all(l, &changes);
    }
    manifests_changes_done(&changes);
    return failed;
}

static const char *local_cluster_id(void *self)
{
    return ((struct local *)self)->state.cluster_id;
}

static struct err *local_list_plans(void *self, struct plan_keys *out)
{
    struct local *l = self;

    pthread_mutex_lock(&l->lock);
    struct err *failed = refresh(l);
    for (size_t i = 0; !failed && i < l->state.count; i++) {
        plan_keys_add(out, l->state.plans[i].namespace_, l->state.plans[i].name);
    }
    pthread_mutex_unlock(&l->lock);
    return failed;
}

static void local_list_problems(void *self, struct strlist *out)
{
    struct local *l = self;

    pthread_mutex_lock(&l->lock);
    manifests_problems(&l->manifests, out);
    for (size_t i = 0; i < l->state.problems.count; i++) {
        strlist_add(out, l->state.problems.items[i]);
    }
    pthread_mutex_unlock(&l->lock);
}

static struct err *find_plan(struct local *l, const char *namespace_, const char *name,
                             struct plan_state **out)
{
    *out = state_find(&l->state, namespace_, name);
    return *out ? NULL
                : err_new(ERR_TERMINAL, REASON_NOT_FOUND, "there is no MigrationPlan %s/%s in %s",
                          namespace_, name, l->dir);
}

static struct err *local_read_plan(void *self, const char *namespace_, const char *name,
                                   struct json **out)
{
    struct local *l = self;
    struct plan_state *plan = NULL;

    pthread_mutex_lock(&l->lock);
    struct err *failed = refresh(l);
    failed = failed ? failed : find_plan(l, namespace_, name, &plan);
    if (!failed) {
        *out = state_object(plan);
    }
    pthread_mutex_unlock(&l->lock);
    return failed;
}

static struct err *read_data(struct local *l, enum platform_kind kind, const char *namespace_,
                             const char *name, struct kvlist *out)
{
    const struct manifest *m = NULL;
    struct err *failed = NULL;

    pthread_mutex_lock(&l->lock);
    failed = refresh(l);
    m = failed ? NULL : manifests_find(&l->manifests, kind, namespace_, name);
    if (!failed && !m) {
        failed =
            err_new(ERR_TERMINAL, REASON_NOT_FOUND, "%s %s/%s does not exist in %s",
                    kind == PLATFORM_SECRET ? "Secret" : "ConfigMap", namespace_, name, l->dir);
    }
    if (m) {
        failed = kind == PLATFORM_SECRET ? secret_decode(m->object, out)
                                         : configmap_decode(m->object, out);
    }
    pthread_mutex_unlock(&l->lock);
    return failed;
}

static struct err *local_read_secret(void *self, const char *namespace_, const char *name,
                                     struct kvlist *out)
{
    return read_data(self, PLATFORM_SECRET, namespace_, name, out);
}

static struct err *local_read_configmap(void *self, const char *namespace_, const char *name,
                                        struct kvlist *out)
{
    return read_data(self, PLATFORM_CONFIGMAP, namespace_, name, out);
}

static bool has_labels(const struct json *metadata, const struct kvlist *wanted)
{
    const struct json *labels = json_get(metadata, "labels");

    for (size_t i = 0; i < wanted->count; i++) {
        if (!str_eq(json_get_string(labels, wanted->items[i].key), wanted->items[i].value)) {
            return false;
        }
    }
    return true;
}

static struct json *secret_head(const struct json *metadata)
{
    static const char *const kept[] = { "labels", "annotations" };
    struct json *out = json_object();

    json_set_string(out, "name", json_get_string(metadata, "name"));
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        const struct json *part = json_get(metadata, kept[i]);
        json_set(out, kept[i], part ? json_copy(part) : json_object());
    }
    return out;
}

static int manifest_by_name(const void *a, const void *b)
{
    return strcmp((*(const struct manifest *const *)a)->name,
                  (*(const struct manifest *const *)b)->name);
}

static struct err *local_list_secrets(void *self, const char *namespace_,
                                      const struct kvlist *match_labels, struct json **out)
{
    struct local *l = self;
    const struct manifest **found = NULL;
    size_t count = 0;
    size_t cap = 0;

    pthread_mutex_lock(&l->lock);
    struct err *failed = refresh(l);
    for (size_t f = 0; !failed && f < l->manifests.count; f++) {
        const struct manifest_file *file = &l->manifests.files[f];
        for (size_t i = 0; i < file->count; i++) {
            const struct manifest *m = &file->items[i];
            if (m->kind == PLATFORM_SECRET && !m->shadowed && str_eq(m->namespace_, namespace_) &&
                has_labels(json_get(m->object, "metadata"), match_labels)) {
                found = mem_grow(found, &cap, count + 1, sizeof *found);
                found[count++] = m;
            }
        }
    }
    if (!failed) {
        if (count > 1) {
            qsort(found, count, sizeof *found, manifest_by_name);
        }
        *out = json_array();
        for (size_t i = 0; i < count; i++) {
            json_push(*out, secret_head(json_get(found[i]->object, "metadata")));
        }
    }
    pthread_mutex_unlock(&l->lock);
    free(found);
    return failed;
}

/* ---- writes ----------------------------------------------------------------------------------- */

static struct err *not_owner(const struct local *l)
{
    return err_new(ERR_TERMINAL, REASON_INTERNAL, "%s is only read by this command", l->dir);
}

static struct err *local_write_status(void *self, const char *namespace_, const char *name,
                                      const char *uid, const struct json *status)
{
    struct local *l = self;
    struct plan_state *plan = NULL;

    if (!l->owner) {
        return not_owner(l);
    }
    pthread_mutex_lock(&l->lock);
    struct err *failed = find_plan(l, namespace_, name, &plan);
    if (failed || !str_eq(plan->uid, uid)) {
        err_free(failed);
        failed = err_new(ERR_CONFLICT, REASON_NOT_FOUND, "MigrationPlan %s/%s is gone", namespace_,
                         name);
    } else {
        failed = state_write_status(&l->state, plan, status);
    }
    pthread_mutex_unlock(&l->lock);
    return failed;
}

static struct err *local_patch_plan(void *self, const char *namespace_, const char *name,
                                    const struct json *patch)
{
    struct local *l = self;
    struct plan_state *plan = NULL;

    pthread_mutex_lock(&l->lock);
    struct err *failed = refresh(l);
    failed = failed ? failed : find_plan(l, namespace_, name, &plan);
    failed = failed ? failed : state_patch(&l->state, namespace_, name, patch);
    pthread_mutex_unlock(&l->lock);
    local_wake(l);
    return failed;
}

static struct err *local_release_plan(void *self, const char *namespace_, const char *name,
                                      const char *uid)
{
    struct local *l = self;
    struct err *failed = NULL;

    if (!l->owner) {
        return not_owner(l);
    }
    pthread_mutex_lock(&l->lock);
    const struct plan_state *plan = state_find(&l->state, namespace_, name);
    if (plan && str_eq(plan->uid, uid) && plan->deleted) {
        failed = state_release(&l->state, namespace_, name);
    }
    pthread_mutex_unlock(&l->lock);
    return failed;
}

/* ---- jobs ------------------------------------------------------------------------------------- */

static struct err *local_list_jobs(void *self, const char *namespace_, const char *plan_uid,
                                   struct job_list *out)
{
    struct local *l = self;

    (void)namespace_;
    pthread_mutex_lock(&l->lock);
    if (!l->owner) {
        struct jobs fresh = { .dir = mem_strdup(l->jobs.dir) };
        err_free(jobs_attach(&fresh));
        jobs_done(&l->jobs);
        l->jobs = fresh;
    }
    jobs_list(&l->jobs, plan_uid, out);
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static struct err *local_create_job(void *self, const struct job_spec *spec)
{
    struct local *l = self;

    if (!l->owner) {
        return not_owner(l);
    }
    pthread_mutex_lock(&l->lock);
    struct err *failed = jobs_create(&l->jobs, spec);
    pthread_mutex_unlock(&l->lock);
    local_wake(l); /* the new process is watched from now on */
    return failed;
}

static struct err *local_delete_job(void *self, const char *namespace_, const char *name)
{
    struct local *l = self;

    (void)namespace_;
    if (!l->owner) {
        return not_owner(l);
    }
    pthread_mutex_lock(&l->lock);
    struct err *failed = jobs_delete(&l->jobs, name);
    pthread_mutex_unlock(&l->lock);
    return failed;
}

static struct err *local_cancel_job(void *self, const char *namespace_, const char *name)
{
    struct local *l = self;

    (void)namespace_;
    if (!l->owner) {
        return not_owner(l);
    }
    pthread_mutex_lock(&l->lock);
    struct err *failed = jobs_cancel(&l->jobs, name);
    pthread_mutex_unlock(&l->lock);
    return failed;
}

/* ---- is there a controller? --------------------------------------------------------------------- */

/* Whoever works on the folder holds the lock, and moves the file's time. */
static char *local_unattended(void *self)
{
    const struct local *l = self;
    AUTO(free_auto) char *path = mem_printf("%s/.sluice/lock", l->dir);
    AUTO(free_auto) char *dir = command_quote(l->dir);
    struct stat st;
    char age[32];

    int fd = l->owner ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && (l->owner || errno != ENOENT)) {
        return NULL;
    }
    if (fd < 0) {
        return mem_printf(
            "no controller works on this folder, and none has yet: `sluice controller "
            "--standalone %s` starts one",
            dir);
    }
    bool held = flock(fd, LOCK_SH | LOCK_NB) != 0; /* the descriptor's end gives it back */
    bool known = fstat(fd, &st) == 0;
    close(fd);
    if (held || !known) {
        return NULL;
    }
    int64_t age_ms = clock_utc_ms() - (int64_t)st.st_mtim.tv_sec * 1000;
    duration_format_short(age_ms > 0 ? age_ms : 0, age);
    return mem_printf("no controller works on this folder (the last one did %s ago): `sluice "
                      "controller --standalone %s` starts one",
                      age, dir);
}

/* ---- open and close --------------------------------------------------------------------------- */

static void local_close(void *self)
{
    struct local *l = self;

    local_watch_stop(l);
    jobs_done(&l->jobs);
    state_done(&l->state);
    manifests_done(&l->manifests);
    if (l->lock_fd >= 0) {
        local_sign(l);
        close(l->lock_fd);
    }
    pthread_mutex_destroy(&l->lock);
    free(l->dir);
    free(l);
}

static const struct platform_ops local_ops = {
    .watch = local_watch,
    .close = local_close,
    .cluster_id = local_cluster_id,
    .unattended = local_unattended,
    .list_plans = local_list_plans,
    .list_problems = local_list_problems,
    .read_plan = local_read_plan,
    .write_status = local_write_status,
    .patch_plan = local_patch_plan,
    .release_plan = local_release_plan,
    .read_secret = local_read_secret,
    .list_secrets = local_list_secrets,
    .read_configmap = local_read_configmap,
    .list_jobs = local_list_jobs,
    .create_job = local_create_job,
    .delete_job = local_delete_job,
    .cancel_job = local_cancel_job,
};

static struct err *check_dir(const char *dir)
{
    struct stat st;

    if (stat(dir, &st) || !S_ISDIR(st.st_mode)) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "%s is not a folder: %s", dir,
                       errno == ENOENT ? "it does not exist" : "give the folder of the manifests");
    }
    return NULL;
}

static struct local *local_new(const char *dir, bool owner)
{
    struct local *l = mem_alloc(sizeof *l);
    char *full = realpath(dir, NULL);

    *l = (struct local){ .owner = owner, .lock_fd = -1, .inotify_fd = -1, .wake_fd = -1 };
    l->dir = full ? full : mem_strdup(dir);
    l->manifests.dir = mem_strdup(l->dir);
    l->jobs.dir = mem_printf("%s/.sluice/jobs", l->dir);
    pthread_mutex_init(&l->lock, NULL);
    return l;
}

static struct err *open_owned(struct local *l)
{
    struct manifests_changes changes = { 0 };

    TRY(local_lock(l));
    TRY(state_create(l->dir, &l->state));
    TRY(state_load(&l->state));
    manifests_scan(&l->manifests, clock_utc_ms(), &at_once, &changes);
    struct err *failed = local_settle_all(l, &changes);
    failed = failed ? failed : local_delete_absent(l, &changes);
    manifests_changes_done(&changes);
    return failed ? failed : jobs_open(&l->jobs);
}

struct err *local_open(const struct local_options *options, struct platform *out)
{
    TRY(check_dir(options->dir));
    struct local *l = local_new(options->dir, true);
    l->jobs.program = options->program;
    l->jobs.envp = options->envp;
    struct err *failed = open_owned(l);
    if (failed) {
        local_close(l);
        return failed;
    }
    *out = (struct platform){ .self = l, .ops = &local_ops };
    return NULL;
}

struct err *local_attach(const char *dir, struct platform *out)
{
    TRY(check_dir(dir));
    struct local *l = local_new(dir, false);
    struct err *failed = state_attach(l->dir, &l->state);
    if (failed) {
        local_close(l);
        return failed;
    }
    *out = (struct platform){ .self = l, .ops = &local_ops };
    return NULL;
}
