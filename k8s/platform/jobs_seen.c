/* SPDX-License-Identifier: Apache-2.0 */
/* Our view of Jobs, never older than our own newest write of one. */
#include <stdlib.h>

#include "base/auto.h"
#include "base/mem.h"
#include "k8s/platform/internal.h"

void k8s_jobs_written(struct k8s *k, const char *resource_version)
{
    if (!resource_version) {
        return;
    }
    pthread_mutex_lock(&k->lock);
    if (!k->jobs_floor || kube_rv_compare(k->jobs_floor, resource_version) < 0) {
        mem_strset(&k->jobs_floor, resource_version);
    }
    pthread_mutex_unlock(&k->lock);
}

struct err *k8s_jobs_catch_up(struct k8s *k)
{
    AUTO(free_auto) char *floor = NULL;

    pthread_mutex_lock(&k->lock);
    floor = mem_strdup(k->jobs_floor);
    pthread_mutex_unlock(&k->lock);
    if (!informer_synced(k->jobs) || !informer_synced(k->pods) ||
        (floor && !informer_wait_rv(k->jobs, floor, RV_WAIT_MS))) {
        return err_new(ERR_TRANSIENT, KUBE_UNAVAILABLE, "the watch of Jobs at %s is behind",
                       kube_server(k->kube));
    }
    return NULL;
}

struct err *k8s_jobs_live(struct k8s *k, const char *namespace_, struct json **out)
{
    TRY(k8s_jobs_catch_up(k));
    *out = job_index_live(k->index, namespace_);
    return NULL;
}
