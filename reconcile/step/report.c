/* SPDX-License-Identifier: Apache-2.0 */
/* The status that a decision leaves: databases, summary, conditions by the kstatus and Flux rules,
 * history, events. */
#include "reconcile/step/internal.h"

#define SHOWN_DATABASES 50 /* of those that are not up to date, with fields for people */
#define MESSAGE_BYTES 128  /* of one database */
#define NAMED 3            /* databases that a condition names before "and N more" */

/* ---- databases --------------------------------------------------------------------------------- */

static enum database_state state_of(const struct step *s, size_t index)
{
    switch (s->judged[index].kind) {
    case J_UP_TO_DATE:
        return DATABASE_UP_TO_DATE;
    case J_PENDING:
    case J_WAITS:
    case J_BACKOFF:
        return DATABASE_PENDING;
    case J_LIVE:
        return s->judged[index].waiting ? DATABASE_PENDING : DATABASE_RUNNING;
    case J_STALE:
        return DATABASE_RUNNING;
    case J_UNREACHABLE:
        return DATABASE_UNREACHABLE;
    case J_REFUSED:
        return DATABASE_REFUSED;
    case J_FAILED:
        return DATABASE_FAILED;
    default: /* not known: what was last said of it */
        return s->next->databases[index].state;
    }
}

/* Its live Job, or the one of this commit that explains its state: those of former roll-outs say nothing of it. */
static bool explains(const struct step *s, size_t index)
{
    const struct job_view *job = &s->seen->databases[index].job;
    const enum judged_kind kind = s->judged[index].kind;
    return kind == J_LIVE ||
           ((kind == J_STALE || !attempt_ended_well(job)) && attempt_is_this(s, job));
}

static void show_to_people(const struct step *s, size_t index, struct database_status *out)
{
    const struct judged *judged = &s->judged[index];
    const struct job_view *job = &s->seen->databases[index].job;
    out->wave = s->next->rollout.present ? mem_strdup(s->waves.items[judged->member].name) : NULL;
    if (explains(s, index)) {
        out->job = mem_strdup(job->name);
        out->attempt = job->attempt;
    }
    const char *idle = s->seen->databases[index].idle_job;
    AUTO(free_auto)
    char *text =
        idle ? mem_printf("Job %s has not begun and is not waited for: delete it", idle) : NULL;
    const char *said = judged->message ? judged->message : text;
    if (said) {
        out->message = mem_strndup(said, str_utf8_cut(said, strlen(said), MESSAGE_BYTES));
    }
}

static void count_state(struct status *next, enum database_state state)
{
    switch (state) {
    case DATABASE_UP_TO_DATE:
        next->summary.up_to_date++;
        break;
    case DATABASE_RUNNING:
        next->summary.running++;
        break;
    case DATABASE_FAILED:
        next->summary.failed++;
        break;
    case DATABASE_REFUSED:
        next->summary.refused++;
        break;
    case DATABASE_UNREACHABLE:
        next->summary.unreachable++;
        break;
    default:
        next->summary.pending++;
        break;
    }
}

/* The lowest version of all; *least is it, parsed. */
static void note_min_version(struct status *next, const char *text, struct version *least)
{
    struct version have;
    if (!text || !version_parse(text, &have)) {
        return;
    }
    if (!version_set(least) || version_compare(&have, least) < 0) {
        *least = have;
        mem_strset(&next->summary.min_version, text);
    }
}

static void note_version(const struct step *s, size_t index, struct database_status *out)
{
    const struct plan *plan = s->seen->databases[index].plan;
    if (plan) {
        mem_strset(&out->version, version_set(&plan->current) ? plan->current.text : NULL);
    }
}

/* The oldest of the newest good looks; written again only when it moved by a part of the interval. */
static void note_verified(struct step *s)
{
    int64_t oldest = 0;
    for (size_t i = 0; i < s->plan->database_count; i++) {
        const struct database_view *view = &s->seen->databases[i];
        if (!view->known || s->judged[i].kind != J_UP_TO_DATE) {
            return;
        }
        oldest = view->age_ms > oldest ? view->age_ms : oldest;
    }
    int64_t at = s->seen->now_ms - oldest;
    at -= at % 1000;
    if (at - s->next->last_verified_ms >= s->plan->interval_ms / 4) {
        s->next->last_verified_ms = at;
    }
}

