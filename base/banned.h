/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that are easy to misuse. Force-included into every translation unit by CMake. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A foreign header whose macros name such functions must be read before they are poisoned. */
#ifdef SLUICE_FOREIGN_FIRST
#include SLUICE_FOREIGN_FIRST
#endif

/* With clang the checked sprintf of glibc is a macro, which cannot be poisoned as it stands. */
#undef sprintf
#pragma GCC poison atoi atol atoll strtol strtoll strtoul strtoull sscanf strtok sprintf vsprintf
#pragma GCC poison strcpy strcat strncpy strncat gmtime localtime ctime asctime popen
