/* SPDX-License-Identifier: Apache-2.0 */
/* The sluice program: the command table. */
#include <stdio.h>

#include "controller/cli/cli.h"
#include "controller/cli/commands.h"
#include "reconcile/base/str.h"

const struct command commands[] = {
    { "version", "show the version of sluice and of its libraries", version_main, false },
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
