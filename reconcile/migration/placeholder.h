/* SPDX-License-Identifier: Apache-2.0 */
/* ${name} replacement with Flyway's reader quirk (flyway.md 5.6). PURE. */
#pragma once
#include <stdbool.h>
#include "reconcile/base/err.h"
#include "reconcile/base/str.h"
#include "reconcile/model/migration.h"

struct placeholders {           /* what one run on one database knows; all borrowed */
    bool replacement;           /* false: text is left alone */
    const struct kvlist *user;  /* names compared case-insensitively */
    const char *default_schema; /* flyway:defaultSchema */
    const char *db_user;        /* flyway:user */
    const char *database;       /* flyway:database */
    const char *timestamp;      /* flyway:timestamp, "yyyy-MM-dd HH:mm:ss" local, once per run */
    const char *table;          /* flyway:table */
    const char *working_directory;
    const char *environment; /* "default" */
};

/* Replaces in the whole text of m (one leading BOM dropped). Fills script->expanded, map and
 * placeholders_used. ERR_TERMINAL InvalidMigration "path:line:column: ..." for an undefined
 * placeholder or a missing suffix. */
struct err *placeholders_apply(const struct migration *m, const struct placeholders *p,
                               struct script *out) ERR_MUST_USE;
/* Checksum to store for m: V and B raw, R after replacement. */
struct err *placeholders_checksum(const struct migration *m, const struct placeholders *p,
                                  int32_t *out) ERR_MUST_USE;
