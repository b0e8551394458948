/* SPDX-License-Identifier: Apache-2.0 */
/* One gzip stream in, one out, bounded, by zlib. */
#define ZLIB_CONST /* next_in is const */
#include "base/gzip.h"
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* 32 KiB, gzip wrapping only */
#define CHUNK 65536

static uInt part(size_t left)
{
    return left > UINT_MAX ? UINT_MAX : (uInt)left;
}

void gzip_pack(const void *bytes, size_t length, struct buf *out)
{
    z_stream z = { 0 };
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        (void)fputs("sluice: out of memory\n", stderr);
        abort();
    }
    const uint8_t *next = bytes;
    size_t left = length;
    uint8_t chunk[CHUNK];
    int rc = Z_OK;
    while (rc != Z_STREAM_END && !out->failed) {
        if (z.avail_in == 0) {
            z.avail_in = part(left);
            z.next_in = next;
            next = left ? next + z.avail_in : next;
            left -= z.avail_in;
        }
        z.next_out = chunk;
        z.avail_out = sizeof chunk;
        rc = deflate(&z, left ? Z_NO_FLUSH : Z_FINISH);
        buf_add(out, chunk, sizeof chunk - z.avail_out);
    }
    (void)deflateEnd(&z);
}

static struct err *damaged(const char *what)
{
    return err_new(ERR_TERMINAL, "AssignmentStale", "gzip stream %s", what);
}

static struct err *inflate_all(z_stream *z, size_t left, struct buf *out)
{
    uint8_t chunk[CHUNK];
    int rc = Z_OK;
    while (rc != Z_STREAM_END) {
        if (z->avail_in == 0) {
            z->avail_in = part(left);
            left -= z->avail_in;
        }
        z->next_out = chunk;
        z->avail_out = sizeof chunk;
        rc = inflate(z, Z_NO_FLUSH);
        if (rc == Z_BUF_ERROR) {
            return damaged("is cut short");
        }
        if (rc != Z_OK && rc != Z_STREAM_END) {
            return damaged("is damaged");
        }
        buf_add(out, chunk, sizeof chunk - z->avail_out);
        TRY(buf_check(out, "AssignmentStale", "unpacked gzip stream"));
    }
    return z->avail_in || left ? damaged("has bytes behind its end") : NULL;
}

struct err *gzip_unpack(const void *bytes, size_t length, struct buf *out)
{
    z_stream z = { 0 };
    if (inflateInit2(&z, GZIP_WINDOW) != Z_OK) {
        (void)fputs("sluice: out of memory\n", stderr);
        abort();
    }
    z.next_in = bytes;
    struct err *e = inflate_all(&z, length, out);
    (void)inflateEnd(&z);
    return e;
}
