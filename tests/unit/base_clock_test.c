/* SPDX-License-Identifier: Apache-2.0 */
/* Times and durations and their text. */
#include "base/clock.h"
#include "tests/unit/rows.h"

TestSuite(clock, .timeout = 60);

Test(clock, times_are_rfc_3339)
{
    static const struct {
        const char *name, *text;
        bool ok;
        int64_t want;
    } rows[] = {
        { "the epoch", "1970-01-01T00:00:00Z", true, 0 },
        { "a day in 2026", "2026-11-22T10:00:00Z", true, 1795341600000 },
        { "a fraction", "2026-11-22T10:00:00.25Z", true, 1795341600250 },
        { "more digits than kept", "2026-11-22T10:00:00.123456789Z", true, 1795341600123 },
        { "a zone ahead", "2026-11-22T11:00:00+01:00", true, 1795341600000 },
        { "a zone behind", "2026-11-22T04:30:00-05:30", true, 1795341600000 },
        { "lower case", "2026-11-22t10:00:00z", true, 1795341600000 },
        { "before the epoch", "1969-12-31T23:59:59Z", true, -1000 },
        { "a leap day", "2024-02-29T00:00:00Z", true, 1709164800000 },
        { "a leap second", "2016-12-31T23:59:60Z", true, 1483228800000 },
        { "no leap day", "2026-02-29T00:00:00Z", false, 0 },
        { "1900 was no leap year", "1900-02-29T00:00:00Z", false, 0 },
        { "month 13", "2026-13-01T00:00:00Z", false, 0 },
        { "day 31 of April", "2026-04-31T00:00:00Z", false, 0 },
        { "hour 24", "2026-04-30T24:00:00Z", false, 0 },
        { "no zone", "2026-04-30T10:00:00", false, 0 },
        { "no seconds", "2026-04-30T10:00Z", false, 0 },
        { "an empty fraction", "2026-04-30T10:00:00.Z", false, 0 },
        { "text behind", "2026-04-30T10:00:00Zx", false, 0 },
        { "only a date", "2026-04-30", false, 0 },
        { "nothing", "", false, 0 },
        { "NULL", NULL, false, 0 },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        int64_t got = 0;
        cr_expect(time_parse(rows[i].text, &got) == rows[i].ok, "%s", rows[i].name);
        cr_expect(got == rows[i].want, "%s: got %lld", rows[i].name, (long long)got);
    }
}

Test(clock, every_day_survives_the_round_trip)
{
    for (int64_t day = -800000; day < 2900000; day += 17) { /* about the years 1 to 9900 */
        char text[TIME_TEXT_LEN];
        int64_t back = 0;
        int64_t ms = day * 86400000 + (day % 86400) * 1000 * (day % 2 ? 1 : -1);
        if (ms < -62135596800000) {
            continue;
        }
        time_format(ms, text);
        cr_assert(time_parse(text, &back) && back == ms, "%s", text);
    }
}

Test(clock, times_are_written_as_kubernetes_does)
{
    char text[TIME_TEXT_LEN];
    time_format(1795341600999, text);
    check_text("whole seconds", text, "2026-11-22T10:00:00Z");
    time_format(-1, text);
    check_text("just before the epoch", text, "1969-12-31T23:59:59Z");
    time_format_micro(1795341600000042, text);
    check_text("microseconds", text, "2026-11-22T10:00:00.000042Z");
    time_format(INT64_MAX, text);
    check_text("clamped", text, "9999-12-31T23:59:59Z");
}

