/* SPDX-License-Identifier: Apache-2.0 */
/* Plans as commands see them. */
#include "cli/plans.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "k8s/platform/k8s.h"
#include "local/local.h"
#include "model/reason.h"
#include "reconcile/step/step.h"

#define SHORT_COMMIT 10

static bool has_home_kubeconfig(void)
{
    const char *home = getenv("HOME");
    AUTO(free_auto) char *path = mem_printf("%s/.kube/config", home ? home : "");

    return home && file_exists(path);
}

struct err *plans_open(const struct plan_args *args, struct platform *out)
{
    const char *dir = args->standalone ? args->standalone : getenv("SLUICE_STANDALONE");

    if (args->standalone && (args->kubeconfig || args->context)) {
        return err_new(ERR_TERMINAL, REASON_USAGE,
                       "--standalone goes without --kubeconfig and --context");
    }
    if (dir && *dir && !args->kubeconfig && !args->context) {
        return local_attach(dir, out);
    }
    if (!args->kubeconfig && !args->context && !getenv("KUBECONFIG") && !kube_in_cluster() &&
        !has_home_kubeconfig()) {
        return err_new(
            ERR_TERMINAL, REASON_USAGE,
            "neither a folder nor a cluster is given: add --standalone DIR or --kubeconfig FILE");
    }
    const struct k8s_options options = { .kubeconfig = args->kubeconfig,
                                         .context = args->context,
                                         .namespace_ = args->namespace_,
                                         .all_namespaces = args->all_namespaces,
                                         .user_agent = "sluice/" SLUICE_VERSION };
    return k8s_attach(&options, out);
}

void plans_close(struct platform *platform)
{
    if (platform->ops) {
        platform->ops->close(platform->self);
    }
    *platform = (struct platform){ 0 };
}

const char *plans_namespace(const struct plan_args *args, const struct platform *platform)
{
    if (args->namespace_) {
        return args->namespace_;
    }
    return platform->ops->default_namespace ? platform->ops->default_namespace(platform->self)
                                            : "default";
}

void plans_warn(const struct platform *platform)
{
    AUTO(strlist_done) struct strlist problems = { 0 };

    platform->ops->list_problems(platform->self, &problems);
    for (size_t i = 0; i < problems.count; i++) {
        complain("warning: %s\n", problems.items[i]);
    }
}

char *plans_unattended(const struct platform *platform)
{
    return platform->ops->unattended ? platform->ops->unattended(platform->self) : NULL;
}

void plans_warn_unattended(const struct platform *platform)
{
    AUTO(free_auto) char *why = plans_unattended(platform);

    if (why) {
        complain("warning: %s\n", why);
    }
}

struct err *plan_word(const char *word, const char **name)
{
    static const char *const kinds[] = { "plan/", "plans/", "mplan/", "migrationplan/",
                                         "migrationplans/" };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (str_starts(word, kinds[i])) {
            word += strlen(kinds[i]);
            break;
        }
    }
    if (!*word || strchr(word, '/')) {
        return err_new(ERR_TERMINAL, REASON_USAGE, "\"%s\" is no name of a plan: write plan/NAME",
                       word);
    }
    *name = word;
    return NULL;
}

static char *short_revision(const struct status *status)
{
    const char *text = status->last_applied_revision ? status->last_applied_revision
                                                     : status->last_attempted_revision;
    const char *colon = text ? strrchr(text, ':') : NULL;

    if (!colon || strlen(colon + 1) <= SHORT_COMMIT) {
        return mem_strdup(text ? text : "");
    }
    return mem_strndup(text, (size_t)(colon - text) + 1 + SHORT_COMMIT);
}

static bool is_new(const struct json *metadata, const char *annotation, const char *handled)
{
    const char *value = json_get_string(json_get(metadata, "annotations"), annotation);

    return value && !str_eq(value, handled);
}

void plan_text_make(const struct json *object, struct plan_text *out)
{
    const struct json *metadata = json_get(object, "metadata");
    const char *created = json_get_string(metadata, "creationTimestamp");
    int64_t created_ms = 0;

    *out = (struct plan_text){ .namespace_ = json_get_string(metadata, "namespace"),
                               .name = json_get_string(metadata, "name"),
                               .generation = json_get_int64(metadata, "generation", 0) };
    status_parse(json_get(object, "status"), &out->status);
    const struct condition *ready = &out->status.conditions[CONDITION_READY];
    out->ready =
        ready->status == CONDITION_ABSENT ? "Unknown" : condition_status_text(ready->status);
    out->reason = ready->reason ? ready->reason : "";
    out->message = ready->message ? ready->message : "";
    out->suspended = json_bool(json_get(json_get(object, "spec"), "suspend"), false);
    out->deleting = json_get(metadata, "deletionTimestamp") != NULL;
    out->requested = is_new(metadata, ANNOTATION_RETRY, out->status.last_handled_retry) ||
                     is_new(metadata, ANNOTATION_RESOLVE, out->status.last_handled_resolve);
    out->revision = short_revision(&out->status);
    if (out->status.summary.databases > 0) {
        snprintf(out->progress, sizeof out->progress, "%d/%d", out->status.summary.up_to_date,
                 out->status.summary.databases);
    }
    if (created && time_parse(created, &created_ms)) {
        int64_t age_ms = clock_utc_ms() - created_ms;
        duration_format_short(age_ms > 0 ? age_ms : 0, out->age);
    }
}

bool plan_text_stalled(const struct plan_text *text)
{
    const struct condition *stalled = &text->status.conditions[CONDITION_STALLED];
    /* A suspended plan acts on no request, and one whose spec is wrong is not even looked at. */
    bool coming =
        text->requested && !text->suspended && !str_eq(stalled->reason, REASON_INVALID_SPEC);

    return stalled->status == CONDITION_TRUE && !coming &&
           text->status.observed_generation >= text->generation;
}

void plan_text_done(struct plan_text *text)
{
    status_done(&text->status);
    free(text->revision);
}
