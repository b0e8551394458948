/* SPDX-License-Identifier: Apache-2.0 */
/* Directives: comments at the head of a file that Flyway passes over. */
#include "reconcile/migration/directive.h"

#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "reconcile/migration/position.h"

#define DIRECTIVE_WORD "sluice:"

enum directive_key { /* also the bit in struct head.seen */
    KEY_TRANSACTION,
    KEY_VERIFY,
    KEY_IDEMPOTENT,
    KEY_LOCK_TIMEOUT,
    KEY_STATEMENT_TIMEOUT,
    KEY_OUT_OF_ORDER,
    KEY_AFTER,
    KEY_PHASE,
    KEY_MAX_
};

static const char *const key_texts[KEY_MAX_] = {
    [KEY_TRANSACTION] = "transaction",
    [KEY_VERIFY] = "verify",
    [KEY_IDEMPOTENT] = "idempotent",
    [KEY_LOCK_TIMEOUT] = "lock-timeout",
    [KEY_STATEMENT_TIMEOUT] = "statement-timeout",
    [KEY_OUT_OF_ORDER] = "out-of-order",
    [KEY_AFTER] = "after",
    [KEY_PHASE] = "phase",
};

struct head { /* the head of one file while it is read */
    const struct migration *m;
    const char *text;
    size_t length;
    bool cut;                 /* the file goes on behind it */
    size_t seen_at[KEY_MAX_]; /* offset + 1 of the key's first use; 0: not seen */
    struct directives found;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\f' || c == '\v';
}

static size_t skip_blanks(const char *text, size_t at, size_t end)
{
    while (at < end && is_blank(text[at])) {
        at++;
    }
    return at;
}

/* Offset behind "sluice:", or 0 when the comment is an ordinary one. */
static size_t directive_body(const char *text, size_t start, size_t end)
{
    size_t at = skip_blanks(text, start + 2, end);
    size_t word = strlen(DIRECTIVE_WORD);

    if (end - at < word || strncasecmp(text + at, DIRECTIVE_WORD, word) != 0) {
        return 0;
    }
    return at + word;
}

/* The word alone, by which a slip is known. */
#define SLUICE_WORD "sluice"

static bool is_known_key(const char *text, size_t length)
{
    for (int key = 0; key < KEY_MAX_; key++) {
        if (strlen(key_texts[key]) == length && memcmp(text, key_texts[key], length) == 0) {
            return true;
        }
    }
    return false;
}

/* Is a line of a comment, from `at` on, meant as a directive? "sluice transaction=none", "sluice; verify = x". */
static bool nearly_directive(const char *text, size_t at, size_t end)
{
    size_t word = strlen(SLUICE_WORD);

    while (at < end && (is_blank(text[at]) || strchr("-*#", text[at]))) {
        at++;
    }
    if (end - at < word || strncasecmp(text + at, SLUICE_WORD, word) != 0) {
        return false;
    }
    size_t key = at + word;
    while (key < end && (is_blank(text[key]) || strchr(":;,.=-", text[key]))) {
        key++;
    }
    size_t stop = key;
    while (stop < end && text[stop] != '=' && !is_blank(text[stop])) {
        stop++;
    }
    size_t equals = skip_blanks(text, stop, end);
    return key > at + word && equals < end && text[equals] == '=' &&
           is_known_key(text + key, stop - key);
}

static size_t line_end(const char *text, size_t at, size_t length)
{
    while (at < length && text[at] != '\n' && text[at] != '\r') {
        at++;
    }
    return at;
}

/* A block comment may have many lines; the others have one. */
static bool any_line_nearly(const char *text, size_t start, size_t end)
{
    for (size_t at = start; at < end;) {
        size_t stop = line_end(text, at, end);
        if (nearly_directive(text, at, stop)) {
            return true;
        }
        at = stop + 1;
    }
    return false;
}

bool directive_comment(const char *text, size_t start, size_t end)
{
    return directive_body(text, start, end) != 0 || any_line_nearly(text, start + 2, end);
}

