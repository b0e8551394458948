/* SPDX-License-Identifier: Apache-2.0 */
/* Signals of a command that writes to a database: SIGTERM, SIGINT and SIGALRM become a wish to stop. They are
 * taken by a thread of their own and interrupt no system call: Connector/C with TLS takes an interrupted wait
 * for one that timed out, and gives the connection up. Child processes started later inherit the mask. */
#pragma once

#include <stdbool.h>

#include "database/database.h"

/* Once, from the first thread. `cancel` is initialised here and lives as long as the process. */
void signals_watch(struct cancel *cancel);
bool signals_alarmed(void); /* SIGALRM was among them */
