/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of all plans' files: one budget, and who gives way when it is spent. The namespace that
 * holds most gives way, so that nobody's files cost another namespace its own. Any thread. */
#pragma once
#include <pthread.h>
#include <stddef.h>
#include "base/err.h"

struct commit_files;

struct held {
    pthread_mutex_t lock;
    size_t limit;               /* bytes */
    struct commit_files *first; /* those that count; not references: who is freed leaves */
};

void held_init(struct held *held, size_t limit);
void held_done(struct held *held);
/* Counts them from now on, for this namespace. */
void held_add(struct held *held, struct commit_files *files, const char *namespace_);
/* They are being freed. */
void held_leave(struct commit_files *files);
/* Is there room for all that is held, `files` too? NULL and *victim NULL: yes. *victim (a reference): these
 * give way, as nothing holds more than their namespace; ask again when they are gone. An error: `files`
 * themselves do. ERR_TRANSIENT SourceFetchFailed. */
struct err *held_room(struct held *held, const struct commit_files *files,
                      struct commit_files **victim) ERR_MUST_USE;
/* What the plans say whose files gave way. */
struct err *held_given_way(const struct commit_files *files) ERR_MUST_USE;
