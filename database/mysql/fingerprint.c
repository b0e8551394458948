// SPDX-License-Identifier: Apache-2.0
// The state of the objects that a statement names: SHA-256 over SHOW CREATE (docs/explanation/engine.md 6.1).
#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "database/mysql/run.h"
#include "model/reason.h"

#define STATES_MAX 4096 /* objects of one statement */

static const struct show {
    const char *type;
    const char *sql;   // the name follows
    size_t text, mode; // columns; mode 0: none
    bool in_schema;
} shows[] = {
    { "table", "SHOW CREATE TABLE ", 1, 0, true },
    { "view", "SHOW CREATE VIEW ", 1, 0, true },
    { "trigger", "SHOW CREATE TRIGGER ", 2, 1, true }, // column Created changes, it is left out
    { "procedure", "SHOW CREATE PROCEDURE ", 2, 1, true },
    { "function", "SHOW CREATE FUNCTION ", 2, 1, true },
    { "event", "SHOW CREATE EVENT ", 3, 1, true },
    { "sequence", "SHOW CREATE SEQUENCE ", 1, 0, true },
    { "database", "SHOW CREATE DATABASE ", 1, 0, false },
};

static const struct show *find_show(const char *type)
{
    for (size_t i = 0; i < sizeof shows / sizeof *shows; i++) {
        if (str_eq(shows[i].type, type)) {
            return &shows[i];
        }
    }
    return NULL;
}

void mydb_states_done(struct mydb_states *states)
{
    for (size_t i = 0; i < states->count; i++) {
        free(states->items[i].type);
        free(states->items[i].name);
        free(states->items[i].definition);
    }
    free(states->items);
    *states = (struct mydb_states){ 0 };
}

static void set_state(struct mydb_state *s, const char *text)
{
    snprintf(s->state, sizeof s->state, "%s", text);
}

static void set_definition(struct mydb_state *s, const char *text)
{
    mem_strset(&s->definition, text);
    sha256_hex(text, strlen(text), s->state);
}

static void keep_row(const struct show *show, char **row, size_t columns, struct mydb_state *out)
{
    if (columns <= show->text || !row || !row[show->text]) { // not the definer: the body is NULL
        set_state(out, MYDB_UNREADABLE);
        return;
    }
    AUTO(buf_done) struct buf text = BUF(MYDB_SQL_MAX);
    if (show->mode) {
        buf_adds(&text, row[show->mode] ? row[show->mode] : "");
        buf_addc(&text, '\n');
    }
    if (str_eq(show->type, "table")) {
        mydb_normalize_table(row[show->text], &text);
    } else {
        buf_adds(&text, row[show->text]);
    }
    set_definition(out, buf_text(&text));
}

// ---- views: with every name in full, whatever the current schema ----------------------------------

static bool is_view(const struct mydb_state *s)
{
    return s->definition && (str_eq(s->type, "view") ||
                             (str_eq(s->type, "table") && strstr(s->definition, " VIEW `") &&
                              !str_starts(s->definition, "CREATE TABLE")));
}

static struct err *read_view(struct mydb *m, struct mydb_state *s)
{
    AUTO(free_auto) char *schema = NULL;
    AUTO(free_auto) char *name = mydb_name_parts(s->name, &schema);
    AUTO(buf_done) struct buf sql = BUF(8192);
    buf_adds(&sql, "SELECT CONCAT_WS('\n', check_option, character_set_client, "
                   "collation_connection, view_definition) FROM information_schema.views "
                   "WHERE view_definition <> '' AND table_schema=");
    mydb_add_text(&sql, schema);
    buf_adds(&sql, " AND table_name=");
    mydb_add_text(&sql, name);
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    const unsigned code = mydb_try_read(m, buf_text(&sql), &result);
    char **row = code == 0 ? mydb_next(result) : NULL;
    if (code && (mydb_lost(m) || mydb_error_is_lock(code))) {
        return mydb_error(m, "read the definition of a view");
    }
    if (!row || !row[0]) {
        free(s->definition);
        s->definition = NULL;
        set_state(s, MYDB_UNREADABLE);
        return NULL;
    }
    AUTO(free_auto) char *text =
        mem_printf("%.*s\n%s", (int)mydb_view_head(s->definition), s->definition, row[0]);
    set_definition(s, text);
    return NULL;
}

// ---- reading ------------------------------------------------------------------------------------

static struct err *show_create(struct mydb *m, struct mydb_state *s)
{
    const struct show *show = find_show(s->type);
    if (!show || !mydb_name_is_quoted(s->name)) {
        set_state(s, MYDB_UNREADABLE);
        return NULL;
    }
    AUTO(free_auto) char *sql = mem_printf("%s%s", show->sql, s->name);
    AUTO(mydb_result_free_auto) struct mydb_result *result = NULL;
    const unsigned code = mydb_try_read(m, sql, &result);
    char **row = code == 0 ? mydb_next(result) : NULL;
    if (row) {
        keep_row(show, row, mydb_columns(result), s);
    } else if (mydb_error_is_absent(code)) {
        set_state(s, MYDB_ABSENT);
    } else if (mydb_lost(m) || mydb_error_is_lock(code)) {
        return mydb_error(m, "read the definition of an object");
    } else {
        set_state(s, MYDB_UNREADABLE);
    }
    return NULL;
}

// The first reading was in the file's time zone; most tables have nothing that shows it.
static struct err *read_in_utc(struct mydb *m, struct mydb_state *s)
{
    TRY(mydb_utc_begin(m));
    struct err *e = show_create(m, s);
    return e ? e : mydb_utc_end(m);
}

