/* SPDX-License-Identifier: Apache-2.0 */
/* What the two files of the oracle share. */
#pragma once
#include "order_oracle.h"

#define BIT(n) (1u << (unsigned)(n))
#define FILE_BIT(n) (UINT64_C(1) << (unsigned)(n))

static inline bool oracle_present(const struct oracle *o, int database)
{
    return (o->now.present & BIT(database)) != 0;
}

/* SHA-256(UID NUL name), as the documentation says of the order of databases. */
void oracle_rank(struct oracle_database *d, const char *uid, const char *name);
/* The waves of the spec as it is now; what they reach is added to what they reached. */
void oracle_reach_out(struct oracle *o);
