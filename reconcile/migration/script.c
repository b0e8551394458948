/* SPDX-License-Identifier: Apache-2.0 */
/* One file to classified statements, and the decision how it runs. */
#include "reconcile/migration/script.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "model/history.h"
#include "model/lines.h"
#include "reconcile/migration/classify.h"
#include "reconcile/migration/control.h"
#include "reconcile/migration/split.h"

#define PIECE ((size_t)1024 * 1024) /* of a file that may be larger than memory */

struct reading { /* one script_parse() */
    enum engine engine;
    const struct migration *m;
    struct script *script;
    struct splitter splitter;
    struct control control;
    bool split_drops;   /* a DROP of several objects is a step for each */
    struct position at; /* in the raw file; moves forward with the statements */
};

static void statement_keep(struct script *script, const struct statement *s)
{
    script->statements =
        mem_grow(script->statements, &script->cap, script->count + 1, sizeof *script->statements);
    script->statements[script->count++] = *s;
}

/* A text moves out of memory. */
static char *move(struct script *script, char *text, size_t length)
{
    char *there = text ? script->large->ops->spool_add(script->store, 1, text, length + 1) : NULL;

    free(text);
    return there;
}

static void move_ref(struct script *script, struct object_ref *ref)
{
    char **const texts[] = { &ref->type, &ref->schema, &ref->name };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *texts[i] = move(script, *texts[i], *texts[i] ? strlen(*texts[i]) : 0);
    }
}

static struct err *open_spools(struct script *script)
{
    const struct large_ops *ops = script->large->ops;

    if (!script->array) {
        TRY(ops->spool_new(LIMIT_SPOOL, &script->array));
    }
    return script->store ? NULL : ops->spool_new(LIMIT_SPOOL, &script->store);
}

/* All that it owns moves out of memory, and it too. */
static struct err *statement_spool(struct script *script, struct statement *s)
{
    const struct large_ops *ops = script->large->ops;

    s->text = move(script, s->text, s->text_length);
    for (size_t i = 0; i < s->object_count; i++) {
        move_ref(script, &s->objects[i]);
    }
    move_ref(script, &s->writes);
    struct object_ref *objects = s->objects;
    s->objects = objects ? ops->spool_add(script->store, _Alignof(struct object_ref), objects,
                                          s->object_count * sizeof *objects)
                         : NULL;
    free(objects);
    struct statement *there =
        ops->spool_add(script->array, _Alignof(struct statement), s, sizeof *s);
    TRY(ops->spool_check(script->store));
    TRY(ops->spool_check(script->array));
    script->statements = script->statements ? script->statements : there;
    script->count++;
    script_touch(script, sizeof *s + s->text_length);
    return NULL;
}

/* A statement that is not in the script yet is released by making it one of another script. */
static void statement_release(struct statement *s)
{
    struct script holder = { 0 };

    statement_keep(&holder, s);
    script_done(&holder);
    *s = (struct statement){ 0 };
}

/* The data of a COPY is the script's own where that is spooled. */
static void drop(const struct script *script, struct statement *s)
{
    s->copy_data = script_is_spooled(script) ? NULL : s->copy_data;
    statement_release(s);
}

/* Takes it, whatever comes of it. */
static struct err *statement_add(struct script *script, struct statement *s)
{
    if (!script_is_spooled(script)) {
        statement_keep(script, s);
        return NULL;
    }
    struct err *e = open_spools(script);
    if (e) {
        drop(script, s);
        return e;
    }
    return statement_spool(script, s);
}

/* In pieces: between two statements there may be more data than memory takes. */
static void advance(struct reading *r, size_t offset)
{
    while (r->at.offset + PIECE < offset) {
        position_advance((const char *)migration_bytes(r->m), r->m->size, &r->at,
                         r->at.offset + PIECE);
        script_touch(r->script, PIECE);
    }
    position_advance((const char *)migration_bytes(r->m), r->m->size, &r->at, offset);
}

static struct statement statement_make(struct reading *r, const struct piece *piece)
{
    const struct script *script = r->script;
    const char *raw = (const char *)migration_bytes(r->m);
    size_t start = script_map_source(script, piece->code, false);
    size_t end = script_map_source(script, piece->end, true);

