// SPDX-License-Identifier: Apache-2.0
// Definitions as SHOW CREATE gives them: their normal form, and the same under other names.
#include "base/auto.h"
#include "base/mem.h"
#include "base/str.h"
#include "database/mysql/rules.h"
#include "database/mysql/words.h"
#include "model/lines.h"

// ---- quoted names -------------------------------------------------------------------------------

// Past the closing backtick; NULL: not a quoted name.
static const char *quoted_part(const char *p)
{
    if (*p++ != '`') {
        return NULL;
    }
    const char *start = p;
    for (; *p; p++) {
        if (*p == '`' && p[1] != '`') {
            return p > start ? p + 1 : NULL;
        }
        p += *p == '`';
    }
    return NULL;
}

static const char *table_options(const char *text)
{
    int depth = 0;
    for (const char *p = text; *p;) {
        if (*p == '\'' || *p == '`' || *p == '"') {
            p = skip_quoted(p);
            continue;
        }
        depth += *p == '(';
        if (*p == ')' && --depth == 0) {
            return p;
        }
        p++;
    }
    return text;
}

void mydb_normalize_table(const char *text, struct buf *out)
{
    static const char option[] = " AUTO_INCREMENT=";
    const char *p = table_options(text);
    buf_add(out, text, (size_t)(p - text));
    while (*p) {
        const char *start = p;
        if (*p == '\'' || *p == '`' || *p == '"') {
            p = skip_quoted(p);
        } else if (str_starts(p, option)) {
            p += strlen(option);
            p += strspn(p, "0123456789");
            continue;
        } else {
            p++;
        }
        buf_add(out, start, (size_t)(p - start));
    }
}

bool mydb_shows_time(const char *text)
{
    return strcasestr(text, " timestamp") && strcasestr(text, " DEFAULT '");
}

size_t mydb_view_head(const char *text)
{
    const char *name = strstr(text, " VIEW `");
    return name ? (size_t)(name - text) : strlen(text);
}

bool mydb_name_is_quoted(const char *name)
{
    const char *p = quoted_part(name);
    if (p && *p == '.') {
        p = quoted_part(p + 1);
    }
    return p && *p == '\0';
}

char *mydb_renamed_definition(const char *type, const char *text, const char *name)
{
    AUTO(free_auto) char *head = mem_printf("CREATE %s ", type);
    const size_t length = strlen(head);
    const char *rest = strncasecmp(text, head, length) == 0 ? quoted_part(text + length) : NULL;
    return rest ? mem_printf("%s%s%s", head, name, rest) : NULL;
}

// Past the word if it stands at p, and the blanks behind it; else NULL.
static const char *past_word(const char *p, const char *word)
{
    const size_t length = strlen(word);
    return strncasecmp(p, word, length) == 0 && !is_word_char(p[length]) ? skip_space(p + length)
                                                                         : NULL;
}

static const char *past_if(const char *p)
{
    const char *behind = past_word(p, "if");
    const char *not = behind ? past_word(behind, "not") : NULL;
    behind = behind ? past_word(not ? not : behind, "exists") : NULL;
    return behind ? behind : p;
}

// "CONSTRAINT name", "DROP FOREIGN KEY name", "DROP CHECK name": where the name begins; NULL: no name stands here.
static const char *constraint_name(const char *p, struct my_quotes quotes)
{
    static const char *const unnamed[] = { "foreign", "primary", "unique", "check", NULL };
    const char *at = past_word(p, "constraint");
    if (!at && (at = past_word(p, "drop"))) {
        const char *foreign = past_word(at, "foreign");
        at = foreign ? past_word(foreign, "key") : past_word(at, "check");
    }
    at = at ? past_if(at) : NULL;
    for (size_t i = 0; at && unnamed[i]; i++) {
        at = past_word(at, unnamed[i]) ? NULL : at;
    }
    return at && (*at == '`' || (*at == '"' && quotes.ansi) || is_word_char(*at)) ? at : NULL;
}