/* body: behind the comment's opening. */
static struct err *check_not_nearly(const struct head *head, size_t start, size_t body, size_t end)
{
    return any_line_nearly(head->text, body, end)
               ? ERR_AT(head->m, start, REASON_INVALID_MIGRATION,
                        "a directive is written -- sluice: key=value, in a line of its own")
               : NULL;
}

static struct err *bad_value(const struct head *head, size_t at, enum directive_key key,
                             const char *value, const char *expected)
{
    return ERR_AT(head->m, at, REASON_INVALID_MIGRATION, "%s=%s is not understood: write %s",
                  key_texts[key], value, expected);
}

static struct err *parse_after(struct head *head, size_t at, const char *value)
{
    const char *slash = strrchr(value, '/');
    struct version version;

    if (!slash || slash == value || !version_parse(slash + 1, &version)) {
        return bad_value(head, at, KEY_AFTER, value, "after=DATABASE/VERSION");
    }
    AUTO(free_auto) char *database = mem_strndup(value, (size_t)(slash - value));
    if (kvlist_get(&head->found.after, database)) {
        return ERR_AT(head->m, at, REASON_INVALID_MIGRATION,
                      "the directive after= names database %s twice", database);
    }
    kvlist_set(&head->found.after, database, version.text);
    return NULL;
}

static struct err *parse_value(struct head *head, size_t at, enum directive_key key,
                               const char *value)
{
    struct directives *d = &head->found;

    switch (key) {
    case KEY_TRANSACTION:
        d->transaction_none = str_eq(value, "none");
        return d->transaction_none ? NULL : bad_value(head, at, key, value, "transaction=none");
    case KEY_IDEMPOTENT:
        d->idempotent = str_eq(value, "true");
        return d->idempotent ? NULL : bad_value(head, at, key, value, "idempotent=true");
    case KEY_OUT_OF_ORDER:
        d->out_of_order_allow = str_eq(value, "allow");
        return d->out_of_order_allow ? NULL : bad_value(head, at, key, value, "out-of-order=allow");
    case KEY_LOCK_TIMEOUT:
        return duration_parse(value, &d->lock_timeout_ms)
                   ? NULL
                   : bad_value(head, at, key, value, "a duration such as lock-timeout=5s");
    case KEY_STATEMENT_TIMEOUT:
        return duration_parse(value, &d->statement_timeout_ms)
                   ? NULL
                   : bad_value(head, at, key, value, "a duration such as statement-timeout=2h");
    case KEY_AFTER:
        return parse_after(head, at, value);
    case KEY_PHASE:
        return ERR_AT(head->m, at, REASON_INVALID_MIGRATION,
                      "phase=%s is not supported yet: commit this file when its contract holds",
                      value);
    case KEY_VERIFY:
        d->verify = mem_strdup(value);
        return value[0] ? NULL : bad_value(head, at, key, value, "verify=select ...");
    default:
        return NULL;
    }
}

static struct err *parse_key(struct head *head, size_t at, const char *text,
                             enum directive_key *out)
{
    for (int key = 0; key < KEY_MAX_; key++) {
        if (!str_eq(text, key_texts[key])) {
            continue;
        }
        if (head->seen_at[key] && key != KEY_AFTER) {
            struct position first = position_find(head->text, head->length, head->seen_at[key] - 1);
            return ERR_AT(head->m, at, REASON_INVALID_MIGRATION,
                          "the directive %s= is given twice, first in line %d", text, first.line);
        }
        head->seen_at[key] = at + 1;
        *out = (enum directive_key)key;
        return NULL;
    }
    return ERR_AT(head->m, at, REASON_INVALID_MIGRATION,
                  "unknown directive %s= (known: transaction, verify, idempotent, lock-timeout, "
                  "statement-timeout, out-of-order, after)",
                  text);
}

