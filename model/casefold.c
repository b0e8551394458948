/* SPDX-License-Identifier: Apache-2.0 */
/* Simple case folding by ranges of code points. */
#include "model/casefold.h"
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"

struct range {
    uint32_t first, last;
    int32_t add; /* 0: pairs, the even (or odd) one is the capital, the next is its small letter */
};

static const struct range ranges[] = {
    { 0xc0, 0xd6, 32 },     { 0xd8, 0xde, 32 },        { 0x100, 0x12f, 0 },
    { 0x132, 0x137, 0 },    { 0x139, 0x148, 0 },       { 0x14a, 0x177, 0 },
    { 0x178, 0x178, -121 }, { 0x179, 0x17e, 0 },       { 0x1cd, 0x1dc, 0 },
    { 0x1de, 0x1ef, 0 },    { 0x1f8, 0x21f, 0 },       { 0x222, 0x233, 0 },
    { 0x386, 0x386, 38 },   { 0x388, 0x38a, 37 },      { 0x38c, 0x38c, 64 },
    { 0x38e, 0x38f, 63 },   { 0x391, 0x3a1, 32 },      { 0x3a3, 0x3ab, 32 },
    { 0x3c2, 0x3c2, 1 },    { 0x400, 0x40f, 80 },      { 0x410, 0x42f, 32 },
    { 0x460, 0x481, 0 },    { 0x48a, 0x4bf, 0 },       { 0x4c1, 0x4ce, 0 },
    { 0x4d0, 0x52f, 0 },    { 0x531, 0x556, 48 },      { 0x1e00, 0x1e95, 0 },
    { 0x1ea0, 0x1eff, 0 },  { 0x212a, 0x212a, -8383 }, { 0xff21, 0xff3a, 32 },
};

static uint32_t fold(uint32_t cp) // that is not ASCII
{
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        const struct range *r = &ranges[i];
        if (cp >= r->first && cp <= r->last) {
            return r->add ? (uint32_t)((int32_t)cp + r->add) : cp + ((cp - r->first) % 2 == 0);
        }
    }
    return cp;
}

char *casefold(const char *text)
{
    const size_t length = strlen(text);
    char *out = mem_alloc(length * 2 + 1);
    size_t used = 0;
    for (size_t at = 0, n = 0; at < length; at += n) {
        const unsigned char c = (unsigned char)text[at];
        if (c < 0x80) { // nearly every character of nearly every path
            out[used++] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
            n = 1;
            continue;
        }
        uint32_t cp = 0;
        n = str_utf8_decode(text + at, length - at, &cp);
        if (n > 0) {
            used += str_utf8_encode(fold(cp), out + used);
        } else { // not UTF-8: byte for byte
            out[used++] = text[at];
            n = 1;
        }
    }
    return out;
}
