/* SPDX-License-Identifier: Apache-2.0 */
/* The last words of runners whose pods are gone: a deleted pod shows its end once, in the event that
 * says that it is no more, and a Job may end before our view of its pod does. */
#include <stdlib.h>

#include "k8s/parts.h"
#include "k8s/job_read.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/mem.h"

#define EVIDENCE_MAX 10000 /* Jobs; beyond it the database is asked without their words */

static const char *owner_uid(const struct json *pod)
{
    const struct json *owners = json_get(json_get(pod, "metadata"), "ownerReferences");

    for (const struct json *o = json_first(owners); o; o = json_next(o)) {
        if (json_bool(json_get(o, "controller"), false)) {
            return json_get_string(o, "uid");
        }
    }
    return NULL;
}

static void keep(struct k8s *k, const char *job_uid, const struct json *pod)
{
    pthread_mutex_lock(&k->lock);
    if (k->evidence_count < EVIDENCE_MAX) {
        k->evidence =
            mem_grow(k->evidence, &k->evidence_cap, k->evidence_count + 1, sizeof *k->evidence);
        k->evidence[k->evidence_count++] =
            (struct evidence){ .job_uid = mem_strdup(job_uid), .pod = pod ? json_copy(pod) : NULL };
    }
    pthread_mutex_unlock(&k->lock);
}

void evidence_keep(struct k8s *k, const struct json *pod)
{
    const char *uid = owner_uid(pod);

    if (uid && job_read_terminated(pod)) {
        keep(k, uid, pod);
    }
}

void evidence_add(struct k8s *k, const char *job_uid, struct json *pods)
{
    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < k->evidence_count; i++) {
        if (k->evidence[i].pod && str_eq(k->evidence[i].job_uid, job_uid)) {
            json_push(pods, json_copy(k->evidence[i].pod));
        }
    }
    pthread_mutex_unlock(&k->lock);
}

static bool known(struct k8s *k, const char *job_uid)
{
    bool found = false;

    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < k->evidence_count && !found; i++) {
        found = str_eq(k->evidence[i].job_uid, job_uid);
    }
    pthread_mutex_unlock(&k->lock);
    return found;
}

static bool seen_to_end(const struct json *pods, const struct json *job)
{
    for (const struct json *pod = json_first(pods); pod; pod = json_next(pod)) {
        if (job_read_is_pod_of(pod, job) && job_read_terminated(pod)) {
            return true;
        }
    }
    return false;
}

struct err *evidence_seek(struct k8s *k, const struct json *job, struct json *pods)
{
    const char *uid = k8s_meta(job, "uid");
    AUTO(free_auto) char *selector = mem_printf("batch.kubernetes.io/controller-uid=%s", uid);
    AUTO(json_free_auto) struct json *found = NULL;
    size_t ended = 0;

    if (!job_read_terminal(job) || seen_to_end(pods, job) || known(k, uid)) {
        return NULL;
    }
    AUTO(free_auto) char *path = kube_path("/api/v1/namespaces/%s/pods?labelSelector=%s",
                                           k8s_meta(job, "namespace"), selector);
    TRY(k8s_list(k->kube, KUBE_GET, path, &found));
    for (const struct json *pod = json_first(found); pod; pod = json_next(pod)) {
        if (job_read_is_pod_of(pod, job) && job_read_terminated(pod)) {
            keep(k, uid, pod);
            json_push(pods, json_copy(pod));
            ended++;
        }
    }
    if (ended == 0) {
        keep(k, uid, NULL); /* there is none: not asked again */
    }
    return NULL;
}

void evidence_forget(struct k8s *k, const char *job_uid)
{
    size_t kept = 0;

    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < k->evidence_count; i++) {
        struct evidence *e = &k->evidence[i];
        if (str_eq(e->job_uid, job_uid)) {
            free(e->job_uid);
            json_free(e->pod);
        } else {
            k->evidence[kept++] = *e;
        }
    }
    k->evidence_count = kept;
    pthread_mutex_unlock(&k->lock);
}

void evidence_done(struct k8s *k)
{
    for (size_t i = 0; i < k->evidence_count; i++) {
        free(k->evidence[i].job_uid);
        json_free(k->evidence[i].pod);
    }
    free(k->evidence);
}
