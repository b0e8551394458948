/* SPDX-License-Identifier: Apache-2.0 */
/* Reading one statement word by word. Internal to migration/. */
#pragma once
#include "model/migration.h"
#include "reconcile/migration/lexer.h"

struct cursor { /* a plain value: copy it to look ahead */
    struct lexer lx;
    struct token tok; /* the current one; borders of conditional comments are never seen */
    size_t last_end;  /* where the one before it ended */
};

bool token_is(const struct lexer *lx, struct token tok, const char *word); /* unquoted, any case */
bool token_is_symbol(const struct lexer *lx, struct token tok, char symbol);

/* Text [start, end) under the lexer settings of `base`. */
struct cursor cursor_make(const struct lexer *base, size_t start, size_t end);
void cursor_next(struct cursor *c);
bool cursor_at_end(const struct cursor *c);
bool cursor_is(const struct cursor *c, const char *word);
bool cursor_is_symbol(const struct cursor *c, char symbol);
bool cursor_is_one_of(const struct cursor *c, const char *const *words); /* NULL-terminated list */
bool cursor_take(struct cursor *c, const char *word);                    /* if it is, go on */
bool cursor_take_symbol(struct cursor *c, char symbol);
/* All the words, blank-separated, or nothing: cursor_take_all(c, "IF NOT EXISTS"). */
bool cursor_take_all(struct cursor *c, const char *words);
/* At '(': behind the matching ')'. */
void cursor_skip_parens(struct cursor *c);

/* [schema.]name (of three parts the last two), unquoted, in PostgreSQL folded to lower case and cut
 * at 63 bytes as the server does. False: no name here, or a part in U&"". Strings owned by *out. */
bool cursor_name(struct cursor *c, const char *type, struct object_ref *out);
/* The same, added to the statement, whose array has room for at least 8 then. */
bool cursor_object(struct cursor *c, const char *type, bool is_new, struct statement *s);
