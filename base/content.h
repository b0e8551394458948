/* SPDX-License-Identifier: Apache-2.0 */
/* File contents, one copy of each in a process: whoever holds the same bytes holds the same object,
 * found by its SHA-256. Immutable, counted; any thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/hash.h"

struct content {
    uint8_t sha256[SHA256_LEN];
    size_t size;
    const uint8_t *bytes; /* followed by a NUL that is not counted; owned */
    size_t refs;          /* under the table's lock, as `next` */
    struct content *next;
    bool alone; /* not in the table, and without its digest */
};

/* Takes the bytes, which come from malloc and have room for a NUL at [size]. Never NULL. */
struct content *content_take(uint8_t *bytes, size_t size) __attribute__((returns_nonnull));
/* The same for one that is looked at once: it shares nothing, so nobody has to know its digest. */
struct content *content_alone(uint8_t *bytes, size_t size) __attribute__((returns_nonnull));
/* Copies the bytes unless they are here already. sha256: theirs, as the caller has just computed it. */
struct content *content_copy(const uint8_t *bytes, size_t size, const uint8_t sha256[SHA256_LEN])
    __attribute__((returns_nonnull));
struct content *content_ref(struct content *content);
void content_unref(struct content *content); /* NULL is fine */
/* Bytes of all contents that are held now. */
size_t content_held(void);
