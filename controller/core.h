/* SPDX-License-Identifier: Apache-2.0 */
/* The running controller, as its parts see it. Internal to controller/. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "controller/cell.h"
#include "controller/config.h"
#include "controller/http.h"
#include "controller/metrics.h"
#include "controller/owners.h"
#include "controller/polls.h"
#include "controller/pool.h"
#include "controller/queue.h"
#include "database/database.h"
#include "reconcile/model/platform.h"

struct fetch;
struct fetches { /* those that wait for their turn and may be joined */
    pthread_mutex_t lock;
    struct fetch *waiting;
};

struct controller {
    const struct config *config;
    struct platform platform;
    struct metrics *metrics;
    struct cells cells;
    struct queue *plans; /* keys "ns/name" */
    struct polls *polls;
    struct pool *pool; /* databases and fetches */
    struct fetches fetches;
    struct owners owners;
    struct cancel cancel; /* set once, when we go down */
    atomic_bool synced;   /* every plan has been listed once */
    struct http_server *servers[3];
    struct strlist problems; /* of the platform, as they were logged */
    pthread_mutex_t problems_lock;
};

/* drive.c: one pass over one plan; the queue's work function. */
int64_t drive_pass(void *payload, const char *key);

/* select.c: the databaseSelector of this object; NULL: it has none. */
const struct json *select_of(const struct json *object);
/* Lists its Secrets when a look is due: at the plan's interval, and after a Secret of the namespace has
 * changed. Gives the time to the next one, ms; -1: none. Cell not locked. */
int64_t select_look(struct controller *c, struct cell *cell, const struct json *object,
                    int64_t now_mono_ms);

#define RETRY_LOOK_MS 30000 /* a retry waits no longer for the looks that it asked for */

/* observe.c: everything that step looks at, borrowed from the cell (locked) and `o`. */
struct observation {
    struct observed seen;
    struct database_view *views;
    struct gate_view *gates;
    bool *resolved;
    struct job_list jobs;        /* filled by the caller */
    size_t *job_of;              /* per database: index into jobs; SIZE_MAX: none */
    int64_t stray_ended_mono_ms; /* the newest end of a Job of an entry that is gone; 0: none */
};
void observe(struct controller *c, struct cell *cell, int64_t now_mono_ms, struct observation *o);
void observation_done(struct observation *o);
/* Is it of an entry that the spec does not have? */
bool observe_is_stray(const struct snapshot *snapshot, const struct job *job);
/* The trees that this entry is judged against; NULL: not fetched. Cell locked. */
struct trees *observe_trees(struct cell *cell, const char *commit);

/* judge_plan.c: plan_make for one database, remembered until something of it changes. Cell locked. */
void judge_entry(const struct controller *c, struct cell *cell, size_t index, struct trees *trees,
                 const char *retry_token);

/* source.c: what the plan's source needs: the watch of its ref. Cell locked. */
void source_sync(struct controller *c, struct cell *cell);

/* tasks.c: work in the pool. Cell locked, but for task_target(). */
struct credential_files;
struct err *task_target(struct controller *c, const struct mplan *plan, size_t index,
                        struct target *target, struct credential_files *certificates) ERR_MUST_USE;
void task_inspect(struct controller *c, struct cell *cell, size_t index);
void task_gate(struct controller *c, struct cell *cell, const struct decision *decision);
/* fetches.c */
void task_fetch(struct controller *c, struct cell *cell, const char *commit);
/* record.c */
void task_record_failure(struct controller *c, struct cell *cell, size_t index,
                         const struct result *result, const char *commit, const char *retry_token);
void task_record_resolution(struct controller *c, struct cell *cell, size_t index, size_t item);

/* act.c: the decision's effect. Cell not locked. Errors are remembered in the cell. Returns how long to
 * leave the plan alone now, for what the next pass would only try again; 0: as decided. */
int64_t act(struct controller *c, struct cell *cell, struct snapshot *snapshot,
            const struct decision *decision, const struct observation *o);

#define LOOK_AGAIN_MS 200 /* our view was older than the platform's: it catches up */

/* create.c: EFFECT_CREATE_JOB, as act(). */
int64_t create_jobs(struct controller *c, struct cell *cell, struct snapshot *snapshot,
                    const struct decision *decision);

/* report.c: log lines and metrics of what changed. */
void report_decision(struct controller *c, struct cell *cell, const struct decision *decision);
void report_job(struct controller *c, const struct cell *cell, const struct job *job);
