/* SPDX-License-Identifier: Apache-2.0 */
/* The Job of an attempt: what it always has, what a plan may change, what no plan can. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/mem.h"
#include "k8s/platform/job_build.h"
#include "k8s/platform/names.h"
#include "tests/unit/rows.h"

#define UID "0c7e2c1a-7a4b-4a0e-9d57-3c0a0f1b2c3d"
#define SHA "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

struct fixture {
    struct mplan plan;
    struct mplan_database database;
    struct assignment assignment;
    struct assignment_bundle bundle;
    struct job_part parts[2];
    struct kvlist credentials;
    struct job_spec spec;
    struct json *job;
};

static struct json *parse(const char *text)
{
    struct json *out = NULL;
    struct err *failed = json_parse(text, strlen(text), "test", &out);

    cr_assert_null(failed, "%s", failed ? failed->message : "");
    return out;
}

static void fixture_init(struct fixture *f)
{
    *f = (struct fixture){ 0 };
    f->plan.name = mem_strdup("shop");
    f->plan.namespace_ = mem_strdup("shop-ns");
    f->plan.uid = mem_strdup(UID);
    f->plan.generation = 7;
    f->plan.job.grace_seconds = 300;
    f->plan.job.ttl_seconds = 172800;
    f->plan.execution.deadline_ms = 86400000;
    f->database.name = mem_strdup("orders");
    f->database.secret_name = mem_strdup("orders-db");
    f->assignment.attempt = 3;
    snprintf(f->assignment.commit, sizeof f->assignment.commit, "%s", "4f2c9e");
    snprintf(f->assignment.retry_token, sizeof f->assignment.retry_token, "%s", "ab");
    snprintf(f->bundle.name, sizeof f->bundle.name, "sluice-sql-0123456789abcdef");
    f->assignment.bundles = &f->bundle;
    f->assignment.bundle_count = 1;
    snprintf(f->parts[0].name, sizeof f->parts[0].name, "%s.000", f->bundle.name);
    snprintf(f->parts[1].name, sizeof f->parts[1].name, "%s.001", f->bundle.name);
    f->parts[0].bytes = "\0\1\2";
    f->parts[0].length = 3;
    f->parts[1].bytes = "x";
    f->parts[1].length = 1;
    kvlist_set(&f->credentials, "uri", "postgresql://user:secret-byte@db/orders");
    f->spec = (struct job_spec){ .name = "shop-orders-0123456789-3",
                                 .plan = &f->plan,
                                 .database = &f->database,
                                 .assignment = &f->assignment,
                                 .manifest = "{\"format\":1}",
                                 .manifest_sha256 = SHA,
                                 .parts = f->parts,
                                 .part_count = 2,
                                 .credentials = &f->credentials };
}

static void fixture_build(struct fixture *f)
{
    const struct runner_options options = { .image = "sluice:test", .pull_policy = "Never" };

    json_free(f->job);
    f->job = job_build(&f->spec, &options);
}

static void fixture_done(struct fixture *f)
{
    f->assignment.bundles = NULL;
    free(f->database.name);
    free(f->database.secret_name);
    free(f->database.client_cert_secret);
    free(f->database.ca_kind);
    free(f->database.ca_name);
    free(f->database.ca_key);
    mplan_done(&f->plan);
    kvlist_done(&f->credentials);
    json_free(f->job);
}

/* "spec.template.spec.containers.0.image"; keys with dots are written with '|'. */
static const struct json *at(const struct json *node, const char *path)
{
    AUTO(free_auto) char *copy = mem_strdup(path);
    char *rest = copy;
    const char *step;

    while (node && (step = strsep(&rest, "."))) {
        int64_t index = 0;
        AUTO(free_auto) char *key = mem_strdup(step);
        for (char *p = key; *p; p++) {
            *p = *p == '|' ? '.' : *p;
        }
        if (json_type(node) == JSON_ARRAY && str_to_int64(step, 0, 1000, &index)) {
            node = json_first(node);
            while (node && index-- > 0) {
                node = json_next(node);
            }
        } else {
            node = json_get(node, key);
        }
    }
    return node;
}

static void expect_at(const struct fixture *f, const char *path, const char *wanted)
{
    const struct json *node = at(f->job, path);
    AUTO(free_auto) char *found = node ? json_text(node) : mem_strdup("absent");

    cr_expect_str_eq(found, wanted, "%s: %s, not %s", path, found, wanted);
}

struct place {
    const char *path, *wanted;
};

