/* SPDX-License-Identifier: Apache-2.0 */
/* git over ssh: keys from memory, and no word of a server is believed before its host key is found
 * in the source's own known_hosts. */
#include <dlfcn.h>
#include <errno.h>
#include <git2/cert.h>
#include <git2/credential.h>
#include <git2/errors.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/address.h"
#include "base/auto.h"
#include "base/dial.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "git/known_hosts.h"
#include "git/remote.h"
#include "model/reason.h"

#define RSA_SHA2_SINCE 0x010b00 /* libssh2 1.11.0: the first to sign with rsa-sha2-* */
#define KEY_TEXT_MAX (64 * 1024)
#define KNOWN_HOSTS_MAX (1024 * 1024)
#define DEFAULT_USER "git"

/* ---- which kind of key ----------------------------------------------------------------------- */

/* The base64 between the dashes of the first PEM block. */
static bool pem_bytes(const char *text, struct buf *out)
{
    const char *begin = strstr(text, "-----BEGIN ");
    const char *body = begin ? strchr(begin, '\n') : NULL;
    const char *end = body ? strstr(body, "-----END ") : NULL;
    if (!end) {
        return false;
    }
    AUTO(secret_buf_done) struct buf packed = BUF(KEY_TEXT_MAX);
    for (const char *p = body; p < end; p++) {
        if (*p != '\n' && *p != '\r' && *p != ' ' && *p != '\t') {
            buf_addc(&packed, *p);
        }
    }
    return base64_parse(buf_text(&packed), packed.len, out);
}

struct key_facts {
    bool rsa, encrypted;
};

static bool has(const struct buf *bytes, size_t head, const char *part, size_t length)
{
    return memmem(bytes->data, head < bytes->len ? head : bytes->len, part, length) != NULL;
}

/* OpenSSH names cipher and key type in the clear, also when the key is encrypted; PKCS #8 holds
 * RSA's object identifier. */
static struct key_facts key_facts(const char *text)
{
    static const char rsa_oid[] = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
    static const char ssh_rsa[] = "\0\0\0\x07ssh-rsa";
    static const char no_cipher[] = "openssh-key-v1\0\0\0\0\x04none";
    struct key_facts facts = {
        .rsa = strstr(text, "-----BEGIN RSA PRIVATE KEY-----") != NULL,
        .encrypted = strstr(text, "-----BEGIN ENCRYPTED PRIVATE KEY-----") ||
                     strstr(text, "Proc-Type: 4,ENCRYPTED"),
    };
    AUTO(secret_buf_done) struct buf bytes = BUF(KEY_TEXT_MAX);
    if (pem_bytes(text, &bytes) && bytes.len > 0) {
        facts.rsa = facts.rsa || has(&bytes, 256, rsa_oid, sizeof rsa_oid - 1) ||
                    has(&bytes, 256, ssh_rsa, sizeof ssh_rsa - 1);
        facts.encrypted = facts.encrypted || (has(&bytes, 14, "openssh-key-v1", 14) &&
                                              !has(&bytes, 32, no_cipher, sizeof no_cipher - 1));
    }
    return facts;
}

/* libssh2 comes with libgit2; we do not link it, so ask the one that is loaded. */
static bool libssh2_signs_rsa(const char **version)
{
    *version = "unknown";
    union {
        void *found;
        const char *(*call)(int);
    } symbol = { .found = dlsym(RTLD_DEFAULT, "libssh2_version") };
    if (!symbol.found) {
        return true;
    }
    *version = symbol.call(0);
    return symbol.call(RSA_SHA2_SINCE) != NULL;
}

/* ---- before connecting ----------------------------------------------------------------------- */

static struct err *check_credentials(const struct repo_credentials *c)
{
    if (!c || !c->known_hosts) {
        return err_new(ERR_TERMINAL, REASON_SECRET_INVALID,
                       "an ssh source needs known_hosts in its Secret");
    }
    if (!secret_set(&c->identity) && !secret_set(&c->password)) {
        return err_new(ERR_TERMINAL, REASON_SECRET_INVALID,
                       "an ssh source needs identity (a private key) in its Secret");
    }
    const char *version = NULL;
    struct key_facts facts = { 0 };
    if (secret_set(&c->identity)) {
        facts = key_facts(c->identity.bytes);
    }
    if (facts.encrypted && !secret_set(&c->passphrase)) {
        return err_new(ERR_TERMINAL, REASON_SECRET_INVALID,
                       "identity is encrypted: put its passphrase into password of the Secret");
    }
    if (facts.rsa && !libssh2_signs_rsa(&version)) {
        return err_new(ERR_TERMINAL, REASON_SECRET_INVALID,
                       "identity is an RSA key, which libssh2 %s can sign with SHA-1 only and "
                       "servers refuse: use an ed25519 or ecdsa key, or libssh2 1.11 or newer",
                       version);
    }
    return NULL;
}

/* libgit2 dials by itself, until this process ends. It reads $HOME/.ssh/known_hosts to choose which key type to ask the server for; the verdict
 * is ours (ssh_certificate). */
