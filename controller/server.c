/* SPDX-License-Identifier: Apache-2.0 */
/* What the servers answer. No answer carries a secret, SQL or a commit as a label. */
#include "controller/server.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/bucket.h"
#include "controller/webhook.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/clock.h"
#include "reconcile/base/file.h"
#include "reconcile/base/log.h"
#include "reconcile/base/mem.h"
#include "reconcile/model/reason.h"

#define BODY_SMALL 1024
#define BODY_HOOK (1024 * 1024) /* bytes; pushes of the big servers stay under 1 MiB in practice */
#define STUCK_SECONDS 900       /* a pass takes milliseconds */

static void say(struct http_response *r, int status, const char *text)
{
    r->status = status;
    buf_reset(&r->body);
    buf_adds(&r->body, text);
}

static bool only_get(const struct http_request *request, struct http_response *r)
{
    if (str_eq(request->method, "GET") || str_eq(request->method, "HEAD")) {
        return true;
    }
    r->allow = "GET, HEAD";
    say(r, 405, "only GET is answered here\n");
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

static bool leads(const struct controller *c)
{
    const struct lead *lead = &c->config->lead;

    return !lead->held || lead->held(lead->payload);
}

static void fill_cluster(struct controller *c)
{
    if (c->platform.ops->each_count) {
        c->platform.ops->each_count(c->platform.self, fill_api_request, c);
    }
    if (c->config->lead.held) {
        metrics_set(c->metrics, METRIC_LEADER, LABELS({ "name", "sluice-controller" }),
                    leads(c) ? 1 : 0);
    }
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
                (double)stats.active);
    metrics_set(c->metrics, METRIC_MAX_CONCURRENT, LABELS({ "controller", "migrationplan" }),
                c->config->workers);
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
        say(r, 404, "only /metrics is here\n");
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
    struct queue_stats stats;

    if (!only_get(request, r)) {
        return;
    }
    queue_stats(c->plans, &stats);
    if (str_eq(request->path, "/healthz")) {
        const struct lead *lead = &c->config->lead;
        bool stuck = stats.longest_seconds > STUCK_SECONDS;
        bool lost = lead->healthy && !lead->healthy(lead->payload);
        say(r, stuck || lost ? 503 : 200,
            stuck  ? "a pass hangs\n"
            : lost ? "the lease is not renewed\n"
                   : "ok\n");
    } else if (str_eq(request->path, "/readyz")) {
        bool ready = atomic_load(&c->synced) && !cancel_triggered(&c->cancel);
        say(r, ready ? 200 : 503, ready ? "ok\n" : "not ready\n");
    } else {
        say(r, 404, "only /healthz and /readyz are here\n");
    }
}

/* ---- webhook ------------------------------------------------------------------------------------- */

static struct buckets hook_buckets; /* one server, one thread */

/* "/hook/ns/plan" -> "ns/plan"; NULL: another path. */
static const char *hook_key(const char *path)
{
    const char *rest = str_starts(path, "/hook/") ? path + strlen("/hook/") : NULL;
    const char *slash = rest ? strchr(rest, '/') : NULL;

    return slash && slash > rest && slash[1] && !strchr(slash + 1, '/') ? rest : NULL;
}

/* One that waits for the lease works on no plan: it looks at the object. */
static char *standby_secret(struct controller *c, const char *namespace_, const char *plan)
{
    AUTO(json_free_auto) struct json *object = NULL;
    AUTO(snapshot_unref_auto) struct snapshot *snapshot = NULL;
    struct err *failed = c->platform.ops->read_plan(c->platform.self, namespace_, plan, &object);

    if (failed) {
        err_free(failed);
        return NULL;
    }
    snapshot = snapshot_new(object, NULL);
    return snapshot->error ? NULL : mem_strdup(snapshot->plan.source.webhook_secret_name);
}

static char *hook_secret(struct controller *c, const char *key, const char *namespace_)
{
    struct cell *cell = cells_find(&c->cells, key);
    char *name = NULL;

    if (!cell) {
        return leads(c) ? NULL : standby_secret(c, namespace_, strchr(key, '/') + 1);
    }
    pthread_mutex_lock(&cell->lock);
    if (cell->snapshot && !cell->snapshot->error) {
        name = mem_strdup(cell->snapshot->plan.source.webhook_secret_name);
    }
    pthread_mutex_unlock(&cell->lock);
    cell_unref(cell);
    return name;
}

