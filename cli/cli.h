/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: one row per command, one option table per command that also prints its help. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "reconcile/base/err.h"
#include "reconcile/base/str.h"

struct command {
    const char *name;
    const char *summary;                /* one line for `sluice help` */
    int (*main)(int argc, char **argv); /* argv[0] is the command's name; returns the exit code */
    bool hidden;                        /* internal: not in `sluice help` */
};

extern const struct command commands[]; /* controller/main.c */
extern const size_t command_count;

enum option_type {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char *, borrowed from argv */
    OPTION_LIST,     /* struct strlist: repeatable */
    OPTION_PAIRS,    /* struct kvlist: repeatable K=V */
    OPTION_DURATION, /* int64_t, milliseconds, Go syntax */
    OPTION_NUMBER,   /* int64_t, >= 0 */
};

struct option_row {
    const char *name; /* long name without dashes */
    char letter;      /* 0: none */
    enum option_type type;
    const char *value; /* placeholder in help: "DIR"; NULL for flags */
    const char *help;
    size_t offset; /* into the values struct */
};

struct cli_spec {
    const char *command;  /* "migrate" */
    const char *synopsis; /* "--url DB --dir DIR…" */
    const char *about;    /* paragraph for --help */
    const struct option_row *rows;
    size_t row_count;
    int min_words, max_words; /* positional arguments; max -1: any */
};

/* Fills the fields of `values` that were given. Usage (exit 1) on an unknown option, a wrong value or
 * word count. --help / -h prints help to stdout and sets *help: the command then returns 0. */
struct err *cli_parse(const struct cli_spec *spec, int argc, char **argv, void *values,
                      struct strlist *words, bool *help) ERR_MUST_USE;
void cli_print_help(const struct cli_spec *spec);

/* Prints the one line "sluice COMMAND: message (Reason): what to do" to stderr, with output "json"
 * also {"error":{...}} to stdout; frees e; gives the exit code of its reason. */
int cli_fail(const char *command, struct err *e, bool json);
/* The same of a command on one database: what to do is said for its options, not for a plan. */
int cli_fail_here(const char *command, struct err *e, bool json);
const char *cli_remedy_here(const char *reason); /* "": none */

/* True: -o json; ERR Usage for any other word than those in `allowed` ("json", "wide", ...). */
struct err *cli_output(const char *word, const char *const *allowed, bool *json) ERR_MUST_USE;
