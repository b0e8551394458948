/* SPDX-License-Identifier: Apache-2.0 */
/* How the allocator of a long-lived process of many threads deals with what was freed. */
#pragma once

/* Else what one thread has freed stays that thread's, and a process of eighty is as large as eighty. Call before
 * the first thread is made. */
void heap_for_threads(void);
/* What was freed goes back to the system; takes milliseconds. */
void heap_give_back(void);
