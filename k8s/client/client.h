/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the client, for the files of k8s/ that need more than k8s/client/kube.h: whole answers,
 * streams, calls that pass the rate limit or can be given up. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "k8s/client/credentials.h"
#include "k8s/client/kube.h"
#include "k8s/client/transport.h"

#define KUBE_TIMEOUT_MS 30000

struct kube_count {
    char method[8];
    int code; /* 0: no answer */
    int64_t count;
};

struct kube {
    struct credentials *credentials;
    struct transport *transport;
    char *user_agent;
    kube_hook_fn *hook;
    void *hook_payload;
    pthread_mutex_t lock; /* over all below */
    pthread_cond_t idle;
    int calls; /* under way */
    struct kube_limit limit;
    int64_t free_at_us; /* of the limiter, clock_mono_ms() * 1000 */
    struct kube_count *counts;
    size_t count_cap, count_len;
};

/* For the two kube_open_*() and tests: takes config's contents. */
struct err *kube_open_config(struct kube_config *config, const struct kube_options *options,
                             struct kube **out) ERR_MUST_USE;

struct kube_request {
    enum kube_verb verb;
    const char *path;
    const struct json *body;   /* NULL: none */
    int64_t timeout_ms;        /* 0: KUBE_TIMEOUT_MS; over all tries */
    bool urgent;               /* past the rate limit, and tried once: lease renewals */
    const atomic_bool *cancel; /* NULL, or a flag: set it, then transport_wake() */
    size_t max;                /* bytes of the answer; 0: LIMIT_JSON_TEXT */
};

struct kube_answer {   /* also set when there is an error */
    int code;          /* 0: no answer */
    struct json *body; /* NULL: none, or not JSON; of an error the Status. Owned. */
    bool too_large;    /* it passed the maximum; then there is an error */
};

/* kube_call(), with the answer. */
struct err *kube_request(struct kube *kube, const struct kube_request *request,
                         struct kube_answer *out) ERR_MUST_USE;

/* ---- streams --------------------------------------------------------------------------------- */

struct kube_stream;

/* Opens a watch and waits for nothing. */
struct err *kube_stream_open(struct kube *kube, const char *path, size_t max,
                             const atomic_bool *cancel, struct kube_stream **out) ERR_MUST_USE;
/* True: go on reading. False: ended; then *error is NULL after a clean end, *code the answer's code and
 * *retry_after_ms what the server asked for, -1 for nothing. */
bool kube_stream_read(struct kube_stream *stream, int64_t deadline_ms, struct buf *out,
                      struct err **error, struct kube_answer *answer, int64_t *retry_after_ms);
void kube_stream_close(struct kube_stream *stream);

/* ---- the pure parts -------------------------------------------------------------------------- */

/* "DELETE" for KUBE_DELETE; of the three patches "PATCH". */
const char *kube_method(enum kube_verb verb);
/* "POST jobs", "PATCH migrationplans/status". Owned. */
char *kube_call_name(const char *verb, const char *path);
/* What the error table of k8s/client/kube.h says; body: the Status or NULL. NULL for 2xx. */
struct err *kube_answer_error(enum kube_verb verb, const char *path, int code,
                              const struct json *body);
/* True: too large a resource version, ours comes from a server that knows more than this one. */
bool kube_answer_rv_too_large(int code, const struct json *body);
/* The text to send. An apply is read by a YAML parser: what that would not take as it is, is escaped. */
void kube_body_text(enum kube_verb verb, const struct json *body, struct buf *out);
/* The answer as JSON. Objects of others may hold what our strict reader refuses, and one of them must
 * not blind us for the rest of a list: NUL escapes become U+FFFD, numbers beyond 2^53
 * become about that, endless ones 0. */
struct err *kube_answer_parse(char *text, size_t length, const char *what, struct json **out)
    ERR_MUST_USE;
/* A token bucket as the time at which it is empty of waiting: returns how long to wait now. */
int64_t kube_limit_us(const struct kube_limit *limit, int64_t *free_at_us, int64_t now_us);
