/* SPDX-License-Identifier: Apache-2.0 */
/* Our view of Jobs and pods, whatever the order in which a watch tells of them, and what is kept of those
 * that are over. */
#include <criterion/criterion.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "k8s/platform/job_index.h"
#include "tests/unit/rows.h"

#define PLAN "0c7e2c1a-7a4b-4a0e-9d57-3c0a0f1b2c3d"
#define COMPLETE "\"conditions\":[{\"type\":\"Complete\",\"status\":\"True\"}]"

static void free_index(struct job_index **index)
{
    job_index_free(*index);
}

static struct json *parse(char *text)
{
    struct json *out = NULL;
    struct err *failed = json_parse(text, strlen(text), "test", &out);

    cr_assert_null(failed, "%s in %s", failed ? failed->message : "", text);
    free(text);
    return out;
}

/* Uid "DATABASE-ATTEMPT". */
static struct json *job(const char *database, int attempt, const char *commit, const char *status)
{
    char name[JOB_NAME_MAX + 1];

    job_name("shop", PLAN, database, attempt, name);
    return parse(mem_printf(
        "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"ns\",\"uid\":\"%s-%d\","
        "\"creationTimestamp\":\"2026-11-22T09:59:00Z\",\"labels\":{\"app.kubernetes.io/"
        "managed-by\":\"sluice\",\"sluice.dev/part\":\"runner\",\"sluice.dev/plan-uid\":\"" PLAN
        "\",\"sluice.dev/attempt\":\"%d\"},\"annotations\":{\"sluice.dev/plan\":\"shop\","
        "\"sluice.dev/database\":\"%s\",\"sluice.dev/assignment-sha256\":\"9f\","
        "\"sluice.dev/commit\":\"%s\",\"sluice.dev/retry-token\":\"\"}},\"status\":{%s}}",
        name, database, attempt, attempt, database, commit, status));
}

static struct json *pod(const char *database, int attempt, const char *state)
{
    return parse(mem_printf(
        "{\"metadata\":{\"name\":\"pod-%s-%d\",\"namespace\":\"ns\",\"uid\":\"pod-%s-%d\","
        "\"ownerReferences\":[{\"controller\":true,\"uid\":\"%s-%d\"}]},\"status\":{%s}}",
        database, attempt, database, attempt, database, attempt, state));
}

static struct json *ended_pod(const char *database, int attempt)
{
    AUTO(free_auto) char *state = mem_printf(
        "\"containerStatuses\":[{\"name\":\"runner\",\"state\":{\"terminated\":{\"exitCode\":0,"
        "\"startedAt\":\"2026-11-22T10:00:00Z\",\"finishedAt\":\"2026-11-22T10:00:01Z\","
        "\"message\":\"{\\\"format\\\":1,\\\"nonce\\\":\\\"0123456789abcdef0123456789abcdef\\\","
        "\\\"attempt\\\":%d,\\\"code\\\":0,\\\"outcome\\\":\\\"Done\\\"}\\n\"}}}]",
        attempt);

    return pod(database, attempt, state);
}

static struct json *running_pod(const char *database, int attempt)
{
    return pod(database, attempt,
               "\"containerStatuses\":[{\"name\":\"runner\",\"state\":{\"running\":{}}}]");
}

/* "a-1 ended result, b-2 running": in the order of the list. */
static char *listed(struct job_index *index)
{
    static const char *const phases[] = { "none", "waiting", "running", "ended" };
    AUTO(job_list_done) struct job_list list = { 0 };
    struct buf text = BUF(65536);

    job_index_list(index, "ns/" PLAN, clock_utc_ms(), &list);
    for (size_t i = 0; i < list.count; i++) {
        const struct job *j = &list.items[i];
        buf_addf(&text, "%s%s-%d %s%s", i ? ", " : "", j->database, (int)j->attempt,
                 phases[j->phase], j->has_result ? " result" : "");
    }
    return buf_take(&text);
}

#define EXPECT(index, want)                                                                        \
    do {                                                                                           \
        AUTO(free_auto) char *got_ = listed(index);                                                \
        cr_expect_str_eq(got_, want, "got \"%s\", want \"%s\"", got_, want);                       \
    } while (0)

/* The same object as somebody else's: in another namespace. */
static struct json *elsewhere(struct json *object)
{
    struct json *metadata = json_get_mut(object, "metadata");

    json_set_string(metadata, "namespace", "other");
    return object;
}

Test(job_index, what_wears_our_labels_in_another_namespace_is_not_ours)
{
    AUTO(free_index) struct job_index *index = job_index_new();

    job_index_put_job(index, elsewhere(job("a", 7, "c1", "\"active\":1")));
    EXPECT(index, "");
    job_index_put_pod(index, elsewhere(ended_pod("b", 1)));
    job_index_put_job(index, job("b", 1, "c1", "\"active\":1"));
    EXPECT(index, "b-1 waiting");
    job_index_put_pod(index, elsewhere(ended_pod("b", 1)));
    EXPECT(index, "b-1 waiting");
    job_index_put_pod(index, running_pod("b", 1));
    AUTO(json_free_auto) struct json *gone = elsewhere(ended_pod("b", 1));
    job_index_drop_pod(index, gone);
    EXPECT(index, "b-1 running");
    job_index_put_pod(index, ended_pod("b", 1));
    EXPECT(index, "b-1 ended result");
}

