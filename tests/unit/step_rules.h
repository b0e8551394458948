/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of the step function as scenes in the small world. */
#pragma once
#include "base/str.h"
#include "model/reason.h"
#include "rows.h"
#include "step_world.h"

struct scene {
    const char *rule; /* as the design words it */
    size_t databases;
    void (*play)(struct world *w, const char *rule);
};

static inline void play_scenes(const struct scene *scenes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        static struct world w;
        world_init(&w, scenes[i].databases, 42);
        scenes[i].play(&w, scenes[i].rule);
        cr_expect(w.trouble[0] == '\0', "%s: %s", scenes[i].rule, w.trouble);
        world_done(&w);
    }
}

/* "True ReconciliationSucceeded", "False", "" (absent) */
static inline void want(struct world *w, const char *rule, enum condition_type type,
                        const char *text)
{
    const struct condition *c = world_condition(w, type);
    char got[160];
    (void)snprintf(got, sizeof got, "%s%s%s", condition_status_text(c->status),
                   c->reason && strchr(text, ' ') ? " " : "",
                   c->reason && strchr(text, ' ') ? c->reason : "");
    cr_expect(str_eq(got, text), "%s: %s is \"%s\" (%s), want \"%s\"", rule,
              condition_type_text(type), got, c->message ? c->message : "", text);
}

static inline void want_message(struct world *w, const char *rule, enum condition_type type,
                                const char *piece)
{
    const struct condition *c = world_condition(w, type);
    cr_expect(c->message && strstr(c->message, piece), "%s: %s says \"%s\", want \"%s\"", rule,
              condition_type_text(type), c->message ? c->message : "", piece);
}

static inline void want_number(const char *rule, const char *what, long long got, long long wanted)
{
    cr_expect(got == wanted, "%s: %s is %lld, want %lld", rule, what, got, wanted);
}

/* "orders:1 billing:0": applied versions */
static inline void want_applied(struct world *w, const char *rule, const char *text)
{
    char got[256] = "";
    size_t at = 0;
    for (size_t i = 0; i < w->count; i++) {
        at += (size_t)snprintf(got + at, sizeof got - at, "%s%s:%d", i ? " " : "",
                               w->entries[i].name, w->databases[i].applied);
    }
    cr_expect(str_eq(got, text), "%s: applied %s, want %s", rule, got, text);
}

/* One good commit with that many files, everywhere. */
static inline void settle_with(struct world *w, int files)
{
    world_push(w, files, false);
    world_settle(w, 600000);
}

static inline void new_spec(struct world *w)
{
    w->plan.generation += 100;
    w->look_again = true;
}

static inline int64_t jobs_ever(const struct world *w)
{
    int64_t sum = 0;
    for (size_t i = 0; i < w->count; i++) {
        sum += w->databases[i].highest_attempt;
    }
    return sum;
}
