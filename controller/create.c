/* SPDX-License-Identifier: Apache-2.0 */
/* The Jobs of one decision, one after the other. What all of them depend on is looked at once. */
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

#define LOOK_LASTS_MS 1000 /* a slow platform: the next Job wants a look of its own */

struct batch { /* one decision's Jobs */
    struct controller *c;
    struct cell *cell;
    struct snapshot *snapshot;
    const struct decision *decision;
    int64_t decided_mono_ms; /* at the latest */
    int64_t looked_mono_ms;  /* 0: not yet */
    struct job_list jobs;    /* of the newest look */
};

/* ---- what a Job is made of ------------------------------------------------------------------------ */

struct creation { /* what a Job is made of; held while the cell is not locked */
    struct seen *seen;
    struct trees *trees;
    struct plan actions; /* shallow: its files live in trees */
    char *revision, *digest;
    char retry_token[65];
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

/* ---- looks right before ---------------------------------------------------------------------------- */

/* What was remembered is enough to decide, not to take a database away from somebody: the former owner is
 * asked for once more, after the decision. One that was made anew meanwhile has another UID and owns the
 * database only once a Job of it has written the lease: then the owner and the epoch of our assignment are
 * not those of the lease any more, and the runner goes without a statement. What this look finds is one
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
static struct err *look(struct batch *b)
{
    const struct platform *platform = &b->c->platform;
    AUTO(json_free_auto) struct json *object = NULL;
    AUTO(free_auto) char *print = NULL;
    int64_t now_ms = clock_mono_ms();

    if (b->looked_mono_ms && now_ms - b->looked_mono_ms < LOOK_LASTS_MS) {
        return NULL;
    }
    job_list_done(&b->jobs);
    TRY(platform->ops->read_plan(platform->self, b->cell->namespace_, b->cell->name, &object));
    print = snapshot_print(object);
    if (!str_eq(print, b->snapshot->print)) {
        return err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE, "the plan has changed");
    }
    if (platform->ops->prepare_jobs) {
        TRY(platform->ops->prepare_jobs(platform->self, &b->snapshot->plan));
    }
    TRY(platform->ops->list_jobs(platform->self, b->cell->namespace_, b->snapshot->plan.uid,
                                 &b->jobs));
    b->looked_mono_ms = now_ms;
    return NULL;
}

/* A Job that is there already drops the pass. */
static struct err *check_free(const struct batch *b, const char *database, int64_t attempt)
{
    for (size_t i = 0; i < b->jobs.count; i++) {
        const struct job *job = &b->jobs.items[i];
        if (str_eq(job->database, database) &&
            (job->phase != JOB_ENDED || job->attempt >= attempt)) {
            return err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE, "job %s is there already",
                           job->name);
        }
    }
    return NULL;
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

static struct err *create(struct batch *b, size_t at, const struct creation *made)
{
    const struct decision *decision = b->decision;
    const struct platform *platform = &b->c->platform;
    const struct mplan *plan = &b->snapshot->plan;
    const struct new_job *job = &decision->jobs[at];
    const struct mplan_database *entry = &plan->databases[decision->databases[at]];
    AUTO(assign_done) struct assign assign = { 0 };
    AUTO(credentials_wipe) struct kvlist credentials = { 0 };
    char name[JOB_NAME_MAX + 1];
    const struct assign_input input = {
        .plan = plan,
        .database = decision->databases[at],
        .seen = &made->seen->inspection,
        .seen_age_ms = clock_mono_ms() - made->seen->ended_mono_ms,
        .actions = &made->actions,
        .cluster = platform->ops->cluster_id(platform->self),
        .digest = made->digest,
        .commit = decision->commit,
        .revision = made->revision,
        .retry_token = made->retry_token,
        .attempt = job->attempt,
        .ownership = job->ownership,
    };

    TRY(collect_credentials(b, entry, &credentials));
    TRY(assign_make(&input, &assign));
    TRY(look(b));
    TRY(check_free(b, entry->name, job->attempt));
    TRY(check_owner_gone(b, job->ownership, &made->seen->inspection.lease));
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
    LOG(LOG_INFO, "job created", LOG_S("plan", b->cell->key), LOG_S("database", entry->name),
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
    struct cell *cell = b->cell;
    const char *name = b->snapshot->plan.databases[b->decision->databases[at]].name;

    pthread_mutex_lock(&cell->lock);
    if (cell->snapshot == b->snapshot) {
        collect(cell, b->decision, b->decision->databases[at], &made);
    }
    pthread_mutex_unlock(&cell->lock);
    if (!made.usable) {
        return false;
    }
    struct err *failed = create(b, at, &made);
    bool made_it = !failed;
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
    return made_it;
}

int64_t create_jobs(struct controller *c, struct cell *cell, struct snapshot *snapshot,
                    const struct decision *decision)
{
    struct batch b = { .c = c,
                       .cell = cell,
                       .snapshot = snapshot,
                       .decision = decision,
                       .decided_mono_ms = clock_mono_ms() };
    int64_t leave_ms = 0;

    for (size_t at = 0; at < decision->count && create_job(&b, at, &leave_ms); at++) {
    }
    job_list_done(&b.jobs);
    return leave_ms;
}
