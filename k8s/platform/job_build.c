/* SPDX-License-Identifier: Apache-2.0 */
/* Building a Job and what it mounts. */
#include "k8s/platform/job_build.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/mem.h"
#include "k8s/platform/names.h"

/* The runner ends by itself at execution.deadline and says so; the kubelet's limit is the net behind
 * it, and counts from the pod's start, so images and volumes are paid from this. */
#define DEADLINE_NET_S 120
#define RUNNER_MODE 0444 /* files of a volume belong to root and the runner is not root */

#define KEY_CA "ca.crt"
#define KEY_CERT "tls.crt"
#define KEY_KEY "tls.key"

static const char pod_security[] = "{\"runAsNonRoot\":true,"
                                   "\"seccompProfile\":{\"type\":\"RuntimeDefault\"}}";
static const char container_security[] =
    "{\"allowPrivilegeEscalation\":false,\"capabilities\":{\"drop\":[\"ALL\"]},"
    "\"privileged\":false,\"readOnlyRootFilesystem\":true,\"runAsNonRoot\":true,"
    "\"seccompProfile\":{\"type\":\"RuntimeDefault\"}}";
static const char default_resources[] = "{\"requests\":{\"cpu\":\"20m\",\"memory\":\"64Mi\"},"
                                        "\"limits\":{\"memory\":\"512Mi\"}}";
/* Codes after which running the same again cannot help, and what was done to the pod from outside:
 * the Job fails at once and says why. All else counts, and the first count is the last. */
static const char failure_policy[] =
    "{\"rules\":[{\"action\":\"FailJob\",\"onExitCodes\":{\"containerName\":\"" RUNNER_CONTAINER
    "\",\"operator\":\"In\",\"values\":[3,6,8]}},{\"action\":\"FailJob\",\"onPodConditions\":"
    "[{\"type\":\"DisruptionTarget\",\"status\":\"True\"}]}]}";

static struct json *literal(const char *text)
{
    struct json *node = NULL;
    struct err *failed = json_parse(text, strlen(text), "literal", &node);

    assert(!failed);
    err_free(failed);
    return node;
}

/* ---- labels and annotations ------------------------------------------------------------------- */

/* What a plan may not set: our own words, those that the Job controller lives by, and annotations
 * through which older servers take security profiles. */
static bool reserved(const char *key)
{
    static const char *const prefixes[] = {
        "sluice.dev/",
        "batch.kubernetes.io/",
        "job-name",
        "controller-uid",
        LABEL_MANAGED_BY,
        "container.apparmor.security.beta.kubernetes.io/",
        "seccomp.security.alpha.kubernetes.io/",
        "container.seccomp.security.alpha.kubernetes.io/",
    };

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (str_starts(key, prefixes[i])) {
            return true;
        }
    }
    return false;
}

static void add_given(const struct json *given, struct json *out)
{
    for (const struct json *m = json_first(given); m; m = json_next(m)) {
        if (json_string(m) && !reserved(json_key(m))) {
            json_set_string(out, json_key(m), json_string(m));
        }
    }
}

static void set_label(struct json *labels, const char *key, const char *text)
{
    AUTO(free_auto) char *value = k8s_label_value(text);

    json_set_string(labels, key, value);
}

static void add_own_labels(const struct job_spec *spec, const char *part, struct json *labels)
{
    AUTO(free_auto) char *attempt = mem_printf("%lld", (long long)spec->assignment->attempt);

    json_set_string(labels, LABEL_MANAGED_BY, LABEL_MANAGED_BY_VALUE);
    json_set_string(labels, LABEL_PART, part);
    set_label(labels, LABEL_PLAN, spec->plan->name);
    set_label(labels, LABEL_PLAN_UID, spec->plan->uid);
    set_label(labels, LABEL_DATABASE, spec->database->name);
    json_set_string(labels, LABEL_ATTEMPT, attempt);
}

static struct json *labels(const struct job_spec *spec, bool pod)
{
    struct json *out = json_object();

