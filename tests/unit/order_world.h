/* SPDX-License-Identifier: Apache-2.0 */
/* A world around the real step_decide(): a repository, databases with clocks of their own, Jobs that
 * take time, gates with moods, a plan of which everything may be edited, and a controller that dies,
 * wakes late and has lost what it had not stored. A seed decides all of it; an oracle watches. */
#pragma once
#include "order_oracle.h"
#include "reconcile/step/step.h"

#define PLACES 8 /* databases that exist somewhere, in the plan or not */
#define ENTRIES 6
#define FILES 60
#define COMMITS 28
#define DIRS (PLACES + 1) /* directory 0 is shared, p + 1 is the own one of place p */
#define JOBS 40
#define WAVES 3
#define GATE_NAMES 3
#define NAME_LEN 16

/* ---- the repository ----------------------------------------------------------------------------- */

struct file {
    int version, dir;
    bool bad; /* fails when it is run, until the world is cured */
    char script[16], path[24];
    struct migration migration;
    struct history_row row;
};

struct commit {
    char id[41];
    int parent; /* -1: none */
    uint64_t files[DIRS];
    int notes[DIRS]; /* other content of a directory: moves its tree, holds no migration */
    bool lost;       /* no longer in the repository */
};

/* ---- databases and Jobs ------------------------------------------------------------------------- */

struct content {           /* what a look at a database reads */
    int8_t applied[FILES]; /* file ids, in the order of their rows */
    bool flyway[FILES];    /* that row has no journal row */
    int count;
    int failed_file; /* -1: no failed row */
    char failed_token[65];
    int64_t failed_attempt;
};

struct place {
    bool up, foreign; /* foreign: tables of others */
    struct content content;
    int64_t epoch, journal, finished_ms, clock_ms; /* clock_ms: its clock - true time */
    int head, newest_commit;                       /* commit of the newest journal row; -1: none */
    char target[37];
    char owner[NAME_LEN]; /* entry; "": none */
    int owner_uid;
};

struct attempt {
    bool present;
    int id;
    enum job_phase phase;
    bool cancelling;
    char entry[NAME_LEN];
    int uid, place, commit;
    int64_t attempt, generation, expect_journal;
    int64_t appears_ms, next_ms, ended_ms; /* mono; a late one appears after the controller asked */
    int64_t created_ms;                    /* UTC */
    char token[65], name[32], script[16], message[64];
    int8_t files[FILES];
    int count, at;   /* at: next of files[] */
    int64_t stop_ms; /* mono: it begins no file from then on; 0: never */
    bool has_result;
    struct result result;
};

/* ---- the plan ----------------------------------------------------------------------------------- */

struct gate_spec {
    int name, count, limit;
    int64_t interval_ms;
};

struct wave_spec {
    int name, select; /* as mplan_wave */
    char names[ENTRIES][NAME_LEN];
    int name_count, group, amount; /* group: label group=<n> */
    int64_t soak_ms;
    struct gate_spec gates[ORACLE_GATES];
    int gate_count;
};

struct entry { /* one of spec.databases, and what a process knows of it */
    char name[NAME_LEN];
    int place;     /* where its Secret leads */
    int home;      /* where it should */
    unsigned dirs; /* its paths */
    int group;
    bool canary; /* label tier=canary */
    bool out_of_order, ignore_missing;
    int placeholder; /* any other option of migrations */
    /* memory of the process */
    struct database_view view;
    struct content seen;
    int64_t looked_ms, failed_ms, create_ms, record_ms, job_ended_ms;
    int64_t look_start_ms, look_ends_ms, look_began_ms, next_look_ms; /* look_ends_ms 0: none on */
    int look_place;
    bool before_retry;
    int64_t recorded_attempt;
};

struct spec {
    bool canary; /* strategy.type */
    struct wave_spec waves[WAVES];
    int wave_count;
    int max_parallel, max_failures;
    int64_t timeout_ms, start_timeout_ms, interval_ms, retry_interval_ms;
    int branch, pinned; /* pinned: commit; -1: none */
    bool allow_rewrite, suspend;
    int64_t freeze_from_ms,
        freeze_to_ms; /* spec.freezes, by the controller's clock (UTC); 0: none */
    struct entry entries[ENTRIES];
    int count;
    int serial; /* moves with every edit but suspend */
};

/* ---- the process -------------------------------------------------------------------------------- */

