/* SPDX-License-Identifier: Apache-2.0 */
/* What the controller itself writes into a database: the failure that a dead runner could not record, a person's
 * verdict, and the owner of one whose owner is gone. All are idempotent; the next inspection tells. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "controller/internal.h"
#include "database/credentials.h"
#include "model/reason.h"

#define LOCK_WAIT_MS 10000

enum journal_kind {
    JOURNAL_TASK_FAILURE,
    JOURNAL_TASK_VERDICT,
    JOURNAL_TASK_OWNER,
};

/* For people, of each kind. */
static const char *const written[] = { "failure recorded", "verdict recorded",
                                       "database taken over" };

struct journal_task {
    enum journal_kind kind;
    struct controller *c;
    struct plan_cache *cache;
    struct snapshot *snapshot;
    struct commit_files *files; /* NULL: not fetched */
    size_t index;
    /* a failure */
    struct result failed;
    char commit[REPO_COMMIT_LEN];
    char retry_token[65];
    size_t item;  /* a verdict */
    char *former; /* the UID of the owner that is gone */
};

static const struct path_files *set_of(const struct journal_task *r)
{
    AUTO(strlist_done) struct strlist paths = { 0 };

    commit_files_paths(&r->snapshot->plan, r->index, &paths);
    return commit_files_find(r->files, &paths);
}

static struct err *write_failure(const struct journal_task *r, const struct ask *ask,
                                 const struct apply_request *request)
{
    const struct migration *file = path_files_script(set_of(r), r->failed.failed.script);

    if (!file) { /* another commit is wanted by now: its plan decides, not this failure */
        return NULL;
    }
    return ask_failure(ask, request, file, &r->failed);
}

static struct err *write_verdict(const struct journal_task *r, const struct ask *ask,
                                 const struct apply_request *request)
{
    const struct resolve_item *item = &r->snapshot->resolve.items[r->item];
    char token[65];

    step_token(kvlist_get(&r->snapshot->plan.annotations, ANNOTATION_RESOLVE), token);
    const struct resolution resolution = { .version = item->version,
                                           .description = item->description,
                                           .step = item->step,
                                           .verdict = item->verdict,
                                           .reason = item->reason,
                                           .token = token };
    return ask_resolution(ask, request, &resolution);
}

static struct err *write_row(const struct journal_task *r)
{
    const struct mplan *plan = &r->snapshot->plan;
    const struct mplan_database *entry = &plan->databases[r->index];
    const struct path_files *set = set_of(r);
    AUTO(target_done) struct target target = { 0 };
    AUTO(credential_files_done) struct credential_files certificates = { 0 };
    char host[65] = "";

    const struct platform *platform = &r->c->platform;
    TRY(task_target(r->c, plan, r->index, &target, &certificates));
    gethostname(host, sizeof host - 1);
    AUTO(free_auto) char *holder = mem_printf("controller@%s", host);
    const struct apply_request request = {
        .migrations = &entry->migrations,
        .execution = &plan->execution,
        .holder = holder,
        .git_commit = r->commit[0] ? r->commit : NULL,
        .retry_token = r->retry_token,
        .lock_wait_ms = LOCK_WAIT_MS,
        .owner = { .plan_uid = plan->uid,
                   .namespace_ = plan->namespace_,
                   .name = plan->name,
                   .database = entry->name,
                   .cluster = platform->ops->cluster_id(platform->self) },
        .files = set ? &set->files : NULL,
    };
    const struct ask ask = task_ask(r->c, r->cache, &target, &certificates, "sluice");
    switch (r->kind) {
    case JOURNAL_TASK_FAILURE:
        return write_failure(r, &ask, &request);
    case JOURNAL_TASK_VERDICT:
        return write_verdict(r, &ask, &request);
    case JOURNAL_TASK_OWNER:
        break;
    }
    return ask_take_over(&ask, &request, r->former);
}

