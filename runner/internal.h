/* SPDX-License-Identifier: Apache-2.0 */
/* The runner's parts, as they see each other. Internal to runner/. */
#pragma once
#include "base/err.h"
#include "database/database.h"
#include "model/assignment.h"
#include "model/result.h"

/* ---- expect.c ---- */

/* docs/reference/migrationplan.md 4: the database is exactly where the plan thought, else nothing is done. ERR_CONFLICT. */
struct err *runner_check(const struct assignment *a, const struct inspection *seen) ERR_MUST_USE;

/* ---- verdict.c ---- */

/* What apply_run() did not get to say. */
void verdict_complete(const struct assignment *a, const struct err *failed, struct result *out);
/* `path` NULL: /dev/termination-log. */
struct err *verdict_write(const char *path, const struct result *result) ERR_MUST_USE;
