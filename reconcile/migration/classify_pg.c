/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL: what may run inside a transaction, what needs a step of its own, what is refused. */
#include "reconcile/migration/classify_pg.h"
#include "reconcile/migration/control.h"

#include "base/auto.h"
#include "base/mem.h"
#include "reconcile/migration/placeholder.h"

#define VERSION_ADD_VALUE_IN_TRANSACTION 120000

struct rule {
    const char *word; /* the statement's first */
    struct err *(*apply)(struct classify *x, struct cursor *c, struct statement *s);
};

/* Outside any transaction: N has a probe, R may be repeated, X needs a verdict after a crash. */
static struct err *outside(struct statement *s, enum step_class class, enum step_verb verb)
{
    statement_is(s, class, verb);
    s->in_transaction_ok = false;
    return NULL;
}

static struct err *create_index(struct cursor *c, struct statement *s)
{
    struct object_ref index = { 0 };
    bool concurrently = cursor_take(c, "CONCURRENTLY");

    (void)cursor_take_all(c, "IF NOT EXISTS");
    bool named = !cursor_is(c, "ON") && cursor_name(c, "index", &index);
    if (cursor_take(c, "ON")) {
        (void)cursor_take(c, "ONLY");
        if (cursor_object(c, "table", false, s) && named) {
            /* The index first, in its table's schema: it can have no other. There is room for 8. */
            struct object_ref table = s->objects[0];
            mem_strset(&index.schema, table.schema);
            s->objects[0] = index;
            s->objects[1] = table;
            s->object_count = 2;
            named = false;
        }
    }
    if (named) {
        free(index.type);
        free(index.schema);
        free(index.name);
    }
    s->concurrently = concurrently;
    statement_is(s, concurrently ? STEP_NONTX : STEP_TRANSACTIONAL, VERB_CREATE_INDEX);
    s->in_transaction_ok = !concurrently;
    return NULL;
}

static bool is_cluster_object(const struct cursor *c)
{
    static const char *const words[] = { "DATABASE", "TABLESPACE", "SUBSCRIPTION", NULL };

    return cursor_is_one_of(c, words);
}

static struct err *rule_create(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)x;
    if (is_cluster_object(c)) {
        return outside(s, STEP_OTHER, VERB_CREATE);
    }
    s->verb = VERB_CREATE;
    if (cursor_take_all(c, "OR REPLACE")) {
        s->verb = VERB_CREATE_OR_REPLACE;
    }
    (void)(cursor_take(c, "GLOBAL") || cursor_take(c, "LOCAL"));
    if (cursor_take(c, "TEMP") || cursor_take(c, "TEMPORARY")) {
        s->touches_session = true;
        (void)cursor_take(c, "RECURSIVE");
        (void)(cursor_take(c, "TABLE") || cursor_take(c, "VIEW") || cursor_take(c, "SEQUENCE"));
        (void)cursor_take_all(c, "IF NOT EXISTS");
        (void)cursor_object(c, "temporary", false, s);
        return NULL;
    }
    (void)cursor_take(c, "UNIQUE");
    return cursor_take(c, "INDEX") ? create_index(c, s) : NULL;
}

static struct err *rule_drop(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)x;
    if (is_cluster_object(c)) {
        return outside(s, STEP_OTHER, VERB_DROP);
    }
    s->verb = VERB_DROP;
    if (!cursor_take(c, "INDEX")) {
        return NULL;
    }
    s->verb = VERB_DROP_INDEX;
    s->concurrently = cursor_take(c, "CONCURRENTLY");
    (void)cursor_take_all(c, "IF EXISTS");
    do {
        (void)cursor_object(c, "index", false, s);
    } while (cursor_take_symbol(c, ','));
    return s->concurrently ? outside(s, STEP_NONTX, VERB_DROP_INDEX) : NULL;
}