/* False: no such plan, or it takes no webhooks. */
static bool hook_token(struct controller *c, const char *key, struct kvlist *out)
{
    AUTO(free_auto) char *namespace_ = mem_strndup(key, strcspn(key, "/"));
    AUTO(free_auto) char *name = hook_secret(c, key, namespace_);
    struct err *failed =
        name ? c->platform.ops->read_secret(c->platform.self, namespace_, name, out) : NULL;
    bool usable = name && !failed && kvlist_get(out, "token") && *kvlist_get(out, "token");

    err_free(failed);
    return usable;
}

/* The one that leads sees the annotation and polls. */
static struct err *ask_leader(struct controller *c, const char *key)
{
    AUTO(free_auto) char *namespace_ = mem_strndup(key, strcspn(key, "/"));
    AUTO(json_free_auto) struct json *patch = json_object();
    struct json *metadata = json_object();
    struct json *annotations = json_object();
    char now[TIME_TEXT_LEN];

    time_format_micro(clock_utc_ms() * 1000, now);
    json_set_string(annotations, ANNOTATION_REQUESTED, now);
    json_set(metadata, "annotations", annotations);
    json_set(patch, "metadata", metadata);
    return c->platform.ops->patch_plan(c->platform.self, namespace_, strchr(key, '/') + 1, patch);
}

static void take_hook(struct controller *c, const char *key, struct http_response *r)
{
    bool ours = leads(c);
    struct err *failed = ours ? NULL : ask_leader(c, key);

    if (failed) {
        LOG(LOG_WARN, "webhook not passed on", LOG_S("plan", key),
            LOG_S("message", failed->message));
        err_free(failed);
        say(r, 503, "try again\n");
        return;
    }
    if (ours) {
        polls_now(c->polls, key);
    }
    say(r, 202, "accepted\n");
}

static const char *count_hook(struct controller *c, const char *result)
{
    metrics_add(c->metrics, METRIC_WEBHOOKS, LABELS({ "result", result }), 1);
    return result;
}

static void answer_signed(struct controller *c, const struct http_request *request, const char *key,
                          const char *token, struct http_response *r)
{
    const struct webhook_headers headers = {
        .hub_signature_256 = http_header(request, "X-Hub-Signature-256"),
        .hub_signature = http_header(request, "X-Hub-Signature"),
        .gitea_signature = http_header(request, "X-Gitea-Signature"),
        .gitlab_token = http_header(request, "X-Gitlab-Token"),
        .sluice_signature = http_header(request, "X-Sluice-Signature"),
    };

    if (!webhook_verify(&headers, request->body, request->length, token)) {
        (void)count_hook(c, "denied");
        LOG(LOG_WARN, "webhook denied", LOG_S("plan", key), LOG_S("peer", request->peer));
        say(r, 403, "the signature is missing or wrong\n");
        return;
    }
    (void)count_hook(c, "accepted");
    LOG(LOG_INFO, "webhook", LOG_S("plan", key), LOG_S("peer", request->peer));
    take_hook(c, key, r);
}

static void answer_hook(void *payload, const struct http_request *request, struct http_response *r)
{
    struct controller *c = payload;
    const char *key = hook_key(request->path);
    struct kvlist secret = { 0 };

    if (!buckets_take(&hook_buckets, request->peer, clock_mono_ms())) {
        (void)count_hook(c, "limited");
        say(r, 429, "too many requests\n");
        return;
    }
    if (key && !str_eq(request->method, "POST")) {
        r->allow = "POST";
        say(r, 405, "only POST is answered here\n");
        return;
    }
    if (!key || !hook_token(c, key, &secret)) {
        (void)count_hook(c, "unknown");
        say(r, 404, "no such webhook\n");
    } else {
        answer_signed(c, request, key, kvlist_get(&secret, "token"), r);
    }
    for (size_t i = 0; i < secret.count; i++) {
        secret_wipe(secret.items[i].value, strlen(secret.items[i].value));
    }
    kvlist_done(&secret);
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
          .max_body = BODY_HOOK,
          .handler = answer_hook },
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
        TRY(http_start(&one, &c->servers[i]));
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
}
