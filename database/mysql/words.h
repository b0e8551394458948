/* SPDX-License-Identifier: Apache-2.0 */
/* Walking over the text of a statement or a definition. Internal to rules.c and definition.c. */
#pragma once
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "model/migration.h"

/* p is at an opening quote: past the closing one. Doubled quotes and backslashes stay inside. */
static inline const char *skip_quoted_as(const char *p, struct my_quotes quotes)
{
    const char quote = *p++;
    const bool name = quote == '`' || (quote == '"' && quotes.ansi);
    for (; *p; p++) {
        if (*p == '\\' && !name && !quotes.no_backslash && p[1]) {
            p++;
        } else if (*p == quote && p[1] == quote) {
            p++;
        } else if (*p == quote) {
            return p + 1;
        }
    }
    return p;
}

/* The same in what the server writes under our own settings. */
static inline const char *skip_quoted(const char *p)
{
    return skip_quoted_as(p, (struct my_quotes){ 0 });
}

/* Behind blanks and comments. */
static inline const char *skip_space(const char *p)
{
    for (;;) {
        p += strspn(p, " \t\r\n\f\v");
        if (p[0] == '/' && p[1] == '*' && p[2] != '!') {
            const char *end = strstr(p + 2, "*/");
            p = end ? end + 2 : p + strlen(p);
        } else if (*p == '#' || (p[0] == '-' && p[1] == '-' && (uint8_t)p[2] <= ' ')) {
            p += strcspn(p, "\n");
        } else {
            return p;
        }
    }
}

static inline bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}
