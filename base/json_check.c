/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar check in front of cJSON, which takes more than JSON: raw control characters, "01", "1.",
 * duplicate keys, NUL escapes, integers it cannot hold. */
#include "base/json_check.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"

#define NUMBER_MAX 63                /* characters; cJSON reads no more of a number */
#define EXACT_MAX 9007199254740992.0 /* 2^53 */

struct scan {
    const char *text;
    size_t length;
    size_t at;
    int depth;
    const char *problem; /* NULL: fine so far; static text */
    size_t problem_at;
};

struct key {
    const char *text; /* decoded */
    size_t length;
    size_t at;
};

static bool fail_at(struct scan *s, size_t at, const char *problem)
{
    if (!s->problem) {
        s->problem = problem;
        s->problem_at = at;
    }
    return false;
}

static bool fail(struct scan *s, const char *problem)
{
    return fail_at(s, s->at, s->at >= s->length ? "unexpected end" : problem);
}

static int peek(const struct scan *s)
{
    return s->at < s->length ? (unsigned char)s->text[s->at] : -1;
}

static void skip_blanks(struct scan *s)
{
    while (peek(s) == ' ' || peek(s) == '\t' || peek(s) == '\n' || peek(s) == '\r') {
        s->at++;
    }
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool hex4(struct scan *s, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++) {
        int c = peek(s);
        int low = c | 0x20;
        if (!is_digit(c) && !(low >= 'a' && low <= 'f')) {
            return fail(s, "\\u needs four hex digits");
        }
        *out = *out << 4 | (uint32_t)(is_digit(c) ? c - '0' : low - 'a' + 10);
        s->at++;
    }
    return true;
}

/* Behind "\u". */
static bool check_unicode(struct scan *s, struct buf *decoded)
{
    size_t start = s->at - 2;
    uint32_t cp = 0;
    uint32_t low = 0;
    if (!hex4(s, &cp)) {
        return false;
    }
    if (cp == 0) {
        return fail_at(s, start, "\\u0000 is not allowed");
    }
    if (cp >= 0xd800 && cp <= 0xdbff) {
        if (s->length - s->at < 6 || memcmp(s->text + s->at, "\\u", 2) != 0) {
            return fail_at(s, start, "half of a surrogate pair");
        }
        s->at += 2;
        if (!hex4(s, &low)) {
            return false;
        }
        cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
    }
    if ((low && (low < 0xdc00 || low > 0xdfff)) || (cp >= 0xd800 && cp <= 0xdfff) ||
        cp > 0x10ffff) {
        return fail_at(s, start, "half of a surrogate pair");
    }
    if (decoded) {
        char bytes[4];
        buf_add(decoded, bytes, str_utf8_encode(cp, bytes));
    }
    return true;
}

static bool check_escape(struct scan *s, struct buf *decoded)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    s->at++;
    int c = peek(s);
    const char *known = c > 0 ? strchr(names, c) : NULL;
    if (c != 'u' && !known) {
        return fail(s, "unknown escape in a string");
    }
    s->at++;
    if (c == 'u') {
        return check_unicode(s, decoded);
    }
    if (decoded) {
        buf_addc(decoded, values[known - names]);
    }
    return true;
}

/* At the opening quote. decoded may be NULL. */
static bool check_string(struct scan *s, struct buf *decoded)
{
    s->at++;
    for (;;) {
        int c = peek(s);
        if (c == '"') {
            s->at++;
            return true;
        }
        if (c < 0) {
            return fail(s, "");
        }
        if (c < 0x20) {
            return fail(s, "control character in a string: write \\n, \\t or \\u....");
        }
        if (c == '\\') {
            if (!check_escape(s, decoded)) {
                return false;
            }
            continue;
        }
        if (decoded) {
            buf_addc(decoded, (char)c);
        }
        s->at++;
    }
}

static bool digits(struct scan *s)
{
    if (!is_digit(peek(s))) {
        return fail(s, "a digit is missing in a number");
    }
    while (is_digit(peek(s))) {
        s->at++;
    }
    return true;
}

static bool check_number(struct scan *s)
{
    size_t start = s->at;
    s->at += peek(s) == '-';
    if (peek(s) == '0') {
        s->at++;
        if (is_digit(peek(s))) {
            return fail_at(s, start, "a number must not start with 0");
        }
    } else if (!digits(s)) {
        return false;
    }
    if (peek(s) == '.') {
        s->at++;
        if (!digits(s)) {
            return false;
        }
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        s->at += peek(s) == '+' || peek(s) == '-';
        if (!digits(s)) {
            return false;
        }
    }
    if (s->at - start > NUMBER_MAX) {
        return fail_at(s, start, "number is too long");
    }
    char copy[NUMBER_MAX + 1];
    memcpy(copy, s->text + start, s->at - start);
    copy[s->at - start] = '\0';
    double value = strtod(copy, NULL);
    /* Beyond 2^53 every spelling, 1e20 too, is a whole number that is written with all its digits, and
     * would be refused when it is read again. */
    if (!isfinite(value) || fabs(value) > EXACT_MAX ||
        (fabs(value) == EXACT_MAX && strcmp(copy + (copy[0] == '-'), "9007199254740992"))) {
        return fail_at(s, start, "number is too large: write it as a string");
    }
    return true;
}

