/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice plan`: the exact statements that `sluice migrate` would run, their class, and the borders
 * of the transactions. */
#include "cli/plan_print.h"

#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/owner.h"
#include "cli/render.h"
#include "reconcile/migration/script.h"
#include "runner/budget.h"

struct plan_values {
    struct db_args db;
};

static const struct option_row plan_rows[] = {
    DB_CONNECT_OPTIONS(struct plan_values), DB_FILE_OPTIONS(struct plan_values),
    DB_PLAN_OPTIONS(struct plan_values),    DB_BASELINE_OPTIONS(struct plan_values),
    DB_RUN_OPTIONS(struct plan_values),     DB_FORCE_OPTION(struct plan_values),
};

const struct cli_spec plan_spec = {
    .command = "plan",
    .synopsis = "--url DB (--dir DIR… | --repo URL --ref REF --path PATH…)",
    .about =
        "Prints the statements that `sluice migrate` would run now, with their class and the\n"
        "transaction borders, and ends with what that would refuse before the first of them. "
        "Reads\n"
        "only. Classes: T in a transaction, N outside with a probe, A single-object DDL judged by\n"
        "fingerprints, R repeatable, S session, X other.",
    .rows = plan_rows,
    .row_count = sizeof plan_rows / sizeof *plan_rows,
};

static struct json *statement_json(const struct statement *s, enum step_standing standing)
{
    struct json *out = json_object();
    char class[2] = { (char)s->class, '\0' };

    json_set_int64(out, "line", s->line);
    json_set_int64(out, "column", s->column);
    json_set_string(out, "class", class);
    json_set_string(out, "sql", s->text);
    if (standing != STEP_WILL_RUN) {
        json_set_string(out, "attempted", standing == STEP_IS_DONE ? "done" : "open");
    }
    return out;
}

static struct json *action_json(const struct rehearsed_file *rehearsed)
{
    struct json *out = json_object();
    struct json *list = json_array();
    const struct migration *file = rehearsed->file;
    const struct script *script = rehearsed->script;

    json_set_string(out, "kind", migration_kind_text(file->kind));
    json_set_string_opt(out, "version", version_set(&file->version) ? file->version.text : NULL);
    json_set_string(out, "description", file->description);
    json_set_string(out, "script", file->script);
    json_set_string(out, "path", file->path);
    json_set_bool(out, "transactional", script->transactional);
    for (size_t i = 0; i < script->count; i++) {
        json_push(list, statement_json(script_at(script, i), rehearsed->statements[i]));
    }
    json_set(out, "statements", list);
    return out;
}

static const char *standing_note(enum step_standing standing)
{
    return standing == STEP_IS_DONE   ? ", done by an earlier attempt: it is not run again"
           : standing == STEP_IS_OPEN ? ", an earlier attempt was interrupted inside it: `sluice "
                                        "migrate` finds out whether it took effect"
                                      : "";
}

static void print_statement(const struct statement *s, size_t number, enum step_standing standing)
{
    say_in(INK_DIM, "-- %zu. line %d, class %c%s\n", number, s->line, s->class,
           standing_note(standing));
    if (standing == STEP_IS_DONE) { /* what is pasted must not run it */
        AUTO(free_auto) char *shown = mem_strdup(s->text);
        for (char *line = shown, *next = NULL; line; line = next) {
            next = strchr(line, '\n');
            if (next) {
                *next++ = '\0';
            }
            AUTO(free_auto) char *comment = mem_printf("-- %s%s\n", line, next ? "" : ";");
            say_lines(comment);
        }
    } else {
        say_lines(s->text);
        say(";\n");
    }
    if (s->copy_data) {
        say_in(INK_DIM, "-- (%zu bytes of COPY data)\n", s->copy_length);
    }
}

static void print_file(const struct rehearsed_file *file, enum engine engine)
{
    const struct script *script = file->script;
    bool one = script->transactional && engine == ENGINE_POSTGRESQL;

    say_in(INK_DIM, "-- %s: %zu statement%s, %s\n", file->file->path, script->count,
           script->count == 1 ? "" : "s",
           one ? "one transaction" : "each statement a journalled step");
    for (size_t i = 0; i < script->notices.count; i++) {
        say_in(INK_DIM, "-- notice: %s\n", script->notices.items[i]);
    }
    say_lines(one ? "BEGIN;\n" : "");
    for (size_t i = 0; i < script->count; i++) {
        print_statement(script_at(script, i), i + 1, file->statements[i]);
    }
    say_lines(one ? "COMMIT;\n\n" : "\n");
}

