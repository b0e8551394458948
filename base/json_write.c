/* SPDX-License-Identifier: Apache-2.0 */
/* JSON text: compact, sorted for digests, or indented for people. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"

struct style {
    bool sorted;
    bool pretty;
};

/* As \uXXXX, in UTF-16. */
static void add_escaped(struct buf *out, uint32_t cp)
{
    if (cp > 0xffff) {
        buf_addf(out, "\\u%04x", 0xd800u + (unsigned)((cp - 0x10000) >> 10));
        cp = 0xdc00 + ((cp - 0x10000) & 0x3ff);
    }
    buf_addf(out, "\\u%04x", (unsigned)cp);
}

/* Returns the bytes that it took: a character that has to be escaped. 0: none. */
static size_t add_special(const char *text, size_t length, bool shown, struct buf *out)
{
    const unsigned char c = (unsigned char)*text;
    uint32_t cp = c;
    size_t n = 1;

    if (c == '"' || c == '\\') {
        buf_addf(out, "\\%c", c);
        return n;
    }
    if (c == '\n' || c == '\r' || c == '\t') {
        buf_addf(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        return n;
    }
    if (c >= 0x20 && c != 0x7f) {
        n = shown && c >= 0x80 ? str_hidden(text, length, &cp) : 0;
        if (n == 0 || cp == UINT32_MAX) {
            return 0;
        }
    }
    add_escaped(out, cp);
    return n;
}

static bool is_plain(char c)
{
    return (unsigned char)c >= 0x20 && c != '"' && c != '\\' && c != 0x7f;
}

static void write_string(const char *text, size_t length, bool shown, struct buf *out)
{
    buf_addc(out, '"');
    for (size_t i = 0; i < length;) {
        const size_t special = add_special(text + i, length - i, shown, out);
        if (special) {
            i += special;
            continue;
        }
        /* A run of plain text at once. */
        size_t run = 1;
        while (i + run < length && is_plain(text[i + run]) &&
               !(shown && (unsigned char)text[i + run] >= 0xc2)) {
            run++;
        }
        size_t valid = str_utf8_valid(text + i, run);
        buf_add(out, text + i, valid);
        if (valid < run) {
            buf_adds(out, "\xef\xbf\xbd");
            valid++;
        }
        i += valid;
    }
    buf_addc(out, '"');
}

void json_write_string(const char *text, size_t length, struct buf *out)
{
    write_string(text, length, false, out);
}

void json_write_shown(const char *text, size_t length, struct buf *out)
{
    write_string(text, length, true, out);
}

static void write_number(const struct json *node, struct buf *out)
{
    int64_t integer = 0;
    double value = 0;
    if (json_int64(node, &integer)) {
        buf_addf(out, "%lld", (long long)integer);
    } else if (json_double(node, &value) && isfinite(value)) {
        char text[40];
        for (int precision = 15; precision <= 17;
             precision++) { /* shortest that reads back equal */
            (void)snprintf(text, sizeof text, "%.*g", precision, value);
            if (!(strtod(text, NULL) < value) && !(strtod(text, NULL) > value)) {
                break;
            }
        }
        buf_adds(out, text);
    } else {
        buf_adds(out, "null");
    }
}

static void indent(struct style style, int depth, struct buf *out)
{
    if (style.pretty) {
        buf_addf(out, "\n%*s", depth * 2, "");
    }
}

static int member_compare(const void *a, const void *b)
{
    const struct json *const *x = a;
    const struct json *const *y = b;
    return strcmp(json_key(*x), json_key(*y));
}

static void write_value(const struct json *node, struct style style, int depth, struct buf *out);

static void write_container(const struct json *node, struct style style, int depth, struct buf *out)
{
    bool object = json_type(node) == JSON_OBJECT;
    size_t count = json_count(node);
    AUTO(free_auto) const struct json **members = mem_array(count, sizeof *members);
    size_t used = 0;
    for (const struct json *m = json_first(node); m; m = json_next(m)) {
        members[used++] = m;
    }
    if (object && style.sorted && used > 1) {
        qsort(members, used, sizeof *members, member_compare);
    }
    buf_addc(out, object ? '{' : '[');
    for (size_t i = 0; i < used; i++) {
        if (i) {
            buf_addc(out, ',');
        }
        indent(style, depth + 1, out);
        if (object) {
            const char *key = json_key(members[i]);
            write_string(key, strlen(key), style.pretty, out);
            buf_adds(out, style.pretty ? ": " : ":");
        }
        write_value(members[i], style, depth + 1, out);
    }
    if (used) {
        indent(style, depth, out);
    }
    buf_addc(out, object ? '}' : ']');
}

static void write_value(const struct json *node, struct style style, int depth, struct buf *out)
{
    switch (json_type(node)) {
    case JSON_BOOL:
        buf_adds(out, json_bool(node, false) ? "true" : "false");
        break;
    case JSON_NUMBER:
        write_number(node, out);
        break;
    case JSON_STRING:
        write_string(json_string(node), strlen(json_string(node)), style.pretty, out);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        write_container(node, style, depth, out);
        break;
    case JSON_NULL:
    default:
        buf_adds(out, "null");
        break;
    }
}

void json_write(const struct json *node, bool sorted, struct buf *out)
{
    write_value(node, (struct style){ .sorted = sorted }, 0, out);
}

static char *text_of(const struct json *node, struct style style)
{
    struct buf out = BUF((size_t)LIMIT_JSON_TEXT * 8); /* what we hold came from less than this */
    write_value(node, style, 0, &out);
    return buf_take(&out);
}

char *json_text(const struct json *node)
{
    return text_of(node, (struct style){ 0 });
}

char *json_text_sorted(const struct json *node)
{
    return text_of(node, (struct style){ .sorted = true });
}

char *json_text_pretty(const struct json *node)
{
    return text_of(node, (struct style){ .pretty = true });
}

bool json_equal(const struct json *a, const struct json *b)
{
    if (!a || !b) {
        return a == b;
    }
    AUTO(free_auto) char *x = json_text_sorted(a);
    AUTO(free_auto) char *y = json_text_sorted(b);
    return strcmp(x, y) == 0;
}
