/* SPDX-License-Identifier: Apache-2.0 */
/* The bare clone on disk: a cache that may be thrown away at any moment. Beside it lies PATH.lock,
 * held while a child works on it; in it a marker names the url, and a folder without our marker is
 * never deleted. Private to git/. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

struct git_repository;

struct clone {
    struct git_repository *repo;
    int lock_fd;
    bool made_now; /* it was empty or was emptied: what is wrong in it is not the cache's age */
    bool rebuilt;  /* something of ours was there and was deleted */
};

/* Waits for the lock until deadline_ms (monotonic). anew: delete what is there first; it also is
 * deleted when it belongs to another url, does not open, or has grown beyond its limits.
 * ERR_TRANSIENT SourceFetchFailed; SourceUnavailable when the lock is not had in time. */
struct err *clone_open(const char *path, const char *url, int64_t max_bytes, int64_t deadline_ms,
                       bool anew, struct clone *out) ERR_MUST_USE;
void clone_close(struct clone *clone);
