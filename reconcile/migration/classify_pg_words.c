/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL: what words anywhere in a statement tell about the session and about writes outside of the transaction. */
#include "reconcile/migration/classify_pg.h"

#include "base/auto.h"
#include "base/mem.h"
#include "reconcile/migration/placeholder.h"

static bool take_string(struct cursor *c)
{
    bool string = c->tok.kind == TOKEN_STRING;

    if (string) {
        cursor_next(c);
    }
    return string;
}

/* [pg_catalog.]set_config('a', 'b', true|false) [[AS] name], all of it written out. */
static bool take_set_config(struct cursor *c, bool *local)
{
    static const char *const yes[] = { "true", "'t'", "'true'", "'on'", "'yes'", "'1'" };
    (void)(cursor_take(c, "pg_catalog") && cursor_take_symbol(c, '.'));
    bool call = cursor_take(c, "set_config") && cursor_take_symbol(c, '(') && take_string(c) &&
                cursor_take_symbol(c, ',') && take_string(c) && cursor_take_symbol(c, ',');
    bool scope = false;

    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        scope = scope || token_is_text(c, yes[i]);
    }
    bool written = scope || cursor_is(c, "false") || c->tok.kind == TOKEN_STRING;
    *local = *local || scope;
    cursor_next(c);
    call = call && written && cursor_take_symbol(c, ')');
    if (cursor_take(c, "AS") || c->tok.kind == TOKEN_WORD || c->tok.kind == TOKEN_NAME) {
        cursor_next(c);
    }
    return call;
}

/* set_config('standard_conforming_strings', anything but 'on', ...) */
static bool sets_strings_off(struct cursor c)
{
    cursor_next(&c);
    (void)cursor_take_symbol(&c, '(');
    if (!token_is_text(&c, "'standard_conforming_strings'")) {
        return false;
    }
    cursor_next(&c);
    (void)cursor_take_symbol(&c, ',');
    return !token_is_text(&c, "'on'");
}

/* A function whose effect is not the transaction's: in another session, or outside of the server. */
static bool leaves_transaction(const struct cursor *c)
{
    static const char *const names[] = {
        "dblink",         "dblink_exec",  "dblink_send_query",    "dblink_open",
        "lo_export",      "lo_import",    "pg_file_write",        "pg_file_unlink",
        "pg_file_rename", "pg_file_sync", "pg_background_launch", "pg_logical_emit_message",
        "http_post",      "http_put",     "http_delete",          NULL
    };
    struct cursor behind = *c;

    cursor_next(&behind);
    return cursor_is_one_of(c, names) && cursor_is_symbol(&behind, '(');
}

/* Words anywhere in the statement: what they make outlives the file. */
struct err *pg_scan_words(struct classify *x, struct statement *s)
{
    static const char *const kept[] = { "pg_temp",
                                        "pg_advisory_lock",
                                        "pg_advisory_lock_shared",
                                        "pg_try_advisory_lock",
                                        "pg_try_advisory_lock_shared",
                                        NULL };
    struct cursor c = cursor_make(x->lexer, x->start, x->end);
    bool query = s->verb == VERB_DML && !cursor_is(&c, "INSERT") && !cursor_is(&c, "MERGE");

    for (; !cursor_at_end(&c); cursor_next(&c)) {
        if (c.tok.kind != TOKEN_WORD) {
            continue;
        }
        if (cursor_is(&c, "pg_advisory_unlock_all")) {
            return REFUSE(x, REASON_INVALID_MIGRATION,
                          "pg_advisory_unlock_all() would drop the lock that protects this run: "
                          "unlock by key");
        }
        if (cursor_is(&c, "set_config") && sets_strings_off(c)) {
            return REFUSE(
                x, REASON_INVALID_MIGRATION,
                "set_config() of standard_conforming_strings cannot be followed: write SET");
        }
        s->sets_config = s->sets_config || (cursor_is(&c, "set_config") && s->verb != VERB_SET);
        s->leaves_transaction = s->leaves_transaction || leaves_transaction(&c);
        struct cursor into = c;
        bool temporary = query && (cursor_take_all(&into, "INTO TEMP") ||
                                   cursor_take_all(&into, "INTO TEMPORARY"));
        s->touches_session = s->touches_session || temporary || cursor_is_one_of(&c, kept);
        if (temporary) {
            (void)cursor_take(&into, "TABLE");
            (void)cursor_object(&into, "temporary", false, s);
        }
    }
    return NULL;
}

/* The body of DO is one string to us; the words in it are enough. */
void pg_scan_body(struct classify *x, struct statement *s)
{
    static const char *const kept[] = { "temp table", "temp view",        "temp sequence",
                                        "into temp ", "temporary ",       "pg_temp",
                                        "listen ",    "pg_advisory_lock", "pg_try_advisory_lock",
                                        NULL };
    AUTO(free_auto) char *body = mem_strndup(x->lexer->text + x->start, x->end - x->start);

    for (int i = 0; kept[i]; i++) {
        s->touches_session = s->touches_session || strcasestr(body, kept[i]);
    }
    s->sets_config = strcasestr(body, "set_config") != NULL;
    s->leaves_transaction = strcasestr(body, "dblink_exec") ||
                            strcasestr(body, "dblink_send_query") ||
                            strcasestr(body, "lo_export") || strcasestr(body, "to program");
}

bool pg_is_set_config(struct cursor c, bool *local)
{
    bool settings = true;

    do {
        settings = take_set_config(&c, local);
    } while (settings && cursor_take_symbol(&c, ','));
    return settings && cursor_at_end(&c);
}
