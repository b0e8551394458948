/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of statements with their class, verb and objects. */
#pragma once
#include "migration_split_support.h"

#define TX 1      /* in_transaction_ok */
#define CONC 2    /* concurrently */
#define TOUCHES 4 /* touches_session */
#define LEAVES 8  /* leaves_transaction */
#define CONFIG 16 /* sets_config */

struct class_row {
    const char *text;
    enum step_class class;
    enum step_verb verb;
    int flags;
    const char *objects; /* "index s.i, table s.t", "+" before a new name; NULL: not looked at */
};

static inline char *support_objects(const struct statement *s)
{
    struct buf out = { .max = 4096 };

    for (size_t i = 0; i < s->object_count; i++) {
        const struct object_ref *o = &s->objects[i];
        buf_addf(&out, "%s%s %s%s%s%s", i ? ", " : "", o->type, o->is_new ? "+" : "", o->schema,
                 o->schema[0] ? "." : "", o->name);
    }
    return buf_take(&out);
}

static inline void support_check_statement(const struct class_row *row, const struct statement *s)
{
    int flags = (s->in_transaction_ok ? TX : 0) | (s->concurrently ? CONC : 0) |
                (s->touches_session ? TOUCHES : 0) | (s->leaves_transaction ? LEAVES : 0) |
                (s->sets_config ? CONFIG : 0);
    char *objects = support_objects(s);

    cr_expect_eq(s->class, row->class, "%s: class %c", row->text, s->class);
    cr_expect_eq(s->verb, row->verb, "%s: verb %d", row->text, s->verb);
    cr_expect_eq(flags, row->flags, "%s: flags %d", row->text, flags);
    if (row->objects) {
        cr_expect_str_eq(objects, row->objects, "%s: '%s'", row->text, objects);
    }
    free(objects);
}

static inline void support_check_classes(enum engine engine, int32_t version, bool transaction_none,
                                         const struct class_row *rows, size_t count)
{
    struct placeholders none = { .replacement = false };

    for (size_t i = 0; i < count; i++) {
        struct migration m = support_migration("V1__x.sql", rows[i].text, strlen(rows[i].text));
        struct script script = { 0 };
        m.directives.transaction_none = transaction_none;
        support_expect_ok(script_parse(engine, version, &m, &none, &script), rows[i].text);
        cr_assert_eq(script.count, 1, "%s", rows[i].text);
        support_check_statement(&rows[i], &script.statements[0]);
        script_done(&script);
    }
}
