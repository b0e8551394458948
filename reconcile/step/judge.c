/* SPDX-License-Identifier: Apache-2.0 */
/* What each database's newest facts, its Job and the wanted tree mean. */
#include "reconcile/step/internal.h"

static void set(struct judged *judged, enum judged_kind kind, const char *reason,
                const char *message)
{
    judged->kind = kind;
    judged->reason = reason;
    mem_strset(&judged->message, message);
}

#define STARTS_SOON_MS 3000 /* a pod that needs longer is worth a word */

/* What a Job that has not started waits for: said within seconds, and still while it is tried again. */
static void judge_waiting_job(struct step *s, const struct database_view *view,
                              struct judged *judged)
{
    const struct job_view *job = &view->job;
    const char *why = job->waiting ? job->waiting : "";
    bool tried = str_eq(view->create.reason, REASON_RUNNER_NOT_STARTED);
    judged->waiting = true;
    if (job->age_ms >= s->plan->start_timeout_ms) {
        judged->starts_late = true;
        judged->reason = REASON_RUNNER_NOT_STARTED;
        judged->message = mem_printf("Job %s has not started within execution.startTimeout%s%s",
                                     job->name, why[0] ? ": " : "", why);
    } else if (job->age_ms >= STARTS_SOON_MS || (tried && why[0])) {
        judged->message =
            mem_printf("Job %s has not started%s%s", job->name, why[0] ? ": " : "", why);
    } else if (tried) {
        judged->message = mem_strdup(view->create.message);
    } else {
        step_wake(s, STARTS_SOON_MS - job->age_ms);
    }
}

static void judge_live_job(struct step *s, const struct database_view *view, struct judged *judged)
{
    set(judged, J_LIVE, NULL, NULL);
    if (view->job.phase == JOB_WAITING) {
        judge_waiting_job(s, view, judged);
    }
}

/* Its Job, or one of an entry that is gone and may have been it, ended, and nothing newer than that end
 * has been heard, good or bad. */
static bool is_stale(const struct database_view *view)
{
    if (view->inspection == INSPECTION_OK) {
        return !view->after_job;
    }
    bool heard =
        view->inspection == INSPECTION_FAILED && view->failure.age_ms <= view->job.ended_age_ms;
    return view->job.phase == JOB_ENDED && !heard;
}

/* Counted from the moment this process first heard of it, resumed from status after a restart. */
static void count_outage(struct step *s, size_t index, bool out)
{
    struct database_status *database = &s->next->databases[index];
    if (!out) {
        database->outage_ms = 0;
    } else {
        database->outage_ms += database->outage_ms == 0 ? 1 : s->delta_ms;
    }
}

/* Did the newest successful look say "equal to the plan and ours"? */
static bool was_consistent(const struct step *s, size_t index)
{
    const struct database_view *view = &s->seen->databases[index];
    if (!view->known || (!view->plan && !view->plan_error)) {
        return step_ready_before(s);
    }
    return !view->plan_error && view->plan->action_count == 0 && !view->plan->waits_for &&
           view->owner == OWNER_MINE;
}

static void judge_failed_look(struct step *s, size_t index, struct judged *judged)
{
    const struct failure *failure = &s->seen->databases[index].failure;
    const char *reason = step_reason(failure->reason, REASON_DATABASE_UNAVAILABLE);
    if (step_class_of(reason) != REASON_CLASS_RETRY) {
        set(judged, J_REFUSED, reason, failure->message);
        count_outage(s, index, false);
        return;
    }
    set(judged, J_UNREACHABLE, reason, failure->message);
    count_outage(s, index, true);
    judged->consistent = was_consistent(s, index);
    judged->timed_out = s->next->databases[index].outage_ms >= s->plan->timeout_ms;
}

/* The plan's own words; a failure that the database remembers is J_FAILED. */
static bool judge_plan(const struct step *s, size_t index, struct judged *judged)
{
    const struct database_view *view = &s->seen->databases[index];
    const struct err *error = view->plan_error;
    if (error) {
        const char *reason = step_reason(error->reason, REASON_INVALID_MIGRATION);
        bool sticky = step_class_of(reason) == REASON_CLASS_STICKY;
        set(judged, sticky ? J_FAILED : J_REFUSED, reason, error->message);
        return true;
    }
    if (!view->plan) {
        set(judged, J_UNKNOWN, NULL, NULL);
        return true;
    }
    judged->pending = (int64_t)view->plan->action_count;
    return false;
}

/* A role, a pooler or a cluster that its Job would refuse: seen before one is made, and seen again when it is put right. */
static bool is_unfit(const struct step *s, const struct database_view *view, struct judged *judged)
{
    const bool powerful = s->plan->execution.allow_superuser;
    AUTO(err_free_auto)
    struct err *e = view->identity ? identity_check(view->identity, powerful) : NULL;
    if (e) {
        set(judged, J_REFUSED, e->reason, e->message);
    }
    return e != NULL;
}

