/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs of plans: fixed names make a second creation a conflict, labels find them again, and what ends or
 * starts one asks the server, never a cache. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "k8s/platform/job_read.h"
#include "k8s/platform/internal.h"
#include "model/reason.h"

static char *job_path(const char *namespace_, const char *name)
{
    return kube_path("/apis/batch/v1/namespaces/%s/jobs/%s", namespace_, name);
}

static char *plan_selector(const char *plan_uid)
{
    AUTO(free_auto) char *value = k8s_label_value(plan_uid);

    return mem_printf(RUNNER_SELECTOR "," LABEL_PLAN_UID "=%s", value);
}

/* ---- look ------------------------------------------------------------------------------------- */

static void add_job(const struct json *object, const struct json *pods, struct job_list *out)
{
    struct job job = { 0 };

    if (job_read(object, pods, clock_utc_ms(), &job)) {
        out->items = mem_grow(out->items, &out->cap, out->count + 1, sizeof *out->items);
        out->items[out->count++] = job;
    }
}

static struct err *list_watched(struct k8s *k, const char *namespace_, const char *plan_uid,
                                struct job_list *out)
{
    AUTO(free_auto) char *value = k8s_label_value(plan_uid);
    AUTO(free_auto) char *plan = job_index_plan(namespace_, value);

    TRY(k8s_jobs_catch_up(k));
    TRY(evidence_seek(k, plan));
    job_index_list(k->index, plan, clock_utc_ms(), out);
    return NULL;
}

static struct err *list_asked(const struct k8s *k, const char *namespace_, const char *plan_uid,
                              struct job_list *out)
{
    AUTO(free_auto) char *selector = plan_selector(plan_uid);
    AUTO(free_auto) char *jobs_path =
        kube_path("/apis/batch/v1/namespaces/%s/jobs?labelSelector=%s", namespace_, selector);
    AUTO(free_auto) char *pods_path =
        kube_path("/api/v1/namespaces/%s/pods?labelSelector=%s", namespace_, selector);
    AUTO(json_free_auto) struct json *jobs = NULL;
    AUTO(json_free_auto) struct json *pods = NULL;

    TRY(k8s_list(k->kube, KUBE_GET, jobs_path, &jobs));
    TRY(k8s_list(k->kube, KUBE_GET, pods_path, &pods));
    for (const struct json *job = json_first(jobs); job; job = json_next(job)) {
        add_job(job, pods, out);
    }
    return NULL;
}

struct err *k8s_jobs_list(void *self, const char *namespace_, const char *plan_uid,
                          struct job_list *out)
{
    struct k8s *k = self;

    return k->owner ? list_watched(k, namespace_, plan_uid, out)
                    : list_asked(k, namespace_, plan_uid, out);
}

/* ---- create ----------------------------------------------------------------------------------- */

/* A Job of that name exists. */
static struct err *adopt(struct k8s *k, const struct job_spec *spec)
{
    AUTO(free_auto) char *path = job_path(spec->plan->namespace_, spec->name);
    AUTO(json_free_auto) struct json *found = NULL;
    AUTO(job_done) struct job job = { 0 };
    struct err *failed = kube_call(k->kube, KUBE_GET, path, NULL, 0, &found);

    if (failed && str_eq(failed->reason, KUBE_NOT_FOUND)) {
        failed->kind = ERR_CONFLICT; /* it went since: look again */
        failed->reason = REASON_ASSIGNMENT_STALE;
    }
    TRY(failed);
    const char *uid =
        json_get_string(json_get(json_get(found, "metadata"), "labels"), LABEL_PLAN_UID);
    if (!job_read(found, NULL, clock_utc_ms(), &job) || !str_eq(uid, spec->plan->uid)) {
        return err_new(ERR_TRANSIENT, REASON_NAME_CONFLICT,
                       "Job %s/%s exists and is not of this plan: delete it",
                       spec->plan->namespace_, spec->name);
    }
    k8s_jobs_written(k, k8s_meta(found, "resourceVersion")); /* our view lacked it */
    if (k8s_meta(found, "deletionTimestamp") ||
        !str_eq(job.assignment_sha256, spec->manifest_sha256)) {
        return err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE,
                       "job %s exists with another assignment", spec->name);
    }
    return NULL;
}

