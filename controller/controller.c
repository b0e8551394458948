/* SPDX-License-Identifier: Apache-2.0 */
/* Starting the parts in order, waiting for a signal, stopping them in the opposite order. */
#include "controller/controller.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/mem.h"
#include "controller/internal.h"
#include "controller/health.h"
#include "controller/server.h"
#include "model/reason.h"

#define POOL_THREADS 48   /* databases and fetches that wait */
#define SOURCE_THREADS 16 /* polls that wait */
#define POLL_GAP_MS 1000  /* between polls of one source, whoever asks */
#define PASSES_PER_TURN 4 /* of one that decides, others wait for the platform */
#define STOP_MS 4000      /* before a stop waits no longer */
#define LEAD_POLL_NS 100000000
#define GIVE_BACK_S 10 /* memory, while databases are looked at */

static void signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

void controller_block_signals(void)
{
    sigset_t set;

    signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static bool wanted(const struct controller *c, const char *namespace_)
{
    return !c->config->namespace_ || str_eq(c->config->namespace_, namespace_);
}

static void add_plan(struct controller *c, const char *namespace_, const char *name)
{
    AUTO(free_auto) char *key = plan_cache_key(namespace_, name);

    if (wanted(c, namespace_)) {
        queue_add(c->plans, key);
    }
}

/* ---- changes ------------------------------------------------------------------------------------- */

/* Each complaint about a manifest is logged once, when it appears. */
static void log_problems(struct controller *c)
{
    struct strlist now = { 0 };

    pthread_mutex_lock(&c->problems_lock);
    c->platform.ops->list_problems(c->platform.self, &now);
    for (size_t i = 0; i < now.count; i++) {
        if (!strlist_has(&c->problems, now.items[i])) {
            LOG(LOG_WARN, c->config->standalone ? "manifest not used" : "not watched",
                LOG_S("problem", now.items[i]));
        }
    }
    for (size_t i = 0; i < c->problems.count; i++) {
        if (!strlist_has(&now, c->problems.items[i])) {
            LOG(LOG_INFO, c->config->standalone ? "manifest in order again" : "watched again",
                LOG_S("problem", c->problems.items[i]));
        }
    }
    strlist_done(&c->problems);
    c->problems = now;
    pthread_mutex_unlock(&c->problems_lock);
}

static void on_change(void *payload, enum platform_kind kind, const char *namespace_,
                      const char *name)
{
    struct controller *c = payload;
    AUTO(strlist_done) struct strlist tell = { 0 };

    if (!name) {
        log_problems(c);
    } else if (kind == PLATFORM_SECRET || kind == PLATFORM_CONFIGMAP) {
        if (kind == PLATFORM_SECRET) {
            secret_cache_changed(c->secrets, namespace_, name);
        }
        plan_caches_object_changed(&c->caches, kind, namespace_, name, &tell);
    } else {
        add_plan(c, namespace_, name);
    }
    for (size_t i = 0; i < tell.count; i++) {
        queue_add(c->plans, tell.items[i]);
    }
}

static void on_source(void *payload, const char *plan)
{
    struct controller *c = payload;

    queue_add(c->plans, plan);
}

static void on_pass(void *payload, int64_t waited_ms, int64_t worked_ms)
{
    struct controller *c = payload;
    const struct metric_label *queue =
        LABELS({ "name", "migrationplan" }, { "controller", "migrationplan" });

    metrics_observe(c->metrics, METRIC_QUEUE_SECONDS, queue, (double)waited_ms / 1000);
    metrics_observe(c->metrics, METRIC_QUEUE_WORK_SECONDS, queue, (double)worked_ms / 1000);
    metrics_observe(c->metrics, METRIC_RECONCILE_SECONDS, LABELS({ "controller", "migrationplan" }),
                    (double)worked_ms / 1000);
}

/* ---- start and stop -------------------------------------------------------------------------------- */

static void make_parts(struct controller *c)
{
    const struct polls_options polls = {
        .threads = SOURCE_THREADS,
        .allow = c->config->allow_schemes,
        .min_interval_ms = c->config->min_interval_ms,
        .min_gap_ms =
            c->config->min_interval_ms < POLL_GAP_MS ? c->config->min_interval_ms : POLL_GAP_MS,
        .cancel_fd = &c->cancel.fd,
        .scratch = c->config->scratch_dir,
        .metrics = c->metrics,
        .changed = on_source,
        .payload = c,
    };

    c->polls = polls_new(&polls);
    c->pool = pool_new(POOL_THREADS);
    c->secrets = secret_cache_new(&c->platform, c->pool, &c->cancel, on_source, c);
    c->turns.left = c->config->workers;
    pthread_mutex_init(&c->turns.lock, NULL);
    pthread_cond_init(&c->turns.given_back, NULL);
    c->plans = queue_new("migrationplan", c->config->workers * PASSES_PER_TURN, drive_pass, c);
    queue_observe(c->plans, on_pass, c);
}

static struct err *start(struct controller *c)
{
    struct plan_keys keys = { 0 };

    TRY(c->platform.ops->watch(c->platform.self, on_change, c));
    TRY(c->platform.ops->list_plans(c->platform.self, &keys));
    log_problems(c);
    for (size_t i = 0; i < keys.count; i++) {
        add_plan(c, keys.items[i].namespace_, keys.items[i].name);
    }
    LOG(LOG_INFO, "controller started", LOG_S("version", SLUICE_VERSION),
        LOG_I("plans", (int64_t)keys.count), LOG_I("workers", c->config->workers));
    plan_keys_done(&keys);
    TRY(polls_start(c->polls));
    TRY(queue_start(c->plans));
    atomic_store(&c->synced, true);
    return NULL;
}

/* SIGHUP has no meaning of its own: files are re-read as they change. False: time is up. */
static bool signal_came(const struct timespec *timeout)
{
    sigset_t set;
    int number = SIGHUP;

    signals(&set);
    while (number == SIGHUP || (number < 0 && errno == EINTR)) {
        number = sigtimedwait(&set, NULL, timeout);
    }
    if (number > 0) {
        LOG(LOG_INFO, "controller stops",
            LOG_S("signal", number == SIGTERM ? "SIGTERM" : "SIGINT"));
    }
    return number > 0;
}

/* Each look takes for a moment many times the memory of what is kept of it. */
static void wait_for_signal(struct controller *c)
{
    const struct timespec while_ = { .tv_sec = GIVE_BACK_S };

    while (!signal_came(&while_)) {
        if (atomic_exchange(&c->looked, false)) {
            heap_give_back();
        }
    }
}

/* One that waits for its turn answers probes and is ready: else a new version, which is not ready before
 * the old one has gone, and the old one, which goes when the new one is ready, would wait for each
 * other. False: a signal came first. */
static bool await_lead(struct controller *c)
{
    const struct timespec while_ = { .tv_nsec = LEAD_POLL_NS };
    const struct lead *lead = &c->config->lead;

    if (lead->held && !lead->held(lead->payload)) {
        LOG(LOG_INFO, "controller waits for the lease");
        atomic_store(&c->synced, true);
        while (!lead->held(lead->payload)) {
            if (signal_came(&while_)) {
                return false;
            }
        }
    }
    return true;
}

/* Nobody waits for a hung server: inspections and fetches see the cancel and end. */
static void stop(struct controller *c)
{
    health_end_within(c, STOP_MS);
    cancel_trigger(&c->cancel);
    servers_stop(c);
    queue_stop(c->plans);
    polls_stop(c->polls);
    pool_stop(c->pool);
    if (c->config->lead.release) {
        c->config->lead.release(c->config->lead.payload);
    }
    c->platform.ops->close(c->platform.self);
    health_ended();
    queue_free(c->plans);
    polls_free(c->polls);
    pool_free(c->pool);
    secret_cache_free(c->secrets);
    plan_caches_done(&c->caches);
    metrics_free(c->metrics);
    strlist_done(&c->problems);
    pthread_cond_destroy(&c->turns.given_back);
    pthread_mutex_destroy(&c->turns.lock);
    pthread_mutex_destroy(&c->problems_lock);
    pthread_mutex_destroy(&c->fetches.lock);
    owners_done(&c->owners);
    held_done(&c->held);
    cancel_done(&c->cancel);
}

struct err *controller_run(const struct config *config, struct platform platform)
{
    struct controller c = { .config = config,
                            .platform = platform,
                            .metrics = metrics_new(!config->anonymous_metrics) };

    cancel_init(&c.cancel);
    plan_caches_init(&c.caches);
    pthread_mutex_init(&c.problems_lock, NULL);
    pthread_mutex_init(&c.fetches.lock, NULL);
    owners_init(&c.owners);
    held_init(&c.held, config->source_memory);
    make_parts(&c);
    struct err *failed = servers_start(&c);
    if (!failed && await_lead(&c)) {
        failed = start(&c);
        if (!failed) {
            wait_for_signal(&c);
        }
    }
    stop(&c);
    if (!failed) {
        LOG(LOG_INFO, "controller stopped");
    }
    return failed;
}
