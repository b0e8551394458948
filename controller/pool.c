/* SPDX-License-Identifier: Apache-2.0 */
/* The pool: one list of tasks that wait, one of those that run; who has how much by namespace, plan and
 * group. */
#include "controller/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/thread.h"
#include "controller/shares.h"

struct task {
    struct task *next;
    struct share *tenant, *plan, *group;
    int limit;
    const char *kind;
    pool_fn *run;
    void *payload;
    int64_t started_ms;
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t more;
    int max, idle;
    bool stop;
    pthread_t *threads;
    int count;
    struct task *first, **tail;
    struct task *running;
    struct shares tenants, plans, groups; /* of plans and groups only the counts are used */
    int64_t waiting;
};

struct pool *pool_new(int threads)
{
    struct pool *pool = mem_alloc(sizeof *pool);

    pool->max = threads;
    pool->threads = mem_array((size_t)threads, sizeof *pool->threads);
    pool->tail = &pool->first;
    pool->tenants = pool->plans = pool->groups = (struct shares){ .places = threads, .weight = 1 };
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->more, NULL);
    return pool;
}

/* A full group, plan or namespace does not hold back those behind it. Of what a namespace may still have, a
 * plan leaves as much as it holds to the others. */
static bool has_room(const struct pool *pool, const struct task *task)
{
    int left = shares_free(&pool->tenants) - task->tenant->active;

    return task->group->active < task->limit && shares_room(&pool->tenants, task->tenant) &&
           task->plan->active < left;
}

static bool is_before(const struct task *a, const struct task *b)
{
    int order = shares_compare(a->tenant, b->tenant);

    return (order ? order : shares_compare(a->plan, b->plan)) < 0;
}

/* Lock held. NULL: nothing that may run now. */
static struct task *take(struct pool *pool)
{
    struct task **best = NULL;

    for (struct task **link = &pool->first; *link; link = &(*link)->next) {
        if (has_room(pool, *link) && (!best || is_before(*link, *best))) {
            best = link;
        }
    }
    if (!best) {
        return NULL;
    }
    struct task *task = *best;
    *best = task->next;
    if (!*best) {
        pool->tail = best;
    }
    pool->waiting--;
    return task;
}

static void enter(struct pool *pool, struct task *task)
{
    shares_take(&pool->tenants, task->tenant);
    shares_take(&pool->plans, task->plan);
    shares_take(&pool->groups, task->group);
    task->started_ms = clock_mono_ms();
    task->next = pool->running;
    pool->running = task;
}

static void leave(struct pool *pool, struct task *task)
{
    struct task **link = &pool->running;

    while (*link != task) {
        link = &(*link)->next;
    }
    *link = task->next;
    shares_give(&pool->tenants, task->tenant);
    shares_give(&pool->plans, task->plan);
    shares_give(&pool->groups, task->group);
    shares_leave(&pool->tenants, task->tenant);
    shares_leave(&pool->plans, task->plan);
    shares_leave(&pool->groups, task->group);
    free(task);
}

static void *thread_main(void *arg)
{
    struct pool *pool = arg;

    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct task *task = take(pool);
        if (!task) {
            if (pool->stop && !pool->first) {
                break;
            }
            pool->idle++;
            pthread_cond_wait(&pool->more, &pool->lock);
            pool->idle--;
            continue;
        }
        enter(pool, task);
        pthread_mutex_unlock(&pool->lock);
        task->run(task->payload);
        pthread_mutex_lock(&pool->lock);
        leave(pool, task);
        pthread_cond_broadcast(&pool->more); /* a place is free: who waits may fit */
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Lock held. Those that are there go on; with none, the task waits until the system has one to give. */
static void add_thread(struct pool *pool)
{
    struct err *failed = thread_start(&pool->threads[pool->count], thread_main, pool);

    if (!failed) {
        pool->count++;
        return;
    }
    LOG(LOG_ERROR, "no thread for a task", LOG_I("threads", pool->count),
        LOG_S("message", failed->message));
    err_free(failed);
}

void pool_submit(struct pool *pool, const struct pool_task *what)
{
    struct task *task = mem_alloc(sizeof *task);
    AUTO(free_auto) char *tenant = mem_strndup(what->plan, strcspn(what->plan, "/"));
    AUTO(free_auto) char *group = mem_printf("%s %s", tenant, what->group);

    *task = (struct task){
        .limit = what->group_limit, .kind = what->kind, .run = what->run, .payload = what->payload
    };
    pthread_mutex_lock(&pool->lock);
    task->tenant = shares_join(&pool->tenants, tenant);
    task->plan = shares_join(&pool->plans, what->plan);
    task->group = shares_join(&pool->groups, group);
    *pool->tail = task;
    pool->tail = &task->next;
    pool->waiting++;
    if (pool->waiting > pool->idle && pool->count < pool->max) {
        add_thread(pool);
    }
    pthread_cond_signal(&pool->more);
    pthread_mutex_unlock(&pool->lock);
}

int64_t pool_waiting(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    int64_t waiting = pool->waiting;
    pthread_mutex_unlock(&pool->lock);
    return waiting;
}

int64_t pool_active(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    int64_t active = pool->tenants.active;
    pthread_mutex_unlock(&pool->lock);
    return active;
}

int64_t pool_oldest(struct pool *pool, const char **kind, char **plan)
{
    int64_t age_ms = -1;

    pthread_mutex_lock(&pool->lock);
    const struct task *oldest = pool->running;
    for (const struct task *t = oldest; t; t = t->next) {
        oldest = t->started_ms <= oldest->started_ms ? t : oldest;
    }
    if (oldest) {
        age_ms = clock_mono_ms() - oldest->started_ms;
        *kind = oldest->kind;
        *plan = mem_strdup(oldest->plan->name);
    }
    pthread_mutex_unlock(&pool->lock);
    return age_ms;
}

void pool_stop(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->more);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->count; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    pool->count = 0;
}

void pool_free(struct pool *pool)
{
    if (pool) {
        free(pool->threads);
        pthread_mutex_destroy(&pool->lock);
        pthread_cond_destroy(&pool->more);
        free(pool);
    }
}