/* The database went on, though its Job could not say so. */
static void note_recovered(struct step *s, size_t index)
{
    const struct job_view *job = &s->seen->databases[index].job;
    const struct database_status *now = &s->next->databases[index];
    if (s->judged[index].kind != J_UP_TO_DATE || job->phase != JOB_ENDED ||
        attempt_ended_well(job)) {
        return;
    }
    const struct database_status *before = step_before(s, index);
    if (before && before->journal != now->journal) {
        step_event(s, false, REASON_RECOVERED_FROM_HISTORY,
                   mem_printf("%s: Job %s did not report success, but the database says that the "
                              "migration is applied",
                              now->name, job->name));
    }
}

void report_databases(struct step *s)
{
    struct status *next = s->next;
    size_t shown = 0;
    struct version least = { "" };
    mem_strset(&next->summary.min_version, NULL);
    next->summary.databases = (int32_t)s->plan->database_count;
    next->summary.up_to_date = next->summary.pending = next->summary.running = 0;
    next->summary.failed = next->summary.refused = next->summary.unreachable = 0;
    for (size_t i = 0; i < s->plan->database_count; i++) {
        struct database_status *database = &next->databases[i];
        database->state = state_of(s, i);
        note_version(s, i, database);
        note_min_version(next, database->version, &least);
        count_state(next, database->state);
        note_recovered(s, i);
        window_note_paused(s, i);
        if (database->state != DATABASE_UP_TO_DATE && shown < SHOWN_DATABASES) {
            shown++;
            show_to_people(s, i, database);
        }
    }
    note_verified(s);
}

/* Files that nobody runs are told of once, and shown as long as they are there. */
void report_notices(struct step *s)
{
    const struct strlist *found = s->seen->notices;
    struct strlist *shown = &s->next->notices;
    if (!found) {
        return;
    }
    bool same = found->count == shown->count;
    for (size_t i = 0; same && i < found->count; i++) {
        same = str_eq(found->items[i], shown->items[i]);
    }
    if (same) {
        return;
    }
    strlist_done(shown);
    strlist_copy(found, shown);
    if (found->count > 0) {
        step_event(s, true, REASON_FILES_PASSED_OVER,
                   found->count == 1 ? mem_strdup(found->items[0])
                                     : mem_printf("%s (and %zu more, see status.notices)",
                                                  found->items[0], found->count - 1));
    }
}

/* ---- conditions -------------------------------------------------------------------------------- */

static void set(struct step *s, enum condition_type type, enum condition_status value,
                const char *reason, const char *message)
{
    condition_set(s->next, type, value, reason, message, s->seen->now_ms, s->plan->generation);
}

/* What nobody has looked at in this process stays as it was said. */
static void keep_or_unknown(struct step *s, enum condition_type type, const char *message)
{
    struct condition *condition = &s->next->conditions[type];
    if (condition->status == CONDITION_ABSENT) {
        set(s, type, CONDITION_UNKNOWN, REASON_PROGRESSING, message);
    }
    condition->generation = s->plan->generation;
}

static void report_source(struct step *s)
{
    const struct commit_view *commit = &s->seen->source.newest;
    const struct failure *poll = &s->seen->source.poll;
    if (poll->reason) {
        set(s, CONDITION_SOURCE_READY, CONDITION_FALSE,
            step_reason(poll->reason, REASON_SOURCE_UNAVAILABLE), poll->message);
    } else if (commit->fetch == FETCH_FAILED) {
        set(s, CONDITION_SOURCE_READY, CONDITION_FALSE,
            step_reason(commit->fetch_failure.reason, REASON_SOURCE_FETCH_FAILED),
            commit->fetch_failure.message);
    } else if (commit->rewrite == REWRITE_CHANGED) {
        set(s, CONDITION_SOURCE_READY, CONDITION_FALSE, REASON_HISTORY_REWRITTEN,
            "the newest commit does not descend from the last applied one and changes applied "
            "files");
    } else if (commit->fetch == FETCH_DONE) {
        set(s, CONDITION_SOURCE_READY, CONDITION_TRUE, REASON_SUCCEEDED, commit->revision);
    } else {
        keep_or_unknown(s, CONDITION_SOURCE_READY, "the source has not been read yet");
    }
}

static bool look_failed(const struct step *s, size_t index)
{
    return s->seen->databases[index].inspection == INSPECTION_FAILED;
}

