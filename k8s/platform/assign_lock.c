/* SPDX-License-Identifier: Apache-2.0 */
/* The making of a Job and what it mounts (readers) against the removal of what none mounts: a lock a namespace, so
 * that one whose calls hang keeps no other's Jobs waiting. Namespaces are few, and their locks stay. */
#include <stdlib.h>

#include "base/mem.h"
#include "k8s/platform/internal.h"

struct assign_lock {
    struct assign_lock *next;
    char *namespace_;
    pthread_rwlock_t lock;
};

static struct assign_lock *lock_new(const char *namespace_)
{
    struct assign_lock *made = mem_alloc(sizeof *made);
    pthread_rwlockattr_t fair; /* a stream of new Jobs must not keep the sweeper out */

    made->namespace_ = mem_strdup(namespace_);
    pthread_rwlockattr_init(&fair);
    pthread_rwlockattr_setkind_np(&fair, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&made->lock, &fair);
    pthread_rwlockattr_destroy(&fair);
    return made;
}

pthread_rwlock_t *assign_lock(struct k8s *k, const char *namespace_)
{
    pthread_mutex_lock(&k->lock);
    struct assign_lock *found = k->assign_locks;
    while (found && !str_eq(found->namespace_, namespace_)) {
        found = found->next;
    }
    if (!found) {
        found = lock_new(namespace_);
        found->next = k->assign_locks;
        k->assign_locks = found;
    }
    pthread_mutex_unlock(&k->lock);
    return &found->lock;
}

void assign_locks_done(struct k8s *k)
{
    while (k->assign_locks) {
        struct assign_lock *first = k->assign_locks;
        k->assign_locks = first->next;
        pthread_rwlock_destroy(&first->lock);
        free(first->namespace_);
        free(first);
    }
}
