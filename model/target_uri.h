/* SPDX-License-Identifier: Apache-2.0 */
/* Internal to target: a uri as written, before defaults. */
#pragma once
#include "model/target.h"

/* Like target_parse_uri, but *out->tls stays TLS_UNSET when the uri has no mode. */
struct err *target_uri_read(const char *uri, struct target *out) ERR_MUST_USE;
/* The uri of a target, to be read again: all but the password. Owned. */
char *target_uri_text(const struct target *target);
