/* SPDX-License-Identifier: Apache-2.0 */
/* File names by Flyway's grammar: prefix, version, "__", description, suffix. */
#include "reconcile/migration/name.h"

#include "base/auto.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/reason.h"

enum suffix {
    SUFFIX_OTHER,
    SUFFIX_SQL,
    SUFFIX_PROGRAM
};

struct file_name { /* one name cut up; everything borrowed */
    const struct naming *naming;
    const char *path;
    const char *base;
    size_t stem_length; /* without the suffix */
    enum suffix suffix;
    enum migration_kind kind; /* what the prefix says */
    const char *rest;         /* of the stem, behind the prefix */
    size_t rest_length;
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
static void cut_suffix(struct file_name *name, size_t length)
{
    const char *sql = naming_suffix_of(name->naming, name->base, length);

    name->stem_length = length;
    if (sql) {
        name->suffix = SUFFIX_SQL;
        name->stem_length = length - strlen(sql);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(program_suffixes); i++) {
        if (ends_with_fold(name->base, length, program_suffixes[i])) {
            name->suffix = SUFFIX_PROGRAM;
            name->stem_length = length - strlen(program_suffixes[i]);
            return;
        }
    }
    const char *text = naming_separator(name->naming);
    const char *separator = memmem(name->base, length, text, strlen(text));
    const char *from = separator ? separator : name->base;
    if (!memchr(from, '.', (size_t)(name->base + length - from))) {
        name->suffix = SUFFIX_PROGRAM;
    }
}

/* The longest prefix that the name begins with; of equal ones the first. */
static void try_prefix(struct file_name *name, const char *prefix, enum migration_kind kind)
{
    size_t n = strlen(prefix);
    bool longer = name->kind == MIGRATION_NONE || n > name->stem_length - name->rest_length;

    if (longer && name->stem_length >= n && memcmp(name->base, prefix, n) == 0) {
        name->kind = kind;
        name->rest = name->base + n;
        name->rest_length = name->stem_length - n;
    }
}

static struct file_name file_name_cut(const struct naming *naming, const char *path,
                                      const char *base, size_t length)
{
    struct file_name name = { .naming = naming, .path = path, .base = base };

    cut_suffix(&name, length);
    try_prefix(&name, "B", MIGRATION_BASELINE); /* wins over another setting of B, as in Flyway */
    try_prefix(&name, naming_prefix(naming), MIGRATION_VERSIONED);
    try_prefix(&name, naming_repeatable_prefix(naming), MIGRATION_REPEATABLE);
    try_prefix(&name, "U", MIGRATION_UNDO);
    // All events begin with one of these letters, and hardly any other file does.
    for (size_t i = 0; i < COUNT_OF(events) && base[0] >= 'a' && base[0] <= 'c'; i++) {
        try_prefix(&name, events[i], MIGRATION_CALLBACK);
    }
    return name;
}

static const char *find_separator(const struct file_name *name)
{
    const char *separator = naming_separator(name->naming);

    return memmem(name->rest, name->rest_length, separator, strlen(separator));
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
static bool rest_parse(const struct file_name *name, struct name *out)
{
    const char *separator = find_separator(name);
    size_t head = separator ? (size_t)(separator - name->rest) : name->rest_length;

    if (name->kind == MIGRATION_REPEATABLE || name->kind == MIGRATION_CALLBACK) {
        if (head != 0 || (!separator && name->kind == MIGRATION_REPEATABLE)) {
            return false;
        }
    } else {
        AUTO(free_auto) char *version = text_replace(name->rest, head, '_', '.');
        if (!version_parse(version, &out->version)) {
            return false;
        }
    }
    out->kind = name->kind;
    size_t skip = separator ? head + strlen(naming_separator(name->naming)) : name->rest_length;
    out->description = text_replace(name->rest + skip, name->rest_length - skip, '_', ' ');
    return true;
}

/* ---- misnamed files -------------------------------------------------------------------------- */

/* Is there something to suggest? V_customer.sql and Report.sql are only called so, V1_x.sql,
 * V__x.sql and R_x.sql look as if they were meant. */
static bool looks_meant(const struct file_name *name)
{
    char first = name->rest_length > 0 ? name->rest[0] : '\0';
    char second = name->rest_length > 1 ? name->rest[1] : '\0';

    if (name->kind == MIGRATION_REPEATABLE) {
        size_t digits = 0;
        while (digits < name->rest_length && is_digit(name->rest[digits])) {
            digits++;
        }
        return digits < name->rest_length && name->rest[digits] == '_';
    }
    if (is_digit(first)) {
        return true;
    }
    return (first == '_' || first == '.' || first == '-') && (second == '_' || is_digit(second));
}

/* What the file should be called: "V10_desc.sql" -> "V10__desc.sql". Owned. */
static char *suggestion(const struct file_name *name)
{
    const char *rest = name->rest;
    size_t length = name->rest_length;
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
    const char *separator = naming_separator(name->naming);
    const char *suffix = name->base + name->stem_length;
    const char *description = words < length ? rest + words : "description";
    int width = words < length ? (int)(length - words) : (int)strlen(description);
    if (name->kind == MIGRATION_REPEATABLE) {
        return mem_printf("%s%s%.*s%s", naming_repeatable_prefix(name->naming), separator, width,
                          description, suffix);
    }
    const char *version = to == from ? "1" : rest + from;
    return mem_printf("%.*s%.*s%s%.*s%s", (int)(rest - name->base), name->base,
                      to == from ? 1 : (int)(to - from), version, separator, width, description,
                      suffix);
}

/* A name that would be good in another case: "v1__x.sql" -> "V1__x.sql". Owned; NULL: it would not. */
static char *other_case(const struct file_name *name)
{
    const char *const prefixes[] = { naming_prefix(name->naming),
                                     naming_repeatable_prefix(name->naming), "B" };

    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        size_t n = strlen(prefixes[i]);
        if (name->stem_length <= n || strncasecmp(name->base, prefixes[i], n) != 0) {
            continue;
        }
        AUTO(free_auto) char *right = mem_printf("%s%s", prefixes[i], name->base + n);
        struct file_name better = file_name_cut(name->naming, name->path, right, strlen(right));
        struct name parsed = { 0 };
        bool parses = better.kind != MIGRATION_NONE && rest_parse(&better, &parsed);
        free(parsed.description);
        if (parses) {
            return TAKE(right);
        }
    }
    return NULL;
}

/* What is wrong with a file that looks like SQL but not like a migration. Owned. */
static char *misnamed(const struct file_name *name, bool parses)
{
    if (name->kind == MIGRATION_UNDO && parses) {
        return mem_strdup("undo migrations are not run");
    }
    AUTO(free_auto)
    char *better = name->kind == MIGRATION_NONE                            ? other_case(name)
                   : name->kind != MIGRATION_CALLBACK && looks_meant(name) ? suggestion(name)
                                                                           : NULL;
    return mem_printf("its name is not that of a migration%s%s%s", better ? "; " : "",
                      better ? better : "", better ? " would be" : "");
}

/* ---- what is refused ------------------------------------------------------------------------- */

static struct err *refuse(const struct file_name *name, const char *problem)
{
    return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION, "%s: %s", name->path, problem);
}

