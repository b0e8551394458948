/* SPDX-License-Identifier: Apache-2.0 */
/* How file names are read: Flyway's settings, docs/reference/flyway.md 3.1. Zeroed: Flyway's defaults. */
#pragma once
#include <stdbool.h>
#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"

#define NAMING_TEXT_MAX 64     /* bytes of one prefix, separator or suffix */
#define NAMING_SUFFIXES_MAX 16 /* entries */

struct naming {              /* strings owned; NULL or an empty list: the default */
    char *prefix;            /* sqlMigrationPrefix, V; may be empty */
    char *repeatable_prefix; /* repeatableSqlMigrationPrefix, R; may be empty */
    char *separator;         /* sqlMigrationSeparator, __ */
    struct strlist suffixes; /* sqlMigrationSuffixes, .sql; tried in this order */
    bool validate;           /* validateMigrationNaming: a misnamed file is an error */
};

/* NULL is fine in all of these: the defaults. What is returned is borrowed. */
const char *naming_prefix(const struct naming *naming);
const char *naming_repeatable_prefix(const struct naming *naming);
const char *naming_separator(const struct naming *naming);
size_t naming_suffix_count(const struct naming *naming);
const char *naming_suffix(const struct naming *naming, size_t index);
/* The first suffix that `name` ends with, in any case, and is longer than; NULL: none. */
const char *naming_suffix_of(const struct naming *naming, const char *name, size_t length);

void naming_copy(const struct naming *from, struct naming *out);
void naming_done(struct naming *naming);
bool naming_equal(const struct naming *a, const struct naming *b);
/* What is wrong with one text, or with all of them together (static); NULL: nothing. */
const char *naming_text_problem(const char *text);
const char *naming_problem(const struct naming *naming);
/* Adds to the object, by Flyway's names, which files are migrations: what is not the default, so that digests and
 * manifests stay as versions wrote them that knew only the defaults. */
void naming_json(const struct naming *naming, struct json *object);
/* The same as options of a command, appended. */
void naming_options(const struct naming *naming, struct buf *out);
