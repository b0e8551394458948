/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, UTF-8, lists of strings and pairs. */
#include "base/str.h"
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/buf.h"
#include "base/mem.h"

bool str_to_int64(const char *text, int64_t min, int64_t max, int64_t *out)
{
    if (!text) {
        return false;
    }
    bool negative = *text == '-';
    const char *p = text + (negative || *text == '+' ? 1 : 0);
    if (!*p) {
        return false;
    }
    int64_t value = 0; /* kept negative: INT64_MIN has no positive twin */
    for (; *p; p++) {
        if (*p < '0' || *p > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, *p - '0', &value)) {
            return false;
        }
    }
    if (!negative) {
        if (value == INT64_MIN) {
            return false;
        }
        value = -value;
    }
    if (value < min || value > max) {
        return false;
    }
    *out = value;
    return true;
}

bool str_eq(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool str_starts(const char *text, const char *prefix)
{
    return text && strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *text, const char *suffix)
{
    if (!text) {
        return false;
    }
    size_t length = strlen(text);
    size_t tail = strlen(suffix);
    return length >= tail && memcmp(text + length - tail, suffix, tail) == 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool str_ieq(const char *a, const char *b)
{
    if (!a || !b) {
        return a == b;
    }
    while (*a && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) == lower(*b);
}

char *str_lower(const char *text)
{
    char *copy = mem_strdup(text);
    for (char *p = copy; p && *p; p++) {
        *p = lower(*p);
    }
    return copy;
}

size_t str_utf8_decode(const char *text, size_t left, uint32_t *cp)
{
    const unsigned char *p = (const unsigned char *)text;
    static const uint32_t smallest[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (left == 0) {
        return 0;
    }
    if (p[0] < 0x80) {
        *cp = p[0];
        return 1;
    }
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < n) {
        return 0;
    }
    uint32_t value = p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
        value = value << 6 | (p[i] & 0x3fu);
    }
    if (value < smallest[n] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
        return 0;
    }
    *cp = value;
    return n;
}

size_t str_utf8_encode(uint32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    const size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (cp & 0x3f));
        cp >>= 6;
    }
    out[0] = (char)((0xf00U >> n & 0xf0) | cp);
    return n;
}

size_t str_utf8_valid(const char *text, size_t length)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t done = 0;
    while (done < length) {
        uint64_t eight;
        if (length - done >= sizeof eight) { // most text is nothing but ASCII
            memcpy(&eight, p + done, sizeof eight);
            if (!(eight & 0x8080808080808080)) {
                done += sizeof eight;
                continue;
            }
        }
        if (p[done] < 0x80) {
            done++;
            continue;
        }
        uint32_t cp = 0;
        size_t n = str_utf8_decode(text + done, length - done, &cp);
        if (n == 0) {
            break;
        }
        done += n;
    }
    return done;
}

size_t str_utf8_cut(const char *text, size_t length, size_t max)
{
    if (length <= max) {
        return length;
    }
    size_t n = max;
    /* Back over at most three continuation bytes to the start of a code point. */
    for (int i = 0; i < 3 && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80; i++) {
        n--;
    }
    return n;
}

/* Unicode's Cc, Bidi_Control and Default_Ignorable_Code_Point, and the line separators; but U+FE00..FE0F, which say how
 * the character before them looks. */
static const struct {
    uint32_t first, last;
} hidden[] = {
    { 0x0, 0x1f },        { 0x7f, 0x9f },       { 0xad, 0xad },       { 0x34f, 0x34f },
    { 0x61c, 0x61c },     { 0x115f, 0x1160 },   { 0x17b4, 0x17b5 },   { 0x180b, 0x180f },
    { 0x200b, 0x200f },   { 0x2028, 0x202e },   { 0x2060, 0x206f },   { 0x3164, 0x3164 },
    { 0xfeff, 0xfeff },   { 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },   { 0xfffe, 0xffff },
    { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
};

size_t str_hidden(const char *text, size_t length, uint32_t *cp)
{
    size_t n = str_utf8_decode(text, length, cp);
    if (n == 0) {
        *cp = UINT32_MAX;
        return length > 0 ? 1 : 0;
    }
    if (*cp >= 0x20 && *cp < 0x7f) {
        return 0;
    }
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden && hidden[i].first <= *cp; i++) {
        if (*cp <= hidden[i].last) {
            return n;
        }
    }
    return 0;
}

