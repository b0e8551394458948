/* SPDX-License-Identifier: Apache-2.0 */
/* Why a Job does not start, where neither it nor its pod says so: a quota, a policy that refuses the pod, a
 * volume that is not there. Only the cluster's events tell. */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "k8s/platform/internal.h"

#define PATIENCE_MS 2000 /* a pod that is only on its way has come by then */
#define AGAIN_MS 10000   /* words may change: a quota was raised, now a volume is missing */
#define ASK_MAX 20       /* Jobs of one look: a quota may stop hundreds */
#define WORDS_MAX 300    /* bytes of the note */

/* When it was last seen; "" if it does not say. Times of one format are ordered as texts are. */
static const char *last_seen(const struct json *event)
{
    const char *series = json_get_string(json_get(event, "series"), "lastObservedTime");
    const char *counted = json_get_string(event, "deprecatedLastTimestamp");
    const char *single = json_get_string(event, "eventTime");

    return series ? series : counted ? counted : single ? single : "";
}

static const struct json *newest_warning(const struct json *events)
{
    const struct json *newest = NULL;

    for (const struct json *e = json_first(events); e; e = json_next(e)) {
        if (str_eq(json_get_string(e, "type"), "Warning") && json_get_string(e, "reason") &&
            (!newest || strcmp(last_seen(e), last_seen(newest)) >= 0)) {
            newest = e;
        }
    }
    return newest;
}

/* NULL: no event says anything. Owned. */
static char *words_of(const struct json *event)
{
    const char *note = json_get_string(event, "note");
    size_t length = note ? strlen(note) : 0;
    AUTO(free_auto) char *shown =
        str_printable(note ? note : "", str_utf8_cut(note ? note : "", length, WORDS_MAX));

    return event ? mem_printf("%s%s%s", json_get_string(event, "reason"), *shown ? ": " : "", shown)
                 : NULL;
}

/* Of its pod if there is one. Who may not read events does without. */
static char *ask(struct k8s *k, const struct job_ref *job)
{
    AUTO(free_auto) char *selector =
        mem_printf("regarding.uid=%s,type=Warning", job->pod ? job->pod : job->uid);
    AUTO(free_auto) char *path = kube_path(
        "/apis/events.k8s.io/v1/namespaces/%s/events?fieldSelector=%s", job->namespace_, selector);
    AUTO(json_free_auto) struct json *events = NULL;
    struct err *failed = k8s_list(k->kube, KUBE_GET, path, &events);

    err_free(failed);
    return words_of(newest_warning(events));
}

void unstarted_look(struct k8s *k)
{
    AUTO(job_refs_done) struct job_refs refs = { 0 };

    int64_t now_ms = clock_utc_ms();

    job_index_unexplained(k->index, now_ms - PATIENCE_MS, now_ms - AGAIN_MS, ASK_MAX, &refs);
    for (size_t i = 0; i < refs.count; i++) {
        const struct job_ref *job = &refs.items[i];
        AUTO(free_auto) char *why = ask(k, job);
        if (why && job_index_explain(k->index, job->uid, why)) {
            k8s_tell(k, PLATFORM_JOB, job->namespace_, job->plan);
        }
    }
}
