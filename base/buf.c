/* SPDX-License-Identifier: Apache-2.0 */
/* The one growing buffer. */
#include "base/buf.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

/* Room for `more` bytes and the NUL; false, and failed, when max would be passed. */
static bool buf_room(struct buf *b, size_t more)
{
    if (b->failed || more > b->max || b->len > b->max - more) {
        b->failed = true;
        return false;
    }
    size_t need = b->len + more + 1;
    if (need > b->cap) {
        size_t cap = b->cap < 64 ? 64 : b->cap;
        while (cap < need) {
            cap = cap > need / 2 ? cap * 2 : need;
        }
        char *grown = mem_alloc(cap);
        if (b->data) {
            memcpy(grown, b->data, b->len + 1);
            free(b->data);
        }
        b->data = grown;
        b->cap = cap;
    }
    return true;
}

void buf_add(struct buf *b, const void *bytes, size_t len)
{
    if (!buf_room(b, len)) {
        return;
    }
    if (len) {
        memcpy(b->data + b->len, bytes, len);
    }
    b->len += len;
    b->data[b->len] = '\0';
}

void buf_adds(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_addc(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_list again;
    /* Most texts fit into what is there, and are written in one go. */
    const size_t room = b->data && !b->failed ? b->cap - b->len : 0;
    va_start(args, fmt);
    va_copy(again, args);
    int length = vsnprintf(room ? b->data + b->len : NULL, room, fmt, args);
    va_end(args);
    if (length >= 0 && (size_t)length < room && (size_t)length <= b->max - b->len) {
        b->len += (size_t)length;
        va_end(again);
        return;
    }
    if (room) {
        b->data[b->len] = '\0';
    }
    if (length < 0) {
        b->failed = true;
    } else if (buf_room(b, (size_t)length)) {
        (void)vsnprintf(b->data + b->len, (size_t)length + 1, fmt, again);
        b->len += (size_t)length;
    }
    va_end(again);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data) {
        b->data[0] = '\0';
    }
}

char *buf_take(struct buf *b)
{
    char *text = b->data ? b->data : mem_strdup("");
    *b = BUF(b->max);
    return text;
}

const char *buf_text(const struct buf *b)
{
    return b->data ? b->data : "";
}

void buf_done(struct buf *b)
{
    free(b->data);
    *b = BUF(b->max);
}