static void add_spelled(struct buf *out, unsigned char byte, uint32_t cp)
{
    if (cp == '\n' || cp == '\r' || cp == '\t') {
        buf_addf(out, "\\%c", cp == '\n' ? 'n' : cp == '\r' ? 'r' : 't');
    } else if (cp < 0x80 || cp == UINT32_MAX) {
        buf_addf(out, "\\x%02x", (unsigned)byte);
    } else {
        buf_addf(out, "<U+%04X>", (unsigned)cp);
    }
}

static char *printable(const char *text, size_t length, bool lines)
{
    struct buf out = BUF(length * 4 + 1); /* no spelling is longer than four times the character */
    for (size_t i = 0; i < length;) {
        size_t plain = i;
        uint32_t cp = 0;
        size_t n = 0;
        while (i < length && (n = str_hidden(text + i, length - i, &cp)) == 0) {
            i += str_utf8_decode(text + i, length - i, &cp);
        }
        buf_add(&out, text + plain, i - plain);
        if (i == length) {
            break;
        }
        if (lines &&
            (cp == '\n' || cp == '\t' || (cp == '\r' && i + 1 < length && text[i + 1] == '\n'))) {
            buf_addc(&out, text[i]);
        } else {
            add_spelled(&out, (unsigned char)text[i], cp);
        }
        i += n;
    }
    return buf_take(&out);
}

char *str_printable(const char *text, size_t length)
{
    return printable(text, length, false);
}

char *str_printable_lines(const char *text, size_t length)
{
    return printable(text, length, true);
}

#define SIMILAR_MAX 40

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edit distance, where two letters the other way round are one edit; long texts are never similar. */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    size_t rows[3][SIMILAR_MAX + 1]; /* the present one and the two before it */
    if (n > SIMILAR_MAX || m > SIMILAR_MAX) {
        return SIZE_MAX;
    }
    for (size_t i = 0; i <= n; i++) {
        size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            if (i == 0) {
                now[j] = j;
                continue;
            }
            now[j] =
                least(least(before[j], now[j - 1]) + 1, before[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                now[j] = least(now[j], earlier[j - 2] + 1);
            }
        }
    }
    return rows[n % 3][m];
}

bool str_similar(const char *wrong, const char *right)
{
    AUTO(free_auto) char *a = str_lower(wrong);
    AUTO(free_auto) char *b = str_lower(right);
    size_t n = strlen(a);
    return distance(a, b) <= (n > 4 ? 2u : 1u) || (n >= 4 && str_starts(b, a)) ||
           (strlen(b) >= 4 && str_starts(a, b));
}

void strlist_add(struct strlist *list, const char *text)
{
    strlist_addn(list, text, strlen(text));
}

void strlist_addn(struct strlist *list, const char *text, size_t length)
{
    list->items = mem_grow(list->items, &list->cap, list->count + 1, sizeof *list->items);
    list->items[list->count++] = mem_strndup(text, length);
}

bool strlist_has(const struct strlist *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (str_eq(list->items[i], text)) {
            return true;
        }
    }
    return false;
}

bool strlist_equal(const struct strlist *a, const struct strlist *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (!str_eq(a->items[i], b->items[i])) {
            return false;
        }
    }
    return true;
}

void strlist_copy(const struct strlist *from, struct strlist *out)
{
    *out = (struct strlist){ 0 };
    for (size_t i = 0; i < from->count; i++) {
        strlist_add(out, from->items[i]);
    }
}

void strlist_done(struct strlist *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
    free(list->items);
    *list = (struct strlist){ 0 };
}

void kvlist_set(struct kvlist *list, const char *key, const char *value)
{
    for (size_t i = 0; i < list->count; i++) {
        if (str_eq(list->items[i].key, key)) {
            char *copy = mem_strdup(value);
            free(list->items[i].value);
            list->items[i].value = copy;
            return;
        }
    }
    list->items = mem_grow(list->items, &list->cap, list->count + 1, sizeof *list->items);
    list->items[list->count].key = mem_strdup(key);
    list->items[list->count].value = mem_strdup(value);
    list->count++;
}

const char *kvlist_get(const struct kvlist *list, const char *key)
{
    for (size_t i = 0; i < list->count; i++) {
        if (str_eq(list->items[i].key, key)) {
            return list->items[i].value;
        }
    }
    return NULL;
}

void kvlist_copy(const struct kvlist *from, struct kvlist *out)
{
    *out = (struct kvlist){ 0 };
    for (size_t i = 0; i < from->count; i++) {
        kvlist_set(out, from->items[i].key, from->items[i].value);
    }
}

void kvlist_done(struct kvlist *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].key);
        free(list->items[i].value);
    }
    free(list->items);
    *list = (struct kvlist){ 0 };
}
