/* SPDX-License-Identifier: Apache-2.0 */
/* Byte offsets to line and column. */
#include "reconcile/migration/position.h"

static bool byte_is_continuation(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

void position_advance(const char *text, size_t length, struct position *at, size_t offset)
{
    if (offset > length) {
        offset = length;
    }
    if (offset < at->offset) {
        *at = POSITION_START;
    }
    if (at->offset == 0 && offset >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        at->offset = 3;
    }
    for (; at->offset < offset; at->offset++) {
        char c = text[at->offset];
        bool crlf = c == '\r' && at->offset + 1 < length && text[at->offset + 1] == '\n';
        if (c == '\n' || (c == '\r' && !crlf)) {
            at->line++;
            at->column = 1;
        } else if (!byte_is_continuation((unsigned char)c)) {
            at->column++;
        }
    }
}

struct position position_find(const char *text, size_t length, size_t offset)
{
    struct position at = POSITION_START;

    position_advance(text, text ? length : 0, &at, offset);
    return at;
}
