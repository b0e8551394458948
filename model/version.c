/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of any size: compared as digit strings, never as machine numbers. */
#include "model/version.h"
#include <stddef.h>
#include <string.h>

/* Asked a dozen times for each file and row; strspn() would build a table at each. */
static size_t digit_count(const char *p)
{
    size_t n = 0;
    while (p[n] >= '0' && p[n] <= '9') {
        n++;
    }
    return n;
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

int version_compare(const struct version *a, const struct version *b)
{
    if (!version_set(a) || !version_set(b)) {
        return (int)version_set(a) - (int)version_set(b);
    }
    const char *p = a->text;
    const char *q = b->text;
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

/* Asked for every journal row of every file: two that differ are told apart at once, as nearly all do. */
bool version_same(const char *a, const char *b)
{
    if (!a || !b) {
        return a == b;
    }
    size_t i = 0;
    while (a[i] != '\0' && a[i] == b[i]) {
        i++;
    }
    if (a[i] == b[i]) {
        return true;
    }
    /* 1 and 1.0, 7 and 07: only where a part begins or ends there are two forms of one. */
    bool inside = digit_count(a + i) > 0 && digit_count(b + i) > 0 && i > 0 && a[i - 1] >= '1' &&
                  a[i - 1] <= '9';
    struct version x = { 0 }, y = { 0 };
    return !inside && version_parse(a, &x) && version_parse(b, &y) && version_compare(&x, &y) == 0;
}
