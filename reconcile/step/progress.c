/* SPDX-License-Identifier: Apache-2.0 */
/* The roll-out that is on: which database is next, when a wave passes, when it ends. */
#include "reconcile/step/internal.h"

/* The first wave must answer; others may join late. True: every database has been compared. */
static bool all_compared(struct step *s)
{
    bool wait = s->seen->stray_jobs > 0; /* of an entry that may have another name now */
    for (size_t i = 0; i < s->plan->database_count; i++) {
        enum judged_kind kind = s->judged[i].kind;
        wait = wait || kind == J_UNKNOWN || kind == J_STALE || kind == J_LIVE;
    }
    if (wait) {
        say_unknown(s, s->seen->stray_jobs > 0 ? "a Job of an entry that is gone has not ended yet"
                                               : "inspecting the databases");
    }
    return !wait;
}

/* ---- end --------------------------------------------------------------------------------------- */

static void note_applied(struct step *s)
{
    struct status *next = s->next;
    const struct commit_view *commit = s->commit;
    (void)snprintf(next->last_applied_commit, sizeof next->last_applied_commit, "%s",
                   commit->commit);
    mem_strset(&next->last_applied_revision, commit->revision);
    strlist_done(&next->covered_commits);
    for (size_t i = 0; commit->covered && i < commit->covered->count && i < STATUS_COVERED; i++) {
        strlist_add(&next->covered_commits, commit->covered->items[i]);
    }
    begin_note_end(s);
}

static char *ready_message(const struct step *s)
{
    struct buf ahead = BUF(512);
    for (size_t i = 0; i < s->next->ahead.count; i++) {
        buf_addf(&ahead, "%s%s", i == 0 ? "; ahead by " : ", ", s->next->ahead.items[i]);
    }
    char *message = mem_printf("%zu of %zu databases at %s%s", s->plan->database_count,
                               s->plan->database_count, s->commit->revision, buf_text(&ahead));
    buf_done(&ahead);
    return message;
}

static void note_ahead(struct step *s)
{
    strlist_done(&s->next->ahead);
    for (size_t i = 0; i < s->plan->database_count; i++) {
        const struct strlist *ahead = &s->seen->databases[i].plan->ahead;
        for (size_t k = 0; k < ahead->count; k++) {
            if (!strlist_has(&s->next->ahead, ahead->items[k])) {
                strlist_add(&s->next->ahead, ahead->items[k]);
            }
        }
    }
}

/* Every database is up to date: says it, unless the source has been silent for too long. */
static void finish(struct step *s)
{
    const struct failure *poll = &s->seen->source.poll;
    bool lost = s->old->last_applied_commit[0] == '\0' && !s->next->rollout.present;
    if (s->commit != &s->seen->source.newest) {
        s->again = true; /* a queued commit is next */
    }
    note_applied(s);
    note_ahead(s);
    AUTO(free_auto) char *message = ready_message(s);
    if (s->next->rollout.present) {
        report_history(s, true, message);
        free(TAKE(s->next->rollout.revision));
        free(TAKE(s->next->rollout.wave));
        free(TAKE(s->next->rollout.restarted));
        s->next->rollout = (struct rollout_status){ 0 };
    } else if (lost) {
        step_event(s, false, REASON_RECOVERED_FROM_HISTORY,
                   mem_printf("every database says that it is at %.12s", s->commit->commit));
    }
    if (poll->reason && poll->count >= STEP_FAILED_INSPECTIONS) {
        say_source_failure(s, poll, REASON_SOURCE_UNAVAILABLE);
        return;
    }
    step_say(s, SAY_READY, REASON_RECONCILIATION_SUCCEEDED, TAKE(message));
}

/* ---- no roll-out is on ------------------------------------------------------------------------- */

