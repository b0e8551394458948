/* SPDX-License-Identifier: Apache-2.0 */
/* Where a database is and how to log in; made from a uri or a Secret (docs/reference/migrationplan.md 1). */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/secret.h"
#include "base/str.h"
#include "model/engine.h"

enum tls_mode {
    TLS_UNSET,
    TLS_VERIFY_FULL,
    TLS_VERIFY_CA,
    TLS_REQUIRE,
    TLS_DISABLE
};
const char *tls_mode_text(enum tls_mode mode);  /* verify-full verify-ca require disable */
enum tls_mode tls_mode_parse(const char *text); /* TLS_UNSET: not a mode */

struct target {
    enum engine engine; /* mysql:// and mariadb:// are told apart by the server in the end */
    char *host;         /* NULL with a socket */
    int32_t port;       /* 0: the engine's default */
    char *socket;       /* PostgreSQL: directory; MySQL: path; NULL: tcp */
    char *database;
    char *user;
    struct secret password;
    enum tls_mode tls;          /* resolved; sockets: no TLS */
    char *ca_file;              /* NULL: the system store */
    char *cert_file, *key_file; /* client certificate; NULL: none */
    char *schema;               /* NULL: resolve at connect */
    char *table;                /* NULL: flyway_schema_history */
};

/* postgresql://user:pw@host:port/db?sslmode=...&sslrootcert=...&host=/dir
 * mysql://user:pw@host/db?ssl-mode=...&ssl-ca=...&socket=/path ; percent-decoding everywhere.
 * ERR_TERMINAL SecretInvalid (InvalidSpec on the command line is the caller's wrap), never with the
 * password in the text. */
struct err *target_parse_uri(const char *uri, struct target *out) ERR_MUST_USE;

/* The data of a database Secret: uri and/or fields in the spellings of docs/reference/migrationplan.md 1; each
 * key with its decoded bytes. `tls_mode`, overrides (type host port database) come from the
 * plan; NULL/0: not given. A mode in the uri weaker than the plan's is SecretInvalid naming both. */
struct target_overrides {
    const char *type, *host, *database;
    int32_t port;
    enum tls_mode tls; /* TLS_UNSET: verify-full */
};
struct err *target_from_secret(const struct kvlist *data, const struct target_overrides *overrides,
                               struct target *out) ERR_MUST_USE;
int32_t target_default_port(enum engine engine);
/* "postgresql://orders@db:5432/orders": no password, for messages. Owned. */
char *target_label(const struct target *target);
void target_copy(const struct target *from, struct target *out);
void target_done(struct target *target);
