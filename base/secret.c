/* SPDX-License-Identifier: Apache-2.0 */
/* Passwords and tokens, wiped when done. */
#include "base/secret.h"
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

struct secret secret_make(const char *bytes, size_t length)
{
    if (!bytes) {
        return (struct secret){ 0 };
    }
    return (struct secret){ .bytes = mem_strndup(bytes, length), .length = length };
}

struct secret secret_copy(const struct secret *from)
{
    return secret_make(from->bytes, from->length);
}

bool secret_set(const struct secret *s)
{
    return s->bytes != NULL;
}

void secret_wipe(void *bytes, size_t length)
{
    if (bytes) {
        explicit_bzero(bytes, length);
    }
}

void secret_done(struct secret *s)
{
    secret_wipe(s->bytes, s->length);
    free(s->bytes);
    *s = (struct secret){ 0 };
}

void secret_kvlist_done(struct kvlist *list)
{
    for (size_t i = 0; i < list->count; i++) {
        char *value = list->items[i].value;
        secret_wipe(value, value ? strlen(value) : 0);
    }
    kvlist_done(list);
}

void secret_buf_done(struct buf *buf)
{
    secret_wipe(buf->data, buf->cap);
    buf_done(buf);
}
