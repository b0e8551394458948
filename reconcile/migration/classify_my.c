/* SPDX-License-Identifier: Apache-2.0 */
/* MySQL and MariaDB: DDL commits by itself, so each statement is a step with a class of its own. */
#include "reconcile/migration/classify_my.h"
#include "reconcile/migration/control.h"

#include "base/auto.h"
#include "base/mem.h"
#include "reconcile/migration/placeholder.h"

#define MY_TRANSACTION_ADVICE                                                                      \
    " in a migration: every statement is committed together with its journal row; delete it"

static struct err *classify_words(struct classify *x, struct cursor *c, struct statement *s);

static struct err *step(struct statement *s, enum step_class class, enum step_verb verb)
{
    statement_is(s, class, verb);
    return NULL;
}

static struct err *refuse_control(struct classify *x, const char *what)
{
    return REFUSE(x, REASON_TRANSACTION_CONTROL, "%s" MY_TRANSACTION_ADVICE, what);
}

static struct err *refuse_word(struct classify *x, const char *what, const char *why)
{
    return REFUSE(x, REASON_INVALID_MIGRATION, "%s in a migration %s: remove it", what, why);
}

/* ---- SET --------------------------------------------------------------------------------------- */

struct assignment {                /* one "name = value" of a SET list */
    struct token name;             /* the last word of a dotted name */
    bool global;                   /* GLOBAL, PERSIST, PERSIST_ONLY */
    bool bare;                     /* @@name: of these some are the next transaction's */
    bool user_variable;            /* @name */
    bool computed;                 /* its value has a call, a query or a sequence */
    size_t value_start, value_end; /* equal: there is none */
};

static bool take_scope(struct cursor *c, bool *global)
{
    static const char *const wide[] = { "GLOBAL", "PERSIST", "PERSIST_ONLY", NULL };

    *global = cursor_is_one_of(c, wide);
    if (*global || cursor_is(c, "SESSION") || cursor_is(c, "LOCAL")) {
        cursor_next(c);
        return true;
    }
    return false;
}

/* False: the list is at its end. */
static bool next_assignment(struct cursor *c, struct assignment *out)
{
    static const char *const sequence[] = { "NEXT", "NEXTVAL", "SELECT", NULL };
    *out = (struct assignment){ 0 };
    if (cursor_at_end(c)) {
        return false;
    }
    if (cursor_take_symbol(c, '@')) {
        out->user_variable = !cursor_take_symbol(c, '@');
        struct cursor dotted = *c;
        if (!out->user_variable && take_scope(&dotted, &out->global) &&
            cursor_take_symbol(&dotted, '.')) {
            *c = dotted;
        } else {
            out->bare = !out->user_variable;
        }
    } else {
        (void)take_scope(c, &out->global);
    }
    out->name = c->tok;
    cursor_next(c);
    while (cursor_take_symbol(c, '.')) {
        out->name = c->tok;
        cursor_next(c);
    }
    (void)cursor_take_symbol(c, ':');
    (void)cursor_take_symbol(c, '=');
    out->value_start = c->tok.start;
    out->value_end = c->tok.start;
    while (!cursor_at_end(c) && !cursor_is_symbol(c, ',')) {
        out->computed |= cursor_is_symbol(c, '(') || cursor_is_one_of(c, sequence);
        if (cursor_is_symbol(c, '(')) {
            cursor_skip_parens(c);
        } else {
            cursor_next(c);
        }
        out->value_end = c->last_end;
    }
    (void)cursor_take_symbol(c, ',');
    return true;
}

static struct err *set_transaction(struct classify *x, struct cursor *c, struct statement *s)
{
    for (; !cursor_at_end(c); cursor_next(c)) {
        if (cursor_take_all(c, "READ ONLY")) {
            return REFUSE(x, REASON_INVALID_MIGRATION,
                          "a read-only transaction cannot record the migration: remove READ ONLY");
        }
    }
    return step(s, STEP_SESSION, VERB_SET);
}

static bool is_value(const struct lexer *lx, const struct assignment *a, const char *text)
{
    return a->value_end - a->value_start == strlen(text) &&
           strncasecmp(lx->text + a->value_start, text, strlen(text)) == 0;
}

