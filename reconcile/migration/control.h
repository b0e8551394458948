/* SPDX-License-Identifier: Apache-2.0 */
/* BEGIN and COMMIT that a file brings along (docs/migrations.md). PostgreSQL: one pair around the whole file. MySQL and
 * MariaDB: blocks, and SET autocommit: what changes data is one transaction up to the next statement that commits by
 * itself, so each block stays in one. Internal to migration/. */
#pragma once
#include "reconcile/migration/classify.h"

struct control {
    bool open;      /* behind BEGIN, before its COMMIT */
    bool seen;      /* there was a BEGIN */
    bool closed;    /* and its COMMIT */
    bool automatic; /* SET autocommit: on at the start */
};

/* Behind the first words. Either sets x->passed_over, or TransactionControlInMigration. */
struct err *control_begin(struct classify *x, struct cursor *c, const char *what) ERR_MUST_USE;
struct err *control_commit(struct classify *x, struct cursor *c, const char *what) ERR_MUST_USE;
void control_automatic(struct classify *x, bool on);
/* A classified statement: may it stand where it stands? */
struct err *control_check(struct classify *x, const struct statement *s) ERR_MUST_USE;
/* At the file's end. */
struct err *control_end(enum engine engine, const struct migration *m, const struct script *script,
                        const struct control *control) ERR_MUST_USE;