/* An authoritative look right before: attempts follow each other, and who led before us may have made one
 * that our watch has not heard of. Those that have succeeded are left out by the server: a fleet keeps
 * thousands, and a Job that is over is no reason to wait. */
static struct err *check_known(struct k8s *k, const struct mplan *plan)
{
    AUTO(free_auto) char *selector = plan_selector(plan->uid);
    AUTO(free_auto) char *path = kube_path("/apis/batch/v1/namespaces/%s/jobs?"
                                           "fieldSelector=status.successful%%3D0&labelSelector=%s",
                                           plan->namespace_, selector);
    AUTO(json_free_auto) struct json *jobs = NULL;

    TRY(k8s_list(k->kube, KUBE_GET_METADATA, path, &jobs));
    for (const struct json *job = json_first(jobs); job; job = json_next(job)) {
        if (!job_index_knows(k->index, k8s_meta(job, "uid"))) {
            return err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE, "job %s is not in our view yet",
                           k8s_meta(job, "name"));
        }
    }
    return NULL;
}

struct err *k8s_jobs_prepare(void *self, const struct mplan *plan)
{
    struct k8s *k = self;

    if (!k->owner) {
        return k8s_not_owner(k);
    }
    TRY(k8s_plans_hold(k, plan));
    return check_known(k, plan);
}

/* Quota, admission, rights: nobody knows the API server's rules but the API server. */
static struct err *as_rejected(struct err *failed, const char *name)
{
    if (failed &&
        (str_eq(failed->reason, KUBE_INVALID) || str_eq(failed->reason, KUBE_FORBIDDEN))) {
        failed->kind = ERR_TRANSIENT;
        failed->reason = REASON_JOB_REJECTED;
        return err_wrap(failed, "job %s", name);
    }
    return failed;
}

static struct err *post_job(struct k8s *k, const struct job_spec *spec)
{
    const struct runner_options options = { .image = k->image, .pull_policy = k->pull_policy };
    AUTO(free_auto) char *path =
        kube_path("/apis/batch/v1/namespaces/%s/jobs", spec->plan->namespace_);
    AUTO(json_free_auto) struct json *job = job_build(spec, &options);
    AUTO(json_free_auto) struct json *answer = NULL;
    struct err *failed = kube_call(k->kube, KUBE_POST, path, job, 0, &answer);

    if (failed && str_eq(failed->reason, KUBE_ALREADY_EXISTS)) {
        err_free(failed);
        return adopt(k, spec);
    }
    TRY(as_rejected(failed, spec->name));
    k8s_jobs_written(k, k8s_meta(answer, "resourceVersion"));
    return NULL;
}

static struct err *make_all(struct k8s *k, const struct job_spec *spec)
{
    TRY(as_rejected(assignments_make(k, spec), spec->name));
    return post_job(k, spec);
}

struct err *k8s_jobs_create(void *self, const struct job_spec *spec)
{
    struct k8s *k = self;

    if (!k->owner) {
        return k8s_not_owner(k);
    }
    pthread_rwlock_t *lock = assign_lock(k, spec->plan->namespace_);
    pthread_rwlock_rdlock(lock);
    struct err *failed = make_all(k, spec);
    pthread_rwlock_unlock(lock);
    if (failed) {
        sweep_mark(k, spec->plan->namespace_);
    }
    return failed;
}

/* ---- delete and cancel ------------------------------------------------------------------------ */

