/* SPDX-License-Identifier: Apache-2.0 */
/* Which databases the waves of a spec select: counted again, by what the documentation says. */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "order_oracle_inside.h"

/* SHA-256(UID NUL name), as the documentation says of the order of databases. */
void oracle_rank(struct oracle_database *d, const char *uid, const char *name)
{
    char text[128];
    size_t length = (size_t)snprintf(text, sizeof text, "%s%c%s", uid, 0, name);
    sha256(text, length, d->rank);
    (void)snprintf(d->name, sizeof d->name, "%s", name);
}

static int lowest(const struct oracle *o, uint32_t of)
{
    int found = -1;
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        if ((of & BIT(d)) && (found < 0 || memcmp(o->databases[d].rank, o->databases[found].rank,
                                                  sizeof o->databases[d].rank) < 0)) {
            found = d;
        }
    }
    return found;
}

static void take_lowest(struct oracle *o, int32_t wave, int32_t amount, uint32_t *left)
{
    for (int32_t i = 0; i < amount && *left; i++) {
        int d = lowest(o, *left);
        o->wave_of[d] = wave;
        *left &= ~BIT(d);
    }
}

/* `named`: those that nothing but a name selects. */
static uint32_t take_explicit(struct oracle *o, uint32_t left, uint32_t named)
{
    for (int32_t w = 0; w < o->now.spec.wave_count; w++) {
        int32_t select = o->now.spec.waves[w].select;
        for (int d = 0; d < ORACLE_DATABASES; d++) {
            uint32_t of = select == ORACLE_NAMES    ? left | named
                          : select == ORACLE_LABELS ? left
                                                    : 0;
            if (of & o->now.picked[w] & BIT(d)) {
                o->wave_of[d] = w;
                left &= ~BIT(d);
                named &= ~BIT(d);
            }
        }
    }
    return left;
}

static void select_waves(struct oracle *o, uint32_t of, uint32_t named)
{
    const struct oracle_spec *spec = &o->now.spec;
    memset(o->wave_of, 0xff, sizeof o->wave_of);
    uint32_t left = take_explicit(o, of, named);
    o->levels = spec->wave_count ? spec->wave_count : 1;
    for (int32_t w = 0; w < spec->wave_count; w++) {
        const struct oracle_wave *wave = &spec->waves[w];
        int32_t among = __builtin_popcount(left);
        if (wave->select == ORACLE_COUNT) {
            take_lowest(o, w, wave->amount, &left);
        } else if (wave->select == ORACLE_PERCENT) {
            take_lowest(o, w, (among * wave->amount + 99) / 100, &left);
        }
    }
    if (spec->wave_count == 0) {
        uint32_t labelled = left & o->now.picked[0];
        uint32_t among = labelled ? labelled : left;
        take_lowest(o, 0, 1, &among);
    }
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        if (o->wave_of[d] < 0 && oracle_present(o, d)) {
            o->wave_of[d] = o->levels;
        }
    }
}

static void reach(struct oracle *o)
{
    for (int32_t w = 0; w < o->levels; w++) {
        uint32_t reached = 0;
        for (int d = 0; d < ORACLE_DATABASES; d++) {
            reached |= o->wave_of[d] >= 0 && o->wave_of[d] <= w ? BIT(d) : 0;
        }
        int32_t count = __builtin_popcount(reached);
        o->reach[w] |= reached;
        o->reach_count[w] = count > o->reach_count[w] ? count : o->reach_count[w];
    }
}

/* One more that may be the one of the last start. */
static void note_selection(struct oracle *o)
{
    uint32_t masks[ORACLE_WAVES] = { 0 };
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        if (o->wave_of[d] >= 0 && o->wave_of[d] < o->levels) {
            masks[o->wave_of[d]] |= BIT(d);
        }
    }
    for (int i = 0; i < o->selection_count; i++) {
        if (memcmp(o->selections[i], masks, sizeof masks) == 0) {
            return;
        }
    }
    if (o->selection_count == ORACLE_SELECTIONS) { /* the oldest one */
        memmove(o->selections, o->selections + 1, sizeof o->selections - sizeof *o->selections);
        o->selection_count--;
    }
    memcpy(o->selections[o->selection_count++], masks, sizeof masks);
}

/* Whom Jobs have filled since the last finished roll-out. They prove nothing until its end, as if they were empty. */
static uint32_t filled(const struct oracle *o)
{
    uint32_t by_jobs = 0;
    for (int d = 0; d < ORACLE_DATABASES; d++) {
        by_jobs |= o->databases[d].when_empty ? BIT(d) : 0;
    }
    return by_jobs & o->now.present;
}

static void select_without(struct oracle *o, uint32_t silent, uint32_t empty)
{
    select_waves(o, o->now.present & ~(silent | empty), empty & ~silent);
    reach(o);
    note_selection(o);
}

/* Membership is frozen while the list of databases changes: the largest selection counts. Whoever does
 * not answer goes last, and whoever is empty and not named: then counts and percents take others. */
void oracle_reach_out(struct oracle *o)
{
    const uint32_t empty = o->now.empty & o->now.present, all = empty | filled(o);
    const uint32_t silent[] = { 0, o->now.unreachable, o->now.silent, o->was_silent };
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) {
        select_without(o, silent[i], 0);
        if (empty) {
            select_without(o, silent[i], empty);
        }
        if (all != empty) {
            select_without(o, silent[i], all);
        }
    }
}
