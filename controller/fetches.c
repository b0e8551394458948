/* SPDX-License-Identifier: Apache-2.0 */
/* Fetching commits in the pool. Plans that want the same commit of the same repository while a fetch
 * of it waits for its turn share one contact with the server and one copy of the files. */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "controller/internal.h"
#include "model/reason.h"

#define PER_CLONE 1

struct asker { /* one plan that waits for a fetch */
    struct asker *next;
    struct plan_cache *cache;
    char *source; /* of the cache when it asked */
};

struct fetch {
    struct fetch *next; /* in fetches->waiting */
    struct controller *c;
    char *key;
    struct files_want want; /* sets of every asker */
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

static void fetch_want(const struct controller *c, const struct plan_cache *cache,
                       const char *commit, struct files_want *out)
{
    const struct mplan *plan = &cache->snapshot->plan;
    const struct mplan_source *source = &plan->source;
    bool newest = str_eq(cache->newest.commit, commit);

    out->namespace_ = mem_strdup(plan->namespace_);
    out->url = mem_strdup(source->url);
    out->kind = newest ? kind_of(source) : REPO_REF_COMMIT;
    out->ref = mem_strdup(newest ? (source->ref ? source->ref : "main") : commit);
    out->revision = newest && out->kind != REPO_REF_COMMIT ? mem_strdup(commit) : NULL;
    memcpy(out->last_applied, cache->status.last_applied_commit, sizeof out->last_applied);
    out->cache = repo_cache_path(c->config->cache_dir, plan->namespace_, source->url);
    out->timeout_ms = source->timeout_ms;
    naming_copy(&plan->migrations.naming, &out->naming);
    commit_files_sets(plan, out);
}

static struct fetch_slot *slot_of(struct plan_cache *cache, const char *commit)
{
    if (str_eq(cache->newest.commit, commit)) {
        return &cache->newest;
    }
    return str_eq(cache->rollout.commit, commit) ? &cache->rollout : NULL;
}

static void slot_fail(const struct plan_cache *cache, struct fetch_slot *slot, struct err *e)
{
    slot->state = FETCH_FAILED;
    if (last_failure_set(&slot->failure, e, clock_mono_ms())) {
        LOG(LOG_WARN, "commit not fetched", LOG_S("plan", cache->key),
            LOG_S("commit", slot->commit), LOG_S("reason", slot->failure.reason),
            LOG_S("message", slot->failure.message));
    }
}

/* ---- room for what was fetched ------------------------------------------------------------------ */

struct giving_way {
    const struct commit_files *files;
    struct strlist tell; /* plans */
};

static void give_way(void *payload, struct plan_cache *cache)
{
    struct giving_way *way = payload;

    pthread_mutex_lock(&cache->lock);
    struct fetch_slot *const slots[] = { &cache->newest, &cache->rollout };
    for (size_t i = 0; i < 2; i++) {
        if (slots[i]->files == way->files) {
            commit_files_unref(TAKE(slots[i]->files)); /* not the last one: the caller has one */
            slot_fail(cache, slots[i], held_given_way(way->files));
            strlist_add(&way->tell, cache->key);
        }
    }
    pthread_mutex_unlock(&cache->lock);
}

/* Trees of the namespace that holds most are dropped, to be read again when there is room. */
static struct err *make_room(struct controller *c, struct commit_files *files,
                             const char *namespace_)
{
    struct commit_files *victim = NULL;

    held_add(&c->held, files, namespace_);
    for (;;) {
        TRY(held_room(&c->held, files, &victim));
        if (!victim) {
            return NULL;
        }
        struct giving_way way = { .files = victim };
        plan_caches_each(&c->caches, give_way, &way);
        commit_files_unref(victim);
        for (size_t i = 0; i < way.tell.count; i++) {
            queue_add(c->plans, way.tell.items[i]);
        }
        strlist_done(&way.tell);
    }
}

/* ---- the answer ---------------------------------------------------------------------------------- */

/* Cache locked. What was asked for may not be wanted any more. */
static void take_fetch(const struct fetch *fetch, const struct asker *asker,
                       struct commit_files *files, const struct err *failed)
{
    struct plan_cache *cache = asker->cache;
    struct fetch_slot *slot = slot_of(cache, fetch->commit);

