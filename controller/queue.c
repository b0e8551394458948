/* SPDX-License-Identifier: Apache-2.0 */
/* The work queue: items in a hash table, ready ones in a list, delayed ones in a heap. */
#include "controller/queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/thread.h"
#include "controller/shares.h"

#define BUCKETS 1024
#define TENANT_WEIGHT 3 /* one alone may hold three quarters of the threads */
#define NOT_IN_HEAP SIZE_MAX

struct item {
    char *key;
    struct share *tenant; /* by the key up to its '/' */
    struct item *hash_next;
    struct item *ready_next;
    bool ready;     /* in the list */
    bool active;    /* a thread works on it */
    bool again;     /* added while active */
    bool dead;      /* forgotten while active */
    size_t heap_at; /* NOT_IN_HEAP: no delay is running */
    int64_t due_ms; /* of the heap */
    int64_t added_ms, started_ms;
};

struct queue {
    const char *name;
    int workers;
    queue_work_fn *work;
    void *payload;
    void (*observe)(void *payload, int64_t waited_ms, int64_t worked_ms);
    void *observer;
    pthread_mutex_t lock;
    pthread_cond_t more;
    pthread_t *threads;
    int started;
    bool stop;
    struct item *buckets[BUCKETS];
    struct item *first, *last;
    struct shares tenants;
    struct item **heap;
    size_t heap_count, heap_cap;
    struct queue_stats stats;
};

/* ---- items ------------------------------------------------------------------------------------ */

static size_t bucket_of(const char *key)
{
    return (size_t)(fnv_add(FNV_START, key, strlen(key)) % BUCKETS);
}

static struct item *item_find(struct queue *q, const char *key)
{
    struct item *item = q->buckets[bucket_of(key)];

    while (item && !str_eq(item->key, key)) {
        item = item->hash_next;
    }
    return item;
}

static struct item *item_get(struct queue *q, const char *key)
{
    struct item *item = item_find(q, key);

    if (!item) {
        struct item **bucket = &q->buckets[bucket_of(key)];
        item = mem_alloc(sizeof *item);
        AUTO(free_auto) char *tenant = mem_strndup(key, strcspn(key, "/"));
        item->key = mem_strdup(key);
        item->tenant = shares_join(&q->tenants, tenant);
        item->heap_at = NOT_IN_HEAP;
        item->hash_next = *bucket;
        *bucket = item;
    }
    return item;
}

static void item_remove(struct queue *q, struct item *item)
{
    struct item **link = &q->buckets[bucket_of(item->key)];

    while (*link != item) {
        link = &(*link)->hash_next;
    }
    *link = item->hash_next;
    shares_leave(&q->tenants, item->tenant);
    free(item->key);
    free(item);
}

/* ---- heap, earliest first --------------------------------------------------------------------- */

static void heap_put(struct queue *q, size_t at, struct item *item)
{
    q->heap[at] = item;
    item->heap_at = at;
}

static void heap_up(struct queue *q, size_t at)
{
    struct item *item = q->heap[at];

    while (at > 0 && q->heap[(at - 1) / 2]->due_ms > item->due_ms) {
        heap_put(q, at, q->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_put(q, at, item);
}

static void heap_down(struct queue *q, size_t at)
{
    struct item *item = q->heap[at];

    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= q->heap_count) {
            break;
        }
        if (child + 1 < q->heap_count && q->heap[child + 1]->due_ms < q->heap[child]->due_ms) {
            child++;
        }
        if (q->heap[child]->due_ms >= item->due_ms) {
            break;
        }
        heap_put(q, at, q->heap[child]);
        at = child;
    }
    heap_put(q, at, item);
}

static void heap_remove(struct queue *q, struct item *item)
{
    size_t at = item->heap_at;
    struct item *moved = q->heap[--q->heap_count];

    item->heap_at = NOT_IN_HEAP;
    if (moved != item) {
        heap_put(q, at, moved);
        heap_up(q, at);
        heap_down(q, moved->heap_at);
    }
}

static void heap_add(struct queue *q, struct item *item, int64_t due_ms)
{
    if (item->heap_at != NOT_IN_HEAP) {
        if (due_ms < item->due_ms) {
            item->due_ms = due_ms;
            heap_up(q, item->heap_at);
        }
        return;
    }
    item->due_ms = due_ms;
    q->heap = mem_grow(q->heap, &q->heap_cap, q->heap_count + 1, sizeof *q->heap);
    heap_put(q, q->heap_count++, item);
    heap_up(q, item->heap_at);
}

/* ---- states ----------------------------------------------------------------------------------- */

