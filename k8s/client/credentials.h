/* SPDX-License-Identifier: Apache-2.0 */
/* What a request proves itself with now: files are read again, plugins run again, 401 is listened to. */
#pragma once
#include <stdint.h>
#include "k8s/client/config.h"

#define CREDENTIALS_REREAD_MS (50 * 1000) /* a minute, with leeway for the requests under way */

struct credentials;

struct auth { /* a copy; all owned, NULL or unset: none */
    struct secret token;
    char *cert;
    struct secret key;
    char *ca;
    uint64_t generation; /* of the values, for credentials_reject() */
};

void auth_done(struct auth *auth);

/* Takes the contents of config, which it leaves empty. ERR_TERMINAL InvalidSpec when a file cannot be
 * read. No plugin is run yet. Thread-safe from then on. */
struct err *credentials_open(struct kube_config *config, int64_t reread_ms,
                             struct credentials **out) ERR_MUST_USE;
void credentials_close(struct credentials *credentials);
const struct kube_config *credentials_config(const struct credentials *credentials);
struct err *credentials_get(struct credentials *credentials, struct auth *out) ERR_MUST_USE;
/* The server answered 401 to these values: the next get reads or asks anew. */
void credentials_reject(struct credentials *credentials, uint64_t generation);
