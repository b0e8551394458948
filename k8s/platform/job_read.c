/* SPDX-License-Identifier: Apache-2.0 */
/* Reading Jobs and pods: only what cannot be taken back counts. FailureTarget and counters may still
 * change; a container that has ended, Complete=True and Failed=True do not. */
#include "k8s/platform/job_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "k8s/platform/names.h"

#define WORDS_MAX 300 /* bytes of a server's text in our message */

static const struct json *annotation_node(const struct json *object, const char *key)
{
    return json_get(json_get(json_get(object, "metadata"), "annotations"), key);
}

static const char *annotation(const struct json *object, const char *key)
{
    return json_string(annotation_node(object, key));
}

static const char *label(const struct json *object, const char *key)
{
    return json_get_string(json_get(json_get(object, "metadata"), "labels"), key);
}

const char *job_read_plan(const struct json *job_or_pod)
{
    return label(job_or_pod, LABEL_PLAN_UID) ? annotation(job_or_pod, LABEL_PLAN) : NULL;
}

static const struct json *condition(const struct json *object, const char *type)
{
    const struct json *list = json_get(json_get(object, "status"), "conditions");

    for (const struct json *c = json_first(list); c; c = json_next(c)) {
        if (str_eq(json_get_string(c, "type"), type)) {
            return c;
        }
    }
    return NULL;
}

static bool is_true(const struct json *c)
{
    return str_eq(json_get_string(c, "status"), "True");
}

bool job_read_terminal(const struct json *job)
{
    return is_true(condition(job, "Complete")) || is_true(condition(job, "Failed"));
}

bool job_read_is_pod_of(const struct json *pod, const struct json *job)
{
    const char *uid = json_get_string(json_get(job, "metadata"), "uid");
    const struct json *owners = json_get(json_get(pod, "metadata"), "ownerReferences");

    for (const struct json *o = json_first(owners); uid && o; o = json_next(o)) {
        if (json_bool(json_get(o, "controller"), false) && str_eq(json_get_string(o, "uid"), uid)) {
            return true;
        }
    }
    return false;
}

/* ---- the runner's container ------------------------------------------------------------------- */

static const struct json *runner_status(const struct json *pod)
{
    const struct json *list = json_get(json_get(pod, "status"), "containerStatuses");

    for (const struct json *c = json_first(list); c; c = json_next(c)) {
        if (str_eq(json_get_string(c, "name"), RUNNER_CONTAINER)) {
            return c;
        }
    }
    return NULL;
}

static const struct json *terminated(const struct json *pod)
{
    return json_get(json_get(runner_status(pod), "state"), "terminated");
}

/* A pod that the node refused or that was deleted before it ran gets a terminated state without a
 * start: the kubelet writes one for containers that it knows nothing of. */
static bool ran(const struct json *end)
{
    const char *started = json_get_string(end, "startedAt");

    return end && started && !str_starts(started, "1970-") && !str_starts(started, "0001-");
}

bool job_read_started(const struct json *pod)
{
    const struct json *status = runner_status(pod);

    return json_get(json_get(status, "state"), "running") || ran(terminated(pod)) ||
           json_get(json_get(status, "lastState"), "terminated") ||
           json_get_int64(status, "restartCount", 0) > 0;
}

bool job_read_terminated(const struct json *pod)
{
    return ran(terminated(pod));
}

/* ---- words ------------------------------------------------------------------------------------ */

static char *cut(const char *text)
{
    size_t length = strlen(text);

    return str_printable(text, str_utf8_cut(text, length, WORDS_MAX));
}

static char *say(const char *reason, const char *message)
{
    AUTO(free_auto) char *words = cut(message ? message : "");

    return mem_printf("%s%s%s", reason ? reason : "", reason && words[0] ? ": " : "", words);
}

/* What every pod goes through says nothing of one that stays there. */
static bool is_passing(const struct json *waiting)
{
    const char *reason = json_get_string(waiting, "reason");

    return !json_get_string(waiting, "message") &&
           (str_eq(reason, "ContainerCreating") || str_eq(reason, "PodInitializing"));
}