static void report_reachable(struct step *s)
{
    size_t failed = 0, unknown = 0;
    const char *reason = NULL;
    struct buf message = BUF(LIMIT_ERR_MESSAGE);
    for (size_t i = 0; i < s->plan->database_count; i++) {
        const struct failure *failure = &s->seen->databases[i].failure;
        unknown += s->seen->databases[i].inspection == INSPECTION_NONE;
        if (look_failed(s, i) && failed++ < NAMED) {
            reason = reason ? reason : step_reason(failure->reason, REASON_DATABASE_UNAVAILABLE);
            buf_addf(&message, "%s%s: %.300s", failed > 1 ? "; " : "", s->plan->databases[i].name,
                     failure->message);
        }
    }
    if (failed > NAMED) {
        buf_addf(&message, "; and %zu more", failed - NAMED);
    }
    if (failed > 0) {
        set(s, CONDITION_DATABASES_REACHABLE, CONDITION_FALSE, reason, buf_text(&message));
    } else if (unknown > 0 || step_no_databases(s)) {
        keep_or_unknown(s, CONDITION_DATABASES_REACHABLE, "not inspected yet");
    } else {
        set(s, CONDITION_DATABASES_REACHABLE, CONDITION_TRUE, REASON_SUCCEEDED,
            "every database answers");
    }
    buf_done(&message);
}

static void report_migrated(struct step *s)
{
    size_t done = 0, unknown = 0;
    for (size_t i = 0; i < s->plan->database_count; i++) {
        enum judged_kind kind = s->judged[i].kind;
        done += kind == J_UP_TO_DATE || (kind == J_UNREACHABLE && s->judged[i].consistent);
        unknown += kind == J_UNKNOWN;
    }
    if (unknown > 0 || step_no_databases(s)) {
        keep_or_unknown(s, CONDITION_MIGRATED, "not compared with the commit yet");
        return;
    }
    char message[80];
    (void)snprintf(message, sizeof message, "%zu of %zu databases up to date", done,
                   s->plan->database_count);
    bool all = done == s->plan->database_count;
    bool failing = s->say == SAY_STALLED || s->say == SAY_RETRY;
    set(s, CONDITION_MIGRATED, all ? CONDITION_TRUE : CONDITION_FALSE,
        all       ? REASON_SUCCEEDED
        : failing ? s->reason
                  : REASON_PROGRESSING,
        message);
}

static void report_finished(struct step *s, bool succeeded)
{
    const char *commit = succeeded ? s->next->last_applied_commit : s->next->last_attempted_commit;
    AUTO(free_auto)
    char *message = mem_printf("%s%s%s", commit, commit[0] ? ": " : "", s->message);
    set(s, CONDITION_FINISHED, CONDITION_TRUE, succeeded ? REASON_SUCCEEDED : REASON_FAILED,
        message);
}

static bool any_live(const struct step *s)
{
    for (size_t i = 0; s->judged && i < s->plan->database_count; i++) {
        if (judged_live(&s->judged[i])) {
            return true;
        }
    }
    return false;
}

/* While a roll-out is on, or what ended could still move, nothing has finished. */
static void unfinish(struct step *s)
{
    if (s->next->rollout.present) {
        condition_clear(s->next, CONDITION_FINISHED);
    }
}

static void say_moving(struct step *s, enum condition_status ready, const char *reconciling)
{
    set(s, CONDITION_READY, ready, s->reason, s->message);
    set(s, CONDITION_RECONCILING, CONDITION_TRUE, reconciling, s->message);
    condition_clear(s->next, CONDITION_STALLED);
    condition_clear(s->next, CONDITION_WAITING);
    unfinish(s);
}

static void say_stalled(struct step *s)
{
    set(s, CONDITION_READY, CONDITION_FALSE, s->reason, s->message);
    set(s, CONDITION_STALLED, CONDITION_TRUE, s->reason, s->message);
    condition_clear(s->next, CONDITION_RECONCILING);
    condition_clear(s->next, CONDITION_WAITING);
    if (any_live(s)) {
        condition_clear(s->next, CONDITION_FINISHED);
    } else {
        report_finished(s, false);
    }
}

static void say_ready(struct step *s)
{
    set(s, CONDITION_READY, CONDITION_TRUE, s->reason, s->message);
    condition_clear(s->next, CONDITION_RECONCILING);
    condition_clear(s->next, CONDITION_STALLED);
    condition_clear(s->next, CONDITION_WAITING);
    report_finished(s, true);
}

/* Finished is about the generation whose roll-out ended: it follows a later one only beside its
 * outcome. */
