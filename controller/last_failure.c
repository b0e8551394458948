/* SPDX-License-Identifier: Apache-2.0 */
/* Failures remembered. */
#include "controller/last_failure.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"

bool last_failure_set(struct last_failure *last, struct err *e, int64_t now_mono_ms)
{
    bool fresh = !str_eq(last->reason, e->reason) || !str_eq(last->message, e->message);

    free(last->message);
    last->message = e->message;
    e->message = NULL;
    last->reason = e->reason;
    last->mono_ms = now_mono_ms;
    last->count++;
    err_free(e);
    return fresh;
}

void last_failure_clear(struct last_failure *last)
{
    free(last->message);
    *last = (struct last_failure){ 0 };
}

void last_failure_copy(const struct last_failure *from, struct last_failure *out)
{
    *out = *from;
    out->message = mem_strdup(from->message);
}

void last_failure_view(const struct last_failure *last, int64_t now_mono_ms, struct failure *out)
{
    *out = (struct failure){ 0 };
    if (last->reason) {
        *out = (struct failure){ .reason = last->reason,
                                 .message = last->message ? last->message : "",
                                 .age_ms = now_mono_ms - last->mono_ms,
                                 .count = last->count };
    }
}
