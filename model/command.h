/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that messages print for people: whole, in backticks, ready for a shell, without a password. */
#pragma once
#include <stdint.h>
#include "base/buf.h"
#include "model/history.h"
#include "model/target.h"

/* How a person names a database to a command of ours. All borrowed; a NULL place names none. */
struct command_place {
    const char *url;   /* "--url '...' --schema '...'"; "" where $SLUICE_URL names it */
    const char *files; /* "--dir 'sql'", for what compares with files; NULL: not known here */
    /* Of a plan; NULL: the database has none. */
    const char *plan, *namespace_, *database;
    const char *standalone; /* the controller's folder; NULL: a cluster */
};

/* One word of a shell's command line. Owned. */
char *command_quote(const char *text);
/* "--url 'postgresql://app@host/shop?sslmode=disable' --schema 'app' --table 't'": everything that leads there but the
 * password. Certificates are named by file, so leave them out where only this process has them. Without `url`
 * ($SLUICE_URL has it) the rest alone. Owned. */
char *command_url(const struct target *target, bool url);
/* Appends "--NAME 'VALUE'", with a blank before it if it is not the first. */
void command_option(struct buf *out, const char *name, const char *value);

/* "`sluice resolve ... --verdict restart --reason '...'`". The step is left out of a restart. Owned. */
char *command_resolve(const struct command_place *place, const char *version,
                      const char *description, int32_t step, enum verdict verdict);
/* "look whether it took effect; if it did: `...`, if not: `...`". Owned. */
char *command_verdicts(const struct command_place *place, const char *version,
                       const char *description, int32_t step);
/* "`sluice baseline ...`". Owned. */
char *command_baseline(const struct command_place *place, const char *version);
/* "`sluice repair ...`"; with the files (where they are known) it compares those too, without them it removes failed
 * rows alone. Owned. */
char *command_repair(const struct command_place *place, bool files);
/* "`sluice prune ...`", of the journal. Owned. */
char *command_prune(const struct command_place *place);
/* "`sluice VERB plan/NAME -n NAMESPACE ...`" to the plan of `place`. Owned. */
char *command_of_plan(const char *verb, const struct command_place *place);
