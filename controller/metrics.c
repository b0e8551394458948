/* SPDX-License-Identifier: Apache-2.0 */
/* The registry and its text. */
#include "controller/metrics.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "controller/metric_families.h"

#define MAX_SERIES 250000 /* of all families; beyond it new ones are not kept */
#define FIRST_BUCKETS 1024
#define DROP_LOG_MS 60000

struct series { /* counted: a scrape that writes it keeps it, its plan may be gone meanwhile */
    atomic_int refs;
    struct series *next;         /* of the bucket */
    struct series *next_of_plan; /* of its plan's */
    struct series *next_of_family, **link_of_family;
    enum metric metric;
    uint64_t hash;
    char *labels; /* {a="b",c="d"} without braces */
    struct plan_series *plan;
    /* under the lock */
    double value; /* sum of a histogram */
    int64_t count;
    int64_t *buckets; /* of a histogram */
};

struct plan_series { /* all that go with a plan */
    struct plan_series *next;
    char *key; /* "namespace/plan" */
    struct series *first;
};

struct metrics {
    pthread_mutex_t lock; /* never held while text is made of the series */
    struct series **buckets;
    struct plan_series **plan_buckets;
    size_t bucket_count; /* of either */
    size_t count;
    struct series *families[METRIC_MAX_];
    int64_t drop_logged_ms; /* 0: nothing has been dropped */
    bool plans;             /* are series of plans kept */
    void (*fill)(void *payload);
    void *payload;
};

struct metrics *metrics_new(bool plans)
{
    struct metrics *metrics = mem_alloc(sizeof *metrics);

    metrics->plans = plans;
    metrics->bucket_count = FIRST_BUCKETS;
    metrics->buckets = mem_array(FIRST_BUCKETS, sizeof(struct series *));
    metrics->plan_buckets = mem_array(FIRST_BUCKETS, sizeof(struct plan_series *));
    pthread_mutex_init(&metrics->lock, NULL);
    return metrics;
}

static void series_unref(struct series *series)
{
    if (atomic_fetch_sub(&series->refs, 1) == 1) {
        free(series->labels);
        free(series->buckets);
        free(series);
    }
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics) {
        return;
    }
    for (size_t i = 0; i < metrics->bucket_count; i++) {
        while (metrics->buckets[i]) {
            struct series *series = metrics->buckets[i];
            metrics->buckets[i] = series->next;
            series_unref(series);
        }
        while (metrics->plan_buckets[i]) {
            struct plan_series *plan = metrics->plan_buckets[i];
            metrics->plan_buckets[i] = plan->next;
            free(plan->key);
            free(plan);
        }
    }
    free(metrics->buckets);
    free(metrics->plan_buckets);
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

/* ---- the tables; lock held ------------------------------------------------------------------------ */

static uint64_t hash_of(enum metric metric, const char *labels)
{
    return fnv_add(FNV_START + (uint64_t)metric, labels, strlen(labels));
}

static struct plan_series **plan_link(struct metrics *metrics, const char *key)
{
    uint64_t hash = fnv_add(FNV_START, key, strlen(key));
    struct plan_series **link = &metrics->plan_buckets[hash % metrics->bucket_count];

    while (*link && !str_eq((*link)->key, key)) {
        link = &(*link)->next;
    }
    return link;
}

/* Twice as many buckets as before, when there are as many series as buckets. */
static void grow(struct metrics *metrics)
{
    size_t old_count = metrics->bucket_count;
    struct series **old = metrics->buckets;
    struct plan_series **old_plans = metrics->plan_buckets;

    metrics->bucket_count = 2 * old_count;
    metrics->buckets = mem_array(metrics->bucket_count, sizeof(struct series *));
    metrics->plan_buckets = mem_array(metrics->bucket_count, sizeof(struct plan_series *));
    for (size_t i = 0; i < old_count; i++) {
        while (old[i]) {
            struct series *series = old[i];
            struct series **bucket = &metrics->buckets[series->hash % metrics->bucket_count];
            old[i] = series->next;
            series->next = *bucket;
            *bucket = series;
        }
        while (old_plans[i]) {
            struct plan_series *plan = old_plans[i];
            old_plans[i] = plan->next;
            struct plan_series **link = plan_link(metrics, plan->key);
            plan->next = *link;
            *link = plan;
        }
    }
    free(old);
    free(old_plans);
}

static void join_plan(struct metrics *metrics, struct series *series, const char *key)
{
    struct plan_series **link = plan_link(metrics, key);

    if (!*link) {
        *link = mem_alloc(sizeof **link);
        (*link)->key = mem_strdup(key);
    }
    series->plan = *link;
    series->next_of_plan = (*link)->first;
    (*link)->first = series;
}

static void join_family(struct metrics *metrics, struct series *series)
{
    struct series **head = &metrics->families[series->metric];

    series->next_of_family = *head;
    series->link_of_family = head;
    if (*head) {
        (*head)->link_of_family = &series->next_of_family;
    }
    *head = series;
}

