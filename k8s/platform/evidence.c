/* SPDX-License-Identifier: Apache-2.0 */
/* The last words of runners whose pods are gone: a Job may end before our view of its pod does, and the
 * watch may have begun after both. */
#include <stdlib.h>

#include "base/auto.h"
#include "base/mem.h"
#include "k8s/platform/internal.h"

static struct err *ask(struct k8s *k, const struct job_ref *job)
{
    AUTO(free_auto) char *selector = mem_printf("batch.kubernetes.io/controller-uid=%s", job->uid);
    AUTO(free_auto) char *path =
        kube_path("/api/v1/namespaces/%s/pods?labelSelector=%s", job->namespace_, selector);
    AUTO(json_free_auto) struct json *found = NULL;

    TRY(k8s_list(k->kube, KUBE_GET, path, &found));
    job_index_words(k->index, job->uid, found);
    return NULL;
}

struct err *evidence_seek(struct k8s *k, const char *plan_key)
{
    AUTO(job_refs_done) struct job_refs refs = { 0 };

    job_index_wordless(k->index, plan_key, &refs);
    for (size_t i = 0; i < refs.count; i++) {
        TRY(ask(k, &refs.items[i]));
    }
    return NULL;
}
