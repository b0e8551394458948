/* SPDX-License-Identifier: Apache-2.0 */
/* A small world for the step function: databases with versions, Jobs that take time, commits, and a
 * controller that observes late, loses what it had in memory when it dies, and acts on decisions.
 * Everything is on one simulated clock; a seed decides every fault. */
#pragma once
#include "reconcile/step/step.h"

#define WORLD_DATABASES 6
#define WORLD_COMMITS 24
#define WORLD_FILES 16

struct world_commit {
    char id[41];
    int files;                    /* V1 .. Vn */
    int content[WORLD_FILES + 1]; /* by version; negative: fails when it is run */
    int readme;                   /* a change outside the migration trees */
    bool lost;                    /* no longer in the repository */
    const char *refused;          /* the reason that it is never fetched for; NULL: it can be */
};

struct world_job {
    enum job_phase phase;
    bool cancelling, outdated;
    const char *waiting; /* what for; NULL: nobody says */
    char name[32];
    int64_t attempt;
    int commit;
    char token[65];
    enum ownership ownership;
    int64_t expect_journal;
    int64_t created_ms, ended_ms, next_ms; /* mono */
    int64_t stop_ms;                       /* mono: it begins no file from then on; 0: never */
    bool one_file, began;                  /* it was given one; it has begun one */
    bool has_result;
    struct result result; /* script points to script_text */
    int failed_version;
    int tries;
    char message[64];
};

struct world_database {
    /* what is true */
    bool up, read_only, other_table;
    const struct identity *identity; /* of its session; NULL: nothing speaks against it */
    const char *owner_label;
    int applied;
    int interrupted; /* an attempt was interrupted in its next file; 2: in the one after; 0: in none */
    int64_t file_ms;  /* how long a file takes; 0: not long */
    int64_t start_ms; /* how long its Jobs wait for a node; 0: not long */
    bool at_work;
    bool tables;    /* of somebody else, beside what was applied */
    int own_tree;   /* its trees and options differ from those with another number */
    int foreign;    /* rank of the newest row that was written by hand */
    int row_commit; /* 1 + index of the commit of its newest journal row; 0: none */
    int fails;      /* a version that fails here alone; 0: none */
    int content[WORLD_FILES + 1];
    int effects[WORLD_FILES + 1]; /* times that a version took effect */
    int failed_version, failed_content;
    char failed_token[65];
    int64_t failed_attempt;
    bool unknown; /* a statement's outcome cannot be told */
    bool resolved;
    char target[37];
    enum owner_relation owner;
    int64_t epoch, journal, finished_ms, clock_ms; /* clock_ms: its clock - UTC */
    int taken_over;                                /* by the controller itself */
    int head;
    struct world_job job;
    int64_t highest_attempt;
    /* what the controller has in memory */
    struct database_view view;
    int64_t looked_ms, failed_ms, create_ms, record_ms; /* mono */
    int looked_journal;
    bool looked_after_job;
    struct world_snapshot {
        int applied, content[WORLD_FILES + 1];
        bool tables;
        int row_commit;
        int failed_version, failed_content;
        char failed_token[65];
        bool unknown;
    } seen;
    int64_t look_ends_ms;                 /* 0: none under way */
    int64_t look_start_ms, look_began_ms; /* of the one under way; of the newest that ended */
    int64_t next_look_ms;                 /* schedule */
    const char *waits_for;                /* its next file's after= */
    struct plan plan;
    struct err *plan_error;
};

struct world {
    struct mplan plan;
    struct mplan_database entries[WORLD_DATABASES];
    struct mplan_wave waves[3];
    struct mplan_gate gate;
    struct kv annotations[6];
    struct world_database databases[WORLD_DATABASES];
    size_t count;
    struct world_commit commits[WORLD_COMMITS];
    int commit_count;
    bool git_up;
    struct err *spec_error;
    int64_t deleting_ms;
    /* the controller */
    int options; /* spec.migrations, as a number */
    struct status status, stored;
    bool dirty;
    int newest; /* commit known by the newest poll; -1: none */
    struct failure poll;
    const char *poll_reason; /* why it fails; NULL: SourceUnavailable */
    int64_t poll_failed_ms, next_poll_ms;
    enum fetch_state fetched[WORLD_COMMITS];
    int64_t fetch_ends_ms[WORLD_COMMITS], fetch_failed_ms[WORLD_COMMITS];
    int fetch_failures[WORLD_COMMITS];
    enum rewrite rewrite;
    struct gate_view gate_view;
    bool gate_known;
    int64_t gate_ends_ms, gate_taken_ms;
    bool gate_value, gate_answers; /* what the databases say */
    const struct resolve_list *resolve;
    const struct err *resolve_error;
    bool resolved[4];
    /* the clock and the script */
    int64_t mono_ms, utc_ms;
    int64_t wake_ms; /* mono; -1: none */
    bool look_again;
    uint64_t random;
    int faults;          /* how many may still happen */
    bool weather;        /* outages come and go */
    bool refuse_records; /* no record effect succeeds */
    bool create_kept;    /* why a Job could not be created is remembered beside the next one */
    const struct strlist *covered;
    bool cured; /* files that failed succeed now: the cause was elsewhere */
    size_t stray_jobs, stray_waiting;
    int crashes, decisions;
    bool forgotten;
    char trouble[512]; /* first violated invariant; "": none */
    bool log;
};

void world_init(struct world *w, size_t databases, uint64_t seed);
void world_done(struct world *w);
/* A commit with that many files more than the newest one; bad: its last file fails. */
int world_push(struct world *w, int more, bool bad);
/* The newest commit with file `version` replaced (content 0: a new good one). */
int world_edit(struct world *w, int version, int content);
int world_push_readme(struct world *w);
/* Somebody runs the next files of this commit on it without us: no Job, no journal row. */
void world_run_by_hand(struct world *w, size_t database, int commit);
void world_annotate(struct world *w, const char *key, const char *value); /* both are borrowed */
/* Lets time pass until nothing happens any more, or a wait is longer than `patience_ms`. */
void world_settle(struct world *w, int64_t patience_ms);
void world_pass(struct world *w, int64_t ms);             /* lets exactly that much time pass */
void world_crash(struct world *w);                        /* the controller dies and starts again */
void world_decide(struct world *w, struct decision *out); /* one look, nothing is done */
void world_observe(struct world *w, struct observed *out);
size_t world_find(const struct world *w, const char *name);
const struct condition *world_condition(const struct world *w, enum condition_type type);

/* step_checks.c: what must hold for every observation and its decision; NULL: all does. Static text. */
const char *check_decision(const struct observed *seen, const struct decision *d);
