/* SPDX-License-Identifier: Apache-2.0 */
/* The completion of bash, which needs no other package: bash calls _sluice(), and that asks _sluice_table(). */
#include "base/auto.h"
#include "cli/completion.h"

/* One line a kind of value: "--dir | -d) value=DIR ;;". Those without one need no line. */
static void add_case(struct buf *out, const struct option_row *row)
{
    struct value value;

    value_of(row, &value);
    if (value.kind != VALUE_NONE) {
        buf_addf(out, "        --%s", row->name);
        if (row->letter) {
            buf_addf(out, " | -%c", row->letter);
        }
        buf_adds(out, ") value='");
        if (value.kind == VALUE_WORDS) {
            for (size_t i = 0; i < value.words.count; i++) {
                buf_addf(out, "%s%s", i > 0 ? " " : "", value.words.items[i]);
            }
        } else {
            buf_adds(out, value.kind == VALUE_FILE     ? "FILE"
                          : value.kind == VALUE_FOLDER ? "DIR"
                                                       : "ANY");
        }
        buf_adds(out, "' ;;\n");
    }
    value_done(&value);
}

static void add_names(struct buf *out)
{
    const char *blank = "";

    for (size_t i = 0; i < command_count; i++) {
        if (!commands[i].hidden) {
            buf_addf(out, "%s%s", blank, commands[i].name);
            blank = " ";
        }
    }
}

static void add_argument(struct buf *out, const struct command *command)
{
    struct value value;

    value_of_argument(command, &value);
    buf_adds(out, "        argument='");
    for (size_t i = 0; i < value.words.count; i++) {
        buf_addf(out, "%s%s", i > 0 ? " " : "", value.words.items[i]);
    }
    if (value.kind == VALUE_COMMAND) {
        add_names(out);
    }
    buf_adds(out, "'\n");
    value_done(&value);
}

static void add_command(struct buf *out, const struct command *command)
{
    struct option_list options;

    options_of(command, &options);
    buf_addf(out, "    %s)\n        options='", command->name);
    for (size_t i = 0; i < options.count; i++) {
        const struct option_row *row = options.rows[i];
        buf_addf(out, "%s--%s", i > 0 ? " " : "", row->name);
        if (row->letter) {
            buf_addf(out, " -%c", row->letter);
        }
    }
    buf_adds(out, "'\n");
    add_argument(out, command);
    buf_adds(out, "        case $2 in\n");
    for (size_t i = 0; i < options.count; i++) {
        add_case(out, options.rows[i]);
    }
    buf_adds(out, "        esac\n        ;;\n");
}

static const char head[] =
    "# shellcheck shell=bash\n"
    "# Completion of sluice for bash, as `sluice completion bash` prints it.\n"
    "\n"
    "# _sluice_table COMMAND WORD: sets $options and $argument of the command, and $value,\n"
    "# what comes behind WORD: FILE, DIR, ANY, or words; empty: nothing that belongs to it.\n"
    "_sluice_table() {\n"
    "    options='' argument='' value=''\n"
    "    case $1 in\n";

static const char middle[] =
    "    esac\n"
    "}\n"
    "\n"
    "_sluice_reply() { # KIND: fills COMPREPLY\n"
    "    case $1 in\n"
    "    FILE | DIR)\n"
    "        compopt -o filenames 2>/dev/null\n"
    "        mapfile -t COMPREPLY < <(compgen \"$([[ $1 == DIR ]] && echo -d || echo -f)\" -- "
    "\"$current\")\n"
    "        ;;\n"
    "    ANY) ;;\n"
    "    *)\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$current\")\n"
    "        if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == */ ]]; then compopt -o nospace "
    "2>/dev/null; fi\n"
    "        ;;\n"
    "    esac\n"
    "}\n"
    "\n"
    "_sluice() {\n"
    "    local current=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} before i given=''\n"
    "    local options argument value\n"
    "    COMPREPLY=()\n"
    "    if [[ $COMP_CWORD == 1 ]]; then\n"
    "        _sluice_reply '";

static const char tail[] =
    " --help --version'\n"
    "        return\n"
    "    fi\n"
    "    # Is there an argument already? What belongs to an option is none. bash cuts "
    "--option=value at the equals sign.\n"
    "    for ((i = 2; i < COMP_CWORD; i++)); do\n"
    "        before=${COMP_WORDS[i]}\n"
    "        _sluice_table \"$command\" \"$before\"\n"
    "        if [[ -n $value && ${COMP_WORDS[i + 1]} == '=' ]]; then i=$((i + 1)); fi\n"
    "        if [[ -n $value ]]; then\n"
    "            i=$((i + 1))\n"
    "        elif [[ $before != -* ]]; then\n"
    "            given=1\n"
    "        fi\n"
    "    done\n"
    "    before=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    if [[ $current == '=' ]]; then\n"
    "        current=''\n"
    "    elif [[ $before == '=' ]]; then\n"
    "        before=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "    fi\n"
    "    _sluice_table \"$command\" \"$before\"\n"
    "    if [[ -n $value ]]; then\n"
    "        _sluice_reply \"$value\"\n"
    "    elif [[ $current != -* && -n $argument && -z $given ]]; then\n"
    "        _sluice_reply \"$argument\"\n"
    "    else\n"
    "        _sluice_reply \"$options\"\n"
    "    fi\n"
    "}\n"
    "complete -F _sluice sluice kubectl-sluice\n";

void completion_bash(struct buf *out)
{
    buf_adds(out, head);
    for (size_t i = 0; i < command_count; i++) {
        if (!commands[i].hidden) {
            add_command(out, &commands[i]);
        }
    }
    buf_adds(out, middle);
    add_names(out);
    buf_adds(out, tail);
}