/* One "key=value" at *at, which moves behind it. */
static struct err *parse_item(struct head *head, size_t *at, size_t end)
{
    size_t start = *at;
    size_t stop = start;
    while (stop < end && !is_blank(head->text[stop]) && head->text[stop] != '=') {
        stop++;
    }
    if (stop == end || head->text[stop] != '=' || stop == start) {
        return ERR_AT(head->m, start, REASON_INVALID_MIGRATION,
                      "a directive is written -- sluice: key=value");
    }
    AUTO(free_auto) char *key_text = mem_strndup(head->text + start, stop - start);
    enum directive_key key = KEY_MAX_;
    TRY(parse_key(head, start, key_text, &key));

    size_t from = stop + 1;
    size_t to = from;
    if (key == KEY_VERIFY) {
        from = skip_blanks(head->text, from, end);
        to = end;
        while (to > from && (is_blank(head->text[to - 1]) || head->text[to - 1] == ';')) {
            to--;
        }
    } else {
        while (to < end && !is_blank(head->text[to])) {
            to++;
        }
    }
    AUTO(free_auto) char *value = mem_strndup(head->text + from, to - from);
    TRY(parse_value(head, start, key, value));
    *at = key == KEY_VERIFY ? end : to;
    return NULL;
}

static struct err *parse_comment(struct head *head, size_t start, size_t end)
{
    size_t body = directive_body(head->text, start, end);
    if (body == 0) {
        return check_not_nearly(head, start, start + 2, end);
    }
    size_t at = skip_blanks(head->text, body, end);
    if (at == end) {
        return ERR_AT(head->m, start, REASON_INVALID_MIGRATION,
                      "an empty directive: write -- sluice: key=value");
    }
    while (at < end) {
        TRY(parse_item(head, &at, end));
        at = skip_blanks(head->text, at, end);
    }
    return NULL;
}

/* Comment lines and plain block comments up to the first statement. A conditional comment is code. */
static struct err *parse_head(struct head *head)
{
    const char *text = head->text;
    size_t at = head->length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;

    while (at < head->length) {
        if (is_blank(text[at]) || text[at] == '\n' || text[at] == '\r') {
            at++;
        } else if (text[at] == '-' && text[at + 1] == '-') {
            size_t end = line_end(text, at, head->length);
            bool whole = !head->cut || end < head->length;
            TRY(whole ? parse_comment(head, at, end) : NULL);
            at = end;
        } else if (text[at] == '#') {
            size_t end = line_end(text, at, head->length);
            TRY(check_not_nearly(head, at, at + 1, end));
            at = end;
        } else if (text[at] == '/' && text[at + 1] == '*' && text[at + 2] != '!') {
            const char *close = memmem(text + at + 2, head->length - at - 2, "*/", 2);
            size_t end = close ? (size_t)(close - text) + 2 : head->length;
            TRY(check_not_nearly(head, at, at + 2, end));
            at = end;
        } else {
            return NULL;
        }
    }
    return head->cut ? ERR_AT(head->m, 0, REASON_INVALID_MIGRATION,
                              "the comments at the head of this file are longer than %d bytes, and "
                              "it is too large to be "
                              "kept in memory: shorten them",
                              LARGE_HEAD)
                     : NULL;
}

/* Of a file that is not kept its beginning is at hand, which is enough. */
static struct migration beginning(const struct migration *m)
{
    struct migration head = *m;

    if (m->large) {
        head.bytes = m->large->head;
        head.size = m->large->head_size;
        head.large = NULL;
    }
    return head;
}

struct err *directives_parse(const struct migration *file, struct directives *out)
{
    const struct migration whole = beginning(file), *m = &whole;
    struct head head = {
        .m = m,
        .text = (const char *)m->bytes,
        .length = m->size,
        .cut = m->size < file->size,
        .found = { .lock_timeout_ms = -1, .statement_timeout_ms = -1 },
    };
    struct err *e = parse_head(&head);

    if (e) {
        directives_done(&head.found);
        return e;
    }
    *out = head.found;
    return NULL;
}
