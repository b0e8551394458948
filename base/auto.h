/* SPDX-License-Identifier: Apache-2.0 */
/* Scope-bound cleanup: three macros, no more. */
#pragma once
#include <stddef.h>
#include <stdlib.h>

/* Run fn(&variable) when the variable leaves scope. */
#define AUTO(fn) __attribute__((cleanup(fn)))

/* Turn a plain destructor void fn(T *) into fn_auto, which AUTO() accepts. */
#define DEFINE_AUTO(T, fn)                                                                         \
    __attribute__((unused)) static inline void fn##_auto(T **p)                                    \
    {                                                                                              \
        if (*p) {                                                                                  \
            fn(*p);                                                                                \
        }                                                                                          \
    }

/* Give up ownership: scope exit then has nothing to free. */
#define TAKE(p)                                                                                    \
    __extension__({                                                                                \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

/* AUTO(free_auto) char *text = NULL; */
static inline void free_auto(void *p)
{
    free(*(void **)p);
}
