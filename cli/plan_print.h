/* SPDX-License-Identifier: Apache-2.0 */
/* What `sluice plan` and `sluice migrate --dry-run` print. */
#pragma once
#include "cli/dbargs.h"

/* Looks at the database and prints to stdout; nothing is written anywhere. */
struct err *plan_print(const struct db_context *context, const struct db_args *args, bool json)
    ERR_MUST_USE;
