/* SPDX-License-Identifier: Apache-2.0 */
/* The request, written by the parent and read by the child. */
#include <string.h>
#include "base/auto.h"
#include "base/hash.h"
#include "base/mem.h"
#include "git/wire.h"
#include "model/reason.h"

/* Credentials may be any bytes; JSON strings may not. */
static void set_bytes(struct json *object, const char *key, const char *bytes, size_t length)
{
    if (!bytes) {
        return;
    }
    AUTO(secret_buf_done) struct buf text = BUF(WIRE_REQUEST_MAX);
    base64_format(bytes, length, &text);
    json_set_string(object, key, buf_text(&text));
}

static void set_secret(struct json *object, const char *key, const struct secret *secret)
{
    set_bytes(object, key, secret->bytes, secret->length);
}

static void set_text(struct json *object, const char *key, const char *text)
{
    set_bytes(object, key, text, text ? strlen(text) : 0);
}

static struct json *format_credentials(const struct repo_credentials *from)
{
    struct json *object = json_object();
    if (from) {
        set_text(object, "username", from->username);
        set_secret(object, "password", &from->password);
        set_secret(object, "bearerToken", &from->bearer_token);
        set_secret(object, "identity", &from->identity);
        set_secret(object, "passphrase", &from->passphrase);
        set_text(object, "knownHosts", from->known_hosts);
        set_text(object, "ca", from->ca_crt);
        set_text(object, "certificate", from->tls_crt);
        set_secret(object, "key", &from->tls_key);
    }
    return object;
}

static struct json *format_limits(const struct repo_limits *limits)
{
    struct json *object = json_object();
    json_set_int64(object, "pack", limits->pack_bytes);
    json_set_int64(object, "object", limits->object_bytes);
    json_set_int64(object, "objects", limits->objects);
    json_set_int64(object, "memory", limits->memory_bytes);
    return object;
}

static struct json *format_refs(const struct repo_ref *refs, size_t count)
{
    struct json *array = json_array();
    for (size_t i = 0; i < count; i++) {
        struct json *ref = json_object();
        json_set_int64(ref, "kind", (int64_t)refs[i].kind);
        json_set_string(ref, "name", refs[i].name);
        json_push(array, ref);
    }
    return array;
}

static struct json *format_sets(const struct repo_request *request)
{
    struct json *array = json_array();
    for (size_t i = 0; i < request->set_count; i++) {
        struct json *paths = json_array();
        for (size_t k = 0; k < request->sets[i].count; k++) {
            json_push_string(paths, request->sets[i].items[k]);
        }
        json_push(array, paths);
    }
    return array;
}

static struct json *format_suffixes(const struct naming *naming)
{
    struct json *array = json_array();
    for (size_t i = 0; i < naming_suffix_count(naming); i++) {
        json_push_string(array, naming_suffix(naming, i));
    }
    return array;
}

void wire_format_request(const struct wire_job *job, struct buf *out)
{
    const struct repo_request *request = &job->request;
    const struct repo_source *source = &request->source;
    AUTO(json_free_auto) struct json *root = json_object();
    json_set_bool(root, "poll", job->poll);
    json_set_bool(root, "anew", job->anew);
    json_set_string(root, "home", job->home);
    json_set_int64(root, "leftMs", job->left_ms);
    json_set_string(root, "url", source->url);
    json_set_int64(root, "allow", (int64_t)source->allow);
    json_set_int64(root, "timeoutMs", source->timeout_ms);
    json_set_string_opt(root, "proxy", source->proxy);
    json_set_string_opt(root, "noProxy", source->no_proxy);
    json_set(root, "limits", format_limits(&source->limits));
    json_set(root, "credentials", format_credentials(source->credentials));
    json_set(root, "refs", format_refs(job->refs, job->ref_count));
    json_set_string_opt(root, "revision", request->revision);
    json_set_string_opt(root, "lastApplied", request->last_applied);
    json_set_string_opt(root, "cache", request->cache);
    json_set(root, "sets", format_sets(request));
    json_set(root, "suffixes", format_suffixes(request->naming));
    json_write(root, false, out);
}

static struct err *get_secret(const struct json *object, const char *key, struct secret *out)
{
    const char *text = json_get_string(object, key);
    if (!text) {
        return NULL;
    }
    AUTO(secret_buf_done) struct buf bytes = BUF(WIRE_REQUEST_MAX);
    if (!base64_parse(text, strlen(text), &bytes)) {
        return err_new(ERR_TERMINAL, REASON_INTERNAL, "fetch request: %s is not base64", key);
    }
    *out = secret_make(buf_text(&bytes), bytes.len);
    return NULL;
}

static struct err *get_text(const struct json *object, const char *key, char **out)
{
    struct secret secret = { 0 };
    TRY(get_secret(object, key, &secret));
    if (secret_set(&secret)) {
        *out = mem_strndup(secret.bytes, secret.length);
    }
    secret_done(&secret);
    return NULL;
}

