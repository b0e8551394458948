/* SPDX-License-Identifier: Apache-2.0 */
/* What the controller sees of the world, and what the oracle is told of a decision. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "model/reason.h"
#include "order_world.h"

/* ---- a database against a tree ------------------------------------------------------------------ */

static int of_version(const struct world *w, const int8_t *files, int count, int version)
{
    for (int i = 0; i < count; i++) {
        if (w->files[files[i]].version == version) {
            return files[i];
        }
    }
    return -1;
}

static void refuse(struct judgement *out, const char *reason, const struct world *w, int file)
{
    if (!out->error) {
        out->error = err_new(ERR_TERMINAL, reason, "%s: %s", w->files[file].script, reason);
    }
}

/* One applied file: in the tree, changed since, above it, or missing from it. */
static void judge_row(struct world *w, const struct entry *e, int file, const int8_t *tree,
                      int tree_count, bool late, struct judgement *out)
{
    struct plan_entry *entry = &out->entries[out->plan.entry_count++];
    int other = of_version(w, tree, tree_count, w->files[file].version);
    int last = tree_count ? w->files[tree[tree_count - 1]].version : 0;
    *entry = (struct plan_entry){ .row = &w->files[file].row };
    if (other >= 0) {
        entry->file = &w->files[other].migration;
        entry->state = late ? STATE_OUT_OF_ORDER : STATE_SUCCESS;
        if (other != file) {
            refuse(out, REASON_CHECKSUM_MISMATCH, w, file);
        }
    } else if (w->files[file].version > last) {
        entry->state = STATE_FUTURE;
        out->ahead[out->plan.ahead.count++] = w->files[file].migration.version.text;
    } else {
        entry->state = STATE_MISSING;
        if (!e->ignore_missing) {
            refuse(out, REASON_MIGRATION_MISSING, w, file);
        }
    }
}

static void judge_rows(struct world *w, const struct entry *e, const struct content *c,
                       const int8_t *tree, int tree_count, struct judgement *out)
{
    int highest = 0;
    for (int i = 0; i < c->count; i++) {
        int version = w->files[c->applied[i]].version;
        judge_row(w, e, c->applied[i], tree, tree_count, version < highest, out);
        highest = version > highest ? version : highest;
    }
    if (highest > 0) {
        (void)snprintf(out->plan.current.text, sizeof out->plan.current.text, "%d", highest);
    }
}

static void judge_pending(struct world *w, const struct entry *e, const struct content *c,
                          const int8_t *tree, int tree_count, const char *token,
                          struct judgement *out)
{
    int highest = 0;
    for (int i = 0; i < c->count; i++) {
        int version = w->files[c->applied[i]].version;
        highest = version > highest ? version : highest;
    }
    for (int i = 0; i < tree_count; i++) {
        const struct file *f = &w->files[tree[i]];
        if (of_version(w, c->applied, c->count, f->version) >= 0) {
            continue;
        }
        if (f->version < highest && !e->out_of_order) {
            refuse(out, REASON_OUT_OF_ORDER, w, tree[i]);
        }
        if (c->failed_file == tree[i] && strcmp(c->failed_token, token) == 0) {
            refuse(out, REASON_MIGRATION_FAILED, w, tree[i]);
        }
        out->entries[out->plan.entry_count++] =
            (struct plan_entry){ .state = STATE_PENDING, .file = &f->migration };
        out->actions[out->plan.action_count++] =
            (struct action){ .kind = ACTION_APPLY, .file = &f->migration };
    }
}

static void judge_content(struct world *w, const struct entry *e, const struct content *c,
                          int commit, const char *token, struct judgement *out)
{
    int8_t tree[FILES];
    int count = file_sort(w, tree_files(w, commit, e->dirs), tree);
    out->plan = (struct plan){ .entries = out->entries, .actions = out->actions };
    out->plan.ahead.items = out->ahead;
    out->error = NULL;
    judge_rows(w, e, c, tree, count, out);
    judge_pending(w, e, c, tree, count, token, out);
    if (out->error) {
        out->plan.action_count = 0;
    }
}

