/* SPDX-License-Identifier: Apache-2.0 */
/* Manual pages, in the man(7) macros, from the tables. */
#pragma once
#include "base/buf.h"
#include "cli/cli.h"

void man_command(const struct command *command, const char *version,
                 struct buf *out);                      /* sluice-NAME(1) */
void man_program(const char *version, struct buf *out); /* sluice(1) */
