/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of something that is tried again: its newest failure and how often in a row. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "reconcile/base/err.h"
#include "reconcile/step/step.h"

struct note {
    const char *reason; /* static; NULL: the last try went well, or there was none */
    char *message;      /* owned */
    int64_t mono_ms;
    int32_t count;
};

/* Takes e. True when reason or message are not the ones of the failure before: worth a log line. */
bool note_failure(struct note *note, struct err *e, int64_t now_mono_ms);
void note_clear(struct note *note);
void note_copy(const struct note *from, struct note *out); /* out is zeroed before */
/* Borrows the message. */
void note_view(const struct note *note, int64_t now_mono_ms, struct failure *out);
