/* SPDX-License-Identifier: Apache-2.0 */
/* An informer's thread: lists, watches, keeps the store. What to do next is reflector.c's. */
#include "k8s/client/watching.h"
#include <string.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "k8s/client/frame.h"
#include "k8s/client/pages.h"

#define LIST_MS 60000                   /* one page; the server itself gives up then */
#define BACKLOG (4 * LIMIT_WATCH_EVENT) /* bytes that may wait while we are busy */
#define GUARD_MS 30000

/* ---- what everybody sees --------------------------------------------------------------------- */

static void heard(struct informer *i)
{
    atomic_store(&i->heard_ms, clock_mono_ms());
}

/* Takes the error. NULL: all is well. */
static void tell(struct informer *i, struct err *error)
{
    if (error) {
        LOG(LOG_DEBUG, "informer", LOG_S("path", i->spec.path), LOG_S("problem", error->message));
    }
    (void)pthread_mutex_lock(&i->lock);
    err_free(i->problem);
    i->problem = error;
    (void)pthread_cond_broadcast(&i->changed);
    (void)pthread_mutex_unlock(&i->lock);
}

/* With the lock. */
static void reach(struct informer *i, const char *rv)
{
    if (rv && *rv) {
        mem_strset(&i->rv, rv);
        (void)pthread_cond_broadcast(&i->changed);
    }
}

static void announce(struct informer *i, const struct json *object, bool gone)
{
    if (i->spec.changed && !atomic_load(&i->stop)) {
        i->spec.changed(i->spec.payload, object, gone);
    }
}

/* ---- objects --------------------------------------------------------------------------------- */

struct named {
    char *key, *rv;
};

/* False: it is no object. */
static bool name_of(const struct json *object, struct named *out)
{
    const struct json *meta = json_get(object, "metadata");
    const char *name = json_get_string(meta, "name");
    if (!name) {
        return false;
    }
    const char *rv = json_get_string(meta, "resourceVersion");
    out->key = store_key(json_get_string(meta, "namespace"), name);
    out->rv = mem_strdup(rv ? rv : "");
    return true;
}

/* Takes the object. */
static struct json *kept(const struct informer *i, struct json *object)
{
    return i->spec.keep ? i->spec.keep(i->spec.payload, object) : object;
}

static void drop(const struct informer *i, const struct json *object)
{
    if (i->spec.drop) {
        i->spec.drop(i->spec.payload, object);
    }
}

static const char *uid_of(const struct json *object)
{
    return json_get_string(json_get(object, "metadata"), "uid");
}

/* A name may be used again: the object that had it before is no more. */
static void drop_replaced(const struct informer *i, const struct json *old,
                          const struct json *object)
{
    if (old && !str_eq(uid_of(old), uid_of(object))) {
        drop(i, old);
    }
}

/* ---- list ------------------------------------------------------------------------------------ */

/* In lists the items do not say what they are; in events they do. */
static struct json *item_copy(const struct json *item, const char *api_version, const char *kind)
{
    struct json *copy = json_copy(item);
    if (kind && !json_get(copy, "kind") && str_ends(kind, "List")) {
        AUTO(free_auto) char *single = mem_strndup(kind, strlen(kind) - strlen("List"));
        json_set_string(copy, "kind", single);
        json_set_string_opt(copy, "apiVersion", api_version);
    }
    return copy;
}

static void take_page(struct informer *i, const struct json *list, struct store *into)
{
    const char *kind = json_get_string(list, "kind");
    const char *api_version = json_get_string(list, "apiVersion");
    const struct json *items = json_get(list, "items");
    for (const struct json *item = json_first(items); item; item = json_next(item)) {
        struct named named = { 0 };
        if (name_of(item, &named)) {
            struct store_item old = { 0 };
            store_put(into, named.key, named.rv, kept(i, item_copy(item, api_version, kind)), &old);
            store_item_done(&old);
        }
    }
}

