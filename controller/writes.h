/* SPDX-License-Identifier: Apache-2.0 */
/* When a status is worth a write. PURE. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "model/status.h"

#define WRITE_GAP_MS 2000                /* between writes, but for what people wait for */
#define WRITE_SETTLE_MS 500              /* what nobody waits for is at least so old */
#define VERIFIED_GAP_MS (60 * 60 * 1000) /* between writes for lastVerified alone */
#define WRITE_NOTHING (-1)

struct pending_write {
    const struct status *stored, *next;
    bool first;              /* an effect depends on it */
    bool again;              /* the next pass follows at once */
    int64_t written_mono_ms; /* 0: never */
    int64_t now_mono_ms;
};

/* WRITE_NOTHING, 0: now, or how long it may wait. *held_mono_ms: since when a write is held
 * back, 0: none is; kept by the caller. */
int64_t write_in_ms(const struct pending_write *write, int64_t *held_mono_ms);
