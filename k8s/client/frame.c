/* SPDX-License-Identifier: Apache-2.0 */
/* A watch's bytes as lines. */
#include "k8s/client/frame.h"
#include <string.h>

static void compact(struct frame *f)
{
    size_t left = f->bytes.len - f->at;
    if (f->at > 0 && left > 0) {
        memmove(f->bytes.data, f->bytes.data + f->at, left);
    }
    f->bytes.len = left;
    f->scanned -= f->at;
    f->at = 0;
}

char *frame_next(struct frame *f, size_t *length)
{
    while (f->scanned < f->bytes.len) {
        char *from = f->bytes.data + f->scanned;
        char *end = memchr(from, '\n', f->bytes.len - f->scanned);
        if (!end) {
            f->scanned = f->bytes.len;
            break;
        }
        char *line = f->bytes.data + f->at;
        *length = (size_t)(end - line);
        f->scanned = f->at = (size_t)(end - f->bytes.data) + 1;
        *length -= *length > 0 && line[*length - 1] == '\r';
        if (*length > 0) {
            line[*length] = '\0';
            return line;
        }
    }
    compact(f); /* only now: the line handed out before must stay where it is */
    return NULL;
}

bool frame_overflows(const struct frame *f)
{
    return f->bytes.failed || f->bytes.len - f->at > f->bytes.max / 2;
}

void frame_done(struct frame *f)
{
    buf_done(&f->bytes);
    *f = (struct frame){ 0 };
}
