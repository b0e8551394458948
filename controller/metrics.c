/* SPDX-License-Identifier: Apache-2.0 */
/* The registry and its text. */
#include "controller/metrics.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "reconcile/base/auto.h"
#include "reconcile/base/hash.h"
#include "reconcile/base/mem.h"
#include "reconcile/base/str.h"

enum family_type {
    COUNTER,
    GAUGE,
    HISTOGRAM
};

#define MAX_BUCKETS 16
#define MAX_SERIES 50000 /* of all families; beyond it new ones are not kept */
#define SERIES_BUCKETS 8192

static const double reconcile_buckets[] = { 0.005, 0.025, 0.1, 0.5, 1, 5, 15, 30, 60 };
static const double queue_buckets[] = { 0.00001, 0.0001, 0.001, 0.01, 0.1, 1, 10, 100, 1000 };
static const double work_buckets[] = { 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 43200 };

#define BUCKETS(b) (b), sizeof(b) / sizeof *(b)

static const struct family {
    const char *name; /* counters: without _total */
    enum family_type type;
    const char *help;
    const double *buckets;
    size_t bucket_count;
} families[METRIC_MAX_] = {
    [METRIC_RECONCILE_TOTAL] = { "controller_runtime_reconcile", COUNTER,
                                 "Passes over a key, by result.", NULL, 0 },
    [METRIC_RECONCILE_ERRORS] = { "controller_runtime_reconcile_errors", COUNTER,
                                  "Passes that ended with an error.", NULL, 0 },
    [METRIC_RECONCILE_SECONDS] = { "controller_runtime_reconcile_time_seconds", HISTOGRAM,
                                   "Time of one pass.", BUCKETS(reconcile_buckets) },
    [METRIC_MAX_CONCURRENT] = { "controller_runtime_max_concurrent_reconciles", GAUGE,
                                "Workers of the controller.", NULL, 0 },
    [METRIC_ACTIVE_WORKERS] = { "controller_runtime_active_workers", GAUGE,
                                "Workers that are busy.", NULL, 0 },
    [METRIC_QUEUE_DEPTH] = { "workqueue_depth", GAUGE, "Keys that are ready.", NULL, 0 },
    [METRIC_QUEUE_ADDS] = { "workqueue_adds", COUNTER, "Keys that became ready.", NULL, 0 },
    [METRIC_QUEUE_RETRIES] = { "workqueue_retries", COUNTER, "Keys added with a delay.", NULL, 0 },
    [METRIC_QUEUE_SECONDS] = { "workqueue_queue_duration_seconds", HISTOGRAM,
                               "Time that a key was ready before it was worked on.",
                               BUCKETS(queue_buckets) },
    [METRIC_QUEUE_WORK_SECONDS] = { "workqueue_work_duration_seconds", HISTOGRAM,
                                    "Time that a key was worked on.", BUCKETS(queue_buckets) },
    [METRIC_QUEUE_UNFINISHED] = { "workqueue_unfinished_work_seconds", GAUGE,
                                  "Time spent so far on keys that are being worked on.", NULL, 0 },
    [METRIC_QUEUE_LONGEST] = { "workqueue_longest_running_processor_seconds", GAUGE,
                               "Time of the longest pass that is running.", NULL, 0 },
    [METRIC_APPLIED] = { "sluice_migrations_applied", COUNTER,
                         "Migrations that runners reported as applied.", NULL, 0 },
    [METRIC_API_REQUESTS] = { "rest_client_requests", COUNTER,
                              "Requests to the API server, by code.", NULL, 0 },
    [METRIC_LEADER] = { "leader_election_master_status", GAUGE, "1 while we hold the lease.", NULL,
                        0 },
    [METRIC_ATTEMPTS] = { "sluice_migration_attempts", COUNTER, "Jobs that ended, by outcome.",
                          NULL, 0 },
    [METRIC_ATTEMPT_SECONDS] = { "sluice_migration_duration_seconds", HISTOGRAM,
                                 "Time of a Job from connect to verdict.", BUCKETS(work_buckets) },
    [METRIC_FENCED] = { "sluice_fenced_attempts", COUNTER,
                        "Jobs that another runner kept out of a database.", NULL, 0 },
    [METRIC_LOCK_WAIT_SECONDS] = { "sluice_lock_wait_seconds", HISTOGRAM,
                                   "Time that a Job waited for a database's lock.",
                                   BUCKETS(reconcile_buckets) },
    [METRIC_PENDING] = { "sluice_pending_migrations", GAUGE,
                         "Migrations that a database lacks at the wanted commit.", NULL, 0 },
    [METRIC_DATABASES] = { "sluice_databases", GAUGE, "Databases of a plan, by state.", NULL, 0 },
    [METRIC_CONDITION] = { "sluice_plan_condition", GAUGE,
                           "1 while a plan's condition is True, else 0.", NULL, 0 },
    [METRIC_VERIFIED] = { "sluice_plan_last_verified_timestamp_seconds", GAUGE,
                          "When a plan's databases last said that they are at its commit.", NULL,
                          0 },
    [METRIC_INSPECTIONS] = { "sluice_inspections", COUNTER, "Looks at databases, by result.", NULL,
                             0 },
    [METRIC_SOURCE_POLLS] = { "sluice_source_polls", COUNTER, "Polls of git servers, by result.",
                              NULL, 0 },
    [METRIC_SOURCE_FETCH_SECONDS] = { "sluice_source_fetch_duration_seconds", HISTOGRAM,
                                      "Time of a fetch.", BUCKETS(reconcile_buckets) },
    [METRIC_SOURCE_LAST_FETCH] = { "sluice_source_last_fetch_timestamp_seconds", GAUGE,
                                   "When a plan's source last answered.", NULL, 0 },
    [METRIC_WEBHOOKS] = { "sluice_webhook_requests", COUNTER, "Push webhooks, by result.", NULL,
                          0 },
    [METRIC_HTTP_REQUESTS] = { "sluice_http_requests", COUNTER,
                               "Requests to the controller's own servers, by server and code.",
                               NULL, 0 },
    [METRIC_BUILD_INFO] = { "sluice_build_info", GAUGE, "1, with the version as a label.", NULL,
                            0 },
    [METRIC_PROCESS_CPU] = { "process_cpu_seconds", COUNTER, "CPU time of this process.", NULL, 0 },
    [METRIC_PROCESS_RSS] = { "process_resident_memory_bytes", GAUGE, "Resident memory.", NULL, 0 },
    [METRIC_PROCESS_FDS] = { "process_open_fds", GAUGE, "Open descriptors.", NULL, 0 },
    [METRIC_PROCESS_START] = { "process_start_time_seconds", GAUGE, "Start, seconds since 1970.",
                               NULL, 0 },
};

