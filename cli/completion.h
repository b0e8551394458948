/* SPDX-License-Identifier: Apache-2.0 */
/* What the shells' completions are made of: the command table, as it is when they are printed. */
#pragma once
#include "base/buf.h"
#include "cli/cli.h"

enum value_kind {
    VALUE_NONE,    /* a flag */
    VALUE_ANY,     /* nothing is known of it */
    VALUE_WORDS,   /* some of what it may be */
    VALUE_FILE,    /* a file, or */
    VALUE_FOLDER,  /* a folder */
    VALUE_COMMAND, /* a command's name */
};

struct value { /* of an option, or the argument of a command; value_done() */
    enum value_kind kind;
    struct strlist words; /* "plan/" is the beginning of one */
};
void value_of(const struct option_row *row, struct value *out);
void value_of_argument(const struct command *command,
                       struct value *out); /* VALUE_NONE: it takes none */
void value_done(struct value *value);

/* The options of a command in all its forms, once each, with the common ones. */
struct option_list {
    const struct option_row *rows[128];
    size_t count;
};
void options_of(const struct command *command, struct option_list *out);

/* Text between '...' of a shell where a quote is written as QUOTE. */
void add_quoted(struct buf *out, const char *text, const char *quote);

/* `sluice completion SHELL`. */
void completion_bash(struct buf *out);
void completion_zsh(struct buf *out);
void completion_fish(struct buf *out);