/* By what is true now: at the end, is it up to date, or what is in its way (out->error)? */
bool entry_judged(struct world *w, int entry, int commit, struct judgement *out)
{
    const struct entry *e = &w->spec.entries[entry];
    char token[65];
    step_retry_token(&w->plan, &w->status, token);
    judge_content(w, e, &w->places[e->place].content, commit, token, out);
    return !out->error && out->plan.action_count == 0;
}

/* ---- commits ------------------------------------------------------------------------------------ */

int newest_commit(const struct world *w)
{
    return w->spec.pinned >= 0 ? w->spec.pinned : w->process.polled;
}

bool commit_fetched(const struct world *w, int commit)
{
    const struct fetch_memory *f = &w->process.fetched[commit];
    int applied = commit_find(w, w->status.last_applied_commit);
    return f->state == FETCH_DONE && (f->against == applied || applied == commit);
}

/* Every file that a journal says was applied is in the tree, byte for byte. */
static bool content_same(const struct world *w, int commit)
{
    for (int i = 0; i < w->spec.count; i++) {
        const struct entry *e = &w->spec.entries[i];
        uint64_t tree = tree_files(w, commit, e->dirs);
        for (int k = 0; e->view.known && k < e->seen.count; k++) {
            if (!e->seen.flyway[k] && !((tree >> (unsigned)e->seen.applied[k]) & 1)) {
                return false;
            }
        }
    }
    return true;
}

static void view_commit(const struct world *w, int commit, struct commit_view *out)
{
    *out = (struct commit_view){ 0 };
    if (commit < 0) {
        return;
    }
    const struct fetch_memory *f = &w->process.fetched[commit];
    memcpy(out->commit, w->commits[commit].id, sizeof w->commits[commit].id);
    out->revision = w->commits[commit].id;
    out->fetch = f->ends_ms                                             ? FETCH_RUNNING
                 : f->state == FETCH_DONE && !commit_fetched(w, commit) ? FETCH_NONE
                                                                        : f->state;
    if (out->fetch == FETCH_FAILED) {
        out->fetch_failure =
            (struct failure){ .reason = w->commits[commit].lost ? REASON_REVISION_NOT_FOUND
                                                                : REASON_SOURCE_FETCH_FAILED,
                              .message = "could not fetch",
                              .age_ms = w->mono_ms - f->failed_ms,
                              .count = f->failures };
    }
    int applied = commit_find(w, w->status.last_applied_commit);
    if (out->fetch == FETCH_DONE && applied >= 0 && !w->spec.allow_rewrite &&
        !commit_descends(w, commit, applied)) {
        out->rewrite = content_same(w, commit) ? REWRITE_HARMLESS : REWRITE_CHANGED;
    }
}

/* ---- databases ---------------------------------------------------------------------------------- */

/* When the newest Job of an entry that is gone was seen to have ended; 0: there is none. */
static int64_t strays_ended_ms(const struct world *w)
{
    int64_t newest = 0;
    for (int i = 0; i < JOBS; i++) {
        const struct attempt *j = &w->jobs[i];
        bool stray =
            j->present && j->uid == w->uid && j->phase == JOB_ENDED && spec_find(w, j->entry) < 0;
        newest = stray && j->ended_ms > newest ? j->ended_ms : newest;
    }
    return newest;
}

