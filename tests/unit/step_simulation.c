/* SPDX-License-Identifier: Apache-2.0 */
/* Seeded simulation: the same script of commits and mishaps of people, once undisturbed and once with
 * lost, doubled and delayed effects, killed runners, refused status writes, outages and controllers
 * that die between any two lines. Both must come to the same end.
 *
 *   step_simulation [FIRST [COUNT]]     SLUICE_SEED=N replays one seed and prints every decision */
#include <stdio.h>
#include "base/clock.h"
#include "base/str.h"
#include "step_world.h"

#ifdef __SANITIZE_ADDRESS__
#define SEEDS                                                                                      \
    1000 /* ten times slower under the sanitizers; tests/integration/simulation.sh runs them all */
#else
#define SEEDS 10000
#endif
#define CHECKPOINTS 8
#define PATIENCE_MS (48LL * 3600 * 1000)

struct run {
    struct world w;
    char ends[CHECKPOINTS][512]; /* what was true whenever the world had come to rest */
    int end_count;
};

static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void configure(struct world *w, uint64_t *script)
{
    static char first[] = "first", gate[] = "rows-come";
    w->plan.max_parallel = 1 + (int32_t)(draw(script) % 3);
    switch (draw(script) % 4) {
    case 0:
        w->plan.strategy = STRATEGY_ALL_AT_ONCE;
        break;
    case 1: /* two explicit waves: soak, and a gate in the first */
        w->waves[0] = (struct mplan_wave){ .name = first, .select = SELECT_COUNT, .amount = 1 };
        w->waves[0].soak_ms = (int64_t)(draw(script) % 3) * 60000;
        w->gate = (struct mplan_gate){ .name = gate, .interval_ms = 30000 };
        w->gate.count = 1 + (int32_t)(draw(script) % 3);
        w->waves[0].gates = &w->gate;
        w->waves[0].gate_count = 1;
        w->plan.waves = w->waves;
        w->plan.wave_count = 1;
        break;
    default:
        break;
    }
}

/* What must be the same with and without disturbance. */
static void checkpoint(struct run *run)
{
    struct world *w = &run->w;
    world_settle(w, PATIENCE_MS);
    char *out = run->ends[run->end_count < CHECKPOINTS ? run->end_count++ : CHECKPOINTS - 1];
    const struct condition *ready = world_condition(w, CONDITION_READY);
    size_t at = 0;
    at += (size_t)snprintf(out, 512, "%s %s %.8s", condition_status_text(ready->status),
                           ready->reason ? ready->reason : "", w->status.last_applied_commit);
    /* All at once, it depends on time how far the others came before the failure stopped them. */
    bool parallel = str_eq(ready->reason, "MigrationFailed");
    for (size_t i = 0; i < w->count && at < 400 && !parallel; i++) {
        const struct world_database *d = &w->databases[i];
        at += (size_t)snprintf(out + at, 512 - at, " %s:%d", w->entries[i].name, d->applied);
        for (int v = 1; v <= d->applied; v++) {
            at += (size_t)snprintf(out + at, 512 - at, ",%d", d->content[v]);
        }
    }
    bool stalled = world_condition(w, CONDITION_STALLED)->status == CONDITION_TRUE;
    if (!w->trouble[0] && !stalled && ready->status != CONDITION_TRUE) {
        (void)snprintf(w->trouble, sizeof w->trouble, "neither Ready nor Stalled: %s",
                       ready->message ? ready->message : "");
    }
    if (!w->trouble[0] && ready->status == CONDITION_TRUE) {
        for (size_t i = 0; i < w->count; i++) {
            if (w->databases[i].applied < w->commits[w->newest].files) {
                (void)snprintf(w->trouble, sizeof w->trouble, "Ready, but %s is not there",
                               w->entries[i].name);
            }
        }
    }
}