static void judge_pending(struct step *s, size_t index, struct judged *judged)
{
    const struct database_view *view = &s->seen->databases[index];
    bool ours = view->owner == OWNER_MINE;
    if (judged->pending == 0 && ours && !view->plan->waits_for) {
        set(judged, J_UP_TO_DATE, NULL, NULL);
    } else if (judged->pending == 0 && ours) {
        set(judged, J_WAITS, NULL, view->plan->waits_for);
    } else if (view->read_only) {
        set(judged, J_BACKOFF, REASON_TARGET_READ_ONLY, "the server takes no writes");
    } else if (!is_unfit(s, view, judged)) {
        set(judged, J_PENDING, NULL, NULL);
        judge_attempt(s, index, judged);
    }
}

static void judge_database(struct step *s, size_t index)
{
    const struct database_view *view = &s->seen->databases[index];
    struct judged *judged = &s->judged[index];
    if (view->job.phase == JOB_WAITING || view->job.phase == JOB_RUNNING) {
        judge_live_job(s, view, judged);
    } else if (is_stale(view)) {
        set(judged, J_STALE, NULL, NULL);
    } else if (view->inspection == INSPECTION_NONE) {
        set(judged, J_UNKNOWN, NULL, NULL);
    } else if (view->inspection == INSPECTION_FAILED) {
        judge_failed_look(s, index, judged);
        return;
    } else if (!judge_identity(s, index, judged) && !judge_plan(s, index, judged)) {
        judge_pending(s, index, judged);
    }
    if (view->inspection == INSPECTION_OK) {
        count_outage(s, index, false);
    }
}

/* ---- directive after= -------------------------------------------------------------------------- */

/* The database that index's next file waits for; database_count: the plan has none of that name. */
static size_t waits_for(const struct step *s, size_t index)
{
    const char *text = s->judged[index].message;
    size_t length = strcspn(text, "/");
    for (size_t i = 0; i < s->plan->database_count; i++) {
        const char *name = s->plan->databases[i].name;
        if (strlen(name) == length && memcmp(name, text, length) == 0) {
            return i;
        }
    }
    return s->plan->database_count;
}

static bool in_cycle(const struct step *s, size_t index)
{
    size_t at = index;
    for (size_t hops = 0; hops < s->plan->database_count; hops++) {
        at = waits_for(s, at);
        if (at == index) {
            return true;
        }
        if (at >= s->plan->database_count || s->judged[at].kind != J_WAITS) {
            return false;
        }
    }
    return false; /* leads into a cycle of others, which are told of it */
}

/* Why the wait of index can never end; NULL: it can. Static text. */
static const char *hopeless_wait(const struct step *s, size_t index)
{
    size_t other = waits_for(s, index);
    if (other >= s->plan->database_count) {
        return "the plan has no such database";
    }
    if (s->judged[other].member > s->judged[index].member) {
        return "that database is in a later wave";
    }
    if (s->judged[other].kind == J_UP_TO_DATE) {
        return "that database is up to date without it";
    }
    if (s->judged[other].kind == J_WAITS && in_cycle(s, index)) {
        return "the databases wait for each other";
    }
    return judged_failed(&s->judged[other]) ? "that database has failed" : NULL;
}

static void judge_waits(struct step *s)
{
    for (size_t i = 0; i < s->plan->database_count; i++) {
        struct judged *judged = &s->judged[i];
        if (judged->kind != J_WAITS) {
            continue;
        }
        step_waves(s);
        const char *why = hopeless_wait(s, i);
        if (why) {
            char *message = mem_printf("directive after=%s: %s", judged->message, why);
            free(judged->message);
            judged->message = message;
            judged->reason = REASON_INVALID_MIGRATION;
        }
    }
    for (size_t i = 0; i < s->plan->database_count; i++) { /* only now: a cycle names all of it */
        if (s->judged[i].kind == J_WAITS && s->judged[i].reason) {
            s->judged[i].kind = J_REFUSED;
        }
    }
}

/* ---- looks that are wanted now ----------------------------------------------------------------- */

static void want_look(struct step *s, size_t index)
{
    const struct database_view *view = &s->seen->databases[index];
    if (view->inspecting) {
        return;
    }
    if (s->judged[index].kind == J_UNREACHABLE) {
        int64_t wait = step_backoff_ms(s->plan, view->failure.count) - view->failure.age_ms;
        if (wait > 0) {
            step_wake(s, wait);
            return;
        }
    } else if (s->judged[index].kind != J_STALE && view->inspection != INSPECTION_NONE) {
        return;
    }
    step_want(s, EFFECT_INSPECT, index);
}

void judge_databases(struct step *s)
{
    for (size_t i = 0; i < s->plan->database_count; i++) {
        judge_database(s, i);
    }
    judge_waits(s);
    for (size_t i = 0; i < s->plan->database_count; i++) {
        want_look(s, i);
    }
}
