/* SPDX-License-Identifier: Apache-2.0 */
/* The Kubernetes client from the command line, for scripts:
 *
 *   kubecat [--kubeconfig FILE] [--context NAME] [--in-cluster FOLDER] COMMAND …
 *     get PATH                    prints the answer
 *     post|put|apply|merge|json|delete PATH [BODY]   the same; BODY from stdin if it is '-'
 *     where                       prints the server and the namespace
 *     watch PATH SECONDS [COUNT]  prints "+ KEY RV" and "- KEY RV" as they come; ends after COUNT lines
 *                                 or SECONDS; SLUICE_WATCH_SECONDS and SLUICE_GUARD_MS as in the spec
 *     secret NAMESPACE NAME       prints what a plan would read of it, "KEY=VALUE" each
 *     events NAMESPACE NAME TIMES  says TIMES times that something happened to ConfigMap NAME
 *     lead NAMESPACE NAME IDENTITY SECONDS   prints "leading", "lost WHY", "term N"; the lease lasts
 *                                 2 s, is renewed within 1.5 s, tried every 0.3 s
 *
 * Exit code: 0, or 1 with "REASON KIND: message" on stderr; of watch 3 if COUNT lines did not come. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/str.h"
#include "k8s/client/client.h"
#include "k8s/client/events.h"
#include "k8s/client/informer.h"
#include "k8s/client/leader.h"
#include "k8s/platform/internal.h"

static int complain(struct err *error)
{
    static const char *const kinds[] = { "transient", "conflict", "wait", "terminal" };
    (void)fprintf(stderr, "%s %s: %s\n", error->reason, kinds[error->kind], error->message);
    err_free(error);
    return 1;
}

static struct err *read_body(const char *arg, struct json **out)
{
    AUTO(buf_done) struct buf text = BUF(LIMIT_JSON_TEXT);
    if (!arg || strcmp(arg, "-") != 0) {
        return arg ? json_parse(arg, strlen(arg), "the body", out) : NULL;
    }
    char chunk[65536];
    for (ssize_t n; (n = read(STDIN_FILENO, chunk, sizeof chunk)) > 0;) {
        buf_add(&text, chunk, (size_t)n);
    }
    return json_parse(buf_text(&text), text.len, "stdin", out);
}

static const struct verb {
    const char *name;
    enum kube_verb verb;
} verbs[] = {
    { "get", KUBE_GET },       { "post", KUBE_POST },         { "put", KUBE_PUT },
    { "apply", KUBE_APPLY },   { "merge", KUBE_MERGE_PATCH }, { "json", KUBE_JSON_PATCH },
    { "delete", KUBE_DELETE },
};

static int call(struct kube *kube, enum kube_verb verb, char **args)
{
    AUTO(json_free_auto) struct json *body = NULL;
    AUTO(json_free_auto) struct json *answer = NULL;
    struct err *error = read_body(args[1], &body);
    error = error ? error : kube_call(kube, verb, args[0], body, 0, &answer);
    if (error) {
        return complain(error);
    }
    AUTO(free_auto) char *text = json_text(answer);
    (void)printf("%s\n", text);
    return 0;
}

struct lines {
    atomic_int left;
};

static void changed(void *payload, const struct json *object, bool gone)
{
    struct lines *lines = payload;
    const struct json *meta = json_get(object, "metadata");
    const char *namespace_ = json_get_string(meta, "namespace");
    const char *rv = json_get_string(meta, "resourceVersion");
    (void)printf("%c %s/%s %s\n", gone ? '-' : '+', namespace_ ? namespace_ : "",
                 json_get_string(meta, "name"), rv ? rv : "");
    (void)fflush(stdout);
    atomic_fetch_sub(&lines->left, 1);
}

static int64_t environment_number(const char *name)
{
    int64_t number = 0;
    const char *text = getenv(name);
    return text && str_to_int64(text, 0, INT32_MAX, &number) ? number : 0;
}

static int watch(struct kube *kube, char **args)
{
    int64_t seconds = 0;
    int64_t count = INT32_MAX;
    if (!args[1] || !str_to_int64(args[1], 0, 3600, &seconds) ||
        (args[2] && !str_to_int64(args[2], 0, INT32_MAX, &count))) {
        return 2;
    }
    struct lines lines = { 0 };
    atomic_store(&lines.left, (int)count);
    const struct informer_spec spec = {
        .kube = kube,
        .path = args[0],
        .changed = changed,
        .payload = &lines,
        .watch_seconds = environment_number("SLUICE_WATCH_SECONDS"),
        .guard_ms = environment_number("SLUICE_GUARD_MS"),
        .label_selector = getenv("SLUICE_LABELS"),
    };
    struct informer *informer = NULL;
    int64_t deadline_ms = clock_mono_ms() + seconds * 1000;
    struct err *error = informer_open(&spec, &informer);
    if (error) {
        return complain(error);
    }
    error = informer_wait_synced(informer, seconds * 1000);
    while (!error && atomic_load(&lines.left) > 0 && clock_mono_ms() < deadline_ms) {
        (void)informer_wait_rv(informer, "340282366920938463463374607431768211455", 50);
    }
    AUTO(free_auto) char *problem = informer_problem(informer);
    informer_close(informer);
    if (*problem) {
        (void)fprintf(stderr, "problem: %s\n", problem);
    }
    bool enough = atomic_load(&lines.left) <= 0 || !args[2];
    return error ? complain(error) : enough ? 0 : 3;
}

static int say_events(struct kube *kube, char **args)
{
    const struct events_options options = { .kube = kube,
                                            .controller = "sluice.dev/kubecat",
                                            .instance = "kubecat-0" };
    int64_t times = 0;
    struct events *events = NULL;
    if (!args[1] || !args[2] || !str_to_int64(args[2], 1, 1000, &times)) {
        return 2;
    }
    struct err *error = events_open(&options, &events);
    if (error) {
        return complain(error);
    }
    for (int64_t i = 0; i < times; i++) {
        const struct event event = { .reason = "Tested",
                                     .action = "Testing",
                                     .note = "said by kubecat",
                                     .regarding = { .api_version = "v1",
                                                    .kind = "ConfigMap",
                                                    .namespace_ = args[0],
                                                    .name = args[1] } };
        events_add(events, &event);
    }
    events_close(events, 10000);
    return 0;
}

static int show_secret(struct kube *kube, char **args)
{
    AUTO(kvlist_done) struct kvlist found = { 0 };
    struct k8s k = { .kube = kube };
    struct err *error = k8s_secret_read(&k, args[0], args[1], &found);
    if (error) {
        return complain(error);
    }
    for (size_t i = 0; i < found.count; i++) {
        (void)printf("%s=%s\n", found.items[i].key, found.items[i].value);
    }
    return 0;
}

struct leading {
    struct leader *leader;
    atomic_bool lost;
};

static void on_acquired(void *payload)
{
    (void)payload;
    (void)printf("leading\n");
    (void)fflush(stdout);
}

static void on_lost(void *payload, const char *why)
{
    struct leading *leading = payload;
    (void)printf("lost %s\n", why);
    (void)fflush(stdout);
    atomic_store(&leading->lost, true);
}

static int lead(struct kube *kube, char **args)
{
    int64_t seconds = 0;
    struct leading leading = { 0 };
    if (!args[1] || !args[2] || !args[3] || !str_to_int64(args[3], 0, 3600, &seconds)) {
        return 2;
    }
    const struct leader_spec spec = {
        .kube = kube,
        .namespace_ = args[0],
        .name = args[1],
        .identity = args[2],
        .lease_ms = 2000,
        .renew_ms = 1500,
        .retry_ms = 300,
        .acquired = on_acquired,
        .lost = on_lost,
        .payload = &leading,
    };
    struct err *error = leader_open(&spec, &leading.leader);
    if (error) {
        return complain(error);
    }
    int64_t deadline_ms = clock_mono_ms() + seconds * 1000;
    while (!atomic_load(&leading.lost) && clock_mono_ms() < deadline_ms) {
        (void)usleep(20000);
    }
    (void)printf("term %lld\n", (long long)leader_transitions(leading.leader));
    leader_close(leading.leader, true);
    return atomic_load(&leading.lost) ? 3 : 0;
}

static int command(struct kube *kube, char **args)
{
    if (args[0] && strcmp(args[0], "where") == 0) {
        (void)printf("%s %s\n", kube_server(kube), kube_namespace(kube));
        return 0;
    }
    if (args[0] && args[1] && strcmp(args[0], "watch") == 0) {
        return watch(kube, args + 1);
    }
    if (args[0] && args[1] && strcmp(args[0], "events") == 0) {
        return say_events(kube, args + 1);
    }
    if (args[0] && args[1] && args[2] && strcmp(args[0], "secret") == 0) {
        return show_secret(kube, args + 1);
    }
    if (args[0] && args[1] && strcmp(args[0], "lead") == 0) {
        return lead(kube, args + 1);
    }
    for (size_t i = 0; args[0] && args[1] && i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(args[0], verbs[i].name) == 0) {
            return call(kube, verbs[i].verb, args + 1);
        }
    }
    (void)fprintf(stderr, "usage: see the top of kubecat.c\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct kube_options options = { .user_agent = "kubecat/1 (linux)" };
    const char *mount = NULL;
    int at = 1;
    for (; at + 1 < argc && str_starts(argv[at], "--"); at += 2) {
        const char **value = strcmp(argv[at], "--kubeconfig") == 0 ? &options.kubeconfig
                             : strcmp(argv[at], "--context") == 0  ? &options.context
                                                                   : &mount;
        *value = argv[at + 1];
    }
    struct kube *kube = NULL;
    struct kube_config config = { 0 };
    struct err *error =
        mount ? incluster_load(mount, &config) : kube_open_kubeconfig(&options, &kube);
    if (!error && mount) {
        error = kube_open_config(&config, &options, &kube);
    }
    kube_config_done(&config);
    if (error) {
        return complain(error);
    }
    int code = command(kube, argv + at);
    kube_close(kube);
    return code;
}
