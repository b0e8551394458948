/* SPDX-License-Identifier: Apache-2.0 */
/* The platform port: who supplies MigrationPlans, Secrets and ConfigMaps, runs Jobs and keeps status.
 * Two implementations: local/ (a folder and child processes) and k8s/ (the API server). The core
 * never knows which one it runs on.
 *
 * Thread rule: every function may be called from any thread at any time between open and close.
 * Error kinds: ERR_TRANSIENT the platform did not answer, ERR_CONFLICT our view is stale (look again),
 * ERR_TERMINAL the request itself cannot succeed; reason NotFound where an object is missing. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/str.h"
#include "model/assignment.h"
#include "model/mplan.h"
#include "model/result.h"

#define JOB_NAME_MAX 57 /* bytes; pods append 6 */

struct plan_key {
    char *namespace_, *name; /* owned */
};

struct plan_keys {
    struct plan_key *items;
    size_t count;
    size_t cap;
};

enum job_phase {
    JOB_NONE,
    JOB_WAITING, /* created, its process has not started: may be deleted without a trace */
    JOB_RUNNING,
    JOB_ENDED, /* with or without a result; only an inspection says what it did */
};

struct job { /* one attempt on one database, as the platform sees it; strings owned */
    char name[JOB_NAME_MAX + 1];
    char *database; /* entry of the plan */
    int64_t attempt;
    int64_t generation; /* of the plan that it was made from; 0: not known */
    char assignment_sha256[SHA256_HEX_LEN + 1];
    char commit[65];
    char retry_token[65]; /* of its assignment; "" when it has none */
    enum job_phase phase;
    bool cancelling;    /* told to end */
    int64_t created_ms; /* UTC */
    bool has_result;    /* a valid result line of this attempt */
    struct result result;
    char *ended_by;   /* "exit code 3", "signal 9"; NULL: not known (the controller was away) */
    char *waiting;    /* JOB_WAITING: what for, "Unschedulable: ..."; NULL: not known */
    bool unexplained; /* `waiting` says what is missing, not why */
};

struct job_list {
    struct job *items; /* any order */
    size_t count;
    size_t cap;
};

struct job_part {  /* one object of a bundle */
    char name[80]; /* <bundle name>.000 */
    const void *bytes;
    size_t length;
};

struct job_spec {     /* everything that either platform needs to run one attempt; all borrowed */
    const char *name; /* job_name() */
    const struct mplan *plan;
    const struct mplan_database *database;
    const struct assignment *assignment;
    const char *manifest; /* its text */
    const char *manifest_sha256;
    const struct job_part *parts;
    size_t part_count;
    const struct kvlist *credentials; /* file name -> content; k8s mounts the Secrets instead */
};

/* What changed. name NULL: everything may have. Called on a thread of the platform; must not block. */
enum platform_kind {
    PLATFORM_PLAN,
    PLATFORM_SECRET,
    PLATFORM_CONFIGMAP,
    PLATFORM_JOB
};
/* One series of requests to an API server: for /metrics. */
typedef void platform_count_fn(void *payload, const char *host, const char *method, int code,
                               int64_t count);
typedef void platform_changed_fn(void *payload, enum platform_kind kind, const char *namespace_,
                                 const char *name);

struct platform {
    void *self;
    const struct platform_ops *ops;
};

struct platform_ops {
    /* Begins to watch; `changed` comes for every later change, for a Job with the namespace and name
     * of its plan. What was there before the call is not announced: list it. */
    struct err *(*watch)(void *self, platform_changed_fn *changed, void *payload);
    void (*close)(void *self); /* running Jobs go on */

    /* Stable for the life of the installation; owner_cluster of the lease. Borrowed. */
    const char *(*cluster_id)(void *self);
    /* Of commands that name none; NULL: "default". Borrowed. */
    const char *(*default_namespace)(void *self);

    /* May be NULL. For commands: why nobody works on these plans, and what to do, a clause; NULL: a controller does, or it
     * cannot be told. Owned. */
    char *(*unattended)(void *self);