static void view_job(struct world *w, struct entry *e)
{
    struct job_view *out = &e->view.job;
    const struct attempt *j = job_of(w, e->name);
    *out = (struct job_view){ 0 };
    e->view.after_job = !e->view.known || e->look_began_ms >= strays_ended_ms(w);
    if (!j) {
        return;
    }
    *out = (struct job_view){
        .phase = j->phase,
        .cancelling = j->cancelling,
        .outdated = j->generation != w->generation,
        .name = j->name,
        .attempt = j->attempt,
        .retry_token = j->token,
        .age_ms = WORLD_EPOCH_MS + w->mono_ms + w->utc_shift_ms - j->created_ms,
        .result = j->phase == JOB_ENDED && j->has_result ? &j->result : NULL,
    };
    memcpy(out->commit, w->commits[j->commit].id, sizeof w->commits[0].id);
    for (int i = 0; i < JOBS; i++) {
        const struct attempt *o = &w->jobs[i];
        if (o->present && o->uid == w->uid && o->appears_ms <= w->mono_ms &&
            strcmp(o->entry, j->entry) == 0) {
            out->attempt = o->attempt > out->attempt ? o->attempt : out->attempt;
            out->tries +=
                o->phase == JOB_ENDED && o->commit == j->commit && strcmp(o->token, j->token) == 0;
        }
    }
    if (j->phase == JOB_ENDED) {
        /* the end is as old as this process has known of it */
        e->job_ended_ms = e->job_ended_ms < j->ended_ms ? w->mono_ms : e->job_ended_ms;
        out->ended_age_ms = w->mono_ms - e->job_ended_ms;
        e->view.after_job =
            e->view.known && e->view.after_job && e->look_began_ms >= e->job_ended_ms;
    }
    const char *failed = out->result ? out->result->failed.script : NULL;
    if (failed) {
        bool told = e->recorded_attempt == j->attempt || e->seen.failed_attempt == j->attempt;
        for (int i = 0; i < e->seen.count; i++) {
            told = told || strcmp(w->files[e->seen.applied[i]].script, failed) == 0;
        }
        e->view.failure_recorded = told;
    }
}

static bool is_withdrawn(const struct world *w, const struct entry *e, const struct plan *plan,
                         int newest)
{
    uint64_t tree = tree_files(w, newest, e->dirs);
    for (size_t i = 0; plan && i < plan->action_count; i++) {
        int file = plan->actions[i].file->sha256[0];
        if (!((tree >> (unsigned)file) & 1)) {
            return true;
        }
    }
    return false;
}

static void view_entry(struct world *w, int index, int commit, const char *token)
{
    struct entry *e = &w->spec.entries[index];
    struct database_view *view = &e->view;
    struct judgement *j = &w->judgements[index];
    int newest = newest_commit(w);
    view->inspecting = e->look_ends_ms != 0;
    view->age_ms = w->mono_ms - e->looked_ms;
    view->failure.age_ms = w->mono_ms - e->failed_ms;
    view->create.age_ms = w->mono_ms - e->create_ms;
    view->record.age_ms = w->mono_ms - e->record_ms;
    view->failure_recorded = false;
    view_job(w, e);
    view->plan = NULL;
    view->plan_error = j->error = NULL;
    view->inputs[0] = view->newest_inputs[0] = '\0';
    view->withdrawn = false;
    if (newest >= 0 && commit_fetched(w, newest)) {
        (void)snprintf(view->newest_inputs, sizeof view->newest_inputs, "%016llx",
                       (unsigned long long)tree_hash(w, newest, e));
    }
    if (commit < 0 || !commit_fetched(w, commit)) {
        return;
    }
    (void)snprintf(view->inputs, sizeof view->inputs, "%016llx",
                   (unsigned long long)tree_hash(w, commit, e));
    if (view->known) {
        judge_content(w, e, &e->seen, commit, token, j);
        view->plan = &j->plan; /* beside an error it has rows, and no actions */
        view->plan_error = j->error;
        view->withdrawn = newest >= 0 && newest != commit && commit_fetched(w, newest) &&
                          is_withdrawn(w, e, view->plan, newest);
    }
}

static size_t stray_jobs(const struct world *w)
{
    size_t count = 0;
    for (int i = 0; i < JOBS; i++) {
        const struct attempt *j = &w->jobs[i];
        count += job_live(j) && j->uid == w->uid && j->appears_ms <= w->mono_ms &&
                 spec_find(w, j->entry) < 0;
    }
    return count;
}

