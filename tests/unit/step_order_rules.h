/* SPDX-License-Identifier: Apache-2.0 */
/* What the scenes about the order of a roll-out share. */
#pragma once
#include "step_rules.h"

#define HOUR_MS 3600000

static inline void select_name(struct mplan_wave *wave, char **name)
{
    wave->select = SELECT_NAMES;
    wave->names = (struct strlist){ .items = name, .count = 1 };
}

/* orders first: an hour of soak and a gate, then the rest. */
static inline void careful(struct world *w)
{
    static char first[] = "first", rows[] = "rows", orders[] = "orders";
    static char *names[] = { orders };
    w->waves[0] = (struct mplan_wave){ .name = first, .soak_ms = HOUR_MS };
    select_name(&w->waves[0], names);
    w->gate = (struct mplan_gate){ .name = rows, .interval_ms = 30000, .count = 1 };
    w->waves[0].gates = &w->gate;
    w->waves[0].gate_count = 1;
    w->plan.waves = w->waves;
    w->plan.wave_count = 1;
}

/* A roll-out with that many files has ended everywhere; without a soak, which is to be set again. */
static inline void everywhere(struct world *w, int files)
{
    careful(w);
    w->waves[0].soak_ms = 0;
    settle_with(w, files);
}

/* V1 and V2 are on two databases, verified; others may come. */
static inline void two_verified(struct world *w)
{
    w->count = w->plan.database_count = 2;
    everywhere(w, 2);
    w->waves[0].soak_ms = HOUR_MS;
}

/* V1 is everywhere and verified, V2 on orders, which soaks. */
static inline void in_the_soak(struct world *w)
{
    everywhere(w, 1);
    w->waves[0].soak_ms = HOUR_MS;
    new_spec(w);
    world_push(w, 1, false);
    world_settle(w, 60000);
}

/* The same, but the gate has said no. */
static inline void after_the_gate(struct world *w)
{
    everywhere(w, 1);
    w->gate_value = false;
    world_push(w, 1, false);
    world_settle(w, 60000);
}

static inline void edit(struct world *w)
{
    new_spec(w);
    w->look_again = true;
}

static inline void want_soak_from(struct world *w, const char *rule, int64_t from_ms,
                                  int64_t soak_ms)
{
    world_pass(w, from_ms + soak_ms - w->mono_ms - 40000);
    want_number(rule, "files of the second before the soak is over", w->databases[1].applied, 1);
    world_pass(w, 100000);
    want_number(rule, "files of the second after the soak", w->databases[1].applied, 2);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static inline int64_t soak_began(const struct world *w) /* mono, of orders' newest row */
{
    int64_t now = w->utc_ms + w->databases[0].clock_ms;
    return w->mono_ms - (now - w->databases[0].finished_ms);
}

/* V1 has been there since long. */
static inline void has_history(struct world *w, size_t index, int tree)
{
    w->databases[index].applied = w->databases[index].content[1] = w->databases[index].head = 1;
    w->databases[index].own_tree = tree;
}
