/* SPDX-License-Identifier: Apache-2.0 */
/* The controller on Kubernetes: its platform, its lease, its folders. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "controller/config.h"

struct cluster_values { /* of the command line; NULL and 0: not given */
    const char *kubeconfig, *context, *cluster_id;
    const char *runner_image, *pull_policy;
    const char *cache_dir;
    const char *api_qps; /* text: it may have a fraction */
    int64_t api_burst;
    bool elect, no_elect;
    const char *lease_namespace;
    int64_t lease_ms, renew_ms, retry_ms;
};

/* True when the values or the place where we run name a cluster. */
bool cluster_wanted(const struct cluster_values *values);
/* Runs until a signal ends it. Fills what config lacks. */
struct err *cluster_run(const struct cluster_values *values, struct config *config) ERR_MUST_USE;
