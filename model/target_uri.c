/* SPDX-License-Identifier: Apache-2.0 */
/* Database uris. No message repeats a part that could hold a piece of the password. */
#include "model/target_uri.h"
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "model/reason.h"

#define PARAMETERS_MAX 16

static struct err *bad(const char *problem)
{
    return err_new(ERR_TERMINAL, REASON_SECRET_INVALID, "database uri: %s", problem);
}

/* Said whenever the pieces do not fit: the usual cause is a password with a reserved character. */
static struct err *bad_shape(void)
{
    return bad(
        "cannot be read: write / ? # @ : % in user name and password as %2F %3F %23 %40 %3A %25");
}

static int hex_value(char c)
{
    const char *digits = "0123456789abcdef";
    char lower = c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
    const char *at = lower ? strchr(digits, lower) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Owned; NULL on a bad escape, on %00 and on control characters. */
static char *decode(const char *text, size_t length)
{
    char *out = mem_alloc(length + 1);
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c == '%') {
            int high = i + 2 < length ? hex_value(text[i + 1]) : -1;
            int low = i + 2 < length ? hex_value(text[i + 2]) : -1;
            c = high < 0 || low < 0 ? '\0' : (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0' || (unsigned char)c < 0x20 || c == 0x7f) {
            secret_wipe(out, used);
            free(out);
            return NULL;
        }
        out[used++] = c;
    }
    return out;
}

static struct err *decode_into(const char *text, size_t length, char **out)
{
    char *value = decode(text, length);
    if (!value) {
        return bad_shape();
    }
    free(*out);
    *out = value;
    return NULL;
}

static struct err *read_user(const char *text, size_t length, struct target *out)
{
    const char *colon = memchr(text, ':', length);
    size_t user = colon ? (size_t)(colon - text) : length;
    if (user > 0) {
        TRY(decode_into(text, user, &out->user));
    }
    if (colon && user + 1 < length) {
        char *password = decode(colon + 1, length - user - 1);
        if (!password) {
            return bad_shape();
        }
        secret_done(&out->password);
        out->password = secret_make(password, strlen(password));
        secret_wipe(password, strlen(password));
        free(password);
    }
    return NULL;
}

static struct err *read_port(const char *text, size_t length, struct target *out)
{
    AUTO(free_auto) char *copy = mem_strndup(text, length);
    int64_t port = 0;
    if (!str_to_int64(copy, 1, 65535, &port) || copy[0] == '+') {
        return bad("the port is not a number from 1 to 65535");
    }
    out->port = (int32_t)port;
    return NULL;
}

/* A decoded host: a name, an address, or a folder for PostgreSQL's socket. */
static struct err *set_host(struct target *out, char *host)
{
    bool list = strchr(host, ',') != NULL; /* as libpq reads it, of a socket's folder too */
    if (host[0] == '/' && !list) {
        free(out->socket);
        out->socket = host;
        return NULL;
    }
    bool odd = host[strcspn(host, " /?#@\\\"'<>")] != '\0';
    if (list || odd || *host == '\0') {
        free(host);
        return list ? bad("a list of hosts is not supported: name the primary") : bad_shape();
    }
    free(out->host);
    out->host = host;
    return NULL;
}

static struct err *read_host_port(const char *text, size_t length, struct target *out)
{
    const char *port = NULL;
    size_t host_length = length;
    if (length > 0 && text[0] == '[') {
        const char *close = memchr(text, ']', length);
        if (!close || (close + 1 < text + length && close[1] != ':')) {
            return bad_shape();
        }
        port = close + 1 < text + length ? close + 2 : NULL;
        text++;
        host_length = (size_t)(close - text);
        length--;
    } else {
        const char *colon = memchr(text, ':', length);
        host_length = colon ? (size_t)(colon - text) : length;
        port = colon ? colon + 1 : NULL;
    }
    if (host_length > 0) {
        char *host = decode(text, host_length);
        if (!host) {
            return bad_shape();
        }
        TRY(set_host(out, host));
    }
    return port && port < text + length ? read_port(port, (size_t)(text + length - port), out)
                                        : NULL;
}

