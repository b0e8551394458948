/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice help`. */
#include <stdio.h>

#include "base/auto.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "model/reason.h"

const struct cli_spec help_spec = {
    .command = "help",
    .synopsis = "[COMMAND]",
    .about = "Shows the commands, or the options of one.",
    .argument = "COMMAND",
    .max_words = 1,
};

int no_such_command(const char *name)
{
    AUTO(strlist_done) struct strlist names = { 0 };

    for (size_t i = 0; i < command_count; i++) {
        if (!commands[i].hidden && str_similar(name, commands[i].name)) {
            strlist_add(&names, commands[i].name);
        }
    }
    AUTO(free_auto) char *like = cli_offer(&names, "`sluice ", "`");

    return cli_fail(NULL,
                    err_new(ERR_TERMINAL, REASON_USAGE, "there is no command \"%s\"%s", name, like),
                    false);
}

static int help_on(const char *name)
{
    for (size_t i = 0; i < command_count; i++) {
        if (commands[i].hidden || !str_eq(commands[i].name, name)) {
            continue;
        }
        for (size_t form = 0; form < CLI_FORMS && commands[i].specs[form]; form++) {
            if (form > 0) {
                say("\n");
            }
            cli_print_help(commands[i].specs[form]);
        }
        return 0;
    }
    return no_such_command(name);
}

static void show_commands(void)
{
    say(CLI_ABOUT "\n\n"
                  "Usage: sluice COMMAND [options]\n\nCommands:\n");
    for (size_t i = 0; i < command_count; i++) {
        if (!commands[i].hidden) {
            say("  %-12s %s\n", commands[i].name, commands[i].summary);
        }
    }
    say("\n`sluice COMMAND --help` shows a command's options.\n");
}

int help_main(int argc, char **argv)
{
    AUTO(strlist_done) struct strlist words = { 0 };
    bool help = false;
    struct err *failed = cli_parse(&help_spec, argc, argv, NULL, &words, &help);

    if (failed) {
        return cli_fail("help", failed, false);
    }
    if (help) {
        return 0;
    }
    if (words.count > 0) {
        return help_on(words.items[0]);
    }
    show_commands();
    return 0;
}
