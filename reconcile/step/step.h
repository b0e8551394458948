/* SPDX-License-Identifier: Apache-2.0 */
/* Everything observed about one plan -> one decision (docs/reference/migrationplan.md 3). PURE and total: no
 * I/O, no clock, an answer for every input. Conditions, reasons, retry policy: decided here alone. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"
#include "model/assignment.h"
#include "model/history.h"
#include "model/mplan.h"
#include "model/platform.h"
#include "model/result.h"
#include "model/status.h"
#include "reconcile/plan/plan.h"
#include "reconcile/rollout/rollout.h"

/* ---- what one decision may look at; every pointer is borrowed ---------------------------------- */

struct failure { /* newest error of something that is tried again; reason NULL: none */
    const char *reason;
    const char *message; /* never NULL beside a reason */
    int64_t age_ms;
    int32_t count; /* consecutive ones, >= 1 */
};

enum fetch_state {
    FETCH_NONE,
    FETCH_RUNNING,
    FETCH_DONE,
    FETCH_FAILED
};
enum rewrite {
    REWRITE_NONE,
    REWRITE_HARMLESS,
    REWRITE_CHANGED
};

struct commit_view {
    char commit[65];               /* "": not known */
    const char *revision;          /* "main@sha1:..."; never NULL beside a commit */
    enum fetch_state fetch;        /* of its trees; DONE: databases can be judged against it */
    struct failure fetch_failure;  /* with FETCH_FAILED, and then never empty */
    const struct strlist *covered; /* first-parent ancestors, newest first; NULL: none */
    /* Against status.lastAppliedCommit: a descendant or allowRewrite (NONE); not one, but every
     * applied file is the same (HARMLESS: an event) or not (CHANGED: HistoryRewritten). */
    enum rewrite rewrite;
    bool tag_moved; /* ref.tag names another commit than the last attempted one */
};

struct source_view { /* of the present spec.source and revision; all zero after a change of those */
    struct commit_view newest; /* by the newest successful poll */
    struct failure poll;       /* the newest poll, if it failed */
    /* status.rollout.commit when that is not newest.commit; commit "" otherwise. Its fetch is by
     * commit id and may fail for good (force-pushed away): then the roll-out is superseded. */
    struct commit_view rollout;
};

enum owner_relation {
    OWNER_NONE,        /* no lease row, or never owned */
    OWNER_MINE,        /* this plan, this entry, this cluster */
    OWNER_OTHER_ENTRY, /* another entry of this plan that is in the spec */
    OWNER_OTHER_PLAN,  /* a plan that exists (or may: forbidden counts as existing) */
    OWNER_GONE,        /* a plan or an entry that is no more: TakeOver */
    OWNER_OTHER_CLUSTER,
};

enum inspection_state {
    INSPECTION_NONE,   /* none finished in this process yet */
    INSPECTION_OK,     /* the newest one succeeded */
    INSPECTION_FAILED, /* the newest one failed; facts are those of the newest success, if any */
};

struct job_view { /* the newest attempt, or the live one if there is one */
    enum job_phase phase;
    bool cancelling; /* told to end, or being deleted */
    bool outdated;   /* made from another generation of the spec */
    const char *name;
    const char *waiting; /* JOB_WAITING: what for; NULL: not known */
    int64_t attempt;     /* highest of all Jobs of this database that exist; 0: none */
    char commit[65];
    const char *retry_token;     /* of its assignment: hex or ""; NULL: not known */
    int64_t age_ms;              /* since it was created */
    int64_t ended_age_ms;        /* since its end was seen */
    const struct result *result; /* JOB_ENDED; NULL: no or a broken result: inspect, never trust */
    int32_t tries;               /* ended Jobs of this commit and retry token, this one included */
};

