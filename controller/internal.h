/* SPDX-License-Identifier: Apache-2.0 */
/* The running controller, as its parts see it. Internal to controller/. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "controller/plan_cache.h"
#include "controller/config.h"
#include "controller/held.h"
#include "controller/http.h"
#include "controller/metrics.h"
#include "controller/owners.h"
#include "controller/polls.h"
#include "controller/pool.h"
#include "controller/queue.h"
#include "controller/secret_cache.h"
#include "database/ask.h"
#include "database/database.h"
#include "model/platform.h"

struct fetch;
struct fetches { /* those that wait for their turn and may be joined */
    pthread_mutex_t lock;
    struct fetch *waiting;
};

struct controller {
    const struct config *config;
    struct platform platform;
    struct metrics *metrics;
    struct plan_caches caches;
    struct queue *plans; /* keys "ns/name" */
    struct turns { /* so many passes decide at once; those that wait for the platform need none */
        pthread_mutex_t lock;
        pthread_cond_t given_back;
        int left;
    } turns;
    struct polls *polls;
    struct pool *pool; /* whatever waits for others */
    struct secret_cache *secrets;
    struct fetches fetches;
    struct held held; /* files of all plans */
    struct owners owners;
    struct cancel cancel; /* set once, when we go down */
    _Atomic int64_t stuck_logged_ms;
    atomic_bool synced; /* every plan has been listed once */
    atomic_bool looked; /* a database was, since memory was given back */
    struct http_server *servers[3];
    struct strlist problems; /* of the platform, as they were logged */
    pthread_mutex_t problems_lock;
};

/* drive.c: one pass over one plan; the queue's work function. */
int64_t drive_pass(void *payload, const char *key);

/* select.c: the databaseSelector of this object; NULL: it has none. */
const struct json *select_of(const struct json *object);
/* Time until its Secrets are listed (again), ms: at the plan's interval, and after a Secret of the namespace
 * has changed; 0: now; -1: never. Cache locked. */
int64_t select_due_ms(const struct controller *c, const struct plan_cache *cache,
                      const struct json *object, int64_t now_mono_ms);
/* Nothing is known of them yet: the plan has no databases to decide about. Cache locked. */
bool select_is_unknown(const struct plan_cache *cache, const struct json *object);
/* Lists them in the pool. Cache locked. */
void select_start(struct controller *c, struct plan_cache *cache, const struct json *object);

/* observe.c: everything that step sees, borrowed from the cache (locked) and `o`. Nothing is begun. */
struct observation {
    struct observed seen;
    struct database_view *views;
    struct gate_view *gates;
    bool *resolved;
    struct strlist notices;
    struct job_list jobs;        /* filled by the caller */
    size_t *job_of;              /* per database: index into jobs; SIZE_MAX: none */
    int64_t stray_ended_mono_ms; /* the newest end of a Job of an entry that is gone; 0: none */
    struct inspection opened;    /* rows of the database before: most have the same */
    struct kept_rows opened_of;  /* borrowed */
};
void observe(struct controller *c, struct plan_cache *cache, const struct json *object,
             int64_t now_mono_ms, struct observation *o);
void observation_done(struct observation *o);
/* A Job that runs and is not waited for: step_is_idle(). Cache locked. */
bool observe_is_idle(struct plan_cache *cache, const struct job *job, int64_t now_mono_ms);
/* observe_jobs.c: entries by their Jobs, and one entry's. */
void observe_jobs(struct plan_cache *cache, int64_t now_mono_ms, struct observation *o);
void observe_job(struct plan_cache *cache, size_t index, int64_t now_mono_ms,
                 const struct observation *o, struct job_view *out);
/* observe_source.c */
void observe_source(struct plan_cache *cache, int64_t now_mono_ms, struct source_view *out);
/* Is it of an entry that the spec does not have? */
bool observe_is_stray(const struct snapshot *snapshot, const struct job *job);
/* The files that this entry is judged against; NULL: not fetched. Cache locked. */
struct commit_files *observe_files(struct plan_cache *cache, const char *commit);

/* pending.c: plan_make for one database, remembered until something of it changes. Cache locked. */
void pending_update(const struct controller *c, struct plan_cache *cache, size_t index,
                    struct commit_files *files, const char *retry_token);

/* source.c: what is known of the plan's source, and the watch of its ref. Cache locked. */
void source_observe(struct controller *c, struct plan_cache *cache);
void source_watch(struct controller *c, struct plan_cache *cache);
/* The Secret that the source names, as it is known; READ and empty without one. */
struct err *source_secret(struct controller *c, const struct mplan *plan, enum secret_known *known,
                          struct kvlist *out) ERR_MUST_USE;

/* owner_task.c: asks in the pool for former owners that are not known, or not since long enough. */
void owner_task_start(struct controller *c, struct plan_cache *cache, struct owner_list *list);
/* Asks about the owner that a database names unless it is known. Blocks: for a task of the pool. */
void owner_task_ask(struct controller *c, const struct mplan *plan, const struct lease *lease);

/* inspect_task.c: work in the pool. Cache locked, but for task_target(). */
struct credential_files;
struct err *task_target(struct controller *c, const struct mplan *plan, size_t index,
                        struct target *target, struct credential_files *certificates) ERR_MUST_USE;
/* How the target is asked: by a child of its own, within the controller's limits. Borrows. */
struct ask task_ask(const struct controller *c, const struct plan_cache *cache,
                    const struct target *target, const struct credential_files *certificates,
                    const char *application);
#define TASKS_PER_SERVER 4
void inspect_task_start(struct controller *c, struct plan_cache *cache, size_t index);
/* gate_task.c */
void gate_task_start(struct controller *c, struct plan_cache *cache,
                     const struct decision *decision);
/* fetches.c */
void fetch_start(struct controller *c, struct plan_cache *cache, const char *commit);
/* journal_task.c */
void journal_task_failure(struct controller *c, struct plan_cache *cache, size_t index,
                          const struct result *result, const char *commit, const char *retry_token);
void journal_task_resolution(struct controller *c, struct plan_cache *cache, size_t index,
                             size_t item);
void journal_task_owner(struct controller *c, struct plan_cache *cache, size_t index);

/* wishes.c: begins what the schedules want. Cache locked; `object` is the plan. */
void wishes_perform(struct controller *c, struct plan_cache *cache, const struct json *object,
                    const struct wishes *wishes);

/* act.c: the decision's effect. Cache not locked. Errors are remembered in the cache. Returns how long to
 * leave the plan alone now, for what the next pass would only try again; 0: as decided. */
int64_t act(struct controller *c, struct plan_cache *cache, struct snapshot *snapshot,
            const struct decision *decision, const struct observation *o);

#define STALE_VIEW_MS 200 /* our view was older than the platform's: it catches up */

/* create.c: EFFECT_CREATE_JOB, as act(). */
int64_t create_jobs(struct controller *c, struct plan_cache *cache, struct snapshot *snapshot,
                    const struct decision *decision);

/* report.c: log lines and metrics of what changed. */
void report_decision(struct controller *c, struct plan_cache *cache,
                     const struct decision *decision);
void report_job(struct controller *c, const struct plan_cache *cache, const struct job *job);
