/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that owns the CURLM, and how callers talk with it: a list of transfers to add, flags on
 * those to give up, one lock, one condition. */
#include "k8s/client/transport.h"
#include <curl/curl.h>
#include <pthread.h>
#include <string.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "k8s/client/easy.h"
#include "model/reason.h"

#define POLL_MS 1000
#define IDLE_CONNECTIONS 16

struct transport {
    CURLM *multi;
    pthread_t thread;
    pthread_mutex_t lock; /* over all below, and the parts of transfers marked so */
    pthread_cond_t changed;
    struct transfer *added; /* not yet with the thread */
    struct transfer *running;
    bool stopping; /* no transfer any more */
    bool closing;  /* the thread ends */
};

struct transfer {
    struct transport *transport;
    struct transfer *next;
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    char *sent; /* the body: libcurl does not copy it */
    bool stream, in_multi;
    char said[CURL_ERROR_SIZE];
    /* under the lock */
    struct buf body;
    enum transfer_end end;
    bool abandoned, overflow;
    int code;
    int64_t retry_after_ms;
};

/* ---- the thread ------------------------------------------------------------------------------ */

static size_t on_data(char *bytes, size_t one, size_t count, void *payload)
{
    struct transfer *t = payload;
    size_t length = one * count;
    long code = 0;
    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &code);
    (void)pthread_mutex_lock(&t->transport->lock);
    t->code = (int)code;
    buf_add(&t->body, bytes, length);
    t->overflow = t->body.failed;
    if (t->stream && code == 200) {
        (void)pthread_cond_broadcast(&t->transport->changed);
    }
    (void)pthread_mutex_unlock(&t->transport->lock);
    return t->overflow ? CURL_WRITEFUNC_ERROR : length;
}

static enum transfer_end end_of(CURLcode code, const struct transfer *t)
{
    if (t->overflow) {
        return TRANSFER_TOO_LARGE;
    }
    switch (code) {
    case CURLE_OK:
        return TRANSFER_COMPLETE;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
        return TRANSFER_REFUSED;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return TRANSFER_LOST;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return TRANSFER_TLS;
    case CURLE_OPERATION_TIMEDOUT:
        return TRANSFER_TIMEOUT;
    default:
        return TRANSFER_FAILED;
    }
}

/* With the lock. */
static void finish(struct transfer *t, enum transfer_end end)
{
    struct transport *transport = t->transport;
    if (t->in_multi) {
        (void)curl_multi_remove_handle(transport->multi, t->easy);
        t->in_multi = false;
    }
    for (struct transfer **at = &transport->running; *at; at = &(*at)->next) {
        if (*at == t) {
            *at = t->next;
            break;
        }
    }
    t->next = NULL;
    t->end = end;
    (void)pthread_cond_broadcast(&transport->changed);
}

static void take_results(struct transport *transport)
{
    int left = 0;
    for (const CURLMsg *m; (m = curl_multi_info_read(transport->multi, &left));) {
        if (m->msg != CURLMSG_DONE) {
            continue;
        }
        struct transfer *t = NULL;
        CURLcode result = m->data.result; /* m dies with the handle's removal */
        curl_off_t after = 0;
        long code = 0;
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &code);
        (void)curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &after);
        (void)pthread_mutex_lock(&transport->lock);
        t->code = (int)code;
        t->retry_after_ms = after > 0 ? (int64_t)after * 1000 : -1;
        if (!t->said[0]) {
            (void)snprintf(t->said, sizeof t->said, "%s", curl_easy_strerror(result));
        }
        finish(t, end_of(result, t));
        (void)pthread_mutex_unlock(&transport->lock);
    }
}

/* With the lock. */
static void take_orders(struct transport *transport)
{
    while (transport->added) {
        struct transfer *t = transport->added;
        transport->added = t->next;
        t->next = transport->running;
        transport->running = t;
        t->in_multi = curl_multi_add_handle(transport->multi, t->easy) == CURLM_OK;
        if (!t->in_multi) {
            finish(t, TRANSFER_FAILED);
        }
    }
    for (struct transfer *t = transport->running; t;) {
        struct transfer *next = t->next;
        if (t->abandoned || transport->stopping) {
            finish(t, TRANSFER_CANCELLED);
        }
        t = next;
    }
}

