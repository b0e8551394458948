/* SPDX-License-Identifier: Apache-2.0 */
/* A sorted array: a controller's collections have hundreds of objects, rarely thousands. */
#include "k8s/client/store.h"
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

char *store_key(const char *namespace_, const char *name)
{
    return mem_printf("%s/%s", namespace_ ? namespace_ : "", name);
}

/* The first place whose key is not before `key`. */
static size_t place_of(const struct store *s, const char *key)
{
    size_t low = 0;
    size_t high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(s->items[middle].key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct store_item *store_find(const struct store *s, const char *key)
{
    size_t at = place_of(s, key);
    return at < s->count && strcmp(s->items[at].key, key) == 0 ? &s->items[at] : NULL;
}

void store_put(struct store *s, char *key, char *rv, struct json *object, struct store_item *old)
{
    const struct store_item item = { .key = key, .rv = rv, .object = object };
    size_t at = place_of(s, key);
    *old = (struct store_item){ 0 };
    if (at < s->count && strcmp(s->items[at].key, key) == 0) {
        *old = s->items[at];
        s->items[at] = item;
        return;
    }
    s->items = mem_grow(s->items, &s->cap, s->count + 1, sizeof *s->items);
    memmove(s->items + at + 1, s->items + at, (s->count - at) * sizeof *s->items);
    s->items[at] = item;
    s->count++;
}

bool store_remove(struct store *s, const char *key, struct store_item *old)
{
    struct store_item *found = store_find(s, key);
    *old = (struct store_item){ 0 };
    if (!found) {
        return false;
    }
    *old = *found;
    size_t at = (size_t)(found - s->items);
    s->count--;
    memmove(found, found + 1, (s->count - at) * sizeof *s->items);
    return true;
}

void store_item_done(struct store_item *item)
{
    free(item->key);
    free(item->rv);
    json_free(item->object);
    *item = (struct store_item){ 0 };
}

void store_done(struct store *s)
{
    for (size_t i = 0; i < s->count; i++) {
        store_item_done(&s->items[i]);
    }
    free(s->items);
    *s = (struct store){ 0 };
}
