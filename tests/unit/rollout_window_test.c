/* SPDX-License-Identifier: Apache-2.0 */
/* Windows and freezes, against another implementation: the C library's zones, and a walk over every minute of a
 * year's wall clock. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/auto.h"
#include "base/calendar.h"
#include "base/clock.h"
#include "base/mem.h"
#include "reconcile/rollout/window.h"

#define MINUTES (400 * 1440) // of one zone's walk
#define HOUR_MS INT64_C(3600000)

static int64_t at(const char *text)
{
    int64_t ms = 0;
    cr_assert(time_parse(text, &ms), "%s", text);
    return ms;
}

static struct mplan_window scheduled(const char *schedule, const char *zone, int64_t duration_ms)
{
    struct mplan_window window = { .schedule = mem_strdup(schedule),
                                   .time_zone = mem_strdup(zone),
                                   .zone = zone_get(zone),
                                   .duration_ms = duration_ms };
    const char *problem = cron_parse(schedule, &window.cron);
    cr_assert_null(problem, "%s: %s", schedule, problem);
    cr_assert_not_null(window.zone, "%s", zone);
    return window;
}

// ---- schedules -----------------------------------------------------------------------------------

Test(cron, reads_what_cronjobs_read)
{
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        { "0 2 * * SAT", true },
        { "0 2 * * sat", true },
        { "*/15 0-6,22,23 1-7 JAN-MAR *", true },
        { "  5   4 * * 7 ", true },
        { "5/20 4 * * 1-5/2", true },
        { "0 0 29 2 *", true },
        { "0 0 31 2 *", false },
        { "0 0 30 feb *", false },
        { "60 * * * *", false },
        { "* 24 * * *", false },
        { "* * 0 * *", false },
        { "* * * 13 *", false },
        { "* * * * 8", false },
        { "* * * *", false },
        { "* * * * * *", false },
        { "@daily", false },
        { "", false },
        { "1-0 * * * *", false },
        { "*/0 * * * *", false },
        { "1,, * * * *", false },
        { "1- * * * *", false },
        { "* * * janu *", false },
        { "-1 * * * *", false },
        { "999999999999 * * * *", false },
        { "0 0 31 4,6 *", false },
        { "0 0 31 2 MON", true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cron cron;
        const char *problem = cron_parse(rows[i].text, &cron);
        cr_expect_eq(problem == NULL, rows[i].good, "%s: %s", rows[i].text, problem ? problem : "");
    }
}

Test(cron, day_and_weekday_restricted_are_either)
{
    struct cron cron;
    cr_assert_null(cron_parse("0 0 13 * FRI", &cron));
    cr_expect(cron_has_day(&cron, 1, 13, 2), "the 13th, a Tuesday");
    cr_expect(cron_has_day(&cron, 1, 2, 5), "a Friday, the 2nd");
    cr_expect_not(cron_has_day(&cron, 1, 2, 4));
    cr_assert_null(cron_parse("0 0 13 * *", &cron));
    cr_expect_not(cron_has_day(&cron, 1, 2, 5), "one alone restricts");
    cr_assert_null(cron_parse("0 0 * * 7", &cron));
    cr_expect(cron_has_day(&cron, 1, 2, 0), "7 is Sunday");
}

// ---- zones ---------------------------------------------------------------------------------------

static const char *const zones[] = { "UTC",
                                     "Europe/Prague",
                                     "America/New_York",
                                     "Asia/Kathmandu",
                                     "Australia/Lord_Howe",
                                     "America/St_Johns",
                                     "Africa/Casablanca",
                                     "Asia/Tehran",
                                     "Pacific/Apia",
                                     "America/Sao_Paulo",
                                     "Europe/Dublin",
                                     "Pacific/Chatham",
                                     "Asia/Gaza",
                                     "America/Scoresbysund",
                                     "Etc/GMT+12",
                                     "Antarctica/Troll" };
#define ZONES (sizeof zones / sizeof *zones)

static void use_zone(const char *name)
{
    cr_assert_eq(setenv("TZ", name, 1), 0);
    tzset();
}

Test(zone, offsets_are_those_of_the_c_library)
{
    srand(7);
    for (size_t z = 0; z < ZONES; z++) {
        const struct zone *zone = zone_get(zones[z]);
        cr_assert_not_null(zone, "%s", zones[z]);
        use_zone(zones[z]);
        for (int i = 0; i < 4000; i++) {
            // From 1900 to 2200, and more often about now.
            const int64_t wide = (int64_t)(rand() % 300) * 31556952 - INT64_C(2208988800);
            const int64_t utc = (i % 2 ? wide : INT64_C(1760000000)) + rand() % 63113904;
            const time_t t = (time_t)utc;
            struct tm local;
            localtime_r(&t, &local);
            cr_expect_eq(zone_offset(zone, utc), (int32_t)local.tm_gmtoff, "%s at %lld", zones[z],
                         (long long)utc);
        }
    }
}