static struct err *alter_table(struct cursor *c, struct statement *s)
{
    (void)cursor_take_all(c, "IF EXISTS");
    (void)cursor_take(c, "ONLY");
    if (!cursor_object(c, "table", false, s)) {
        return NULL;
    }
    (void)cursor_take_symbol(c, '*');
    if (cursor_take_all(c, "DETACH PARTITION") && cursor_object(c, "table", false, s) &&
        cursor_is(c, "CONCURRENTLY")) {
        s->concurrently = true;
        return outside(s, STEP_NONTX, VERB_DETACH_PARTITION);
    }
    return NULL;
}

/* Changes of the set of publications refresh by default, and only without that in a transaction. */
static bool refreshes(struct cursor *c)
{
    bool publication = false;
    bool off = false;

    for (; !cursor_at_end(c); cursor_next(c)) {
        if (cursor_is(c, "REFRESH")) {
            cursor_next(c);
            (void)cursor_take_symbol(c, '=');
            if (cursor_is(c, "PUBLICATION")) {
                return true;
            }
            off = cursor_is(c, "false") || cursor_is(c, "off");
        }
        publication = publication || cursor_is(c, "PUBLICATION");
    }
    return publication && !off;
}

static struct err *rule_alter(struct classify *x, struct cursor *c, struct statement *s)
{
    int32_t version = x->lexer->server_version;
    struct object_ref name = { 0 };

    s->verb = VERB_ALTER;
    if (cursor_is(c, "SYSTEM")) {
        return outside(s, STEP_REPEATABLE, VERB_ALTER);
    }
    if (cursor_take(c, "TABLE")) {
        return alter_table(c, s);
    }
    if (cursor_take(c, "SUBSCRIPTION")) {
        return refreshes(c) ? outside(s, STEP_OTHER, VERB_ALTER) : NULL;
    }
    bool database = cursor_is(c, "DATABASE");
    bool type = cursor_is(c, "TYPE");
    cursor_next(c);
    if ((!database && !type) || !cursor_name(c, "", &name)) {
        return NULL;
    }
    free(name.type);
    free(name.schema);
    free(name.name);
    if (database && cursor_take_all(c, "SET TABLESPACE")) {
        return outside(s, STEP_OTHER, VERB_ALTER);
    }
    bool old = version > 0 && version < VERSION_ADD_VALUE_IN_TRANSACTION;
    return type && old && cursor_take_all(c, "ADD VALUE") ? outside(s, STEP_OTHER, VERB_ALTER)
                                                          : NULL;
}

/* REINDEX [(options)] [VERBOSE] INDEX|TABLE|SCHEMA|DATABASE|SYSTEM [CONCURRENTLY] name */
static struct err *rule_reindex(struct classify *x, struct cursor *c, struct statement *s)
{
    s->verb = VERB_REINDEX;
    if (cursor_is_symbol(c, '(')) {
        for (; !cursor_at_end(c) && !cursor_is_symbol(c, ')'); cursor_next(c)) {
            if (cursor_is(c, "CONCURRENTLY")) {
                s->concurrently = true;
                cursor_next(c);
                s->concurrently = !cursor_is(c, "false") && !cursor_is(c, "off");
            }
            if (cursor_is_symbol(c, ')')) {
                break;
            }
        }
        cursor_next(c);
    }
    (void)cursor_take(c, "VERBOSE");
    bool table = cursor_is(c, "TABLE");
    bool one = table || cursor_is(c, "INDEX");
    cursor_next(c);
    s->concurrently = cursor_take(c, "CONCURRENTLY") || s->concurrently;
    if (!one) {
        return outside(s, s->concurrently ? STEP_OTHER : STEP_REPEATABLE, VERB_REINDEX);
    }
    (void)cursor_object(c, table ? "table" : "index", false, s);
    if (s->concurrently) {
        return outside(s, STEP_NONTX, VERB_REINDEX);
    }
    /* On a partitioned table it cannot; the directive says so. */
    return x->m->directives.transaction_none ? outside(s, STEP_REPEATABLE, VERB_REINDEX) : NULL;
}

