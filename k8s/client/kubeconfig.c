/* SPDX-License-Identifier: Apache-2.0 */
/* kubeconfig files: merging, and the context's cluster and user. The rules are kubectl's. */
#include <limits.h>
#include <string.h>
#include "base/auto.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "k8s/client/config.h"
#include "model/reason.h"

#define BAD(...) err_new(ERR_TERMINAL, REASON_INVALID_SPEC, __VA_ARGS__)

void kube_config_done(struct kube_config *c)
{
    char *texts[] = { c->server,       c->tls_server_name,  c->proxy,    c->ca,
                      c->ca_file,      c->namespace_,       c->cert,     c->token_file,
                      c->cert_file,    c->key_file,         c->as_user,  c->as_uid,
                      c->exec_command, c->exec_api_version, c->exec_hint };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        free(texts[i]);
    }
    secret_done(&c->token);
    secret_done(&c->key);
    strlist_done(&c->as_groups);
    strlist_done(&c->exec_args);
    secret_kvlist_done(&c->exec_env);
    json_free(c->exec_config);
    *c = (struct kube_config){ 0 };
}

/* One entry of clusters, users or contexts, and the file it stands in. */
struct entry {
    const struct json *body; /* never NULL */
    const char *file;
};

struct merge {
    const struct kubeconfig_file *files;
    struct yaml_docs *docs; /* of each file; at most one document is used */
    size_t count;
};

static const struct json *root_of(const struct merge *m, size_t file)
{
    return m->docs[file].count > 0 ? m->docs[file].docs[0] : NULL;
}

static struct err *find(const struct merge *m, const char *list, const char *kind, const char *name,
                        struct entry *out)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct json *items = json_get(root_of(m, i), list);
        for (const struct json *item = json_first(items); item; item = json_next(item)) {
            if (str_eq(json_get_string(item, "name"), name)) {
                const struct json *body = json_get(item, kind);
                if (json_type(body) != JSON_OBJECT) {
                    return BAD("%s: %s '%s' has no '%s'", m->files[i].path, kind, name, kind);
                }
                *out = (struct entry){ .body = body, .file = m->files[i].path };
                return NULL;
            }
        }
    }
    return BAD("kubeconfig %s: there is no %s '%s'", m->count ? m->files[0].path : "(none)", kind,
               name);
}

/* ---- fields ---------------------------------------------------------------------------------- */

static struct err *text_field(const struct entry *e, const char *key, char **out)
{
    const struct json *value = json_get(e->body, key);
    if (!value || json_type(value) == JSON_NULL) {
        return NULL;
    }
    const char *text = json_string(value);
    if (!text) {
        return BAD("%s: %s must be a string: put it into quotes", e->file, key);
    }
    if (*text) {
        *out = mem_strdup(text);
    }
    return NULL;
}

/* Names in a kubeconfig are relative to its own folder, "~" is nothing special. */
static char *beside(const char *file, const char *name)
{
    const char *slash = strrchr(file, '/');
    if (name[0] == '/' || !slash) {
        return mem_strdup(name);
    }
    return mem_printf("%.*s/%s", (int)(slash - file), file, name);
}

static struct err *path_field(const struct entry *e, const char *key, char **out)
{
    AUTO(free_auto) char *name = NULL;
    TRY(text_field(e, key, &name));
    if (name) {
        *out = beside(e->file, name);
    }
    return NULL;
}

static struct err *data_field(const struct entry *e, const char *key, struct secret *out)
{
    AUTO(free_auto) char *coded = NULL;
    AUTO(secret_buf_done) struct buf bytes = BUF(LIMIT_YAML_TEXT);
    TRY(text_field(e, key, &coded));
    if (!coded) {
        return NULL;
    }
    bool fine = base64_parse(coded, strlen(coded), &bytes);
    secret_wipe(coded, strlen(coded));
    if (!fine || strlen(buf_text(&bytes)) != bytes.len) {
        return BAD("%s: %s is not base64 of a PEM file", e->file, key);
    }
    *out = secret_make(buf_text(&bytes), bytes.len);
    return NULL;
}

/* ---- the cluster ----------------------------------------------------------------------------- */

/* Go's socks5 lets the proxy resolve names; libcurl calls that socks5h. */
static struct err *proxy_field(const struct entry *e, char **out)
{
    AUTO(free_auto) char *url = NULL;
    TRY(text_field(e, "proxy-url", &url));
    if (!url) {
        return NULL;
    }
    if (str_starts(url, "socks5://")) {
        *out = mem_printf("socks5h://%s", url + strlen("socks5://"));
    } else if (str_starts(url, "http://") || str_starts(url, "https://") ||
               str_starts(url, "socks5h://")) {
        *out = mem_strdup(url);
    } else {
        return BAD("%s: proxy-url must begin with http://, https:// or socks5://", e->file);
    }
    return NULL;
}