Test(zone, a_skipped_time_is_the_first_after_the_gap_and_a_doubled_one_the_first)
{
    const struct zone *prague = zone_get("Europe/Prague");
    const int64_t spring = day_of_date(2027, 3, 28) * 86400,
                  autumn = day_of_date(2026, 10, 25) * 86400;
    cr_expect_eq(zone_instant(prague, spring + 2 * 3600 + 1800), at("2027-03-28T01:00:00Z") / 1000);
    cr_expect_eq(zone_instant(prague, spring + 3 * 3600), at("2027-03-28T01:00:00Z") / 1000);
    cr_expect_eq(zone_instant(prague, autumn + 2 * 3600 + 1800), at("2026-10-25T00:30:00Z") / 1000);
    const struct zone *apia = zone_get("Pacific/Apia"); // 2011-12-30 was no day there
    cr_expect_eq(zone_instant(apia, day_of_date(2011, 12, 30) * 86400 + 43200),
                 at("2011-12-30T10:00:00Z") / 1000);
}

Test(zone, names_stay_inside_the_database)
{
    static const char *const bad[] = { "../etc/passwd",  "/etc/localtime", "Europe", "Europe/",
                                       "Europe//Prague", "zone.tab",       "",       "Nowhere/Here",
                                       "tzdata.zi",      "Europe/Prag\te" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_null(zone_get(bad[i]), "%s", bad[i]);
    }
    cr_expect_eq(zone_get("Asia/Tokyo"), zone_get("Asia/Tokyo"), "read once");
}

Test(zone, every_cut_and_changed_file_is_refused_or_harmless)
{
    FILE *file = fopen("/usr/share/zoneinfo/America/New_York", "r");
    cr_assert_not_null(file);
    static char whole[65536];
    const size_t length = fread(whole, 1, sizeof whole, file);
    fclose(file);
    srand(11);
    for (int i = 0; i < 20000; i++) {
        AUTO(free_auto) char *copy = mem_alloc(length);
        memcpy(copy, whole, length);
        const size_t cut = i % 2 ? length : (size_t)rand() % length;
        for (int k = rand() % 4; k > 0; k--) {
            copy[(size_t)rand() % length] = (char)rand();
        }
        struct zone *zone = zone_parse(copy, cut);
        if (zone) {
            const int64_t instant = zone_instant(zone, (int64_t)rand() * 4);
            cr_assert(zone_offset(zone, instant) < 26 * 3600);
        }
        zone_free(zone);
    }
}

// ---- the other implementation --------------------------------------------------------------------

struct wall { // what a clock on the wall shows
    int8_t month, weekday, hour, minute, day;
    bool again; // it has shown that before
};

struct walk {
    int64_t start;  // UTC seconds, a whole minute
    int64_t *local; // minutes since 1970 by the wall
    struct wall *wall;
};

static void walk_make(struct walk *walk, const char *zone, int64_t start)
{
    use_zone(zone);
    walk->start = start;
    walk->local = mem_array(MINUTES, sizeof *walk->local);
    walk->wall = mem_array(MINUTES, sizeof *walk->wall);
    int64_t newest = INT64_MIN;
    for (int i = 0; i < MINUTES; i++) {
        const time_t t = (time_t)(start + (int64_t)i * 60);
        struct tm tm;
        localtime_r(&t, &tm);
        walk->local[i] = (t + tm.tm_gmtoff) / 60;
        walk->wall[i] = (struct wall){ .month = (int8_t)(tm.tm_mon + 1),
                                       .weekday = (int8_t)tm.tm_wday,
                                       .hour = (int8_t)tm.tm_hour,
                                       .minute = (int8_t)tm.tm_min,
                                       .day = (int8_t)tm.tm_mday,
                                       .again = walk->local[i] <= newest };
        newest = walk->local[i] > newest ? walk->local[i] : newest;
    }
}

static bool field_has(uint64_t bits, int value)
{
    return (bits >> value) & 1;
}

static bool shows(const struct cron *cron, const struct wall *wall)
{
    const bool day = field_has(cron->days, wall->day),
               weekday = field_has(cron->weekdays, wall->weekday);
    const bool date = cron->any_day ? weekday : cron->any_weekday ? day : day || weekday;
    return date && field_has(cron->months, wall->month) && field_has(cron->hours, wall->hour) &&
           field_has(cron->minutes, wall->minute);
}

