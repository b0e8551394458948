/* SPDX-License-Identifier: Apache-2.0 */
/* How many columns of a terminal a text takes, as libc's wcwidth() knows it: CJK and emoji two, combining marks none. */
#pragma once
#include <stddef.h>

size_t width_of(const char *text); /* of printable UTF-8 (str_printable) in one line */
/* Bytes of the longest beginning of `text` that takes at most so many columns, with the marks of its last letter. */
size_t width_fit(const char *text, size_t columns);