struct rehearsing { /* for the callbacks */
    const struct db_context *context;
    const struct db_args *args;
    struct plan plan;
    enum engine engine;
    struct json *root, *actions; /* -o json */
};

static const char *marker_of(const struct rehearsing *r)
{
    return r->plan.marker ? r->plan.marker->version_text : NULL;
}

static struct err *decide(void *payload, const struct inspection *seen, bool settled,
                          struct apply_list *out)
{
    struct rehearsing *r = payload;

    (void)settled;
    TRY(db_plan(r->context, r->args, seen, false, &r->plan));
    db_apply_list(&r->plan, out);
    return NULL;
}

static void begin(void *payload, const struct identity *identity, size_t count)
{
    struct rehearsing *r = payload;
    const struct strlist *notices = &r->context->files.notices;
    AUTO(free_auto) char *headline = db_headline(r->context, identity);

    r->engine = identity->engine;
    if (r->root) {
        json_set(r->root, "database", render_database(r->context, identity));
        return;
    }
    say_in(INK_DIM, "-- %s: %zu migration%s to apply\n\n", headline, count, count == 1 ? "" : "s");
    for (size_t i = 0; i < notices->count; i++) {
        say_in(INK_DIM, "-- notice: %s\n", notices->items[i]);
    }
    if (notices->count > 0) {
        say("\n");
    }
}

static void take_file(void *payload, const struct rehearsed_file *file)
{
    struct rehearsing *r = payload;

    if (file->baseline_marker) {
        if (!r->root) {
            say_in(INK_DIM, "-- the history table is created with a baseline row, version %s\n\n",
                   marker_of(r));
        }
    } else if (r->root) {
        json_push(r->actions, action_json(file));
    } else {
        print_file(file, r->engine);
    }
}

static void print_json(struct rehearsing *r)
{
    const struct db_context *context = r->context;

    json_set_string_opt(r->root, "commit", context->from_git ? context->tree.commit : NULL);
    json_set_string_opt(r->root, "baseline", marker_of(r));
    json_set(r->root, "actions", TAKE(r->actions));
    json_set(r->root, "notices", render_strings(&context->files.notices));
    render_print(TAKE(r->root));
}

/* What would run, as far as that is known, and then what `migrate` would refuse. */
struct err *plan_print(const struct db_context *context, const struct db_args *args, bool json)
{
    struct rehearsing r = { .context = context,
                            .args = args,
                            .root = json ? json_object() : NULL,
                            .actions = json ? json_array() : NULL };
    const struct rehearsal listener = { .payload = &r, .begin = begin, .file = take_file };
    AUTO(owner_done) struct owner_question owner = { .command = "migrate", .force = args->force };
    struct apply_request request = db_request(context, args);
    request.decide = decide;
    request.payload = &r;
    request.owned = owner_ask;
    request.owned_payload = &owner;
    budget_begin("plan", args->memory_mib);
    struct err *refused = apply_rehearse(&request, &listener);

    for (size_t i = 0; !json && r.plan.problems.count > 1 && i < r.plan.problems.count; i++) {
        say_in(INK_DIM, "-- problem: %s\n", r.plan.problems.items[i]);
    }
    if (json && !refused) {
        print_json(&r);
    }
    json_free(r.root);
    json_free(r.actions);
    plan_done(&r.plan);
    return refused;
}

int plan_main(int argc, char **argv)
{
    struct plan_values values;
    AUTO(db_context_done) struct db_context context = { 0 };
    bool help = false;
    bool json = false;

    struct err *failed = db_args_parse(&plan_spec, argc, argv, &values.db, &values, &help, &json);
    if (!failed && !help) {
        failed = db_context_make(&values.db, true, &context);
    }
    if (!failed && !help) {
        failed = plan_print(&context, &values.db, json);
    }
    db_args_done(&values.db);
    return failed ? cli_fail_here("plan", failed, json) : 0;
}
