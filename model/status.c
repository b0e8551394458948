/* SPDX-License-Identifier: Apache-2.0 */
/* struct status: life, comparison, conditions. */
#include "model/status.h"

#include "base/mem.h"

#define COUNTED_STEP_MS 60000 /* a counted time is written again when it moved by so much */

static const char *const condition_type_texts[CONDITION_TYPE_MAX_] = {
    [CONDITION_READY] = "Ready",
    [CONDITION_RECONCILING] = "Reconciling",
    [CONDITION_STALLED] = "Stalled",
    [CONDITION_WAITING] = "Waiting",
    [CONDITION_FINISHED] = "Finished",
    [CONDITION_SOURCE_READY] = "SourceReady",
    [CONDITION_DATABASES_REACHABLE] = "DatabasesReachable",
    [CONDITION_MIGRATED] = "Migrated",
};
static const char *const condition_status_texts[] = { "", "True", "False", "Unknown" };
static const char *const database_state_texts[DATABASE_STATE_MAX_] = {
    "Unknown", "UpToDate", "Pending", "Running", "Failed", "Unreachable", "Refused",
};
static const char *const rollout_phase_texts[PHASE_MAX_] = { "", "Waiting", "Applying", "Soaking",
                                                             "Failed" };
static const char *const gate_state_texts[GATE_STATE_MAX_] = {
    "", "Waiting", "Passing", "Passed", "Failed", "NoAnswer",
};

const char *condition_type_text(enum condition_type type)
{
    return condition_type_texts[type];
}

const char *condition_status_text(enum condition_status status)
{
    return condition_status_texts[status];
}

const char *database_state_text(enum database_state state)
{
    return database_state_texts[state];
}

const char *rollout_phase_text(enum rollout_phase phase)
{
    return rollout_phase_texts[phase];
}

const char *gate_state_text(enum gate_state state)
{
    return gate_state_texts[state];
}

/* ---- life -------------------------------------------------------------------------------------- */

void status_init(struct status *out)
{
    *out = (struct status){ .observed_generation = -1 };
}

static void database_status_copy(const struct database_status *from, struct database_status *out)
{
    *out = *from;
    out->name = mem_strdup(from->name);
    out->version = mem_strdup(from->version);
    out->wave = mem_strdup(from->wave);
    out->job = mem_strdup(from->job);
    out->message = mem_strdup(from->message);
}

static void gate_status_copy(const struct gate_status *from, struct gate_status *out)
{
    *out = *from;
    out->wave = mem_strdup(from->wave);
    out->name = mem_strdup(from->name);
    out->last_value = mem_strdup(from->last_value);
}

static void status_copy_lists(const struct status *from, struct status *out)
{
    out->covered_commits = (struct strlist){ 0 };
    strlist_copy(&from->covered_commits, &out->covered_commits);
    out->ahead = (struct strlist){ 0 };
    strlist_copy(&from->ahead, &out->ahead);
    out->notices = (struct strlist){ 0 };
    strlist_copy(&from->notices, &out->notices);
    out->databases = mem_array(from->database_count, sizeof *out->databases);
    for (size_t i = 0; i < from->database_count; i++) {
        database_status_copy(&from->databases[i], &out->databases[i]);
    }
    out->gates = mem_array(from->gate_count, sizeof *out->gates);
    for (size_t i = 0; i < from->gate_count; i++) {
        gate_status_copy(&from->gates[i], &out->gates[i]);
    }
    for (size_t i = 0; i < from->history_count; i++) {
        out->history[i].message = mem_strdup(from->history[i].message);
    }
}

void status_copy(const struct status *from, struct status *out)
{
    *out = *from;
    for (int type = 0; type < CONDITION_TYPE_MAX_; type++) {
        out->conditions[type].reason = mem_strdup(from->conditions[type].reason);
        out->conditions[type].message = mem_strdup(from->conditions[type].message);
    }
    out->last_attempted_revision = mem_strdup(from->last_attempted_revision);
    out->last_applied_revision = mem_strdup(from->last_applied_revision);
    out->rollout.revision = mem_strdup(from->rollout.revision);
    out->rollout.wave = mem_strdup(from->rollout.wave);
    out->rollout.restarted = mem_strdup(from->rollout.restarted);
    out->summary.min_version = mem_strdup(from->summary.min_version);
    out->window.because = mem_strdup(from->window.because);
    out->last_handled_reconcile = mem_strdup(from->last_handled_reconcile);
    out->last_handled_retry = mem_strdup(from->last_handled_retry);
    out->last_handled_resolve = mem_strdup(from->last_handled_resolve);
    out->last_handled_accept = mem_strdup(from->last_handled_accept);
    status_copy_lists(from, out);
}

