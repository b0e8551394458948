/* SPDX-License-Identifier: Apache-2.0 */
/* Fetching commits in the pool. Plans that want the same commit of the same repository while a fetch
 * of it waits for its turn share one contact with the server and one copy of the trees. */
#include <stdlib.h>
#include <string.h>

#include "controller/core.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/clock.h"
#include "reconcile/base/log.h"
#include "reconcile/base/mem.h"
#include "reconcile/model/reason.h"

#define PER_CLONE 1

struct asker { /* one plan that waits for a fetch */
    struct asker *next;
    struct cell *cell;
    char *source; /* of the cell when it asked */
};

struct fetch {
    struct fetch *next; /* in fetches->waiting */
    struct controller *c;
    char *key;
    struct trees_want want; /* sets of every asker */
    char commit[REPO_COMMIT_LEN];
    struct asker *askers;
};

static enum repo_ref_kind kind_of(const struct mplan_source *source)
{
    static const enum repo_ref_kind kinds[] = {
        [REF_BRANCH] = REPO_REF_BRANCH,
        [REF_TAG] = REPO_REF_TAG,
        [REF_COMMIT] = REPO_REF_COMMIT,
        [REF_NAME] = REPO_REF_NAME,
    };

    return kinds[source->ref_kind];
}

static struct err *fetch_want(struct controller *c, const struct cell *cell, const char *commit,
                              struct trees_want *out)
{
    const struct mplan *plan = &cell->snapshot->plan;
    const struct mplan_source *source = &plan->source;
    bool newest = str_eq(cell->newest.commit, commit);

    if (source->secret_name) {
        TRY(c->platform.ops->read_secret(c->platform.self, plan->namespace_, source->secret_name,
                                         &out->secret));
    }
    out->url = mem_strdup(source->url);
    out->kind = newest ? kind_of(source) : REPO_REF_COMMIT;
    out->ref = mem_strdup(newest ? (source->ref ? source->ref : "main") : commit);
    out->revision = newest && out->kind != REPO_REF_COMMIT ? mem_strdup(commit) : NULL;
    memcpy(out->last_applied, cell->status.last_applied_commit, sizeof out->last_applied);
    out->cache = repo_cache_path(c->config->cache_dir, plan->namespace_, source->url);
    out->timeout_ms = source->timeout_ms;
    trees_sets(plan, out);
    return NULL;
}

static struct fetch_slot *slot_of(struct cell *cell, const char *commit)
{
    if (str_eq(cell->newest.commit, commit)) {
        return &cell->newest;
    }
    return str_eq(cell->rollout.commit, commit) ? &cell->rollout : NULL;
}

static void slot_fail(const struct cell *cell, struct fetch_slot *slot, struct err *e)
{
    slot->state = FETCH_FAILED;
    if (note_failure(&slot->failure, e, clock_mono_ms())) {
        LOG(LOG_WARN, "commit not fetched", LOG_S("plan", cell->key), LOG_S("commit", slot->commit),
            LOG_S("reason", slot->failure.reason), LOG_S("message", slot->failure.message));
    }
}

/* Cell locked. What was asked for may not be wanted any more. */
static void take_fetch(const struct fetch *fetch, const struct asker *asker, struct trees *trees,
                       const struct err *failed)
{
    struct cell *cell = asker->cell;
    struct fetch_slot *slot = slot_of(cell, fetch->commit);

    if (!slot || slot->state != FETCH_RUNNING || !str_eq(asker->source, cell->source)) {
        return;
    }
    if (failed && str_eq(failed->reason, REASON_INTERRUPTED)) {
        slot->state = FETCH_NONE;
    } else if (failed) {
        slot_fail(cell, slot, err_new(failed->kind, failed->reason, "%s", failed->message));
    } else {
        trees_unref(slot->trees);
        slot->trees = trees_ref(trees);
        slot->state = FETCH_DONE;
        note_clear(&slot->failure);
        free(slot->revision); /* the fetch knows it better */
        slot->revision = NULL;
        LOG(LOG_INFO, "commit fetched", LOG_S("plan", cell->key), LOG_S("commit", fetch->commit),
            LOG_S("revision", trees->revision));
    }
}

static void hand_out(const struct fetch *fetch, struct trees *trees, const struct err *failed)
{
    struct controller *c = fetch->c;

    for (const struct asker *asker = fetch->askers; asker; asker = asker->next) {
        struct cell *cell = asker->cell;
        if (!failed) {
            metrics_set(c->metrics, METRIC_SOURCE_LAST_FETCH,
                        LABELS({ "namespace", cell->namespace_ }, { "plan", cell->name }),
                        (double)clock_utc_ms() / 1000);
        }
        pthread_mutex_lock(&cell->lock);
        take_fetch(fetch, asker, trees, failed);
        pthread_mutex_unlock(&cell->lock);
        queue_add(c->plans, cell->key);
    }
}

