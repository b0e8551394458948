/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of people in standalone mode: a JSON merge patch beside the manifest, never in it. */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

/* The patch, reduced to metadata.annotations and spec.suspend. NULL: none, or not readable, which is
 * added to `problems`. Owned. */
struct json *overlay_read(const char *state_dir, const char *namespace_, const char *name,
                          struct strlist *problems);
/* Adds `patch` to what is there; two at once both count. */
struct err *overlay_patch(const char *state_dir, const char *namespace_, const char *name,
                          const struct json *patch) ERR_MUST_USE;
struct err *overlay_remove(const char *state_dir, const char *namespace_, const char *name)
    ERR_MUST_USE;
