/* SPDX-License-Identifier: Apache-2.0 */
/* Who goes first when a roll-out starts, or starts anew: those who have begun, then one for everything
 * that many databases get. */
#include "reconcile/base/auto.h"
#include "reconcile/base/mem.h"
#include "reconcile/rollout/inside.h"

struct first {
    const struct rollout_standing *standings;
    size_t count;
    struct rollout_waves *waves; /* as the spec selects */
    struct rollout_files files;
    bool *proven;  /* per file: the waves so far have it */
    size_t *taken; /* per file: databases of the present wave that get it */
    int32_t *to;   /* per database: its wave among the first ones; -1: none of them */
    int32_t used;  /* so many first waves so far */
    size_t most;   /* databases that the spec's first wave selects, >= 1 */
};

static bool is_free(const struct first *f, size_t index)
{
    return f->to[index] < 0;
}

static bool has_files_left(const struct first *f, size_t index)
{
    const struct plan *plan = f->standings[index].plan;
    return plan && plan->action_count > 0;
}

/* ---- what is proven ---------------------------------------------------------------------------- */

static void prove(struct first *f, uint64_t id)
{
    size_t at = files_find(&f->files, id);
    if (at != SIZE_MAX) {
        f->proven[at] = true;
    }
}

/* Once a database's wave has passed, it has everything that was pending there and what it had. */
static void prove_all_of(struct first *f, size_t index)
{
    const struct plan *plan = f->standings[index].plan;
    prove(f, tree_id(&f->standings[index]));
    for (size_t i = 0; plan && i < plan->entry_count; i++) {
        if (entry_applied(&plan->entries[i])) {
            prove(f, file_id(plan->entries[i].file));
        }
    }
    for (size_t i = 0; plan && i < plan->action_count; i++) {
        if (plan->actions[i].file) {
            prove(f, file_id(plan->actions[i].file));
        }
    }
}

/* Everything of wave `at`; then the next one begins. */
static void end_wave(struct first *f)
{
    for (size_t i = 0; i < f->count; i++) {
        if (f->to[i] == f->used) {
            prove_all_of(f, i);
        }
    }
    memset(f->taken, 0, f->files.count * sizeof *f->taken);
    f->used++;
}

/* ---- the first wave ---------------------------------------------------------------------------- */

static int64_t fewest_left(const struct first *f)
{
    int64_t fewest = -1;
    for (size_t i = 0; i < f->count; i++) {
        int64_t left = rollout_left(&f->standings[i]);
        bool marked = f->standings[i].begun && f->standings[i].plan;
        if (marked && (fewest < 0 || left < fewest)) {
            fewest = left;
        }
    }
    return fewest;
}

static size_t take_begun(struct first *f, int64_t left, bool selected, size_t most)
{
    size_t taken = 0;
    for (size_t i = 0; i < f->count && taken < most; i++) {
        const struct rollout_standing *standing = &f->standings[i];
        bool marked = standing->begun && standing->plan && rollout_left(standing) == left;
        if (marked && is_free(f, i) && (f->waves->member[i] == 0) == selected) {
            f->to[i] = 0;
            taken++;
        }
    }
    return taken;
}

static void take_first(struct first *f)
{
    int64_t left = fewest_left(f);
    size_t taken = 0;
    if (left >= 0) {
        size_t most = left > 0 ? f->most : f->count;
        taken = take_begun(f, left, true, most);
        taken += take_begun(f, left, false, most - taken);
    } else {
        for (size_t i = 0; i < f->count; i++) {
            f->to[i] = f->waves->member[i] == 0 ? 0 : -1;
            taken += f->waves->member[i] == 0;
        }
    }
    if (taken > 0) {
        end_wave(f);
    }
}

/* Has the first wave a file to run, or run what others have pending? */
static bool first_proves(const struct first *f)
{
    for (size_t i = 0; i < f->count; i++) {
        if (f->to[i] == 0 &&
            (has_files_left(f, i) || rollout_files_applied(&f->files, &f->standings[i]))) {
            return true;
        }
    }
    return false;
}

/* ---- one for what nobody of them has ----------------------------------------------------------- */

