/* SPDX-License-Identifier: Apache-2.0 */
/* What the servers answer. No answer carries a secret, SQL or a commit as a label. */
#include "controller/server.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "controller/health.h"
#include "controller/hook.h"
#include "model/reason.h"

#define BODY_SMALL 1024

static bool only_get(const struct http_request *request, struct http_response *r)
{
    if (str_eq(request->method, "GET") || str_eq(request->method, "HEAD")) {
        return true;
    }
    r->allow = "GET, HEAD";
    http_say(r, 405, "only GET is answered here\n");
    return false;
}

/* ---- metrics ------------------------------------------------------------------------------------- */

static void fill_process(struct metrics *m)
{
    struct rusage usage;
    char text[128] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    int64_t pages = 0;
    double fds = -3; /* ".", ".." and the one that reads */
    DIR *dir = opendir("/proc/self/fd");

    while (dir && readdir(dir)) {
        fds++;
    }
    if (dir) {
        closedir(dir);
    }
    if (fd >= 0) {
        ssize_t got = read(fd, text, sizeof text - 1);
        close(fd);
        char *second = got > 0 ? strchr(text, ' ') : NULL;
        if (second) {
            second[1 + strcspn(second + 1, " ")] = '\0';
            (void)str_to_int64(second + 1, 0, INT64_MAX, &pages);
        }
    }
    getrusage(RUSAGE_SELF, &usage);
    metrics_set(m, METRIC_PROCESS_CPU, NO_LABELS,
                (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    metrics_set(m, METRIC_PROCESS_RSS, NO_LABELS, (double)pages * (double)sysconf(_SC_PAGESIZE));
    metrics_set(m, METRIC_PROCESS_FDS, NO_LABELS, fds);
}

static void fill_api_request(void *payload, const char *host, const char *method, int code,
                             int64_t count)
{
    struct controller *c = payload;
    AUTO(free_auto) char *text = mem_printf("%d", code);

    metrics_set(c->metrics, METRIC_API_REQUESTS,
                LABELS({ "host", host }, { "method", method }, { "code", code ? text : "<error>" }),
                (double)count);
}

static void fill_cluster(struct controller *c)
{
    if (c->platform.ops->each_count) {
        c->platform.ops->each_count(c->platform.self, fill_api_request, c);
    }
    if (c->config->lead.held) {
        metrics_set(c->metrics, METRIC_LEADER, LABELS({ "name", "sluice-controller" }),
                    config_leads(c->config) ? 1 : 0);
    }
}

static void fill_oldest(struct controller *c)
{
    static const char *const kinds[HEALTH_KINDS] = { "pass", "poll", "task" };
    struct oldest list[HEALTH_KINDS];

    health_oldest(c, list);
    for (size_t i = 0; i < HEALTH_KINDS; i++) {
        metrics_set(c->metrics, METRIC_OLDEST, LABELS({ "kind", kinds[i] }),
                    list[i].age_ms > 0 ? (double)list[i].age_ms / 1000 : 0);
    }
    health_done(list);
}

static void fill(void *payload)
{
    struct controller *c = payload;
    struct queue_stats stats;

    queue_stats(c->plans, &stats);
    const struct metric_label *queue =
        LABELS({ "name", "migrationplan" }, { "controller", "migrationplan" });
    metrics_set(c->metrics, METRIC_QUEUE_DEPTH, queue, (double)stats.depth);
    metrics_set(c->metrics, METRIC_QUEUE_ADDS, queue, (double)stats.adds);
    metrics_set(c->metrics, METRIC_QUEUE_RETRIES, queue, (double)stats.retries);
    metrics_set(c->metrics, METRIC_QUEUE_UNFINISHED, queue, stats.unfinished_seconds);
    metrics_set(c->metrics, METRIC_QUEUE_LONGEST, queue, stats.longest_seconds);
    metrics_set(c->metrics, METRIC_ACTIVE_WORKERS, LABELS({ "controller", "migrationplan" }),
                (double)(stats.active < c->config->workers ? stats.active : c->config->workers));
    metrics_set(c->metrics, METRIC_MAX_CONCURRENT, LABELS({ "controller", "migrationplan" }),
                c->config->workers);
    fill_oldest(c);
    fill_process(c->metrics);
    fill_cluster(c);
}

static void answer_metrics(void *payload, const struct http_request *request,
                           struct http_response *r)
{
    struct controller *c = payload;
    const char *accept = http_header(request, "Accept");
    bool openmetrics = accept && strstr(accept, "application/openmetrics-text");

    if (!only_get(request, r)) {
        return;
    }
    if (!str_eq(request->path, "/metrics")) {
        http_say(r, 404, "only /metrics is here\n");
        return;
    }
    r->content_type = openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                  : "text/plain; version=0.0.4; charset=utf-8";
    metrics_write(c->metrics, openmetrics, &r->body);
}

/* ---- health -------------------------------------------------------------------------------------- */

static void answer_health(void *payload, const struct http_request *request,
                          struct http_response *r)
{
    struct controller *c = payload;

    if (!only_get(request, r)) {
        return;
    }
    if (str_eq(request->path, "/healthz")) {
        const struct lead *lead = &c->config->lead;
        AUTO(free_auto) char *stuck = health_problem(c);
        bool lost = lead->healthy && !lead->healthy(lead->payload);
        http_say(r, stuck || lost ? 503 : 200,
                 stuck  ? stuck
                 : lost ? "the lease is not renewed\n"
                        : "ok\n");
    } else if (str_eq(request->path, "/readyz")) {
        bool ready = atomic_load(&c->synced) && !cancel_triggered(&c->cancel);
        http_say(r, ready ? 200 : 503, ready ? "ok\n" : "not ready\n");
    } else {
        http_say(r, 404, "only /healthz and /readyz are here\n");
    }
}

/* ---- start and stop -------------------------------------------------------------------------------- */

static void count_request(void *payload, const char *server, int status)
{
    struct controller *c = payload;
    AUTO(free_auto) char *code = mem_printf("%d", status);

    metrics_add(c->metrics, METRIC_HTTP_REQUESTS, LABELS({ "server", server }, { "code", code }),
                1);
}

/* Tests and people with port 0 find the ports here. */
static struct err *write_ports(const struct controller *c)
{
    static const char *const names[] = { "metrics", "health", "hook" };
    AUTO(json_free_auto) struct json *root = json_object();

    for (size_t i = 0; i < 3; i++) {
        json_set_string(root, names[i], c->servers[i] ? http_address(c->servers[i]) : NULL);
    }
    if (!c->config->ports_file) {
        return NULL;
    }
    AUTO(free_auto) char *text = json_text_pretty(root);
    return file_write_atomic(c->config->ports_file, text, strlen(text), 0600);
}

static void init_metrics(struct controller *c)
{
    static const char *const results[] = { "success", "error", "requeue", "requeue_after" };

    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        metrics_add(c->metrics, METRIC_RECONCILE_TOTAL,
                    LABELS({ "controller", "migrationplan" }, { "result", results[i] }), 0);
    }
    metrics_set(c->metrics, METRIC_BUILD_INFO, LABELS({ "version", SLUICE_VERSION }), 1);
    metrics_set(c->metrics, METRIC_PROCESS_START, NO_LABELS, (double)clock_utc_ms() / 1000);
    metrics_on_scrape(c->metrics, fill, c);
}

static struct err *start_one(struct controller *c, size_t index, struct http_options *options)
{
    struct err *failed = http_start(options, &c->servers[index]);

    if (failed && c->config->may_move[index] && str_eq(failed->reason, REASON_ADDRESS_IN_USE)) {
        LOG(LOG_WARN, "address taken, any other port is used", LOG_S("server", options->name),
            LOG_S("message", failed->message));
        err_free(failed);
        options->address = ":0";
        failed = http_start(options, &c->servers[index]);
    }
    return failed;
}

struct err *servers_start(struct controller *c)
{
    const struct http_options options[] = {
        { .name = "metrics",
          .address = c->config->metrics_addr,
          .max_body = BODY_SMALL,
          .handler = answer_metrics },
        { .name = "health",
          .address = c->config->health_addr,
          .max_body = BODY_SMALL,
          .handler = answer_health },
        { .name = "hook",
          .address = c->config->hook_addr,
          .max_body = HOOK_BODY_MAX,
          .own_threads = true,
          .handler = hook_answer },
    };

    init_metrics(c);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        struct http_options one = options[i];
        if (!one.address) {
            continue;
        }
        one.host = c->config->bind_host;
        one.payload = c;
        one.done = count_request;
        TRY(start_one(c, i, &one));
        LOG(LOG_INFO, "listening", LOG_S("server", one.name),
            LOG_S("address", http_address(c->servers[i])));
    }
    return write_ports(c);
}

void servers_stop(struct controller *c)
{
    for (size_t i = 0; i < 3; i++) {
        http_stop(c->servers[i]);
        c->servers[i] = NULL;
    }
    hook_done();
}
