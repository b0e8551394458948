/* SPDX-License-Identifier: Apache-2.0 */
/* Directives: comments at the head of a file that Flyway passes over. */
#include "reconcile/migration/directive.h"

#include "reconcile/base/auto.h"
#include "reconcile/base/clock.h"
#include "reconcile/base/mem.h"
#include "reconcile/base/str.h"
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

bool directive_comment(const char *text, size_t start, size_t end)
{
    return directive_body(text, start, end) != 0;
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
        return NULL;
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

static size_t line_end(const char *text, size_t at, size_t length)
{
    while (at < length && text[at] != '\n' && text[at] != '\r') {
        at++;
    }
    return at;
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
            TRY(parse_comment(head, at, end));
            at = end;
        } else if (text[at] == '#') {
            at = line_end(text, at, head->length);
        } else if (text[at] == '/' && text[at + 1] == '*' && text[at + 2] != '!') {
            const char *close = memmem(text + at + 2, head->length - at - 2, "*/", 2);
            at = close ? (size_t)(close - text) + 2 : head->length;
        } else {
            break;
        }
    }
    return NULL;
}

struct err *directives_parse(const struct migration *m, struct directives *out)
{
    struct head head = {
        .m = m,
        .text = (const char *)m->bytes,
        .length = m->size,
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
