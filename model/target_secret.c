/* SPDX-License-Identifier: Apache-2.0 */
/* Where a database is, read: from a uri, or from the spellings that Secret producers use. */
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/mem.h"
#include "model/reason.h"
#include "model/target.h"
#include "model/target_uri.h"

struct err *target_parse_uri(const char *uri, struct target *out)
{
    struct target t = { 0 };
    TRY(target_uri_read(uri, &t));
    if (!t.host && !t.socket) {
        target_done(&t);
        return err_new(ERR_TERMINAL, REASON_SECRET_INVALID,
                       "database uri: names no host and no socket");
    }
    if (t.socket) {
        t.tls = TLS_DISABLE;
    } else if (t.tls == TLS_UNSET) {
        t.tls = TLS_VERIFY_FULL;
    }
    *out = t;
    return NULL;
}

static struct err *invalid(const char *text)
{
    return err_new(ERR_TERMINAL, REASON_SECRET_INVALID, "%s", text);
}

static const char *present(const struct kvlist *data, const char *key)
{
    const char *value = kvlist_get(data, key);
    return value && *value ? value : NULL;
}

/* The keys that producers write for one field. */
static const char *const user_keys[] = { "username", "user", NULL };
static const char *const password_keys[] = { "password", NULL };
static const char *const host_keys[] = { "host", "hostname", "endpoint", NULL };
static const char *const port_keys[] = { "port", NULL };
static const char *const database_keys[] = { "database", "dbname", NULL };
static const char *const type_keys[] = { "type", NULL };

static struct err *disagree(const char *a, const char *b)
{
    return err_new(ERR_TERMINAL, REASON_SECRET_INVALID,
                   "keys %s and %s say different things: remove one or make them equal", a, b);
}

/* The value under any of the keys, and the key. */
static struct err *field_find(const struct kvlist *data, const char *const *keys, const char **key,
                              const char **value)
{
    *key = NULL;
    *value = NULL;
    for (; *keys; keys++) {
        const char *found = present(data, *keys);
        if (!found) {
            continue;
        }
        if (found[strcspn(found, "\r\n")]) {
            return err_new(ERR_TERMINAL, REASON_SECRET_INVALID,
                           "key %s has a line break in its value: make it with printf, not echo",
                           *keys);
        }
        if (*value && !str_eq(*value, found)) {
            return disagree(*key, *keys);
        }
        if (!*value) {
            *key = *keys;
            *value = found;
        }
    }
    return NULL;
}

/* "db" and "db.shop" are one host inside a cluster: CloudNativePG writes both. */
static bool same_host(const char *a, const char *b)
{
    size_t n = strlen(a);
    size_t m = strlen(b);
    if (n > m) {
        return same_host(b, a);
    }
    AUTO(free_auto) char *head = mem_strndup(b, n);
    return str_ieq(a, head) && (b[n] == '\0' || b[n] == '.');
}

static struct err *fill_text(const struct kvlist *data, const char *const *keys,
                             bool (*same)(const char *, const char *), char **field)
{
    const char *key = NULL;
    const char *value = NULL;
    TRY(field_find(data, keys, &key, &value));
    if (!value) {
        return NULL;
    }
    if (*field && !same(*field, value)) {
        return disagree("uri", key);
    }
    if (!*field) {
        *field = mem_strdup(value);
    }
    return NULL;
}

static struct err *fill_password(const struct kvlist *data, struct target *t)
{
    const char *key = NULL;
    const char *value = NULL;
    TRY(field_find(data, password_keys, &key, &value));
    if (!value) {
        return NULL;
    }
    if (secret_set(&t->password) && !str_eq(t->password.bytes, value)) {
        return disagree("uri", key);
    }
    if (!secret_set(&t->password)) {
        t->password = secret_make(value, strlen(value));
    }
    return NULL;
}

static struct err *fill_port(const struct kvlist *data, struct target *t)
{
    const char *key = NULL;
    const char *value = NULL;
    TRY(field_find(data, port_keys, &key, &value));
    int64_t port = 0;
    if (!value) {
        return NULL;
    }
    if (!str_to_int64(value, 1, 65535, &port)) {
        return invalid("key port is not a number from 1 to 65535");
    }
    if (t->port && t->port != port) {
        return disagree("uri", key);
    }
    t->port = t->socket && t->engine != ENGINE_POSTGRESQL ? 0 : (int32_t)port;
    return NULL;
}

static bool same_family(enum engine a, enum engine b)
{
    return (a == ENGINE_POSTGRESQL) == (b == ENGINE_POSTGRESQL);
}

static struct err *fill_type(const struct kvlist *data, struct target *t)
{
    const char *key = NULL;
    const char *value = NULL;
    TRY(field_find(data, type_keys, &key, &value));
    if (!value) {
        return NULL;
    }
    AUTO(free_auto) char *lower = str_lower(value);
    enum engine engine = engine_parse(lower);
    if (engine == ENGINE_UNKNOWN) {
        return invalid("key type is not one of postgresql, mysql, mariadb");
    }
    if (t->engine != ENGINE_UNKNOWN && !same_family(t->engine, engine)) {
        return disagree("uri", key);
    }
    if (t->engine == ENGINE_UNKNOWN) {
        t->engine = engine;
    }
    return NULL;
}