static void keep_all(struct step *s)
{
    bool ended = s->next->conditions[CONDITION_READY].status == CONDITION_TRUE ||
                 s->next->conditions[CONDITION_STALLED].status == CONDITION_TRUE;

    for (int type = 0; type < CONDITION_TYPE_MAX_; type++) {
        if (type == CONDITION_FINISHED && !ended) {
            continue;
        }
        s->next->conditions[type].generation =
            s->next->conditions[type].status == CONDITION_ABSENT ? 0 : s->plan->generation;
    }
}

#define SUSPENDED_NOTE " (suspended)"

/* Suspended: the conditions of a spec that did not change stay, and say so. */
static void say_suspended(struct step *s)
{
    const struct condition *ready = &s->next->conditions[CONDITION_READY];
    if (s->spec_same) {
        AUTO(free_auto) char *message = mem_strdup(ready->message);
        if (!str_ends(message, SUSPENDED_NOTE) && !str_eq(ready->reason, REASON_SUSPENDED)) {
            char *noted = mem_printf("%s%s", message, SUSPENDED_NOTE);
            free(message);
            message = noted;
        }
        AUTO(free_auto) char *reason = mem_strdup(ready->reason);
        set(s, CONDITION_READY, ready->status, reason, message);
        keep_all(s);
        return;
    }
    s->reason = REASON_SUSPENDED;
    mem_strset(&s->message, "spec.suspend is true: nothing starts");
    say_moving(s, CONDITION_UNKNOWN, REASON_SUSPENDED);
}

static void report_changes(struct step *s)
{
    const struct condition *now = &s->next->conditions[CONDITION_READY];
    const struct condition *before = &s->old->conditions[CONDITION_READY];
    if (now->status == before->status && str_eq(now->reason, before->reason)) {
        return;
    }
    if (now->status == CONDITION_TRUE) {
        step_event(s, false, REASON_RECONCILIATION_SUCCEEDED, mem_strdup(now->message));
    } else if (now->status == CONDITION_FALSE) {
        step_event(s, true, s->reason, mem_strdup(now->message));
    }
}

static void report_summary(struct step *s)
{
    switch (s->say) {
    case SAY_READY:
        say_ready(s);
        break;
    case SAY_KEEP:
        keep_all(s);
        break;
    case SAY_WAIT:
        say_moving(s, CONDITION_UNKNOWN, s->reason);
        set(s, CONDITION_WAITING, CONDITION_TRUE, s->reason, s->message);
        break;
    case SAY_RETRY:
        say_moving(s, CONDITION_FALSE, REASON_PROGRESSING_WITH_RETRY);
        break;
    case SAY_STALLED:
        say_stalled(s);
        break;
    default:
        say_moving(s, CONDITION_UNKNOWN, REASON_PROGRESSING);
        break;
    }
}

void report_conditions(struct step *s)
{
    bool unwell = s->say != SAY_READY && s->say != SAY_STALLED;
    if (s->suspended && !s->seen->spec_error) {
        say_suspended(s);
    } else {
        report_summary(s);
    }
    if (!s->seen->spec_error) {
        report_source(s);
        report_reachable(s);
        report_migrated(s);
    }
    report_changes(s);
    s->next->observed_generation = s->plan->generation;
    (void)snprintf(s->next->spec, sizeof s->next->spec, "%s", s->seen->spec_hash);
    if (unwell && !s->suspended) {
        step_wake(s, s->plan->retry_interval_ms); /* a missed event must not hold a plan for ever */
    }
}

/* ---- history ----------------------------------------------------------------------------------- */

void report_history(struct step *s, bool succeeded, const char *message)
{
    struct status *next = s->next;
    const struct rollout_status *rollout = &next->rollout;
    struct history_entry *top = &next->history[0];
    bool same = next->history_count > 0 && top->started_ms == rollout->started_ms &&
                str_eq(top->commit, rollout->commit);
    if (same && top->succeeded == succeeded && str_eq(top->message, message)) {
        return;
    }
    if (!same) {
        if (next->history_count == STATUS_HISTORY) {
            free(next->history[--next->history_count].message);
        }
        memmove(top + 1, top, next->history_count * sizeof *top);
        next->history_count++;
        *top = (struct history_entry){ .started_ms = rollout->started_ms };
        memcpy(top->commit, rollout->commit, sizeof top->commit);
    }
    top->succeeded = succeeded;
    top->finished_ms = s->seen->now_ms - s->seen->now_ms % 1000;
    mem_strset(&top->message, message);
}
