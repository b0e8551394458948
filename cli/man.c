/* SPDX-License-Identifier: Apache-2.0 */
/* Manual pages from the command table, the options' rows, and the tables of exit codes and variables. */
#include "cli/man.h"

#include <string.h>

#include "base/auto.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/completion.h"
#include "cli/environment.h"
#include "model/reason.h"

/* ---- text ----------------------------------------------------------------------------------------- */

/* Each character as itself, wherever it stands: a hyphen that can be pasted, no dot that is a request. */
static void add_text(struct buf *out, const char *text, size_t length)
{
    uint32_t value = 0;
    size_t step = 0;

    // our own texts are valid UTF-8
    for (size_t i = 0; (step = str_utf8_decode(text + i, length - i, &value)) > 0; i += step) {
        const bool first = out->len == 0 || out->data[out->len - 1] == '\n';

        if (first && (value == '.' || value == '\'')) {
            buf_adds(out, "\\&");
        }
        switch (value) {
        case '-':
            buf_adds(out, "\\-");
            break;
        case '\\':
            buf_adds(out, "\\e");
            break;
        case '\'':
            buf_adds(out, "\\(aq");
            break;
        case '`':
            buf_adds(out, "\\(ga");
            break;
        case '^':
            buf_adds(out, "\\(ha");
            break;
        case '~':
            buf_adds(out, "\\(ti");
            break;
        default:
            if (value < 0x80) {
                buf_addc(out, (char)value);
            } else {
                buf_addf(out, "\\[u%04X]", value);
            }
        }
    }
}

static void add(struct buf *out, const char *text)
{
    add_text(out, text, strlen(text));
}

/* Lines that are indented stay lines. */
static void add_paragraph(struct buf *out, const char *text)
{
    bool example = false;

    for (const char *line = text; *line;) {
        const size_t length = strcspn(line, "\n");
        const bool indented = *line == ' ';
        if (indented != example) {
            buf_addf(out, ".%s\n.%s\n", indented ? "PP" : "EE", indented ? "EX" : "PP");
            example = indented;
        }
        const size_t blanks = strspn(line, " ");
        add_text(out, line + blanks, length - blanks);
        buf_adds(out, "\n");
        line += length + (line[length] == '\n');
    }
    if (example) {
        buf_adds(out, ".EE\n");
    }
}

static void add_sentence(struct buf *out, const char *text)
{
    add(out, text);
    buf_adds(out, "\n");
}

static void add_head(struct buf *out, const char *name, const char *version, const char *summary)
{
    buf_adds(out, ".TH \"");
    add(out, name);
    buf_adds(out, "\" 1 \"\" \"sluice ");
    add(out, version);
    buf_adds(out, "\" \"Sluice\"\n.nh\n.ad l\n.SH NAME\n");
    add(out, name);
    buf_adds(out, " \\- ");
    add_sentence(out, summary);
}

/* ---- sections ------------------------------------------------------------------------------------- */

static void add_option(struct buf *out, const struct option_row *row)
{
    buf_adds(out, ".TP\n");
    if (row->letter) {
        buf_addf(out, "\\fB\\-%c\\fR, ", row->letter);
    }
    buf_adds(out, "\\fB\\-\\-");
    add(out, row->name);
    buf_adds(out, "\\fR");
    if (row->value) {
        buf_adds(out, " \\fI");
        add(out, row->value);
        buf_adds(out, "\\fR");
    }
    buf_adds(out, "\n");
    add_sentence(out, row->help);
}

static void add_synopsis(struct buf *out, const struct cli_spec *spec)
{
    buf_adds(out, "\\fBsluice ");
    add(out, spec->command);
    buf_adds(out, "\\fR ");
    add_sentence(out, spec->synopsis);
}

static void add_exit_codes(struct buf *out)
{
    buf_adds(out, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < exit_code_count; i++) {
        buf_addf(out, ".TP\n\\fB%d\\fR\n", exit_codes[i].code);
        add_sentence(out, exit_codes[i].meaning);
    }
}

static bool names_variable(const struct command *command, const char *name)
{
    AUTO(free_auto) char *mark = mem_printf("$%s", name);
    struct option_list options;

    options_of(command, &options);
    for (size_t i = 0; i < options.count; i++) {
        const char *found = strstr(options.rows[i]->help, mark);
        if (found) {
            return true;
        }
    }
    return false;
}