static struct err *server_field(const struct entry *e, char **out)
{
    AUTO(free_auto) char *url = NULL;
    TRY(text_field(e, "server", &url));
    if (!url || strlen(url) > LIMIT_URL ||
        !(str_starts(url, "https://") || str_starts(url, "http://"))) {
        return BAD("%s: the cluster's server must be an https:// or http:// address", e->file);
    }
    if (strpbrk(url, "?#@ ")) {
        return BAD("%s: the cluster's server must be an address without user, query and fragment",
                   e->file);
    }
    while (str_ends(url, "/")) {
        url[strlen(url) - 1] = '\0';
    }
    *out = TAKE(url);
    return NULL;
}

static const struct json *exec_extension(const struct json *cluster)
{
    const struct json *list = json_get(cluster, "extensions");
    for (const struct json *item = json_first(list); item; item = json_next(item)) {
        if (str_eq(json_get_string(item, "name"), "client.authentication.k8s.io/exec")) {
            return json_get(item, "extension");
        }
    }
    return NULL;
}

static struct err *decode_cluster(const struct entry *e, struct kube_config *out)
{
    struct secret ca = { 0 };
    TRY(server_field(e, &out->server));
    TRY(text_field(e, "tls-server-name", &out->tls_server_name));
    TRY(proxy_field(e, &out->proxy));
    TRY(path_field(e, "certificate-authority", &out->ca_file));
    TRY(data_field(e, "certificate-authority-data", &ca));
    out->ca = ca.bytes; /* not a secret: freed as text */
    out->insecure = json_bool(json_get(e->body, "insecure-skip-tls-verify"), false);
    if (out->insecure && (out->ca || out->ca_file)) {
        return BAD("%s: the cluster has a certificate authority and insecure-skip-tls-verify: "
                   "remove one of them",
                   e->file);
    }
    const struct json *extension = exec_extension(e->body);
    out->exec_config = extension ? json_copy(extension) : NULL;
    return NULL;
}

/* ---- the user -------------------------------------------------------------------------------- */

static struct err *text_list(const struct entry *e, const struct json *list, const char *what,
                             struct strlist *out)
{
    for (const struct json *item = json_first(list); item; item = json_next(item)) {
        if (!json_string(item)) {
            return BAD("%s: %s must be a list of strings: put them into quotes", e->file, what);
        }
        strlist_add(out, json_string(item));
    }
    return NULL;
}

static struct err *exec_environment(const struct entry *e, const struct json *list,
                                    struct kvlist *out)
{
    for (const struct json *item = json_first(list); item; item = json_next(item)) {
        const char *name = json_get_string(item, "name");
        const char *value = json_get_string(item, "value");
        if (!name || !*name || strchr(name, '=') || !value) {
            return BAD("%s: each of exec.env needs a name and a value, both strings", e->file);
        }
        kvlist_set(out, name, value);
    }
    return NULL;
}

static struct err *exec_mode(const struct entry *e, const char *api_version, const char *mode,
                             enum exec_interactive *out)
{
    if (str_eq(mode, "Never")) {
        *out = EXEC_NEVER;
    } else if (str_eq(mode, "Always")) {
        *out = EXEC_ALWAYS;
    } else if (str_eq(mode, "IfAvailable") || (!mode && str_ends(api_version, "/v1beta1"))) {
        *out = EXEC_IF_AVAILABLE;
    } else {
        return BAD("%s: exec.interactiveMode must be Never, IfAvailable or Always", e->file);
    }
    return NULL;
}

static struct err *decode_exec(const struct entry *user, struct kube_config *out)
{
    const struct entry e = { .body = json_get(user->body, "exec"), .file = user->file };
    if (!e.body || json_type(e.body) == JSON_NULL) {
        return NULL;
    }
    AUTO(free_auto) char *command = NULL;
    AUTO(free_auto) char *mode = NULL;
    TRY(text_field(&e, "apiVersion", &out->exec_api_version));
    TRY(text_field(&e, "command", &command));
    TRY(text_field(&e, "interactiveMode", &mode));
    TRY(text_field(&e, "installHint", &out->exec_hint));
    if (!str_eq(out->exec_api_version, "client.authentication.k8s.io/v1") &&
        !str_eq(out->exec_api_version, "client.authentication.k8s.io/v1beta1")) {
        return BAD("%s: exec.apiVersion '%s' is not supported: use client.authentication.k8s.io/v1",
                   e.file, out->exec_api_version ? out->exec_api_version : "");
    }
    if (!command) {
        return BAD("%s: exec needs a command", e.file);
    }
    out->exec_command = strchr(command, '/') ? beside(e.file, command) : TAKE(command);
    TRY(exec_mode(&e, out->exec_api_version, mode, &out->exec_interactive));
    out->exec_cluster_info = json_bool(json_get(e.body, "provideClusterInfo"), false);
    TRY(text_list(&e, json_get(e.body, "args"), "exec.args", &out->exec_args));
    return exec_environment(&e, json_get(e.body, "env"), &out->exec_env);
}

