/* SPDX-License-Identifier: Apache-2.0 */
/* What the controller remembers of one plan while it runs: nothing here outlives the process, all of
 * it is observed again after a restart. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "controller/kept.h"
#include "controller/last_failure.h"
#include "controller/polls.h"
#include "controller/commit_files.h"
#include "model/mplan.h"
#include "model/platform.h"
#include "model/status.h"
#include "reconcile/plan/plan.h"
#include "reconcile/step/step.h"

struct snapshot { /* one decoded state of the object; immutable, counted */
    atomic_int refs;
    uint64_t serial;
    char *print;     /* uid, generation, deletion and annotations: equal = the same object */
    char *selection; /* the Secrets of its databaseSelector as text; NULL: none, or not known */
    char *selection_problem; /* why they are not known; NULL: they are */
    struct mplan plan;
    struct err *error; /* InvalidSpec: only metadata is usable */
    char spec_hash[ROLLOUT_HASH_LEN + 1];
    struct resolve_list resolve;
    bool has_resolve;
    struct err *resolve_error;
};

struct inspected { /* one successful inspection; immutable, counted */
    atomic_int refs;
    uint64_t serial;
    struct inspection inspection; /* without rows of history and journal */
    struct kept_rows rows;        /* these */
    int64_t began_mono_ms, ended_mono_ms;
};

struct pending {                         /* plan_make of one inspection against one tree */
    uint64_t inspected, files, snapshot; /* serials that it was made from; 0: none */
    char *assume;                        /* what was known of other databases; NULL: not asked */
    char retry_token[65];
    bool has_plan;
    struct plan plan; /* without problems; entries and actions are kept_bytes() */
    struct err *error;
};

struct database_cache {
    char *name;
    char *connection; /* what decides where it is: a change makes every fact void */
    enum inspection_state state;
    struct inspected *inspected;
    struct last_failure failure;
    char *server;             /* limits count by it; "ns/secret" until the first connect */
    char *url;                /* "--url '...'" of the last inspection, for people; NULL: none yet */
    bool inspecting;          /* wanted or under way */
    bool submitted;           /* under way */
    bool again;               /* asked for while one was under way */
    bool before_retry;        /* no inspection has begun and ended since the newest retry came */
    int64_t due_mono_ms;      /* next scheduled inspection */
    bool busy;                /* a journal task is under way, or not inspected since */
    int64_t recorded_attempt; /* its failure is in the journal by our hand; 0: none */
    struct last_failure create_failure, journal_failure;
    int64_t idle_attempt;  /* up to this one step_is_idle() was logged; 0: none */
    int64_t taken_attempt; /* somebody else's object has the name of this attempt's Job; 0: none */
    struct pending pending;
    bool reported; /* the metric says `pending` */
    size_t reported_count;
    /* inputs hashes by snapshot and files */
    uint64_t inputs_snapshot, inputs_files, newest_files;
    char inputs[ROLLOUT_HASH_LEN + 1], newest_inputs[ROLLOUT_HASH_LEN + 1];
    /* does the newest tree lack or change a pending file: by `pending` and both commits */
    uint64_t withdrawn_inspected, withdrawn_files, withdrawn_newest;
    bool withdrawn;
};

struct fetch_slot { /* one commit that is wanted */
    char commit[REPO_COMMIT_LEN];
    char *revision; /* for people: "main@sha1:..." */
    enum fetch_state state;
    struct last_failure failure;
    struct commit_files *files;
};

struct gate_cache {
    char *wave, *name;
    int32_t round;
    bool running;
    struct gate_answer answer;
    const char *logged; /* static: the newest answer in the log */
    int64_t taken_mono_ms;
};

struct ended_job { /* when this process first saw that it had ended */
    char name[JOB_NAME_MAX + 1];
    int64_t mono_ms;
};

struct database_name {
    const char *name; /* the database's */
    size_t index;
};

