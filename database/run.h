/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a run that apply.c shares with record.c. Internal to database/. */
#pragma once
#include "database/engine.h"

/* Connects, checks, locks, looks. Fills *run even on error: always call run_end(). */
struct err *run_begin(const struct apply_request *request, enum journal_scope scope,
                      struct result *result, struct run *run) ERR_MUST_USE;
struct err *run_lease(struct run *run) ERR_MUST_USE;
enum outcome run_outcome(const char *reason);
/* Fills the result from the run and the error (borrowed, may be NULL); ends the session. */
void run_end(struct run *run, const struct err *e);
