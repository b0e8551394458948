/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice resolve --url`: a person's verdict on a statement whose outcome nobody else can know,
 * written into the journal of a database that has no controller. */
#include <stdio.h>

#include "base/auto.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/owner.h"
#include "model/reason.h"
#include "runner/budget.h"

struct resolve_values {
    struct db_args db;
    const char *version, *description, *verdict, *reason;
    int64_t step;
};

static const struct option_row resolve_rows[] = {
    DB_CONNECT_OPTIONS(struct resolve_values),
    { "version", 0, OPTION_TEXT, "VERSION", "the migration, by version",
      offsetof(struct resolve_values, version) },
    { "description", 0, OPTION_TEXT, "TEXT", "the migration, by description (a repeatable)",
      offsetof(struct resolve_values, description) },
    { "step", 0, OPTION_NUMBER, "N", "the statement, from 1, as `sluice info` says",
      offsetof(struct resolve_values, step) },
    { "verdict", 0, OPTION_WORD, "applied|not-applied|restart", "what became of it",
      offsetof(struct resolve_values, verdict) },
    { "reason", 0, OPTION_TEXT, "TEXT", "how you know; kept in the journal with your name",
      offsetof(struct resolve_values, reason) },
    DB_FORCE_OPTION(struct resolve_values),
    DB_OPTION(struct resolve_values, "lock-wait", 0, OPTION_DURATION, "TIME",
              "how long to wait for another runner (default 51s)", lock_wait_ms),
};

const struct cli_spec resolve_database_spec = {
    .command = "resolve",
    .synopsis =
        "--url DB --version VERSION --step N --verdict applied|not-applied|restart --reason TEXT",
    .about =
        "Records whether an interrupted statement took effect. The next `sluice migrate` goes on\n"
        "from there. not-applied is also for a statement that was undone by hand; restart "
        "(without\n"
        "--step) says that nothing of an unfinished file counts any more. (For a database of a "
        "MigrationPlan: sluice resolve plan/NAME --help.)",
    .rows = resolve_rows,
    .row_count = sizeof resolve_rows / sizeof *resolve_rows,
};

static struct err *usage(const char *message)
{
    return err_new(ERR_TERMINAL, REASON_USAGE, "%s", message);
}

static struct err *check(const struct resolve_values *values)
{
    if (!values->version == !values->description) {
        return usage("no migration is given, or two are: add one of --version and --description");
    }
    if (values->step <= 0 &&
        !(values->verdict && verdict_parse(values->verdict) == VERDICT_RESTART)) {
        return usage(
            "no statement is given: add --step N, from 1 (for all of them: --verdict restart)");
    }
    if (!values->verdict || verdict_parse(values->verdict) == VERDICT_NONE) {
        return usage("--verdict must be applied, not-applied or restart");
    }
    if (!values->reason || !*values->reason) {
        return usage("no reason is given: add --reason TEXT, how you know");
    }
    return NULL;
}

static char *of_plan(const void *payload, const struct command_place *place)
{
    const struct resolve_values *values = payload;
    AUTO(free_auto)
    char *command = command_resolve(place, values->version, values->description,
                                    (int32_t)values->step, verdict_parse(values->verdict));

    return mem_printf("give the verdict to the plan: %s", command);
}

static struct err *record(const struct resolve_values *values, const struct db_context *context,
                          char **told)
{
    AUTO(owner_done)
    struct owner_question owner = {
        .command = "resolve", .force = values->db.force, .instead = of_plan, .values = values
    };
    AUTO(result_done) struct result result = { 0 };
    struct apply_request request = db_request(context, &values->db);
    request.owned = owner_ask;
    request.owned_payload = &owner;
    const struct resolution resolution = {
        .version = values->version,
        .description = values->description,
        .step = (int32_t)values->step,
        .verdict = verdict_parse(values->verdict),
        .reason = values->reason,
        .token = "",
    };

    budget_begin("resolve", values->db.memory_mib);
    TRY(record_resolution(&request, &resolution, &result));
    *told = owner.force ? owner_tell(&owner) : NULL;
    return NULL;
}

int resolve_database_main(int argc, char **argv)
{
    struct resolve_values values = { .step = 0 };
    AUTO(db_context_done) struct db_context context = { 0 };
    AUTO(free_auto) char *told = NULL;
    bool help = false;
    bool json = false;

    struct err *failed =
        db_args_parse(&resolve_database_spec, argc, argv, &values.db, &values, &help, &json);
    if (!failed && !help) {
        failed = check(&values);
    }
    if (!failed && !help) {
        failed = db_context_make(&values.db, false, &context);
    }
    if (!failed && !help) {
        failed = record(&values, &context, &told);
    }
    db_args_done(&values.db);
    if (failed) {
        return cli_fail_here("resolve", failed, json);
    }
    if (!help && json) {
        say("{\"recorded\": true}\n");
    } else if (!help) {
        const char *name = values.version ? values.version : values.description;
        if (verdict_parse(values.verdict) == VERDICT_RESTART) {
            say("recorded: %s starts anew; `sluice migrate` runs all of its file\n", name);
        } else {
            say("recorded: statement %lld of %s is %s; `sluice migrate` goes on from there\n",
                (long long)values.step, name, values.verdict);
        }
        if (told) {
            say("%s\n", told);
        }
    }
    return 0;
}
