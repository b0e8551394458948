/* SPDX-License-Identifier: Apache-2.0 */
/* The walk over the decode table: checks, defaults and fills one spec. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "manifest/fields.h"
#include "model/mplan.h"
#include "model/reason.h"

struct path { /* from a field up to "spec" */
    const struct path *up;
    const char *key; /* NULL: index counts */
    size_t index;
};

static void path_write(const struct path *path, struct buf *out)
{
    if (path->up) {
        path_write(path->up, out);
    }
    if (path->key) {
        buf_addf(out, "%s%s", path->up ? "." : "", path->key);
    } else {
        buf_addf(out, "[%zu]", path->index);
    }
}

__attribute__((format(printf, 2, 3))) static struct err *invalid(const struct path *path,
                                                                 const char *fmt, ...)
{
    AUTO(buf_done) struct buf where = BUF(2048);
    AUTO(free_auto) char *what = NULL;
    va_list args;
    va_start(args, fmt);
    int rc = vasprintf(&what, fmt, args);
    va_end(args);
    path_write(path, &where);
    return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "%s: %s", buf_text(&where),
                   rc < 0 ? fmt : what);
}

/* ---- unknown fields ------------------------------------------------------------------------ */

static struct err *unknown_field(const struct mplan_table *table, const struct path *path)
{
    AUTO(buf_done) struct buf hint = BUF(1024);
    for (size_t i = 0; i < table->count; i++) {
        const struct mplan_field *f = &table->fields[i];
        if (f->type != MPLAN_LATER && str_similar(path->key, f->key)) {
            buf_addf(&hint, "%s%s", hint.len ? " or " : ": did you mean ", f->key);
        }
    }
    return invalid(path, "unknown field%s", buf_text(&hint));
}

static const struct mplan_field *field_find(const struct mplan_table *table, const char *key)
{
    for (size_t i = 0; i < table->count; i++) {
        if (str_eq(table->fields[i].key, key)) {
            return &table->fields[i];
        }
    }
    return NULL;
}

/* Every key known; null is the same as absent, as for the API server. */
static struct err *check_keys(const struct mplan_table *table, struct json *object,
                              const struct path *up)
{
    for (const struct json *m = json_first(object); m;) {
        const struct path path = { .up = up, .key = json_key(m) };
        const struct mplan_field *f = field_find(table, path.key);
        if (!f) {
            return unknown_field(table, &path);
        }
        const struct json *next = json_next(m);
        if (json_type(m) == JSON_NULL) {
            json_remove(object, f->key);
        } else if (f->type == MPLAN_LATER) {
            return invalid(&path, "this field is not supported by this version of Sluice");
        }
        m = next;
    }
    return NULL;
}

/* ---- scalars ------------------------------------------------------------------------------- */

static struct err *need_string(const struct json *node, const struct path *path, const char **out)
{
    *out = json_string(node);
    if (*out) {
        return NULL;
    }
    bool scalar = json_type(node) == JSON_NUMBER || json_type(node) == JSON_BOOL;
    return invalid(path, scalar ? "must be a string: put it in quotes" : "must be a string");
}

