/* SPDX-License-Identifier: Apache-2.0 */
/* A plan's commits, as step sees them: what is known of the newest one and of the roll-out's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "controller/internal.h"

/* Every list of paths that the spec names now was fetched, its names were read as it says now, and history was told against the commit
 * that is applied now. */
static bool files_complete(const struct plan_cache *cache, const struct commit_files *files)
{
    const struct mplan *plan = &cache->snapshot->plan;
    const char *applied = cache->status.last_applied_commit;

    if (!str_eq(files->last_applied, applied) && !str_eq(files->commit, applied)) {
        return false;
    }
    if (!naming_equal(&files->naming, &plan->migrations.naming)) {
        return false;
    }
    for (size_t i = 0; i < plan->database_count; i++) {
        AUTO(strlist_done) struct strlist paths = { 0 };
        commit_files_paths(plan, i, &paths);
        if (!commit_files_find(files, &paths)) {
            return false;
        }
    }
    return true;
}

static void slot_check(const struct plan_cache *cache, struct fetch_slot *slot)
{
    if (slot->state == FETCH_DONE && !files_complete(cache, slot->files)) {
        char commit[REPO_COMMIT_LEN];
        memcpy(commit, slot->commit, sizeof commit);
        slot_clear(slot);
        memcpy(slot->commit, commit, sizeof commit);
    }
}

static void slot_name(struct fetch_slot *slot, const char *commit)
{
    if (!str_eq(slot->commit, commit)) {
        slot_clear(slot);
        snprintf(slot->commit, sizeof slot->commit, "%s", commit);
    }
}

/* Two commits are of interest at most: what was fetched for one is kept when its role changes. */
static void align_slots(struct plan_cache *cache, const char *newest, const char *rollout)
{
    if (!str_eq(cache->newest.commit, newest) &&
        (str_eq(cache->rollout.commit, newest) || str_eq(cache->newest.commit, rollout))) {
        struct fetch_slot swap = cache->newest;
        cache->newest = cache->rollout;
        cache->rollout = swap;
    }
    slot_name(&cache->newest, newest);
    slot_name(&cache->rollout, rollout);
    slot_check(cache, &cache->newest);
    slot_check(cache, &cache->rollout);
}

static const char *journal_sha(const struct kept_table *journal, int32_t rank)
{
    const char *sha = NULL;

    for (size_t i = 0; i < journal->count; i++) {
        const struct journal_row *row = journal->rows[i].row;
        if (journal->rows[i].rank == rank && row->step == 0 &&
            (row->state == JOURNAL_DONE || row->state == JOURNAL_INFERRED)) {
            sha = row->file_sha256;
        }
    }
    return sha;
}

static bool file_same(const struct migration_set *files, const struct version *version,
                      const char *sha)
{
    for (size_t i = 0; i < files->count; i++) {
        const struct migration *m = &files->items[i];
        if (m->kind == MIGRATION_VERSIONED && version_compare(&m->version, version) == 0) {
            return migration_was(m, sha);
        }
    }
    return false;
}

/* The content rule: every versioned file that a journal says was applied is there, line ends aside. Rows
 * that a real Flyway wrote are compared by their checksum, as always. */
static bool content_same(const struct plan_cache *cache, const struct commit_files *files)
{
    for (size_t d = 0; d < cache->database_count; d++) {
        const struct inspected *inspected = cache->databases[d].inspected;
        AUTO(strlist_done) struct strlist paths = { 0 };
        commit_files_paths(&cache->snapshot->plan, d, &paths);
        const struct path_files *set = commit_files_find(files, &paths);
        for (size_t i = 0; inspected && set && i < inspected->rows.history.count; i++) {
            const struct history_row *row = inspected->rows.history.rows[i].row;
            const char *sha =
                row->success && row->has_version && str_eq(row->type, "SQL")
                    ? journal_sha(&inspected->rows.journal, inspected->rows.history.rows[i].rank)
                    : NULL;
            if (sha && !file_same(&set->files, &row->version, sha)) {
                return false;
            }
        }
    }
    return true;
}

