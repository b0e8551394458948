/* SPDX-License-Identifier: Apache-2.0 */
/* From a decision to a Job's assignment: manifest, digest, packed SQL (docs/reference/formats.md 2). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "model/assignment.h"
#include "model/history.h"
#include "model/mplan.h"
#include "model/platform.h"
#include "reconcile/plan/plan.h"

struct assign_input { /* all borrowed */
    const struct mplan *plan;
    size_t database;
    const struct inspection *inspection;
    int64_t inspection_age_ms;  /* monotonic, since the inspection ended */
    const struct plan *actions; /* what is missing; NULL: nothing */
    const char *cluster, *digest, *commit, *revision, *retry_token;
    int64_t attempt;
    enum ownership ownership;
    int64_t stop_in_ms; /* from now; < 0: no such time */
    bool first_only;    /* of the files: the one that an attempt was interrupted in */
};

struct assign {
    struct assignment assignment;
    char *manifest;
    char sha256[SHA256_HEX_LEN + 1]; /* of the manifest's bytes */
    struct buf stream;               /* the compressed bundle */
    struct job_part *parts;          /* of it */
    size_t part_count;
};

/* SourceTooLarge when the pending SQL does not fit. */
struct err *assign_make(const struct assign_input *input, struct assign *out) ERR_MUST_USE;
void assign_done(struct assign *assign);
