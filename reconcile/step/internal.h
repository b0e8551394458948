/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of one decision share. Internal to step/. */
#pragma once
#include "base/auto.h"
#include "base/mem.h"
#include "model/reason.h"
#include "reconcile/rollout/window.h"
#include "reconcile/step/step.h"

enum judged_kind { /* one database, by its newest facts, its Job and the wanted tree */
    J_UNKNOWN,     /* not looked at, or not compared with the wanted tree yet */
    J_STALE,       /* its Job ended after the newest look */
    J_UP_TO_DATE,  /* equal to the plan and ours */
    J_PENDING,     /* may get a Job */
    J_WAITS,       /* its next file waits for another database (after=) */
    J_LIVE,        /* has a Job that has not ended */
    J_BACKOFF,     /* an attempt ended without success; again later */
    J_UNREACHABLE, /* the newest look failed, and may succeed by itself */
    J_REFUSED,     /* nothing may run before somebody changes something */
    J_FAILED,      /* its migration failed or its outcome is unknown */
};

struct judged {
    enum judged_kind kind;
    const char *reason; /* NULL: nothing to report */
    char *message;      /* owned; about this database, without its name */
    int64_t pending;    /* files to apply */
    enum ownership ownership;
    bool consistent;  /* J_UNREACHABLE: its newest success said up to date */
    bool timed_out;   /* J_UNREACHABLE for longer than spec.timeout: counts as failed */
    bool waiting;     /* J_LIVE: its Job has not started */
    bool starts_late; /* waiting for longer than execution.startTimeout: RunnerNotStarted */
    bool by_hand;     /* it has new history rows that no journal row goes with */
    bool unrecorded;  /* J_FAILED: the database does not know of it yet */
    int32_t member;   /* wave */
};

enum say { /* the one summary that Ready, Reconciling and Stalled show */
    SAY_NONE,
    SAY_READY,
    SAY_KEEP, /* nothing speaks against what the last status said */
    SAY_PROGRESS,
    SAY_WAIT,
    SAY_RETRY,
    SAY_STALLED,
};

struct step {
    const struct observed *seen;
    const struct mplan *plan;
    const struct status *old;
    struct status *next;
    struct decision *out;
    struct rollout_waves waves; /* by step_waves(); always there while a roll-out is on */
    struct judged *judged;      /* plan->database_count of them */
    char retry_token[65];       /* hex */
    char order[ROLLOUT_HASH_LEN + 1], source[ROLLOUT_HASH_LEN + 1]; /* of the spec; begin.c */
    bool retry_new;   /* the annotation differs from the last handled one */
    bool retry_waits; /* as retry_new, but it counts only after looks that are under way */
    bool spec_same;   /* the last status described this spec */
    bool suspended;
    const struct commit_view *commit; /* the one that databases are judged against; never NULL */
    int64_t delta_ms; /* monotonic time since the last decision of this process; 0: none */
    int64_t wake_ms;  /* earliest timer; -1: none */
    bool again;       /* the next decision does not need a new observation */
    enum say say;
    const char *reason;         /* with say */
    char *message;              /* owned */
    struct window_state window; /* of seen->now_ms */
    bool verdict_waits;         /* a verdict is to be recorded and could not be yet */
};

struct tally {
    size_t live, failed, pending, up_to_date, unknown;
    size_t refused;      /* of the failed: nothing ran */
    size_t first_failed; /* index; database_count: none */
};

/* ---- wishes.c ---------------------------------------------------------------------------------- */

void step_wishes(const struct observed *seen, struct wishes *out);
/* A retry that is not handled waits for the inspections that it asked for, but not for ever: a server that never
 * answers must not keep the others from it. */
bool step_retry_waits(const struct observed *seen);

/* ---- effects.c --------------------------------------------------------------------------------- */

/* Wants this effect on this database (SIZE_MAX: on none). One kind a decision, the first one wins;
 * then it looks again. */
void step_want(struct step *s, enum effect effect, size_t index);
void step_wake(struct step *s, int64_t after_ms);
void step_say(struct step *s, enum say say, const char *reason, char *message);
void step_event(struct step *s, bool warning, const char *reason, char *message);
/* The table's own text of a reason that may stand in a condition; else `otherwise`. */
const char *step_reason(const char *reason, const char *otherwise);
/* REASON_CLASS_RETRY for one that may not stand there. */
enum reason_class step_class_of(const char *reason);
/* retryInterval, doubled by every further try, at most 5 min or retryInterval if that is longer. */
int64_t step_backoff_ms(const struct mplan *plan, int32_t tries);
bool step_may_delete(const struct job_view *job); /* it has not started, and is not deleted yet */
const char *step_annotation(const struct mplan *plan, const char *key); /* NULL: none or empty */
bool step_ready_before(const struct step *s); /* the last status said Ready of this spec */

