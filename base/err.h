/* SPDX-License-Identifier: Apache-2.0 */
/* Error objects: a kind for the loop, a reason for machines, a message for people. */
#pragma once

enum err_kind {    /* what the reconcile loop must do, not where it broke */
    ERR_TRANSIENT, /* retry with back-off: network, lock timeout, HTTP 5xx */
    ERR_CONFLICT,  /* our view is stale: read again, decide again */
    ERR_WAIT,      /* somebody else acts first: approval, dependency, lock */
    ERR_TERMINAL,  /* only a new commit or a new spec can help */
};

struct err {
    enum err_kind kind;
    const char *reason; /* static CamelCase from model/reason.h */
    char *message;      /* one line, lower case, no full stop, no secrets */
};

#define ERR_MUST_USE __attribute__((warn_unused_result))

/* A non-NULL error is owned by whoever holds it: return, wrap or free it.
 * The formatted text (server messages, file names) is made printable by
 * str_printable() and cut at LIMIT_ERR_MESSAGE bytes on a UTF-8 border. */
struct err *err_new(enum err_kind kind, const char *reason, const char *fmt, ...) ERR_MUST_USE
    __attribute__((format(printf, 3, 4), returns_nonnull));

/* Put "fmt: " before the message; kind and reason stay. NULL stays NULL. */
struct err *err_wrap(struct err *e, const char *fmt, ...) ERR_MUST_USE
    __attribute__((format(printf, 2, 3)));

/* The caller's own reason: base knows what is wrong with a text or a file, not whose it is. NULL stays NULL. */
struct err *err_reason(struct err *e, const char *reason) ERR_MUST_USE;

void err_free(struct err *e); /* NULL is fine */

/* For AUTO(err_free_auto) variables. */
static inline void err_free_auto(struct err **e)
{
    err_free(*e);
}

#define TRY(expr)                                                                                  \
    do {                                                                                           \
        struct err *try_ = (expr);                                                                 \
        if (try_) {                                                                                \
            return try_;                                                                           \
        }                                                                                          \
    } while (0)