static void fetch_free(struct fetch *fetch)
{
    while (fetch->askers) {
        struct asker *asker = fetch->askers;
        fetch->askers = asker->next;
        cell_unref(asker->cell);
        free(asker->source);
        free(asker);
    }
    trees_want_done(&fetch->want);
    free(fetch->key);
    free(fetch);
}

/* From here on nobody can join. */
static void leave_waiting(struct fetch *fetch)
{
    struct fetches *fetches = &fetch->c->fetches;

    pthread_mutex_lock(&fetches->lock);
    struct fetch **link = &fetches->waiting;
    while (*link != fetch) {
        link = &(*link)->next;
    }
    *link = fetch->next;
    pthread_mutex_unlock(&fetches->lock);
}

static void run_fetch(void *payload)
{
    struct fetch *fetch = payload;
    struct controller *c = fetch->c;
    struct trees *trees = NULL;
    int64_t began_ms = clock_mono_ms();
    const struct trees_options options = { .allow = c->config->allow_schemes,
                                           .cancel_fd = &c->cancel.fd,
                                           .scratch = c->config->scratch_dir };

    leave_waiting(fetch);
    struct err *failed = trees_fetch(&fetch->want, &options, &trees);
    metrics_observe(c->metrics, METRIC_SOURCE_FETCH_SECONDS,
                    LABELS({ "result", failed ? failed->reason : "ok" }),
                    (double)(clock_mono_ms() - began_ms) / 1000);
    hand_out(fetch, trees, failed);
    trees_unref(trees);
    err_free(failed);
    fetch_free(fetch);
}

static struct asker *asker_new(struct cell *cell)
{
    struct asker *asker = mem_alloc(sizeof *asker);

    asker->cell = cell_ref(cell);
    asker->source = mem_strdup(cell->source);
    return asker;
}

/* Everything that decides what a fetch brings, but for the paths. */
static char *fetch_key(const struct trees_want *want)
{
    struct repo_credentials credentials = { 0 };
    char source[REPO_KEY_LEN] = "";

    struct err *failed = repo_credentials_parse(&want->secret, want->url, &credentials);
    if (!failed) {
        const struct repo_source repo = { .url = want->url, .credentials = &credentials };
        repo_source_key(&repo, source);
    }
    err_free(failed); /* the fetch itself says it */
    repo_credentials_done(&credentials);
    return mem_printf("%s|%s|%d|%s|%s|%s", source, want->cache, (int)want->kind, want->ref,
                      want->revision ? want->revision : "", want->last_applied);
}

static bool join(struct controller *c, struct cell *cell, const char *key,
                 const struct trees_want *want)
{
    struct fetch *fetch = NULL;

    pthread_mutex_lock(&c->fetches.lock);
    for (fetch = c->fetches.waiting; fetch && !str_eq(fetch->key, key); fetch = fetch->next) {
    }
    if (fetch) {
        struct asker *asker = asker_new(cell);
        asker->next = fetch->askers;
        fetch->askers = asker;
        trees_want_sets(&fetch->want, want);
    }
    pthread_mutex_unlock(&c->fetches.lock);
    return fetch != NULL;
}

static void start(struct controller *c, struct cell *cell, const char *commit, const char *key,
                  struct trees_want *want)
{
    struct fetch *fetch = mem_alloc(sizeof *fetch);

    fetch->c = c;
    fetch->key = mem_strdup(key);
    fetch->want = *want;
    *want = (struct trees_want){ 0 };
    fetch->askers = asker_new(cell);
    snprintf(fetch->commit, sizeof fetch->commit, "%s", commit);
    pthread_mutex_lock(&c->fetches.lock);
    fetch->next = c->fetches.waiting;
    c->fetches.waiting = fetch;
    AUTO(free_auto) char *clone = mem_strdup(fetch->want.cache);
    pthread_mutex_unlock(&c->fetches.lock);
    pool_submit(c->pool, clone, PER_CLONE, run_fetch, fetch);
}

void task_fetch(struct controller *c, struct cell *cell, const char *commit)
{
    struct fetch_slot *slot = slot_of(cell, commit);
    AUTO(trees_want_done) struct trees_want want = { 0 };

    if (!slot || slot->state == FETCH_RUNNING) {
        return;
    }
    struct err *failed = fetch_want(c, cell, commit, &want);
    if (failed) {
        failed->reason = REASON_SECRET_INVALID;
        slot_fail(cell, slot, err_wrap(failed, "source.secretRef"));
        return;
    }
    AUTO(free_auto) char *key = fetch_key(&want);
    slot->state = FETCH_RUNNING;
    if (!join(c, cell, key, &want)) {
        start(c, cell, commit, key, &want);
    }
}