static struct err *read_secret_uri(const struct kvlist *data, struct target *t)
{
    const char *uri = present(data, "uri");
    if (!uri) {
        return NULL;
    }
    if (uri[strcspn(uri, "\r\n")]) {
        return invalid("key uri has a line break in its value: make it with printf, not echo");
    }
    TRY(err_wrap(target_uri_read(uri, t), "key uri"));
    if (t->ca_file || t->cert_file) {
        return invalid("key uri names certificate files: use key ca.crt, tls.caRef or "
                       "tls.clientCertSecretRef instead");
    }
    return NULL;
}

/* A login goes to the host that stands beside it: whoever edits the plan may not be who may read the Secret.
 * Not even a longer name of the same host is taken: "db" and "db.evil.example" begin alike. */
static struct err *check_host(const char *wanted, const struct target *t)
{
    const char *given = t->socket ? t->socket : t->host;
    if (!given || (t->socket ? str_eq(wanted, given) : str_ieq(wanted, given))) {
        return NULL;
    }
    return err_new(ERR_TERMINAL, REASON_INVALID_SPEC,
                   "connection.host is another host than the one that the Secret names: it counts "
                   "only where the Secret has none; remove it, or correct the Secret");
}

static struct err *apply_overrides(const struct target_overrides *o, struct target *t)
{
    if (!o) {
        return NULL;
    }
    if (o->type && *o->type) {
        t->engine = engine_parse(o->type);
        if (t->engine == ENGINE_UNKNOWN) {
            return invalid("connection.type is not one of postgresql, mysql, mariadb");
        }
    }
    if (o->host && *o->host) {
        TRY(check_host(o->host, t));
        free(t->host);
        free(t->socket);
        bool folder = o->host[0] == '/';
        t->host = folder ? NULL : mem_strdup(o->host);
        t->socket = folder ? mem_strdup(o->host) : NULL;
    }
    if (o->port) {
        t->port = o->port;
    }
    if (o->database && *o->database) {
        mem_strset(&t->database, o->database);
    }
    return NULL;
}

static struct err *resolve_tls(const struct target_overrides *o, struct target *t)
{
    enum tls_mode plan = o && o->tls ? o->tls : TLS_VERIFY_FULL;
    if (t->socket) {
        if (o && o->host && *o->host && t->tls != TLS_UNSET && t->tls != TLS_DISABLE) {
            return err_new(ERR_TERMINAL, REASON_SECRET_INVALID,
                           "connection.host is a socket, which has no TLS, and key uri says "
                           "sslmode=%s: change one",
                           tls_mode_text(t->tls));
        }
        t->tls = TLS_DISABLE;
        return NULL;
    }
    if (t->tls > plan) { /* the enum goes from strong to weak */
        return err_new(
            ERR_TERMINAL, REASON_SECRET_INVALID,
            "key uri says sslmode=%s, which is weaker than the plan's tls.mode %s: change one",
            tls_mode_text(t->tls), tls_mode_text(plan));
    }
    t->tls = plan;
    return NULL;
}

static struct err *check_complete(const struct target *t)
{
    if (t->engine == ENGINE_UNKNOWN) {
        return invalid("the engine is not known: add key uri or type, or set connection.type");
    }
    if (!t->host && !t->socket) {
        return invalid("the host is not known: add key uri or host, or set connection.host");
    }
    if (!t->user) {
        return invalid("the user name is not known: add key uri, username or user");
    }
    if (!t->database) {
        return invalid("the database is not known: add key uri, database or dbname, or set "
                       "connection.database");
    }
    if (t->socket &&
        strchr(t->socket, ',')) { /* libpq takes a comma for the next of several hosts */
        return invalid("the socket's path has a comma: a list of hosts is not supported");
    }
    if (t->host && t->host[strcspn(t->host, " /?#@,\\\"'<>")]) {
        return invalid("the host is not a host name or address");
    }
    return NULL;
}

struct err *target_from_secret(const struct kvlist *data, const struct target_overrides *overrides,
                               struct target *out)
{
    AUTO(target_done) struct target t = { 0 };
    TRY(read_secret_uri(data, &t));
    TRY(fill_type(data, &t));
    if (!t.socket) {
        TRY(fill_text(data, host_keys, same_host, &t.host));
    }
    TRY(fill_port(data, &t));
    TRY(fill_text(data, user_keys, str_eq, &t.user));
    TRY(fill_password(data, &t));
    TRY(fill_text(data, database_keys, str_eq, &t.database));
    if (t.host && t.host[0] == '/') { /* a socket's folder in field host */
        t.socket = TAKE(t.host);
    }
    TRY(apply_overrides(overrides, &t));
    TRY(check_complete(&t));
    TRY(resolve_tls(overrides, &t));
    *out = t;
    t = (struct target){ 0 };
    return NULL;
}
