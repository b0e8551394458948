/* SPDX-License-Identifier: Apache-2.0 */
/* The pool: one list of tasks, one of groups that have running ones. */
#include "controller/pool.h"

#include <pthread.h>
#include <stdlib.h>

#include "reconcile/base/mem.h"
#include "reconcile/base/str.h"

struct task {
    struct task *next;
    char *group;
    int limit;
    pool_fn *run;
    void *payload;
};

struct group {
    struct group *next;
    char *name;
    int active;
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t more;
    int max, idle;
    bool stop;
    pthread_t *threads;
    int count;
    struct task *first, **tail;
    struct group *groups;
    int64_t waiting, active;
};

struct pool *pool_new(int threads)
{
    struct pool *pool = mem_alloc(sizeof *pool);

    pool->max = threads;
    pool->threads = mem_array((size_t)threads, sizeof *pool->threads);
    pool->tail = &pool->first;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->more, NULL);
    return pool;
}

static struct group *group_find(struct pool *pool, const char *name)
{
    struct group *group = pool->groups;

    while (group && !str_eq(group->name, name)) {
        group = group->next;
    }
    return group;
}

static void group_enter(struct pool *pool, const char *name)
{
    struct group *group = group_find(pool, name);

    if (!group) {
        group = mem_alloc(sizeof *group);
        group->name = mem_strdup(name);
        group->next = pool->groups;
        pool->groups = group;
    }
    group->active++;
}

static void group_leave(struct pool *pool, const char *name)
{
    for (struct group **link = &pool->groups; *link; link = &(*link)->next) {
        struct group *group = *link;
        if (str_eq(group->name, name)) {
            if (--group->active == 0) {
                *link = group->next;
                free(group->name);
                free(group);
            }
            return;
        }
    }
}

/* The first task whose group has room: a full group does not hold back those behind it. */
static struct task *take(struct pool *pool)
{
    for (struct task **link = &pool->first; *link; link = &(*link)->next) {
        struct task *task = *link;
        const struct group *group = group_find(pool, task->group);
        if (!group || group->active < task->limit) {
            *link = task->next;
            if (!*link) {
                pool->tail = link;
            }
            pool->waiting--;
            return task;
        }
    }
    return NULL;
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
        group_enter(pool, task->group);
        pool->active++;
        pthread_mutex_unlock(&pool->lock);
        task->run(task->payload);
        pthread_mutex_lock(&pool->lock);
        pool->active--;
        group_leave(pool, task->group);
        free(task->group);
        free(task);
        pthread_cond_broadcast(&pool->more); /* a place in the group is free: who waits may fit */
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

void pool_submit(struct pool *pool, const char *group, int group_limit, pool_fn *run, void *payload)
{
    struct task *task = mem_alloc(sizeof *task);

    *task = (struct task){
        .group = mem_strdup(group), .limit = group_limit, .run = run, .payload = payload
    };
    pthread_mutex_lock(&pool->lock);
    *pool->tail = task;
    pool->tail = &task->next;
    pool->waiting++;
    if (pool->waiting > pool->idle && pool->count < pool->max &&
        pthread_create(&pool->threads[pool->count], NULL, thread_main, pool) == 0) {
        pool->count++;
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
    int64_t active = pool->active;
    pthread_mutex_unlock(&pool->lock);
    return active;
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
