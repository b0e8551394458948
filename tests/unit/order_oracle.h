/* SPDX-License-Identifier: Apache-2.0 */
/* Judges the order of roll-outs by what happened, not by the rules that made it happen: it knows
 * databases, files, specs, looks and answers as plain numbers, and no header of the rules.
 *
 * Since the last finished roll-out, of the databases that get files of one set of trees, and likewise
 * of those that get one file, no more than the first wave selects get them before one that has them
 * all is inspected, soaked and has the yeses of every gate; each later wave likewise, cumulatively.
 *
 * Of the later waves: a database of such a wave may always get them once the waves before its own are
 * proven; one that has begun since then, or goes first for its own trees, once the first is; and nobody
 * asks a proof of a wave whose own databases do not get them, or did not answer. What happened does not say
 * when the roll-out began anew since its last edit, nor who answered then: any selection since may be the
 * one that counts. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ORACLE_DATABASES 10 /* that exist; masks of databases have a bit for each */
#define ORACLE_FILES 64     /* masks of files have a bit for each: one name with one content */
#define ORACLE_WAVES 4
#define ORACLE_GATES 2
#define ORACLE_TREES 48
#define ORACLE_JOBS 64
#define ORACLE_SELECTIONS 64

struct oracle_gate {
    int32_t name, count, limit;
    int64_t interval_ms;
};

enum oracle_select {
    ORACLE_NAMES,
    ORACLE_LABELS,
    ORACLE_COUNT,
    ORACLE_PERCENT
};

struct oracle_wave { /* as written; what it picks is in oracle_decision */
    int32_t name;
    int32_t select;
    uint32_t selector; /* stands for the text of names or labels */
    int32_t amount;
    int64_t soak_ms;
    struct oracle_gate gates[ORACLE_GATES];
    int64_t gate_count;
};

struct oracle_spec { /* strategy.type and waves; compared byte by byte, so zero it first */
    int32_t all_at_once;
    int32_t wave_count; /* 0: one canary, then the rest */
    struct oracle_wave waves[ORACLE_WAVES];
};

struct oracle_decision { /* what a decision read, and did besides Jobs; not of suspended ones */
    int64_t mono_ms;
    struct oracle_spec spec;
    const char *uid;
    uint32_t present;                    /* databases of the plan */
    const char *names[ORACLE_DATABASES]; /* of those */
    uint32_t picked[ORACLE_WAVES]; /* named, or with the labels; [0] without waves: tier=canary */
    uint64_t
        wanted[ORACLE_DATABASES]; /* stands for trees and options that it is to have; 0: unknown */
    uint32_t source;              /* stands for spec.source and revision */
    uint32_t empty;               /* no history and no table but ours, by the newest look */
    uint32_t unreachable;         /* the newest look at them failed */
    uint32_t silent;              /* those, and those that are refused */
    uint64_t trees[ORACLE_DATABASES]; /* files of `wanted` */
    int32_t retry; /* 0: none; else the wave that it is for, from 1, as status named it */
};

struct oracle_job {
    int database;
    bool empty;      /* no history and no table but ours */
    bool suspended;  /* as the decision read */
    bool frozen;     /* likewise */
    bool too_long;   /* it may begin files in a freeze that the decision knew of */
    uint64_t tree;   /* files that it is to have */
    uint64_t inputs; /* as wanted[]: trees and options */
    uint64_t files;  /* those that this Job may run */
    bool newest_known;
    uint64_t newest; /* files of its trees at the newest commit that was fetched */
};

enum oracle_answer {
    ORACLE_SILENT,
    ORACLE_YES,
    ORACLE_NO
};

