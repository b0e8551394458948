/* SPDX-License-Identifier: Apache-2.0 */
/* A plan's Jobs, as step sees them: which one of a database counts, and how often it was tried. */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "controller/internal.h"

static bool job_live(const struct job *job)
{
    return job->phase == JOB_WAITING || job->phase == JOB_RUNNING;
}

/* A live Job is the one to judge by, else the newest attempt. */
static bool job_before(const struct job *a, const struct job *b)
{
    if (job_live(a) != job_live(b)) {
        return job_live(a);
    }
    return a->attempt > b->attempt;
}

bool observe_is_stray(const struct snapshot *snapshot, const struct job *job)
{
    for (size_t i = 0; i < snapshot->plan.database_count; i++) {
        if (str_eq(snapshot->plan.databases[i].name, job->database)) {
            return false;
        }
    }
    return true;
}

bool observe_is_idle(struct plan_cache *cache, const struct job *job, int64_t now_mono_ms)
{
    struct database_cache *d = plan_cache_database(cache, job->database);
    const struct inspected *inspected =
        d ? d->inspected : NULL; /* of an entry that is gone nothing is inspected */

    if (job->phase != JOB_RUNNING || cache->snapshot->error ||
        !step_is_idle(&cache->snapshot->plan, inspected ? &inspected->inspection.lease : NULL,
                      inspected ? now_mono_ms - inspected->began_mono_ms : 0, job->attempt,
                      clock_utc_ms() - job->created_ms)) {
        return false;
    }
    if (d && job->attempt > d->idle_attempt) {
        d->idle_attempt = job->attempt;
        LOG(LOG_WARN, "job has not begun and is not waited for", LOG_S("plan", cache->key),
            LOG_S("database", job->database), LOG_S("job", job->name));
    }
    return true;
}

/* An entry that was renamed while its Job ran: what that Job did is known by an inspection after its end. */
static void count_stray(struct plan_cache *cache, const struct job *job, struct observation *o)
{
    int64_t ended_ms = 0;

    o->seen.stray_jobs += job_live(job) ? 1 : 0;
    o->seen.stray_waiting += job->phase == JOB_WAITING && !job->cancelling ? 1 : 0;
    if (job->phase == JOB_ENDED && plan_cache_ended_since(cache, job->name, &ended_ms) &&
        ended_ms > o->stray_ended_mono_ms) {
        o->stray_ended_mono_ms = ended_ms;
    }
}

/* Entries by their Jobs: which one to judge by, and how often it was tried. */
void observe_jobs(struct plan_cache *cache, int64_t now_mono_ms, struct observation *o)
{
    size_t *index_of = mem_array(o->jobs.count + 1, sizeof *index_of);

    plan_cache_jobs_ended(cache, &o->jobs, now_mono_ms);
    for (size_t i = 0; i < o->jobs.count; i++) {
        const struct job *job = &o->jobs.items[i];
        size_t index = cache->snapshot->error ? SIZE_MAX /* no entries then */
                                              : plan_cache_index(cache, job->database);
        const bool idle = observe_is_idle(cache, job, now_mono_ms);
        index_of[i] = idle ? SIZE_MAX : index;
        if (index == SIZE_MAX) {
            if (!idle) {
                count_stray(cache, job, o);
            }
            continue;
        }
        struct job_view *view = &o->views[index].job;
        view->attempt = job->attempt > view->attempt ? job->attempt : view->attempt;
        if (idle) {
            o->views[index].idle_job = job->name;
            continue;
        }
        if (o->job_of[index] == SIZE_MAX || job_before(job, &o->jobs.items[o->job_of[index]])) {
            o->job_of[index] = i;
        }
    }
    for (size_t i = 0; i < o->jobs.count; i++) {
        const struct job *job = &o->jobs.items[i];
        if (index_of[i] != SIZE_MAX && job->phase == JOB_ENDED) {
            const struct job *shown = &o->jobs.items[o->job_of[index_of[i]]];
            const bool paused = job->has_result && job->result.outcome == OUTCOME_PAUSED;
            o->views[index_of[i]].job.tries += !paused && str_eq(job->commit, shown->commit) &&
                                               str_eq(job->retry_token, shown->retry_token);
        }
    }
    free(index_of);
}

void observe_job(struct plan_cache *cache, size_t index, int64_t now_mono_ms,
                 const struct observation *o, struct job_view *out)
{
    int64_t ended_ms = now_mono_ms;

    const int64_t taken = cache->databases[index].taken_attempt;
    out->attempt = taken > out->attempt ? taken : out->attempt;
    if (o->job_of[index] == SIZE_MAX) {
        return;
    }
    const struct job *job = &o->jobs.items[o->job_of[index]];
    *out = (struct job_view){
        .phase = job->phase,
        .cancelling = job->cancelling,
        .outdated = job->generation && job->generation != cache->snapshot->plan.generation,
        .name = job->name,
        .waiting = job->waiting,
        .retry_token = job->retry_token,
        .age_ms = clock_utc_ms() - job->created_ms,
        .result = job->phase == JOB_ENDED && job->has_result ? &job->result : NULL,
        .attempt = out->attempt,
        .tries = out->tries
    };
    memcpy(out->commit, job->commit, sizeof out->commit);
    if (job->phase == JOB_ENDED) {
        (void)plan_cache_ended_since(cache, job->name, &ended_ms);
        out->ended_age_ms = now_mono_ms - ended_ms;
    }
}
