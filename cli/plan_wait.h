/* SPDX-License-Identifier: Apache-2.0 */
/* What `wait` and `gate` share: looking at one plan again and again, soon after it changed. */
#pragma once
#include "cli/plans.h"

struct plan_wait {
    const char *command;
    const char *namespace_, *name; /* borrowed */
    struct platform platform;
    int wake_fd;
    int64_t end_ms;   /* monotonic */
    char *unattended; /* as of the newest look: plans_unattended(); owned */
};

/* Opens the plans and begins to watch. Release with plan_wait_done(), on an error too. */
struct err *plan_wait_open(const char *command, const struct plan_args *args, const char *word,
                           int64_t timeout_ms, struct plan_wait *out) ERR_MUST_USE;
void plan_wait_done(struct plan_wait *wait);
/* The plan as it is now, in *out (replaced; NULL when it is not there). */
struct err *plan_wait_look(struct plan_wait *wait, struct json **out) ERR_MUST_USE;
/* May the same look succeed by itself? A right that is missing is told at once. */
bool plan_wait_transient(const struct err *failed);
bool plan_wait_late(const struct plan_wait *wait);
/* Why nothing may happen: "no controller works ..."; "": one does. Borrowed until the next look. */
const char *plan_wait_why(const struct plan_wait *wait);
/* Returns after a change, after a second, or when time is up. */
void plan_wait_sleep(const struct plan_wait *wait);

/* ERR NotFound "there is no MigrationPlan ns/name". */
struct err *plan_wait_missing(const struct plan_wait *wait) ERR_MUST_USE;