/* The Job and its pods as the server has them now; *job NULL: no such Job, or not ours. */
static struct err *ask(struct k8s *k, const char *namespace_, const char *name, struct json **job,
                       struct json **pods)
{
    AUTO(free_auto) char *path = job_path(namespace_, name);
    AUTO(json_free_auto) struct json *found = NULL;
    AUTO(job_done) struct job seen = { 0 };
    struct err *failed = kube_call(k->kube, KUBE_GET, path, NULL, 0, &found);

    if (failed && str_eq(failed->reason, KUBE_NOT_FOUND)) {
        err_free(failed);
        return NULL;
    }
    TRY(failed);
    if (!job_read(found, NULL, 0, &seen)) {
        return NULL;
    }
    AUTO(free_auto) char *selector =
        mem_printf("batch.kubernetes.io/controller-uid=%s", k8s_meta(found, "uid"));
    AUTO(free_auto) char *pods_path =
        kube_path("/api/v1/namespaces/%s/pods?labelSelector=%s", namespace_, selector);
    TRY(k8s_list(k->kube, KUBE_GET, pods_path, pods));
    *job = TAKE(found);
    return NULL;
}

/* Foreground: the Job stays in sight until its pods are gone, so that the next attempt cannot meet a
 * container that was about to start. */
struct err *k8s_jobs_delete(void *self, const char *namespace_, const char *name)
{
    struct k8s *k = self;
    AUTO(json_free_auto) struct json *job = NULL;
    AUTO(json_free_auto) struct json *pods = NULL;
    AUTO(free_auto) char *version = NULL;

    if (!k->owner) {
        return k8s_not_owner(k);
    }
    TRY(ask(k, namespace_, name, &job, &pods));
    if (!job || k8s_meta(job, "deletionTimestamp")) {
        return NULL;
    }
    for (const struct json *pod = json_first(pods); pod; pod = json_next(pod)) {
        if (job_read_is_pod_of(pod, job) && job_read_started(pod)) {
            return err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE, "job %s runs already", name);
        }
    }
    if (job_read_terminal(job)) {
        return err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE, "job %s has ended already", name);
    }
    AUTO(free_auto) char *path = job_path(namespace_, name);
    TRY(k8s_delete(k->kube, path, job, true, "Foreground", &version));
    k8s_jobs_written(k, version);
    return NULL;
}

/* SIGTERM with the pod's whole grace period, and the pod stays: its time is taken away. A deleted pod
 * would take the runner's last words and its log along. */
static struct err *end_pod(struct k8s *k, const struct json *pod)
{
    AUTO(free_auto) char *path = kube_path("/api/v1/namespaces/%s/pods/%s",
                                           k8s_meta(pod, "namespace"), k8s_meta(pod, "name"));
    AUTO(json_free_auto) struct json *body = json_object();
    struct json *metadata = json_object();
    struct json *spec = json_object();

    json_set_string(metadata, "uid", k8s_meta(pod, "uid"));
    json_set_int64(spec, "activeDeadlineSeconds", 1);
    json_set(body, "metadata", metadata);
    json_set(body, "spec", spec);
    struct err *failed = kube_call(k->kube, KUBE_MERGE_PATCH, path, body, 0, NULL);
    if (failed && str_eq(failed->reason, KUBE_NOT_FOUND)) {
        err_free(failed);
        return NULL;
    }
    return failed;
}

struct err *k8s_jobs_cancel(void *self, const char *namespace_, const char *name)
{
    struct k8s *k = self;
    AUTO(json_free_auto) struct json *job = NULL;
    AUTO(json_free_auto) struct json *pods = NULL;

    if (!k->owner) {
        return k8s_not_owner(k);
    }
    TRY(ask(k, namespace_, name, &job, &pods));
    for (const struct json *pod = json_first(pods); pod; pod = json_next(pod)) {
        if (job_read_is_pod_of(pod, job) && job_read_started(pod) && !job_read_terminated(pod) &&
            !k8s_meta(pod, "deletionTimestamp")) {
            TRY(end_pod(k, pod));
        }
    }
    return NULL;
}