static void tell_skipped(void *payload, const struct json *metadata)
{
    const struct informer *i = payload;
    if (i->spec.skipped && !atomic_load(&i->stop)) {
        i->spec.skipped(i->spec.payload, metadata);
    }
}

/* *rv: the collection's, owned. */
static enum reflector_result list_pages(struct informer *i, struct store *into, char **rv,
                                        struct err **error)
{
    const char *from = reflector_list_rv(&i->reflector);
    AUTO(free_auto) char *first =
        *from ? kube_path("&resourceVersion=%s&resourceVersionMatch=NotOlderThan", from) : NULL;
    AUTO(pages_done) struct pages pages = { .kube = i->spec.kube,
                                            .verb = KUBE_GET,
                                            .path = i->spec.path,
                                            .query = i->query,
                                            .first = first,
                                            .timeout_ms = LIST_MS,
                                            .cancel = &i->stop,
                                            .skipped = tell_skipped,
                                            .payload = i };
    while (!pages.last) {
        struct kube_answer answer = { 0 };
        *error = pages_read(&pages, &answer);
        AUTO(json_free_auto) struct json *list = answer.body;
        if (*error) {
            return reflector_result_of(answer.code == 200 ? 0 : answer.code,
                                       json_get_string(list, "reason"),
                                       kube_answer_rv_too_large(answer.code, list), false);
        }
        heard(i);
        take_page(i, list, into);
        if (pages.last) {
            const char *reached = json_get_string(json_get(list, "metadata"), "resourceVersion");
            *rv = mem_strdup(reached ? reached : "");
        }
    }
    return REFLECTOR_FINE;
}

/* Both sorted: tells what is gone, new or different. */
static void compare_stores(struct informer *i, const struct store *old, const struct store *now)
{
    size_t o = 0;
    for (size_t n = 0; n < now->count || o < old->count;) {
        int order = n == now->count   ? -1
                    : o == old->count ? 1
                                      : strcmp(old->items[o].key, now->items[n].key);
        if (order < 0) {
            announce(i, old->items[o++].object, true);
            continue;
        }
        if (order > 0 || !str_eq(old->items[o].rv, now->items[n].rv)) {
            announce(i, now->items[n].object, false);
        }
        o += order == 0;
        n++;
    }
}

static const struct json *object_at(const struct store *s, const char *key)
{
    const struct store_item *found = store_find(s, key);
    return found ? found->object : NULL;
}

/* Of what `from` has, all that `still` lacks is no more. */
static void drop_missing(const struct informer *i, const struct store *from,
                         const struct store *still)
{
    for (size_t n = 0; i->spec.drop && n < from->count; n++) {
        const struct json *object = from->items[n].object;
        const struct json *other = object_at(still, from->items[n].key);
        if (!other || !str_eq(uid_of(other), uid_of(object))) {
            drop(i, object);
        }
    }
}

static void replace(struct informer *i, struct store *with, const char *rv)
{
    drop_missing(i, &i->store, with);
    (void)pthread_mutex_lock(&i->lock);
    struct store old = i->store;
    i->store = *with;
    *with = (struct store){ 0 };
    reach(i, rv);
    atomic_store(&i->synced, true);
    err_free(TAKE(i->problem));
    (void)pthread_mutex_unlock(&i->lock);
    /* Only this thread changes the store: it may read it without the lock. */
    compare_stores(i, &old, &i->store);
    store_done(&old);
}

static int64_t list(struct informer *i)
{
    AUTO(store_done) struct store fresh = { 0 };
    AUTO(free_auto) char *rv = NULL;
    struct err *error = NULL;
    enum reflector_result result = list_pages(i, &fresh, &rv, &error);
    if (error) { /* the pages before told of objects that nobody would take back */
        drop_missing(i, &fresh, &i->store);
        tell(i, err_wrap(error, "list"));
    } else {
        replace(i, &fresh, rv);
    }
    return reflector_listed(&i->reflector, result, rv, clock_mono_ms());
}

