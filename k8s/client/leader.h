/* SPDX-License-Identifier: Apache-2.0 */
/* Leader election by a Lease. It spares work and noise; it is no fence: two leaders for a moment are
 * possible, and everything they do must be harmless twice (deterministic names, database locks). */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "k8s/client/kube.h"

struct leader;

struct leader_spec { /* texts are borrowed for the call */
    struct kube *kube;
    const char *namespace_, *name;
    const char
        *identity; /* new in each process: pod name, '_', a UUID; NULL: made from the host's name */
    int64_t lease_ms, renew_ms, retry_ms; /* 0: 15 s, 10 s, 2 s */
    /* On a thread of its own. acquired once, when we lead; lost at most once, after it: stop calling
     * the server and end the process. `why` is one line, borrowed. */
    void (*acquired)(void *payload);
    void (*lost)(void *payload, const char *why);
    void *payload;
};

/* ERR_TERMINAL InvalidSpec when the three durations do not fit. Tries for ever until closed. */
struct err *leader_open(const struct leader_spec *spec, struct leader **out) ERR_MUST_USE;
/* Ends the thread. release: gives the lease back at once, so that the next one need not wait; only after
 * all work has stopped. No callback after it returns. */
void leader_close(struct leader *leader, bool release);

/* We lead, and have renewed within the deadline: also false in a process that slept through it. */
bool leader_leads(struct leader *leader);
/* For liveness: false when we lead but have not renewed for lease_ms + tolerance_ms. */
bool leader_healthy(struct leader *leader, int64_t tolerance_ms);
/* leaseTransitions while we lead, else -1: larger for every later leader. */
int64_t leader_transitions(struct leader *leader);
/* Who holds it, as last seen; "" for nobody. Owned. */
char *leader_holder(struct leader *leader);
/* The newest complaint, "" if none. Owned. */
char *leader_problem(struct leader *leader);
