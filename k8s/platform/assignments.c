/* SPDX-License-Identifier: Apache-2.0 */
/* What a Job mounts, as immutable ConfigMaps named by content: two attempts, two databases and a
 * controller that died in between make the same objects. */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "k8s/platform/internal.h"
#include "model/reason.h"

#define MANIFEST_MAX 1000000 /* bytes: a ConfigMap holds 1 MiB */

/* Ours or not, what counts is that it holds these bytes for good. */
static struct err *compare(struct k8s *k, const struct json *wanted)
{
    const char *namespace_ = k8s_meta(wanted, "namespace");
    const char *name = k8s_meta(wanted, "name");
    AUTO(free_auto) char *path = kube_path("/api/v1/namespaces/%s/configmaps/%s", namespace_, name);
    AUTO(json_free_auto) struct json *found = NULL;
    struct err *failed = kube_call(k->kube, KUBE_GET, path, NULL, 0, &found);

    if (failed && str_eq(failed->reason, KUBE_NOT_FOUND)) {
        failed->kind = ERR_CONFLICT; /* it went since: look again */
    }
    TRY(failed);
    if (k8s_meta(found, "deletionTimestamp")) {
        return err_new(ERR_CONFLICT, REASON_NAME_CONFLICT, "ConfigMap %s/%s is being deleted",
                       namespace_, name);
    }
    if (!json_equal(json_get(found, "binaryData"), json_get(wanted, "binaryData")) ||
        json_count(json_get(found, "data")) || !json_bool(json_get(found, "immutable"), false)) {
        return err_new(ERR_TRANSIENT, REASON_NAME_CONFLICT,
                       "ConfigMap %s/%s is not the one that this assignment needs; delete it",
                       namespace_, name);
    }
    return NULL;
}

/* ---- parts that were made ----------------------------------------------------------------------- */

/* A fleet's databases share their SQL: a part that was there a moment ago is not sent once more for each
 * of them. Not for long, because others may remove it; what we remove is forgotten at once. */
#define PART_LASTS_MS 30000

struct made_part {
    char *namespace_, *name;
    int64_t mono_ms;
};

/* Lock held. Forgets what is too old on the way. */
static struct made_part *find_part(struct k8s *k, const char *namespace_, const char *name)
{
    int64_t oldest_ms = clock_mono_ms() - PART_LASTS_MS;

    for (size_t i = 0; i < k->part_count;) {
        struct made_part *part = &k->parts[i];
        if (part->mono_ms < oldest_ms) {
            free(part->namespace_);
            free(part->name);
            *part = k->parts[--k->part_count];
        } else if (str_eq(part->name, name) && str_eq(part->namespace_, namespace_)) {
            return part;
        } else {
            i++;
        }
    }
    return NULL;
}

static bool part_is_there(struct k8s *k, const char *namespace_, const char *name)
{
    pthread_mutex_lock(&k->lock);
    bool there = find_part(k, namespace_, name) != NULL;
    pthread_mutex_unlock(&k->lock);
    return there;
}

static void remember_part(struct k8s *k, const char *namespace_, const char *name)
{
    pthread_mutex_lock(&k->lock);
    if (!find_part(k, namespace_, name)) {
        k->parts = mem_grow(k->parts, &k->part_cap, k->part_count + 1, sizeof *k->parts);
        k->parts[k->part_count++] = (struct made_part){ .namespace_ = mem_strdup(namespace_),
                                                        .name = mem_strdup(name),
                                                        .mono_ms = clock_mono_ms() };
    }
    pthread_mutex_unlock(&k->lock);
}

void assignments_forget(struct k8s *k, const char *namespace_, const char *name)
{
    pthread_mutex_lock(&k->lock);
    struct made_part *part = find_part(k, namespace_, name);
    if (part) {
        part->mono_ms = INT64_MIN;
        (void)find_part(k, namespace_, name);
    }
    pthread_mutex_unlock(&k->lock);
}

void assignments_done(struct k8s *k)
{
    for (size_t i = 0; i < k->part_count; i++) {
        free(k->parts[i].namespace_);
        free(k->parts[i].name);
    }
    free(k->parts);
}

/* ---- making them --------------------------------------------------------------------------------- */

static struct err *make(struct k8s *k, struct json *owned)
{
    AUTO(json_free_auto) struct json *object = owned;
    AUTO(free_auto) char *path =
        kube_path("/api/v1/namespaces/%s/configmaps", k8s_meta(object, "namespace"));
    struct err *failed = kube_call(k->kube, KUBE_POST, path, object, 0, NULL);

    if (failed && str_eq(failed->reason, KUBE_ALREADY_EXISTS)) {
        err_free(failed);
        return compare(k, object);
    }
    return failed;
}

static struct err *make_part(struct k8s *k, const struct job_spec *spec, size_t index)
{
    const char *namespace_ = spec->plan->namespace_;
    char name[K8S_NAME_MAX + 1];

    k8s_part_name(spec->parts[index].name, name);
    if (part_is_there(k, namespace_, name)) {
        return NULL;
    }
    TRY(make(k, job_build_part(spec, index)));
    remember_part(k, namespace_, name);
    return NULL;
}

struct err *assignments_make(struct k8s *k, const struct job_spec *spec)
{
    if (strlen(spec->manifest) > MANIFEST_MAX) {
        return err_new(
            ERR_TERMINAL, REASON_SOURCE_TOO_LARGE,
            "%zu pending files make a manifest of %zu bytes, more than a ConfigMap holds:"
            " raise migrations.target step by step, or apply them with sluice migrate",
            spec->assignment->file_count, strlen(spec->manifest));
    }
    for (size_t i = 0; i < spec->part_count; i++) {
        TRY(make_part(k, spec, i));
    }
    return make(k, job_build_manifest(spec));
}
