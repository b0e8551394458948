/* SPDX-License-Identifier: Apache-2.0 */
/* The recorder of events: a bounded queue and a thread that sends. */
#include "k8s/client/events.h"
#include <string.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "k8s/client/client.h"
#include "k8s/client/series.h"

#define QUEUE_MAX 1000
#define NOTE_MAX 1024
#define NAME_MAX_BYTES 128 /* of action, reason, instance */
#define TRIES 12
#define CALL_MS 10000
#define PAUSE_MS 10000 /* between tries, spread */
#define TICK_MS 30000  /* how often series are looked at */

struct queued {
    struct queued *next;
    char *key, *namespace_, *name;
    struct json *object;
};

struct events {
    struct kube *kube;
    char *controller, *instance;
    pthread_t thread;
    struct series series; /* the thread's own */
    atomic_bool stop;     /* nothing is sent any more */
    pthread_mutex_t lock; /* over all below */
    pthread_cond_t changed;
    struct queued *first, **tail;
    int64_t length, dropped, serial;
    bool closing, idle;
};

/* ---- building -------------------------------------------------------------------------------- */

static struct json *cut_text(const char *text, size_t max)
{
    size_t length = strlen(text);
    AUTO(free_auto) char *cut = mem_strndup(text, str_utf8_cut(text, length, max));
    return json_string_new(cut);
}

