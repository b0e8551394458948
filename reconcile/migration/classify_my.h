/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the two files that classify MySQL and MariaDB statements. Internal to migration/. */
#pragma once
#include "reconcile/migration/classify.h"

/* DDL behind its first word: CREATE, DROP, ALTER, RENAME, TRUNCATE. */
struct err *my_create(struct classify *x, struct cursor *c, struct statement *s) ERR_MUST_USE;
struct err *my_drop(struct classify *x, struct cursor *c, struct statement *s) ERR_MUST_USE;
struct err *my_alter(struct classify *x, struct cursor *c, struct statement *s) ERR_MUST_USE;
struct err *my_rename(struct classify *x, struct cursor *c, struct statement *s) ERR_MUST_USE;
struct err *my_truncate(struct classify *x, struct cursor *c, struct statement *s) ERR_MUST_USE;