// A time of the wall that is skipped between two minutes: only those on the same day are made up here, which is
// where clocks are changed.
static bool skips(const struct cron *cron, const struct walk *walk, int i)
{
    struct wall wall = walk->wall[i - 1];
    for (int64_t local = walk->local[i - 1] + 1; local < walk->local[i]; local++) {
        wall.hour = (int8_t)(local / 60 % 24);
        wall.minute = (int8_t)(local % 60);
        if (wall.hour == 0 && wall.minute == 0) { // a gap at midnight belongs to the day that comes
            wall = walk->wall[i];
            wall.hour = wall.minute = 0;
        }
        if (shows(cron, &wall)) {
            return true;
        }
    }
    return false;
}

static bool opens(const struct cron *cron, const struct walk *walk, int i)
{
    if (walk->wall[i].again) {
        return false;
    }
    return shows(cron, &walk->wall[i]) ||
           (i > 0 && walk->local[i] > walk->local[i - 1] + 1 && skips(cron, walk, i));
}

static int pick(int most)
{
    return rand() % most;
}

static void random_schedule(char *out, size_t size)
{
    static const char *const minutes[] = { "0", "30", "*/20", "5,35,59", "0-10/5", "15" };
    static const char *const hours[] = {
        "0", "1", "2", "2,3", "1-3", "*/6", "23", "*", "0,12", "3"
    };
    static const char *const days[] = { "*", "*", "*", "1-7", "*/2", "28-31", "25" };
    static const char *const weekdays[] = { "*", "*", "*", "SUN", "1-5", "0,6" };
    snprintf(out, size, "%s %s %s * %s", minutes[pick(6)], hours[pick(10)], days[pick(7)],
             weekdays[pick(6)]);
}

struct spans { // one list of windows or freezes, minute by minute
    bool inside[MINUTES];
};

static void fill(struct spans *out, const struct mplan_window *list, size_t count,
                 const struct walk *walk)
{
    memset(out, 0, sizeof *out);
    for (size_t w = 0; w < count; w++) {
        const int64_t length = list[w].duration_ms / 60000;
        int64_t left = 0;
        for (int i = 0; i < MINUTES; i++) {
            left = opens(&list[w].cron, walk, i) ? length : left;
            out->inside[i] = out->inside[i] || left > 0;
            left -= left > 0;
        }
    }
}

static void window_free(struct mplan_window *window)
{
    free(window->schedule);
    free(window->time_zone);
}

// One random plan, judged at `count` moments.
static void compare(const struct walk *walk, const char *zone, int count)
{
    static struct spans open, frozen;
    struct mplan_window windows[2], freezes[1];
    char text[64];
    struct mplan plan = { .windows = windows,
                          .freezes = freezes,
                          .window_count = (size_t)pick(3),
                          .freeze_count = (size_t)pick(2) };
    for (size_t i = 0; i < plan.window_count; i++) {
        random_schedule(text, sizeof text);
        windows[i] = scheduled(text, zone, (5 + pick(i ? 300 : 3000)) * INT64_C(60000));
    }
    for (size_t i = 0; i < plan.freeze_count; i++) {
        random_schedule(text, sizeof text);
        freezes[i] = scheduled(text, zone, (5 + pick(600)) * INT64_C(60000));
    }
    fill(&open, windows, plan.window_count, walk);
    fill(&frozen, freezes, plan.freeze_count, walk);
    for (int k = 0; k < count; k++) {
        const int i = 10 * 1440 + pick(300 * 1440);
        const struct window_state state =
            window_state(&plan, (walk->start + (int64_t)i * 60 + pick(60)) * 1000);
        const bool want = (open.inside[i] || plan.window_count == 0) && !frozen.inside[i];
        cr_expect_eq(state.open, want, "%s: \"%s\", minute %d: %d", zone,
                     plan.window_count ? windows[0].schedule : "", i, state.open);
        int change = i;
        while (change < i + 60 * 1440 && ((open.inside[change] || plan.window_count == 0) &&
                                          !frozen.inside[change]) == want) {
            change++;
        }
        if (change < i + 60 * 1440) {
            const int64_t at_ms = (walk->start + (int64_t)change * 60) * 1000;
            const int64_t said = want ? state.until_ms : state.next_ms;
            // So many spans touch each other that only a part of them was looked at.
            const bool many =
                want ? said == 0 && state.sure_until_ms <= at_ms
                     : said < at_ms && said > (walk->start + (int64_t)i * 60) * 1000 + 24 * HOUR_MS;
            cr_expect(said == at_ms || many, "%s: \"%s\", \"%s\", minute %d: %lld, not %lld", zone,
                      plan.window_count ? windows[0].schedule : "",
                      plan.freeze_count ? freezes[0].schedule : "", i, (long long)said,
                      (long long)at_ms);
        }
    }
    for (size_t i = 0; i < plan.window_count; i++) {
        window_free(&windows[i]);
    }
    for (size_t i = 0; i < plan.freeze_count; i++) {
        window_free(&freezes[i]);
    }
}

