// SPDX-License-Identifier: Apache-2.0
// What a statement makes of the objects that it names, found out by applying it to empty ones made from their
// definitions (docs/explanation/engine.md 6.4). Only at a recovery: an ordinary run pays nothing.
#include "base/hash.h"
#include "base/mem.h"
#include "database/mysql/run.h"
#include "model/lines.h"
#include "reconcile/migration/script.h"

#define LIMIT_MS 10000 // of each statement here: on empty objects

struct scratch {
    struct mydb *m;
    struct mydb *ours; // makes, reads and removes the objects
    struct mydb *file; // has the file's settings
    const struct script *script;
    const struct statement *s;
    const struct mydb_states *before, *now;
    struct mydb_states made; // type and name of each object here
    char prefix[24];         // of every name of ours: objects and constraints
    char **why;
};

static void scratch_done(struct scratch *x)
{
    if (x->ours) {
        mydb_close(&x->ours->base);
    }
    if (x->file) {
        mydb_close(&x->file->base);
    }
    mydb_states_done(&x->made);
}

// The answer is "unknown", for the person who is asked.
static bool cannot(struct scratch *x, const char *why)
{
    if (!*x->why) {
        *x->why = mem_strdup(why);
    }
    return false;
}

static bool refused(struct scratch *x, const struct mydb *m, const char *what)
{
    AUTO(free_auto) char *said = mydb_said(m, NULL);
    AUTO(free_auto)
    char *why = mem_printf("%s on a copy without rows: %u %s", what, m->failure.code, said);
    return cannot(x, why);
}

static bool run_on(struct mydb *m, const char *sql)
{
    return mydb_send(m, sql, strlen(sql)) == 0;
}

static bool well(struct err *e)
{
    const bool well = !e;
    err_free(e);
    return well;
}

// ---- where ---------------------------------------------------------------------------------------

static struct err *open_session(const struct scratch *x, struct mydb **out)
{
    struct db *db = NULL;
    TRY(mydb_open(x->m->target, &x->m->options, &db));
    *out = mydb_of(db);
    return mydb_session_limits(*out, LIMIT_MS, LIMIT_MS);
}

// One for each lock, so that what a killed recovery left is found again.
static void make_prefix(struct scratch *x)
{
    AUTO(free_auto) char *of = mem_printf("%s\n%s", x->m->base.identity.schema, x->m->base.table);
    char hash[SHA256_HEX_LEN + 1];
    sha256_hex(of, strlen(of), hash);
    snprintf(x->prefix, sizeof x->prefix, "sluice_%.8s_", hash);
}

static void remove_all(struct scratch *x)
{
    for (size_t i = 0; i < x->made.count; i++) {
        (void)well(mydb_execf(x->ours, "remove a copy", "DROP %s IF EXISTS %s",
                              x->made.items[i].type, x->made.items[i].name));
    }
}

// Beside the object: rights on its schema are enough, and what it refers to means the same.
static void name_objects(struct scratch *x)
{
    make_prefix(x);
    x->made.items = mem_array(x->before->count + 1, sizeof *x->made.items);
    for (size_t i = 0; i < x->before->count; i++) {
        AUTO(free_auto) char *schema = NULL;
        AUTO(free_auto) char *name = mydb_name_parts(x->before->items[i].name, &schema);
        AUTO(free_auto) char *ours = mem_printf("%s%s", x->prefix, name);
        AUTO(buf_done) struct buf quoted = BUF(1024);
        if (*schema) {
            mydb_add_ident(&quoted, schema);
            buf_addc(&quoted, '.');
        }
        mydb_add_ident(&quoted, ours);
        struct mydb_state *to = &x->made.items[x->made.count++];
        to->type = mem_strdup(x->before->items[i].type);
        to->name = buf_take(&quoted);
        to->form = MYDB_FORM_FIXED;
    }
    remove_all(x);
}

// ---- the objects as they were ---------------------------------------------------------------------

