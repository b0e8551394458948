/* SPDX-License-Identifier: Apache-2.0 */
/* The sluice program. */
#include <stdio.h>

#include "base/str.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "database/database.h"

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
    db_init(&pgdb_ops, &mydb_ops);
    if (argc < 2) {
        return help_main(1, (char *[]){ (char[]){ "help" }, NULL });
    }
    const char *name = argv[1];
    if (str_eq(name, "--help") || str_eq(name, "-h")) {
        name = "help";
    } else if (str_eq(name, "--version")) {
        name = "version";
    }
    const struct command *command = command_find(name);
    if (!command) {
        return no_such_command(name);
    }
    return command->main(argc - 1, argv + 1);
}