static void make_ready(struct queue *q, struct item *item, int64_t now_ms)
{
    if (item->heap_at != NOT_IN_HEAP) {
        heap_remove(q, item);
    }
    if (item->active) {
        item->again = true;
        return;
    }
    if (item->ready) {
        return;
    }
    item->ready = true;
    item->added_ms = now_ms;
    item->ready_next = NULL;
    if (q->last) {
        q->last->ready_next = item;
    } else {
        q->first = item;
    }
    q->last = item;
    q->stats.depth++;
    q->stats.adds++;
}

static void unready(struct queue *q, struct item *item)
{
    struct item *before = NULL;

    for (struct item *i = q->first; i != item; i = i->ready_next) {
        before = i;
    }
    if (before) {
        before->ready_next = item->ready_next;
    } else {
        q->first = item->ready_next;
    }
    if (q->last == item) {
        q->last = before;
    }
    item->ready = false;
    q->stats.depth--;
}

static void wake_due(struct queue *q, int64_t now_ms)
{
    while (q->heap_count > 0 && q->heap[0]->due_ms <= now_ms) {
        make_ready(q, q->heap[0], now_ms);
    }
}

/* The first one of the tenant whose turn it is. */
static struct item *next_ready(const struct queue *q)
{
    struct item *best = NULL;

    for (struct item *i = q->first; i; i = i->ready_next) {
        if (shares_room(&q->tenants, i->tenant) &&
            (!best || shares_compare(i->tenant, best->tenant) < 0)) {
            best = i;
        }
    }
    return best;
}

static struct item *take(struct queue *q, int64_t now_ms)
{
    wake_due(q, now_ms);
    struct item *item = next_ready(q);
    if (item) {
        unready(q, item);
        shares_take(&q->tenants, item->tenant);
        item->active = true;
        item->again = false;
        item->started_ms = now_ms;
        q->stats.active++;
        q->stats.queue_count++;
        q->stats.queue_seconds += (double)(now_ms - item->added_ms) / 1000;
    }
    return item;
}

static void finish(struct queue *q, struct item *item, int64_t again_ms, int64_t now_ms)
{
    item->active = false;
    shares_give(&q->tenants, item->tenant);
    if (q->first) {
        pthread_cond_signal(&q->more); /* its place may be what another waits for */
    }
    q->stats.active--;
    q->stats.work_count++;
    q->stats.work_seconds += (double)(now_ms - item->started_ms) / 1000;
    if (item->dead) {
        if (item->heap_at != NOT_IN_HEAP) {
            heap_remove(q, item);
        }
        item_remove(q, item);
        return;
    }
    if (item->again || again_ms == 0) {
        make_ready(q, item, now_ms);
        pthread_cond_signal(&q->more);
    } else if (again_ms > 0) {
        heap_add(q, item, now_ms + again_ms);
        q->stats.retries++;
        pthread_cond_signal(&q->more);
    } else if (item->heap_at == NOT_IN_HEAP) {
        item_remove(q, item); /* nothing waits for it: no memory for keys of the past */
    }
}

/* ---- threads ---------------------------------------------------------------------------------- */

static void wait_for_more(struct queue *q)
{
    if (q->heap_count == 0) {
        pthread_cond_wait(&q->more, &q->lock);
        return;
    }
    thread_cond_wait(&q->more, &q->lock, q->heap[0]->due_ms);
}

/* Called and returns with the lock held; the work itself runs without it. */
static void work_on(struct queue *q, struct item *item)
{
    int64_t waited_ms = item->started_ms - item->added_ms;
    int64_t started_ms = item->started_ms;

    pthread_mutex_unlock(&q->lock);
    int64_t again_ms = q->work(q->payload, item->key);
    int64_t now_ms = clock_mono_ms();
    if (q->observe) {
        q->observe(q->observer, waited_ms, now_ms - started_ms);
    }
    pthread_mutex_lock(&q->lock);
    finish(q, item, again_ms, now_ms);
}

