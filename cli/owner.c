/* SPDX-License-Identifier: Apache-2.0 */
/* Databases that a MigrationPlan owns: the question, and the word to the plan. */
#include "cli/owner.h"

#include <stdlib.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/plans.h"
#include "k8s/platform/k8s.h"
#include "model/reason.h"
#include "reconcile/step/step.h"

/* A folder or cluster that the shell names; ~/.kube/config may be about anything. */
static bool is_named_here(void)
{
    const char *dir = getenv("SLUICE_STANDALONE");
    const char *kubeconfig = getenv("KUBECONFIG");

    return (dir && *dir) || (kubeconfig && *kubeconfig) || kube_in_cluster();
}

/* The plan itself, not another one of its name. False: it is not on that platform, or nobody answers. */
static bool open_plan(const struct owner_question *q, struct platform *out)
{
    static const struct plan_args from_environment = { 0 };
    AUTO(json_free_auto) struct json *object = NULL;

    if (!is_named_here()) {
        return false;
    }
    struct err *failed = plans_open(&from_environment, out);
    failed = failed ? failed : out->ops->read_plan(out->self, q->namespace_, q->name, &object);
    bool there = !failed && str_eq(json_get_string(json_get(object, "metadata"), "uid"), q->uid);
    err_free(failed);
    return there;
}

static struct command_place place_of(const struct owner_question *q, bool here)
{
    const char *dir = getenv("SLUICE_STANDALONE");

    return (struct command_place){ .plan = q->name,
                                   .namespace_ = q->namespace_,
                                   .database = q->database,
                                   .standalone = here && dir && *dir ? dir : NULL };
}

static char *instead_of(const struct owner_question *q, const struct command_place *place)
{
    if (q->instead) {
        return q->instead(q->values, place);
    }
    if (str_eq(q->command, "baseline")) {
        return mem_strdup("set migrations.baselineOnMigrate and baselineVersion in the plan");
    }
    bool migrate = str_eq(q->command, "migrate");
    AUTO(free_auto) char *command = command_of_plan(migrate ? "retry" : "suspend", place);
    return mem_printf(migrate ? "push the files to its repository, or, when it has stopped, %s"
                              : "a plan has no such command: suspend it meanwhile with %s",
                      command);
}

struct err *owner_ask(void *payload, const struct lease *lease)
{
    struct owner_question *q = payload;
    AUTO(plans_close) struct platform platform = { 0 };

    mem_strset(&q->uid, lease->owner_plan_uid);
    mem_strset(&q->namespace_, lease->owner_namespace);
    mem_strset(&q->name, lease->owner_name);
    mem_strset(&q->database, lease->owner_database);
    if (q->force || !q->namespace_ || !q->name || !q->database) {
        return NULL;
    }
    bool here = open_plan(q, &platform);
    const struct command_place place = place_of(q, here);
    AUTO(free_auto) char *instead = instead_of(q, &place);
    AUTO(free_auto) char *where =
        place.standalone
            ? mem_printf("folder %s", place.standalone)
            : mem_printf("cluster %s", lease->owner_cluster ? lease->owner_cluster : "?");
    return err_new(ERR_TERMINAL, REASON_TARGET_ID_CONFLICT,
                   "this database belongs to plan %s/%s, entry %s (%s): %s; to do it here all the "
                   "same, add --force",
                   q->namespace_, q->name, q->database, where, instead);
}

static struct err *ask_for_look(const struct owner_question *q, const struct platform *platform)
{
    char now[TIME_TEXT_LEN];

    time_format_micro(clock_utc_ms() * 1000, now);
    AUTO(json_free_auto) struct json *patch = annotation_patch(ANNOTATION_REQUESTED, now);
    return platform->ops->patch_plan(platform->self, q->namespace_, q->name, patch);
}

char *owner_tell(const struct owner_question *q)
{
    AUTO(plans_close) struct platform platform = { 0 };

    if (!q->uid || !q->namespace_ || !q->name || !q->database) {
        return NULL;
    }
    bool here = open_plan(q, &platform);
    struct err *failed = here ? ask_for_look(q, &platform) : NULL;
    bool asked = here && !failed;
    err_free(failed);
    if (asked) {
        return mem_printf("plan %s/%s was asked to inspect its databases", q->namespace_, q->name);
    }
    const struct command_place place = place_of(q, here);
    AUTO(free_auto) char *command = command_of_plan("reconcile", &place);
    return mem_printf(
        "plan %s/%s sees this at its next inspection (spec.interval), or at once after %s",
        q->namespace_, q->name, command);
}

void owner_done(struct owner_question *q)
{
    free(q->uid);
    free(q->namespace_);
    free(q->name);
    free(q->database);
}