/* autocommit alone, or with the variable that keeps what it was: "SET @OLD_AUTOCOMMIT=@@AUTOCOMMIT, AUTOCOMMIT=0". */
static bool is_autocommit(struct cursor c, bool *on)
{
    struct assignment a;
    bool found = false;

    while (next_assignment(&c, &a)) {
        const bool keeps = a.user_variable && (is_value(&c.lx, &a, "@@autocommit") ||
                                               is_value(&c.lx, &a, "@@session.autocommit"));
        const bool sets = !a.user_variable && !a.global && token_is(&c.lx, a.name, "autocommit");
        if (!keeps && !sets) {
            return false;
        }
        if (sets) {
            found = true;
            *on = !is_value(&c.lx, &a, "0") && !is_value(&c.lx, &a, "off") &&
                  !is_value(&c.lx, &a, "false");
        }
    }
    return found;
}

/* Refused by the server inside of a transaction. */
static bool is_of_next_transaction(const struct cursor *c, const struct assignment *a)
{
    static const char *const names[] = { "tx_isolation", "transaction_isolation", "tx_read_only",
                                         "transaction_read_only", NULL };
    bool found = false;

    for (size_t i = 0; names[i]; i++) {
        found = found || token_is(&c->lx, a->name, names[i]);
    }
    return found && a->bare;
}

static struct err *set_list(struct classify *x, struct cursor *c, struct statement *s)
{
    struct assignment a;
    bool global = false, computed = false, on = true;

    if (is_autocommit(*c, &on)) { /* passed over: each block stays one transaction */
        control_automatic(x, on);
        return NULL;
    }
    while (next_assignment(c, &a)) {
        global = global || a.global;
        computed = computed || a.computed;
        s->lasting = s->lasting || is_of_next_transaction(c, &a);
        if (a.user_variable) {
            continue;
        }
        if (token_is(&c->lx, a.name, "autocommit") || token_is(&c->lx, a.name, "completion_type")) {
            AUTO(free_auto) char *what =
                mem_printf("SET %.*s", (int)(a.name.end - a.name.start), c->lx.text + a.name.start);
            return refuse_control(x, what);
        }
    }
    if (computed) { /* a function, a sequence or a query may write, and gives another value next time */
        return step(s, STEP_TRANSACTIONAL, VERB_SET);
    }
    s->lasting = s->lasting || global;
    return step(s, global ? STEP_REPEATABLE : STEP_SESSION, VERB_SET);
}

static struct err *rule_set(struct classify *x, struct cursor *c, struct statement *s)
{
    static const char *const whole[] = { "NAMES", "CHARSET", "ROLE", NULL };
    struct cursor scoped = *c;
    bool global = false;

    if (cursor_is(c, "PASSWORD") || cursor_is(c, "DEFAULT")) {
        s->commits = true;
        return step(s, STEP_OTHER, VERB_OTHER);
    }
    if (cursor_is_one_of(c, whole) || cursor_take_all(c, "CHARACTER SET") ||
        cursor_take_all(c, "RESOURCE GROUP")) {
        return step(s, STEP_SESSION, VERB_SET);
    }
    if (cursor_take(c, "STATEMENT")) { /* SET STATEMENT a=1, b=2 FOR statement */
        while (!cursor_at_end(c) && !cursor_take(c, "FOR")) {
            cursor_next(c);
        }
        return classify_words(x, c, s);
    }
    const bool of_session = take_scope(&scoped, &global) && !global;
    if (cursor_take(&scoped, "TRANSACTION")) {
        TRY(set_transaction(x, &scoped, s));
        s->lasting = !of_session;
        s->class = global ? STEP_REPEATABLE : STEP_SESSION;
        return NULL;
    }
    return set_list(x, c, s);
}

static bool names_mode(const struct lexer *lx, const struct assignment *a, const char *const *modes)
{
    AUTO(free_auto) char *value =
        mem_strndup(lx->text + a->value_start, a->value_end - a->value_start);

    for (; *modes; modes++) {
        if (strcasestr(value, *modes)) {
            return true;
        }
    }
    return false;
}

/* sql_mode decides what '\' and '"' mean. A value that is not written out (@OLD_SQL_MODE, DEFAULT)
 * puts back what was. */
