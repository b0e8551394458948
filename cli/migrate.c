/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice migrate` and `sluice baseline`: the runner's work from a terminal or a pipeline. */
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/live.h"
#include "cli/owner.h"
#include "cli/plan_print.h"
#include "cli/render.h"
#include "model/reason.h"
#include "runner/budget.h"
#include "runner/signals.h"

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
    DB_FORCE_OPTION(struct migrate_values),
    { "dry-run", 0, OPTION_FLAG, NULL, "print the statements instead of running them",
      offsetof(struct migrate_values, dry_run) },
};

const struct cli_spec migrate_spec = {
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
    DB_FORCE_OPTION(struct migrate_values),
    DB_OPTION(struct migrate_values, "lock-wait", 0, OPTION_DURATION, "TIME",
              "how long to wait for another runner (default 51s)", lock_wait_ms),
};

const struct cli_spec baseline_spec = {
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
    bool json;
    bool headline_shown, notices_told;
    int current, total;
    const struct migration *file; /* at work, or the one that ended the run */
    struct json *applied;
    struct json *notices;
};

static struct cancel interrupted = { .fd = -1 };

/* ---- progress ----------------------------------------------------------------------------------- */

#define WORDS_MAX 400 /* bytes of a statement in the live line, which is cut to the terminal */

static char *position(const struct work *w)
{
    return mem_printf("  [%d/%d]", w->current, w->total);
}

static void file_begin(void *payload, const struct migration *file, int index, int count,
                       int statements)
{
    struct work *w = payload;

    (void)statements;
    w->current = index + 1;
    w->total = count;
    w->file = file;
    AUTO(free_auto) char *head = position(w);
    live_show(head, file->script);
}

/* In one line, with one blank for any. */
static char *first_words(const struct statement *s)
{
    AUTO(buf_done) struct buf out = BUF(WORDS_MAX + 4);
    const size_t length = str_utf8_cut(s->text, s->text_length, WORDS_MAX);

    for (size_t i = 0; i < length; i++) {
        const bool blank = strchr(" \t\r\n", s->text[i]) != NULL;
        if (!blank || (out.len > 0 && out.data[out.len - 1] != ' ')) {
            buf_addc(&out, blank ? ' ' : s->text[i]);
        }
    }
    return buf_take(&out);
}

static void statement_begin(void *payload, const struct migration *file, int statement, int count,
                            const struct statement *what)
{
    const struct work *w = payload;
    AUTO(free_auto) char *head = position(w);
    AUTO(free_auto) char *words = first_words(what);
    AUTO(free_auto)
    char *tail = mem_printf("%s  statement %d of %d: %s", file->script, statement, count, words);

    live_show(head, tail);
}

static void statement_end(void *payload, const struct migration *file, int statement,
                          int64_t elapsed_ms)
{
    const struct work *w = payload;
    AUTO(free_auto) char *head = position(w);

    (void)statement;
    (void)elapsed_ms;
    live_show(head, file->script); /* what is behind the last one: COMMIT, verify= */
}

static void add_applied(const struct work *w, const struct migration *file, int64_t elapsed_ms)
{
    struct json *entry = json_object();

    json_set_string_opt(entry, "version", version_set(&file->version) ? file->version.text : NULL);
    json_set_string(entry, "description", file->description);
    json_set_string(entry, "script", file->script);
    json_set_int64(entry, "executionTimeMs", elapsed_ms);
    json_push(w->applied, entry);
}

static void file_end(void *payload, const struct migration *file, int64_t elapsed_ms,
                     const struct err *e)
{
    struct work *w = payload;
    const bool stopped = e && str_eq(e->reason, REASON_INTERRUPTED);

    w->file = e ? file : NULL;
    if (w->json) {
        if (!e) {
            add_applied(w, file, elapsed_ms);
        }
        return;
    }
    live_hide();
    say("  [%d/%d] %s  ", w->current, w->total, file->script);
    say_in(stopped ? INK_WAIT
           : e     ? INK_BAD
                   : INK_GOOD,
           "%s",
           stopped ? "interrupted"
           : e     ? "FAILED"
                   : "applied");
    say(" (%lld ms)\n", (long long)elapsed_ms);
    fflush(stdout);
}

static void notice(void *payload, const char *text)
{
    struct work *w = payload;

    if (w->json) {
        json_push_string(w->notices, text);
        return;
    }
    say("  notice: %s\n", text);
    fflush(stdout);
}

/* Once, though the decision is made anew after another runner. */
static void tell_passed_over(struct work *w)
{
    const struct strlist *notices = &w->context->files.notices;

    for (size_t i = 0; i < notices->count && !w->notices_told; i++) {
        notice(w, notices->items[i]);
    }
    w->notices_told = true;
}

/* What the database says after Ctrl-C, not what we think. */
static void tell_what_stays(const struct work *w)
{
    AUTO(inspection_done) struct inspection seen = { 0 };
    AUTO(plan_done) struct plan plan = { 0 };
    AUTO(err_free_auto) struct err *failed = w->file ? db_look(w->context, w->args, &seen) : NULL;

    if (!w->file || failed) {
        return;
    }
    err_free(db_plan(w->context, w->args, &seen, false, &plan));
    for (size_t i = 0; i < plan.entry_count; i++) {
        const struct plan_entry *entry = &plan.entries[i];
        if (entry->file == w->file) {
            AUTO(free_auto) char *open = render_open(w->context, entry);
            say("  %s: %s\n", w->file->script,
                open ? open : "nothing of it has stayed; it is pending as before");
        }
    }
}

/* Each of several; the error has the first one. */
static void problem(struct work *w, const char *text)
{
    if (!w->json) {
        say("  problem: %s\n", text);
    }
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
        live_hide();
        say("%s\n", headline);
        w->headline_shown = true;
    }
    tell_passed_over(w);
    if (w->baseline) {
        return decide_baseline(w, seen, out);
    }
    (void)settled; /* the plan is the same function of what is there, before and after */
    plan_done(&w->plan);
    TRY(db_plan(w->context, w->args, seen, false, &w->plan));
    db_apply_list(&w->plan, out);
    return NULL;
}

/* ---- report ------------------------------------------------------------------------------------- */

static struct json *details_json(const char *lines)
{
    struct json *list = json_array();
    for (const char *p = lines; p && *p;) {
        const size_t length = strcspn(p, "\n");
        AUTO(free_auto) char *line = mem_strndup(p, length);
        json_push_string(list, line);
        p += length + (p[length] != '\0');
    }
    return list;
}

/* Where in the file, what else the server said, what stays: below the one line of every failure. */
static void print_details(const char *lines)
{
    for (const char *p = lines; p && *p;) {
        const size_t length = strcspn(p, "\n");
        complain("  %.*s\n", (int)length, p);
        p += length + (p[length] != '\0');
    }
}

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
        json_set(error, "details", details_json(result->failed.lines));
        json_set(root, "error", error);
    }
    render_print(root);
}

static void report_text(const struct work *w, const struct result *result)
{
    if (result->outcome == OUTCOME_NOTHING_TO_DO) {
        say("%s\n", w->baseline ? "nothing to do: the same baseline is there already"
                                : "nothing to do: every migration is applied");
        return;
    }
    if (w->baseline) {
        say("done: baseline at version %s\n", w->context->migrations.baseline_version.text);
        return;
    }
    say("done: %lld migration%s applied in %lld ms\n", (long long)result->applied.count,
        result->applied.count == 1 ? "" : "s", (long long)result->ms.total);
}

static int execute(struct work *w)
{
    const bool watched = !w->json && live_start();
    const struct progress progress = { .payload = w,
                                       .file_begin = file_begin,
                                       .statement_begin = watched ? statement_begin : NULL,
                                       .statement = statement_end,
                                       .file_end = file_end,
                                       .notice = notice };
    const struct db_context *context = w->context;
    const char *command = w->baseline ? "baseline" : "migrate";
    AUTO(owner_done) struct owner_question owner = { .command = command, .force = w->args->force };
    AUTO(result_done) struct result result = { 0 };
    struct apply_request request = db_request(context, w->args);
    request.owned = owner_ask;
    request.owned_payload = &owner;
    request.git_commit = context->from_git ? context->tree.commit : NULL;
    request.timestamp = context->timestamp;
    request.cancel = &interrupted;
    request.progress = &progress;
    request.decide = decide;
    request.payload = w;

    live_show(" ", "waiting for the database and its migration lock");
    struct err *failed = apply_run(&request, &result);
    live_hide();
    if (!w->json && failed && str_eq(failed->reason, REASON_INTERRUPTED)) {
        tell_what_stays(w);
    }
    AUTO(free_auto) char *told = owner.force ? owner_tell(&owner) : NULL;
    if (told) {
        notice(w, told);
    }
    for (size_t i = 0; failed && w->plan.problems.count > 1 && i < w->plan.problems.count; i++) {
        problem(w, w->plan.problems.items[i]);
    }
    if (w->json) {
        report_json(w, &result, failed);
    } else if (!failed) {
        report_text(w, &result);
    }
    if (!failed) {
        return 0;
    }
    const int code = cli_fail_here(command, failed, false);
    if (!w->json) {
        print_details(result.failed.lines);
    }
    return code;
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
        w.applied = json_array();
        w.notices = json_array();
        budget_begin(spec->command, values.db.memory_mib);
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
