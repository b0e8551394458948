/* SPDX-License-Identifier: Apache-2.0 */
/* Threads for work that waits for others (databases, git servers): started as needed up to a limit,
 * and at most so many tasks of one group (a server) at once, so that a hung one holds few of them. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct pool;

typedef void pool_fn(void *payload);

struct pool *pool_new(int threads);
/* run(payload) on a thread of the pool, soon. It must free the payload, and is always called once. */
void pool_submit(struct pool *pool, const char *group, int group_limit, pool_fn *run,
                 void *payload);
int64_t pool_waiting(struct pool *pool);
int64_t pool_active(struct pool *pool);
/* Every submitted task is run (they see the shutdown and end at once); joins the threads. */
void pool_stop(struct pool *pool);
void pool_free(struct pool *pool);
