/* SPDX-License-Identifier: Apache-2.0 */
/* The table of contents. A repository decides what is in it, so digests and not sums of bytes find them. */
#include "base/content.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

#define BUCKETS 16384

static struct {
    pthread_mutex_t lock;
    struct content *buckets[BUCKETS];
    size_t held; /* bytes */
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct content **bucket_of(const uint8_t sha256[SHA256_LEN])
{
    return &table.buckets[((unsigned)sha256[0] << 8 | sha256[1]) % BUCKETS];
}

/* With a reference; NULL: not here. Lock held. */
static struct content *find(const uint8_t sha256[SHA256_LEN])
{
    for (struct content *c = *bucket_of(sha256); c; c = c->next) {
        if (memcmp(c->sha256, sha256, SHA256_LEN) == 0) {
            c->refs++;
            return c;
        }
    }
    return NULL;
}

/* Takes the bytes. Lock held. */
static struct content *add(uint8_t *bytes, size_t size, const uint8_t sha256[SHA256_LEN])
{
    struct content **bucket = bucket_of(sha256);
    struct content *c = mem_alloc(sizeof *c);
    *c = (struct content){ .size = size, .bytes = bytes, .refs = 1, .next = *bucket };
    memcpy(c->sha256, sha256, SHA256_LEN);
    *bucket = c;
    table.held += size;
    return c;
}

struct content *content_take(uint8_t *bytes, size_t size)
{
    uint8_t digest[SHA256_LEN];
    sha256(bytes, size, digest);
    (void)pthread_mutex_lock(&table.lock);
    struct content *known = find(digest);
    struct content *c = known ? known : add(bytes, size, digest);
    (void)pthread_mutex_unlock(&table.lock);
    if (known) {
        free(bytes);
    }
    return c;
}

struct content *content_alone(uint8_t *bytes, size_t size)
{
    struct content *c = mem_alloc(sizeof *c);
    *c = (struct content){ .size = size, .bytes = bytes, .refs = 1, .alone = true };
    (void)pthread_mutex_lock(&table.lock);
    table.held += size;
    (void)pthread_mutex_unlock(&table.lock);
    return c;
}

static uint8_t *copy_of(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = mem_alloc(size + 1);
    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    return copy;
}

struct content *content_copy(const uint8_t *bytes, size_t size, const uint8_t sha256[SHA256_LEN])
{
    (void)pthread_mutex_lock(&table.lock);
    struct content *known = find(sha256);
    struct content *c = known ? known : add(copy_of(bytes, size), size, sha256);
    (void)pthread_mutex_unlock(&table.lock);
    return c;
}

struct content *content_ref(struct content *content)
{
    (void)pthread_mutex_lock(&table.lock);
    content->refs++;
    (void)pthread_mutex_unlock(&table.lock);
    return content;
}

static void destroy(struct content *content)
{
    union { /* ours: taken or copied when it was added */
        const uint8_t *in;
        uint8_t *out;
    } bytes = { .in = content->bytes };
    free(bytes.out);
    free(content);
}

void content_unref(struct content *content)
{
    if (!content) {
        return;
    }
    (void)pthread_mutex_lock(&table.lock);
    bool last = --content->refs == 0;
    if (last && !content->alone) {
        struct content **link = bucket_of(content->sha256);
        while (*link != content) {
            link = &(*link)->next;
        }
        *link = content->next;
    }
    table.held -= last ? content->size : 0;
    (void)pthread_mutex_unlock(&table.lock);
    if (last) {
        destroy(content);
    }
}

size_t content_held(void)
{
    (void)pthread_mutex_lock(&table.lock);
    size_t held = table.held;
    (void)pthread_mutex_unlock(&table.lock);
    return held;
}
