/* SPDX-License-Identifier: Apache-2.0 */
/* Removal of assignments that no Job needs any more. Nothing is remembered: which ConfigMaps there are
 * and which Jobs live is asked each time, so that a controller that died leaves nothing behind. */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "k8s/platform/job_read.h"
#include "k8s/platform/internal.h"

#define SETTLE_MS 1000 /* the Jobs of a fleet end one after the other: one list for many */
#define RETRY_MS 30000 /* after an error */
#define EVERY_MS (10 * 60 * 1000) /* whatever happened */
#define TICK_MS 2000              /* what no event of ours announces is looked for so often */

/* ---- one sweep -------------------------------------------------------------------------------- */

static const char *label(const struct json *object, const char *key)
{
    return json_get_string(json_get(json_get(object, "metadata"), "labels"), key);
}

static const char *annotation(const struct json *object, const char *key)
{
    return json_get_string(json_get(json_get(object, "metadata"), "annotations"), key);
}

static bool names_bundle(const struct json *job, const char *bundle)
{
    const char *list = annotation(job, ANNOTATION_BUNDLES);
    size_t length = strlen(bundle);

    for (const char *p = list; p && *p; p += strcspn(p, ","), p += *p == ',') {
        if (strcspn(p, ",") == length && memcmp(p, bundle, length) == 0) {
            return true;
        }
    }
    return false;
}

static bool mounts(const struct json *job, const struct json *config_map)
{
    const char *bundle = label(config_map, LABEL_BUNDLE);
    const char *sha = annotation(job, ANNOTATION_SHA256);
    char name[K8S_NAME_MAX + 1];

    if (job_read_terminal(job) ||
        !str_eq(k8s_meta(job, "namespace"), k8s_meta(config_map, "namespace"))) {
        return false;
    }
    if (bundle && names_bundle(job, bundle)) {
        return true;
    }
    k8s_assignment_name(sha ? sha : "", name);
    return sha && str_eq(name, k8s_meta(config_map, "name"));
}

/* Labels alone make no ConfigMap ours: it may be somebody's copy. */
static bool is_ours(const struct json *config_map)
{
    const char *name = k8s_meta(config_map, "name");
    const char *part = label(config_map, LABEL_PART);

    return (str_eq(part, PART_SQL) && str_starts(name, "sluice-sql-")) ||
           (str_eq(part, PART_ASSIGNMENT) && str_starts(name, "sluice-assignment-"));
}

static bool is_mounted(const struct json *config_map, const struct json *jobs)
{
    for (const struct json *job = json_first(jobs); job; job = json_next(job)) {
        if (mounts(job, config_map)) {
            return true;
        }
    }
    return false;
}

static struct err *sweep_object(struct k8s *k, const struct json *config_map,
                                const struct json *jobs)
{
    if (!is_ours(config_map)) {
        return NULL;
    }
    if (is_mounted(config_map, jobs)) {
        return NULL;
    }
    const char *namespace_ = k8s_meta(config_map, "namespace");
    const char *name = k8s_meta(config_map, "name");
    AUTO(free_auto) char *path = kube_path("/api/v1/namespaces/%s/configmaps/%s", namespace_, name);
    assignments_forget(k, namespace_, name);
    return k8s_delete(k->kube, path, config_map, false, NULL, NULL);
}

static char *collection(const char *group, const char *namespace_, const char *what,
                        const char *selector)
{
    AUTO(free_auto) char *query = kube_path("labelSelector=%s", selector);
    AUTO(free_auto) char *in =
        namespace_ ? kube_path("namespaces/%s/", namespace_) : mem_strdup("");

    return mem_printf("%s/%s%s?%s", group, in, what, query);
}

/* Nobody makes a Job of that namespace while this runs: none can begin to mount the object between the look and its end. */
static struct err *sweep_one(struct k8s *k, const char *namespace_, const struct json *config_map)
{
    AUTO(json_free_auto) struct json *jobs = NULL;
    pthread_rwlock_t *lock = assign_lock(k, namespace_);

    pthread_rwlock_wrlock(lock);
    struct err *failed = k8s_jobs_live(k, namespace_, &jobs);
    failed = failed ? failed : sweep_object(k, config_map, jobs);
    pthread_rwlock_unlock(lock);
    return failed;
}

static void keep_first(struct err **first, struct err *failed)
{
    if (*first) {
        err_free(failed);
    } else {
        *first = failed;
    }
}

/* One at a time: hundreds of deletions in a row would keep the next Jobs of a roll-out waiting. */
static struct err *sweep_each(struct k8s *k, const char *namespace_, const struct json *objects)
{
    AUTO(json_free_auto) struct json *jobs = NULL;
    struct err *first = NULL;

    TRY(k8s_jobs_live(k, namespace_, &jobs));
    for (const struct json *o = json_first(objects); o; o = json_next(o)) {
        struct err *failed =
            is_ours(o) && !is_mounted(o, jobs) ? sweep_one(k, namespace_, o) : NULL;
        keep_first(&first, failed); /* the rest may still work */
    }
    return first;
}

/* One namespace's, by the Jobs that the server has now. */
static struct err *sweep_asked(struct k8s *k, const char *namespace_, const struct json *objects)
{
    AUTO(free_auto) char *path = collection("/apis/batch/v1", namespace_, "jobs", RUNNER_SELECTOR);
    AUTO(json_free_auto) struct json *jobs = NULL;
    pthread_rwlock_t *lock = assign_lock(k, namespace_);
    struct err *first = NULL;

