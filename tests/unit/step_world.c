/* SPDX-License-Identifier: Apache-2.0 */
/* The world itself: commits, databases, Jobs, the controller's life. */
#include "step_world.h"

#include "base/json.h"
#include "base/mem.h"
#include "model/reason.h"

#define START_UTC_MS 1767225600000 /* 2026-01-01 */
#define LOOK_MS 40                 /* an inspection */
#define FILE_MS 300                /* a file's statements */

static const char *const names[WORLD_DATABASES] = { "orders",  "billing", "stock",
                                                    "returns", "users",   "audit" };

static uint64_t draw(struct world *w)
{
    uint64_t z = w->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* One of n chances for a fault, while faults may happen. */
static bool fault(struct world *w, unsigned n)
{
    if (w->faults <= 0 || draw(w) % n != 0) {
        return false;
    }
    w->faults--;
    return true;
}

static void violated(struct world *w, const char *what)
{
    if (!w->trouble[0]) {
        (void)snprintf(w->trouble, sizeof w->trouble, "%s (decision %d, %lld ms)", what,
                       w->decisions, (long long)(w->mono_ms));
    }
}

/* ---- setting up -------------------------------------------------------------------------------- */

void world_init(struct world *w, size_t databases, uint64_t seed)
{
    *w = (struct world){ .count = databases, .random = seed, .git_up = true, .newest = -1 };
    w->mono_ms = 1000;
    w->utc_ms = START_UTC_MS;
    w->next_poll_ms = w->mono_ms;
    w->gate_value = w->gate_answers = true;
    status_init(&w->status);
    status_init(&w->stored);
    w->plan = (struct mplan){
        .namespace_ = (char *)(uintptr_t) "default",
        .name = (char *)(uintptr_t) "shop",
        .uid = (char *)(uintptr_t) "1f0c2a9b-0000-4000-8000-000000000001",
        .generation = 1,
        .databases = w->entries,
        .database_count = databases,
        .strategy = STRATEGY_CANARY,
        .max_parallel = 4,
        .start_timeout_ms = 600000,
        .interval_ms = 300000,
        .retry_interval_ms = 30000,
        .timeout_ms = 3600000,
        .annotations = { .items = w->annotations },
    };
    for (size_t i = 0; i < WORLD_DATABASES; i++) {
        w->entries[i].name = (char *)(uintptr_t)names[i];
        w->databases[i].up = true;
        w->databases[i].clock_ms = (int64_t)(draw(w) % 20000) - 10000;
        w->databases[i].next_look_ms = INT64_MAX;
    }
    w->wake_ms = w->mono_ms;
}

static void forget_plans(struct world *w)
{
    for (size_t i = 0; i < WORLD_DATABASES; i++) {
        struct world_database *d = &w->databases[i];
        err_free(d->plan_error);
        d->plan_error = NULL;
        free(d->plan.actions);
        free(d->plan.entries);
        strlist_done(&d->plan.ahead);
        d->plan = (struct plan){ 0 };
    }
}

void world_done(struct world *w)
{
    forget_plans(w);
    status_done(&w->status);
    status_done(&w->stored);
    err_free(w->spec_error);
    w->spec_error = NULL;
}

size_t world_find(const struct world *w, const char *name)
{
    size_t i = 0;
    while (i < w->count && strcmp(w->entries[i].name, name) != 0) {
        i++;
    }
    return i;
}

const struct condition *world_condition(const struct world *w, enum condition_type type)
{
    return &w->status.conditions[type];
}

void world_annotate(struct world *w, const char *key, const char *value)
{
    size_t i = 0;
    while (i < w->plan.annotations.count && strcmp(w->annotations[i].key, key) != 0) {
        i++;
    }
    w->annotations[i] = (struct kv){ (char *)(uintptr_t)key, (char *)(uintptr_t)value };
    w->plan.annotations.count = i < w->plan.annotations.count ? w->plan.annotations.count : i + 1;
    w->look_again = true;
}

/* ---- commits ----------------------------------------------------------------------------------- */

static int commit_from_newest(struct world *w)
{
    int index = w->commit_count++;
    struct world_commit *c = &w->commits[index];
    if (index > 0) {
        *c = w->commits[index - 1];
    }
    (void)snprintf(c->id, sizeof c->id, "%08x%032x", 0xc0de00 + index, index);
    c->lost = false;
    c->refused = NULL;
    w->next_poll_ms = w->next_poll_ms > w->mono_ms + 50 ? w->mono_ms + 50 : w->next_poll_ms;
    return index;
}

int world_push(struct world *w, int more, bool bad)
{
    int index = commit_from_newest(w);
    struct world_commit *c = &w->commits[index];
    for (int i = 0; i < more; i++) {
        c->content[++c->files] = 1;
    }
    if (bad) {
        c->content[c->files] = -1;
    }
    return index;
}

int world_edit(struct world *w, int version, int content)
{
    int index = commit_from_newest(w);
    w->commits[index].content[version] = content ? content : index + 2;
    return index;
}

int world_push_readme(struct world *w)
{
    int index = commit_from_newest(w);
    w->commits[index].readme++;
    return index;
}

static void tree_hash(const struct world *w, const struct world_commit *c, int own,
                      char out[ROLLOUT_HASH_LEN + 1])
{
    uint64_t h = 1469598103934665603u + (uint64_t)w->options + 100 * (uint64_t)own;
    for (int v = 1; v <= c->files; v++) {
        h = (h ^ (uint64_t)(c->content[v] + 1000)) * 1099511628211u;
    }
    (void)snprintf(out, ROLLOUT_HASH_LEN + 1, "%016llx", (unsigned long long)h);
}

static int find_commit(const struct world *w, const char *id)
{
    for (int i = 0; i < w->commit_count; i++) {
        if (strcmp(w->commits[i].id, id) == 0) {
            return i;
        }
    }
    return -1;
}

void world_run_by_hand(struct world *w, size_t database, int commit)
{
    struct world_database *d = &w->databases[database];
    const struct world_commit *c = &w->commits[commit];
    while (d->applied < c->files) {
        d->applied++;
        d->content[d->applied] = c->content[d->applied];
        d->effects[d->applied]++;
        d->foreign = ++d->head;
    }
    d->next_look_ms = w->mono_ms;
}

/* ---- what the controller sees ------------------------------------------------------------------ */

/* Same version and content, same file. */
static const struct migration *file_of(int version, int content)
{
    static struct migration files[WORLD_FILES + 1][WORLD_COMMITS + 120];
    static char scripts[WORLD_FILES + 1][24];
    struct migration *file = &files[version][content + 10];
    (void)snprintf(scripts[version], sizeof scripts[version], "V%d__x.sql", version);
    file->script = scripts[version];
    file->sha256[0] = (uint8_t)version;
    file->sha256[1] = (uint8_t)content;
    file->raw_checksum = content;
    return file;
}

/* One entry a file of the tree, an action for each that is not applied. */
static void list_files(struct world_database *d, const struct world_commit *c)
{
    struct plan *plan = &d->plan;
    plan->entries = mem_array((size_t)c->files + 1, sizeof *plan->entries);
    plan->actions = mem_array((size_t)c->files + 1, sizeof *plan->actions);
    for (int v = 1; v <= c->files; v++) {
        const struct migration *file = file_of(v, c->content[v]);
        bool applied = v <= d->seen.applied;
        plan->entries[plan->entry_count++] = (struct plan_entry){
            .state = applied                                                   ? STATE_SUCCESS
                     : d->interrupted && v == d->seen.applied + d->interrupted ? STATE_INTERRUPTED
                                                                               : STATE_PENDING,
            .file = file,
        };
        if (!applied) {
            plan->actions[plan->action_count++] = (struct action){ .file = file };
        }
    }
}

static void judge_plan(struct world *w, struct world_database *d, const struct world_commit *c,
                       const char *token)
{
    const struct world_snapshot *seen = &d->seen;
    (void)w;
    if (seen->unknown) {
        d->plan_error = err_new(ERR_TERMINAL, REASON_OUTCOME_UNKNOWN,
                                "V%d__x.sql:1: outcome "
                                "unknown",
                                seen->applied + 1);
        return;
    }
    for (int v = 1; v <= seen->applied && v <= c->files; v++) {
        if (seen->content[v] != c->content[v]) {
            d->plan_error = err_new(ERR_TERMINAL, REASON_CHECKSUM_MISMATCH,
                                    "V%d__x.sql was changed after it had been applied", v);
            return;
        }
    }
    int next = seen->applied + 1;
    if (next <= c->files && seen->failed_version == next &&
        seen->failed_content == c->content[next] && strcmp(seen->failed_token, token) == 0) {
        d->plan_error = err_new(ERR_TERMINAL, REASON_MIGRATION_FAILED,
                                "V%d__x.sql:3: 42P01 relation does not exist", next);
    }
    list_files(d, c);
    if (d->plan_error) { /* beside an error it has entries, and no actions */
        d->plan.action_count = 0;
        return;
    }
    d->plan.waits_for = (char *)(uintptr_t)(d->plan.action_count > 0 ? d->waits_for : NULL);
    if (d->plan.waits_for) {
        d->plan.action_count = 0;
    }
    if (seen->applied > 0) {
        (void)snprintf(d->plan.current.text, sizeof d->plan.current.text, "%d", seen->applied);
    }
    for (int v = c->files + 1; v <= seen->applied; v++) {
        char text[8];
        (void)snprintf(text, sizeof text, "%d", v);
        strlist_add(&d->plan.ahead, text);
    }
}

static void view_commit(const struct world *w, int index, struct commit_view *out)
{
    *out = (struct commit_view){ 0 };
    if (index < 0) {
        return;
    }
    memcpy(out->commit, w->commits[index].id, sizeof w->commits[index].id);
    out->revision = w->commits[index].id;
    out->fetch = w->fetch_ends_ms[index] ? FETCH_RUNNING : w->fetched[index];
    if (out->fetch == FETCH_FAILED) {
        out->fetch_failure = (struct failure){
            .reason = w->commits[index].refused ? w->commits[index].refused
                      : w->commits[index].lost  ? REASON_REVISION_NOT_FOUND
                                                : REASON_SOURCE_FETCH_FAILED,
            .message = "could not fetch",
            .age_ms = w->mono_ms - w->fetch_failed_ms[index],
            .count = w->fetch_failures[index],
        };
    }
}

static void view_job(struct world *w, struct world_database *d)
{
    struct job_view *job = &d->view.job;
    *job = (struct job_view){ .attempt = d->highest_attempt };
    if (d->job.phase == JOB_NONE) {
        return;
    }
    job->phase = d->job.phase;
    job->cancelling = d->job.cancelling;
    job->outdated = d->job.outdated;
    job->waiting = d->job.waiting;
    job->name = d->job.name;
    memcpy(job->commit, w->commits[d->job.commit].id, sizeof w->commits[0].id);
    job->retry_token = d->job.token;
    job->age_ms = w->mono_ms - d->job.created_ms;
    job->ended_age_ms = w->mono_ms - d->job.ended_ms;
    job->result = d->job.phase == JOB_ENDED && d->job.has_result ? &d->job.result : NULL;
    job->tries = d->job.tries;
}

static bool lacks_pending(const struct world *w, const struct world_database *d, int commit)
{
    const struct world_commit *wanted = &w->commits[commit], *newest = &w->commits[w->newest];
    for (int v = d->seen.applied + 1; v <= wanted->files; v++) {
        if (v > newest->files || newest->content[v] != wanted->content[v]) {
            return true;
        }
    }
    return false;
}

static void view_database(struct world *w, size_t index, int commit, int newest, const char *token)
{
    struct world_database *d = &w->databases[index];
    struct database_view *view = &d->view;
    view->inspecting = d->look_ends_ms != 0;
    view->age_ms = w->mono_ms - d->looked_ms;
    view->failure.age_ms = w->mono_ms - d->failed_ms;
    view->create.age_ms = w->mono_ms - d->create_ms;
    view->record.age_ms = w->mono_ms - d->record_ms;
    view_job(w, d);
    view->after_job = d->job.phase != JOB_ENDED || d->look_began_ms >= d->job.ended_ms;
    view->plan = NULL;
    view->plan_error = NULL;
    view->withdrawn = false;
    view->inputs[0] = view->newest_inputs[0] = '\0';
    if (newest >= 0 && w->fetched[newest] == FETCH_DONE) {
        tree_hash(w, &w->commits[newest], d->own_tree, view->newest_inputs);
    }
    if (commit >= 0 && w->fetched[commit] == FETCH_DONE) {
        tree_hash(w, &w->commits[commit], d->own_tree, view->inputs);
        if (view->known) {
            judge_plan(w, d, &w->commits[commit], token);
            view->plan = &d->plan;
            view->plan_error = d->plan_error;
            view->withdrawn = !view->plan_error && newest != commit && newest >= 0 &&
                              w->fetched[newest] == FETCH_DONE && lacks_pending(w, d, commit);
        }
    }
}

static struct database_view views[WORLD_DATABASES];

void world_observe(struct world *w, struct observed *out)
{
    *out = (struct observed){
        .plan = &w->plan,
        .spec_error = w->spec_error,
        .spec_hash = "0123456789abcdef",
        .deleting_age_ms = w->plan.deleting ? w->mono_ms - w->deleting_ms : 0,
        .databases = views,
        .gates = &w->gate_view,
        .gate_count = w->gate_known,
        .resolve = w->resolve,
        .stray_jobs = w->stray_jobs,
        .stray_waiting = w->stray_waiting,
        .resolve_error = w->resolve_error,
        .resolved = w->resolved,
        .status = &w->status,
        .status_dirty = w->dirty,
        .now_ms = w->utc_ms,
        .now_mono_ms = w->mono_ms,
    };
    /* The spec's hash moves with the generation, except that suspend is no part of it. */
    (void)snprintf(out->spec_hash, sizeof out->spec_hash, "%016llx",
                   (unsigned long long)w->plan.generation / 100);
    view_commit(w, w->newest, &out->source.newest);
    out->source.newest.rewrite = w->rewrite;
    out->source.newest.covered = w->covered;
    out->source.poll = w->poll;
    out->source.poll.age_ms = w->mono_ms - w->poll_failed_ms;
    const char *on = w->status.rollout.present ? w->status.rollout.commit : "";
    if (on[0] && strcmp(on, out->source.newest.commit) != 0) {
        view_commit(w, find_commit(w, on), &out->source.rollout);
    }
    w->gate_view.running = w->gate_ends_ms != 0;
    w->gate_view.age_ms = w->mono_ms - w->gate_taken_ms;
    char token[65];
    step_retry_token(&w->plan, &w->status, token);
    int commit = find_commit(w, step_commit(out));
    forget_plans(w);
    for (size_t i = 0; i < w->count; i++) {
        view_database(w, i, commit, w->newest, token);
        views[i] = w->databases[i].view;
    }
}

/* ---- inspections, polls, fetches, measurements ------------------------------------------------- */

static void take_snapshot(struct world_database *d)
{
    d->seen.applied = d->applied;
    memcpy(d->seen.content, d->content, sizeof d->content);
    d->seen.failed_version = d->failed_version;
    d->seen.failed_content = d->failed_content;
    memcpy(d->seen.failed_token, d->failed_token, sizeof d->failed_token);
    d->seen.unknown = d->unknown;
    d->seen.tables = d->tables;
    d->seen.row_commit = d->row_commit;
}

static void end_look(struct world *w, struct world_database *d)
{
    struct database_view *view = &d->view;
    int64_t began = d->look_start_ms;
    d->look_ends_ms = 0;
    d->next_look_ms = w->mono_ms + w->plan.interval_ms;
    w->look_again = true;
    if (!d->up) {
        int32_t count = view->inspection == INSPECTION_FAILED ? view->failure.count + 1 : 1;
        view->inspection = INSPECTION_FAILED;
        view->failure =
            (struct failure){ REASON_DATABASE_UNAVAILABLE, "connection refused", 0, count };
        d->failed_ms = w->mono_ms;
        d->next_look_ms = w->mono_ms + w->plan.retry_interval_ms;
        return;
    }
    take_snapshot(d);
    view->inspection = INSPECTION_OK;
    view->failure = (struct failure){ 0 };
    view->known = true;
    d->look_began_ms = began;
    d->looked_ms = w->mono_ms;
    memcpy(view->target, d->target, sizeof view->target);
    view->owner = d->owner;
    view->engine = ENGINE_POSTGRESQL;
    view->epoch = d->epoch;
    view->head = d->head;
    view->journal = d->journal;
    view->foreign = d->foreign;
    view->now_ms = w->utc_ms + d->clock_ms;
    view->newest_finished_ms = d->finished_ms ? d->finished_ms : 0;
    view->empty = d->applied == 0 && !d->tables;
    view->newest_commit[0] = '\0';
    if (d->row_commit) {
        memcpy(view->newest_commit, w->commits[d->row_commit - 1].id, sizeof w->commits[0].id);
    }
    view->read_only = d->read_only;
    view->identity = d->identity;
    view->other_table = d->other_table;
    (void)snprintf(view->owner_label, sizeof view->owner_label, "%s",
                   d->owner_label ? d->owner_label : "");
    view->failure_recorded = d->failed_attempt != 0 && d->failed_attempt == d->job.attempt;
    view->busy = false;
}

static void begin_look(struct world *w, struct world_database *d)
{
    if (d->look_ends_ms == 0) {
        d->look_start_ms = w->mono_ms;
        d->look_ends_ms = w->mono_ms + LOOK_MS + (int64_t)(w->faults > 0 ? draw(w) % 500 : 0);
    }
}

static void end_poll(struct world *w)
{
    w->next_poll_ms = w->mono_ms + 60000;
    w->look_again = true;
    if (!w->git_up) {
        w->poll =
            (struct failure){ w->poll_reason ? w->poll_reason : REASON_SOURCE_UNAVAILABLE,
                              "could not connect", 0, w->poll.reason ? w->poll.count + 1 : 1 };
        w->poll_failed_ms = w->mono_ms;
        return;
    }
    w->poll = (struct failure){ 0 };
    w->newest = w->commit_count - 1;
    while (w->newest >= 0 && w->commits[w->newest].lost) {
        w->newest--;
    }
}

static void end_fetch(struct world *w, int commit)
{
    w->fetch_ends_ms[commit] = 0;
    w->look_again = true;
    if (w->git_up && !w->commits[commit].lost && !w->commits[commit].refused) {
        w->fetched[commit] = FETCH_DONE;
        w->fetch_failures[commit] = 0;
    } else {
        w->fetched[commit] = FETCH_FAILED;
        w->fetch_failed_ms[commit] = w->mono_ms;
        w->fetch_failures[commit]++;
    }
}

static void end_measure(struct world *w)
{
    w->gate_ends_ms = 0;
    w->gate_taken_ms = w->mono_ms;
    w->look_again = true;
    w->gate_view.answer = (struct gate_answer){ 0 };
    gate_answer_add(&w->gate_view.answer, "orders", w->gate_answers, w->gate_value,
                    w->gate_value ? "t" : "f", "canceling statement due to timeout");
}

/* ---- Jobs -------------------------------------------------------------------------------------- */

static void end_job(struct world *w, struct world_database *d, int code, enum outcome outcome,
                    const char *reason)
{
    struct world_job *job = &d->job;
    job->phase = JOB_ENDED;
    job->ended_ms = w->mono_ms;
    w->look_again = true;
    job->has_result = outcome != OUTCOME_NONE;
    (void)snprintf(job->message, sizeof job->message, "V%d__x.sql:3: exit %d", job->failed_version,
                   code);
    job->result = (struct result){
        .attempt = job->attempt,
        .code = code,
        .outcome = outcome,
        .reason = (char *)(uintptr_t)reason,
        .message = reason ? job->message : NULL,
        .failed = { .script = job->failed_version ? job->message : NULL },
        .head = { .journal_seq = d->journal },
    };
    d->next_look_ms = w->mono_ms + w->plan.interval_ms;
}

static void start_job(struct world *w, struct world_database *d)
{
    struct world_job *job = &d->job;
    job->phase = JOB_RUNNING;
    w->look_again = true;
    if (!d->up) {
        end_job(w, d, 9, OUTCOME_UNREACHABLE, REASON_DATABASE_UNAVAILABLE);
    } else if (d->epoch >= job->attempt || d->journal != job->expect_journal) {
        end_job(w, d, 10, OUTCOME_MOVED, REASON_ASSIGNMENT_STALE);
    } else {
        d->epoch = job->attempt;
        d->owner = OWNER_MINE;
        if (!d->target[0]) {
            (void)snprintf(d->target, sizeof d->target, "%08llx-0000-4000-8000-000000000000",
                           (unsigned long long)(draw(w) & 0xffffffffu));
        }
        job->next_ms = w->mono_ms + FILE_MS;
    }
}

static void check_wave_order(struct world *w, size_t index)
{
    int32_t member = w->status.databases[index].member;
    const struct world_commit *c = &w->commits[w->databases[index].job.commit];
    for (size_t i = 0; i < w->count; i++) {
        int32_t other = w->status.databases[i].member;
        if (other >= 0 && other < member && w->databases[i].applied < c->files &&
            w->plan.max_failures == 0) {
            violated(w, "a Job in a wave after one that is not applied");
        }
    }
}

static void apply_file(struct world *w, struct world_database *d)
{
    const struct world_commit *c = &w->commits[d->job.commit];
    int version = d->applied + 1;
    if (version > c->files) {
        end_job(w, d, 0, OUTCOME_DONE, NULL);
        return;
    }
    if (d->job.one_file && d->job.began) {
        end_job(w, d, 0, OUTCOME_DONE, NULL);
        return;
    }
    if (!d->at_work && d->job.stop_ms > 0 && w->mono_ms >= d->job.stop_ms) {
        end_job(w, d, 0, OUTCOME_PAUSED, NULL);
        return;
    }
    if (d->file_ms > 0 && !d->at_work) { /* a statement that takes its time */
        d->at_work = true;
        d->job.next_ms = w->mono_ms + d->file_ms;
        return;
    }
    d->at_work = false;
    d->job.began = true;
    d->interrupted = 0;
    if ((c->content[version] < 0 || version == d->fails) &&
        !w->cured) { /* rolled back, remembered */
        d->job.failed_version = version;
        d->row_commit = d->job.commit + 1;
        if (!fault(w, 4)) { /* else the controller must say it */
            d->failed_version = version;
            d->failed_content = c->content[version];
            memcpy(d->failed_token, d->job.token, sizeof d->failed_token);
            d->failed_attempt = d->job.attempt;
            d->journal++;
        }
        end_job(w, d, 3, OUTCOME_FAILED, REASON_MIGRATION_FAILED);
        return;
    }
    if (++d->effects[version] > 1) {
        violated(w, "a version took effect twice");
    }
    d->applied = version;
    d->row_commit = d->job.commit + 1;
    d->content[version] = c->content[version];
    d->failed_version = 0;
    d->head++;
    d->journal++;
    d->finished_ms = w->utc_ms + d->clock_ms;
    d->job.next_ms = w->mono_ms + FILE_MS;
}

static void run_job(struct world *w, size_t index)
{
    struct world_database *d = &w->databases[index];
    if (fault(w, 25)) {
        end_job(w, d, 137, OUTCOME_NONE, NULL); /* killed: no result */
    } else if (d->job.phase == JOB_WAITING) {
        start_job(w, d);
    } else if (!d->up) {
        end_job(w, d, 9, OUTCOME_UNREACHABLE, REASON_DATABASE_UNAVAILABLE);
    } else {
        apply_file(w, d);
    }
}

static void create_job(struct world *w, const struct decision *decision, size_t at)
{
    size_t index = decision->databases[at];
    const struct new_job *job = &decision->jobs[at];
    struct world_database *d = &w->databases[index];
    if (d->job.phase != JOB_NONE && d->job.attempt == job->attempt) {
        return; /* adopted by its name */
    }
    if (d->job.phase == JOB_WAITING || d->job.phase == JOB_RUNNING) {
        violated(w, "two live Jobs for one database");
    }
    if (fault(w, 12)) { /* nothing was made, an error says so */
        d->view.create = (struct failure){ REASON_NAME_CONFLICT, "could not create", 0,
                                           d->view.create.reason ? d->view.create.count + 1 : 1 };
        d->create_ms = w->mono_ms;
        return;
    }
    char token[65];
    step_retry_token(&w->plan, &w->status, token);
    int commit = find_commit(w, decision->commit);
    bool same =
        d->job.phase == JOB_ENDED && d->job.commit == commit && strcmp(d->job.token, token) == 0;
    int tries = same ? d->job.tries + 1 : 1;
    d->job = (struct world_job){
        .phase = JOB_WAITING,
        .attempt = job->attempt,
        .commit = commit,
        .ownership = job->ownership,
        .expect_journal = d->view.journal,
        .stop_ms = job->stop_in_ms >= 0 ? w->mono_ms + job->stop_in_ms + 1 : 0,
        .one_file = job->first_only,
        .created_ms = w->mono_ms,
        .next_ms = w->mono_ms + 20 + d->start_ms,
        .tries = tries,
    };
    memcpy(d->job.token, token, sizeof token);
    (void)snprintf(d->job.name, sizeof d->job.name, "shop-%s-%lld", w->entries[index].name,
                   (long long)job->attempt);
    d->highest_attempt = job->attempt;
    d->view.create = w->create_kept ? d->view.create : (struct failure){ 0 };
    d->view.record = (struct failure){ 0 };
    d->failed_attempt = 0;
    check_wave_order(w, index);
}

static void record_failure(struct world *w, struct world_database *d)
{
    d->view.busy = true;
    if (!d->up || w->refuse_records || fault(w, 4)) {
        d->view.record = (struct failure){ REASON_DATABASE_UNAVAILABLE, "connection refused", 0,
                                           d->view.record.reason ? d->view.record.count + 1 : 1 };
        d->record_ms = w->mono_ms;
        d->view.busy = false;
        return;
    }
    const struct world_commit *c = &w->commits[d->job.commit];
    d->failed_version = d->job.failed_version;
    d->failed_content = c->content[d->job.failed_version];
    memcpy(d->failed_token, d->job.token, sizeof d->failed_token);
    d->failed_attempt = d->job.attempt;
    d->epoch++;
    d->journal++;
    begin_look(w, d);
}

static void take_over(struct world *w, struct world_database *d)
{
    if (!d->up || w->refuse_records || fault(w, 4)) {
        d->view.record =
            (struct failure){ REASON_DATABASE_UNAVAILABLE, "connection refused", 0, 1 };
        d->record_ms = w->mono_ms;
        return;
    }
    d->owner = OWNER_MINE;
    d->epoch++;
    d->view.busy = true;
    d->taken_over++;
    begin_look(w, d);
}

/* ---- acting ------------------------------------------------------------------------------------ */

static void act_on_all(struct world *w, const struct decision *decision)
{
    for (size_t i = 0; i < decision->count; i++) {
        struct world_database *d = &w->databases[decision->databases[i]];
        switch (decision->effect) {
        case EFFECT_INSPECT:
            if (!fault(w, 15)) { /* else lost; the schedule comes round */
                begin_look(w, d);
            } else {
                d->next_look_ms = w->mono_ms + 5000;
            }
            break;
        case EFFECT_TAKE_OVER:
            take_over(w, d);
            break;
        case EFFECT_DELETE_JOB:
            if (d->job.phase == JOB_WAITING) {
                d->job = (struct world_job){ 0 };
            }
            break;
        case EFFECT_CANCEL_JOB:
            d->job.cancelling = true;
            end_job(w, d, 143, OUTCOME_INTERRUPTED, REASON_ATTEMPT_INTERRUPTED);
            break;
        default:
            break;
        }
    }
}

static void act(struct world *w, const struct decision *decision)
{
    switch (decision->effect) {
    case EFFECT_REFRESH:
        w->next_poll_ms = w->mono_ms + 20;
        for (size_t i = 0; i < w->count; i++) {
            begin_look(w, &w->databases[i]);
        }
        break;
    case EFFECT_FETCH: {
        int commit = find_commit(w, decision->commit);
        w->fetch_ends_ms[commit] = w->mono_ms + 200 + (int64_t)(draw(w) % 300);
        break;
    }
    case EFFECT_CREATE_JOB:
        for (size_t at = 0; at < decision->count; at++) {
            create_job(w, decision, at);
            if (fault(w, 20)) {
                create_job(w, decision, at); /* the answer was lost, asked again: adopted */
            }
        }
        break;
    case EFFECT_RECORD_FAILURE:
        record_failure(w, &w->databases[decision->databases[0]]);
        break;
    case EFFECT_RECORD_RESOLUTION:
        w->databases[decision->databases[0]].unknown = false;
        w->databases[decision->databases[0]].journal++;
        w->databases[decision->databases[0]].view.busy = true;
        w->resolved[decision->item] = true;
        begin_look(w, &w->databases[decision->databases[0]]);
        break;
    case EFFECT_MEASURE_GATE:
        w->gate_known = true;
        w->gate_view = (struct gate_view){ .wave = decision->wave,
                                           .name = decision->gate->name,
                                           .round = decision->round };
        w->gate_ends_ms = w->mono_ms + 100;
        break;
    case EFFECT_DELETE_STRAYS:
        w->stray_jobs -= w->stray_waiting;
        w->stray_waiting = 0;
        break;
    case EFFECT_FORGET:
        w->forgotten = true;
        break;
    default:
        act_on_all(w, decision);
        break;
    }
}

/* ---- the controller's life --------------------------------------------------------------------- */

void world_crash(struct world *w)
{
    struct json *json = status_format(&w->stored);
    char *text = json_text(json);
    struct json *again = NULL;
    err_free(json_parse(text, strlen(text), "status", &again));
    status_done(&w->status);
    status_parse(again, &w->status);
    json_free(json);
    json_free(again);
    free(text);
    w->dirty = false;
    w->newest = -1;
    w->poll = (struct failure){ 0 };
    w->next_poll_ms = w->mono_ms + 10;
    w->gate_known = false;
    w->gate_ends_ms = 0;
    memset(w->fetched, 0, sizeof w->fetched);
    memset(w->fetch_ends_ms, 0, sizeof w->fetch_ends_ms);
    for (size_t i = 0; i < w->count; i++) {
        w->databases[i].view = (struct database_view){ 0 };
        w->databases[i].look_ends_ms = 0;
        w->databases[i].look_began_ms = 0;
        w->databases[i].next_look_ms = INT64_MAX;
    }
    w->crashes++;
    w->wake_ms = w->mono_ms;
    w->look_again = true;
}

static void store(struct world *w)
{
    status_done(&w->stored);
    status_copy(&w->status, &w->stored);
    w->dirty = false;
}

void world_decide(struct world *w, struct decision *out)
{
    struct observed seen;
    world_observe(w, &seen);
    step_decide(&seen, out);
    w->decisions++;
    const char *trouble = check_decision(&seen, out);
    if (trouble) {
        violated(w, trouble);
    }
    if (w->log) {
        const struct condition *ready = &out->status.conditions[CONDITION_READY];
        printf("%8lld %-16s %zu/%s requeue %lld Ready=%s %s: %s\n", (long long)w->mono_ms,
               effect_text(out->effect), out->count,
               out->count ? w->entries[out->databases[0]].name : "-",
               (long long)out->requeue_after_ms, condition_status_text(ready->status),
               ready->reason ? ready->reason : "", ready->message ? ready->message : "");
    }
}

/* Decide, remember, act; a fault may end it between any two lines. */
static void live_once(struct world *w)
{
    struct decision d;
    w->look_again = false;
    world_decide(w, &d);
    bool changed = !status_equal(&w->status, &d.status);
    status_done(&w->status);
    w->status = d.status;
    status_init(&d.status);
    w->dirty = w->dirty || changed;
    w->wake_ms = d.requeue_after_ms < 0 ? -1 : w->mono_ms + d.requeue_after_ms;
    bool died = fault(w, 40);
    if (!died && d.write_first) {
        if (fault(w, 15)) {
            w->wake_ms = w->mono_ms + 1000; /* the write was refused: nothing else happens */
            decision_done(&d);
            return;
        }
        store(w);
        died = fault(w, 40);
    }
    if (!died) {
        act(w, &d);
        died = fault(w, 40);
    }
    if (!died && w->dirty && !fault(w, 10)) {
        store(w);
    }
    decision_done(&d);
    if (died) {
        world_crash(w);
    }
}

/* ---- time -------------------------------------------------------------------------------------- */

static void sooner(int64_t at, int64_t *next)
{
    if (at > 0 && at < *next) {
        *next = at;
    }
}

static int64_t next_event(const struct world *w)
{
    int64_t next = INT64_MAX;
    sooner(w->next_poll_ms, &next);
    sooner(w->gate_ends_ms, &next);
    for (int i = 0; i < w->commit_count; i++) {
        sooner(w->fetch_ends_ms[i], &next);
    }
    for (size_t i = 0; i < w->count; i++) {
        const struct world_database *d = &w->databases[i];
        sooner(d->look_ends_ms, &next);
        sooner(d->next_look_ms == INT64_MAX ? 0 : d->next_look_ms, &next);
        if (d->job.phase == JOB_WAITING || d->job.phase == JOB_RUNNING) {
            sooner(d->job.next_ms, &next);
        }
    }
    return next;
}

static bool due(int64_t at, const struct world *w)
{
    return at > 0 && at <= w->mono_ms;
}

static void happen(struct world *w)
{
    if (due(w->next_poll_ms, w)) {
        end_poll(w);
    }
    if (due(w->gate_ends_ms, w)) {
        end_measure(w);
    }
    for (int i = 0; i < w->commit_count; i++) {
        if (due(w->fetch_ends_ms[i], w)) {
            end_fetch(w, i);
        }
    }
    for (size_t i = 0; i < w->count; i++) {
        struct world_database *d = &w->databases[i];
        if (due(d->look_ends_ms, w)) {
            end_look(w, d);
        } else if (due(d->next_look_ms, w)) {
            begin_look(w, d);
            d->next_look_ms = w->mono_ms + w->plan.interval_ms;
        }
        if ((d->job.phase == JOB_WAITING || d->job.phase == JOB_RUNNING) &&
            due(d->job.next_ms, w)) {
            run_job(w, i);
        }
    }
}

static void outages(struct world *w)
{
    if (!w->weather) {
        return;
    }
    for (size_t i = 0; i < w->count; i++) {
        if (!w->databases[i].up && draw(w) % 3 == 0) {
            w->databases[i].up = true;
        } else if (w->databases[i].up && fault(w, 400)) {
            w->databases[i].up = false;
        }
    }
    if (!w->git_up && draw(w) % 3 == 0) {
        w->git_up = true;
    } else if (w->git_up && fault(w, 300)) {
        w->git_up = false;
    }
}

static void advance_to(struct world *w, int64_t at)
{
    int64_t by = at > w->mono_ms ? at - w->mono_ms : 0;
    w->mono_ms += by;
    w->utc_ms += by;
}

/* The poll and the looks of the schedule go on for ever: they alone are no reason to go on. */
static bool quiet(const struct world *w)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct world_database *d = &w->databases[i];
        if (d->look_ends_ms || d->job.phase == JOB_WAITING || d->job.phase == JOB_RUNNING ||
            !d->up || d->view.inspection == INSPECTION_FAILED || due(d->next_look_ms, w)) {
            return false;
        }
    }
    for (int i = 0; i < w->commit_count; i++) {
        if (w->fetch_ends_ms[i]) {
            return false;
        }
    }
    int reachable = w->commit_count - 1;
    while (reachable >= 0 && w->commits[reachable].lost) {
        reachable--;
    }
    return w->git_up && !w->poll.reason && w->newest == reachable && !w->gate_ends_ms &&
           !w->look_again;
}

