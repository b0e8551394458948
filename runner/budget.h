/* SPDX-License-Identifier: Apache-2.0 */
/* What a command that works on a database within its own process may take of the machine: a server decides how large its
 * answers are and how long it keeps us, so both have an end. Looks need none of this: they are children (database/ask.h). */
#pragma once
#include <stdint.h>

/* From now on. memory_mib 0: seven eighths of the control group's limit, at most 1024 where there is none. Beyond it, and
 * when a login does not end, the process ends with one line on stderr: what was done is recorded, as after a kill. */
void budget_begin(const char *command, int64_t memory_mib);
