/* SPDX-License-Identifier: Apache-2.0 */
/* The drive loop: observe, decide, store, act, and again. A crash between any two lines leads to the
 * same next decision. */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "controller/internal.h"
#include "controller/failpoint.h"
#include "controller/writes.h"
#include "model/reason.h"

#define RETRY_FIRST_MS 200
#define RETRY_MAX_MS 30000

struct pass {
    struct controller *c;
    struct plan_cache *cache;
    struct snapshot *snapshot; /* a reference */
    struct observation o;
    struct decision decision;
    struct owner_list owners; /* that have to be asked for */
    int64_t now_mono_ms;
    int64_t requeue_ms; /* -1: none */
    int64_t blocked_ms; /* the status could not be stored: nothing before then */
};

static void wake(struct pass *p, int64_t after_ms)
{
    if (after_ms >= 0 && (p->requeue_ms < 0 || after_ms < p->requeue_ms)) {
        p->requeue_ms = after_ms;
    }
}

/* ---- the object --------------------------------------------------------------------------------- */

static void wake_waiting(void *payload, struct plan_cache *cache)
{
    struct controller *c = payload;

    if (atomic_load(&cache->waits_for_owner)) {
        queue_add(c->plans, cache->key);
    }
}

static void plan_gone(struct controller *c, struct plan_cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    cache->gone = true;
    pthread_mutex_unlock(&cache->lock);
    polls_forget(c->polls, cache->key);
    metrics_forget_plan(c->metrics, cache->namespace_, cache->name);
    queue_forget(c->plans, cache->key);
    plan_caches_drop(&c->caches, cache);
    owners_forget(&c->owners, cache->namespace_, cache->name);
    plan_caches_each(&c->caches, wake_waiting, c);
}

/* Cache locked. Another object of that name: nothing that was known is of it. */
static void take_identity(struct plan_cache *cache, const struct json *object)
{
    const char *uid = json_get_string(json_get(object, "metadata"), "uid");

    if (!str_eq(cache->uid, uid)) {
        plan_cache_reset(cache);
        snprintf(cache->uid, sizeof cache->uid, "%s", uid ? uid : "");
    }
}

/* Cache locked. */
static void take_object(struct plan_cache *cache, const struct json *object)
{
    AUTO(free_auto) char *print = snapshot_print(object);

    const struct selection *selection = select_of(object) ? &cache->selection : NULL;
    if (!cache->snapshot || !str_eq(cache->snapshot->print, print) ||
        !snapshot_selected(cache->snapshot, selection)) {
        plan_cache_take_snapshot(cache, snapshot_new(object, selection));
    }
    if (!cache->status_known) {
        status_parse(json_get(object, "status"), &cache->status);
        status_copy(&cache->status, &cache->stored);
        cache->status_known = true;
    }
}

static int64_t back_off_ms(const struct last_failure *last)
{
    return jitter_ms(backoff_ms(RETRY_FIRST_MS, RETRY_MAX_MS, last->count));
}

static int64_t read_failed(struct controller *c, struct plan_cache *cache, struct err *e)
{
    metrics_add(c->metrics, METRIC_RECONCILE_ERRORS, LABELS({ "controller", "migrationplan" }), 1);
    pthread_mutex_lock(&cache->lock);
    if (last_failure_set(&cache->read_failure, e, clock_mono_ms())) {
        LOG(LOG_ERROR, "plan not read", LOG_S("plan", cache->key),
            LOG_S("reason", cache->read_failure.reason),
            LOG_S("message", cache->read_failure.message));
    }
    int64_t wait_ms = back_off_ms(&cache->read_failure);
    pthread_mutex_unlock(&cache->lock);
    return wait_ms;
}

/* ---- status ---------------------------------------------------------------------------------------- */

/* Cache locked. Must this status be stored now, later, or not at all? */
static bool write_due(struct pass *p)
{
    struct plan_cache *cache = p->cache;
    const struct pending_write write = { .stored = &cache->stored,
                                         .next = &p->decision.status,
                                         .first = p->decision.write_first,
                                         .again = p->decision.requeue_after_ms == 0,
                                         .written_mono_ms = cache->written_mono_ms,
                                         .now_mono_ms = p->now_mono_ms };
    int64_t held_ms = p->decision.effect == EFFECT_FORGET
                          ? WRITE_NOTHING
                          : write_in_ms(&write, &cache->held_mono_ms);

    cache->dirty = held_ms != WRITE_NOTHING;
    if (!cache->dirty) {
        return false;
    }
    if (cache->write_failure.reason) {
        int64_t wait_ms =
            cache->write_failure.mono_ms + back_off_ms(&cache->write_failure) - p->now_mono_ms;
        if (wait_ms > 0) {
            wake(p, wait_ms);
            return p->decision.write_first;
        }
    }
    if (held_ms > 0) {
        wake(p, held_ms);
    }
    return held_ms == 0;
}