static struct err *set_tls(struct target *out, const char *value)
{
    static const struct {
        const char *name;
        enum tls_mode mode;
    } modes[] = {
        { "verify-full", TLS_VERIFY_FULL }, { "verify-identity", TLS_VERIFY_FULL },
        { "verify-ca", TLS_VERIFY_CA },     { "require", TLS_REQUIRE },
        { "required", TLS_REQUIRE },        { "disable", TLS_DISABLE },
        { "disabled", TLS_DISABLE },        { "prefer", TLS_UNSET },
        { "preferred", TLS_UNSET },         { "allow", TLS_UNSET },
    };
    AUTO(free_auto) char *name = str_lower(value);
    for (char *p = name; *p; p++) {
        *p = *p == '_' ? '-' : *p;
    }
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (!str_eq(modes[i].name, name)) {
            continue;
        }
        if (modes[i].mode == TLS_UNSET) {
            return err_new(ERR_TERMINAL, REASON_SECRET_INVALID,
                           "database uri: sslmode %s may go on without TLS unseen: "
                           "write verify-full, verify-ca, require or disable",
                           modes[i].name);
        }
        out->tls = modes[i].mode;
        return NULL;
    }
    return bad("the value of sslmode is not one of verify-full, verify-ca, require, disable");
}

enum parameter {
    P_NONE,
    P_SSLMODE,
    P_CA,
    P_CERT,
    P_KEY,
    P_SOCKET,
    P_HOST,
    P_PORT
};

static enum parameter parameter_find(const char *name)
{
    static const struct {
        const char *name; /* lower case, without - and _ */
        enum parameter parameter;
    } known[] = {
        { "sslmode", P_SSLMODE }, { "sslrootcert", P_CA }, { "sslca", P_CA },
        { "sslcert", P_CERT },    { "sslkey", P_KEY },     { "socket", P_SOCKET },
        { "host", P_HOST },       { "port", P_PORT },
    };
    AUTO(free_auto) char *plain = str_lower(name);
    char *to = plain;
    for (const char *from = plain; *from; from++) {
        if (*from != '-' && *from != '_') {
            *to++ = *from;
        }
    }
    *to = '\0';
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (str_eq(known[i].name, plain)) {
            return known[i].parameter;
        }
    }
    return P_NONE;
}

static struct err *apply_parameter(enum parameter parameter, const char *value, struct target *out)
{
    char **file = NULL;
    switch (parameter) {
    case P_SSLMODE:
        return set_tls(out, value);
    case P_HOST:
        return set_host(out, mem_strdup(value));
    case P_PORT:
        return read_port(value, strlen(value), out);
    case P_SOCKET:
        if (out->engine == ENGINE_POSTGRESQL) {
            return bad("parameter socket is MySQL's: write host=/folder");
        }
        if (value[0] != '/') {
            return bad("parameter socket must be an absolute path");
        }
        file = &out->socket;
        break;
    case P_CA:
        if (str_eq(value, "system")) {
            return NULL; /* what we do anyway without a file */
        }
        file = &out->ca_file;
        break;
    case P_CERT:
        file = &out->cert_file;
        break;
    case P_KEY:
        file = &out->key_file;
        break;
    case P_NONE:
    default:
        return bad_shape();
    }
    mem_strset(file, value);
    return NULL;
}

static struct err *read_parameter(const char *text, size_t length, struct target *out,
                                  unsigned *seen)
{
    const char *equals = memchr(text, '=', length);
    size_t name_length = equals ? (size_t)(equals - text) : length;
    AUTO(free_auto) char *name = decode(text, name_length);
    AUTO(free_auto) char *value = equals ? decode(equals + 1, length - name_length - 1) : NULL;
    size_t plain = name ? strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789_-.")
                        : 0;
    if (!name || !*name || name[plain] || plain > 64 || (equals && !value)) {
        return bad_shape();
    }
    enum parameter parameter = parameter_find(name);
    if (parameter == P_NONE) {
        return err_new(
            ERR_TERMINAL, REASON_SECRET_INVALID,
            "database uri: unknown parameter %s: known are sslmode, sslrootcert, sslcert, "
            "sslkey, host, port, socket",
            name);
    }
    if (!value || !*value) {
        return err_new(ERR_TERMINAL, REASON_SECRET_INVALID,
                       "database uri: parameter %s has no value", name);
    }
    if (*seen & 1u << parameter) {
        return err_new(ERR_TERMINAL, REASON_SECRET_INVALID,
                       "database uri: parameter %s is given twice", name);
    }
    *seen |= 1u << parameter;
    return apply_parameter(parameter, value, out);
}

static struct err *read_query(const char *query, struct target *out)
{
    unsigned seen = 0;
    while (*query) {
        size_t n = strcspn(query, "&");
        TRY(read_parameter(query, n, out, &seen));
        query += n;
        query += *query == '&';
    }
    return NULL;
}

static struct err *read_authority(const char *text, size_t length, struct target *out)
{
    const char *at = memrchr(text, '@', length);
    if (at) {
        TRY(read_user(text, (size_t)(at - text), out));
        length -= (size_t)(at + 1 - text);
        text = at + 1;
    }
    return read_host_port(text, length, out);
}