struct err *ssh_prepare(struct remote *remote, const char *home)
{
    const struct repo_credentials *c = remote->source->credentials;
    TRY(check_credentials(c));
    dial_guard();
    AUTO(free_auto) char *folder = mem_printf("%s/.ssh", home);
    AUTO(free_auto) char *path = mem_printf("%s/known_hosts", folder);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        return err_new(ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED, "could not make %s: %s", folder,
                       strerror(errno));
    }
    AUTO(buf_done) struct buf lines = BUF(KNOWN_HOSTS_MAX);
    known_hosts_extract(c->known_hosts, remote->url.host, remote->url.port, &lines);
    struct err *error = file_write_atomic(path, buf_text(&lines), lines.len, 0600);
    if (error) {
        AUTO(free_auto) char *text = mem_strdup(error->message);
        err_free(error);
        return err_new(ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED, "%s", text);
    }
    return NULL;
}

/* ---- host key -------------------------------------------------------------------------------- */

static void fingerprint(const void *key, size_t length, char out[64])
{
    uint8_t digest[SHA256_LEN];
    sha256(key, length, digest);
    AUTO(buf_done) struct buf text = BUF(64);
    base64_format(digest, sizeof digest, &text);
    size_t kept = strcspn(buf_text(&text), "="); /* as ssh-keygen -l prints it */
    (void)snprintf(out, 64, "SHA256:%.*s", (int)kept, buf_text(&text));
}

static struct err *host_key_error(const struct remote *remote, enum host_key verdict,
                                  const git_cert_hostkey *cert)
{
    char type[64];
    char seen[64];
    host_key_type(cert->hostkey, cert->hostkey_len, type, sizeof type);
    fingerprint(cert->hostkey, cert->hostkey_len, seen);
    AUTO(free_auto) char *name = remote->url.port == 22
                                     ? mem_strdup(remote->url.host)
                                     : mem_printf("[%s]:%d", remote->url.host, remote->url.port);
    const char *what = verdict == HOST_KEY_CHANGED      ? "has another key for"
                       : verdict == HOST_KEY_OTHER_TYPE ? "has no key of this type for"
                       : verdict == HOST_KEY_REVOKED    ? "marks this key @revoked for"
                                                        : "has no line for";
    return err_new(ERR_TRANSIENT, REASON_HOST_KEY_MISMATCH,
                   "the server's host key is %s %s, and known_hosts %s '%s': nothing was sent; if "
                   "the key is right, put it into known_hosts of the source's Secret",
                   type, seen, what, name);
}

int ssh_certificate(struct git_cert *cert, int valid, const char *host, void *payload)
{
    struct remote *remote = payload;
    (void)valid; /* libgit2's opinion; only ours counts */
    (void)host;  /* the checked url's host is the one that was dialled */
    const git_cert_hostkey *key = (const git_cert_hostkey *)cert;
    if (cert->cert_type != GIT_CERT_HOSTKEY_LIBSSH2 || !(key->type & GIT_CERT_SSH_RAW) ||
        !key->hostkey || key->hostkey_len == 0) {
        return remote_fail(remote, err_new(ERR_TRANSIENT, REASON_HOST_KEY_MISMATCH,
                                           "the server's host key could not be read"));
    }
    enum host_key verdict =
        known_hosts_check(remote->source->credentials->known_hosts, remote->url.host,
                          remote->url.port, key->hostkey, key->hostkey_len);
    if (verdict != HOST_KEY_MATCH) {
        return remote_fail(remote, host_key_error(remote, verdict, key));
    }
    remote->ssh_verified = true;
    return 0;
}

/* ---- login ----------------------------------------------------------------------------------- */

static const char *login_user(const struct remote *remote)
{
    const char *user = remote->url.user ? remote->url.user : remote->source->credentials->username;
    return user ? user : DEFAULT_USER;
}

/* libgit2 asks again after each refusal, for ever: the first answer is the only one. */
int ssh_credentials(git_credential **out, const char *url, const char *user, unsigned allowed,
                    void *payload)
{
    struct remote *remote = payload;
    const struct repo_credentials *c = remote->source->credentials;
    (void)url;
    (void)user;
    if (remote->url.scheme != REPO_SCHEME_SSH) {
        return GIT_PASSTHROUGH;
    }
    if (allowed & GIT_CREDENTIAL_USERNAME) {
        return git_credential_username_new(out, login_user(remote));
    }
    if (remote->credential_tries++ > 0 || !remote->ssh_verified) {
        return remote_fail(remote, err_new(ERR_TRANSIENT, REASON_ACCESS_DENIED,
                                           "the server does not accept this %s for user '%s'",
                                           secret_set(&c->identity) ? "key" : "password",
                                           login_user(remote)));
    }
    if (secret_set(&c->identity) &&
        (allowed & (GIT_CREDENTIAL_SSH_KEY | GIT_CREDENTIAL_SSH_MEMORY))) {
        return git_credential_ssh_key_memory_new(out, login_user(remote), NULL, c->identity.bytes,
                                                 c->passphrase.bytes);
    }
    if (secret_set(&c->password) && (allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT)) {
        return git_credential_userpass_plaintext_new(out, login_user(remote), c->password.bytes);
    }
    return remote_fail(remote,
                       err_new(ERR_TRANSIENT, REASON_ACCESS_DENIED,
                               "the server does not offer the login that the Secret is for"));
}
