/* SPDX-License-Identifier: Apache-2.0 */
/* What both dialects' lexers read alike. */
#include "reconcile/migration/lexer.h"

size_t lexer_quoted_end(const struct lexer *lx, size_t at, char quote, bool backslash)
{
    for (size_t i = at + 1; i < lx->length; i++) {
        if (backslash && lx->text[i] == '\\') {
            i++;
        } else if (lx->text[i] == quote) {
            if (i + 1 >= lx->length || lx->text[i + 1] != quote) {
                return i + 1;
            }
            i++;
        }
    }
    return 0;
}

size_t lexer_line_end(const struct lexer *lx, size_t at)
{
    while (at < lx->length && lx->text[at] != '\n' && lx->text[at] != '\r') {
        at++;
    }
    return at;
}

struct token lexer_fail(struct lexer *lx, size_t at, const char *problem)
{
    lx->problem = problem;
    lx->problem_at = at;
    lx->pos = lx->length;
    return (struct token){ .kind = TOKEN_ERROR, .start = at, .end = lx->length };
}

bool lexer_is_digit(char c)
{
    return c >= '0' && c <= '9';
}
