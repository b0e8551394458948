/* SPDX-License-Identifier: Apache-2.0 */
/* Performing the one effect of a decision. What fails is remembered in the cell and looked at in the
 * next pass; nothing is tried twice here. */
#include <stdlib.h>
#include <string.h>

#include "controller/assign.h"
#include "controller/core.h"
#include "controller/credentials.h"
#include "controller/failpoint.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/clock.h"
#include "reconcile/base/log.h"
#include "reconcile/base/mem.h"
#include "reconcile/model/reason.h"

#define LOOK_AGAIN_MS 200 /* our view was older than the platform's: it catches up */
#define TRY_AGAIN_MS 5000 /* the platform did not do it */

/* ---- create a Job ------------------------------------------------------------------------------- */

/* What was remembered is enough to decide, not to take a database away from somebody: the former owner is
 * asked for once more, after the decision. One that was made anew meanwhile has another UID and owns the
 * database only once a Job of it has written the lease: then the owner and the epoch of our assignment are
 * not those of the lease any more, and the runner goes without a statement. What this look finds is one
 * that came back with its UID, out of a backup of the cluster, and has not run anything. */
static struct err *check_owner_gone(struct controller *c, const struct mplan *plan,
                                    enum ownership ownership, const struct lease *lease,
                                    int64_t decided_mono_ms)
{
    struct owner_key key;

    if (ownership != OWNERSHIP_TAKE_OVER ||
        !owners_key(lease, plan, c->platform.ops->cluster_id(c->platform.self), &key) ||
        owners_gone(&c->owners, &c->platform, &key, decided_mono_ms)) {
        return NULL;
    }
    return err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE, "plan %s/%s exists again", key.namespace_,
                   key.name);
}

struct creation { /* what a Job is made of; held while the cell is not locked */
    struct seen *seen;
    struct trees *trees;
    struct plan actions; /* shallow: its files live in trees */
    char *revision, *digest;
    char retry_token[65];
    int64_t began_mono_ms; /* the decision was made before */
    bool usable;
};

static void creation_done(struct creation *made)
{
    seen_unref(made->seen);
    trees_unref(made->trees);
    free(made->actions.actions);
    free(made->revision);
    free(made->digest);
}

/* Cell locked. */
static void collect(struct cell *cell, const struct decision *decision, size_t index,
                    struct creation *out)
{
    const struct database_cell *d = &cell->databases[index];
    struct trees *trees = observe_trees(cell, decision->commit);
    const struct judgement *j = &d->judgement;

    if (!trees || !d->seen || j->seen != d->seen->serial || j->trees != trees->serial ||
        !j->has_plan || j->error) {
        return; /* something arrived since the decision: decide again */
    }
    out->seen = seen_ref(d->seen);
    out->trees = trees_ref(trees);
    out->actions.action_count = j->plan.action_count;
    out->actions.actions = mem_array(j->plan.action_count + 1, sizeof *out->actions.actions);
    if (j->plan.action_count) {
        memcpy(out->actions.actions, j->plan.actions,
               j->plan.action_count * sizeof *j->plan.actions);
    }
    out->revision = mem_strdup(trees->revision);
    out->digest = mem_strdup(decision->status.rollout.digest);
    step_retry_token(&cell->snapshot->plan, &decision->status, out->retry_token);
    out->usable = true;
}

/* An authoritative look right before: a Job that is there already, or a plan that moved, drops the
 * pass. */
static struct err *check_again(struct controller *c, const struct cell *cell,
                               const struct snapshot *snapshot, const char *database,
                               int64_t attempt)
{
    AUTO(job_list_done) struct job_list jobs = { 0 };
    AUTO(json_free_auto) struct json *object = NULL;
    AUTO(free_auto) char *print = NULL;

    TRY(c->platform.ops->read_plan(c->platform.self, cell->namespace_, cell->name, &object));
    print = snapshot_print(object);
    if (!str_eq(print, snapshot->print)) {
        return err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE, "the plan has changed");
    }
    TRY(c->platform.ops->list_jobs(c->platform.self, cell->namespace_, snapshot->plan.uid, &jobs));
    for (size_t i = 0; i < jobs.count; i++) {
        const struct job *job = &jobs.items[i];
        if (str_eq(job->database, database) &&
            (job->phase != JOB_ENDED || job->attempt >= attempt)) {
            return err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE, "job %s is there already",
                           job->name);
        }
    }
    return NULL;
}

