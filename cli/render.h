/* SPDX-License-Identifier: Apache-2.0 */
/* What the database commands print of a database and its migrations: docs/commands.md. */
#pragma once
#include "controller/cli/dbargs.h"
#include "reconcile/base/json.h"
#include "reconcile/plan/plan.h"

struct json *render_database(const struct db_context *context, const struct identity *identity);
struct json *render_entry(const struct plan_entry *entry);
/* One sentence on an attempt that did not end well, with the command that goes on; NULL: nothing to
 * say. Owned. */
char *render_open(const struct db_context *context, const struct plan_entry *entry);
/* "4", or the description of a repeatable in quotes. Owned. */
char *render_name(const struct migration *file);
void render_print(struct json *root); /* pretty, to stdout; frees root */
