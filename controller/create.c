/* SPDX-License-Identifier: Apache-2.0 */
/* The Jobs of one decision, one after the other. What all of them depend on is read once. */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "controller/assign.h"
#include "controller/internal.h"
#include "controller/failpoint.h"
#include "database/credentials.h"
#include "model/reason.h"

#define READ_LASTS_MS 1000 /* a slow platform: the next Job wants a reading of its own */

struct batch { /* one decision's Jobs */
    struct controller *c;
    struct plan_cache *cache;
    struct snapshot *snapshot;
    const struct decision *decision;
    int64_t decided_mono_ms; /* at the latest */
    int64_t read_mono_ms;    /* 0: not yet */
    struct job_list jobs;    /* of the newest reading */
};

/* ---- what a Job is made of ------------------------------------------------------------------------ */

struct creation { /* what a Job is made of; held while the cache is not locked */
    struct inspected *inspected;
    struct commit_files *files;
    struct plan actions; /* shallow: its files live in files */
    char *revision, *digest;
    char retry_token[65];
    bool usable;
};

static void creation_done(struct creation *made)
{
    inspected_unref(made->inspected);
    commit_files_unref(made->files);
    free(made->actions.actions);
    free(made->revision);
    free(made->digest);
}

/* Cache locked. */
static void collect(struct plan_cache *cache, const struct decision *decision, size_t index,
                    struct creation *out)
{
    const struct database_cache *d = &cache->databases[index];
    struct commit_files *files = observe_files(cache, decision->commit);
    const struct pending *j = &d->pending;

    if (!files || !d->inspected || j->inspected != d->inspected->serial ||
        j->files != files->serial || !j->has_plan || j->error) {
        return; /* something arrived since the decision: decide again */
    }
    out->inspected = inspected_ref(d->inspected);
    out->files = commit_files_ref(files);
    out->actions.action_count = j->plan.action_count;
    out->actions.actions = mem_array(j->plan.action_count + 1, sizeof *out->actions.actions);
    if (j->plan.action_count) {
        memcpy(out->actions.actions, j->plan.actions,
               j->plan.action_count * sizeof *j->plan.actions);
    }
    out->revision = mem_strdup(files->revision);
    out->digest = mem_strdup(decision->status.rollout.digest);
    step_retry_token(&cache->snapshot->plan, &decision->status, out->retry_token);
    out->usable = true;
}

/* ---- read again right before ---------------------------------------------------------------------------- */

/* What was remembered is enough to decide, not to take a database away from somebody: the former owner is
 * asked for once more, after the decision. One that was made anew meanwhile has another UID and owns the
 * database only once a Job of it has written the lease: then the owner and the epoch of our assignment are
 * not those of the lease any more, and the runner goes without a statement. What this reading finds is one
 * that came back with its UID, out of a backup of the cluster, and has not run anything. */
static struct err *check_owner_gone(const struct batch *b, enum ownership ownership,
                                    const struct lease *lease)
{
    struct controller *c = b->c;
    struct owner_key key;

    if (ownership != OWNERSHIP_TAKE_OVER ||
        !owners_key(lease, &b->snapshot->plan, c->platform.ops->cluster_id(c->platform.self),
                    &key) ||
        owners_gone(&c->owners, &c->platform, &key, b->decided_mono_ms)) {
        return NULL;
    }
    return err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE, "plan %s/%s exists again", key.namespace_,
                   key.name);
}

/* The plan is as it was, and the platform says so too; its Jobs as they are now. A plan that moved drops
 * the pass. */
static struct err *read_again(struct batch *b)
{
    const struct platform *platform = &b->c->platform;
    AUTO(json_free_auto) struct json *object = NULL;
    AUTO(free_auto) char *print = NULL;
    int64_t now_ms = clock_mono_ms();

    if (b->read_mono_ms && now_ms - b->read_mono_ms < READ_LASTS_MS) {
        return NULL;
    }
    job_list_done(&b->jobs);
    TRY(platform->ops->read_plan(platform->self, b->cache->namespace_, b->cache->name, &object));
    print = snapshot_print(object);
    if (!str_eq(print, b->snapshot->print)) {
        return err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE, "the plan has changed");
    }
    if (platform->ops->prepare_jobs) {
        TRY(platform->ops->prepare_jobs(platform->self, &b->snapshot->plan));
    }
    TRY(platform->ops->list_jobs(platform->self, b->cache->namespace_, b->snapshot->plan.uid,
                                 &b->jobs));
    b->read_mono_ms = now_ms;
    return NULL;
}

/* A Job that is there already drops the pass. One that is not waited for has the number of its attempt all the same. */
static struct err *check_free(const struct batch *b, const char *database, int64_t attempt)
{
    struct err *e = NULL;

    pthread_mutex_lock(&b->cache->lock);
    for (size_t i = 0; i < b->jobs.count && !e; i++) {
        const struct job *job = &b->jobs.items[i];
        if (str_eq(job->database, database) &&
            (job->attempt >= attempt ||
             (job->phase != JOB_ENDED && !observe_is_idle(b->cache, job, clock_mono_ms())))) {
            e = err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE, "job %s is there already",
                        job->name);
        }
    }
    pthread_mutex_unlock(&b->cache->lock);
    return e;
}

/* ---- one Job --------------------------------------------------------------------------------------- */

/* Where Jobs read their Secrets themselves, the inspection that was decided by has read them, and a pod
 * that misses one says so. */
