/* SPDX-License-Identifier: Apache-2.0 */
/* From a decision to a Job's assignment: manifest, digest, packed SQL (docs/formats.md 2). */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "reconcile/base/buf.h"
#include "reconcile/base/err.h"
#include "reconcile/model/assignment.h"
#include "reconcile/model/history.h"
#include "reconcile/model/mplan.h"
#include "reconcile/model/platform.h"
#include "reconcile/plan/plan.h"

struct assign_input { /* all borrowed */
    const struct mplan *plan;
    size_t database;
    const struct inspection *seen;
    int64_t seen_age_ms;        /* monotonic, since the inspection ended */
    const struct plan *actions; /* what is missing; NULL: nothing */
    const char *cluster, *digest, *commit, *revision, *retry_token;
    int64_t attempt;
    enum ownership ownership;
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
