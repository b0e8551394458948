/* SPDX-License-Identifier: Apache-2.0 */
/* plan_make for one database: what its newest facts lack of the wanted tree, made once and kept until
 * the facts, the tree, the spec or the retry token change. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "controller/core.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/clock.h"
#include "reconcile/base/mem.h"
#include "reconcile/migration/parse.h"
#include "reconcile/migration/placeholder.h"
#include "reconcile/migration/script.h"

/* What other databases of the plan have, for the directive after=. "a=3 b=12": part of the key. */
static char *assume_text(const struct cell *cell, size_t index, struct kvlist *out)
{
    struct buf text = BUF(1024 * 1024);

    for (size_t i = 0; i < cell->database_count; i++) {
        const struct database_cell *d = &cell->databases[i];
        struct version newest = { .text = "" };
        if (i == index || !d->seen) {
            continue;
        }
        const struct history *history = &d->seen->inspection.history;
        for (size_t r = 0; r < history->count; r++) {
            const struct history_row *row = &history->rows[r];
            if (row->success && row->has_version && version_compare(&row->version, &newest) > 0) {
                newest = row->version;
            }
        }
        if (version_set(&newest)) {
            kvlist_set(out, d->name, newest.text);
            buf_addf(&text, "%s=%s ", d->name, newest.text);
        }
    }
    return buf_take(&text);
}

static void placeholders_of(const struct mplan_database *entry, const struct identity *identity,
                            const char *timestamp, struct placeholders *out)
{
    *out = (struct placeholders){
        .replacement = entry->migrations.placeholder_replacement,
        .user = &entry->migrations.placeholders,
        .default_schema = identity->schema,
        .db_user = identity->user,
        .database = identity->database,
        .timestamp = timestamp,
        .table = entry->migrations.table,
        .working_directory = "/",
        .environment = "default",
    };
}

/* A file that cannot be split must not stop at the third database what the first two have done. */
static struct err *check_scripts(const struct plan *plan, const struct identity *identity,
                                 const struct placeholders *placeholders)
{
    for (size_t i = 0; i < plan->action_count; i++) {
        struct script script = { 0 };
        if (plan->actions[i].kind != ACTION_APPLY) {
            continue;
        }
        TRY(script_parse_on(identity, plan->actions[i].file, placeholders, &script));
        script_done(&script);
    }
    return NULL;
}

static void add_patterns(const struct migrations_options *m, struct buf *out)
{
    char text[IGNORE_TEXT_LEN];

    for (int i = 0; i < m->ignore_count; i++) {
        ignore_pattern_format(&m->ignore[i], text);
        if (m->ignore_count > 1 || !str_eq(text, "*:future")) {
            command_option(out, "ignore-pattern", text);
        }
    }
}

/* The same trees as a command reads them; git credentials are the reader's own. Owned. */
static char *file_options(const struct controller *c, const struct mplan *plan,
                          const struct mplan_database *entry, const struct strlist *paths,
                          const char *commit)
{
    AUTO(buf_done) struct buf out = BUF(65536);
    const unsigned allow = c->config->allow_schemes;

    command_option(&out, "repo", plan->source.url);
    command_option(&out, "ref", commit);
    for (size_t i = 0; i < paths->count; i++) {
        command_option(&out, "path", paths->items[i]);
    }
    if (str_starts(plan->source.url, "file:") && (allow & REPO_ALLOW_FILE)) {
        command_option(&out, "allow-source-scheme", "file");
    } else if (str_starts(plan->source.url, "http:") && (allow & REPO_ALLOW_HTTP)) {
        command_option(&out, "allow-source-scheme", "http");
    }
    add_patterns(&entry->migrations, &out);
    return buf_take(&out);
}

static struct err *make(const struct command_place *place, const struct mplan_database *entry,
                        const struct inspection *seen, const struct tree_set *set,
                        const char *retry_token, const struct kvlist *assume, struct judgement *out)
{
    char timestamp[32] = "";
    time_t now = (time_t)(clock_utc_ms() / 1000);
    struct tm local;
    struct placeholders placeholders;

    if (set->error) {
        return err_new(set->error->kind, set->error->reason, "%s", set->error->message);
    }
    if (localtime_r(&now, &local)) {
        strftime(timestamp, sizeof timestamp, "%Y-%m-%d %H:%M:%S", &local);
    }
    placeholders_of(entry, &seen->identity, timestamp, &placeholders);
    const struct plan_input input = {
        .files = &set->files,
        .history = &seen->history,
        .journal = &seen->journal,
        .options = &entry->migrations,
        .placeholders = &placeholders,
        .target_id = seen->lease.present ? seen->lease.target_id : "",
        .held_by_failed = true,
        .retry_token = retry_token,
        .journal_repeatables = true,
        .assume = assume,
        .wait_for_others = true,
        .place = place,
    };
    out->has_plan = true;
    TRY(plan_make(&input, &out->plan));
    return check_scripts(&out->plan, &seen->identity, &placeholders);
}

static bool still_good(const struct judgement *j, const struct cell *cell,
                       const struct database_cell *d, const struct trees *trees,
                       const char *retry_token, const char *assume)
{
    return j->seen == d->seen->serial && j->trees == trees->serial &&
           j->snapshot == cell->snapshot->serial && str_eq(j->retry_token, retry_token) &&
           str_eq(j->assume, assume);
}

void judge_entry(const struct controller *c, struct cell *cell, size_t index, struct trees *trees,
                 const char *retry_token)
{
    const struct mplan *plan = &cell->snapshot->plan;
    struct database_cell *d = &cell->databases[index];
    AUTO(strlist_done) struct strlist paths = { 0 };
    AUTO(kvlist_done) struct kvlist assume = { 0 };
    AUTO(free_auto) char *text = NULL;

    trees_paths(plan, index, &paths);
    const struct tree_set *set = trees_find(trees, &paths);
    if (!d->seen || !set) {
        judgement_clear(&d->judgement);
        return;
    }
    text = set->has_after ? assume_text(cell, index, &assume) : mem_strdup("");
    if (still_good(&d->judgement, cell, d, trees, retry_token, text)) {
        return;
    }
    judgement_clear(&d->judgement);
    d->judgement.seen = d->seen->serial;
    d->judgement.trees = trees->serial;
    d->judgement.snapshot = cell->snapshot->serial;
    d->judgement.assume = TAKE(text);
    snprintf(d->judgement.retry_token, sizeof d->judgement.retry_token, "%s", retry_token);
    const struct mplan_database *entry = &plan->databases[index];
    AUTO(free_auto) char *files = file_options(c, plan, entry, &paths, trees->commit);
    const struct command_place place = {
        .url = d->url,
        .files = files,
        .plan = plan->name,
        .namespace_ = plan->namespace_,
        .database = entry->name,
        .standalone = c->config->absolute,
    };
    d->judgement.error =
        make(&place, entry, &d->seen->inspection, set, retry_token, &assume, &d->judgement);
}