struct gate_memory {
    bool present, running;
    char wave[8];
    int name, round;
    int wave_index, gate_index; /* for the oracle */
    int64_t ends_ms, taken_ms, asked;
    uint32_t databases;
    struct gate_answer answer;
};

struct fetch_memory {
    enum fetch_state state;
    int64_t ends_ms, failed_ms;
    int failures, against; /* last applied commit that history was told against */
};

struct process {
    int polled; /* newest commit of the branch; -1: not known */
    struct failure poll;
    int64_t poll_failed_ms, next_poll_ms;
    struct fetch_memory fetched[COMMITS];
    struct gate_memory gates[WAVES * ORACLE_GATES + 4];
    int gate_count;
    char retry[24];
    int64_t retry_ms;
};

/* ---- coverage ----------------------------------------------------------------------------------- */

enum row { /* of the table of events */
    ROW_INPUTS,
    ROW_ORDER,
    ROW_ALL_AT_ONCE,
    ROW_PACE,
    ROW_ADDED_EMPTY,
    ROW_ADDED_HISTORY,
    ROW_RENAMED,
    ROW_UNREACHABLE,
    ROW_REMOVED,
    ROW_BACK,
    ROW_SECRET,
    ROW_BY_HAND,
    ROW_SAME_INPUTS,
    ROW_MORE_FILES,
    ROW_WITHDRAWN,
    ROW_RETRY,
    ROW_SUSPEND,
    ROW_FREEZE,
    ROW_DELETED,
    ROW_DIES,
    ROW_CLOCK,
    ROW_DATABASE_CLOCK,
    ROW_STATUS_LOST,
    ROW_MAX_
};

struct figures {
    int64_t decisions, statements, crashes, edits, stalled;
    int64_t hits[ROW_MAX_][2]; /* no statement of the roll-out has run; one has */
};

/* ---- the whole ---------------------------------------------------------------------------------- */

struct world {
    uint64_t random;
    bool log;
    struct figures *figures;
    struct oracle oracle;
    /* what is true */
    struct file files[FILES];
    int file_count, versions;
    struct commit commits[COMMITS];
    int commit_count, tips[2];
    bool git_up;
    struct place places[PLACES];
    struct attempt jobs[JOBS];
    int job_serial, uid, name_serial;
    struct spec spec;
    struct entry removed[ENTRIES]; /* those that were in the plan */
    int removed_count;
    int moods[GATE_NAMES]; /* enum oracle_answer */
    bool cured;            /* bad files succeed: the cause was elsewhere */
    bool said_no, hampered;
    char retry[24], accept[128]; /* annotations */
    int64_t generation;
    bool deleting;
    int64_t deleting_ms;
    bool forgotten;
    /* the controller */
    struct status status, stored;
    bool dirty;
    struct process process;
    int64_t down_until_ms; /* 0: it lives */
    /* time and the script */
    int64_t mono_ms,
        utc_shift_ms; /* true time: WORLD_EPOCH_MS + mono; the controller's: and the shift */
    int64_t wake_ms;  /* mono; -1: none */
    bool look_again;
    int faults; /* how many may still happen */
    bool was_ready;
    char finished[41];
    char digest[72];      /* of the roll-out that is on */
    int statements;       /* since it began */
    int64_t statement_ms; /* the newest one, by a Job */
    /* for one decision */
    struct mplan plan;
    struct mplan_window freeze;
    struct mplan_database databases[ENTRIES];
    struct kv labels[ENTRIES][2], annotations[2];
    struct mplan_wave waves[WAVES];
    struct mplan_gate gates[WAVES][ORACLE_GATES];
    char *wave_names[WAVES][ENTRIES];
    struct kv wave_labels[WAVES];
    struct database_view views[ENTRIES];
    struct judgement {
        struct plan plan;
        struct plan_entry entries[FILES];
        struct action actions[FILES];
        char *ahead[FILES];
        struct err *error;
    } judgements[ENTRIES];
    struct gate_view gate_views[WAVES * ORACLE_GATES + 4];
    char trouble[512];
};

/* step_checks.c: what must hold for every observation and its decision; NULL: all does. */
const char *check_decision(const struct observed *seen, const struct decision *d);

#define MEMORY_CHECKED 1
#define WORLD_EPOCH_MS INT64_C(1790000000000)
#define WORLD_DEADLINE_MS (5 * 60 * 1000) /* execution.deadline: a file takes seconds here */
#define LOOK_MS 50
#define FILE_MS 900

