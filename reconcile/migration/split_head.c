/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a file ends with its first statement: no directive stands behind it. */
#include "reconcile/migration/placeholder.h"
#include "reconcile/migration/split.h"

struct err *split_check_directive(struct splitter *sp, bool code)
{
    size_t at = sp->c.lx.directive_at;

    sp->c.lx.directive_at = LEXER_NOWHERE;
    if (at != LEXER_NOWHERE && sp->seen_code) {
        return SPLIT_ERR(sp, at, "a directive must stand before the first statement of the file");
    }
    sp->seen_code = sp->seen_code || code;
    return NULL;
}
