/* SPDX-License-Identifier: Apache-2.0 */
/* An informer from the outside: opening, closing, reading the store, waiting for it. */
#include "k8s/client/informer.h"
#include <string.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "k8s/client/watching.h"

static void destroy(struct informer *i)
{
    store_done(&i->store);
    err_free(i->problem);
    free(i->rv);
    free(i->query);
    union { /* ours: copied when it was opened */
        const char *in;
        char *out;
    } path = { .in = i->spec.path };
    free(path.out);
    (void)pthread_cond_destroy(&i->changed);
    (void)pthread_mutex_destroy(&i->lock);
    free(i);
}

struct err *informer_open(const struct informer_spec *spec, struct informer **out)
{
    struct informer *i = mem_alloc(sizeof *i);
    i->spec = *spec;
    i->spec.path = mem_strdup(spec->path);
    AUTO(free_auto) char *labels =
        spec->label_selector ? kube_path("&labelSelector=%s", spec->label_selector) : NULL;
    AUTO(free_auto) char *fields =
        spec->field_selector ? kube_path("&fieldSelector=%s", spec->field_selector) : NULL;
    i->query = mem_printf("%s%s", labels ? labels : "", fields ? fields : "");
    i->spec.label_selector = i->spec.field_selector = NULL; /* only the call's */
    atomic_store(&i->heard_ms, clock_mono_ms());
    (void)pthread_mutex_init(&i->lock, NULL);
    thread_cond_init(&i->changed);
    struct err *error = thread_start(&i->thread, watching_main, i);
    if (error) {
        destroy(i);
        return error;
    }
    *out = i;
    return NULL;
}

void informer_close(struct informer *i)
{
    if (i) {
        atomic_store(&i->stop, true);
        transport_wake(i->spec.kube->transport);
        (void)pthread_join(i->thread, NULL);
        destroy(i);
    }
}

/* ---- waiting --------------------------------------------------------------------------------- */

static struct err *copy_of(const struct err *error)
{
    return err_new(error->kind, error->reason, "%s", error->message);
}

struct err *informer_wait_synced(struct informer *i, int64_t timeout_ms)
{
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;
    struct err *error = NULL;
    (void)pthread_mutex_lock(&i->lock);
    while (!atomic_load(&i->synced) && clock_mono_ms() < deadline_ms) {
        (void)thread_cond_wait(&i->changed, &i->lock, deadline_ms);
    }
    if (!atomic_load(&i->synced)) {
        error = i->problem
                    ? copy_of(i->problem)
                    : err_new(ERR_TRANSIENT, KUBE_UNAVAILABLE, "list of %s: no answer yet from %s",
                              i->spec.path, kube_server(i->spec.kube));
        error->kind = ERR_TRANSIENT;
    }
    (void)pthread_mutex_unlock(&i->lock);
    return error;
}

bool informer_wait_rv(struct informer *i, const char *resource_version, int64_t timeout_ms)
{
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;
    (void)pthread_mutex_lock(&i->lock);
    bool reached = false;
    for (;;) {
        reached = i->rv && kube_rv_compare(i->rv, resource_version) >= 0;
        if (reached || clock_mono_ms() >= deadline_ms) {
            break;
        }
        (void)thread_cond_wait(&i->changed, &i->lock, deadline_ms);
    }
    (void)pthread_mutex_unlock(&i->lock);
    return reached;
}

bool informer_synced(const struct informer *i)
{
    return atomic_load(&i->synced);
}

int64_t informer_silence_ms(const struct informer *i)
{
    return clock_mono_ms() - atomic_load(&i->heard_ms);
}

char *informer_problem(struct informer *i)
{
    (void)pthread_mutex_lock(&i->lock);
    char *text = mem_strdup(i->problem ? i->problem->message : "");
    (void)pthread_mutex_unlock(&i->lock);
    return text;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct json *informer_get(struct informer *i, const char *namespace_, const char *name)
{
    AUTO(free_auto) char *key = store_key(namespace_, name);
    (void)pthread_mutex_lock(&i->lock);
    const struct store_item *found = store_find(&i->store, key);
    struct json *copy = found ? json_copy(found->object) : NULL;
    (void)pthread_mutex_unlock(&i->lock);
    return copy;
}

void informer_each(struct informer *i, const char *label, const char *value,
                   void (*row)(void *payload, const struct json *object), void *payload)
{
    (void)pthread_mutex_lock(&i->lock);
    for (size_t n = 0; n < i->store.count; n++) {
        const struct json *object = i->store.items[n].object;
        const struct json *labels = json_get(json_get(object, "metadata"), "labels");
        if (!label || str_eq(json_get_string(labels, label), value)) {
            row(payload, object);
        }
    }
    (void)pthread_mutex_unlock(&i->lock);
}
