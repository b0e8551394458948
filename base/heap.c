/* SPDX-License-Identifier: Apache-2.0 */
/* glibc's allocator: two arenas instead of eight a core. */
#include "base/heap.h"
#include <malloc.h>

void heap_for_threads(void)
{
    mallopt(M_ARENA_MAX, 2);
}

void heap_give_back(void)
{
    malloc_trim(0);
}
