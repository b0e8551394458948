/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation that aborts when memory is gone: limits keep this out of users' reach. */
#pragma once
#include <stddef.h>

/* Called instead of the message and the abort; must not return nor allocate. NULL: those again. */
void mem_on_exhausted(void (*end)(void));
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));               /* zeroed */
void *mem_array(size_t count, size_t size) __attribute__((malloc, returns_nonnull)); /* zeroed */
/* Grow an array to hold `count` elements; the new tail is zeroed. *cap is in elements. */
void *mem_grow(void *array, size_t *cap, size_t count, size_t size)
    __attribute__((returns_nonnull));
/* qsort() that looks first whether there is anything to do: names of files come in order. */
void mem_sort(void *array, size_t count, size_t size, int (*compare)(const void *, const void *));
char *mem_strdup(const char *text);                 /* NULL stays NULL */
char *mem_strndup(const char *text, size_t length); /* copies exactly length bytes + NUL */
/* *text becomes a copy of `with`, which may lie in what it was; that is freed. */
void mem_strset(char **text, const char *with);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