static struct err *create(struct controller *c, struct cell *cell, struct snapshot *snapshot,
                          const struct decision *decision, size_t at, const struct creation *made)
{
    size_t index = decision->databases[at];
    const struct new_job *job = &decision->jobs[at];
    const struct mplan_database *entry = &snapshot->plan.databases[index];
    AUTO(assign_done) struct assign assign = { 0 };
    AUTO(credentials_wipe) struct kvlist credentials = { 0 };
    char name[JOB_NAME_MAX + 1];
    const struct assign_input input = {
        .plan = &snapshot->plan,
        .database = index,
        .seen = &made->seen->inspection,
        .seen_age_ms = clock_mono_ms() - made->seen->ended_mono_ms,
        .actions = &made->actions,
        .cluster = c->platform.ops->cluster_id(c->platform.self),
        .digest = made->digest,
        .commit = decision->commit,
        .revision = made->revision,
        .retry_token = made->retry_token,
        .attempt = job->attempt,
        .ownership = job->ownership,
    };

    TRY(credentials_collect(&c->platform, &snapshot->plan, entry, &credentials));
    TRY(assign_make(&input, &assign));
    TRY(check_again(c, cell, snapshot, entry->name, job->attempt));
    TRY(check_owner_gone(c, &snapshot->plan, job->ownership, &made->seen->inspection.lease,
                         made->began_mono_ms));
    job_name(snapshot->plan.name, snapshot->plan.uid, entry->name, job->attempt, name);
    const struct job_spec spec = { .name = name,
                                   .plan = &snapshot->plan,
                                   .database = entry,
                                   .assignment = &assign.assignment,
                                   .manifest = assign.manifest,
                                   .manifest_sha256 = assign.sha256,
                                   .parts = assign.parts,
                                   .part_count = assign.part_count,
                                   .credentials = &credentials };
    failpoint("before_create");
    TRY(c->platform.ops->create_job(c->platform.self, &spec));
    failpoint("created");
    LOG(LOG_INFO, "job created", LOG_S("plan", cell->key), LOG_S("database", entry->name),
        LOG_S("job", spec.name), LOG_S("commit", decision->commit), LOG_I("attempt", job->attempt),
        LOG_I("files", (int64_t)assign.assignment.file_count),
        LOG_S("ownership", ownership_text(job->ownership)));
    return NULL;
}

/* False: our view is too old for this Job and for those after it. */
static bool create_job(struct controller *c, struct cell *cell, struct snapshot *snapshot,
                       const struct decision *decision, size_t at, int64_t *leave_ms)
{
    AUTO(creation_done) struct creation made = { .began_mono_ms = clock_mono_ms() };
    const char *name = snapshot->plan.databases[decision->databases[at]].name;

    pthread_mutex_lock(&cell->lock);
    if (cell->snapshot == snapshot) {
        collect(cell, decision, decision->databases[at], &made);
    }
    pthread_mutex_unlock(&cell->lock);
    if (!made.usable) {
        return false;
    }
    struct err *failed = create(c, cell, snapshot, decision, at, &made);
    bool conflict = failed && failed->kind == ERR_CONFLICT;
    *leave_ms = conflict ? jitter_ms(LOOK_AGAIN_MS) : 0;
    pthread_mutex_lock(&cell->lock);
    struct database_cell *d = cell_database(cell, name);
    if (d && !failed) {
        if (!str_eq(d->create.reason, REASON_RUNNER_NOT_STARTED)) {
            note_clear(&d->create); /* why the last one did not start is told until this one has */
        }
        d->recorded_attempt = 0;
    } else if (d && !conflict) { /* a conflict is no failure: look again */
        if (note_failure(&d->create, TAKE(failed), clock_mono_ms())) {
            LOG(LOG_WARN, "job not created", LOG_S("plan", cell->key), LOG_S("database", name),
                LOG_S("reason", d->create.reason), LOG_S("message", d->create.message));
        }
    }
    pthread_mutex_unlock(&cell->lock);
    err_free(failed);
    return !conflict;
}

static int64_t create_jobs(struct controller *c, struct cell *cell, struct snapshot *snapshot,
                           const struct decision *decision)
{
    int64_t leave_ms = 0;

    for (size_t at = 0; at < decision->count; at++) {
        if (!create_job(c, cell, snapshot, decision, at, &leave_ms)) {
            break;
        }
    }
    return leave_ms;
}

/* ---- the rest ------------------------------------------------------------------------------------ */

/* The Job is gone with its story: what it waited for stays in sight until the next one is made. */
static void note_unstarted(struct cell *cell, const struct snapshot *snapshot,
                           const struct job *job)
{
    int64_t age_ms = clock_utc_ms() - job->created_ms;

    if (job->phase != JOB_WAITING || age_ms < snapshot->plan.start_timeout_ms) {
        return;
    }
    pthread_mutex_lock(&cell->lock);
    struct database_cell *d = cell_database(cell, job->database);
    if (d) {
        (void)note_failure(&d->create,
                           err_new(ERR_TRANSIENT, REASON_RUNNER_NOT_STARTED,
                                   "Job %s did not start within execution.startTimeout: %s",
                                   job->name, job->waiting ? job->waiting : "nobody says why"),
                           clock_mono_ms());
    }
    pthread_mutex_unlock(&cell->lock);
}