/* False: it could not be stored, and the effect may depend on it. */
static bool write_status(struct pass *p)
{
    struct plan_cache *cache = p->cache;
    AUTO(json_free_auto) struct json *json = status_format(&p->decision.status);

    failpoint("before_status");
    struct err *failed = p->c->platform.ops->write_status(p->c->platform.self, cache->namespace_,
                                                          cache->name, p->snapshot->plan.uid, json);
    failpoint("status_written");
    pthread_mutex_lock(&cache->lock);
    if (!failed) {
        status_done(&cache->stored);
        status_copy(&p->decision.status, &cache->stored);
        cache->written_mono_ms = p->now_mono_ms;
        cache->held_mono_ms = 0;
        cache->dirty = false;
        last_failure_clear(&cache->write_failure);
    } else if (failed->kind == ERR_CONFLICT) {
        wake(p, 0); /* another object by now: the next pass sees it */
    } else {
        if (last_failure_set(&cache->write_failure, TAKE(failed), p->now_mono_ms)) {
            LOG(LOG_ERROR, "status not written", LOG_S("plan", cache->key),
                LOG_S("reason", cache->write_failure.reason),
                LOG_S("message", cache->write_failure.message));
        }
        p->blocked_ms = back_off_ms(&cache->write_failure);
        wake(p, p->blocked_ms);
    }
    bool stored = !cache->dirty;
    pthread_mutex_unlock(&cache->lock);
    err_free(failed);
    return stored;
}

/* ---- what the platform is asked for -------------------------------------------------------------- */

#define SECRET_AGE_MS 1000 /* a pass begins a reading of what is older */

/* Cache locked. */
static void gather_owners(const struct pass *p, struct owner_list *out)
{
    const struct plan_cache *cache = p->cache;
    const char *cluster_id = p->c->platform.ops->cluster_id(p->c->platform.self);
    struct owner_key key;

    for (size_t i = 0; i < cache->database_count; i++) {
        const struct inspected *inspected = cache->databases[i].inspected;
        if (inspected &&
            owners_key(&inspected->inspection.lease, &cache->snapshot->plan, cluster_id, &key)) {
            owner_list_add(out, &p->c->owners, &key, p->now_mono_ms);
        }
    }
}

/* Begins in the pool what the next pass is to know: a thousand databases of a plan that was renamed name one
 * former owner, which is asked for once. Nobody waits for an answer. */
static void begin_reading(struct pass *p)
{
    const struct snapshot *s = p->snapshot;
    struct controller *c = p->c;

    owner_task_start(c, p->cache, &p->owners);
    if (s->error || s->plan.deleting) {
        return;
    }
    if (s->plan.source.secret_name && !s->plan.suspend) {
        secret_cache_refresh(c->secrets, p->cache->key, s->plan.source.secret_name, SECRET_AGE_MS);
    }
}

/* ---- the pass -------------------------------------------------------------------------------------- */

static void report_ended(struct pass *p)
{
    const struct plan_cache *cache = p->cache;

    for (size_t i = 0; i < p->o.jobs.count; i++) {
        const struct job *job = &p->o.jobs.items[i];
        int64_t since_ms = 0;
        bool known = plan_cache_ended_since(cache, job->name, &since_ms);
        /* After a start what ended before is old news, but for the metrics of this process too. */
        if (job->phase == JOB_ENDED && !known && cache->jobs_listed) {
            report_job(p->c, cache, job);
        }
    }
}

/* Cache locked. */
static void tell_waits_for_owner(struct pass *p)
{
    bool waits = false;

    for (size_t i = 0; i < p->cache->database_count && !p->cache->snapshot->error; i++) {
        waits = waits || p->o.views[i].owner == OWNER_OTHER_PLAN;
    }
    atomic_store(&p->cache->waits_for_owner, waits);
}

/* Cache locked. */
static bool decide(struct pass *p, const struct json *object)
{
    struct plan_cache *cache = p->cache;

    report_ended(p);
    observe(p->c, cache, object, p->now_mono_ms, &p->o);
    gather_owners(p, &p->owners);
    cache->jobs_listed = true;
    tell_waits_for_owner(p);
    failpoint("jobs_listed");
    step_decide(&p->o.seen, &p->decision);
    failpoint("decided");
    wake(p, p->decision.requeue_after_ms);
    wake(p, p->decision.wishes.next_ms);
    wishes_perform(p->c, cache, object, &p->decision.wishes);
    bool write = write_due(p);
    report_decision(p->c, cache, &p->decision);
    status_done(&cache->status);
    status_copy(&p->decision.status, &cache->status);
    p->snapshot = snapshot_ref(cache->snapshot);
    return write;
}

