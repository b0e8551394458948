/* SPDX-License-Identifier: Apache-2.0 */
/* plan_make for one database: what its newest facts lack of the wanted tree, made once and kept until
 * the facts, the tree, the spec or the retry token change. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "controller/internal.h"
#include "reconcile/migration/parse.h"
#include "reconcile/migration/placeholder.h"
#include "reconcile/migration/script.h"

/* What other databases of the plan have, for the directive after=. "a=3 b=12": part of the key. */
static char *assume_text(const struct plan_cache *cache, size_t index, struct kvlist *out)
{
    struct buf text = BUF(1024 * 1024);

    for (size_t i = 0; i < cache->database_count; i++) {
        const struct database_cache *d = &cache->databases[i];
        if (i == index || !d->inspected || !version_set(&d->inspected->rows.newest)) {
            continue;
        }
        const char *newest = d->inspected->rows.newest.text;
        kvlist_set(out, d->name, newest);
        buf_addf(&text, "%s=%s ", d->name, newest);
    }
    return buf_take(&text);
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

/* The same files as a command reads them; git credentials are the reader's own. Owned. */
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
    naming_options(&entry->migrations.naming, &out);
    add_patterns(&entry->migrations, &out);
    return buf_take(&out);
}

static struct err *make(const struct command_place *place, const struct mplan_database *entry,
                        const struct inspection *inspection, const struct path_files *set,
                        const char *retry_token, const struct kvlist *assume, struct pending *out)
{
    char timestamp[TIME_TEXT_LEN];

    if (set->error) {
        return err_new(set->error->kind, set->error->reason, "%s", set->error->message);
    }
    time_format_local(timestamp);
    const struct placeholders placeholders =
        placeholders_for(&entry->migrations, &inspection->identity, timestamp, "/");
    const struct plan_input input = {
        .files = &set->files,
        .history = &inspection->history,
        .journal = &inspection->journal,
        .options = &entry->migrations,
        .placeholders = &placeholders,
        .target_id = inspection->lease.present ? inspection->lease.target_id : "",
        .held_by_failed = true,
        .retry_token = retry_token,
        .journal_repeatables = true,
        .assume = assume,
        .wait_for_others = true,
        .place = place,
    };
    out->has_plan = true;
    TRY(plan_make(&input, &out->plan));
    return check_scripts(&out->plan, &inspection->identity, &placeholders);
}

/* Rows of the arrays that a plan was made from, as they are kept; the marker of a baseline is none of them. */
static const struct history_row *kept_history_row(const struct history_row *row,
                                                  const struct inspection *from,
                                                  const struct kept_rows *kept)
{
    const struct history_row *rows = from->history.rows;
    const bool among = row && row >= rows && row < rows + from->history.count;
    return among ? kept->history.rows[row - rows].row : row;
}

static const struct journal_row *kept_journal_row(const struct journal_row *row,
                                                  const struct inspection *from,
                                                  const struct kept_rows *kept)
{
    return row ? kept->journal.rows[row - from->journal.rows].row : NULL;
}

/* What is left of a plan until the next: of the databases of a fleet most have the same. Field by field, as
 * equal plans are to be equal to the byte. */
static void share(struct plan *plan, const struct inspection *from, const struct kept_rows *kept)
{
    struct plan_entry *entries = mem_array(plan->entry_count + 1, sizeof *entries);
    struct action *actions = mem_array(plan->action_count + 1, sizeof *actions);
    for (size_t i = 0; i < plan->entry_count; i++) {
        entries[i].state = plan->entries[i].state;
        entries[i].file = plan->entries[i].file;
        entries[i].row = kept_history_row(plan->entries[i].row, from, kept);
        entries[i].open = kept_journal_row(plan->entries[i].open, from, kept);
    }
    for (size_t i = 0; i < plan->action_count; i++) {
        actions[i].kind = plan->actions[i].kind;
        actions[i].file = plan->actions[i].file;
        actions[i].checksum = plan->actions[i].checksum;
    }
    free(plan->entries);
    free(plan->actions);
    plan->entries = kept_bytes(entries, plan->entry_count * sizeof *entries);
    plan->actions = kept_bytes(actions, plan->action_count * sizeof *actions);
    free(entries);
    free(actions);
    strlist_done(&plan->problems);
    plan->problems = (struct strlist){ 0 };
}

static bool still_good(const struct pending *j, const struct plan_cache *cache,
                       const struct database_cache *d, const struct commit_files *files,
                       const char *retry_token, const char *assume)
{
    return j->inspected == d->inspected->serial && j->files == files->serial &&
           j->snapshot == cache->snapshot->serial && str_eq(j->retry_token, retry_token) &&
           str_eq(j->assume, assume);
}

void pending_update(const struct controller *c, struct plan_cache *cache, size_t index,
                    struct commit_files *files, const char *retry_token)
{
    const struct mplan *plan = &cache->snapshot->plan;
    struct database_cache *d = &cache->databases[index];
    AUTO(strlist_done) struct strlist paths = { 0 };
    AUTO(kvlist_done) struct kvlist assume = { 0 };
    AUTO(free_auto) char *text = NULL;

    commit_files_paths(plan, index, &paths);
    const struct path_files *set = commit_files_find(files, &paths);
    if (!d->inspected || !set) {
        pending_clear(&d->pending);
        return;
    }
    text = set->has_after ? assume_text(cache, index, &assume) : mem_strdup("");
    if (still_good(&d->pending, cache, d, files, retry_token, text)) {
        return;
    }
    pending_clear(&d->pending);
    d->pending.inspected = d->inspected->serial;
    d->pending.files = files->serial;
    d->pending.snapshot = cache->snapshot->serial;
    d->pending.assume = TAKE(text);
    snprintf(d->pending.retry_token, sizeof d->pending.retry_token, "%s", retry_token);
    const struct mplan_database *entry = &plan->databases[index];
    AUTO(free_auto) char *options = file_options(c, plan, entry, &paths, files->commit);
    const struct command_place place = {
        .url = d->url,
        .files = options,
        .plan = plan->name,
        .namespace_ = plan->namespace_,
        .database = entry->name,
        .standalone = c->config->absolute,
    };
    AUTO(kept_rows_close) struct inspection inspection = inspected_open(d->inspected);
    d->pending.error = make(&place, entry, &inspection, set, retry_token, &assume, &d->pending);
    if (d->pending.has_plan) {
        share(&d->pending.plan, &inspection, &d->inspected->rows);
    }
}
