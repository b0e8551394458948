/* SPDX-License-Identifier: Apache-2.0 */
/* One call: the rate limit, the tries, what each failure means. */
#include <string.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "k8s/client/calls.h"
#include "k8s/client/client.h"

#define TRIES 10
#define METADATA_ONLY                                                                              \
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,"                            \
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
#define LOST_FIRST_MS 200 /* back-off after a lost connection */
#define LOST_MAX_MS 6400

/* ---- shared with streams --------------------------------------------------------------------- */

void kube_enter(struct kube *kube)
{
    (void)pthread_mutex_lock(&kube->lock);
    kube->calls++;
    (void)pthread_mutex_unlock(&kube->lock);
}

void kube_leave(struct kube *kube)
{
    (void)pthread_mutex_lock(&kube->lock);
    kube->calls--;
    (void)pthread_cond_broadcast(&kube->idle);
    (void)pthread_mutex_unlock(&kube->lock);
}

void kube_count(struct kube *kube, const char *method, int code)
{
    (void)pthread_mutex_lock(&kube->lock);
    struct kube_count *found = NULL;
    for (size_t i = 0; i < kube->count_len && !found; i++) {
        struct kube_count *c = &kube->counts[i];
        found = c->code == code && str_eq(c->method, method) ? c : NULL;
    }
    if (!found) {
        kube->counts =
            mem_grow(kube->counts, &kube->count_cap, kube->count_len + 1, sizeof *kube->counts);
        found = &kube->counts[kube->count_len++];
        found->code = code;
        (void)snprintf(found->method, sizeof found->method, "%s", method);
    }
    found->count++;
    (void)pthread_mutex_unlock(&kube->lock);
}

bool kube_take_turn(struct kube *kube, const atomic_bool *cancel)
{
    (void)pthread_mutex_lock(&kube->lock);
    int64_t wait_us = kube_limit_us(&kube->limit, &kube->free_at_us, clock_mono_ms() * 1000);
    (void)pthread_mutex_unlock(&kube->lock);
    return wait_us < 1000 ||
           transport_sleep(kube->transport, cancel, clock_mono_ms() + wait_us / 1000);
}

struct err *kube_transfer_error(const char *verb, const char *path, enum transfer_end end,
                                const char *said)
{
    int length = (int)strcspn(path, "?");
    switch (end) {
    case TRANSFER_CANCELLED:
        return err_new(ERR_TRANSIENT, KUBE_UNAVAILABLE, "%s %.*s: given up: we are stopping", verb,
                       length, path);
    case TRANSFER_TLS:
        return err_new(ERR_TRANSIENT, KUBE_UNAVAILABLE,
                       "%s %.*s: %s: check the certificate authority, tls-server-name and client "
                       "certificate of the kubeconfig",
                       verb, length, path, said);
    case TRANSFER_TOO_LARGE:
        return err_new(ERR_TRANSIENT, KUBE_UNAVAILABLE, "%s %.*s: the answer is too large", verb,
                       length, path);
    default:
        return err_new(ERR_TRANSIENT, KUBE_UNAVAILABLE, "%s %.*s: %s", verb, length, path, said);
    }
}

/* ---- one try --------------------------------------------------------------------------------- */

struct attempt {
    struct kube *kube;
    const struct kube_request *request;
    const char *text; /* the body */
    size_t length;
    int64_t deadline_ms;
    struct auth auth;
    /* of the newest try */
    enum transfer_end end;
    struct kube_answer answer;
    int64_t retry_after_ms;
    struct err *error; /* NULL: a good answer */
};

static const char *content_type(enum kube_verb verb)
{
    switch (verb) {
    case KUBE_APPLY:
        return "application/apply-patch+yaml";
    case KUBE_MERGE_PATCH:
        return "application/merge-patch+json";
    case KUBE_JSON_PATCH:
        return "application/json-patch+json";
    default:
        return "application/json";
    }
}

static void forget(struct attempt *a)
{
    err_free(TAKE(a->error));
    json_free(TAKE(a->answer.body));
    a->answer.code = 0;
}

static struct err *read_body(struct attempt *a, const struct transfer *t)
{
    size_t length = 0;
    const char *bytes = transfer_body(t, &length);
    if (length == 0) {
        return NULL;
    }
    AUTO(free_auto) char *text = mem_strndup(bytes, length);
    struct err *error = kube_answer_parse(text, length, "the answer", &a->answer.body);
    if (error && a->answer.code >= 200 && a->answer.code < 300) {
        const char *path = a->request->path;
        int shown = (int)strcspn(path, "?");
        err_free(error);
        return err_new(ERR_TRANSIENT, KUBE_UNAVAILABLE,
                       "%s %.*s: the answer is not JSON: is %s the address of an API server?",
                       kube_method(a->request->verb), shown, path, kube_server(a->kube));
    }
    err_free(error);
    return NULL;
}

static void judge(struct attempt *a, const struct transfer *t)
{
    const struct kube_request *r = a->request;
    a->answer.code = a->end == TRANSFER_COMPLETE ? transfer_code(t) : 0;
    a->answer.too_large = a->end == TRANSFER_TOO_LARGE;
    a->retry_after_ms = transfer_retry_after_ms(t);
    kube_count(a->kube, kube_method(r->verb), a->answer.code);
    if (a->end != TRANSFER_COMPLETE) {
        a->error = kube_transfer_error(kube_method(r->verb), r->path, a->end, transfer_message(t));
        return;
    }
    a->error = read_body(a, t);
    if (!a->error) {
        a->error = kube_answer_error(r->verb, r->path, a->answer.code, a->answer.body);
    }
}