static struct err *rule_cluster(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)cursor_take(c, "VERBOSE");
    if (cursor_is_symbol(c, '(')) {
        cursor_skip_parens(c);
    }
    s->verb = VERB_OTHER;
    bool all = cursor_at_end(c);
    return all || x->m->directives.transaction_none ? outside(s, STEP_REPEATABLE, VERB_OTHER)
                                                    : NULL;
}

static struct err *rule_vacuum(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)x;
    (void)c;
    return outside(s, STEP_REPEATABLE, VERB_VACUUM);
}

/* A procedure or a block may commit, and only outside a transaction it can. */
static struct err *rule_call(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)c;
    s->verb = VERB_OTHER;
    return x->m->directives.transaction_none ? outside(s, STEP_OTHER, VERB_OTHER) : NULL;
}

static struct err *refuse_read_only(struct classify *x, struct cursor *c)
{
    for (; !cursor_at_end(c); cursor_next(c)) {
        if (cursor_take_all(c, "READ ONLY")) {
            return REFUSE(x, REASON_INVALID_MIGRATION,
                          "a read-only transaction cannot record the migration: remove READ ONLY");
        }
    }
    return NULL;
}

/* SET TRANSACTION must come first, or the server refuses it; the runner then folds it into BEGIN. */
static struct err *set_transaction(struct classify *x, struct cursor *c, struct statement *s)
{
    TRY(refuse_read_only(x, c));
    if (x->script->count > 0) {
        return REFUSE(x, REASON_INVALID_MIGRATION,
                      "SET TRANSACTION must be the first statement of the file");
    }
    statement_is(s, STEP_TRANSACTIONAL, VERB_SET_TRANSACTION);
    return NULL;
}

static struct err *rule_set(struct classify *x, struct cursor *c, struct statement *s)
{
    bool local = cursor_take(c, "LOCAL");

    if (cursor_take(c, "TRANSACTION")) {
        return set_transaction(x, c, s);
    }
    if (cursor_take_all(c, "SESSION CHARACTERISTICS AS TRANSACTION")) {
        TRY(refuse_read_only(x, c));
    }
    bool inside = local || cursor_is(c, "CONSTRAINTS");
    statement_is(s, inside ? STEP_TRANSACTIONAL : STEP_SESSION, VERB_SET);
    return NULL;
}

static struct err *rule_session(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)x;
    (void)c;
    statement_is(s, STEP_SESSION, VERB_SET);
    return NULL;
}

static struct err *rule_dml(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)x;
    (void)c;
    s->verb = VERB_DML;
    return NULL;
}

static struct err *rule_copy(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)x;
    s->verb = VERB_COPY;
    for (; !cursor_at_end(c); cursor_next(c)) {
        s->leaves_transaction = s->leaves_transaction || cursor_take_all(c, "TO PROGRAM") ||
                                cursor_take_all(c, "FROM PROGRAM");
    }
    return NULL;
}

static struct err *rule_prepare(struct classify *x, struct cursor *c, struct statement *s)
{
    if (cursor_is(c, "TRANSACTION")) {
        return REFUSE(
            x, REASON_INVALID_MIGRATION,
            "PREPARE TRANSACTION in a migration: a prepared transaction cannot be recorded "
            "with its file; remove it");
    }
    s->touches_session = true;
    return NULL;
}

static struct err *rule_discard(struct classify *x, struct cursor *c, struct statement *s)
{
    if (cursor_is(c, "ALL")) {
        return REFUSE(x, REASON_INVALID_MIGRATION,
                      "DISCARD ALL would drop the lock that protects this run: write DISCARD TEMP, "
                      "PLANS or SEQUENCES");
    }
    s->touches_session = true;
    return NULL;
}

static struct err *rule_keeps(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)x;
    (void)c;
    s->touches_session = true;
    return NULL;
}

static struct err *refuse_control(struct classify *x, const char *what)
{
    return REFUSE(
        x, REASON_TRANSACTION_CONTROL,
        "%s in a migration: every file runs in a transaction of its own, recorded with it; "
        "delete BEGIN and COMMIT",
        what);
}

static struct err *rule_begin(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)s;
    return control_begin(x, c, "BEGIN");
}

