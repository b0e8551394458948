/* SPDX-License-Identifier: Apache-2.0 */
/* From the cell to what step may look at. Everything is borrowed while the cell is locked. */
#include <stdlib.h>
#include <string.h>

#include "controller/core.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/clock.h"
#include "reconcile/base/mem.h"
#include "reconcile/model/reason.h"

/* ---- jobs -------------------------------------------------------------------------------------- */

static bool job_live(const struct job *job)
{
    return job->phase == JOB_WAITING || job->phase == JOB_RUNNING;
}

/* A live Job is the one to look at, else the newest attempt. */
static bool job_before(const struct job *a, const struct job *b)
{
    if (job_live(a) != job_live(b)) {
        return job_live(a);
    }
    return a->attempt > b->attempt;
}

bool observe_is_stray(const struct snapshot *snapshot, const struct job *job)
{
    for (size_t i = 0; i < snapshot->plan.database_count; i++) {
        if (str_eq(snapshot->plan.databases[i].name, job->database)) {
            return false;
        }
    }
    return true;
}

/* An entry that was renamed while its Job ran: what that Job did is known by a look after its end. */
static void note_stray(struct cell *cell, const struct job *job, struct observation *o)
{
    int64_t ended_ms = 0;

    o->seen.stray_jobs += job_live(job) ? 1 : 0;
    o->seen.stray_waiting += job->phase == JOB_WAITING && !job->cancelling ? 1 : 0;
    if (job->phase == JOB_ENDED && cell_ended_since(cell, job->name, &ended_ms) &&
        ended_ms > o->stray_ended_mono_ms) {
        o->stray_ended_mono_ms = ended_ms;
    }
}

/* Entries by their Jobs: which one to look at, and how often it was tried. */
static void observe_jobs(struct cell *cell, int64_t now_mono_ms, struct observation *o)
{
    size_t *index_of = mem_array(o->jobs.count + 1, sizeof *index_of);

    cell_note_ended(cell, &o->jobs, now_mono_ms);
    for (size_t i = 0; i < o->jobs.count; i++) {
        const struct job *job = &o->jobs.items[i];
        size_t index = cell->snapshot->error ? SIZE_MAX /* no entries then */
                                             : cell_database_index(cell, job->database);
        index_of[i] = index;
        if (index == SIZE_MAX) {
            note_stray(cell, job, o);
            continue;
        }
        if (o->job_of[index] == SIZE_MAX || job_before(job, &o->jobs.items[o->job_of[index]])) {
            o->job_of[index] = i;
        }
        struct job_view *view = &o->views[index].job;
        view->attempt = job->attempt > view->attempt ? job->attempt : view->attempt;
    }
    for (size_t i = 0; i < o->jobs.count; i++) {
        const struct job *job = &o->jobs.items[i];
        if (index_of[i] != SIZE_MAX && job->phase == JOB_ENDED) {
            const struct job *shown = &o->jobs.items[o->job_of[index_of[i]]];
            o->views[index_of[i]].job.tries +=
                str_eq(job->commit, shown->commit) && str_eq(job->retry_token, shown->retry_token);
        }
    }
    free(index_of);
}

static void view_job(struct cell *cell, size_t index, int64_t now_mono_ms,
                     const struct observation *o, struct job_view *out)
{
    int64_t ended_ms = now_mono_ms;

    if (o->job_of[index] == SIZE_MAX) {
        return;
    }
    const struct job *job = &o->jobs.items[o->job_of[index]];
    *out = (struct job_view){
        .phase = job->phase,
        .cancelling = job->cancelling,
        .outdated = job->generation && job->generation != cell->snapshot->plan.generation,
        .name = job->name,
        .waiting = job->waiting,
        .retry_token = job->retry_token,
        .age_ms = clock_utc_ms() - job->created_ms,
        .result = job->phase == JOB_ENDED && job->has_result ? &job->result : NULL,
        .attempt = out->attempt,
        .tries = out->tries
    };
    memcpy(out->commit, job->commit, sizeof out->commit);
    if (job->phase == JOB_ENDED) {
        (void)cell_ended_since(cell, job->name, &ended_ms);
        out->ended_age_ms = now_mono_ms - ended_ms;
    }
}