static void database_status_done(struct database_status *database)
{
    free(database->name);
    free(database->version);
    free(database->wave);
    free(database->job);
    free(database->message);
}

static void status_done_lists(struct status *status)
{
    strlist_done(&status->covered_commits);
    strlist_done(&status->ahead);
    strlist_done(&status->notices);
    for (size_t i = 0; i < status->database_count; i++) {
        database_status_done(&status->databases[i]);
    }
    free(status->databases);
    for (size_t i = 0; i < status->gate_count; i++) {
        free(status->gates[i].wave);
        free(status->gates[i].name);
        free(status->gates[i].last_value);
    }
    free(status->gates);
    free(status->window.because);
    for (size_t i = 0; i < status->history_count; i++) {
        free(status->history[i].message);
    }
}

void status_done(struct status *status)
{
    for (int type = 0; type < CONDITION_TYPE_MAX_; type++) {
        condition_clear(status, (enum condition_type)type);
    }
    free(status->last_attempted_revision);
    free(status->last_applied_revision);
    free(status->rollout.revision);
    free(status->rollout.wave);
    free(status->rollout.restarted);
    free(status->summary.min_version);
    free(status->last_handled_reconcile);
    free(status->last_handled_retry);
    free(status->last_handled_resolve);
    free(status->last_handled_accept);
    status_done_lists(status);
    status_init(status);
}

/* ---- comparison -------------------------------------------------------------------------------- */

static bool counted_equal(int64_t a, int64_t b)
{
    return (a == 0) == (b == 0) && a - b < COUNTED_STEP_MS && b - a < COUNTED_STEP_MS;
}

bool status_conditions_equal(const struct status *a, const struct status *b)
{
    for (int type = 0; type < CONDITION_TYPE_MAX_; type++) {
        const struct condition *x = &a->conditions[type], *y = &b->conditions[type];
        if (x->status != y->status || !str_eq(x->reason, y->reason) ||
            x->generation != y->generation) {
            return false;
        }
    }
    return true;
}

static bool messages_equal(const struct status *a, const struct status *b)
{
    for (int type = 0; type < CONDITION_TYPE_MAX_; type++) {
        if (!str_eq(a->conditions[type].message, b->conditions[type].message)) {
            return false;
        }
    }
    return true;
}

static bool rollout_equal(const struct rollout_status *a, const struct rollout_status *b)
{
    return a->present == b->present && str_eq(a->digest, b->digest) &&
           str_eq(a->commit, b->commit) && str_eq(a->revision, b->revision) &&
           a->started_ms == b->started_ms && a->wave_index == b->wave_index &&
           str_eq(a->wave, b->wave) && a->phase == b->phase &&
           a->supersessions == b->supersessions && a->soak_since_ms == b->soak_since_ms &&
           str_eq(a->order, b->order) && str_eq(a->source, b->source) &&
           str_eq(a->strategy, b->strategy) && a->lead == b->lead &&
           str_eq(a->restarted, b->restarted) && a->catch_up == b->catch_up &&
           counted_equal(a->elapsed_ms, b->elapsed_ms);
}

static bool gates_equal(const struct status *a, const struct status *b)
{
    if (a->gate_count != b->gate_count) {
        return false;
    }
    for (size_t i = 0; i < a->gate_count; i++) {
        const struct gate_status *x = &a->gates[i], *y = &b->gates[i];
        if (!str_eq(x->wave, y->wave) || !str_eq(x->name, y->name) || x->state != y->state ||
            x->successes != y->successes || x->failures != y->failures || x->round != y->round ||
            x->at_end != y->at_end || !str_eq(x->last_value, y->last_value)) {
            return false;
        }
    }
    return true;
}

static bool database_memory_equal(const struct database_status *x, const struct database_status *y)
{
    return str_eq(x->name, y->name) && str_eq(x->target, y->target) && x->head == y->head &&
           x->journal == y->journal && str_eq(x->tree, y->tree) &&
           str_eq(x->verified, y->verified) && x->begun == y->begun && x->empty == y->empty &&
           x->member == y->member && x->own == y->own && x->foreign == y->foreign &&
           counted_equal(x->outage_ms, y->outage_ms);
}

static bool database_shown_equal(const struct database_status *x, const struct database_status *y)
{
    return x->state == y->state && str_eq(x->version, y->version) && str_eq(x->wave, y->wave) &&
           str_eq(x->job, y->job) && str_eq(x->message, y->message) && x->attempt == y->attempt;
}

