/* SPDX-License-Identifier: Apache-2.0 */
/* MySQL and MariaDB ALTER: whether the definition afterwards tells that it happened, and whether a repeat would
 * destroy or undo. */
#include "reconcile/migration/classify_my.h"

#include "base/auto.h"
#include "base/mem.h"
#include "base/str.h"

/* To the ',' that ends this action of an ALTER TABLE, or the end. *words: tokens passed. */
static void skip_action(struct cursor *c, int *words)
{
    *words = 0;
    while (!cursor_at_end(c) && !cursor_is_symbol(c, ',')) {
        ++*words;
        if (cursor_is_symbol(c, '(')) {
            cursor_skip_parens(c);
        } else {
            cursor_next(c);
        }
    }
}

struct actions { /* what an ALTER TABLE does, in sum */
    bool unsafe; /* a repeat would destroy or undo: class X */
    bool renames;
    bool rebuilds; /* nothing else: the definition stays, a repeat costs time only */
    /* Names of columns. One that goes and comes in one statement (DROP a, ADD a; CHANGE a b, CHANGE b a) leaves
     * a definition that does not tell whether it happened, and a repeat loses or swaps values. */
    struct strlist gone, come;
};

static void add_column(struct cursor *c, struct strlist *names)
{
    struct object_ref column = { 0 };

    if (cursor_name(c, "column", &column)) {
        strlist_add(names, column.name);
        free(column.type);
        free(column.schema);
        free(column.name);
    }
}

/* ADD (a int, b int) */
static void add_columns(struct cursor c, struct strlist *names)
{
    cursor_next(&c);
    while (!cursor_at_end(&c) && !cursor_is_symbol(&c, ')')) {
        add_column(&c, names);
        while (!cursor_at_end(&c) && !cursor_is_symbol(&c, ')') && !cursor_is_symbol(&c, ',')) {
            if (cursor_is_symbol(&c, '(')) {
                cursor_skip_parens(&c);
            } else {
                cursor_next(&c);
            }
        }
        (void)cursor_take_symbol(&c, ',');
    }
}

/* At the name of a column, not at a key, a constraint or a partition? */
static bool is_column(struct cursor *c)
{
    static const char *const others[] = { "INDEX",      "KEY",    "UNIQUE",    "FULLTEXT",
                                          "SPATIAL",    "VECTOR", "PRIMARY",   "FOREIGN",
                                          "CONSTRAINT", "CHECK",  "PARTITION", "SYSTEM",
                                          "PERIOD",     NULL };
    bool column = cursor_take(c, "COLUMN") || !cursor_is_one_of(c, others);

    (void)(cursor_take_all(c, "IF NOT EXISTS") || cursor_take_all(c, "IF EXISTS"));
    return column;
}

static void read_columns(struct cursor c, struct actions *all)
{
    if (cursor_take(&c, "ADD")) {
        if (is_column(&c)) {
            cursor_is_symbol(&c, '(') ? add_columns(c, &all->come) : add_column(&c, &all->come);
        } else if (cursor_is(&c, "SYSTEM")) { /* versioning: its history goes with it */
            add_column(&c, &all->come);
        }
    } else if (cursor_take(&c, "DROP")) {
        if (is_column(&c) || cursor_is(&c, "SYSTEM")) {
            add_column(&c, &all->gone);
        }
    } else if (cursor_take(&c, "CHANGE") || cursor_take_all(&c, "RENAME COLUMN")) {
        (void)is_column(&c);
        add_column(&c, &all->gone);
        (void)cursor_take(&c, "TO");
        add_column(&c, &all->come);
    }
}

static bool same_name_comes(const struct actions *all, size_t gone)
{
    for (size_t i = 0; i < all->come.count; i++) {
        if (str_ieq(all->gone.items[gone], all->come.items[i])) {
            return true;
        }
    }
    return false;
}

/* CHANGE a a int: the column keeps its name and its values. */
static void keep_names(struct actions *all, size_t gone, size_t come)
{
    if (all->gone.count > gone && all->come.count > come &&
        str_ieq(all->gone.items[gone], all->come.items[come])) {
        free(all->gone.items[--all->gone.count]);
        free(all->come.items[--all->come.count]);
    }
}

static bool columns_cross(const struct actions *all)
{
    for (size_t i = 0; i < all->gone.count; i++) {
        if (same_name_comes(all, i)) {
            return true;
        }
    }
    return false;
}

/* TRUNCATE PARTITION, EXCHANGE PARTITION and their kin leave a definition that tells nothing. */
static bool read_unsafe(struct cursor *c, struct statement *s)
{
    if (cursor_take_all(c, "EXCHANGE PARTITION")) {
        while (!cursor_at_end(c) && !cursor_take_all(c, "WITH TABLE")) {
            cursor_next(c);
        }
        (void)cursor_object(c, "table", false, s);
        return true;
    }
    return cursor_take_all(c, "TRUNCATE PARTITION") || cursor_take(c, "DISCARD") ||
           cursor_take(c, "IMPORT") || cursor_take_all(c, "CONVERT PARTITION") ||
           cursor_take_all(c, "CONVERT TABLE");
}

