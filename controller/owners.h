/* SPDX-License-Identifier: Apache-2.0 */
/* Does the plan that a database's lease names still exist? One question to the platform for all databases
 * that name it, remembered for a bounded time. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "model/history.h"
#include "model/mplan.h"
#include "model/platform.h"

/* A plan that exists may go at any time, and its databases are waited for. One that is gone does not come
 * back with its UID, but from a backup of the cluster: who takes its databases over asks again before. */
#define OWNER_EXISTS_MS 2000
#define OWNER_GONE_MS 60000

struct owner_key { /* borrowed */
    const char *namespace_, *name, *uid;
};

struct owner;
struct owners {
    pthread_mutex_t lock;
    struct owner *items;
    size_t count, cap;
};

void owners_init(struct owners *owners);
void owners_done(struct owners *owners);
/* False: the lease names no other plan of this cluster. Borrows from the lease. */
bool owners_key(const struct lease *lease, const struct mplan *plan, const char *cluster_id,
                struct owner_key *out);
/* No I/O. False: it was not asked about since this time, or what was said is too old by now. */
bool owners_recall(struct owners *owners, const struct owner_key *key, int64_t since_mono_ms,
                   bool *gone);
/* The same, however old the answer is. */
bool owners_newest(struct owners *owners, const struct owner_key *key, bool *gone);
/* This plan has gone: whoever waits for it asks anew. */
void owners_forget(struct owners *owners, const char *namespace_, const char *name);
/* Puts the questions of a whole plan together: copies, one an owner, of those that are not known. */
struct owner_list {
    struct owner_question {
        char *namespace_, *name, *uid;
    } * items;
    size_t count, cap;
};
void owner_list_add(struct owner_list *list, struct owners *owners, const struct owner_key *key,
                    int64_t since_mono_ms);
void owner_list_done(struct owner_list *list);
/* Asks the platform if need be. True: gone. A plan that cannot be asked exists. */
bool owners_gone(struct owners *owners, const struct platform *platform,
                 const struct owner_key *key, int64_t since_mono_ms);
