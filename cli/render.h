/* SPDX-License-Identifier: Apache-2.0 */
/* What the database commands print of a database and its migrations: docs/reference/commands.md. */
#pragma once
#include "base/json.h"
#include "cli/dbargs.h"
#include "reconcile/plan/plan.h"

struct json *render_database(const struct db_context *context, const struct identity *identity);
struct json *render_entry(const struct plan_entry *entry);
/* One sentence on an attempt that did not end well, with the command that goes on; NULL: nothing to
 * say. Owned. */
char *render_open(const struct db_context *context, const struct plan_entry *entry);
/* "running statement 3 of sql/V2__x.sql:7, since 2026-… UTC": of an attempt that is at work. Owned. */
char *render_step(const struct plan_entry *entry);
/* "4", or the description of a repeatable in quotes. Owned. */
char *render_name(const struct migration *file);
struct json *render_strings(const struct strlist *list);
void render_print(struct json *root); /* pretty, to stdout; frees root */
