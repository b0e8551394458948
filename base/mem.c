/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation that aborts when memory is gone. */
#include "base/mem.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void (*on_exhausted)(void);

void mem_on_exhausted(void (*end)(void))
{
    on_exhausted = end;
}

static void *checked(void *p)
{
    if (!p) {
        if (on_exhausted) {
            on_exhausted();
        }
        (void)fputs("sluice: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *mem_alloc(size_t size)
{
    return checked(calloc(1, size ? size : 1));
}

void *mem_array(size_t count, size_t size)
{
    /* calloc() checks the product. */
    return checked(calloc(count ? count : 1, size ? size : 1));
}

void *mem_grow(void *array, size_t *cap, size_t count, size_t size)
{
    if (array && count <= *cap) {
        return array;
    }
    size_t wanted = *cap < 8 ? 8 : *cap;
    while (wanted < count) {
        wanted = wanted > SIZE_MAX / 2 ? count : wanted * 2;
    }
    size_t bytes = 0;
    if (__builtin_mul_overflow(wanted, size ? size : 1, &bytes)) {
        checked(NULL);
    }
    char *grown = checked(realloc(array, bytes));
    size_t old = array ? *cap * size : 0;
    memset(grown + old, 0, bytes - old);
    *cap = wanted;
    return grown;
}

void mem_sort(void *array, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    const char *items = array;
    for (size_t i = 1; i < count; i++) {
        if (compare(items + (i - 1) * size, items + i * size) > 0) {
            qsort(array, count, size, compare);
            return;
        }
    }
}

char *mem_strdup(const char *text)
{
    return text ? checked(strdup(text)) : NULL;
}

char *mem_strndup(const char *text, size_t length)
{
    char *copy = checked(malloc(length + 1));
    if (length) {
        memcpy(copy, text, length);
    }
    copy[length] = '\0';
    return copy;
}

void mem_strset(char **text, const char *with)
{
    char *copy = mem_strdup(with);
    free(*text);
    *text = copy;
}

char *mem_printf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0) {
        text = NULL;
    }
    va_end(args);
    return checked(text);
}