    json_set_string(out, "app.kubernetes.io/name", "sluice-runner");
    if (pod) { /* a mesh's proxy would outlive the runner; databases rarely speak through one */
        json_set_string(out, "sidecar.istio.io/inject", "false");
    }
    add_given(spec->plan->job.labels, out);
    add_own_labels(spec, PART_RUNNER, out);
    return out;
}

static struct json *annotations(const struct job_spec *spec, bool pod)
{
    AUTO(buf_done) struct buf bundles = BUF(4096);
    AUTO(free_auto) char *generation = mem_printf("%lld", (long long)spec->plan->generation);
    struct json *out = json_object();

    if (pod) {
        json_set_string(out, "cluster-autoscaler.kubernetes.io/safe-to-evict", "false");
        json_set_string(out, "karpenter.sh/do-not-disrupt", "true");
        json_set_string(out, "sidecar.istio.io/inject", "false");
        json_set_string(out, "linkerd.io/inject", "disabled");
    }
    add_given(spec->plan->job.annotations, out);
    for (size_t i = 0; i < spec->assignment->bundle_count; i++) {
        buf_addf(&bundles, "%s%s", i ? "," : "", spec->assignment->bundles[i].name);
    }
    json_set_string(out, LABEL_PLAN, spec->plan->name);
    json_set_string(out, LABEL_DATABASE, spec->database->name);
    json_set_string(out, ANNOTATION_SHA256, spec->manifest_sha256);
    json_set_string(out, ANNOTATION_COMMIT, spec->assignment->commit);
    json_set_string(out, ANNOTATION_GENERATION, generation);
    json_set_string(out, ANNOTATION_RETRY_TOKEN, spec->assignment->retry_token);
    json_set_string(out, ANNOTATION_BUNDLES, buf_text(&bundles));
    return out;
}

static struct json *metadata(const struct job_spec *spec, bool pod)
{
    struct json *out = json_object();

    if (!pod) {
        json_set_string(out, "name", spec->name);
        json_set_string(out, "namespace", spec->plan->namespace_);
    }
    json_set(out, "labels", labels(spec, pod));
    json_set(out, "annotations", annotations(spec, pod));
    return out;
}

/* ---- volumes ---------------------------------------------------------------------------------- */

/* One source of a projected volume: nothing in it, until items are added. */
static struct json *source(const char *kind, const char *name)
{
    struct json *out = json_object();
    struct json *from = json_object();

    json_set_string(from, "name", name);
    json_set(from, "items", json_array());
    json_set(out, kind, from);
    return out;
}

static void add_item(struct json *from, const char *kind, const char *key, const char *path)
{
    struct json *items = json_get_mut(json_get_mut(from, kind), "items");
    struct json *item = json_object();

    json_set_string(item, "key", key);
    json_set_string(item, "path", path);
    json_push(items, item);
}

static struct json *volume(const char *name, struct json *sources)
{
    struct json *out = json_object();
    struct json *projected = json_object();

    json_set_string(out, "name", name);
    json_set_int64(projected, "defaultMode", RUNNER_MODE);
    json_set(projected, "sources", sources);
    json_set(out, "projected", projected);
    return out;
}

static struct json *assignment_volume(const struct job_spec *spec)
{
    struct json *sources = json_array();
    char name[K8S_NAME_MAX + 1];

    k8s_assignment_name(spec->manifest_sha256, name);
    struct json *manifest = source("configMap", name);
    add_item(manifest, "configMap", "manifest.json", "manifest.json");
    json_push(sources, manifest);
    for (size_t i = 0; i < spec->part_count; i++) {
        k8s_part_name(spec->parts[i].name, name);
        struct json *part = source("configMap", name);
        add_item(part, "configMap", spec->parts[i].name, spec->parts[i].name);
        json_push(sources, part);
    }
    return volume("assignment", sources);
}

