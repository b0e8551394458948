/* SPDX-License-Identifier: Apache-2.0 */
/* Inspections in the pool. A task holds its plan's cache and the snapshot that it was started for, and its
 * result counts only if it still fits. */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "controller/internal.h"
#include "database/credentials.h"
#include "model/reason.h"

#define PER_PLAN 16

struct err *task_target(struct controller *c, const struct mplan *plan, size_t index,
                        struct target *target, struct credential_files *certificates)
{
    const struct mplan_database *entry = &plan->databases[index];
    AUTO(secret_kvlist_done) struct kvlist keys = { 0 };

    TRY(credentials_collect(&c->platform, plan, entry, &keys));
    TRY(credentials_target(&keys, &entry->connection, target, certificates));
    target->schema =
        mem_strdup(entry->migrations.schema ? entry->migrations.schema : entry->schema);
    target->table = mem_strdup(entry->migrations.table);
    return NULL;
}

struct ask task_ask(const struct controller *c, const struct plan_cache *cache,
                    const struct target *target, const struct credential_files *certificates,
                    const char *application)
{
    return (struct ask){ .target = target,
                         .files = certificates->fds,
                         .file_count = sizeof certificates->fds / sizeof *certificates->fds,
                         .application = application,
                         .timeout_ms = 0,
                         .memory_bytes = c->config->inspection_memory,
                         .cancel = &c->cancel,
                         .share = cache->namespace_ };
}

/* ---- inspections -------------------------------------------------------------------------------------- */

struct inspect_task {
    struct controller *c;
    struct plan_cache *cache;
    struct snapshot *snapshot;
    size_t index; /* in the snapshot */
    char *connection;
    int64_t began_mono_ms;
    char *server, *url; /* found out */
};

/* How a person gets there; certificates are files of this process alone. */
static char *url_of(const struct target *target)
{
    struct target plain = *target; /* borrowed */

    plain.ca_file = plain.cert_file = plain.key_file = NULL;
    return command_url(&plain, true);
}

static struct err *inspect(struct inspect_task *task, struct inspection *out)
{
    AUTO(target_done) struct target target = { 0 };
    AUTO(credential_files_done) struct credential_files certificates = { 0 };
    const struct mplan *plan = &task->snapshot->plan;
    struct command_place place = { .plan = plan->name,
                                   .namespace_ = plan->namespace_,
                                   .database = plan->databases[task->index].name,
                                   .standalone = task->c->config->absolute };

    TRY(task_target(task->c, plan, task->index, &target, &certificates));
    task->server = credentials_server(&target);
    task->url = url_of(&target);
    place.url = task->url;
    struct ask ask = task_ask(task->c, task->cache, &target, &certificates, "sluice-controller");
    ask.place = &place;
    TRY(ask_inspect(&ask, out));
    owner_task_ask(task->c, plan, &out->lease); /* before anybody judges by it */
    return NULL;
}

static void submit_next(struct controller *c, struct plan_cache *cache);

static int64_t next_inspection_ms(const struct controller *c, const struct mplan *plan)
{
    int64_t every_ms = plan->interval_ms;

    every_ms = every_ms < c->config->min_interval_ms ? c->config->min_interval_ms : every_ms;
    return every_ms * 9 / 10 + jitter_ms(every_ms / 10);
}

static void take_success(struct inspect_task *task, struct database_cache *d,
                         struct inspection *inspection)
{
    if (d->failure.reason) {
        LOG(LOG_INFO, "database answers again", LOG_S("plan", task->cache->key),
            LOG_S("database", d->name));
    }
    inspected_unref(d->inspected);
    d->inspected = inspected_new(inspection, task->began_mono_ms);
    d->state = INSPECTION_OK;
    d->busy = false;
    last_failure_clear(&d->failure);
}

static void take_failure(const struct inspect_task *task, struct database_cache *d, struct err *e)
{
    d->state = INSPECTION_FAILED;
    d->busy = false;
    if (last_failure_set(&d->failure, e, clock_mono_ms())) {
        LOG(LOG_WARN, "database not inspected", LOG_S("plan", task->cache->key),
            LOG_S("database", d->name), LOG_S("reason", d->failure.reason),
            LOG_S("message", d->failure.message));
    }
}

