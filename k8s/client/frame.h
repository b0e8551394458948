/* SPDX-License-Identifier: Apache-2.0 */
/* A watch's bytes as lines: one JSON object each, split anywhere by the network. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/buf.h"

struct frame {
    struct buf bytes; /* append what comes */
    size_t at;        /* the next line begins here */
    size_t scanned;   /* no line end before */
};

#define FRAME(max_event_bytes) ((struct frame){ .bytes = BUF(2 * (size_t)(max_event_bytes)) })

/* The next whole line, without its end; in place and writable, valid until the next call. NULL: more
 * bytes are needed. Empty lines are skipped. */
char *frame_next(struct frame *frame, size_t *length);
/* The line under way is longer than an event may be, or bytes were refused. */
bool frame_overflows(const struct frame *frame);
void frame_done(struct frame *frame);
