/* SPDX-License-Identifier: Apache-2.0 */
/* Who goes first when a roll-out starts, or starts anew: those who have begun, then one for everything
 * that many databases get. */
#include "base/auto.h"
#include "base/mem.h"
#include "reconcile/rollout/internal.h"

/* A database's part in it. The files are indexes into first.files. */
struct part {
    int32_t to;      /* its wave among the first ones; -1: none of them */
    int64_t left;    /* rollout_left() */
    bool has_files;  /* to run, and nothing is in their way */
    bool proves;     /* it has a file that others have pending */
    bool marked;     /* it has begun, answers, and was not empty */
    bool got_some;   /* marked, and something of its set of trees */
    size_t *pending; /* what it is to get, its set of trees last; owned */
    size_t pending_count;
    size_t fresh; /* the first ones of them, of which it has nothing yet */
    size_t *has;  /* what it has of what is pending somewhere, and its set of trees; owned */
    size_t has_count;
};

struct first {
    const struct rollout_standing *standings;
    size_t count;
    struct rollout_waves *waves; /* as the spec selects */
    struct rollout_files files;
    struct part *parts;
    bool *proven; /* per file: the waves so far have it */
    size_t *got;  /* per file: databases that have it, or are to get it, before it is proven */
    int32_t used; /* so many first waves so far */
    size_t most;  /* databases that the spec's first wave selects, >= 1 */
};

static size_t *indexes_of(const struct rollout_files *files, const uint64_t *ids, size_t *count)
{
    size_t *out = mem_array(*count + 1, sizeof *out), found = 0;
    for (size_t i = 0; i < *count; i++) {
        out[found] = files_find(files, ids[i]);
        found += out[found] != SIZE_MAX;
    }
    *count = found;
    return out;
}

static void part_make(const struct rollout_files *files, const struct rollout_standing *standing,
                      struct part *out)
{
    size_t due = due_count(standing);
    size_t entries = standing->plan ? standing->plan->entry_count : 0;
    AUTO(free_auto) uint64_t *ids = mem_array(due + entries + 1, sizeof *ids);
    *out = (struct part){ .to = -1, .left = rollout_left(standing) };
    out->has_files = due > 0 && !standing->refused;
    out->marked = standing->begun && !standing->silent && !standing->empty;
    out->pending_count = due > 0 ? due_ids(standing, ids) : 0;
    out->pending = indexes_of(files, ids, &out->pending_count);
    for (size_t i = 0; i < entries; i++) {
        out->has_count += entry_applied(&standing->plan->entries[i], &ids[out->has_count]);
    }
    ids[out->has_count++] = tree_id(standing);
    out->has = indexes_of(files, ids, &out->has_count);
    out->proves = rollout_files_applied(files, standing);
    out->got_some = out->marked && out->proves;
    bool more = out->got_some && out->pending_count > 0;
    out->fresh = out->pending_count - (more ? 1 : 0);
}

static bool is_free(const struct first *f, size_t index)
{
    return f->parts[index].to < 0;
}

/* Its next file, or one behind it, waits for a database that has not gone yet: it would hold its wave. */
static bool waits_for_later(const struct first *f, size_t index)
{
    size_t on = f->standings[index].waits_on;
    return on < f->count && is_free(f, on);
}

/* May it be asked to prove files? */
static bool may_prove(const struct first *f, size_t index)
{
    const struct rollout_standing *standing = &f->standings[index];
    return is_free(f, index) && !standing->empty && !standing->silent &&
           f->parts[index].has_files && !waits_for_later(f, index);
}

/* ---- what is proven ---------------------------------------------------------------------------- */

/* Once a database's wave has passed, it has everything that was pending there and what it had. */
static void end_wave(struct first *f)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct part *part = &f->parts[i];
        for (size_t k = 0; part->to == f->used && k < part->pending_count; k++) {
            f->proven[part->pending[k]] = true;
        }
        for (size_t k = 0; part->to == f->used && k < part->has_count; k++) {
            f->proven[part->has[k]] = true;
        }
    }
    f->used++;
}

/* Who has begun has already got what others have pending, and something of its set of trees. */
static void count_got(struct first *f)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct part *part = &f->parts[i];
        for (size_t k = 0; part->got_some && k < part->has_count; k++) {
            f->got[part->has[k]]++;
        }
    }
}

/* Not proven, and already with as many as may go first. */
static bool any_is_full(const struct first *f, const size_t *files, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        if (!f->proven[files[k]] && f->got[files[k]] >= f->most) {
            return true;
        }
    }
    return false;
}

