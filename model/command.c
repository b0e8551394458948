/* SPDX-License-Identifier: Apache-2.0 */
/* Printed commands. What a person pastes must do what the message says, wherever the message was read. */
#include "model/command.h"
#include <string.h>
#include "base/auto.h"
#include "base/mem.h"
#include "model/target_uri.h"

#define COMMAND_MAX 16384 /* bytes */
#define SHORT_MAX 380     /* bytes: what a Job says comes back cut (docs/reference/formats.md 3) */

static bool is_odd(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p < 0x20 || *p == 0x7f || *p == '`') {
            return true;
        }
    }
    return false;
}

char *command_quote(const char *text)
{
    AUTO(buf_done) struct buf out = BUF(COMMAND_MAX);
    bool odd = is_odd(
        text); /* backticks end the command in our text, messages take no control characters */

    buf_adds(&out, odd ? "$'" : "'");
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (odd && (*p < 0x20 || *p == 0x7f || *p == '`' || *p == '\\' || *p == '\'')) {
            buf_addf(&out, "\\%03o", *p);
        } else if (*p == '\'') {
            buf_adds(&out, "'\\''");
        } else {
            buf_addc(&out, (char)*p);
        }
    }
    buf_addc(&out, '\'');
    return buf_take(&out);
}

void command_option(struct buf *out, const char *name, const char *value)
{
    AUTO(free_auto) char *quoted = command_quote(value);

    buf_addf(out, "%s--%s %s", out->len > 0 ? " " : "", name, quoted);
}

char *command_url(const struct target *target, bool url)
{
    AUTO(buf_done) struct buf out = BUF(COMMAND_MAX);

    if (url) {
        AUTO(free_auto) char *uri = target_uri_text(target);
        command_option(&out, "url", uri);
    }
    if (target->schema) {
        command_option(&out, "schema", target->schema);
    }
    if (target->table && !str_eq(target->table, "flyway_schema_history")) {
        command_option(&out, "table", target->table);
    }
    return buf_take(&out);
}

static void add_plan(struct buf *out, const struct command_place *place)
{
    buf_addf(out, " plan/%s -n %s", place->plan, place->namespace_); /* need no quotes */
    if (place->standalone) {
        command_option(out, "standalone", place->standalone);
    }
}

static void add_place(struct buf *out, const struct command_place *place, bool plan)
{
    if (plan && place && place->plan) {
        add_plan(out, place);
        buf_addf(out, " --database %s", place->database);
    } else if (place && place->url && *place->url) {
        buf_addf(out, " %s", place->url);
    }
}

char *command_resolve(const struct command_place *place, const char *version,
                      const char *description, int32_t step, enum verdict verdict)
{
    AUTO(buf_done) struct buf out = BUF(COMMAND_MAX);

    buf_adds(&out, "`sluice resolve");
    add_place(&out, place, true);
    command_option(&out, version ? "version" : "description", version ? version : description);
    if (verdict != VERDICT_RESTART) {
        buf_addf(&out, " --step %d", (int)step);
    }
    buf_addf(&out, " --verdict %s", verdict_text(verdict));
    buf_adds(&out, " --reason 'I looked'");
    buf_addc(&out, '`');
    return buf_take(&out);
}

char *command_verdicts(const struct command_place *place, const char *version,
                       const char *description, int32_t step)
{
    AUTO(free_auto) char *yes = command_resolve(place, version, description, step, VERDICT_APPLIED);
    AUTO(free_auto) char *no =
        command_resolve(place, version, description, step, VERDICT_NOT_APPLIED);

    if (place && place->plan && strlen(yes) + strlen(no) > SHORT_MAX) {
        return mem_printf(
            "find out whether it took effect; if so: %s, if not: --verdict not-applied", yes);
    }
    return mem_printf("find out whether it took effect; if so: %s, if not: %s", yes, no);
}

/* "`sluice VERB URL...": where a plan owns the database, a command asks first (cli/owner.c). */
static void begin_writing(struct buf *out, const char *verb, const struct command_place *place)
{
    buf_addf(out, "`sluice %s", verb);
    add_place(out, place, false);
    if (place && place->plan) {
        buf_adds(out, " --force");
    }
}

char *command_baseline(const struct command_place *place, const char *version)
{
    AUTO(buf_done) struct buf out = BUF(COMMAND_MAX);

    begin_writing(&out, "baseline", place);
    command_option(&out, "baseline-version", version);
    buf_addc(&out, '`');
    return buf_take(&out);
}

char *command_repair(const struct command_place *place, bool files)
{
    AUTO(buf_done) struct buf out = BUF(COMMAND_MAX);

    begin_writing(&out, "repair", place);
    if (files && place && place->files) {
        buf_addf(&out, " %s", place->files);
    }
    buf_addc(&out, '`');
    return buf_take(&out);
}

char *command_prune(const struct command_place *place)
{
    AUTO(buf_done) struct buf out = BUF(COMMAND_MAX);

    begin_writing(&out, "prune", place);
    buf_addc(&out, '`');
    return buf_take(&out);
}

char *command_of_plan(const char *verb, const struct command_place *place)
{
    AUTO(buf_done) struct buf out = BUF(COMMAND_MAX);

    buf_addf(&out, "`sluice %s", verb);
    add_plan(&out, place);
    buf_addc(&out, '`');
    return buf_take(&out);
}
