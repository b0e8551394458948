/* SPDX-License-Identifier: Apache-2.0 */
/* List + watch of one collection into a store: the newest object of every namespace/name, kept in step
 * with the API server through bookmarks, expired versions, lost connections and back-off. The rules are
 * those of client-go's reflector. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "k8s/client/kube.h"

struct informer;

struct informer_spec {
    struct kube *kube;
    const char *path;           /* collection, without query: /apis/batch/v1/namespaces/shop/jobs */
    const char *label_selector; /* NULL: all */
    const char *field_selector; /* NULL: all */
    /* A state of an object, in order and before any reader can know that the store has reached it. Takes
     * it and gives back what the store is to keep of it; NULL: all. Must not block. */
    struct json *(*keep)(void *payload, struct json *object);
    /* The other end of keep, or NULL: the object is no more. Its last state, or what the store kept. */
    void (*drop)(void *payload, const struct json *object);
    /* After the store has changed, on the informer's thread, without its lock; `gone`: deleted, object is
     * the last known one. Also for what the first list finds. Must not block. */
    void (*changed)(void *payload, const struct json *object, bool gone);
    /* An object of a list that is too large to be read: only its metadata was. NULL: the log is enough. */
    void (*skipped)(void *payload, const struct json *metadata);
    void *payload;
    int64_t watch_seconds; /* 0: random in 300..600; tests lower it */
    int64_t guard_ms;      /* 0: 30 s; how long a watch may outlive watch_seconds */
};

struct err *informer_open(const struct informer_spec *spec, struct informer **out) ERR_MUST_USE;
void informer_close(struct informer *informer); /* no callback after it returns */

/* Waits until the first list is in the store. Else the newest error of it, copied; ERR_TRANSIENT. */
struct err *informer_wait_synced(struct informer *informer, int64_t timeout_ms) ERR_MUST_USE;
bool informer_synced(const struct informer *informer);
/* Milliseconds since the server was last heard from; for readiness and messages. */
int64_t informer_silence_ms(const struct informer *informer);
/* The newest complaint, "" if the last contact went well. Owned. */
char *informer_problem(struct informer *informer);

/* A copy; NULL: not there. */
struct json *informer_get(struct informer *informer, const char *namespace_, const char *name);
/* Calls `row` per object, in the order of namespace/name, under the informer's lock: copy and go.
 * label NULL: all; else only objects whose label has this value. */
void informer_each(struct informer *informer, const char *label, const char *value,
                   void (*row)(void *payload, const struct json *object), void *payload);
/* Read-your-writes: true when the store has reached this resource version of the collection (by an
 * event, a bookmark or a list), false after timeout_ms. */
bool informer_wait_rv(struct informer *informer, const char *resource_version, int64_t timeout_ms);