static void decide_idle(struct step *s)
{
    struct tally tally = step_count(s);
    standing_remember(s);
    if (s->commit->rewrite == REWRITE_CHANGED) {
        step_say(s, SAY_STALLED, REASON_HISTORY_REWRITTEN,
                 mem_printf("%.12s does not descend from %.12s and changes applied files; push a "
                            "commit that keeps them, or set spec.source.allowRewrite",
                            s->commit->commit, s->next->last_applied_commit));
        return;
    }
    if (tally.failed > (size_t)s->plan->max_failures) {
        say_failures(s, &tally);
    } else if (!all_compared(s)) {
        return;
    } else if (tally.pending > 0 || begin_serves_again(s)) {
        begin_rollout(s, &tally);
    } else if (tally.failed > 0) {
        say_failures(s, &tally);
    } else if (tally.up_to_date == s->plan->database_count) {
        finish(s); /* also of a roll-out whose newer commit needs no statement */
    } else if (!say_trouble(s, INT32_MAX, true)) {
        step_say(s, SAY_KEEP, REASON_PROGRESSING, mem_strdup("a database does not answer"));
    }
}

/* ---- a roll-out is on -------------------------------------------------------------------------- */

/* A member of the present wave that has everything without a Job and without having been verified soaks
 * from when it was found so. */
static void note_unknown_files(struct step *s)
{
    const struct rollout_status *rollout = &s->next->rollout;
    for (size_t i = 0; i < s->plan->database_count && canary_on(s); i++) {
        struct database_status *database = &s->next->databases[i];
        const struct database_view *view = &s->seen->databases[i];
        bool complete =
            s->judged[i].member == rollout->wave_index && s->judged[i].kind == J_UP_TO_DATE;
        bool unknown = !database->begun && !str_eq(database->verified, view->inputs);
        if (complete && unknown) {
            database->begun = true;
            step_soak_from_now(s, i);
        }
    }
}

/* A failure in a first wave, which maxFailures never covers, too many failures, or spec.timeout:
 * nothing new starts. */
static bool say_stop(struct step *s, const struct tally *tally)
{
    const struct rollout_status *rollout = &s->next->rollout;
    for (size_t i = 0; i < s->plan->database_count; i++) {
        if (in_first_wave(s, i) && judged_failed(&s->judged[i])) {
            struct tally first = *tally;
            first.first_failed = i;
            say_failures(s, &first);
            return true;
        }
    }
    if (tally->failed > (size_t)s->plan->max_failures) {
        say_failures(s, tally);
        return true;
    }
    bool left = tally->up_to_date + tally->failed < s->plan->database_count;
    if (left && rollout->elapsed_ms >= s->plan->timeout_ms) {
        step_say(s, SAY_STALLED, REASON_DEADLINE_EXCEEDED,
                 mem_printf("wave %s: %zu of %zu databases up to date when spec.timeout passed",
                            s->waves.items[rollout->wave_index].name, tally->up_to_date,
                            s->plan->database_count));
        return true;
    }
    return false;
}

/* True: the present wave and those before it have nothing left to apply. */
static bool wave_applied(const struct step *s, int32_t wave)
{
    for (size_t i = 0; i < s->plan->database_count; i++) {
        const struct judged *judged = &s->judged[i];
        bool before = judged->member < wave && s->next->databases[i].own != wave;
        bool done = judged->kind == J_UP_TO_DATE || judged_failed(judged) ||
                    (judged->kind == J_UNREACHABLE && before);
        if (judged->member <= wave && !done) {
            return false;
        }
    }
    return true;
}

/* A look that may tell of a failure is awaited first: it may be one too many. */
static bool failure_may_come(const struct step *s)
{
    for (size_t i = 0; i < s->plan->database_count; i++) {
        bool well = attempt_ended_well(&s->seen->databases[i].job);
        if (s->judged[i].kind == J_UNKNOWN || (s->judged[i].kind == J_STALE && !well)) {
            return true;
        }
    }
    return false;
}

static bool may_create(const struct step *s, size_t index)
{
    const struct database_view *view = &s->seen->databases[index];
    return s->judged[index].kind == J_PENDING && !take_over_is_enough(s, index) && !view->busy &&
           !view->inspecting && !window_holds(s, index) &&
           s->judged[index].member <= s->next->rollout.wave_index;
}

/* All that may run beside each other in one decision: a fleet is not started one status write at a
 * time. */
