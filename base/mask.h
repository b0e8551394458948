/* SPDX-License-Identifier: Apache-2.0 */
/* Values in texts that a server wrote: what may be shown to people who may not read the database. */
#pragma once
#include <stdbool.h>
#include "base/str.h"

struct mask {
    const struct strlist
        *names; /* may stand in quotes: names of tables, columns; any case; NULL: none */
    const struct strlist
        *words; /* with `raised`: what its author wrote for people; NULL: nothing */
    bool
        raised; /* by somebody's program (RAISE, SIGNAL): its plain words are no words of the server's */
    bool quotes_code; /* its quotes hold a piece of a statement, with whatever quotes that has */
    bool cut;         /* its end is missing */
};

/* The text with "…" in the place of all that may be a value. What stays: plain words of the server's own, and quoted
 * names. Not by looking for values, which may look like anything: what is not known to be a name goes, and from the
 * first quote whose partner is in doubt everything to the text's end. Idempotent in that nothing comes back. Owned. */
char *mask_text(const char *text, const struct mask *mask);