static struct err *collect_credentials(const struct batch *b, const struct mplan_database *entry,
                                       struct kvlist *out)
{
    return b->c->platform.ops->jobs_read_secrets
               ? NULL
               : credentials_collect(&b->c->platform, &b->snapshot->plan, entry, out);
}

/* Counted from the decision, since which the status was written, perhaps slowly. */
static int64_t stop_in_ms(const struct decision *decision, const struct new_job *job)
{
    const int64_t passed_ms = clock_mono_ms() - decision->status.mark_mono_ms;

    if (job->stop_in_ms < 0) {
        return -1;
    }
    return job->stop_in_ms > passed_ms ? job->stop_in_ms - passed_ms : 0;
}

static struct err *create(struct batch *b, size_t at, const struct creation *made)
{
    const struct decision *decision = b->decision;
    const struct platform *platform = &b->c->platform;
    const struct mplan *plan = &b->snapshot->plan;
    const struct new_job *job = &decision->jobs[at];
    const struct mplan_database *entry = &plan->databases[decision->databases[at]];
    AUTO(assign_done) struct assign assign = { 0 };
    AUTO(secret_kvlist_done) struct kvlist credentials = { 0 };
    AUTO(kept_rows_close) struct inspection inspection = inspected_open(made->inspected);
    char name[JOB_NAME_MAX + 1];
    const struct assign_input input = {
        .plan = plan,
        .database = decision->databases[at],
        .inspection = &inspection,
        .inspection_age_ms = clock_mono_ms() - made->inspected->ended_mono_ms,
        .actions = &made->actions,
        .cluster = platform->ops->cluster_id(platform->self),
        .digest = made->digest,
        .commit = decision->commit,
        .revision = made->revision,
        .retry_token = made->retry_token,
        .attempt = job->attempt,
        .ownership = job->ownership,
        .stop_in_ms = stop_in_ms(decision, job),
        .first_only = job->first_only,
    };

    TRY(collect_credentials(b, entry, &credentials));
    TRY(assign_make(&input, &assign));
    TRY(read_again(b));
    TRY(check_free(b, entry->name, job->attempt));
    TRY(check_owner_gone(b, job->ownership, &inspection.lease));
    job_name(plan->name, plan->uid, entry->name, job->attempt, name);
    const struct job_spec spec = { .name = name,
                                   .plan = plan,
                                   .database = entry,
                                   .assignment = &assign.assignment,
                                   .manifest = assign.manifest,
                                   .manifest_sha256 = assign.sha256,
                                   .parts = assign.parts,
                                   .part_count = assign.part_count,
                                   .credentials = &credentials };
    failpoint("before_create");
    TRY(platform->ops->create_job(platform->self, &spec));
    failpoint("created");
    LOG(LOG_INFO, "job created", LOG_S("plan", b->cache->key), LOG_S("database", entry->name),
        LOG_S("job", spec.name), LOG_S("commit", decision->commit), LOG_I("attempt", job->attempt),
        LOG_I("files", (int64_t)assign.assignment.file_count),
        LOG_S("ownership", ownership_text(job->ownership)));
    return NULL;
}

/* False: our view is too old for this Job and for those after it, or the platform did not make it: each
 * of them would wait as long for the same answer. The next decision goes round those that failed. */
static bool create_job(struct batch *b, size_t at, int64_t *leave_ms)
{
    AUTO(creation_done) struct creation made = { 0 };
    struct plan_cache *cache = b->cache;
    const char *name = b->snapshot->plan.databases[b->decision->databases[at]].name;

    pthread_mutex_lock(&cache->lock);
    if (cache->snapshot == b->snapshot) {
        collect(cache, b->decision, b->decision->databases[at], &made);
    }
    pthread_mutex_unlock(&cache->lock);
    if (!made.usable) {
        return false;
    }
    struct err *failed = create(b, at, &made);
    bool made_it = !failed;
    bool conflict = failed && failed->kind == ERR_CONFLICT;
    *leave_ms = conflict ? jitter_ms(STALE_VIEW_MS) : 0;
    pthread_mutex_lock(&cache->lock);
    struct database_cache *d = plan_cache_database(cache, name);
    if (d && !failed) {
        if (!str_eq(d->create_failure.reason, REASON_RUNNER_NOT_STARTED)) {
            last_failure_clear(
                &d->create_failure); /* why the last one did not start is told until this one has */
        }
        d->recorded_attempt = 0;
    } else if (d && !conflict) { /* a conflict is no failure: decide again */
        if (str_eq(failed->reason, REASON_NAME_CONFLICT)) {
            d->taken_attempt = b->decision->jobs[at].attempt; /* the next one has another name */
        }
        if (last_failure_set(&d->create_failure, TAKE(failed), clock_mono_ms())) {
            LOG(LOG_WARN, "job not created", LOG_S("plan", cache->key), LOG_S("database", name),
                LOG_S("reason", d->create_failure.reason),
                LOG_S("message", d->create_failure.message));
        }
    }
    pthread_mutex_unlock(&cache->lock);
    err_free(failed);
    return made_it;
}

int64_t create_jobs(struct controller *c, struct plan_cache *cache, struct snapshot *snapshot,
                    const struct decision *decision)
{
    struct batch b = { .c = c,
                       .cache = cache,
                       .snapshot = snapshot,
                       .decision = decision,
                       .decided_mono_ms = clock_mono_ms() };
    int64_t leave_ms = 0;

    for (size_t at = 0; at < decision->count && create_job(&b, at, &leave_ms); at++) {
    }
    job_list_done(&b.jobs);
    return leave_ms;
}
