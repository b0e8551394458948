/* SPDX-License-Identifier: Apache-2.0 */
/* File names by Flyway's grammar: prefix, version, "__", description, suffix. */
#include "reconcile/migration/name.h"

#include "reconcile/base/auto.h"
#include "reconcile/base/limits.h"
#include "reconcile/base/mem.h"
#include "reconcile/base/str.h"
#include "reconcile/model/reason.h"

enum suffix {
    SUFFIX_OTHER,
    SUFFIX_SQL,
    SUFFIX_PROGRAM
};

struct file_name { /* one name cut up; everything borrowed from `base` */
    const char *path;
    const char *base;
    size_t stem_length; /* without the suffix */
    enum suffix suffix;
};

static const char *const program_suffixes[] = { ".sh", ".bash", ".py", ".ps1", ".cmd", ".bat" };

static const char *const events[] = {
    "afterBaseline",
    "afterBaselineError",
    "afterBaselineOperationFinish",
    "afterClean",
    "afterCleanError",
    "afterCleanOperationFinish",
    "afterConnect",
    "afterEachMigrate",
    "afterEachMigrateError",
    "afterEachMigrateStatement",
    "afterEachMigrateStatementError",
    "afterEachUndo",
    "afterEachUndoError",
    "afterEachUndoStatement",
    "afterEachUndoStatementError",
    "afterInfo",
    "afterInfoError",
    "afterInfoOperationFinish",
    "afterMigrate",
    "afterMigrateApplied",
    "afterMigrateError",
    "afterMigrateOperationFinish",
    "afterRepair",
    "afterRepairError",
    "afterRepairOperationFinish",
    "afterUndo",
    "afterUndoError",
    "afterUndoOperationFinish",
    "afterValidate",
    "afterValidateError",
    "afterValidateOperationFinish",
    "afterVersioned",
    "beforeBaseline",
    "beforeClean",
    "beforeConnect",
    "beforeCreateSchema",
    "beforeEachMigrate",
    "beforeEachMigrateStatement",
    "beforeEachUndo",
    "beforeEachUndoStatement",
    "beforeInfo",
    "beforeMigrate",
    "beforeRepair",
    "beforeRepeatables",
    "beforeUndo",
    "beforeValidate",
    "createSchema",
};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool ends_with_fold(const char *text, size_t length, const char *suffix)
{
    size_t n = strlen(suffix);

    return length >= n && strncasecmp(text + length - n, suffix, n) == 0;
}

/* A program is a known extension, or none at all: Flyway executes both. A dot inside the version
 * (V1.2__x) is no extension. */
static struct file_name file_name_cut(const char *path, const char *base, size_t length)
{
    struct file_name name = { .path = path, .base = base, .stem_length = length };

    if (ends_with_fold(base, length, ".sql")) {
        name.suffix = SUFFIX_SQL;
        name.stem_length = length - 4;
        return name;
    }
    for (size_t i = 0; i < COUNT_OF(program_suffixes); i++) {
        if (ends_with_fold(base, length, program_suffixes[i])) {
            name.suffix = SUFFIX_PROGRAM;
            name.stem_length = length - strlen(program_suffixes[i]);
            return name;
        }
    }
    const char *separator = memmem(base, length, "__", 2);
    const char *from = separator ? separator : base;
    if (!memchr(from, '.', (size_t)(base + length - from))) {
        name.suffix = SUFFIX_PROGRAM;
    }
    return name;
}

static bool is_callback(const struct file_name *name)
{
    for (size_t i = 0; i < COUNT_OF(events); i++) {
        size_t n = strlen(events[i]);
        if (name->suffix != SUFFIX_OTHER && name->stem_length >= n &&
            memcmp(name->base, events[i], n) == 0) {
            const char *rest = name->base + n;
            size_t rest_length = name->stem_length - n;
            if (rest_length == 0 || (rest_length >= 2 && memcmp(rest, "__", 2) == 0)) {
                return true;
            }
        }
    }
    return false;
}

static enum migration_kind kind_of_prefix(char prefix)
{
    switch (prefix) {
    case 'V':
        return MIGRATION_VERSIONED;
    case 'B':
        return MIGRATION_BASELINE;
    case 'U':
        return MIGRATION_UNDO;
    case 'R':
        return MIGRATION_REPEATABLE;
    default:
        return MIGRATION_NONE;
    }
}

static char *text_replace(const char *text, size_t length, char from, char to)
{
    char *copy = mem_strndup(text, length);

    for (size_t i = 0; i < length; i++) {
        if (copy[i] == from) {
            copy[i] = to;
        }
    }
    return copy;
}

/* The grammar behind the prefix; false: it does not parse. */
static bool stem_parse(const char *rest, size_t length, enum migration_kind kind, struct name *out)
{
    const char *separator = memmem(rest, length, "__", 2);
    size_t head = separator ? (size_t)(separator - rest) : length;

    if (kind == MIGRATION_REPEATABLE) {
        if (!separator || head != 0) {
            return false;
        }
    } else {
        AUTO(free_auto) char *version = text_replace(rest, head, '_', '.');
        if (!is_digit(version[0]) || !version_parse(version, &out->version)) {
            return false;
        }
    }
    out->kind = kind;
    size_t skip = separator ? head + 2 : length;
    out->description = text_replace(rest + skip, length - skip, '_', ' ');
    return true;
}

/* Does a name that does not parse look as if it was meant to? Flyway passes all of them over in
 * silence; V_customer.sql and Report.sql are left alone, V1_x.sql, V__x.sql and R_x.sql are not. */