static const struct place always[] = {
    { "apiVersion", "\"batch/v1\"" },
    { "kind", "\"Job\"" },
    { "metadata.name", "\"shop-orders-0123456789-3\"" },
    { "metadata.namespace", "\"shop-ns\"" },
    { "metadata.ownerReferences", "absent" }, /* the collector would kill a running one */
    { "metadata.labels.sluice|dev/plan-uid", "\"" UID "\"" },
    { "metadata.labels.sluice|dev/attempt", "\"3\"" },
    { "metadata.annotations.sluice|dev/assignment-sha256", "\"" SHA "\"" },
    { "metadata.annotations.sluice|dev/generation", "\"7\"" },
    { "metadata.annotations.sluice|dev/commit", "\"4f2c9e\"" },
    { "metadata.annotations.sluice|dev/retry-token", "\"ab\"" },
    { "metadata.annotations.sluice|dev/bundles", "\"sluice-sql-0123456789abcdef\"" },
    { "metadata.annotations.sluice|dev/plan", "\"shop\"" },
    { "spec.parallelism", "1" },
    { "spec.completions", "1" },
    { "spec.backoffLimit", "0" },
    { "spec.podReplacementPolicy", "\"Failed\"" },
    { "spec.activeDeadlineSeconds", "absent" }, /* it would delete the pod and its last words */
    { "spec.suspend", "absent" },
    { "spec.ttlSecondsAfterFinished", "172800" },
    { "spec.podFailurePolicy.rules",
      "[{\"action\":\"FailJob\",\"onExitCodes\":{\"containerName\":\"runner\",\"operator\":\"In\","
      "\"values\":[3,6,8]}},{\"action\":\"FailJob\",\"onPodConditions\":[{\"type\":"
      "\"DisruptionTarget\",\"status\":\"True\"}]}]" },
    { "spec.template.metadata.labels.sluice|dev/plan-uid", "\"" UID "\"" },
    { "spec.template.metadata.annotations.linkerd|io/inject", "\"disabled\"" },
    { "spec.template.metadata.labels.sidecar|istio|io/inject", "\"false\"" },
    { "spec.template.metadata.annotations.cluster-autoscaler|kubernetes|io/safe-to-evict",
      "\"false\"" },
    { "spec.template.metadata.annotations.karpenter|sh/do-not-disrupt", "\"true\"" },
    { "spec.template.spec.restartPolicy", "\"Never\"" },
    { "spec.template.spec.activeDeadlineSeconds", "86520" },
    { "spec.template.spec.terminationGracePeriodSeconds", "300" },
    { "spec.template.spec.automountServiceAccountToken", "false" },
    { "spec.template.spec.enableServiceLinks", "false" },
    { "spec.template.spec.serviceAccountName", "absent" },
    { "spec.template.spec.securityContext",
      "{\"runAsNonRoot\":true,\"seccompProfile\":{\"type\":\"RuntimeDefault\"}}" },
    { "spec.template.spec.containers.1", "absent" },
    { "spec.template.spec.initContainers", "absent" },
    { "spec.template.spec.containers.0.name", "\"runner\"" },
    { "spec.template.spec.containers.0.image", "\"sluice:test\"" },
    { "spec.template.spec.containers.0.imagePullPolicy", "\"Never\"" },
    { "spec.template.spec.containers.0.env", "absent" },
    { "spec.template.spec.containers.0.restartPolicy", "absent" },
    { "spec.template.spec.containers.0.terminationMessagePolicy", "\"File\"" },
    { "spec.template.spec.containers.0.args",
      "[\"run\",\"--assignment\",\"/sluice/assignment\",\"--assignment-sha256\",\"" SHA
      "\",\"--credentials\",\"/sluice/credentials\",\"--result\",\"/dev/"
      "termination-log\",\"--job\","
      "\"shop-orders-0123456789-3\"]" },
    { "spec.template.spec.containers.0.securityContext",
      "{\"allowPrivilegeEscalation\":false,\"capabilities\":{\"drop\":[\"ALL\"]},\"privileged\":"
      "false,\"readOnlyRootFilesystem\":true,\"runAsNonRoot\":true,\"seccompProfile\":{\"type\":"
      "\"RuntimeDefault\"}}" },
    { "spec.template.spec.volumes.0.projected.sources",
      "[{\"configMap\":{\"name\":\"sluice-assignment-9f86d081884c7d65\",\"items\":[{\"key\":"
      "\"manifest.json\",\"path\":\"manifest.json\"}]}},"
      "{\"configMap\":{\"name\":\"sluice-sql-0123456789abcdef-000\",\"items\":[{\"key\":"
      "\"sluice-sql-0123456789abcdef.000\",\"path\":\"sluice-sql-0123456789abcdef.000\"}]}},"
      "{\"configMap\":{\"name\":\"sluice-sql-0123456789abcdef-001\",\"items\":[{\"key\":"
      "\"sluice-sql-0123456789abcdef.001\",\"path\":\"sluice-sql-0123456789abcdef.001\"}]}}]" },
    { "spec.template.spec.volumes.1.projected.sources",
      "[{\"secret\":{\"name\":\"orders-db\",\"items\":[{\"key\":\"uri\",\"path\":\"uri\"}]}}]" },
};

