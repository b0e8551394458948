/* SPDX-License-Identifier: Apache-2.0 */
/* BEGIN and COMMIT that a file brings along (docs/reference/migrations.md). PostgreSQL: one pair around the whole file. MySQL and
 * MariaDB: blocks, and SET autocommit: a statement is told in which of the server's transactions it stands, and each of
 * them stays in one of ours. Internal to migration/. */
#pragma once
#include "reconcile/migration/classify.h"

struct control {
    bool open;      /* behind BEGIN, before its COMMIT */
    bool seen;      /* there was a BEGIN */
    bool closed;    /* and its COMMIT */
    bool automatic; /* SET autocommit: on at the start */
    bool locked;    /* behind LOCK TABLES */
    int block;      /* the server's transaction here; 0: each statement has its own */
    int blocks;     /* so many until here */
};

/* Behind the first words. Either sets x->passed_over, or TransactionControlInMigration. */
struct err *control_begin(struct classify *x, struct cursor *c, const char *what) ERR_MUST_USE;
struct err *control_commit(struct classify *x, struct cursor *c, const char *what) ERR_MUST_USE;
void control_automatic(struct classify *x, bool on);
/* A classified statement: may it stand where it stands, and in which transaction does it? */
struct err *control_check(struct classify *x, struct statement *s) ERR_MUST_USE;
/* At the file's end. */
struct err *control_end(enum engine engine, const struct migration *m, const struct script *script,
                        const struct control *control) ERR_MUST_USE;
