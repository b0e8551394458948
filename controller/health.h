/* SPDX-License-Identifier: Apache-2.0 */
/* Is anything stuck? Passes, polls and tasks all have deadlines of their own: one that is far past every
 * deadline tells of a thread that does not come back. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct controller;

#define HEALTH_KINDS 3

struct oldest {       /* what has run longest of one kind */
    const char *kind; /* static: "pass", "poll", or of a task what pool_submit() was told */
    char *plan;       /* "namespace/plan"; owned */
    int64_t age_ms;   /* -1: none runs */
};

/* Of passes, polls and tasks. health_done() frees. */
void health_oldest(struct controller *c, struct oldest out[HEALTH_KINDS]);
void health_done(struct oldest list[HEALTH_KINDS]);
/* What /healthz answers when something is stuck; owned; NULL: nothing is. The log names the plan, the
 * answer does not: anybody may ask. */
char *health_problem(struct controller *c);

/* A process that was told to end ends: starts a thread that waits so long and then names in the log what
 * still runs, and exits. Nothing is lost by it: a crash between any two lines is provided for. */
void health_end_within(struct controller *c, int64_t limit_ms);
void health_ended(void); /* in time: before anything that it looks at is freed */
