/* SPDX-License-Identifier: Apache-2.0 */
/* What Jobs and pods, as a real API server shows them, mean. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "k8s/platform/job_read.h"
#include "k8s/platform/names.h"
#include "tests/unit/rows.h"

#define UID "0c7e2c1a-7a4b-4a0e-9d57-3c0a0f1b2c3d"
#define SHA "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define NOW "2026-11-22T10:05:00Z"

#define SCHEDULED "\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"True\"}]"
#define RUNNER(state)                                                                              \
    "\"containerStatuses\":[{\"name\":\"proxy\",\"state\":{\"running\":{}}},"                      \
    "{\"name\":\"runner\",\"restartCount\":0,\"state\":{" state "}}]"
#define ENDED(code, at, more)                                                                      \
    RUNNER("\"terminated\":{\"exitCode\":" code ",\"startedAt\":\"2026-11-22T10:00:00Z\","         \
           "\"finishedAt\":\"" at "\"" more "}")
#define RESULT(attempt, code)                                                                      \
    ",\"message\":\"{\\\"format\\\":1,\\\"nonce\\\":\\\"0123456789abcdef0123456789abcdef\\\","     \
    "\\\"attempt\\\":" attempt ",\\\"code\\\":" code ",\\\"outcome\\\":\\\"Done\\\"}\\n\""
#define COMPLETE                                                                                   \
    "\"conditions\":[{\"type\":\"SuccessCriteriaMet\",\"status\":\"True\"},"                       \
    "{\"type\":\"Complete\",\"status\":\"True\"}]"
#define FAILED                                                                                     \
    "\"conditions\":[{\"type\":\"Failed\",\"status\":\"True\",\"reason\":"                         \
    "\"BackoffLimitExceeded\",\"message\":\"Job has reached the limit\"}]"

struct row {
    const char *name;
    const char *job;  /* status of the Job */
    const char *more; /* members of the Job's spec */
    const char *pod;  /* status of its pod; NULL: there is none */
    const char *pod_more;
    enum job_phase phase;
    bool result, cancelling;
    const char *words; /* waiting or ended_by */
};

