/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: one row per command, one option table per command that also prints its help. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/say.h"

#define CLI_ABOUT                                                                                  \
    "sluice takes SQL migrations from git to many databases: in order, exactly once, canary first"
#define CLI_FORMS 2 /* that a command can have */
struct cli_spec;

struct command {
    const char *name;
    const char *summary;                /* one line for `sluice help` */
    int (*main)(int argc, char **argv); /* argv[0] is the command's name; returns the exit code */
    const struct cli_spec *specs[CLI_FORMS]; /* mostly one; none of what no person calls */
    bool hidden;                             /* internal: not in `sluice help` */
};

extern const struct command commands[]; /* cli/commands.c */
extern const size_t command_count;

enum option_type {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char *, borrowed from argv */
    OPTION_WORD,     /* the same, one of those of `value`: "wait|fail|pass" */
    OPTION_LIST,     /* struct strlist: repeatable */
    OPTION_PAIRS,    /* struct kvlist: repeatable K=V */
    OPTION_DURATION, /* int64_t, milliseconds, Go syntax */
    OPTION_NUMBER,   /* int64_t, >= 0 */
};

struct option_row {
    const char *name; /* long name without dashes */
    char letter;      /* 0: none */
    enum option_type type;
    const char *value; /* what help says of it: "DIR", "latest|next|VERSION"; NULL for flags */
    const char *help;
    size_t offset; /* into the values struct */
};

/* Those that every command takes besides its own; they have no field. */
extern const struct option_row cli_common[];
extern const size_t cli_common_count;

struct cli_spec {
    const char *command;  /* "migrate" */
    const char *synopsis; /* "--url DB --dir DIR…" */
    const char *about;    /* paragraph for --help */
    const char
        *argument; /* what its first argument may be, as an option's `value`; NULL: it takes none */
    const struct option_row *rows;
    size_t row_count;
    int min_words, max_words; /* positional arguments; max -1: any */
};

/* Fills the fields of `values` that were given. Usage (exit 1) on an unknown option, a wrong value or
 * word count. --help / -h prints help to stdout and sets *help: the command then returns 0. Every command takes
 * --color too. */
struct err *cli_parse(const struct cli_spec *spec, int argc, char **argv, void *values,
                      struct strlist *words, bool *help) ERR_MUST_USE;
void cli_print_help(const struct cli_spec *spec);

/* The first few of the names that a wrong one may stand for, each as BEFORE name AFTER: ", did you mean a, b or c?"; "": none.
 * Owned. */
char *cli_offer(const struct strlist *names, const char *before, const char *after);

/* Prints the one line "sluice COMMAND: message (Reason): what to do" to stderr, with output "json"
 * also {"error":{...}} to stdout; frees e; gives the exit code of its reason. */
int cli_fail(const char *command, struct err *e, bool json);
/* The same of a command on one database: what to do is said for its options, not for a plan. */
int cli_fail_here(const char *command, struct err *e, bool json);
const char *cli_remedy_here(const char *reason); /* "": none */

#define CLI_LOG_LEVELS "debug|info|warn|error"  /* as a `value` */
enum log_level cli_log_level(const char *word); /* one of them; NULL: info */

/* The next of the words of a `value`, "wait|fail|pass", of *length bytes; NULL: there is none. Begins with *at = value. */
const char *cli_next_word(const char **at, size_t *length);
