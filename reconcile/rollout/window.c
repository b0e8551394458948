/* SPDX-License-Identifier: Apache-2.0 */
/* Openings of a schedule, one before and one after a moment, and from them the state of all windows and freezes. */
#include "reconcile/rollout/window.h"

#include <stdlib.h>

#include "base/calendar.h"
#include "base/clock.h"
#include "base/mem.h"

#define MINUTE_S 60
#define DAY_S INT64_C(86400)
#define HORIZON_DAYS (WINDOW_HORIZON_MS / 1000 / DAY_S)
#define CHANGES_MAX 400 // that one state looks at: a year of daily windows that touch each other
#define NEVER INT64_MAX

static int64_t local_day(const struct mplan_window *w, int64_t utc_s)
{
    return floor_div(utc_s + zone_offset(w->zone, utc_s), DAY_S);
}

static int64_t opening_at(const struct mplan_window *w, int64_t day, int minute)
{
    return zone_instant(w->zone, day * DAY_S + (int64_t)minute * MINUTE_S);
}

static bool has_minute(const struct cron *cron, int minute)
{
    return ((cron->hours >> (minute / 60)) & 1) && ((cron->minutes >> (minute % 60)) & 1);
}

static bool has_day(const struct cron *cron, int64_t day)
{
    const struct date date = date_of_day(day);
    return cron_has_day(cron, date.month, date.day, date.weekday);
}

// Minutes of that day whose instant is not after `utc_s`: instants are in the order of minutes, also where the clock
// changes.
static int minutes_until(const struct mplan_window *w, int64_t day, int64_t utc_s)
{
    int low = 0, high = 24 * 60;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        if (opening_at(w, day, middle) <= utc_s) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool first_after(const struct mplan_window *w, int64_t day, int64_t after_s, int64_t *out)
{
    for (int minute = minutes_until(w, day, after_s); minute < 24 * 60; minute++) {
        if (has_minute(&w->cron, minute)) {
            *out = opening_at(w, day, minute);
            return true;
        }
    }
    return false;
}

static bool last_until(const struct mplan_window *w, int64_t day, int64_t until_s, int64_t *out)
{
    for (int minute = minutes_until(w, day, until_s) - 1; minute >= 0; minute--) {
        if (has_minute(&w->cron, minute)) {
            *out = opening_at(w, day, minute);
            return true;
        }
    }
    return false;
}

// Seconds. NEVER: not within the horizon.
static int64_t next_opening(const struct mplan_window *w, int64_t after_s)
{
    int64_t out = NEVER;
    const int64_t first = local_day(w, after_s) - 1;
    for (int64_t day = first; day <= first + HORIZON_DAYS + 2; day++) {
        if (has_day(&w->cron, day) && first_after(w, day, after_s, &out)) {
            return out;
        }
    }
    return NEVER;
}

// When the span that holds `at_s` ends; NEVER: none does.
static int64_t span_end(const struct mplan_window *w, int64_t at_s)
{
    if (!w->schedule) {
        const bool inside = w->from_ms <= at_s * 1000 && at_s * 1000 < w->to_ms;
        return inside ? (w->to_ms + 999) / 1000 : NEVER;
    }
    const int64_t duration_s = w->duration_ms / 1000;
    const int64_t last = local_day(w, at_s) + 1;
    int64_t opening = 0;
    for (int64_t day = last; day >= last - 3 - duration_s / DAY_S; day--) {
        if (has_day(&w->cron, day) && last_until(w, day, at_s, &opening)) {
            return at_s < opening + duration_s ? opening + duration_s : NEVER;
        }
    }
    return NEVER;
}

static int64_t span_begin(const struct mplan_window *w, int64_t after_s)
{
    if (w->schedule) {
        return next_opening(w, after_s);
    }
    return w->from_ms > after_s * 1000 ? floor_div(w->from_ms + 999, 1000) : NEVER;
}

// The end of the one that lasts longest; NEVER: none of them holds `at_s`.
static int64_t inside_until(const struct mplan_window *list, size_t count, int64_t at_s,
                            const struct mplan_window **which)
{
    int64_t latest = NEVER;
    for (size_t i = 0; i < count; i++) {
        const int64_t end = span_end(&list[i], at_s);
        if (end != NEVER && (latest == NEVER || end > latest)) {
            latest = end;
            *which = &list[i];
        }
    }
    return latest;
}

static int64_t first_begin(const struct mplan_window *list, size_t count, int64_t after_s)
{
    int64_t first = NEVER;
    for (size_t i = 0; i < count; i++) {
        const int64_t begin = span_begin(&list[i], after_s);
        first = begin < first ? begin : first;
    }
    return first;
}

static bool is_open(const struct mplan *plan, int64_t at_s, const struct mplan_window **because)
{
    *because = NULL;
    if (inside_until(plan->freezes, plan->freeze_count, at_s, because) != NEVER) {
        return false;
    }
    return plan->window_count == 0 ||
           inside_until(plan->windows, plan->window_count, at_s, because) != NEVER;
}

// Windows that touch or overlap are one. *sure is when it is open until at least.
static int64_t open_until(const struct mplan *plan, int64_t from_s, int64_t *sure)
{
    const struct mplan_window *ignored = NULL;
    const int64_t horizon = from_s + WINDOW_HORIZON_MS / 1000;
    const int64_t freeze = first_begin(plan->freezes, plan->freeze_count, from_s);
    int64_t end = plan->window_count == 0 ? NEVER : from_s;
    bool more = plan->window_count > 0;
    for (int i = 0; i < CHANGES_MAX && more && end < freeze && end < horizon; i++) {
        const int64_t later = inside_until(plan->windows, plan->window_count, end, &ignored);
        more = later != NEVER;
        end = more ? later : end;
    }
    more = more && end < freeze;
    end = freeze < end ? freeze : end;
    *sure = end < horizon ? end : horizon;
    return !more && end < horizon ? end : 0;
}

// Where very many freezes touch each other, a time up to which it is surely shut.
static int64_t open_next(const struct mplan *plan, int64_t from_s)
{
    const struct mplan_window *ignored = NULL;
    const int64_t horizon = from_s + WINDOW_HORIZON_MS / 1000;
    int64_t at = from_s;
    for (int i = 0; i < CHANGES_MAX && at <= horizon; i++) {
        const int64_t frozen = inside_until(plan->freezes, plan->freeze_count, at, &ignored);
        if (frozen != NEVER) {
            at = frozen;
        } else if (plan->window_count == 0 ||
                   inside_until(plan->windows, plan->window_count, at, &ignored) != NEVER) {
            return at;
        } else {
            at = first_begin(plan->windows, plan->window_count, at);
        }
    }
    return at <= horizon ? at : 0;
}

struct window_state window_state(const struct mplan *plan, int64_t now_ms)
{
    struct window_state out = { .open = true };
    const int64_t now_s = floor_div(now_ms, 1000);
    if (!window_is_set(plan)) {
        return out;
    }
    out.open = is_open(plan, now_s, &out.because);
    if (out.open) {
        int64_t sure_s = 0;
        out.until_ms = open_until(plan, now_s, &sure_s) * 1000;
        out.sure_until_ms = sure_s * 1000;
    } else {
        out.next_ms = open_next(plan, now_s) * 1000;
    }
    return out;
}

char *window_text(const struct mplan_window *window)
{
    char duration[TIME_TEXT_LEN];
    if (!window->schedule) {
        return mem_printf("%s to %s", window->from, window->to);
    }
    duration_format(window->duration_ms, duration);
    return mem_printf("%s for %s %s", window->schedule, duration,
                      window->time_zone ? window->time_zone : "UTC");
}