/* From which object a file of the credentials folder comes: database/credentials.h lays it out. */
static bool from_database_secret(const struct mplan_database *database, const char *file)
{
    bool certificate = str_eq(file, KEY_CERT) || str_eq(file, KEY_KEY);
    bool ca_elsewhere = str_eq(file, KEY_CA) && database->ca_name;

    return !certificate && !ca_elsewhere;
}

/* Only the keys that the runner reads: the rest of a Secret stays where it is. */
static struct json *credentials_volume(const struct job_spec *spec)
{
    const struct mplan_database *database = spec->database;
    struct json *sources = json_array();
    struct json *secret = source("secret", database->secret_name);

    for (size_t i = 0; i < spec->credentials->count; i++) {
        const char *file = spec->credentials->items[i].key;
        if (from_database_secret(database, file)) {
            add_item(secret, "secret", file, file);
        }
    }
    json_push(sources, secret);
    if (database->ca_name) {
        const char *kind = str_eq(database->ca_kind, "Secret") ? "secret" : "configMap";
        struct json *ca = source(kind, database->ca_name);
        add_item(ca, kind, database->ca_key ? database->ca_key : KEY_CA, KEY_CA);
        json_push(sources, ca);
    }
    if (database->client_cert_secret) {
        struct json *pair = source("secret", database->client_cert_secret);
        add_item(pair, "secret", KEY_CERT, KEY_CERT);
        add_item(pair, "secret", KEY_KEY, KEY_KEY);
        json_push(sources, pair);
    }
    return volume("credentials", sources);
}

static struct json *volumes(const struct job_spec *spec)
{
    struct json *out = json_array();

    json_push(out, assignment_volume(spec));
    json_push(out, credentials_volume(spec));
    json_push(out, literal("{\"name\":\"tmp\",\"emptyDir\":{\"sizeLimit\":\"64Mi\"}}"));
    return out;
}

/* ---- the pod ---------------------------------------------------------------------------------- */

static struct json *arguments(const struct job_spec *spec)
{
    const char *const words[] = { "run",
                                  "--assignment",
                                  RUNNER_ASSIGNMENT_DIR,
                                  "--assignment-sha256",
                                  spec->manifest_sha256,
                                  "--credentials",
                                  RUNNER_CREDENTIALS_DIR,
                                  "--result",
                                  "/dev/termination-log",
                                  "--job",
                                  spec->name };
    struct json *out = json_array();

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        json_push_string(out, words[i]);
    }
    return out;
}

static struct json *container(const struct job_spec *spec, const struct runner_options *options)
{
    struct json *out = json_object();
    const struct json *resources = spec->plan->job.resources;

    json_set_string(out, "name", RUNNER_CONTAINER);
    json_set_string(out, "image", options->image);
    json_set_string_opt(out, "imagePullPolicy", options->pull_policy);
    json_set(out, "args", arguments(spec));
    json_set(out, "resources",
             json_count(resources) ? json_copy(resources) : literal(default_resources));
    json_set(out, "securityContext", literal(container_security));
    json_set_string(out, "terminationMessagePath", "/dev/termination-log");
    /* A tail of the log could carry data into the status. */
    json_set_string(out, "terminationMessagePolicy", "File");
    json_set(out, "volumeMounts",
             literal("[{\"name\":\"assignment\",\"mountPath\":\"" RUNNER_ASSIGNMENT_DIR
                     "\",\"readOnly\":true},{\"name\":\"credentials\",\"mountPath\":"
                     "\"" RUNNER_CREDENTIALS_DIR "\",\"readOnly\":true},"
                     "{\"name\":\"tmp\",\"mountPath\":\"/tmp\"}]"));
    return out;
}

static void copy_opt(struct json *out, const char *key, const struct json *given)
{
    if (json_count(given)) {
        json_set(out, key, json_copy(given));
    }
}

static struct json *pod_spec(const struct job_spec *spec, const struct runner_options *options)
{
    const struct mplan_job *job = &spec->plan->job;
    int64_t deadline_s = (spec->plan->execution.deadline_ms + 999) / 1000 + DEADLINE_NET_S;
    struct json *out = json_object();
    struct json *containers = json_array();

