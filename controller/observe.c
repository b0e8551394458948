/* SPDX-License-Identifier: Apache-2.0 */
/* From the cache to what step may see. Everything is borrowed while the cache is locked. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "controller/internal.h"
#include "model/reason.h"
#include "reconcile/migration/parse.h"

/* ---- databases ---------------------------------------------------------------------------------- */

/* A plan that is no more lets its databases be taken over. What nobody has said yet counts as existing,
 * and what was said some time ago stands until it is said anew: the pass asks when it has decided. */
static void check_owner(struct controller *c, const struct plan_cache *cache,
                        const struct lease *lease, struct database_view *view)
{
    struct owner_key key;
    bool gone = false;

    if (view->owner == OWNER_OTHER_PLAN &&
        owners_key(lease, &cache->snapshot->plan, c->platform.ops->cluster_id(c->platform.self),
                   &key) &&
        owners_newest(&c->owners, &key, &gone) && gone) {
        view->owner = OWNER_GONE;
    }
}

static const struct strlist *oids_of(const struct plan_cache *cache,
                                     const struct commit_files *files, size_t index)
{
    AUTO(strlist_done) struct strlist paths = { 0 };

    commit_files_paths(&cache->snapshot->plan, index, &paths);
    const struct path_files *set = commit_files_find(files, &paths);
    return set ? &set->oids : NULL;
}

static void hash_inputs(const struct plan_cache *cache, size_t index,
                        const struct commit_files *files, char out[ROLLOUT_HASH_LEN + 1])
{
    const struct strlist *oids = oids_of(cache, files, index);

    out[0] = '\0';
    if (oids) {
        rollout_inputs_hash(&cache->snapshot->plan.databases[index], oids, out);
    }
}

static void view_inputs(struct plan_cache *cache, size_t index, const struct commit_files *files,
                        struct database_view *view)
{
    struct database_cache *d = &cache->databases[index];
    const struct commit_files *newest = cache->newest.files;
    uint64_t at = files ? files->serial : 0;
    uint64_t newest_at = newest ? newest->serial : 0;

    if (d->inputs_snapshot != cache->snapshot->serial || d->inputs_files != at ||
        d->newest_files != newest_at) {
        hash_inputs(cache, index, files, d->inputs);
        hash_inputs(cache, index, newest, d->newest_inputs);
        d->inputs_snapshot = cache->snapshot->serial;
        d->inputs_files = at;
        d->newest_files = newest_at;
    }
    memcpy(view->inputs, d->inputs, sizeof view->inputs);
    memcpy(view->newest_inputs, d->newest_inputs, sizeof view->newest_inputs);
    view->oids = oids_of(cache, files, index);
}

/* The same name and bytes. Both lists are in the order of versions: the search goes on from *at. */
static bool has_file(const struct migration_set *files, const struct migration *file, size_t *at)
{
    for (size_t tried = 0; tried < files->count; tried++) {
        const struct migration *m = &files->items[(*at + tried) % files->count];
        if (str_eq(m->script, file->script)) {
            *at = (*at + tried) % files->count;
            assert(!m->undigested && !file->undigested); // they come from a repository
            return memcmp(m->sha256, file->sha256, SHA256_LEN) == 0;
        }
    }
    return false;
}

static bool lacks_pending(const struct plan *plan, const struct migration_set *newest)
{
    size_t at = 0;
    for (size_t i = 0; i < plan->action_count; i++) {
        const struct migration *file = plan->actions[i].file;
        if (file && !has_file(newest, file, &at)) {
            return true;
        }
    }
    return false;
}

/* Has what is pending here been taken back or changed by the newest commit? A tree that cannot be read
 * takes nothing back. */
static void view_withdrawn(struct plan_cache *cache, size_t index, const struct commit_files *files,
                           struct database_view *view)
{
    struct database_cache *d = &cache->databases[index];
    const struct commit_files *newest = cache->newest.files;
    AUTO(strlist_done) struct strlist paths = { 0 };

    if (!view->plan || !newest || files == newest) {
        return;
    }
    if (d->withdrawn_inspected != d->pending.inspected || d->withdrawn_files != files->serial ||
        d->withdrawn_newest != newest->serial) {
        commit_files_paths(&cache->snapshot->plan, index, &paths);
        const struct path_files *set = commit_files_find(newest, &paths);
        d->withdrawn = set && !set->error && lacks_pending(view->plan, &set->files);
        d->withdrawn_inspected = d->pending.inspected;
        d->withdrawn_files = files->serial;
        d->withdrawn_newest = newest->serial;
    }
    view->withdrawn = d->withdrawn;
}

