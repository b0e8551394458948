/* SPDX-License-Identifier: Apache-2.0 */
/* Digests of a text whose line ends are no part of it: a check-out may turn LF into CRLF and back. A CR by itself is a
 * character as any other. The line ends inside a string are taken for line ends too, as Flyway's checksum does. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/hash.h"

struct lines { /* piece by piece, from the digest of what stands before; zeros: not begun */
    struct sha256 *digest;
    const char *end; /* written for each line end */
    bool cr;         /* one that may belong to a line end has been held back */
};
void lines_add(struct lines *lines, const void *bytes, size_t size);
void lines_end(struct lines *lines, uint8_t out[SHA256_LEN]);

/* Of the text with LF at the end of every line: what the journal keeps of statements and files. */
void lines_sha256(const void *bytes, size_t size, uint8_t out[SHA256_LEN]);

/* Are the two the same, but for CRLF where the other has LF? */
bool lines_equal(const char *a, const char *b);

/* Is that hexadecimal digest the text's: with LF, with CRLF, or as it stands? Version 0.1 kept the last. NULL is not. */
bool lines_are(const void *bytes, size_t size, const char *sha256_hex);
