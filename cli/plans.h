/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands on MigrationPlans share: where the plans are, names, one plan as text. */
#pragma once
#include "base/json.h"
#include "cli/cli.h"
#include "model/platform.h"
#include "model/status.h"

struct plan_args { /* options of every such command */
    const char *standalone, *kubeconfig, *context, *namespace_, *output;
    bool all_namespaces;
};
#define PLAN_OPTION(TYPE, name, letter, value, help, field)                                        \
    {                                                                                              \
        name, letter, OPTION_TEXT, value, help, offsetof(TYPE, plan.field)                         \
    }
#define PLAN_OPTIONS(TYPE)                                                                         \
    PLAN_OPTION(TYPE, "standalone", 0, "DIR", "folder of manifests (or $SLUICE_STANDALONE)",       \
                standalone),                                                                       \
        PLAN_OPTION(TYPE, "kubeconfig", 0, "FILE",                                                 \
                    "of the cluster (else $KUBECONFIG, the pod's account, ~/.kube/config)",        \
                    kubeconfig),                                                                   \
        PLAN_OPTION(TYPE, "context", 0, "NAME", "context of the kubeconfig", context),             \
        PLAN_OPTION(TYPE, "namespace", 'n', "NS",                                                  \
                    "namespace of the plan (default: the context's, else default)", namespace_)
#define PLAN_OUTPUT(TYPE, value, help)                                                             \
    {                                                                                              \
        "output", 'o', OPTION_WORD, value, help, offsetof(TYPE, plan.output)                       \
    }

struct err *plans_open(const struct plan_args *args, struct platform *out) ERR_MUST_USE;
void plans_close(struct platform *platform);
/* -n, else what the platform says. Borrowed. */
const char *plans_namespace(const struct plan_args *args, const struct platform *platform);
/* Complaints about manifests, to stderr: a plan that is missing may be in one of them. */
void plans_warn(const struct platform *platform);
/* That no controller works on these plans, to stderr: what a command shows or asks for is then only what was written. */
void plans_warn_unattended(const struct platform *platform);
/* The same clause; NULL: one does, or it cannot be told. Owned. */
char *plans_unattended(const struct platform *platform);

/* "plan/shop", "mplan/shop", "migrationplan/shop" or "shop" -> "shop". Usage on another kind. */
struct err *plan_word(const char *word, const char **name) ERR_MUST_USE;

struct plan_text {                 /* one plan, ready to be printed; plan_text_done() */
    const char *namespace_, *name; /* borrowed from the object */
    const char *ready, *reason, *message;
    struct status status;
    int64_t generation;
    bool suspended, deleting;
    bool requested; /* a retry or a verdict that no controller has acted on yet */
    char progress[32];
    char *revision; /* short; owned */
    char age[32];
};
void plan_text_make(const struct json *object, struct plan_text *out);
void plan_text_done(struct plan_text *text);
/* Will it not go on by itself? Stalled at its newest generation, and nobody has just asked for another
 * try: a pipeline that says `retry` and then waits must not be told of the failure before it. */
bool plan_text_stalled(const struct plan_text *text);