/* ---- waves.c ----------------------------------------------------------------------------------- */

/* Fills waves and every judged.member, once. */
void step_waves(struct step *s);
/* Why the roll-out began anew, while that is what its first waves are about; NULL: nothing to say. */
const char *step_restarted(const struct step *s);
/* As a status keeps times; up, so that no soak is shorter for it. */
static inline int64_t step_whole_second(int64_t ms)
{
    return (ms + 999) / 1000 * 1000;
}
/* No soak of the present wave counts before what this database's clock says now. */
void step_soak_from_now(struct step *s, size_t index);
/* Does the wave soak on this database, and do its gates ask it? */
bool step_in_wave(const struct step *s, size_t index, int32_t wave);
/* What the last status says of this database; NULL: nothing. */
const struct database_status *step_before(const struct step *s, size_t index);

/* ---- judged.c ---------------------------------------------------------------------------------- */

bool judged_pending(const struct judged *judged); /* has files, a wait or a back-off left */
bool judged_live(const struct judged *judged);    /* J_LIVE */
bool judged_failed(const struct judged *judged);  /* counts for maxFailures */
struct tally step_count(const struct step *s);

/* ---- judge.c ----------------------------------------------------------------------------------- */

void judge_databases(struct step *s);

/* ---- target.c ---------------------------------------------------------------------------------- */

/* Identity, owner, history's direction. True: *judged says why nothing may run. */
bool judge_identity(struct step *s, size_t index, struct judged *judged);
void accept_finish(struct step *s); /* lastHandledAccept */

/* ---- attempt.c --------------------------------------------------------------------------------- */

/* What the last Job and the last attempt to create one mean for a pending database. */
void judge_attempt(struct step *s, size_t index, struct judged *judged);
/* Is the Job one of the wanted commit, and of the newest retry? */
bool attempt_is_this(const struct step *s, const struct job_view *job);
bool attempt_ended_well(const struct job_view *job); /* by its own word */

/* ---- requests.c -------------------------------------------------------------------------------- */

void requests_before(struct step *s); /* requestedAt, retry */
void requests_after(struct step *s);  /* resolve, accept-target */

/* ---- begin.c: what starts a roll-out or starts it anew -------------------------------------------- */

/* Does what was frozen still fit the spec, the newest commit and the databases? True: it must come to
 * rest first, or has begun anew, and that is said. */
bool begin_check(struct step *s);
/* Every database has been compared and something is to be done: freezes the roll-out, or says what it
 * waits for. */
void begin_rollout(struct step *s, const struct tally *tally);
/* Nothing is pending, but a roll-out that began anew with the same files owes its soak and gates. */
bool begin_serves_again(const struct step *s);
void begin_note_left(struct step *s);          /* entries that the spec does not have any more */
void begin_mark(struct step *s, size_t index); /* it is given a Job */
void begin_note_end(struct step *s);           /* every database is up to date */

/* ---- standing.c -------------------------------------------------------------------------------- */

/* It was empty when the roll-out began, or when it came, and has got nothing since but from its Jobs. */
bool standing_was_empty(const struct step *s, size_t index);
void standing_recall_empty(struct step *s);             /* when one starts */
void standing_note_empty(struct step *s, size_t index); /* while one is on; it has been looked at */
/* One a database; owned. Where all are empty none proves less than another. */
struct rollout_standing *standing_make(const struct step *s);
/* An entry that nobody remembers (status lost, renamed, back again) has begun if its newest journal row
 * is of the wanted commit, or if it has what another one lacks. */
bool standing_has_begun(const struct step *s, size_t index, const struct rollout_files *files,
                        const struct rollout_standing *standing);
/* Marks those of the wanted commit, also while nothing can start: a process that dies takes with it what a
 * database has said. */
