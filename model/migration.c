/* SPDX-License-Identifier: Apache-2.0 */
/* Migrations: text of their kinds, release of their memory. */
#include "reconcile/model/migration.h"
#include <stdlib.h>

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

void script_done(struct script *script)
{
    for (size_t i = 0; i < script->count; i++) {
        statement_done(&script->statements[i]);
    }
    free(script->statements);
    free(script->expanded);
    free(script->map);
    free(script->marks);
    strlist_done(&script->placeholders_used);
    strlist_done(&script->notices);
    *script = (struct script){ 0 };
}
