/* SPDX-License-Identifier: Apache-2.0 */
/* Flyway's settings of file names. */
#include "model/naming.h"
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/mem.h"
#include "model/command.h"

#define DEFAULT_PREFIX "V"
#define DEFAULT_REPEATABLE_PREFIX "R"
#define DEFAULT_SEPARATOR "__"
#define DEFAULT_SUFFIX ".sql"

const char *naming_prefix(const struct naming *naming)
{
    return naming && naming->prefix ? naming->prefix : DEFAULT_PREFIX;
}

const char *naming_repeatable_prefix(const struct naming *naming)
{
    return naming && naming->repeatable_prefix ? naming->repeatable_prefix
                                               : DEFAULT_REPEATABLE_PREFIX;
}

const char *naming_separator(const struct naming *naming)
{
    return naming && naming->separator ? naming->separator : DEFAULT_SEPARATOR;
}

size_t naming_suffix_count(const struct naming *naming)
{
    return naming && naming->suffixes.count ? naming->suffixes.count : 1;
}

const char *naming_suffix(const struct naming *naming, size_t index)
{
    return naming && naming->suffixes.count ? naming->suffixes.items[index] : DEFAULT_SUFFIX;
}

const char *naming_suffix_of(const struct naming *naming, const char *name, size_t length)
{
    for (size_t i = 0; i < naming_suffix_count(naming); i++) {
        const char *suffix = naming_suffix(naming, i);
        size_t n = strlen(suffix);
        if (length > n && strncasecmp(name + length - n, suffix, n) == 0) {
            return suffix;
        }
    }
    return NULL;
}

void naming_copy(const struct naming *from, struct naming *out)
{
    *out = (struct naming){
        .prefix = mem_strdup(from->prefix),
        .repeatable_prefix = mem_strdup(from->repeatable_prefix),
        .separator = mem_strdup(from->separator),
        .validate = from->validate,
    };
    strlist_copy(&from->suffixes, &out->suffixes);
}

void naming_done(struct naming *naming)
{
    free(naming->prefix);
    free(naming->repeatable_prefix);
    free(naming->separator);
    strlist_done(&naming->suffixes);
    *naming = (struct naming){ 0 };
}

static bool suffixes_equal(const struct naming *a, const struct naming *b)
{
    size_t count = naming_suffix_count(a);

    if (count != naming_suffix_count(b)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!str_eq(naming_suffix(a, i), naming_suffix(b, i))) {
            return false;
        }
    }
    return true;
}

bool naming_equal(const struct naming *a, const struct naming *b)
{
    return str_eq(naming_prefix(a), naming_prefix(b)) &&
           str_eq(naming_repeatable_prefix(a), naming_repeatable_prefix(b)) &&
           str_eq(naming_separator(a), naming_separator(b)) && a->validate == b->validate &&
           suffixes_equal(a, b);
}

/* A name of a file is what stands behind the last '/', and has no control characters. */
const char *naming_text_problem(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '/' || *p < 0x20 || *p == 0x7f) {
            return "must not hold '/' or control characters";
        }
    }
    if (strlen(text) > NAMING_TEXT_MAX) {
        return "must not be longer than 64 bytes";
    }
    return str_utf8_valid(text, strlen(text)) == strlen(text) ? NULL : "must be UTF-8";
}

const char *naming_problem(const struct naming *naming)
{
    return str_eq(naming_prefix(naming), naming_repeatable_prefix(naming))
               ? "sqlMigrationPrefix and repeatableSqlMigrationPrefix are the same: no file "
                 "would be a repeatable migration"
               : NULL;
}

static void set_other(struct json *object, const char *key, const char *text, const char *usual)
{
    if (!str_eq(text, usual)) {
        json_set_string(object, key, text);
    }
}

void naming_json(const struct naming *naming, struct json *object)
{
    set_other(object, "sqlMigrationPrefix", naming_prefix(naming), DEFAULT_PREFIX);
    set_other(object, "repeatableSqlMigrationPrefix", naming_repeatable_prefix(naming),
              DEFAULT_REPEATABLE_PREFIX);
    set_other(object, "sqlMigrationSeparator", naming_separator(naming), DEFAULT_SEPARATOR);
    const struct naming usual = { .validate = naming->validate };
    if (!suffixes_equal(naming, &usual)) {
        struct json *suffixes = json_array();
        for (size_t i = 0; i < naming_suffix_count(naming); i++) {
            json_push_string(suffixes, naming_suffix(naming, i));
        }
        json_set(object, "sqlMigrationSuffixes", suffixes);
    }
}

static void option_other(struct buf *out, const char *name, const char *text, const char *usual)
{
    if (!str_eq(text, usual)) {
        command_option(out, name, text);
    }
}

void naming_options(const struct naming *naming, struct buf *out)
{
    option_other(out, "sql-migration-prefix", naming_prefix(naming), DEFAULT_PREFIX);
    option_other(out, "repeatable-sql-migration-prefix", naming_repeatable_prefix(naming),
                 DEFAULT_REPEATABLE_PREFIX);
    option_other(out, "sql-migration-separator", naming_separator(naming), DEFAULT_SEPARATOR);
    for (size_t i = 0; i < naming->suffixes.count; i++) {
        command_option(out, "sql-migration-suffix", naming->suffixes.items[i]);
    }
    if (naming->validate) {
        buf_adds(out,
                 out->len > 0 ? " --validate-migration-naming" : "--validate-migration-naming");
    }
}
