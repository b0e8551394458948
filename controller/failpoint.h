/* SPDX-License-Identifier: Apache-2.0 */
/* Named places where a test build dies: SLUICE_FAILPOINT=before_create[:3] kills the process the
 * third time it comes there; around calls of an API server the names are "before POST jobs" and the like.
 * SLUICE_FAILPOINT_TRACE=FILE collects the names that are passed. With SLUICE_FAILPOINT_STOPS=1 the process
 * is stopped there instead, until SIGCONT. Compiled to nothing unless the build sets SLUICE_FAILPOINTS. */
#pragma once

#ifdef SLUICE_FAILPOINTS
void failpoint(const char *name);
#else
#define failpoint(name) ((void)0)
#endif
