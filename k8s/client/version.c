/* SPDX-License-Identifier: Apache-2.0 */
/* The order of resource versions: decimal integers of up to 128 bits, so compared as text. */
#include <string.h>
#include "base/str.h"
#include "k8s/client/kube.h"

#define DIGITS_MAX 39 /* of 2^128 - 1 */

static bool is_ordered(const char *text, size_t *digits)
{
    *digits = text ? strspn(text, "0123456789") : 0;
    return *digits > 0 && *digits <= DIGITS_MAX && text[*digits] == '\0' &&
           (text[0] != '0' || *digits == 1);
}

int kube_rv_compare(const char *a, const char *b)
{
    size_t a_digits = 0;
    size_t b_digits = 0;
    if (!is_ordered(a, &a_digits) || !is_ordered(b, &b_digits)) {
        return str_eq(a, b) ? 0 : -1;
    }
    if (a_digits != b_digits) {
        return a_digits < b_digits ? -1 : 1;
    }
    int order = strcmp(a, b);
    return order < 0 ? -1 : order > 0;
}
