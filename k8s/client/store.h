/* SPDX-License-Identifier: Apache-2.0 */
/* The objects of one collection, sorted by namespace/name. No lock of its own. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/json.h"

struct store_item {
    char *key, *rv;
    struct json *object; /* owned */
};

struct store {
    struct store_item *items;
    size_t count, cap;
};

/* "NAMESPACE/NAME"; namespace_ NULL or "" for what has none. Owned. */
char *store_key(const char *namespace_, const char *name);
struct store_item *store_find(const struct store *store, const char *key); /* NULL: absent */
/* Takes all three; what was there is handed to *old (zeroed: nothing). */
void store_put(struct store *store, char *key, char *rv, struct json *object,
               struct store_item *old);
/* Hands out what was there. False: nothing. */
bool store_remove(struct store *store, const char *key, struct store_item *old);
void store_item_done(struct store_item *item);
void store_done(struct store *store);