static void leave(struct metrics *metrics, struct series *series)
{
    struct series **link = &metrics->buckets[series->hash % metrics->bucket_count];

    while (*link != series) {
        link = &(*link)->next;
    }
    *link = series->next;
    *series->link_of_family = series->next_of_family;
    if (series->next_of_family) {
        series->next_of_family->link_of_family = series->link_of_family;
    }
    metrics->count--;
    series_unref(series);
}

static struct series *series_find(const struct metrics *metrics, enum metric metric,
                                  const char *labels, uint64_t hash)
{
    struct series *s = metrics->buckets[hash % metrics->bucket_count];

    while (s && !(s->hash == hash && s->metric == metric && str_eq(s->labels, labels))) {
        s = s->next;
    }
    return s;
}

static struct series *series_add(struct metrics *metrics, enum metric metric, const char *labels,
                                 const char *plan, uint64_t hash)
{
    struct series *series = mem_alloc(sizeof *series);

    if (metrics->count >= metrics->bucket_count) {
        grow(metrics);
    }
    struct series **bucket = &metrics->buckets[hash % metrics->bucket_count];
    atomic_init(&series->refs, 1);
    series->metric = metric;
    series->hash = hash;
    series->labels = mem_strdup(labels);
    series->next = *bucket;
    *bucket = series;
    if (metric_families[metric].type == METRIC_HISTOGRAM) {
        series->buckets = mem_array(METRIC_BUCKETS, sizeof *series->buckets);
    }
    if (plan) {
        join_plan(metrics, series, plan);
    }
    join_family(metrics, series);
    metrics->count++;
    return series;
}

/* What is not kept is counted, and told now and then. */
static void drop(struct metrics *metrics)
{
    const int64_t now_ms = clock_mono_ms();
    const uint64_t hash = hash_of(METRIC_DROPPED, "");
    struct series *dropped = series_find(metrics, METRIC_DROPPED, "", hash);

    dropped = dropped ? dropped : series_add(metrics, METRIC_DROPPED, "", NULL, hash);
    dropped->value++;
    if (metrics->drop_logged_ms == 0 || now_ms - metrics->drop_logged_ms > DROP_LOG_MS) {
        metrics->drop_logged_ms = now_ms;
        LOG(LOG_WARN,
            "metrics dropped: there are too many series; --no-plan-metrics keeps those"
            " of plans out",
            LOG_I("series", (int64_t)metrics->count), LOG_I("dropped", (int64_t)dropped->value));
    }
}

/* NULL: there are too many already, or it is not to be kept. */
static struct series *series_get(struct metrics *metrics, enum metric metric, const char *labels,
                                 const char *plan)
{
    const uint64_t hash = hash_of(metric, labels);
    struct series *series = series_find(metrics, metric, labels, hash);

    if (series || metrics->count < MAX_SERIES) {
        return series ? series : series_add(metrics, metric, labels, plan, hash);
    }
    drop(metrics);
    return NULL;
}

/* ---- values --------------------------------------------------------------------------------------- */

/* Locks, unless there is none: NULL. */
static struct series *series_lock(struct metrics *metrics, enum metric metric,
                                  const struct metric_label *labels)
{
    AUTO(free_auto) char *plan = plan_of(labels);
    if (plan && !metrics->plans) {
        return NULL;
    }
    AUTO(free_auto) char *text = labels_text(labels);

    pthread_mutex_lock(&metrics->lock);
    struct series *series = series_get(metrics, metric, text, plan);
    if (!series) {
        pthread_mutex_unlock(&metrics->lock);
    }
    return series;
}

void metrics_add(struct metrics *metrics, enum metric metric, const struct metric_label *labels,
                 double by)
{
    struct series *series = series_lock(metrics, metric, labels);

    if (series) {
        series->value += by;
        pthread_mutex_unlock(&metrics->lock);
    }
}

void metrics_set(struct metrics *metrics, enum metric metric, const struct metric_label *labels,
                 double value)
{
    struct series *series = series_lock(metrics, metric, labels);

    if (series) {
        series->value = value;
        pthread_mutex_unlock(&metrics->lock);
    }
}

void metrics_observe(struct metrics *metrics, enum metric metric, const struct metric_label *labels,
                     double seconds)
{
    const struct metric_family *family = &metric_families[metric];
    struct series *series = series_lock(metrics, metric, labels);

    if (series) {
        series->value += seconds;
        series->count++;
        for (size_t i = 0; i < family->bucket_count; i++) {
            series->buckets[i] += seconds <= family->buckets[i] ? 1 : 0;
        }
        pthread_mutex_unlock(&metrics->lock);
    }
}

void metrics_forget_plan(struct metrics *metrics, const char *namespace_, const char *plan)
{
    AUTO(free_auto) char *key = mem_printf("%s/%s", namespace_, plan);

    pthread_mutex_lock(&metrics->lock);
    struct plan_series **link = plan_link(metrics, key);
    struct plan_series *found = *link;
    if (found) {
        *link = found->next;
        while (found->first) {
            struct series *series = found->first;
            found->first = series->next_of_plan;
            leave(metrics, series);
        }
        free(found->key);
        free(found);
    }
    pthread_mutex_unlock(&metrics->lock);
}