static void create_next(struct step *s, const struct tally *tally)
{
    struct decision *out = s->out;
    size_t most = (size_t)s->plan->max_parallel, made = tally->live;
    if (made >= most || failure_may_come(s)) {
        return;
    }
    for (size_t i = 0; i < s->plan->database_count && made < most; i++) {
        const struct database_view *view = &s->seen->databases[i];
        if (!may_create(s, i)) {
            continue;
        }
        step_want(s, EFFECT_CREATE_JOB, i);
        if (out->effect != EFFECT_CREATE_JOB) {
            return; /* something else comes first */
        }
        if (!out->jobs) {
            out->jobs = mem_array(s->plan->database_count, sizeof *out->jobs);
            (void)snprintf(out->commit, sizeof out->commit, "%s", s->next->rollout.commit);
        }
        int64_t last = view->job.attempt > view->epoch ? view->job.attempt : view->epoch;
        out->jobs[out->count - 1] =
            (struct new_job){ .attempt = last + 1, .ownership = s->judged[i].ownership };
        window_limit(s, i, &out->jobs[out->count - 1]);
        begin_mark(s, i);
        made++;
    }
}

static void count_elapsed(struct step *s)
{
    struct rollout_status *rollout = &s->next->rollout;
    bool runs = s->out->effect == EFFECT_CREATE_JOB;
    for (size_t i = 0; i < s->plan->database_count; i++) {
        bool retried = s->judged[i].kind == J_BACKOFF && !window_holds(s, i);
        runs = runs || judged_live(&s->judged[i]) || retried || s->judged[i].unrecorded;
    }
    if (runs && s->old->rollout.counting) {
        rollout->elapsed_ms += s->delta_ms;
    }
    rollout->counting = runs;
    if (runs) {
        step_wake(s, s->plan->timeout_ms - rollout->elapsed_ms);
    }
}

/* A Job that has not started within its time is deleted, one that was made from another spec (its node
 * selector may be what was put right), and every such Job once all is Stalled. */
static void delete_unstarted(struct step *s)
{
    for (size_t i = 0; i < s->plan->database_count; i++) {
        const struct job_view *job = &s->seen->databases[i].job;
        if (!step_may_delete(job)) {
            continue;
        }
        if (s->judged[i].starts_late || job->outdated || s->say == SAY_STALLED ||
            window_holds(s, i)) {
            step_want(s, EFFECT_DELETE_JOB, i);
        } else {
            step_wake(s, s->plan->start_timeout_ms - job->age_ms);
        }
    }
}

static void say_applying(struct step *s)
{
    int32_t wave = s->next->rollout.wave_index;
    const char *why = step_restarted(s);
    size_t of = 0, done = 0, live = 0, waits = s->plan->database_count;
    for (size_t i = 0; i < s->plan->database_count; i++) {
        const struct judged *judged = &s->judged[i];
        if (judged->member == wave) {
            of++;
            done += judged->kind == J_UP_TO_DATE;
            live += judged_live(judged) && !judged->waiting;
            bool first = judged->waiting && judged->message && waits == s->plan->database_count;
            waits = first ? i : waits;
        }
    }
    if (say_trouble(s, wave, false)) {
        return;
    }
    AUTO(free_auto)
    char *line = waits < s->plan->database_count ? say_database(s, waits) : NULL;
    step_say(s, SAY_PROGRESS, REASON_PROGRESSING,
             mem_printf("%s%s%.12s: wave %s: %zu of %zu databases up to date, %zu running%s%s",
                        why ? why : "", why ? ": " : "", s->next->rollout.commit,
                        s->waves.items[wave].name, done, of, live, line ? "; " : "",
                        line ? line : ""));
}

/* Does one that has its files already soak in this wave, or in a later one? It may have got them by hand:
 * then that soak, too, counts from when they were found. */
static bool soaks_later(const struct step *s, int32_t wave)
{
    for (size_t i = 0; i < s->plan->database_count; i++) {
        bool there = s->judged[i].member >= wave && !judged_pending(&s->judged[i]);
        if (there || s->next->databases[i].own >= wave) {
            return true;
        }
    }
    return false;
}

static void pass_wave(struct step *s, const struct tally *tally)
{
    struct rollout_status *rollout = &s->next->rollout;
    if ((size_t)rollout->wave_index + 1 < s->waves.count && !rollout->catch_up) {
        rollout->wave_index++;
        rollout->phase = PHASE_APPLYING;
        if (!soaks_later(s, rollout->wave_index)) {
            rollout->soak_since_ms = 0;
        }
        gates_begin_wave(s);
        s->again = true;
        step_say(s, SAY_PROGRESS, REASON_PROGRESSING,
                 mem_printf("%.12s: wave %s starts", rollout->commit,
                            s->waves.items[rollout->wave_index].name));
    } else if (tally->failed > 0) {
        say_failures(s, tally);
    } else if (tally->up_to_date < s->plan->database_count) {
        if (!say_trouble(s, INT32_MAX, false)) { /* verified in its wave, silent now */
            say_unknown(s, "inspecting the databases");
        }
    } else {
        finish(s);
    }
}

