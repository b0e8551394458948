/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP by libcurl: one thread drives all transfers, callers wait for theirs. Knows nothing of Kubernetes
 * but how its configuration is applied to a request. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "k8s/client/credentials.h"

struct transport;
struct transfer;

enum transfer_end {
    TRANSFER_RUNNING,
    TRANSFER_COMPLETE, /* an answer with its code */
    TRANSFER_REFUSED,  /* no connection: nothing was sent */
    TRANSFER_LOST,     /* the connection broke: the server may have acted */
    TRANSFER_TLS,
    TRANSFER_TIMEOUT,
    TRANSFER_TOO_LARGE,
    TRANSFER_CANCELLED, /* the transport is being closed, or the caller's flag is set */
    TRANSFER_FAILED,
};

struct transport_request { /* all borrowed for the call */
    const char *method;
    const char *path; /* with query */
    const char *user_agent;
    const struct kube_config *config;
    const struct auth *auth;
    const char *content_type; /* NULL: no body */
    const char *accept;       /* NULL: application/json */
    const char *body;
    size_t body_length;
    int64_t timeout_ms; /* total; 0: none, for streams */
    size_t max;         /* largest answer; of a stream, what may wait to be read */
    bool stream;        /* the bytes of a 200 go to transfer_read() */
};

struct err *transport_open(struct transport **out) ERR_MUST_USE;
/* Every transfer must have been ended. */
void transport_close(struct transport *transport);
/* From now on every transfer, also a new one, ends as TRANSFER_CANCELLED. */
void transport_stop(struct transport *transport);
/* Somebody's cancel flag has been set: waiting callers look at theirs. */
void transport_wake(struct transport *transport);

/* Never NULL; ends by transfer_done(), which may be called at any time. */
struct transfer *transfer_start(struct transport *transport,
                                const struct transport_request *request);
void transfer_done(struct transfer *transfer);
/* Waits for the end. cancel: NULL or a flag, see transport_wake(). */
enum transfer_end transfer_wait(struct transfer *transfer, const atomic_bool *cancel);
/* Appends what has come of a stream and fits below out's maximum, waiting for it until deadline_ms (clock_mono_ms()). Returns
 * TRANSFER_RUNNING, with bytes or at the deadline; else the stream has ended and is read to its end. */
enum transfer_end transfer_read(struct transfer *transfer, const atomic_bool *cancel,
                                int64_t deadline_ms, struct buf *out);

/* After the end. */
int transfer_code(const struct transfer *transfer);
const char *transfer_body(const struct transfer *transfer, size_t *length);
int64_t transfer_retry_after_ms(const struct transfer *transfer); /* -1: not told */
/* Why it failed, without the address. Borrowed. */
const char *transfer_message(const struct transfer *transfer);

/* Waits until then, or less when cancelled: false. */
bool transport_sleep(struct transport *transport, const atomic_bool *cancel, int64_t deadline_ms);
