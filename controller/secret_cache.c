/* SPDX-License-Identifier: Apache-2.0 */
/* Readings of Secrets by tasks of the pool. */
#include "controller/secret_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/thread.h"
#include "controller/pool.h"
#include "model/reason.h"

#define BUCKETS 256
#define TICK_MS 200                /* a wait sees so late that we are stopping */
#define UNUSED_MS (30 * 60 * 1000) /* nobody has asked for it: its value goes */

struct entry {
    struct entry *next;
    char *namespace_, *name;
    struct kvlist data;
    struct err *failed; /* of the newest reading that said something; then no data */
    bool known, reading;
    bool stale;              /* it has changed since the newest reading began */
    int64_t began_mono_ms;   /* of the reading that says what is known; 0: none */
    int64_t tried_mono_ms;   /* of the newest reading that has ended, when it began; 0: none */
    int64_t started_mono_ms; /* of the newest reading; 0: none */
    int64_t asked_mono_ms;
    struct strlist plans; /* that asked since the last change */
};

struct secret_cache {
    const struct platform *platform;
    struct pool *pool;
    const struct cancel *cancel;
    void (*changed)(void *payload, const char *plan);
    void *payload;
    pthread_mutex_t lock;
    pthread_cond_t ended; /* some reading */
    struct entry *buckets[BUCKETS];
    int64_t swept_mono_ms;
};

struct reading { /* one task */
    struct secret_cache *cache;
    char *namespace_, *name;
};

struct secret_cache *secret_cache_new(const struct platform *platform, struct pool *pool,
                                      const struct cancel *cancel,
                                      void (*changed)(void *payload, const char *plan),
                                      void *payload)
{
    struct secret_cache *cache = mem_alloc(sizeof *cache);

    cache->platform = platform;
    cache->pool = pool;
    cache->cancel = cancel;
    cache->changed = changed;
    cache->payload = payload;
    pthread_mutex_init(&cache->lock, NULL);
    thread_cond_init(&cache->ended);
    return cache;
}

static void entry_free(struct entry *entry)
{
    secret_kvlist_done(&entry->data);
    err_free(entry->failed);
    strlist_done(&entry->plans);
    free(entry->namespace_);
    free(entry->name);
    free(entry);
}

void secret_cache_free(struct secret_cache *cache)
{
    if (!cache) {
        return;
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        while (cache->buckets[i]) {
            struct entry *entry = cache->buckets[i];
            cache->buckets[i] = entry->next;
            entry_free(entry);
        }
    }
    pthread_cond_destroy(&cache->ended);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

/* ---- entries; lock held --------------------------------------------------------------------------- */

static struct entry **bucket_of(struct secret_cache *cache, const char *namespace_,
                                const char *name)
{
    uint64_t hash = fnv_add(FNV_START, namespace_, strlen(namespace_) + 1);

    return &cache->buckets[fnv_add(hash, name, strlen(name)) % BUCKETS];
}

static struct entry *find(struct secret_cache *cache, const char *namespace_, const char *name)
{
    struct entry *entry = *bucket_of(cache, namespace_, name);

    while (entry && !(str_eq(entry->name, name) && str_eq(entry->namespace_, namespace_))) {
        entry = entry->next;
    }
    return entry;
}

static void drop_unused(struct secret_cache *cache, int64_t now_ms)
{
    if (now_ms - cache->swept_mono_ms < UNUSED_MS / 2) {
        return;
    }
    cache->swept_mono_ms = now_ms;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct entry **link = &cache->buckets[i]; *link;) {
            struct entry *entry = *link;
            if (!entry->reading && now_ms - entry->asked_mono_ms > UNUSED_MS) {
                *link = entry->next;
                entry_free(entry);
            } else {
                link = &entry->next;
            }
        }
    }
}

static struct entry *get(struct secret_cache *cache, const char *namespace_, const char *name)
{
    struct entry *entry = find(cache, namespace_, name);

    if (!entry) {
        struct entry **bucket = bucket_of(cache, namespace_, name);
        entry = mem_alloc(sizeof *entry);
        entry->namespace_ = mem_strdup(namespace_);
        entry->name = mem_strdup(name);
        entry->next = *bucket;
        *bucket = entry;
    }
    return entry;
}

/* ---- a reading ------------------------------------------------------------------------------------ */

/* A platform that does not answer says nothing about the Secret: what was read before is used on. */
static bool is_outage(const struct err *failed)
{
    return failed && failed->kind == ERR_TRANSIENT &&
           !str_eq(failed->reason, REASON_SECRET_INVALID);
}

static bool same_failure(const struct err *a, const struct err *b)
{
    return a && b ? str_eq(a->reason, b->reason) && str_eq(a->message, b->message) : a == b;
}

static bool same_data(const struct kvlist *a, const struct kvlist *b)
{
    for (size_t i = 0; i < a->count && a->count == b->count; i++) {
        if (!str_eq(a->items[i].key, b->items[i].key) ||
            !str_eq(a->items[i].value, b->items[i].value)) {
            return false;
        }
    }
    return a->count == b->count;
}

/* Lock held. Takes both. True: something else than before. */
static bool take(struct entry *entry, struct kvlist *data, struct err *failed, int64_t began_ms)
{
    const bool had_data = entry->known && !entry->failed;

    if (is_outage(failed) && had_data) {
        err_free(failed);
        return false;
    }
    entry->began_mono_ms = began_ms;
    const bool changed = !entry->known || !same_failure(entry->failed, failed) ||
                         (!failed && !same_data(&entry->data, data));
    secret_kvlist_done(&entry->data);
    entry->data = *data;
    *data = (struct kvlist){ 0 };
    err_free(entry->failed);
    entry->failed = failed;
    entry->known = true;
    return changed;
}