    advance(r, start);
    struct statement s = {
        .source_offset = start,
        .source_length = end - start,
        .line = r->at.line,
        .column = r->at.column,
        .text = mem_strndup(script->expanded + piece->code, piece->end - piece->code),
        .text_length = piece->end - piece->code,
        .expanded_offset = piece->code,
        .quotes = { .no_backslash = !r->splitter.c.lx.backslash,
                    .ansi = r->splitter.c.lx.ansi_quotes },
    };
    lines_sha256(raw + start, end - start, s.sha256);
    if (piece->has_copy) {
        s.copy_length = piece->copy_end - piece->copy_start;
        s.copy_data = script->expanded + piece->copy_start;
        s.copy_data =
            script_is_spooled(script) ? s.copy_data : mem_strndup(s.copy_data, s.copy_length);
    }
    return s;
}

/* DROP TABLE a, b -> DROP TABLE a; DROP TABLE b: the text around the list stays, so IF EXISTS,
 * CASCADE and a conditional comment do too. */
static struct err *add_each_object(struct reading *r, struct statement *whole,
                                   const struct classify *x)
{
    struct err *e = NULL;
    const char *text = r->script->expanded;
    size_t list_end = x->spans[x->span_count - 1].end;
    const char *raw = (const char *)migration_bytes(r->m);

    for (size_t i = 0; !e && i < x->span_count; i++) {
        const struct name_span *span = &x->spans[i];
        AUTO(buf_done) struct buf part = BUF(LIMIT_EXPANDED);
        buf_add(&part, text + x->start, x->spans[0].start - x->start);
        buf_add(&part, text + span->start, span->end - span->start);
        buf_add(&part, text + list_end, x->end - list_end);

        struct statement s = *whole;
        position_advance(raw, r->m->size, &r->at, script_map_source(r->script, span->start, false));
        s.line = r->at.line;
        s.column = r->at.column;
        s.text_length = part.len;
        s.text = buf_take(&part);
        s.objects = mem_array(1, sizeof *s.objects);
        s.objects[0] = whole->objects[i];
        s.object_count = 1;
        whole->objects[i] = (struct object_ref){ 0 };
        e = statement_add(r->script, &s);
    }
    statement_release(whole);
    return e;
}

static void add_notice(struct reading *r, const struct statement *s)
{
    if (s->verb == VERB_LOCK_TABLES) {
        AUTO(free_auto) char *text =
            mem_printf("%s:%d: LOCK TABLES is skipped", r->m->path, s->line);
        strlist_add(&r->script->notices, text);
    }
}

static void note_passed_over(struct reading *r, int line, const char *what)
{
    AUTO(free_auto) char *text = mem_printf("%s:%d: %s is passed over", r->m->path, line, what);
    strlist_add(&r->script->notices, text);
}

/* What a later statement runs under is told by the texts of the settings above it, in their order. */
static void add_mark(struct script *script, const struct statement *s)
{
    const char *before = script_session(script, script->count);
    AUTO(buf_done) struct buf text = BUF(LIMIT_EXPANDED + SHA256_HEX_LEN);
    buf_adds(&text, before);
    for (const char *p = s->text; *p; p++) {
        if (*p != '\r') {
            buf_addc(&text, *p);
        }
    }
    script->marks =
        mem_grow(script->marks, &script->mark_cap, script->mark_count + 1, sizeof *script->marks);
    struct session_mark *mark = &script->marks[script->mark_count++];
    mark->index = script->count;
    sha256_hex(buf_text(&text), text.len, mark->sha256);
}

bool statement_was(const struct statement *s, const struct migration *m, const char *sha256_hex)
{
    const uint8_t *bytes = migration_bytes(m);

    return bytes && lines_are(bytes + s->source_offset, s->source_length, sha256_hex);
}

const char *script_session(const struct script *script, size_t index)
{
    for (size_t i = script->mark_count; i > 0; i--) {
        if (script->marks[i - 1].index < index) {
            return script->marks[i - 1].sha256;
        }
    }
    return "";
}

