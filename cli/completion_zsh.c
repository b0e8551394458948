/* SPDX-License-Identifier: Apache-2.0 */
/* The completion of zsh: one _arguments call a command. */
#include <string.h>

#include "base/auto.h"
#include "cli/completion.h"

/* Inside '...' of a spec of _arguments, where colons and brackets mean something. */
static void add_text(struct buf *out, const char *text)
{
    AUTO(buf_done) struct buf escaped = BUF(4096);

    for (const char *at = text; *at; at++) {
        if (strchr(":[]\\", *at)) {
            buf_addc(&escaped, '\\');
        }
        buf_addc(&escaped, *at);
    }
    add_quoted(out, buf_text(&escaped), "'\\''");
}

static void add_action(struct buf *out, const struct value *value)
{
    switch (value->kind) {
    case VALUE_WORDS:
        buf_adds(out, "(");
        for (size_t i = 0; i < value->words.count; i++) {
            buf_addf(out, "%s%s", i > 0 ? " " : "", value->words.items[i]);
        }
        buf_adds(out, ")");
        return;
    case VALUE_FILE:
        buf_adds(out, "_files");
        return;
    case VALUE_FOLDER:
        buf_adds(out, "_files -/");
        return;
    case VALUE_COMMAND:
        buf_adds(out, "_sluice_commands");
        return;
    case VALUE_NONE:
    case VALUE_ANY:
        buf_adds(out, " ");
        return;
    }
}

/* '(-u --url)--url=[help]:URL: ' */
static void add_spelling(struct buf *out, const struct option_row *row, bool letter)
{
    const bool again = row->type == OPTION_LIST || row->type == OPTION_PAIRS;
    const bool takes = row->type != OPTION_FLAG;
    struct value value;

    buf_adds(out, "            '");
    if (again) {
        buf_adds(out, "*");
    } else if (row->letter) {
        buf_addf(out, "(-%c --%s)", row->letter, row->name);
    }
    if (letter) {
        buf_addf(out, "-%c%s[", row->letter, takes ? "+" : "");
    } else {
        buf_addf(out, "--%s%s[", row->name, takes ? "=" : "");
    }
    add_text(out, row->help);
    buf_adds(out, "]");
    if (takes) {
        value_of(row, &value);
        buf_adds(out, ":");
        add_text(out, row->value);
        buf_adds(out, ":");
        add_action(out, &value);
        value_done(&value);
    }
    buf_adds(out, "' \\\n");
}

static void add_command(struct buf *out, const struct command *command)
{
    struct option_list options;
    struct value argument;

    options_of(command, &options);
    buf_addf(out, "    %s)\n        _arguments -s -S \\\n", command->name);
    for (size_t i = 0; i < options.count; i++) {
        add_spelling(out, options.rows[i], false);
        if (options.rows[i]->letter) {
            add_spelling(out, options.rows[i], true);
        }
    }
    value_of_argument(command, &argument);
    if (argument.kind != VALUE_NONE) {
        buf_adds(out, "            '1:argument:");
        if (argument.kind == VALUE_WORDS &&
            str_ends(argument.words.items[argument.words.count - 1], "/")) {
            buf_adds(out, "_sluice_plan"); /* no blank behind it */
        } else {
            add_action(out, &argument);
        }
        buf_adds(out, "' \\\n");
    }
    value_done(&argument);
    buf_adds(out, "            && return 0\n        ;;\n");
}

static void add_names(struct buf *out)
{
    buf_adds(out, "_sluice_commands() {\n    local -a names\n    names=(\n");
    for (size_t i = 0; i < command_count; i++) {
        if (!commands[i].hidden) {
            buf_addf(out, "        '%s:", commands[i].name);
            add_text(out, commands[i].summary);
            buf_adds(out, "'\n");
        }
    }
    buf_adds(out, "    )\n    _describe -t commands command names\n}\n\n");
}

static const char begin[] = "_sluice() {\n"
                            "    local curcontext=$curcontext state line\n"
                            "    typeset -A opt_args\n"
                            "    _arguments -C '(- *)'{-h,--help}'[show the commands]' '(- "
                            "*)--version[show the version]' \\\n"
                            "        '1: :_sluice_commands' '*:: :->command' && return 0\n"
                            "    [[ $state == command ]] || return 1\n"
                            "    curcontext=${curcontext%:*}-$words[1]:\n"
                            "    case $words[1] in\n";
static const char end[] =
    "    esac\n"
    "    return 1\n"
    "}\n"
    "\n"
    "# Loaded by name the file is the function; sourced, it says what it completes.\n"
    "if [[ $funcstack[1] == _sluice ]]; then _sluice \"$@\"; else compdef _sluice sluice "
    "kubectl-sluice; fi\n";

void completion_zsh(struct buf *out)
{
    buf_adds(out, "#compdef sluice kubectl-sluice\n"
                  "# Completion of sluice for zsh, as `sluice completion zsh` prints it.\n\n");
    add_names(out);
    buf_adds(out, "_sluice_plan() { compadd -S '' -- plan/ }\n\n");
    buf_adds(out, begin);
    for (size_t i = 0; i < command_count; i++) {
        if (!commands[i].hidden) {
            add_command(out, &commands[i]);
        }
    }
    buf_adds(out, end);
}
