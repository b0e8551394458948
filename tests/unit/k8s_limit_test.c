/* SPDX-License-Identifier: Apache-2.0 */
/* How often the API server may be asked: what options say, and a token bucket that keeps to it. */
#include <criterion/criterion.h>

#include "k8s/client/client.h"
#include "tests/unit/rows.h"

struct row {
    const char *qps;
    int64_t burst;
    int64_t every_us, expected_burst; /* 0: refused */
};

static const struct row rows[] = {
    { NULL, 0, 20000, 100 },   { "20", 0, 50000, 100 }, { "12.5", 25, 80000, 25 },
    { "0.1", 1, 10000000, 1 }, { "10000", 3, 100, 3 },  { "0", 0, 0, 0 },
    { "0.0", 0, 0, 0 },        { "-1", 0, 0, 0 },       { "10001", 0, 0, 0 },
    { "1.", 0, 0, 0 },         { ".5", 0, 0, 0 },       { "1.2345", 0, 0, 0 },
    { "1e3", 0, 0, 0 },        { "", 0, 0, 0 },         { "1.-5", 0, 0, 0 },
    { "50", 10001, 0, 0 },
};

Test(kube_limit, options)
{
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct kube_limit limit = { 0 };
        struct err *failed = kube_limit_parse(rows[i].qps, rows[i].burst, &limit);
        cr_expect_eq(failed != NULL, rows[i].every_us == 0, "row %zu: %s", i,
                     failed ? failed->message : "taken");
        cr_expect_eq(limit.every_us, rows[i].every_us, "row %zu", i);
        cr_expect_eq(limit.burst, rows[i].expected_burst, "row %zu", i);
        err_free(failed);
    }
}

Test(kube_limit, a_burst_passes_and_then_the_rate_holds)
{
    static const struct kube_limit limits[] = { { 1000000 / 20, 40 },
                                                { 2000000, 1 },
                                                { 10000, 500 } };

    for (size_t l = 0; l < sizeof limits / sizeof *limits; l++) {
        const struct kube_limit *limit = &limits[l];
        int64_t free_at = 0;
        int64_t now = 1000000000;
        for (int i = 0; i < limit->burst; i++) {
            cr_expect_eq(kube_limit_us(limit, &free_at, now), 0, "limit %zu, call %d", l, i);
        }
        cr_expect_eq(kube_limit_us(limit, &free_at, now), limit->every_us);
        cr_expect_eq(kube_limit_us(limit, &free_at, now), 2 * limit->every_us,
                     "who waits is in line");
        now += 10 * limit->every_us;
        for (int i = 0; i < 10 - 2 && i < limit->burst; i++) {
            cr_expect_eq(kube_limit_us(limit, &free_at, now), 0, "limit %zu, later call %d", l, i);
        }
        cr_expect_gt(kube_limit_us(limit, &free_at, now), 0);
    }
}
