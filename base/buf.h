/* SPDX-License-Identifier: Apache-2.0 */
/* The one growing buffer. Born with a maximum; always NUL-terminated; remembers an overflow
 * so that a chain of appends needs one check at its end. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

struct buf {
    char *data;  /* NULL until the first append; then NUL-terminated, owned */
    size_t len;  /* bytes, without the NUL */
    size_t cap;  /* bytes allocated */
    size_t max;  /* largest allowed len, bytes */
    bool failed; /* an append would have passed max; later appends do nothing */
};

#define BUF(max_bytes) ((struct buf){ .max = (max_bytes) })

void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_adds(struct buf *b, const char *text);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_reset(struct buf *b);             /* empty again, memory kept */
char *buf_take(struct buf *b);             /* the text ("" if empty); caller frees; b is empty */
const char *buf_text(const struct buf *b); /* "" if nothing was added; borrowed */
/* ERR_TERMINAL, reason as given, "WHAT is larger than N bytes" when an append was refused. */
struct err *buf_check(const struct buf *b, const char *reason, const char *what) ERR_MUST_USE;
void buf_done(struct buf *b); /* a zeroed or done buffer is fine */