static bool read_rename(struct cursor *c, struct statement *s)
{
    static const char *const parts[] = { "COLUMN", "INDEX", "KEY", NULL };

    if (!cursor_take(c, "RENAME") || cursor_is_one_of(c, parts)) {
        return false;
    }
    (void)(cursor_take(c, "TO") || cursor_take(c, "AS") || cursor_take_symbol(c, '='));
    return cursor_object(c, "table", true, s);
}

/* The action alone leaves the definition as it is, or sets it to what it says. */
static bool is_rebuild(struct cursor c)
{
    static const char *const partition[] = { "REBUILD", "OPTIMIZE", "ANALYZE",
                                             "CHECK",   "REPAIR",   NULL };
    static const char *const option[] = { "ENGINE", "AUTO_INCREMENT", "ALGORITHM", "LOCK", NULL };
    bool one_option = cursor_is_one_of(&c, option);
    bool partitions = cursor_is_one_of(&c, partition);
    bool force = cursor_is(&c, "FORCE");
    bool ordered = cursor_take_all(&c, "ORDER BY");
    bool keys = cursor_take_all(&c, "DISABLE KEYS") || cursor_take_all(&c, "ENABLE KEYS");
    int words = 0;

    if (ordered || keys) {
        return true;
    }
    cursor_next(&c);
    if (partitions) {
        return cursor_is(&c, "PARTITION");
    }
    if (one_option) {
        (void)cursor_take_symbol(&c, '=');
    }
    skip_action(&c, &words);
    return (force && words == 0) || (one_option && words == 1);
}

static struct actions read_actions(struct cursor *c, struct statement *s)
{
    struct actions all = { .rebuilds = !cursor_at_end(c) };

    do {
        int words = 0;
        struct cursor action = *c;
        bool unsafe = read_unsafe(c, s);
        bool renames = !unsafe && read_rename(c, s);
        const size_t gone = all.gone.count, come = all.come.count;
        read_columns(action, &all);
        keep_names(&all, gone, come);
        all.unsafe = all.unsafe || unsafe;
        all.renames = all.renames || renames;
        all.rebuilds = all.rebuilds && !unsafe && !renames && is_rebuild(action);
        skip_action(c, &words);
    } while (cursor_take_symbol(c, ','));
    all.unsafe = all.unsafe || columns_cross(&all);
    strlist_done(&all.gone);
    strlist_done(&all.come);
    return all;
}

static struct err *alter_table(struct cursor *c, struct statement *s)
{
    (void)cursor_take_all(c, "IF EXISTS");
    (void)my_judged_by(c, "table", s, VERB_ALTER);
    if (s->class != STEP_ATOMIC) {
        return NULL;
    }
    (void)cursor_take(c, "NOWAIT");
    if (cursor_take(c, "WAIT")) {
        cursor_next(c);
    }
    struct actions actions = read_actions(c, s);
    if (actions.renames) {
        s->verb = VERB_RENAME;
    }
    if (actions.unsafe) {
        s->class = STEP_OTHER;
    } else if (actions.rebuilds) {
        s->class = STEP_REPEATABLE;
    }
    return NULL;
}

/* Its options are set to what they say, whatever they were. RESTART moves a counter that no definition shows. */
static struct err *alter_sequence(struct cursor *c, struct statement *s)
{
    (void)cursor_take_all(c, "IF EXISTS");
    (void)my_judged_by(c, "sequence", s, VERB_ALTER);
    s->class = STEP_REPEATABLE;
    for (; !cursor_at_end(c); cursor_next(c)) {
        if (cursor_is(c, "RESTART")) {
            s->class = STEP_OTHER;
        }
    }
    return NULL;
}

/* A schedule counts from now and ENABLE may run it once more: neither is repeated. The rest is set to what it says. */
static struct err *alter_event(struct cursor *c, struct statement *s)
{
    (void)my_judged_by(c, "event", s, VERB_ALTER);
    s->class = STEP_REPEATABLE;
    while (!cursor_at_end(c) && !cursor_is(c, "DO")) {
        if (cursor_take_all(c, "RENAME TO")) {
            statement_is(s, STEP_ATOMIC, VERB_RENAME);
            (void)cursor_object(c, "event", true, s);
            continue;
        }
        if (cursor_is(c, "SCHEDULE") || cursor_is(c, "ENABLE")) {
            statement_is(s, STEP_OTHER, VERB_ALTER);
            return NULL;
        }
        cursor_next(c);
    }
    return NULL;
}

struct err *my_alter(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)x;
    (void)my_read_head(c);
    const char *type = my_program_type(c);
    if (cursor_take(c, "TABLE")) {
        return alter_table(c, s);
    }
    if (cursor_take(c, "SEQUENCE")) {
        return alter_sequence(c, s);
    }
    if (cursor_take(c, "EVENT")) {
        return alter_event(c, s);
    }
    if (type) {
        cursor_next(c); /* a view, or what a program is said to be: as CREATE OR REPLACE */
        (void)my_judged_by(c, type, s, VERB_ALTER);
        s->class = STEP_REPEATABLE;
        return NULL;
    }
    if (cursor_take(c, "DATABASE") || cursor_take(c, "SCHEMA")) {
        /* Its options are set to what they say, whatever they were; the name may be left out. */
        statement_is(s, STEP_REPEATABLE, VERB_ALTER);
        return NULL;
    }
    statement_is(s, STEP_OTHER, VERB_ALTER);
    return NULL;
}
