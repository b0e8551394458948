/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables over getopt_long, help text, and the one line that every failure prints. */
#include "cli/cli.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/reason.h"

#define COLOR 256      /* a getopt value */
#define FIRST_LONG 257 /* getopt values of rows, above every letter */
#define LEFT 34        /* columns of an option's name and value */
#define LIKE_MAX 3     /* names that are offered instead of a wrong one */

enum {
    COMMON_COLOR,
    COMMON_HELP
};
const struct option_row cli_common[] = {
    [COMMON_COLOR] = { "color", 0, OPTION_WORD, "auto|always|never",
                       "colour: on a terminal (auto, the default), always or never", 0 },
    [COMMON_HELP] = { "help", 'h', OPTION_FLAG, NULL, "show this help", 0 },
};
const size_t cli_common_count = sizeof cli_common / sizeof *cli_common;

static struct err *bad_value(const struct option_row *row, const char *text, const char *expected)
{
    return err_new(ERR_TERMINAL, REASON_USAGE, "--%s: \"%s\" is not %s", row->name, text, expected);
}

const char *cli_next_word(const char **at, size_t *length)
{
    const char *word = *at;

    if (word) {
        *length = strcspn(word, "|");
        *at = word[*length] ? word + *length + 1 : NULL;
    }
    return word;
}

static bool is_word(const struct option_row *row, const char *text)
{
    const char *at = row->value;
    const char *word;
    size_t length;

    while ((word = cli_next_word(&at, &length))) {
        if (strlen(text) == length && memcmp(word, text, length) == 0) {
            return true;
        }
    }
    return false;
}

static struct err *bad_word(const struct option_row *row, const char *text)
{
    AUTO(buf_done) struct buf words = BUF(4096);
    const char *at = row->value;
    const char *word;
    size_t length;

    while ((word = cli_next_word(&at, &length))) {
        buf_addf(&words, "%s%.*s", words.len == 0 ? "" : at ? ", " : " or ", (int)length, word);
    }
    return bad_value(row, text, buf_text(&words));
}

static struct err *store(const struct option_row *row, const char *text, void *values)
{
    void *field = (char *)values + row->offset;

    switch (row->type) {
    case OPTION_FLAG:
        *(bool *)field = true;
        return NULL;
    case OPTION_WORD:
        if (!is_word(row, text)) {
            return bad_word(row, text);
        }
        *(const char **)field = text;
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

static void print_row(const struct option_row *row)
{
    AUTO(free_auto)
    char *left = mem_printf("%s%c%s--%s%s%s", row->letter ? "-" : "  ",
                            row->letter ? row->letter : ' ', row->letter ? ", " : " ", row->name,
                            row->value ? " " : "", row->value ? row->value : "");

    if (strlen(left) > LEFT) {
        say("  %s\n", left);
        left[0] = '\0';
    }
    say("  %-*s %s\n", LEFT, left, row->help);
}

void cli_print_help(const struct cli_spec *spec)
{
    say("Usage: sluice %s %s\n\n", spec->command, spec->synopsis);
    say_lines(spec->about);
    say("\n\nOptions:\n");
    for (size_t i = 0; i < spec->row_count; i++) {
        print_row(&spec->rows[i]);
    }
    for (size_t i = 0; i < cli_common_count; i++) {
        print_row(&cli_common[i]);
    }
}

/* getopt's tables, made from ours. */
struct getopt_tables {
    struct option *longs;
    char letters[128];
};

static void tables_make(const struct cli_spec *spec, struct getopt_tables *out)
{
    size_t used = 0;

    out->longs = mem_array(spec->row_count + 3, sizeof *out->longs);
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
    out->longs[spec->row_count] =
        (struct option){ cli_common[COMMON_HELP].name, no_argument, NULL, 'h' };
    out->longs[spec->row_count + 1] =
        (struct option){ cli_common[COMMON_COLOR].name, required_argument, NULL, COLOR };
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

/* ---- did you mean ------------------------------------------------------------------------------- */

char *cli_offer(const struct strlist *names, const char *before, const char *after)
{
    AUTO(buf_done) struct buf out = BUF(4096);
    const size_t count = names->count < LIKE_MAX ? names->count : LIKE_MAX;

    for (size_t i = 0; i < count; i++) {
        buf_addf(&out, "%s%s%s%s",
                 i == 0          ? ", did you mean "
                 : i + 1 < count ? ", "
                                 : " or ",
                 before, names->items[i], after);
    }
    buf_adds(&out, count ? "?" : "");
    return buf_take(&out);
}

static struct err *unknown_option(const struct getopt_tables *tables, const char *word)
{
    AUTO(strlist_done) struct strlist names = { 0 };
    const char *name = word + strspn(word, "-");
    AUTO(free_auto) char *wrong = mem_strndup(name, strcspn(name, "="));
    size_t beginning = 0;

    for (size_t i = 0; str_starts(word, "--") && tables->longs[i].name; i++) {
        beginning += str_starts(tables->longs[i].name, wrong);
    }
    for (size_t i = 0; str_starts(word, "--") && tables->longs[i].name; i++) {
        if (beginning > 1 ? str_starts(tables->longs[i].name, wrong)
                          : str_similar(wrong, tables->longs[i].name)) {
            strlist_add(&names, tables->longs[i].name);
        }
    }
    AUTO(free_auto) char *like = cli_offer(&names, "--", "");
    return err_new(ERR_TERMINAL, REASON_USAGE, "%s \"%s\"%s",
                   beginning > 1 ? "ambiguous option" : "unknown option", word, like);
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
            failed = value == ':' ? err_new(ERR_TERMINAL, REASON_USAGE,
                                            "a value is missing after \"%s\"", argv[optind - 1])
                                  : unknown_option(&tables, argv[optind - 1]);
            break;
        }
        if (value == COLOR) {
            failed = say_color(optarg) ? NULL : bad_word(&cli_common[COMMON_COLOR], optarg);
            continue;
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

static int fail(const char *command, struct err *e, const char *row, bool json)
{
    int code = reason_exit_code(e->reason);
    const bool usage = str_eq(e->reason, REASON_USAGE); /* its row cannot know the command */
    AUTO(free_auto)
    char *remedy =
        !usage ? mem_strdup(row)
               : mem_printf("`sluice help%s%s`", command ? " " : "", command ? command : "");

    complain_in(code == reason_exit_code(REASON_INTERRUPTED) ? INK_WAIT : INK_BAD,
                command ? "sluice %s:" : "sluice:", command);
    complain(" %s (%s)%s%s\n", e->message, e->reason, *remedy ? ": " : "", remedy);
    if (json) {
        struct json *root = json_object();
        struct json *error = json_object();
        json_set_string(error, "reason", e->reason);
        json_set_string(error, "message", e->message);
        json_set_string(error, "remedy", remedy);
        json_set_int64(error, "exitCode", code);
        json_set(root, "error", error);
        AUTO(free_auto) char *text = json_text_pretty(root);
        say_lines(text);
        say("\n");
        json_free(root);
    }
    err_free(e);
    return code;
}

enum log_level cli_log_level(const char *word)
{
    static const char *const levels[] = { "debug", "info", "warn", "error" };

    for (size_t i = 0; word && i < sizeof levels / sizeof *levels; i++) {
        if (str_eq(word, levels[i])) {
            return (enum log_level)i;
        }
    }
    return LOG_INFO;
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
