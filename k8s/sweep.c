/* SPDX-License-Identifier: Apache-2.0 */
/* Removal of assignments that no Job needs any more. Nothing is remembered: which ConfigMaps there are
 * and which Jobs live is asked each time, so that a controller that died leaves nothing behind. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "k8s/parts.h"
#include "k8s/job_read.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/clock.h"
#include "reconcile/base/log.h"
#include "reconcile/base/mem.h"

#define SETTLE_MS 100                      /* a Job's last events come together */
#define RETRY_MS 30000                     /* after an error */
#define EVERY_MS (10 * 60 * 1000)          /* whatever happened */
#define LINGER_LOOK_MS (JOB_LINGER_MS / 4) /* Jobs whose runner ended though they do not */

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

static struct err *sweep_object(struct k8s *k, const struct json *config_map,
                                const struct json *jobs)
{
    if (!is_ours(config_map)) {
        return NULL;
    }
    for (const struct json *job = json_first(jobs); job; job = json_next(job)) {
        if (mounts(job, config_map)) {
            return NULL;
        }
    }
    AUTO(free_auto) char *path =
        kube_path("/api/v1/namespaces/%s/configmaps/%s", k8s_meta(config_map, "namespace"),
                  k8s_meta(config_map, "name"));
    return k8s_delete(k->kube, path, config_map, false, NULL, NULL);
}

static char *collection(const char *group, const char *namespace_, const char *what,
                        const char *selector)
{
    AUTO(free_auto) char *query = kube_path("labelSelector=%s", selector);
    AUTO(free_auto) char *in =
        namespace_ ? kube_path("namespaces/%s/", namespace_) : mem_strdup("");

    return mem_printf("%s/%s%s?limit=500&%s", group, in, what, query);
}

/* After every Job the watch does: a Job of ours that it lacks is waited for. All of it, as after a start
 * or a change of leaders, is asked for: who led before us may have made one that we have not heard of. */
static struct err *live_jobs(struct k8s *k, const char *namespace_, bool all, struct json **out)
{
    if (!all) {
        return k8s_jobs_live(k, namespace_, out);
    }
    AUTO(free_auto) char *path = collection("/apis/batch/v1", namespace_, "jobs", RUNNER_SELECTOR);
    return k8s_list(k->kube, KUBE_GET, path, out);
}

static struct err *sweep_locked(struct k8s *k, const char *namespace_, bool all)
{
    AUTO(free_auto) char *maps =
        collection("/api/v1", namespace_, "configmaps",
                   LABEL_MANAGED_BY "=" LABEL_MANAGED_BY_VALUE "," LABEL_PART
                                    " in (" PART_ASSIGNMENT "," PART_SQL ")");
    AUTO(json_free_auto) struct json *objects = NULL;
    AUTO(json_free_auto) struct json *jobs = NULL;
    struct err *first = NULL;

    TRY(k8s_list(k->kube, KUBE_GET_METADATA, maps, &objects));
    if (json_count(objects) == 0) {
        return NULL;
    }
    TRY(live_jobs(k, namespace_, all, &jobs));
    for (const struct json *o = json_first(objects); o; o = json_next(o)) {
        struct err *failed = sweep_object(k, o, jobs);
        if (first) {
            err_free(failed); /* the rest may still work; the first one is told */
        } else {
            first = failed;
        }
    }
    return first;
}

struct err *sweep_now(struct k8s *k, const char *namespace_)
{
    pthread_rwlock_wrlock(&k->assignments);
    struct err *failed = sweep_locked(k, namespace_ ? namespace_ : k->namespace_, !namespace_);
    pthread_rwlock_unlock(&k->assignments);
    return failed;
}

/* ---- Jobs whose end nobody announces ---------------------------------------------------------- */

static void tell_lingering(void *payload, const struct json *pod)
{
    struct strlist *out = payload;
    const char *plan = job_read_plan(pod);

    if (plan && job_read_terminated(pod)) {
        AUTO(free_auto) char *key = mem_printf("%s/%s", k8s_meta(pod, "namespace"), plan);
        if (!strlist_has(out, key)) {
            strlist_add(out, key);
        }
    }
}

static bool is_running(const struct json *pod)
{
    const char *phase = json_get_string(json_get(pod, "status"), "phase");

    return str_eq(phase, "Running");
}

static void note_lingering(void *payload, const struct json *pod)
{
    if (is_running(pod)) { /* though its runner has ended: a container beside it goes on */
        tell_lingering(payload, pod);
    }
}

static void look_for_lingering(struct k8s *k)
{
    AUTO(strlist_done) struct strlist keys = { 0 };

    informer_each(k->pods, NULL, NULL, note_lingering, &keys);
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
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (!k->stopping && !(until_dirty && k->dirty.count) &&
           pthread_cond_timedwait(&k->wake, &k->lock, &until) == 0) {
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

static void *sweeper(void *payload)
{
    struct k8s *k = payload;
    int64_t full_ms = clock_mono_ms() + EVERY_MS;
    bool well = true;

    pthread_mutex_lock(&k->lock);
    while (sleep_ms(k, well ? LINGER_LOOK_MS : RETRY_MS, well) && sleep_ms(k, SETTLE_MS, false)) {
        struct strlist dirty = k->dirty;
        k->dirty = (struct strlist){ 0 };
        if (clock_mono_ms() >= full_ms) {
            full_ms = clock_mono_ms() + EVERY_MS;
            strlist_add(&dirty, "");
        }
        pthread_mutex_unlock(&k->lock);
        k8s_tell(k, PLATFORM_PLAN, NULL, NULL); /* a watch may have a problem, or no more */
        look_for_lingering(k);
        well = sweep_dirty(k, &dirty);
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

void sweep_start(struct k8s *k)
{
    if (!k->sweeping && pthread_create(&k->sweeper, NULL, sweeper, k) == 0) {
        k->sweeping = true;
        sweep_mark(k, NULL);
    }
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
