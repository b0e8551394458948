/* SPDX-License-Identifier: Apache-2.0 */
/* Which databases the waves of a spec select: counted again, by what the documentation says. */
#include <stdio.h>
#include <string.h>

#include "order_oracle_inside.h"
#include "reconcile/base/hash.h"

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

static uint32_t take_explicit(struct oracle *o, uint32_t left)
{
    for (int32_t w = 0; w < o->now.spec.wave_count; w++) {
        int32_t select = o->now.spec.waves[w].select;
        for (int d = 0; d < ORACLE_DATABASES; d++) {
            bool picks = select == ORACLE_NAMES || select == ORACLE_LABELS;
            if (picks && (left & o->now.picked[w] & BIT(d))) {
                o->wave_of[d] = w;
                left &= ~BIT(d);
            }
        }
    }
    return left;
}

static void select_waves(struct oracle *o, uint32_t of)
{
    const struct oracle_spec *spec = &o->now.spec;
    memset(o->wave_of, 0xff, sizeof o->wave_of);
    uint32_t left = take_explicit(o, of);
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

/* Membership is frozen while the list of databases changes: the largest selection counts. Whoever is
 * empty, or does not answer, goes last: then counts and percents take others. */
void oracle_reach_out(struct oracle *o)
{
    uint32_t last = o->now.empty | o->was_silent;
    select_waves(o, o->now.present);
    reach(o);
    memcpy(o->wave_all, o->wave_of, sizeof o->wave_all);
    if (last & o->now.present) {
        select_waves(o, o->now.present & ~last);
        reach(o);
    }
}
