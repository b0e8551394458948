/* SPDX-License-Identifier: Apache-2.0 */
/* The strict grammar of source urls. Private to git/. */
#pragma once
#include <stdint.h>
#include "base/err.h"

enum repo_scheme {
    REPO_SCHEME_HTTPS = 1,
    REPO_SCHEME_SSH,
    REPO_SCHEME_HTTP,
    REPO_SCHEME_FILE
};

struct repo_url {
    enum repo_scheme scheme;
    char *user;   /* ssh only; NULL: none */
    char *host;   /* lower case, without brackets; "" for file */
    int32_t port; /* never 0 except for file */
    char *path;   /* begins with '/', no '/' at its end */
};

/* ERR_TERMINAL InvalidSpec. The text never repeats what could be a password. */
struct err *repo_url_parse(const char *url, unsigned allow, struct repo_url *out) ERR_MUST_USE;
void repo_url_done(struct repo_url *url);