/* Cache locked. True: it counted. */
static bool take_inspection(struct inspect_task *task, struct inspection *inspection,
                            struct err *failed)
{
    const char *name = task->snapshot->plan.databases[task->index].name;
    struct database_cache *d = plan_cache_database(task->cache, name);

    task->cache->inspections--;
    if (!d || !d->submitted) {
        err_free(failed);
        return false;
    }
    bool fits = str_eq(d->connection, task->connection);
    d->submitted = false;
    d->inspecting = d->again || !fits;
    d->again = false;
    d->before_retry = d->before_retry && d->inspecting;
    if (!fits || (failed && str_eq(failed->reason, REASON_INTERRUPTED))) {
        err_free(failed);
        return false;
    }
    if (task->server) {
        free(d->server);
        d->server = TAKE(task->server);
        free(d->url);
        d->url = TAKE(task->url);
    }
    if (failed) {
        take_failure(task, d, failed);
    } else {
        take_success(task, d, inspection);
    }
    d->due_mono_ms = clock_mono_ms() + next_inspection_ms(task->c, &task->snapshot->plan);
    return true;
}

static void run_inspect_task(void *payload)
{
    struct inspect_task *task = payload;
    struct controller *c = task->c;
    struct inspection inspection = { 0 };

    task->began_mono_ms = clock_mono_ms();
    struct err *failed = inspect(task, &inspection);
    metrics_add(c->metrics, METRIC_INSPECTIONS,
                LABELS({ "result", failed ? failed->reason : "ok" }), 1);
    pthread_mutex_lock(&task->cache->lock);
    (void)take_inspection(task, &inspection, failed);
    submit_next(c, task->cache);
    bool gone = task->cache->gone;
    pthread_mutex_unlock(&task->cache->lock);
    inspection_done(&inspection);
    atomic_store(&c->looked, true);
    if (!gone) {
        queue_add(c->plans, task->cache->key);
    }
    snapshot_unref(task->snapshot);
    plan_cache_unref(task->cache);
    free(task->connection);
    free(task->server);
    free(task->url);
    free(task);
}

static void submit_inspection(struct controller *c, struct plan_cache *cache, size_t index)
{
    struct database_cache *d = &cache->databases[index];
    struct inspect_task *task = mem_alloc(sizeof *task);

    *task = (struct inspect_task){ .c = c,
                                   .cache = plan_cache_ref(cache),
                                   .snapshot = snapshot_ref(cache->snapshot),
                                   .index = index,
                                   .connection = mem_strdup(d->connection) };
    if (!d->server) {
        d->server = mem_printf("%s/%s", cache->namespace_,
                               cache->snapshot->plan.databases[index].secret_name);
    }
    d->submitted = true;
    cache->inspections++;
    const struct pool_task work = { .plan = cache->key,
                                    .kind = "inspection",
                                    .group = d->server,
                                    .group_limit = TASKS_PER_SERVER,
                                    .run = run_inspect_task,
                                    .payload = task };
    pool_submit(c->pool, &work);
}

/* One plan with many databases takes its share of the pool and no more. */
static void submit_next(struct controller *c, struct plan_cache *cache)
{
    if (cache->gone || cache->snapshot->error || cancel_triggered(&c->cancel)) {
        return;
    }
    for (size_t i = 0; i < cache->database_count && cache->inspections < PER_PLAN; i++) {
        if (cache->databases[i].inspecting && !cache->databases[i].submitted) {
            submit_inspection(c, cache, i);
        }
    }
}

void inspect_task_start(struct controller *c, struct plan_cache *cache, size_t index)
{
    struct database_cache *d = &cache->databases[index];

    if (d->submitted) {
        d->again = true; /* the one under way may have begun before what is asked about */
        return;
    }
    d->inspecting = true;
    submit_next(c, cache);
}