/* By the spec's wave, then by its order in the spec; count: there is none. */
static size_t next_with_files(const struct first *f)
{
    size_t best = f->count;
    for (size_t i = 0; i < f->count; i++) {
        bool fits = is_free(f, i) && !f->standings[i].empty && has_files_left(f, i);
        if (fits && (best == f->count || f->waves->member[i] < f->waves->member[best])) {
            best = i;
        }
    }
    return best;
}

/* One of the ids that a database has pending: the trees for `which` = its number of actions. */
static size_t pending_at(const struct first *f, size_t index, size_t which)
{
    const struct plan *plan = f->standings[index].plan;
    if (which == plan->action_count) {
        return files_find(&f->files, tree_id(&f->standings[index]));
    }
    const struct migration *file = plan->actions[which].file;
    return file ? files_find(&f->files, file_id(file)) : SIZE_MAX;
}

/* Does it get, before anybody has proven it, what more databases get than may go first? And does it not
 * get anything of which enough in this wave are first already? */
static bool must_prove(const struct first *f, size_t index)
{
    bool wanted = false;
    if (!is_free(f, index) || f->standings[index].empty || !has_files_left(f, index)) {
        return false;
    }
    for (size_t k = 0; k <= f->standings[index].plan->action_count; k++) {
        size_t at = pending_at(f, index, k);
        if (at == SIZE_MAX || f->proven[at]) {
            continue;
        }
        if (f->taken[at] >= f->most) {
            return false;
        }
        wanted = wanted || (f->files.wants[at] > f->most && f->taken[at] == 0);
    }
    return wanted;
}

static void take(struct first *f, size_t index)
{
    f->to[index] = f->used;
    for (size_t k = 0; k <= f->standings[index].plan->action_count; k++) {
        size_t at = pending_at(f, index, k);
        if (at != SIZE_MAX) {
            f->taken[at]++;
        }
    }
}

static void take_provers(struct first *f)
{
    for (bool any = true; any;) {
        any = false;
        for (size_t i = 0; i < f->count; i++) {
            if (must_prove(f, i)) {
                take(f, i);
                any = true;
            }
        }
        if (any) {
            end_wave(f);
        }
    }
}

/* ---- the whole --------------------------------------------------------------------------------- */

/* What the spec's first wave selects and has not gone yet is one more; the others keep their order. */
static int32_t place(struct first *f)
{
    bool left = false;
    for (size_t i = 0; i < f->count; i++) {
        left = left || (is_free(f, i) && f->waves->member[i] == 0);
    }
    int32_t first = f->used + (left ? 1 : 0);
    int32_t lead = first > 0 ? first - 1 : 0;
    for (size_t i = 0; i < f->count; i++) {
        int32_t *member = &f->waves->member[i];
        *member = !is_free(f, i) ? f->to[i] : *member == 0 ? f->used : *member + lead;
    }
    rollout_waves_lead(f->waves, lead);
    return lead;
}

int32_t rollout_first(const struct mplan *plan, const struct rollout_standing *standings,
                      struct rollout_waves *waves)
{
    struct first f = { .standings = standings, .count = waves->database_count, .waves = waves };
    if (plan->strategy == STRATEGY_ALL_AT_ONCE || f.count == 0) {
        return 0;
    }
    rollout_files_make(standings, f.count, &f.files);
    f.proven = mem_array(f.files.count + 1, sizeof *f.proven);
    f.taken = mem_array(f.files.count + 1, sizeof *f.taken);
    f.to = mem_array(f.count, sizeof *f.to);
    for (size_t i = 0; i < f.count; i++) {
        f.to[i] = -1;
        f.most += waves->member[i] == 0;
    }
    f.most = f.most > 0 ? f.most : 1;
    take_first(&f);
    size_t one = f.used == 0 || !first_proves(&f) ? next_with_files(&f) : f.count;
    if (one < f.count) {
        take(&f, one);
        end_wave(&f);
    }
    take_provers(&f);
    int32_t lead = place(&f);
    rollout_files_done(&f.files);
    free(f.proven);
    free(f.taken);
    free(f.to);
    return lead;
}
