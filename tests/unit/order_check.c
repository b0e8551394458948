/* SPDX-License-Identifier: Apache-2.0 */
/* The model check of the order of roll-outs: every edit, commit, retry and mishap at any moment around
 * the real step_decide(), and an oracle that judges what happened.
 *
 *   order_check [FIRST [COUNT]]     SLUICE_SEED=N replays one seed and prints all that happens */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "order_world.h"

#ifdef __SANITIZE_ADDRESS__
#define SEEDS 2000 /* ten times slower there; tests/integration/order_check.sh runs many more */
#else
#define SEEDS 10000
#endif
#define EVERY_ROW 20000 /* so many seeds hit every row of the table */
#define SHOWN 5

static int64_t number(const char *text, int64_t fallback)
{
    int64_t value = fallback;
    return text && str_to_int64(text, 0, INT64_MAX, &value) ? value : fallback;
}

/* True: fine. */
static bool check_seed(uint64_t seed, bool log, bool show, struct figures *figures)
{
    static struct world w;
    world_init(&w, seed, figures, log);
    script_play(&w);
    bool fine = !w.trouble[0];
    if (!fine && show) {
        printf("seed %llu failed: %s\n  replay: SLUICE_SEED=%llu order_check\n",
               (unsigned long long)seed, w.trouble, (unsigned long long)seed);
    }
    world_done(&w);
    return fine;
}

/* False: a row was never hit. */
static bool print_rows(const struct figures *figures)
{
    bool all = true;
    printf("%-56s %12s %12s\n", "events while a roll-out is on", "none has run", "one has");
    for (int row = 0; row < ROW_MAX_; row++) {
        printf("%-56s %12lld %12lld\n", row_texts[row], (long long)figures->hits[row][0],
               (long long)figures->hits[row][1]);
        all = all && figures->hits[row][0] > 0 && figures->hits[row][1] > 0;
    }
    return all;
}

int main(int argc, char **argv)
{
    static struct figures figures;
    const char *replay = getenv("SLUICE_SEED");
    int64_t first = number(argc > 1 ? argv[1] : NULL, 1);
    int64_t count = number(argc > 2 ? argv[2] : getenv("SLUICE_SEEDS"), SEEDS);
    int64_t most = number(getenv("SLUICE_FAILURES"), SHOWN);
    if (replay) {
        return check_seed((uint64_t)number(replay, 1), true, true, &figures) ? 0 : 1;
    }
    int64_t began = clock_mono_ms(), seeds = 0, failed = 0;
    while (seeds < count && failed < most) {
        failed += !check_seed((uint64_t)(first + seeds++), false, true, &figures);
    }
    bool rows = print_rows(&figures);
    printf("%lld seeds, %lld decisions, %lld statements, %lld crashes, %lld edits, %lld stalled, "
           "%lld failed, %lld ms\n",
           (long long)seeds, (long long)figures.decisions, (long long)figures.statements,
           (long long)figures.crashes, (long long)figures.edits, (long long)figures.stalled,
           (long long)failed, (long long)(clock_mono_ms() - began));
    if (!rows && count >= EVERY_ROW) {
        printf("a row of the table was never hit\n");
    }
    return failed || (!rows && count >= EVERY_ROW) ? 1 : 0;
}