    pthread_rwlock_wrlock(lock);
    struct err *failed = k8s_list(k->kube, KUBE_GET, path, &jobs);
    for (const struct json *o = json_first(objects); !failed && o; o = json_next(o)) {
        if (str_eq(k8s_meta(o, "namespace"), namespace_)) {
            keep_first(&first, sweep_object(k, o, jobs));
        }
    }
    pthread_rwlock_unlock(lock);
    return failed ? failed : first;
}

/* After every Job the watch does: a Job of ours that it lacks is waited for. All of it, as after a start
 * or a change of leaders, is asked for: who led before us may have made one that we have not heard of. */
static struct err *sweep_all(struct k8s *k, const struct json *objects)
{
    AUTO(strlist_done) struct strlist swept = { 0 };
    struct err *first = NULL;

    for (const struct json *o = json_first(objects); o; o = json_next(o)) {
        const char *namespace_ = k8s_meta(o, "namespace");
        if (namespace_ && !strlist_has(&swept, namespace_)) {
            strlist_add(&swept, namespace_);
            keep_first(&first, sweep_asked(k, namespace_, objects));
        }
    }
    return first;
}

struct err *sweep_now(struct k8s *k, const char *namespace_)
{
    AUTO(free_auto) char *maps =
        collection("/api/v1", namespace_ ? namespace_ : k->namespace_, "configmaps",
                   LABEL_MANAGED_BY "=" LABEL_MANAGED_BY_VALUE "," LABEL_PART
                                    " in (" PART_ASSIGNMENT "," PART_SQL ")");
    AUTO(json_free_auto) struct json *objects = NULL;

    TRY(k8s_list(k->kube, KUBE_GET_METADATA, maps, &objects));
    if (json_count(objects) == 0) {
        return NULL;
    }
    return namespace_ ? sweep_each(k, namespace_, objects) : sweep_all(k, objects);
}

/* ---- Jobs whose end nobody announces ---------------------------------------------------------- */

static void look_for_lingering(struct k8s *k)
{
    AUTO(strlist_done) struct strlist keys = { 0 };

    job_index_lingering(k->index, &keys);
    for (size_t i = 0; i < keys.count; i++) {
        const char *slash = strchr(keys.items[i], '/');
        AUTO(free_auto) char *namespace_ =
            mem_strndup(keys.items[i], (size_t)(slash - keys.items[i]));
        k8s_tell(k, PLATFORM_JOB, namespace_, slash + 1);
    }
}

/* ---- the thread ------------------------------------------------------------------------------- */

/* Lock held. False: time to stop. */
static bool sleep_ms(struct k8s *k, int64_t ms, bool until_dirty)
{
    const int64_t until_ms = clock_mono_ms() + ms;
    while (!k->stopping && !(until_dirty && k->dirty.count) &&
           thread_cond_wait(&k->wake, &k->lock, until_ms)) {
    }
    return !k->stopping;
}

static bool sweep_dirty(struct k8s *k, struct strlist *dirty)
{
    bool failed_any = false;

    for (size_t i = 0; i < dirty->count; i++) {
        const char *namespace_ = dirty->items[i][0] ? dirty->items[i] : NULL;
        struct err *failed = sweep_now(k, namespace_);
        if (failed) {
            LOG(LOG_DEBUG, "assignments not swept", LOG_S("namespace", dirty->items[i]),
                LOG_S("message", failed->message));
            sweep_mark(k, namespace_);
            failed_any = true;
        }
        err_free(failed);
    }
    return !failed_any;
}

/* What waits for time, not for an event. */
static void look_around(struct k8s *k)
{
    k8s_tell(k, PLATFORM_PLAN, NULL, NULL); /* a watch may have a problem, or no more */
    look_for_lingering(k);
    unstarted_look(k);
}

static void *sweeper(void *payload)
{
    struct k8s *k = payload;
    int64_t full_ms = clock_mono_ms() + EVERY_MS;
    int64_t next_ms = 0; /* no sweep before: the last one failed */

    pthread_mutex_lock(&k->lock);
    while (sleep_ms(k, TICK_MS, clock_mono_ms() >= next_ms) &&
           sleep_ms(k, k->dirty.count ? SETTLE_MS : 0, false)) {
        struct strlist dirty = { 0 };
        if (clock_mono_ms() >= next_ms) {
            dirty = k->dirty;
            k->dirty = (struct strlist){ 0 };
        }
        if (clock_mono_ms() >= full_ms) {
            full_ms = clock_mono_ms() + EVERY_MS;
            strlist_add(&dirty, "");
        }
        pthread_mutex_unlock(&k->lock);
        look_around(k);
        if (!sweep_dirty(k, &dirty)) {
            next_ms = clock_mono_ms() + RETRY_MS;
        }
        strlist_done(&dirty);
        pthread_mutex_lock(&k->lock);
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

void sweep_mark(struct k8s *k, const char *namespace_)
{
    pthread_mutex_lock(&k->lock);
    if (!strlist_has(&k->dirty, namespace_ ? namespace_ : "")) {
        strlist_add(&k->dirty, namespace_ ? namespace_ : "");
    }
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->lock);
}

struct err *sweep_start(struct k8s *k)
{
    if (k->sweeping) {
        return NULL;
    }
    TRY(thread_start(&k->sweeper, sweeper, k));
    k->sweeping = true;
    sweep_mark(k, NULL);
    return NULL;
}

void sweep_stop(struct k8s *k)
{
    if (!k->sweeping) {
        return;
    }
    pthread_mutex_lock(&k->lock);
    k->stopping = true;
    pthread_cond_broadcast(&k->wake);
    pthread_mutex_unlock(&k->lock);
    pthread_join(k->sweeper, NULL);
    k->sweeping = false;
}