static const struct row rows[] = {
    { "nothing but the Job", "", "", NULL, "", JOB_WAITING, false, false,
      "no pod was created for it: kubectl describe job says why" },
    { "somebody suspended it", "", ",\"suspend\":true", NULL, "", JOB_WAITING, false, false,
      "somebody has suspended the Job: set its spec.suspend to false" },
    { "a pod without a node", "", "", "", "", JOB_WAITING, false, false,
      "its pod has no node yet" },
    { "unschedulable", "", "",
      "\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"False\",\"reason\":"
      "\"Unschedulable\","
      "\"message\":\"0/1 nodes are available\"}]",
      "", JOB_WAITING, false, false, "Unschedulable: 0/1 nodes are available" },
    { "an image that is not there", "", "",
      SCHEDULED "," RUNNER("\"waiting\":{\"reason\":\"ErrImageNeverPull\",\"message\":\"no\"}"), "",
      JOB_WAITING, false, false, "ErrImageNeverPull: no" },
    { "a Secret that is not there", "", "",
      SCHEDULED "," RUNNER("\"waiting\":{\"reason\":\"ContainerCreating\"}"), "", JOB_WAITING,
      false, false, "ContainerCreating" },
    { "it runs", "", "", SCHEDULED "," RUNNER("\"running\":{\"startedAt\":\"x\"}"), "", JOB_RUNNING,
      false, false, NULL },
    { "the runner ended, the Job does not know yet", "", "",
      ENDED("0", "2026-11-22T10:04:59Z", RESULT("3", "0")), "", JOB_RUNNING, false, false, NULL },
    { "a container beside ours goes on", "", "",
      ENDED("0", "2026-11-22T10:04:00Z", RESULT("3", "0")), "", JOB_ENDED, true, false,
      "exit code 0" },
    { "interim conditions are none",
      "\"conditions\":[{\"type\":\"FailureTarget\",\"status\":\"True\"}]", "",
      SCHEDULED "," RUNNER("\"running\":{}"), "", JOB_RUNNING, false, false, NULL },
    { "Failed=False is not Failed", "\"conditions\":[{\"type\":\"Failed\",\"status\":\"False\"}]",
      "", SCHEDULED "," RUNNER("\"running\":{}"), "", JOB_RUNNING, false, false, NULL },
    { "complete with a result", COMPLETE, "", ENDED("0", "2026-11-22T10:04:59Z", RESULT("3", "0")),
      "", JOB_ENDED, true, false, "exit code 0" },
    { "a result of another attempt", COMPLETE, "",
      ENDED("0", "2026-11-22T10:04:59Z", RESULT("2", "0")), "", JOB_ENDED, false, false,
      "exit code 0" },
    { "a message that is no result", FAILED, "",
      ENDED("1", "2026-11-22T10:04:59Z", ",\"message\":\"{\\\"format\\\":1\""), "", JOB_ENDED,
      false, false, "exit code 1" },
    { "out of memory", FAILED, "",
      ENDED("137", "2026-11-22T10:04:59Z", ",\"reason\":\"OOMKilled\""), "", JOB_ENDED, false,
      false, "exit code 137 (OOMKilled)" },
    { "failed, the pod is gone", FAILED, "", NULL, "", JOB_ENDED, false, false,
      "BackoffLimitExceeded: Job has reached the limit" },
    { "the node did not take the pod", FAILED, "",
      "\"phase\":\"Failed\",\"reason\":\"OutOfcpu\",\"message\":\"Pod was rejected\"", "",
      JOB_ENDED, false, false, "OutOfcpu: Pod was rejected" },
    { "a terminated state without a start is no run", "", "",
      "\"phase\":\"Failed\"," RUNNER("\"terminated\":{\"exitCode\":137,\"reason\":"
                                     "\"ContainerStatusUnknown\",\"startedAt\":null}"),
      "", JOB_WAITING, false, false, "its pod has no node yet" },
    { "started again by the kubelet", "", "",
      "\"containerStatuses\":[{\"name\":\"runner\",\"restartCount\":1,\"state\":{\"waiting\":"
      "{\"reason\":\"CrashLoopBackOff\"}}}]",
      "", JOB_RUNNING, false, false, NULL },
    { "its time was taken away", "", "", SCHEDULED "," RUNNER("\"running\":{}"),
      ",\"spec\":{\"activeDeadlineSeconds\":1}", JOB_RUNNING, false, true, NULL },
};

static struct json *parse(const char *text)
{
    struct json *out = NULL;
    struct err *failed = json_parse(text, strlen(text), "test", &out);

    cr_assert_null(failed, "%s in %s", failed ? failed->message : "", text);
    return out;
}

static struct json *make_job(const struct row *row)
{
    char name[JOB_NAME_MAX + 1];

    job_name("shop", UID, "orders", 3, name);
    AUTO(free_auto) char *text = mem_printf(
        "{\"metadata\":{\"name\":\"%s\",\"uid\":\"job-uid\",\"creationTimestamp\":"
        "\"2026-11-22T09:59:00Z\",\"labels\":{\"app.kubernetes.io/"
        "managed-by\":\"sluice\",\"sluice.dev/part\":\"runner\",\"sluice.dev/plan-uid\":\"" UID
        "\",\"sluice.dev/attempt\":\"3\"},\"annotations\":{\"sluice.dev/plan\":\"shop\","
        "\"sluice.dev/database\":\"orders\",\"sluice.dev/assignment-sha256\":\"" SHA
        "\",\"sluice.dev/generation\":\"7\",\"sluice.dev/commit\":\"4f2c\",\"sluice.dev/"
        "retry-token\":\"\"}},\"spec\":{\"template\":"
        "{\"spec\":{\"activeDeadlineSeconds\":600}}%s},\"status\":{%s}}",
        name, row->more, row->job);
    return parse(text);
}

static struct json *make_pods(const struct row *row, const char *owner)
{
    AUTO(free_auto) char *text = mem_printf(
        "[{\"metadata\":{\"name\":\"p\",\"ownerReferences\":[{\"controller\":true,\"uid\":\"%s\"}]}"
        ",\"status\":{%s}%s}]",
        owner, row->pod, row->pod_more);
    return parse(text);
}

