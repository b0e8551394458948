/* SPDX-License-Identifier: Apache-2.0 */
/* A table of foreign texts, aligned by the columns that they take on a terminal. */
#pragma once
#include <stddef.h>
#include "cli/say.h"

struct table {                /* zeroed but for what is set; release with table_done() */
    size_t columns;           /* cells of a row */
    const char *indent, *gap; /* before each row ("" if NULL), between cells (two blanks if NULL) */
    struct table_cell {
        char *text; /* printable; owned */
        enum ink ink;
        char *note; /* of the row that begins here; owned */
    } * cells;
    size_t count, cap;
};

void table_add(struct table *table, enum ink ink, const char *text); /* NULL is "" */
/* A line of its own under the newest row, behind the first column. */
void table_note(struct table *table, const char *text);
/* To stdout. The last cell of a row is not padded, and one that is very wide does not widen its column. */
void table_print(const struct table *table);
void table_done(struct table *table);