static bool check_value(struct scan *s);

static int key_compare(const void *a, const void *b)
{
    const struct key *x = a;
    const struct key *y = b;
    size_t shorter = x->length < y->length ? x->length : y->length;
    int order = shorter ? memcmp(x->text, y->text, shorter) : 0;
    if (order == 0) {
        order = (x->length > y->length) - (x->length < y->length);
    }
    return order ? order : (x->at > y->at) - (x->at < y->at);
}

static bool check_duplicates(struct scan *s, struct key *keys, size_t count)
{
    if (count > 1) {
        qsort(keys, count, sizeof *keys, key_compare);
    }
    for (size_t i = 1; i < count; i++) {
        if (keys[i].length == keys[i - 1].length &&
            memcmp(keys[i].text, keys[i - 1].text, keys[i].length) == 0) {
            return fail_at(s, keys[i].at, "duplicate key");
        }
    }
    return true;
}

struct keys {
    struct key *items;
    size_t count;
    size_t cap;
    struct strlist decoded; /* those with escapes */
};

static void keys_done(struct keys *k)
{
    free(k->items);
    strlist_done(&k->decoded);
}

static bool check_key(struct scan *s, struct keys *keys)
{
    size_t start = s->at;
    if (peek(s) != '"') {
        return fail(s, "expected a key in double quotes");
    }
    if (!check_string(s, NULL)) {
        return false;
    }
    struct key key = { .text = s->text + start + 1, .length = s->at - start - 2, .at = start };
    if (key.length && memchr(key.text, '\\', key.length)) {
        AUTO(buf_done) struct buf text = BUF(key.length);
        struct scan again = *s;
        again.at = start;
        (void)check_string(&again, &text);
        strlist_addn(&keys->decoded, buf_text(&text), text.len);
        key.text = keys->decoded.items[keys->decoded.count - 1];
        key.length = text.len;
    }
    keys->items = mem_grow(keys->items, &keys->cap, keys->count + 1, sizeof *keys->items);
    keys->items[keys->count++] = key;
    return true;
}

static bool check_members(struct scan *s, struct keys *keys)
{
    for (;;) {
        skip_blanks(s);
        if (!check_key(s, keys)) {
            return false;
        }
        skip_blanks(s);
        if (peek(s) != ':') {
            return fail(s, "expected ':' behind a key");
        }
        s->at++;
        if (!check_value(s)) {
            return false;
        }
        skip_blanks(s);
        int c = peek(s);
        if (c != ',' && c != '}') {
            return fail(s, "expected ',' or '}'");
        }
        s->at++;
        if (c == '}') {
            return check_duplicates(s, keys->items, keys->count);
        }
    }
}

static bool check_elements(struct scan *s)
{
    for (;;) {
        if (!check_value(s)) {
            return false;
        }
        skip_blanks(s);
        int c = peek(s);
        if (c != ',' && c != ']') {
            return fail(s, "expected ',' or ']'");
        }
        s->at++;
        if (c == ']') {
            return true;
        }
    }
}

/* At '{' or '['. */
static bool check_container(struct scan *s)
{
    if (++s->depth > LIMIT_JSON_DEPTH) {
        return fail(s, "nested too deep");
    }
    bool object = peek(s) == '{';
    s->at++;
    skip_blanks(s);
    bool ok = true;
    if (peek(s) == (object ? '}' : ']')) {
        s->at++;
    } else if (object) {
        AUTO(keys_done) struct keys keys = { 0 };
        ok = check_members(s, &keys);
    } else {
        ok = check_elements(s);
    }
    s->depth--;
    return ok;
}

static bool check_word(struct scan *s)
{
    static const char *const words[] = { "true", "false", "null" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i]);
        if (s->length - s->at >= n && memcmp(s->text + s->at, words[i], n) == 0) {
            s->at += n;
            return true;
        }
    }
    return fail(s, "expected a value");
}

static bool check_value(struct scan *s)
{
    skip_blanks(s);
    int c = peek(s);
    if (c == '{' || c == '[') {
        return check_container(s);
    }
    if (c == '"') {
        return check_string(s, NULL);
    }
    if (c == '-' || is_digit(c)) {
        return check_number(s);
    }
    return check_word(s);
}

const char *json_check(const char *text, size_t length, size_t *at)
{
    struct scan s = { .text = text, .length = length };
    size_t valid = str_utf8_valid(text, length);
    if (valid < length) {
        *at = valid;
        return "invalid UTF-8";
    }
    if (check_value(&s)) {
        skip_blanks(&s);
        if (s.at < length) {
            (void)fail(&s, "more text behind the end of the document");
        }
    }
    *at = s.problem_at;
    return s.problem;
}
