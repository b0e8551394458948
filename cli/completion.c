/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice completion`: what a shell needs to complete our command lines, from the tables that parse them. */
#include "cli/completion.h"

#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "cli/commands.h"
#include "model/reason.h"

#define SCRIPT_MAX (1024 * 1024) /* bytes */

/* ---- what the tables say -------------------------------------------------------------------------- */

static bool has_capital(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] >= 'A' && text[i] <= 'Z') {
            return true;
        }
    }
    return false;
}

/* A word with capitals stands for something, unless all of them are the words that there are. */
static void add_words(const char *text, bool all, struct strlist *out)
{
    const char *at = text;
    const char *word;
    size_t length;

    while ((word = cli_next_word(&at, &length))) {
        const char *slash = memchr(word, '/', length);
        if (all || !has_capital(word, length)) {
            strlist_addn(out, word, length);
        } else if (slash && !has_capital(word, (size_t)(slash - word))) {
            strlist_addn(out, word, (size_t)(slash - word) + 1);
        }
    }
}

static void value_make(const char *text, bool all, struct value *out)
{
    static const struct {
        const char *text;
        enum value_kind kind;
    } known[] = {
        { "FILE", VALUE_FILE },
        { "DIR", VALUE_FOLDER },
        { "COMMAND", VALUE_COMMAND },
    };

    *out = (struct value){ .kind = VALUE_ANY };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (str_eq(text, known[i].text)) {
            out->kind = known[i].kind;
            return;
        }
    }
    add_words(text, all, &out->words);
    if (out->words.count > 0) {
        out->kind = VALUE_WORDS;
    }
}

void value_of(const struct option_row *row, struct value *out)
{
    *out = (struct value){ .kind = VALUE_NONE };
    if (row->type != OPTION_FLAG) {
        value_make(row->value, row->type == OPTION_WORD, out);
    }
}

void value_of_argument(const struct command *command, struct value *out)
{
    *out = (struct value){ .kind = VALUE_NONE };
    for (size_t form = 0; form < CLI_FORMS && command->specs[form]; form++) {
        if (command->specs[form]->argument) {
            value_make(command->specs[form]->argument, false, out);
            return;
        }
    }
}

void value_done(struct value *value)
{
    strlist_done(&value->words);
}

static void add_option(const struct option_row *row, struct option_list *out)
{
    for (size_t i = 0; i < out->count; i++) {
        if (str_eq(out->rows[i]->name, row->name)) {
            return;
        }
    }
    if (out->count == sizeof out->rows / sizeof *out->rows) {
        abort(); /* the tables are ours */
    }
    out->rows[out->count++] = row;
}

void options_of(const struct command *command, struct option_list *out)
{
    out->count = 0;
    for (size_t form = 0; form < CLI_FORMS && command->specs[form]; form++) {
        for (size_t i = 0; i < command->specs[form]->row_count; i++) {
            add_option(&command->specs[form]->rows[i], out);
        }
    }
    for (size_t i = 0; i < cli_common_count; i++) {
        add_option(&cli_common[i], out);
    }
}

void add_quoted(struct buf *out, const char *text, const char *quote)
{
    for (const char *at = text; *at; at++) {
        if (*at == '\'') {
            buf_adds(out, quote);
        } else {
            buf_addc(out, *at);
        }
    }
}

/* ---- the command ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*script)(struct buf *out);
} shells[] = {
    { "bash", completion_bash },
    { "zsh", completion_zsh },
    { "fish", completion_fish },
};

const struct cli_spec completion_spec = {
    .command = "completion",
    .synopsis = "bash|zsh|fish",
    .about = "Prints what the shell needs to complete the commands of sluice. For one session:\n"
             "    bash   source <(sluice completion bash)\n"
             "    zsh    source <(sluice completion zsh)\n"
             "    fish   sluice completion fish | source\n"
             "The package of sluice installs it for all of them.",
    .argument = "bash|zsh|fish",
    .min_words = 1,
    .max_words = 1,
};

static struct err *print_script(const char *shell)
{
    AUTO(buf_done) struct buf out = BUF(SCRIPT_MAX);

    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (str_eq(shell, shells[i].name)) {
            shells[i].script(&out);
            say_lines(buf_text(&out));
            return NULL;
        }
    }
    return err_new(ERR_TERMINAL, REASON_USAGE, "\"%s\" is not bash, zsh or fish", shell);
}

int completion_main(int argc, char **argv)
{
    AUTO(strlist_done) struct strlist words = { 0 };
    bool help = false;
    struct err *failed = cli_parse(&completion_spec, argc, argv, NULL, &words, &help);

    if (!failed && !help) {
        failed = print_script(words.items[0]);
    }
    return failed ? cli_fail("completion", failed, false) : 0;
}
