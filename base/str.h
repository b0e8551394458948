/* SPDX-License-Identifier: Apache-2.0 */
/* Text helpers that replace the banned ones: numbers, UTF-8, lists of strings and pairs. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True and *out set only if the WHOLE text is a decimal integer within [min, max]. */
bool str_to_int64(const char *text, int64_t min, int64_t max, int64_t *out);

bool str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool str_starts(const char *text, const char *prefix);
bool str_ends(const char *text, const char *suffix);
bool str_ieq(const char *a, const char *b); /* ASCII case-insensitive; NULL equals only NULL */
char *str_lower(const char *text);          /* ASCII; owned copy */

/* Bytes of the code point at `text`, *cp its value; 0: there is no valid one (no surrogates, no overlong forms,
 * <= U+10FFFF). */
size_t str_utf8_decode(const char *text, size_t left, uint32_t *cp);
/* The other way; returns the bytes taken of `out`. */
size_t str_utf8_encode(uint32_t cp, char out[4]);
/* Length of the longest valid UTF-8 prefix. */
size_t str_utf8_valid(const char *text, size_t length);
/* Largest n <= max such that cutting at n splits no code point. */
size_t str_utf8_cut(const char *text, size_t length, size_t max);
/* Bytes of the character at `text` if a terminal must not get it as it is, for it would obey or hide it: controls, bytes
 * that are no UTF-8, marks that turn the direction, characters without a width that no letter needs. 0: none of these.
 * *cp: which; UINT32_MAX for a byte that is no UTF-8. */
size_t str_hidden(const char *text, size_t length, uint32_t *cp);
/* Foreign text in one line, for people: what is hidden is spelled out, as \x1b, \n, <U+202E>, \xff. Owned. */
char *str_printable(const char *text, size_t length);
/* The same of a text that has lines: '\n', '\t' and a '\r' before '\n' stay. Owned. */
char *str_printable_lines(const char *text, size_t length);

/* Could `wrong` be a slip for `right`? At most two edits, or one is the beginning of the other; case
 * does not count. For "did you mean". */
bool str_similar(const char *wrong, const char *right);

struct strlist {
    char **items; /* each owned */
    size_t count;
    size_t cap;
};
void strlist_add(struct strlist *list, const char *text); /* copies */
void strlist_addn(struct strlist *list, const char *text, size_t length);
bool strlist_has(const struct strlist *list, const char *text);
bool strlist_equal(const struct strlist *a, const struct strlist *b);
void strlist_copy(const struct strlist *from, struct strlist *out); /* out is zeroed before */
void strlist_done(struct strlist *list);

struct kvlist { /* ordered pairs, e.g. placeholders, labels */
    struct kv {
        char *key;   /* owned */
        char *value; /* owned */
    } * items;
    size_t count;
    size_t cap;
};
void kvlist_set(struct kvlist *list, const char *key, const char *value); /* replaces same key */
const char *kvlist_get(const struct kvlist *list, const char *key);       /* NULL if absent */
void kvlist_copy(const struct kvlist *from, struct kvlist *out);
void kvlist_done(struct kvlist *list);
