/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files that classify PostgreSQL statements. Internal to migration/. */
#pragma once
#include <string.h>
#include "reconcile/migration/classify.h"

/* The current token, literal or not, is this text in any case. */
static inline bool token_is_text(const struct cursor *c, const char *text)
{
    size_t length = c->tok.end - c->tok.start;

    return strlen(text) == length && strncasecmp(c->lx.text + c->tok.start, text, length) == 0;
}

/* Sets touches_session, leaves_transaction and sets_config. InvalidMigration: what would end the run's lock. */
struct err *pg_scan_words(struct classify *x, struct statement *s) ERR_MUST_USE;
/* The same for the body of DO, which is one string to the lexer. */
void pg_scan_body(struct classify *x, struct statement *s);
/* Behind SELECT: nothing but set_config() calls whose arguments are written out? *local: one holds to the end of the
 * transaction only. */
bool pg_is_set_config(struct cursor c, bool *local);