static enum rewrite rewrite_of(const struct plan_cache *cache, const struct commit_files *files)
{
    const struct mplan *plan = &cache->snapshot->plan;

    if (plan->source.allow_rewrite || files->history != REPO_HISTORY_REWRITTEN ||
        str_eq(files->commit, cache->status.last_applied_commit)) {
        return REWRITE_NONE;
    }
    return content_same(cache, files) ? REWRITE_HARMLESS : REWRITE_CHANGED;
}

static void view_commit(const struct plan_cache *cache, const struct fetch_slot *slot,
                        int64_t now_mono_ms, struct commit_view *out)
{
    const struct mplan *plan = &cache->snapshot->plan;
    const char *attempted = cache->status.last_attempted_commit;

    *out = (struct commit_view){ .fetch = slot->state, .revision = slot->revision };
    memcpy(out->commit, slot->commit, sizeof out->commit);
    last_failure_view(&slot->failure, now_mono_ms, &out->fetch_failure);
    if (cache->source_waits && slot->state != FETCH_DONE) {
        out->fetch = FETCH_RUNNING; /* it begins when its Secret has been read */
        out->fetch_failure = (struct failure){ 0 };
    }
    if (slot->state == FETCH_DONE) {
        out->covered = &slot->files->ancestors;
        out->rewrite = rewrite_of(cache, slot->files);
    }
    out->tag_moved = plan->source.ref_kind == REF_TAG && !plan->revision && attempted[0] &&
                     slot->commit[0] && !str_eq(attempted, slot->commit);
}

/* A commit that is fetched by itself, as after a restart in the middle of its roll-out, has lost the name
 * of its branch: the status has kept it. */
static const char *attempted_revision(const struct status *status, const char *commit)
{
    return str_eq(status->last_attempted_commit, commit) ? status->last_attempted_revision : NULL;
}

static void name_revision(const struct plan_cache *cache, struct fetch_slot *slot)
{
    const struct mplan_source *source = &cache->snapshot->plan.source;
    const char *fetched = slot->files ? slot->files->revision : NULL;
    const char *attempted = attempted_revision(&cache->status, slot->commit);
    bool named = source->ref_kind == REF_BRANCH || source->ref_kind == REF_TAG;

    if (!slot->commit[0] || slot->revision) {
        return;
    }
    if (fetched && fetched[0]) {
        bool bare = !strchr(fetched, '@') && attempted && attempted[0];
        slot->revision = mem_strdup(bare ? attempted : fetched);
    } else {
        slot->revision = mem_printf("%s%ssha1:%s", named && source->ref ? source->ref : "",
                                    named && source->ref ? "@" : "", slot->commit);
    }
}

void observe_source(struct plan_cache *cache, int64_t now_mono_ms, struct source_view *out)
{
    const struct mplan *plan = &cache->snapshot->plan;
    const struct rollout_status *rollout = &cache->status.rollout;
    const char *newest = plan->revision ? plan->revision : cache->poll.commit;
    bool other = rollout->present && rollout->commit[0] && !str_eq(rollout->commit, newest);

    align_slots(cache, newest, other ? rollout->commit : "");
    name_revision(cache, &cache->newest);
    name_revision(cache, &cache->rollout);
    view_commit(cache, &cache->newest, now_mono_ms, &out->newest);
    view_commit(cache, &cache->rollout, now_mono_ms, &out->rollout);
    last_failure_view(cache->source_failure.reason ? &cache->source_failure : &cache->poll.failure,
                      now_mono_ms, &out->poll);
}

struct commit_files *observe_files(struct plan_cache *cache, const char *commit)
{
    if (commit[0] && str_eq(cache->newest.commit, commit)) {
        return cache->newest.files;
    }
    return commit[0] && str_eq(cache->rollout.commit, commit) ? cache->rollout.files : NULL;
}
