/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets that passes and webhooks need. They are read by tasks of the pool and kept with their age: nobody
 * waits for the platform while a plan is decided about, and one that does not answer costs a thread of its
 * namespace's share. What is kept may be older than the platform's: whoever cannot take that awaits a
 * reading. Values are wiped when they go. Any thread. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/cancel.h"
#include "base/err.h"
#include "base/str.h"
#include "model/platform.h"

struct pool;
struct secret_cache;

enum secret_known {
    SECRET_UNKNOWN, /* no reading has ended yet */
    SECRET_READ,
    SECRET_FAILED, /* there is no such Secret, or it never could be read */
};

/* `changed` is called on a thread of the pool for each plan that asked, when a reading says something
 * else than the one before. */
struct secret_cache *secret_cache_new(const struct platform *platform, struct pool *pool,
                                      const struct cancel *cancel,
                                      void (*changed)(void *payload, const char *plan),
                                      void *payload);
void secret_cache_free(struct secret_cache *cache); /* the pool has stopped; NULL is fine */

/* No I/O, and nothing is begun. `out`, when READ: a copy, for secret_kvlist_done(). `failed`, when FAILED: a
 * copy; SecretInvalid, or the platform's own reason when it did not answer. Either may be NULL. */
enum secret_known secret_cache_get(struct secret_cache *cache, const char *namespace_,
                                   const char *name, struct kvlist *out, struct err **failed);
/* Is what is known from a reading that began at most so long ago? */
bool secret_cache_fresh(struct secret_cache *cache, const char *namespace_, const char *name,
                        int64_t max_age_ms);
/* Begins a reading for "namespace/plan" unless one is under way or the newest began at most
 * `max_age_ms` ago. */
void secret_cache_refresh(struct secret_cache *cache, const char *plan, const char *name,
                          int64_t max_age_ms);
/* The platform says that it has changed: whatever age is asked for, the next refresh reads it. */
void secret_cache_changed(struct secret_cache *cache, const char *namespace_, const char *name);
/* Waits for a reading that began at `since_mono_ms` or later. False: the platform did not answer it, or not in
 * time, or we are stopping. */
bool secret_cache_await(struct secret_cache *cache, const char *namespace_, const char *name,
                        int64_t since_mono_ms, int64_t timeout_ms);
