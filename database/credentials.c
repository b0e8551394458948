/* SPDX-License-Identifier: Apache-2.0 */
/* Collecting and reading credentials. */
#include "database/credentials.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/confine.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "manifest/secret_hosts.h"
#include "model/reason.h"

#define KEY_CA "ca.crt"
#define KEY_CERT "tls.crt"
#define KEY_KEY "tls.key"
#define MAX_VALUE (1024 * 1024) /* bytes: what a Secret can hold */

/* Only these leave the Secret: a key that is not needed is not mounted, not copied, not logged. */
static const char *const secret_keys[] = { "uri",      "type",     "host",     "hostname",
                                           "endpoint", "port",     "username", "user",
                                           "password", "database", "dbname" };
#define SECRET_KEYS (sizeof secret_keys / sizeof *secret_keys)

/* A missing object is tried again until spec.timeout: it may be on its way. */
static struct err *as_secret_invalid(struct err *e, const char *field)
{
    if (e && (str_eq(e->reason, REASON_NOT_FOUND) || str_eq(e->reason, REASON_SECRET_INVALID) ||
              str_eq(e->reason, REASON_INVALID_SPEC))) {
        e->reason = REASON_SECRET_INVALID;
        return err_wrap(e, "%s", field);
    }
    return e;
}

static struct err *read_certificate(const struct platform *platform, bool secret,
                                    const char *namespace_, const char *name, const char *key,
                                    const char *field, const char *as, struct kvlist *out)
{
    AUTO(secret_kvlist_done) struct kvlist data = { 0 };
    struct err *failed =
        secret ? platform->ops->read_secret(platform->self, namespace_, name, &data)
               : platform->ops->read_configmap(platform->self, namespace_, name, &data);

    TRY(as_secret_invalid(failed, field));
    const char *value = kvlist_get(&data, key);
    if (!value || !*value) {
        return err_new(ERR_TRANSIENT, REASON_SECRET_INVALID, "%s: %s %s/%s has no key %s", field,
                       secret ? "Secret" : "ConfigMap", namespace_, name, key);
    }
    kvlist_set(out, as, value);
    return NULL;
}

static struct err *read_certificates(const struct platform *platform, const char *namespace_,
                                     const struct mplan_database *database, struct kvlist *out)
{
    if (database->ca_name) {
        TRY(read_certificate(platform, str_eq(database->ca_kind, "Secret"), namespace_,
                             database->ca_name, database->ca_key ? database->ca_key : KEY_CA,
                             "tls.caRef", KEY_CA, out));
    }
    if (database->client_cert_secret) {
        TRY(read_certificate(platform, true, namespace_, database->client_cert_secret, KEY_CERT,
                             "tls.clientCertSecretRef", KEY_CERT, out));
        TRY(read_certificate(platform, true, namespace_, database->client_cert_secret, KEY_KEY,
                             "tls.clientCertSecretRef", KEY_KEY, out));
    }
    return NULL;
}

struct err *credentials_collect(const struct platform *platform, const struct mplan *plan,
                                const struct mplan_database *database, struct kvlist *out)
{
    AUTO(secret_kvlist_done) struct kvlist data = { 0 };
    AUTO(secret_kvlist_done) struct kvlist files = { 0 };

    TRY(as_secret_invalid(
        platform->ops->read_secret(platform->self, plan->namespace_, database->secret_name, &data),
        "secretRef"));
    for (size_t i = 0; i < SECRET_KEYS; i++) {
        const char *value = kvlist_get(&data, secret_keys[i]);
        if (value) {
            kvlist_set(&files, secret_keys[i], value);
        }
    }
    const char *ca = kvlist_get(&data, KEY_CA);
    if (ca && *ca) {
        kvlist_set(&files, KEY_CA, ca);
    }
    if (kvlist_get(&data, SECRET_HOSTS)) {
        AUTO(target_done) struct target target = { 0 };
        TRY(target_from_secret(&files, &database->connection, &target));
        TRY(secret_hosts_check_target(&data, &target));
    }
    TRY(read_certificates(platform, plan->namespace_, database, &files));
    *out = files;
    files = (struct kvlist){ 0 };
    return NULL;
}

