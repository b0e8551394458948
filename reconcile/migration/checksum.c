/* SPDX-License-Identifier: Apache-2.0 */
/* Flyway's checksum and its cutting of long descriptions and script names. */
#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/large.h"
#include "reconcile/migration/parse.h"

#define DESCRIPTION_UNITS 200 /* UTF-16 units, as Java counts */
#define SCRIPT_UNITS 1000

int32_t checksum_text(const char *text, size_t length)
{
    return (int32_t)large_checksum_add(0, text, length);
}

bool checksum_make(const uint8_t *bytes, size_t size, int32_t *out, size_t *bad_offset)
{
    const char *text = (const char *)bytes;
    size_t valid = str_utf8_valid(text, size);

    if (valid != size) {
        *bad_offset = valid;
        return false;
    }
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        size -= 3;
    }
    *out = checksum_text(text, size);
    return true;
}

/* UTF-16 units of the character that starts at this byte; 0 inside a character. */
static size_t utf16_units(unsigned char byte)
{
    if ((byte & 0xC0) == 0x80) {
        return 0;
    }
    return byte >= 0xF0 ? 2 : 1;
}

static size_t utf16_length(const char *text)
{
    size_t units = 0;

    for (; *text; text++) {
        units += utf16_units((unsigned char)*text);
    }
    return units;
}

/* Bytes of the longest prefix of at most `units` UTF-16 units. Where Java would cut a pair of
 * surrogates in half the whole character goes: a half cannot be stored as UTF-8. */
static size_t utf16_prefix(const char *text, size_t units)
{
    size_t used = 0;
    size_t i = 0;

    while (text[i]) {
        size_t width = utf16_units((unsigned char)text[i]);
        if (used + width > units) {
            break;
        }
        used += width;
        i++;
        while (((unsigned char)text[i] & 0xC0) == 0x80) {
            i++;
        }
    }
    return i;
}

char *description_stored(const char *description)
{
    if (utf16_length(description) <= DESCRIPTION_UNITS) {
        return mem_strdup(description);
    }
    size_t keep = utf16_prefix(description, DESCRIPTION_UNITS - 3);
    return mem_printf("%.*s...", (int)keep, description);
}

char *script_stored(const char *script)
{
    if (utf16_length(script) <= SCRIPT_UNITS) {
        return mem_strdup(script);
    }
    size_t from = utf16_prefix(script, 3);
    size_t to = utf16_prefix(script, SCRIPT_UNITS);
    return mem_printf("...%.*s", (int)(to - from), script + from);
}