/* What a databaseSelector finds (select.c). */
struct selection {
    char *of;             /* the selector that it was listed by */
    struct json *secrets; /* NULL: not known */
    char *text;           /* of them; equal = the same */
    char *problem;        /* of the newest list; NULL: none */
    int64_t listed_mono_ms;
    bool listing; /* under way */
    bool again;   /* a Secret of the namespace has changed since */
};
struct plan_cache {
    char *key, *namespace_, *name;
    atomic_int refs;
    atomic_bool waits_for_owner; /* a database belongs to another plan that exists */
    pthread_mutex_t lock;        /* over everything below */
    bool gone;
    char uid[37];
    struct snapshot *snapshot;
    struct selection selection;
    struct status status; /* the last one decided */
    struct status stored; /* the last one written */
    bool status_known, dirty;
    int64_t written_mono_ms;
    int64_t held_mono_ms; /* since when a write is held back; 0: none is */
    struct last_failure write_failure, read_failure;
    /* source */
    char *source; /* what a commit is of: url, ref, revision, secret; a change makes commits void */
    struct poll_answer poll;
    struct last_failure source_failure; /* before a poll was possible: Secret, url */
    bool source_waits;                  /* for the first reading of the source's Secret */
    struct fetch_slot newest, rollout;
    /* databases, in the spec's order */
    struct database_cache *databases;
    size_t database_count;
    struct database_name *by_name; /* sorted */
    int inspections;               /* under way */
    struct strlist secrets; /* "Secret/name" or "ConfigMap/name" that changed since the last pass */
    struct gate_cache *gates;
    size_t gate_count, gate_cap;
    struct ended_job *ended; /* of the newest list, sorted by name */
    size_t ended_count;
    bool asking_owners;       /* a task of owner_task.c is under way */
    bool jobs_listed;         /* once in this process: what ends from now on is news */
    int64_t deleting_mono_ms; /* 0: not deleting */
    char *retry;              /* the retry annotation that was seen last; NULL: none */
    int64_t retry_mono_ms;    /* when */
    char *logged;             /* newest Ready as it was logged */
};

struct plan_caches {
    pthread_mutex_t lock;
    struct plan_cache **items;
    size_t count;
    size_t cap;
};

void plan_caches_init(struct plan_caches *caches);
void plan_caches_done(struct plan_caches *caches);
/* With a reference; made when absent. */
struct plan_cache *plan_caches_get(struct plan_caches *caches, const char *namespace_,
                                   const char *name);
struct plan_cache *plan_caches_find(struct plan_caches *caches, const char *key); /* NULL: none */
void plan_caches_drop(struct plan_caches *caches, struct plan_cache *cache);
/* Marks a changed Secret or ConfigMap for every plan of the namespace; adds their keys to `tell`. */
void plan_caches_object_changed(struct plan_caches *caches, enum platform_kind kind,
                                const char *namespace_, const char *name, struct strlist *tell);
void plan_caches_each(struct plan_caches *caches,
                      void (*visit)(void *payload, struct plan_cache *cache), void *payload);
struct plan_cache *plan_cache_ref(struct plan_cache *cache);
void plan_cache_unref(struct plan_cache *cache);
char *plan_cache_key(const char *namespace_, const char *name); /* "ns/name"; owned */

/* All with the lock held. */
void plan_cache_reset(
    struct plan_cache *cache); /* another object of that name: forget everything */
void plan_cache_take_snapshot(struct plan_cache *cache,
                              struct snapshot *snapshot); /* takes the reference */
struct database_cache *plan_cache_database(struct plan_cache *cache,
                                           const char *name);              /* NULL: none */
size_t plan_cache_index(const struct plan_cache *cache, const char *name); /* SIZE_MAX: none */
struct gate_cache *plan_cache_gate(struct plan_cache *cache, const char *wave,
                                   const char *name); /* made */
/* When this process first saw that a Job had ended; false: it did not yet. */
bool plan_cache_ended_since(const struct plan_cache *cache, const char *job, int64_t *mono_ms);
/* Ended Jobs of a new list; the others are forgotten. */
void plan_cache_jobs_ended(struct plan_cache *cache, const struct job_list *jobs,
                           int64_t now_mono_ms);
void slot_clear(struct fetch_slot *slot);

void selection_done(struct selection *selection);
/* Was the snapshot made of this selection? NULL: of none. */
bool snapshot_selected(const struct snapshot *snapshot, const struct selection *selection);

/* Decodes; the object is borrowed. Never fails: error is in the snapshot. `selection` NULL: the plan
 * has no databaseSelector. */
struct snapshot *snapshot_new(const struct json *object, const struct selection *selection);
char *snapshot_print(const struct json *object);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot);
static inline void snapshot_unref_auto(struct snapshot **p)
{
    snapshot_unref(*p);
}
struct inspected *inspected_new(struct inspection *inspection,
                                int64_t began_mono_ms); /* takes it over */
struct inspected *inspected_ref(struct inspected *inspected);
void inspected_unref(struct inspected *inspected);
/* The inspection with its rows; all borrowed but for their arrays: end with kept_rows_close(). */
struct inspection inspected_open(const struct inspected *inspected);
void pending_clear(struct pending *pending);
