/* SPDX-License-Identifier: Apache-2.0 */
/* One splitter of two dialects. */
#include "reconcile/migration/split.h"

struct splitter splitter_make(enum engine engine, int32_t server_version, const struct migration *m,
                              const struct script *script)
{
    return (struct splitter){
        .c = { .lx =
                   lexer_make(engine, server_version, script->expanded, script->expanded_length) },
        .m = m,
        .script = script,
    };
}

struct err *split_next(struct splitter *sp, struct piece *out, bool *more)
{
    *more = sp->c.lx.pos < sp->c.lx.length;
    if (!*more) {
        return NULL;
    }
    struct piece piece = { .begin = sp->c.lx.pos };
    TRY(sp->c.lx.engine == ENGINE_POSTGRESQL ? split_next_pg(sp, &piece)
                                             : split_next_my(sp, &piece));
    piece.next = sp->c.lx.pos;
    *out = piece;
    return NULL;
}