/* Every mishap starts from rest, so that what it stops does not depend on time. */
static void mishap(struct run *run, uint64_t *script, int serial)
{
    static const char *const tokens[] = { "a", "b", "c", "d", "e", "f", "g", "h" };
    struct world *w = &run->w;
    checkpoint(run);
    int files = w->commits[w->commit_count - 1].files;
    switch (draw(script) % 5) {
    case 0: /* a file fails; fixed forward */
        w->cured = false;
        world_push(w, 2, true);
        checkpoint(run);
        world_edit(w, files + 2, 0);
        break;
    case 1: /* a file fails for a cause outside of it; retried */
        w->cured = false;
        world_push(w, 1, true);
        checkpoint(run);
        w->cured = true;
        world_annotate(w, ANNOTATION_RETRY, tokens[serial]);
        break;
    case 2: { /* an applied file is edited, then put back */
        int before = w->commits[w->commit_count - 1].content[1];
        world_edit(w, 1, 0);
        checkpoint(run);
        world_edit(w, 1, before);
        break;
    }
    case 3: /* suspended over a commit */
        w->plan.suspend = true;
        w->plan.generation++;
        world_push(w, 1, false);
        w->look_again = true;
        world_pass(w, 600000);
        w->plan.suspend = false;
        w->plan.generation++;
        w->look_again = true;
        break;
    default: /* the gate says no */
        w->gate_value = false;
        world_push(w, 1, false);
        checkpoint(run);
        w->gate_value = true;
        world_annotate(w, ANNOTATION_RETRY, tokens[serial]);
        break;
    }
}

static void play(struct run *run, uint64_t seed, bool disturbed, bool log)
{
    uint64_t script = seed;
    size_t databases = 1 + (size_t)(draw(&script) % 5);
    struct world *w = &run->w;
    run->end_count = 0;
    world_init(w, databases, seed ^ 0x5eed);
    w->log = log;
    w->weather = disturbed;
    w->faults = disturbed ? 5 + (int)(draw(&script) % 25) : (int)(0 * draw(&script));
    configure(w, &script);
    world_push(w, 1 + (int)(draw(&script) % 3), false);
    int steps = 1 + (int)(draw(&script) % 4);
    for (int i = 0; i < steps && !w->trouble[0]; i++) {
        switch (draw(&script) % 4) {
        case 0:
            mishap(run, &script, i);
            break;
        case 1:
            world_push_readme(w);
            break;
        default:
            world_push(w, 1, false);
            break;
        }
        if (draw(&script) % 2) { /* the next one may come in the middle */
            world_settle(w, 1 + (int64_t)(draw(&script) % 5000));
        }
    }
    checkpoint(run);
}

/* True: fine. */
static bool check_seed(uint64_t seed, bool log, int *crashes, int *decisions)
{
    static struct run calm, rough;
    if (log) {
        printf("---- undisturbed\n");
    }
    play(&calm, seed, false, log);
    if (log) {
        printf("---- disturbed\n");
    }
    play(&rough, seed, true, log);
    bool same = calm.end_count == rough.end_count;
    for (int i = 0; same && i < calm.end_count; i++) {
        same = str_eq(calm.ends[i], rough.ends[i]);
    }
    bool fine = same && !calm.w.trouble[0] && !rough.w.trouble[0];
    if (!fine) {
        printf("seed %llu failed: undisturbed: %s; disturbed: %s\n", (unsigned long long)seed,
               calm.w.trouble[0] ? calm.w.trouble : "fine",
               rough.w.trouble[0] ? rough.w.trouble : "fine");
        for (int i = 0; i < calm.end_count || i < rough.end_count; i++) {
            printf("  rest %d: %s\n          %s\n", i, i < calm.end_count ? calm.ends[i] : "-",
                   i < rough.end_count ? rough.ends[i] : "-");
        }
        printf("replay: SLUICE_SEED=%llu step_simulation\n", (unsigned long long)seed);
    }
    *crashes += rough.w.crashes;
    *decisions += rough.w.decisions + calm.w.decisions;
    world_done(&calm.w);
    world_done(&rough.w);
    return fine;
}

static int64_t number(const char *text, int64_t fallback)
{
    int64_t value = fallback;
    return text && str_to_int64(text, 0, INT64_MAX, &value) ? value : fallback;
}

int main(int argc, char **argv)
{
    const char *replay = getenv("SLUICE_SEED");
    int64_t first = number(argc > 1 ? argv[1] : NULL, 1);
    int64_t count = number(argc > 2 ? argv[2] : getenv("SLUICE_SEEDS"), SEEDS);
    int crashes = 0, decisions = 0, failed = 0;
    if (replay) {
        return check_seed((uint64_t)number(replay, 1), true, &crashes, &decisions) ? 0 : 1;
    }
    int64_t began = clock_mono_ms();
    for (int64_t seed = first; seed < first + count && failed < 5; seed++) {
        failed += !check_seed((uint64_t)seed, false, &crashes, &decisions);
    }
    printf("%lld seeds, %d decisions, %d crashes, %d failed, %lld ms\n", (long long)count,
           decisions, crashes, failed, (long long)(clock_mono_ms() - began));
    return failed ? 1 : 0;
}
