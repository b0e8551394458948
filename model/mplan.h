/* SPDX-License-Identifier: Apache-2.0 */
/* The MigrationPlan resource, decoded and defaulted (docs/reference/migrationplan.md 1). One static table
 * gives keys, types, bounds and defaults; every error carries the JSON path. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "base/zone.h"
#include "model/cron.h"
#include "model/engine.h"
#include "model/options.h"
#include "model/target.h"

struct mplan_source {
    char *url;
    enum {
        REF_BRANCH,
        REF_TAG,
        REF_COMMIT,
        REF_NAME
    } ref_kind;
    char *ref;            /* default branch main */
    struct strlist paths; /* default sql/${database} */
    int64_t interval_ms;  /* 60 s */
    int64_t timeout_ms;   /* 60 s */
    bool allow_rewrite;
    char *secret_name;         /* NULL: none */
    char *webhook_secret_name; /* NULL: none */
};

struct mplan_database {
    char *name;
    char *secret_name;
    struct target_overrides connection; /* strings owned by the plan */
    char *ca_kind, *ca_name, *ca_key;   /* tls.caRef; NULL: none */
    char *client_cert_secret;
    char *schema;         /* NULL: none */
    struct strlist paths; /* empty: source.paths */
    struct kvlist labels;
    struct migrations_options migrations; /* resolved: the plan's with this entry's overrides */
};

struct mplan_gate {
    char *name;
    char *query;
    enum engine engine;    /* ENGINE_UNKNOWN: every engine */
    int64_t interval_ms;   /* 30 s */
    int32_t count;         /* default 1 */
    int32_t failure_limit; /* default 0 */
};

struct mplan_wave {
    char *name;
    enum {
        SELECT_NAMES,
        SELECT_LABELS,
        SELECT_COUNT,
        SELECT_PERCENT
    } select;
    struct strlist names;
    struct kvlist labels;
    int32_t amount;   /* count or percent */
    bool allow_empty; /* it may select no database; never in the first wave */
    int64_t soak_ms;
    struct mplan_gate *gates;
    size_t gate_count;
};

/* One of spec.windows or spec.freezes: a schedule and how long, or (freezes) an absolute span. */
struct mplan_window {
    char *schedule; /* NULL: from_ms to to_ms */
    struct cron cron;
    char *time_zone;         /* default UTC */
    const struct zone *zone; /* of the process, never freed */
    int64_t duration_ms;
    char *from, *to;        /* RFC 3339, as they stand in the spec; NULL with a schedule */
    int64_t from_ms, to_ms; /* UTC */
};

enum strategy {
    STRATEGY_ALL_AT_ONCE = 1,
    STRATEGY_CANARY
};
enum deletion_policy {
    DELETION_WAIT,
    DELETION_CANCEL
};

/* execution.job: what a plan may say about its Jobs' pods on a cluster; the rest is the platform's. The
 * json ones are checked, owned, as a pod's spec or a Job's metadata takes them; NULL: not given. */
struct mplan_job {
    struct json *resources;          /* of the runner's container: {limits, requests} */
    struct json *node_selector;      /* map of strings */
    struct json *tolerations;        /* list */
    struct json *affinity;           /* {nodeAffinity, podAffinity, podAntiAffinity} */
    struct json *labels;             /* map of strings, on the Job and its pod */
    struct json *annotations;        /* map of strings, on the Job and its pod */
    struct json *image_pull_secrets; /* list of {name} */
    char *priority_class;            /* NULL: none */
    int64_t grace_seconds;           /* terminationGracePeriodSeconds, 300 */
    int64_t ttl_seconds;             /* ttlSecondsAfterFinished, 172800 */
};

struct mplan {
    /* metadata */
    char *namespace_, *name, *uid;
    int64_t generation;
    int64_t created_ms;
    bool deleting;
    struct kvlist annotations;
    /* spec */
    struct mplan_source source;
    char *revision;                       /* NULL: not pinned */
    struct migrations_options migrations; /* before the databases' overrides */
    char *service_account;                /* serviceAccountName; NULL: the namespace's default */
    /* Exactly one of databases and selector is given. With the selector the entries are the Secrets
     * that match; whoever lists them adds them to databases. */
    struct {
        bool set;
        struct kvlist match_labels; /* never empty when set */
        bool allow_empty;
        bool expanded; /* databases were made of the Secrets: mplan_decode_selected() */
    } selector;
    struct mplan_database *databases;
    size_t database_count;
    enum strategy strategy;
    int32_t max_parallel; /* 4 */
    int32_t max_failures; /* 0 */
    struct mplan_wave *waves;
    size_t wave_count;
    struct mplan_window *windows,
        *freezes; /* when Jobs may be started (reconcile/rollout/window.h) */
    size_t window_count, freeze_count;
    struct execution_options execution;
    struct mplan_job job;
    int64_t start_timeout_ms;  /* execution.startTimeout, 10 min */
    int64_t interval_ms;       /* 5 min */
    int64_t retry_interval_ms; /* 30 s */
    int64_t timeout_ms;        /* 1 h */
    enum deletion_policy deletion_policy;
    bool suspend;
    struct json *defaulted; /* spec as kubectl get -o json would show it; owned */
};

void mplan_done(struct mplan *plan);

/* "sql/${database}" with the entry's name put in. Owned. */
char *mplan_path(const char *path, const char *database);
