/* SPDX-License-Identifier: Apache-2.0 */
/* Failures remembered. */
#include "controller/note.h"

#include <stdlib.h>

#include "reconcile/base/mem.h"
#include "reconcile/base/str.h"

bool note_failure(struct note *note, struct err *e, int64_t now_mono_ms)
{
    bool fresh = !str_eq(note->reason, e->reason) || !str_eq(note->message, e->message);

    free(note->message);
    note->message = e->message;
    e->message = NULL;
    note->reason = e->reason;
    note->mono_ms = now_mono_ms;
    note->count++;
    err_free(e);
    return fresh;
}

void note_clear(struct note *note)
{
    free(note->message);
    *note = (struct note){ 0 };
}

void note_copy(const struct note *from, struct note *out)
{
    *out = *from;
    out->message = mem_strdup(from->message);
}

void note_view(const struct note *note, int64_t now_mono_ms, struct failure *out)
{
    *out = (struct failure){ 0 };
    if (note->reason) {
        *out = (struct failure){ .reason = note->reason,
                                 .message = note->message ? note->message : "",
                                 .age_ms = now_mono_ms - note->mono_ms,
                                 .count = note->count };
    }
}
