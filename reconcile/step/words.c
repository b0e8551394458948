/* SPDX-License-Identifier: Apache-2.0 */
/* What a decision says of failures, of what is missing and of what is not known. */
#include "reconcile/step/internal.h"

/* ---- words for what cannot go on --------------------------------------------------------------- */

char *say_database(const struct step *s, size_t index)
{
    const struct judged *judged = &s->judged[index];
    const char *wave = s->next->rollout.present ? s->waves.items[judged->member].name : NULL;
    return mem_printf("%s%s%s: %s", wave ? wave : "", wave ? "/" : "",
                      s->plan->databases[index].name, judged->message);
}

bool canary_on(const struct step *s)
{
    return s->plan->strategy == STRATEGY_CANARY && s->next->rollout.present &&
           !s->next->rollout.catch_up;
}

bool in_first_wave(const struct step *s, size_t index)
{
    return canary_on(s) && s->judged[index].member <= s->next->rollout.lead;
}

/* Reason of a failed database as the plan's: a Job's failure in the first wave is the canary's. */
static const char *failure_reason(const struct step *s, size_t index)
{
    const struct judged *judged = &s->judged[index];
    if (judged->kind == J_UNREACHABLE) {
        return REASON_DEADLINE_EXCEEDED;
    }
    return in_first_wave(s, index) && str_eq(judged->reason, REASON_MIGRATION_FAILED)
               ? REASON_CANARY_FAILED
               : judged->reason;
}

char *retry_hint(const struct step *s)
{
    bool named = !str_eq(s->plan->namespace_, "default");
    return mem_printf("fix forward with a new commit or retry with `sluice retry plan/%s%s%s`",
                      s->plan->name, named ? " -n " : "", named ? s->plan->namespace_ : "");
}

/* " (and 1 more failed, 2 more were refused)"; NULL: no others. Owned. */
static char *others_text(const struct tally *tally, enum judged_kind first)
{
    size_t refused = tally->refused - (first == J_REFUSED);
    size_t failed = tally->failed - tally->refused - (first != J_REFUSED);
    if (refused > 0 && failed > 0) {
        return mem_printf(" (and %zu more failed, %zu more refused)", failed, refused);
    }
    return refused > 0  ? mem_printf(" (and %zu more refused)", refused)
           : failed > 0 ? mem_printf(" (and %zu more failed)", failed)
                        : NULL;
}

/* "canary/orders: V14__x.sql:3: ...; fix forward ..." and how many more. */
static char *failures_message(const struct step *s, const struct tally *tally)
{
    const struct judged *judged = &s->judged[tally->first_failed];
    AUTO(free_auto) char *line = say_database(s, tally->first_failed);
    AUTO(free_auto) char *hint = NULL;
    AUTO(free_auto) char *more = others_text(tally, judged->kind);
    if (judged->kind == J_FAILED && !str_eq(judged->reason, REASON_OUTCOME_UNKNOWN)) {
        hint = retry_hint(s);
    }
    return mem_printf("%s%s%s%s", line, more ? more : "", hint ? "; " : "", hint ? hint : "");
}

void say_failures(struct step *s, const struct tally *tally)
{
    step_say(s, SAY_STALLED, failure_reason(s, tally->first_failed), failures_message(s, tally));
}

/* An unexpected target is held until a person says so, even when the old one is back. */
static bool target_held(const struct step *s)
{
    const struct condition *stalled = &s->old->conditions[CONDITION_STALLED];
    const char *commit = s->seen->source.newest.commit;
    const char *accept = step_annotation(s->plan, ANNOTATION_ACCEPT);
    bool moved = commit[0] && !str_eq(commit, s->old->last_attempted_commit);
    bool token = s->retry_new || (accept && !str_eq(accept, s->old->last_handled_accept));
    return stalled->status == CONDITION_TRUE && str_eq(stalled->reason, REASON_TARGET_CHANGED) &&
           s->spec_same && !moved && !token;
}

bool say_target_held(struct step *s)
{
    if (target_held(s)) {
        step_say(s, SAY_STALLED, REASON_TARGET_CHANGED,
                 mem_strdup(s->old->conditions[CONDITION_STALLED].message));
        return true;
    }
    return false;
}

/* ---- words for what is missing ----------------------------------------------------------------- */

/* Does what is known of this database speak against Ready? */
static bool speaks_against(const struct step *s, size_t index)
{
    const struct judged *judged = &s->judged[index];
    const struct database_view *view = &s->seen->databases[index];
    switch (judged->kind) {
    case J_UNKNOWN:
    case J_UP_TO_DATE:
        return false;
    case J_STALE: /* after a restart every Job of the past is newer than the first look */
        return view->known;
    case J_UNREACHABLE:
        return !judged->consistent || view->failure.count >= STEP_FAILED_INSPECTIONS;
    default:
        return true;
    }
}

