/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials in use: a cache over files and plugins. */
#include "k8s/client/credentials.h"
#include <pthread.h>
#include <string.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "k8s/client/exec_plugin.h"
#include "model/reason.h"

#define FILE_MAX (1024 * 1024) /* bytes: a bundle of authorities */

struct credentials {
    struct kube_config config;
    pthread_mutex_t lock;
    int64_t reread_ms, read_at_ms; /* monotonic; 0: never read */
    struct exec_credential exec;
    bool exec_known;
    uint64_t generation;
};

void auth_done(struct auth *auth)
{
    secret_done(&auth->token);
    secret_done(&auth->key);
    free(auth->cert);
    free(auth->ca);
    *auth = (struct auth){ 0 };
}

/* ---- files ----------------------------------------------------------------------------------- */

static struct err *read_text(const char *path, const char *must_hold, struct secret *out)
{
    AUTO(secret_buf_done) struct buf text = BUF(FILE_MAX);
    TRY(file_read(path, &text));
    size_t length = text.len;
    while (length > 0 && strchr(" \t\r\n", text.data[length - 1])) {
        length--;
    }
    if (length == 0 || memchr(text.data, '\0', length) ||
        (must_hold && !strstr(text.data, must_hold))) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "%s holds no %s", path,
                       must_hold ? must_hold : "token");
    }
    *out = secret_make(text.data, length);
    return NULL;
}

static struct err *read_secret(const char *path, const char *must_hold, struct secret *value,
                               bool *changed)
{
    struct secret now = { 0 };
    if (!path) {
        return NULL;
    }
    TRY(read_text(path, must_hold, &now));
    if (secret_set(value) && str_eq(value->bytes, now.bytes)) {
        secret_done(&now);
        return NULL;
    }
    secret_done(value);
    *value = now;
    *changed = true;
    return NULL;
}

static struct err *read_pem(const char *path, char **value, bool *changed)
{
    struct secret text = { .bytes = *value, .length = *value ? strlen(*value) : 0 };
    struct err *error = read_secret(path, "-----BEGIN", &text, changed);
    *value = text.bytes;
    return error;
}

static void keep_first(struct err **first, struct err *error)
{
    if (*first) {
        err_free(error);
    } else {
        *first = error;
    }
}

/* Reads what comes from files; of those that fail the old value stays. */
static struct err *read_files(struct credentials *c)
{
    struct kube_config *config = &c->config;
    struct err *first = NULL;
    bool changed = false;
    keep_first(&first, read_secret(config->token_file, NULL, &config->token, &changed));
    keep_first(&first, read_pem(config->ca_file, &config->ca, &changed));
    keep_first(&first, read_pem(config->cert_file, &config->cert, &changed));
    keep_first(&first, read_secret(config->key_file, "-----BEGIN", &config->key, &changed));
    c->generation += changed;
    c->read_at_ms = clock_mono_ms();
    return first;
}

/* Text in the kubeconfig wins over a file, but for the token. */
static void prefer_text(struct kube_config *config)
{
    if (config->ca) {
        free(TAKE(config->ca_file));
    }
    if (config->cert) {
        free(TAKE(config->cert_file));
    }
    if (secret_set(&config->key)) {
        free(TAKE(config->key_file));
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

struct err *credentials_open(struct kube_config *config, int64_t reread_ms,
                             struct credentials **out)
{
    struct credentials *c = mem_alloc(sizeof *c);
    c->config = *config;
    *config = (struct kube_config){ 0 };
    c->reread_ms = reread_ms;
    c->generation = 1;
    (void)pthread_mutex_init(&c->lock, NULL);
    prefer_text(&c->config);
    struct err *error = read_files(c);
    if (error) {
        credentials_close(c);
        return error;
    }
    *out = c;
    return NULL;
}

void credentials_close(struct credentials *c)
{
    if (c) {
        kube_config_done(&c->config);
        exec_credential_done(&c->exec);
        (void)pthread_mutex_destroy(&c->lock);
        free(c);
    }
}

const struct kube_config *credentials_config(const struct credentials *c)
{
    return &c->config;
}

/* ---- use ------------------------------------------------------------------------------------- */

static struct err *refresh_plugin(struct credentials *c)
{
    bool expired = c->exec.expires_utc_ms && c->exec.expires_utc_ms <= clock_utc_ms();
    struct exec_credential fresh = { 0 };
    if (!c->config.exec_command || (c->exec_known && !expired)) {
        return NULL;
    }
    TRY(exec_plugin_run(&c->config, &fresh));
    exec_credential_done(&c->exec);
    c->exec = fresh;
    c->exec_known = true;
    c->generation++;
    return NULL;
}

static struct err *get(struct credentials *c, struct auth *out)
{
    if (clock_mono_ms() - c->read_at_ms >= c->reread_ms) {
        err_free(read_files(c)); /* a file that is being replaced: the old value may still serve */
    }
    TRY(refresh_plugin(c));
    bool own_cert = c->exec.cert != NULL;
    *out = (struct auth){
        .token = secret_copy(secret_set(&c->exec.token) ? &c->exec.token : &c->config.token),
        .cert = mem_strdup(own_cert ? c->exec.cert : c->config.cert),
        .key = secret_copy(own_cert ? &c->exec.key : &c->config.key),
        .ca = mem_strdup(c->config.ca),
        .generation = c->generation,
    };
    return NULL;
}

struct err *credentials_get(struct credentials *c, struct auth *out)
{
    (void)pthread_mutex_lock(&c->lock);
    struct err *error = get(c, out);
    (void)pthread_mutex_unlock(&c->lock);
    return error;
}

void credentials_reject(struct credentials *c, uint64_t generation)
{
    (void)pthread_mutex_lock(&c->lock);
    if (generation == c->generation) {
        c->exec_known = false;
        err_free(read_files(c));
    }
    (void)pthread_mutex_unlock(&c->lock);
}
