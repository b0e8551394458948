/* SPDX-License-Identifier: Apache-2.0 */
/* One contact with one git server, in the child: what was asked, what is left of time and bytes,
 * and the first thing that went wrong. Private to git/. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "git/repo.h"
#include "git/url.h"

struct git_cert;
struct git_credential;
struct git_remote;
struct git_transport;
struct sockaddr;

struct remote {
    const struct repo_source *source; /* limits and timeout resolved */
    struct repo_url url;
    int64_t deadline_ms; /* monotonic */
    int64_t received;    /* bytes of all answers */
    int credential_tries;
    bool ssh_verified;
    struct err *error; /* ours, clearer than what libgit2 makes of a failed callback; owned */
};

struct err *remote_open(const struct repo_source *source, int64_t deadline_ms, struct remote *out)
    ERR_MUST_USE;
void remote_done(struct remote *remote);

/* Keeps the first error; consumes `error`. Always -1: what a callback returns to libgit2. */
int remote_fail(struct remote *remote, struct err *error);
/* After a failed libgit2 call that talked to the server: our own error, or libgit2's explained. */
struct err *remote_error(struct remote *remote, int code) ERR_MUST_USE;
/* Counts received bytes against limits.pack_bytes; false: remote->error is set. */
bool remote_count(struct remote *remote, int64_t bytes);

/* Of an address that address_refused() told before a connection was made. */
struct err *remote_address_error(const struct remote *remote) ERR_MUST_USE;

/* http.c: the smart subtransport over libcurl. */
int http_transport(struct git_transport **out, struct git_remote *owner, void *remote);

/* ssh.c */
struct err *ssh_prepare(struct remote *remote, const char *home) ERR_MUST_USE;
int ssh_credentials(struct git_credential **out, const char *url, const char *user,
                    unsigned allowed, void *payload);
int ssh_certificate(struct git_cert *cert, int valid, const char *host, void *payload);
