/* SPDX-License-Identifier: Apache-2.0 */
/* What an ended Job means for a database that is still pending. The database is believed, the Job
 * only explains; a result holds only for the commit and the retry token that it was started with. */
#include "reconcile/step/internal.h"

#define DENIED_APART_MS (200 * 1000) /* exit 5: at most 3 tries in 10 minutes */

static void back_off(struct step *s, struct judged *judged, const char *reason, const char *message,
                     int64_t wait_ms)
{
    if (wait_ms <= 0) {
        return; /* stays pending */
    }
    judged->kind = J_BACKOFF;
    judged->reason = reason;
    judged->message = mem_strdup(message);
    step_wake(s, wait_ms);
}

static void hold(struct judged *judged, enum judged_kind kind, const char *reason,
                 const char *message)
{
    judged->kind = kind;
    judged->reason = reason;
    judged->message = mem_strdup(message);
}

bool attempt_is_this(const struct step *s, const struct job_view *job)
{
    return str_eq(job->commit, s->commit->commit) && str_eq(job->retry_token, s->retry_token);
}

bool attempt_ended_well(const struct job_view *job)
{
    return job->result &&
           (job->result->outcome == OUTCOME_DONE || job->result->outcome == OUTCOME_PAUSED ||
            job->result->outcome == OUTCOME_NOTHING_TO_DO);
}

static const char *reason_of(const struct result *result, const char *otherwise)
{
    return step_reason(result->reason, otherwise);
}

static const char *message_of(const struct result *result)
{
    return result->message ? result->message : "the runner gave no message";
}

/* The runner could not say it to the database itself: the controller must, before it may forget. */
static void judge_failure(struct step *s, size_t index, struct judged *judged)
{
    const struct database_view *view = &s->seen->databases[index];
    const struct result *result = view->job.result;
    const char *reason = reason_of(result, REASON_MIGRATION_FAILED);
    if (view->failure_recorded) {
        return; /* plan_make does not hold it: the file or the token changed */
    }
    if (!result->failed.script && !attempt_is_this(s, &view->job)) {
        return; /* no file to name, and the Job is no memory of another commit */
    }
    hold(judged, J_FAILED, reason, message_of(result));
    const struct failure *record = &view->record;
    if (!result->failed.script ||
        (record->reason && step_class_of(record->reason) != REASON_CLASS_RETRY)) {
        return; /* it cannot be recorded: the Job stays the memory */
    }
    judged->unrecorded = true;
    int64_t wait = record->reason ? step_backoff_ms(s->plan, record->count) - record->age_ms : 0;
    if (wait > 0) {
        step_wake(s, wait);
    } else if (!view->busy) {
        step_want(s, EFFECT_RECORD_FAILURE, index);
    }
}

static int64_t result_wait_ms(const struct step *s, const struct job_view *job)
{
    int64_t wait = step_backoff_ms(s->plan, job->tries);
    int code = job->result->code;
    if (code == 10 && job->tries <= 1) {
        wait = 0; /* the look that led here is newer than the assignment was */
    } else if (code == 5 && wait < DENIED_APART_MS) {
        wait = DENIED_APART_MS;
    }
    return wait - job->ended_age_ms;
}

static void judge_result(struct step *s, size_t index, struct judged *judged)
{
    const struct database_view *view = &s->seen->databases[index];
    const struct job_view *job = &view->job;
    const struct result *result = job->result;
    switch (result->outcome) {
    case OUTCOME_PAUSED:
        return; /* its window was over: it goes on in the next one */
    case OUTCOME_INVALID:
        if (result->head.journal_seq > 0 && view->journal > result->head.journal_seq) {
            return; /* a verdict since: the file may run as a whole now; a Job that saw no journal says nothing of it */
        }
        hold(judged, J_REFUSED, reason_of(result, REASON_INVALID_MIGRATION), message_of(result));
        return;
    case OUTCOME_UNKNOWN:
        if (view->journal == result->head.journal_seq) {
            hold(judged, J_FAILED, REASON_OUTCOME_UNKNOWN, message_of(result));
        }
        return; /* somebody wrote a verdict since */
    case OUTCOME_DONE:
    case OUTCOME_NOTHING_TO_DO:
        if (window_holds(s, index)) {
            return; /* it was given the interrupted file alone */
        }
        back_off(s, judged, REASON_ASSIGNMENT_STALE,
                 "the runner reported success, but the database is not at the wanted commit",
                 step_backoff_ms(s->plan, job->tries) - job->ended_age_ms);
        return;
    default:
        back_off(s, judged, reason_of(result, REASON_ATTEMPT_INTERRUPTED), message_of(result),
                 result_wait_ms(s, job));
    }
}

void judge_attempt(struct step *s, size_t index, struct judged *judged)
{
    const struct database_view *view = &s->seen->databases[index];
    const struct job_view *job = &view->job;
    if (job->phase == JOB_ENDED && job->result && job->result->outcome == OUTCOME_FAILED) {
        judge_failure(s, index, judged);
    } else if (job->phase == JOB_ENDED && attempt_is_this(s, job)) {
        if (job->result) {
            judge_result(s, index, judged);
        } else {
            back_off(s, judged, REASON_ATTEMPT_INTERRUPTED,
                     "the runner ended without a result; the database says what it did",
                     step_backoff_ms(s->plan, job->tries) - job->ended_age_ms);
        }
    }
    if (judged->kind == J_PENDING && view->create.reason) {
        back_off(s, judged, step_reason(view->create.reason, REASON_RUNNER_NOT_STARTED),
                 view->create.message,
                 step_backoff_ms(s->plan, view->create.count) - view->create.age_ms);
    }
}