    json_set_string(out, "restartPolicy", "Never");
    /* On the pod: at the Job's level it deletes the pod, and with it the runner's last words. */
    json_set_int64(out, "activeDeadlineSeconds", deadline_s);
    json_set_int64(out, "terminationGracePeriodSeconds", job->grace_seconds);
    json_set_bool(out, "automountServiceAccountToken", false);
    json_set_bool(out, "enableServiceLinks", false);
    json_set_string_opt(out, "serviceAccountName", spec->plan->service_account);
    json_set_string_opt(out, "priorityClassName", job->priority_class);
    copy_opt(out, "nodeSelector", job->node_selector);
    copy_opt(out, "tolerations", job->tolerations);
    copy_opt(out, "affinity", job->affinity);
    copy_opt(out, "imagePullSecrets", job->image_pull_secrets);
    json_set(out, "securityContext", literal(pod_security));
    json_push(containers, container(spec, options));
    json_set(out, "containers", containers);
    json_set(out, "volumes", volumes(spec));
    return out;
}

struct json *job_build(const struct job_spec *spec, const struct runner_options *options)
{
    struct json *out = json_object();
    struct json *body = json_object();
    struct json *template = json_object();

    json_set(template, "metadata", metadata(spec, true));
    json_set(template, "spec", pod_spec(spec, options));
    json_set_int64(body, "parallelism", 1);
    json_set_int64(body, "completions", 1);
    json_set_int64(body, "backoffLimit", 0);
    json_set_string(body, "podReplacementPolicy", "Failed");
    json_set(body, "podFailurePolicy", literal(failure_policy));
    json_set_int64(body, "ttlSecondsAfterFinished", spec->plan->job.ttl_seconds);
    json_set(body, "template", template);
    json_set_string(out, "apiVersion", "batch/v1");
    json_set_string(out, "kind", "Job");
    json_set(out, "metadata", metadata(spec, false));
    json_set(out, "spec", body);
    return out;
}

/* ---- what it mounts --------------------------------------------------------------------------- */

static struct json *config_map(const struct job_spec *spec, const char *name, struct json *own,
                               const char *key, const void *bytes, size_t length)
{
    struct json *out = json_object();
    struct json *about = json_object();
    struct json *data = json_object();
    AUTO(buf_done) struct buf text = BUF(2 * (size_t)ASSIGNMENT_PART_BYTES);

    base64_format(bytes, length, &text);
    assert(!text.failed);
    json_set_string(data, key, buf_text(&text));
    json_set_string(about, "name", name);
    json_set_string(about, "namespace", spec->plan->namespace_);
    json_set(about, "labels", own);
    json_set_string(out, "apiVersion", "v1");
    json_set_string(out, "kind", "ConfigMap");
    json_set(out, "metadata", about);
    json_set_bool(out, "immutable", true);
    json_set(out, "binaryData", data);
    return out;
}

/* A bundle is shared by content, so its labels name no plan. */
struct json *job_build_part(const struct job_spec *spec, size_t part)
{
    const struct job_part *from = &spec->parts[part];
    AUTO(free_auto) char *bundle = mem_strndup(from->name, strcspn(from->name, "."));
    struct json *own = json_object();
    char name[K8S_NAME_MAX + 1];

    k8s_part_name(from->name, name);
    json_set_string(own, LABEL_MANAGED_BY, LABEL_MANAGED_BY_VALUE);
    json_set_string(own, LABEL_PART, PART_SQL);
    json_set_string(own, LABEL_BUNDLE, bundle);
    return config_map(spec, name, own, from->name, from->bytes, from->length);
}

struct json *job_build_manifest(const struct job_spec *spec)
{
    struct json *own = json_object();
    char name[K8S_NAME_MAX + 1];

    k8s_assignment_name(spec->manifest_sha256, name);
    add_own_labels(spec, PART_ASSIGNMENT, own);
    json_set_string(own, LABEL_JOB, spec->name);
    return config_map(spec, name, own, "manifest.json", spec->manifest, strlen(spec->manifest));
}
