/* SPDX-License-Identifier: Apache-2.0 */
/* A database's credentials: the needed keys of its Secret and certificates, as named files; and the
 * target that they describe. The controller and the runner read them in the same way. */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include "model/mplan.h"
#include "model/platform.h"
#include "model/target.h"

/* The Secret's known keys, ca.crt of tls.caRef (else the Secret's own), tls.crt and tls.key of
 * tls.clientCertSecretRef. SecretInvalid names the object and key that is missing. The values are
 * secrets: release with secret_kvlist_done(). */
struct err *credentials_collect(const struct platform *platform, const struct mplan *plan,
                                const struct mplan_database *database, struct kvlist *out)
    ERR_MUST_USE;
/* The same list from a folder of files (the runner's). */
struct err *credentials_read(const char *dir, struct kvlist *out) ERR_MUST_USE;

struct credential_files { /* certificates as files that live as long as this struct */
    int fds[3];
    bool used;
};
/* Where to connect. Certificates become anonymous files in memory: nothing is written to disk. */
struct err *credentials_target(const struct kvlist *files, const struct target_overrides *overrides,
                               struct target *out, struct credential_files *certificates)
    ERR_MUST_USE;
void credential_files_done(struct credential_files *certificates);

/* Passwords live in this process: it leaves no core, and nobody of the same user may look into it. */
void credentials_protect_process(void);

/* host:port or socket: what a limit per server counts by. Owned. */
char *credentials_server(const struct target *target);
