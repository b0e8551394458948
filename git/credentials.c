/* SPDX-License-Identifier: Apache-2.0 */
/* The data of a source Secret, and what identifies (url, credentials). */
#include <pthread.h>
#include <string.h>
#include "base/auto.h"
#include "base/hash.h"
#include "base/mem.h"
#include "git/repo.h"
#include "git/url.h"
#include "manifest/secret_hosts.h"
#include "model/reason.h"

#define BAD(...) err_new(ERR_TERMINAL, REASON_SECRET_INVALID, "git credentials: " __VA_ARGS__)

/* The value of `key`, or of its older spelling; empty counts as absent. */
static const char *value(const struct kvlist *data, const char *key, const char *older)
{
    const char *text = kvlist_get(data, key);
    if ((!text || text[0] == '\0') && older) {
        text = kvlist_get(data, older);
    }
    return text && text[0] != '\0' ? text : NULL;
}

static struct secret secret_value(const struct kvlist *data, const char *key, const char *older)
{
    const char *text = value(data, key, older);
    return text ? secret_make(text, strlen(text)) : (struct secret){ 0 };
}

/* Header injection: neither a user name nor a token may carry a line end. */
static struct err *check_text(const char *key, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; p && *p; p++) {
        if (*p < 0x20 || *p == 0x7f) {
            return BAD("key %s holds a line end or another control character: remove it", key);
        }
    }
    return NULL;
}

static struct err *parse_ssh(const struct kvlist *data, struct repo_credentials *out)
{
    out->identity = secret_value(data, "identity", NULL);
    if (kvlist_get(data, "bearerToken")) {
        return BAD("key bearerToken cannot be used with an ssh url: give identity and known_hosts");
    }
    if (secret_set(&out->identity)) {
        out->passphrase = secret_value(data, "password", NULL);
    } else {
        out->password = secret_value(data, "password", NULL);
    }
    if (!secret_set(&out->identity) && !secret_set(&out->password)) {
        return BAD("key identity (a private key) is missing, which an ssh url needs");
    }
    const char *hosts = value(data, "known_hosts", NULL);
    if (!hosts) {
        return BAD("key known_hosts is missing, which an ssh url needs: put the output of "
                   "'ssh-keyscan HOST' there after comparing its fingerprint");
    }
    out->known_hosts = mem_strdup(hosts);
    return NULL;
}

static struct err *parse_https(const struct kvlist *data, struct repo_credentials *out)
{
    out->password = secret_value(data, "password", NULL);
    out->bearer_token = secret_value(data, "bearerToken", NULL);
    if (kvlist_get(data, "identity")) {
        return BAD("key identity cannot be used with an https url: give username and password, or "
                   "bearerToken");
    }
    if (secret_set(&out->bearer_token) && (out->username || secret_set(&out->password))) {
        return BAD("keys bearerToken and %s are both set: keep one way to log in",
                   out->username ? "username" : "password");
    }
    if (out->username && !secret_set(&out->password)) {
        return BAD("key username is set but password is not");
    }
    if (!out->username && secret_set(&out->password)) {
        return BAD("key password is set but username is not");
    }
    const char *ca = value(data, "ca.crt", "caFile");
    const char *certificate = value(data, "tls.crt", "certFile");
    out->tls_key = secret_value(data, "tls.key", "keyFile");
    if ((certificate != NULL) != secret_set(&out->tls_key)) {
        return BAD("keys tls.crt and tls.key belong together: %s is missing",
                   certificate ? "tls.key" : "tls.crt");
    }
    out->ca_crt = ca ? mem_strdup(ca) : NULL;
    out->tls_crt = certificate ? mem_strdup(certificate) : NULL;
    TRY(check_text("password", out->password.bytes));
    return check_text("bearerToken", out->bearer_token.bytes);
}

/* The login of a database is none for a git server: whoever edits plans could send it anywhere. */
static struct err *check_no_database(const struct kvlist *data, const char *host)
{
    static const char *const keys[] = { "host", "hostname", "endpoint" };
    if (value(data, "uri", NULL)) {
        return BAD("key uri belongs to a database's Secret: name one of the git server");
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *given = value(data, keys[i], NULL);
        if (given && !str_ieq(given, host)) {
            return BAD("key %s names another host than the url: name the Secret of this git server",
                       keys[i]);
        }
    }
    return NULL;
}