static bool stays_ready(const struct step *s)
{
    for (size_t i = 0; i < s->plan->database_count; i++) {
        if (speaks_against(s, i)) {
            return false;
        }
    }
    return step_ready_before(s);
}

bool stalled_before(const struct step *s)
{
    return s->old->conditions[CONDITION_STALLED].status == CONDITION_TRUE && s->spec_same;
}

/* Nothing has been heard that speaks against the last status (a restart, a commit just seen). */
void say_unknown(struct step *s, const char *message)
{
    bool seen_before =
        s->commit->commit[0] == '\0' || str_eq(s->commit->commit, s->old->last_attempted_commit);
    bool stalled = stalled_before(s) && seen_before && !s->retry_new;
    step_say(s, stalled || stays_ready(s) ? SAY_KEEP : SAY_PROGRESS, REASON_PROGRESSING,
             mem_strdup(message));
}

void say_outage(struct step *s, const char *reason, const char *message, int32_t failures,
                int64_t outage_ms)
{
    bool kept = failures < STEP_FAILED_INSPECTIONS && stays_ready(s);
    bool held = stalled_before(s) && s->commit->commit[0] == '\0' && !s->retry_new &&
                !str_eq(s->old->conditions[CONDITION_STALLED].reason, REASON_DEADLINE_EXCEEDED);
    if (outage_ms >= s->plan->timeout_ms) {
        step_say(s, SAY_STALLED, REASON_DEADLINE_EXCEEDED,
                 mem_printf("not there within spec.timeout: %s", message));
    } else if (kept || held) {
        step_say(s, SAY_KEEP, reason, mem_strdup(message));
        step_wake(s, s->plan->timeout_ms - outage_ms);
    } else {
        step_say(s, SAY_RETRY, reason, mem_strdup(message));
        step_wake(s, s->plan->timeout_ms - outage_ms);
    }
}

void say_source_failure(struct step *s, const struct failure *failure, const char *otherwise)
{
    const char *reason = step_reason(failure->reason, otherwise);
    bool waits = step_class_of(reason) == REASON_CLASS_RETRY;
    if (!waits && (failure->count >= STEP_FAILED_INSPECTIONS || !stays_ready(s))) {
        step_say(s, SAY_STALLED, reason, mem_strdup(failure->message));
    } else {
        say_outage(s, reason, failure->message, failure->count, s->next->outage_ms);
    }
}

/* True: the wanted commit's trees are not here, and that is said. */
bool say_source(struct step *s)
{
    const struct commit_view *commit = s->commit;
    const struct failure *poll = &s->seen->source.poll;
    if (step_no_databases(s)) {
        const char *problem = s->seen->selection_problem ? s->seen->selection_problem
                              : s->plan->selector.set    ? "no Secret has the labels of "
                                                           "spec.databaseSelector"
                                                         : "spec.databases is empty";
        say_outage(s, REASON_NO_DATABASES, problem, STEP_FAILED_INSPECTIONS, s->next->outage_ms);
        return true;
    }
    if (commit->fetch == FETCH_DONE) {
        return false;
    }
    if (commit->fetch == FETCH_FAILED) {
        say_source_failure(s, &commit->fetch_failure, REASON_SOURCE_FETCH_FAILED);
        return true;
    }
    if (commit->commit[0] == '\0' && poll->reason) {
        say_source_failure(s, poll, REASON_SOURCE_UNAVAILABLE);
        return true;
    }
    say_unknown(s, commit->commit[0] ? "fetching the commit" : "waiting for the source");
    return true;
}

/* Back-off, an unreachable database, a Job that does not start. */
static bool in_trouble(const struct judged *judged)
{
    return judged->kind == J_BACKOFF || judged->starts_late ||
           (judged->kind == J_UNREACHABLE && !judged->timed_out);
}

static void say_one_trouble(struct step *s, size_t index, bool may_keep)
{
    const struct judged *judged = &s->judged[index];
    AUTO(free_auto) char *line = say_database(s, index);
    if (judged->kind != J_UNREACHABLE) {
        step_say(s, SAY_RETRY, judged->reason, TAKE(line));
        return;
    }
    bool kept = may_keep && judged->consistent;
    say_outage(s, judged->reason, line,
               kept ? s->seen->databases[index].failure.count : STEP_FAILED_INSPECTIONS,
               s->next->databases[index].outage_ms);
}

bool say_trouble(struct step *s, int32_t up_to_wave, bool may_keep)
{
    for (size_t i = 0; i < s->plan->database_count; i++) {
        if (s->judged[i].member > up_to_wave || !in_trouble(&s->judged[i])) {
            continue;
        }
        say_one_trouble(s, i, may_keep);
        if (s->say != SAY_KEEP) {
            return true;
        }
        s->say = SAY_NONE; /* a later database may be in real trouble */
        free(TAKE(s->message));
    }
    return false;
}