static void *transport_main(void *payload)
{
    struct transport *transport = payload;
    for (;;) {
        (void)pthread_mutex_lock(&transport->lock);
        take_orders(transport);
        bool closing = transport->closing;
        (void)pthread_mutex_unlock(&transport->lock);
        if (closing) {
            return NULL;
        }
        int running = 0;
        (void)curl_multi_perform(transport->multi, &running);
        take_results(transport);
        (void)curl_multi_poll(transport->multi, NULL, 0, POLL_MS, NULL);
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

static void init_once(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct err *transport_open(struct transport **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, init_once);
    struct transport *t = mem_alloc(sizeof *t);
    t->multi = curl_multi_init();
    if (!t->multi) {
        free(t);
        return err_new(ERR_TRANSIENT, REASON_INTERNAL, "libcurl does not start");
    }
    (void)curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS);
    (void)pthread_mutex_init(&t->lock, NULL);
    thread_cond_init(&t->changed);
    struct err *error = thread_start(&t->thread, transport_main, t);
    if (error) {
        (void)curl_multi_cleanup(t->multi);
        free(t);
        return error;
    }
    *out = t;
    return NULL;
}

static void set_and_wake(struct transport *t, bool *flag)
{
    (void)pthread_mutex_lock(&t->lock);
    *flag = true;
    (void)pthread_cond_broadcast(&t->changed);
    (void)pthread_mutex_unlock(&t->lock);
    (void)curl_multi_wakeup(t->multi);
}

void transport_stop(struct transport *t)
{
    set_and_wake(t, &t->stopping);
}

void transport_wake(struct transport *t)
{
    (void)pthread_mutex_lock(&t->lock);
    (void)pthread_cond_broadcast(&t->changed);
    (void)pthread_mutex_unlock(&t->lock);
}

void transport_close(struct transport *t)
{
    if (t) {
        set_and_wake(t, &t->closing);
        (void)pthread_join(t->thread, NULL);
        (void)curl_multi_cleanup(t->multi);
        (void)pthread_cond_destroy(&t->changed);
        (void)pthread_mutex_destroy(&t->lock);
        free(t);
    }
}

/* ---- a transfer ------------------------------------------------------------------------------ */

struct transfer *transfer_start(struct transport *transport,
                                const struct transport_request *request)
{
    struct transfer *t = mem_alloc(sizeof *t);
    t->transport = transport;
    t->stream = request->stream;
    t->body = BUF(request->max);
    t->retry_after_ms = -1;
    t->easy = curl_easy_init();
    if (!t->easy) {
        t->end = TRANSFER_FAILED;
        return t;
    }
    if (request->content_type) {
        t->sent = mem_strndup(request->body, request->body_length);
    }
    struct easy_lists lists = { 0 };
    easy_setup(t->easy, request, t->sent, &lists);
    t->headers = lists.headers;
    t->connect_to = lists.connect_to;
    (void)curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    (void)curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->said);
    (void)curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_data);
    (void)curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    (void)pthread_mutex_lock(&transport->lock);
    t->next = transport->added;
    transport->added = t;
    (void)pthread_mutex_unlock(&transport->lock);
    (void)curl_multi_wakeup(transport->multi);
    return t;
}

/* With the lock. The thread alone may take a handle out of the multi. */
static void abandon(struct transfer *t)
{
    while (t->end == TRANSFER_RUNNING) {
        t->abandoned = true;
        (void)curl_multi_wakeup(t->transport->multi);
        (void)thread_cond_wait(&t->transport->changed, &t->transport->lock,
                               clock_mono_ms() + POLL_MS);
    }
}

void transfer_done(struct transfer *t)
{
    if (!t) {
        return;
    }
    (void)pthread_mutex_lock(&t->transport->lock);
    abandon(t);
    (void)pthread_mutex_unlock(&t->transport->lock);
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->connect_to);
    free(t->sent);
    buf_done(&t->body);
    free(t);
}

static bool is_set(const atomic_bool *cancel)
{
    return cancel && atomic_load(cancel);
}

enum transfer_end transfer_wait(struct transfer *t, const atomic_bool *cancel)
{
    struct transport *transport = t->transport;
    (void)pthread_mutex_lock(&transport->lock);
    while (t->end == TRANSFER_RUNNING) {
        if (is_set(cancel)) {
            abandon(t);
            t->end = TRANSFER_CANCELLED;
            break;
        }
        (void)thread_cond_wait(&transport->changed, &transport->lock, clock_mono_ms() + POLL_MS);
    }
    enum transfer_end end = t->end;
    (void)pthread_mutex_unlock(&transport->lock);
    return end;
}

/* As much as there is room for. */
static void take_bytes(struct buf *from, struct buf *to)
{
    size_t room = to->max - to->len;
    size_t length = from->len < room ? from->len : room;
    buf_add(to, from->data, length);
    memmove(from->data, from->data + length, from->len - length);
    from->len -= length;
}

enum transfer_end transfer_read(struct transfer *t, const atomic_bool *cancel, int64_t deadline_ms,
                                struct buf *out)
{
    struct transport *transport = t->transport;
    (void)pthread_mutex_lock(&transport->lock);
    while (t->end == TRANSFER_RUNNING && (t->body.len == 0 || t->code != 200) && !is_set(cancel) &&
           clock_mono_ms() < deadline_ms) {
        (void)thread_cond_wait(&transport->changed, &transport->lock, deadline_ms);
    }
    enum transfer_end end = is_set(cancel) ? TRANSFER_CANCELLED : t->end;
    if (t->code == 200 && t->body.len > 0) {
        take_bytes(&t->body, out);
        end = end == TRANSFER_CANCELLED ? end : TRANSFER_RUNNING; /* its end is told next time */
    }
    (void)pthread_mutex_unlock(&transport->lock);
    return end;
}

int transfer_code(const struct transfer *t)
{
    return t->code;
}

const char *transfer_body(const struct transfer *t, size_t *length)
{
    *length = t->body.len;
    return buf_text(&t->body);
}

int64_t transfer_retry_after_ms(const struct transfer *t)
{
    return t->retry_after_ms;
}

const char *transfer_message(const struct transfer *t)
{
    return t->said[0] ? t->said : "libcurl takes no request";
}

bool transport_sleep(struct transport *t, const atomic_bool *cancel, int64_t deadline_ms)
{
    (void)pthread_mutex_lock(&t->lock);
    while (!t->stopping && !is_set(cancel) && clock_mono_ms() < deadline_ms) {
        (void)thread_cond_wait(&t->changed, &t->lock, deadline_ms);
    }
    bool slept = !t->stopping && !is_set(cancel);
    (void)pthread_mutex_unlock(&t->lock);
    return slept;
}