static struct err *read_piece(struct reading *r, const struct piece *piece)
{
    struct classify x = {
        .m = r->m,
        .script = r->script,
        .lexer = &r->splitter.c.lx,
        .control = &r->control,
        .start = piece->code,
        .end = piece->end,
    };
    if (r->script->count >= LIMIT_STATEMENTS && !script_is_spooled(r->script)) {
        return REFUSE(&x, REASON_INVALID_MIGRATION, "more than %d statements in one file",
                      LIMIT_STATEMENTS);
    }
    struct statement s = statement_make(r, piece);
    struct lexer *lexer = &r->splitter.c.lx;
    bool pg = r->engine == ENGINE_POSTGRESQL;
    struct err *e = pg ? classify_pg(&x, &s) : classify_my(&x, &s);
    if (!e && x.passed_over) {
        note_passed_over(r, s.line, x.passed_over);
        drop(r->script, &s);
        free(x.passed_over);
        return NULL;
    }
    e = e ? e : control_check(&x, &s);
    if (e) {
        free(x.spans);
        drop(r->script, &s);
        return e;
    }
    if (s.verb == VERB_SET && s.class != STEP_NONE) {
        pg ? follow_settings_pg(&x, lexer) : follow_settings_my(&x, lexer);
    }
    add_notice(r, &s);
    if (s.verb == VERB_SET && s.class == STEP_SESSION) {
        add_mark(r->script, &s);
    }
    e = x.span_count > 1 && r->split_drops ? add_each_object(r, &s, &x)
                                           : statement_add(r->script, &s);
    free(x.spans);
    return e;
}

/* The first words of a statement, for a message. */
static char *title(const struct statement *s)
{
    size_t length = 0;
    int words = 0;

    while (length < s->text_length && length < 48 && words < 3) {
        if (strchr(" \t\r\n(", s->text[length]) && ++words == 3) {
            break;
        }
        length++;
    }
    char *text = mem_strndup(s->text, str_utf8_cut(s->text, s->text_length, length));
    for (char *p = text; *p; p++) {
        *p = strchr("\t\r\n", *p) ? ' ' : *p;
    }
    return text;
}

static struct err *refuse_mixed(const struct migration *m, const struct statement *outside,
                                const struct statement *inside)
{
    AUTO(free_auto) char *what = title(outside);
    AUTO(free_auto) char *other = title(inside);

    return ERR_AT(m, outside->source_offset, REASON_INVALID_MIGRATION,
                  "%s cannot run in a transaction, but %s in line %d needs one: split the file, or "
                  "begin it with the line -- sluice: transaction=none",
                  what, other, inside->line);
}

/* What is meant for the present transaction means nothing where every statement has its own. */
static struct err *check_steps(const struct migration *m, const struct script *script)
{
    for (size_t i = 0; i < script->count; i++) {
        const struct statement *s = script_at(script, i);
        if (s->sets_config) { /* it is made again before each statement, as a SET is */
            return ERR_AT(m, s->source_offset, REASON_INVALID_MIGRATION,
                          "set_config() is undone behind its own statement here, because the "
                          "statements of this "
                          "file share no transaction: write SET, or SELECT set_config('name', "
                          "'value', false) "
                          "as a statement of its own");
        }
        bool scoped = s->class == STEP_TRANSACTIONAL &&
                      (s->verb == VERB_SET || s->verb == VERB_SET_TRANSACTION);
        if (scoped) {
            AUTO(free_auto) char *what = title(s);
            return ERR_AT(m, s->source_offset, REASON_INVALID_MIGRATION,
                          "%s has no effect here: the statements of this file share no transaction",
                          what);
        }
    }
    return NULL;
}

static struct err *decide_pg(const struct migration *m, struct script *script)
{
    const struct statement *outside = NULL;
    const struct statement *inside = NULL;

    for (size_t i = 0; i < script->count; i++) {
        const struct statement *s = script_at(script, i);
        if (!outside && !s->in_transaction_ok) {
            outside = s;
        }
        if (!inside && s->class == STEP_TRANSACTIONAL) {
            inside = s;
        }
    }
    script->transactional = !outside && !m->directives.transaction_none;
    if (script->transactional) {
        return NULL;
    }
    TRY(check_steps(m, script));
    return outside && inside && !m->directives.transaction_none ? refuse_mixed(m, outside, inside)
                                                                : NULL;
}

