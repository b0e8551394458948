/* SPDX-License-Identifier: Apache-2.0 */
/* The Kubernetes API client: credentials, one request at a time, errors by kind. Informers stand on it
 * (k8s/client/informer.h).
 *
 * Thread rule: a struct kube may be used from any thread. One thread of its own drives a CURLM; a call
 * blocks its caller only. Every call has a total deadline. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/json.h"

struct kube;

/* What we ask of a server at most; watches and the lease do not count. Zeroed: the defaults. */
struct kube_limit {
    int64_t every_us; /* microseconds of one request, on average */
    int64_t burst;    /* so many may go at once after a pause */
};
#define KUBE_LIMIT_DEFAULT ((struct kube_limit){ .every_us = 1000000 / 50, .burst = 100 })
/* --kube-api-qps and --kube-api-burst. Usage when one of them is no rate; NULL and 0: the default. */
struct err *kube_limit_parse(const char *qps, int64_t burst, struct kube_limit *out) ERR_MUST_USE;

struct kube_options {
    const char *kubeconfig; /* a file; NULL: $KUBECONFIG (a list), else ~/.kube/config */
    const char *context;    /* NULL: current-context */
    const char *user_agent; /* "sluice/1.2.3 (linux/amd64)"; borrowed for the call only */
    struct kube_limit limit;
};

/* True in a pod: KUBERNETES_SERVICE_HOST is set and the service account's token is mounted. */
bool kube_in_cluster(void);
/* ERR_TERMINAL InvalidSpec when the configuration cannot be used (what, file, what to do). No request
 * is sent yet. */
struct err *kube_open_in_cluster(const struct kube_options *options, struct kube **out)
    ERR_MUST_USE;
struct err *kube_open_kubeconfig(const struct kube_options *options, struct kube **out)
    ERR_MUST_USE;
/* Ends every request under way (their callers get ERR_TRANSIENT) and frees it. Informers, leases and
 * recorders on it must have been closed. */
void kube_close(struct kube *kube);
/* Of the context or of the service account; "default" if neither names one. Borrowed. */
const char *kube_namespace(const struct kube *kube);
/* The server's address, for messages. Borrowed. */
const char *kube_server(const struct kube *kube);

enum kube_verb {
    KUBE_GET,
    KUBE_GET_METADATA, /* of a list or an object: metadata alone, whatever the object holds */
    KUBE_POST,
    KUBE_PUT,
    KUBE_APPLY, /* PATCH application/apply-patch+yaml; the path carries fieldManager and force */
    KUBE_MERGE_PATCH, /* PATCH application/merge-patch+json */
    KUBE_JSON_PATCH,  /* PATCH application/json-patch+json */
    KUBE_DELETE,      /* body: DeleteOptions */
};

/* `path` is absolute with its query, percent-encoded (kube_path()). `out` NULL: the answer's body is not
 * wanted. Retries by itself: 429 and 5xx with Retry-After, lost connections of repeatable requests, 401
 * once with fresh credentials; all inside timeout_ms (0: 30 s).
 *
 * Errors (message: verb, path without query, what the server said):
 *   NotFound          ERR_TERMINAL   404
 *   AlreadyExists     ERR_CONFLICT   409 of a create
 *   Conflict          ERR_CONFLICT   409 otherwise, also a failed precondition or JSON-patch test
 *   Expired           ERR_CONFLICT   410
 *   Forbidden         ERR_TRANSIENT  401, 403: a right that may be granted
 *   Invalid           ERR_TERMINAL   400, 413, 415, 422: the object as it is will never be taken
 *   ApiUnavailable    ERR_TRANSIENT  everything else: no answer, 5xx, 429, TLS
 * err->reason is one of the KUBE_REASON_* pointers' text. */
struct err *kube_call(struct kube *kube, enum kube_verb verb, const char *path,
                      const struct json *body, int64_t timeout_ms, struct json **out) ERR_MUST_USE;
extern const char KUBE_NOT_FOUND[], KUBE_ALREADY_EXISTS[], KUBE_CONFLICT[], KUBE_EXPIRED[],
    KUBE_FORBIDDEN[], KUBE_INVALID[], KUBE_UNAVAILABLE[];

/* "/api/v1/namespaces/%s/secrets/%s": each %s is percent-encoded as a path segment or query value. Owned. */
char *kube_path(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* For tests that kill us at every call: called with "before" and "after" and, say, "POST jobs". A watch
 * counts once. Set before the first call. */
typedef void kube_hook_fn(void *payload, const char *when, const char *call);
void kube_set_hook(struct kube *kube, kube_hook_fn *hook, void *payload);

/* Requests so far by verb and code, for /metrics (rest_client_requests_total): calls `row` per series. */
typedef void kube_count_fn(void *payload, const char *method, int code, int64_t count);
void kube_counts(struct kube *kube, kube_count_fn *row, void *payload);

/* Resource versions are ordered decimal integers (Kubernetes 1.35, KEP-5504): -1, 0, 1. Values that do
 * not parse compare equal when they are the same text, else as -1 (older). */
int kube_rv_compare(const char *a, const char *b);
