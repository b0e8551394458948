/* SPDX-License-Identifier: Apache-2.0 */
/* BEGIN and COMMIT that a file brings along: passed over where what was one transaction stays one, refused elsewhere. */
#include "reconcile/migration/control.h"

#include "reconcile/base/auto.h"
#include "reconcile/base/mem.h"
#include "reconcile/migration/placeholder.h"

static struct err *refuse(struct classify *x, const char *what, const char *why)
{
    return REFUSE(x, REASON_TRANSACTION_CONTROL, "%s in a migration: %s", what, why);
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
        if (script->statements[i].class != STEP_SESSION) {
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
    *control = (struct control){ .open = true, .seen = true, .automatic = control->automatic };
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
    pass_over(x, what);
    return NULL;
}

void control_automatic(struct classify *x, bool on)
{
    x->control->automatic = on;
    pass_over(x, "SET autocommit");
}

/* A statement that would be recorded apart from the block that it stands in. */
static bool stands_alone(const struct statement *s)
{
    static const char *const ddl[] = { "create",   "alter", "drop",   "rename",
                                       "truncate", "grant", "revoke", NULL };

    if (s->class != STEP_OTHER) {
        return false;
    }
    for (size_t i = 0; ddl[i]; i++) { /* those commit by themselves anyway */
        if (strncasecmp(s->text, ddl[i], strlen(ddl[i])) == 0) {
            return false;
        }
    }
    return true;
}

struct err *control_check(struct classify *x, const struct statement *s)
{
    const struct control *control = x->control;

    if (is_pg(x) && control->closed && s->class != STEP_SESSION) {
        return refuse(x, "a statement behind COMMIT",
                      "every file runs in one transaction, and this would be two: put it into a "
                      "file of its own, or "
                      "delete BEGIN and COMMIT");
    }
    if (!is_pg(x) && (control->open || !control->automatic) && stands_alone(s)) {
        return refuse(x, "a statement that may commit by itself, inside of a transaction block",
                      "it is recorded by itself: delete START TRANSACTION and COMMIT around it");
    }
    return NULL;
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
        if (!script->statements[i].in_transaction_ok) {
            return ERR_AT(
                m, script->statements[i].source_offset, REASON_TRANSACTION_CONTROL,
                "a statement that cannot run in a transaction stands in a BEGIN ... COMMIT block: "
                "delete BEGIN and COMMIT");
        }
    }
    return NULL;
}