/* Everything that the database said, borrowed. Its rows are opened anew where they are not those of the one before. */
static struct inspection open_facts(const struct inspected *inspected, struct observation *o)
{
    const struct kept_rows *rows = &inspected->rows;
    if (o->opened_of.history.rows != rows->history.rows ||
        o->opened_of.journal.rows != rows->journal.rows || !o->opened.history.rows) {
        kept_rows_close(&o->opened);
        kept_rows_open(rows, &o->opened);
        o->opened_of = *rows;
    }
    kept_rows_date(rows, &o->opened.journal);
    struct inspection facts = inspected->inspection;
    facts.history.rows = o->opened.history.rows;
    facts.history.count = o->opened.history.count;
    facts.journal.rows = o->opened.journal.rows;
    facts.journal.count = o->opened.journal.count;
    return facts;
}

static void view_facts(struct controller *c, struct plan_cache *cache, size_t index,
                       int64_t now_mono_ms, struct observation *o, struct database_view *view)
{
    const struct database_cache *d = &cache->databases[index];

    view->after_job = true;
    if (!d->inspected) {
        return;
    }
    const struct inspection facts = open_facts(d->inspected, o);
    step_observe(&facts, &cache->snapshot->plan, index,
                 c->platform.ops->cluster_id(c->platform.self), view);
    view->identity = &d->inspected->inspection.identity;
    check_owner(c, cache, &d->inspected->inspection.lease, view);
    view->age_ms = now_mono_ms - d->inspected->ended_mono_ms;
    view->after_job = d->inspected->began_mono_ms >= o->stray_ended_mono_ms;
    if (view->job.phase == JOB_ENDED) {
        int64_t ended_mono_ms = now_mono_ms - view->job.ended_age_ms;
        view->after_job = view->after_job && d->inspected->began_mono_ms >= ended_mono_ms;
        view->failure_recorded = view->failure_recorded ||
                                 (d->recorded_attempt && d->recorded_attempt == view->job.attempt);
    }
}

/* Why the last Job did not start is of interest until a younger one has started. */
static void forget_unstarted(struct database_cache *d, const struct job_view *job,
                             int64_t now_mono_ms)
{
    bool started = job->phase == JOB_RUNNING || job->phase == JOB_ENDED;
    bool younger = job->age_ms < now_mono_ms - d->create_failure.mono_ms;
    if (started && younger && str_eq(d->create_failure.reason, REASON_RUNNER_NOT_STARTED)) {
        last_failure_clear(&d->create_failure);
    }
}

static bool names_changed_object(const struct plan_cache *cache, const struct mplan_database *entry)
{
    for (size_t i = 0; i < cache->secrets.count; i++) {
        const char *object = cache->secrets.items[i];
        bool secret = str_starts(object, "Secret/");
        const char *name = strchr(object, '/') + 1;
        bool ca_secret = str_eq(entry->ca_kind, "Secret");
        if ((secret &&
             (str_eq(name, entry->secret_name) || str_eq(name, entry->client_cert_secret))) ||
            (entry->ca_name && secret == ca_secret && str_eq(name, entry->ca_name))) {
            return true;
        }
    }
    return false;
}

static void observe_database(struct controller *c, struct plan_cache *cache, size_t index,
                             int64_t now_mono_ms, struct observation *o, struct commit_files *files)
{
    struct database_cache *d = &cache->databases[index];
    struct database_view *view = &o->views[index];
    char token[65];

    observe_job(cache, index, now_mono_ms, o, &view->job);
    view->inspection = d->state;
    view->inspecting = d->inspecting;
    view->busy = d->busy;
    view->changed = names_changed_object(cache, &cache->snapshot->plan.databases[index]);
    view->due_in_ms = d->due_mono_ms - now_mono_ms;
    view->due = step_is_due(&o->seen, index);
    view->inspecting = view->inspecting || view->due;
    forget_unstarted(d, &view->job, now_mono_ms);
    last_failure_view(&d->failure, now_mono_ms, &view->failure);
    last_failure_view(&d->create_failure, now_mono_ms, &view->create);
    last_failure_view(&d->journal_failure, now_mono_ms, &view->record);
    view_facts(c, cache, index, now_mono_ms, o, view);
    view_inputs(cache, index, files, view);
    step_retry_token(&cache->snapshot->plan, &cache->status, token);
    if (files) {
        pending_update(c, cache, index, files, token);
        view->plan = d->pending.has_plan ? &d->pending.plan : NULL;
        view->plan_error = d->pending.error;
        view_withdrawn(cache, index, files, view);
    }
}

/* ---- gates and requests -------------------------------------------------------------------------- */