/* ---- watch ----------------------------------------------------------------------------------- */

static void take_object(struct informer *i, const struct json *object)
{
    struct named named = { 0 };
    struct store_item old = { 0 };
    if (!name_of(object, &named)) {
        return;
    }
    AUTO(free_auto) char *rv = mem_strdup(named.rv);
    drop_replaced(i, object_at(&i->store, named.key), object);
    struct json *stored = kept(i, json_copy(object));
    (void)pthread_mutex_lock(&i->lock);
    store_put(&i->store, named.key, named.rv, stored, &old);
    reach(i, rv);
    (void)pthread_mutex_unlock(&i->lock);
    announce(i, stored, false);
    store_item_done(&old);
}

static void drop_object(struct informer *i, const struct json *object)
{
    struct named named = { 0 };
    struct store_item old = { 0 };
    if (!name_of(object, &named)) {
        return;
    }
    drop(i, object);
    (void)pthread_mutex_lock(&i->lock);
    bool known = store_remove(&i->store, named.key, &old);
    reach(i, named.rv);
    (void)pthread_mutex_unlock(&i->lock);
    if (known) {
        announce(i, object, true);
    }
    store_item_done(&old);
    free(named.key);
    free(named.rv);
}

static enum reflector_result take_error(const struct json *status, struct err **error)
{
    int64_t code = json_get_int64(status, "code", 0);
    const char *message = json_get_string(status, "message");
    *error = err_new(ERR_TRANSIENT, KUBE_UNAVAILABLE, "%s (%lld)",
                     message ? message : "an error without a message", (long long)code);
    return reflector_result_of((int)code, json_get_string(status, "reason"),
                               kube_answer_rv_too_large((int)code, status), true);
}

static enum reflector_result take_event(struct informer *i, const struct json *event,
                                        struct err **error)
{
    const char *type = json_get_string(event, "type");
    const struct json *object = json_get(event, "object");
    if (str_eq(type, "ERROR")) {
        return take_error(object, error);
    }
    const char *rv = json_get_string(json_get(object, "metadata"), "resourceVersion");
    if (str_eq(type, "ADDED") || str_eq(type, "MODIFIED")) {
        take_object(i, object);
    } else if (str_eq(type, "DELETED")) {
        drop_object(i, object);
    } else if (str_eq(type, "BOOKMARK")) {
        (void)pthread_mutex_lock(&i->lock);
        reach(i, rv);
        (void)pthread_mutex_unlock(&i->lock);
    } else {
        *error =
            err_new(ERR_TRANSIENT, KUBE_UNAVAILABLE, "an event of type '%.32s'", type ? type : "");
        return REFLECTOR_BROKEN;
    }
    reflector_event(&i->reflector, rv);
    return REFLECTOR_FINE;
}

static enum reflector_result take_lines(struct informer *i, struct frame *frame, bool *any_event,
                                        struct err **error)
{
    size_t length = 0;
    for (char *line; !atomic_load(&i->stop) && (line = frame_next(frame, &length));) {
        AUTO(json_free_auto) struct json *event = NULL;
        *error = kube_answer_parse(line, length, "an event", &event);
        if (*error) {
            return REFLECTOR_BROKEN;
        }
        enum reflector_result result = take_event(i, event, error);
        if (result != REFLECTOR_FINE) {
            return result;
        }
        *any_event = true;
    }
    if (frame_overflows(frame)) {
        *error = err_new(ERR_TRANSIENT, KUBE_UNAVAILABLE, "an event of more than %d bytes",
                         LIMIT_WATCH_EVENT);
        return REFLECTOR_BROKEN;
    }
    return REFLECTOR_FINE;
}

struct watch_end {
    enum reflector_result result;
    bool any_event;
    int64_t retry_after_ms;
    struct err *error; /* NULL: as planned */
};

