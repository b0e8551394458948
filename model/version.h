/* SPDX-License-Identifier: Apache-2.0 */
/* Migration versions of any size (docs/reference/flyway.md 3.3): digits and dots, compared part by part. */
#pragma once
#include <stdbool.h>

#define VERSION_MAX 50 /* characters: the history table's column */

struct version {
    char text[VERSION_MAX + 1]; /* as in the file name with '_' -> '.', zeros kept; "" = none */
};

/* False: not a version (empty part, letter, reserved word) or longer than VERSION_MAX. */
bool version_parse(const char *text, struct version *out);
int version_compare(const struct version *a,
                    const struct version *b); /* 1 = 1.0 = 01; "" sorts first */
/* Two texts of one version, as version_compare() counts; what is no version equals only itself. NULL equals NULL. */
bool version_same(const char *a, const char *b);
static inline bool version_set(const struct version *v)
{
    return v->text[0] != '\0';
}