static void observe_gates(const struct plan_cache *cache, int64_t now_mono_ms,
                          struct observation *o)
{
    o->gates = mem_array(cache->gate_count + 1, sizeof *o->gates);
    for (size_t i = 0; i < cache->gate_count; i++) {
        const struct gate_cache *gate = &cache->gates[i];
        o->gates[i] = (struct gate_view){ .wave = gate->wave,
                                          .name = gate->name,
                                          .round = gate->round,
                                          .running = gate->running,
                                          .answer = gate->answer,
                                          .age_ms = now_mono_ms - gate->taken_mono_ms };
    }
    o->seen.gates = o->gates;
    o->seen.gate_count = cache->gate_count;
}

static void observe_resolve(struct plan_cache *cache, struct observation *o)
{
    const struct snapshot *s = cache->snapshot;
    char token[65];

    o->seen.resolve_error = s->resolve_error;
    if (!s->has_resolve) {
        return;
    }
    step_token(kvlist_get(&s->plan.annotations, ANNOTATION_RESOLVE), token);
    o->resolved = mem_array(s->resolve.count + 1, sizeof *o->resolved);
    for (size_t i = 0; i < s->resolve.count; i++) {
        const struct resolve_item *item = &s->resolve.items[i];
        const struct database_cache *d = plan_cache_database(cache, item->database);
        if (d && d->inspected) {
            const struct inspection facts = open_facts(d->inspected, o);
            o->resolved[i] = step_resolved(&facts, item, token);
        }
    }
    o->seen.resolve = &s->resolve;
    o->seen.resolved = o->resolved;
}

static void observe_retry(const struct plan_cache *cache, int64_t now_mono_ms,
                          struct observation *o)
{
    const char *retry = kvlist_get(&cache->snapshot->plan.annotations, ANNOTATION_RETRY);
    const bool known = !retry || str_eq(retry, cache->retry);

    o->seen.retry_age_ms = known ? now_mono_ms - cache->retry_mono_ms : -1;
    for (size_t i = 0; i < cache->database_count; i++) {
        o->seen.retry_early = o->seen.retry_early || cache->databases[i].before_retry;
    }
}

/* ---- the whole ------------------------------------------------------------------------------------ */

void observe(struct controller *c, struct plan_cache *cache, const struct json *object,
             int64_t now_mono_ms, struct observation *o)
{
    const struct snapshot *s = cache->snapshot;

    o->seen.plan = &s->plan;
    o->seen.spec_error = s->error;
    o->seen.selection_problem = s->selection_problem;
    memcpy(o->seen.spec_hash, s->spec_hash, sizeof o->seen.spec_hash);
    o->seen.status = &cache->status;
    o->seen.status_dirty = cache->dirty;
    o->seen.now_ms = clock_utc_ms();
    o->seen.now_mono_ms = now_mono_ms;
    if (s->plan.deleting) {
        cache->deleting_mono_ms = cache->deleting_mono_ms ? cache->deleting_mono_ms : now_mono_ms;
        o->seen.deleting_age_ms = now_mono_ms - cache->deleting_mono_ms;
    } else {
        cache->deleting_mono_ms = 0;
    }
    size_t most = cache->database_count > s->plan.database_count ? cache->database_count
                                                                 : s->plan.database_count;
    o->views = mem_array(most + 1, sizeof *o->views);
    o->job_of = mem_array(most + 1, sizeof *o->job_of);
    memset(o->job_of, 0xff, (most + 1) * sizeof *o->job_of);
    o->seen.databases = o->views;
    o->seen.list_in_ms = select_due_ms(c, cache, object, now_mono_ms);
    observe_jobs(cache, now_mono_ms, o);
    if (s->error) {
        return;
    }
    source_observe(c, cache);
    o->seen.source_failed = cache->source_failure.reason != NULL;
    observe_retry(cache, now_mono_ms, o);
    observe_source(cache, now_mono_ms, &o->seen.source);
    struct commit_files *files = observe_files(cache, step_commit(&o->seen));
    for (size_t i = 0; i < s->plan.database_count; i++) {
        observe_database(c, cache, i, now_mono_ms, o, files);
    }
    if (files) {
        commit_files_notices(files, &s->plan, &o->notices);
        o->seen.notices = &o->notices;
    }
    observe_gates(cache, now_mono_ms, o);
    observe_resolve(cache, o);
}

void observation_done(struct observation *o)
{
    free(o->views);
    free(o->gates);
    free(o->resolved);
    free(o->job_of);
    job_list_done(&o->jobs);
    strlist_done(&o->notices);
    kept_rows_close(&o->opened);
    *o = (struct observation){ 0 };
}