void world_settle(struct world *w, int64_t patience_ms)
{
    int64_t until = w->mono_ms + patience_ms;
    for (int rounds = 0; rounds < 20000 && !w->trouble[0] && !w->forgotten; rounds++) {
        if (w->look_again || (w->wake_ms >= 0 && w->wake_ms <= w->mono_ms)) {
            live_once(w);
            continue;
        }
        if (w->wake_ms < 0 && quiet(w)) {
            store(w); /* what was held back is written in the end */
            return;
        }
        int64_t next = next_event(w);
        if (w->wake_ms >= 0 && w->wake_ms < next) {
            next = w->wake_ms;
        }
        if (next > until) {
            return;
        }
        advance_to(w, next);
        outages(w);
        happen(w);
    }
    if (!w->trouble[0] && !w->forgotten) {
        violated(w, "no rest");
    }
}

void world_pass(struct world *w, int64_t ms)
{
    int64_t until = w->mono_ms + ms;
    for (int rounds = 0; rounds < 20000 && !w->trouble[0]; rounds++) {
        if (w->look_again || (w->wake_ms >= 0 && w->wake_ms <= w->mono_ms)) {
            live_once(w);
            continue;
        }
        int64_t next = next_event(w);
        if (w->wake_ms >= 0 && w->wake_ms < next) {
            next = w->wake_ms;
        }
        if (next > until) {
            advance_to(w, until);
            return;
        }
        advance_to(w, next);
        happen(w);
    }
}
