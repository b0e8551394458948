/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of the objects that we watch. Jobs and pods go to the index; the store keeps their names, by
 * which it knows them again. */
#include <stdlib.h>

#include "k8s/platform/job_read.h"
#include "k8s/platform/internal.h"

static struct json *without_managers(struct json *object)
{
    struct json *metadata = json_get_mut(object, "metadata");

    if (metadata) {
        json_remove(metadata, "managedFields");
    }
    return object;
}

struct json *watched_plan(void *payload, struct json *object)
{
    (void)payload;
    return without_managers(object);
}

static void copy(const struct json *from, const char *key, struct json *to)
{
    const struct json *found = json_get(from, key);

    if (found) {
        json_set(to, key, json_copy(found));
    }
}

/* Enough to know the object and its plan by, and a pod's Job. */
static struct json *names_of(const struct json *object)
{
    const struct json *metadata = json_get(object, "metadata");
    struct json *out = json_object();
    struct json *names = json_object();
    struct json *labels = json_object();
    struct json *annotations = json_object();

    copy(metadata, "name", names);
    copy(metadata, "namespace", names);
    copy(metadata, "uid", names);
    copy(json_get(metadata, "labels"), LABEL_PLAN_UID, labels);
    copy(json_get(metadata, "annotations"), LABEL_PLAN, annotations);
    json_set(names, "labels", labels);
    json_set(names, "annotations", annotations);
    json_set(out, "metadata", names);
    return out;
}

static struct json *pod_names(const struct json *pod)
{
    const struct json *owners = json_get(json_get(pod, "metadata"), "ownerReferences");
    struct json *out = names_of(pod);
    struct json *list = json_array();

    for (const struct json *o = json_first(owners); o; o = json_next(o)) {
        struct json *owner = json_object();
        copy(o, "controller", owner);
        copy(o, "uid", owner);
        json_push(list, owner);
    }
    json_set(json_get_mut(out, "metadata"), "ownerReferences", list);
    return out;
}

/* What is large and not looked at: a Job has its runner's arguments, a pod its volumes too. */
static void trim_spec(struct json *spec)
{
    if (spec) {
        json_remove(spec, "containers");
        json_remove(spec, "volumes");
        json_remove(spec, "tolerations");
    }
}

struct json *watched_job(void *payload, struct json *object)
{
    struct k8s *k = payload;
    struct json *names = names_of(object);

    trim_spec(json_get_mut(json_get_mut(json_get_mut(object, "spec"), "template"), "spec"));
    if (job_read_terminal(object)) {
        sweep_mark(k, k8s_meta(object, "namespace"));
    }
    job_index_put_job(k->index, without_managers(object));
    return names;
}

struct json *watched_pod(void *payload, struct json *object)
{
    const struct k8s *k = payload;
    struct json *names = pod_names(object);

    trim_spec(json_get_mut(object, "spec"));
    job_index_put_pod(k->index, without_managers(object));
    return names;
}

void watched_job_gone(void *payload, const struct json *last)
{
    struct k8s *k = payload;

    job_index_drop_job(k->index, last);
    sweep_mark(k, k8s_meta(last, "namespace"));
}

void watched_pod_gone(void *payload, const struct json *last)
{
    const struct k8s *k = payload;

    job_index_drop_pod(k->index, last);
}
