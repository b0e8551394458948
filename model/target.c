/* SPDX-License-Identifier: Apache-2.0 */
/* Where a database is: its text, its copy, its end. */
#include "model/target.h"
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/buf.h"
#include "base/mem.h"

static const char *const tls_names[] = { "", "verify-full", "verify-ca", "require", "disable" };
#define TLS_COUNT (sizeof tls_names / sizeof *tls_names)

const char *tls_mode_text(enum tls_mode mode)
{
    return (size_t)mode < TLS_COUNT ? tls_names[mode] : "";
}

enum tls_mode tls_mode_parse(const char *text)
{
    for (size_t i = 1; i < TLS_COUNT; i++) {
        if (str_eq(tls_names[i], text)) {
            return (enum tls_mode)i;
        }
    }
    return TLS_UNSET;
}

int32_t target_default_port(enum engine engine)
{
    return engine == ENGINE_POSTGRESQL ? 5432 : 3306;
}

char *target_label(const struct target *target)
{
    AUTO(buf_done) struct buf out = BUF(8192);
    const char *scheme = engine_text(target->engine);
    buf_addf(&out, "%s://", *scheme ? scheme : "database");
    if (target->user) {
        buf_addf(&out, "%s@", target->user);
    }
    if (target->host) {
        bool v6 = strchr(target->host, ':') != NULL;
        int port = target->port ? target->port : target_default_port(target->engine);
        buf_addf(&out, "%s%s%s:%d", v6 ? "[" : "", target->host, v6 ? "]" : "", port);
    }
    buf_addf(&out, "/%s", target->database ? target->database : "");
    if (target->socket) {
        bool pg = target->engine == ENGINE_POSTGRESQL;
        buf_addf(&out, "?%s=%s", pg ? "host" : "socket", target->socket);
    }
    return str_printable(buf_text(&out), out.len);
}

void target_copy(const struct target *from, struct target *out)
{
    *out = *from;
    out->host = mem_strdup(from->host);
    out->socket = mem_strdup(from->socket);
    out->database = mem_strdup(from->database);
    out->user = mem_strdup(from->user);
    out->password = secret_copy(&from->password);
    out->ca_file = mem_strdup(from->ca_file);
    out->cert_file = mem_strdup(from->cert_file);
    out->key_file = mem_strdup(from->key_file);
    out->schema = mem_strdup(from->schema);
    out->table = mem_strdup(from->table);
}

void target_done(struct target *target)
{
    free(target->host);
    free(target->socket);
    free(target->database);
    free(target->user);
    secret_done(&target->password);
    free(target->ca_file);
    free(target->cert_file);
    free(target->key_file);
    free(target->schema);
    free(target->table);
    *target = (struct target){ 0 };
}
