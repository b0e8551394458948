/* SPDX-License-Identifier: Apache-2.0 */
/* The sluice program: the command table. */
#include <stdio.h>

#include "controller/cli/cli.h"
#include "controller/cli/commands.h"
#include "database/database.h"
#include "git/repo.h"
#include "reconcile/base/str.h"

const struct command commands[] = {
    { "migrate", "apply what is missing to one database", migrate_main, false },
    { "plan", "show the statements that migrate would run", plan_main, false },
    { "info", "show every migration with its state", info_main, false },
    { "validate", "compare a database with the files", validate_main, false },
    { "prune", "delete old rows of the journal", prune_main, false },
    { "baseline", "make the history table of an existing database", baseline_main, false },
    { "repair", "remove failed rows; make the history table agree with the files", repair_main,
      false },
    { "fetch-once", "one contact with a git server (internal)", repo_fetch_once_main, true },
    { "controller", "run the controller", controller_main, false },
    { "get", "show plans", get_main, false },
    { "describe", "show one plan with its databases", describe_main, false },
    { "wait", "wait until a plan is ready or a commit is applied", wait_main, false },
    { "gate", "wait until a version is applied (for init containers)", gate_main, false },
    { "retry", "let a stalled plan try again", retry_main, false },
    { "resolve", "settle a statement whose outcome is unknown", resolve_main, false },
    { "reconcile", "look at the repository and the databases now", reconcile_main, false },
    { "suspend", "start nothing new for a plan", suspend_main, false },
    { "resume", "take a suspension back", resume_main, false },
    { "run", "apply one assignment of the controller (inside a Job)", run_main, false },
    { "version", "show the version of sluice", version_main, false },
    { "help", "show the commands, or one command's options", help_main, false },
};
const size_t command_count = sizeof commands / sizeof *commands;

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < command_count; i++) {
        if (str_eq(commands[i].name, name)) {
            return &commands[i];
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    db_init(); /* before there are threads */
    if (argc < 2) {
        return help_main(0, NULL);
    }
    const char *name = argv[1];
    if (str_eq(name, "--help") || str_eq(name, "-h")) {
        name = "help";
    } else if (str_eq(name, "--version")) {
        name = "version";
    }
    const struct command *command = command_find(name);
    if (!command) {
        fprintf(stderr, "sluice: there is no command \"%s\" (Usage): see `sluice help`\n", name);
        return 1;
    }
    return command->main(argc - 1, argv + 1);
}