static struct err *read_secret(const struct reading *reading, struct kvlist *out)
{
    const struct platform *platform = reading->cache->platform;
    struct err *failed =
        platform->ops->read_secret(platform->self, reading->namespace_, reading->name, out);

    if (failed && !is_outage(failed)) {
        failed->reason = REASON_SECRET_INVALID;
    }
    return failed;
}

static void run_reading(void *payload)
{
    struct reading *reading = payload;
    struct secret_cache *cache = reading->cache;
    AUTO(secret_kvlist_done) struct kvlist data = { 0 };
    AUTO(strlist_done) struct strlist tell = { 0 };
    const int64_t began_ms = clock_mono_ms();
    struct err *failed = read_secret(reading, &data);

    pthread_mutex_lock(&cache->lock);
    struct entry *entry = find(cache, reading->namespace_, reading->name);
    if (take(entry, &data, failed, began_ms) ||
        entry->stale) { /* one that is being read is not dropped */
        tell = entry->plans;
        entry->plans = (struct strlist){ 0 };
    }
    entry->reading = false;
    entry->tried_mono_ms = began_ms;
    pthread_cond_broadcast(&cache->ended);
    pthread_mutex_unlock(&cache->lock);
    for (size_t i = 0; i < tell.count; i++) {
        cache->changed(cache->payload, tell.items[i]);
    }
    free(reading->namespace_);
    free(reading->name);
    free(reading);
}

static void submit(struct secret_cache *cache, const char *plan, const char *namespace_,
                   const char *name)
{
    struct reading *reading = mem_alloc(sizeof *reading);
    AUTO(free_auto) char *group = mem_printf("secret %s", name);

    *reading = (struct reading){ .cache = cache,
                                 .namespace_ = mem_strdup(namespace_),
                                 .name = mem_strdup(name) };
    const struct pool_task task = { .plan = plan,
                                    .kind = "secret",
                                    .group = group,
                                    .group_limit = 1,
                                    .run = run_reading,
                                    .payload = reading };
    pool_submit(cache->pool, &task);
}

/* ---- what is asked -------------------------------------------------------------------------------- */

enum secret_known secret_cache_get(struct secret_cache *cache, const char *namespace_,
                                   const char *name, struct kvlist *out, struct err **failed)
{
    enum secret_known known = SECRET_UNKNOWN;

    pthread_mutex_lock(&cache->lock);
    const struct entry *entry = find(cache, namespace_, name);
    if (entry && entry->known && entry->failed) {
        known = SECRET_FAILED;
        if (failed) {
            *failed =
                err_new(entry->failed->kind, entry->failed->reason, "%s", entry->failed->message);
        }
    } else if (entry && entry->known) {
        known = SECRET_READ;
        if (out) {
            kvlist_copy(&entry->data, out);
        }
    }
    pthread_mutex_unlock(&cache->lock);
    return known;
}

bool secret_cache_fresh(struct secret_cache *cache, const char *namespace_, const char *name,
                        int64_t max_age_ms)
{
    pthread_mutex_lock(&cache->lock);
    const struct entry *entry = find(cache, namespace_, name);
    const bool fresh = entry && entry->known && !entry->stale &&
                       clock_mono_ms() - entry->began_mono_ms <= max_age_ms;
    pthread_mutex_unlock(&cache->lock);
    return fresh;
}

void secret_cache_refresh(struct secret_cache *cache, const char *plan, const char *name,
                          int64_t max_age_ms)
{
    AUTO(free_auto) char *namespace_ = mem_strndup(plan, strcspn(plan, "/"));
    const int64_t now_ms = clock_mono_ms();

    pthread_mutex_lock(&cache->lock);
    drop_unused(cache, now_ms);
    struct entry *entry = get(cache, namespace_, name);
    entry->asked_mono_ms = now_ms;
    if (!strlist_has(&entry->plans, plan)) {
        strlist_add(&entry->plans, plan);
    }
    const bool due = !entry->reading && (entry->stale || entry->started_mono_ms == 0 ||
                                         now_ms - entry->started_mono_ms > max_age_ms);
    if (due) {
        entry->reading = true;
        entry->stale = false;
        entry->started_mono_ms = now_ms;
    }
    pthread_mutex_unlock(&cache->lock);
    if (due) {
        submit(cache, plan, namespace_, name);
    }
}

void secret_cache_changed(struct secret_cache *cache, const char *namespace_, const char *name)
{
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = find(cache, namespace_, name);
    if (entry) {
        entry->stale = true;
    }
    pthread_mutex_unlock(&cache->lock);
}

bool secret_cache_await(struct secret_cache *cache, const char *namespace_, const char *name,
                        int64_t since_mono_ms, int64_t timeout_ms)
{
    const int64_t deadline_ms = clock_mono_ms() + timeout_ms;
    bool there = false;
    bool ended = false;

    pthread_mutex_lock(&cache->lock);
    while (!ended && clock_mono_ms() < deadline_ms && !cancel_triggered(cache->cancel)) {
        const struct entry *entry = find(cache, namespace_, name);
        there = entry && entry->known && entry->began_mono_ms >= since_mono_ms;
        ended = there || (entry && entry->tried_mono_ms >= since_mono_ms);
        if (!ended) {
            (void)thread_cond_wait(&cache->ended, &cache->lock, clock_mono_ms() + TICK_MS);
        }
    }
    pthread_mutex_unlock(&cache->lock);
    return there;
}
