/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice help` and `sluice version`. */
#include <stdio.h>

#include "controller/cli/cli.h"
#include "controller/cli/commands.h"

int version_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("sluice %s\n", SLUICE_VERSION);
    return 0;
}

int help_main(int argc, char **argv)
{
    if (argc > 1) {
        for (size_t i = 0; i < command_count; i++) {
            if (str_eq(commands[i].name, argv[1]) && commands[i].main != help_main) {
                char *words[] = { argv[1], (char[]){ "--help" }, NULL };
                return commands[i].main(2, words);
            }
        }
    }
    printf("sluice takes SQL migrations from git to many databases: in order, exactly once, canary "
           "first\n\n"
           "Usage: sluice COMMAND [options]\n\nCommands:\n");
    for (size_t i = 0; i < command_count; i++) {
        if (!commands[i].hidden) {
            printf("  %-12s %s\n", commands[i].name, commands[i].summary);
        }
    }
    printf("\n`sluice COMMAND --help` shows a command's options.\n");
    return 0;
}