char *mydb_prefix_constraints(const char *sql, struct my_quotes quotes, const char *prefix)
{
    AUTO(buf_done) struct buf out = BUF(SIZE_MAX / 2);
    for (const char *p = sql; *p;) {
        const char *start = p;
        const char *name = p == sql || !is_word_char(p[-1]) ? constraint_name(p, quotes) : NULL;
        if (name) {
            const bool quoted = !is_word_char(*name);
            buf_add(&out, start, (size_t)(name - start));
            buf_addf(&out, "%.*s%s", quoted ? 1 : 0, name, prefix);
            p = quoted ? skip_quoted_as(name, quotes) : name + 1;
            buf_add(&out, name + quoted, (size_t)(p - name) - quoted);
            continue;
        }
        const char *blank = skip_space(p);
        p = blank > p                              ? blank
            : *p == '\'' || *p == '"' || *p == '`' ? skip_quoted_as(p, quotes)
                                                   : p + 1;
        buf_add(&out, start, (size_t)(p - start));
    }
    return buf_take(&out);
}

// Behind the words, which stand apart by blanks; NULL: they are not there.
static const char *behind_words(const char *text, const char *const *words)
{
    for (const char *p = text; *p; p++) {
        const char *at = p == text || !is_word_char(p[-1]) ? p : NULL;
        for (size_t i = 0; at && words[i]; i++) {
            at = past_word(at, words[i]);
        }
        if (at) {
            return at;
        }
    }
    return NULL;
}

// Words in lower case with one blank between, without quotes and comments, without the schema of names.
static char *plain_head(const char *text, const char *end, const char *schema)
{
    AUTO(buf_done) struct buf out = BUF(SIZE_MAX / 2);
    for (const char *p = skip_space(text); p < end;) {
        const char *blank = skip_space(p);
        if (blank > p) {
            buf_addc(&out, ' ');
            p = blank;
            continue;
        }
        if (*p != '`' && *p != '"') { // no string stands there
            buf_addc(&out, (char)tolower((unsigned char)*p));
        }
        p++;
    }
    AUTO(free_auto) char *head = buf_take(&out);
    AUTO(free_auto) char *prefix = mem_printf("%s.", schema);
    AUTO(free_auto) char *lower = str_lower(prefix);
    char *to = head;
    for (const char *p = head; *p;) {
        const bool begins = p == head || p[-1] == ' ';
        if (begins && (str_starts(p, lower) || str_starts(p, "if not exists "))) {
            p += str_starts(p, lower) ? strlen(lower) : strlen("if not exists ");
            continue;
        }
        *to++ = *p++;
    }
    *to = '\0';
    return TAKE(head);
}

bool mydb_same_trigger(const char *a, const char *b, const char *schema)
{
    static const char *const begin[] = { "trigger", NULL };
    static const char *const body[] = { "for", "each", "row", NULL };
    const char *head_a = behind_words(a, begin), *head_b = behind_words(b, begin);
    const char *body_a = head_a ? behind_words(head_a, body) : NULL;
    const char *body_b = head_b ? behind_words(head_b, body) : NULL;
    if (!body_a || !body_b || !lines_equal(body_a, body_b)) {
        return false;
    }
    AUTO(free_auto) char *plain_a = plain_head(head_a, body_a, schema);
    AUTO(free_auto) char *plain_b = plain_head(head_b, body_b, schema);
    return str_eq(plain_a, plain_b);
}

// [start, end) with its quotes, as a plain name.
static char *unquoted(const char *start, const char *end)
{
    char *out = mem_alloc((size_t)(end - start));
    size_t n = 0;
    for (const char *p = start + 1; p < end - 1; p++) {
        out[n++] = *p;
        p += *p == '`';
    }
    return out;
}

char *mydb_name_parts(const char *quoted, char **schema)
{
    const char *first = quoted_part(quoted);
    if (*first != '.') {
        *schema = mem_strdup("");
        return unquoted(quoted, first);
    }
    *schema = unquoted(quoted, first);
    return unquoted(first + 1, quoted_part(first + 1));
}