static void try_once(struct attempt *a)
{
    const struct kube_request *r = a->request;
    int64_t left = a->deadline_ms - clock_mono_ms();
    auth_done(&a->auth);
    a->end = TRANSFER_FAILED;
    a->retry_after_ms = -1;
    a->error = credentials_get(a->kube->credentials, &a->auth);
    if (a->error) {
        return;
    }
    const struct transport_request request = {
        .method = kube_method(r->verb),
        .path = r->path,
        .user_agent = a->kube->user_agent,
        .config = credentials_config(a->kube->credentials),
        .auth = &a->auth,
        .content_type = r->body ? content_type(r->verb) : NULL,
        .accept = r->verb == KUBE_GET_METADATA ? METADATA_ONLY : NULL,
        .body = a->text,
        .body_length = a->length,
        .timeout_ms = left > 1 ? left : 1,
        .max = r->max > 0 ? r->max : LIMIT_JSON_TEXT,
    };
    struct transfer *t = transfer_start(a->kube->transport, &request);
    a->end = transfer_wait(t, r->cancel);
    judge(a, t);
    transfer_done(t);
}

/* ---- the tries ------------------------------------------------------------------------------- */

/* How long to wait before the next try; -1: there is none. */
static int64_t next_try_ms(struct attempt *a, int tried, bool *refreshed)
{
    int code = a->answer.code;
    if (a->request->urgent || !a->error) {
        return -1;
    }
    if (code == 401 && !*refreshed) {
        *refreshed = true;
        credentials_reject(a->kube->credentials, a->auth.generation);
        return 0;
    }
    if (code == 429 || (code >= 500 && a->retry_after_ms >= 0)) {
        return a->retry_after_ms >= 0 ? a->retry_after_ms : 1000;
    }
    /* The server may have acted. All our calls may be repeated, but a patch that counts on the place of
     * a list's item. */
    if (a->end == TRANSFER_LOST && a->request->verb != KUBE_JSON_PATCH) {
        return backoff_ms(LOST_FIRST_MS, LOST_MAX_MS, tried + 1);
    }
    return -1;
}

static void run(struct attempt *a)
{
    bool refreshed = false;
    for (int tried = 0;; tried++) {
        try_once(a);
        int64_t wait_ms = tried + 1 < TRIES ? next_try_ms(a, tried, &refreshed) : -1;
        int64_t at_ms = clock_mono_ms() + wait_ms;
        if (wait_ms < 0 || at_ms >= a->deadline_ms ||
            !transport_sleep(a->kube->transport, a->request->cancel, at_ms)) {
            return;
        }
        LOG(LOG_DEBUG, "api call is tried again", LOG_S("problem", a->error->message));
        forget(a);
    }
}

void kube_call_hook(struct kube *kube, const char *when, const char *verb, const char *path)
{
    if (kube->hook) {
        AUTO(free_auto) char *name = kube_call_name(verb, path);
        kube->hook(kube->hook_payload, when, name);
    }
}

static struct err *perform(struct kube *kube, const struct kube_request *request, struct buf *text,
                           struct kube_answer *out)
{
    struct attempt a = { .kube = kube, .request = request };
    int64_t timeout_ms = request->timeout_ms > 0 ? request->timeout_ms : KUBE_TIMEOUT_MS;
    a.deadline_ms = clock_mono_ms() + timeout_ms;
    if (request->body) {
        kube_body_text(request->verb, request->body, text);
        TRY(buf_check(text, KUBE_INVALID, "the object to send"));
        a.text = buf_text(text);
        a.length = text->len;
    }
    if (!request->urgent && !kube_take_turn(kube, request->cancel)) {
        return kube_transfer_error(kube_method(request->verb), request->path, TRANSFER_CANCELLED,
                                   "");
    }
    run(&a);
    auth_done(&a.auth);
    *out = a.answer;
    return a.error;
}

struct err *kube_request(struct kube *kube, const struct kube_request *request,
                         struct kube_answer *out)
{
    AUTO(buf_done) struct buf text = BUF(LIMIT_JSON_TEXT);
    *out = (struct kube_answer){ 0 };
    kube_enter(kube);
    kube_call_hook(kube, "before", kube_method(request->verb), request->path);
    struct err *error = perform(kube, request, &text, out);
    kube_call_hook(kube, "after", kube_method(request->verb), request->path);
    kube_leave(kube);
    return error;
}

struct err *kube_call(struct kube *kube, enum kube_verb verb, const char *path,
                      const struct json *body, int64_t timeout_ms, struct json **out)
{
    const struct kube_request request = {
        .verb = verb, .path = path, .body = body, .timeout_ms = timeout_ms
    };
    struct kube_answer answer = { 0 };
    struct err *error = kube_request(kube, &request, &answer);
    if (!error && out) {
        *out = answer.body ? TAKE(answer.body) : json_object();
    }
    json_free(answer.body);
    return error;
}
