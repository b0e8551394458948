/* SPDX-License-Identifier: Apache-2.0 */
/* MySQL and MariaDB DDL: which object decides after a crash, and where none can. */
#include "reconcile/migration/classify_my.h"

#include "base/mem.h"
#include "base/str.h"

#define RENAME_PAIRS 64 /* more are not searched for a swap: class X */

/* DEFINER = user[@host] | CURRENT_USER[()] */
static void skip_definer(struct cursor *c)
{
    (void)cursor_take_symbol(c, '=');
    cursor_next(c);
    if (cursor_is_symbol(c, '(')) {
        cursor_skip_parens(c);
    }
    if (cursor_take_symbol(c, '@')) {
        cursor_next(c);
        while (cursor_take_symbol(c, '.')) {
            cursor_next(c);
        }
    }
}

struct head my_read_head(struct cursor *c)
{
    static const char *const fillers[] = { "UNIQUE", "FULLTEXT", "SPATIAL", "VECTOR", "AGGREGATE",
                                           "ONLINE", "OFFLINE",  "IGNORE",  NULL };
    struct head head = { .or_replace = cursor_take_all(c, "OR REPLACE") };

    for (;;) {
        if (cursor_take(c, "TEMPORARY")) {
            head.temporary = true;
        } else if (cursor_take(c, "DEFINER")) {
            skip_definer(c);
        } else if (cursor_take(c, "ALGORITHM")) {
            (void)cursor_take_symbol(c, '=');
            cursor_next(c);
        } else if (cursor_take_all(c, "SQL SECURITY")) {
            cursor_next(c);
        } else if (cursor_is_one_of(c, fillers)) {
            cursor_next(c);
        } else {
            return head;
        }
    }
}

static struct err *unknown(struct statement *s, enum step_verb verb)
{
    statement_is(s, STEP_OTHER, verb);
    return NULL;
}

/* A table of the session goes with it: a new session may simply make it again. */
static struct err *temporary(struct statement *s, enum step_verb verb)
{
    s->touches_session = true;
    statement_is(s, STEP_REPEATABLE, verb);
    return NULL;
}

struct err *my_judged_by(struct cursor *c, const char *type, struct statement *s,
                         enum step_verb verb)
{
    bool named = cursor_object(c, type, false, s);

    statement_is(s, named ? STEP_ATOMIC : STEP_OTHER, verb);
    return NULL;
}

/* "... ON table": indexes are part of their table's definition. */
static struct err *index_on(struct cursor *c, struct statement *s, enum step_verb verb)
{
    while (!cursor_at_end(c) && !cursor_take(c, "ON")) {
        cursor_next(c);
    }
    return my_judged_by(c, "table", s, verb);
}

const char *my_program_type(const struct cursor *c)
{
    static const struct {
        const char *word, *type;
    } types[] = {
        { "TRIGGER", "trigger" }, { "PROCEDURE", "procedure" }, { "FUNCTION", "function" },
        { "EVENT", "event" },     { "VIEW", "view" },
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (cursor_is(c, types[i].word)) {
            return types[i].type;
        }
    }
    return NULL;
}

/* An event that the server drops when it has run, or that runs again when it is made again: whether it is there
 * tells nothing, and a second CREATE runs it a second time. */
static bool is_one_shot(struct cursor c, bool or_replace)
{
    bool at = false, ends = false, preserve = false;

    while (!cursor_at_end(&c) && !cursor_is(&c, "DO")) {
        at = at || cursor_take_all(&c, "SCHEDULE AT");
        ends = ends || cursor_is(&c, "ENDS");
        preserve = preserve || cursor_take_all(&c, "COMPLETION PRESERVE");
        if (!cursor_at_end(&c) && !cursor_is(&c, "DO")) {
            cursor_next(&c);
        }
    }
    return (at || ends) && (or_replace || !preserve);
}

/* A view or a program made again is the same; its old definition is not wanted. */
static struct err *create_program(struct cursor *c, const char *type, const struct head *head,
                                  struct statement *s)
{
    cursor_next(c);
    (void)cursor_take_all(c, "IF NOT EXISTS");
    (void)my_judged_by(c, type, s, head->or_replace ? VERB_CREATE_OR_REPLACE : VERB_CREATE);
    if (str_eq(type, "function") && cursor_is(c, "RETURNS")) {
        return unknown(s, s->verb); /* loaded from a library: no definition to compare */
    }
    if (str_eq(type, "event") && is_one_shot(*c, head->or_replace)) {
        return unknown(s, s->verb);
    }
    if (head->or_replace) {
        s->class = STEP_REPEATABLE;
    }
    return NULL;
}

