/* SPDX-License-Identifier: Apache-2.0 */
/* One observation with all that it points to, for walks over everything that can be observed, and the
 * invariants that hold for each. */
#pragma once
#include "base/str.h"
#include "model/reason.h"
#include "rows.h"
#include "step_world.h"

#define COMMIT "00000000000000000000000000000000000000aa"
#define OLDER "00000000000000000000000000000000000000bb"
#define TARGET "aaaabbbb-0000-4000-8000-000000000000"
#define NOW_MS 1767225600000

/* One observation and all that it points to. */
struct view {
    struct observed seen;
    struct mplan plan;
    struct mplan_database entries[2];
    struct mplan_gate gate;
    struct mplan_wave wave;
    struct kv annotations[2];
    struct database_view databases[2];
    struct result results[2];
    struct plan plans[2];
    struct action actions[2];
    struct err errors[2];
    struct err invalid;
    struct status status;
};

/* What status remembers. */
enum memory {
    NEVER,
    READY,
    STALLED,
    OTHER_SPEC,
    UNFROZEN,
    FIRST_WAVE,
    SECOND_WAVE,
    SOAKING,
    FAILED,
    OTHER_STRATEGY,
    QUEUE_FULL,
    CATCH_UP,
    MEMORIES
};

enum { /* how many of each */
    LOOKS = 5,
    JOBS = 3 + OUTCOME_MAX_,
    PLANS = 7,
    OWNERS = 6,
    TARGETS = 3,
    SNAGS = 9
};

struct tally {
    long views, broken;
    long effects[EFFECT_MAX_];
};

static inline char *text(const char *literal)
{
    return (char *)(uintptr_t)literal;
}

void view_init(struct view *v, size_t databases);
void view_done(struct view *v);
void fail_with(struct view *v, size_t i, const char *reason);
void remember(struct view *v, enum memory memory);
void set_look(struct view *v, size_t i, int look);
void set_job(struct view *v, size_t i, int job);
void set_plan(struct view *v, size_t i, int plan);
/* The next of all combinations, from zeros on: pick[i] is below counts[i], the first one goes fastest.
 * False: that was the last. */
bool next_pick(const int *counts, int *pick, size_t count);
/* The plan's one wave: one minute of soak and a gate. */
void set_first_wave(struct view *v, int amount);
/* Decides until the decisions come to rest; the first five that break an invariant are told. */
void check_view(const struct view *v, struct tally *tally, const char *walk);