static struct err *rule_start(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)s;
    return control_begin(x, c, "START TRANSACTION");
}

static struct err *rule_commit(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)s;
    return cursor_is(c, "PREPARED") ? refuse_control(x, "COMMIT PREPARED")
                                    : control_commit(x, c, "COMMIT");
}

static struct err *rule_end(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)s;
    return control_commit(x, c, "END");
}

static struct err *rule_rollback(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)s;
    (void)(cursor_take(c, "WORK") || cursor_take(c, "TRANSACTION"));
    return cursor_is(c, "TO") ? NULL : refuse_control(x, "ROLLBACK");
}

static struct err *rule_abort(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)c;
    (void)s;
    return refuse_control(x, "ABORT");
}

/* SELECT set_config('a', 'b', false): a SET, as pg_dump writes it. */
static struct err *rule_select(struct classify *x, struct cursor *c, struct statement *s)
{
    bool local = false;

    if (pg_is_set_config(*c, &local)) {
        statement_is(s, local ? STEP_TRANSACTIONAL : STEP_SESSION, VERB_SET);
        return NULL;
    }
    return rule_dml(x, c, s);
}

static const struct rule rules[] = {
    { "CREATE", rule_create },     { "DROP", rule_drop },       { "ALTER", rule_alter },
    { "REINDEX", rule_reindex },   { "CLUSTER", rule_cluster }, { "VACUUM", rule_vacuum },
    { "CALL", rule_call },         { "DO", rule_call },         { "SET", rule_set },
    { "RESET", rule_session },     { "INSERT", rule_dml },      { "UPDATE", rule_dml },
    { "DELETE", rule_dml },        { "MERGE", rule_dml },       { "SELECT", rule_select },
    { "WITH", rule_dml },          { "VALUES", rule_dml },      { "TABLE", rule_dml },
    { "COPY", rule_copy },         { "PREPARE", rule_prepare }, { "DEALLOCATE", rule_keeps },
    { "DISCARD", rule_discard },   { "DECLARE", rule_keeps },   { "CLOSE", rule_keeps },
    { "LISTEN", rule_keeps },      { "UNLISTEN", rule_keeps },  { "BEGIN", rule_begin },
    { "START", rule_start },       { "COMMIT", rule_commit },   { "END", rule_end },
    { "ROLLBACK", rule_rollback }, { "ABORT", rule_abort },
};

struct err *classify_pg(struct classify *x, struct statement *s)
{
    struct cursor c = cursor_make(x->lexer, x->start, x->end);

    statement_is(s, STEP_TRANSACTIONAL, VERB_OTHER);
    s->in_transaction_ok = true;
    if (cursor_is_symbol(&c, '(')) { /* (SELECT ...) UNION ... */
        s->verb = VERB_DML;
    }
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (cursor_is(&c, rules[i].word)) {
            bool block = cursor_is(&c, "DO");
            cursor_next(&c);
            TRY(rules[i].apply(x, &c, s));
            if (block) {
                pg_scan_body(x, s);
            }
            break;
        }
    }
    return pg_scan_words(x, s);
}

/* Only standard_conforming_strings decides where a literal ends. */
void follow_settings_pg(const struct classify *x, struct lexer *lexer)
{
    struct cursor c = cursor_make(x->lexer, x->start, x->end);

    if (cursor_take(&c, "RESET")) {
        if (cursor_is(&c, "ALL") || cursor_is(&c, "standard_conforming_strings")) {
            lexer->backslash = false;
        }
        return;
    }
    if (!cursor_take(&c, "SET")) {
        return;
    }
    (void)(cursor_take(&c, "SESSION") || cursor_take(&c, "LOCAL"));
    if (!cursor_take(&c, "standard_conforming_strings")) {
        return;
    }
    (void)(cursor_take(&c, "TO") || cursor_take_symbol(&c, '='));
    static const char *const off[] = {
        "off", "false", "no", "'off'", "'false'", "'no'", "0", "'0'"
    };
    lexer->backslash = false;
    for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
        lexer->backslash = lexer->backslash || token_is_text(&c, off[i]);
    }
}