struct err *my_create(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)x;
    struct head head = my_read_head(c);
    enum step_verb verb = head.or_replace ? VERB_CREATE_OR_REPLACE : VERB_CREATE;
    const char *type = my_program_type(c);

    if (type) {
        return create_program(c, type, &head, s);
    }
    if (cursor_take(c, "INDEX")) {
        return index_on(c, s, VERB_CREATE_INDEX);
    }
    bool account = cursor_is(c, "USER") || cursor_is(c, "ROLE");
    bool table = cursor_is(c, "TABLE");
    bool sequence = cursor_is(c, "SEQUENCE");
    bool database = cursor_is(c, "DATABASE") || cursor_is(c, "SCHEMA");
    cursor_next(c);
    bool if_not_exists = cursor_take_all(c, "IF NOT EXISTS");
    if (account) {
        statement_is(s, if_not_exists || head.or_replace ? STEP_REPEATABLE : STEP_OTHER, verb);
        return NULL;
    }
    if (table && head.temporary) {
        (void)cursor_object(c, "table", false, s);
        return temporary(s, verb);
    }
    if (!table && !sequence && !database) {
        return unknown(s, verb);
    }
    (void)my_judged_by(c, table ? "table" : sequence ? "sequence" : "database", s, verb);
    /* What it replaces is gone for good when the server dies half-way. */
    return head.or_replace ? unknown(s, verb) : NULL;
}

/* Where every name of the list is dropped by itself only one at a time is all or nothing: script.c parts the list. */
static struct err *drop_list(struct classify *x, struct cursor *c, const char *type,
                             struct statement *s)
{
    size_t cap = 0;

    statement_is(s, STEP_ATOMIC, VERB_DROP);
    do {
        size_t start = c->tok.start;
        if (!cursor_object(c, type, false, s)) {
            return unknown(s, VERB_DROP);
        }
        x->spans = mem_grow(x->spans, &cap, x->span_count + 1, sizeof *x->spans);
        x->spans[x->span_count++] = (struct name_span){ start, c->last_end };
    } while (cursor_take_symbol(c, ','));
    return NULL;
}

struct err *my_drop(struct classify *x, struct cursor *c, struct statement *s)
{
    struct head head = my_read_head(c);
    const char *type = my_program_type(c);

    if (cursor_is(c, "INDEX")) {
        return index_on(c, s, VERB_DROP_INDEX);
    }
    if (cursor_take(c, "PREPARE")) {
        s->touches_session = true;
        statement_is(s, STEP_SESSION, VERB_OTHER);
        return NULL;
    }
    bool table = cursor_is(c, "TABLE") || cursor_is(c, "TABLES");
    bool sequence = cursor_is(c, "SEQUENCE");
    bool database = cursor_is(c, "DATABASE") || cursor_is(c, "SCHEMA");
    bool account = cursor_is(c, "USER") || cursor_is(c, "ROLE");
    cursor_next(c);
    bool if_exists = cursor_take_all(c, "IF EXISTS");
    if (head.temporary) {
        return temporary(s, VERB_DROP);
    }
    if (table || sequence || str_eq(type, "view")) {
        return drop_list(x, c, table ? "table" : sequence ? "sequence" : "view", s);
    }
    if (type || database) {
        return my_judged_by(c, type ? type : "database", s, VERB_DROP);
    }
    statement_is(s, account && if_exists ? STEP_REPEATABLE : STEP_OTHER, VERB_DROP);
    return NULL;
}

static bool same_object(const struct object_ref *a, const struct object_ref *b)
{
    bool schema = a->schema[0] == '\0' || b->schema[0] == '\0' || str_ieq(a->schema, b->schema);

    return schema && str_ieq(a->name, b->name);
}

/* RENAME a TO t, t TO b: a repeat would undo it, and no name tells whether it was done. */
static bool names_overlap(const struct statement *s)
{
    for (size_t i = 0; i < s->object_count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (same_object(&s->objects[i], &s->objects[k])) {
                return true;
            }
        }
    }
    return false;
}

struct err *my_rename(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)x;
    if (!cursor_take(c, "TABLE") && !cursor_take(c, "TABLES")) {
        return unknown(s, VERB_RENAME);
    }
    (void)cursor_take_all(c, "IF EXISTS");
    statement_is(s, STEP_ATOMIC, VERB_RENAME);
    do {
        bool named = cursor_object(c, "table", false, s);
        (void)cursor_take(c, "NOWAIT");
        if (cursor_take(c, "WAIT")) {
            cursor_next(c);
        }
        if (!named || !cursor_take(c, "TO") || !cursor_object(c, "table", true, s)) {
            return unknown(s, VERB_RENAME);
        }
    } while (cursor_take_symbol(c, ','));
    bool many = s->object_count > (size_t)2 * RENAME_PAIRS;
    return many || names_overlap(s) ? unknown(s, VERB_RENAME) : NULL;
}

/* Rows written since would be lost by a repeat, and the definition does not change. */
struct err *my_truncate(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)x;
    (void)cursor_take(c, "TABLE");
    (void)cursor_object(c, "table", false, s);
    return unknown(s, VERB_OTHER);
}