static struct err *parse_credentials(const struct json *object, struct repo_credentials *out)
{
    TRY(get_text(object, "username", &out->username));
    TRY(get_secret(object, "password", &out->password));
    TRY(get_secret(object, "bearerToken", &out->bearer_token));
    TRY(get_secret(object, "identity", &out->identity));
    TRY(get_secret(object, "passphrase", &out->passphrase));
    TRY(get_text(object, "knownHosts", &out->known_hosts));
    TRY(get_text(object, "ca", &out->ca_crt));
    TRY(get_text(object, "certificate", &out->tls_crt));
    return get_secret(object, "key", &out->tls_key);
}

static struct err *parse_refs(struct wire_job *job)
{
    const struct json *array = json_get(job->root, "refs");
    job->ref_count = json_count(array);
    job->owned_refs = mem_array(job->ref_count + 1, sizeof *job->owned_refs);
    job->refs = job->owned_refs;
    size_t i = 0;
    for (const struct json *ref = json_first(array); ref; ref = json_next(ref), i++) {
        int64_t kind = json_get_int64(ref, "kind", -1);
        const char *name = json_get_string(ref, "name");
        if (kind < REPO_REF_BRANCH || kind > REPO_REF_ANY || !name) {
            return err_new(ERR_TERMINAL, REASON_INTERNAL, "fetch request: ref %zu is malformed", i);
        }
        job->owned_refs[i] = (struct repo_ref){ .kind = (enum repo_ref_kind)kind, .name = name };
    }
    if (job->ref_count == 0 || (!job->poll && job->ref_count != 1)) {
        return err_new(ERR_TERMINAL, REASON_INTERNAL, "fetch request: %zu refs", job->ref_count);
    }
    job->request.ref = job->refs[0];
    return NULL;
}

static void parse_sets(struct wire_job *job)
{
    const struct json *array = json_get(job->root, "sets");
    size_t count = json_count(array);
    job->sets = mem_array(count + 1, sizeof *job->sets);
    job->request.sets = job->sets;
    for (const struct json *set = json_first(array); set; set = json_next(set)) {
        struct strlist *paths = &job->sets[job->request.set_count++];
        for (const struct json *path = json_first(set); path; path = json_next(path)) {
            strlist_add(paths, json_string(path) ? json_string(path) : "");
        }
    }
}

static void parse_suffixes(struct wire_job *job)
{
    const struct json *array = json_get(job->root, "suffixes");
    for (const struct json *suffix = json_first(array); suffix; suffix = json_next(suffix)) {
        strlist_add(&job->naming.suffixes, json_string(suffix) ? json_string(suffix) : "");
    }
}

static struct repo_limits parse_limits(const struct json *object)
{
    return (struct repo_limits){
        .pack_bytes = json_get_int64(object, "pack", 0),
        .object_bytes = json_get_int64(object, "object", 0),
        .objects = json_get_int64(object, "objects", 0),
        .memory_bytes = json_get_int64(object, "memory", 0),
    };
}

static struct err *parse(struct wire_job *job)
{
    struct json *root = job->root;
    job->poll = json_bool(json_get(root, "poll"), false);
    job->anew = json_bool(json_get(root, "anew"), false);
    job->home = json_get_string(root, "home");
    job->left_ms = json_get_int64(root, "leftMs", 0);
    TRY(parse_credentials(json_get(root, "credentials"), &job->credentials));
    TRY(parse_refs(job));
    parse_sets(job);
    parse_suffixes(job);
    job->request.revision = json_get_string(root, "revision");
    job->request.last_applied = json_get_string(root, "lastApplied");
    job->request.cache = json_get_string(root, "cache");
    job->request.source = (struct repo_source){
        .url = json_get_string(root, "url"),
        .allow = (unsigned)json_get_int64(root, "allow", 0),
        .credentials = &job->credentials,
        .proxy = json_get_string(root, "proxy"),
        .no_proxy = json_get_string(root, "noProxy"),
        .timeout_ms = json_get_int64(root, "timeoutMs", 0),
        .limits = parse_limits(json_get(root, "limits")),
    };
    if (!job->request.source.url || !job->home || job->request.source.timeout_ms <= 0) {
        return err_new(ERR_TERMINAL, REASON_INTERNAL,
                       "fetch-once is started by sluice itself, with a request on its input");
    }
    return NULL;
}

struct err *wire_parse_request(const char *text, size_t length, struct wire_job *out)
{
    memset(out, 0, sizeof *out);
    TRY(json_parse(text, length, "fetch request", &out->root));
    struct err *error = parse(out);
    if (error) {
        wire_job_done(out);
    } else {
        out->request.source.credentials = &out->credentials;
        out->request.naming = &out->naming;
    }
    return error;
}

void wire_job_done(struct wire_job *job)
{
    for (size_t i = 0; i < job->request.set_count; i++) {
        strlist_done(&job->sets[i]);
    }
    free(job->sets);
    free(job->owned_refs);
    naming_done(&job->naming);
    repo_credentials_done(&job->credentials);
    json_free(job->root);
    memset(job, 0, sizeof *job);
}
