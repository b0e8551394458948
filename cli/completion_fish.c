/* SPDX-License-Identifier: Apache-2.0 */
/* The completion of fish: one line an option, with the command that it belongs to as its condition. */
#include "base/auto.h"
#include "cli/completion.h"

static void add_text(struct buf *out, const char *text)
{
    AUTO(buf_done) struct buf escaped = BUF(4096);

    for (const char *at = text; *at; at++) {
        if (*at == '\\') {
            buf_addc(&escaped, '\\');
        }
        buf_addc(&escaped, *at);
    }
    buf_adds(out, "'");
    add_quoted(out, buf_text(&escaped), "\\'");
    buf_adds(out, "'");
}

static void add_words(struct buf *out, const struct value *value)
{
    buf_adds(out, " -a '");
    for (size_t i = 0; i < value->words.count; i++) {
        buf_addf(out, "%s%s", i > 0 ? " " : "", value->words.items[i]);
    }
    buf_adds(out, "'");
}

static void add_value(struct buf *out, const struct option_row *row)
{
    struct value value;

    value_of(row, &value);
    if (value.kind == VALUE_FILE) {
        buf_adds(out, " -r -F");
    } else if (value.kind == VALUE_FOLDER) {
        buf_adds(out, " -x -a '(__fish_complete_directories)'");
    } else if (value.kind == VALUE_WORDS) {
        buf_adds(out, " -x");
        add_words(out, &value);
    } else if (value.kind != VALUE_NONE) {
        buf_adds(out, " -x");
    }
    value_done(&value);
}

static void add_names(struct buf *out, const char *condition)
{
    for (size_t i = 0; i < command_count; i++) {
        if (!commands[i].hidden) {
            buf_addf(out, "complete -c sluice -n %s -a %s -d ", condition, commands[i].name);
            add_text(out, commands[i].summary);
            buf_adds(out, "\n");
        }
    }
}

static void add_command(struct buf *out, const struct command *command)
{
    struct option_list options;
    struct value argument;

    options_of(command, &options);
    for (size_t i = 0; i < options.count; i++) {
        const struct option_row *row = options.rows[i];
        buf_addf(out, "complete -c sluice -n '__sluice_command %s' -l %s", command->name,
                 row->name);
        if (row->letter) {
            buf_addf(out, " -s %c", row->letter);
        }
        add_value(out, row);
        buf_adds(out, " -d ");
        add_text(out, row->help);
        buf_adds(out, "\n");
    }
    value_of_argument(command, &argument);
    if (argument.kind == VALUE_COMMAND) {
        AUTO(buf_done) struct buf condition = BUF(256);
        buf_addf(&condition, "'__sluice_command %s'", command->name);
        add_names(out, buf_text(&condition));
    } else if (argument.kind == VALUE_WORDS) {
        buf_addf(out, "complete -c sluice -n '__sluice_command %s'", command->name);
        add_words(out, &argument);
        buf_adds(out, "\n");
    }
    value_done(&argument);
}

void completion_fish(struct buf *out)
{
    buf_adds(out, "# Completion of sluice for fish, as `sluice completion fish` prints it.\n"
                  "\n"
                  "function __sluice_command -d 'is the command of this line one of these?'\n"
                  "    set -l words (commandline -opc)\n"
                  "    test (count $words) -ge 2; and contains -- $words[2] $argv\n"
                  "end\n"
                  "\n"
                  "function __sluice_no_command\n"
                  "    test (count (commandline -opc)) -eq 1\n"
                  "end\n"
                  "\n"
                  "complete -c kubectl-sluice -w sluice\n"
                  "complete -c sluice -f\n"
                  "complete -c sluice -n __sluice_no_command -s h -l help -d 'show the commands'\n"
                  "complete -c sluice -n __sluice_no_command -l version -d 'show the version'\n");
    add_names(out, "__sluice_no_command");
    for (size_t i = 0; i < command_count; i++) {
        if (!commands[i].hidden) {
            add_command(out, &commands[i]);
        }
    }
}
