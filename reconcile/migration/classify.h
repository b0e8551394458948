/* SPDX-License-Identifier: Apache-2.0 */
/* What a statement is: class, verb, objects, and what may not be in a migration at all
 * (docs/explanation/engine.md 1.2, 4 and 6). Internal to migration/. */
#pragma once
#include "base/err.h"
#include "reconcile/migration/cursor.h"
#include "reconcile/migration/position.h"

struct control;

struct classify { /* one statement [start, end) of the expanded text */
    const struct migration *m;
    const struct script *script;
    const struct lexer *lexer; /* settings in force where it stands */
    size_t start, end;
    /* Out, MySQL: the object names of a DROP of several, in order; free() it. */
    struct name_span {
        size_t start, end;
    } * spans;
    size_t span_count;
    struct control *control; /* of the file: control.h */
    char *passed_over;       /* out, owned: what the statement is called that has nothing to run */
};

/* Fill class, verb, concurrently, in_transaction_ok, touches_session and objects of *s. ERR_TERMINAL
 * "path:line:column: ..." InvalidMigration or TransactionControlInMigration. */
struct err *classify_pg(struct classify *x, struct statement *s) ERR_MUST_USE;
struct err *classify_my(struct classify *x, struct statement *s) ERR_MUST_USE;

/* A SET of the file changes how its later statements are read. */
void follow_settings_pg(const struct classify *x, struct lexer *lexer);
void follow_settings_my(const struct classify *x, struct lexer *lexer);

static inline void statement_is(struct statement *s, enum step_class class, enum step_verb verb)
{
    s->class = class;
    s->verb = verb;
}

#define REFUSE(x, reason, fmt, ...)                                                                \
    ERR_AT((x)->m, script_map_source((x)->script, (x)->start, false), reason, fmt, ##__VA_ARGS__)
