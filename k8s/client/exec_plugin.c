/* SPDX-License-Identifier: Apache-2.0 */
/* Exec credential plugins: what they are told, how they are run, what they answer. */
#include "k8s/client/exec_plugin.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/proc.h"
#include "k8s/client/kube.h"
#include "model/reason.h"

#define OUTPUT_MAX (256 * 1024)              /* bytes: a token, or a chain of certificates */
#define TIMEOUT_MS (60 * 1000)               /* nobody sits there */
#define INTERACTIVE_MS ((int64_t)300 * 1000) /* somebody logs in by a browser */

#define DENIED(...) err_new(ERR_TRANSIENT, KUBE_FORBIDDEN, __VA_ARGS__)

void exec_credential_done(struct exec_credential *c)
{
    secret_done(&c->token);
    secret_done(&c->key);
    free(c->cert);
    *c = (struct exec_credential){ 0 };
}

/* ---- what it is told ------------------------------------------------------------------------- */

static struct json *cluster_info(const struct kube_config *config)
{
    struct json *cluster = json_object();
    json_set_string(cluster, "server", config->server);
    json_set_string_opt(cluster, "tls-server-name", config->tls_server_name);
    json_set_string_opt(cluster, "proxy-url", config->proxy);
    if (config->insecure) {
        json_set_bool(cluster, "insecure-skip-tls-verify", true);
    }
    if (config->ca) { /* also what a file held */
        AUTO(buf_done) struct buf coded = BUF(2 * strlen(config->ca) + 8);
        base64_format(config->ca, strlen(config->ca), &coded);
        json_set_string(cluster, "certificate-authority-data", buf_text(&coded));
    }
    if (config->exec_config) {
        json_set(cluster, "config", json_copy(config->exec_config));
    }
    return cluster;
}

char *exec_plugin_info(const struct kube_config *config, bool interactive)
{
    AUTO(json_free_auto) struct json *root = json_object();
    struct json *spec = json_object();
    json_set_string(root, "apiVersion", config->exec_api_version);
    json_set_string(root, "kind", "ExecCredential");
    json_set_bool(spec, "interactive", interactive);
    if (config->exec_cluster_info) {
        json_set(spec, "cluster", cluster_info(config));
    }
    json_set(root, "spec", spec);
    return json_text(root);
}

/* ---- what it answers ------------------------------------------------------------------------- */

static struct err *decode_status(const struct kube_config *config, const struct json *status,
                                 struct exec_credential *out)
{
    const char *token = json_get_string(status, "token");
    const char *cert = json_get_string(status, "clientCertificateData");
    const char *key = json_get_string(status, "clientKeyData");
    const char *expires = json_get_string(status, "expirationTimestamp");
    if (!cert != !key) {
        return DENIED("credential plugin %s: clientCertificateData and clientKeyData are needed "
                      "together",
                      config->exec_command);
    }
    if ((!token || !*token) && !cert) {
        return DENIED("credential plugin %s: its answer has neither a token nor a certificate",
                      config->exec_command);
    }
    int64_t expires_ms = 0;
    if (expires && !time_parse(expires, &expires_ms)) {
        return DENIED("credential plugin %s: expirationTimestamp is not a time",
                      config->exec_command);
    }
    *out = (struct exec_credential){ .cert = mem_strdup(cert), .expires_utc_ms = expires_ms };
    if (token && *token) {
        out->token = secret_make(token, strlen(token));
    }
    if (key) {
        out->key = secret_make(key, strlen(key));
    }
    return NULL;
}

struct err *exec_plugin_parse(const struct kube_config *config, const char *text, size_t length,
                              struct exec_credential *out)
{
    AUTO(json_free_auto) struct json *root = NULL;
    struct err *error = json_parse(text, length, "its answer", &root);
    if (error) {
        err_free(error); /* may quote a key of the answer */
        return DENIED("credential plugin %s: its answer is not JSON", config->exec_command);
    }
    if (!str_eq(json_get_string(root, "kind"), "ExecCredential") ||
        !str_eq(json_get_string(root, "apiVersion"), config->exec_api_version)) {
        return DENIED("credential plugin %s: its answer is no ExecCredential of %s",
                      config->exec_command, config->exec_api_version);
    }
    return decode_status(config, json_get(root, "status"), out);
}

/* ---- running it ------------------------------------------------------------------------------ */

static char *find_command(const char *command)
{
    if (strchr(command, '/')) {
        return access(command, X_OK) == 0 ? mem_strdup(command) : NULL;
    }
    const char *path = getenv("PATH");
    for (const char *at = path; at && *at;) {
        const char *end = strchrnul(at, ':');
        AUTO(free_auto) char *file = mem_printf("%.*s/%s", (int)(end - at), at, command);
        if (end > at && access(file, X_OK) == 0) {
            return TAKE(file);
        }
        at = *end ? end + 1 : NULL;
    }
    return NULL;
}

/* Ours, with the configured variables and KUBERNETES_EXEC_INFO in front: the first one counts. */
static void make_environment(const struct kube_config *config, bool interactive,
                             struct strlist *out)
{
    AUTO(free_auto) char *info = exec_plugin_info(config, interactive);
    AUTO(free_auto) char *line = mem_printf("KUBERNETES_EXEC_INFO=%s", info);
    strlist_add(out, line);
    for (size_t i = 0; i < config->exec_env.count; i++) {
        const struct kv *kv = &config->exec_env.items[i];
        AUTO(free_auto) char *pair = mem_printf("%s=%s", kv->key, kv->value);
        strlist_add(out, pair);
    }
    for (char **at = environ; *at; at++) {
        AUTO(free_auto) char *name = mem_strndup(*at, strcspn(*at, "="));
        if (!str_eq(name, "KUBERNETES_EXEC_INFO") && !kvlist_get(&config->exec_env, name)) {
            strlist_add(out, *at);
        }
    }
}