static struct err *refuse_unsupported(const struct entry *e)
{
    static const struct {
        const char *key;
        const char *instead;
    } rows[] = {
        { "auth-provider", "use an exec credential plugin" },
        { "username", "use a token, a client certificate or an exec credential plugin" },
        { "password", "use a token, a client certificate or an exec credential plugin" },
        { "as-user-extra", "remove it, or impersonate without it" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct json *value = json_get(e->body, rows[i].key);
        if (value && json_type(value) != JSON_NULL) {
            return BAD("%s: the user's %s is not supported: %s", e->file, rows[i].key,
                       rows[i].instead);
        }
    }
    return NULL;
}

static struct err *decode_user(const struct entry *e, struct kube_config *out)
{
    struct secret cert = { 0 };
    AUTO(free_auto) char *token = NULL;
    TRY(refuse_unsupported(e));
    TRY(text_field(e, "token", &token));
    if (token) {
        out->token = secret_make(token, strlen(token));
        secret_wipe(token, strlen(token));
    }
    TRY(path_field(e, "tokenFile", &out->token_file));
    TRY(path_field(e, "client-certificate", &out->cert_file));
    TRY(data_field(e, "client-certificate-data", &cert));
    out->cert = cert.bytes;
    TRY(path_field(e, "client-key", &out->key_file));
    TRY(data_field(e, "client-key-data", &out->key));
    if ((out->cert || out->cert_file) != (secret_set(&out->key) || out->key_file)) {
        return BAD("%s: a client certificate and its key are needed together", e->file);
    }
    TRY(text_field(e, "as", &out->as_user));
    TRY(text_field(e, "as-uid", &out->as_uid));
    TRY(text_list(e, json_get(e->body, "as-groups"), "as-groups", &out->as_groups));
    if (!out->as_user && (out->as_uid || out->as_groups.count)) {
        return BAD("%s: as-uid and as-groups need as", e->file);
    }
    return decode_exec(e, out);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static struct err *decode(const struct merge *m, const char *context, struct kube_config *out)
{
    struct entry entry = { 0 };
    AUTO(free_auto) char *cluster = NULL;
    AUTO(free_auto) char *user = NULL;
    for (size_t i = 0; i < m->count && !context; i++) {
        const char *current = json_get_string(root_of(m, i), "current-context");
        context = current && *current ? current : NULL;
    }
    if (!context) {
        return BAD("kubeconfig %s: there is no current-context: choose one with --context or "
                   "kubectl config use-context",
                   m->count ? m->files[0].path : "(none)");
    }
    TRY(find(m, "contexts", "context", context, &entry));
    TRY(text_field(&entry, "cluster", &cluster));
    TRY(text_field(&entry, "user", &user));
    TRY(text_field(&entry, "namespace", &out->namespace_));
    if (!out->namespace_) {
        out->namespace_ = mem_strdup("default");
    }
    if (!cluster) {
        return BAD("%s: context '%s' names no cluster", entry.file, context);
    }
    TRY(find(m, "clusters", "cluster", cluster, &entry));
    TRY(decode_cluster(&entry, out));
    if (!user) {
        return NULL;
    }
    TRY(find(m, "users", "user", user, &entry));
    return decode_user(&entry, out);
}

static struct err *read_all(struct merge *m)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct kubeconfig_file *f = &m->files[i];
        TRY(yaml_parse(f->text, f->length, f->path, &m->docs[i]));
        const struct json *root = root_of(m, i);
        if (m->docs[i].count > 1 || (root && json_type(root) != JSON_OBJECT)) {
            return BAD("%s: a kubeconfig is one YAML document", f->path);
        }
    }
    return NULL;
}

struct err *kubeconfig_parse(const struct kubeconfig_file *files, size_t count, const char *context,
                             struct kube_config *out)
{
    struct merge m = { .files = files, .count = count };
    struct kube_config config = { 0 };
    m.docs = mem_array(count + 1, sizeof *m.docs);
    struct err *error = read_all(&m);
    error = error ? error : decode(&m, context, &config);
    for (size_t i = 0; i < count; i++) {
        yaml_docs_done(&m.docs[i]);
    }
    free(m.docs);
    if (error) {
        kube_config_done(&config);
        return error;
    }
    *out = config;
    return NULL;
}
