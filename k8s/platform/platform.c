/* SPDX-License-Identifier: Apache-2.0 */
/* The platform port over an API server: opening, watching, telling what changed. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/thread.h"
#include "k8s/client/events.h"
#include "k8s/platform/job_read.h"
#include "k8s/platform/internal.h"
#include "model/reason.h"

#define SYNC_MS 30000
#define EVENTS_FLUSH_MS 1000

/* ---- changes ---------------------------------------------------------------------------------- */

static void plan_changed(void *payload, const struct json *object, bool gone)
{
    struct k8s *k = payload;

    if (gone) {
        k8s_status_forget(k, k8s_meta(object, "uid"));
    }
    k8s_tell(k, PLATFORM_PLAN, k8s_meta(object, "namespace"), k8s_meta(object, "name"));
}

/* The others go on; whoever describes this one sees why nothing happens. */
static void plan_skipped(void *payload, const struct json *metadata)
{
    struct k8s *k = payload;
    AUTO(free_auto) char *note =
        mem_printf("the plan is larger than %d bytes and is not read: remove what it does not need",
                   LIMIT_LIST_PAGE);
    const struct event event = { .warning = true,
                                 .reason = REASON_INVALID_SPEC,
                                 .action = "Reconcile",
                                 .note = note,
                                 .regarding = { .api_version = K8S_API_VERSION,
                                                .kind = K8S_KIND,
                                                .namespace_ =
                                                    json_get_string(metadata, "namespace"),
                                                .name = json_get_string(metadata, "name"),
                                                .uid = json_get_string(metadata, "uid") } };

    if (k->events) {
        events_add(k->events, &event);
    }
}

static void attempt_changed(void *payload, const struct json *job_or_pod, bool gone)
{
    struct k8s *k = payload;
    const char *plan = job_read_plan(job_or_pod);

    (void)gone;
    if (plan) {
        k8s_tell(k, PLATFORM_JOB, k8s_meta(job_or_pod, "namespace"), plan);
    }
}

/* ---- open and close --------------------------------------------------------------------------- */

static struct err *open_kube(const struct k8s_options *options, struct kube **out)
{
    const struct kube_options how = { .kubeconfig = options->kubeconfig,
                                      .context = options->context,
                                      .user_agent = options->user_agent,
                                      .limit = options->limit };
    bool named = options->kubeconfig || options->context;

    if (!named && kube_in_cluster()) {
        TRY(kube_open_in_cluster(&how, out));
    } else {
        TRY(kube_open_kubeconfig(&how, out));
    }
    if (options->hook) {
        kube_set_hook(*out, options->hook, options->hook_payload);
    }
    return NULL;
}

/* NULL: all of them. */
static const char *one_namespace(const struct k8s_options *options, bool owner,
                                 const struct kube *kube)
{
    if (options->namespace_ || owner || options->all_namespaces) {
        return options->namespace_;
    }
    return kube_namespace(kube);
}

static struct err *k8s_new(const struct k8s_options *options, bool owner, struct k8s **out)
{
    struct kube *kube = NULL;
    char host[256] = "";

    TRY(open_kube(options, &kube));
    (void)gethostname(host, sizeof host - 1);
    struct k8s *k = mem_alloc(sizeof *k);
    *k = (struct k8s){ .kube = kube,
                       .owner = owner,
                       .namespace_ = mem_strdup(one_namespace(options, owner, kube)),
                       .cluster_id = mem_strdup(options->cluster_id),
                       .instance = mem_strdup(options->instance ? options->instance : host),
                       .image = mem_strdup(options->runner.image),
                       .pull_policy = mem_strdup(options->runner.pull_policy),
                       .index = job_index_new() };
    pthread_mutex_init(&k->lock, NULL);
    thread_cond_init(&k->wake);
    *out = k;
    return NULL;
}

static void close_informer(struct informer **informer)
{
    if (*informer) {
        informer_close(*informer);
        *informer = NULL;
    }
}