/* It gets nothing that as many as may go first have got before anybody has proven it. Of a set of trees
 * of which it has got something already it may get more. */
static bool may_go(const struct first *f, size_t index)
{
    return !any_is_full(f, f->parts[index].pending, f->parts[index].fresh);
}

static void take(struct first *f, size_t index)
{
    struct part *part = &f->parts[index];
    part->to = f->used;
    for (size_t k = 0; k < part->fresh; k++) {
        f->got[part->pending[k]]++;
    }
}

/* ---- the first wave ---------------------------------------------------------------------------- */

/* The fewest files left of those who have begun and, with `may`, may go; -1: there is none. */
static int64_t fewest_left(const struct first *f, bool may)
{
    int64_t fewest = -1;
    for (size_t i = 0; i < f->count; i++) {
        int64_t left = f->parts[i].left;
        bool fits = f->parts[i].marked && !waits_for_later(f, i) && (!may || may_go(f, i));
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
        bool fits = f->parts[i].marked && is_free(f, i) && !waits_for_later(f, i) &&
                    f->parts[i].left == left && (f->waves->member[i] == 0) == selected;
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

static bool has_due(const struct first *f, size_t index)
{
    const struct part *part = &f->parts[index];
    return part->got_some && any_is_full(f, part->has, part->has_count);
}

static size_t next_due(const struct first *f)
{
    size_t best = f->count;
    for (size_t i = 0; i < f->count; i++) {
        if (is_free(f, i) && has_due(f, i) && may_go(f, i) && !waits_for_later(f, i) &&
            (best == f->count || f->parts[i].left < f->parts[best].left)) {
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
        if (!is_free(f, i) && (f->parts[i].has_files || f->parts[i].proves)) {
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
static bool wants_prover(const struct first *f, size_t index, const size_t *before)
{
    for (size_t k = 0; k < f->parts[index].pending_count; k++) {
        size_t at = f->parts[index].pending[k];
        if (!f->proven[at] && before[at] + f->files.wants[at] > f->most &&
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
            if (may_prove(f, i) && may_go(f, i) && wants_prover(f, i, before)) {
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
        *member = !is_free(f, i) ? f->parts[i].to : *member == 0 ? f->used : *member + lead;
    }
    rollout_waves_lead(f->waves, lead);
    return lead;
}

static void first_make(const struct rollout_standing *standings, struct rollout_waves *waves,
                       struct first *out)
{
    *out = (struct first){ .standings = standings, .count = waves->database_count, .waves = waves };
    rollout_files_make(standings, out->count, &out->files);
    out->parts = mem_array(out->count, sizeof *out->parts);
    out->proven = mem_array(out->files.count + 1, sizeof *out->proven);
    out->got = mem_array(out->files.count + 1, sizeof *out->got);
    for (size_t i = 0; i < out->count; i++) {
        part_make(&out->files, &standings[i], &out->parts[i]);
        out->most += waves->member[i] == 0;
    }
    out->most = out->most > 0 ? out->most : 1;
}

static void first_done(struct first *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->parts[i].pending);
        free(f->parts[i].has);
    }
    free(f->parts);
    free(f->proven);
    free(f->got);
    rollout_files_done(&f->files);
}

int32_t rollout_first(const struct mplan *plan, const struct rollout_standing *standings,
                      struct rollout_waves *waves)
{
    if (plan->strategy == STRATEGY_ALL_AT_ONCE || waves->database_count == 0) {
        return 0;
    }
    struct first f;
    first_make(standings, waves, &f);
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
    first_done(&f);
    return lead;
}

bool rollout_unproven(const struct mplan *plan, const struct rollout_standing *standings,
                      const int32_t *members, int32_t lead, size_t index)
{
    struct rollout_waves selected;
    struct first f;
    for (size_t i = 0; i < plan->database_count; i++) {
        if (members[i] <= lead && strcmp(standings[i].inputs, standings[index].inputs) == 0) {
            return false; /* it proves all of them, also if its plan is not known just now */
        }
    }
    rollout_waves_make(plan, NULL, &selected);
    first_make(standings, &selected, &f);
    for (size_t i = 0; i < f.count; i++) {
        f.parts[i].to = members[i] <= lead ? f.used : -1;
    }
    end_wave(&f);
    count_got(&f);
    bool unproven = wants_prover(&f, index, f.got);
    first_done(&f);
    rollout_waves_done(&selected);
    return unproven;
}