/* Hands the terminal over, and back: a child of its own process group may not read it otherwise. */
static void give_terminal(pid_t group)
{
    sigset_t stop;
    sigset_t before;
    (void)sigemptyset(&stop);
    (void)sigaddset(&stop, SIGTTOU);
    (void)pthread_sigmask(SIG_BLOCK, &stop, &before);
    (void)tcsetpgrp(STDIN_FILENO, group);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static bool have_terminal(const struct kube_config *config)
{
    return config->exec_interactive != EXEC_NEVER && isatty(STDIN_FILENO) &&
           tcgetpgrp(STDIN_FILENO) == getpgrp();
}

/* Until the plugin has ended: a grandchild may hold its stdout for ever. */
static bool read_output(const struct proc *child, int fd, int64_t deadline_ms, struct buf *out)
{
    char chunk[4096];
    for (bool ended = false;;) {
        struct pollfd fds[] = { { .fd = fd, .events = POLLIN },
                                { .fd = child->pidfd, .events = POLLIN } };
        int64_t left = deadline_ms - clock_mono_ms();
        if (left <= 0) {
            return false;
        }
        int n = poll(fds, ended ? 1 : 2, ended ? 0 : (int)left);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        if (n > 0 && fds[0].revents) {
            ssize_t got = read(fd, chunk, sizeof chunk);
            if (got <= 0) {
                return true;
            }
            buf_add(out, chunk, (size_t)got);
        } else if (ended) {
            return true;
        }
        ended = ended || (n > 0 && fds[1].revents);
    }
}

static struct err *run(const struct kube_config *config, const struct proc_spec *spec,
                       int out_fd[2], bool interactive, struct buf *output)
{
    struct proc child = { .pidfd = -1 };
    struct proc_end end = { 0 };
    struct err *error = proc_spawn(spec, &child);
    (void)close(out_fd[1]);
    out_fd[1] = -1;
    if (error) {
        return error;
    }
    if (interactive) {
        give_terminal(child.pid);
        (void)kill(-child.pid, SIGCONT); /* it may have been stopped by reading too early */
    }
    int64_t deadline = clock_mono_ms() + (interactive ? INTERACTIVE_MS : TIMEOUT_MS);
    bool fine =
        read_output(&child, out_fd[0], deadline, output) &&
        proc_wait(&child, deadline > clock_mono_ms() ? deadline - clock_mono_ms() : 0, &end);
    if (!fine) {
        proc_kill(&child);
    }
    if (interactive) {
        give_terminal(getpgrp());
    }
    if (!fine) {
        return DENIED("credential plugin %s did not end in time", config->exec_command);
    }
    if (end.signalled || end.code != 0) {
        return DENIED("credential plugin %s ended with %s %d", config->exec_command,
                      end.signalled ? "signal" : "code", end.code);
    }
    return NULL;
}

static struct err *start(const struct kube_config *config, const char *command, bool interactive,
                         struct buf *output)
{
    AUTO(strlist_done) struct strlist environment = { 0 };
    AUTO(free_auto) const char **argv = mem_array(config->exec_args.count + 2, sizeof *argv);
    int out_fd[2] = { -1, -1 };
    make_environment(config, interactive, &environment);
    AUTO(free_auto) const char **envp = mem_array(environment.count + 1, sizeof *envp);
    for (size_t i = 0; i < environment.count; i++) {
        envp[i] = environment.items[i];
    }
    argv[0] = config->exec_command;
    for (size_t i = 0; i < config->exec_args.count; i++) {
        argv[i + 1] = config->exec_args.items[i];
    }
    if (pipe2(out_fd, O_CLOEXEC) != 0) {
        return err_new(ERR_TRANSIENT, REASON_INTERNAL, "no pipe for credential plugin %s",
                       config->exec_command);
    }
    const struct proc_spec spec = {
        .path = command,
        .argv = argv,
        .envp = envp,
        .stdin_fd = interactive ? STDIN_FILENO : -1,
        .stdout_fd = out_fd[1],
        .stderr_fd = STDERR_FILENO,
    };
    struct err *error = run(config, &spec, out_fd, interactive, output);
    (void)close(out_fd[0]);
    for (size_t i = 0; i < environment.count; i++) {
        secret_wipe(environment.items[i], strlen(environment.items[i]));
    }
    return error;
}

struct err *exec_plugin_run(const struct kube_config *config, struct exec_credential *out)
{
    AUTO(secret_buf_done) struct buf output = BUF(OUTPUT_MAX);
    AUTO(free_auto) char *command = find_command(config->exec_command);
    bool interactive = have_terminal(config);
    if (!command) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC,
                       "credential plugin %s is not there or not executable%s%s",
                       config->exec_command, config->exec_hint ? ": " : "",
                       config->exec_hint ? config->exec_hint : "");
    }
    if (config->exec_interactive == EXEC_ALWAYS && !interactive) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC,
                       "credential plugin %s needs a terminal (interactiveMode: Always)",
                       config->exec_command);
    }
    struct err *error = start(config, command, interactive, &output);
    if (!error && output.failed) {
        error = DENIED("credential plugin %s: its answer is larger than %d bytes",
                       config->exec_command, OUTPUT_MAX);
    }
    return error ? error : exec_plugin_parse(config, buf_text(&output), output.len, out);
}