static void expect_all(const struct fixture *f, const struct place *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        expect_at(f, rows[i].path, rows[i].wanted);
    }
}

Test(job_build, has_what_every_attempt_needs)
{
    AUTO(fixture_done) struct fixture f;

    fixture_init(&f);
    fixture_build(&f);
    expect_all(&f, always, ROWS(always));
}

Test(job_build, holds_no_byte_of_a_secret)
{
    AUTO(fixture_done) struct fixture f;

    fixture_init(&f);
    fixture_build(&f);
    AUTO(free_auto) char *text = json_text(f.job);
    cr_expect_null(strstr(text, "secret-byte"));
}

Test(job_build, takes_the_overrides_of_the_allow_list)
{
    static const struct place rows[] = {
        { "spec.ttlSecondsAfterFinished", "90000" },
        { "spec.template.spec.terminationGracePeriodSeconds", "45" },
        { "spec.template.spec.serviceAccountName", "\"migrator\"" },
        { "spec.template.spec.priorityClassName", "\"migrations\"" },
        { "spec.template.spec.nodeSelector", "{\"disk\":\"ssd\"}" },
        { "spec.template.spec.tolerations", "[{\"key\":\"db\",\"operator\":\"Exists\"}]" },
        { "spec.template.spec.affinity", "{\"nodeAffinity\":{}}" },
        { "spec.template.spec.imagePullSecrets", "[{\"name\":\"pull\"}]" },
        { "spec.template.spec.containers.0.resources", "{\"limits\":{\"memory\":\"1Gi\"}}" },
        { "spec.template.metadata.labels.team", "\"shop\"" },
        { "metadata.labels.team", "\"shop\"" },
        { "spec.template.metadata.annotations.sidecar|istio|io/inject", "\"true\"" },
        { "spec.template.spec.activeDeadlineSeconds", "122" },
    };
    AUTO(fixture_done) struct fixture f;

    fixture_init(&f);
    f.plan.job.ttl_seconds = 90000;
    f.plan.job.grace_seconds = 45;
    f.plan.execution.deadline_ms = 1001;
    f.plan.service_account = mem_strdup("migrator");
    f.plan.job.priority_class = mem_strdup("migrations");
    f.plan.job.node_selector = parse("{\"disk\":\"ssd\"}");
    f.plan.job.tolerations = parse("[{\"key\":\"db\",\"operator\":\"Exists\"}]");
    f.plan.job.affinity = parse("{\"nodeAffinity\":{}}");
    f.plan.job.image_pull_secrets = parse("[{\"name\":\"pull\"}]");
    f.plan.job.resources = parse("{\"limits\":{\"memory\":\"1Gi\"}}");
    f.plan.job.labels = parse("{\"team\":\"shop\"}");
    f.plan.job.annotations = parse("{\"sidecar.istio.io/inject\":\"true\"}");
    fixture_build(&f);
    expect_all(&f, rows, ROWS(rows));
}

/* Every other place keeps its value whatever labels and annotations a plan gives. */
Test(job_build, no_field_of_a_plan_weakens_it)
{
    static const char *const keys[] = {
        "sluice.dev/plan-uid",
        "sluice.dev/attempt",
        "sluice.dev/assignment-sha256",
        "sluice.dev/bundles",
        "app.kubernetes.io/managed-by",
        "batch.kubernetes.io/job-name",
        "job-name",
        "controller-uid",
        "container.apparmor.security.beta.kubernetes.io/runner",
        "seccomp.security.alpha.kubernetes.io/pod",
    };
    AUTO(fixture_done) struct fixture f;
    AUTO(fixture_done) struct fixture plain;

    fixture_init(&f);
    fixture_init(&plain);
    fixture_build(&plain);
    f.plan.job.labels = json_object();
    f.plan.job.annotations = json_object();
    for (size_t i = 0; i < ROWS(keys); i++) {
        json_set_string(f.plan.job.labels, keys[i], "unconfined");
        json_set_string(f.plan.job.annotations, keys[i], "unconfined");
    }
    fixture_build(&f);
    cr_expect(json_equal(f.job, plain.job));
}

