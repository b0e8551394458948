/* SPDX-License-Identifier: Apache-2.0 */
/* Source urls: four schemes, a narrow alphabet, nothing that another program could read as an
 * option or as shell text. */
#include "git/url.h"
#include <string.h>
#include "base/auto.h"
#include "base/limits.h"
#include "base/mem.h"
#include "git/repo.h"
#include "model/reason.h"

static const struct scheme {
    const char *prefix;
    enum repo_scheme scheme;
    int32_t port;
    unsigned allow; /* 0: always */
} schemes[] = {
    { "https://", REPO_SCHEME_HTTPS, 443, 0 },
    { "ssh://", REPO_SCHEME_SSH, 22, 0 },
    { "http://", REPO_SCHEME_HTTP, 80, REPO_ALLOW_HTTP },
    { "file://", REPO_SCHEME_FILE, 0, REPO_ALLOW_FILE },
};

#define BAD(...) err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "source url: " __VA_ARGS__)

static bool is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool all_of(const char *text, size_t length, const char *also)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (!is_alnum(c) && !strchr(also, c)) {
            return false;
        }
    }
    return true;
}

static const struct scheme *find_scheme(const char *url)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (str_starts(url, schemes[i].prefix)) {
            return &schemes[i];
        }
    }
    return NULL;
}

static struct err *scheme_error(const char *url)
{
    const char *colon = strchr(url, ':');
    const char *slash = strchr(url, '/');
    if (colon && !strstr(url, "://") && (!slash || colon < slash)) {
        return BAD("write ssh://user@host/path instead of user@host:path");
    }
    return BAD("it must begin with https:// or ssh://");
}

/* '$', ';', quotes and their like never reach the remote shell that serves ssh. */
static struct err *parse_path(const char *path, struct repo_url *out)
{
    size_t length = strlen(path);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)path[i];
        if (c < 0x80 && !is_alnum(c) && !strchr("/-._~+,=@:%()!", c)) {
            if (c > 0x20 && c < 0x7f) {
                return BAD("the character '%c' is not allowed in its path", c);
            }
            return BAD("a blank or control character is not allowed in its path");
        }
    }
    if (str_utf8_valid(path, length) != length) {
        return BAD("its path is not valid UTF-8");
    }
    if (strstr(path, "/../") || str_ends(path, "/..") || str_starts(path, "/-")) {
        return BAD("its path must not contain '..' or begin with '-'");
    }
    while (length > 0 && path[length - 1] == '/') {
        length--;
    }
    if (length == 0) {
        return BAD("it names no repository after the host");
    }
    out->path = mem_strndup(path, length);
    return NULL;
}

/* "host", "host:port", "[::1]:port" */
static struct err *parse_host(const char *text, size_t length, struct repo_url *out)
{
    size_t host_length = length;
    const char *host = text;
    const char *after = NULL;
    if (length > 0 && text[0] == '[') {
        const char *end = memchr(text, ']', length);
        if (!end) {
            return BAD("'[' without ']' in its host");
        }
        host = text + 1;
        host_length = (size_t)(end - host);
        after = end + 1;
        if (strspn(host, "0123456789abcdefABCDEF:.") < host_length) {
            return BAD("its host is not an IPv6 address");
        }
    } else {
        const char *colon = memchr(text, ':', length);
        host_length = colon ? (size_t)(colon - text) : length;
        after = text + host_length;
        if (!all_of(host, host_length, "-._")) {
            return BAD("its host may hold letters, digits, '-' and '.' only");
        }
    }
    if (host_length == 0 || host_length > 253 || host[0] == '-') {
        return BAD("its host is empty, too long or begins with '-'");
    }
    if (after < text + length) {
        AUTO(free_auto) char *port = mem_strndup(after + 1, length - (size_t)(after + 1 - text));
        int64_t number = 0;
        if (*after != ':' || !all_of(port, strlen(port), "") ||
            !str_to_int64(port, 1, 65535, &number)) {
            return BAD("its port must be a number from 1 to 65535");
        }
        out->port = (int32_t)number;
    }
    AUTO(free_auto) char *plain = mem_strndup(host, host_length);
    out->host = str_lower(plain);
    return NULL;
}

static struct err *parse_authority(const char *text, size_t length, struct repo_url *out)
{
    const char *at = memchr(text, '@', length);
    if (at) {
        size_t user_length = (size_t)(at - text);
        if (memchr(text, ':', user_length)) {
            return BAD("a password does not belong in it: put it into the Secret of secretRef");
        }
        if (out->scheme != REPO_SCHEME_SSH) {
            return BAD("a user name does not belong in it: put username and password into the "
                       "Secret of secretRef");
        }
        if (user_length == 0 || text[0] == '-' || !all_of(text, user_length, "-._+")) {
            return BAD("its user may hold letters, digits, '-', '_', '.' and '+' only");
        }
        out->user = mem_strndup(text, user_length);
        length -= user_length + 1;
        text = at + 1;
    }
    return parse_host(text, length, out);
}

static struct err *parse_rest(const char *rest, struct repo_url *out)
{
    if (out->scheme == REPO_SCHEME_FILE) {
        out->host = mem_strdup("");
        if (rest[0] != '/') {
            return BAD("write file:///absolute/path");
        }
        return parse_path(rest, out);
    }
    const char *slash = strchr(rest, '/');
    if (!slash) {
        return BAD("it names no repository after the host");
    }
    TRY(parse_authority(rest, (size_t)(slash - rest), out));
    return parse_path(slash, out);
}

struct err *repo_url_parse(const char *url, unsigned allow, struct repo_url *out)
{
    if (!url || url[0] == '\0') {
        return BAD("it is empty");
    }
    if (strlen(url) > LIMIT_URL) {
        return BAD("it is longer than %d bytes", LIMIT_URL);
    }
    const struct scheme *scheme = find_scheme(url);
    if (!scheme) {
        return scheme_error(url);
    }
    if (scheme->allow && !(scheme->allow & allow)) {
        return BAD("the scheme %s is not allowed here: use https or ssh, or allow it with "
                   "--allow-source-scheme",
                   scheme->prefix);
    }
    AUTO(repo_url_done) struct repo_url parsed = { .scheme = scheme->scheme, .port = scheme->port };
    TRY(parse_rest(url + strlen(scheme->prefix), &parsed));
    *out = parsed;
    parsed = (struct repo_url){ 0 };
    return NULL;
}

struct err *repo_url_check(const char *url, unsigned allow)
{
    AUTO(repo_url_done) struct repo_url parsed = { 0 };
    return repo_url_parse(url, allow, &parsed);
}

void repo_url_done(struct repo_url *url)
{
    free(url->user);
    free(url->host);
    free(url->path);
    *url = (struct repo_url){ 0 };
}