static struct json *reference(const struct event_object *o)
{
    struct json *r = json_object();
    json_set_string_opt(r, "apiVersion", o->api_version);
    json_set_string_opt(r, "kind", o->kind);
    json_set_string_opt(r, "namespace", o->namespace_);
    json_set_string_opt(r, "name", o->name);
    json_set_string_opt(r, "uid", o->uid);
    json_set_string_opt(r, "resourceVersion", o->resource_version);
    return r;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static char *key_of(const struct event *e)
{
    const struct event_object *a = &e->regarding;
    const struct event_object *b = &e->related;
    return mem_printf("%d|%s|%s|%s|%s|%s|%s|%s|%s|%s", e->warning, or_empty(e->action),
                      or_empty(e->reason), or_empty(a->kind), or_empty(a->namespace_),
                      or_empty(a->name), or_empty(a->uid), or_empty(b->kind), or_empty(b->name),
                      or_empty(b->uid));
}

static struct json *object_of(const struct events *events, const struct event *e,
                              const char *namespace_, const char *name, int64_t utc_ms)
{
    char now[TIME_TEXT_LEN];
    struct json *object = json_object();
    struct json *meta = json_object();
    time_format_micro(utc_ms * 1000, now);
    json_set_string(object, "apiVersion", "events.k8s.io/v1");
    json_set_string(object, "kind", "Event");
    json_set_string(meta, "namespace", namespace_);
    json_set_string(meta, "name", name);
    json_set(object, "metadata", meta);
    json_set_string(object, "eventTime", now);
    json_set_string(object, "reportingController", events->controller);
    json_set(object, "reportingInstance", cut_text(events->instance, NAME_MAX_BYTES));
    json_set(object, "action", cut_text(e->action ? e->action : e->reason, NAME_MAX_BYTES));
    json_set(object, "reason", cut_text(e->reason, NAME_MAX_BYTES));
    json_set_string(object, "type", e->warning ? "Warning" : "Normal");
    json_set(object, "note", cut_text(or_empty(e->note), NOTE_MAX));
    json_set(object, "regarding", reference(&e->regarding));
    if (e->related.kind) {
        json_set(object, "related", reference(&e->related));
    }
    return object;
}

static void queued_done(struct queued *q)
{
    free(q->key);
    free(q->namespace_);
    free(q->name);
    json_free(q->object);
    free(q);
}

void events_add(struct events *events, const struct event *e)
{
    struct queued *q = mem_alloc(sizeof *q);
    const char *at = e->regarding.namespace_;
    int64_t utc_ms = clock_utc_ms();
    (void)pthread_mutex_lock(&events->lock);
    int64_t serial =
        events->serial++ % 1000000; /* as the nanoseconds that our clock does not have */
    (void)pthread_mutex_unlock(&events->lock);
    q->key = key_of(e);
    q->namespace_ = mem_strdup(at && *at ? at : "default");
    uint64_t nanoseconds = (uint64_t)utc_ms * 1000000 + (uint64_t)serial;
    q->name = mem_printf("%s.%llx", e->regarding.name, (unsigned long long)nanoseconds);
    q->object = object_of(events, e, q->namespace_, q->name, utc_ms);
    (void)pthread_mutex_lock(&events->lock);
    bool room = events->length < QUEUE_MAX && !events->closing;
    if (room) {
        *events->tail = q;
        events->tail = &q->next;
        events->length++;
        (void)pthread_cond_broadcast(&events->changed);
    } else {
        events->dropped++;
    }
    (void)pthread_mutex_unlock(&events->lock);
    if (!room) {
        queued_done(q);
    }
}

/* ---- sending --------------------------------------------------------------------------------- */

static bool worth_repeating(const struct err *error)
{
    return error->kind == ERR_TRANSIENT && error->reason != KUBE_FORBIDDEN;
}

/* False: not taken. */
static bool send(struct events *events, enum kube_verb verb, const char *path,
                 const struct json *body)
{
    for (int i = 0; i < TRIES; i++) {
        const struct kube_request request = {
            .verb = verb, .path = path, .body = body, .timeout_ms = CALL_MS, .cancel = &events->stop
        };
        struct kube_answer answer = { 0 };
        AUTO(err_free_auto) struct err *error = kube_request(events->kube, &request, &answer);
        json_free(answer.body);
        if (!error || error->reason == KUBE_ALREADY_EXISTS) {
            return true;
        }
        LOG(LOG_DEBUG, "event is not taken", LOG_S("problem", error->message));
        if (!worth_repeating(error) || !transport_sleep(events->kube->transport, &events->stop,
                                                        clock_mono_ms() + jitter_ms(PAUSE_MS))) {
            return false;
        }
    }
    return false;
}

static bool create(struct events *events, const char *namespace_, const struct json *object)
{
    AUTO(free_auto) char *path =
        kube_path("/apis/events.k8s.io/v1/namespaces/%s/events", namespace_);
    return send(events, KUBE_POST, path, object);
}

static bool update(struct events *events, struct series_entry *e)
{
    AUTO(free_auto) char *path =
        kube_path("/apis/events.k8s.io/v1/namespaces/%s/events/%s", e->namespace_, e->name);
    AUTO(json_free_auto) struct json *patch = json_object();
    struct json *series = json_object();
    char when[TIME_TEXT_LEN];
    time_format_micro(e->last_utc_ms * 1000, when);
    json_set_int64(series, "count", e->count);
    json_set_string(series, "lastObservedTime", when);
    json_set(patch, "series", series);
    return send(events, KUBE_MERGE_PATCH, path, patch);
}

/* An event that the server has forgotten cannot be patched: it begins anew. */
static void refresh(struct events *events, struct series_entry *e)
{
    if (update(events, e)) {
        series_told(e, clock_mono_ms());
    } else {
        AUTO(free_auto) char *key = mem_strdup(e->key);
        series_forget(&events->series, key);
    }
}

static void handle(struct events *events, struct queued *q)
{
    struct series_entry *entry = NULL;
    AUTO(free_auto) char *key = mem_strdup(q->key);
    AUTO(free_auto) char *namespace_ = mem_strdup(q->namespace_);
    enum series_step step = series_occurred(&events->series, TAKE(q->key), TAKE(q->namespace_),
                                            TAKE(q->name), clock_mono_ms(), clock_utc_ms(), &entry);
    if (step == SERIES_CREATE && !create(events, namespace_, q->object)) {
        series_forget(&events->series, key);
    } else if (step == SERIES_UPDATE) {
        refresh(events, entry);
    }
}

static void look_at_series(struct events *events)
{
    struct series_entry *e = NULL;
    while (!atomic_load(&events->stop) && (e = series_due(&events->series, clock_mono_ms()))) {
        refresh(events, e);
    }
}

/* The next one; NULL: nothing within the tick, or *ended. */
static struct queued *take(struct events *events, bool *ended)
{
    int64_t deadline_ms = clock_mono_ms() + TICK_MS;
    (void)pthread_mutex_lock(&events->lock);
    while (!events->first && !events->closing && clock_mono_ms() < deadline_ms) {
        (void)thread_cond_wait(&events->changed, &events->lock, deadline_ms);
    }
    struct queued *q = events->first;
    if (q) {
        events->first = q->next;
        events->tail = events->first ? events->tail : &events->first;
        events->length--;
    }
    *ended = !q && events->closing;
    (void)pthread_mutex_unlock(&events->lock);
    return q;
}

static void *events_main(void *payload)
{
    struct events *events = payload;
    for (bool ended = false; !ended && !atomic_load(&events->stop);) {
        struct queued *q = take(events, &ended);
        if (q) {
            handle(events, q);
            queued_done(q);
        } else if (!ended) {
            look_at_series(events);
        }
    }
    (void)pthread_mutex_lock(&events->lock);
    events->idle = true;
    (void)pthread_cond_broadcast(&events->changed);
    (void)pthread_mutex_unlock(&events->lock);
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void destroy(struct events *events)
{
    for (struct queued *q = events->first; q;) {
        struct queued *next = q->next;
        queued_done(q);
        q = next;
    }
    series_done(&events->series);
    free(events->controller);
    free(events->instance);
    (void)pthread_cond_destroy(&events->changed);
    (void)pthread_mutex_destroy(&events->lock);
    free(events);
}

struct err *events_open(const struct events_options *options, struct events **out)
{
    struct events *events = mem_alloc(sizeof *events);
    events->kube = options->kube;
    events->controller = mem_strdup(options->controller);
    events->instance = mem_strdup(options->instance);
    events->tail = &events->first;
    (void)pthread_mutex_init(&events->lock, NULL);
    thread_cond_init(&events->changed);
    struct err *error = thread_start(&events->thread, events_main, events);
    if (error) {
        destroy(events);
        return error;
    }
    *out = events;
    return NULL;
}

void events_close(struct events *events, int64_t flush_ms)
{
    if (!events) {
        return;
    }
    int64_t deadline_ms = clock_mono_ms() + flush_ms;
    (void)pthread_mutex_lock(&events->lock);
    events->closing = true;
    (void)pthread_cond_broadcast(&events->changed);
    while (!events->idle && clock_mono_ms() < deadline_ms) {
        (void)thread_cond_wait(&events->changed, &events->lock, deadline_ms);
    }
    (void)pthread_mutex_unlock(&events->lock);
    atomic_store(&events->stop, true);
    transport_wake(events->kube->transport);
    (void)pthread_join(events->thread, NULL);
    destroy(events);
}

int64_t events_dropped(struct events *events)
{
    (void)pthread_mutex_lock(&events->lock);
    int64_t dropped = events->dropped;
    (void)pthread_mutex_unlock(&events->lock);
    return dropped;
}
