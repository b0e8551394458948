/* SPDX-License-Identifier: Apache-2.0 */
/* Status by server-side apply: what we leave out is removed, what others own stays. */
#include <stdlib.h>

#include "base/auto.h"
#include "base/mem.h"
#include "k8s/platform/internal.h"
#include "model/reason.h"

/* Our newest write of this plan, or NULL. Lock held. */
static struct written *find(struct k8s *k, const char *uid)
{
    for (size_t i = 0; i < k->written_count; i++) {
        if (str_eq(k->written[i].uid, uid)) {
            return &k->written[i];
        }
    }
    return NULL;
}

static void remember(struct k8s *k, const char *uid, const char *version)
{
    pthread_mutex_lock(&k->lock);
    struct written *known = find(k, uid);
    if (!known) {
        k->written =
            mem_grow(k->written, &k->written_cap, k->written_count + 1, sizeof *k->written);
        known = &k->written[k->written_count++];
        *known = (struct written){ .uid = mem_strdup(uid) };
    }
    mem_strset(&known->resource_version, version ? version : "");
    pthread_mutex_unlock(&k->lock);
}

void k8s_status_forget(struct k8s *k, const char *uid)
{
    pthread_mutex_lock(&k->lock);
    struct written *known = find(k, uid);
    if (known) {
        free(known->uid);
        free(known->resource_version);
        *known = k->written[--k->written_count];
    }
    pthread_mutex_unlock(&k->lock);
}

/* What is stored is known and equal: only a view that has our own newest write may say so. */
static bool stored_already(struct k8s *k, const char *namespace_, const char *name, const char *uid,
                           const struct json *status)
{
    AUTO(json_free_auto) struct json *object = informer_get(k->plans, namespace_, name);
    const char *version = k8s_meta(object, "resourceVersion");

    if (!object || !version || !str_eq(k8s_meta(object, "uid"), uid)) {
        return false;
    }
    pthread_mutex_lock(&k->lock);
    const struct written *known = find(k, uid);
    bool current = !known || kube_rv_compare(version, known->resource_version) >= 0;
    pthread_mutex_unlock(&k->lock);
    return current && json_equal(json_get(object, "status"), status);
}

static struct json *apply_body(const char *namespace_, const char *name, const char *uid,
                               const struct json *status)
{
    struct json *body = json_object();
    struct json *metadata = json_object();

    json_set_string(metadata, "name", name);
    json_set_string(metadata, "namespace", namespace_);
    json_set_string(metadata, "uid", uid);
    json_set_string(body, "apiVersion", K8S_API_VERSION);
    json_set_string(body, "kind", K8S_KIND);
    json_set(body, "metadata", metadata);
    json_set(body, "status", json_copy(status));
    return body;
}

/* The server refused: is that because the plan is gone, or another one of that name by now? */
static struct err *gone(struct k8s *k, const char *namespace_, const char *name, const char *uid,
                        struct err *refused)
{
    AUTO(json_free_auto) struct json *object = NULL;
    struct err *failed = k8s_plans_get(k, namespace_, name, &object);
    bool same = !failed && str_eq(k8s_meta(object, "uid"), uid);
    bool unknown = failed && !str_eq(failed->reason, REASON_NOT_FOUND);

    err_free(failed);
    if (same || unknown) {
        return refused;
    }
    err_free(refused);
    return err_new(ERR_CONFLICT, REASON_NOT_FOUND, "MigrationPlan %s/%s is gone", namespace_, name);
}

struct err *k8s_status_write(void *self, const char *namespace_, const char *name, const char *uid,
                             const struct json *status)
{
    struct k8s *k = self;
    AUTO(free_auto) char *path = NULL;
    AUTO(json_free_auto) struct json *answer = NULL;

    if (!k->owner) {
        return k8s_not_owner(k);
    }
    if (stored_already(k, namespace_, name, uid, status)) {
        return NULL;
    }
    path = kube_path(K8S_GROUP_PATH "/namespaces/%s/migrationplans/%s/status?fieldManager=%s"
                                    "&force=true",
                     namespace_, name, K8S_FIELD_MANAGER);
    AUTO(json_free_auto) struct json *body = apply_body(namespace_, name, uid, status);
    struct err *failed = kube_call(k->kube, KUBE_APPLY, path, body, 0, &answer);
    if (failed && (str_eq(failed->reason, KUBE_NOT_FOUND) ||
                   str_eq(failed->reason, KUBE_CONFLICT) || str_eq(failed->reason, KUBE_INVALID))) {
        return gone(k, namespace_, name, uid, failed);
    }
    TRY(failed);
    remember(k, uid, k8s_meta(answer, "resourceVersion"));
    return NULL;
}
