/* SPDX-License-Identifier: Apache-2.0 */
/* What many databases have alike, held once in this process: a thousand databases of one plan have the same
 * thousand rows in their histories, and the same files to get. Any thread. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "model/history.h"

/* ---- bytes ------------------------------------------------------------------------------------ */

/* The one copy of these bytes, which nobody may change: a reference. NULL for none. */
void *kept_bytes(const void *bytes, size_t size);
void kept_release(const void *kept); /* a reference; NULL: nothing */
/* How many different pieces are held, for tests. */
size_t kept_count(void);

/* Pieces that refer to others: between kept_lock() and kept_unlock(). */
typedef void kept_refers(const void *bytes, size_t size); /* drops what it refers to */
void kept_lock(void);
void kept_unlock(void);
/* As kept_bytes(); takes over the references in `bytes`. refers NULL: there are none. */
void *kept_add(const void *bytes, size_t size, kept_refers *refers);
void kept_drop(const void *kept);

/* ---- rows of inspections ---------------------------------------------------------------------- */

struct kept_row {
    const void *row; /* struct history_row or journal_row, its rank left out */
    int32_t rank;    /* in this database */
};

struct kept_table {
    const struct kept_row *rows; /* in their order; a reference */
    size_t count;
};

struct kept_rows { /* what decisions ask of an inspection's rows */
    struct kept_table history, journal;
    struct version newest; /* the highest of the history that succeeded; "": none */
    int64_t finished_ms;   /* the latest of the journal; 0: none */
};

/* Takes the rows over: `from` has none afterwards. Not kept is what no decision asks for, and no two databases
 * have alike: who applied a row, when and in how long; of the journal also seq, session, digests, what was there before
 * and after a statement, and all times but the latest end. */
void kept_rows_take(struct inspection *from, struct kept_rows *out);
/* Fills in the rows, in arrays of yours, and the latest end at the journal's last; texts are borrowed. End with
 * kept_rows_close(). */
void kept_rows_open(const struct kept_rows *kept, struct inspection *out);
/* For rows that were opened for another database that has the same: its latest end. */
void kept_rows_date(const struct kept_rows *kept, struct journal *out);
void kept_rows_close(struct inspection *opened);
void kept_rows_done(struct kept_rows *kept);
