/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a statement that are no values: what a server's message about it may show (base/mask.h). PURE. */
#pragma once
#include "model/history.h"
#include "model/migration.h"

/* Adds to `names` every word and quoted name outside of literals and comments; code in a dollar quote (DO, CREATE
 * FUNCTION) is read likewise. To `words` what the statement's RAISE and SIGNAL say: the words of their texts. From
 * where a text cannot be read nothing is added. */
void statement_names(const struct identity *server, const struct statement *s,
                     struct strlist *names, struct strlist *words);
