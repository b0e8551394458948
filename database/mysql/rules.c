// SPDX-License-Identifier: Apache-2.0
// Pure rules of the MariaDB/MySQL adapter: grants, normal forms, what a session carries along.
#include <ctype.h>
#include <string.h>
#include "database/mysql/rules.h"
#include "base/auto.h"
#include "base/mem.h"
#include "base/str.h"
#include "database/mysql/words.h"

// ---- who and what the server is -----------------------------------------------------------------

bool mydb_setting_on(const char *value)
{
    return value && *value && !str_eq(value, "0") && !str_ieq(value, "off") &&
           !str_ieq(value, "no");
}

bool mydb_grant_too_powerful(const char *grant)
{
    const char *scope = strstr(grant, " ON *.* TO ");
    if (!str_starts(grant, "GRANT ") || !scope) {
        return false;
    }
    const char *quoted = strpbrk(scope, "`'\""); // the account may hold any words
    const char *last = quoted ? strrchr(quoted, *quoted) : scope;
    if (strstr(last ? last : scope, " WITH GRANT OPTION")) {
        return true;
    }
    static const char *const strong[] = { "SUPER", "FILE", "ALL PRIVILEGES" };
    const char *p = grant + strlen("GRANT ");
    while (p < scope) {
        const char *comma = strstr(p, ", ");
        const size_t length = (size_t)((comma && comma < scope ? comma : scope) - p);
        for (size_t i = 0; i < sizeof strong / sizeof *strong; i++) {
            if (length == strlen(strong[i]) && memcmp(p, strong[i], length) == 0) {
                return true;
            }
        }
        p += length + 2;
    }
    return false;
}

// ---- what a session carries from one statement to the next ---------------------------------------

// The quoted name at p in lower case and back quotes.
static const char *add_name(const char *p, struct my_quotes quotes, char *out, size_t *n)
{
    const char *end = skip_quoted_as(p, quotes);
    for (const char *inside = p + 1; inside < end - 1; inside++) {
        out[(*n)++] = (char)tolower((unsigned char)*inside);
    }
    out[(*n)++] = '`';
    return end;
}

// The statement in lower case, without comments, with strings emptied. Owned.
static char *skeleton(const struct statement *s)
{
    char *out = mem_alloc(s->text_length + 3); // a name without its end gets one
    size_t n = 0;
    for (const char *p = s->text; *p;) {
        if (*p == '`' || (*p == '"' && s->quotes.ansi)) {
            out[n++] = '`';
            p = add_name(p, s->quotes, out, &n);
        } else if (*p == '\'' || *p == '"') {
            p = skip_quoted_as(p, s->quotes);
            out[n++] = '\'';
        } else if (*p == '#' || (p[0] == '-' && p[1] == '-' && (uint8_t)p[2] <= ' ')) {
            p += strcspn(p, "\n");
        } else if (p[0] == '/' && p[1] == '*' && p[2] != '!') {
            const char *end = strstr(p + 2, "*/");
            p = end ? end + 2 : p + strlen(p);
            out[n++] = ' ';
        } else {
            out[n++] = (char)tolower((unsigned char)*p++);
        }
    }
    return out;
}

bool mydb_mentions(const struct statement *s, const char *name)
{
    AUTO(free_auto) char *text = skeleton(s);
    AUTO(free_auto) char *word = str_lower(name);
    const size_t length = strlen(word);
    for (const char *p = text; length > 0 && (p = strstr(p, word)); p++) {
        if ((p == text || !is_word_char(p[-1])) && !is_word_char(p[length])) {
            return true;
        }
    }
    return false;
}

static bool has_variable(const char *text)
{
    for (const char *p = text; (p = strchr(p, '@')); p++) {
        const bool host = p > text && strchr("`'@_$", p[-1]); // 'user'@'host', @@setting
        const bool word = p > text && isalnum((unsigned char)p[-1]);
        if (!host && !word && p[1] != '@') {
            return true;
        }
    }
    return false;
}

static bool reads_last_result(const char *text)
{
    return strstr(text, "last_insert_id") || strstr(text, "row_count") ||
           strstr(text, "found_rows");
}

// CREATE and DROP TEMPORARY TABLE: of the session, and without an implicit commit.
bool mydb_is_temporary(const struct statement *s)
{
    return s->class == STEP_REPEATABLE && s->touches_session;
}

bool mydb_starts_with(const struct statement *s, const char *word)
{
    const char *p = skip_space(s->text);
    const size_t length = strlen(word);
    for (size_t i = 0; i < length; i++) {
        if (tolower((unsigned char)p[i]) != word[i]) {
            return false;
        }
    }
    return !isalnum((unsigned char)p[length]) && p[length] != '_';
}