    struct err *(*list_plans)(void *self, struct plan_keys *out);
    /* What is wrong with objects that never became one (a manifest that does not parse), one line each. */
    void (*list_problems)(void *self, struct strlist *out);
    /* The whole object: metadata with uid, generation, creationTimestamp and annotations, spec, status.
     * NotFound: no such plan. Owned. */
    struct err *(*read_plan)(void *self, const char *namespace_, const char *name,
                             struct json **out);
    /* Replaces the status of the object with this uid; a no-op when it is equal already.
     * ERR_CONFLICT: the object is gone or another one. */
    struct err *(*write_status)(void *self, const char *namespace_, const char *name,
                                const char *uid, const struct json *status);
    /* RFC 7396 merge patch of metadata.annotations and spec.suspend, in the name of a person. */
    struct err *(*patch_plan)(void *self, const char *namespace_, const char *name,
                              const struct json *patch);
    /* The core has seen a deleting plan to its end: no Job of it runs any more. */
    struct err *(*release_plan)(void *self, const char *namespace_, const char *name,
                                const char *uid);

    /* Decoded data. NotFound: no such object. */
    struct err *(*read_secret)(void *self, const char *namespace_, const char *name,
                               struct kvlist *out);
    /* Secrets of the namespace with all of these labels, by name, without their data:
     * [{"name","labels","annotations"}]. Owned. */
    struct err *(*list_secrets)(void *self, const char *namespace_,
                                const struct kvlist *match_labels, struct json **out);
    struct err *(*read_configmap)(void *self, const char *namespace_, const char *name,
                                  struct kvlist *out);

    /* Jobs of the plan with this uid, as the platform knows them: with every one that this process made or
     * deleted; what others did may come later, so prepare_jobs() asks before one is made. Of what is over, enough to
     * decide by: of each database the newest attempt, and those of the same commit and retry token. */
    struct err *(*list_jobs)(void *self, const char *namespace_, const char *plan_uid,
                             struct job_list *out);
    /* May be NULL. Before the Jobs of one decision are made: ERR_CONFLICT AssignmentStale when the plan is
     * not the one that was decided about, or list_jobs() does not know of all of its Jobs. */
    struct err *(*prepare_jobs)(void *self, const struct mplan *plan);
    bool jobs_read_secrets; /* create_job needs no credentials */
    /* Creates and starts. A Job of that name with the same assignment is adopted (NULL). ERR_CONFLICT
     * AssignmentStale: ours with other content, look again; ERR_TRANSIENT NameConflict: not ours;
     * RunnerNotStarted: the process could not be started. */
    struct err *(*create_job)(void *self, const struct job_spec *spec);
    /* Deletes a Job that has not started; ERR_CONFLICT when it has. Absent is fine. */
    struct err *(*delete_job)(void *self, const char *namespace_, const char *name);
    /* Asks a running Job to end (SIGTERM): it cancels, rolls back or records. Absent is fine. */
    struct err *(*cancel_job)(void *self, const char *namespace_, const char *name);
    /* May be NULL. Tells people of something that happened to the plan, best effort; must not block. */
    void (*event)(void *self, const char *namespace_, const char *name, const char *uid,
                  bool warning, const char *reason, const char *message);
    /* May be NULL. */
    void (*each_count)(void *self, platform_count_fn *row, void *payload);
};

/* What patch_plan() needs to set one annotation. Owned. */
struct json *annotation_patch(const char *key, const char *value);

void plan_keys_add(struct plan_keys *keys, const char *namespace_, const char *name);
void plan_keys_done(struct plan_keys *keys);
void job_copy(const struct job *from, struct job *out); /* out is untouched memory */
void job_done(struct job *job);
void job_list_done(struct job_list *list);
/* <plan>-<database>-<10 hex of SHA-256(plan UID, database)>-<attempt>, a DNS label
 * (docs/reference/migrationplan.md 4). */
void job_name(const char *plan, const char *plan_uid, const char *database, int64_t attempt,
              char out[JOB_NAME_MAX + 1]);
