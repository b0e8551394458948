/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice migrate` and `sluice baseline`: the runner's work from a terminal or a pipeline. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "controller/cli/commands.h"
#include "controller/cli/plan_print.h"
#include "controller/cli/render.h"
#include "controller/cli/signals.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/clock.h"
#include "reconcile/base/mem.h"
#include "reconcile/model/reason.h"

struct migrate_values {
    struct db_args db;
    bool dry_run;
};

static const struct option_row migrate_rows[] = {
    DB_CONNECT_OPTIONS(struct migrate_values),
    DB_FILE_OPTIONS(struct migrate_values),
    DB_PLAN_OPTIONS(struct migrate_values),
    DB_BASELINE_OPTIONS(struct migrate_values),
    DB_RUN_OPTIONS(struct migrate_values),
    { "dry-run", 0, OPTION_FLAG, NULL, "print the statements instead of running them",
      offsetof(struct migrate_values, dry_run) },
};

static const struct cli_spec migrate_spec = {
    .command = "migrate",
    .synopsis = "--url DB (--dir DIR… | --repo URL --ref REF --path PATH…)",
    .about =
        "Applies what is missing, in order, exactly once. Another runner is waited for; a failed\n"
        "or interrupted migration is settled and retried.",
    .rows = migrate_rows,
    .row_count = sizeof migrate_rows / sizeof *migrate_rows,
};

static const struct option_row baseline_rows[] = {
    DB_CONNECT_OPTIONS(struct migrate_values),
    DB_BASELINE_OPTIONS(struct migrate_values),
    DB_OPTION(struct migrate_values, "lock-wait", 0, OPTION_DURATION, "TIME",
              "how long to wait for another runner (default 51s)", lock_wait_ms),
};

static const struct cli_spec baseline_spec = {
    .command = "baseline",
    .synopsis = "--url DB [--baseline-version VERSION]",
    .about =
        "Makes the history table of an existing database and marks everything up to the baseline\n"
        "version as done. Runs no migration.",
    .rows = baseline_rows,
    .row_count = sizeof baseline_rows / sizeof *baseline_rows,
};

struct work { /* what the callbacks share */
    const struct db_args *args;
    const struct db_context *context;
    struct plan plan;
    bool baseline; /* only the marker */
    bool json, terminal;
    bool headline_shown;
    int current, total;
    struct json *applied;
    struct json *notices;
};

static struct cancel interrupted = { .fd = -1 };

/* ---- progress ----------------------------------------------------------------------------------- */

static void clear_line(const struct work *w)
{
    if (w->terminal) {
        printf("\r\033[K");
    }
}

static void file_begin(void *payload, const struct migration *file, int index, int count,
                       int statements)
{
    struct work *w = payload;

    w->current = index + 1;
    w->total = count;
    if (w->terminal) {
        clear_line(w);
        printf("  [%d/%d] %s  0/%d", index + 1, count, file->script, statements);
        fflush(stdout);
    }
}

static void statement_end(void *payload, const struct migration *file, int statement,
                          int64_t elapsed_ms)
{
    const struct work *w = payload;

    if (w->terminal) {
        clear_line(w);
        printf("  [%d/%d] %s  statement %d  %.1f s", w->current, w->total, file->script, statement,
               (double)elapsed_ms / 1000.0);
        fflush(stdout);
    }
}

static void file_end(void *payload, const struct migration *file, int64_t elapsed_ms,
                     const struct err *e)
{
    struct work *w = payload;

    if (w->json) {
        if (!e) {
            struct json *entry = json_object();
            json_set_string_opt(entry, "version",
                                version_set(&file->version) ? file->version.text : NULL);
            json_set_string(entry, "description", file->description);
            json_set_string(entry, "script", file->script);
            json_set_int64(entry, "executionTimeMs", elapsed_ms);
            json_push(w->applied, entry);
        }
        return;
    }
    clear_line(w);
    printf("  [%d/%d] %s  %s (%lld ms)\n", w->current, w->total, file->script,
           e ? "FAILED" : "applied", (long long)elapsed_ms);
    fflush(stdout);
}

static void notice(void *payload, const char *text)
{
    struct work *w = payload;

    if (w->json) {
        json_push_string(w->notices, text);
        return;
    }
    clear_line(w);
    printf("  notice: %s\n", text);
    fflush(stdout);
}

/* ---- decision ----------------------------------------------------------------------------------- */

static struct err *decide_baseline(struct work *w, const struct inspection *seen,
                                   struct apply_list *out)
{
    const struct migrations_options *options = &w->context->migrations;

    for (size_t i = 0; i < seen->history.count && i < 2; i++) {
        const struct history_row *row = &seen->history.rows[i];
        if (!str_eq(row->type, "BASELINE")) {
            continue;
        }
        if (row->has_version && version_compare(&row->version, &options->baseline_version) == 0 &&
            str_eq(row->description, options->baseline_description)) {
            return NULL; /* the same baseline again is fine */
        }
        return err_new(ERR_TERMINAL, REASON_BASELINE_REQUIRED,
                       "the database has another baseline already: version %s, \"%s\"",
                       row->version_text, row->description);
    }
    if (seen->history.count > 0) {
        return err_new(ERR_TERMINAL, REASON_BASELINE_REQUIRED,
                       "the history table \"%s\" exists already: a baseline can only come first",
                       options->table);
    }
    out->items = mem_array(1, sizeof *out->items);
    out->items[out->count++] = (struct apply_item){ .baseline_marker = true };
    return NULL;
}

static struct err *decide(void *payload, const struct inspection *seen, bool settled,
                          struct apply_list *out)
{
    struct work *w = payload;

    if (!w->json && !w->headline_shown) {
        AUTO(free_auto) char *headline = db_headline(w->context, &seen->identity);
        printf("%s\n", headline);
        w->headline_shown = true;
    }
    if (w->baseline) {
        return decide_baseline(w, seen, out);
    }
    (void)settled; /* the plan is the same function of what is there, before and after */
    plan_done(&w->plan);
    TRY(db_plan(w->context, w->args, seen, false, &w->plan));
    out->items = mem_array(w->plan.action_count + 1, sizeof *out->items);
    for (size_t i = 0; i < w->plan.action_count; i++) {
        const struct action *action = &w->plan.actions[i];
        out->items[out->count++] = (struct apply_item){
            .baseline_marker = action->kind == ACTION_BASELINE_MARKER,
            .file = action->file,
            .checksum = action->checksum,
        };
    }
    return NULL;
}

/* ---- report ------------------------------------------------------------------------------------- */

static void report_json(const struct work *w, const struct result *result, const struct err *e)
{
    AUTO(free_auto) char *line = result_format(result);
    struct json *root = json_object();
    struct json *parsed = NULL;

    json_set_string(root, "database", w->context->label);
    json_set_string_opt(root, "commit", w->context->from_git ? w->context->tree.commit : NULL);
    json_set_string(root, "outcome", outcome_text(result->outcome));
    json_set(root, "applied", json_copy(w->applied));
    json_set(root, "notices", json_copy(w->notices));
    err_free(json_parse(line, strlen(line), "result", &parsed));
    if (parsed) {
        json_set(root, "result", parsed);
    }
    if (e) {
        struct json *error = json_object();
        json_set_string(error, "reason", e->reason);
        json_set_string(error, "message", e->message);
        json_set_string(error, "remedy", cli_remedy_here(e->reason));
        json_set_int64(error, "exitCode", reason_exit_code(e->reason));
        json_set(root, "error", error);
    }
    render_print(root);
}

static void report_text(const struct work *w, const struct result *result)
{
    clear_line(w);
    if (result->outcome == OUTCOME_NOTHING_TO_DO) {
        printf("%s\n", w->baseline ? "nothing to do: the same baseline is there already"
                                   : "nothing to do: every migration is applied");
        return;
    }
    if (w->baseline) {
        printf("done: baseline at version %s\n", w->context->migrations.baseline_version.text);
        return;
    }
    printf("done: %lld migration%s applied in %lld ms\n", (long long)result->applied.count,
           result->applied.count == 1 ? "" : "s", (long long)result->ms.total);
}

static int execute(struct work *w)
{
    const struct progress progress = { .payload = w,
                                       .file_begin = file_begin,
                                       .statement = statement_end,
                                       .file_end = file_end,
                                       .notice = notice };
    const struct db_context *context = w->context;
    AUTO(result_done) struct result result = { 0 };
    struct apply_request request = db_request(context, w->args);
    request.git_commit = context->from_git ? context->tree.commit : NULL;
    request.timestamp = context->timestamp;
    request.cancel = &interrupted;
    request.progress = &progress;
    request.decide = decide;
    request.payload = w;

    struct err *failed = apply_run(&request, &result);
    if (w->json) {
        report_json(w, &result, failed);
    } else if (!failed) {
        report_text(w, &result);
    }
    return failed ? cli_fail_here(w->baseline ? "baseline" : "migrate", failed, false) : 0;
}

static int run(const struct cli_spec *spec, int argc, char **argv, bool baseline)
{
    struct migrate_values values = { .dry_run = false };
    AUTO(db_context_done) struct db_context context = { 0 };
    struct work w = { .args = &values.db, .context = &context, .baseline = baseline };
    bool help = false;
    int code = 0;

    struct err *failed = db_args_parse(spec, argc, argv, &values.db, &values, &help, &w.json);
    if (!failed && !help) {
        failed = db_context_make(&values.db, !baseline, &context);
    }
    if (!failed && !help && values.dry_run) {
        failed = plan_print(&context, &values.db, w.json);
    } else if (!failed && !help) {
        w.terminal = !w.json && isatty(STDOUT_FILENO);
        w.applied = json_array();
        w.notices = json_array();
        signals_watch(&interrupted);
        code = execute(&w);
    }
    plan_done(&w.plan);
    json_free(w.applied);
    json_free(w.notices);
    db_args_done(&values.db);
    return failed ? cli_fail_here(spec->command, failed, w.json) : code;
}

int migrate_main(int argc, char **argv)
{
    return run(&migrate_spec, argc, argv, false);
}

int baseline_main(int argc, char **argv)
{
    return run(&baseline_spec, argc, argv, true);
}
