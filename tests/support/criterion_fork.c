/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps Criterion from hanging under the Address sanitizer.
 *
 * Criterion forks for every test while a thread of libnanomsg runs. glibc makes its own malloc safe
 * for the child; the sanitizer of GCC 12 and Clang 14 does not: if that thread is inside malloc at
 * that moment, the child waits for ever for a lock that nobody holds any more. So libnanomsg's own
 * allocation functions, which are looked up in the program first, take their memory from glibc. */
#include <stddef.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void __libc_free(void *block);

void *nn_alloc_(size_t size);
void *nn_realloc(void *block, size_t size);
void nn_free(void *block);

void *nn_alloc_(size_t size)
{
    return __libc_malloc(size);
}

void *nn_realloc(void *block, size_t size)
{
    return __libc_realloc(block, size);
}

void nn_free(void *block)
{
    __libc_free(block);
}
