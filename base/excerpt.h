/* SPDX-License-Identifier: Apache-2.0 */
/* A line of a text with a mark under one place of it, for a terminal. */
#pragma once
#include <stddef.h>

/* "  12 | select frm t" and, below it, "     |        ^", without a last newline. Line and column count from 1, in
 * characters; column 0: no mark. Of a long line the part around the place. NULL: the text has no such line, or nothing
 * stands in it. Owned. */
char *excerpt_make(const char *text, size_t length, int line, int column);
/* Line and column of a character, from 1. */
void excerpt_place(const char *text, size_t length, int character, int *line, int *column);