static struct err *read_state(struct mydb *m, struct mydb_state *s)
{
    TRY(show_create(m, s));
    if (s->form == MYDB_FORM_SESSION) {
        if (s->definition && str_eq(s->type, "table") && mydb_shows_time(s->definition)) {
            set_state(s, MYDB_UNREADABLE); // the session that hashed it is gone, with its time zone
        }
        return NULL;
    }
    if (is_view(s)) {
        return read_view(m, s);
    }
    const bool zoned = !m->session.foreign && s->definition && str_eq(s->type, "table") &&
                       mydb_shows_time(s->definition);
    return zoned ? read_in_utc(m, s) : NULL;
}

static struct err *read_states(struct mydb *m, struct mydb_states *states)
{
    TRY(mydb_own_begin(m));
    for (size_t i = 0; i < states->count; i++) {
        TRY(read_state(m, &states->items[i]));
    }
    return mydb_own_end(m);
}

static char *qualified(const struct mydb *m, const struct show *show, const struct object_ref *ref)
{
    AUTO(buf_done) struct buf name = BUF(4096);
    if (show && show->in_schema) {
        mydb_add_ident(&name, ref->schema && *ref->schema ? ref->schema : mydb_session_schema(m));
        buf_addc(&name, '.');
    }
    mydb_add_ident(&name, ref->name);
    return buf_take(&name);
}

struct err *mydb_fingerprint(struct mydb *m, const struct statement *s, struct mydb_states *out)
{
    AUTO(mydb_states_done) struct mydb_states states = { 0 };
    const size_t most = s->object_count < STATES_MAX ? s->object_count : STATES_MAX;
    states.items = mem_array(most + 1, sizeof *states.items);
    for (size_t i = 0; i < most; i++) {
        const struct object_ref *ref = &s->objects[i];
        if (str_eq(ref->type, "index")) { // the text of its table tells
            continue;
        }
        struct mydb_state *state = &states.items[states.count++];
        state->type = mem_strdup(ref->type ? ref->type : "");
        state->name = qualified(m, find_show(ref->type), ref);
        state->form = MYDB_FORM_FIXED;
    }
    TRY(read_states(m, &states));
    *out = states;
    states = (struct mydb_states){ 0 };
    return NULL;
}

struct err *mydb_fingerprint_again(struct mydb *m, const struct mydb_states *before,
                                   struct mydb_states *out)
{
    AUTO(mydb_states_done) struct mydb_states states = { 0 };
    states.items = mem_array(before->count + 1, sizeof *states.items);
    for (; states.count < before->count; states.count++) {
        states.items[states.count].type = mem_strdup(before->items[states.count].type);
        states.items[states.count].name = mem_strdup(before->items[states.count].name);
        states.items[states.count].form = before->items[states.count].form;
    }
    TRY(read_states(m, &states));
    *out = states;
    states = (struct mydb_states){ 0 };
    return NULL;
}

// ---- as JSON ------------------------------------------------------------------------------------

char *mydb_states_format(const struct mydb_states *states, bool definitions)
{
    AUTO(json_free_auto) struct json *array = json_array();
    for (size_t i = 0; i < states->count; i++) {
        struct json *object = json_object();
        json_set_string(object, "type", states->items[i].type);
        json_set_string(object, "name", states->items[i].name);
        json_set_string(object, "state", states->items[i].state);
        if (states->items[i].form == MYDB_FORM_FIXED) {
            json_set_int64(object, "form", MYDB_FORM_FIXED);
        }
        if (definitions) {
            json_set_string_opt(object, "definition", states->items[i].definition);
        }
        json_push(array, object);
    }
    return json_text(array);
}

static bool is_word(const char *state)
{
    uint8_t digest[SHA256_LEN];
    return str_eq(state, MYDB_ABSENT) || str_eq(state, MYDB_UNREADABLE) ||
           (strlen(state) == SHA256_HEX_LEN && hex_parse(state, SHA256_HEX_LEN, digest));
}

bool mydb_states_parse(const char *text, struct mydb_states *out)
{
    AUTO(json_free_auto) struct json *root = NULL;
    AUTO(err_free_auto) struct err *e = json_parse(text, strlen(text), "pre_state", &root);
    if (e || json_type(root) != JSON_ARRAY) {
        return false;
    }
    AUTO(mydb_states_done) struct mydb_states states = { 0 };
    states.items = mem_array(json_count(root) + 1, sizeof *states.items);
    for (const struct json *item = json_first(root); item; item = json_next(item)) {
        const char *type = json_get_string(item, "type"), *name = json_get_string(item, "name");
        const char *state = json_get_string(item, "state");
        if (!type || !name || !state || !is_word(state) || !mydb_name_is_quoted(name)) {
            return false;
        }
        struct mydb_state *s = &states.items[states.count++];
        s->type = mem_strdup(type);
        s->name = mem_strdup(name);
        set_state(s, state);
        s->form = json_get(item, "form") ? MYDB_FORM_FIXED : MYDB_FORM_SESSION;
        s->definition = mem_strdup(json_get_string(item, "definition"));
    }
    *out = states;
    states = (struct mydb_states){ 0 };
    return true;
}

void mydb_states_take_definitions(struct mydb_states *states, const char *text)
{
    AUTO(mydb_states_done) struct mydb_states full = { 0 };
    if (!text || !mydb_states_parse(text, &full) || full.count != states->count) {
        return;
    }
    for (size_t i = 0; i < full.count; i++) {
        struct mydb_state *to = &states->items[i], *from = &full.items[i];
        char hash[SHA256_HEX_LEN + 1];
        sha256_hex(from->definition ? from->definition : "",
                   from->definition ? strlen(from->definition) : 0, hash);
        if (from->definition && str_eq(to->name, from->name) && str_eq(to->state, hash)) {
            to->definition = from->definition;
            from->definition = NULL;
        }
    }
}