static bool retry_early(const struct world *w)
{
    if (!w->retry[0] || w->mono_ms - w->process.retry_ms > 30000) {
        return false;
    }
    for (int i = 0; i < w->spec.count; i++) {
        if (w->spec.entries[i].before_retry) {
            return true;
        }
    }
    return false;
}

static void view_gates(struct world *w)
{
    static const char *const names[] = { "g0", "g1", "g2" };
    for (int i = 0; i < w->process.gate_count; i++) {
        const struct gate_memory *g = &w->process.gates[i];
        w->gate_views[i] = (struct gate_view){ .wave = g->wave,
                                               .name = names[g->name],
                                               .round = g->round,
                                               .running = g->running,
                                               .answer = g->answer,
                                               .age_ms = w->mono_ms - g->taken_ms };
    }
}

void observe(struct world *w, struct observed *out)
{
    spec_build(w);
    *out = (struct observed){
        .plan = &w->plan,
        .deleting_age_ms = w->deleting ? w->mono_ms - w->deleting_ms : 0,
        .databases = w->views,
        .stray_jobs = stray_jobs(w),
        .gates = w->gate_views,
        .gate_count = (size_t)w->process.gate_count,
        .retry_early = retry_early(w),
        .status = &w->status,
        .status_dirty = w->dirty,
        .now_ms = WORLD_EPOCH_MS + w->mono_ms + w->utc_shift_ms,
        .now_mono_ms = w->mono_ms + 1,
    };
    (void)snprintf(out->spec_hash, sizeof out->spec_hash, "%016x", (unsigned)w->spec.serial);
    int newest = newest_commit(w);
    view_commit(w, newest, &out->source.newest);
    out->source.poll = w->process.poll;
    out->source.poll.age_ms = w->mono_ms - w->process.poll_failed_ms;
    int on = w->status.rollout.present ? commit_find(w, w->status.rollout.commit) : -1;
    if (on >= 0 && on != newest) {
        view_commit(w, on, &out->source.rollout);
    }
    char token[65];
    step_retry_token(&w->plan, &w->status, token);
    int commit = commit_find(w, step_commit(out));
    for (int i = 0; i < w->spec.count; i++) {
        view_entry(w, i, commit, token);
        w->views[i] = w->spec.entries[i].view;
    }
    view_gates(w);
}

void observation_done(struct world *w)
{
    for (int i = 0; i < w->spec.count; i++) {
        err_free(w->judgements[i].error);
        w->judgements[i].error = NULL;
    }
}

/* ---- the oracle --------------------------------------------------------------------------------- */

static uint32_t selector_text(const struct wave_spec *wave)
{
    uint32_t h = 2166136261u;
    for (int i = 0; wave->select == SELECT_NAMES && i < wave->name_count; i++) {
        for (const char *p = wave->names[i]; *p; p++) {
            h = (h ^ (unsigned char)*p) * 16777619u;
        }
        h = (h ^ 0xff) * 16777619u;
    }
    return wave->select == SELECT_LABELS ? (uint32_t)wave->group + 1 : h;
}

static void oracle_waves(const struct world *w, struct oracle_decision *in)
{
    static const int32_t selects[] = { [SELECT_NAMES] = ORACLE_NAMES,
                                       [SELECT_LABELS] = ORACLE_LABELS,
                                       [SELECT_COUNT] = ORACLE_COUNT,
                                       [SELECT_PERCENT] = ORACLE_PERCENT };
    in->spec.all_at_once = !w->spec.canary;
    in->spec.wave_count = w->spec.wave_count;
    for (int i = 0; i < w->spec.wave_count; i++) {
        const struct wave_spec *from = &w->spec.waves[i];
        struct oracle_wave *wave = &in->spec.waves[i];
        bool amount = from->select == SELECT_COUNT || from->select == SELECT_PERCENT;
        wave->name = from->name;
        wave->select = selects[from->select];
        wave->selector = selector_text(from);
        wave->amount = amount ? from->amount : 0;
        wave->soak_ms = from->soak_ms;
        wave->gate_count = from->gate_count;
        for (int g = 0; g < from->gate_count; g++) {
            wave->gates[g].name = from->gates[g].name;
            wave->gates[g].count = from->gates[g].count;
            wave->gates[g].limit = from->gates[g].limit;
            wave->gates[g].interval_ms = from->gates[g].interval_ms;
        }
    }
}

