/* SPDX-License-Identifier: Apache-2.0 */
/* ${name} replacement, and the map that leads back to the file. */
#include "reconcile/migration/placeholder.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "reconcile/migration/parse.h"
#include "reconcile/migration/position.h"

#define DEFAULT_PREFIX "flyway:"
#define PIECE ((size_t)1024 * 1024) /* of a text that may be larger than memory */

struct placeholders placeholders_for(const struct migrations_options *options,
                                     const struct identity *id, const char *timestamp,
                                     const char *working_directory)
{
    return (struct placeholders){
        .replacement = options->placeholder_replacement,
        .user = &options->placeholders,
        .default_schema = id->schema,
        .db_user = id->user,
        .database = id->database,
        .timestamp = timestamp,
        .table = options->table,
        .working_directory = working_directory ? working_directory : "",
        .environment = "default",
    };
}

struct expansion {             /* one text while it is expanded */
    const struct migration *m; /* for messages */
    const struct placeholders *p;
    const char *text;
    size_t length;
    bool in_file; /* text is m->bytes: positions can be told */
    struct buf out;
    struct spool *spool;   /* takes the text in the place of `out`; NULL: memory does */
    size_t made;           /* bytes of the expanded text so far */
    struct script *script; /* map and names go here; NULL: not wanted */
    size_t map_cap;
};

static const char *file_name(const struct migration *m)
{
    const char *slash = strrchr(m->script, '/');

    return slash ? slash + 1 : m->script;
}

static const char *default_value(const struct expansion *x, const char *name)
{
    const struct {
        const char *name;
        const char *value;
    } known[] = {
        { "defaultSchema", x->p->default_schema },
        { "user", x->p->db_user },
        { "database", x->p->database },
        { "timestamp", x->p->timestamp },
        { "filename", file_name(x->m) },
        { "workingDirectory", x->p->working_directory },
        { "table", x->p->table },
        { "environment", x->p->environment },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (str_ieq(name, known[i].name)) {
            return known[i].value;
        }
    }
    return NULL;
}

static const struct kv *user_find(const struct placeholders *p, const char *name)
{
    for (size_t i = 0; p->user && i < p->user->count; i++) {
        if (str_ieq(p->user->items[i].key, name)) {
            return &p->user->items[i];
        }
    }
    return NULL;
}

/* Sorted and unique, so that a digest over the names does not depend on their order in the file. */
static void remember_name(struct strlist *names, const char *name)
{
    if (strlist_has(names, name)) {
        return;
    }
    strlist_add(names, name);
    for (size_t i = names->count - 1; i > 0 && strcmp(names->items[i - 1], names->items[i]) > 0;
         i--) {
        char *swap = names->items[i];
        names->items[i] = names->items[i - 1];
        names->items[i - 1] = swap;
    }
}

static struct err *lookup(struct expansion *x, size_t at, const char *name, const char **value)
{
    const char *found = NULL;

    if (strncasecmp(name, DEFAULT_PREFIX, strlen(DEFAULT_PREFIX)) == 0) {
        found = default_value(x, name + strlen(DEFAULT_PREFIX));
    } else {
        const struct kv *pair = user_find(x->p, name);
        if (pair) {
            found = pair->value;
            if (x->script) {
                remember_name(&x->script->placeholders_used, pair->key);
            }
        }
    }
    if (!found) {
        return ERR_AT(
            x->m, x->in_file ? at : 0, REASON_INVALID_MIGRATION,
            "no value for placeholder ${%s}: define it, or switch placeholder replacement "
            "off",
            name);
    }
    *value = found;
    return NULL;
}

static void map_add(struct expansion *x, size_t source)
{
    struct script *s = x->script;

    if (!s) {
        return;
    }
    s->map = mem_grow(s->map, &x->map_cap, s->map_count + 1, sizeof *s->map);
    s->map[s->map_count++] = (struct script_map){ .expanded = x->made, .source = source };
}

static void out_add(struct expansion *x, const char *text, size_t length)
{
    const struct large_ops *ops = x->m->large ? x->m->large->ops : NULL;

    x->made += length;
    if (!x->spool) {
        buf_add(&x->out, text, length);
        return;
    }
    for (size_t at = 0; at < length; at += PIECE) {
        size_t left = length - at;
        const char *start = ops->spool_add(x->spool, 1, text + at, left < PIECE ? left : PIECE);
        if (!x->script->expanded) {
            x->script->expanded = (char *)(uintptr_t)start;
        }
        script_touch(x->script, 2 * PIECE);
    }
}

/* "${name}" at `at`; *at moves behind it. */
static struct err *expand_one(struct expansion *x, size_t *at)
{
    const char *name = x->text + *at + 2;
    const char *close = memchr(name, '}', x->length - *at - 2);

    if (!close) {
        return ERR_AT(x->m, x->in_file ? *at : 0, REASON_INVALID_MIGRATION,
                      "the placeholder that begins here has no }");
    }
    AUTO(free_auto) char *key = mem_strndup(name, (size_t)(close - name));
    const char *value = NULL;
    TRY(lookup(x, *at, key, &value));
    map_add(x, *at);
    out_add(x, value, strlen(value));
    *at = (size_t)(close - x->text) + 1;
    map_add(x, *at);
    return NULL;
}

/* Looked at, and not again soon. */
static void pass(const struct expansion *x, size_t bytes)
{
    if (x->script) {
        script_touch(x->script, bytes);
    }
}

