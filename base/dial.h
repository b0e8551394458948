/* SPDX-License-Identifier: Apache-2.0 */
/* The libraries that talk to databases and over ssh look a name up and connect by themselves, and none of them asks before it
 * does. An answer that we had looked up before could be another one by then; so their connect() is ours. */
#pragma once
#include <stdbool.h>

/* From now on whatever the calling thread runs gets EACCES for a TCP connection to an address that address_refused():
 * nothing is sent there. Threads do not share it, and it does not nest. */
void dial_guard(void);
/* Has a connection been refused since? */
bool dial_refused(void);
/* Ends it; what dial_refused() would have said. */
bool dial_unguard(void);
