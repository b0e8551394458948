/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files that classify MySQL and MariaDB statements. Internal to migration/. */
#pragma once
#include "reconcile/migration/classify.h"

/* DDL behind its first word: CREATE, DROP, ALTER, RENAME, TRUNCATE. */
struct err *my_create(struct classify *x, struct cursor *c, struct statement *s) ERR_MUST_USE;
struct err *my_drop(struct classify *x, struct cursor *c, struct statement *s) ERR_MUST_USE;
struct err *my_alter(struct classify *x, struct cursor *c, struct statement *s) ERR_MUST_USE;
struct err *my_rename(struct classify *x, struct cursor *c, struct statement *s) ERR_MUST_USE;
struct err *my_truncate(struct classify *x, struct cursor *c, struct statement *s) ERR_MUST_USE;

/* The pieces that the above share. */

struct head { /* what stands between CREATE, DROP or ALTER and the kind of object */
    bool or_replace;
    bool temporary;
};

struct head my_read_head(struct cursor *c);
/* trigger procedure function event view, if the cursor is at that word; else NULL. */
const char *my_program_type(const struct cursor *c);
/* The object at the cursor decides: class A; X where no name stands. Always NULL. */
struct err *my_judged_by(struct cursor *c, const char *type, struct statement *s,
                         enum step_verb verb);