struct series {
    struct series *next; /* of the bucket */
    enum metric metric;
    char *labels; /* {a="b",c="d"} without braces */
    char *plan;   /* "namespace/plan"; NULL: none */
    double value; /* sum of a histogram */
    int64_t count;
    int64_t buckets[MAX_BUCKETS];
};

struct metrics {
    pthread_mutex_t lock;
    struct series *series[SERIES_BUCKETS];
    size_t count;
    void (*fill)(void *payload);
    void *payload;
};

struct metrics *metrics_new(void)
{
    struct metrics *metrics = mem_alloc(sizeof *metrics);

    pthread_mutex_init(&metrics->lock, NULL);
    return metrics;
}

static void series_free(struct series *series)
{
    free(series->labels);
    free(series->plan);
    free(series);
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics) {
        return;
    }
    for (size_t i = 0; i < SERIES_BUCKETS; i++) {
        while (metrics->series[i]) {
            struct series *series = metrics->series[i];
            metrics->series[i] = series->next;
            series_free(series);
        }
    }
    pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}

/* The text format's escapes; anything else that is not printable would break a line. */
static void add_escaped(struct buf *out, const char *value)
{
    for (; *value; value++) {
        if (*value == '\\' || *value == '"') {
            buf_addc(out, '\\');
            buf_addc(out, *value);
        } else if (*value == '\n') {
            buf_adds(out, "\\n");
        } else {
            buf_addc(out, (unsigned char)*value < 0x20 ? '?' : *value);
        }
    }
}

