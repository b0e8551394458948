/* SPDX-License-Identifier: Apache-2.0 */
/* Digests and encodings, by OpenSSL and zlib behind this header. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/str.h"

#define SHA256_LEN 32
#define SHA256_HEX_LEN 64

void sha256(const void *bytes, size_t length, uint8_t out[SHA256_LEN]);
void sha256_hex(const void *bytes, size_t length, char out[SHA256_HEX_LEN + 1]);

struct sha256; /* streaming */
struct sha256 *sha256_new(void);
struct sha256 *sha256_copy(const struct sha256 *h); /* of what was added up to now */
void sha256_add(struct sha256 *h, const void *bytes, size_t length);
void sha256_end(struct sha256 *h, uint8_t out[SHA256_LEN]); /* frees h */

void hmac_sha256(const void *key, size_t key_length, const void *bytes, size_t length,
                 uint8_t out[SHA256_LEN]);
bool bytes_equal_consttime(const void *a, const void *b, size_t length);

/* FNV-1a, for tables and "is it the same as before": whoever chooses the bytes can make two meet. */
#define FNV_START 14695981039346656037u
static inline uint64_t fnv_add(uint64_t hash, const void *bytes, size_t length)
{
    for (const unsigned char *p = bytes, *end = p + length; p < end; p++) {
        hash = (hash ^ *p) * 1099511628211u;
    }
    return hash;
}

uint32_t crc32_add(uint32_t crc, const void *bytes, size_t length); /* zlib's; start with 0 */

void hex_format(const uint8_t *bytes, size_t length, char *out /* 2*length+1 */);
bool hex_parse(const char *text, size_t text_length, uint8_t *out /* text_length/2 */);
void base64_format(const void *bytes, size_t length, struct buf *out);
bool base64_parse(const char *text, size_t length, struct buf *out); /* strict, padding needed */

void random_bytes(void *out, size_t length);
void random_hex(char *out, size_t hex_length); /* hex_length digits + NUL */
void random_uuid(char out[37]);                /* version 4, lower case */

/* Adds OpenSSL and zlib with the versions that are loaded. */
void hash_libraries(struct kvlist *out);