// What stands behind SET in a skeleton; "": it is no SET.
static const char *behind_set(const char *text)
{
    static const char blank[] = " \t\r\n";
    const char *p = text + strspn(text, blank);
    return str_starts(p, "set") ? p + 3 + strspn(p + 3, blank) : "";
}

bool mydb_fills_table(const struct statement *s)
{
    const bool makes = s->verb == VERB_CREATE || s->verb == VERB_CREATE_OR_REPLACE;
    return makes && s->object_count > 0 && s->objects[0].type &&
           str_eq(s->objects[0].type, "table") && !mydb_is_temporary(s) &&
           mydb_mentions(s, "select");
}

bool mydb_controls_itself(const struct statement *s)
{
    return s->class == STEP_OTHER && !s->commits;
}

bool mydb_touches_session(const struct statement *s)
{
    if (s->class == STEP_SESSION || mydb_controls_itself(s) || s->verb == VERB_SET ||
        s->touches_session) {
        return true;
    }
    AUTO(free_auto) char *text = skeleton(s);
    return has_variable(text) || strstr(text, "@@") || reads_last_result(text);
}

bool mydb_uses_session(const struct script *script)
{
    for (size_t i = 0; i < script->count; i++) {
        if (mydb_touches_session(script_at(script, i))) {
            return true;
        }
    }
    return false;
}

// A setting whose value was computed: running the statement again could compute another one.
static bool sets_setting(const struct statement *s)
{
    AUTO(free_auto) char *text = skeleton(s);
    const char *at = behind_set(text);
    return s->verb == VERB_SET && !(at[0] == '@' && at[1] != '@' && !strchr(at, ','));
}

static bool is_step(const struct statement *s)
{
    const bool reads = s->class == STEP_REPEATABLE && s->grouped; // has no row, and runs again
    return s->class != STEP_SESSION && !reads && s->verb != VERB_LOCK_TABLES &&
           s->verb != VERB_UNLOCK_TABLES;
}

// INSERT gives LAST_INSERT_ID() and ROW_COUNT() to the statement behind it.
static bool is_insert(const struct statement *s)
{
    return mydb_starts_with(s, "insert") || mydb_starts_with(s, "replace");
}

// White list: what ran is complete, so of the session's state only literal settings come back.
struct lost {
    bool settings; // by a computed SET, or by what nobody can look into: CALL, EXECUTE, a compound
    bool values;   // user variables and the like
    bool objects;  // temporary tables: a new one would be empty
};

// Made again it is empty, and it covers a table of that name: as before only if nothing else has named it.
static bool loses_table(const struct script *script, const bool *complete, size_t made, size_t last)
{
    const struct statement *s = script_at(script, made);
    AUTO(free_auto) char *text = skeleton(s);
    if (strstr(text, "select") || strstr(text, "like")) {
        return true;
    }
    for (size_t i = made + 1; i < last; i++) {
        const struct statement *other = script_at(script, i);
        if (complete[i] && (s->object_count == 0 || other->class == STEP_OTHER ||
                            mydb_mentions(other, s->objects[0].name))) {
            return true;
        }
    }
    return false;
}

static struct lost what_is_lost(const struct script *script, const bool *complete, size_t last)
{
    struct lost lost = { 0 };
    for (size_t i = 0; i < last; i++) {
        const struct statement *s = script_at(script, i);
        lost.objects |=
            mydb_is_temporary(s) && s->verb != VERB_DROP && loses_table(script, complete, i, last);
        if (!complete[i] || !mydb_touches_session(s)) {
            continue;
        }
        lost.values = true;
        lost.settings |= sets_setting(s);
    }
    return lost;
}

const struct statement *mydb_resume_blocked(const struct script *script, const bool *complete)
{
    size_t last = 0; // behind the last complete statement
    for (size_t i = 0; i < script->count; i++) {
        last = complete[i] ? i + 1 : last;
    }
    const struct lost lost = what_is_lost(script, complete, last);
    bool inserted = false;
    for (size_t i = 0; last > 0 && i < script->count; i++) {
        const struct statement *s = script_at(script, i);
        if (complete[i] || !is_step(s) || mydb_is_temporary(s)) {
            inserted &= !complete[i];
            continue;
        }
        AUTO(free_auto) char *text = skeleton(s);
        const bool reads = has_variable(text) || mydb_controls_itself(s);
        if (lost.objects || lost.settings || (lost.values && reads) ||
            (!inserted && reads_last_result(text))) {
            return s;
        }
        inserted = is_insert(s);
    }
    return NULL;
}
