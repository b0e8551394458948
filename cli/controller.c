/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice controller`: flags to a config, a platform, and the run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/heap.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/cluster.h"
#include "cli/commands.h"
#include "controller/controller.h"
#include "database/credentials.h"
#include "git/repo.h"
#include "local/local.h"
#include "model/reason.h"

#define STUCK_MS (15 * 60 * 1000) /* longer than any deadline: spec.source.timeout is 10m at most */
#define INSPECTION_MIB 128

struct controller_values {
    const char *standalone, *allow, *namespace_, *metrics, *health, *hook, *log_level;
    bool anonymous_metrics;
    int64_t min_interval_ms, stuck_ms, workers, source_memory, inspection_memory_mib;
    struct cluster_values cluster;
};

#define ROW(name, type, value, help, field)                                                        \
    {                                                                                              \
        name, 0, type, value, help, offsetof(struct controller_values, field)                      \
    }
static const struct option_row controller_rows[] = {
    ROW("standalone", OPTION_TEXT, "DIR", "folder of manifests; state goes to DIR/.sluice",
        standalone),
    ROW("kubeconfig", OPTION_TEXT, "FILE",
        "plans of this API server (default in a cluster: the pod's own)", cluster.kubeconfig),
    ROW("context", OPTION_TEXT, "NAME", "of the kubeconfig (default: its current-context)",
        cluster.context),
    ROW("runner-image", OPTION_TEXT, "IMAGE",
        "cluster: image of the Jobs (or $SLUICE_RUNNER_IMAGE)", cluster.runner_image),
    ROW("runner-image-pull-policy", OPTION_WORD, "Always|IfNotPresent|Never",
        "of the Jobs (default: the API server's)", cluster.pull_policy),
    ROW("cluster-id", OPTION_TEXT, "ID",
        "of the leases (default: the UID of namespace kube-system)", cluster.cluster_id),
    ROW("kube-api-qps", OPTION_TEXT, "N",
        "cluster: requests a second to the API server, on average (default 50)", cluster.api_qps),
    ROW("kube-api-burst", OPTION_NUMBER, "N",
        "cluster: requests that may go at once after a pause (default 100)", cluster.api_burst),
    ROW("cache-dir", OPTION_TEXT, "DIR",
        "cluster: clones (default /var/cache/sluice, else a temporary folder)", cluster.cache_dir),
    ROW("enable-leader-election", OPTION_FLAG, NULL,
        "one controller works at a time (the default in a cluster)", cluster.elect),
    ROW("no-leader-election", OPTION_FLAG, NULL, "this is the only controller", cluster.no_elect),
    ROW("leader-election-namespace", OPTION_TEXT, "NS",
        "of the Lease sluice-controller (default: the pod's)", cluster.lease_namespace),
    ROW("leader-election-lease-duration", OPTION_DURATION, "TIME", "default 15s", cluster.lease_ms),
    ROW("leader-election-renew-deadline", OPTION_DURATION, "TIME", "default 10s", cluster.renew_ms),
    ROW("leader-election-retry-period", OPTION_DURATION, "TIME", "default 2s", cluster.retry_ms),
    ROW("allow-source-scheme", OPTION_TEXT, "LIST", "also http and/or file, comma-separated",
        allow),
    ROW("namespace", OPTION_TEXT, "NS", "only plans of this namespace", namespace_),
    ROW("min-interval", OPTION_DURATION, "TIME",
        "floor of every poll and inspection interval (default 30s)", min_interval_ms),
    ROW("workers", OPTION_NUMBER, "N", "plans worked on at once (default 8)", workers),
    ROW("stuck-after", OPTION_DURATION, "TIME",
        "age of a task at which /healthz fails (default 15m)", stuck_ms),
    ROW("source-memory", OPTION_NUMBER, "MIB",
        "MiB of migration files held for all plans together (default 256)", source_memory),
    ROW("inspection-memory", OPTION_NUMBER, "MIB",
        "what the answer of one database may take, at most two at a time (default 128)",
        inspection_memory_mib),
    ROW("metrics-addr", OPTION_TEXT, "ADDR", "/metrics (default :8080; port 0: any; off)", metrics),
    ROW("no-plan-metrics", OPTION_FLAG, NULL, "/metrics names no namespace, plan or database",
        anonymous_metrics),
    ROW("health-addr", OPTION_TEXT, "ADDR", "/healthz, /readyz (default :9440)", health),
    ROW("hook-addr", OPTION_TEXT, "ADDR", "/hook/NAMESPACE/PLAN (default :9292)", hook),
    ROW("log-level", OPTION_WORD, CLI_LOG_LEVELS, "lines of this level and above (default info)",
        log_level),
};

const struct cli_spec controller_spec = {
    .command = "controller",
    .synopsis = "[--standalone DIR | --kubeconfig FILE] [--runner-image IMAGE]",
    .about =
        "Runs the controller on the MigrationPlans of a cluster, its own without --kubeconfig, or "
        "on a"
        "\nfolder of MigrationPlan, Secret and ConfigMap manifests, the same that kubectl apply"
        " takes.\nAddresses without a host bind 127.0.0.1, in a cluster all of this"
        " machine's, IPv6 too. Log lines on stderr are JSON.",
    .rows = controller_rows,
    .row_count = sizeof controller_rows / sizeof *controller_rows,
};

/* ---- values -------------------------------------------------------------------------------------- */

static struct err *parse_schemes(const char *list, unsigned *out)
{
    AUTO(free_auto) char *copy = mem_strdup(list ? list : "");
    char *rest = copy;
    const char *word;

    while ((word = strsep(&rest, ","))) {
        if (str_eq(word, "http")) {
            *out |= REPO_ALLOW_HTTP;
        } else if (str_eq(word, "file")) {
            *out |= REPO_ALLOW_FILE;
        } else if (*word && !str_eq(word, "https") && !str_eq(word, "ssh")) {
            return err_new(ERR_TERMINAL, REASON_USAGE,
                           "--allow-source-scheme: \"%s\" is not http or file", word);
        }
    }
    return NULL;
}

static const char *address(const char *given, const char *standard)
{
    if (given && (str_eq(given, "off") || str_eq(given, "0"))) {
        return NULL;
    }
    return given ? given : standard;
}

static struct err *config_make(const struct controller_values *v, struct config *out)
{
    if (v->standalone && (v->cluster.kubeconfig || v->cluster.context)) {
        return err_new(ERR_TERMINAL, REASON_USAGE,
                       "--standalone and --kubeconfig exclude each other");
    }
    if (!v->standalone && !cluster_wanted(&v->cluster)) {
        return err_new(ERR_TERMINAL, REASON_USAGE,
                       "neither a folder nor a cluster is given: add --standalone DIR, the folder "
                       "of manifests, or --kubeconfig FILE");
    }
    if (v->workers > 256) {
        return err_new(ERR_TERMINAL, REASON_USAGE, "--workers: at most 256");
    }
    if (v->source_memory > 65536) {
        return err_new(ERR_TERMINAL, REASON_USAGE, "controller --source-memory: at most 65536 MiB");
    }
    if (v->inspection_memory_mib > 0 &&
        (v->inspection_memory_mib < 8 || v->inspection_memory_mib > 65536)) {
        return err_new(ERR_TERMINAL, REASON_USAGE,
                       "controller --inspection-memory: 8 to 65536 MiB");
    }
    *out = (struct config){
        .standalone = v->standalone,
        .namespace_ = v->namespace_,
        .min_interval_ms = v->min_interval_ms >= 0 ? v->min_interval_ms : 30000,
        .workers = v->workers > 0 ? (int)v->workers : 8,
        .anonymous_metrics = v->anonymous_metrics,
        .stuck_ms = v->stuck_ms > 0 ? v->stuck_ms : STUCK_MS,
        .source_memory =
            v->source_memory > 0 ? (size_t)v->source_memory * 1024 * 1024 : LIMIT_SOURCES,
        .inspection_memory =
            (v->inspection_memory_mib > 0 ? v->inspection_memory_mib : INSPECTION_MIB) << 20,
        .metrics_addr = address(v->metrics, ":8080"),
        .health_addr = address(v->health, ":9440"),
        .hook_addr = address(v->hook, ":9292"),
        .bind_host = "127.0.0.1",
        /* Two folders on one machine are two controllers; on a cluster probes and Services name the port. */
        .may_move = { v->standalone && !v->metrics, v->standalone && !v->health,
                      v->standalone && !v->hook },
    };
    return parse_schemes(v->allow, &out->allow_schemes);
}

/* ---- children ------------------------------------------------------------------------------------ */

/* What a Job's process gets of our environment: where programs, zones and certificates are, and what
 * sanitizers and tests need. No variable that may hold a secret. */
static char **child_environment(const char *standalone)
{
    static const char *const names[] = { "PATH",          "HOME",         "TZ",
                                         "LANG",          "LC_ALL",       "TMPDIR",
                                         "SSL_CERT_FILE", "SSL_CERT_DIR", "ASAN_OPTIONS",
                                         "UBSAN_OPTIONS", "LSAN_OPTIONS", "LD_LIBRARY_PATH" };
    char **list = mem_array(sizeof names / sizeof *names + 2, sizeof *list);
    size_t count = 0;

    list[count++] = mem_printf("SLUICE_STANDALONE=%s", standalone); /* for commands in messages */

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value) {
            list[count++] = mem_printf("%s=%s", names[i], value);
        }
    }
    return list;
}

static void environment_free(char **list)
{
    for (size_t i = 0; list[i]; i++) {
        free(list[i]);
    }
    free(list);
}

/* ---- run ----------------------------------------------------------------------------------------- */

static struct err *run_standalone(struct config *config)
{
    AUTO(free_auto) char *dir = realpath(config->standalone, NULL);
    char **environment = child_environment(dir ? dir : config->standalone);

    config->absolute = dir ? dir : config->standalone;
    const struct local_options options = { .dir = config->standalone,
                                           .program = "/proc/self/exe",
                                           .envp = (const char *const *)environment };
    struct platform platform = { 0 };
    AUTO(free_auto) char *cache = mem_printf("%s/.sluice/git", dir ? dir : config->standalone);
    AUTO(free_auto) char *scratch = mem_printf("%s/.sluice/tmp", dir ? dir : config->standalone);
    AUTO(free_auto) char *ports = mem_printf("%s/.sluice/ports.json", dir ? dir : ".");
    struct err *failed = local_open(&options, &platform);

    if (!failed) {
        failed = file_mkdirs(cache, 0700);
        config->cache_dir = cache;
        config->scratch_dir = scratch;
        config->ports_file = ports;
        if (failed) {
            platform.ops->close(platform.self);
        } else {
            failed = controller_run(config, platform);
        }
    }
    environment_free(environment);
    return failed;
}

int controller_main(int argc, char **argv)
{
    struct controller_values values = { .min_interval_ms = -1 };
    struct config config = { 0 };
    bool help = false;

    struct err *failed = cli_parse(&controller_spec, argc, argv, &values, NULL, &help);
    if (help) {
        return 0;
    }
    failed = failed ? failed : config_make(&values, &config);
    if (!failed) {
        log_setup(STDERR_FILENO, cli_log_level(values.log_level));
        credentials_protect_process();
        heap_for_threads();
        controller_block_signals();
        failed =
            values.standalone ? run_standalone(&config) : cluster_run(&values.cluster, &config);
    }
    return failed ? cli_fail("controller", failed, false) : 0;
}