Test(job_index, events_come_in_any_order)
{
    for (int order = 0; order < 2; order++) {
        AUTO(free_index) struct job_index *index = job_index_new();
        if (order == 0) {
            job_index_put_pod(index, running_pod("a", 1));
            EXPECT(index, "");
            job_index_put_job(index, job("a", 1, "c1", ""));
        } else {
            job_index_put_job(index, job("a", 1, "c1", ""));
            EXPECT(index, "a-1 waiting");
            job_index_put_pod(index, running_pod("a", 1));
        }
        EXPECT(index, "a-1 running");
        if (order == 0) {
            job_index_put_pod(index, ended_pod("a", 1));
            job_index_put_job(index, job("a", 1, "c1", COMPLETE));
        } else {
            job_index_put_job(index, job("a", 1, "c1", COMPLETE));
            EXPECT(index, "a-1 ended");
            job_index_put_pod(index, ended_pod("a", 1));
        }
        EXPECT(index, "a-1 ended result");
    }
}

Test(job_index, last_words_outlive_their_pod)
{
    AUTO(free_index) struct job_index *index = job_index_new();
    AUTO(json_free_auto) struct json *last = ended_pod("a", 1);

    job_index_put_job(index, job("a", 1, "c1", ""));
    job_index_put_pod(index, running_pod("a", 1));
    job_index_drop_pod(index, last); /* its end is told by the event of its deletion alone */
    EXPECT(index, "a-1 ended result");
    job_index_put_job(index, job("a", 1, "c1", COMPLETE));
    EXPECT(index, "a-1 ended result");
    AUTO(json_free_auto) struct json *gone = job("a", 1, "c1", "");
    job_index_drop_job(index, gone);
    EXPECT(index, "");
}

Test(job_index, a_pod_that_is_gone_without_words_is_no_pod)
{
    AUTO(free_index) struct job_index *index = job_index_new();
    AUTO(json_free_auto) struct json *last = running_pod("a", 1);

    job_index_put_job(index, job("a", 1, "c1", ""));
    job_index_put_pod(index, running_pod("a", 1));
    job_index_drop_pod(index, last);
    EXPECT(index, "a-1 waiting");
    job_index_put_pod(index, running_pod("b", 1)); /* and one whose Job never came leaves nothing */
    AUTO(json_free_auto) struct json *other = running_pod("b", 1);
    job_index_drop_pod(index, other);
    EXPECT(index, "a-1 waiting");
}

Test(job_index, words_are_asked_for_once)
{
    AUTO(free_index) struct job_index *index = job_index_new();
    AUTO(job_refs_done) struct job_refs refs = { 0 };
    AUTO(job_refs_done) struct job_refs again = { 0 };

    job_index_put_job(index, job("a", 1, "c1", COMPLETE));
    job_index_put_job(index, job("b", 1, "c1", COMPLETE));
    job_index_put_job(index, job("c", 1, "c1", ""));
    job_index_put_pod(index, ended_pod("b", 1));
    job_index_wordless(index, "ns/" PLAN, &refs);
    cr_assert_eq(refs.count, 1);
    cr_expect_str_eq(refs.items[0].uid, "a-1");
    cr_expect_str_eq(refs.items[0].namespace_, "ns");
    AUTO(json_free_auto) struct json *pods = json_array();
    json_push(pods, ended_pod("a", 1));
    job_index_words(index, "a-1", pods);
    job_index_wordless(index, "ns/" PLAN, &again);
    cr_expect_eq(again.count, 0);
    EXPECT(index, "a-1 ended result, b-1 ended result, c-1 waiting");
}

/* What a decision needs, and no more: a fleet keeps the Jobs of many roll-outs. */
Test(job_index, old_roll_outs_are_not_listed)
{
    AUTO(free_index) struct job_index *index = job_index_new();

    for (int attempt = 1; attempt <= 3; attempt++) {
        job_index_put_job(index, job("a", attempt, "c1", COMPLETE));
        job_index_put_pod(index, ended_pod("a", attempt));
    }
    EXPECT(index, "a-3 ended result, a-1 ended result, a-2 ended result"); /* three tries of one */
    job_index_put_job(index, job("a", 4, "c2", ""));
    EXPECT(index, "a-4 waiting");
    job_index_put_job(index, job("a", 10, "c1", "")); /* not "1" before "4": numbers */
    EXPECT(index,
           "a-10 waiting, a-1 ended result, a-2 ended result, a-3 ended result, a-4 waiting");
}

