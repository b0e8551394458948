/* SPDX-License-Identifier: Apache-2.0 */
/* The client's life: opening, closing, counting. Requests are in call.c, streams in stream.c. */
#include "k8s/client/kube.h"
#include <string.h>
#include "base/auto.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "k8s/client/client.h"

struct err *kube_open_config(struct kube_config *config, const struct kube_options *options,
                             struct kube **out)
{
    const char *user_agent = options->user_agent;
    struct kube *kube = mem_alloc(sizeof *kube);
    kube->limit = options->limit.every_us ? options->limit : KUBE_LIMIT_DEFAULT;
    (void)pthread_mutex_init(&kube->lock, NULL);
    thread_cond_init(&kube->idle);
    kube->user_agent = mem_strdup(user_agent ? user_agent : "sluice");
    struct err *error = credentials_open(config, CREDENTIALS_REREAD_MS, &kube->credentials);
    error = error ? error : transport_open(&kube->transport);
    if (error) {
        kube_close(kube);
        return error;
    }
    if (credentials_config(kube->credentials)->insecure) {
        LOG(LOG_WARN, "the api server's certificate is not verified: insecure-skip-tls-verify",
            LOG_S("server", kube_server(kube)));
    }
    *out = kube;
    return NULL;
}

struct err *kube_open_in_cluster(const struct kube_options *options, struct kube **out)
{
    AUTO(kube_config_done) struct kube_config config = { 0 };
    TRY(incluster_load(INCLUSTER_MOUNT, &config));
    return kube_open_config(&config, options, out);
}

struct err *kube_open_kubeconfig(const struct kube_options *options, struct kube **out)
{
    AUTO(kube_config_done) struct kube_config config = { 0 };
    TRY(kubeconfig_load(options->kubeconfig, options->context, &config));
    return kube_open_config(&config, options, out);
}

void kube_close(struct kube *kube)
{
    if (!kube) {
        return;
    }
    if (kube->transport) {
        transport_stop(kube->transport);
        (void)pthread_mutex_lock(&kube->lock);
        while (kube->calls > 0) {
            (void)pthread_cond_wait(&kube->idle, &kube->lock);
        }
        (void)pthread_mutex_unlock(&kube->lock);
        transport_close(kube->transport);
    }
    credentials_close(kube->credentials);
    (void)pthread_cond_destroy(&kube->idle);
    (void)pthread_mutex_destroy(&kube->lock);
    free(kube->counts);
    free(kube->user_agent);
    free(kube);
}

const char *kube_namespace(const struct kube *kube)
{
    return credentials_config(kube->credentials)->namespace_;
}

const char *kube_server(const struct kube *kube)
{
    return credentials_config(kube->credentials)->server;
}

void kube_set_hook(struct kube *kube, kube_hook_fn *hook, void *payload)
{
    kube->hook = hook;
    kube->hook_payload = payload;
}

void kube_counts(struct kube *kube, kube_count_fn *row, void *payload)
{
    (void)pthread_mutex_lock(&kube->lock);
    for (size_t i = 0; i < kube->count_len; i++) {
        const struct kube_count *c = &kube->counts[i];
        row(payload, c->method, c->code, c->count);
    }
    (void)pthread_mutex_unlock(&kube->lock);
}