void follow_settings_my(const struct classify *x, struct lexer *lexer)
{
    static const char *const no_backslash[] = { "NO_BACKSLASH_ESCAPES", NULL };
    static const char *const ansi[] = { "ANSI",  "ORACLE",     "MSSQL", "DB2",
                                        "MAXDB", "POSTGRESQL", NULL };
    static const char *const added[] = { "@@", NULL };
    struct cursor c = cursor_make(x->lexer, x->start, x->end);
    struct assignment a;

    if (!cursor_take(&c, "SET")) {
        return;
    }
    while (next_assignment(&c, &a)) {
        if (a.user_variable || a.global || !token_is(&c.lx, a.name, "sql_mode") ||
            a.value_end == a.value_start) {
            continue;
        }
        bool keeps = names_mode(&c.lx, &a, added);
        lexer->backslash = !names_mode(&c.lx, &a, no_backslash) && (lexer->backslash || !keeps);
        lexer->ansi_quotes = names_mode(&c.lx, &a, ansi) || (lexer->ansi_quotes && keeps);
    }
}

/* ---- other statements -------------------------------------------------------------------------- */

static struct err *rule_session(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)x;
    (void)c;
    return step(s, STEP_SESSION, VERB_SET);
}

static struct err *rule_prepared(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)x;
    (void)c;
    s->touches_session = true;
    return step(s, STEP_SESSION, VERB_OTHER);
}

/* Words that a bracket may follow without a call. */
static bool calls_functions(struct cursor c)
{
    static const char *const harmless[] = { "VALUES", "VALUE", "IN", "AND", "OR", NULL };

    while (!cursor_at_end(&c)) {
        const bool word = c.tok.kind == TOKEN_WORD && !cursor_is_one_of(&c, harmless);
        const bool name = word || c.tok.kind == TOKEN_NAME;
        cursor_next(&c);
        if (name && cursor_is_symbol(&c, '(')) {
            return true;
        }
    }
    return false;
}

static void name_target(struct cursor c, struct statement *s)
{
    static const char *const fillers[] = { "LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "QUICK",
                                           "IGNORE",       "INTO",          "FROM",    NULL };
    static const char *const several[] = { "USING", "JOIN",    "INNER",         "LEFT", "RIGHT",
                                           "CROSS", "NATURAL", "STRAIGHT_JOIN", NULL };

    while (cursor_is_one_of(&c, fillers)) {
        cursor_next(&c);
    }
    if (!cursor_name(&c, "table", &s->writes)) {
        return;
    }
    if (cursor_is_symbol(&c, '(')) { /* its columns */
        cursor_skip_parens(&c);
    }
    struct cursor behind = c;
    (void)cursor_take(&behind, "AS");
    for (int words = 0; words < 2 && !cursor_at_end(&behind); words++) { /* it, or an alias */
        if (cursor_is_symbol(&behind, ',') || cursor_is_one_of(&behind, several)) {
            object_ref_done(&s->writes);
            return;
        }
        cursor_next(&behind);
    }
    s->calls = calls_functions(c);
}

static struct err *rule_dml(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)x;
    for (; !cursor_at_end(c); cursor_next(c)) {
        if (cursor_is(c, "OUTFILE") || cursor_is(c, "DUMPFILE")) {
            return step(s, STEP_OTHER, VERB_DML);
        }
    }
    return step(s, STEP_TRANSACTIONAL, VERB_DML);
}

static struct err *rule_change(struct classify *x, struct cursor *c, struct statement *s)
{
    name_target(*c, s);
    return rule_dml(x, c, s);
}

/* INSERT and REPLACE. MariaDB answers DELAYED before it has written anything; MySQL ignores the word. */
static struct err *rule_insert(struct classify *x, struct cursor *c, struct statement *s)
{
    if (cursor_is(c, "DELAYED") && x->lexer->engine == ENGINE_MARIADB) {
        return refuse_word(x, "INSERT DELAYED", "is answered before it is written");
    }
    return rule_change(x, c, s);
}

static struct err *rule_repeat(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)x;
    (void)c;
    return step(s, STEP_REPEATABLE, VERB_OTHER);
}

/* ANALYZE UPDATE ... (MariaDB) runs the statement. */
static struct err *rule_analyze(struct classify *x, struct cursor *c, struct statement *s)
{
    static const char *const tables[] = { "TABLE", "TABLES", "LOCAL", "NO_WRITE_TO_BINLOG", NULL };

    (void)x;
    return step(s, cursor_is_one_of(c, tables) ? STEP_REPEATABLE : STEP_OTHER, VERB_OTHER);
}

