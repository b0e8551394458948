/* SPDX-License-Identifier: Apache-2.0 */
/* Counters, gauges and histograms in Prometheus' text format. Families are one table; label values
 * are bounded by what exists (plans, databases), and a plan's series go with the plan; beyond a limit new
 * series are dropped, which is logged and counted. Any thread; nobody waits while a scrape is written. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"

enum metric { /* docs/reference/metrics.md has one line for each */
    METRIC_RECONCILE_TOTAL,
    METRIC_RECONCILE_ERRORS,
    METRIC_RECONCILE_SECONDS,
    METRIC_MAX_CONCURRENT,
    METRIC_ACTIVE_WORKERS,
    METRIC_QUEUE_DEPTH,
    METRIC_QUEUE_ADDS,
    METRIC_QUEUE_RETRIES,
    METRIC_QUEUE_SECONDS,
    METRIC_QUEUE_WORK_SECONDS,
    METRIC_QUEUE_UNFINISHED,
    METRIC_QUEUE_LONGEST,
    METRIC_API_REQUESTS,
    METRIC_LEADER,
    METRIC_APPLIED,
    METRIC_ATTEMPTS,
    METRIC_ATTEMPT_SECONDS,
    METRIC_FENCED,
    METRIC_LOCK_WAIT_SECONDS,
    METRIC_PENDING,
    METRIC_DATABASES,
    METRIC_CONDITION,
    METRIC_VERIFIED,
    METRIC_INSPECTIONS,
    METRIC_SOURCE_POLLS,
    METRIC_SOURCE_FETCH_SECONDS,
    METRIC_SOURCE_LAST_FETCH,
    METRIC_WEBHOOKS,
    METRIC_HTTP_REQUESTS,
    METRIC_DROPPED,
    METRIC_OLDEST,
    METRIC_BUILD_INFO,
    METRIC_PROCESS_CPU,
    METRIC_PROCESS_RSS,
    METRIC_PROCESS_FDS,
    METRIC_PROCESS_START,
    METRIC_MAX_
};

struct metrics;

struct metric_label {
    const char *key, *value;
};
#define METRIC_LABELS 6

/* LABELS({"namespace", ns}, {"plan", name}) ; at most METRIC_LABELS of them. */
#define LABELS(...) ((const struct metric_label[METRIC_LABELS + 1]){ __VA_ARGS__ })
#define NO_LABELS ((const struct metric_label[METRIC_LABELS + 1]){ { NULL, NULL } })

/* plans false: series that name a plan are not kept. */
struct metrics *metrics_new(bool plans);
void metrics_free(struct metrics *metrics);
void metrics_add(struct metrics *metrics, enum metric metric, const struct metric_label *labels,
                 double by);
void metrics_set(struct metrics *metrics, enum metric metric, const struct metric_label *labels,
                 double value);
void metrics_observe(struct metrics *metrics, enum metric metric, const struct metric_label *labels,
                     double seconds);
/* Drops every series with these two labels. */
void metrics_forget_plan(struct metrics *metrics, const char *namespace_, const char *plan);
/* Called before each scrape, to set gauges. */
void metrics_on_scrape(struct metrics *metrics, void (*fill)(void *payload), void *payload);
/* openmetrics: the newer text format. */
void metrics_write(struct metrics *metrics, bool openmetrics, struct buf *out);
