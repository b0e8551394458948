/* SPDX-License-Identifier: Apache-2.0 */
/* Migrations: text of their kinds, release of their memory. */
#include "model/migration.h"
#include <stdlib.h>
#include <string.h>
#include "model/lines.h"

static const char *const kinds[MIGRATION_KIND_MAX_] = {
    [MIGRATION_NONE] = "",
    [MIGRATION_VERSIONED] = "versioned",
    [MIGRATION_REPEATABLE] = "repeatable",
    [MIGRATION_BASELINE] = "baseline",
    [MIGRATION_UNDO] = "undo",
    [MIGRATION_CALLBACK] = "callback",
};

const char *migration_kind_text(enum migration_kind kind)
{
    return (unsigned)kind < MIGRATION_KIND_MAX_ ? kinds[kind] : "";
}

enum migration_kind migration_kind_parse(const char *text)
{
    for (int k = MIGRATION_VERSIONED; k < MIGRATION_KIND_MAX_; k++) {
        if (str_eq(kinds[k], text)) {
            return (enum migration_kind)k;
        }
    }
    return MIGRATION_NONE;
}

void directives_done(struct directives *d)
{
    free(d->verify);
    kvlist_done(&d->after);
    *d = (struct directives){ 0 };
}

void migration_digests(const struct migration *m, uint8_t raw[SHA256_LEN],
                       uint8_t lines[SHA256_LEN])
{
    if (m->undigested) {
        sha256(m->bytes, m->size, raw);
        lines_sha256(m->bytes, m->size, lines);
    } else {
        memcpy(raw, m->sha256, SHA256_LEN);
        memcpy(lines, m->lines_sha256, SHA256_LEN);
    }
}

void migration_done(struct migration *m)
{
    free(m->description);
    free(m->script);
    free(m->path);
    directives_done(&m->directives);
    *m = (struct migration){ 0 };
}

void migration_set_done(struct migration_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        migration_done(&set->items[i]);
    }
    free(set->items);
    strlist_done(&set->notices);
    *set = (struct migration_set){ 0 };
}

void object_ref_done(struct object_ref *ref)
{
    free(ref->type);
    free(ref->schema);
    free(ref->name);
    *ref = (struct object_ref){ 0 };
}

static void statement_done(struct statement *s)
{
    for (size_t i = 0; i < s->object_count; i++) {
        object_ref_done(&s->objects[i]);
    }
    object_ref_done(&s->writes);
    free(s->objects);
    free(s->text);
    free(s->copy_data);
}

#define TOUCHED_MAX ((size_t)4 * 1024 * 1024)

static void relax(const struct script *script)
{
    const struct large *c = script->large;
    struct spool *const spools[] = { script->array, script->store, script->text };

    large_relax(c);
    for (size_t i = 0; i < sizeof spools / sizeof *spools; i++) {
        if (spools[i]) {
            c->ops->spool_relax(spools[i]);
        }
    }
}

void script_touch(const struct script *script, size_t bytes)
{
    if (!script_is_spooled(script)) {
        return;
    }
    script->large->touched += bytes;
    if (script->large->touched > TOUCHED_MAX) {
        script->large->touched = 0;
        relax(script);
    }
}

struct statement *script_edit(struct script *script, size_t index)
{
    return (struct statement *)(uintptr_t)script_at(script, index);
}

const struct statement *script_at(const struct script *script, size_t index)
{
    const struct statement *s = &script->statements[index];

    if (script->large) {
        script_touch(script, sizeof *s + s->text_length);
    }
    return s;
}

static void free_all(struct script *script)
{
    for (size_t i = 0; i < script->count; i++) {
        statement_done(&script->statements[i]);
    }
    free(script->statements);
    free(script->expanded);
}

static void free_spools(struct script *script)
{
    const struct large_ops *ops = script->large->ops;

    ops->spool_free(script->array);
    ops->spool_free(script->store);
    ops->spool_free(script->text);
}

void script_done(struct script *script)
{
    if (script_is_spooled(script)) {
        free_spools(script);
    } else {
        free_all(script);
    }
    if (script->large) {
        large_close(script->large);
    }
    free(script->map);
    free(script->marks);
    strlist_done(&script->placeholders_used);
    strlist_done(&script->notices);
    *script = (struct script){ 0 };
}
