/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice repair`: Flyway's repair, under the lock of a run, for rows that the journal says nothing against. */
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/live.h"
#include "cli/owner.h"
#include "cli/render.h"
#include "reconcile/migration/parse.h"
#include "runner/budget.h"
#include "runner/signals.h"

struct repair_values {
    struct db_args db;
    bool dry_run;
};

static const struct option_row repair_rows[] = {
    DB_CONNECT_OPTIONS(struct repair_values),
    DB_FILE_OPTIONS(struct repair_values),
    DB_OPTION(struct repair_values, "ignore-pattern", 0, OPTION_LIST, "TYPE:STATE",
              "rows that stay; replaces the default *:future", ignore),
    DB_OPTION(struct repair_values, "placeholder", 0, OPTION_PAIRS, "K=V",
              "value of ${K}; may be repeated", placeholders),
    DB_OPTION(struct repair_values, "no-placeholders", 0, OPTION_FLAG, NULL, "leave ${...} alone",
              no_placeholders),
    DB_FORCE_OPTION(struct repair_values),
    DB_OPTION(struct repair_values, "lock-wait", 0, OPTION_DURATION, "TIME",
              "how long to wait for another runner (default 51s)", lock_wait_ms),
    { "dry-run", 0, OPTION_FLAG, NULL, "say what would be changed",
      offsetof(struct repair_values, dry_run) },
};

const struct cli_spec repair_spec = {
    .command = "repair",
    .synopsis = "--url DB [--dir DIR… | --repo URL --ref REF --path PATH…]",
    .about = "Removes failed rows from the history table, once what they left behind is undone; "
             "with files\n"
             "it also makes checksums and descriptions of applied migrations those of the files, "
             "and marks\n"
             "migrations whose file is gone as deleted. No statement of a migration runs, and none "
             "is undone.",
    .rows = repair_rows,
    .row_count = sizeof repair_rows / sizeof *repair_rows,
};

struct work {
    const struct db_args *args;
    const struct db_context *context;
    bool json, dry_run, headline_shown; /* and the notices of the files */
    size_t count;
    struct json *lists[HISTORY_DELETED + 1]; /* by kind */
    struct json *kept;
    struct json *database;
};

static struct cancel interrupted = { .fd = -1 };

/* ---- what to do ------------------------------------------------------------------------------------- */

static void see(struct work *w, const struct identity *identity)
{
    if (!w->json && !w->headline_shown) {
        AUTO(free_auto) char *headline = db_headline(w->context, identity);
        live_hide();
        say("%s\n", headline);
        for (size_t i = 0; i < w->context->files.notices.count; i++) {
            say("  notice: %s\n", w->context->files.notices.items[i]);
        }
    }
    if (w->json && !w->headline_shown) {
        w->database = render_database(w->context, identity);
    }
    w->headline_shown = true;
}

static struct err *decide(void *payload, const struct inspection *seen, struct history_changes *out)
{
    struct work *w = payload;
    const struct placeholders placeholders =
        placeholders_for(&w->context->migrations, &seen->identity, w->context->timestamp,
                         w->context->working_directory);

    see(w, &seen->identity);
    const struct plan_input input = {
        .files = &w->context->files,
        .history = &seen->history,
        .journal = &seen->journal,
        .options = &w->context->migrations,
        .placeholders = &placeholders,
        .target_id = seen->lease.present ? seen->lease.target_id : "",
        .place = &w->context->place,
    };
    return repair_plan(&input, out);
}

/* ---- what was done ---------------------------------------------------------------------------------- */

static char *checksum_text_of(const struct history_row *row)
{
    return row->has_checksum ? mem_printf("%d", row->checksum) : mem_strdup("none");
}

/* "history row 3, version 2 "b"": control characters of another tool's rows do not reach the terminal. */
static char *row_text(const struct history_row *row)
{
    AUTO(free_auto) char *description = str_printable(row->description, strlen(row->description));

    return row->has_version
               ? mem_printf("history row %d, version %s \"%s\"", row->rank, row->version_text,
                            description)
               : mem_printf("history row %d, repeatable \"%s\"", row->rank, description);
}

static char *change_text(const struct history_change *change)
{
    const struct history_row *row = change->row;

    if (change->kind == HISTORY_REMOVE) {
        return mem_strdup(change->ours ? "it failed, and nothing of it has stayed"
                                       : "it failed in a run of another tool; what that left "
                                         "behind, if anything, is still there");
    }
    if (change->kind == HISTORY_DELETED) {
        return mem_strdup("its file is gone; what it did is still there");
    }
    AUTO(free_auto) char *checksum = checksum_text_of(row);
    if (str_eq(row->description, change->description)) {
        return mem_printf("checksum %s is now %d", checksum, change->checksum);
    }
    return mem_printf("checksum %s is now %d, the description \"%s\"", checksum, change->checksum,
                      change->description);
}

static void print_change(const struct work *w, const struct history_change *change)
{
    static const char *const done[] = { "removed", "realigned", "marked as deleted" };
    static const char *const would[] = { "would remove", "would realign", "would mark as deleted" };
    AUTO(free_auto) char *name = row_text(change->row);
    AUTO(free_auto) char *text = change_text(change);

    say("  %s: %s: %s\n", (w->dry_run ? would : done)[change->kind], name, text);
}

static struct json *change_json(const struct history_change *change)
{
    struct json *out = json_object();
    const struct history_row *row = change->row;
    AUTO(free_auto) char *text = change_text(change);

    json_set_int64(out, "installedRank", row->rank);
    json_set_string_opt(out, "version", row->version_text);
    json_set_string(out, "description", row->description);
    if (change->kind == HISTORY_REALIGN) {
        json_set_int64(out, "checksum", change->checksum);
        json_set_string(out, "newDescription", change->description);
    }
    json_set_string(out, "message", text);
    return out;
}

static void tell(void *payload, const struct history_changes *changes)
{
    struct work *w = payload;

    w->count = changes->count;
    for (size_t i = 0; i < changes->count; i++) {
        if (w->json) {
            json_push(w->lists[changes->items[i].kind], change_json(&changes->items[i]));
        } else {
            print_change(w, &changes->items[i]);
        }
    }
    for (size_t i = 0; i < changes->kept.count; i++) {
        if (w->json) {
            json_push_string(w->kept, changes->kept.items[i]);
        } else {
            say("  kept: %s\n", changes->kept.items[i]);
        }
    }
}

static void report(struct work *w)
{
    static const char *const keys[] = { "removed", "realigned", "deleted" };

    if (!w->json) {
        const char *plural = w->count == 1 ? "" : "s";
        if (w->count == 0) {
            say("nothing to repair%s\n",
                w->context->place.files
                    ? ""
                    : " among failed rows; --dir or --repo compares the files too");
        } else {
            say("%s: %zu row%s of %s\n", w->dry_run ? "would repair" : "done", w->count, plural,
                w->context->migrations.table);
        }
        return;
    }
    struct json *root = json_object();
    json_set(root, "database", w->database);
    json_set_bool(root, "dryRun", w->dry_run);
    for (size_t kind = 0; kind < sizeof keys / sizeof *keys; kind++) {
        json_set(root, keys[kind], w->lists[kind]);
    }
    json_set(root, "kept", w->kept);
    json_set(root, "notices", render_strings(&w->context->files.notices));
    render_print(root);
    w->database = w->kept = NULL;
    memset(w->lists, 0, sizeof w->lists);
}

/* ---- the command ------------------------------------------------------------------------------------ */

static void progress_notice(void *payload, const char *text)
{
    const struct work *w = payload;

    if (!w->json) {
        say("  notice: %s\n", text);
        fflush(stdout);
    }
}

static struct err *preview(struct work *w)
{
    AUTO(inspection_done) struct inspection seen = { 0 };
    AUTO(history_changes_done) struct history_changes changes = { 0 };

    TRY(db_look(w->context, w->args, &seen));
    TRY(decide(w, &seen, &changes));
    tell(w, &changes);
    return NULL;
}

static struct err *execute(struct work *w)
{
    AUTO(result_done) struct result result = { 0 };
    const struct progress progress = { .payload = w, .notice = progress_notice };
    AUTO(owner_done) struct owner_question owner = { .command = "repair", .force = w->args->force };
    struct apply_request request = db_request(w->context, w->args);
    request.owned = owner_ask;
    request.owned_payload = &owner;
    request.cancel = &interrupted;
    request.progress = &progress;
    const struct repair repair = { .payload = w, .decide = decide, .told = tell };

    budget_begin("repair", w->args->memory_mib);
    signals_watch(&interrupted);
    if (!w->json && live_start()) {
        live_show(" ", "waiting for the database and its migration lock");
    }
    struct err *failed = repair_run(&request, &repair, &result);
    live_hide();
    AUTO(free_auto) char *told = !failed && owner.force ? owner_tell(&owner) : NULL;
    if (told) {
        progress_notice(w, told);
    }
    return failed;
}

static void work_start(struct work *w)
{
    for (size_t kind = 0; w->json && kind <= HISTORY_DELETED; kind++) {
        w->lists[kind] = json_array();
    }
    w->kept = w->json ? json_array() : NULL;
}

static void work_done(struct work *w)
{
    for (size_t kind = 0; kind <= HISTORY_DELETED; kind++) {
        json_free(w->lists[kind]);
    }
    json_free(w->kept);
    json_free(w->database);
}

int repair_main(int argc, char **argv)
{
    struct repair_values values = { .dry_run = false };
    AUTO(db_context_done) struct db_context context = { 0 };
    AUTO(work_done) struct work w = { .args = &values.db, .context = &context };
    bool help = false;

    struct err *failed =
        db_args_parse(&repair_spec, argc, argv, &values.db, &values, &help, &w.json);
    w.dry_run = values.dry_run;
    if (!failed && !help) {
        failed = db_context_make(&values.db, values.db.repo || values.db.dirs.count > 0, &context);
    }
    if (!failed && !help) {
        work_start(&w);
        failed = w.dry_run ? preview(&w) : execute(&w);
    }
    if (!failed && !help) {
        report(&w);
    }
    db_args_done(&values.db);
    return failed ? cli_fail_here("repair", failed, w.json) : 0;
}
