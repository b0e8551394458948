/* SPDX-License-Identifier: Apache-2.0 */
/* Digests by OpenSSL, crc32 by zlib, encodings, random numbers. */
#include "base/hash.h"
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <zlib.h>
#include "base/mem.h"

struct sha256 {
    EVP_MD_CTX *context;
};

/* A digest that cannot be computed must never pass for one. */
static void must(bool ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "sluice: %s failed\n", what);
        abort();
    }
}

static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static EVP_MD *fetched; /* for the life of the process */

static void fetch_sha256(void)
{
    fetched = EVP_MD_fetch(NULL, "SHA256", NULL);
    must(fetched != NULL, "SHA-256");
}

/* EVP_sha256() would search the providers at each use (crypto(7) of OpenSSL: explicit fetching). */
static const EVP_MD *algorithm(void)
{
    (void)pthread_once(&fetch_once, fetch_sha256);
    return fetched;
}

void sha256(const void *bytes, size_t length, uint8_t out[SHA256_LEN])
{
    unsigned size = 0;
    must(EVP_Digest(length ? bytes : "", length, out, &size, algorithm(), NULL) == 1, "SHA-256");
}

void sha256_hex(const void *bytes, size_t length, char out[SHA256_HEX_LEN + 1])
{
    uint8_t digest[SHA256_LEN];
    sha256(bytes, length, digest);
    hex_format(digest, SHA256_LEN, out);
}

struct sha256 *sha256_new(void)
{
    struct sha256 *h = mem_alloc(sizeof *h);
    h->context = EVP_MD_CTX_new();
    must(h->context && EVP_DigestInit_ex(h->context, algorithm(), NULL) == 1, "SHA-256");
    return h;
}

struct sha256 *sha256_copy(const struct sha256 *h)
{
    struct sha256 *copy = mem_alloc(sizeof *copy);
    copy->context = EVP_MD_CTX_new();
    must(copy->context && EVP_MD_CTX_copy_ex(copy->context, h->context) == 1, "SHA-256");
    return copy;
}

void sha256_add(struct sha256 *h, const void *bytes, size_t length)
{
    must(EVP_DigestUpdate(h->context, length ? bytes : "", length) == 1, "SHA-256");
}

void sha256_end(struct sha256 *h, uint8_t out[SHA256_LEN])
{
    unsigned size = 0;
    must(EVP_DigestFinal_ex(h->context, out, &size) == 1, "SHA-256");
    EVP_MD_CTX_free(h->context);
    free(h);
}

void hmac_sha256(const void *key, size_t key_length, const void *bytes, size_t length,
                 uint8_t out[SHA256_LEN])
{
    unsigned size = 0;
    must(HMAC(algorithm(), key_length ? key : "", (int)key_length, length ? bytes : "", length, out,
              &size) != NULL,
         "HMAC-SHA-256");
}

bool bytes_equal_consttime(const void *a, const void *b, size_t length)
{
    return CRYPTO_memcmp(a, b, length) == 0;
}

uint32_t crc32_add(uint32_t crc, const void *bytes, size_t length)
{
    return length ? (uint32_t)crc32_z(crc, bytes, length) : crc;
}

void hex_format(const uint8_t *bytes, size_t length, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * length] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool hex_parse(const char *text, size_t text_length, uint8_t *out)
{
    if (text_length % 2) {
        return false;
    }
    for (size_t i = 0; i < text_length; i += 2) {
        int high = hex_digit(text[i]);
        int low = hex_digit(text[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_format(const void *bytes, size_t length, struct buf *out)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        uint32_t v = (uint32_t)p[i] << 16;
        v |= left > 1 ? (uint32_t)p[i + 1] << 8 : 0;
        v |= left > 2 ? p[i + 2] : 0;
        const char four[4] = { base64_digits[v >> 18], base64_digits[v >> 12 & 63],
                               left > 1 ? base64_digits[v >> 6 & 63] : '=',
                               left > 2 ? base64_digits[v & 63] : '=' };
        buf_add(out, four, 4);
    }
}

static int base64_digit(char c)
{
    const char *at = c ? strchr(base64_digits, c) : NULL;
    return at ? (int)(at - base64_digits) : -1;
}

bool base64_parse(const char *text, size_t length, struct buf *out)
{
    if (length % 4) {
        return false;
    }
    for (size_t i = 0; i < length; i += 4) {
        bool last = i + 4 == length;
        size_t pad = last && text[i + 3] == '=' ? (text[i + 2] == '=' ? 2 : 1) : 0;
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            int digit = k >= 4 - pad ? 0 : base64_digit(text[i + k]);
            if (digit < 0) {
                return false;
            }
            v = v << 6 | (uint32_t)digit;
        }
        /* One text for one value: the bits behind the last byte are zero. */
        if ((pad == 1 && (v & 0xff)) || (pad == 2 && (v & 0xffff))) {
            return false;
        }
        const char three[3] = { (char)(v >> 16), (char)(v >> 8 & 255), (char)(v & 255) };
        buf_add(out, three, 3 - pad);
    }
    return !out->failed;
}

void random_bytes(void *out, size_t length)
{
    uint8_t *p = out;
    while (length) {
        ssize_t got = getrandom(p, length, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        must(got > 0, "getrandom()");
        p += got;
        length -= (size_t)got;
    }
}

void random_hex(char *out, size_t hex_length)
{
    static const char digits[] = "0123456789abcdef";
    random_bytes(out, hex_length);
    for (size_t i = 0; i < hex_length; i++) {
        out[i] = digits[(unsigned char)out[i] & 15];
    }
    out[hex_length] = '\0';
}

void random_uuid(char out[37])
{
    uint8_t b[16];
    char hex[33];
    random_bytes(b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    hex_format(b, sizeof b, hex);
    (void)snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
                   hex + 20);
}

void hash_libraries(struct kvlist *out)
{
    kvlist_set(out, "OpenSSL", OpenSSL_version(OPENSSL_VERSION_STRING));
    kvlist_set(out, "zlib", zlibVersion());
}