/* Flyway's scan: at a '$' the next character is taken too, and if it is not '{' both are passed on
 * and scanning resumes behind them; hence $${x} stays and $$${x} is replaced. */
static struct err *expand(struct expansion *x, size_t start)
{
    size_t at = start;
    size_t plain = start;

    map_add(x, start);
    while (at < x->length) {
        size_t left = x->length - at;
        size_t piece = left < PIECE ? left : PIECE;
        const char *dollar = memchr(x->text + at, '$', piece);
        if (!dollar) {
            at += piece;
            pass(x, piece);
            continue;
        }
        at = (size_t)(dollar - x->text);
        if (at + 1 >= x->length || x->text[at + 1] != '{') {
            at += 2;
            continue;
        }
        out_add(x, x->text + plain, at - plain);
        TRY(expand_one(x, &at));
        plain = at;
    }
    out_add(x, x->text + plain, x->length - plain);
    return buf_check(&x->out, REASON_INVALID_MIGRATION, x->m->path);
}

/* As expand() scans: is there anything to replace? */
static bool has_placeholder(const struct expansion *x, size_t start)
{
    for (size_t at = start; at < x->length;) {
        size_t left = x->length - at;
        size_t piece = left < PIECE ? left : PIECE;
        const char *dollar = memchr(x->text + at, '$', piece);
        pass(x, piece);
        if (!dollar) {
            at += piece;
            continue;
        }
        at = (size_t)(dollar - x->text);
        if (at + 1 < x->length && x->text[at + 1] == '{') {
            return true;
        }
        at += 2;
    }
    return false;
}

/* Too large for memory: the text is the file itself, or stands beside it. */
static struct err *apply_spooled(struct expansion *x, bool replace, size_t start)
{
    struct script *script = x->script;
    const struct large_ops *ops = x->m->large->ops;

    if (!replace || !has_placeholder(x, start)) {
        map_add(x, start);
        script->expanded = (char *)(uintptr_t)x->text + start;
        script->expanded_length = x->length - start;
        return NULL;
    }
    TRY(ops->spool_new(LIMIT_SPOOL, &script->text));
    x->spool = script->text;
    TRY(expand(x, start));
    (void)ops->spool_add(x->spool, 1, "", 1); /* the NUL behind it */
    script->expanded_length = x->made;
    return ops->spool_check(x->spool);
}

static struct err *apply_kept(struct expansion *x, bool replace, size_t start)
{
    struct err *e = NULL;

    if (replace) {
        e = expand(x, start);
    } else {
        map_add(x, start);
        buf_add(&x->out, x->text + start, x->length - start);
    }
    if (e) {
        buf_done(&x->out);
        return e;
    }
    x->script->expanded_length = x->out.len;
    x->script->expanded = buf_take(&x->out);
    return NULL;
}

static struct err *apply_opened(const struct migration *m, const struct placeholders *p,
                                struct script *out)
{
    struct expansion x = {
        .m = m,
        .p = p,
        .text = (const char *)migration_bytes(m),
        .length = m->size,
        .in_file = true,
        .out = BUF(LIMIT_EXPANDED),
        .script = out,
    };
    size_t start = m->size >= 3 && memcmp(x.text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;

    return script_is_spooled(out) ? apply_spooled(&x, p->replacement, start)
                                  : apply_kept(&x, p->replacement, start);
}

struct err *placeholders_apply(const struct migration *m, const struct placeholders *p,
                               struct script *out)
{
    if (m->large) {
        TRY(large_open(m->large));
        out->large = m->large;
    }
    struct err *e = apply_opened(m, p, out);
    if (e) {
        script_done(out);
    }
    return e;
}

struct err *placeholders_checksum(const struct migration *m, const struct placeholders *p,
                                  int32_t *out)
{
    const bool plain = m->large && !m->large->has_placeholder;
    if (m->kind != MIGRATION_REPEATABLE || !p->replacement || plain) {
        *out = m->raw_checksum;
        return NULL;
    }
    struct script script = { 0 };
    TRY(placeholders_apply(m, p, &script));
    uint32_t crc = 0;
    for (size_t at = 0; at < script.expanded_length; at += PIECE) {
        size_t left = script.expanded_length - at;
        crc = large_checksum_add(crc, script.expanded + at, left < PIECE ? left : PIECE);
        script_touch(&script, PIECE);
    }
    *out = (int32_t)crc;
    script_done(&script);
    return NULL;
}

struct err *placeholders_verify(const struct migration *m, const struct placeholders *p, char **out)
{
    const char *verify = m->directives.verify;
    if (!verify || !p->replacement) {
        *out = mem_strdup(verify);
        return NULL;
    }
    AUTO(buf_done) struct buf text = BUF(LIMIT_EXPANDED);
    struct expansion x = { .m = m, .p = p, .text = verify, .length = strlen(verify), .out = text };
    struct err *e = expand(&x, 0);
    text = x.out;
    TRY(e);
    *out = buf_take(&text);
    return NULL;
}

size_t script_map_source(const struct script *script, size_t expanded, bool at_end)
{
    size_t low = 0;
    size_t high = script->map_count;

    while (low + 1 < high) {
        size_t middle = low + (high - low) / 2;
        if (script->map[middle].expanded <= expanded) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const struct script_map *entry = &script->map[low];
    if (low % 2 == 0) {
        return entry->source + (expanded - entry->expanded);
    }
    return at_end && expanded > entry->expanded ? script->map[low + 1].source : entry->source;
}
