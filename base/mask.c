/* SPDX-License-Identifier: Apache-2.0 */
/* Values in servers' texts, in whatever language: quotes and words are looked at, not sentences. */
#include "base/mask.h"
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/buf.h"
#include "base/mem.h"

#define HIDDEN "…"
#define PIECES_MAX 32
#define BORDERS "()[]{},;" /* of words, beside blanks */
#define TEXT_MAX ((size_t)1024 * 1024)

/* What servers themselves put into quotes, where a name would stand. */
static const char *const server_names[] = { "PRIMARY",         "field list",    "where clause",
                                            "on clause",       "order clause",  "group clause",
                                            "group statement", "having clause", "from clause" };

struct piece { /* one quoted text, or several joined by dots: [start, end) with its quotes */
    size_t start, end;
    bool name;
};

struct scan {
    const char *text;
    size_t length;
    const struct mask *mask;
    struct piece pieces[PIECES_MAX];
    size_t count;
    bool doubtful; /* the quotes do not say where a value ends */
};

/* ---- quotes ------------------------------------------------------------------------------------- */

/* Whatever a language of a server's messages quotes with: opening, and up to two that close it. */
static const struct {
    const char *open, *close, *other;
} quotes[] = {
    { "\"", "\"", NULL }, { "'", "'", NULL },   { "`", "`", NULL },   { "«", "»", NULL },
    { "»", "«", NULL },   { "„", "“", "”" },    { "“", "”", NULL },   { "‘", "’", NULL },
    { "‚", "‘", "’" },    { "‹", "›", NULL },   { "›", "‹", NULL },   { "「", "」", NULL },
    { "『", "』", NULL }, { "”", "”", NULL },   { "’", "’", NULL },   { "＂", "＂", NULL },
    { "＇", "＇", NULL }, { "」", NULL, NULL }, { "』", NULL, NULL },
};
#define QUOTES (sizeof quotes / sizeof *quotes)

/* The quote that stands at `at`; QUOTES: none. */
static size_t quote_at(const struct scan *s, size_t at)
{
    for (size_t i = 0; i < QUOTES; i++) {
        if (strncmp(s->text + at, quotes[i].open, strlen(quotes[i].open)) == 0) {
            return i;
        }
    }
    return QUOTES;
}

static bool is_ascii_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

/* "doesn't", "n'existe": inside a word of the server's. */
static bool is_apostrophe(const struct scan *s, size_t at)
{
    const size_t n = s->text[at] == '\'' ? 1 : strncmp(s->text + at, "’", 3) == 0 ? 3 : 0;
    return n > 0 && at > 0 && is_letter(s->text[at - 1]) && is_letter(s->text[at + n]);
}

static bool closes(size_t quote, const char *at, size_t *length)
{
    const char *const ends[] = { quotes[quote].close, quotes[quote].other };
    for (size_t i = 0; i < 2; i++) {
        if (ends[i] && strncmp(at, ends[i], strlen(ends[i])) == 0) {
            *length = strlen(ends[i]);
            return true;
        }
    }
    return false;
}

/* Behind the quote that closes the one at `at`; 0: another quote comes first, or a word follows it at once. */
static size_t quote_end(const struct scan *s, size_t at, size_t quote)
{
    for (size_t i = at + strlen(quotes[quote].open); i < s->length; i++) {
        size_t n = 0;
        if (closes(quote, s->text + i, &n)) {
            return is_ascii_word(s->text[i + n]) || s->text[i + n] == '\'' ? 0 : i + n;
        }
        if (quote_at(s, i) < QUOTES) {
            return 0;
        }
    }
    return 0;
}

/* ---- names -------------------------------------------------------------------------------------- */

