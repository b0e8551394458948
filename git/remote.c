/* SPDX-License-Identifier: Apache-2.0 */
/* Budgets and error texts of one contact with a git server. */
#include "git/remote.h"
#include <git2/errors.h>
#include <git2/remote.h>
#include <string.h>
#include "base/auto.h"
#include "base/dial.h"
#include "model/reason.h"

struct err *remote_open(const struct repo_source *source, int64_t deadline_ms, struct remote *out)
{
    *out = (struct remote){ .source = source, .deadline_ms = deadline_ms };
    return repo_url_parse(source->url, source->allow, &out->url);
}

void remote_done(struct remote *remote)
{
    repo_url_done(&remote->url);
    err_free(remote->error);
    *remote = (struct remote){ 0 };
}

int remote_fail(struct remote *remote, struct err *error)
{
    if (remote->error) {
        err_free(error);
    } else {
        remote->error = error;
    }
    return -1;
}

bool remote_count(struct remote *remote, int64_t bytes)
{
    remote->received += bytes;
    int64_t limit = remote->source->limits.pack_bytes;
    if (remote->received <= limit) {
        return true;
    }
    (void)remote_fail(
        remote, err_new(ERR_TERMINAL, REASON_SOURCE_TOO_LARGE,
                        "the repository sends more than %lld bytes (limit of one fetch): keep "
                        "migrations in a repository of their own, or raise the limit",
                        (long long)limit));
    return false;
}

struct err *remote_address_error(const struct remote *remote)
{
    return err_new(ERR_TRANSIENT, REASON_SOURCE_UNAVAILABLE,
                   "host '%s' has an address that is refused: link-local, of a cloud's "
                   "metadata, multicast or empty",
                   remote->url.host);
}

static bool contains(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

/* libgit2 names its limits only by text. NULL: none of them. */
static struct err *limit_error(const struct remote *remote, const git_error *last, const char *text)
{
    const struct repo_limits *limits = &remote->source->limits;
    if (contains(text, "overly large object")) {
        return err_new(
            ERR_TERMINAL, REASON_SOURCE_TOO_LARGE,
            "the repository holds an object of more than %lld bytes, which is the limit: "
            "keep migrations in a repository of their own",
            (long long)limits->object_bytes);
    }
    if (contains(text, "too many objects")) {
        return err_new(ERR_TERMINAL, REASON_SOURCE_TOO_LARGE,
                       "the repository sends more than %lld objects, which is the limit",
                       (long long)limits->objects);
    }
    if (last && last->klass == GIT_ERROR_NOMEMORY) {
        return err_new(ERR_TERMINAL, REASON_SOURCE_TOO_LARGE,
                       "reading the repository takes more than %lld bytes of memory, which is the "
                       "limit",
                       (long long)limits->memory_bytes);
    }
    return NULL;
}

static struct err *ssh_explained(const struct remote *remote, const char *text)
{
    if (dial_refused() && contains(text, "failed to connect")) {
        return remote_address_error(remote);
    }
    if (contains(text, "failed to resolve address")) {
        const char *why = strrchr(text, ':');
        return err_new(ERR_TRANSIENT, REASON_SOURCE_UNAVAILABLE, "could not resolve host '%s'%s",
                       remote->url.host, why ? why : "");
    }
    if (contains(text, "exchange encryption keys") || contains(text, "handshake")) {
        return err_new(ERR_TRANSIENT, REASON_SOURCE_UNAVAILABLE,
                       "%s: the server may offer an RSA host key or algorithms only that this "
                       "libssh2 does not know; ed25519 and ecdsa work",
                       text);
    }
    if (contains(text, "Failed to authenticate") || contains(text, "private key")) {
        /* A server that says no is GIT_EAUTH; what fails here fails on our side. */
        return err_new(ERR_TERMINAL, REASON_SECRET_INVALID,
                       "the key in identity cannot be used (another format, or a wrong passphrase "
                       "in password): %s",
                       text);
    }
    if (remote->ssh_verified) {
        return err_new(ERR_TRANSIENT, REASON_SOURCE_UNAVAILABLE,
                       "%s: repository not found or no access", text);
    }
    return err_new(ERR_TRANSIENT, REASON_SOURCE_UNAVAILABLE, "%s", text);
}

struct err *remote_error(struct remote *remote, int code)
{
    if (remote->error) {
        return TAKE(remote->error);
    }
    const git_error *last = git_error_last();
    const char *text = last && last->message ? last->message : "unknown failure";
    struct err *limit = limit_error(remote, last, text);
    if (limit) {
        return limit;
    }
    if (code == GIT_EAUTH) {
        return err_new(ERR_TRANSIENT, REASON_ACCESS_DENIED, "%s", text);
    }
    if (code == GIT_ECERTIFICATE) {
        return err_new(ERR_TRANSIENT, REASON_HOST_KEY_MISMATCH, "%s", text);
    }
    if (remote->url.scheme == REPO_SCHEME_SSH) {
        return ssh_explained(remote, text);
    }
    if (contains(text, "early EOF")) {
        return err_new(ERR_TRANSIENT, REASON_SOURCE_UNAVAILABLE,
                       "the server broke off in the middle of its answer");
    }
    return err_new(ERR_TRANSIENT, REASON_SOURCE_UNAVAILABLE, "%s", text);
}
