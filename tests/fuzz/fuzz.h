/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets share. Each is one function; clang's libFuzzer calls it, or replay.c with the files of corpus/. */
#pragma once
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include "base/auto.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* The bytes as a text: each NUL, and each byte that is no UTF-8, becomes '?'. Owned. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = mem_strndup((const char *)data, size);

    for (char *nul = NULL; (nul = memchr(text, '\0', size));) {
        *nul = '?';
    }
    for (size_t at = 0; (at += str_utf8_valid(text + at, size - at)) < size;) {
        text[at] = '?';
    }
    return text;
}

/* Both are shown before the end. NULL equals only NULL. */
static inline void fuzz_same(const char *what, const char *got, const char *want)
{
    if (!str_eq(got, want)) {
        fprintf(stderr, "%s\n got: %s\nwant: %s\n", what, got ? got : "(none)",
                want ? want : "(none)");
        abort();
    }
}

/* What was printed must be read again. */
static inline void fuzz_read_again(struct err *e, const char *printed)
{
    if (e) {
        fprintf(stderr, "not read again: %s\n%s\n", e->message, printed);
        abort();
    }
}

/* An error that ends the input: freed. It names its place first. */
static inline void fuzz_refused(struct err *e, const char *reason, const char *place)
{
    assert(e->kind == ERR_TERMINAL);
    assert(!reason || str_eq(e->reason, reason));
    assert(str_starts(e->message, place) && strlen(e->message) > strlen(place));
    err_free(e);
}