struct database_view { /* same index as plan->databases */
    enum inspection_state inspection;
    struct failure
        failure; /* with INSPECTION_FAILED, and then never empty; Secret errors and plan_make's inputs too */
    bool inspecting;   /* one is under way, or due */
    bool changed;      /* what it connects with has changed since an inspection was asked for */
    int64_t due_in_ms; /* until spec.interval has passed since the newest inspection */
    bool due;          /* step_is_due() */
    bool
        busy; /* a create or record effect is under way; after a record effect: until the next look */
    /* Facts of the newest successful inspection of this process; `known` false: none. */
    bool known;
    int64_t age_ms; /* since it was made */
    bool
        after_job; /* it began after the end of its newest Job was seen, and of those of entries that
                        are gone (true without one) */
    char target[37]; /* "": no lease row */
    enum owner_relation owner;
    char owner_label[400]; /* for people: "shop/other, database orders"; "": none */
    bool other_table;      /* a lease in the schema names another history table for this plan */
    enum engine engine;
    int64_t epoch;
    int32_t head;    /* rank of the newest successful row; 0: none */
    int32_t foreign; /* rank of the newest successful row without a journal row; 0: none */
    int64_t journal; /* head_seq; 0: none */
    int64_t now_ms;  /* its clock then, UTC */
    int64_t newest_finished_ms; /* newest journal `finished`; 0: none */
    char newest_commit[65];     /* git_commit of the newest journal row that has one; "": none */
    bool empty;                 /* no history, and no table but ours: it proves nothing */
    bool read_only;             /* TargetReadOnly */
    const struct identity
        *identity; /* identity_check() of it holds a Job back; NULL: nothing does */
    /* The database knows of the ended Job's failure: step_observe() found its row, or
     * EFFECT_RECORD_FAILURE for this attempt succeeded in this process (the caller sets it then). */
    bool failure_recorded;
    /* plan_make of those facts against step_commit()'s tree. Neither: not judged yet. On error the
     * plan may be NULL. script_parse errors of pending files belong in plan_error too. */
    const struct plan *plan;
    const struct err *plan_error;
    const struct strlist *oids; /* of its trees at step_commit(); NULL: not known */
    /* A tree that cannot be read has inputs too: hash anything that names the error and the commit. */
    char inputs[ROLLOUT_HASH_LEN + 1]; /* rollout_inputs_hash at step_commit(); "": not known */
    char newest_inputs[ROLLOUT_HASH_LEN + 1]; /* at source.newest; "": not known */
    bool withdrawn; /* source.newest lacks or changes a file that is pending at step_commit() */
    struct job_view job;
    const char
        *idle_job; /* step_is_idle(): not `job`, which is another or none; NULL: no such Job */
    struct failure create; /* the newest attempt to create a Job failed: NameConflict, ... */
    struct failure record; /* the newest record effect failed */
};

struct gate_view { /* the newest measurement in this process */
    const char *wave, *name;
    int32_t round; /* the effect's */
    bool running;
    struct gate_answer answer;
    int64_t age_ms; /* since it was taken */
};

struct resolve_item { /* one element of sluice.dev/resolve; strings owned by the list */
    char *database, *version, *description, *reason;
    int32_t step;
    enum verdict verdict;
};
struct resolve_list {
    struct resolve_item *items;
    size_t count;
};
/* ERR_TERMINAL InvalidSpec "sluice.dev/resolve: ...". */
struct err *resolve_parse(const char *text, struct resolve_list *out) ERR_MUST_USE;
void resolve_list_done(struct resolve_list *list);

struct observed {
    const struct strlist *notices; /* of the trees at step_commit(); NULL: not known */
    const struct mplan *plan;      /* never NULL; metadata only when spec_error */
    const struct err *spec_error;  /* InvalidSpec; NULL: fine */
    const char
        *selection_problem; /* why the databaseSelector's Secrets are not known; NULL: they are */
    char spec_hash[ROLLOUT_HASH_LEN + 1]; /* step_spec_hash() */
    int64_t deleting_age_ms;              /* since plan->deleting was first seen */
    struct source_view source;
    const struct database_view *databases; /* plan->database_count of them */
    size_t stray_jobs;                     /* live Jobs of entries that are no longer in the spec */
    size_t stray_waiting; /* of those: they have not started, and are not being deleted */
    const struct gate_view *gates;
    size_t gate_count;
    bool retry_early;     /* inspections that began after the retry came have not ended yet */
    int64_t retry_age_ms; /* since the retry that is not handled was first seen; -1: it is new */
    bool source_failed;   /* the source cannot be polled as it is: Secret, url */
    int64_t list_in_ms;   /* until the Secrets of the databaseSelector are listed; -1: never */
    const struct resolve_list *resolve; /* the annotation, parsed; NULL: none */
    const struct err *resolve_error;    /* it could not be parsed */
    const bool *resolved;        /* per item: step_resolved(), or its effect succeeded here */
    const struct status *status; /* the last one decided in this process, else the stored one */
    bool status_dirty;           /* it is not stored yet */
    int64_t now_ms;              /* UTC, for conditions only */
    int64_t now_mono_ms;
};

/* ---- the answer -------------------------------------------------------------------------------- */

enum effect { /* at most one kind per decision */
    EFFECT_NONE,
    EFFECT_REFRESH,           /* poll the source and inspect every database now (requestedAt) */
    EFFECT_FETCH,             /* decision.commit's trees, in the background */
    EFFECT_INSPECT,           /* databases[], in the background */
    EFFECT_TAKE_OVER,         /* databases[]: the lease, whose owner is gone; in the background */
    EFFECT_CREATE_JOB,        /* databases[]: jobs[], commit */
    EFFECT_DELETE_JOB,        /* databases[]: Jobs that have not started */
    EFFECT_CANCEL_JOB,        /* databases[]: SIGTERM to running Jobs (deletionPolicy Cancel) */
    EFFECT_RECORD_FAILURE,    /* databases[0]: the `failed` row of its ended Job */
    EFFECT_RECORD_RESOLUTION, /* databases[0]: resolve->items[item] */
    EFFECT_MEASURE_GATE,      /* databases[]: wave, gate, round; in the background */
    EFFECT_DELETE_STRAYS,     /* Jobs of entries that are gone, which have not started */
    EFFECT_FORGET,            /* the plan is gone and nothing runs: drop its state */
    EFFECT_MAX_
};
const char *effect_text(enum effect effect);