static char *waiting_container(const struct json *list, bool *unexplained)
{
    for (const struct json *c = json_first(list); c; c = json_next(c)) {
        const struct json *waiting = json_get(json_get(c, "state"), "waiting");
        const char *reason = json_get_string(waiting, "reason");
        if (waiting && reason) {
            *unexplained = is_passing(waiting);
            return say(reason, json_get_string(waiting, "message"));
        }
    }
    return NULL;
}

/* Why a pod has not started, in the words of whoever holds it up. */
static char *waiting_pod(const struct json *pod, bool *unexplained)
{
    const struct json *status = json_get(pod, "status");
    const struct json *scheduled = condition(pod, "PodScheduled");
    char *found = NULL;

    if (scheduled && !is_true(scheduled) && json_get_string(scheduled, "reason")) {
        return say(json_get_string(scheduled, "reason"), json_get_string(scheduled, "message"));
    }
    found = waiting_container(json_get(status, "initContainerStatuses"), unexplained);
    found = found ? found : waiting_container(json_get(status, "containerStatuses"), unexplained);
    if (!found && json_get_string(status, "reason")) {
        found = say(json_get_string(status, "reason"), json_get_string(status, "message"));
    }
    *unexplained = *unexplained || !found;
    return found ? found : mem_strdup("its pod has no node yet");
}

static char *how_it_ended(const struct json *job, const struct json *pod)
{
    const struct json *end = terminated(pod);
    const struct json *failed = condition(job, "Failed");
    const char *reason = json_get_string(end, "reason");
    int64_t signal = json_get_int64(end, "signal", 0);

    if (ran(end)) {
        bool plain = !reason || str_eq(reason, "Error") || str_eq(reason, "Completed");
        return mem_printf("%s %lld%s%s%s", signal > 0 ? "signal" : "exit code",
                          (long long)(signal > 0 ? signal : json_get_int64(end, "exitCode", 0)),
                          plain ? "" : " (", plain ? "" : reason, plain ? "" : ")");
    }
    if (pod && json_get_string(json_get(pod, "status"), "reason")) {
        return say(json_get_string(json_get(pod, "status"), "reason"),
                   json_get_string(json_get(pod, "status"), "message"));
    }
    return is_true(failed)
               ? say(json_get_string(failed, "reason"), json_get_string(failed, "message"))
               : NULL;
}

/* ---- one Job ---------------------------------------------------------------------------------- */

/* Our own name, made from what the Job says of itself: a Job that only wears our labels has another. */
static bool is_ours(const struct json *job, struct job *out)
{
    const char *name = json_get_string(json_get(job, "metadata"), "name");
    const char *uid = label(job, LABEL_PLAN_UID);
    const char *plan = annotation(job, LABEL_PLAN);
    const char *database = annotation(job, LABEL_DATABASE);
    const char *attempt = label(job, LABEL_ATTEMPT);
    char expected[JOB_NAME_MAX + 1];

    if (!str_eq(label(job, LABEL_MANAGED_BY), LABEL_MANAGED_BY_VALUE) ||
        !str_eq(label(job, LABEL_PART), PART_RUNNER)) {
        return false; /* no watch of ours would see it */
    }
    if (!name || !uid || !plan || !database || !attempt ||
        !str_to_int64(attempt, 1, INT64_MAX, &out->attempt)) {
        return false;
    }
    job_name(plan, uid, database, out->attempt, expected);
    return str_eq(name, expected);
}

static void read_annotations(const struct json *job, struct job *out)
{
    const char *sha = annotation(job, ANNOTATION_SHA256);
    const char *commit = annotation(job, ANNOTATION_COMMIT);
    const char *token = annotation(job, ANNOTATION_RETRY_TOKEN);
    const char *created = json_get_string(json_get(job, "metadata"), "creationTimestamp");

    snprintf(out->assignment_sha256, sizeof out->assignment_sha256, "%s", sha ? sha : "");
    snprintf(out->commit, sizeof out->commit, "%s", commit ? commit : "");
    snprintf(out->retry_token, sizeof out->retry_token, "%s", token ? token : "");
    const char *generation = annotation(job, ANNOTATION_GENERATION);
    if (!generation || !str_to_int64(generation, 1, INT64_MAX, &out->generation)) {
        out->generation = 0;
    }
    if (!created || !time_parse(created, &out->created_ms)) {
        out->created_ms = 0;
    }
}