static void read_stream(struct informer *i, struct kube_stream *stream, int64_t deadline_ms,
                        struct watch_end *end)
{
    AUTO(frame_done) struct frame frame = FRAME(LIMIT_WATCH_EVENT);
    struct kube_answer answer = { 0 };
    bool more = true;
    while (more && !end->error) {
        size_t before = frame.bytes.len;
        more = kube_stream_read(stream, deadline_ms, &frame.bytes, &end->error, &answer,
                                &end->retry_after_ms);
        if (more && frame.bytes.len == before && clock_mono_ms() >= deadline_ms) {
            end->result = REFLECTOR_UNHEARD;
            end->error = err_new(ERR_TRANSIENT, KUBE_UNAVAILABLE,
                                 "the server did not end it in time: the connection is dead");
            return;
        }
        if (more) {
            heard(i);
            tell(i, NULL);
            end->result = take_lines(i, &frame, &end->any_event, &end->error);
        }
    }
    if (!more) {
        end->result =
            end->error
                ? reflector_result_of(answer.code, json_get_string(answer.body, "reason"),
                                      kube_answer_rv_too_large(answer.code, answer.body), false)
                : REFLECTOR_FINE;
        if (end->error && end->result == REFLECTOR_FINE) {
            end->result = REFLECTOR_UNHEARD; /* a good beginning, a broken connection */
        }
    }
    json_free(answer.body);
}

static int64_t watch_seconds(const struct informer *i)
{
    uint8_t random = 0;
    random_bytes(&random, sizeof random);
    return i->spec.watch_seconds > 0 ? i->spec.watch_seconds : 300 + random * 300 / 255;
}

static int64_t watch(struct informer *i)
{
    int64_t seconds = watch_seconds(i);
    int64_t guard_ms = i->spec.guard_ms > 0 ? i->spec.guard_ms : GUARD_MS;
    int64_t began_ms = clock_mono_ms();
    AUTO(free_auto) char *rv = kube_path("%s", i->reflector.last_rv);
    AUTO(free_auto) char *path =
        mem_printf("%s?watch=1&allowWatchBookmarks=true&timeoutSeconds=%lld&resourceVersion=%s%s",
                   i->spec.path, (long long)seconds, rv, i->query);
    struct kube_stream *stream = NULL;
    struct watch_end end = { .result = REFLECTOR_UNHEARD, .retry_after_ms = -1 };
    end.error = kube_stream_open(i->spec.kube, path, BACKLOG, &i->stop, &stream);
    if (!end.error) {
        read_stream(i, stream, began_ms + seconds * 1000 + guard_ms, &end);
    }
    kube_stream_close(stream);
    int64_t now_ms = clock_mono_ms();
    if (end.result != REFLECTOR_GONE || !end.error) { /* 410 is ordinary: the list will tell */
        tell(i, err_wrap(TAKE(end.error), "watch of %s", i->spec.path));
    }
    err_free(end.error);
    int64_t wait_ms =
        reflector_watched(&i->reflector, end.result, now_ms - began_ms, end.any_event, now_ms);
    return wait_ms > end.retry_after_ms ? wait_ms : end.retry_after_ms;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static int64_t spread(int64_t base_ms)
{
    uint16_t random = 0;
    random_bytes(&random, sizeof random);
    return base_ms + base_ms * random / 65535;
}

void *watching_main(void *payload)
{
    struct informer *i = payload;
    reflector_init(&i->reflector);
    while (!atomic_load(&i->stop)) {
        int64_t wait_ms = i->reflector.step == REFLECTOR_LIST ? list(i) : watch(i);
        if (wait_ms > 0) {
            (void)transport_sleep(i->spec.kube->transport, &i->stop,
                                  clock_mono_ms() + spread(wait_ms));
        }
    }
    reflector_done(&i->reflector);
    return NULL;
}