static struct err *rule_flush(struct classify *x, struct cursor *c, struct statement *s)
{
    for (; !cursor_at_end(c); cursor_next(c)) {
        if (cursor_take_all(c, "READ LOCK") || cursor_take_all(c, "FOR EXPORT")) {
            return refuse_word(x, "FLUSH TABLES with a lock", "would lock out its own journal");
        }
    }
    return step(s, STEP_REPEATABLE, VERB_OTHER);
}

static struct err *rule_revoke(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)x;
    bool if_exists = cursor_take_all(c, "IF EXISTS");
    return step(s, if_exists ? STEP_REPEATABLE : STEP_OTHER, VERB_OTHER);
}

static struct err *rule_load(struct classify *x, struct cursor *c, struct statement *s)
{
    if (cursor_take(c, "INDEX")) {
        return step(s, STEP_REPEATABLE, VERB_OTHER);
    }
    for (; !cursor_at_end(c) && !cursor_is(c, "INTO"); cursor_next(c)) {
        if (cursor_is(c, "LOCAL")) {
            return refuse_word(x, "LOAD DATA LOCAL", "would read a file of the runner");
        }
    }
    return step(s, STEP_OTHER, VERB_OTHER);
}

static struct err *rule_lock(struct classify *x, struct cursor *c, struct statement *s)
{
    if (!cursor_is(c, "TABLE") && !cursor_is(c, "TABLES")) {
        return refuse_word(x, "LOCK", "would lock out its own journal");
    }
    return step(s, STEP_SESSION, VERB_LOCK_TABLES);
}

static struct err *rule_unlock(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)x;
    bool tables = cursor_is(c, "TABLE") || cursor_is(c, "TABLES");
    return tables ? step(s, STEP_SESSION, VERB_UNLOCK_TABLES) : step(s, STEP_OTHER, VERB_OTHER);
}

static struct err *rule_begin(struct classify *x, struct cursor *c, struct statement *s)
{
    return cursor_take_all(c, "NOT ATOMIC") ? step(s, STEP_OTHER, VERB_OTHER)
                                            : control_begin(x, c, "BEGIN");
}

static struct err *rule_start(struct classify *x, struct cursor *c, struct statement *s)
{
    return cursor_is(c, "TRANSACTION") ? control_begin(x, c, "START TRANSACTION")
                                       : step(s, STEP_OTHER, VERB_OTHER);
}

static struct err *rule_commit(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)s;
    return control_commit(x, c, "COMMIT");
}

static struct err *rule_savepoint(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)c;
    (void)s;
    return refuse_word(x, "a savepoint", "has no transaction of several statements to stand in");
}

static struct err *rule_rollback(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)cursor_take(c, "WORK");
    return cursor_is(c, "TO") ? rule_savepoint(x, c, s) : refuse_control(x, "ROLLBACK");
}

static struct err *rule_xa(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)c;
    (void)s;
    return refuse_word(x, "XA", "cannot be recorded with its file");
}

static struct err *rule_kill(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)c;
    (void)s;
    return refuse_word(x, "KILL", "may end the session that holds the lock");
}

static struct err *rule_stop(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)c;
    (void)s;
    return refuse_word(x, "a shutdown", "ends the server under it");
}

static struct err *rule_import(struct classify *x, struct cursor *c, struct statement *s)
{
    (void)x;
    (void)c;
    return step(s, STEP_OTHER, VERB_OTHER);
}

