/* SPDX-License-Identifier: Apache-2.0 */
/* Where a Secret's login may go. Whoever edits plans can name any Secret of the namespace; whoever owns the
 * Secret says by its annotation sluice.dev/host which hosts may see what is in it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"
#include "model/target.h"

/* The annotation's value among the data of a Secret; no key of a Secret can have this name. */
#define SECRET_HOSTS "sluice.dev/host"

/* Does a pattern of the list (comma or blank between them) fit? "db.example.com", "*.db.example.com" (below it,
 * however deep), "db.example.com:5432", "[fd00::1]:5432", "/run/postgresql" (a socket), "*". */
bool secret_hosts_match(const char *patterns, const char *host, int32_t port);

/* Without the annotation: fine. ERR_TERMINAL InvalidSpec; `field`: the plan's that leads there. */
struct err *secret_hosts_check(const struct kvlist *data, const char *field, const char *host,
                               int32_t port) ERR_MUST_USE;
struct err *secret_hosts_check_target(const struct kvlist *data, const struct target *target)
    ERR_MUST_USE;
