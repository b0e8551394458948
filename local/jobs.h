/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs as child processes in DIR/.sluice/jobs/NAME (docs/reference/migrationplan.md 6). The child holds a
 * lock on `alive` for life: held = running, free without a result = ended, nobody knows how. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/proc.h"
#include "model/platform.h"

struct job_entry {
    struct job job;
    char *plan_uid, *namespace_, *plan; /* owned */
    struct proc child;                  /* pid 0: not a child of this process */
    int pidfd;                          /* of a child of an earlier controller; -1: none */
    int64_t ended_ms; /* UTC, of one that has ended; as its folder tells after a restart */
};

struct jobs {
    char *dir;               /* .sluice/jobs; owned */
    const char *program;     /* the sluice binary; borrowed */
    const char *const *envp; /* for children; borrowed */
    struct job_entry *items;
    size_t count;
    size_t cap;
};

/* Finds what an earlier controller left: running children are watched, half-made folders removed,
 * credentials of ended ones removed. */
struct err *jobs_open(struct jobs *jobs) ERR_MUST_USE;
/* Reads what is there without touching it (for readers beside a controller). */
struct err *jobs_attach(struct jobs *jobs) ERR_MUST_USE;
struct err *jobs_create(struct jobs *jobs, const struct job_spec *spec) ERR_MUST_USE;
struct err *jobs_delete(struct jobs *jobs, const char *name) ERR_MUST_USE;
struct err *jobs_cancel(struct jobs *jobs, const char *name) ERR_MUST_USE;
/* Copies the Jobs of one plan. A Job whose folder was removed by hand is gone. */
void jobs_list(struct jobs *jobs, const char *plan_uid, struct job_list *out);
/* Looks at every running Job; true when one has ended: *namespace_ and *plan (owned) name its plan.
 * Call until false. */
bool jobs_reap(struct jobs *jobs, char **namespace_, char **plan);
/* Descriptors that turn readable when a Job ends. Returns how many were written. */
size_t jobs_descriptors(const struct jobs *jobs, int *fds, size_t max);
/* Removes the folders of Jobs that ended longer than ttl_ms ago. */
void jobs_sweep(struct jobs *jobs, int64_t now_utc_ms, int64_t ttl_ms);
void jobs_done(struct jobs *jobs);