// Not FEDERATED, CONNECT or MERGE: an empty copy of those is not empty.
static bool engine_is_plain(const char *text)
{
    static const char *const plain[] = { "InnoDB", "MyISAM",  "Aria", "MEMORY",
                                         "CSV",    "ARCHIVE", NULL };
    const char *at = strstr(text, "ENGINE=");
    for (size_t i = 0; at && plain[i]; i++) {
        if (str_starts(at + strlen("ENGINE="), plain[i])) {
            return true;
        }
    }
    return !at;
}

static bool make_object(struct scratch *x, size_t i)
{
    const struct mydb_state *was = &x->before->items[i];
    if (str_eq(was->state, MYDB_ABSENT)) {
        return true;
    }
    AUTO(free_auto) char *sql =
        was->definition ? mydb_renamed_definition(was->type, was->definition, x->made.items[i].name)
                        : NULL;
    if (!sql || !engine_is_plain(sql)) {
        return cannot(x, "the definition from before is not known");
    }
    AUTO(free_auto) char *ours = mydb_prefix_constraints(sql, (struct my_quotes){ 0 }, x->prefix);
    return run_on(x->ours, ours) || refused(x, x->ours, "the definition from before was refused");
}

static bool make_objects(struct scratch *x)
{
    if (!run_on(x->ours, "SET sql_mode='', foreign_key_checks=0, time_zone='+00:00'")) {
        return refused(x, x->ours, "SET was refused");
    }
    for (size_t i = 0; i < x->before->count; i++) {
        if (!make_object(x, i)) {
            return false;
        }
    }
    return true;
}

// ---- the statement ---------------------------------------------------------------------------------

static bool replay_settings(struct scratch *x)
{
    for (size_t i = 0; &x->script->statements[i] < x->s; i++) {
        const struct statement *s = script_at(x->script, i);
        if (s->verb == VERB_SET && s->class == STEP_TRANSACTIONAL) {
            return cannot(x, "a SET above it has a computed value");
        }
        if (s->class == STEP_SESSION && s->verb == VERB_SET && !run_on(x->file, s->text)) {
            return refused(x, x->file, "a SET or USE above it was refused");
        }
    }
    x->file->session.lock_s = -1; // a SET of the file may have changed them
    return true;
}

// CREATE TABLE … SELECT: the server makes table and rows as a whole, if the engine has transactions.
static bool copies_rows(const struct statement *s)
{
    return s->verb == VERB_CREATE && mydb_fills_table(s);
}

// The statement with the names of our objects. Spans are in the order of the text.
static char *renamed_statement(const struct scratch *x)
{
    const struct statement *s = x->s;
    AUTO(free_auto)
    struct text_edit *edits = mem_array(s->object_count + 1, sizeof *edits);
    size_t made = 0;
    for (size_t i = 0; i < s->object_count; i++) {
        const struct object_ref *ref = &s->objects[i];
        if (str_eq(ref->type, "index")) {
            continue;
        }
        if (made == x->made.count || ref->start < s->expanded_offset) {
            return NULL;
        }
        edits[made] = (struct text_edit){ ref->start - s->expanded_offset,
                                          ref->end - s->expanded_offset, x->made.items[made].name };
        made++;
    }
    return made == x->made.count ? script_edited(s, edits, made) : NULL;
}

static bool apply_statement(struct scratch *x)
{
    AUTO(free_auto) char *sql = renamed_statement(x);
    if (!sql) {
        return cannot(x, "it cannot be applied to a copy without rows");
    }
    for (size_t i = 0; i < x->now->count; i++) {
        if (x->now->items[i].definition && !engine_is_plain(x->now->items[i].definition)) {
            return cannot(x,
                          "its engine keeps the rows elsewhere, so that a copy would not be empty");
        }
    }
    if (copies_rows(x->s) && !strstr(x->now->items[0].definition, "ENGINE=InnoDB")) {
        return cannot(x, "a table without transactions may have a part of its rows");
    }
    AUTO(free_auto) char *named = mydb_prefix_constraints(sql, x->s->quotes, x->prefix);
    AUTO(free_auto) char *ours = mem_printf("%s%s", named, copies_rows(x->s) ? "\nLIMIT 0" : "");
    return run_on(x->file, ours) || refused(x, x->file, "the statement was refused");
}