Test(job_index, a_job_that_is_not_ours_is_not_listed_but_lives)
{
    AUTO(free_index) struct job_index *index = job_index_new();
    struct json *copy = job("a", 1, "c1", "");

    json_set_string(json_get_mut(copy, "metadata"), "name", "copy-of-a");
    job_index_put_job(index, copy);
    EXPECT(index, "");
    AUTO(json_free_auto) struct json *live = job_index_live(index, "ns");
    cr_expect_eq(json_count(live), 1, "what it mounts stays");
    AUTO(json_free_auto) struct json *elsewhere = job_index_live(index, "other");
    cr_expect_eq(json_count(elsewhere), 0);
}

Test(job_index, a_name_that_is_used_again)
{
    AUTO(free_index) struct job_index *index = job_index_new();
    struct json *second = job("a", 1, "c1", "");
    AUTO(json_free_auto) struct json *first = job("a", 1, "c1", "");

    job_index_put_job(index, json_copy(first));
    json_set_string(json_get_mut(second, "metadata"), "uid", "another");
    job_index_put_job(index, second);
    job_index_drop_job(index, first);
    EXPECT(index, "a-1 waiting");
}

Test(job_index, why_a_job_does_not_start)
{
    AUTO(free_index) struct job_index *index = job_index_new();
    AUTO(job_refs_done) struct job_refs refs = { 0 };
    AUTO(job_refs_done) struct job_refs soon = { 0 };
    AUTO(job_refs_done) struct job_refs young = { 0 };
    AUTO(job_list_done) struct job_list list = { 0 };
    int64_t now_ms = clock_utc_ms();

    job_index_put_job(index, job("a", 1, "c1", "")); /* no pod */
    job_index_put_job(index, job("b", 1, "c1", ""));
    job_index_put_pod(index, pod("b", 1,
                                 "\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"False\","
                                 "\"reason\":\"Unschedulable\",\"message\":\"no node\"}]"));
    job_index_put_job(index, job("c", 1, "c1", ""));
    job_index_put_pod(index, running_pod("c", 1));
    job_index_unexplained(index, 0, now_ms, 10, &young);
    cr_expect_eq(young.count, 0, "it was made just now");
    job_index_unexplained(index, now_ms, now_ms, 10, &refs);
    cr_assert_eq(refs.count, 1);
    cr_expect_str_eq(refs.items[0].uid, "a-1");
    cr_expect_str_eq(refs.items[0].plan, "shop");
    cr_expect_null(refs.items[0].pod);
    job_index_unexplained(index, now_ms, now_ms - 1, 10, &soon);
    cr_expect_eq(soon.count, 0, "asked just now");
    cr_expect(job_index_explain(index, "a-1", "FailedCreate: exceeded quota"));
    cr_expect_not(job_index_explain(index, "a-1", "FailedCreate: exceeded quota"), "no news");
    job_index_list(index, "ns/" PLAN, now_ms, &list);
    cr_expect_str_eq(list.items[0].waiting, "FailedCreate: exceeded quota");
    cr_expect_str_eq(list.items[1].waiting, "Unschedulable: no node");
    cr_expect_null(list.items[2].waiting);
}

/* The figure that docs/how-to/kubernetes.md promises. */
Test(job_index, an_ended_job_costs_little)
{
    enum {
        JOBS = 2000
    };
    AUTO(free_index) struct job_index *index = job_index_new();
    size_t before = mallinfo2().uordblks;

    for (int i = 0; i < JOBS; i++) {
        AUTO(free_auto) char *database = mem_printf("d%04d", i);
        job_index_put_job(index, job(database, 1, "c1", COMPLETE));
        job_index_put_pod(index, ended_pod(database, 1));
    }
    size_t each = (mallinfo2().uordblks - before) / JOBS;
    cr_log_info("%zu bytes for a Job that is over", each);
    cr_expect_leq(each, 2048, "%zu bytes each", each);
}

/* A pod may be told of after its Job has gone, and anybody who may create pods may label them as ours. */
Test(job_index, pods_without_a_job_do_not_stay)
{
    AUTO(free_index) struct job_index *index = job_index_new();
    AUTO(json_free_auto) struct json *last = ended_pod("a", 1);
    job_index_put_pod(index, ended_pod("a", 1));
    job_index_drop_pod(index, last);
    job_index_put_job(index, job("a", 1, "c1", COMPLETE));
    EXPECT(index, "a-1 ended"); /* what the pod said went with it */

    for (int i = 0; i < 10000; i++) {
        job_index_put_pod(index, running_pod("invented", i));
    }
    job_index_put_pod(index, ended_pod("b", 1)); /* one too many */
    job_index_put_job(index, job("b", 1, "c1", COMPLETE));
    EXPECT(index, "a-1 ended, b-1 ended");
    job_index_put_job(index, job("invented", 5, "c1", "")); /* one of them has a Job */
    job_index_put_pod(index, ended_pod("c", 1));
    job_index_put_job(index, job("c", 1, "c1", COMPLETE));
    EXPECT(index, "a-1 ended, b-1 ended, c-1 ended result, invented-5 running");
}