Test(job_build, mounts_certificates_from_where_they_are)
{
    AUTO(fixture_done) struct fixture f;

    fixture_init(&f);
    kvlist_set(&f.credentials, "password", "p");
    kvlist_set(&f.credentials, "ca.crt", "c");
    kvlist_set(&f.credentials, "tls.crt", "c");
    kvlist_set(&f.credentials, "tls.key", "k");
    f.database.client_cert_secret = mem_strdup("client");
    fixture_build(&f);
    expect_at(
        &f, "spec.template.spec.volumes.1.projected.sources",
        "[{\"secret\":{\"name\":\"orders-db\",\"items\":[{\"key\":\"uri\",\"path\":\"uri\"},"
        "{\"key\":\"password\",\"path\":\"password\"},{\"key\":\"ca.crt\",\"path\":\"ca.crt\"}"
        "]}},{\"secret\":{\"name\":\"client\",\"items\":[{\"key\":\"tls.crt\",\"path\":"
        "\"tls.crt\"},{\"key\":\"tls.key\",\"path\":\"tls.key\"}]}}]");
    f.database.ca_kind = mem_strdup("ConfigMap");
    f.database.ca_name = mem_strdup("rds-ca");
    f.database.ca_key = mem_strdup("bundle.pem");
    fixture_build(&f);
    expect_at(&f, "spec.template.spec.volumes.1.projected.sources.0.secret.items.2", "absent");
    expect_at(&f, "spec.template.spec.volumes.1.projected.sources.1",
              "{\"configMap\":{\"name\":\"rds-ca\",\"items\":[{\"key\":\"bundle.pem\",\"path\":"
              "\"ca.crt\"}]}}");
}

Test(job_build, config_maps_are_immutable_and_owned_by_nobody)
{
    AUTO(fixture_done) struct fixture f;

    fixture_init(&f);
    AUTO(json_free_auto) struct json *part = job_build_part(&f.spec, 0);
    AUTO(json_free_auto) struct json *manifest = job_build_manifest(&f.spec);
    AUTO(free_auto) char *text = json_text(part);
    cr_expect_str_eq(text,
                     "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
                     "\"sluice-sql-0123456789abcdef-000\",\"namespace\":\"shop-ns\",\"labels\":{"
                     "\"app.kubernetes.io/managed-by\":\"sluice\",\"sluice.dev/part\":\"sql\","
                     "\"sluice.dev/bundle\":\"sluice-sql-0123456789abcdef\"}},\"immutable\":true,"
                     "\"binaryData\":{\"sluice-sql-0123456789abcdef.000\":\"AAEC\"}}");
    cr_expect_str_eq(json_get_string(json_get(manifest, "metadata"), "name"),
                     "sluice-assignment-9f86d081884c7d65");
    cr_expect_str_eq(json_get_string(at(manifest, "metadata.labels"), LABEL_JOB),
                     "shop-orders-0123456789-3");
    cr_expect(json_bool(json_get(manifest, "immutable"), false));
    cr_expect_null(at(manifest, "metadata.ownerReferences"));
}

Test(k8s_names, a_label_value_is_the_text_or_a_beginning_and_a_hash)
{
    static const struct {
        const char *text, *start;
        bool same;
    } rows[] = {
        { "shop", "shop", true },
        { "", "", true },
        { "a.b_c-d", "a.b_c-d", true },
        { "a-", "a--", false },
        { ".a", "a-", false },
        { "no label", "no-label-", false },
        { "012345678901234567890123456789012345678901234567890123456789012",
          "012345678901234567890123456789012345678901234567890123456789012", true },
        { "0123456789012345678901234567890123456789012345678901234567890123",
          "01234567890123456789012345678901234567890123456789-", false },
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        AUTO(free_auto) char *value = k8s_label_value(rows[i].text);
        size_t length = strlen(rows[i].start) + (rows[i].same ? 0 : 10);
        cr_expect(str_starts(value, rows[i].start) && strlen(value) == length, "%s: %s",
                  rows[i].text, value);
    }
}
