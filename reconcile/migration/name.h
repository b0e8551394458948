/* SPDX-License-Identifier: Apache-2.0 */
/* File names by Flyway's grammar (docs/flyway.md 3.1). Internal to migration/. */
#pragma once
#include "reconcile/base/err.h"
#include "reconcile/model/migration.h"

struct name {
    enum migration_kind kind; /* MIGRATION_NONE: not a migration, ignore the file */
    struct version version;   /* '_' -> '.', zeros kept; "" for repeatables */
    char *description;        /* '_' -> ' '; owned; NULL with MIGRATION_NONE */
};

/* `path` is for messages, `script` the path relative to its location. ERR_TERMINAL InvalidMigration
 * "path: ..." for names that parse.h lists. */
struct err *name_parse(const char *path, const char *script, struct name *out) ERR_MUST_USE;
