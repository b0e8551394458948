/* SPDX-License-Identifier: Apache-2.0 */
/* A table of counted blocks of bytes. */
#include "controller/kept.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

struct block {
    struct block *next; /* of the same bucket */
    uint64_t hash;
    size_t size, refs;
    kept_refers *refers; /* NULL: to nothing */
    _Alignas(max_align_t) unsigned char bytes[];
};

static struct {
    pthread_mutex_t lock;
    struct block **buckets;
    size_t bucket_count, count;
    uint64_t start;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- blocks, locked --------------------------------------------------------------------------- */

static void grow(void)
{
    const size_t count = all.bucket_count ? all.bucket_count * 2 : 1024;
    struct block **buckets = mem_array(count, sizeof(struct block *));
    if (!all.bucket_count) { // texts come from databases: nobody there is to choose who meets whom
        random_bytes(&all.start, sizeof all.start);
    }
    for (size_t i = 0; i < all.bucket_count; i++) {
        for (struct block *b = all.buckets[i], *next; b; b = next) {
            next = b->next;
            b->next = buckets[b->hash & (count - 1)];
            buckets[b->hash & (count - 1)] = b;
        }
    }
    free(all.buckets);
    all.buckets = buckets;
    all.bucket_count = count;
}

static struct block *find(uint64_t hash, const void *bytes, size_t size, kept_refers *refers)
{
    struct block *b = all.buckets[hash & (all.bucket_count - 1)];
    while (b && !(b->hash == hash && b->size == size && b->refers == refers &&
                  memcmp(b->bytes, bytes, size) == 0)) {
        b = b->next;
    }
    return b;
}

void *kept_add(const void *bytes, size_t size, kept_refers *refers)
{
    if (all.count >= all.bucket_count) {
        grow();
    }
    const uint64_t hash = fnv_add(all.start, bytes, size);
    struct block *b = find(hash, bytes, size, refers);
    if (b) {
        b->refs++;
        if (refers) { // the block that is there holds them, too
            refers(bytes, size);
        }
        return b->bytes;
    }
    b = mem_alloc(sizeof *b + size);
    b->hash = hash;
    b->size = size;
    b->refs = 1;
    b->refers = refers;
    memcpy(b->bytes, bytes, size);
    b->next = all.buckets[hash & (all.bucket_count - 1)];
    all.buckets[hash & (all.bucket_count - 1)] = b;
    all.count++;
    return b->bytes;
}

void kept_drop(const void *kept)
{
    struct block *b =
        kept ? (struct block *)(uintptr_t)((const unsigned char *)kept - sizeof *b) : NULL;
    if (!b || --b->refs > 0) {
        return;
    }
    struct block **at = &all.buckets[b->hash & (all.bucket_count - 1)];
    while (*at != b) {
        at = &(*at)->next;
    }
    *at = b->next;
    all.count--;
    if (b->refers) {
        b->refers(b->bytes, b->size);
    }
    free(b);
}

void kept_lock(void)
{
    pthread_mutex_lock(&all.lock);
}

void kept_unlock(void)
{
    pthread_mutex_unlock(&all.lock);
}

void *kept_bytes(const void *bytes, size_t size)
{
    if (size == 0) {
        return NULL;
    }
    kept_lock();
    void *kept = kept_add(bytes, size, NULL);
    kept_unlock();
    return kept;
}

void kept_release(const void *kept)
{
    kept_lock();
    kept_drop(kept);
    kept_unlock();
}

size_t kept_count(void)
{
    kept_lock();
    const size_t count = all.count;
    kept_unlock();
    return count;
}