// ---- the comparison --------------------------------------------------------------------------------

// Names of ours as the file's.
static char *without_prefix(const struct scratch *x, const char *text)
{
    const size_t length = strlen(x->prefix);
    AUTO(buf_done) struct buf out = BUF(MYDB_SQL_MAX);
    for (const char *p = text, *hit;; p = hit + length) {
        hit = strstr(p, x->prefix);
        buf_add(&out, p, hit ? (size_t)(hit - p) : strlen(p));
        if (!hit) {
            return buf_take(&out);
        }
    }
}

static bool is_same(const struct scratch *x, const struct mydb_state *now,
                    const struct mydb_state *wanted)
{
    if (!now->definition || !wanted->definition) {
        return str_eq(now->state, MYDB_ABSENT) && str_eq(wanted->state, MYDB_ABSENT);
    }
    AUTO(free_auto) char *text = without_prefix(x, wanted->definition);
    return lines_equal(now->definition, text); // a body keeps those that it was sent with
}

static struct err *compare(struct scratch *x, bool *equal)
{
    AUTO(mydb_states_done) struct mydb_states wanted = { 0 };
    TRY(mydb_fingerprint_again(x->ours, &x->made, &wanted));
    *equal = true;
    for (size_t i = 0; i < wanted.count; i++) {
        *equal &= is_same(x, &x->now->items[i], &wanted.items[i]);
    }
    return NULL;
}

// ---- triggers and events ---------------------------------------------------------------------------

// The server keeps a trigger's body as it was sent; MySQL writes the head anew.
static bool is_text_of(const struct statement *s, const struct mydb_state *now)
{
    AUTO(free_auto) char *schema = NULL;
    AUTO(free_auto) char *name = mydb_name_parts(now->name, &schema);
    (void)name;
    return now->definition && mydb_same_trigger(s->text, now->definition, schema);
}

static bool has_no_copy(const char *type)
{
    return str_eq(type, "trigger") || str_eq(type, "event");
}

// ---- all of it -------------------------------------------------------------------------------------

static struct err *try_out(struct scratch *x, bool *equal)
{
    TRY(open_session(x, &x->ours));
    TRY(open_session(x, &x->file));
    name_objects(x);
    if (!make_objects(x) || !replay_settings(x)) {
        return NULL;
    }
    TRY(mydb_session_limits(x->file, LIMIT_MS, LIMIT_MS));
    return apply_statement(x) ? compare(x, equal) : NULL;
}

// What a lost connection or a lock left open is tried again: it says nothing about the statement.
static struct err *interrupted(const struct mydb *m)
{
    if (!m || (!mydb_lost(m) && !mydb_error_is_lock(m->failure.code))) {
        return NULL;
    }
    return mydb_error(m, "find out what became of an interrupted statement");
}

struct err *mydb_expected(struct run *run, const struct script *script, size_t index,
                          const struct mydb_states *before, const struct mydb_states *now,
                          bool *equal, char **why)
{
    AUTO(scratch_done) struct scratch x = { .m = mydb_of(run->db),
                                            .script = script,
                                            .s = script_at(script, index),
                                            .before = before,
                                            .now = now,
                                            .why = why };
    *equal = false;
    if (has_no_copy(before->items[0].type)) {
        *equal = str_eq(before->items[0].type, "trigger") && x.s->verb == VERB_CREATE &&
                 is_text_of(x.s, &now->items[0]);
        return NULL;
    }
    struct err *e = try_out(&x, equal);
    e = e ? e : interrupted(x.ours);
    e = e ? e : interrupted(x.file);
    if (x.ours) {
        remove_all(&x);
    }
    return e;
}
