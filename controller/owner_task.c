/* SPDX-License-Identifier: Apache-2.0 */
/* Asking for former owners in the pool: the platform may take its time to answer, and a plan is decided about
 * with what is known meanwhile. */
#include <stdlib.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "controller/internal.h"

struct owner_task {
    struct controller *c;
    struct plan_cache *cache;
    struct owner_list list;
};

/* True: something else is known of it than before. */
static bool ask(struct controller *c, const struct owner_question *q)
{
    const struct owner_key key = { .namespace_ = q->namespace_, .name = q->name, .uid = q->uid };
    const int64_t now_ms = clock_mono_ms();
    bool before = false;
    const bool known = owners_newest(&c->owners, &key, &before);
    const bool gone = owners_gone(&c->owners, &c->platform, &key, now_ms);

    return !known || gone != before;
}

static void run_owner_task(void *payload)
{
    struct owner_task *task = payload;
    struct plan_cache *cache = task->cache;
    bool changed = false;

    for (size_t i = 0; i < task->list.count && !cancel_triggered(&task->c->cancel); i++) {
        changed = ask(task->c, &task->list.items[i]) || changed;
    }
    pthread_mutex_lock(&cache->lock);
    cache->asking_owners = false;
    changed = changed && !cache->gone;
    pthread_mutex_unlock(&cache->lock);
    if (changed) {
        queue_add(task->c->plans, cache->key);
    }
    owner_list_done(&task->list);
    plan_cache_unref(cache);
    free(task);
}

void owner_task_start(struct controller *c, struct plan_cache *cache, struct owner_list *list)
{
    pthread_mutex_lock(&cache->lock);
    const bool start = list->count > 0 && !cache->asking_owners;
    cache->asking_owners = cache->asking_owners || start;
    pthread_mutex_unlock(&cache->lock);
    if (!start) {
        return;
    }
    struct owner_task *task = mem_alloc(sizeof *task);
    *task = (struct owner_task){ .c = c, .cache = plan_cache_ref(cache), .list = *list };
    *list = (struct owner_list){ 0 };
    const struct pool_task work = { .plan = cache->key,
                                    .kind = "owner",
                                    .group = "owner",
                                    .group_limit = TASKS_PER_SERVER,
                                    .run = run_owner_task,
                                    .payload = task };
    pool_submit(c->pool, &work);
}

void owner_task_ask(struct controller *c, const struct mplan *plan, const struct lease *lease)
{
    const char *cluster_id = c->platform.ops->cluster_id(c->platform.self);
    const int64_t now_ms = clock_mono_ms();
    struct owner_key key;
    bool gone = false;

    if (owners_key(lease, plan, cluster_id, &key) &&
        !owners_recall(&c->owners, &key, now_ms, &gone)) {
        (void)owners_gone(&c->owners, &c->platform, &key, now_ms);
    }
}
