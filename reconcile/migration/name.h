/* SPDX-License-Identifier: Apache-2.0 */
/* File names by Flyway's grammar (docs/reference/flyway.md 3.1). Internal to migration/. */
#pragma once
#include "base/err.h"
#include "model/migration.h"
#include "model/naming.h"

struct name {
    enum migration_kind kind; /* MIGRATION_NONE: not a migration, pass the file over */
    struct version version;   /* '_' -> '.', zeros kept; "" for repeatables */
    char *description;        /* '_' -> ' '; owned; NULL with MIGRATION_NONE */
    char *
        misnamed; /* with MIGRATION_NONE: what is wrong with its name; owned; NULL: nothing to say */
};

/* `path` is for messages, `script` the path relative to its location; naming NULL: Flyway's defaults.
 * ERR_TERMINAL InvalidMigration "path: ..." for names that parse.h lists. */
struct err *name_parse(const struct naming *naming, const char *path, const char *script,
                       struct name *out) ERR_MUST_USE;