static bool lingers(const struct json *pod, int64_t now_ms)
{
    const char *text = json_get_string(terminated(pod), "finishedAt");
    int64_t finished_ms = 0;

    return text && time_parse(text, &finished_ms) && now_ms - finished_ms >= JOB_LINGER_MS;
}

/* A message that is missing, cut or of another attempt is none: the database is asked then. */
static void read_result(const struct json *pod, struct job *out)
{
    const char *text = json_get_string(terminated(pod), "message");
    struct result result = { 0 };

    if (out->has_result || !text || strlen(text) > LIMIT_RESULT) {
        return;
    }
    struct err *failed = result_parse(text, strlen(text), &result);
    if (!failed && result.attempt == out->attempt) {
        out->result = result;
        out->has_result = true;
        return;
    }
    err_free(failed);
    result_done(&result);
}

/* The Job was told to end: it, or its pod, is being deleted, or the pod's time was taken away. */
static bool told_to_end(const struct json *job, const struct json *pod)
{
    const struct json *template = json_get(json_get(json_get(job, "spec"), "template"), "spec");
    int64_t given = json_get_int64(template, "activeDeadlineSeconds", 0);
    int64_t left = json_get_int64(json_get(pod, "spec"), "activeDeadlineSeconds", given);

    return json_get(json_get(job, "metadata"), "deletionTimestamp") ||
           json_get(json_get(pod, "metadata"), "deletionTimestamp") || left < given;
}

static void read_pods(const struct json *job, const struct json *pods, int64_t now_ms,
                      struct job *out)
{
    const struct json *shown = NULL; /* the pod that explains best: one that started */
    size_t started = 0;
    size_t over = 0;

    out->cancelling = told_to_end(job, NULL);
    for (const struct json *pod = json_first(pods); pod; pod = json_next(pod)) {
        if (!job_read_is_pod_of(pod, job)) {
            continue;
        }
        bool began = job_read_started(pod);
        shown = !shown || began ? pod : shown;
        started += began;
        over += job_read_terminated(pod) && lingers(pod, now_ms);
        out->cancelling = out->cancelling || told_to_end(job, pod);
        read_result(pod, out);
    }
    if (job_read_terminal(job) || (started > 0 && over == started)) {
        out->phase = JOB_ENDED;
        out->ended_by = how_it_ended(job, shown);
        return;
    }
    out->phase = started > 0 ? JOB_RUNNING : JOB_WAITING;
    if (out->phase == JOB_WAITING) {
        bool suspended = json_bool(json_get(json_get(job, "spec"), "suspend"), false);
        out->unexplained = !suspended && !shown;
        out->waiting = suspended ? mem_strdup("somebody has suspended the Job: set its spec.suspend"
                                              " to false")
                       : shown   ? waiting_pod(shown, &out->unexplained)
                                 : mem_strdup("no pod was created for it: kubectl describe job says"
                                                " why");
    }
}

void job_read_words(const struct json *pod, struct job *out)
{
    if (job_read_terminated(pod)) {
        read_result(pod, out);
    }
}

bool job_read(const struct json *job, const struct json *pods, int64_t now_ms, struct job *out)
{
    struct job made = { 0 };

    if (!is_ours(job, &made)) {
        return false;
    }
    snprintf(made.name, sizeof made.name, "%s", json_get_string(json_get(job, "metadata"), "name"));
    made.database = mem_strdup(annotation(job, LABEL_DATABASE));
    read_annotations(job, &made);
    read_pods(job, pods, now_ms, &made);
    if (made.phase != JOB_ENDED) { /* what a runner says before its end is not its last word */
        result_done(&made.result);
        made.result = (struct result){ 0 };
        made.has_result = false;
    }
    *out = made;
    return true;
}
