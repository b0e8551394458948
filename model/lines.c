/* SPDX-License-Identifier: Apache-2.0 */
/* Digests over line ends of one kind. */
#include "model/lines.h"
#include <string.h>
#include "base/str.h"

static const char *line_end(const char *from, const char *end)
{
    while (from < end && *from != '\n' && *from != '\r') {
        from++;
    }
    return from;
}

static const char *end_of_held(struct lines *lines, const char *at)
{
    const bool pair = *at == '\n';
    const char *text = pair ? lines->end : "\r";

    lines->cr = false;
    sha256_add(lines->digest, text, strlen(text));
    return at + pair;
}

void lines_add(struct lines *lines, const void *bytes, size_t size)
{
    const char *at = bytes;
    const char *const end = at + size;

    while (at < end) {
        if (lines->cr) {
            at = end_of_held(lines, at);
            continue;
        }
        const char *stop = line_end(at, end);
        sha256_add(lines->digest, at, (size_t)(stop - at));
        if (stop < end && *stop == '\n') {
            sha256_add(lines->digest, lines->end, strlen(lines->end));
        }
        lines->cr = stop < end && *stop == '\r';
        at = stop < end ? stop + 1 : end;
    }
}

void lines_end(struct lines *lines, uint8_t out[SHA256_LEN])
{
    if (lines->cr) {
        sha256_add(lines->digest, "\r", 1);
    }
    sha256_end(lines->digest, out);
    *lines = (struct lines){ 0 };
}

static void digest_with(const char *line_end, const void *bytes, size_t size,
                        uint8_t out[SHA256_LEN])
{
    struct lines lines = { .digest = sha256_new(), .end = line_end };

    lines_add(&lines, bytes, size);
    lines_end(&lines, out);
}

void lines_sha256(const void *bytes, size_t size, uint8_t out[SHA256_LEN])
{
    if (size == 0 || !memchr(bytes, '\r', size)) {
        sha256(bytes, size, out);
        return;
    }
    digest_with("\n", bytes, size, out);
}

static const char *past_cr(const char *p)
{
    return p[0] == '\r' && p[1] == '\n' ? p + 1 : p;
}

bool lines_equal(const char *a, const char *b)
{
    for (;; a++, b++) {
        a = past_cr(a);
        b = past_cr(b);
        if (*a != *b || *a == '\0') {
            return *a == *b;
        }
    }
}

static bool is(const uint8_t digest[SHA256_LEN], const char *sha256_hex)
{
    char hex[SHA256_HEX_LEN + 1];

    hex_format(digest, SHA256_LEN, hex);
    return str_eq(hex, sha256_hex);
}

bool lines_are(const void *bytes, size_t size, const char *sha256_hex)
{
    uint8_t digest[SHA256_LEN];

    lines_sha256(bytes, size, digest);
    if (is(digest, sha256_hex)) {
        return true;
    }
    digest_with("\r\n", bytes, size, digest);
    if (is(digest, sha256_hex)) {
        return true;
    }
    sha256(bytes, size, digest);
    return is(digest, sha256_hex);
}
