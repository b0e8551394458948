/* SPDX-License-Identifier: Apache-2.0 */
/* Who leads, as a pure part: what a coordination.k8s.io/v1 Lease says, when it may be taken, when it is
 * lost. Times are monotonic and come from the caller: the clocks of others are never compared with
 * ours, only the moment at which the record was last seen to change. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/json.h"

struct leader_rules { /* milliseconds; lease > renew > retry * 1.2 */
    int64_t lease_ms, renew_ms, retry_ms;
};

struct leader_state {
    struct leader_rules rules;
    char *namespace_, *name, *identity;
    bool leading;
    int64_t renewed_at_ms; /* when the request began that made us leader or kept us it */
    struct json *seen;     /* the newest Lease; NULL: there is none, or none was read */
    char *seen_spec;       /* its spec's text; NULL: none */
    int64_t seen_at_ms;    /* when it changed */
};

/* NULL: fine; else what is wrong with the rules. */
const char *leader_rules_problem(const struct leader_rules *rules);
void leader_state_init(struct leader_state *state, const struct leader_rules *rules,
                       const char *namespace_, const char *name, const char *identity);
void leader_state_done(struct leader_state *state);

/* A GET's answer; NULL: not there. Takes it. */
void leader_saw(struct leader_state *state, struct json *lease, int64_t now_ms);
/* Nobody holds it, we do, or its holder has not touched it for as long as the record itself says. */
bool leader_may_take(const struct leader_state *state, int64_t now_ms);
/* Another one holds the newest record. */
bool leader_is_other(const struct leader_state *state);
/* The Lease to send: a POST if there is none, else a PUT with the resourceVersion last read. Owned. */
struct json *leader_claim(const struct leader_state *state, int64_t now_utc_ms);
/* The server has taken the claim of a request that began at began_ms. Takes the answer. */
void leader_claimed(struct leader_state *state, struct json *lease, int64_t began_ms);
/* Leading, and not renewed for renew_ms: over, whatever the record says. */
bool leader_is_late(const struct leader_state *state, int64_t now_ms);
/* Nobody's, for one second. Owned; NULL: not ours to release. */
struct json *leader_release(const struct leader_state *state, int64_t now_utc_ms);
/* leaseTransitions of the newest record: never smaller for a later leader. */
int64_t leader_term(const struct leader_state *state);
