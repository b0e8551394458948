/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of any size: compared as digit strings, never as machine numbers. */
#include "reconcile/model/version.h"
#include <stddef.h>
#include <string.h>

static size_t digit_count(const char *p)
{
    return strspn(p, "0123456789");
}

bool version_parse(const char *text, struct version *out)
{
    if (!text) {
        return false;
    }
    size_t length = strlen(text);
    if (length == 0 || length > VERSION_MAX) {
        return false;
    }
    const char *p = text;
    for (;;) {
        size_t n = digit_count(p);
        if (n == 0) {
            return false;
        }
        p += n;
        if (*p == '\0') {
            break;
        }
        if (*p != '.' && *p != '_') {
            return false;
        }
        p++;
    }
    for (size_t i = 0; i <= length; i++) {
        out->text[i] = text[i];
        if (text[i] == '_') {
            out->text[i] = '.';
        }
    }
    return true;
}

/* One part without its leading zeros; *p moves behind it and its dot. A missing part is "". */
static size_t next_part(const char **p, const char **digits)
{
    size_t n = digit_count(*p);
    *digits = *p;
    *p += n;
    if (**p == '.') {
        (*p)++;
    }
    while (n > 0 && **digits == '0') {
        (*digits)++;
        n--;
    }
    return n;
}

static int compare_texts(const char *p, const char *q)
{
    while (*p || *q) {
        const char *x = NULL;
        const char *y = NULL;
        size_t n = next_part(&p, &x);
        size_t m = next_part(&q, &y);
        if (n != m) {
            return n < m ? -1 : 1;
        }
        int order = n ? memcmp(x, y, n) : 0;
        if (order) {
            return order < 0 ? -1 : 1;
        }
    }
    return 0;
}

int version_compare(const struct version *a, const struct version *b)
{
    if (!version_set(a) || !version_set(b)) {
        return (int)version_set(a) - (int)version_set(b);
    }
    return compare_texts(a->text, b->text);
}

static bool has_digits_and_dots(const char *text)
{
    return text[strspn(text, "0123456789.")] == '\0';
}

bool version_same(const char *a, const char *b)
{
    if (!a || !b) {
        return a == b;
    }
    return strcmp(a, b) == 0 ||
           (has_digits_and_dots(a) && has_digits_and_dots(b) && compare_texts(a, b) == 0);
}
