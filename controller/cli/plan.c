/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice plan`: the exact statements that `sluice migrate` would run, their class, and the borders
 * of the transactions. */
#include "controller/cli/plan_print.h"

#include <stdio.h>

#include "controller/cli/commands.h"
#include "controller/cli/render.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/mem.h"
#include "reconcile/migration/script.h"

struct plan_values {
    struct db_args db;
};

static const struct option_row plan_rows[] = {
    DB_CONNECT_OPTIONS(struct plan_values), DB_FILE_OPTIONS(struct plan_values),
    DB_PLAN_OPTIONS(struct plan_values),    DB_BASELINE_OPTIONS(struct plan_values),
    DB_RUN_OPTIONS(struct plan_values),
};

static const struct cli_spec plan_spec = {
    .command = "plan",
    .synopsis = "--url DB (--dir DIR… | --repo URL --ref REF --path PATH…)",
    .about =
        "Prints the statements that `sluice migrate` would run now, with their class and the\n"
        "transaction borders. Reads only. Classes: T in a transaction, N outside with a probe,\n"
        "A single-object DDL judged by fingerprints, R repeatable, S session, X other.",
    .rows = plan_rows,
    .row_count = sizeof plan_rows / sizeof *plan_rows,
};

static struct json *statement_json(const struct statement *s)
{
    struct json *out = json_object();
    char class[2] = { (char)s->class, '\0' };

    json_set_int64(out, "line", s->line);
    json_set_int64(out, "column", s->column);
    json_set_string(out, "class", class);
    json_set_string(out, "sql", s->text);
    return out;
}

static struct json *action_json(const struct action *action, const struct script *script)
{
    struct json *out = json_object();
    struct json *list = json_array();
    const struct migration *file = action->file;

    json_set_string(out, "kind", migration_kind_text(file->kind));
    json_set_string_opt(out, "version", version_set(&file->version) ? file->version.text : NULL);
    json_set_string(out, "description", file->description);
    json_set_string(out, "script", file->script);
    json_set_string(out, "path", file->path);
    json_set_bool(out, "transactional", script->transactional);
    for (size_t i = 0; i < script->count; i++) {
        json_push(list, statement_json(&script->statements[i]));
    }
    json_set(out, "statements", list);
    return out;
}

static void print_file(const struct action *action, const struct script *script, enum engine engine)
{
    bool one = script->transactional && engine == ENGINE_POSTGRESQL;

    printf("-- %s: %zu statement%s, %s\n", action->file->path, script->count,
           script->count == 1 ? "" : "s",
           one ? "one transaction" : "each statement a journalled step");
    for (size_t i = 0; i < script->notices.count; i++) {
        printf("-- notice: %s\n", script->notices.items[i]);
    }
    printf("%s", one ? "BEGIN;\n" : "");
    for (size_t i = 0; i < script->count; i++) {
        const struct statement *s = &script->statements[i];
        printf("-- %zu. line %d, class %c\n%s;\n", i + 1, s->line, s->class, s->text);
        if (s->copy_data) {
            printf("-- (%zu bytes of COPY data)\n", s->copy_length);
        }
    }
    printf("%s\n", one ? "COMMIT;\n" : "");
}

static struct err *print_actions(const struct db_context *context, const struct inspection *seen,
                                 const struct plan *plan, struct json *list)
{
    struct placeholders placeholders;
    const struct identity *id = &seen->identity;

    db_placeholders(context, id, &placeholders);
    for (size_t i = 0; i < plan->action_count; i++) {
        AUTO(script_done) struct script script = { 0 };
        const struct action *action = &plan->actions[i];
        if (action->kind == ACTION_BASELINE_MARKER) {
            if (!list) {
                printf("-- the history table is created with a baseline row, version %s\n\n",
                       plan->marker->version_text);
            }
            continue;
        }
        TRY(script_parse_on(id, action->file, &placeholders, &script));
        if (list) {
            json_push(list, action_json(action, &script));
        } else {
            print_file(action, &script, id->engine);
        }
    }
    return NULL;
}

struct err *plan_print(const struct db_context *context, const struct db_args *args, bool json)
{
    AUTO(inspection_done) struct inspection seen = { 0 };
    AUTO(plan_done) struct plan plan = { 0 };

    TRY(db_look(context, args, &seen));
    TRY(db_plan(context, args, &seen, false, &plan));
    if (!json) {
        AUTO(free_auto) char *headline = db_headline(context, &seen.identity);
        printf("-- %s: %zu migration%s to apply\n\n", headline, plan.action_count,
               plan.action_count == 1 ? "" : "s");
        return print_actions(context, &seen, &plan, NULL);
    }
    struct json *root = json_object();
    struct json *list = json_array();
    struct err *failed = print_actions(context, &seen, &plan, list);
    json_set(root, "database", render_database(context, &seen.identity));
    json_set_string_opt(root, "commit", context->from_git ? context->tree.commit : NULL);
    json_set_string_opt(root, "baseline", plan.marker ? plan.marker->version_text : NULL);
    json_set(root, "actions", list);
    if (failed) {
        json_free(root);
        return failed;
    }
    render_print(root);
    return NULL;
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