/* Flyway takes such a version, so to pass the file over would be to do other than Flyway. */
static struct err *check_version(const struct file_name *name)
{
    const char *separator = find_separator(name);
    size_t head = separator ? (size_t)(separator - name->rest) : name->rest_length;
    AUTO(free_auto) char *version = text_replace(name->rest, head, '_', '.');
    struct version parsed;

    if (head > VERSION_MAX && strspn(version, "0123456789.") == head) {
        return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION,
                       "%s: the version is longer than %d characters, which the history table "
                       "cannot hold",
                       name->path, VERSION_MAX);
    }
    if (version[0] == '-' && version_parse(version + 1, &parsed)) {
        return refuse(name, "a version cannot be negative: give it one that is not");
    }
    if (str_ieq(version, "latest") || str_ieq(version, "current") || str_ieq(version, "next")) {
        return refuse(name, "latest, current and next name targets, not versions: give it a "
                            "version");
    }
    return NULL;
}

static struct err *program_parse(const struct file_name *name, bool parses)
{
    if (!parses || name->kind == MIGRATION_UNDO) {
        return NULL;
    }
    return refuse(name, "Flyway would run this file as a program, and only SQL is run here: give "
                        "it the suffix .sql or move it elsewhere");
}

/* <file>.conf beside a migration changes how Flyway runs it, so it cannot be passed over. */
static bool is_script_config(const struct naming *naming, const char *path, const char *base,
                             size_t length)
{
    if (!ends_with_fold(base, length, ".conf")) {
        return false;
    }
    struct file_name inner = file_name_cut(naming, path, base, length - 5);
    struct name parsed = { 0 };
    bool found =
        inner.suffix == SUFFIX_SQL && inner.kind != MIGRATION_NONE && rest_parse(&inner, &parsed);
    free(parsed.description);
    return found && inner.kind != MIGRATION_UNDO;
}

/* Of a name whose prefix, if any, is known. A name that is nothing but prefix and suffix is no migration. */
static struct err *cut_parse(const struct file_name *name, struct name *out)
{
    struct name found = { 0 };
    bool parses = name->kind != MIGRATION_NONE && rest_parse(name, &found) &&
                  (name->rest_length > 0 || name->kind == MIGRATION_CALLBACK);
    AUTO(free_auto) char *description = found.description;

    if (parses && name->kind == MIGRATION_CALLBACK) {
        return refuse(name, "callbacks are not supported yet: move it elsewhere");
    }
    if (name->suffix == SUFFIX_PROGRAM) {
        return program_parse(name, parses);
    }
    if (!parses && (name->kind == MIGRATION_VERSIONED || name->kind == MIGRATION_BASELINE)) {
        TRY(check_version(name));
    }
    if (!parses || name->kind == MIGRATION_UNDO) {
        out->misnamed = misnamed(name, parses);
        return NULL;
    }
    *out = found;
    out->description = TAKE(description);
    return NULL;
}

struct err *name_parse(const struct naming *naming, const char *path, const char *script,
                       struct name *out)
{
    const char *slash = strrchr(script, '/');
    const char *base = slash ? slash + 1 : script;
    size_t length = strlen(base);

    *out = (struct name){ 0 };
    if (is_script_config(naming, path, base, length)) {
        return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION,
                       "%s: script configuration files are not supported yet: remove it and write "
                       "directives (-- sluice: transaction=none) into the migration",
                       path);
    }
    struct file_name name = file_name_cut(naming, path, base, length);
    return name.suffix == SUFFIX_OTHER ? NULL : cut_parse(&name, out);
}
