/* SPDX-License-Identifier: Apache-2.0 */
/* The Job of one attempt as the API server takes it (docs/reference/migrationplan.md 4). PURE. */
#pragma once
#include <stddef.h>
#include "base/json.h"
#include "model/platform.h"

struct runner_options {      /* borrowed */
    const char *image;       /* its entry point is sluice */
    const char *pull_policy; /* Always, IfNotPresent or Never; NULL: the server's default */
};

/* The whole Job. Nothing that a plan can say weakens its security context, mounts anything else or
 * replaces a label or an annotation of ours. Owned. */
struct json *job_build(const struct job_spec *spec, const struct runner_options *options);
/* ConfigMap of one part of a bundle, and of the manifest. Owned. */
struct json *job_build_part(const struct job_spec *spec, size_t part);
struct json *job_build_manifest(const struct job_spec *spec);