static struct err *decide_my(const struct migration *m, struct script *script)
{
    script->transactional = !m->directives.transaction_none;
    for (size_t i = 0; i < script->count; i++) {
        enum step_class class = script_at(script, i)->class;
        script->transactional =
            script->transactional && (class == STEP_TRANSACTIONAL || class == STEP_SESSION);
    }
    if (!script->transactional && script->count > LIMIT_RECORDED) {
        return err_new(
            ERR_TERMINAL, REASON_INVALID_MIGRATION,
            "%s: %zu statements, and each is recorded by itself because the file is not one "
            "transaction; the limit is %d: write many rows in one INSERT (mariadb-dump "
            "without --skip-extended-insert), or split the file",
            m->path, script->count, LIMIT_RECORDED);
    }
    return NULL;
}

static void note_psql(struct reading *r, const struct piece *piece)
{
    struct position at = position_find((const char *)migration_bytes(r->m), r->m->size,
                                       script_map_source(r->script, piece->psql, false));
    AUTO(free_auto) char *word =
        mem_strndup(r->script->expanded + piece->psql, piece->psql_end - piece->psql);
    note_passed_over(r, at.line, word);
}

static struct err *read_all(struct reading *r)
{
    for (;;) {
        struct piece piece;
        bool more = false;
        TRY(split_next(&r->splitter, &piece, &more));
        if (!more) {
            break;
        }
        if (piece.psql_end > piece.psql) {
            note_psql(r, &piece);
        }
        if (piece.end > piece.code) {
            TRY(read_piece(r, &piece));
        }
        script_touch(r->script, piece.next - piece.begin);
    }
    TRY(r->engine == ENGINE_POSTGRESQL ? decide_pg(r->m, r->script) : decide_my(r->m, r->script));
    return control_end(r->engine, r->m, r->script, &r->control);
}

struct err *script_parse(enum engine engine, int32_t server_version, const struct migration *m,
                         const struct placeholders *p, struct script *out)
{
    const struct identity server = { .engine = engine, .server_version = server_version };

    return script_parse_on(&server, m, p, out);
}

/* MySQL 8 drops all objects of a list or none. */
static bool drops_one_by_one(const struct identity *server)
{
    return server->engine == ENGINE_MARIADB ||
           (server->server_version > 0 && server->server_version < 80000);
}

static struct err *parse(const struct identity *server, const struct migration *m,
                         const struct placeholders *p, bool split_drops, struct script *out)
{
    struct script script = { 0 };
    TRY(placeholders_apply(m, p, &script));
    struct reading r = {
        .engine = server->engine,
        .m = m,
        .script = &script,
        .splitter = splitter_make(server->engine, server->server_version, m, &script),
        .control = { .automatic = true },
        .split_drops = split_drops,
        .at = POSITION_START,
    };
    struct lexer *lexer = &r.splitter.c.lx;
    lexer->backslash = lexer->backslash != server->other_strings;
    lexer->ansi_quotes = lexer->ansi_quotes || server->ansi_quotes;
    struct err *e = read_all(&r);

    if (e) {
        script_done(&script);
        return e;
    }
    *out = script;
    return NULL;
}

struct err *script_parse_on(const struct identity *server, const struct migration *m,
                            const struct placeholders *p, struct script *out)
{
    return parse(server, m, p, drops_one_by_one(server), out);
}

struct err *script_parse_split(const struct identity *server, const struct migration *m,
                               const struct placeholders *p, struct script *out)
{
    return parse(server, m, p, true, out);
}

void script_locate(const struct script *script, const struct migration *m,
                   const struct statement *s, int position, int *line, int *column)
{
    size_t at = s->expanded_offset;

    for (int left = position; left > 1 && at < script->expanded_length; left--) {
        do {
            at++;
        } while (((unsigned char)script->expanded[at] & 0xC0) == 0x80);
    }
    struct position found = position_find((const char *)migration_bytes(m), m->size,
                                          script_map_source(script, at, false));
    *line = found.line;
    *column = found.column;
}

char *script_edited(const struct statement *s, const struct text_edit *edits, size_t count)
{
    AUTO(buf_done) struct buf out = BUF(SIZE_MAX / 2);
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        if (edits[i].start < at || edits[i].end <= edits[i].start ||
            edits[i].end > s->text_length) {
            return NULL;
        }
        buf_add(&out, s->text + at, edits[i].start - at);
        buf_adds(&out, edits[i].text);
        at = edits[i].end;
    }
    buf_add(&out, s->text + at, s->text_length - at);
    return buf_take(&out);
}