static const struct rule {
    const char *word; /* the statement's first; all others are class X */
    struct err *(*apply)(struct classify *x, struct cursor *c, struct statement *s);
    enum {
        PLAIN,              /* as the function says */
        COMMITS,            /* before it begins, but for what is temporary */
        COMMITS_REPEATABLE, /* if it is one of class R */
        READS,              /* nothing is changed by it */
    } in_transaction;
} rules[] = {
    { "CREATE", my_create, COMMITS },
    { "DROP", my_drop, COMMITS },
    { "ALTER", my_alter, COMMITS },
    { "RENAME", my_rename, COMMITS },
    { "TRUNCATE", my_truncate, COMMITS },
    { "SET", rule_set, PLAIN },
    { "USE", rule_session, PLAIN },
    { "PREPARE", rule_prepared, PLAIN },
    { "DEALLOCATE", rule_prepared, PLAIN },
    { "SELECT", rule_dml, PLAIN },
    { "INSERT", rule_insert, PLAIN },
    { "REPLACE", rule_insert, PLAIN },
    { "UPDATE", rule_change, PLAIN },
    { "DELETE", rule_change, PLAIN },
    { "WITH", rule_dml, PLAIN },
    { "VALUES", rule_dml, PLAIN },
    { "TABLE", rule_dml, PLAIN },
    { "OPTIMIZE", rule_repeat, COMMITS },
    { "CHECK", rule_repeat, COMMITS },
    { "CHECKSUM", rule_repeat, READS },
    { "REPAIR", rule_repeat, COMMITS },
    { "SHOW", rule_repeat, READS },
    { "DESCRIBE", rule_repeat, READS },
    { "DESC", rule_repeat, READS },
    { "EXPLAIN", rule_repeat, READS },
    { "GRANT", rule_repeat, COMMITS },
    { "ANALYZE", rule_analyze, COMMITS_REPEATABLE },
    { "FLUSH", rule_flush, COMMITS },
    { "REVOKE", rule_revoke, COMMITS },
    { "LOAD", rule_load, COMMITS_REPEATABLE },
    { "IMPORT", rule_import, COMMITS },
    { "LOCK", rule_lock, PLAIN },
    { "UNLOCK", rule_unlock, PLAIN },
    { "BEGIN", rule_begin, PLAIN },
    { "START", rule_start, PLAIN },
    { "COMMIT", rule_commit, PLAIN },
    { "ROLLBACK", rule_rollback, PLAIN },
    { "SAVEPOINT", rule_savepoint, PLAIN },
    { "RELEASE", rule_savepoint, PLAIN },
    { "XA", rule_xa, PLAIN },
    { "KILL", rule_kill, PLAIN },
    { "SHUTDOWN", rule_stop, PLAIN },
    { "RESTART", rule_stop, PLAIN },
};

/* How it stands in the server's transactions, and in ours. */
static void decide_transaction(const struct rule *rule, struct statement *s)
{
    const bool repeatable = s->class == STEP_REPEATABLE;
    const bool temporary = repeatable && s->touches_session;

    if (s->class != STEP_SESSION && !temporary) {
        s->commits = s->commits || rule->in_transaction == COMMITS ||
                     (rule->in_transaction == COMMITS_REPEATABLE && repeatable);
    }
    s->grouped = s->grouped || temporary || s->class == STEP_TRANSACTIONAL ||
                 rule->in_transaction == READS || (s->class == STEP_SESSION && !s->lasting);
}

static struct err *classify_words(struct classify *x, struct cursor *c, struct statement *s)
{
    if (cursor_is_symbol(c, '(')) { /* (SELECT ...) UNION ... */
        TRY(rule_dml(x, c, s));
        s->grouped = s->class == STEP_TRANSACTIONAL;
        return NULL;
    }
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (cursor_take(c, rules[i].word)) {
            TRY(rules[i].apply(x, c, s));
            decide_transaction(&rules[i], s);
            return NULL;
        }
    }
    return step(s, STEP_OTHER, VERB_OTHER);
}

/* The body of a stored program is only stored here, not run. */
static bool stores_program(const struct statement *s)
{
    static const char *const types[] = { "trigger", "procedure", "function", "event" };

    for (size_t i = 0; s->object_count > 0 && i < sizeof types / sizeof *types; i++) {
        if (strcmp(s->objects[0].type, types[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* The run's own lock is one of the session's named locks. */
static struct err *refuse_locks(struct classify *x)
{
    static const char *const functions[] = { "GET_LOCK", "RELEASE_LOCK", "RELEASE_ALL_LOCKS",
                                             NULL };
    struct cursor c = cursor_make(x->lexer, x->start, x->end);

    for (; !cursor_at_end(&c); cursor_next(&c)) {
        if (c.tok.kind == TOKEN_WORD && cursor_is_one_of(&c, functions)) {
            struct token word = c.tok;
            cursor_next(&c);
            if (cursor_is_symbol(&c, '(')) {
                return REFUSE(
                    x, REASON_INVALID_MIGRATION,
                    "%.*s() in a migration could release the lock that protects this run: "
                    "remove it",
                    (int)(word.end - word.start), c.lx.text + word.start);
            }
        }
    }
    return NULL;
}

struct err *classify_my(struct classify *x, struct statement *s)
{
    struct cursor c = cursor_make(x->lexer, x->start, x->end);

    TRY(classify_words(x, &c, s));
    s->in_transaction_ok = s->class == STEP_TRANSACTIONAL || s->class == STEP_SESSION;
    return stores_program(s) ? NULL : refuse_locks(x);
}
