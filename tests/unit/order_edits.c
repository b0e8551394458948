/* SPDX-License-Identifier: Apache-2.0 */
/* Edits of the plan. Every one may come at any moment. */
#include <stdio.h>
#include <string.h>

#include "order_world.h"

/* ---- what is to be applied ---------------------------------------------------------------------- */

static bool edit_revision(struct world *w)
{
    if (w->spec.pinned >= 0) {
        w->spec.pinned = -1;
        w->process.polled = -1; /* a commit of the spec before is void */
        w->process.next_poll_ms = w->mono_ms + 20;
        world_say(w, "#### revision is no longer pinned");
        return true;
    }
    int commit = w->commit_count - 1 - world_pick(w, w->commit_count < 3 ? w->commit_count : 3);
    if (w->commits[commit].lost) {
        return false;
    }
    w->spec.pinned = commit;
    world_say(w, "#### revision is pinned to commit %d", commit);
    return true;
}

static bool edit_source(struct world *w)
{
    w->spec.branch = !w->spec.branch;
    if (world_chance(w, 2)) {
        w->tips[w->spec.branch] = w->tips[!w->spec.branch];
    }
    w->process.polled = -1;
    w->process.next_poll_ms = w->mono_ms + 20;
    world_say(w, "#### source is branch %d (commit %d)", w->spec.branch, w->tips[w->spec.branch]);
    return true;
}

static void edit_options(struct world *w, struct entry *e)
{
    switch (world_pick(w, 4)) {
    case 0:
        e->out_of_order = !e->out_of_order;
        break;
    case 1:
        e->ignore_missing = !e->ignore_missing;
        break;
    default:
        e->placeholder++;
        break;
    }
    world_say(w, "#### %s has other options", e->name);
}

static void edit_paths(struct world *w, struct entry *e)
{
    unsigned own = 1u << (unsigned)(e->home + 1);
    e->dirs = e->dirs == 1 ? own | 1 : e->dirs == own ? own | 1 : world_chance(w, 2) ? 1 : own;
    world_say(w, "#### %s has paths %x", e->name, e->dirs);
}

bool edit_inputs(struct world *w)
{
    struct entry *e = &w->spec.entries[world_pick(w, w->spec.count)];
    bool paths = false;
    switch (world_pick(w, 5)) {
    case 0:
        if (!edit_revision(w)) {
            return false;
        }
        break;
    case 1:
        if (!edit_source(w)) {
            return false;
        }
        break;
    case 2:
        edit_options(w, e);
        break;
    case 3:
        for (int i = 0; i < w->spec.count; i++) { /* spec.migrations is of all */
            w->spec.entries[i].placeholder++;
        }
        world_say(w, "#### migrations has other options");
        break;
    default:
        edit_paths(w, e);
        paths = true;
        break;
    }
    spec_edited(w, paths);
    return true;
}

/* ---- the order ---------------------------------------------------------------------------------- */

static void edit_gates(struct world *w, struct wave_spec *wave)
{
    if (wave->gate_count == 0 || (wave->gate_count < ORACLE_GATES && world_chance(w, 4))) {
        int other = wave->gate_count ? wave->gates[0].name : -1;
        wave->gates[wave->gate_count++] = (struct gate_spec){ .name = other == 0 ? 1 : 0,
                                                              .count = 1 + world_pick(w, 2),
                                                              .interval_ms = 10000 };
        return;
    }
    struct gate_spec *gate = &wave->gates[world_pick(w, wave->gate_count)];
    switch (world_pick(w, 4)) {
    case 0:
        *gate = wave->gates[--wave->gate_count];
        break;
    case 1:
        gate->limit = !gate->limit;
        break;
    case 2:
        gate->interval_ms += 5000;
        break;
    default:
        gate->count = 1 + gate->count % 3;
        break;
    }
}

static void edit_wave(struct world *w, int index)
{
    struct spec *s = &w->spec;
    struct wave_spec *wave = &s->waves[index];
    switch (world_pick(w, 6)) {
    case 0:
        wave->soak_ms += 30000;
        break;
    case 1:
        wave->soak_ms /= 2;
        break;
    case 2:
        edit_gates(w, wave);
        break;
    case 3:
        wave_random(w, index);
        break;
    case 4:
        memmove(wave, wave + 1, (size_t)(s->wave_count - index - 1) * sizeof *wave);
        s->wave_count--;
        break;
    default:
        wave_rename(w, index);
        break;
    }
}

bool edit_order(struct world *w)
{
    if (w->spec.wave_count < WAVES && (w->spec.wave_count == 0 || world_chance(w, 5))) {
        int at = world_pick(w, w->spec.wave_count + 1);
        memmove(&w->spec.waves[at + 1], &w->spec.waves[at],
                (size_t)(w->spec.wave_count - at) * sizeof w->spec.waves[0]);
        w->spec.wave_count++;
        wave_random(w, at);
    } else {
        edit_wave(w, world_pick(w, world_chance(w, 2) ? 1 : w->spec.wave_count));
    }
    world_say(w, "#### the waves are edited: %d of them", w->spec.wave_count);
    spec_edited(w, false);
    return true;
}

bool edit_type(struct world *w)
{
    w->spec.canary = !w->spec.canary;
    world_say(w, "#### strategy is %s", w->spec.canary ? "Canary" : "AllAtOnce");
    spec_edited(w, false);
    return true;
}