struct event {
    bool warning;
    const char *reason; /* static */
    char *message;      /* owned */
};

struct new_job { /* what a Job that is to be created is made with */
    int64_t attempt;
    enum ownership ownership;
    int64_t stop_in_ms; /* from then on it begins no file: the window's end; < 0: none */
    bool first_only;    /* only the file that an attempt was interrupted in: no window is open */
};

/* What the schedules want, whatever the effect is: nobody else begins a poll, an inspection or a list. */
struct wishes {
    bool watch;      /* the source's ref is polled every source.interval; false: it is not */
    bool poll_now;   /* at once, too */
    bool list;       /* the Secrets of the databaseSelector */
    size_t *inspect; /* indices into plan->databases; owned */
    size_t inspect_count;
    int64_t next_ms; /* until the next of them is due; -1: none is */
};

struct decision {
    struct wishes wishes;
    enum effect effect;
    size_t *databases; /* indices into plan->databases; owned */
    size_t count;
    struct new_job *jobs;          /* CREATE_JOB: one per databases[]; else NULL; owned */
    char commit[65];               /* FETCH, CREATE_JOB */
    const struct mplan_gate *gate; /* MEASURE_GATE; borrowed from the plan */
    const char *wave;              /* its wave's name; borrowed from the plan or static */
    int32_t round;
    size_t item;          /* RECORD_RESOLUTION */
    struct status status; /* complete and new; owned */
    bool write_first; /* the status must be stored before the effect (also with EFFECT_NONE: now) */
    int64_t requeue_after_ms; /* 0: at once; -1: only on the next event */
    struct event *events;     /* owned */
    size_t event_count;
};

void step_decide(const struct observed *seen, struct decision *out);
/* Does the schedule want an inspection of this database now? Its view is filled in but for `due`; whoever
 * fills that in says that one is under way, too, because nothing is decided by what is about to be old. */
bool step_is_due(const struct observed *seen, size_t index);
void decision_done(struct decision *decision);

/* The commit that databases are judged against: the roll-out's while one is on, else the newest.
 * "" : none known. Call it when source and status are filled in, before plan_make. */
const char *step_commit(const struct observed *seen);
/* 16 hex over the defaulted spec without `suspend`; a broken spec hashes what there is. */
void step_spec_hash(const struct mplan *plan, char out[ROLLOUT_HASH_LEN + 1]);
/* Hex SHA-256 of an annotation's value; "" for NULL or "". */
void step_token(const char *annotation, char out[65]);
/* The token for plan_make, assignments and record_failure: the retry annotation's, else that of the
 * last one handled, so that taking the annotation away is not a retry. */
void step_retry_token(const struct mplan *plan, const struct status *status, char out[65]);
/* Fills the facts of a successful inspection for entry `index` (target .. failure_recorded), except age_ms
 * and after_job. An owner that is another plan of this cluster is OWNER_OTHER_PLAN: the caller makes
 * it OWNER_GONE when no such plan exists. `job` must be filled before. */
void step_observe(const struct inspection *inspection, const struct mplan *plan, size_t index,
                  const char *cluster_id, struct database_view *out);
/* A Job that runs, and there is no runner in it that could still do anything: its database, in a look that began
 * `look_age_ms` ago, did not name the attempt, and its assignment allows no beginning any more; or every runner would have
 * ended by itself. Whoever may make Jobs can make such a one, and it would be waited for for ever. `lease` NULL: no look. */
bool step_is_idle(const struct mplan *plan, const struct lease *lease, int64_t look_age_ms,
                  int64_t attempt, int64_t job_age_ms);
/* Is item's verdict in that journal under this token (hex)? For observed.resolved. */
bool step_resolved(const struct inspection *inspection, const struct resolve_item *item,
                   const char *token);

#define ANNOTATION_REQUESTED "sluice.dev/requestedAt"
#define ANNOTATION_FLUX_REQUESTED "reconcile.fluxcd.io/requestedAt"
#define ANNOTATION_RETRY "sluice.dev/retry"
#define ANNOTATION_RESOLVE "sluice.dev/resolve"
#define ANNOTATION_ACCEPT "sluice.dev/accept-target"
#define ANNOTATION_FORCE_DELETE "sluice.dev/force-delete"

#define STEP_DELETE_BOUND_MS (20 * 60 * 1000) /* grace period of a Job (5 min) + 15 min */
#define STEP_BEGIN_BOUND_MS                                                                        \
    (60 * 1000) /* from an assignment's last moment until the lease is taken, or is not */
#define STEP_END_BOUND_MS (20 * 60 * 1000) /* from execution.deadline until every runner is gone */
#define STEP_CREATE_BOUND_MS                                                                       \
    (60 * 1000) /* after so long a request to make a Job has no effect any more */
#define STEP_RETRY_BOUND_MS                                                                        \
    30000 /* a retry waits no longer for the inspections that it asked for */
#define STEP_FAILED_INSPECTIONS 3 /* after so many Ready is no longer kept */
