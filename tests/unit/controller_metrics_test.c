/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus' text: names, types, escapes, histograms, and series that go with their plan. */
#include <criterion/criterion.h>
#include <string.h>

#include "controller/metrics.h"
#include "reconcile/base/auto.h"

static char *text_of(struct metrics *metrics, bool openmetrics)
{
    struct buf out = BUF(1024 * 1024);

    metrics_write(metrics, openmetrics, &out);
    return buf_take(&out);
}

#define expect_line(text, line)                                                                    \
    cr_expect(strstr((text), line "\n") != NULL, "no line \"%s\" in:\n%s", line, (text))

Test(metrics, counters_gauges_and_labels_are_written_as_prometheus_reads_them)
{
    struct metrics *m = metrics_new();
    metrics_add(m, METRIC_RECONCILE_TOTAL, LABELS({ "result", "success" }), 1);
    metrics_add(m, METRIC_RECONCILE_TOTAL, LABELS({ "result", "success" }), 2);
    metrics_set(m, METRIC_QUEUE_DEPTH, LABELS({ "name", "a\"b\\c\nd" }), 7);
    AUTO(free_auto) char *text = text_of(m, false);
    expect_line(text, "# TYPE controller_runtime_reconcile_total counter");
    expect_line(text, "controller_runtime_reconcile_total{result=\"success\"} 3");
    expect_line(text, "workqueue_depth{name=\"a\\\"b\\\\c\\nd\"} 7");
    cr_expect_null(strstr(text, "# EOF"));
    cr_expect_null(strstr(text, "sluice_pending"), "a family without series is written");
    AUTO(free_auto) char *open = text_of(m, true);
    expect_line(open, "# TYPE controller_runtime_reconcile counter");
    expect_line(open, "controller_runtime_reconcile_total{result=\"success\"} 3");
    cr_expect_str_eq(open + strlen(open) - 6, "# EOF\n");
    metrics_free(m);
}

Test(metrics, histogram_buckets_are_cumulative)
{
    struct metrics *m = metrics_new();
    metrics_observe(m, METRIC_RECONCILE_SECONDS, NO_LABELS, 0.02);
    metrics_observe(m, METRIC_RECONCILE_SECONDS, NO_LABELS, 0.3);
    metrics_observe(m, METRIC_RECONCILE_SECONDS, NO_LABELS, 99);
    AUTO(free_auto) char *text = text_of(m, false);
    expect_line(text, "controller_runtime_reconcile_time_seconds_bucket{le=\"0.005\"} 0");
    expect_line(text, "controller_runtime_reconcile_time_seconds_bucket{le=\"0.025\"} 1");
    expect_line(text, "controller_runtime_reconcile_time_seconds_bucket{le=\"0.5\"} 2");
    expect_line(text, "controller_runtime_reconcile_time_seconds_bucket{le=\"60\"} 2");
    expect_line(text, "controller_runtime_reconcile_time_seconds_bucket{le=\"+Inf\"} 3");
    expect_line(text, "controller_runtime_reconcile_time_seconds_count 3");
    expect_line(text, "controller_runtime_reconcile_time_seconds_sum 99.32");
    metrics_free(m);
}

Test(metrics, a_deleted_plans_series_go_and_others_stay)
{
    struct metrics *m = metrics_new();
    metrics_set(m, METRIC_PENDING,
                LABELS({ "namespace", "a" }, { "plan", "shop" }, { "database", "x" }), 1);
    metrics_set(m, METRIC_PENDING,
                LABELS({ "namespace", "b" }, { "plan", "shop" }, { "database", "x" }), 1);
    metrics_forget_plan(m, "a", "shop");
    AUTO(free_auto) char *text = text_of(m, false);
    cr_expect_null(strstr(text, "namespace=\"a\""));
    expect_line(text, "sluice_pending_migrations{namespace=\"b\",plan=\"shop\",database=\"x\"} 1");
    metrics_free(m);
}

static void set_one(void *payload)
{
    metrics_set(payload, METRIC_ACTIVE_WORKERS, NO_LABELS, 5);
}

Test(metrics, gauges_are_filled_at_the_scrape)
{
    struct metrics *m = metrics_new();
    metrics_on_scrape(m, set_one, m);
    AUTO(free_auto) char *text = text_of(m, false);
    expect_line(text, "controller_runtime_active_workers 5");
    metrics_free(m);
}
