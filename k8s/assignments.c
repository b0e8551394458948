/* SPDX-License-Identifier: Apache-2.0 */
/* What a Job mounts, as immutable ConfigMaps named by content: two attempts, two databases and a
 * controller that died in between make the same objects. */
#include <stdlib.h>
#include <string.h>

#include "k8s/parts.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/mem.h"
#include "reconcile/model/reason.h"

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
        TRY(make(k, job_build_part(spec, i)));
    }
    return make(k, job_build_manifest(spec));
}