/* order_world.c: time, the controller's life */
void world_init(struct world *w, uint64_t seed, struct figures *figures, bool log);
void world_done(struct world *w);
uint64_t world_draw(struct world *w);
int world_pick(struct world *w, int below); /* 0 .. below - 1 */
bool world_chance(struct world *w, int one_in);
bool world_fault(struct world *w, int one_in); /* while faults are left */
void world_say(const struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void world_broken(struct world *w, const char *what);
void world_run(struct world *w, int64_t until_ms, bool (*when)(const struct world *w, int64_t arg),
               int64_t arg);             /* until then, or until `when` is true */
bool world_rests(const struct world *w); /* nothing is under way and nothing will wake it */
void world_crash(struct world *w, int64_t down_ms);
void world_forget_status(struct world *w);
bool world_on(const struct world *w); /* a roll-out is frozen */

/* order_act.c: what a decision's effect does */
void act(struct world *w, const struct decision *d);
void gate_ended(struct world *w, struct gate_memory *gate);

/* order_observe.c: what the controller sees */
void observe(struct world *w, struct observed *out);
void observation_done(struct world *w);
int newest_commit(const struct world *w); /* as the process knows it; -1: it does not */
bool commit_fetched(const struct world *w, int commit);
void tell_oracle(struct world *w, const struct observed *seen, const struct decision *d);
bool entry_judged(struct world *w, int entry, int commit, struct judgement *out);

/* order_spec.c: the plan and its edits */
void spec_make(struct world *w);
void spec_build(struct world *w); /* struct mplan of it */
void spec_edited(struct world *w, bool inputs);
void spec_say(const struct world *w);
void spec_sane_waves(struct world *w);
void wave_random(struct world *w, int index);
void wave_rename(struct world *w, int index);
int spec_find(const struct world *w, const char *name); /* -1: none */
void entry_add(struct world *w, int place, const char *name);
void entry_remove(struct world *w, int index);

/* order_git.c: commits */
void git_init(struct world *w);
int commit_new(struct world *w, int from);
int file_new(struct world *w, int dir, int version);
void commit_add(struct world *w, int commit, int dir, int files, bool bad);
uint64_t tree_files(const struct world *w, int commit, unsigned dirs);
uint64_t tree_hash(const struct world *w, int commit, const struct entry *e);
int commit_find(const struct world *w, const char *id);
bool commit_descends(const struct world *w, int commit, int from);
int file_sort(const struct world *w, uint64_t mask, int8_t *out); /* by version */

/* order_databases.c: places, looks, Jobs */
void place_init(struct world *w, int place);
void place_apply(struct world *w, int place, int file, struct attempt *job, bool journalled);
void place_had(struct world *w, int place, int file, bool journalled); /* since long */
uint64_t place_files(const struct place *p);
bool place_empty(const struct place *p);
void look_begin(struct world *w, struct entry *e);
enum owner_relation place_owner(const struct world *w, const struct place *p,
                                const struct entry *e);
bool place_locked(const struct world *w, int place); /* a runner is at work there */
void look_end(struct world *w, struct entry *e);
struct attempt *job_of(struct world *w, const char *entry); /* live or newest; NULL: none */
bool job_live(const struct attempt *j);
void job_run(struct world *w, struct attempt *j);
void job_end(struct world *w, struct attempt *j, int code, enum outcome outcome,
             const char *reason);

bool place_used(const struct world *w, int place);
void forget_entry(struct entry *e);

/* order_edits.c, order_events.c: one event each; false: it does not apply now */
bool edit_inputs(struct world *w);
bool edit_order(struct world *w);
bool edit_type(struct world *w);
bool edit_pace(struct world *w);
bool add_empty(struct world *w);
bool add_with_history(struct world *w);
bool rename_entry(struct world *w);
bool remove_entry(struct world *w);
bool bring_back(struct world *w);
bool change_secret(struct world *w);
bool run_by_hand(struct world *w);
bool push_same(struct world *w);
bool push_more(struct world *w);
bool push_withdrawal(struct world *w);
bool lose_server(struct world *w);
void give_history(struct world *w, int place, unsigned dirs); /* of files run by hand */

/* order_script.c: events at their moments, then rest, then what must be true */
void script_play(struct world *w);
extern const char *const row_texts[ROW_MAX_];
