/* SPDX-License-Identifier: Apache-2.0 */
/* Threads for work that waits for others (databases, git servers): started as needed up to a limit. At
 * most so many tasks of one group (a server, as one namespace sees it) run at once, and neither a
 * namespace nor a plan holds so many threads that another finds none (shares.h). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct pool;

typedef void pool_fn(void *payload);

struct pool_task {
    const char *plan;  /* "namespace/plan" that it is for */
    const char *kind;  /* static; for people: "fetch", "inspection", "gate", "secret" */
    const char *group; /* within the namespace */
    int group_limit;
    pool_fn *run; /* on a thread of the pool, soon; frees the payload, and is always called once */
    void *payload;
};

struct pool *pool_new(int threads);
void pool_submit(struct pool *pool, const struct pool_task *what); /* copies */
int64_t pool_waiting(struct pool *pool);
int64_t pool_active(struct pool *pool);
/* Age of the task that has run longest, in ms, with its kind and plan (owned); -1: none runs. */
int64_t pool_oldest(struct pool *pool, const char **kind, char **plan);
/* Every submitted task is run (they see the shutdown and end at once); joins the threads. */
void pool_stop(struct pool *pool);
void pool_free(struct pool *pool);