    if (!slot || slot->state != FETCH_RUNNING || !str_eq(asker->source, cache->source)) {
        return;
    }
    if (failed && str_eq(failed->reason, REASON_INTERRUPTED)) {
        slot->state = FETCH_NONE;
    } else if (failed) {
        slot_fail(cache, slot, err_new(failed->kind, failed->reason, "%s", failed->message));
    } else if (atomic_load(&files->given_way)) { /* before anybody had them */
        slot_fail(cache, slot, held_given_way(files));
    } else {
        commit_files_unref(slot->files);
        slot->files = commit_files_ref(files);
        slot->state = FETCH_DONE;
        last_failure_clear(&slot->failure);
        free(slot->revision); /* the fetch knows it better */
        slot->revision = NULL;
        LOG(LOG_INFO, "commit fetched", LOG_S("plan", cache->key), LOG_S("commit", fetch->commit),
            LOG_S("revision", files->revision));
    }
}

static void hand_out(const struct fetch *fetch, struct commit_files *files,
                     const struct err *failed)
{
    struct controller *c = fetch->c;

    for (const struct asker *asker = fetch->askers; asker; asker = asker->next) {
        struct plan_cache *cache = asker->cache;
        if (!failed) {
            metrics_set(c->metrics, METRIC_SOURCE_LAST_FETCH,
                        LABELS({ "namespace", cache->namespace_ }, { "plan", cache->name }),
                        (double)clock_utc_ms() / 1000);
        }
        pthread_mutex_lock(&cache->lock);
        take_fetch(fetch, asker, files, failed);
        pthread_mutex_unlock(&cache->lock);
        queue_add(c->plans, cache->key);
    }
}

static void fetch_free(struct fetch *fetch)
{
    while (fetch->askers) {
        struct asker *asker = fetch->askers;
        fetch->askers = asker->next;
        plan_cache_unref(asker->cache);
        free(asker->source);
        free(asker);
    }
    files_want_done(&fetch->want);
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
    struct commit_files *files = NULL;
    int64_t began_ms = clock_mono_ms();
    const struct files_options options = { .allow = c->config->allow_schemes,
                                           .cancel_fd = &c->cancel.fd,
                                           .scratch = c->config->scratch_dir };

    leave_waiting(fetch);
    struct err *failed = commit_files_fetch(&fetch->want, &options, &files);
    if (!failed) {
        failed = make_room(c, files, fetch->want.namespace_);
    }
    metrics_observe(c->metrics, METRIC_SOURCE_FETCH_SECONDS,
                    LABELS({ "result", failed ? failed->reason : "ok" }),
                    (double)(clock_mono_ms() - began_ms) / 1000);
    hand_out(fetch, files, failed);
    commit_files_unref(files);
    err_free(failed);
    fetch_free(fetch);
}

static struct asker *asker_new(struct plan_cache *cache)
{
    struct asker *asker = mem_alloc(sizeof *asker);

    asker->cache = plan_cache_ref(cache);
    asker->source = mem_strdup(cache->source);
    return asker;
}

/* Everything that decides what a fetch brings, but for the paths. */
static char *fetch_key(const struct files_want *want)
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
    AUTO(buf_done) struct buf names = BUF(65536);
    naming_options(&want->naming, &names);
    return mem_printf("%s|%s|%d|%s|%s|%s|%s", source, want->cache, (int)want->kind, want->ref,
                      want->revision ? want->revision : "", want->last_applied, buf_text(&names));
}

static bool join(struct controller *c, struct plan_cache *cache, const char *key,
                 const struct files_want *want)
{
    struct fetch *fetch = NULL;

    pthread_mutex_lock(&c->fetches.lock);
    for (fetch = c->fetches.waiting; fetch && !str_eq(fetch->key, key); fetch = fetch->next) {
    }
    if (fetch) {
        struct asker *asker = asker_new(cache);
        asker->next = fetch->askers;
        fetch->askers = asker;
        files_want_join(&fetch->want, want);
    }
    pthread_mutex_unlock(&c->fetches.lock);
    return fetch != NULL;
}

static void start(struct controller *c, struct plan_cache *cache, const char *commit,
                  const char *key, struct files_want *want)
{
    struct fetch *fetch = mem_alloc(sizeof *fetch);

    fetch->c = c;
    fetch->key = mem_strdup(key);
    fetch->want = *want;
    *want = (struct files_want){ 0 };
    fetch->askers = asker_new(cache);
    snprintf(fetch->commit, sizeof fetch->commit, "%s", commit);
    pthread_mutex_lock(&c->fetches.lock);
    fetch->next = c->fetches.waiting;
    c->fetches.waiting = fetch;
    AUTO(free_auto) char *clone = mem_strdup(fetch->want.cache);
    pthread_mutex_unlock(&c->fetches.lock);
    const struct pool_task task = { .plan = cache->key,
                                    .kind = "fetch",
                                    .group = clone,
                                    .group_limit = PER_CLONE,
                                    .run = run_fetch,
                                    .payload = fetch };
    pool_submit(c->pool, &task);
}

void fetch_start(struct controller *c, struct plan_cache *cache, const char *commit)
{
    struct fetch_slot *slot = slot_of(cache, commit);
    AUTO(files_want_done) struct files_want want = { 0 };
    enum secret_known known = SECRET_UNKNOWN;

    if (!slot || slot->state == FETCH_RUNNING) {
        return;
    }
    struct err *failed = source_secret(c, &cache->snapshot->plan, &known, &want.secret);
    if (failed) {
        slot_fail(cache, slot, failed);
        return;
    }
    if (known == SECRET_UNKNOWN) { /* observe_source() says that it is waited for */
        return;
    }
    fetch_want(c, cache, commit, &want);
    AUTO(free_auto) char *key = fetch_key(&want);
    slot->state = FETCH_RUNNING;
    if (!join(c, cache, key, &want)) {
        start(c, cache, commit, key, &want);
    }
}
