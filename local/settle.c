/* SPDX-License-Identifier: Apache-2.0 */
/* From manifests to the state of plans: what a changed or a vanished file means for them. */
#include "local/internal.h"

static struct err *settle_one(struct local *l, const struct manifest *manifest,
                              struct manifests_changes *out)
{
    bool changed = false;
    struct err *failed = state_settle(&l->state, manifest, l->owner, &changed);

    if (changed) {
        manifests_changes_add(out, PLATFORM_PLAN, manifest->namespace_, manifest->name);
    }
    return failed;
}

/* Every plan of the folder again: cheap enough for a start and for changed requests. */
struct err *local_settle_all(struct local *l, struct manifests_changes *out)
{
    strlist_done(&l->state.problems);
    l->state.problems = (struct strlist){ 0 };
    for (size_t f = 0; f < l->manifests.count; f++) {
        const struct manifest_file *file = &l->manifests.files[f];
        for (size_t i = 0; i < file->count; i++) {
            if (file->items[i].kind == PLATFORM_PLAN && !file->items[i].shadowed) {
                TRY(settle_one(l, &file->items[i], out));
            }
        }
    }
    return NULL;
}

/* Absence of a manifest deletes a plan only while every file could be read whole. */
struct err *local_delete_absent(struct local *l, struct manifests_changes *out)
{
    if (!l->owner || manifests_broken(&l->manifests)) {
        return NULL;
    }
    for (size_t i = 0; i < l->state.count; i++) {
        struct plan_state *plan = &l->state.plans[i];
        bool changed = false;
        if (manifests_find(&l->manifests, PLATFORM_PLAN, plan->namespace_, plan->name)) {
            continue;
        }
        TRY(state_delete(&l->state, plan, &changed));
        if (changed) {
            manifests_changes_add(out, PLATFORM_PLAN, plan->namespace_, plan->name);
        }
    }
    return NULL;
}

/* The plans among `changes` get their state; others are only announced. */
struct err *local_settle_changed(struct local *l, const struct manifests_changes *changes,
                                 struct manifests_changes *out)
{
    for (size_t i = 0; i < changes->count; i++) {
        const struct manifests_change *c = &changes->items[i];
        const struct manifest *m = manifests_find(&l->manifests, c->kind, c->namespace_, c->name);
        if (c->kind == PLATFORM_PLAN && m) {
            TRY(settle_one(l, m, out));
        }
        if (c->kind != PLATFORM_PLAN) {
            manifests_changes_add(out, c->kind, c->namespace_, c->name);
        }
    }
    return local_delete_absent(l, out);
}
