/* SPDX-License-Identifier: Apache-2.0 */
/* Tables. */
#include "cli/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/width.h"

#define WIDE 60 /* columns of a cell that the others need not keep up with */

void table_add(struct table *table, enum ink ink, const char *text)
{
    table->cells = mem_grow(table->cells, &table->cap, table->count + 1, sizeof *table->cells);
    table->cells[table->count++] =
        (struct table_cell){ .text = str_printable(text ? text : "", text ? strlen(text) : 0),
                             .ink = ink };
}

void table_note(struct table *table, const char *text)
{
    const size_t first = (table->count - 1) / table->columns * table->columns;

    mem_strset(&table->cells[first].note, text);
}

static size_t column_width(const struct table *table, size_t column)
{
    size_t width = 0;

    for (size_t i = column; i < table->count; i += table->columns) {
        const size_t cell = width_of(table->cells[i].text);
        width = cell > width && cell <= WIDE ? cell : width;
    }
    return width;
}

void table_print(const struct table *table)
{
    const char *indent = table->indent ? table->indent : "";
    const char *gap = table->gap ? table->gap : "  ";
    AUTO(free_auto) int *widths = mem_array(table->columns + 1, sizeof *widths);

    for (size_t column = 0; column < table->columns; column++) {
        widths[column] = (int)column_width(table, column);
    }
    for (size_t i = 0; i < table->count; i++) {
        assert(table->columns > 0); /* there are cells */
        const struct table_cell *cell = &table->cells[i];
        const size_t column = i % table->columns;
        if (column == 0) {
            say("%s", indent);
        }
        if (column + 1 < table->columns) {
            say_in(cell->ink, "%-*s", widths[column], cell->text);
            say("%s", gap);
            continue;
        }
        say_in(cell->ink, "%s", cell->text);
        say("\n");
        const char *note = table->cells[i - column].note;
        if (note) {
            say("%s%*s%s%s\n", indent, widths[0], "", gap, note);
        }
    }
}

void table_done(struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        free(table->cells[i].text);
        free(table->cells[i].note);
    }
    free(table->cells);
    *table = (struct table){ 0 };
}