static void k8s_close(void *self)
{
    struct k8s *k = self;

    sweep_stop(k);
    close_informer(&k->plans);
    close_informer(&k->jobs);
    close_informer(&k->pods);
    if (k->events) {
        events_close(k->events, EVENTS_FLUSH_MS);
    }
    kube_close(k->kube);
    job_index_free(k->index);
    assignments_done(k);
    configmaps_done(k);
    for (size_t i = 0; i < k->written_count; i++) {
        free(k->written[i].uid);
        free(k->written[i].resource_version);
    }
    free(k->written);
    strlist_done(&k->dirty);
    assign_locks_done(k);
    pthread_cond_destroy(&k->wake);
    pthread_mutex_destroy(&k->lock);
    free(k->namespace_);
    free(k->cluster_id);
    free(k->instance);
    free(k->image);
    free(k->pull_policy);
    free(k->jobs_floor);
    free(k);
}

struct collection {
    const char *group, *name;
    const char *selector; /* NULL: all */
    struct json *(*keep)(void *payload, struct json *object);
    void (*drop)(void *payload, const struct json *last);
    void (*changed)(void *payload, const struct json *object, bool gone);
    void (*skipped)(void *payload, const struct json *metadata);
};

static const struct collection plans = {
    .group = K8S_GROUP_PATH,
    .name = "migrationplans",
    .keep = watched_plan,
    .changed = plan_changed,
    .skipped = plan_skipped,
};
static const struct collection jobs = {
    .group = "/apis/batch/v1",
    .name = "jobs",
    .selector = RUNNER_SELECTOR,
    .keep = watched_job,
    .drop = watched_job_gone,
    .changed = attempt_changed,
};
static const struct collection pods = {
    .group = "/api/v1",
    .name = "pods",
    .selector = RUNNER_SELECTOR,
    .keep = watched_pod,
    .drop = watched_pod_gone,
    .changed = attempt_changed,
};

static struct err *watch_one(struct k8s *k, const struct collection *what, struct informer **out)
{
    AUTO(free_auto) char *in =
        k->namespace_ ? kube_path("namespaces/%s/", k->namespace_) : mem_strdup("");
    AUTO(free_auto) char *path = mem_printf("%s/%s%s", what->group, in, what->name);
    const struct informer_spec spec = { .kube = k->kube,
                                        .path = path,
                                        .label_selector = what->selector,
                                        .keep = what->keep,
                                        .drop = what->drop,
                                        .changed = what->changed,
                                        .skipped = what->skipped,
                                        .payload = k };

    return informer_open(&spec, out);
}

static struct err *find_cluster_id(struct k8s *k)
{
    AUTO(json_free_auto) struct json *object = NULL;

    if (k->cluster_id) {
        return NULL;
    }
    struct err *failed =
        kube_call(k->kube, KUBE_GET, "/api/v1/namespaces/kube-system", NULL, 0, &object);
    if (failed) {
        return err_wrap(failed, "the cluster has no id yet: allow us to get namespace kube-system,"
                                " or give --cluster-id");
    }
    k->cluster_id = mem_strdup(k8s_meta(object, "uid"));
    return k->cluster_id ? NULL
                         : err_new(ERR_TRANSIENT, KUBE_UNAVAILABLE,
                                   "namespace kube-system has no uid: give --cluster-id");
}

static struct err *begin(struct k8s *k, int64_t timeout_ms)
{
    const struct events_options events = { .kube = k->kube,
                                           .controller = "sluice.dev/controller",
                                           .instance = k->instance };

    TRY(find_cluster_id(k));
    TRY(events_open(&events, &k->events));
    TRY(watch_one(k, &plans, &k->plans));
    TRY(watch_one(k, &jobs, &k->jobs));
    TRY(watch_one(k, &pods, &k->pods));
    TRY(informer_wait_synced(k->plans, timeout_ms));
    TRY(informer_wait_synced(k->jobs, timeout_ms));
    return informer_wait_synced(k->pods, timeout_ms);
}

/* ---- the port --------------------------------------------------------------------------------- */

/* Who watches works: from here on what no Job needs is removed. */
static struct err *k8s_watch(void *self, platform_changed_fn *changed, void *payload)
{
    struct k8s *k = self;

