/* SPDX-License-Identifier: Apache-2.0 */
/* Which files and sets of trees are pending somewhere: what a first wave has to prove for others. */
#include "reconcile/rollout/rollout.h"

#include "base/hash.h"
#include "base/mem.h"
#include "reconcile/rollout/internal.h"

static uint64_t id_of(const char *script, int32_t checksum)
{
    uint64_t hash = fnv_add(FNV_START, &checksum, sizeof checksum);
    return fnv_add(hash, script, strlen(script));
}

uint64_t file_id(const struct migration *file)
{
    return id_of(file->script, file->raw_checksum);
}

/* Databases of one set of trees stand for each other, whichever of its files each of them lacks. */
uint64_t tree_id(const struct rollout_standing *standing)
{
    return fnv_add(fnv_add(FNV_START, "tree", 5), standing->inputs, strlen(standing->inputs));
}

bool entry_applied(const struct plan_entry *entry, uint64_t *id)
{
    bool gone = entry->state == STATE_MISSING || entry->state == STATE_FUTURE;
    if (gone && entry->row->has_checksum) { /* its own trees lack it, another's need not */
        *id = id_of(entry->row->script, entry->row->checksum);
        return true;
    }
    if (entry->file && (entry->state == STATE_SUCCESS || entry->state == STATE_OUT_OF_ORDER)) {
        *id = file_id(entry->file);
        return true;
    }
    return false;
}

static bool entry_due(const struct plan_entry *entry)
{
    return entry->file && (entry->state == STATE_PENDING || entry->state == STATE_OUTDATED ||
                           entry->state == STATE_INTERRUPTED ||
                           entry->state == STATE_OUTCOME_UNKNOWN || entry->state == STATE_FAILED);
}

/* Its actions are not all of it. */
static bool by_entries(const struct rollout_standing *standing)
{
    return standing->plan->waits_for || standing->refused;
}

size_t due_count(const struct rollout_standing *standing)
{
    const struct plan *plan = standing->plan;
    size_t count = 0;
    if (!plan || !by_entries(standing)) {
        return plan ? plan->action_count : 0;
    }
    for (size_t i = 0; i < plan->entry_count; i++) {
        count += entry_due(&plan->entries[i]);
    }
    bool one_more = plan->waits_for && count <= plan->action_count;
    return one_more ? plan->action_count + 1 : count;
}

size_t due_ids(const struct rollout_standing *standing, uint64_t *out)
{
    const struct plan *plan = standing->plan;
    size_t count = 0;
    bool all = by_entries(standing);
    for (size_t i = 0; all && i < plan->entry_count; i++) {
        if (entry_due(&plan->entries[i])) {
            out[count++] = file_id(plan->entries[i].file);
        }
    }
    for (size_t i = 0; !all && i < plan->action_count; i++) {
        if (plan->actions[i].file) { /* the baseline marker is no file */
            out[count++] = file_id(plan->actions[i].file);
        }
    }
    out[count++] = tree_id(standing);
    return count;
}

int64_t rollout_left(const struct rollout_standing *standing)
{
    if (!standing->plan || standing->refused) {
        return INT64_MAX;
    }
    return (int64_t)due_count(standing);
}

static int id_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool counts(const struct rollout_standing *standing)
{
    return !standing->empty && due_count(standing) > 0;
}

void rollout_files_make(const struct rollout_standing *standings, size_t count,
                        struct rollout_files *out)
{
    size_t most = 0, found = 0;
    for (size_t i = 0; i < count; i++) {
        most += counts(&standings[i]) ? due_count(&standings[i]) + 1 : 0;
    }
    *out = (struct rollout_files){ .ids = mem_array(most + 1, sizeof *out->ids),
                                   .wants = mem_array(most + 1, sizeof *out->wants) };
    for (size_t i = 0; i < count; i++) {
        if (counts(&standings[i])) {
            found += due_ids(&standings[i], out->ids + found);
        }
    }
    qsort(out->ids, found, sizeof *out->ids, id_compare);
    for (size_t i = 0; i < found; i++) {
        if (out->count == 0 || out->ids[out->count - 1] != out->ids[i]) {
            out->ids[out->count++] = out->ids[i];
        }
        out->wants[out->count - 1]++;
    }
}

void rollout_files_done(struct rollout_files *files)
{
    free(files->ids);
    free(files->wants);
    *files = (struct rollout_files){ 0 };
}

size_t files_find(const struct rollout_files *files, uint64_t id)
{
    const uint64_t *found =
        files->count ? bsearch(&id, files->ids, files->count, sizeof id, id_compare) : NULL;
    return found ? (size_t)(found - files->ids) : SIZE_MAX;
}

bool rollout_files_applied(const struct rollout_files *files,
                           const struct rollout_standing *standing)
{
    const struct plan *plan = standing->plan;
    for (size_t i = 0; plan && i < plan->entry_count; i++) {
        uint64_t id;
        if (entry_applied(&plan->entries[i], &id) && files_find(files, id) != SIZE_MAX) {
            return true;
        }
    }
    return false;
}