static char *labels_text(const struct metric_label *labels)
{
    struct buf out = BUF(8192);

    for (; labels->key; labels++) {
        buf_addf(&out, "%s%s=\"", out.len ? "," : "", labels->key);
        add_escaped(&out, labels->value ? labels->value : "");
        buf_addc(&out, '"');
    }
    return buf_take(&out);
}

static char *plan_of(const struct metric_label *labels)
{
    const char *namespace_ = NULL;
    const char *plan = NULL;

    for (; labels->key; labels++) {
        namespace_ = str_eq(labels->key, "namespace") ? labels->value : namespace_;
        plan = str_eq(labels->key, "plan") ? labels->value : plan;
    }
    return namespace_ && plan ? mem_printf("%s/%s", namespace_, plan) : NULL;
}

static struct series **bucket_of(struct metrics *metrics, enum metric metric, const char *labels)
{
    uint64_t hash = fnv_add(FNV_START + (uint64_t)metric, labels, strlen(labels));

    return &metrics->series[hash % SERIES_BUCKETS];
}

/* NULL: there are too many already. */
static struct series *series_get(struct metrics *metrics, enum metric metric,
                                 const struct metric_label *labels)
{
    AUTO(free_auto) char *text = labels_text(labels);
    struct series **bucket = bucket_of(metrics, metric, text);

    for (struct series *s = *bucket; s; s = s->next) {
        if (s->metric == metric && str_eq(s->labels, text)) {
            return s;
        }
    }
    if (metrics->count >= MAX_SERIES) {
        return NULL;
    }
    struct series *series = mem_alloc(sizeof *series);
    series->metric = metric;
    series->labels = TAKE(text);
    series->plan = plan_of(labels);
    series->next = *bucket;
    *bucket = series;
    metrics->count++;
    return series;
}

void metrics_add(struct metrics *metrics, enum metric metric, const struct metric_label *labels,
                 double by)
{
    pthread_mutex_lock(&metrics->lock);
    struct series *series = series_get(metrics, metric, labels);
    if (series) {
        series->value += by;
    }
    pthread_mutex_unlock(&metrics->lock);
}

void metrics_set(struct metrics *metrics, enum metric metric, const struct metric_label *labels,
                 double value)
{
    pthread_mutex_lock(&metrics->lock);
    struct series *series = series_get(metrics, metric, labels);
    if (series) {
        series->value = value;
    }
    pthread_mutex_unlock(&metrics->lock);
}

void metrics_observe(struct metrics *metrics, enum metric metric, const struct metric_label *labels,
                     double seconds)
{
    const struct family *family = &families[metric];

    pthread_mutex_lock(&metrics->lock);
    struct series *series = series_get(metrics, metric, labels);
    if (series) {
        series->value += seconds;
        series->count++;
        for (size_t i = 0; i < family->bucket_count; i++) {
            series->buckets[i] += seconds <= family->buckets[i] ? 1 : 0;
        }
    }
    pthread_mutex_unlock(&metrics->lock);
}

void metrics_forget_plan(struct metrics *metrics, const char *namespace_, const char *plan)
{
    AUTO(free_auto) char *key = mem_printf("%s/%s", namespace_, plan);

    pthread_mutex_lock(&metrics->lock);
    for (size_t i = 0; i < SERIES_BUCKETS; i++) {
        for (struct series **link = &metrics->series[i]; *link;) {
            struct series *series = *link;
            if (str_eq(series->plan, key)) {
                *link = series->next;
                metrics->count--;
                series_free(series);
            } else {
                link = &series->next;
            }
        }
    }
    pthread_mutex_unlock(&metrics->lock);
}