/* 16 zones, by turns in a year of the present and in one after the last transition of any file; 10,240 moments. */
Test(window, states_are_those_of_the_other_implementation, .timeout = 240)
{
    static const int64_t starts[] = { INT64_C(1767225600), INT64_C(2240524800) }; // 2026, 2041
    srand(2026);
    for (size_t z = 0; z < ZONES; z++) {
        struct walk walk;
        walk_make(&walk, zones[z], starts[z % 2]);
        for (int i = 0; i < 8; i++) {
            compare(&walk, zones[z], 80);
        }
        free(walk.local);
        free(walk.wall);
    }
}

// ---- what the comparison does not reach ----------------------------------------------------------

Test(window, texts_say_schedule_length_and_zone)
{
    struct mplan_window window = scheduled("0 2 * * SAT", "Europe/Prague", 4 * HOUR_MS);
    AUTO(free_auto) char *text = window_text(&window);
    cr_expect_str_eq(text, "0 2 * * SAT for 4h0m0s Europe/Prague");
    free(window.time_zone);
    window.time_zone = NULL;
    AUTO(free_auto) char *utc = window_text(&window);
    cr_expect_str_eq(utc, "0 2 * * SAT for 4h0m0s UTC");
    window_free(&window);
}

Test(window, no_windows_and_no_freezes_are_always_open)
{
    const struct mplan plan = { 0 };
    const struct window_state state = window_state(&plan, at("2026-12-01T00:00:00Z"));
    cr_expect(state.open);
    cr_expect_eq(state.until_ms, 0);
    cr_expect_null(state.because);
}

Test(window, an_absolute_freeze_closes_an_open_window)
{
    struct mplan_window window = scheduled("0 2 * * SAT", "Europe/Prague", 4 * HOUR_MS);
    struct mplan_window freeze = { .from = (char[]){ "2026-12-18T00:00:00Z" },
                                   .to = (char[]){ "2027-01-04T00:00:00Z" },
                                   .from_ms = at("2026-12-18T00:00:00Z"),
                                   .to_ms = at("2027-01-04T00:00:00Z") };
    const struct mplan plan = {
        .windows = &window, .window_count = 1, .freezes = &freeze, .freeze_count = 1
    };
    struct window_state state = window_state(&plan, at("2026-12-05T01:30:00Z"));
    cr_expect(state.open);
    cr_expect_eq(state.until_ms, at("2026-12-05T05:00:00Z"));
    cr_expect_eq(state.because, &window);
    state = window_state(&plan, at("2026-12-05T05:00:00Z"));
    cr_expect_not(state.open, "the end is no part of it");
    cr_expect_eq(state.next_ms, at("2026-12-12T01:00:00Z"));
    cr_expect_null(state.because);
    state = window_state(&plan, at("2026-12-19T01:30:00Z"));
    cr_expect_not(state.open);
    cr_expect_eq(state.because, &freeze);
    cr_expect_eq(state.next_ms, at("2027-01-09T01:00:00Z"));
    window_free(&window);
}

Test(window, schedules_that_touch_are_one_and_a_29_february_may_be_far)
{
    struct mplan_window list[2] = { scheduled("0 0 * * *", "UTC", 12 * HOUR_MS),
                                    scheduled("0 12 * * *", "UTC", 12 * HOUR_MS) };
    struct mplan plan = { .windows = list, .window_count = 2 };
    struct window_state state = window_state(&plan, at("2026-12-05T01:30:00Z"));
    cr_expect(state.open);
    cr_expect_eq(state.until_ms, 0, "no end within the horizon");
    cr_expect_geq(state.sure_until_ms, at("2027-01-01T00:00:00Z"));
    window_free(&list[0]);
    list[0] = scheduled("0 0 29 2 *", "UTC", HOUR_MS);
    plan.window_count = 1;
    state = window_state(&plan, at("2026-12-05T01:30:00Z"));
    cr_expect_not(state.open);
    cr_expect_eq(state.next_ms, 0, "2028");
    state = window_state(&plan, at("2027-12-05T01:30:00Z"));
    cr_expect_eq(state.next_ms, at("2028-02-29T00:00:00Z"));
    window_free(&list[0]);
    window_free(&list[1]);
}