/* ---- source ------------------------------------------------------------------------------------ */

/* Every list of paths that the spec names now was fetched, and history was told against the commit
 * that is applied now. */
static bool trees_complete(const struct cell *cell, const struct trees *trees)
{
    const struct mplan *plan = &cell->snapshot->plan;
    const char *applied = cell->status.last_applied_commit;

    if (!str_eq(trees->last_applied, applied) && !str_eq(trees->commit, applied)) {
        return false;
    }
    for (size_t i = 0; i < plan->database_count; i++) {
        AUTO(strlist_done) struct strlist paths = { 0 };
        trees_paths(plan, i, &paths);
        if (!trees_find(trees, &paths)) {
            return false;
        }
    }
    return true;
}

static void slot_check(const struct cell *cell, struct fetch_slot *slot)
{
    if (slot->state == FETCH_DONE && !trees_complete(cell, slot->trees)) {
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
static void align_slots(struct cell *cell, const char *newest, const char *rollout)
{
    if (!str_eq(cell->newest.commit, newest) &&
        (str_eq(cell->rollout.commit, newest) || str_eq(cell->newest.commit, rollout))) {
        struct fetch_slot swap = cell->newest;
        cell->newest = cell->rollout;
        cell->rollout = swap;
    }
    slot_name(&cell->newest, newest);
    slot_name(&cell->rollout, rollout);
    slot_check(cell, &cell->newest);
    slot_check(cell, &cell->rollout);
}

static const char *journal_sha(const struct journal *journal, int32_t rank)
{
    const char *sha = NULL;

    for (size_t i = 0; i < journal->count; i++) {
        const struct journal_row *row = &journal->rows[i];
        if (row->installed_rank == rank && row->step == 0 &&
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
        char hex[SHA256_HEX_LEN + 1];
        if (m->kind == MIGRATION_VERSIONED && version_compare(&m->version, version) == 0) {
            hex_format(m->sha256, SHA256_LEN, hex);
            return str_eq(hex, sha);
        }
    }
    return false;
}

/* The content rule: every versioned file that a journal says was applied is there, byte for byte. Rows
 * that a real Flyway wrote are compared by their checksum, as always. */
static bool content_same(const struct cell *cell, const struct trees *trees)
{
    for (size_t d = 0; d < cell->database_count; d++) {
        const struct seen *seen = cell->databases[d].seen;
        AUTO(strlist_done) struct strlist paths = { 0 };
        trees_paths(&cell->snapshot->plan, d, &paths);
        const struct tree_set *set = trees_find(trees, &paths);
        for (size_t i = 0; seen && set && i < seen->inspection.history.count; i++) {
            const struct history_row *row = &seen->inspection.history.rows[i];
            const char *sha = row->success && row->has_version && str_eq(row->type, "SQL")
                                  ? journal_sha(&seen->inspection.journal, row->rank)
                                  : NULL;
            if (sha && !file_same(&set->files, &row->version, sha)) {
                return false;
            }
        }
    }
    return true;
}

static enum rewrite rewrite_of(const struct cell *cell, const struct trees *trees)
{
    const struct mplan *plan = &cell->snapshot->plan;

    if (plan->source.allow_rewrite || trees->history != REPO_HISTORY_REWRITTEN ||
        str_eq(trees->commit, cell->status.last_applied_commit)) {
        return REWRITE_NONE;
    }
    return content_same(cell, trees) ? REWRITE_HARMLESS : REWRITE_CHANGED;
}

static void view_commit(const struct cell *cell, const struct fetch_slot *slot, int64_t now_mono_ms,
                        struct commit_view *out)
{
    const struct mplan *plan = &cell->snapshot->plan;
    const char *attempted = cell->status.last_attempted_commit;

    *out = (struct commit_view){ .fetch = slot->state, .revision = slot->revision };
    memcpy(out->commit, slot->commit, sizeof out->commit);
    note_view(&slot->failure, now_mono_ms, &out->fetch_failure);
    if (slot->state == FETCH_DONE) {
        out->covered = &slot->trees->ancestors;
        out->rewrite = rewrite_of(cell, slot->trees);
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

static void name_revision(const struct cell *cell, struct fetch_slot *slot)
{
    const struct mplan_source *source = &cell->snapshot->plan.source;
    const char *fetched = slot->trees ? slot->trees->revision : NULL;
    const char *attempted = attempted_revision(&cell->status, slot->commit);
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

static void observe_source(struct cell *cell, int64_t now_mono_ms, struct source_view *out)
{
    const struct mplan *plan = &cell->snapshot->plan;
    const struct rollout_status *rollout = &cell->status.rollout;
    const char *newest = plan->revision ? plan->revision : cell->poll.commit;
    bool other = rollout->present && rollout->commit[0] && !str_eq(rollout->commit, newest);

    align_slots(cell, newest, other ? rollout->commit : "");
    name_revision(cell, &cell->newest);
    name_revision(cell, &cell->rollout);
    view_commit(cell, &cell->newest, now_mono_ms, &out->newest);
    view_commit(cell, &cell->rollout, now_mono_ms, &out->rollout);
    note_view(cell->source_failure.reason ? &cell->source_failure : &cell->poll.failure,
              now_mono_ms, &out->poll);
}

struct trees *observe_trees(struct cell *cell, const char *commit)
{
    if (commit[0] && str_eq(cell->newest.commit, commit)) {
        return cell->newest.trees;
    }
    return commit[0] && str_eq(cell->rollout.commit, commit) ? cell->rollout.trees : NULL;
}

/* ---- databases ---------------------------------------------------------------------------------- */

/* A plan that is no more lets its databases be taken over. What nobody has said yet counts as existing:
 * the drive loop asks before it gathers. */
static void check_owner(struct controller *c, const struct cell *cell, const struct lease *lease,
                        int64_t now_mono_ms, struct database_view *view)
{
    struct owner_key key;
    bool gone = false;

    if (view->owner == OWNER_OTHER_PLAN &&
        owners_key(lease, &cell->snapshot->plan, c->platform.ops->cluster_id(c->platform.self),
                   &key) &&
        owners_recall(&c->owners, &key, now_mono_ms, &gone) && gone) {
        view->owner = OWNER_GONE;
    }
}

static const struct strlist *oids_of(const struct cell *cell, const struct trees *trees,
                                     size_t index)
{
    AUTO(strlist_done) struct strlist paths = { 0 };

    trees_paths(&cell->snapshot->plan, index, &paths);
    const struct tree_set *set = trees_find(trees, &paths);
    return set ? &set->oids : NULL;
}

static void hash_inputs(const struct cell *cell, size_t index, const struct trees *trees,
                        char out[ROLLOUT_HASH_LEN + 1])
{
    const struct strlist *oids = oids_of(cell, trees, index);

    out[0] = '\0';
    if (oids) {
        rollout_inputs_hash(&cell->snapshot->plan.databases[index], oids, out);
    }
}

static void view_inputs(struct cell *cell, size_t index, const struct trees *trees,
                        struct database_view *view)
{
    struct database_cell *d = &cell->databases[index];
    const struct trees *newest = cell->newest.trees;
    uint64_t at = trees ? trees->serial : 0;
    uint64_t newest_at = newest ? newest->serial : 0;

    if (d->inputs_snapshot != cell->snapshot->serial || d->inputs_trees != at ||
        d->newest_trees != newest_at) {
        hash_inputs(cell, index, trees, d->inputs);
        hash_inputs(cell, index, newest, d->newest_inputs);
        d->inputs_snapshot = cell->snapshot->serial;
        d->inputs_trees = at;
        d->newest_trees = newest_at;
    }
    memcpy(view->inputs, d->inputs, sizeof view->inputs);
    memcpy(view->newest_inputs, d->newest_inputs, sizeof view->newest_inputs);
    view->oids = oids_of(cell, trees, index);
}

/* The same name and bytes. Both lists are in the order of versions: the search goes on from *at. */
static bool has_file(const struct migration_set *files, const struct migration *file, size_t *at)
{
    for (size_t tried = 0; tried < files->count; tried++) {
        const struct migration *m = &files->items[(*at + tried) % files->count];
        if (str_eq(m->script, file->script)) {
            *at = (*at + tried) % files->count;
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
static void view_withdrawn(struct cell *cell, size_t index, const struct trees *trees,
                           struct database_view *view)
{
    struct database_cell *d = &cell->databases[index];
    const struct trees *newest = cell->newest.trees;
    AUTO(strlist_done) struct strlist paths = { 0 };

    if (!view->plan || !newest || trees == newest) {
        return;
    }
    if (d->withdrawn_seen != d->judgement.seen || d->withdrawn_trees != trees->serial ||
        d->withdrawn_newest != newest->serial) {
        trees_paths(&cell->snapshot->plan, index, &paths);
        const struct tree_set *set = trees_find(newest, &paths);
        d->withdrawn = set && !set->error && lacks_pending(view->plan, &set->files);
        d->withdrawn_seen = d->judgement.seen;
        d->withdrawn_trees = trees->serial;
        d->withdrawn_newest = newest->serial;
    }
    view->withdrawn = d->withdrawn;
}

static void view_facts(struct controller *c, struct cell *cell, size_t index, int64_t now_mono_ms,
                       const struct observation *o, struct database_view *view)
{
    const struct database_cell *d = &cell->databases[index];

    view->after_job = true;
    if (!d->seen) {
        return;
    }
    step_observe(&d->seen->inspection, &cell->snapshot->plan, index,
                 c->platform.ops->cluster_id(c->platform.self), view);
    check_owner(c, cell, &d->seen->inspection.lease, now_mono_ms, view);
    view->age_ms = now_mono_ms - d->seen->ended_mono_ms;
    view->after_job = d->seen->began_mono_ms >= o->stray_ended_mono_ms;
    if (view->job.phase == JOB_ENDED) {
        int64_t ended_mono_ms = now_mono_ms - view->job.ended_age_ms;
        view->after_job = view->after_job && d->seen->began_mono_ms >= ended_mono_ms;
        view->failure_recorded = view->failure_recorded ||
                                 (d->recorded_attempt && d->recorded_attempt == view->job.attempt);
    }
}

/* Why the last Job did not start is of interest until a younger one has started. */
static void forget_unstarted(struct database_cell *d, const struct job_view *job,
                             int64_t now_mono_ms)
{
    bool started = job->phase == JOB_RUNNING || job->phase == JOB_ENDED;
    bool younger = job->age_ms < now_mono_ms - d->create.mono_ms;
    if (started && younger && str_eq(d->create.reason, REASON_RUNNER_NOT_STARTED)) {
        note_clear(&d->create);
    }
}

static void observe_database(struct controller *c, struct cell *cell, size_t index,
                             int64_t now_mono_ms, struct observation *o, struct trees *trees)
{
    struct database_cell *d = &cell->databases[index];
    struct database_view *view = &o->views[index];
    char token[65];

    view_job(cell, index, now_mono_ms, o, &view->job);
    view->inspection = d->state;
    view->inspecting = d->inspecting;
    view->busy = d->busy;
    forget_unstarted(d, &view->job, now_mono_ms);
    note_view(&d->failure, now_mono_ms, &view->failure);
    note_view(&d->create, now_mono_ms, &view->create);
    note_view(&d->record, now_mono_ms, &view->record);
    view_facts(c, cell, index, now_mono_ms, o, view);
    view_inputs(cell, index, trees, view);
    step_retry_token(&cell->snapshot->plan, &cell->status, token);
    if (trees) {
        judge_entry(c, cell, index, trees, token);
        view->plan = d->judgement.has_plan ? &d->judgement.plan : NULL;
        view->plan_error = d->judgement.error;
        view_withdrawn(cell, index, trees, view);
    }
}

/* ---- gates and requests -------------------------------------------------------------------------- */

static void observe_gates(const struct cell *cell, int64_t now_mono_ms, struct observation *o)
{
    o->gates = mem_array(cell->gate_count + 1, sizeof *o->gates);
    for (size_t i = 0; i < cell->gate_count; i++) {
        const struct gate_cell *gate = &cell->gates[i];
        o->gates[i] = (struct gate_view){ .wave = gate->wave,
                                          .name = gate->name,
                                          .round = gate->round,
                                          .running = gate->running,
                                          .answer = gate->answer,
                                          .age_ms = now_mono_ms - gate->taken_mono_ms };
    }
    o->seen.gates = o->gates;
    o->seen.gate_count = cell->gate_count;
}

static void observe_resolve(struct cell *cell, struct observation *o)
{
    const struct snapshot *s = cell->snapshot;
    char token[65];

    o->seen.resolve_error = s->resolve_error;
    if (!s->has_resolve) {
        return;
    }
    step_token(kvlist_get(&s->plan.annotations, ANNOTATION_RESOLVE), token);
    o->resolved = mem_array(s->resolve.count + 1, sizeof *o->resolved);
    for (size_t i = 0; i < s->resolve.count; i++) {
        const struct resolve_item *item = &s->resolve.items[i];
        const struct database_cell *d = cell_database(cell, item->database);
        o->resolved[i] = d && d->seen && step_resolved(&d->seen->inspection, item, token);
    }
    o->seen.resolve = &s->resolve;
    o->seen.resolved = o->resolved;
}

/* Bounded: a server that never answers must not keep the others from their retry. */
static void observe_retry(const struct cell *cell, int64_t now_mono_ms, struct observation *o)
{
    for (size_t i = 0; i < cell->database_count; i++) {
        o->seen.retry_early = o->seen.retry_early || cell->databases[i].before_retry;
    }
    if (!cell->retry || now_mono_ms - cell->retry_mono_ms > RETRY_LOOK_MS) {
        o->seen.retry_early = false;
    }
}

/* ---- the whole ------------------------------------------------------------------------------------ */

void observe(struct controller *c, struct cell *cell, int64_t now_mono_ms, struct observation *o)
{
    const struct snapshot *s = cell->snapshot;

    o->seen.plan = &s->plan;
    o->seen.spec_error = s->error;
    o->seen.selection_problem = s->selection_problem;
    memcpy(o->seen.spec_hash, s->spec_hash, sizeof o->seen.spec_hash);
    o->seen.status = &cell->status;
    o->seen.status_dirty = cell->dirty;
    o->seen.now_ms = clock_utc_ms();
    o->seen.now_mono_ms = now_mono_ms;
    if (s->plan.deleting) {
        cell->deleting_mono_ms = cell->deleting_mono_ms ? cell->deleting_mono_ms : now_mono_ms;
        o->seen.deleting_age_ms = now_mono_ms - cell->deleting_mono_ms;
    } else {
        cell->deleting_mono_ms = 0;
    }
    size_t most = cell->database_count > s->plan.database_count ? cell->database_count
                                                                : s->plan.database_count;
    o->views = mem_array(most + 1, sizeof *o->views);
    o->job_of = mem_array(most + 1, sizeof *o->job_of);
    memset(o->job_of, 0xff, (most + 1) * sizeof *o->job_of);
    o->seen.databases = o->views;
    observe_jobs(cell, now_mono_ms, o);
    if (s->error) {
        return;
    }
    observe_source(cell, now_mono_ms, &o->seen.source);
    struct trees *trees = observe_trees(cell, step_commit(&o->seen));
    for (size_t i = 0; i < s->plan.database_count; i++) {
        observe_database(c, cell, i, now_mono_ms, o, trees);
    }
    observe_gates(cell, now_mono_ms, o);
    observe_resolve(cell, o);
    observe_retry(cell, now_mono_ms, o);
}

void observation_done(struct observation *o)
{
    free(o->views);
    free(o->gates);
    free(o->resolved);
    free(o->job_of);
    job_list_done(&o->jobs);
    *o = (struct observation){ 0 };
}
