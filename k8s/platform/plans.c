/* SPDX-License-Identifier: Apache-2.0 */
/* MigrationPlans: reading, the finalizer, requests of people. */
#include <stdlib.h>

#include "base/auto.h"
#include "base/mem.h"
#include "k8s/platform/internal.h"
#include "model/reason.h"

#define TRIES 5 /* others write the same metadata: read again, compute again */

static char *plan_path(const char *namespace_, const char *name)
{
    return kube_path(K8S_GROUP_PATH "/namespaces/%s/migrationplans/%s", namespace_, name);
}

static struct err *no_such_plan(const char *namespace_, const char *name)
{
    return err_new(ERR_TERMINAL, REASON_NOT_FOUND, "there is no MigrationPlan %s/%s", namespace_,
                   name);
}

static bool has_finalizer(const struct json *object)
{
    const struct json *list = json_get(json_get(object, "metadata"), "finalizers");

    for (const struct json *f = json_first(list); f; f = json_next(f)) {
        if (str_eq(json_string(f), K8S_FINALIZER)) {
            return true;
        }
    }
    return false;
}

/* Others may keep a deleted plan for a while (foreground deletion): for us it is no more. */
static bool released(const struct json *object)
{
    return k8s_meta(object, "deletionTimestamp") && !has_finalizer(object);
}

/* ---- reading ---------------------------------------------------------------------------------- */

static void add_key(void *payload, const struct json *object)
{
    struct plan_keys *out = payload;

    if (!released(object)) {
        plan_keys_add(out, k8s_meta(object, "namespace"), k8s_meta(object, "name"));
    }
}

struct err *k8s_plans_list(void *self, struct plan_keys *out)
{
    const struct k8s *k = self;
    AUTO(free_auto) char *path = NULL;
    AUTO(json_free_auto) struct json *items = NULL;

    if (k->owner) {
        informer_each(k->plans, NULL, NULL, add_key, out);
        return NULL;
    }
    path = k->namespace_ ? kube_path(K8S_GROUP_PATH "/namespaces/%s/migrationplans", k->namespace_)
                         : mem_strdup(K8S_GROUP_PATH "/migrationplans");
    TRY(k8s_list(k->kube, KUBE_GET, path, &items));
    for (const struct json *object = json_first(items); object; object = json_next(object)) {
        plan_keys_add(out, k8s_meta(object, "namespace"), k8s_meta(object, "name"));
    }
    return NULL;
}

struct err *k8s_plans_get(struct k8s *k, const char *namespace_, const char *name,
                          struct json **out)
{
    AUTO(free_auto) char *path = plan_path(namespace_, name);
    struct err *failed = kube_call(k->kube, KUBE_GET, path, NULL, 0, out);

    if (failed && str_eq(failed->reason, KUBE_NOT_FOUND)) {
        err_free(failed);
        return no_such_plan(namespace_, name);
    }
    return failed;
}

/* The watched copy, if there is one. That there is none is believed only when the server says so: an
 * absent plan lets others take over its databases. */
struct err *k8s_plans_read(void *self, const char *namespace_, const char *name, struct json **out)
{
    struct k8s *k = self;
    AUTO(json_free_auto) struct json *object = NULL;

    if (k->owner && (!k->namespace_ || str_eq(k->namespace_, namespace_))) {
        object = informer_get(k->plans, namespace_, name);
    }
    if (!object) {
        TRY(k8s_plans_get(k, namespace_, name, &object));
    }
    if (k->owner && released(object)) {
        return no_such_plan(namespace_, name);
    }
    *out = TAKE(object);
    return NULL;
}

/* ---- metadata --------------------------------------------------------------------------------- */

/* Sets the whole list, for the object as it was read. */
static struct err *put_finalizers(struct k8s *k, const struct json *object, struct json *list,
                                  struct json **answer)
{
    AUTO(free_auto) char *path = plan_path(k8s_meta(object, "namespace"), k8s_meta(object, "name"));
    AUTO(json_free_auto) struct json *body = json_object();
    struct json *metadata = json_object();