Test(job_read, phases)
{
    int64_t now_ms = 0;

    cr_assert(time_parse(NOW, &now_ms));
    for (size_t i = 0; i < ROWS(rows); i++) {
        const struct row *row = &rows[i];
        AUTO(json_free_auto) struct json *node = make_job(row);
        AUTO(json_free_auto) struct json *pods = row->pod ? make_pods(row, "job-uid") : NULL;
        AUTO(job_done) struct job job = { 0 };
        cr_assert(job_read(node, pods, now_ms, &job), "%s", row->name);
        cr_expect_eq(job.phase, row->phase, "%s: phase %d", row->name, job.phase);
        cr_expect_eq(job.has_result, row->result, "%s: result", row->name);
        cr_expect_eq(job.cancelling, row->cancelling, "%s: cancelling", row->name);
        bool unclear =
            row->words && (strstr(row->words, "no pod was") || strstr(row->words, "no node yet") ||
                           strcmp(row->words, "ContainerCreating") == 0);
        cr_expect_eq(job.unexplained, unclear, "%s: unexplained", row->name);
        check_text(row->name, job.phase == JOB_ENDED ? job.ended_by : job.waiting, row->words);
        cr_expect_str_eq(job.database, "orders");
        cr_expect_eq(job.attempt, 3);
        cr_expect_eq(job.generation, 7);
        cr_expect_str_eq(job.assignment_sha256, SHA);
        cr_expect_str_eq(job.commit, "4f2c");
    }
}

/* A pod that only wears the labels says nothing about the Job. */
Test(job_read, pods_of_others_do_not_count)
{
    const struct row row = { .job = COMPLETE,
                             .more = "",
                             .pod = ENDED("0", "2026-11-22T10:04:59Z", RESULT("3", "0")),
                             .pod_more = "" };
    AUTO(json_free_auto) struct json *node = make_job(&row);
    AUTO(json_free_auto) struct json *pods = make_pods(&row, "another-uid");
    AUTO(job_done) struct job job = { 0 };

    cr_assert(job_read(node, pods, 0, &job));
    cr_expect_eq(job.phase, JOB_ENDED);
    cr_expect_not(job.has_result);
}

Test(job_read, a_deleted_job_is_told_to_end)
{
    const struct row row = { .job = "", .more = "" };
    AUTO(json_free_auto) struct json *node = make_job(&row);
    AUTO(job_done) struct job job = { 0 };

    json_set_string(json_get_mut(node, "metadata"), "deletionTimestamp", NOW);
    cr_assert(job_read(node, NULL, 0, &job));
    cr_expect(job.cancelling);
}

Test(job_read, foreign_jobs_with_our_labels_are_not_ours)
{
    static const struct {
        const char *name, *group, *key, *value; /* value NULL: taken away */
    } changes[] = {
        { "another name", "", "name", "backup" },
        { "no plan", "annotations", LABEL_PLAN, NULL },
        { "another database", "annotations", LABEL_DATABASE, "billing" },
        { "no uid", "labels", LABEL_PLAN_UID, NULL },
        { "another plan's uid", "labels", LABEL_PLAN_UID, "1c7e2c1a-7a4b-4a0e-9d57-3c0a0f1b2c3d" },
        { "another attempt", "labels", LABEL_ATTEMPT, "4" },
        { "not our runner", "labels", LABEL_PART, NULL },
        { "not managed by us", "labels", LABEL_MANAGED_BY, "helm" },
        { "no number", "labels", LABEL_ATTEMPT, "three" },
    };
    const struct row row = { .job = "", .more = "" };

    for (size_t i = 0; i < ROWS(changes); i++) {
        AUTO(json_free_auto) struct json *node = make_job(&row);
        AUTO(job_done) struct job job = { 0 };
        struct json *metadata = json_get_mut(node, "metadata");
        struct json *group =
            changes[i].group[0] ? json_get_mut(metadata, changes[i].group) : metadata;
        if (changes[i].value) {
            json_set_string(group, changes[i].key, changes[i].value);
        } else {
            json_remove(group, changes[i].key);
        }
        cr_expect_not(job_read(node, NULL, 0, &job), "%s", changes[i].name);
    }
}