static void add_environment(struct buf *out, const struct command *command)
{
    buf_adds(out, ".SH ENVIRONMENT\n");
    for (size_t i = 0; i < environment_count; i++) {
        const struct environment *row = &environment[i];
        if (!command || row->everywhere || names_variable(command, row->name)) {
            buf_adds(out, ".TP\n\\fB");
            add(out, row->name);
            buf_adds(out, "\\fR\n");
            add_sentence(out, row->meaning);
        }
    }
}

static void add_reference(struct buf *out, const char *before, const char *name)
{
    buf_adds(out, before);
    buf_adds(out, "\\fBsluice");
    if (name) {
        buf_adds(out, "\\-");
        add(out, name);
    }
    buf_adds(out, "\\fR(1)");
}

static void add_references(struct buf *out, const struct command *of)
{
    const char *comma = "";

    buf_adds(out, ".SH SEE ALSO\n");
    if (of) {
        add_reference(out, "", NULL);
        comma = ",\n";
    }
    for (size_t i = 0; i < command_count; i++) {
        if (!commands[i].hidden && &commands[i] != of) {
            add_reference(out, comma, commands[i].name);
            comma = ",\n";
        }
    }
    buf_adds(out, "\n");
}

/* ---- pages ---------------------------------------------------------------------------------------- */

static size_t forms_of(const struct command *command)
{
    size_t count = 0;

    while (count < CLI_FORMS && command->specs[count]) {
        count++;
    }
    return count;
}

static void add_between(struct buf *out, size_t form, const char *request)
{
    if (form > 0) {
        buf_addf(out, "%s\n", request);
    }
}

void man_command(const struct command *command, const char *version, struct buf *out)
{
    AUTO(free_auto) char *name = mem_printf("sluice-%s", command->name);
    const size_t forms = forms_of(command);

    add_head(out, name, version, command->summary);
    buf_adds(out, ".SH SYNOPSIS\n");
    for (size_t form = 0; form < forms; form++) {
        add_between(out, form, ".br");
        add_synopsis(out, command->specs[form]);
    }
    buf_adds(out, ".SH DESCRIPTION\n");
    for (size_t form = 0; form < forms; form++) {
        add_between(out, form, ".PP");
        add_paragraph(out, command->specs[form]->about);
    }
    buf_adds(out, ".SH OPTIONS\n");
    for (size_t form = 0; form < forms; form++) {
        const struct cli_spec *spec = command->specs[form];
        if (forms > 1) {
            buf_addf(out, ".SS %s\n", spec->argument ? "With a plan" : "With a database");
        }
        for (size_t i = 0; i < spec->row_count; i++) {
            add_option(out, &spec->rows[i]);
        }
    }
    if (forms > 1) {
        buf_adds(out, ".SS Always\n");
    }
    for (size_t i = 0; i < cli_common_count; i++) {
        add_option(out, &cli_common[i]);
    }
    add_exit_codes(out);
    add_environment(out, command);
    add_references(out, command);
}

void man_program(const char *version, struct buf *out)
{
    add_head(out, "sluice", version, "SQL migrations from git to many databases, canary first");
    buf_adds(out, ".SH SYNOPSIS\n\\fBsluice\\fR \\fICOMMAND\\fR [options]\n.br\n"
                  "\\fBkubectl sluice\\fR \\fICOMMAND\\fR [options]\n.SH DESCRIPTION\n");
    add_sentence(out, CLI_ABOUT ".");
    buf_adds(out, ".PP\n");
    add_sentence(
        out,
        "`sluice COMMAND --help` shows a command's options; each command has a page of its own, "
        "sluice-COMMAND(1).");
    buf_adds(out, ".SH COMMANDS\n");
    for (size_t i = 0; i < command_count; i++) {
        if (!commands[i].hidden) {
            buf_adds(out, ".TP\n");
            add_reference(out, "", commands[i].name);
            buf_adds(out, "\n");
            add_sentence(out, commands[i].summary);
        }
    }
    buf_adds(out, ".SH OPTIONS\n.TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nshow the commands\n"
                  ".TP\n\\fB\\-\\-version\\fR\nshow the version\n");
    add_exit_codes(out);
    add_environment(out, NULL);
    add_references(out, NULL);
}
