/* SPDX-License-Identifier: Apache-2.0 */
/* The Kubernetes platform (docs/reference/migrationplan.md 2-4): MigrationPlans, Secrets and ConfigMaps of an API
 * server, Jobs as pods, status in the object. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "k8s/client/kube.h"
#include "k8s/platform/job_build.h"
#include "model/platform.h"

struct k8s_options { /* borrowed for the call, but for hook and payload */
    const char
        *kubeconfig;     /* NULL: the pod's service account in a cluster, else kube.h's default */
    const char *context; /* NULL: current-context */
    const char *namespace_;  /* plans of this one only; NULL: of all */
    bool all_namespaces;     /* k8s_attach: without it and namespace_, that of the context alone */
    const char *user_agent;  /* "sluice/0.1.0" */
    struct kube_limit limit; /* zeroed: the default */
    const char *cluster_id;  /* NULL: the UID of namespace kube-system */
    const char *instance;    /* who we are, for events: the pod's name; NULL: the host's */
    struct runner_options runner; /* image is needed by k8s_open */
    kube_hook_fn *hook;           /* of every API call; NULL: none */
    void *hook_payload;
    int64_t start_timeout_ms; /* how long the first lists may take; 0: 30 s */
};

/* For the controller. Lists and watches plans, Jobs and pods; returns when everything has been listed
 * once. ERR_TERMINAL InvalidSpec: the configuration cannot be used; ERR_TRANSIENT: no answer, or a
 * right is missing (the message names it). */
struct err *k8s_open(const struct k8s_options *options, struct platform *out) ERR_MUST_USE;
/* For commands: each read is a request, `watch` follows the plans of options->namespace_. Nothing that
 * belongs to the controller: no Jobs are created, no status is written. */
struct err *k8s_attach(const struct k8s_options *options, struct platform *out) ERR_MUST_USE;

/* The client behind a platform of this folder, for the lease and /metrics. Borrowed. */
struct kube *k8s_kube(const struct platform *platform);
