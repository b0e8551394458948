/* SPDX-License-Identifier: Apache-2.0 */
/* What every transfer of ours by libcurl has in common. */
#pragma once
#include <stdbool.h>
#include "base/secret.h"

struct https {
    const char *protocols; /* "http", "https", "http,https" */
    const char *agent;
    const char *ca;           /* PEM, in place of the system's store; NULL: that one */
    const char *cert;         /* PEM; NULL: none */
    const struct secret *key; /* of cert */
    bool insecure;            /* any certificate of a server will do */
};

/* `easy` is libcurl's handle. No redirects, no signals, no .netrc, TLS 1.2 or newer. */
void https_setup(void *easy, const struct https *h);
