/* SPDX-License-Identifier: Apache-2.0 */
/* BEGIN and COMMIT that a file brings along: passed over where what was one transaction stays one, refused elsewhere. */
#include "reconcile/migration/control.h"

#include "base/auto.h"
#include "base/mem.h"
#include "reconcile/migration/placeholder.h"
#include "reconcile/migration/script.h"

static struct err *refuse(struct classify *x, const char *what, const char *why)
{
    return REFUSE(x, REASON_TRANSACTION_CONTROL, "%s in a migration: %s", what, why);
}

/* Behind a COMMIT of whatever kind. */
static void next_block(struct control *control)
{
    control->block = control->automatic ? 0 : ++control->blocks;
}

static bool is_pg(const struct classify *x)
{
    return x->lexer->engine == ENGINE_POSTGRESQL;
}

static void pass_over(struct classify *x, const char *what)
{
    x->passed_over = mem_strdup(what);
}

/* Before it, settings only: they are the session's, not the transaction's. */
static bool is_first(const struct script *script)
{
    for (size_t i = 0; i < script->count; i++) {
        if (script_at(script, i)->class != STEP_SESSION) {
            return false;
        }
    }
    return true;
}

struct err *control_begin(struct classify *x, struct cursor *c, const char *what)
{
    struct control *control = x->control;

    (void)(cursor_take(c, "WORK") || cursor_take(c, "TRANSACTION"));
    (void)(!is_pg(x) && cursor_take_all(c, "WITH CONSISTENT SNAPSHOT"));
    (void)cursor_take_all(c, "READ WRITE");
    if (!cursor_at_end(c)) {
        return refuse(
            x, what,
            is_pg(x)
                ? "its options would be lost: delete it, and begin the file with SET TRANSACTION"
                : "its options would be lost: delete it");
    }
    if (is_pg(x) && x->m->directives.transaction_none) {
        return refuse(x, what, "the file says transaction=none: delete one of the two");
    }
    if (is_pg(x) && (control->seen || !is_first(x->script))) {
        return refuse(x, what,
                      "every file runs in one transaction of its own, recorded with it; delete "
                      "BEGIN and COMMIT, or "
                      "make each block a file");
    }
    if (control->open) {
        return refuse(x, what, "the one before it has no COMMIT: delete one of the two");
    }
    control->open = true;
    control->seen = true;
    control->closed = false;
    control->locked = false;
    control->block = ++control->blocks;
    pass_over(x, what);
    return NULL;
}

struct err *control_commit(struct classify *x, struct cursor *c, const char *what)
{
    struct control *control = x->control;

    (void)(cursor_take(c, "WORK") || cursor_take(c, "TRANSACTION"));
    (void)cursor_take_all(c, "AND NO CHAIN");
    (void)(!is_pg(x) && cursor_take_all(c, "NO RELEASE"));
    if (!cursor_at_end(c)) {
        return refuse(x, what, "its options would be lost: delete it");
    }
    if (is_pg(x) && !control->open) {
        return refuse(x, what,
                      "every file runs in a transaction of its own, recorded with it; delete BEGIN "
                      "and COMMIT");
    }
    control->open = false;
    control->closed = true;
    next_block(control);
    pass_over(x, what);
    return NULL;
}

/* Switching it on commits, switching it off goes on with a transaction that is open. */
void control_automatic(struct classify *x, bool on)
{
    struct control *control = x->control;
    const bool goes_on = control->automatic || !on;

    control->automatic = on;
    if (!goes_on || control->block == 0) {
        next_block(control);
    }
    pass_over(x, "SET autocommit");
}

static void mark_block(struct control *control, struct statement *s)
{
    const bool unlocks = s->verb == VERB_UNLOCK_TABLES && control->locked;

    if (s->commits || unlocks || s->verb == VERB_LOCK_TABLES) {
        next_block(control);
        control->locked = s->verb == VERB_LOCK_TABLES;
    } else {
        s->block = control->block;
    }
}

struct err *control_check(struct classify *x, struct statement *s)
{
    struct control *control = x->control;

    if (is_pg(x) && control->closed && s->class != STEP_SESSION) {
        return refuse(x, "a statement behind COMMIT",
                      "every file runs in one transaction, and this would be two: put it into a "
                      "file of its own, or "
                      "delete BEGIN and COMMIT");
    }
    if (!is_pg(x)) {
        mark_block(control, s);
    }
    return NULL;
}

struct division { /* of one block */
    int block;
    bool changed;                  /* data, by statements above */
    bool grouped;                  /* and the group of those goes on */
    const struct statement *alone; /* changed data and is recorded by itself */
};

static const struct statement *divide(struct division *d, const struct statement *s)
{
    if (s->block != d->block) {
        *d = (struct division){ .block = s->block };
    }
    if (!s->grouped) {
        d->grouped = false;
        if (d->changed) {
            return s;
        }
        d->changed = !s->lasting;
        d->alone = s;
    } else if (s->class == STEP_TRANSACTIONAL) {
        if (d->changed && !d->grouped) {
            return d->alone;
        }
        d->changed = true;
        d->grouped = true;
    }
    return NULL;
}

const struct statement *script_divides(const struct script *script, const bool *complete,
                                       size_t from, size_t to)
{
    struct division d = { 0 };
    const struct statement *found = NULL;

    for (size_t i = from; i < to && !found; i++) {
        const struct statement *s = script_at(script, i);
        found = s->block == 0 || (complete && complete[i]) ? NULL : divide(&d, s);
    }
    return found;
}

static struct err *check_blocks(const struct migration *m, const struct script *script)
{
    const struct statement *s = script_divides(script, NULL, 0, script->count);

    return s ? ERR_AT(m, s->source_offset, REASON_TRANSACTION_CONTROL, SCRIPT_DIVIDES) : NULL;
}

struct err *control_end(enum engine engine, const struct migration *m, const struct script *script,
                        const struct control *control)
{
    bool pg = engine == ENGINE_POSTGRESQL;

    if (control->open) {
        return ERR_AT(
            m, m->size, REASON_TRANSACTION_CONTROL,
            "the transaction that the file begins has no COMMIT: add it, or delete BEGIN");
    }
    for (size_t i = 0; pg && control->seen && i < script->count; i++) {
        if (!script_at(script, i)->in_transaction_ok) {
            return ERR_AT(
                m, script_at(script, i)->source_offset, REASON_TRANSACTION_CONTROL,
                "a statement that cannot run in a transaction stands in a BEGIN ... COMMIT block: "
                "delete BEGIN and COMMIT");
        }
    }
    return pg ? NULL : check_blocks(m, script);
}