    json_set_string(metadata, "uid", k8s_meta(object, "uid"));
    json_set_string(metadata, "resourceVersion", k8s_meta(object, "resourceVersion"));
    json_set(metadata, "finalizers", list);
    json_set(body, "metadata", metadata);
    return kube_call(k->kube, KUBE_MERGE_PATCH, path, body, 0, answer);
}

/* All finalizers of the object but ours, and ours behind them when `with`. */
static struct json *finalizers(const struct json *object, bool with)
{
    const struct json *old = json_get(json_get(object, "metadata"), "finalizers");
    struct json *list = json_array();

    for (const struct json *f = json_first(old); f; f = json_next(f)) {
        if (json_string(f) && !str_eq(json_string(f), K8S_FINALIZER)) {
            json_push_string(list, json_string(f));
        }
    }
    if (with) {
        json_push_string(list, K8S_FINALIZER);
    }
    return list;
}

static struct err *check_same(const struct mplan *plan, const struct json *object)
{
    if (!str_eq(k8s_meta(object, "uid"), plan->uid) || k8s_meta(object, "deletionTimestamp") ||
        json_get_int64(json_get(object, "metadata"), "generation", 0) != plan->generation) {
        return err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE, "the plan has changed");
    }
    return NULL;
}

struct err *k8s_plans_hold(struct k8s *k, const struct mplan *plan)
{
    for (int i = 0;; i++) {
        AUTO(json_free_auto) struct json *object = NULL;
        struct err *failed = k8s_plans_get(k, plan->namespace_, plan->name, &object);
        if (failed && str_eq(failed->reason, REASON_NOT_FOUND)) {
            failed->kind = ERR_CONFLICT;
        }
        TRY(failed);
        TRY(check_same(plan, object));
        if (has_finalizer(object)) {
            return NULL;
        }
        failed = put_finalizers(k, object, finalizers(object, true), NULL);
        if (!failed || !str_eq(failed->reason, KUBE_CONFLICT) || i + 1 == TRIES) {
            return failed;
        }
        err_free(failed);
    }
}

/* A view that still has the finalizer would make the next pass release it once more. */
static void await(struct k8s *k, const struct json *answer)
{
    const char *version = k8s_meta(answer, "resourceVersion");

    if (version) {
        (void)informer_wait_rv(k->plans, version, RV_WAIT_MS);
    }
}

struct err *k8s_plans_release(void *self, const char *namespace_, const char *name, const char *uid)
{
    struct k8s *k = self;

    if (!k->owner) {
        return k8s_not_owner(k);
    }
    err_free(sweep_now(k, namespace_)); /* what is left over is swept later */
    for (int i = 0;; i++) {
        AUTO(json_free_auto) struct json *object = NULL;
        AUTO(json_free_auto) struct json *answer = NULL;
        struct err *failed = k8s_plans_get(k, namespace_, name, &object);
        if (failed && str_eq(failed->reason, REASON_NOT_FOUND)) {
            err_free(failed);
            return NULL;
        }
        TRY(failed);
        if (!str_eq(k8s_meta(object, "uid"), uid) || !has_finalizer(object)) {
            return NULL;
        }
        failed = put_finalizers(k, object, finalizers(object, false), &answer);
        if (!failed) {
            await(k, answer);
        }
        if (!failed || !str_eq(failed->reason, KUBE_CONFLICT) || i + 1 == TRIES) {
            return failed;
        }
        err_free(failed);
    }
}

struct err *k8s_plans_patch(void *self, const char *namespace_, const char *name,
                            const struct json *patch)
{
    const struct k8s *k = self;
    AUTO(free_auto) char *path =
        kube_path(K8S_GROUP_PATH "/namespaces/%s/migrationplans/%s?fieldManager=%s", namespace_,
                  name, k->owner ? "sluice-webhook" : "sluice-cli");
    struct err *failed = kube_call(k->kube, KUBE_MERGE_PATCH, path, patch, 0, NULL);

    if (failed && str_eq(failed->reason, KUBE_NOT_FOUND)) {
        err_free(failed);
        return no_such_plan(namespace_, name);
    }
    return failed;
}
