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
    bool *proven; /* per file: the waves so far have it */
    size_t *got;  /* per file: databases that have it, or are to get it, before it is proven */
    int32_t *to;  /* per database: its wave among the first ones; -1: none of them */
    int32_t used; /* so many first waves so far */
    size_t most;  /* databases that the spec's first wave selects, >= 1 */
};

static bool is_free(const struct first *f, size_t index)
{
    return f->to[index] < 0;
}

static bool is_marked(const struct first *f, size_t index)
{
    return f->standings[index].begun && !f->standings[index].silent;
}

/* Its next file, or one behind it, waits for a database that has not gone yet: it would hold its wave. */
static bool waits_for_later(const struct first *f, size_t index)
{
    size_t on = f->standings[index].waits_on;
    return on < f->count && f->to[on] < 0;
}

/* May it be asked to prove files? */
static bool may_prove(const struct first *f, size_t index)
{
    const struct rollout_standing *standing = &f->standings[index];
    return f->to[index] < 0 && !standing->empty && !standing->silent &&
           due_count(standing->plan) > 0 && !waits_for_later(f, index);
}

static bool has_files_left(const struct first *f, size_t index)
{
    return due_count(f->standings[index].plan) > 0;
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
    for (size_t i = 0, due = due_count(plan); i < due; i++) {
        if (due_at(plan, i)) {
            prove(f, file_id(due_at(plan, i)));
        }
    }
}

static void end_wave(struct first *f)
{
    for (size_t i = 0; i < f->count; i++) {
        if (f->to[i] == f->used) {
            prove_all_of(f, i);
        }
    }
    f->used++;
}

/* One of the ids that a database has pending: its set of trees for `which` = its number of files. */
static size_t pending_at(const struct first *f, size_t index, size_t which)
{
    const struct plan *plan = f->standings[index].plan;
    if (which == due_count(plan)) {
        return files_find(&f->files, tree_id(&f->standings[index]));
    }
    const struct migration *file = due_at(plan, which);
    return file ? files_find(&f->files, file_id(file)) : SIZE_MAX;
}

/* Who has begun has already got what others have pending, and something of its set of trees. */
static bool got_some(const struct first *f, size_t index)
{
    return is_marked(f, index) && rollout_files_applied(&f->files, &f->standings[index]);
}

static void count_got(struct first *f)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct plan *plan = f->standings[i].plan;
        if (!got_some(f, i)) {
            continue;
        }
        size_t at = files_find(&f->files, tree_id(&f->standings[i]));
        for (size_t k = 0; k <= plan->entry_count; k++) {
            if (at != SIZE_MAX) {
                f->got[at]++;
            }
            at = k < plan->entry_count && entry_applied(&plan->entries[k])
                     ? files_find(&f->files, file_id(plan->entries[k].file))
                     : SIZE_MAX;
        }
    }
}

/* It gets nothing that as many as may go first have got before anybody has proven it. Of a set of trees
 * of which it has got something already it may get more. */
static bool may_go(const struct first *f, size_t index)
{
    size_t count = due_count(f->standings[index].plan);
    for (size_t k = 0; count > 0 && k <= count; k++) {
        size_t at = pending_at(f, index, k);
        bool more = k == count && got_some(f, index);
        if (at != SIZE_MAX && !more && !f->proven[at] && f->got[at] >= f->most) {
            return false;
        }
    }
    return true;
}

static void take(struct first *f, size_t index)
{
    size_t count = due_count(f->standings[index].plan);
    f->to[index] = f->used;
    for (size_t k = 0; count > 0 && k <= count; k++) {
        size_t at = pending_at(f, index, k);
        if (at != SIZE_MAX && !(k == count && got_some(f, index))) {
            f->got[at]++;
        }
    }
}

/* ---- the first wave ---------------------------------------------------------------------------- */

/* The fewest files left of those who have begun and, with `may`, may go; -1: there is none. */
static int64_t fewest_left(const struct first *f, bool may)
{
    int64_t fewest = -1;
    for (size_t i = 0; i < f->count; i++) {
        int64_t left = rollout_left(&f->standings[i]);
        bool fits = is_marked(f, i) && !waits_for_later(f, i) && (!may || may_go(f, i));
        if (fits && (fewest < 0 || left < fewest)) {
            fewest = left;
        }
    }
    return fewest;
}

static size_t take_begun(struct first *f, int64_t left, bool may, bool selected, size_t most)
{
    size_t taken = 0;
    for (size_t i = 0; i < f->count && taken < most; i++) {
        bool fits = is_marked(f, i) && is_free(f, i) && !waits_for_later(f, i) &&
                    rollout_left(&f->standings[i]) == left &&
                    (f->waves->member[i] == 0) == selected;
        if (fits && (!may || may_go(f, i))) {
            take(f, i);
            taken++;
        }
    }
    return taken;
}

