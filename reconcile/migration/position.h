/* SPDX-License-Identifier: Apache-2.0 */
/* Byte offsets to line and column, and errors that name them. Internal to migration/. */
#pragma once
#include "base/err.h"
#include "model/migration.h"
#include "model/reason.h"

struct position { /* of one byte of a text; POSITION_START is the first */
    size_t offset;
    int line;   /* from 1; a line ends at LF, CRLF or a lone CR */
    int column; /* from 1, in characters; a leading byte order mark has no width */
};
#define POSITION_START ((struct position){ .line = 1, .column = 1 })

/* Moves forward from where *at is (or starts again when offset lies before it). An offset behind the
 * end means the end. */
void position_advance(const char *text, size_t length, struct position *at, size_t offset);
struct position position_find(const char *text, size_t length, size_t offset);

/* ERR_TERMINAL "path:line:column: ..." for a byte of m's raw text. */
#define ERR_AT(m, offset, reason, fmt, ...)                                                        \
    __extension__({                                                                                \
        const struct migration *at_m_ = (m);                                                       \
        struct position at_ =                                                                      \
            position_find((const char *)migration_bytes(at_m_), at_m_->size, (offset));            \
        err_new(ERR_TERMINAL, (reason), "%s:%d:%d: " fmt, at_m_->path, at_.line, at_.column,       \
                ##__VA_ARGS__);                                                                    \
    })
