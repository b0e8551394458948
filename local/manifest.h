/* SPDX-License-Identifier: Apache-2.0 */
/* One manifest file: its documents as objects, each checked for what a cluster's API would check. */
#pragma once
#include <stdbool.h>
#include "local/manifests.h"

/* Fills items, problems and broken of a zeroed `out`. False: not readable as a whole (bad YAML). */
bool manifest_file_parse(const char *path, const char *name, struct manifest_file *out);
const char *manifest_kind_text(enum platform_kind kind);
/* Labels for a namespace, labels joined by dots for a name. */
bool manifest_namespace_valid(const char *text);
bool manifest_name_valid(const char *text);
void manifest_done(struct manifest *m);
