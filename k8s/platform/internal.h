/* SPDX-License-Identifier: Apache-2.0 */
/* The platform's parts, as they see each other. Internal to k8s/. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include "k8s/client/informer.h"
#include "k8s/platform/job_index.h"
#include "k8s/platform/k8s.h"
#include "k8s/platform/names.h"

#define RUNNER_SELECTOR LABEL_MANAGED_BY "=" LABEL_MANAGED_BY_VALUE "," LABEL_PART "=" PART_RUNNER
#define RV_WAIT_MS 10000 /* a watch that is so far behind is no view of the cluster */

struct written { /* our newest status write of one plan */
    char *uid, *resource_version;
};

struct k8s {
    struct kube *kube;
    char *namespace_; /* NULL: all */
    char *cluster_id, *instance, *image, *pull_policy;
    bool owner;                           /* the controller's, not a command's */
    struct informer *plans, *jobs, *pods; /* of Jobs and pods the names alone: */
    struct job_index *index;
    struct events *events;

    pthread_mutex_t lock; /* over everything below */
    platform_changed_fn *changed;
    void *payload;
    char *jobs_floor; /* our newest write of a Job: no look at Jobs may be older; NULL: none */
    struct written *written;
    size_t written_count, written_cap;
    struct made_part *parts; /* ConfigMaps with SQL that were there a moment ago */
    size_t part_count, part_cap;
    struct cached_map *maps; /* other people's ConfigMaps, for seconds */
    size_t map_count, map_cap;
    struct assign_lock *assign_locks; /* assign_lock.c */

    pthread_t sweeper;
    bool sweeping, stopping;
    pthread_cond_t wake;
    struct strlist dirty; /* namespaces in which a Job ended or went; "": all */
};

/* objects.c */
void k8s_tell(struct k8s *k, enum platform_kind kind, const char *namespace_, const char *name);
/* Collects every page of a collection; `path` has a query already. Items are owned by *out, an array. */
struct err *k8s_list(struct kube *kube, enum kube_verb verb, const char *path, struct json **out)
    ERR_MUST_USE;
const char *k8s_meta(const struct json *object, const char *key); /* metadata's text; NULL: none */
struct err *k8s_not_owner(const struct k8s *k) ERR_MUST_USE;
/* DELETE with the object's uid as precondition; absent is fine. `propagation` NULL: none. With
 * `exact` its resourceVersion counts too. *version gets that of the answer when not NULL; owned. */
struct err *k8s_delete(struct kube *kube, const char *path, const struct json *object, bool exact,
                       const char *propagation, char **version) ERR_MUST_USE;

/* plans.c */
struct err *k8s_plans_list(void *self, struct plan_keys *out) ERR_MUST_USE;
struct err *k8s_plans_read(void *self, const char *namespace_, const char *name, struct json **out)
    ERR_MUST_USE;
struct err *k8s_plans_patch(void *self, const char *namespace_, const char *name,
                            const struct json *patch) ERR_MUST_USE;
struct err *k8s_plans_release(void *self, const char *namespace_, const char *name, const char *uid)
    ERR_MUST_USE;
struct err *k8s_plans_get(struct k8s *k, const char *namespace_, const char *name,
                          struct json **out) ERR_MUST_USE; /* from the server */
/* Before the first effect outside: the plan is still the one that was decided about, and it has our
 * finalizer. ERR_CONFLICT AssignmentStale otherwise. */
struct err *k8s_plans_hold(struct k8s *k, const struct mplan *plan) ERR_MUST_USE;

/* status.c */
struct err *k8s_status_write(void *self, const char *namespace_, const char *name, const char *uid,
                             const struct json *status) ERR_MUST_USE;
void k8s_status_forget(struct k8s *k, const char *uid);

/* secrets.c */
struct err *k8s_secret_read(void *self, const char *namespace_, const char *name,
                            struct kvlist *out) ERR_MUST_USE;
struct err *k8s_configmap_read(void *self, const char *namespace_, const char *name,
                               struct kvlist *out) ERR_MUST_USE;
void configmaps_done(struct k8s *k);
struct err *k8s_secrets_list(void *self, const char *namespace_, const struct kvlist *match_labels,
                             struct json **out) ERR_MUST_USE;

/* jobs.c */
struct err *k8s_jobs_list(void *self, const char *namespace_, const char *plan_uid,
                          struct job_list *out) ERR_MUST_USE;
struct err *k8s_jobs_prepare(void *self, const struct mplan *plan) ERR_MUST_USE;
struct err *k8s_jobs_create(void *self, const struct job_spec *spec) ERR_MUST_USE;
struct err *k8s_jobs_delete(void *self, const char *namespace_, const char *name) ERR_MUST_USE;
struct err *k8s_jobs_cancel(void *self, const char *namespace_, const char *name) ERR_MUST_USE;

/* jobs_seen.c */
void k8s_jobs_written(struct k8s *k, const char *resource_version); /* NULL is fine */
/* Our view of Jobs is at least as new as our newest write of one. */
struct err *k8s_jobs_catch_up(struct k8s *k) ERR_MUST_USE;
/* What our watch knows of Jobs that are not over; our own newest is among them. An array, owned. */
struct err *k8s_jobs_live(struct k8s *k, const char *namespace_, struct json **out) ERR_MUST_USE;

/* evidence.c: the last words of runners whose pods went before we saw their end. Asks once a Job. */
struct err *evidence_seek(struct k8s *k, const char *plan_key) ERR_MUST_USE;

/* watched.c: what is kept of an object that a watch saw. Payload: the platform. */
struct json *watched_plan(void *payload, struct json *object);
struct json *watched_job(void *payload, struct json *object);
struct json *watched_pod(void *payload, struct json *object);
void watched_job_gone(void *payload, const struct json *last);
void watched_pod_gone(void *payload, const struct json *last);

/* unstarted.c: asks the cluster's events why Jobs do not start, and tells their plans. */
void unstarted_look(struct k8s *k);

/* assign_lock.c: held for reading while a Job and what it mounts are made, for writing while what none mounts is
 * removed. Borrowed. */
pthread_rwlock_t *assign_lock(struct k8s *k, const char *namespace_);
void assign_locks_done(struct k8s *k);

/* assignments.c */
struct err *assignments_make(struct k8s *k, const struct job_spec *spec) ERR_MUST_USE;
/* We have removed this ConfigMap, or are about to. */
void assignments_forget(struct k8s *k, const char *namespace_, const char *name);
void assignments_done(struct k8s *k);

/* sweep.c */
struct err *sweep_start(struct k8s *k) ERR_MUST_USE;
void sweep_stop(struct k8s *k);
void sweep_mark(struct k8s *k, const char *namespace_); /* NULL: all */
struct err *sweep_now(struct k8s *k, const char *namespace_) ERR_MUST_USE;
