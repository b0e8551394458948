/* SPDX-License-Identifier: Apache-2.0 */
/* Performing the one effect of a decision. What fails is remembered in the cache and seen by the
 * next pass; nothing is tried twice here. */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "controller/internal.h"
#include "controller/failpoint.h"
#include "model/reason.h"

#define TRY_AGAIN_MS 5000 /* the platform did not do it */

/* The Job is gone with its story: what it waited for stays in sight until the next one is made. */
static void remember_unstarted(struct plan_cache *cache, const struct snapshot *snapshot,
                               const struct job *job)
{
    int64_t age_ms = clock_utc_ms() - job->created_ms;

    if (job->phase != JOB_WAITING || age_ms < snapshot->plan.start_timeout_ms) {
        return;
    }
    pthread_mutex_lock(&cache->lock);
    struct database_cache *d = plan_cache_database(cache, job->database);
    if (d) {
        (void)last_failure_set(&d->create_failure,
                               err_new(ERR_TRANSIENT, REASON_RUNNER_NOT_STARTED,
                                       "Job %s did not start within execution.startTimeout: %s",
                                       job->name,
                                       job->waiting ? job->waiting : "no cause is reported"),
                               clock_mono_ms());
    }
    pthread_mutex_unlock(&cache->lock);
}

/* How long to leave the plan alone after it, ms; 0: it went well. */
static int64_t end_job(struct controller *c, struct plan_cache *cache,
                       const struct snapshot *snapshot, const struct job *job, bool cancel)
{
    struct err *failed =
        cancel ? c->platform.ops->cancel_job(c->platform.self, cache->namespace_, job->name)
               : c->platform.ops->delete_job(c->platform.self, cache->namespace_, job->name);
    if (!failed) {
        LOG(LOG_INFO, cancel ? "job cancelled" : "job deleted", LOG_S("plan", cache->key),
            LOG_S("job", job->name), LOG_S("waiting", job->waiting));
        remember_unstarted(cache, snapshot, job);
        return 0;
    }
    bool conflict = failed->kind == ERR_CONFLICT;
    if (!conflict) {
        LOG(LOG_WARN, cancel ? "job not cancelled" : "job not deleted", LOG_S("plan", cache->key),
            LOG_S("job", job->name), LOG_S("reason", failed->reason),
            LOG_S("message", failed->message));
    }
    err_free(failed);
    return conflict ? STALE_VIEW_MS : TRY_AGAIN_MS;
}

static int64_t each_job(struct controller *c, struct plan_cache *cache,
                        const struct snapshot *snapshot, const struct decision *decision,
                        const struct observation *o, bool cancel)
{
    int64_t wait_ms = 0;

    for (size_t i = 0; i < decision->count; i++) {
        size_t at = o->job_of[decision->databases[i]];
        int64_t wait = at == SIZE_MAX ? 0 : end_job(c, cache, snapshot, &o->jobs.items[at], cancel);
        wait_ms = wait > wait_ms ? wait : wait_ms;
    }
    return wait_ms ? jitter_ms(wait_ms) : 0;
}

static int64_t delete_strays(struct controller *c, struct plan_cache *cache,
                             const struct snapshot *snapshot, const struct observation *o)
{
    int64_t wait_ms = 0;

    for (size_t i = 0; i < o->jobs.count; i++) {
        const struct job *job = &o->jobs.items[i];
        if (job->phase == JOB_WAITING && !job->cancelling && observe_is_stray(snapshot, job)) {
            int64_t wait = end_job(c, cache, snapshot, job, false);
            wait_ms = wait > wait_ms ? wait : wait_ms;
        }
    }
    return wait_ms ? jitter_ms(wait_ms) : 0;
}

static void forget(struct controller *c, struct plan_cache *cache, const struct snapshot *snapshot)
{
    failpoint("before_finalize");
    struct err *failed = c->platform.ops->release_plan(c->platform.self, cache->namespace_,
                                                       cache->name, snapshot->plan.uid);
    if (failed) {
        LOG(LOG_WARN, "plan not released", LOG_S("plan", cache->key),
            LOG_S("reason", failed->reason), LOG_S("message", failed->message));
        err_free(failed);
        queue_add_after(c->plans, cache->key, 5000);
        return;
    }
    LOG(LOG_INFO, "plan deleted", LOG_S("plan", cache->key));
    queue_add(c->plans, cache->key); /* its next pass finds it gone */
}

static void inspect_all(struct controller *c, struct plan_cache *cache)
{
    for (size_t i = 0; i < cache->database_count; i++) {
        inspect_task_start(c, cache, i);
    }
}

static void in_background(struct controller *c, struct plan_cache *cache, struct snapshot *snapshot,
                          const struct decision *decision, const struct observation *o)
{
    pthread_mutex_lock(&cache->lock);
    if (cache->snapshot != snapshot || snapshot->error) {
        pthread_mutex_unlock(&cache->lock);
        return;
    }
    switch (decision->effect) {
    case EFFECT_REFRESH:
        inspect_all(c, cache);
        polls_now(c->polls, cache->key);
        break;
    case EFFECT_FETCH:
        fetch_start(c, cache, decision->commit);
        break;
    case EFFECT_INSPECT:
        for (size_t i = 0; i < decision->count; i++) {
            inspect_task_start(c, cache, decision->databases[i]);
        }
        break;
    case EFFECT_TAKE_OVER:
        for (size_t i = 0; i < decision->count; i++) {
            journal_task_owner(c, cache, decision->databases[i]);
        }
        break;
    case EFFECT_MEASURE_GATE:
        gate_task_start(c, cache, decision);
        break;
    case EFFECT_RECORD_FAILURE: {
        const struct job_view *job = &o->views[decision->databases[0]].job;
        journal_task_failure(c, cache, decision->databases[0], job->result, job->commit,
                             job->retry_token);
        break;
    }
    case EFFECT_RECORD_RESOLUTION:
        journal_task_resolution(c, cache, decision->databases[0], decision->item);
        break;
    default:
        break;
    }
    pthread_mutex_unlock(&cache->lock);
}

int64_t act(struct controller *c, struct plan_cache *cache, struct snapshot *snapshot,
            const struct decision *decision, const struct observation *o)
{
    switch (decision->effect) {
    case EFFECT_CREATE_JOB:
        return create_jobs(c, cache, snapshot, decision);
    case EFFECT_DELETE_JOB:
        return each_job(c, cache, snapshot, decision, o, false);
    case EFFECT_CANCEL_JOB:
        return each_job(c, cache, snapshot, decision, o, true);
    case EFFECT_DELETE_STRAYS:
        return delete_strays(c, cache, snapshot, o);
    case EFFECT_FORGET:
        forget(c, cache, snapshot);
        return 0;
    default:
        in_background(c, cache, snapshot, decision, o);
        return 0;
    }
}
