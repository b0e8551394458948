/* SPDX-License-Identifier: Apache-2.0 */
/* The work of the child: poll or fetch, once libgit2 is set up. Private to git/. */
#pragma once
#include "git/wire.h"

struct err *fetch_poll(const struct wire_job *job, struct repo_tip *tips) ERR_MUST_USE;
struct err *fetch_run(const struct wire_job *job, struct repo_result *out) ERR_MUST_USE;