static struct err *read_one(const char *dir, const char *key, struct kvlist *out)
{
    AUTO(free_auto) char *path = mem_printf("%s/%s", dir, key);
    AUTO(secret_buf_done) struct buf value = BUF(MAX_VALUE);

    if (!file_exists(path)) {
        return NULL;
    }
    TRY(err_reason(file_read(path, &value), REASON_SECRET_INVALID));
    if (value.len != strlen(buf_text(&value))) {
        return err_new(ERR_TERMINAL, REASON_SECRET_INVALID, "key %s holds a NUL byte", key);
    }
    kvlist_set(out, key, buf_text(&value));
    return NULL;
}

struct err *credentials_read(const char *dir, struct kvlist *out)
{
    static const char *const certificates[] = { KEY_CA, KEY_CERT, KEY_KEY };
    AUTO(secret_kvlist_done) struct kvlist files = { 0 };

    for (size_t i = 0; i < SECRET_KEYS; i++) {
        TRY(read_one(dir, secret_keys[i], &files));
    }
    for (size_t i = 0; i < sizeof certificates / sizeof *certificates; i++) {
        TRY(read_one(dir, certificates[i], &files));
    }
    *out = files;
    files = (struct kvlist){ 0 };
    return NULL;
}

/* ---- target ----------------------------------------------------------------------------------- */

static struct err *memory_file(const char *key, const char *text, int *fd, char **path)
{
    size_t length = strlen(text);

    *fd = memfd_create("sluice-credentials", MFD_CLOEXEC);
    /* libpq refuses a key that others may read */
    if (*fd < 0 || fchmod(*fd, 0600) || write(*fd, text, length) != (ssize_t)length) {
        return err_new(ERR_TRANSIENT, REASON_INTERNAL, "could not keep %s in memory: %s", key,
                       strerror(errno));
    }
    *path = mem_printf("/proc/self/fd/%d", *fd);
    return NULL;
}

static struct err *add_certificates(const struct kvlist *files, struct target *target,
                                    struct credential_files *out)
{
    const struct {
        const char *key;
        char **path;
    } rows[] = {
        { KEY_CA, &target->ca_file },
        { KEY_CERT, &target->cert_file },
        { KEY_KEY, &target->key_file },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = kvlist_get(files, rows[i].key);
        if (text) {
            free(*rows[i].path);
            *rows[i].path = NULL;
            TRY(memory_file(rows[i].key, text, &out->fds[i], rows[i].path));
        }
    }
    return NULL;
}

struct err *credentials_target(const struct kvlist *files, const struct target_overrides *overrides,
                               struct target *out, struct credential_files *certificates)
{
    AUTO(target_done) struct target target = { 0 };
    AUTO(credential_files_done) struct credential_files held = { .fds = { -1, -1, -1 },
                                                                 .used = true };

    TRY(target_from_secret(files, overrides, &target));
    TRY(add_certificates(files, &target, &held));
    *out = target;
    *certificates = held;
    target = (struct target){ 0 };
    held = (struct credential_files){ 0 };
    return NULL;
}

void credential_files_done(struct credential_files *certificates)
{
    for (size_t i = 0; certificates->used && i < 3; i++) {
        if (certificates->fds[i] >= 0) {
            close(certificates->fds[i]);
        }
    }
    *certificates = (struct credential_files){ 0 };
}

char *credentials_server(const struct target *target)
{
    return target->socket ? mem_strdup(target->socket)
                          : mem_printf("%s:%d", target->host, (int)target->port);
}

void credentials_protect_process(void)
{
    const struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
#ifndef SANITIZED /* its leak check has to look into the process */
    prctl(PR_SET_DUMPABLE, 0);
#endif
}