void metrics_on_scrape(struct metrics *metrics, void (*fill)(void *payload), void *payload)
{
    metrics->fill = fill;
    metrics->payload = payload;
}

static void write_number(struct buf *out, double value)
{
    if (value == floor(value) && fabs(value) < 1e15) {
        buf_addf(out, "%.0f", value);
    } else {
        buf_addf(out, "%.15g", value);
    }
}

static void write_line(struct buf *out, const char *name, const char *suffix,
                       const struct series *series, const char *extra, double value)
{
    const char *comma = series->labels[0] && extra[0] ? "," : "";

    buf_addf(out, "%s%s", name, suffix);
    if (series->labels[0] || extra[0]) {
        buf_addf(out, "{%s%s%s}", series->labels, comma, extra);
    }
    buf_addc(out, ' ');
    write_number(out, value);
    buf_addc(out, '\n');
}

static void write_histogram(struct buf *out, const struct family *family,
                            const struct series *series)
{
    for (size_t i = 0; i < family->bucket_count; i++) {
        AUTO(free_auto) char *le = mem_printf("le=\"%g\"", family->buckets[i]);
        write_line(out, family->name, "_bucket", series, le, (double)series->buckets[i]);
    }
    write_line(out, family->name, "_bucket", series, "le=\"+Inf\"", (double)series->count);
    write_line(out, family->name, "_sum", series, "", series->value);
    write_line(out, family->name, "_count", series, "", (double)series->count);
}

static void write_heading(struct buf *out, const struct family *family, bool openmetrics)
{
    static const char *const types[] = { "counter", "gauge", "histogram" };
    const char *shown = openmetrics || family->type != COUNTER ? "" : "_total";

    buf_addf(out, "# HELP %s%s %s\n", family->name, shown, family->help);
    buf_addf(out, "# TYPE %s%s %s\n", family->name, shown, types[family->type]);
}

static void write_series(struct buf *out, const struct family *family, const struct series *series)
{
    if (family->type == HISTOGRAM) {
        write_histogram(out, family, series);
    } else {
        write_line(out, family->name, family->type == COUNTER ? "_total" : "", series, "",
                   series->value);
    }
}

static int compare_series(const void *a, const void *b)
{
    const struct series *x = *(const struct series *const *)a;
    const struct series *y = *(const struct series *const *)b;

    return x->metric != y->metric ? (int)x->metric - (int)y->metric : strcmp(x->labels, y->labels);
}

/* By family and labels. Lock held. Owned; the series are not. */
static const struct series **sorted(const struct metrics *metrics)
{
    const struct series **list = mem_array(metrics->count + 1, sizeof *list);
    size_t count = 0;

    for (size_t i = 0; i < SERIES_BUCKETS; i++) {
        for (const struct series *s = metrics->series[i]; s; s = s->next) {
            list[count++] = s;
        }
    }
    qsort(list, count, sizeof *list, compare_series);
    return list;
}

void metrics_write(struct metrics *metrics, bool openmetrics, struct buf *out)
{
    if (metrics->fill) {
        metrics->fill(metrics->payload);
    }
    pthread_mutex_lock(&metrics->lock);
    AUTO(free_auto) const struct series **list = sorted(metrics);
    for (size_t i = 0; i < metrics->count; i++) {
        const struct family *family = &families[list[i]->metric];
        if (i == 0 || list[i]->metric != list[i - 1]->metric) {
            write_heading(out, family, openmetrics);
        }
        write_series(out, family, list[i]);
    }
    pthread_mutex_unlock(&metrics->lock);
    if (openmetrics) {
        buf_adds(out, "# EOF\n");
    }
}