void standing_remember(struct step *s);
/* Nothing is remembered of what it got: no finished roll-out, and none of its own. */
bool standing_is_new(const struct step *s, size_t index);
/* Why the roll-out must begin anew for an entry that came since, that did not answer at its start, or
 * that was empty then, and that is compared for the first time as it is now: it, or one that has what it
 * lacks, has begun before, or it is to get, with others, what no first wave proves. NULL: none such.
 * Owned. */
char *standing_newcomer(struct step *s);
/* Marks all of those in standings and status. */
void standing_recall(struct step *s, struct rollout_standing *standings);
/* Fills waves, lead and databases[].own; where the first wave would be empty databases only, those. */
void standing_arrange(struct step *s, const struct rollout_standing *standings);

/* ---- source.c ---------------------------------------------------------------------------------- */

/* Fetches and revisions. True: the roll-out that is on must come to rest first (begin.c). */
bool source_decide(struct step *s);

/* ---- progress.c -------------------------------------------------------------------------------- */

void rollout_decide(struct step *s, bool stopping);

/* ---- words.c -------------------------------------------------------------------------------- */

/* "canary/orders: MESSAGE". Owned. */
char *say_database(const struct step *s, size_t index);
bool canary_on(const struct step *s); /* the first wave of the roll-out is a canary's */
/* Its wave comes with the soak and gates of a canary's first one: it proves the files for others. */
bool in_first_wave(const struct step *s, size_t index);
bool stalled_before(const struct step *s); /* the last status said Stalled of this spec */
void say_failures(struct step *s, const struct tally *tally);
/* "fix forward with a new commit or retry with `sluice retry plan/shop`". Owned. */
char *retry_hint(const struct step *s);
/* An unexpected target is held until a person says so, even when the old one is back. */
bool say_target_held(struct step *s);
/* Nothing has been heard that speaks against the last status (a restart, a commit just seen). */
void say_unknown(struct step *s, const char *message);
/* Missing or silent: kept while Ready and fewer than three failures, retried, Stalled at timeout. */
void say_outage(struct step *s, const char *reason, const char *message, int32_t failures,
                int64_t outage_ms);
/* A poll or a fetch failed. What no waiting can mend stops the plan at once; one that was Ready stays so for a moment,
 * as in an outage. */
void say_source_failure(struct step *s, const struct failure *failure, const char *otherwise);
/* True: the wanted commit's trees are not here, and that is said. */
bool say_source(struct step *s);
/* None, and that is not as it should be (databaseSelector.allowEmpty). */
static inline bool step_no_databases(const struct step *s)
{
    return s->plan->database_count == 0 &&
           (s->seen->selection_problem || !s->plan->selector.allow_empty);
}
/* What is only waited out, in waves up to this one. may_keep: an unreachable database that was up to
 * date does not speak against Ready at once. True: said. */
bool say_trouble(struct step *s, int32_t up_to_wave, bool may_keep);

/* ---- gates.c ----------------------------------------------------------------------------------- */

/* Soak and gates of the present wave. True: passed. False: said what is awaited or what failed. */
bool wave_verify(struct step *s);
void gates_reset(struct step *s);
void gates_begin_wave(struct step *s);   /* the present wave is new */
bool gates_failed(const struct step *s); /* one of the present wave, and nobody retries */

/* ---- window.c ---------------------------------------------------------------------------------- */

/* May no Job be given to it now, because no window is open? A file that an attempt was interrupted in is finished all
 * the same, and an empty database of a catch-up needs no window. */
bool window_holds(const struct step *s, size_t index);

/* take_over.c */
bool take_over_is_enough(const struct step *s, size_t index); /* no Job is needed */
void take_over(struct step *s);
bool window_never_opens(const struct step *s);
/* It waits for a window, and nobody has got a file of it: nothing is lost by a newer commit. */
bool window_waits_untouched(const struct step *s);
/* Something is held back, and nothing runs: AwaitingWindow. True: said. */
bool window_say(struct step *s);
/* When a new Job of that database is to begin no more files, and whether it gets the interrupted one alone. */
void window_limit(const struct step *s, size_t index, struct new_job *job);
void window_note_paused(struct step *s,
                        size_t index); /* event Paused, once a Job that applied something */
void window_report(struct step *s);    /* status.window, WindowMissed, the next wake-up */

/* ---- report.c ---------------------------------------------------------------------------------- */

void report_notices(struct step *s);
void report_databases(struct step *s);
void report_conditions(struct step *s);
void report_history(struct step *s, bool succeeded, const char *message);
