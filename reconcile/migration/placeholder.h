/* SPDX-License-Identifier: Apache-2.0 */
/* ${name} replacement with Flyway's reader quirk (docs/reference/flyway.md 5.6). PURE. */
#pragma once
#include <stdbool.h>
#include "base/err.h"
#include "base/str.h"
#include "model/history.h"
#include "model/migration.h"
#include "model/options.h"

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

/* timestamp: time_format_local(). working_directory: NULL where it is not known. */
struct placeholders placeholders_for(const struct migrations_options *options,
                                     const struct identity *id, const char *timestamp,
                                     const char *working_directory);
/* Replaces in the whole text of m (one leading BOM dropped). Fills script->expanded, map and
 * placeholders_used (the keys as p->user spells them). ERR_TERMINAL InvalidMigration
 * "path:line:column: ..." for an undefined placeholder or a missing suffix. A default placeholder
 * whose field is NULL is undefined. */
struct err *placeholders_apply(const struct migration *m, const struct placeholders *p,
                               struct script *out) ERR_MUST_USE;
/* Checksum to store for m: V and B raw, R after replacement. */
struct err *placeholders_checksum(const struct migration *m, const struct placeholders *p,
                                  int32_t *out) ERR_MUST_USE;
/* The query of m's verify= directive after replacement; owned; NULL when there is none. */
struct err *placeholders_verify(const struct migration *m, const struct placeholders *p, char **out)
    ERR_MUST_USE;

/* script->map alternates: an even entry begins text that stands in the file as it is, an odd one the
 * value of a placeholder. The raw byte that stands behind byte `expanded`; inside a value the
 * placeholder's "$", or with at_end (an exclusive end) the byte behind its "}". */
size_t script_map_source(const struct script *script, size_t expanded, bool at_end);

/* placeholders_hmac of docs/reference/formats.md 1.2 for one file: HMAC-SHA-256 with the key target_id over name
 * NUL value NUL of the user placeholders that the script names, sorted. `out` is "" when it names
 * none, when script is NULL, or when target_id is "" (before adoption). */
void placeholders_hmac(const struct script *script, const struct placeholders *p,
                       const char *target_id, char out[SHA256_HEX_LEN + 1]);
/* The same of a statement's row: over that HMAC in hex, LF, and script_session() of the statement. */
void placeholders_step_hmac(const struct script *script, const char *session,
                            const struct placeholders *p, const char *target_id,
                            char out[SHA256_HEX_LEN + 1]);
/* Does `hmac` of a statement's row stand for values and for a session that are still the same? Rows of version 0.1 say
 * nothing of the session. The names that the file had then are not known, so each selection of the present ones is tried;
 * true with more than 12 of them, unless the script's own are enough to tell. */
bool placeholders_unchanged(const struct script *script, const char *session,
                            const struct placeholders *p, const char *target_id, const char *hmac);
