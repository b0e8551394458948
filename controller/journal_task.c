/* SPDX-License-Identifier: Apache-2.0 */
/* The two rows that the controller itself writes into a database: the failure that a dead runner
 * could not record, and a person's verdict. Both are idempotent; the next look tells. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/core.h"
#include "controller/credentials.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/clock.h"
#include "reconcile/base/log.h"
#include "reconcile/base/mem.h"
#include "reconcile/model/reason.h"

#define LOCK_WAIT_MS 10000
#define PER_SERVER 4

struct record {
    struct controller *c;
    struct cell *cell;
    struct snapshot *snapshot;
    struct trees *trees; /* NULL: not fetched */
    size_t index;
    /* a failure */
    bool failure;
    struct result failed;
    char commit[REPO_COMMIT_LEN];
    char retry_token[65];
    /* a verdict */
    size_t item;
};

static struct err *no_replay(void *payload, const struct inspection *seen, bool settled,
                             struct apply_list *out)
{
    (void)payload;
    (void)seen;
    (void)settled;
    (void)out;
    return NULL; /* nothing is applied here */
}

static const struct tree_set *set_of(const struct record *r)
{
    AUTO(strlist_done) struct strlist paths = { 0 };

    trees_paths(&r->snapshot->plan, r->index, &paths);
    return trees_find(r->trees, &paths);
}

static struct err *write_failure(const struct record *r, const struct apply_request *request,
                                 struct result *out)
{
    const struct migration *file = tree_set_script(set_of(r), r->failed.failed.script);

    if (!file) { /* another commit is wanted by now: its plan decides, not this failure */
        return NULL;
    }
    return record_failure(request, file, &r->failed, out);
}

static struct err *write_verdict(const struct record *r, const struct apply_request *request,
                                 struct result *out)
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
    return record_resolution(request, &resolution, out);
}

static struct err *write_row(const struct record *r, struct result *out)
{
    const struct mplan *plan = &r->snapshot->plan;
    const struct mplan_database *entry = &plan->databases[r->index];
    const struct tree_set *set = set_of(r);
    AUTO(target_done) struct target target = { 0 };
    AUTO(credential_files_done) struct credential_files certificates = { 0 };
    char host[65] = "";

    TRY(task_target(r->c, plan, r->index, &target, &certificates));
    gethostname(host, sizeof host - 1);
    AUTO(free_auto) char *holder = mem_printf("controller@%s", host);
    const struct apply_request request = {
        .target = &target,
        .migrations = &entry->migrations,
        .execution = &plan->execution,
        .lease = LEASE_COMMAND,
        .ownership = OWNERSHIP_KEEP,
        .holder = holder,
        .git_commit = r->commit[0] ? r->commit : NULL,
        .retry_token = r->retry_token,
        .lock_wait_ms = LOCK_WAIT_MS,
        .cancel = &r->c->cancel,
        .decide = no_replay,
        .files = set ? &set->files : NULL,
    };
    return r->failure ? write_failure(r, &request, out) : write_verdict(r, &request, out);
}

/* Cell locked. */
static void take_record(const struct record *r, struct err *failed)
{
    const char *name = r->snapshot->plan.databases[r->index].name;
    struct database_cell *d = cell_database(r->cell, name);

    if (!d) {
        err_free(failed);
        return;
    }
    if (failed) {
        d->busy = false;
        if (note_failure(&d->record, failed, clock_mono_ms())) {
            LOG(LOG_WARN, "row not recorded", LOG_S("plan", r->cell->key), LOG_S("database", name),
                LOG_S("reason", d->record.reason), LOG_S("message", d->record.message));
        }
        return;
    }
    note_clear(&d->record);
    if (r->failure) {
        d->recorded_attempt = r->failed.attempt;
    }
    LOG(LOG_INFO, r->failure ? "failure recorded" : "verdict recorded", LOG_S("plan", r->cell->key),
        LOG_S("database", name));
    for (size_t i = 0; i < r->cell->database_count; i++) { /* busy until the next look */
        if (&r->cell->databases[i] == d && !r->cell->snapshot->error) {
            task_inspect(r->c, r->cell, i);
        }
    }
}

static void run_record(void *payload)
{
    struct record *r = payload;
    AUTO(result_done) struct result result = { 0 };
    struct err *failed = write_row(r, &result);

    pthread_mutex_lock(&r->cell->lock);
    take_record(r, failed);
    pthread_mutex_unlock(&r->cell->lock);
    queue_add(r->c->plans, r->cell->key);
    trees_unref(r->trees);
    snapshot_unref(r->snapshot);
    cell_unref(r->cell);
    result_done(&r->failed);
    free(r);
}

static void submit(struct controller *c, struct cell *cell, struct record *r, const char *commit)
{
    struct database_cell *d = &cell->databases[r->index];

    r->c = c;
    r->cell = cell_ref(cell);
    r->snapshot = snapshot_ref(cell->snapshot);
    r->trees = trees_ref(observe_trees(cell, commit));
    d->busy = true;
    pool_submit(c->pool, d->server ? d->server : cell->key, PER_SERVER, run_record, r);
}

static void copy_result(const struct result *from, struct result *out)
{
    AUTO(free_auto) char *line = result_format(from);

    err_free(result_parse(line, strlen(line), out));
}

void task_record_failure(struct controller *c, struct cell *cell, size_t index,
                         const struct result *result, const char *commit, const char *retry_token)
{
    struct record *r = mem_alloc(sizeof *r);

    r->index = index;
    r->failure = true;
    copy_result(result, &r->failed);
    snprintf(r->commit, sizeof r->commit, "%s", commit);
    snprintf(r->retry_token, sizeof r->retry_token, "%s", retry_token ? retry_token : "");
    submit(c, cell, r, commit);
}

void task_record_resolution(struct controller *c, struct cell *cell, size_t index, size_t item)
{
    struct record *r = mem_alloc(sizeof *r);
    const char *commit =
        cell->status.rollout.present ? cell->status.rollout.commit : cell->newest.commit;

    r->index = index;
    r->item = item;
    step_retry_token(&cell->snapshot->plan, &cell->status, r->retry_token);
    submit(c, cell, r, commit);
}
