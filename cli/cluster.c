/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the Kubernetes platform for the controller, and working only while the lease is ours. */
#include "cli/cluster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "controller/controller.h"
#include "controller/failpoint.h"
#include "k8s/client/leader.h"
#include "k8s/platform/k8s.h"
#include "model/reason.h"

#define CACHE_DIR "/var/cache/sluice"
#define LEASE_NAME "sluice-controller"
#define LEASE_TOLERANCE_MS 20000 /* beyond the lease, before we call ourselves sick */
#define EXIT_LEASE_LOST 1

static const char *env(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

bool cluster_wanted(const struct cluster_values *values)
{
    return values->kubeconfig || values->context || kube_in_cluster();
}

static bool in_cluster(const struct cluster_values *values)
{
    return !values->kubeconfig && !values->context && kube_in_cluster();
}

/* ---- folders ---------------------------------------------------------------------------------- */

/* Clones may be lost at any time: where the usual place is not ours, a temporary one does. */
static struct err *make_cache(const struct cluster_values *values, char **out)
{
    const char *tmp = env("TMPDIR");
    char *made = NULL;

    if (values->cache_dir) {
        TRY(file_mkdirs(values->cache_dir, 0700));
        *out = mem_strdup(values->cache_dir);
        return NULL;
    }
    struct err *failed = file_mkdirs(CACHE_DIR, 0700);
    if (!failed && access(CACHE_DIR, W_OK | X_OK) == 0) {
        *out = mem_strdup(CACHE_DIR);
        return NULL;
    }
    err_free(failed);
    made = mem_printf("%s/sluice-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(made)) {
        failed =
            err_new(ERR_TERMINAL, REASON_INVALID_SPEC,
                    "neither " CACHE_DIR " nor %s can be used for clones: %s; give --cache-dir",
                    made, strerror(errno));
        free(made);
        return failed;
    }
    *out = made;
    return NULL;
}

/* ---- the lease -------------------------------------------------------------------------------- */

static void on_acquired(void *payload)
{
    (void)payload;
    LOG(LOG_INFO, "leading", LOG_S("lease", LEASE_NAME));
}

/* Everything under way is dropped at once: what we may do no more must not be finished either. */
static void on_lost(void *payload, const char *why)
{
    (void)payload;
    LOG(LOG_ERROR, "the lease is lost, ending", LOG_S("lease", LEASE_NAME), LOG_S("why", why));
    _exit(EXIT_LEASE_LOST);
}

static bool lead_held(void *payload)
{
    return leader_leads(payload);
}

static bool lead_healthy(void *payload)
{
    return leader_healthy(payload, LEASE_TOLERANCE_MS);
}

static void lead_release(void *payload)
{
    leader_close(payload, true);
}

static struct err *elect(const struct cluster_values *values, const struct platform *platform,
                         struct config *config)
{
    struct kube *kube = k8s_kube(platform);
    const char *home = env("POD_NAMESPACE");
    const char *pod = env("POD_NAME");
    AUTO(free_auto) char *identity = NULL;
    struct leader *leader = NULL;
    char uuid[37];

    if (!(values->elect || in_cluster(values)) || values->no_elect) {
        return NULL;
    }
    random_uuid(uuid);
    identity = pod ? mem_printf("%s_%s", pod, uuid) : NULL;
    const struct leader_spec spec = {
        .kube = kube,
        .namespace_ = values->lease_namespace ? values->lease_namespace
                      : home                  ? home
                                              : kube_namespace(kube),
        .name = LEASE_NAME,
        .identity = identity,
        .lease_ms = values->lease_ms,
        .renew_ms = values->renew_ms,
        .retry_ms = values->retry_ms,
        .acquired = on_acquired,
        .lost = on_lost,
    };
    TRY(leader_open(&spec, &leader));
    config->lead = (struct lead){
        .held = lead_held, .healthy = lead_healthy, .release = lead_release, .payload = leader
    };
    return NULL;
}

/* ---- run -------------------------------------------------------------------------------------- */

#ifdef SLUICE_FAILPOINTS
/* SLUICE_FAILPOINT="before POST jobs:2" and the like: dying around any call. */
static void die_here(void *payload, const char *when, const char *call)
{
    AUTO(free_auto) char *name = mem_printf("%s %s", when, call);

    (void)payload;
    failpoint(name);
}
#endif

static struct err *open_platform(const struct cluster_values *values, const struct config *config,
                                 struct kube_limit limit, struct platform *out)
{
    const char *image = values->runner_image ? values->runner_image : env("SLUICE_RUNNER_IMAGE");
    const struct k8s_options options = {
        .kubeconfig = values->kubeconfig,
        .context = values->context,
        .namespace_ = config->namespace_,
        .user_agent = "sluice/" SLUICE_VERSION,
        .limit = limit,
        .cluster_id = values->cluster_id,
        .instance = env("POD_NAME"),
        .runner = { .image = image, .pull_policy = values->pull_policy },
#ifdef SLUICE_FAILPOINTS
        .hook = die_here,
#endif
    };

    if (!image) {
        return err_new(ERR_TERMINAL, REASON_USAGE,
                       "--runner-image is needed on a cluster: the image of the Jobs, as"
                       " a rule this controller's own");
    }
    return k8s_open(&options, out);
}

struct err *cluster_run(const struct cluster_values *values, struct config *config)
{
    AUTO(free_auto) char *cache = NULL;
    struct platform platform = { 0 };
    struct kube_limit limit;

    TRY(kube_limit_parse(values->api_qps, values->api_burst, &limit));
    TRY(make_cache(values, &cache));
    AUTO(free_auto) char *scratch = mem_printf("%s/tmp", cache);
    AUTO(free_auto) char *clones = mem_printf("%s/git", cache);
    AUTO(free_auto) char *ports = mem_printf("%s/ports.json", cache);
    TRY(file_mkdirs(clones, 0700));
    TRY(file_mkdirs(scratch, 0700));
    config->cache_dir = clones;
    config->scratch_dir = scratch;
    config->ports_file = ports;
    if (in_cluster(values)) {
        config->bind_host = "::";
    }
    TRY(open_platform(values, config, limit, &platform));
    struct err *failed = elect(values, &platform, config);
    if (failed) {
        platform.ops->close(platform.self);
        return failed;
    }
    return controller_run(config, platform);
}
