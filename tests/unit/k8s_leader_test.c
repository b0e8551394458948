/* SPDX-License-Identifier: Apache-2.0 */
/* Leader election with a clock of our own, and events that repeat. */
#include <criterion/criterion.h>
#include <string.h>
#include "base/auto.h"
#include "base/mem.h"
#include "base/str.h"
#include "k8s/client/leader_rules.h"
#include "k8s/client/series.h"

static const struct leader_rules rules = { .lease_ms = 15000, .renew_ms = 10000, .retry_ms = 2000 };

static struct json *lease_of(const char *holder, int seconds, const char *renewed, const char *rv)
{
    struct json *lease = json_object();
    struct json *meta = json_object();
    struct json *spec = json_object();
    json_set_string(meta, "resourceVersion", rv);
    json_set(lease, "metadata", meta);
    json_set_string(spec, "holderIdentity", holder);
    json_set_int64(spec, "leaseDurationSeconds", seconds);
    json_set_string(spec, "renewTime", renewed);
    json_set_int64(spec, "leaseTransitions", 4);
    json_set(lease, "spec", spec);
    return lease;
}

Test(k8s, durations_must_fit)
{
    static const struct {
        struct leader_rules rules;
        bool fine;
    } rows[] = {
        { { 15000, 10000, 2000 }, true },  { { 10000, 10000, 2000 }, false },
        { { 15000, 10000, 9000 }, false }, { { 15000, 10000, 0 }, false },
        { { 900, 500, 100 }, false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(leader_rules_problem(&rows[i].rules) == NULL, rows[i].fine, "row %zu", i);
    }
}

Test(k8s, expiry_is_judged_by_our_clock_alone)
{
    AUTO(leader_state_done) struct leader_state s = { 0 };
    leader_state_init(&s, &rules, "ns", "l", "me");
    cr_expect(leader_may_take(&s, 0), "there is none");

    /* Times of the record that are long past, or to come, say nothing. */
    leader_saw(&s, lease_of("other", 15, "2001-01-01T00:00:00.000000Z", "1"), 1000);
    cr_expect_not(leader_may_take(&s, 1000));
    cr_expect_not(leader_may_take(&s, 15999));
    leader_saw(&s, lease_of("other", 15, "2001-01-01T00:00:00.000000Z", "2"), 15000);
    cr_expect(leader_may_take(&s, 16000), "another version of the same record is no renewal");
    leader_saw(&s, lease_of("other", 15, "2001-01-01T00:00:02.000000Z", "3"), 16000);
    cr_expect_not(leader_may_take(&s, 30999), "it was renewed");
    cr_expect(leader_may_take(&s, 31000));
    leader_saw(&s, lease_of("other", 60, "2099-01-01T00:00:00.000000Z", "4"), 40000);
    cr_expect_not(leader_may_take(&s, 99999), "the record's own duration counts, not ours");
    cr_expect(leader_may_take(&s, 100000));
    leader_saw(&s, lease_of("", 1, "2099-01-01T00:00:00.000000Z", "5"), 101000);
    cr_expect(leader_may_take(&s, 101000), "released");
    leader_saw(&s, lease_of("me", 15, "2099-01-01T00:00:00.000000Z", "6"), 102000);
    cr_expect(leader_may_take(&s, 102000), "ours: the answer to a claim was lost");
}

static const struct json *spec_of(const struct json *lease)
{
    return json_get(lease, "spec");
}

Test(k8s, a_claim_names_the_version_it_read)
{
    AUTO(leader_state_done) struct leader_state s = { 0 };
    leader_state_init(&s, &rules, "ns", "l", "me");
    AUTO(json_free_auto) struct json *first = leader_claim(&s, 1000);
    cr_expect_str_eq(json_get_string(spec_of(first), "holderIdentity"), "me");
    cr_expect_eq(json_get_int64(spec_of(first), "leaseTransitions", -1), 0);
    cr_expect_eq(json_get_int64(spec_of(first), "leaseDurationSeconds", -1), 15);
    cr_expect_str_eq(json_get_string(spec_of(first), "renewTime"), "1970-01-01T00:00:01.000000Z");
    cr_expect_null(json_get(json_get(first, "metadata"), "resourceVersion"));

    leader_saw(&s, lease_of("other", 15, "2001-01-01T00:00:00.000000Z", "77"), 0);
    AUTO(json_free_auto) struct json *taken = leader_claim(&s, 2000);
    cr_expect_str_eq(json_get_string(json_get(taken, "metadata"), "resourceVersion"), "77");
    cr_expect_eq(json_get_int64(spec_of(taken), "leaseTransitions", -1), 5, "a new leader");
    cr_expect_str_eq(json_get_string(spec_of(taken), "acquireTime"), "1970-01-01T00:00:02.000000Z");

    leader_claimed(&s, json_copy(taken), 3000);
    cr_expect(s.leading);
    AUTO(json_free_auto) struct json *renewed = leader_claim(&s, 4000);
    cr_expect_eq(json_get_int64(spec_of(renewed), "leaseTransitions", -1), 5, "the same leader");
    cr_expect_str_eq(json_get_string(spec_of(renewed), "acquireTime"),
                     "1970-01-01T00:00:02.000000Z");
    cr_expect_str_eq(json_get_string(spec_of(renewed), "renewTime"), "1970-01-01T00:00:04.000000Z");
}

Test(k8s, a_leader_that_is_late_leads_no_more)
{
    AUTO(leader_state_done) struct leader_state s = { 0 };
    leader_state_init(&s, &rules, "ns", "l", "me");
    cr_expect_not(leader_is_late(&s, 99999), "who does not lead is not late");
    leader_claimed(&s, leader_claim(&s, 0), 1000);
    cr_expect_not(leader_is_late(&s, 10999));
    cr_expect(leader_is_late(&s, 11000), "counted from when the request began");
    leader_claimed(&s, leader_claim(&s, 0), 8000);
    cr_expect_not(leader_is_late(&s, 17999));
    cr_expect_not(leader_is_other(&s));
    leader_saw(&s, lease_of("other", 15, "2001-01-01T00:00:00.000000Z", "9"), 9000);
    cr_expect(leader_is_other(&s));
}

Test(k8s, only_ours_is_released)
{
    AUTO(leader_state_done) struct leader_state s = { 0 };
    leader_state_init(&s, &rules, "ns", "l", "me");
    cr_expect_null(leader_release(&s, 0));
    leader_saw(&s, lease_of("other", 15, "2001-01-01T00:00:00.000000Z", "9"), 0);
    cr_expect_null(leader_release(&s, 0));
    leader_saw(&s, lease_of("me", 15, "2001-01-01T00:00:00.000000Z", "10"), 0);
    AUTO(json_free_auto) struct json *freed = leader_release(&s, 0);
    cr_assert_not_null(freed);
    cr_expect_str_eq(json_get_string(spec_of(freed), "holderIdentity"), "");
    cr_expect_eq(json_get_int64(spec_of(freed), "leaseDurationSeconds", -1), 1);
    cr_expect_eq(json_get_int64(spec_of(freed), "leaseTransitions", -1), 4);
    cr_expect_str_eq(json_get_string(json_get(freed, "metadata"), "resourceVersion"), "10");
}

/* ---- events ---------------------------------------------------------------------------------- */

static enum series_step occur(struct series *s, const char *key, int64_t now,
                              struct series_entry **entry)
{
    return series_occurred(s, mem_strdup(key), mem_strdup("ns"), mem_strdup("name"), now, now,
                           entry);
}

Test(k8s, repeated_events_become_a_series)
{
    AUTO(series_done) struct series s = { 0 };
    struct series_entry *e = NULL;
    cr_expect_eq(occur(&s, "a", 0, &e), SERIES_CREATE);
    cr_expect_eq(occur(&s, "b", 0, &e), SERIES_CREATE, "another event");
    cr_expect_eq(occur(&s, "a", 1000, &e), SERIES_UPDATE, "the second makes a series");
    cr_expect_eq(e->count, 2);
    series_told(e, 1000);
    for (int64_t i = 3; i < 20; i++) {
        cr_expect_eq(occur(&s, "a", 1000 * i, &e), SERIES_NOTHING, "later ones are counted");
        cr_expect_eq(e->count, i);
    }
    cr_expect_null(series_due(&s, 20000));
}

Test(k8s, a_long_series_is_told_every_half_hour)
{
    AUTO(series_done) struct series s = { 0 };
    struct series_entry *e = NULL;
    (void)occur(&s, "a", 0, &e);
    (void)occur(&s, "a", 1, &e);
    series_told(e, 1);
    int64_t now = 1;
    for (; now < SERIES_REFRESH_MS - 60000; now += 60000) {
        cr_expect_eq(occur(&s, "a", now, &e), SERIES_NOTHING);
        cr_assert_null(series_due(&s, now), "at %ld", (long)now);
    }
    (void)occur(&s, "a", SERIES_REFRESH_MS, &e);
    e = series_due(&s, SERIES_REFRESH_MS + 1);
    cr_assert_not_null(e);
    series_told(e, SERIES_REFRESH_MS + 1);
    cr_expect_null(series_due(&s, SERIES_REFRESH_MS + 2));
}

Test(k8s, a_quiet_series_is_closed)
{
    AUTO(series_done) struct series s = { 0 };
    struct series_entry *e = NULL;
    (void)occur(&s, "a", 0, &e);
    (void)occur(&s, "a", 1000, &e);
    series_told(e, 1000);
    (void)occur(&s, "a", 2000, &e);
    e = series_due(&s, 2000 + SERIES_QUIET_MS);
    cr_assert_not_null(e, "its last count is told");
    cr_expect_eq(e->count, 3);
    series_told(e, 2000 + SERIES_QUIET_MS);
    cr_expect_null(series_due(&s, 2001 + SERIES_QUIET_MS));
    cr_expect_eq(s.count, 0, "and forgotten");
    cr_expect_eq(occur(&s, "a", 500000, &e), SERIES_CREATE);
    cr_expect_eq(occur(&s, "a", 500000 + SERIES_QUIET_MS, &e), SERIES_CREATE,
                 "also if nobody looked in between");
}

Test(k8s, series_are_bounded)
{
    AUTO(series_done) struct series s = { 0 };
    struct series_entry *e = NULL;
    for (int i = 0; i < SERIES_MAX + 10; i++) {
        AUTO(free_auto) char *key = mem_printf("k%d", i);
        (void)occur(&s, key, i, &e);
    }
    cr_expect_eq(s.count, SERIES_MAX);
    cr_expect_eq(occur(&s, "k500", 2000, &e), SERIES_UPDATE, "a newer one is still known");
    cr_expect_eq(occur(&s, "k3", 2000, &e), SERIES_CREATE, "the oldest are not");
    series_forget(&s, "k500");
    cr_expect_eq(occur(&s, "k500", 2001, &e), SERIES_CREATE);
}
