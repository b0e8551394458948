/* SPDX-License-Identifier: Apache-2.0 */
/* A password or token: never printed, wiped when done. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "reconcile/base/str.h"

struct secret {
    char *bytes; /* NUL-terminated, owned; NULL: none. Hand only to the library that needs it. */
    size_t length;
};

struct secret secret_make(const char *bytes, size_t length); /* copies */
struct secret secret_copy(const struct secret *from);
bool secret_set(const struct secret *s);      /* has a value */
void secret_done(struct secret *s);           /* wipes; a zeroed secret is fine */
void secret_wipe(void *bytes, size_t length); /* not optimised away */
/* A list of keys and secret values: wipes the values, then releases. */
void secret_kvlist_done(struct kvlist *list);