static void *worker_main(void *arg)
{
    struct queue *q = arg;

    pthread_mutex_lock(&q->lock);
    while (!q->stop) {
        struct item *item = take(q, clock_mono_ms());
        if (item) {
            work_on(q, item);
        } else {
            wait_for_more(q);
        }
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

struct queue *queue_new(const char *name, int workers, queue_work_fn *work, void *payload)
{
    struct queue *q = mem_alloc(sizeof *q);

    q->name = name;
    q->workers = workers;
    q->tenants = (struct shares){ .places = workers, .weight = TENANT_WEIGHT };
    q->work = work;
    q->payload = payload;
    pthread_mutex_init(&q->lock, NULL);
    thread_cond_init(&q->more);
    return q;
}

const char *queue_name(const struct queue *queue)
{
    return queue->name;
}

void queue_observe(struct queue *queue, void (*observe)(void *, int64_t, int64_t), void *payload)
{
    queue->observe = observe;
    queue->observer = payload;
}

struct err *queue_start(struct queue *queue)
{
    struct err *failed = NULL;

    queue->threads = mem_array((size_t)queue->workers, sizeof *queue->threads);
    while (queue->started < queue->workers && !failed) {
        failed = thread_start(&queue->threads[queue->started], worker_main, queue);
        queue->started += failed ? 0 : 1;
    }
    if (failed && queue->started > 0) { /* fewer do it, too */
        LOG(LOG_WARN, "fewer threads than wanted", LOG_S("queue", queue->name),
            LOG_I("threads", queue->started), LOG_S("message", failed->message));
        err_free(failed);
        failed = NULL;
    }
    return failed;
}

void queue_add(struct queue *queue, const char *key)
{
    pthread_mutex_lock(&queue->lock);
    struct item *item = item_get(queue, key);
    item->dead = false;
    make_ready(queue, item, clock_mono_ms());
    pthread_cond_signal(&queue->more);
    pthread_mutex_unlock(&queue->lock);
}

void queue_add_after(struct queue *queue, const char *key, int64_t delay_ms)
{
    if (delay_ms <= 0) {
        queue_add(queue, key);
        return;
    }
    pthread_mutex_lock(&queue->lock);
    struct item *item = item_get(queue, key);
    item->dead = false;
    if (!item->ready) { /* one that is ready already comes sooner */
        heap_add(queue, item, clock_mono_ms() + delay_ms);
        queue->stats.retries++;
        pthread_cond_signal(&queue->more);
    }
    pthread_mutex_unlock(&queue->lock);
}

void queue_forget(struct queue *queue, const char *key)
{
    pthread_mutex_lock(&queue->lock);
    struct item *item = item_find(queue, key);
    if (item && item->active) {
        item->dead = true;
    } else if (item) {
        if (item->heap_at != NOT_IN_HEAP) {
            heap_remove(queue, item);
        }
        if (item->ready) {
            unready(queue, item);
        }
        item_remove(queue, item);
    }
    pthread_mutex_unlock(&queue->lock);
}

void queue_stop(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->stop = true;
    pthread_cond_broadcast(&queue->more);
    pthread_mutex_unlock(&queue->lock);
    for (int i = 0; i < queue->started; i++) {
        pthread_join(queue->threads[i], NULL);
    }
    queue->started = 0;
}

void queue_free(struct queue *queue)
{
    if (!queue) {
        return;
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        while (queue->buckets[i]) {
            struct item *item = queue->buckets[i];
            queue->buckets[i] = item->hash_next;
            shares_leave(&queue->tenants, item->tenant);
            free(item->key);
            free(item);
        }
    }
    free(queue->heap);
    free(queue->threads);
    pthread_mutex_destroy(&queue->lock);
    pthread_cond_destroy(&queue->more);
    free(queue);
}

void queue_stats(struct queue *queue, struct queue_stats *out)
{
    pthread_mutex_lock(&queue->lock);
    int64_t now_ms = clock_mono_ms();
    *out = queue->stats;
    out->delayed = (int64_t)queue->heap_count;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (const struct item *item = queue->buckets[i]; item; item = item->hash_next) {
            double seconds = item->active ? (double)(now_ms - item->started_ms) / 1000 : 0;
            out->unfinished_seconds += seconds;
            if (seconds > out->longest_seconds) {
                out->longest_seconds = seconds;
            }
        }
    }
    pthread_mutex_unlock(&queue->lock);
}

int64_t queue_oldest(struct queue *queue, char **key)
{
    const struct item *oldest = NULL;

    pthread_mutex_lock(&queue->lock);
    for (size_t i = 0; i < BUCKETS; i++) {
        for (const struct item *item = queue->buckets[i]; item; item = item->hash_next) {
            if (item->active && (!oldest || item->started_ms < oldest->started_ms)) {
                oldest = item;
            }
        }
    }
    int64_t age_ms = oldest ? clock_mono_ms() - oldest->started_ms : -1;
    if (oldest) {
        *key = mem_strdup(oldest->key);
    }
    pthread_mutex_unlock(&queue->lock);
    return age_ms;
}

bool queue_step(struct queue *queue, int64_t now_ms, int64_t *next_ms)
{
    pthread_mutex_lock(&queue->lock);
    struct item *item = take(queue, now_ms);
    *next_ms = queue->heap_count > 0 ? queue->heap[0]->due_ms : -1;
    if (item) {
        work_on(queue, item);
    }
    pthread_mutex_unlock(&queue->lock);
    return item != NULL;
}