static size_t take_selected(struct first *f)
{
    size_t taken = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (f->waves->member[i] == 0) {
            take(f, i);
            taken++;
        }
    }
    return taken;
}

static void take_first(struct first *f)
{
    int64_t left = fewest_left(f, true);
    bool may = left >= 0;
    size_t taken;
    left =
        may ? left : fewest_left(f, false); /* each lacks what others have: somebody must begin */
    if (left >= 0) {
        size_t most = left > 0 ? f->most : f->count;
        taken = take_begun(f, left, may, true, most);
        taken += take_begun(f, left, may, false, most - taken);
    } else {
        taken = take_selected(f);
    }
    if (taken > 0) {
        end_wave(f);
    }
}

/* ---- those who have begun and have what others are to get -------------------------------------- */

/* Not proven, wanted by somebody who has not gone, and already with as many as may go first. */
static bool is_due(const struct first *f, size_t at)
{
    return at != SIZE_MAX && !f->proven[at] && f->got[at] >= f->most;
}

static bool has_due(const struct first *f, size_t index)
{
    const struct plan *plan = f->standings[index].plan;
    if (!got_some(f, index)) {
        return false;
    }
    if (is_due(f, files_find(&f->files, tree_id(&f->standings[index])))) {
        return true;
    }
    for (size_t k = 0; k < plan->entry_count; k++) {
        if (entry_applied(&plan->entries[k]) &&
            is_due(f, files_find(&f->files, file_id(plan->entries[k].file)))) {
            return true;
        }
    }
    return false;
}

static size_t next_due(const struct first *f)
{
    size_t best = f->count;
    for (size_t i = 0; i < f->count; i++) {
        if (is_free(f, i) && has_due(f, i) && may_go(f, i) && !waits_for_later(f, i) &&
            (best == f->count ||
             rollout_left(&f->standings[i]) < rollout_left(&f->standings[best]))) {
            best = i;
        }
    }
    return best;
}

static void take_due(struct first *f)
{
    for (size_t next = next_due(f); next < f->count; next = next_due(f)) {
        take(f, next);
        end_wave(f);
    }
}

/* ---- one for what nobody of them has ----------------------------------------------------------- */

/* Have the waves so far a file to run, or run what others have pending? */
static bool first_proves(const struct first *f)
{
    for (size_t i = 0; i < f->count; i++) {
        if (!is_free(f, i) &&
            (has_files_left(f, i) || rollout_files_applied(&f->files, &f->standings[i]))) {
            return true;
        }
    }
    return false;
}

/* By the spec's wave, then by its order in the spec; count: there is none. */
static size_t next_with_files(const struct first *f)
{
    size_t best = f->count;
    for (size_t i = 0; i < f->count; i++) {
        bool fits = may_prove(f, i) && may_go(f, i);
        if (fits && (best == f->count || f->waves->member[i] < f->waves->member[best])) {
            best = i;
        }
    }
    return best;
}

/* Does it get what more databases get than may go first, and nobody so far proves? */
static bool must_prove(const struct first *f, size_t index, const size_t *before)
{
    if (!may_prove(f, index) || !may_go(f, index)) {
        return false;
    }
    for (size_t k = 0, due = due_count(f->standings[index].plan); k <= due; k++) {
        size_t at = pending_at(f, index, k);
        if (at != SIZE_MAX && !f->proven[at] && before[at] + f->files.wants[at] > f->most &&
            f->got[at] == before[at]) {
            return true;
        }
    }
    return false;
}

static void take_provers(struct first *f)
{
    AUTO(free_auto) size_t *before = mem_array(f->files.count + 1, sizeof *before);
    for (bool any = true; any;) {
        any = false;
        memcpy(before, f->got, f->files.count * sizeof *before);
        for (size_t i = 0; i < f->count; i++) {
            if (must_prove(f, i, before)) {
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
    f.got = mem_array(f.files.count + 1, sizeof *f.got);
    f.to = mem_array(f.count, sizeof *f.to);
    for (size_t i = 0; i < f.count; i++) {
        f.to[i] = -1;
        f.most += waves->member[i] == 0;
    }
    f.most = f.most > 0 ? f.most : 1;
    count_got(&f);
    take_first(&f);
    take_due(&f);
    size_t one = f.used == 0 || !first_proves(&f) ? next_with_files(&f) : f.count;
    if (one < f.count) {
        take(&f, one);
        end_wave(&f);
    }
    take_provers(&f);
    int32_t lead = place(&f);
    rollout_files_done(&f.files);
    free(f.proven);
    free(f.got);
    free(f.to);
    return lead;
}
