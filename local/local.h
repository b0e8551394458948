/* SPDX-License-Identifier: Apache-2.0 */
/* The standalone platform (docs/reference/migrationplan.md 6): a folder of manifests, child processes,
 * state in .sluice. */
#pragma once
#include "base/err.h"
#include "model/platform.h"

struct local_options {
    const char *dir;         /* the folder of manifests */
    const char *program;     /* the sluice binary for children */
    const char *const *envp; /* their environment, NULL-terminated; borrowed for ever */
};

/* For the controller: takes the lock on the folder. ERR_TERMINAL InvalidSpec when the folder cannot
 * be used; ControllerRunning, with its pid, user, host and start, when another one holds it. */
struct err *local_open(const struct local_options *options, struct platform *out) ERR_MUST_USE;
/* For commands beside a controller, or without one: reads, patch_plan and watch only. */
struct err *local_attach(const char *dir, struct platform *out) ERR_MUST_USE;