    pthread_mutex_lock(&k->lock);
    k->changed = changed;
    k->payload = payload;
    pthread_mutex_unlock(&k->lock);
    if (k->owner) {
        return sweep_start(k);
    }
    return k->plans ? NULL : watch_one(k, &plans, &k->plans);
}

static const char *k8s_cluster_id(void *self)
{
    const struct k8s *k = self;

    return k->cluster_id ? k->cluster_id : "";
}

static const char *k8s_default_namespace(void *self)
{
    const struct k8s *k = self;

    return k->namespace_ ? k->namespace_ : kube_namespace(k->kube);
}

static void add_problem(const char *what, struct informer *informer, struct strlist *out)
{
    AUTO(free_auto) char *problem = informer ? informer_problem(informer) : NULL;

    if (problem && *problem) {
        AUTO(free_auto) char *line = mem_printf("%s are not watched: %s", what, problem);
        strlist_add(out, line);
    }
}

static void k8s_list_problems(void *self, struct strlist *out)
{
    const struct k8s *k = self;

    add_problem("MigrationPlans", k->plans, out);
    add_problem("Jobs", k->jobs, out);
    add_problem("pods", k->pods, out);
}

static void k8s_event(void *self, const char *namespace_, const char *name, const char *uid,
                      bool warning, const char *reason, const char *message)
{
    const struct k8s *k = self;
    const struct event event = { .warning = warning,
                                 .reason = reason,
                                 .action = "Reconcile",
                                 .note = message,
                                 .regarding = { .api_version = K8S_API_VERSION,
                                                .kind = K8S_KIND,
                                                .namespace_ = namespace_,
                                                .name = name,
                                                .uid = uid } };

    if (k->events) {
        events_add(k->events, &event);
    }
}

struct counting {
    const char *host;
    platform_count_fn *row;
    void *payload;
};

static void count_row(void *payload, const char *method, int code, int64_t count)
{
    const struct counting *c = payload;

    c->row(c->payload, c->host, method, code, count);
}

static void k8s_each_count(void *self, platform_count_fn *row, void *payload)
{
    const struct k8s *k = self;
    struct counting counting = { .host = kube_server(k->kube), .row = row, .payload = payload };

    kube_counts(k->kube, count_row, &counting);
}

static const struct platform_ops k8s_ops = {
    .watch = k8s_watch,
    .close = k8s_close,
    .cluster_id = k8s_cluster_id,
    .default_namespace = k8s_default_namespace,
    .list_plans = k8s_plans_list,
    .list_problems = k8s_list_problems,
    .read_plan = k8s_plans_read,
    .write_status = k8s_status_write,
    .patch_plan = k8s_plans_patch,
    .release_plan = k8s_plans_release,
    .read_secret = k8s_secret_read,
    .read_configmap = k8s_configmap_read,
    .list_secrets = k8s_secrets_list,
    .list_jobs = k8s_jobs_list,
    .prepare_jobs = k8s_jobs_prepare,
    .jobs_read_secrets = true,
    .create_job = k8s_jobs_create,
    .delete_job = k8s_jobs_delete,
    .cancel_job = k8s_jobs_cancel,
    .event = k8s_event,
    .each_count = k8s_each_count,
};

struct err *k8s_open(const struct k8s_options *options, struct platform *out)
{
    struct k8s *k = NULL;

    TRY(k8s_new(options, true, &k));
    struct err *failed = begin(k, options->start_timeout_ms ? options->start_timeout_ms : SYNC_MS);
    if (failed) {
        k8s_close(k);
        return failed;
    }
    *out = (struct platform){ .self = k, .ops = &k8s_ops };
    return NULL;
}

struct err *k8s_attach(const struct k8s_options *options, struct platform *out)
{
    struct k8s *k = NULL;

    TRY(k8s_new(options, false, &k));
    *out = (struct platform){ .self = k, .ops = &k8s_ops };
    return NULL;
}

struct kube *k8s_kube(const struct platform *platform)
{
    const struct k8s *k = platform->self;

    return k->kube;
}
