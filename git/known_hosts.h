/* SPDX-License-Identifier: Apache-2.0 */
/* Does a known_hosts text vouch for this host key? Plain, hashed and wildcard names, negation,
 * [host]:port, several keys per host, @revoked. Private to git/. */
#pragma once
#include <stddef.h>
#include "base/buf.h"

enum host_key {
    HOST_KEY_UNKNOWN_HOST, /* no line for the host: refuse */
    HOST_KEY_OTHER_TYPE,   /* lines for the host, none of this key type: refuse */
    HOST_KEY_CHANGED,      /* a line with another key of this type: refuse */
    HOST_KEY_REVOKED,      /* refuse */
    HOST_KEY_MATCH,
};

/* key: the raw ssh blob (it begins with its type name). */
enum host_key known_hosts_check(const char *text, const char *host, int port, const void *key,
                                size_t key_length);

/* The lines that speak of this host, as "name type base64" and nothing else: what libssh2, which
 * gives up at the first line that it does not understand, is shown to choose a key type by. */
void known_hosts_extract(const char *text, const char *host, int port, struct buf *out);

/* "ssh-ed25519" of a raw blob into out; "unknown" when it does not begin with a name. */
void host_key_type(const void *key, size_t key_length, char *out, size_t out_size);