static bool history_equal(const struct status *a, const struct status *b)
{
    if (a->history_count != b->history_count) {
        return false;
    }
    for (size_t i = 0; i < a->history_count; i++) {
        const struct history_entry *x = &a->history[i], *y = &b->history[i];
        if (!str_eq(x->commit, y->commit) || x->started_ms != y->started_ms ||
            x->finished_ms != y->finished_ms || x->succeeded != y->succeeded ||
            !str_eq(x->message, y->message)) {
            return false;
        }
    }
    return true;
}

static bool window_equal(const struct window_status *x, const struct window_status *y)
{
    return x->present == y->present && x->open == y->open && x->since_ms == y->since_ms &&
           x->until_ms == y->until_ms && x->next_ms == y->next_ms && str_eq(x->because, y->because);
}

static bool tokens_equal(const struct status *a, const struct status *b)
{
    return str_eq(a->last_handled_reconcile, b->last_handled_reconcile) &&
           str_eq(a->last_handled_retry, b->last_handled_retry) &&
           str_eq(a->last_handled_resolve, b->last_handled_resolve) &&
           str_eq(a->last_handled_accept, b->last_handled_accept);
}

bool status_memory_equal(const struct status *a, const struct status *b)
{
    if (!tokens_equal(a, b) || !rollout_equal(&a->rollout, &b->rollout) || !gates_equal(a, b) ||
        !str_eq(a->queued_commit, b->queued_commit) || !str_eq(a->spec, b->spec) ||
        !str_eq(a->last_applied_commit, b->last_applied_commit) ||
        !counted_equal(a->outage_ms, b->outage_ms) || a->database_count != b->database_count) {
        return false;
    }
    for (size_t i = 0; i < a->database_count; i++) {
        if (!database_memory_equal(&a->databases[i], &b->databases[i])) {
            return false;
        }
    }
    return true;
}

static bool summary_equal(const struct status *a, const struct status *b)
{
    return a->summary.databases == b->summary.databases &&
           a->summary.up_to_date == b->summary.up_to_date &&
           a->summary.pending == b->summary.pending && a->summary.running == b->summary.running &&
           a->summary.failed == b->summary.failed && a->summary.refused == b->summary.refused &&
           a->summary.unreachable == b->summary.unreachable &&
           str_eq(a->summary.min_version, b->summary.min_version);
}

bool status_equal(const struct status *a, const struct status *b)
{
    if (a->observed_generation != b->observed_generation || !status_memory_equal(a, b) ||
        !status_conditions_equal(a, b) || !messages_equal(a, b) || !summary_equal(a, b) ||
        !str_eq(a->last_attempted_revision, b->last_attempted_revision) ||
        !str_eq(a->last_applied_revision, b->last_applied_revision) ||
        !str_eq(a->last_attempted_commit, b->last_attempted_commit) ||
        !strlist_equal(&a->covered_commits, &b->covered_commits) ||
        a->last_verified_ms != b->last_verified_ms || !str_eq(a->plan_digest, b->plan_digest) ||
        !strlist_equal(&a->ahead, &b->ahead) || !strlist_equal(&a->notices, &b->notices) ||
        !history_equal(a, b) || !window_equal(&a->window, &b->window)) {
        return false;
    }
    for (size_t i = 0; i < a->database_count; i++) {
        if (!database_shown_equal(&a->databases[i], &b->databases[i])) {
            return false;
        }
    }
    return true;
}

/* ---- parts ------------------------------------------------------------------------------------- */

const struct database_status *status_database(const struct status *status, const char *name)
{
    for (size_t i = 0; i < status->database_count; i++) {
        if (str_eq(status->databases[i].name, name)) {
            return &status->databases[i];
        }
    }
    return NULL;
}

const struct gate_status *status_gate(const struct status *status, const char *wave,
                                      const char *name)
{
    for (size_t i = 0; i < status->gate_count; i++) {
        if (str_eq(status->gates[i].wave, wave) && str_eq(status->gates[i].name, name)) {
            return &status->gates[i];
        }
    }
    return NULL;
}

/* Kubernetes: lastTransitionTime moves only when status does, never for a reason or a message. */
void condition_set(struct status *status, enum condition_type type, enum condition_status value,
                   const char *reason, const char *message, int64_t now_ms, int64_t generation)
{
    struct condition *condition = &status->conditions[type];
    if (condition->status != value) {
        condition->status = value;
        condition->transition_ms = now_ms - now_ms % 1000;
    }
    char *old_reason = condition->reason, *old_message = condition->message;
    condition->reason = mem_strdup(reason);
    condition->message = mem_strdup(message);
    condition->generation = generation;
    free(old_reason);
    free(old_message);
}

void condition_clear(struct status *status, enum condition_type type)
{
    free(status->conditions[type].reason);
    free(status->conditions[type].message);
    status->conditions[type] = (struct condition){ .status = CONDITION_ABSENT };
}
