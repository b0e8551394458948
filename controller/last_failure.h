/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of something that is tried again: its newest failure and how often in a row. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "reconcile/step/step.h"

struct last_failure {
    const char *reason; /* static; NULL: the last try went well, or there was none */
    char *message;      /* owned */
    int64_t mono_ms;
    int32_t count;
};

/* Takes e. True when reason or message are not the ones of the failure before: worth a log line. */
bool last_failure_set(struct last_failure *last, struct err *e, int64_t now_mono_ms);
void last_failure_clear(struct last_failure *last);
void last_failure_copy(const struct last_failure *from,
                       struct last_failure *out); /* out is zeroed before */
/* Borrows the message. */
void last_failure_view(const struct last_failure *last, int64_t now_mono_ms, struct failure *out);
