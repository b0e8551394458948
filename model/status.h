/* SPDX-License-Identifier: Apache-2.0 */
/* A plan's status: conditions, the frozen roll-out, what each database last said
 * (docs/reference/migrationplan.md 2). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

enum condition_type { /* in the order of the list; Reconciling before Stalled (kstatus) */
    CONDITION_READY,
    CONDITION_RECONCILING,
    CONDITION_STALLED,
    CONDITION_WAITING,
    CONDITION_FINISHED,
    CONDITION_SOURCE_READY,
    CONDITION_DATABASES_REACHABLE,
    CONDITION_MIGRATED,
    CONDITION_TYPE_MAX_
};
const char *condition_type_text(enum condition_type type); /* "Ready" */

enum condition_status {
    CONDITION_ABSENT,
    CONDITION_TRUE,
    CONDITION_FALSE,
    CONDITION_UNKNOWN
};
const char *condition_status_text(enum condition_status status); /* "True"; "" for absent */

struct condition {
    enum condition_status status;
    char *reason;          /* owned */
    char *message;         /* owned */
    int64_t transition_ms; /* UTC; moves only when status changes */
    int64_t generation;    /* observedGeneration */
};

enum database_state { /* summary counts; unknown counts as pending */
    DATABASE_UNKNOWN,
    DATABASE_UP_TO_DATE,
    DATABASE_PENDING,
    DATABASE_RUNNING,
    DATABASE_FAILED, /* its migration failed, or its outcome is not known: reason in message */
    DATABASE_UNREACHABLE,
    DATABASE_REFUSED, /* what it has does not go with the files or the plan: nothing ran */
    DATABASE_STATE_MAX_
};
const char *database_state_text(enum database_state state); /* Unknown UpToDate Pending ... */

struct database_status { /* strings owned */
    char *name;
    enum database_state state;
    char *version;   /* highest applied; NULL: none or not known */
    char target[9];  /* first 8 hex of the target id last seen; "": never adopted */
    int32_t head;    /* rank of the newest successful row last seen */
    int64_t journal; /* head_seq of the journal last seen */
    char
        tree[17]; /* inputs (tree OIDs, resolved migrations) of the roll-out that is on; without one
                          as verified */
    char verified[17]; /* inputs that a finished roll-out found applied; "": none did */
    bool begun;        /* it got a Job, or took part in a wave with files run by hand, since then */
    bool
        empty; /* it was empty when this roll-out began, or when it came, and has got nothing since but
                   from its Jobs: it proves nothing */
    int32_t member; /* frozen wave index while a roll-out is on; -1: none */
    int32_t
        foreign; /* rank of the newest row that another tool wrote, as last seen; -1: not known */
    int32_t own; /* the wave that the spec selected it for, where it went first; -1: its own */
    int64_t outage_ms;          /* counted time of the present outage */
    char *wave, *job, *message; /* for people, the first 50 that are not up to date; NULL: none */
    int64_t attempt;
};

enum rollout_phase {
    PHASE_NONE,
    PHASE_WAITING, /* nothing may start now: AwaitingWindow */
    PHASE_APPLYING,
    PHASE_SOAKING,
    PHASE_FAILED,
    PHASE_MAX_
};
const char *rollout_phase_text(enum rollout_phase phase); /* Waiting Applying Soaking Failed */

struct rollout_status { /* strings owned */
    bool present;
    char digest[72]; /* "sha256:<64 hex>" */
    char commit[65];
    char *revision;
    int64_t started_ms;
    int32_t wave_index;
    char *wave; /* its name */
    enum rollout_phase phase;
    int32_t supersessions;
    int64_t elapsed_ms; /* counted time of spec.timeout */
    int64_t
        soak_since_ms; /* database time before which no soak counts, for the present wave: set by a
                              retry, and when files were run by hand; 0: none */
    char order[17];    /* hash of strategy.type and waves that it was frozen with; "" : not frozen,
                              or by a version that kept only strategy */
    char source[17];   /* hash of spec.source and revision that it was begun with; "" as order */
    char strategy
        [17];        /* hash of the whole resolved strategy, as the versions before order read it */
    int32_t lead;    /* waves before the spec's second one, less one: more than one when those
                              who have begun, or one that proves the files, go first */
    char *restarted; /* why it began anew; NULL: it did not */
    bool counting;   /* memory of one process: elapsed_ms runs since mark_mono_ms */
    bool catch_up;   /* newcomers and stragglers of a tree that is verified: no waves */
};

