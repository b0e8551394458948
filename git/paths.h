/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that the git reader and the folder reader share. Private to git/. */
#pragma once
#include <stdbool.h>
#include "base/err.h"
#include "base/str.h"
#include "model/naming.h"

/* "./sql//a/" -> "sql/a", "" and "/." parts -> "."; owned. ERR_TERMINAL InvalidMigration for an
 * absolute path, "..", or more than LIMIT_PATH bytes. */
struct err *paths_normalize(const char *path, char **out) ERR_MUST_USE;
struct err *paths_normalize_all(const struct strlist *paths, struct strlist *out) ERR_MUST_USE;

/* Is paths[index] equal to an earlier one, or below another one? Its files are then that one's. */
bool paths_covered(const struct strlist *paths, size_t index);

/* Nobody looks into other files than SQL and its settings; of those only the name counts. */
bool paths_wants_content(const char *name, const struct naming *naming);

/* Two entries of one folder that differ only in case: ERR_TERMINAL InvalidMigration. */
struct err *paths_check_siblings(const struct strlist *names, const char *folder) ERR_MUST_USE;

/* "a" + "b" -> "a/b"; "." + "b" -> "b". Owned. */
char *paths_join(const char *folder, const char *name);
