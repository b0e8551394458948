/* SPDX-License-Identifier: Apache-2.0 */
/* What did not fit into a buffer, as an error. */
#include "base/buf.h"

struct err *buf_check(const struct buf *b, const char *reason, const char *what)
{
    if (!b->failed) {
        return NULL;
    }
    return err_new(ERR_TERMINAL, reason, "%s is larger than %zu bytes", what, b->max);
}