enum gate_state {
    GATE_NONE,
    GATE_WAITING,
    GATE_PASSING,
    GATE_PASSED,
    GATE_FAILED,
    GATE_NO_ANSWER,
    GATE_STATE_MAX_
};
const char *gate_state_text(enum gate_state state); /* Waiting Passing Passed Failed NoAnswer */

struct gate_status { /* strings owned */
    char *wave, *name;
    enum gate_state state;
    int32_t successes, failures;
    int32_t round;    /* next measurement's number, from 1 */
    bool at_end;      /* judged at least once since the soak ended */
    char *last_value; /* NULL: none */
};

struct window_status { /* of spec.windows and spec.freezes; strings owned */
    bool present;
    bool open;
    int64_t since_ms; /* when it was seen so first */
    int64_t until_ms; /* open: its end; 0: none within a year */
    int64_t next_ms;  /* not open: the next opening; 0: none within a year */
    char *because;    /* the window or the freeze; NULL: no window is open */
};

struct history_entry { /* one roll-out that came to an end; message owned */
    char commit[65];
    int64_t started_ms, finished_ms;
    bool succeeded;
    char *message;
};
#define STATUS_HISTORY 5
#define STATUS_COVERED 64

struct status {                  /* zeroed + status_init(): never written */
    int64_t observed_generation; /* -1 */
    char spec[17]; /* hash of the spec without suspend that observed_generation described */
    struct condition conditions[CONDITION_TYPE_MAX_];
    char *last_attempted_revision, *last_applied_revision;
    char last_attempted_commit[65], last_applied_commit[65];
    struct strlist covered_commits;
    int64_t last_verified_ms; /* 0: never */
    struct rollout_status rollout;
    char queued_commit[65];
    char plan_digest[72];
    struct {
        int32_t databases, up_to_date, pending, running, failed, refused, unreachable;
        char *min_version; /* NULL: not known */
    } summary;
    struct database_status *databases; /* in the spec's order */
    size_t database_count;
    struct strlist ahead;
    struct strlist notices; /* files of the commit that are passed over, one line each */
    struct gate_status *gates;
    size_t gate_count;
    struct window_status window;
    struct history_entry history[STATUS_HISTORY]; /* newest first */
    size_t history_count;
    char *last_handled_reconcile, *last_handled_retry, *last_handled_resolve, *last_handled_accept;
    int64_t outage_ms; /* counted time for which the source or all databases are missing */
    /* Memory of one process, never stored: monotonic time of the decision that made this status. */
    int64_t mark_mono_ms;
};

void status_init(struct status *out);
void status_copy(const struct status *from, struct status *out); /* out is untouched memory */
void status_done(struct status *status);

/* JSON as in docs/reference/migrationplan.md 2. At most LIMIT_STATUS bytes: what is said of single databases
 * for people goes first. */
struct json *status_format(const struct status *status);
/* Never fails: unknown keys and wrong types are passed over (status is memory, not truth). */
void status_parse(const struct json *json, struct status *out);

/* Would a reader see a difference? Counted times differ only from a minute on, so that a running
 * clock is not a write. */
bool status_equal(const struct status *a, const struct status *b);
/* Do the conditions differ in status or reason? Such a write is never held back. */
bool status_conditions_equal(const struct status *a, const struct status *b);
/* Is what later decisions remember the same: tokens, roll-out, gates, targets, heads? */
bool status_memory_equal(const struct status *a, const struct status *b);

const struct database_status *status_database(const struct status *status, const char *name);
const struct gate_status *status_gate(const struct status *status, const char *wave,
                                      const char *name);

/* Sets one condition: reason and message always, transition_ms only when the status changes. */
void condition_set(struct status *status, enum condition_type type, enum condition_status value,
                   const char *reason, const char *message, int64_t now_ms, int64_t generation);
void condition_clear(struct status *status, enum condition_type type);
