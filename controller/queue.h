/* SPDX-License-Identifier: Apache-2.0 */
/* A work queue of keys: a key waits at most once, is worked on by one thread at a time, and a key that
 * is added while it is worked on comes again. Delays by a heap; the earlier of two times counts. Keys are
 * "tenant/rest": a tenant's keys come in their order, tenants take turns, and one that keeps its threads
 * busy leaves some to the others. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct queue;

/* Works on one key. Returns in how many ms to come again; < 0: not by itself. */
typedef int64_t queue_work_fn(void *payload, const char *key);

struct queue_stats {
    int64_t depth;                      /* ready now */
    int64_t delayed;                    /* in the heap */
    int64_t active;                     /* being worked on */
    int64_t adds;                       /* total that became ready */
    int64_t retries;                    /* total that were added with a delay */
    double queue_seconds, work_seconds; /* sums */
    int64_t queue_count, work_count;
    double unfinished_seconds, longest_seconds; /* of those being worked on */
};

struct queue *queue_new(const char *name, int workers, queue_work_fn *work, void *payload);
const char *queue_name(const struct queue *queue);
/* Starts the threads, or as many as the system gives; an error: it gives none. */
struct err *queue_start(struct queue *queue) ERR_MUST_USE;
void queue_add(struct queue *queue, const char *key); /* now */
void queue_add_after(struct queue *queue, const char *key, int64_t delay_ms);
/* A key that is no more: nothing waits for it. One that is worked on is finished. */
void queue_forget(struct queue *queue, const char *key);
/* Lets running work end, starts none, joins the threads. */
void queue_stop(struct queue *queue);
void queue_free(struct queue *queue); /* stopped before */
void queue_stats(struct queue *queue, struct queue_stats *out);
/* Age of the key that has been worked on longest, in ms, and the key (owned); -1: none is. */
int64_t queue_oldest(struct queue *queue, char **key);

/* Observers of durations, in ms: how long a key waited, how long it was worked on. May be NULL. */
void queue_observe(struct queue *queue,
                   void (*observe)(void *payload, int64_t waited_ms, int64_t worked_ms),
                   void *payload);

/* For tests: works on one ready key in the caller's thread, with `now_ms` as the monotonic time.
 * False: none is ready; *next_ms then tells when the next one will be (-1: never). */
bool queue_step(struct queue *queue, int64_t now_ms, int64_t *next_ms);
