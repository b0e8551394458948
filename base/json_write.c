/* SPDX-License-Identifier: Apache-2.0 */
/* JSON text: compact, sorted for digests, or indented for people. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "reconcile/base/auto.h"
#include "reconcile/base/json.h"
#include "reconcile/base/limits.h"
#include "reconcile/base/mem.h"
#include "reconcile/base/str.h"

struct style {
    bool sorted;
    bool pretty;
};

void json_write_string(const char *text, size_t length, struct buf *out)
{
    buf_addc(out, '"');
    for (size_t i = 0; i < length;) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            buf_addf(out, "\\%c", c);
        } else if (c == '\n' || c == '\r' || c == '\t') {
            buf_addf(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        } else if (c < 0x20 || c == 0x7f) {
            buf_addf(out, "\\u%04x", c);
        } else {
            /* A run of plain text at once. */
            size_t run = 0;
            while (i + run < length && (unsigned char)text[i + run] >= 0x20 &&
                   text[i + run] != '"' && text[i + run] != '\\' && text[i + run] != 0x7f) {
                run++;
            }
            size_t valid = str_utf8_valid(text + i, run);
            buf_add(out, text + i, valid);
            if (valid < run) {
                buf_adds(out, "\xef\xbf\xbd");
                valid++;
            }
            i += valid;
            continue;
        }
        i++;
    }
    buf_addc(out, '"');
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
            json_write_string(key, strlen(key), out);
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
        json_write_string(json_string(node), strlen(json_string(node)), out);
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