static bool picks(const struct wave_spec *wave, const struct entry *e)
{
    for (int i = 0; wave->select == SELECT_NAMES && i < wave->name_count; i++) {
        if (strcmp(wave->names[i], e->name) == 0) {
            return true;
        }
    }
    return wave->select == SELECT_LABELS && wave->group == e->group;
}

/* From 1; 0: no roll-out is on. One that begins anew starts with the first wave. */
static int32_t retried_wave(const struct world *w, const struct status *before,
                            const struct status *after)
{
    const char *name = before->rollout.wave;
    if (!before->rollout.present) {
        return 0;
    }
    if (!after->rollout.order[0]) {
        return 1;
    }
    for (int i = 0; i < w->spec.wave_count; i++) {
        if (str_eq(w->waves[i].name, name)) {
            return i + 1;
        }
    }
    bool first = !name || (w->spec.wave_count == 0 && !str_eq(name, "rest"));
    return first ? 1 : w->spec.wave_count + 1;
}

/* Its newest look failed, or nothing may run on it. */
static bool is_out(const struct status *status, const struct entry *e)
{
    const struct database_status *known = status_database(status, e->name);
    bool other = known && known->target[0] && e->view.known &&
                 strncmp(known->target, e->view.target, 8) != 0;
    return e->view.inspection == INSPECTION_FAILED || e->view.plan_error || other;
}

static void list_entries(const struct world *w, struct oracle_decision *in)
{
    memset(in, 0, sizeof *in);
    in->uid = w->plan.uid;
    for (int i = 0; i < w->spec.count; i++) {
        const struct entry *e = &w->spec.entries[i];
        in->present |= 1u << (unsigned)e->place;
        in->names[e->place] = e->name;
    }
}

void tell_oracle(struct world *w, const struct observed *seen, const struct decision *d)
{
    struct oracle_decision in;
    list_entries(w, &in);
    if (w->spec.suspend) {
        oracle_listed(&w->oracle, &in);
        return;
    }
    in.mono_ms = w->mono_ms;
    in.source = (uint32_t)(w->spec.branch * 64 + w->spec.pinned + 1);
    if (!str_eq(d->status.last_handled_retry, seen->status->last_handled_retry)) {
        in.retry = retried_wave(w, seen->status, &d->status);
    }
    oracle_waves(w, &in);
    const struct rollout_status *rollout = &d->status.rollout;
    int commit = rollout->present ? commit_find(w, rollout->commit) : newest_commit(w);
    for (int i = 0; i < w->spec.count; i++) {
        const struct entry *e = &w->spec.entries[i];
        bool empty = e->view.known ? e->view.empty : place_empty(&w->places[e->place]);
        in.wanted[e->place] = commit >= 0 ? tree_hash(w, commit, e) : 0;
        in.trees[e->place] = commit >= 0 ? tree_files(w, commit, e->dirs) : 0;
        in.silent |= is_out(seen->status, e) ? 1u << (unsigned)e->place : 0u;
        in.empty |= empty ? 1u << (unsigned)e->place : 0u;
        in.unreachable |= e->view.inspection == INSPECTION_FAILED ? 1u << (unsigned)e->place : 0u;
        for (int v = 0; v < w->spec.wave_count; v++) {
            in.picked[v] |= picks(&w->spec.waves[v], e) ? 1u << (unsigned)e->place : 0;
        }
        if (w->spec.wave_count == 0 && e->canary) {
            in.picked[0] |= 1u << (unsigned)e->place;
        }
    }
    oracle_decided(&w->oracle, &in);
}