Test(clock, durations_are_gos)
{
    static const struct {
        const char *name, *text;
        bool ok;
        int64_t want;
        const char *back;
    } rows[] = {
        { "seconds", "90s", true, 90000, "1m30s" },
        { "hours and minutes", "1h30m", true, 5400000, "1h30m0s" },
        { "milliseconds", "250ms", true, 250, "250ms" },
        { "zero with a unit", "0s", true, 0, "0s" },
        { "zero without a unit", "0", true, 0, "0s" },
        { "a fraction", "1.5s", true, 1500, "1.5s" },
        { "a fraction of an hour", "0.5h", true, 1800000, "30m0s" },
        { "a fraction without a whole", ".5s", true, 500, "500ms" },
        { "a whole without a fraction", "5.m", true, 300000, "5m0s" },
        { "a day", "24h", true, 86400000, "24h0m0s" },
        { "all units", "1h2m3s4ms5us6ns", true, 3723004, "1h2m3.004s" },
        { "both micro signs", "1500\xc2\xb5s500\xce\xbcs", true, 2, "2ms" },
        { "a plus sign", "+1s", true, 1000, "1s" },
        { "a negative one is refused", "-1s", false, 0, NULL },
        { "a number without a unit is refused", "5", false, 0, NULL },
        { "an unknown unit is refused", "5d", false, 0, NULL },
        { "a unit alone is refused", "s", false, 0, NULL },
        { "a dot alone is refused", ".s", false, 0, NULL },
        { "a blank is refused", "1 s", false, 0, NULL },
        { "nothing is refused", "", false, 0, NULL },
        { "too long a time is refused", "9999999h", false, 0, NULL },
        { "digits without end are refused", "99999999999999999999s", false, 0, NULL },
        { "NULL is refused", NULL, false, 0, NULL },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        int64_t got = -5;
        char back[TIME_TEXT_LEN];
        cr_expect(duration_parse(rows[i].text, &got) == rows[i].ok, "%s", rows[i].name);
        cr_expect(got == (rows[i].ok ? rows[i].want : -5), "%s: got %lld", rows[i].name,
                  (long long)got);
        if (rows[i].ok) {
            duration_format(got, back);
            check_text(rows[i].name, back, rows[i].back);
        }
    }
}

Test(clock, ages_read_as_kubectl_prints_them)
{
    static const struct {
        int64_t seconds;
        const char *want;
    } rows[] = {
        { -5, "0s" },        { 0, "0s" },           { 119, "119s" },
        { 120, "2m" },       { 150, "2m30s" },      { 599, "9m59s" },
        { 600, "10m" },      { 10799, "179m" },     { 10800, "3h" },
        { 12600, "3h30m" },  { 28799, "7h59m" },    { 28800, "8h" },
        { 172799, "47h" },   { 172800, "2d" },      { 180000, "2d2h" },
        { 691199, "7d23h" }, { 691200, "8d" },      { 63071999, "729d" },
        { 63072000, "2y" },  { 64000000, "2y10d" }, { 252287999, "7y364d" },
        { 252288000, "8y" },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char text[TIME_TEXT_LEN];
        duration_format_short(rows[i].seconds * 1000, text);
        cr_expect(strcmp(text, rows[i].want) == 0, "%lld s: got %s, want %s",
                  (long long)rows[i].seconds, text, rows[i].want);
    }
}

Test(clock, a_pause_doubles_with_each_failure_up_to_its_most)
{
    static const int64_t want[] = { 200, 200, 400, 800, 1000, 1000 };
    for (int32_t nth = 0; nth < 6; nth++) {
        cr_expect(backoff_ms(200, 1000, nth) == want[nth], "failure %d: %lld", nth,
                  (long long)backoff_ms(200, 1000, nth));
    }
    cr_expect(backoff_ms(5000, 1000, 1) == 1000, "the first one is bounded too");
    cr_expect(backoff_ms(1, INT64_MAX / 2, INT32_MAX) == INT64_MAX / 2, "and none overflows");
}

Test(clock, jitter_stays_between_half_and_one_and_a_half)
{
    int64_t low = INT64_MAX;
    int64_t high = 0;
    for (int i = 0; i < 10000; i++) {
        int64_t got = jitter_ms(1000);
        low = got < low ? got : low;
        high = got > high ? got : high;
    }
    cr_expect(low >= 500 && low < 550 && high <= 1500 && high > 1450, "%lld %lld", (long long)low,
              (long long)high);
    cr_expect(jitter_ms(0) == 0 && jitter_ms(-3) == 0);
}

Test(clock, the_monotonic_clock_does_not_go_back)
{
    int64_t before = clock_mono_ms();
    cr_expect(clock_mono_ms() >= before);
    cr_expect(clock_utc_ms() > 1700000000000);
}