struct oracle {
    char trouble[400]; /* first broken rule; "": none */
    int64_t tick;      /* order of events */
    bool begun;        /* a decision was seen */
    bool finished;     /* none since an end */
    struct oracle_decision now;
    /* by the spec now, and the largest since its last edit or the last end */
    int32_t wave_of[ORACLE_DATABASES]; /* of one selection; -1: not in the plan */
    int32_t levels;                    /* waves before the rest */
    int32_t reach_count[ORACLE_WAVES];
    uint32_t reach[ORACLE_WAVES]; /* databases of this wave and those before */
    uint32_t selections[ORACLE_SELECTIONS][ORACLE_WAVES]; /* each one since the last sure start */
    int32_t selection_count;
    /* databases */
    struct oracle_database {
        char name[24];
        uint8_t rank[32];
        uint64_t applied;
        int64_t from_ms;      /* its clock at its last statement; 0: none known */
        bool from_unrecorded; /* that one left no journal row */
        int64_t asked_after;  /* tick of its last statement by a Job */
        bool looked;
        int64_t look_mono_ms, look_now_ms, look_from_ms;
        uint64_t look_files;
        int64_t retry_ms;    /* its clock when the last retry was taken up */
        uint64_t wanted;     /* as last known */
        bool had_empty;      /* it got a Job of these trees as an empty one since the last end */
        uint64_t when_empty; /* files that it got by such a Job */
        uint64_t proven[ORACLE_WAVES];
        bool named[ORACLE_WAVES]; /* a person named it for the wave that it proved this for */
        uint64_t finished[8];     /* inputs that a finished roll-out had here */
        int finished_count;
        struct oracle_count {
            int32_t yes, no;
            int32_t no_new, no_read; /* no decision has read it; it is not stored yet */
            int32_t forgiven;        /* nos that may be over; measurements they were */
        } answers[ORACLE_WAVES][ORACLE_GATES];
    } databases[ORACLE_DATABASES];
    int64_t answers_after; /* tick: edit, retry or end */
    int64_t forgave;       /* tick: when it may have begun anew */
    uint32_t came, left;   /* since the last decision */
    uint32_t away;         /* their entries' Secrets lead elsewhere */
    int32_t retried;       /* level of the last retry; -1: none that counts */
    bool any_job, all_empty;
    uint32_t strangers;  /* came, were renamed or forgotten, and nobody has looked since */
    uint32_t newcomers;  /* came, were renamed or forgotten, and nobody has compared them since */
    uint32_t by_hand;    /* it got a file by hand since the last end */
    uint32_t has_begun;  /* it got a file from a Job since the last end */
    uint32_t was_silent; /* since the roll-out began */
    uint32_t got_file[ORACLE_FILES];
    struct {
        uint64_t inputs;
        uint32_t got;
    } trees[ORACLE_TREES];
    size_t tree_count;
    struct {
        int32_t id; /* 0: free */
        int32_t database;
        uint64_t inputs, files;
        bool exempt, empty;
    } jobs[ORACLE_JOBS];
};

void oracle_init(struct oracle *o);
/* Of a decision while suspended: who is in the plan. */
void oracle_listed(struct oracle *o, const struct oracle_decision *in);
/* What a database holds before anything is seen; clock 0: since long. */
void oracle_holds(struct oracle *o, int database, uint64_t files);
void oracle_decided(struct oracle *o, const struct oracle_decision *in);
/* A decision makes a Job (id > 0), after oracle_decided(). */
void oracle_job(struct oracle *o, int32_t id, const struct oracle_job *job);
void oracle_job_gone(struct oracle *o, int32_t id); /* ended, deleted or never made */
/* id 0: by hand; clock_ms: the database's own. */
void oracle_statement(struct oracle *o, int32_t id, int database, int file, int64_t clock_ms,
                      bool journalled);
void oracle_inspected(struct oracle *o, int database, int64_t mono_ms, int64_t clock_ms);
void oracle_repaired(struct oracle *o, int database, int was,
                     int is);          /* a row names other content */
int64_t oracle_asks(struct oracle *o); /* for oracle_answered() */
void oracle_answered(struct oracle *o, int64_t asked, int wave, int gate, uint32_t databases,
                     enum oracle_answer answer);
void oracle_stored(struct oracle *o);    /* the controller's memory is safe */
void oracle_died(struct oracle *o);      /* and what was not stored is lost */
void oracle_forgotten(struct oracle *o); /* all memory is lost */
/* A roll-out ended well: every database of the plan has its trees. */
void oracle_finished(struct oracle *o, const uint64_t inputs[ORACLE_DATABASES]);
