/* SPDX-License-Identifier: Apache-2.0 */
/* Windows and freezes hold back Jobs, nothing else: soaks and gates go on, what runs ends its file. */
#include "base/clock.h"
#include "reconcile/step/internal.h"

/* Its first file is one that an attempt was interrupted in: half a schema must not wait for the next window. */
static bool is_interrupted(const struct plan *plan)
{
    /* uncovered: what is asked about is pending, and so has a plan with files */
    const struct migration *first = plan && plan->action_count > 0 ? plan->actions[0].file : NULL;
    for (size_t i = 0; first && i < plan->entry_count; i++) {
        if (plan->entries[i].state == STATE_INTERRUPTED) {
            return plan->entries[i].file == first;
        }
    }
    return false;
}

static bool needs_none(const struct step *s, size_t index)
{
    return s->next->rollout.catch_up && s->next->databases[index].empty;
}

bool window_holds(const struct step *s, size_t index)
{
    return !s->window.open && !needs_none(s, index) &&
           !is_interrupted(s->seen->databases[index].plan);
}

bool window_never_opens(const struct step *s)
{
    return !s->window.open && s->window.next_ms == 0;
}

/* Whatever happens, the Job that is decided now has ended by then. It may be made a little later. */
static bool is_over_before(const struct step *s, int64_t left_ms)
{
    return STEP_CREATE_BOUND_MS + s->plan->start_timeout_ms + s->plan->execution.deadline_ms <
           left_ms;
}

void window_limit(const struct step *s, size_t index, struct new_job *job)
{
    job->stop_in_ms = -1;
    if (!window_is_set(s->plan) || needs_none(s, index)) {
        return;
    }
    job->first_only = !s->window.open;
    int64_t left_ms = s->window.sure_until_ms - s->seen->now_ms;
    /* Without one PostgreSQL sends files ahead. */
    if (s->window.open && !is_over_before(s, left_ms)) {
        job->stop_in_ms = left_ms;
    }
}

static bool any_held(const struct step *s)
{
    for (size_t i = 0; i < s->plan->database_count; i++) {
        enum judged_kind kind = s->judged[i].kind;
        bool now = s->judged[i].member <= s->next->rollout.wave_index;
        if (now && (kind == J_PENDING || kind == J_BACKOFF) && window_holds(s, i)) {
            return true;
        }
    }
    return false;
}

static bool any_runs(const struct step *s)
{
    for (size_t i = 0; i < s->plan->database_count; i++) {
        if (judged_live(&s->judged[i])) {
            return true;
        }
    }
    /* uncovered: the Job of an entry that has just gone */
    return s->seen->stray_jobs > 0 || s->out->effect == EFFECT_CREATE_JOB;
}

/* "frozen, 2026-12-18T00:00:00Z to 2027-01-04T00:00:00Z" or "no window is open". Owned. */
static char *why_shut(const struct step *s)
{
    if (!s->window.because) {
        return mem_strdup("no window is open");
    }
    AUTO(free_auto) char *freeze = window_text(s->window.because);
    return mem_printf("frozen (%s)", freeze);
}

bool window_say(struct step *s)
{
    char next[TIME_TEXT_LEN];
    if (s->window.open || !any_held(s) || any_runs(s)) {
        return false;
    }
    struct rollout_status *rollout = &s->next->rollout;
    AUTO(free_auto) char *why = why_shut(s);
    time_format(s->window.next_ms, next);
    rollout->phase = PHASE_WAITING;
    step_say(s, SAY_WAIT, REASON_AWAITING_WINDOW,
             mem_printf("%.12s: wave %s waits: %s; Jobs may start from %s on", rollout->commit,
                        s->waves.items[rollout->wave_index].name, why, next));
    return true;
}

bool window_waits_untouched(const struct step *s)
{
    bool begun = false;
    for (size_t i = 0; i < s->plan->database_count; i++) {
        begun = begun || s->next->databases[i].begun;
    }
    return s->next->rollout.phase == PHASE_WAITING && !begun;
}

/* ---- the status -------------------------------------------------------------------------------- */

/* By the databases' clocks, which are the controller's but for what they differ. */
static bool applied_since(const struct step *s, int64_t since_ms)
{
    for (size_t i = 0; i < s->plan->database_count; i++) {
        if (s->seen->databases[i].newest_finished_ms >= since_ms) {
            return true;
        }
    }
    return false;
}

/* Files are left, and no Job is at work on them: one that has not started is none. */
static bool is_idle(const struct step *s)
{
    bool left = false;
    for (size_t i = 0; i < s->plan->database_count; i++) {
        const struct judged *judged = &s->judged[i];
        if (judged_live(judged) && !judged->waiting) {
            return false;
        }
        /* uncovered: nobody has anything left, but a soak or a gate is on */
        left = left || judged_live(judged) || judged_pending(judged);
    }
    return left;
}

static void note_missed(struct step *s, const struct window_status *before)
{
    bool ended = before->present && before->open && !s->window.open;
    if (!ended || !s->next->rollout.present || !is_idle(s) || applied_since(s, before->since_ms)) {
        return;
    }
    step_event(s, true, REASON_WINDOW_MISSED,
               mem_printf("the window (%s) has ended, and no file of %.12s was applied in it",
                          before->because ? before->because : "between two freezes",
                          s->next->rollout.commit));
}

void window_note_paused(struct step *s, size_t index)
{
    const struct job_view *job = &s->seen->databases[index].job;
    const struct database_status *before = step_before(s, index), *now = &s->next->databases[index];
    int64_t journal = before ? before->journal : now->journal;
    if (job->phase != JOB_ENDED || !job->result || job->result->outcome != OUTCOME_PAUSED ||
        /* uncovered: a pause that has been told, or that left nothing */
        journal == now->journal || s->judged[index].pending == 0) {
        return;
    }
    step_event(s, false, REASON_PAUSED,
               mem_printf("%s: the window has ended; %lld files are left", now->name,
                          (long long)s->judged[index].pending));
}

void window_report(struct step *s)
{
    struct window_status *now = &s->next->window;
    const struct window_state *state = &s->window;
    if (!window_is_set(s->plan)) {
        free(now->because);
        *now = (struct window_status){ 0 };
        return;
    }
    if (!s->suspended) {
        note_missed(s, &s->old->window);
    }
    if (!now->present || now->open != state->open) {
        now->since_ms = s->seen->now_ms - s->seen->now_ms % 1000;
    }
    now->present = true;
    now->open = state->open;
    now->until_ms = state->until_ms;
    now->next_ms = state->next_ms;
    AUTO(free_auto) char *because = state->because ? window_text(state->because) : NULL;
    mem_strset(&now->because, because);
    int64_t change = state->open ? state->until_ms : state->next_ms;
    if (change > 0) {
        step_wake(s, change - s->seen->now_ms);
    }
}