static int64_t characters(const char *text)
{
    int64_t count = 0;
    for (; *text; text++) {
        count += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return count;
}

/* `unit` of the upper bound is bytes, or characters where a schema cannot count bytes. */
static struct err *check_text(const struct mplan_field *f, const char *text, int64_t min,
                              int64_t max, const char *unit, const struct path *path)
{
    int64_t n = characters(text);
    if (n < min) {
        return invalid(path, n == 0 ? "must not be empty" : "must have at least %lld characters",
                       (long long)min);
    }
    if ((unit[0] == 'b' ? (int64_t)strlen(text) : n) > max) {
        return invalid(path, "must not be longer than %lld %s", (long long)max, unit);
    }
    const char *problem = mplan_grammar_problem(f->grammar, text);
    return problem ? invalid(path, "\"%s\" %s", text, problem) : NULL;
}

static void put(void *place, const void *value, size_t size)
{
    memcpy(place, value, size);
}

static void put_text(void *place, const char *text)
{
    char *old = NULL;
    char *copy = mem_strdup(text);
    memcpy(&old, place, sizeof old);
    free(old);
    memcpy(place, &copy, sizeof copy);
}

static struct err *read_string(const struct mplan_field *f, const struct json *node, void *place,
                               const struct path *path)
{
    const char *text = NULL;
    TRY(need_string(node, path, &text));
    TRY(check_text(f, text, f->min, f->max, "bytes", path));
    if (place) {
        put_text(place, text);
    }
    return NULL;
}

static struct err *read_bool(const struct json *node, void *place, const struct path *path)
{
    if (json_type(node) != JSON_BOOL) {
        return invalid(path, "must be true or false, without quotes");
    }
    bool value = json_bool(node, false);
    put(place, &value, sizeof value);
    return NULL;
}

static struct err *read_int(const struct mplan_field *f, const struct json *node, void *place,
                            const struct path *path)
{
    int64_t value = 0;
    if (!json_int64(node, &value)) {
        return invalid(path, "must be a whole number, without quotes");
    }
    if (value < f->min || value > f->max) {
        return invalid(path, "must be from %lld to %lld", (long long)f->min, (long long)f->max);
    }
    int32_t small = (int32_t)value;
    if (place) {
        put(place, f->type == MPLAN_INT64 ? (void *)&value : (void *)&small,
            f->type == MPLAN_INT64 ? sizeof value : sizeof small);
    }
    return NULL;
}

/* "1h30m" of the units h, m, s and ms: the spelling that GitOps tools share. */
static bool is_duration(const char *text)
{
    bool parts = false;
    for (const char *p = text; text && *p; parts = true) {
        size_t n = strspn(p, "0123456789");
        p += n;
        if (n && *p == '.') {
            n = strspn(++p, "0123456789");
            p += n;
            n = n <= 6 ? n : 0; /* microseconds: nobody rounds them to something else */
        }
        size_t unit = str_starts(p, "ms") ? 2 : *p && strchr("hms", *p) ? 1 : 0;
        if (!n || !unit) {
            return false;
        }
        p += unit;
    }
    return parts && strlen(text) <= MPLAN_DURATION_TEXT;
}

static struct err *read_duration(const struct mplan_field *f, const struct json *node, void *place,
                                 const struct path *path)
{
    int64_t ms = 0;
    if (!is_duration(json_string(node)) || !duration_parse(json_string(node), &ms)) {
        return invalid(path, "must be a duration such as 30s, 5m or 1h30m");
    }
    if (ms < f->min || ms > f->max) {
        char low[TIME_TEXT_LEN];
        char high[TIME_TEXT_LEN];
        duration_format(f->min, low);
        duration_format(f->max, high);
        return invalid(path, "must be from %s to %s", low, high);
    }
    put(place, &ms, sizeof ms);
    return NULL;
}

static struct err *read_enum(const struct mplan_field *f, const struct json *node, void *place,
                             const struct path *path)
{
    AUTO(buf_done) struct buf words = BUF(1024);
    for (const struct mplan_word *w = f->words; w->text; w++) {
        if (str_eq(w->text, json_string(node))) {
            if (place) {
                put(place, &w->value, sizeof w->value);
            }
            return NULL;
        }
        buf_addf(&words, "%s%s", words.len ? ", " : "", w->text);
    }
    const char *later = f->words[0].text && str_eq(json_string(node), "BlueGreen")
                            ? " (BlueGreen is not supported by this version of Sluice)"
                            : "";
    return invalid(path, "must be %s%s%s", f->words[1].text ? "one of " : "", buf_text(&words),
                   later);
}

static struct err *read_version(const struct json *node, void *place, const struct path *path)
{
    const char *text = NULL;
    struct version version = { "" };
    TRY(need_string(node, path, &text));
    if (!version_parse(text, &version)) {
        return invalid(path, "\"%s\" is not a version: digits, separated by dots", text);
    }
    put(place, &version, sizeof version);
    return NULL;
}

static struct err *read_target(const struct json *node, void *place, const struct path *path)
{
    const char *text = NULL;
    TRY(need_string(node, path, &text));
    AUTO(free_auto) char *lower = str_lower(text);
    if (!str_eq(lower, text) || !migrations_target_parse(text, place)) {
        return invalid(path, "\"%s\" is not latest, current, next or a version such as \"2.1\"",
                       text);
    }
    return NULL;
}

/* ---- lists and maps ------------------------------------------------------------------------ */

static struct err *check_count(const struct mplan_field *f, size_t count, const struct path *path)
{
    if ((int64_t)count < f->min) {
        return invalid(path, "must have at least %lld entr%s", (long long)f->min,
                       f->min == 1 ? "y" : "ies");
    }
    if ((int64_t)count > f->max) {
        return invalid(path, "must not have more than %lld entries", (long long)f->max);
    }
    return NULL;
}

static struct err *need_list(const struct mplan_field *f, const struct json *node,
                             const struct path *path)
{
    if (json_type(node) != JSON_ARRAY) {
        return invalid(path, "must be a list");
    }
    return check_count(f, json_count(node), path);
}

struct entry {
    const char *text;
    size_t index;
};

static int entry_compare(const void *a, const void *b)
{
    const struct entry *x = a;
    const struct entry *y = b;
    int order = strcmp(x->text, y->text);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* No string twice in a list of strings. */
static struct err *check_unique(const struct json *node, const struct path *path)
{
    AUTO(free_auto) struct entry *entries = mem_array(json_count(node), sizeof *entries);
    size_t count = 0;
    for (const struct json *n = json_first(node); n; n = json_next(n)) {
        entries[count] = (struct entry){ json_string(n), count };
        count++;
    }
    if (count > 1) {
        qsort(entries, count, sizeof *entries, entry_compare);
    }
    for (size_t i = 1; i < count; i++) {
        if (str_eq(entries[i].text, entries[i - 1].text)) {
            const struct path at = { .up = path, .index = entries[i].index };
            return invalid(&at, "\"%s\" is there twice", entries[i].text);
        }
    }
    return NULL;
}

static struct err *read_patterns(const struct mplan_field *f, const struct json *node, void *place,
                                 const struct path *path)
{
    struct migrations_options *m = place;
    TRY(need_list(f, node, path));
    m->ignore_count = 0;
    size_t index = 0;
    for (const struct json *n = json_first(node); n; n = json_next(n)) {
        const struct path at = { .up = path, .index = index++ };
        AUTO(free_auto) char *lower = str_lower(json_string(n));
        if (!str_eq(lower, json_string(n)) ||
            !ignore_pattern_parse(lower, &m->ignore[m->ignore_count])) {
            return invalid(&at,
                           "must be TYPE:STATE with type *, repeatable or versioned and state *, "
                           "missing, pending, ignored or future");
        }
        m->ignore_count++;
    }
    return check_unique(node, path);
}

static struct err *read_strings(const struct mplan_field *f, const struct json *node, void *place,
                                const struct path *path)
{
    struct strlist *list = place;
    TRY(need_list(f, node, path));
    size_t index = 0;
    for (const struct json *n = json_first(node); n; n = json_next(n)) {
        const struct path at = { .up = path, .index = index++ };
        const char *text = NULL;
        TRY(need_string(n, &at, &text));
        TRY(check_text(f, text, 1, LIMIT_PATH, "characters", &at));
        strlist_add(list, text);
    }
    return check_unique(node, path);
}

/* In a map, too, null is the same as absent. */
static void drop_nulls(struct json *map)
{
    for (const struct json *m = json_first(map); json_type(map) == JSON_OBJECT && m;) {
        const struct json *next = json_next(m);
        if (json_type(m) == JSON_NULL) {
            AUTO(free_auto) char *key = mem_strdup(json_key(m));
            json_remove(map, key);
        }
        m = next;
    }
}

static struct err *read_map(const struct mplan_field *f, const struct json *node, void *place,
                            const struct path *path)
{
    struct kvlist *map = place; /* NULL: only checked */
    if (json_type(node) != JSON_OBJECT) {
        return invalid(path, "must be a map of strings");
    }
    TRY(check_count(f, json_count(node), path));
    for (const struct json *n = json_first(node); n; n = json_next(n)) {
        const struct path at = { .up = path, .key = json_key(n) };
        const char *text = NULL;
        TRY(need_string(n, &at, &text));
        const char *problem = mplan_key_problem(f->grammar, at.key);
        if (problem) {
            return invalid(&at, "%s", problem);
        }
        TRY(check_text(f, text, 0, LIMIT_QUERY, "characters", &at));
        if (map) {
            kvlist_set(map, at.key, text);
        }
    }
    return NULL;
}

static struct err *read_quantities(const struct mplan_field *f, const struct json *node,
                                   const struct path *path)
{
    if (json_type(node) != JSON_OBJECT) {
        return invalid(path, "must be a map of quantities");
    }
    TRY(check_count(f, json_count(node), path));
    for (const struct json *n = json_first(node); n; n = json_next(n)) {
        const struct path at = { .up = path, .key = json_key(n) };
        int64_t whole = 0;
        const char *text = json_string(n);
        if (!(text ? mplan_is_quantity(text) : json_int64(n, &whole) && whole >= 0)) {
            return invalid(&at, "must be a quantity such as \"500m\" or \"1Gi\", in quotes");
        }
    }
    return NULL;
}

/* ---- the walk ------------------------------------------------------------------------------ */

static struct err *read_object(struct mplan *plan, const struct mplan_table *table,
                               struct json *object, char *base, const struct path *path);

static struct err *read_list(struct mplan *plan, const struct mplan_field *f, struct json *node,
                             char *base, const struct path *path)
{
    TRY(need_list(f, node, path));
    char *items = NULL;
    size_t count = 0;
    if (f->offset != MPLAN_NO_PLACE) {
        items = mem_array(json_count(node), f->item_size);
        memcpy(base + f->offset, &items, sizeof items);
    }
    for (const struct json *n = json_first(node); n; n = json_next(n)) {
        const struct path at = { .up = path, .index = count };
        char *item = items ? items + count * f->item_size : NULL;
        if (f->table->init) {
            f->table->init(item, plan);
        }
        count++;
        if (items) { /* counted at once: released on error */
            memcpy(base + f->count_offset, &count, sizeof count);
        }
        TRY(read_object(plan, f->table, json_at_mut(node, count - 1), item, &at));
    }
    return NULL;
}

static struct err *read_field(struct mplan *plan, const struct mplan_field *f, struct json *node,
                              char *base, const struct path *path)
{
    void *place = f->offset == MPLAN_NO_PLACE ? NULL : base + f->offset;
    switch (f->type) {
    case MPLAN_STRING:
        return read_string(f, node, place, path);
    case MPLAN_BOOL:
        return read_bool(node, place, path);
    case MPLAN_INT:
    case MPLAN_INT64:
        return read_int(f, node, place, path);
    case MPLAN_DURATION:
        return read_duration(f, node, place, path);
    case MPLAN_ENUM:
        return read_enum(f, node, place, path);
    case MPLAN_STRINGS:
        return read_strings(f, node, place, path);
    case MPLAN_MAP:
        drop_nulls(node);
        return read_map(f, node, place, path);
    case MPLAN_QUANTITIES:
        drop_nulls(node);
        return read_quantities(f, node, path);
    case MPLAN_OPAQUE:
        return json_type(node) == JSON_OBJECT ? NULL : invalid(path, "must be an object");
    case MPLAN_OBJECT:
        return read_object(plan, f->table, node, place, path);
    case MPLAN_LIST:
        return read_list(plan, f, node, base, path);
    case MPLAN_VERSION:
        return read_version(node, place, path);
    case MPLAN_TARGET:
        return read_target(node, place, path);
    case MPLAN_PATTERNS:
        return read_patterns(f, node, place, path);
    case MPLAN_LATER:
    default:
        return invalid(path, "unknown field");
    }
}

static struct err *add_default(const struct mplan_field *f, struct json *object)
{
    struct json *value = NULL;
    TRY(json_parse(f->fallback, strlen(f->fallback), f->key, &value));
    json_set(object, f->key, value);
    return NULL;
}

static struct err *read_object(struct mplan *plan, const struct mplan_table *table,
                               struct json *object, char *base, const struct path *path)
{
    if (json_type(object) != JSON_OBJECT) {
        return invalid(path, "must be an object");
    }
    TRY(check_keys(table, object, path));
    for (size_t i = 0; i < table->count; i++) {
        const struct mplan_field *f = &table->fields[i];
        const struct path at = { .up = path, .key = f->key };
        if (!json_get(object, f->key) && f->fallback) {
            TRY(add_default(f, object));
        }
        struct json *node = json_get_mut(object, f->key);
        if (node) {
            TRY(read_field(plan, f, node, base, &at));
        } else if (f->required) {
            return invalid(&at, "is required");
        }
    }
    const char *problem = table->check ? table->check(object, base) : NULL;
    return problem ? invalid(path, "%s", problem) : NULL;
}

struct err *mplan_walk(struct json *spec, struct mplan *plan)
{
    const struct path path = { .key = "spec" };
    return read_object(plan, mplan_fields(), spec, (char *)plan, &path);
}
