/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of rollout/ share. Internal to it. */
#pragma once
#include <stdlib.h>
#include <string.h>
#include "reconcile/rollout/rollout.h"

/* files.c: a file is its script name and its checksum, as a history row tells them too; 64 bits of a hash
 * stand for it. */
uint64_t file_id(const struct migration *file);
uint64_t tree_id(const struct rollout_standing *standing);
size_t files_find(const struct rollout_files *files, uint64_t id); /* index; SIZE_MAX: not there */
bool entry_applied(const struct plan_entry *entry, uint64_t *id);  /* id: of what it has */
/* What a database is to get: its actions, what is behind an after= that is not met, and what one that is
 * refused lacks, which it gets as soon as somebody has put it right. */
size_t due_count(const struct rollout_standing *standing);
/* The ids of these files, then its set of trees': room for due_count() + 1, which is > 0. How many. */
size_t due_ids(const struct rollout_standing *standing, uint64_t *out);