static bool in_list(const struct strlist *list, const char *text, size_t length)
{
    for (size_t i = 0; list && i < list->count; i++) {
        const char *item = list->items[i];
        if (strlen(item) == length && strncasecmp(item, text, length) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_server_name(const char *text, size_t length)
{
    for (size_t i = 0; i < sizeof server_names / sizeof *server_names; i++) {
        if (strlen(server_names[i]) == length && strncmp(server_names[i], text, length) == 0) {
            return true;
        }
    }
    return false;
}

/* A name as a whole, or names with dots between them. */
static bool is_name(const struct mask *mask, const char *text, size_t length)
{
    if (length == 0 || in_list(mask->names, text, length)) {
        return length > 0;
    }
    for (size_t from = 0, i = 0; i <= length; i++) {
        if (i == length || text[i] == '.') {
            if (i == from || (!in_list(mask->names, text + from, i - from) &&
                              !is_server_name(text + from, i - from))) {
                return false;
            }
            from = i + 1;
        }
    }
    return true;
}

static void trim(const char **text, size_t *length)
{
    while (*length > 0 && ((*text)[0] == ' ' || strncmp(*text, "\xC2\xA0", 2) == 0)) {
        const size_t n = (*text)[0] == ' ' ? 1 : 2;
        *text += n;
        *length -= n;
    }
    while (*length > 0 && ((*text)[*length - 1] == ' ' ||
                           (*length > 1 && memcmp(*text + *length - 2, "\xC2\xA0", 2) == 0))) {
        *length -= (*text)[*length - 1] == ' ' ? 1 : 2;
    }
}

/* What a quoted text holds: a name, or nothing that could be a value (one sign: near ")"). */
static bool holds_name(const struct scan *s, size_t quote, size_t start, size_t end)
{
    const char *inside = s->text + start + strlen(quotes[quote].open);
    size_t length = end - start - strlen(quotes[quote].open);
    while (length > 0 && !closes(quote, inside + length, &(size_t){ 0 })) {
        length--;
    }
    const bool spaced = strcmp(quotes[quote].open, "«") == 0;
    if (spaced) {
        trim(&inside, &length);
    }
    return is_name(s->mask, inside, length) || is_server_name(inside, length) ||
           (length == 1 && !is_ascii_word(inside[0]));
}

/* ---- reading ------------------------------------------------------------------------------------ */

static void add_piece(struct scan *s, size_t start, size_t end, bool name)
{
    struct piece *last = s->count > 0 ? &s->pieces[s->count - 1] : NULL;
    if (last && last->end + 1 == start && s->text[last->end] == '.') { // `db`.`table`
        last->end = end;
        last->name &= name;
    } else if (s->count < PIECES_MAX) {
        s->pieces[s->count++] = (struct piece){ start, end, name };
    } else {
        s->doubtful = true;
    }
}

static void find_pieces(struct scan *s)
{
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < s->length && !s->doubtful; i++) {
        const size_t quote = quote_at(s, i);
        if (quote == QUOTES || is_apostrophe(s, i)) {
            continue;
        }
        first = first == SIZE_MAX ? i : first;
        const size_t end = i > 0 && is_ascii_word(s->text[i - 1]) ? 0 : quote_end(s, i, quote);
        if (end == 0) {
            s->doubtful = true;
            break;
        }
        add_piece(s, i, end, holds_name(s, quote, i, end));
        i = end - 1;
    }
    s->doubtful |= s->mask->cut && first != SIZE_MAX;
    if (s->doubtful) { // one value, from the first quote to the end
        s->pieces[0] = (struct piece){ first, s->length, false };
        s->count = 1;
    }
    if (s->mask->quotes_code && s->count > 1) {
        s->pieces[0] = (struct piece){ s->pieces[0].start, s->pieces[s->count - 1].end, false };
        s->count = 1;
    }
}

/* A value with quotes of its own looks like several quoted texts: what lies between two that are hidden is hidden too,
 * and behind them at most one name is believed. */
static void join_hidden(struct scan *s)
{
    size_t from = 0;
    while (from < s->count && s->pieces[from].name) {
        from++;
    }
    if (from == s->count) {
        return;
    }
    size_t to = s->count - 1;
    if (to > from && s->pieces[to].name) {
        to--;
    }
    const struct piece tail = s->pieces[s->count - 1];
    const bool keeps = to < s->count - 1;
    s->pieces[from].end = s->pieces[to].end;
    s->pieces[from].name = false;
    s->count = from + 1;
    if (keeps) {
        s->pieces[s->count++] = tail;
    }
}

/* ---- words outside of quotes -------------------------------------------------------------------- */

static bool is_edge(char c)
{
    return c && strchr(".:!?", c);
}

static bool is_plain_word(const struct scan *s, const char *word, size_t length)
{
    while (length > 0 && is_edge(word[0])) {
        word++;
        length--;
    }
    while (length > 0 && is_edge(word[length - 1])) {
        length--;
    }
    if (length == 0 || is_name(s->mask, word, length)) {
        return true;
    }
    if (s->mask->raised) {
        return in_list(s->mask->words, word, length);
    }
    for (size_t i = 0; i < length; i++) {
        if (!is_letter(word[i]) && word[i] != '\'' && word[i] != '-') {
            return false;
        }
    }
    return length != strlen(HIDDEN) || memcmp(word, HIDDEN, length) != 0;
}

struct out {
    struct buf text;
    bool hidden; /* the last thing that was added is hidden */
};

static void hide(struct out *out)
{
    if (!out->hidden) {
        buf_adds(&out->text, HIDDEN);
    }
    out->hidden = true;
}

/* [from, to) has no quotes but apostrophes. False: from here on all is hidden. */
static bool add_words(const struct scan *s, struct out *out, size_t from, size_t to)
{
    for (size_t i = from; i < to;) {
        const size_t blanks = strspn(s->text + i, " \t");
        const size_t n = blanks < to - i ? blanks : to - i;
        if (n > 0) {
            if (!out->hidden || i + n == to) {
                buf_add(&out->text, s->text + i, n);
            }
            i += n;
            continue;
        }
        if (strchr(BORDERS, s->text[i])) {
            buf_addc(&out->text, s->text[i++]);
            out->hidden = false;
            continue;
        }
        size_t end = i + strcspn(s->text + i, " \t" BORDERS);
        end = end < to ? end : to;
        if (memchr(s->text + i, '=', end - i)) { // (a)=(value), which may have blanks and brackets
            hide(out);
            return false;
        }
        if (is_plain_word(s, s->text + i, end - i)) {
            if (out->hidden && i > from && out->text.len > 0 &&
                out->text.data[out->text.len - 1] != ' ') {
                buf_addc(&out->text, ' ');
            }
            buf_add(&out->text, s->text + i, end - i);
            out->hidden = false;
        } else {
            hide(out);
        }
        i = end;
    }
    return true;
}

static void add_piece_text(const struct scan *s, struct out *out, const struct piece *p)
{
    if (p->name) {
        buf_add(&out->text, s->text + p->start, p->end - p->start);
        out->hidden = false;
        return;
    }
    const size_t quote = quote_at(s, p->start);
    const char *close = quotes[quote].close ? quotes[quote].close : "";
    buf_addf(&out->text, "%s" HIDDEN "%s", quotes[quote].open, close);
    out->hidden = false;
}

char *mask_text(const char *text, const struct mask *mask)
{
    struct scan s = { .text = text, .length = strlen(text), .mask = mask };
    struct out out = { .text = BUF(TEXT_MAX) };
    find_pieces(&s);
    join_hidden(&s);
    size_t at = 0;
    bool going = true;
    for (size_t i = 0; i < s.count && going; i++) {
        going = add_words(&s, &out, at, s.pieces[i].start);
        if (going) {
            add_piece_text(&s, &out, &s.pieces[i]);
        }
        at = s.pieces[i].end;
    }
    if (going) {
        add_words(&s, &out, at, s.length);
    }
    return buf_take(&out.text);
}
