/* SPDX-License-Identifier: Apache-2.0 */
/* When a plan's Jobs may be started (docs/how-to/windows.md): open = (no windows, or inside one) and inside no freeze. PURE.
 * A window opens at the wall time of its zone: a time that is skipped in spring counts as the first instant after the
 * gap, one that comes twice in autumn opens once; its duration is real time. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "model/mplan.h"

#define WINDOW_HORIZON_MS (INT64_C(366) * 24 * 60 * 60 * 1000)

struct window_state {
    bool open;
    int64_t until_ms; /* open: when it ends, UTC; 0: not within the horizon */
    int64_t
        sure_until_ms; /* open: at least until then; the same, unless many windows touch each other */
    int64_t next_ms;   /* not open: when it is open next, UTC; 0: not within the horizon */
    /* The window that is open, or the freeze that holds it shut; NULL: there are no windows, or none is open now. */
    const struct mplan_window *because;
};

static inline bool window_is_set(const struct mplan *plan)
{
    return plan->window_count + plan->freeze_count > 0;
}
struct window_state window_state(const struct mplan *plan, int64_t now_ms);
/* "0 2 * * SAT for 4h0m0s Europe/Prague", "2026-12-18T00:00:00Z to 2027-01-04T00:00:00Z". Owned. */
char *window_text(const struct mplan_window *window);
