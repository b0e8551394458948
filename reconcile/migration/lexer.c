/* SPDX-License-Identifier: Apache-2.0 */
/* One lexer of two dialects. */
#include "reconcile/migration/lexer.h"

struct lexer lexer_make(enum engine engine, int32_t server_version, const char *text, size_t length)
{
    return (struct lexer){
        .engine = engine,
        .server_version = server_version,
        .text = text,
        .length = length,
        .backslash = engine != ENGINE_POSTGRESQL,
        .directive_at = LEXER_NOWHERE,
    };
}

struct token lexer_next(struct lexer *lx)
{
    return lx->engine == ENGINE_POSTGRESQL ? lexer_next_pg(lx) : lexer_next_my(lx);
}