static void decide_wave(struct step *s)
{
    struct tally tally = step_count(s);
    struct rollout_status *rollout = &s->next->rollout;
    int32_t wave = rollout->wave_index;
    rollout->phase = PHASE_APPLYING;
    note_unknown_files(s);
    if (say_stop(s, &tally)) {
        return;
    }
    if (!wave_applied(s, wave)) {
        create_next(s, &tally);
        if (!window_say(s)) {
            say_applying(s);
        }
        return;
    }
    if (!wave_verify(s)) {
        return;
    }
    if (s->retry_waits) { /* it is for this wave, not for the next one */
        step_say(s, SAY_PROGRESS, REASON_PROGRESSING,
                 mem_printf("%.12s: wave %s is repeated once every database has been inspected",
                            rollout->commit, s->waves.items[wave].name));
    } else {
        pass_wave(s, &tally);
    }
}

static void decide_on(struct step *s)
{
    struct rollout_status *rollout = &s->next->rollout;
    struct tally tally = step_count(s);
    bool restart = tally.unknown > 0 && stalled_before(s) && !s->retry_new;
    if (restart) { /* what is not known yet cannot lift a Stalled */
        say_unknown(s, "inspecting the databases");
    } else {
        decide_wave(s);
    }
    if (!rollout->present) {
        return; /* it ended well */
    }
    count_elapsed(s);
    delete_unstarted(s);
    mem_strset(&rollout->wave, s->waves.items[rollout->wave_index].name);
    if (s->say == SAY_STALLED || s->say == SAY_KEEP) {
        rollout->phase = PHASE_FAILED;
    }
    if (s->say == SAY_STALLED) {
        report_history(s, false, s->message);
    }
}

/* Somebody still writes to a database what was found or said: the end comes after that. */
static void soften(struct step *s)
{
    bool busy = s->verdict_waits;
    for (size_t i = 0; i < s->plan->database_count; i++) {
        busy = busy || s->judged[i].unrecorded;
    }
    if (s->say == SAY_STALLED && busy && s->next->rollout.elapsed_ms < s->plan->timeout_ms) {
        s->say = SAY_RETRY;
    }
}

/* A newer commit may cure what is Stalled; it is fetched, and fetched again. */
static void expect_newest(struct step *s)
{
    const struct commit_view *newest = &s->seen->source.newest;
    bool stalled = s->say == SAY_STALLED || (s->say == SAY_KEEP && stalled_before(s));
    if (!stalled || s->commit == newest || newest->commit[0] == '\0' ||
        newest->fetch == FETCH_DONE) {
        return;
    }
    if (newest->fetch != FETCH_FAILED) {
        step_say(s, SAY_PROGRESS, REASON_PROGRESSING, mem_strdup("fetching a newer commit"));
    } else if (step_class_of(newest->fetch_failure.reason) == REASON_CLASS_RETRY) {
        say_outage(s, step_reason(newest->fetch_failure.reason, REASON_SOURCE_FETCH_FAILED),
                   newest->fetch_failure.message, STEP_FAILED_INSPECTIONS, s->next->outage_ms);
    }
}

static void decide_source_and_rest(struct step *s)
{
    if (say_source(s) || say_target_held(s)) {
        return;
    }
    if (window_never_opens(s)) {
        step_say(s, SAY_STALLED, REASON_INVALID_SPEC,
                 mem_strdup("spec.windows, spec.freezes: no window opens within 366 days"));
        return;
    }
    if (s->next->rollout.present && s->next->rollout.digest[0]) {
        decide_on(s);
    } else {
        decide_idle(s);
    }
}

void rollout_decide(struct step *s, bool stopping)
{
    if (stopping) {
        s->next->rollout.counting = false;
        return; /* begin_check() has said why */
    }
    decide_source_and_rest(s);
    soften(s);
    expect_newest(s);
}