static int64_t each_job(struct controller *c, struct cell *cell, const struct snapshot *snapshot,
                        const struct decision *decision, const struct observation *o, bool cancel)
{
    int64_t wait_ms = 0;

    for (size_t i = 0; i < decision->count; i++) {
        size_t at = o->job_of[decision->databases[i]];
        const struct job *job = at == SIZE_MAX ? NULL : &o->jobs.items[at];
        if (!job) {
            continue;
        }
        struct err *failed =
            cancel ? c->platform.ops->cancel_job(c->platform.self, cell->namespace_, job->name)
                   : c->platform.ops->delete_job(c->platform.self, cell->namespace_, job->name);
        if (failed && failed->kind != ERR_CONFLICT) {
            LOG(LOG_WARN, cancel ? "job not cancelled" : "job not deleted",
                LOG_S("plan", cell->key), LOG_S("job", job->name), LOG_S("reason", failed->reason),
                LOG_S("message", failed->message));
        } else if (!failed) {
            LOG(LOG_INFO, cancel ? "job cancelled" : "job deleted", LOG_S("plan", cell->key),
                LOG_S("job", job->name), LOG_S("waiting", job->waiting));
            note_unstarted(cell, snapshot, job);
        }
        if (failed) {
            int64_t wait = failed->kind == ERR_CONFLICT ? LOOK_AGAIN_MS : TRY_AGAIN_MS;
            wait_ms = wait > wait_ms ? wait : wait_ms;
        }
        err_free(failed);
    }
    return wait_ms ? jitter_ms(wait_ms) : 0;
}

static void forget(struct controller *c, struct cell *cell, const struct snapshot *snapshot)
{
    failpoint("before_finalize");
    struct err *failed = c->platform.ops->release_plan(c->platform.self, cell->namespace_,
                                                       cell->name, snapshot->plan.uid);
    if (failed) {
        LOG(LOG_WARN, "plan not released", LOG_S("plan", cell->key),
            LOG_S("reason", failed->reason), LOG_S("message", failed->message));
        err_free(failed);
        queue_add_after(c->plans, cell->key, 5000);
        return;
    }
    LOG(LOG_INFO, "plan deleted", LOG_S("plan", cell->key));
    queue_add(c->plans, cell->key); /* its next pass finds it gone */
}

static void inspect_all(struct controller *c, struct cell *cell)
{
    for (size_t i = 0; i < cell->database_count; i++) {
        task_inspect(c, cell, i);
    }
}

static void in_background(struct controller *c, struct cell *cell, struct snapshot *snapshot,
                          const struct decision *decision, const struct observation *o)
{
    pthread_mutex_lock(&cell->lock);
    if (cell->snapshot != snapshot || snapshot->error) {
        pthread_mutex_unlock(&cell->lock);
        return;
    }
    switch (decision->effect) {
    case EFFECT_REFRESH:
        inspect_all(c, cell);
        polls_now(c->polls, cell->key);
        break;
    case EFFECT_FETCH:
        task_fetch(c, cell, decision->commit);
        break;
    case EFFECT_INSPECT:
        for (size_t i = 0; i < decision->count; i++) {
            task_inspect(c, cell, decision->databases[i]);
        }
        break;
    case EFFECT_MEASURE_GATE:
        task_gate(c, cell, decision);
        break;
    case EFFECT_RECORD_FAILURE: {
        const struct job_view *job = &o->views[decision->databases[0]].job;
        task_record_failure(c, cell, decision->databases[0], job->result, job->commit,
                            job->retry_token);
        break;
    }
    case EFFECT_RECORD_RESOLUTION:
        task_record_resolution(c, cell, decision->databases[0], decision->item);
        break;
    default:
        break;
    }
    pthread_mutex_unlock(&cell->lock);
}

int64_t act(struct controller *c, struct cell *cell, struct snapshot *snapshot,
            const struct decision *decision, const struct observation *o)
{
    switch (decision->effect) {
    case EFFECT_CREATE_JOB:
        return create_jobs(c, cell, snapshot, decision);
    case EFFECT_DELETE_JOB:
        return each_job(c, cell, snapshot, decision, o, false);
    case EFFECT_CANCEL_JOB:
        return each_job(c, cell, snapshot, decision, o, true);
    case EFFECT_FORGET:
        forget(c, cell, snapshot);
        return 0;
    default:
        in_background(c, cell, snapshot, decision, o);
        return 0;
    }
}