static struct err *check_host(const struct kvlist *data, const char *url)
{
    AUTO(repo_url_done) struct repo_url parsed = { 0 };
    TRY(repo_url_parse(url, REPO_ALLOW_HTTP | REPO_ALLOW_FILE, &parsed));
    if (parsed.scheme == REPO_SCHEME_FILE) {
        return NULL;
    }
    TRY(secret_hosts_check(data, "source.url", parsed.host, parsed.port));
    return check_no_database(data, parsed.host);
}

struct err *repo_credentials_parse(const struct kvlist *data, const char *url,
                                   struct repo_credentials *out)
{
    AUTO(repo_credentials_done) struct repo_credentials parsed = { 0 };
    TRY(check_host(data, url));
    const char *user = value(data, "username", NULL);
    parsed.username = user ? mem_strdup(user) : NULL;
    TRY(check_text("username", user));
    if (str_starts(url, "ssh://")) {
        TRY(parse_ssh(data, &parsed));
    } else {
        TRY(parse_https(data, &parsed));
    }
    *out = parsed;
    parsed = (struct repo_credentials){ 0 };
    return NULL;
}

void repo_credentials_done(struct repo_credentials *credentials)
{
    free(credentials->username);
    secret_done(&credentials->password);
    secret_done(&credentials->bearer_token);
    secret_done(&credentials->identity);
    secret_done(&credentials->passphrase);
    free(credentials->known_hosts);
    free(credentials->ca_crt);
    free(credentials->tls_crt);
    secret_done(&credentials->tls_key);
    *credentials = (struct repo_credentials){ 0 };
}

static uint8_t process_key[SHA256_LEN];
static pthread_once_t process_key_once = PTHREAD_ONCE_INIT;

static void make_process_key(void)
{
    random_bytes(process_key, sizeof process_key);
}

static void add_part(struct sha256 *hash, const char *bytes, size_t length)
{
    uint64_t size = bytes ? length : UINT64_MAX; /* unset differs from empty */
    sha256_add(hash, &size, sizeof size);
    if (bytes) {
        sha256_add(hash, bytes, length);
    }
}

static void add_text(struct sha256 *hash, const char *text)
{
    add_part(hash, text, text ? strlen(text) : 0);
}

static void add_secret(struct sha256 *hash, const struct secret *secret)
{
    add_part(hash, secret->bytes, secret->length);
}

void repo_source_key(const struct repo_source *source, char out[REPO_KEY_LEN])
{
    static const struct repo_credentials none;
    const struct repo_credentials *c = source->credentials ? source->credentials : &none;
    pthread_once(&process_key_once, make_process_key);
    struct sha256 *hash = sha256_new();
    add_text(hash, source->url);
    add_text(hash, source->proxy);
    add_text(hash, source->no_proxy);
    add_text(hash, c->username);
    add_secret(hash, &c->password);
    add_secret(hash, &c->bearer_token);
    add_secret(hash, &c->identity);
    add_secret(hash, &c->passphrase);
    add_text(hash, c->known_hosts);
    add_text(hash, c->ca_crt);
    add_text(hash, c->tls_crt);
    add_secret(hash, &c->tls_key);
    uint8_t inner[SHA256_LEN];
    uint8_t outer[SHA256_LEN];
    sha256_end(hash, inner);
    hmac_sha256(process_key, sizeof process_key, inner, sizeof inner, outer);
    hex_format(outer, sizeof outer, out);
}

char *repo_cache_path(const char *base, const char *scope, const char *url)
{
    struct sha256 *hash = sha256_new();
    add_text(hash, scope);
    add_text(hash, url);
    uint8_t digest[SHA256_LEN];
    sha256_end(hash, digest);
    char hex[SHA256_HEX_LEN + 1];
    hex_format(digest, sizeof digest, hex);
    return mem_printf("%s/%.32s", base, hex);
}