/* Cache locked. Without the first list of its databaseSelector's Secrets nothing can be decided: it brings the
 * plan back. */
static bool may_decide(struct pass *p, const struct json *object)
{
    const bool deleting = json_get(json_get(object, "metadata"), "deletionTimestamp") != NULL;

    if (deleting || !select_is_unknown(p->cache, object)) {
        return true;
    }
    if (select_due_ms(p->c, p->cache, object, p->now_mono_ms) == 0) {
        select_start(p->c, p->cache, object);
    }
    return false;
}

static void turn_take(struct turns *turns)
{
    pthread_mutex_lock(&turns->lock);
    while (turns->left == 0) {
        pthread_cond_wait(&turns->given_back, &turns->lock);
    }
    turns->left--;
    pthread_mutex_unlock(&turns->lock);
}

static void turn_give(struct turns *turns)
{
    pthread_mutex_lock(&turns->lock);
    turns->left++;
    pthread_cond_signal(&turns->given_back);
    pthread_mutex_unlock(&turns->lock);
}

/* True: there is a decision. *write: its status is due. */
static bool observe_and_decide(struct pass *p, const struct json *object, bool *write)
{
    struct plan_cache *cache = p->cache;

    turn_take(&p->c->turns);
    pthread_mutex_lock(&cache->lock);
    p->now_mono_ms = clock_mono_ms();
    last_failure_clear(&cache->read_failure);
    take_identity(cache, object);
    const bool decides = may_decide(p, object);
    if (decides) {
        take_object(cache, object);
        *write = decide(p, object);
    }
    pthread_mutex_unlock(&cache->lock);
    turn_give(&p->c->turns);
    return decides;
}

static int64_t run_pass(struct controller *c, struct plan_cache *cache, const struct json *object)
{
    struct pass p = { .c = c, .cache = cache, .requeue_ms = -1 };
    const char *uid = json_get_string(json_get(object, "metadata"), "uid");
    struct err *failed =
        c->platform.ops->list_jobs(c->platform.self, cache->namespace_, uid ? uid : "", &p.o.jobs);

    if (failed) {
        return read_failed(c, cache, failed);
    }
    bool write = false;
    if (!observe_and_decide(&p, object, &write)) {
        observation_done(&p.o);
        return -1;
    }
    begin_reading(&p);
    bool stored = !write || write_status(&p);
    if (stored || !p.decision.write_first) {
        int64_t wait_ms = act(c, cache, p.snapshot, &p.decision, &p.o);
        p.requeue_ms = p.requeue_ms >= 0 && p.requeue_ms < wait_ms ? wait_ms : p.requeue_ms;
    } else if (p.blocked_ms > 0) {
        p.requeue_ms = p.blocked_ms;
    }
    snapshot_unref(p.snapshot);
    decision_done(&p.decision);
    observation_done(&p.o);
    owner_list_done(&p.owners);
    return p.requeue_ms;
}

static void count_pass(struct controller *c, int64_t requeue_ms)
{
    const char *result = requeue_ms < 0 ? "success" : requeue_ms == 0 ? "requeue" : "requeue_after";

    metrics_add(c->metrics, METRIC_RECONCILE_TOTAL,
                LABELS({ "controller", "migrationplan" }, { "result", result }), 1);
}

int64_t drive_pass(void *payload, const char *key)
{
    struct controller *c = payload;
    const char *slash = strchr(key, '/');
    AUTO(free_auto) char *namespace_ = mem_strndup(key, (size_t)(slash - key));
    AUTO(json_free_auto) struct json *object = NULL;

    if (cancel_triggered(&c->cancel)) {
        return -1;
    }
    struct plan_cache *cache = plan_caches_get(&c->caches, namespace_, slash + 1);
    struct err *failed =
        c->platform.ops->read_plan(c->platform.self, namespace_, slash + 1, &object);
    int64_t requeue_ms = -1;
    if (failed && str_eq(failed->reason, REASON_NOT_FOUND)) {
        plan_gone(c, cache);
        err_free(failed);
    } else if (failed) {
        requeue_ms = read_failed(c, cache, failed);
    } else {
        requeue_ms = run_pass(c, cache, object);
    }
    plan_cache_unref(cache);
    count_pass(c, requeue_ms);
    return requeue_ms;
}
