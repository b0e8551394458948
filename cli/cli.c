/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables over getopt_long, help text, and the one line that every failure prints. */
#include "controller/cli/cli.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "reconcile/base/auto.h"
#include "reconcile/base/clock.h"
#include "reconcile/base/json.h"
#include "reconcile/base/mem.h"
#include "reconcile/model/reason.h"

#define FIRST_LONG 256 /* getopt values of rows, above every letter */

static struct err *bad_value(const struct option_row *row, const char *text, const char *expected)
{
    return err_new(ERR_TERMINAL, REASON_USAGE, "--%s: \"%s\" is not %s", row->name, text, expected);
}

static struct err *store(const struct option_row *row, const char *text, void *values)
{
    void *field = (char *)values + row->offset;

    switch (row->type) {
    case OPTION_FLAG:
        *(bool *)field = true;
        return NULL;
    case OPTION_TEXT:
        *(const char **)field = text;
        return NULL;
    case OPTION_LIST:
        strlist_add(field, text);
        return NULL;
    case OPTION_PAIRS: {
        const char *equals = strchr(text, '=');
        if (!equals || equals == text) {
            return bad_value(row, text, "of the form NAME=VALUE");
        }
        AUTO(free_auto) char *key = mem_strndup(text, (size_t)(equals - text));
        kvlist_set(field, key, equals + 1);
        return NULL;
    }
    case OPTION_DURATION:
        if (!duration_parse(text, field)) {
            return bad_value(row, text, "a duration such as 30s, 5m or 1h30m");
        }
        return NULL;
    case OPTION_NUMBER:
        if (!str_to_int64(text, 0, INT64_MAX, field)) {
            return bad_value(row, text, "a whole number");
        }
        return NULL;
    }
    return NULL;
}

void cli_print_help(const struct cli_spec *spec)
{
    printf("Usage: sluice %s %s\n\n%s\n", spec->command, spec->synopsis, spec->about);
    printf("\nOptions:\n");
    for (size_t i = 0; i < spec->row_count; i++) {
        const struct option_row *row = &spec->rows[i];
        AUTO(free_auto) char *left =
            mem_printf("%s%c%s--%s%s%s", row->letter ? "-" : "  ", row->letter ? row->letter : ' ',
                       row->letter ? ", " : " ", row->name, row->value ? " " : "",
                       row->value ? row->value : "");
        printf("  %-34s %s\n", left, row->help);
    }
    printf("  %-34s %s\n", "-h, --help", "show this help");
}

/* getopt's tables, made from ours. */
struct getopt_tables {
    struct option *longs;
    char letters[128];
};

static void tables_make(const struct cli_spec *spec, struct getopt_tables *out)
{
    size_t used = 0;

    out->longs = mem_array(spec->row_count + 2, sizeof *out->longs);
    out->letters[used++] = ':'; /* a missing value is told apart from an unknown option */
    out->letters[used++] = 'h';
    for (size_t i = 0; i < spec->row_count; i++) {
        const struct option_row *row = &spec->rows[i];
        bool takes = row->type != OPTION_FLAG;
        out->longs[i] = (struct option){ row->name, takes ? required_argument : no_argument, NULL,
                                         FIRST_LONG + (int)i };
        if (row->letter) {
            out->letters[used++] = row->letter;
            if (takes) {
                out->letters[used++] = ':';
            }
        }
    }
    out->longs[spec->row_count] = (struct option){ "help", no_argument, NULL, 'h' };
    out->letters[used] = '\0';
}

static const struct option_row *row_of(const struct cli_spec *spec, int value)
{
    if (value >= FIRST_LONG) {
        return &spec->rows[value - FIRST_LONG];
    }
    for (size_t i = 0; i < spec->row_count; i++) {
        if (spec->rows[i].letter == value) {
            return &spec->rows[i];
        }
    }
    return NULL;
}

static struct err *check_words(const struct cli_spec *spec, int count, char **argv)
{
    if (count < spec->min_words) {
        return err_new(ERR_TERMINAL, REASON_USAGE, "too few arguments, expected: sluice %s %s",
                       spec->command, spec->synopsis);
    }
    if (spec->max_words >= 0 && count > spec->max_words) {
        return err_new(ERR_TERMINAL, REASON_USAGE, "unexpected argument \"%s\"",
                       argv[spec->max_words]);
    }
    return NULL;
}

struct err *cli_parse(const struct cli_spec *spec, int argc, char **argv, void *values,
                      struct strlist *words, bool *help)
{
    struct getopt_tables tables = { 0 };
    struct err *failed = NULL;
    int value;

    *help = false;
    tables_make(spec, &tables);
    optind = 0; /* GNU: start anew, whatever an earlier parse left */
    opterr = 0;
    while (!failed && (value = getopt_long(argc, argv, tables.letters, tables.longs, NULL)) != -1) {
        if (value == 'h') {
            *help = true;
            break;
        }
        if (value == '?' || value == ':') {
            failed =
                err_new(ERR_TERMINAL, REASON_USAGE, "%s \"%s\"",
                        value == ':' ? "a value is missing after" : "unknown or ambiguous option",
                        argv[optind - 1]);
            break;
        }
        const struct option_row *row = row_of(spec, value);
        failed = row ? store(row, optarg, values) : NULL;
    }
    free(tables.longs);
    if (*help) {
        cli_print_help(spec);
        return NULL;
    }
    if (!failed) {
        failed = check_words(spec, argc - optind, argv + optind);
    }
    for (int i = optind; !failed && words && i < argc; i++) {
        strlist_add(words, argv[i]);
    }
    return failed;
}

static int fail(const char *command, struct err *e, const char *remedy, bool json)
{
    int code = reason_exit_code(e->reason);

    fprintf(stderr, "sluice %s: %s (%s)%s%s\n", command, e->message, e->reason, *remedy ? ": " : "",
            remedy);
    if (json) {
        struct json *root = json_object();
        struct json *error = json_object();
        json_set_string(error, "reason", e->reason);
        json_set_string(error, "message", e->message);
        json_set_string(error, "remedy", remedy);
        json_set_int64(error, "exitCode", code);
        json_set(root, "error", error);
        AUTO(free_auto) char *text = json_text_pretty(root);
        printf("%s\n", text);
        json_free(root);
    }
    err_free(e);
    return code;
}

int cli_fail(const char *command, struct err *e, bool json)
{
    const struct reason *row = reason_find(e->reason);

    return fail(command, e, row ? row->remedy : "", json);
}

const char *cli_remedy_here(const char *reason)
{
    const struct reason *row = reason_find(reason);
    const char *here = reason_here(reason);

    return here ? here : row ? row->remedy : "";
}

int cli_fail_here(const char *command, struct err *e, bool json)
{
    return fail(command, e, cli_remedy_here(e->reason), json);
}

struct err *cli_output(const char *word, const char *const *allowed, bool *json)
{
    *json = false;
    if (!word) {
        return NULL;
    }
    for (size_t i = 0; allowed[i]; i++) {
        if (str_eq(word, allowed[i])) {
            *json = str_eq(word, "json");
            return NULL;
        }
    }
    return err_new(ERR_TERMINAL, REASON_USAGE,
                   "output format \"%s\" is not one of the formats of this command", word);
}
