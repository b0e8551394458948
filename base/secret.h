/* SPDX-License-Identifier: Apache-2.0 */
/* A password or token: never printed, wiped when done. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/buf.h"
#include "base/str.h"

struct secret {
    char *bytes; /* NUL-terminated, owned; NULL: none. Hand only to the library that needs it. */
    size_t length;
};

struct secret secret_make(const char *bytes, size_t length); /* copies */
struct secret secret_copy(const struct secret *from);
bool secret_set(const struct secret *s);      /* has a value */
void secret_done(struct secret *s);           /* wipes; a zeroed secret is fine */
void secret_wipe(void *bytes, size_t length); /* not optimised away */
/* Wipe what a list of keys and secret values, or a buffer, holds, then release it. For AUTO, too. */
void secret_kvlist_done(struct kvlist *list);
void secret_buf_done(struct buf *buf);
