/* SPDX-License-Identifier: Apache-2.0 */
/* spec.execution.job: an allow-list, never a free pod template (docs/reference/migrationplan.md 1). */
#include "base/limits.h"
#include "base/mem.h"
#include "manifest/fields.h"
#include "model/mplan.h"

#define TABLE(fields_) .fields = (fields_), .count = sizeof(fields_) / sizeof *(fields_)
#define NO_PLACE .offset = MPLAN_NO_PLACE
#define OBJECT(key_, table_)                                                                       \
    {                                                                                              \
        .key = (key_), .type = MPLAN_OBJECT, .table = &(table_), NO_PLACE                          \
    }
#define LIST(key_, table_, max_)                                                                   \
    {                                                                                              \
        .key = (key_), .type = MPLAN_LIST, .table = &(table_), .max = (max_), NO_PLACE             \
    }
#define OPAQUE(key_)                                                                               \
    {                                                                                              \
        .key = (key_), .type = MPLAN_OPAQUE, NO_PLACE                                              \
    }
#define J(member) .offset = offsetof(struct mplan_job, member)

static const struct mplan_field resources_fields[] = {
    { "limits", MPLAN_QUANTITIES, .max = 16, NO_PLACE },
    { "requests", MPLAN_QUANTITIES, .max = 16, NO_PLACE },
};
static const struct mplan_table resources_table = { TABLE(resources_fields) };

static const struct mplan_word operator_words[] = { { "Exists", 0 }, { "Equal", 1 }, { NULL, 0 } };
static const struct mplan_word effect_words[] = {
    { "NoSchedule", 0 }, { "PreferNoSchedule", 1 }, { "NoExecute", 2 }, { NULL, 0 }
};
static const struct mplan_field toleration_fields[] = {
    { "key", MPLAN_STRING, GRAMMAR_LABEL_KEY, .min = 1, .max = MPLAN_LABEL_KEY_MAX, NO_PLACE },
    { "operator", MPLAN_ENUM, .words = operator_words, NO_PLACE },
    { "value", MPLAN_STRING, GRAMMAR_LABEL_VALUE, .min = 1, .max = 63, NO_PLACE },
    { "effect", MPLAN_ENUM, .words = effect_words, NO_PLACE },
    { "tolerationSeconds", MPLAN_INT64, .min = 0, .max = INT32_MAX, NO_PLACE },
};

/* What the API server would refuse in the Job, refused where it was written. */
static const char *check_toleration(const struct json *o, void *base)
{
    bool exists = str_eq(json_get_string(o, "operator"), "Exists");
    (void)base;
    if (!json_get(o, "key") && !exists) {
        return "needs a key, or operator Exists for every key";
    }
    if (exists && json_get(o, "value")) {
        return "operator Exists takes no value: leave it out, or write operator Equal";
    }
    if (json_get(o, "tolerationSeconds") && !str_eq(json_get_string(o, "effect"), "NoExecute")) {
        return "tolerationSeconds needs effect NoExecute";
    }
    return NULL;
}
static const struct mplan_table toleration_table = { TABLE(toleration_fields),
                                                     .check = check_toleration };

static const struct mplan_field affinity_fields[] = {
    OPAQUE("nodeAffinity"),
    OPAQUE("podAffinity"),
    OPAQUE("podAntiAffinity"),
};
static const struct mplan_table affinity_table = { TABLE(affinity_fields) };

static const struct mplan_field pull_secret_fields[] = {
    { "name", MPLAN_STRING, GRAMMAR_NAME, true, 1, 253, NO_PLACE },
};
static const struct mplan_table pull_secret_table = { TABLE(pull_secret_fields) };

static const struct mplan_field job_fields[] = {
    OBJECT("resources", resources_table),
    { "nodeSelector", MPLAN_MAP, GRAMMAR_LABELS, .max = 16, NO_PLACE },
    LIST("tolerations", toleration_table, 16),
    OBJECT("affinity", affinity_table),
    { "priorityClassName", MPLAN_STRING, GRAMMAR_NAME, .min = 1, .max = 253, J(priority_class) },
    { "terminationGracePeriodSeconds", MPLAN_INT64, .min = 1, .max = 86400, .fallback = "300",
      J(grace_seconds) },
    { "ttlSecondsAfterFinished", MPLAN_INT64, .min = 60, .max = 31536000, .fallback = "172800",
      J(ttl_seconds) },
    LIST("imagePullSecrets", pull_secret_table, 16),
    { "labels", MPLAN_MAP, GRAMMAR_JOB_LABELS, .max = LIMIT_LABELS, NO_PLACE },
    { "annotations", MPLAN_MAP, GRAMMAR_JOB_ANNOTATIONS, .max = LIMIT_LABELS, NO_PLACE },
};

static struct json *copy_of(const struct json *object, const char *key)
{
    const struct json *member = json_get(object, key);
    return member ? json_copy(member) : NULL;
}

/* Service meshes and injectors change a pod by its annotations: another image beside the runner, volumes of their choice. The
 * Job has a login, so that whoever may edit plans may only ask to be left out. */
static bool injects(const char *key)
{
    static const char *const domains[] = { "istio.io",
                                           "linkerd.io",
                                           "kuma.io",
                                           "dapr.io",
                                           "consul.hashicorp.com",
                                           "vault.hashicorp.com",
                                           "openservicemesh.io",
                                           "appmesh.k8s.aws",
                                           "opentelemetry.io",
                                           "admission.datadoghq.com",
                                           "k8s.v1.cni.cncf.io" };
    size_t length = strcspn(key, "/");
    for (size_t i = 0; key[length] && i < sizeof domains / sizeof *domains; i++) {
        size_t n = strlen(domains[i]);
        if (length >= n && memcmp(key + length - n, domains[i], n) == 0 &&
            (length == n || key[length - n - 1] == '.')) {
            return true;
        }
    }
    return false;
}

static const char *check_additions(const struct json *o)
{
    const char *priority = json_get_string(o, "priorityClassName");
    const struct json *annotations = json_get(o, "annotations");
    for (const struct json *a = json_first(annotations); a; a = json_next(a)) {
        const char *value = json_string(a);
        if (injects(json_key(a)) && !str_eq(value, "false") && !str_eq(value, "disabled")) {
            return "an annotation would change the pod by a service mesh or an injector: only "
                   "\"false\" and \"disabled\" are allowed";
        }
    }
    return priority && str_starts(priority, "system-")
               ? "priorityClassName: classes that begin with system- are the cluster's own"
               : NULL;
}

/* Checked by now; kept as they stand. */
static const char *keep_job(const struct json *o, void *base)
{
    struct mplan_job *job = base;
    const char *problem = check_additions(o);
    if (problem) {
        return problem;
    }
    job->resources = copy_of(o, "resources");
    job->node_selector = copy_of(o, "nodeSelector");
    job->tolerations = copy_of(o, "tolerations");
    job->affinity = copy_of(o, "affinity");
    job->image_pull_secrets = copy_of(o, "imagePullSecrets");
    job->labels = copy_of(o, "labels");
    job->annotations = copy_of(o, "annotations");
    return NULL;
}
const struct mplan_table mplan_job_table = { TABLE(job_fields), .check = keep_job };
