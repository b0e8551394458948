/* SPDX-License-Identifier: Apache-2.0 */
/* What every part does with objects: reading their metadata, listing, deleting, telling who listens. */
#include <string.h>

#include "base/auto.h"
#include "base/mem.h"
#include "k8s/client/pages.h"
#include "k8s/platform/internal.h"
#include "model/reason.h"

const char *k8s_meta(const struct json *object, const char *key)
{
    return json_get_string(json_get(object, "metadata"), key);
}

struct err *k8s_not_owner(const struct k8s *k)
{
    return err_new(ERR_TERMINAL, REASON_INTERNAL, "%s is only read by this command",
                   kube_server(k->kube));
}

void k8s_tell(struct k8s *k, enum platform_kind kind, const char *namespace_, const char *name)
{
    pthread_mutex_lock(&k->lock);
    platform_changed_fn *changed = k->changed;
    void *payload = k->payload;
    pthread_mutex_unlock(&k->lock);
    if (changed) {
        changed(payload, kind, namespace_, name);
    }
}

/* "collection?a=b" or the collection alone. */
struct err *k8s_list(struct kube *kube, enum kube_verb verb, const char *path, struct json **out)
{
    const char *mark = strchr(path, '?');
    AUTO(free_auto) char *plain = mem_strndup(path, strcspn(path, "?"));
    AUTO(free_auto) char *query = mark ? mem_printf("&%s", mark + 1) : mem_strdup("");
    AUTO(json_free_auto) struct json *items = json_array();
    AUTO(pages_done) struct pages pages = {
        .kube = kube, .verb = verb, .path = plain, .query = query
    };

    while (!pages.last) {
        struct kube_answer answer = { 0 };
        struct err *failed = pages_read(&pages, &answer);
        AUTO(json_free_auto) struct json *page = answer.body;
        TRY(failed);
        const struct json *list = json_get(page, "items");
        for (const struct json *item = json_first(list); item; item = json_next(item)) {
            json_push(items, json_copy(item));
        }
    }
    *out = TAKE(items);
    return NULL;
}

struct err *k8s_delete(struct kube *kube, const char *path, const struct json *object, bool exact,
                       const char *propagation, char **version)
{
    AUTO(json_free_auto) struct json *body = json_object();
    AUTO(json_free_auto) struct json *answer = NULL;
    struct json *preconditions = json_object();

    json_set_string(preconditions, "uid", k8s_meta(object, "uid"));
    if (exact) {
        json_set_string(preconditions, "resourceVersion", k8s_meta(object, "resourceVersion"));
    }
    json_set_string(body, "apiVersion", "v1");
    json_set_string(body, "kind", "DeleteOptions");
    json_set(body, "preconditions", preconditions);
    json_set_string_opt(body, "propagationPolicy", propagation);
    struct err *failed = kube_call(kube, KUBE_DELETE, path, body, 0, &answer);
    if (failed && str_eq(failed->reason, KUBE_NOT_FOUND)) {
        err_free(failed);
        return NULL;
    }
    TRY(failed);
    if (version) {
        *version = mem_strdup(k8s_meta(answer, "resourceVersion"));
    }
    return NULL;
}
