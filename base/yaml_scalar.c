/* SPDX-License-Identifier: Apache-2.0 */
/* Plain scalars by the YAML 1.2 core schema, less those that a YAML 1.1 reader takes for another value. */
#include "base/yaml_scalar.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/str.h"

#define EXACT_MAX 9007199254740992 /* 2^53 */

static bool one_of(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (strcmp(text, *words) == 0) {
            return true;
        }
    }
    return false;
}

static size_t digits(const char *p)
{
    return strspn(p, "0123456789");
}

/* [-+]? digits */
static bool is_integer(const char *text)
{
    const char *p = text + (*text == '-' || *text == '+');
    size_t n = digits(p);
    return n > 0 && p[n] == '\0';
}

/* [-+]? (\.d+ | d+(\.d*)?) ([eE][-+]?d+)? */
static bool is_float(const char *text)
{
    const char *p = text + (*text == '-' || *text == '+');
    size_t whole = digits(p);
    p += whole;
    if (*p == '.') {
        size_t fraction = digits(p + 1);
        if (whole + fraction == 0) {
            return false;
        }
        p += 1 + fraction;
    } else if (whole == 0) {
        return false;
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '-' || *p == '+';
        size_t exponent = digits(p);
        if (exponent == 0) {
            return false;
        }
        p += exponent;
    }
    return *p == '\0';
}

/* 0644, 0x1f, 0o17, 0b1, 1_000: read as numbers by some, as text or another number by others. */
static bool is_disputed_number(const char *text)
{
    const char *p = text + (*text == '-' || *text == '+');
    if (*p < '0' || *p > '9') {
        return false;
    }
    if (p[0] == '0' && p[1] >= '0' && p[1] <= '9') {
        return p[strspn(p, "0123456789_")] == '\0';
    }
    if (p[0] == '0' && p[1] && strchr("xXoObB", p[1]) && p[2]) {
        return p[2 + strspn(p + 2, "0123456789abcdefABCDEF_")] == '\0';
    }
    return strchr(p, '_') && p[strspn(p, "0123456789_.eE+-")] == '\0';
}

static const char *read_number(const char *text, struct json **out)
{
    if (is_integer(text)) {
        int64_t value = 0;
        if (!str_to_int64(text, -EXACT_MAX, EXACT_MAX, &value)) {
            return "number is too large: quote it";
        }
        *out = json_int64_new(value);
        return NULL;
    }
    double value = strtod(text, NULL);
    if (!isfinite(value) || fabs(value) >= EXACT_MAX) { /* as in JSON */
        return "number is too large: quote it";
    }
    *out = json_double_new(value);
    return NULL;
}

const char *yaml_scalar_read(const char *text, struct json **out)
{
    static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
    static const char *const trues[] = { "true", "True", "TRUE", NULL };
    static const char *const falses[] = { "false", "False", "FALSE", NULL };
    static const char *const disputed[] = { "y",  "Y",   "yes", "Yes", "YES", "n",
                                            "N",  "no",  "No",  "NO",  "on",  "On",
                                            "ON", "off", "Off", "OFF", NULL };
    static const char *const not_numbers[] = { ".inf",  ".Inf",  ".INF",  "+.inf", "+.Inf",
                                               "+.INF", "-.inf", "-.Inf", "-.INF", ".nan",
                                               ".NaN",  ".NAN",  NULL };
    if (one_of(text, nulls)) {
        *out = json_null_new();
    } else if (one_of(text, trues) || one_of(text, falses)) {
        *out = json_bool_new(one_of(text, trues));
    } else if (one_of(text, disputed)) {
        return "YAML readers disagree about yes, no, on and off: quote it, or write true or false";
    } else if (one_of(text, not_numbers)) {
        return "not a number that JSON has: quote it";
    } else if (is_disputed_number(text)) {
        return "YAML readers disagree about this number: quote it, or write it in plain decimal";
    } else if (is_integer(text) || is_float(text)) {
        return read_number(text, out);
    } else {
        *out = json_string_new(text);
    }
    return NULL;
}