static struct err *read_scheme(const char *uri, struct target *out, const char **rest)
{
    const char *colon = strstr(uri, "://");
    AUTO(free_auto) char *scheme = colon ? mem_strndup(uri, (size_t)(colon - uri)) : NULL;
    AUTO(free_auto) char *lower = str_lower(scheme);
    if (str_starts(lower, "jdbc:")) {
        return bad("a JDBC url is not supported: write postgresql://USER@HOST/DATABASE, without "
                   "\"jdbc:\"");
    }
    out->engine = lower ? engine_parse(lower) : ENGINE_UNKNOWN;
    if (out->engine == ENGINE_UNKNOWN) {
        return bad("must begin with postgresql://, mysql:// or mariadb://");
    }
    *rest = colon + 3;
    return NULL;
}

static struct err *read_uri(const char *uri, struct target *out)
{
    const char *p = NULL;
    if (strlen(uri) > LIMIT_URL) {
        return bad("longer than 2048 bytes");
    }
    TRY(read_scheme(uri, out, &p));
    size_t authority = strcspn(p, "/?#");
    /* An @ behind the authority: a / ? or # of the password ended it too early. */
    if (strchr(p + authority, '@') || strchr(p, '#')) {
        return bad_shape();
    }
    TRY(read_authority(p, authority, out));
    p += authority;
    if (*p == '/') {
        p++;
        size_t n = strcspn(p, "?");
        if (memchr(p, '/', n)) {
            return bad_shape();
        }
        if (n > 0) {
            TRY(decode_into(p, n, &out->database));
        }
        p += n;
    }
    return *p == '?' ? read_query(p + 1, out) : NULL;
}

struct err *target_uri_read(const char *uri, struct target *out)
{
    AUTO(target_done) struct target t = { 0 };
    TRY(read_uri(uri, &t));
    if (t.socket && t.host) {
        return bad("names both a host and a socket");
    }
    if (t.socket && t.engine != ENGINE_POSTGRESQL && t.port) {
        return bad("names both a port and a socket");
    }
    if (!t.cert_file != !t.key_file) {
        return bad("sslcert and sslkey belong together");
    }
    *out = t;
    t = (struct target){ 0 };
    return NULL;
}

/* ---- and written again ---------------------------------------------------------------------------- */

static void add_escaped(struct buf *out, const char *text, const char *plain)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                      (*p >= '0' && *p <= '9') || *p >= 0x80;
        if (letter || strchr(plain, *p)) {
            buf_addc(out, (char)*p);
        } else {
            buf_addf(out, "%%%02X", *p);
        }
    }
}

static void add_parameter(struct buf *out, const char *name, const char *value)
{
    if (value) {
        buf_addf(out, "%c%s=", memchr(out->data, '?', out->len) ? '&' : '?', name);
        add_escaped(out, value, "-._~/");
    }
}

char *target_uri_text(const struct target *target)
{
    AUTO(buf_done) struct buf out = BUF(8 * LIMIT_URL);
    bool pg = target->engine == ENGINE_POSTGRESQL;
    bool mode = !target->socket && target->tls != TLS_UNSET && target->tls != TLS_VERIFY_FULL;
    AUTO(free_auto) char *port =
        target->port && !target->host ? mem_printf("%d", (int)target->port) : NULL;

    buf_addf(&out, "%s://", engine_text(target->engine));
    if (target->user) {
        add_escaped(&out, target->user, "-._~");
        buf_addc(&out, '@');
    }
    if (target->host) {
        bool v6 = strchr(target->host, ':') != NULL;
        buf_adds(&out, v6 ? "[" : "");
        add_escaped(&out, target->host, v6 ? "-._~:" : "-._~");
        buf_adds(&out, v6 ? "]" : "");
        if (target->port) {
            buf_addf(&out, ":%d", (int)target->port);
        }
    }
    buf_addc(&out, '/');
    if (target->database) {
        add_escaped(&out, target->database, "-._~");
    }
    add_parameter(&out, pg ? "host" : "socket", target->socket);
    add_parameter(&out, "port", port);
    add_parameter(&out, pg ? "sslmode" : "ssl-mode", mode ? tls_mode_text(target->tls) : NULL);
    add_parameter(&out, pg ? "sslrootcert" : "ssl-ca", target->ca_file);
    add_parameter(&out, pg ? "sslcert" : "ssl-cert", target->cert_file);
    add_parameter(&out, pg ? "sslkey" : "ssl-key", target->key_file);
    return buf_take(&out);
}
