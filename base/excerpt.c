/* SPDX-License-Identifier: Apache-2.0 */
/* One line, cut around the place that matters, as wide as a terminal counts. */
#include "base/excerpt.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/width.h"

#define SHOWN 100 /* characters of a line */
#define BEFORE 60 /* of them in front of the place */

static bool is_inner(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

/* Behind the end of the line at `at`: LF, CRLF or a lone CR. */
static size_t next_line(const char *text, size_t length, size_t at)
{
    while (at < length && text[at] != '\n' && text[at] != '\r') {
        at++;
    }
    if (at + 1 < length && text[at] == '\r' && text[at + 1] == '\n') {
        at++;
    }
    return at < length ? at + 1 : length;
}

static size_t line_end(const char *text, size_t length, size_t at)
{
    while (at < length && text[at] != '\n' && text[at] != '\r') {
        at++;
    }
    return at;
}

/* Over `count` characters, at most to `end`. */
static size_t skip(const char *text, size_t at, size_t end, int count)
{
    for (; count > 0 && at < end; count--) {
        do {
            at++;
        } while (at < end && is_inner(text[at]));
    }
    return at;
}

static int count_characters(const char *text, size_t from, size_t to)
{
    int count = 0;
    for (; from < to; from++) {
        count += !is_inner(text[from]);
    }
    return count;
}

/* Tabs as blanks, the rest printable. Owned. */
static char *clean(const char *text, size_t length)
{
    AUTO(free_auto) char *copy = mem_strndup(text, length);
    for (char *p = copy; *p; p++) {
        *p = *p == '\t' ? ' ' : *p;
    }
    return str_printable(copy, strlen(copy));
}

char *excerpt_make(const char *text, size_t length, int line, int column)
{
    size_t start = length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    for (int i = 1; i < line; i++) {
        start = next_line(text, length, start);
    }
    const size_t end = line_end(text, length, start);
    const size_t place = skip(text, start, end, column > 0 ? column - 1 : 0);
    const int before = count_characters(text, start, place);
    const size_t from = before > BEFORE ? skip(text, start, end, before - BEFORE) : start;
    const size_t to = skip(text, from, end, SHOWN);
    if (line < 1 || to == from) {
        return NULL;
    }
    AUTO(free_auto) char *head = clean(text + from, place - from);
    AUTO(free_auto) char *tail = clean(text + place, to > place ? to - place : 0);
    AUTO(buf_done) struct buf out = BUF(16384);
    buf_addf(&out, "%4d | %s%s%s%s", line, from > start ? "…" : "", head, tail,
             to < end ? "…" : "");
    if (column > 0) {
        buf_addf(&out, "\n     | %s", from > start ? " " : "");
        buf_addf(&out, "%*s^", (int)width_of(head), "");
    }
    return buf_take(&out);
}

void excerpt_place(const char *text, size_t length, int character, int *line, int *column)
{
    const size_t place = skip(text, 0, length, character - 1);
    size_t start = 0;
    *line = 1;
    for (size_t next;
         (next = next_line(text, length, start)) <= place && next > start && next < length;) {
        start = next;
        ++*line;
    }
    *column = 1 + count_characters(text, start, place);
}
