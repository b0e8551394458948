/* SPDX-License-Identifier: Apache-2.0 */
/* A short list: the owners that plans have found in their databases lately. */
#include "controller/owners.h"

#include <stdlib.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "model/reason.h"

struct owner {
    char *namespace_, *name, *uid;
    bool gone;
    int64_t asked_mono_ms; /* when the question was put: the answer is at least so new */
};

void owners_init(struct owners *owners)
{
    *owners = (struct owners){ 0 };
    pthread_mutex_init(&owners->lock, NULL);
}

static void owner_done(struct owner *owner)
{
    free(owner->namespace_);
    free(owner->name);
    free(owner->uid);
}

void owners_done(struct owners *owners)
{
    for (size_t i = 0; i < owners->count; i++) {
        owner_done(&owners->items[i]);
    }
    free(owners->items);
    pthread_mutex_destroy(&owners->lock);
}

bool owners_key(const struct lease *lease, const struct mplan *plan, const char *cluster_id,
                struct owner_key *out)
{
    if (!lease->present || !lease->owner_plan_uid || str_eq(lease->owner_plan_uid, plan->uid) ||
        !str_eq(lease->owner_cluster, cluster_id) || !lease->owner_namespace ||
        !lease->owner_name) {
        return false;
    }
    *out = (struct owner_key){ .namespace_ = lease->owner_namespace,
                               .name = lease->owner_name,
                               .uid = lease->owner_plan_uid };
    return true;
}

/* Lock held, as in all that follow. */
static struct owner *find(const struct owners *owners, const struct owner_key *key)
{
    for (size_t i = 0; i < owners->count; i++) {
        struct owner *owner = &owners->items[i];
        if (str_eq(owner->uid, key->uid) && str_eq(owner->name, key->name) &&
            str_eq(owner->namespace_, key->namespace_)) {
            return owner;
        }
    }
    return NULL;
}

static bool expired(const struct owner *owner, int64_t since_mono_ms)
{
    return owner->asked_mono_ms + (owner->gone ? OWNER_GONE_MS : OWNER_EXISTS_MS) < since_mono_ms;
}

static void remember(struct owners *owners, const struct owner_key *key, bool gone,
                     int64_t asked_mono_ms)
{
    struct owner *owner = find(owners, key);
    size_t kept = 0;

    if (!owner) {
        for (size_t i = 0; i < owners->count; i++) { /* what nobody asks about any more goes */
            if (expired(&owners->items[i], asked_mono_ms - OWNER_GONE_MS)) {
                owner_done(&owners->items[i]);
            } else {
                owners->items[kept++] = owners->items[i];
            }
        }
        owners->count = kept;
        owners->items = mem_grow(owners->items, &owners->cap, kept + 1, sizeof *owners->items);
        owner = &owners->items[owners->count++];
        *owner = (struct owner){ .namespace_ = mem_strdup(key->namespace_),
                                 .name = mem_strdup(key->name),
                                 .uid = mem_strdup(key->uid) };
    }
    owner->gone = gone;
    owner->asked_mono_ms = asked_mono_ms;
}

bool owners_recall(struct owners *owners, const struct owner_key *key, int64_t since_mono_ms,
                   bool *gone)
{
    pthread_mutex_lock(&owners->lock);
    const struct owner *owner = find(owners, key);
    bool known = owner && !expired(owner, since_mono_ms);
    if (known) {
        *gone = owner->gone;
    }
    pthread_mutex_unlock(&owners->lock);
    return known;
}

bool owners_newest(struct owners *owners, const struct owner_key *key, bool *gone)
{
    pthread_mutex_lock(&owners->lock);
    const struct owner *owner = find(owners, key);
    if (owner) {
        *gone = owner->gone;
    }
    pthread_mutex_unlock(&owners->lock);
    return owner != NULL;
}

void owners_forget(struct owners *owners, const char *namespace_, const char *name)
{
    pthread_mutex_lock(&owners->lock);
    for (size_t i = 0; i < owners->count;) {
        struct owner *owner = &owners->items[i];
        if (str_eq(owner->name, name) && str_eq(owner->namespace_, namespace_)) {
            owner_done(owner);
            *owner = owners->items[--owners->count];
        } else {
            i++;
        }
    }
    pthread_mutex_unlock(&owners->lock);
}

static bool ask(const struct platform *platform, const struct owner_key *key)
{
    AUTO(json_free_auto) struct json *object = NULL;
    struct err *failed =
        platform->ops->read_plan(platform->self, key->namespace_, key->name, &object);
    const char *uid = json_get_string(json_get(object, "metadata"), "uid");
    bool gone = failed ? str_eq(failed->reason, REASON_NOT_FOUND) : !str_eq(uid, key->uid);

    err_free(failed);
    return gone;
}

bool owners_gone(struct owners *owners, const struct platform *platform,
                 const struct owner_key *key, int64_t since_mono_ms)
{
    bool gone = false;

    pthread_mutex_lock(&owners->lock);
    const struct owner *owner = find(owners, key);
    bool known = owner && owner->asked_mono_ms >= since_mono_ms;
    gone = known && owner->gone;
    pthread_mutex_unlock(&owners->lock);
    if (known) {
        return gone;
    }
    int64_t asked_mono_ms = clock_mono_ms();
    gone = ask(platform, key);
    pthread_mutex_lock(&owners->lock);
    remember(owners, key, gone, asked_mono_ms);
    pthread_mutex_unlock(&owners->lock);
    return gone;
}

void owner_list_add(struct owner_list *list, struct owners *owners, const struct owner_key *key,
                    int64_t since_mono_ms)
{
    bool gone = false;

    for (size_t i = 0; i < list->count; i++) {
        if (str_eq(list->items[i].uid, key->uid) && str_eq(list->items[i].name, key->name)) {
            return;
        }
    }
    if (owners_recall(owners, key, since_mono_ms, &gone)) {
        return;
    }
    list->items = mem_grow(list->items, &list->cap, list->count + 1, sizeof *list->items);
    list->items[list->count++] = (struct owner_question){ .namespace_ = mem_strdup(key->namespace_),
                                                          .name = mem_strdup(key->name),
                                                          .uid = mem_strdup(key->uid) };
}

void owner_list_done(struct owner_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].namespace_);
        free(list->items[i].name);
        free(list->items[i].uid);
    }
    free(list->items);
    *list = (struct owner_list){ 0 };
}