bool edit_pace(struct world *w)
{
    switch (world_pick(w, 6)) {
    case 0:
        w->spec.max_failures = !w->spec.max_failures;
        break;
    case 1:
        w->spec.timeout_ms = w->spec.timeout_ms == 3600000 ? 600000 : 3600000;
        break;
    case 2:
        w->spec.start_timeout_ms = 60000 + 60000 * world_pick(w, 10);
        break;
    case 3:
        w->spec.interval_ms = 60000 + 60000 * world_pick(w, 3);
        break;
    default:
        w->spec.max_parallel = 1 + world_pick(w, 4);
        break;
    }
    world_say(w, "#### pace is edited: maxParallel %d, maxFailures %d", w->spec.max_parallel,
              w->spec.max_failures);
    spec_edited(w, false);
    return true;
}

/* ---- databases ---------------------------------------------------------------------------------- */

static int free_place(struct world *w)
{
    int first = world_pick(w, PLACES);
    for (int i = 0; i < PLACES; i++) {
        int place = (first + i) % PLACES;
        bool free = !place_used(w, place);
        for (int r = 0; r < w->removed_count && free; r++) {
            free = w->removed[r].home != place;
        }
        if (free && w->places[place].content.count == 0 && !w->places[place].foreign) {
            return place;
        }
    }
    return -1;
}

static void databases_changed(struct world *w)
{
    w->look_again = true;
    for (int i = 0; i < COMMITS; i++) {
        w->process.fetched[i] = (struct fetch_memory){ 0 };
    }
}

static bool add(struct world *w, bool history)
{
    int place = free_place(w);
    if (place < 0 || w->spec.count == ENTRIES) {
        return false;
    }
    char name[NAME_LEN];
    (void)snprintf(name, sizeof name, "db%d", w->name_serial++);
    entry_add(w, place, name);
    const struct entry *e = &w->spec.entries[w->spec.count - 1];
    world_say(w, "#### %s is added at place %d, %s, paths %x", name, place,
              history ? "with a history" : "empty", e->dirs);
    if (history) {
        give_history(w, place, e->dirs);
    }
    databases_changed(w);
    return true;
}

bool add_empty(struct world *w)
{
    return add(w, false);
}

bool add_with_history(struct world *w)
{
    return add(w, true);
}

bool rename_entry(struct world *w)
{
    bool all = world_chance(w, 4), follow = world_chance(w, 2);
    int only = world_pick(w, w->spec.count);
    for (int i = 0; i < w->spec.count; i++) {
        struct entry *e = &w->spec.entries[i];
        char name[NAME_LEN];
        if (!all && i != only) {
            continue;
        }
        (void)snprintf(name, sizeof name, "db%d", w->name_serial++);
        world_say(w, "#### %s is now named %s", e->name, name);
        for (int v = 0; follow && v < w->spec.wave_count; v++) {
            struct wave_spec *wave = &w->spec.waves[v];
            for (int n = 0; n < wave->name_count; n++) {
                if (strcmp(wave->names[n], e->name) == 0) {
                    memcpy(wave->names[n], name, sizeof name);
                }
            }
        }
        memcpy(e->name, name, sizeof name);
        forget_entry(e);
    }
    databases_changed(w);
    if (follow) {
        spec_edited(w, false);
    }
    return true;
}

/* Rather one that is first: that is where it hurts. */
static int pick_first(struct world *w)
{
    int at = world_pick(w, w->spec.count);
    for (int i = 0; i < w->spec.count && world_chance(w, 2); i++) {
        const struct database_status *d = status_database(&w->status, w->spec.entries[i].name);
        if (d && d->member == 0) {
            return i;
        }
    }
    return at;
}

bool remove_entry(struct world *w)
{
    int at = pick_first(w);
    struct entry *e = &w->spec.entries[at];
    if (w->spec.count == 1) {
        return false;
    }
    if (world_chance(w, 4)) {
        e->group = (e->group + 1) % 3;
        e->canary = !e->canary;
        w->look_again = true;
        world_say(w, "#### %s has other labels", e->name);
        return true;
    }
    world_say(w, "#### %s is removed", e->name);
    entry_remove(w, at);
    w->look_again = true;
    return true;
}

bool bring_back(struct world *w)
{
    if (w->removed_count == 0 || w->spec.count == ENTRIES) {
        return false;
    }
    struct entry *e = &w->removed[--w->removed_count];
    if (place_used(w, e->home) || spec_find(w, e->name) >= 0) {
        return false;
    }
    e->place = e->home;
    world_say(w, "#### %s is back", e->name);
    int at = world_pick(w, w->spec.count + 1);
    memmove(&w->spec.entries[at + 1], &w->spec.entries[at],
            (size_t)(w->spec.count - at) * sizeof w->spec.entries[0]);
    w->spec.entries[at] = *e;
    w->spec.count++;
    databases_changed(w);
    return true;
}

bool change_secret(struct world *w)
{
    struct entry *e = &w->spec.entries[world_pick(w, w->spec.count)];
    int place = e->place != e->home ? e->home : free_place(w);
    if (place < 0) {
        return false;
    }
    if (place != e->home && world_chance(w, 2)) {
        give_history(w, place, e->dirs);
        (void)snprintf(w->places[place].target, sizeof w->places[place].target,
                       "%08x-1111-4000-8000-000000000000", (unsigned)(place + 1));
    }
    e->place = place;
    forget_entry(e);
    w->look_again = true;
    world_say(w, "#### the Secret of %s leads to place %d", e->name, place);
    return true;
}
