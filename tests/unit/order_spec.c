/* SPDX-License-Identifier: Apache-2.0 */
/* The plan: at random, by edits, and as struct mplan. */
#include <stdio.h>
#include <string.h>

#include "order_world.h"

static const char *const wave_texts[] = { "w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7" };
static const char *const gate_texts[] = { "g0", "g1", "g2" };
static const char *const group_texts[] = { "a", "b", "c", "d" };

int spec_find(const struct world *w, const char *name)
{
    for (int i = 0; i < w->spec.count; i++) {
        if (strcmp(w->spec.entries[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

/* ---- entries ------------------------------------------------------------------------------------ */

static unsigned random_dirs(struct world *w, int place)
{
    static const int shape[] = { 0, 0, 0, 1, 2, 2 }; /* shared, own, both */
    unsigned own = 1u << (unsigned)(place + 1);
    switch (shape[world_pick(w, 6)]) {
    case 0:
        return 1;
    case 1:
        return own;
    default:
        return own | 1;
    }
}

void forget_entry(struct entry *e)
{
    e->view = (struct database_view){ 0 };
    e->looked_ms = e->failed_ms = e->create_ms = e->record_ms = e->job_ended_ms = 0;
    e->look_start_ms = e->look_ends_ms = e->look_began_ms = 0;
    e->next_look_ms = INT64_MAX;
    e->before_retry = false;
    e->recorded_attempt = 0;
}

void entry_add(struct world *w, int place, const char *name)
{
    if (w->spec.count == ENTRIES) {
        return;
    }
    struct entry *e = &w->spec.entries[w->spec.count++];
    *e = (struct entry){
        .place = place, .home = place, .group = world_pick(w, 3), .out_of_order = true
    };
    (void)snprintf(e->name, sizeof e->name, "%s", name);
    e->dirs = random_dirs(w, place);
    e->canary = world_chance(w, 6);
    forget_entry(e);
    world_say(w, "         %s: place %d, paths %x, group %d%s", name, place, e->dirs, e->group,
              e->canary ? ", tier canary" : "");
}

void entry_remove(struct world *w, int index)
{
    if (w->removed_count < ENTRIES) {
        w->removed[w->removed_count] = w->spec.entries[index];
        forget_entry(&w->removed[w->removed_count++]);
    }
    memmove(&w->spec.entries[index], &w->spec.entries[index + 1],
            (size_t)(w->spec.count - index - 1) * sizeof w->spec.entries[0]);
    w->spec.count--;
}

bool place_used(const struct world *w, int place)
{
    for (int i = 0; i < w->spec.count; i++) {
        if (w->spec.entries[i].place == place || w->spec.entries[i].home == place) {
            return true;
        }
    }
    return false;
}

/* ---- waves -------------------------------------------------------------------------------------- */

static void gate_random(struct world *w, struct gate_spec *gate, int not_name)
{
    gate->name = world_pick(w, GATE_NAMES);
    gate->name = gate->name == not_name ? (gate->name + 1) % GATE_NAMES : gate->name;
    gate->count = 1 + world_pick(w, 3);
    gate->limit = world_chance(w, 4) ? 1 : 0;
    gate->interval_ms = 10000 + 10000 * world_pick(w, 2);
}

static void select_random(struct world *w, struct wave_spec *wave)
{
    static const int selects[] = { SELECT_NAMES, SELECT_NAMES, SELECT_LABELS,
                                   SELECT_COUNT, SELECT_COUNT, SELECT_PERCENT };
    wave->select = selects[world_pick(w, 6)];
    wave->name_count = 0;
    wave->group = world_pick(w, world_chance(w, 20) ? 4 : 3);
    wave->amount =
        wave->select == SELECT_PERCENT ? 10 + 10 * world_pick(w, 5) : 1 + world_chance(w, 4);
    int names = wave->select == SELECT_NAMES ? 1 + world_chance(w, 4) : 0;
    for (int i = 0; i < names && i < w->spec.count; i++) {
        int at = world_pick(w, w->spec.count);
        memcpy(wave->names[wave->name_count++], w->spec.entries[at].name, NAME_LEN);
    }
}

/* A name that no other wave has. */
void wave_rename(struct world *w, int index)
{
    unsigned taken = 0;
    int name = world_pick(w, 8);
    for (int i = 0; i < w->spec.wave_count; i++) {
        taken |= 1u << (unsigned)w->spec.waves[i].name;
    }
    while ((taken >> name) & 1) {
        name = (name + 1) % 8;
    }
    w->spec.waves[index].name = name;
}

void wave_random(struct world *w, int index)
{
    struct wave_spec *wave = &w->spec.waves[index];
    memset(wave, 0, sizeof *wave);
    wave_rename(w, index);
    select_random(w, wave);
    wave->soak_ms = world_chance(w, 3) ? 0 : 20000 + 20000 * world_pick(w, 4);
    wave->gate_count = world_chance(w, 2) ? 0 : 1 + world_chance(w, 4);
    for (int g = 0; g < wave->gate_count; g++) {
        gate_random(w, &wave->gates[g], g > 0 ? wave->gates[0].name : -1);
    }
}

/* The databases that a wave would take, as far as it says which. */
static bool selects_any(const struct world *w, const struct wave_spec *wave)
{
    for (int i = 0; i < w->spec.count; i++) {
        const struct entry *e = &w->spec.entries[i];
        bool named = false;
        for (int n = 0; n < wave->name_count; n++) {
            named = named || strcmp(wave->names[n], e->name) == 0;
        }
        if (wave->select == SELECT_NAMES
                ? named
                : wave->select != SELECT_LABELS || wave->group == e->group) {
            return true;
        }
    }
    return false;
}

/* So that none of them is empty, whatever else was edited: one database for each, by name. */
void spec_sane_waves(struct world *w)
{
    int most = w->spec.count < 2 ? w->spec.count : 2;
    w->spec.wave_count = w->spec.wave_count > most ? most : w->spec.wave_count;
    for (int i = 0; i < w->spec.wave_count; i++) {
        struct wave_spec *wave = &w->spec.waves[i];
        wave->select = SELECT_NAMES;
        wave->name_count = 1;
        memcpy(wave->names[0], w->spec.entries[i].name, NAME_LEN);
    }
}

/* ---- the whole ---------------------------------------------------------------------------------- */

void spec_make(struct world *w)
{
    struct spec *s = &w->spec;
    *s = (struct spec){ .canary = !world_chance(w, 8), .pinned = -1, .serial = 1 };
    int count = 1 + world_pick(w, ENTRIES);
    count += count == 1;
    for (int i = 0; i < count; i++) {
        char name[NAME_LEN];
        (void)snprintf(name, sizeof name, "db%d", w->name_serial++);
        entry_add(w, i, name);
    }
    int waves = world_pick(w, WAVES + 1);
    for (int i = 0; i < waves; i++) {
        s->wave_count++;
        wave_random(w, i);
        if (!selects_any(w, &s->waves[i]) && !world_chance(w, 20)) {
            s->waves[i].select = SELECT_COUNT;
            s->waves[i].amount = 1;
        }
    }
    s->max_parallel = 1 + world_pick(w, 4);
    s->max_failures = world_chance(w, 5) ? 1 : 0;
    s->timeout_ms = 3600000;
    s->start_timeout_ms = 600000;
    s->interval_ms = 120000;
    s->retry_interval_ms = 30000;
    spec_say(w);
}

void spec_say(const struct world *w)
{
    static const char *const selects[] = { "names", "labels", "count", "percent" };
    world_say(w, "         %s, %d waves", w->spec.canary ? "Canary" : "AllAtOnce",
              w->spec.wave_count);
    for (int i = 0; i < w->spec.wave_count; i++) {
        const struct wave_spec *wave = &w->spec.waves[i];
        bool names = wave->select == SELECT_NAMES && wave->name_count > 0;
        world_say(w, "           %s: %s %s%s%s amount %d group %d, soak %lld ms, %d gates",
                  wave_texts[wave->name], selects[wave->select], names ? wave->names[0] : "",
                  names && wave->name_count > 1 ? " " : "",
                  names && wave->name_count > 1 ? wave->names[1] : "", wave->amount, wave->group,
                  (long long)wave->soak_ms, wave->gate_count);
        for (int g = 0; g < wave->gate_count; g++) {
            world_say(w, "             gate %d: count %d, failureLimit %d, every %lld ms",
                      wave->gates[g].name, wave->gates[g].count, wave->gates[g].limit,
                      (long long)wave->gates[g].interval_ms);
        }
    }
}

void spec_edited(struct world *w, bool inputs)
{
    w->generation++;
    w->spec.serial++;
    w->look_again = true;
    if (inputs) { /* other paths: what was fetched may lack them */
        for (int i = 0; i < COMMITS; i++) {
            w->process.fetched[i] = (struct fetch_memory){ 0 };
        }
    }
    for (int i = 0; i < w->spec.wave_count; i++) {
        if (w->spec.canary && !selects_any(w, &w->spec.waves[i]) && world_chance(w, 2)) {
            w->spec.waves[i].select = SELECT_COUNT; /* a person sees to it, mostly */
            w->spec.waves[i].amount = 1;
        }
    }
    spec_say(w);
}

/* ---- struct mplan ------------------------------------------------------------------------------- */

static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

static void build_database(struct world *w, int i)
{
    struct entry *e = &w->spec.entries[i];
    struct mplan_database *d = &w->databases[i];
    int labels = 0;
    *d = (struct mplan_database){ .name = e->name, .secret_name = e->name };
    w->labels[i][labels++] = (struct kv){ text("group"), text(group_texts[e->group]) };
    if (e->canary) {
        w->labels[i][labels++] = (struct kv){ text("tier"), text("canary") };
    }
    d->labels.items = w->labels[i];
    d->labels.count = (size_t)labels;
    d->migrations = (struct migrations_options){
        .table = text("flyway_schema_history"),
        .out_of_order = e->out_of_order,
        .placeholder_replacement = true,
        .baseline_version.text = "1",
        .baseline_description = text("<< Flyway Baseline >>"),
    };
    d->migrations.ignore_count = e->ignore_missing;
    d->migrations.ignore[0].state = IGNORE_MISSING;
}

static void build_wave(struct world *w, int i)
{
    struct wave_spec *from = &w->spec.waves[i];
    struct mplan_wave *wave = &w->waves[i];
    *wave = (struct mplan_wave){ .name = text(wave_texts[from->name]), .soak_ms = from->soak_ms };
    wave->select = (unsigned)from->select;
    wave->amount = from->amount;
    for (int n = 0; n < from->name_count; n++) {
        w->wave_names[i][n] = from->names[n];
    }
    wave->names.items = w->wave_names[i];
    wave->names.count = from->select == SELECT_NAMES ? (size_t)from->name_count : 0;
    w->wave_labels[i] = (struct kv){ text("group"), text(group_texts[from->group]) };
    wave->labels.items = &w->wave_labels[i];
    wave->labels.count = from->select == SELECT_LABELS;
    for (int g = 0; g < from->gate_count; g++) {
        w->gates[i][g] = (struct mplan_gate){
            .name = text(gate_texts[from->gates[g].name]),
            .query = text("select true"),
            .interval_ms = from->gates[g].interval_ms,
            .count = from->gates[g].count,
            .failure_limit = from->gates[g].limit,
        };
    }
    wave->gates = w->gates[i];
    wave->gate_count = (size_t)from->gate_count;
}

void spec_build(struct world *w)
{
    static const char *const uids[] = { "u-0", "u-1", "u-2", "u-3", "u-4", "u-5", "u-6", "u-7" };
    const struct spec *s = &w->spec;
    w->plan = (struct mplan){
        .namespace_ = text("default"),
        .name = text("shop"),
        .uid = text(uids[w->uid % 8]),
        .generation = w->generation,
        .created_ms = WORLD_EPOCH_MS,
        .deleting = w->deleting,
        .strategy = s->canary ? STRATEGY_CANARY : STRATEGY_ALL_AT_ONCE,
        .max_parallel = s->max_parallel,
        .max_failures = s->max_failures,
        .start_timeout_ms = s->start_timeout_ms,
        .execution = { .deadline_ms = WORLD_DEADLINE_MS },
        .interval_ms = s->interval_ms,
        .retry_interval_ms = s->retry_interval_ms,
        .timeout_ms = s->timeout_ms,
        .suspend = s->suspend,
        .databases = w->databases,
        .database_count = (size_t)s->count,
        .waves = w->waves,
        .wave_count = (size_t)s->wave_count,
    };
    if (s->freeze_to_ms > 0) {
        w->freeze = (struct mplan_window){ .from = text("from"),
                                           .to = text("to"),
                                           .from_ms = s->freeze_from_ms,
                                           .to_ms = s->freeze_to_ms };
        w->plan.freezes = &w->freeze;
        w->plan.freeze_count = 1;
    }
    w->plan.source.url = text("https://git.example/shop.git");
    w->plan.source.ref_kind = REF_BRANCH;
    w->plan.source.ref = text(s->branch ? "next" : "main");
    w->plan.source.interval_ms = w->plan.source.timeout_ms = 60000;
    w->plan.source.allow_rewrite = s->allow_rewrite;
    w->plan.revision = s->pinned >= 0 ? w->commits[s->pinned].id : NULL;
    w->plan.selector.set = true; /* databases come and go with their Secrets */
    w->plan.selector.expanded = true;
    w->plan.annotations.items = w->annotations;
    if (w->retry[0]) {
        w->annotations[w->plan.annotations.count++] =
            (struct kv){ text(ANNOTATION_RETRY), w->retry };
    }
    if (w->accept[0]) {
        w->annotations[w->plan.annotations.count++] =
            (struct kv){ text(ANNOTATION_ACCEPT), w->accept };
    }
    for (int i = 0; i < s->count; i++) {
        build_database(w, i);
    }
    for (int i = 0; i < s->wave_count; i++) {
        build_wave(w, i);
    }
}