/* Cache locked. */
static void take_answer(const struct journal_task *r, struct err *failed)
{
    const char *name = r->snapshot->plan.databases[r->index].name;
    struct database_cache *d = plan_cache_database(r->cache, name);

    if (!d) {
        err_free(failed);
        return;
    }
    if (failed) {
        d->busy = false;
        if (last_failure_set(&d->journal_failure, failed, clock_mono_ms())) {
            LOG(LOG_WARN, "row not written", LOG_S("plan", r->cache->key), LOG_S("database", name),
                LOG_S("reason", d->journal_failure.reason),
                LOG_S("message", d->journal_failure.message));
        }
        return;
    }
    last_failure_clear(&d->journal_failure);
    if (r->kind == JOURNAL_TASK_FAILURE) {
        d->recorded_attempt = r->failed.attempt;
    }
    LOG(LOG_INFO, written[r->kind], LOG_S("plan", r->cache->key), LOG_S("database", name));
    for (size_t i = 0; i < r->cache->database_count; i++) { /* busy until the next inspection */
        if (&r->cache->databases[i] == d && !r->cache->snapshot->error) {
            inspect_task_start(r->c, r->cache, i);
        }
    }
}

static void run_journal_task(void *payload)
{
    struct journal_task *r = payload;
    struct err *failed = write_row(r);

    pthread_mutex_lock(&r->cache->lock);
    take_answer(r, failed);
    pthread_mutex_unlock(&r->cache->lock);
    queue_add(r->c->plans, r->cache->key);
    commit_files_unref(r->files);
    snapshot_unref(r->snapshot);
    plan_cache_unref(r->cache);
    result_done(&r->failed);
    free(r->former);
    free(r);
}

static void submit(struct controller *c, struct plan_cache *cache, struct journal_task *r,
                   const char *commit)
{
    struct database_cache *d = &cache->databases[r->index];

    r->c = c;
    r->cache = plan_cache_ref(cache);
    r->snapshot = snapshot_ref(cache->snapshot);
    r->files = commit_files_ref(observe_files(cache, commit));
    d->busy = true;
    const struct pool_task task = { .plan = cache->key,
                                    .kind = "record",
                                    .group = d->server ? d->server : cache->key,
                                    .group_limit = TASKS_PER_SERVER,
                                    .run = run_journal_task,
                                    .payload = r };
    pool_submit(c->pool, &task);
}

static void copy_result(const struct result *from, struct result *out)
{
    AUTO(free_auto) char *line = result_format(from);

    err_free(result_parse(line, strlen(line), out));
}

void journal_task_failure(struct controller *c, struct plan_cache *cache, size_t index,
                          const struct result *result, const char *commit, const char *retry_token)
{
    struct journal_task *r = mem_alloc(sizeof *r);

    r->index = index;
    r->kind = JOURNAL_TASK_FAILURE;
    copy_result(result, &r->failed);
    snprintf(r->commit, sizeof r->commit, "%s", commit);
    snprintf(r->retry_token, sizeof r->retry_token, "%s", retry_token ? retry_token : "");
    submit(c, cache, r, commit);
}

void journal_task_resolution(struct controller *c, struct plan_cache *cache, size_t index,
                             size_t item)
{
    struct journal_task *r = mem_alloc(sizeof *r);
    const char *commit =
        cache->status.rollout.present ? cache->status.rollout.commit : cache->newest.commit;

    r->kind = JOURNAL_TASK_VERDICT;
    r->index = index;
    r->item = item;
    step_retry_token(&cache->snapshot->plan, &cache->status, r->retry_token);
    submit(c, cache, r, commit);
}

void journal_task_owner(struct controller *c, struct plan_cache *cache, size_t index)
{
    const struct inspected *seen = cache->databases[index].inspected;
    if (!seen || !seen->inspection.lease.owner_plan_uid) { /* decided upon an older inspection */
        return;
    }
    struct journal_task *r = mem_alloc(sizeof *r);
    r->kind = JOURNAL_TASK_OWNER;
    r->index = index;
    r->former = mem_strdup(seen->inspection.lease.owner_plan_uid);
    submit(c, cache, r, "");
}
