/* SPDX-License-Identifier: Apache-2.0 */
/* Limits that a process puts on itself, for good: of children that talk to servers, and of runners. */
#pragma once
#include <stdint.h>

/* Under the address or the thread sanitizer, of gcc or of clang: their shadow needs terabytes of addresses, and the leak
 * check looks into the process. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

/* Nothing of the process can be dumped or traced, or outlives its parent's thread; no SIGPIPE, no new rights. Before it
 * reads a byte of what it must keep. */
void confine_early(void);
/* RLIMIT_... down to `value`; 0 or less: as it is. */
void confine_cap(int resource, int64_t value);
/* What is allocated, bytes. Beyond it allocations fail: mem_...() then ends the process by mem_exhausted(). Nothing
 * under a sanitizer, whose shadow alone is larger. */
void confine_memory(int64_t bytes);
/* SIGXCPU ends the process after so much work. */
void confine_work(int64_t seconds);
/* SIGALRM ends the process after so long, whatever it waits for. */
void confine_time(int64_t ms);
