/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the oracle share. */
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
/* The waves of the spec as it is now; what they select, and reach, is added to what they did before. */
void oracle_reach_out(struct oracle *o);
/* order_oracle_answers.c */
void oracle_forget_answers(struct oracle *o, int database);
bool oracle_gates_passed(const struct oracle_wave *wave, const struct oracle_database *d, int w);
void oracle_read_answers(struct oracle *o); /* by a decision */
/* order_oracle_list.c: who has come to the plan and left it since: o->came, o->left. */
void oracle_list(struct oracle *o, const struct oracle_decision *in);