void metrics_on_scrape(struct metrics *metrics, void (*fill)(void *payload), void *payload)
{
    metrics->fill = fill;
    metrics->payload = payload;
}

/* ---- the text ------------------------------------------------------------------------------------- */

struct shown {             /* a series as it was when its family was copied */
    struct series *series; /* a reference */
    double value;
    int64_t count;
    int64_t *buckets; /* of a histogram; owned */
};

static void write_number(struct buf *out, double value)
{
    char digits[24];
    size_t at = sizeof digits;

    if (value != floor(value) || fabs(value) >= 1e15) {
        buf_addf(out, "%.15g", value);
        return;
    }
    uint64_t left = (uint64_t)fabs(value); /* a hundred thousand of them: no printf */
    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (value < 0) {
        digits[--at] = '-';
    }
    buf_add(out, digits + at, sizeof digits - at);
}

static void write_line(struct buf *out, const char *name, const char *suffix, const char *labels,
                       const char *extra, double value)
{
    buf_adds(out, name);
    buf_adds(out, suffix);
    if (labels[0] || extra[0]) {
        buf_addc(out, '{');
        buf_adds(out, labels);
        buf_adds(out, labels[0] && extra[0] ? "," : "");
        buf_adds(out, extra);
        buf_addc(out, '}');
    }
    buf_addc(out, ' ');
    write_number(out, value);
    buf_addc(out, '\n');
}

static void write_histogram(struct buf *out, const struct metric_family *family,
                            const struct shown *shown)
{
    const char *labels = shown->series->labels;

    for (size_t i = 0; i < family->bucket_count; i++) {
        AUTO(free_auto) char *le = mem_printf("le=\"%g\"", family->buckets[i]);
        write_line(out, family->name, "_bucket", labels, le, (double)shown->buckets[i]);
    }
    write_line(out, family->name, "_bucket", labels, "le=\"+Inf\"", (double)shown->count);
    write_line(out, family->name, "_sum", labels, "", shown->value);
    write_line(out, family->name, "_count", labels, "", (double)shown->count);
}

static void write_heading(struct buf *out, const struct metric_family *family, bool openmetrics)
{
    static const char *const types[] = { "counter", "gauge", "histogram" };
    const char *shown = openmetrics || family->type != METRIC_COUNTER ? "" : "_total";

    buf_addf(out, "# HELP %s%s %s\n", family->name, shown, family->help);
    buf_addf(out, "# TYPE %s%s %s\n", family->name, shown, types[family->type]);
}

static void write_series(struct buf *out, const struct metric_family *family,
                         const struct shown *shown)
{
    if (family->type == METRIC_HISTOGRAM) {
        write_histogram(out, family, shown);
    } else {
        write_line(out, family->name, family->type == METRIC_COUNTER ? "_total" : "",
                   shown->series->labels, "", shown->value);
    }
}

/* A family's series, each with a reference. Owned. */
static struct shown *copy_family(struct metrics *metrics, enum metric metric, size_t *count)
{
    struct shown *list = NULL;
    size_t cap = 0;

    *count = 0;
    pthread_mutex_lock(&metrics->lock);
    for (struct series *s = metrics->families[metric]; s; s = s->next_of_family) {
        list = mem_grow(list, &cap, *count + 1, sizeof *list);
        struct shown *shown = &list[(*count)++];
        atomic_fetch_add(&s->refs, 1);
        *shown = (struct shown){ .series = s, .value = s->value, .count = s->count };
        if (s->buckets) {
            shown->buckets = mem_array(METRIC_BUCKETS, sizeof *shown->buckets);
            memcpy(shown->buckets, s->buckets, METRIC_BUCKETS * sizeof *shown->buckets);
        }
    }
    pthread_mutex_unlock(&metrics->lock);
    return list;
}

static void write_family(struct metrics *metrics, enum metric metric, bool openmetrics,
                         struct buf *out)
{
    size_t count = 0;
    struct shown *list = copy_family(metrics, metric, &count);

    if (count > 0) {
        write_heading(out, &metric_families[metric], openmetrics);
    }
    for (size_t i = count; i > 0; i--) { /* the oldest first */
        write_series(out, &metric_families[metric], &list[i - 1]);
        series_unref(list[i - 1].series);
        free(list[i - 1].buckets);
    }
    free(list);
}

void metrics_write(struct metrics *metrics, bool openmetrics, struct buf *out)
{
    if (metrics->fill) {
        metrics->fill(metrics->payload);
    }
    for (int metric = 0; metric < METRIC_MAX_; metric++) {
        write_family(metrics, (enum metric)metric, openmetrics, out);
    }
    if (openmetrics) {
        buf_adds(out, "# EOF\n");
    }
}
