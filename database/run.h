/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a run that apply.c shares with record.c. Internal to database/. */
#pragma once
#include "database/engine.h"

/* Connects, checks, locks, looks. Fills *run even on error: always call run_end(). */
struct err *run_begin(const struct apply_request *request, enum journal_scope scope,
                      struct result *result, struct run *run) ERR_MUST_USE;
/* The first half of it: connects and checks. `look`: a session that cannot write. */
struct err *run_open(const struct apply_request *request, enum journal_scope scope, bool look,
                     struct result *result, struct run *run) ERR_MUST_USE;
/* The statements of all files can be told apart, so that a bad fifth one changes nothing. */
struct err *run_check_scripts(const struct run *run, const struct apply_list *list) ERR_MUST_USE;
/* Did an earlier attempt leave a step open in a file that we have? */
bool run_has_open_steps(const struct run *run);
void apply_list_done(struct apply_list *list);
struct err *run_lease(struct run *run) ERR_MUST_USE;
enum outcome run_outcome(const char *reason);
/* Fills the result from the run and the error (borrowed, may be NULL); ends the session. */
void run_end(struct run *run, const struct err *e);
