/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice prune`: deletes old rows of finished migrations from the journal of a database. */
#include <stdio.h>

#include "base/auto.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/owner.h"
#include "cli/render.h"
#include "model/reason.h"
#include "runner/budget.h"

#define KEEP_MS (INT64_C(90) * 24 * 3600 * 1000)

struct prune_values {
    struct db_args db;
    int64_t older_than_ms;
    bool dry_run;
};

static const struct option_row prune_rows[] = {
    DB_CONNECT_OPTIONS(struct prune_values),
    { "older-than", 0, OPTION_DURATION, "TIME", "keep rows that are younger (default 2160h)",
      offsetof(struct prune_values, older_than_ms) },
    { "dry-run", 0, OPTION_FLAG, NULL, "say how many rows it would delete, and delete none",
      offsetof(struct prune_values, dry_run) },
    DB_FORCE_OPTION(struct prune_values),
    DB_OPTION(struct prune_values, "lock-wait", 0, OPTION_DURATION, "TIME",
              "how long to wait for another runner (default 51s)", lock_wait_ms),
};

const struct cli_spec prune_spec = {
    .command = "prune",
    .synopsis = "--url DB [--older-than TIME] [--dry-run]",
    .about =
        "Deletes old rows of finished migrations from the table sluice_journal, oldest first. The\n"
        "history table is not touched. Rows of a migration that is not over stay, with all behind\n"
        "them. Version 0.1 cannot read a journal that was pruned.",
    .rows = prune_rows,
    .row_count = sizeof prune_rows / sizeof *prune_rows,
};

static struct err *prune(const struct prune_values *values, const struct db_context *context,
                         struct pruned *out)
{
    AUTO(result_done) struct result result = { 0 };
    AUTO(owner_done) struct owner_question owner = { .command = "prune",
                                                     .force = values->db.force };
    struct apply_request request = db_request(context, &values->db);
    request.owned = owner_ask; /* the plan need not look: what it reads stays */
    request.owned_payload = &owner;

    budget_begin("prune", values->db.memory_mib);
    return prune_journal(&request, values->older_than_ms >= 0 ? values->older_than_ms : KEEP_MS,
                         values->dry_run, out, &result);
}

static void print(const struct prune_values *values, const struct db_context *context,
                  const struct pruned *pruned, bool json)
{
    if (json) {
        struct json *root = json_object();
        json_set_int64(root, "rows", pruned->rows);
        json_set_int64(root, "lastRow", pruned->seq);
        json_set_bool(root, "dryRun", values->dry_run);
        render_print(root);
    } else if (pruned->rows == 0) {
        say("%s: the journal has no such rows\n", context->label);
    } else {
        say("%s: %lld rows of the journal %s, up to row %lld\n", context->label,
            (long long)pruned->rows, values->dry_run ? "would be deleted" : "were deleted",
            (long long)pruned->seq);
    }
}

int prune_main(int argc, char **argv)
{
    struct prune_values values = { .older_than_ms = -1 };
    AUTO(db_context_done) struct db_context context = { 0 };
    struct pruned pruned = { 0 };
    bool help = false;
    bool json = false;

    struct err *failed = db_args_parse(&prune_spec, argc, argv, &values.db, &values, &help, &json);
    if (!failed && !help) {
        failed = db_context_make(&values.db, false, &context);
    }
    if (!failed && !help) {
        failed = prune(&values, &context, &pruned);
    }
    if (!failed && !help) {
        print(&values, &context, &pruned, json);
    }
    db_args_done(&values.db);
    return failed ? cli_fail_here("prune", failed, json) : 0;
}
