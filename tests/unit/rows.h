/* SPDX-License-Identifier: Apache-2.0 */
/* Loops over static tables, and checks of errors, for all unit tests. */
#pragma once
#include <criterion/criterion.h>
#include <stddef.h>
#include <string.h>
#include "base/err.h"

#define ROWS(table) (sizeof(table) / sizeof *(table))

/* want NULL: success is expected; else a piece of the message. Frees the error. */
static inline void check_error(const char *row, struct err *e, const char *want)
{
    if (want) {
        cr_expect(e != NULL, "%s: an error was expected", row);
        cr_expect(!e || strstr(e->message, want), "%s: got \"%s\", want \"%s\"", row,
                  e ? e->message : "", want);
    } else {
        cr_expect(!e, "%s: got \"%s\", want success", row, e ? e->message : "");
    }
    err_free(e);
}

static inline void check_text(const char *row, const char *got, const char *want)
{
    bool same = got && want ? strcmp(got, want) == 0 : got == want;
    cr_expect(same, "%s: got \"%s\", want \"%s\"", row, got ? got : "(none)",
              want ? want : "(none)");
}