static bool looks_meant(const char *rest, size_t length, enum migration_kind kind)
{
    char first = length > 0 ? rest[0] : '\0';
    char second = length > 1 ? rest[1] : '\0';

    if (kind == MIGRATION_REPEATABLE) {
        size_t digits = 0;
        while (digits < length && is_digit(rest[digits])) {
            digits++;
        }
        return digits < length && rest[digits] == '_';
    }
    if (is_digit(first)) {
        return true;
    }
    return (first == '_' || first == '.' || first == '-') && (second == '_' || is_digit(second));
}

/* What the file should be called: "V10_desc" -> "V10__desc.sql". Owned. */
static char *suggestion(char prefix, const char *rest, size_t length, enum migration_kind kind)
{
    size_t from = 0;
    while (from < length && strchr("_-. ", rest[from])) {
        from++;
    }
    size_t to = from;
    while (to < length && (is_digit(rest[to]) || rest[to] == '.' || rest[to] == '_')) {
        to++;
    }
    size_t words = to;
    while (to > from && !is_digit(rest[to - 1])) {
        to--;
    }
    while (words < length && strchr("_-. ", rest[words])) {
        words++;
    }
    const char *description = words < length ? rest + words : "description";
    int width = words < length ? (int)(length - words) : (int)strlen(description);
    if (kind == MIGRATION_REPEATABLE) {
        return mem_printf("R__%.*s.sql", width, description);
    }
    if (to == from) {
        return mem_printf("%c1__%.*s.sql", prefix, width, description);
    }
    return mem_printf("%c%.*s__%.*s.sql", prefix, (int)(to - from), rest + from, width,
                      description);
}

static struct err *refuse_malformed(const struct file_name *name, const char *rest, size_t length,
                                    enum migration_kind kind)
{
    const char *separator = memmem(rest, length, "__", 2);
    size_t head = separator ? (size_t)(separator - rest) : length;

    if (kind != MIGRATION_REPEATABLE && head > VERSION_MAX &&
        strspn(rest, "0123456789._") >= head) {
        return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION,
                       "%s: the version is longer than %d characters, which the history table "
                       "cannot hold",
                       name->path, VERSION_MAX);
    }
    AUTO(free_auto) char *better = suggestion(name->base[0], rest, length, kind);
    return err_new(
        ERR_TERMINAL, REASON_INVALID_MIGRATION,
        "%s: not a migration name, and so it would never run: rename it, for example to %s",
        name->path, better);
}

static struct err *refuse_lower_case(const struct file_name *name, char prefix)
{
    struct name upper = { 0 };
    bool parses = stem_parse(name->base + 1, name->stem_length - 1, kind_of_prefix(prefix), &upper);

    free(upper.description);
    if (!parses) {
        return NULL;
    }
    return err_new(
        ERR_TERMINAL, REASON_INVALID_MIGRATION,
        "%s: prefixes are upper case, and so this file would never run: rename it to %c%s",
        name->path, prefix, name->base + 1);
}

static struct err *refuse_program(const struct file_name *name)
{
    return err_new(
        ERR_TERMINAL, REASON_INVALID_MIGRATION,
        "%s: Flyway would run this file as a program, and only SQL is run here: give it the "
        "suffix .sql or move it elsewhere",
        name->path);
}

static struct err *prefixed_parse(const struct file_name *name, struct name *out)
{
    enum migration_kind kind = kind_of_prefix(name->base[0]);
    if (name->stem_length < 2 || name->suffix == SUFFIX_OTHER) {
        return NULL;
    }
    if (kind == MIGRATION_NONE) {
        char upper = (char)(name->base[0] & ~0x20);
        bool letter = name->base[0] >= 'a' && name->base[0] <= 'z';
        bool sql = name->suffix == SUFFIX_SQL;
        return letter && sql && kind_of_prefix(upper) ? refuse_lower_case(name, upper) : NULL;
    }

    const char *rest = name->base + 1;
    size_t length = name->stem_length - 1;
    struct name found = { 0 };
    bool parses = stem_parse(rest, length, kind, &found);
    AUTO(free_auto) char *description = found.description;
    if (name->suffix == SUFFIX_PROGRAM) {
        return parses ? refuse_program(name) : NULL;
    }
    if (kind == MIGRATION_UNDO && (parses || looks_meant(rest, length, kind))) {
        return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION,
                       "%s: undo files are not supported yet: move it elsewhere", name->path);
    }
    if (!parses) {
        return looks_meant(rest, length, kind) ? refuse_malformed(name, rest, length, kind) : NULL;
    }
    *out = found;
    out->description = TAKE(description);
    return NULL;
}

/* <file>.conf beside a migration changes how Flyway runs it, so it cannot be passed over. */
static bool is_script_config(const char *path, const char *base, size_t length)
{
    if (!ends_with_fold(base, length, ".conf")) {
        return false;
    }
    struct file_name inner = file_name_cut(path, base, length - 5);
    if (inner.suffix != SUFFIX_SQL || inner.stem_length < 2) {
        return false;
    }
    struct name parsed = { 0 };
    enum migration_kind kind = kind_of_prefix(base[0]);
    bool found =
        kind != MIGRATION_NONE && stem_parse(base + 1, inner.stem_length - 1, kind, &parsed);
    free(parsed.description);
    return found || is_callback(&inner);
}

struct err *name_parse(const char *path, const char *script, struct name *out)
{
    const char *slash = strrchr(script, '/');
    const char *base = slash ? slash + 1 : script;
    size_t length = strlen(base);

    *out = (struct name){ 0 };
    if (is_script_config(path, base, length)) {
        return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION,
                       "%s: script configuration files are not supported yet: remove it and write "
                       "directives (-- sluice: transaction=none) into the migration",
                       path);
    }
    struct file_name name = file_name_cut(path, base, length);
    if (is_callback(&name)) {
        return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION,
                       "%s: callbacks are not supported yet: move it elsewhere", path);
    }
    return prefixed_parse(&name, out);
}
