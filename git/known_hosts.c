/* SPDX-License-Identifier: Apache-2.0 */
/* known_hosts lines, after sshd(8): [@marker] names type base64 [comment]. */
#include "git/known_hosts.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdint.h>
#include <string.h>
#include "base/auto.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"

#define SHA1_LEN 20
#define FIELD_MAX (16 * 1024)

struct span {
    const char *at;
    size_t length;
};

static struct span next_field(const char **at, const char *end)
{
    while (*at < end && (**at == ' ' || **at == '\t')) {
        (*at)++;
    }
    struct span field = { .at = *at };
    while (*at < end && **at != ' ' && **at != '\t') {
        (*at)++;
    }
    field.length = (size_t)(*at - field.at);
    return field;
}

static bool span_is(struct span span, const char *text)
{
    return span.length == strlen(text) && memcmp(span.at, text, span.length) == 0;
}

/* "|1|salt|hash": hash = HMAC-SHA1(salt, name). */
static bool hashed_match(struct span field, const char *name)
{
    const char *salt = field.at + 3;
    const char *end = field.at + field.length;
    const char *bar = memchr(salt, '|', (size_t)(end - salt));
    if (!bar) {
        return false;
    }
    AUTO(buf_done) struct buf salt_bytes = BUF(FIELD_MAX);
    AUTO(buf_done) struct buf told = BUF(FIELD_MAX);
    if (!base64_parse(salt, (size_t)(bar - salt), &salt_bytes) ||
        !base64_parse(bar + 1, (size_t)(end - bar - 1), &told) || told.len != SHA1_LEN ||
        salt_bytes.len == 0) {
        return false;
    }
    unsigned char made[EVP_MAX_MD_SIZE];
    unsigned made_length = 0;
    if (!HMAC(EVP_sha1(), salt_bytes.data, (int)salt_bytes.len, (const unsigned char *)name,
              strlen(name), made, &made_length) ||
        made_length != SHA1_LEN) {
        return false;
    }
    return memcmp(made, told.data, SHA1_LEN) == 0;
}

/* '*' and '?', ASCII case does not matter; name is lower case. Linear: one '*' is remembered. */
static bool wildcard_match(struct span pattern, const char *name)
{
    size_t p = 0;
    size_t n = 0;
    size_t star = SIZE_MAX;
    size_t star_name = 0;
    size_t length = strlen(name);
    while (n < length) {
        char c = p < pattern.length ? pattern.at[p] : '\0';
        c = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        if (p < pattern.length && c == '*') {
            star = p++;
            star_name = n;
        } else if (p < pattern.length && (c == '?' || c == name[n])) {
            p++;
            n++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++star_name;
        } else {
            return false;
        }
    }
    while (p < pattern.length && pattern.at[p] == '*') {
        p++;
    }
    return p == pattern.length;
}

static bool names_match(struct span names, const char *name)
{
    if (names.length > 3 && memcmp(names.at, "|1|", 3) == 0) {
        return hashed_match(names, name);
    }
    bool match = false;
    const char *at = names.at;
    const char *end = names.at + names.length;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        struct span one = { .at = at, .length = (size_t)((comma ? comma : end) - at) };
        bool negated = one.length > 0 && one.at[0] == '!';
        one.at += negated;
        one.length -= negated;
        if (one.length > 0 && wildcard_match(one, name)) {
            if (negated) {
                return false;
            }
            match = true;
        }
        at = comma ? comma + 1 : end;
    }
    return match;
}

static bool same_key(struct span encoded, const void *key, size_t key_length)
{
    AUTO(buf_done) struct buf told = BUF(FIELD_MAX);
    return base64_parse(encoded.at, encoded.length, &told) && told.len == key_length &&
           memcmp(told.data, key, key_length) == 0;
}

struct line {
    struct span names, type, key;
    bool revoked;
};

/* False: a comment, an empty line, or @cert-authority (host certificates are not supported). */
static bool line_parse(const char *at, const char *end, struct line *out)
{
    struct span first = next_field(&at, end);
    out->revoked = span_is(first, "@revoked");
    out->names = out->revoked ? next_field(&at, end) : first;
    out->type = next_field(&at, end);
    out->key = next_field(&at, end);
    return first.length > 0 && first.at[0] != '#' && (first.at[0] != '@' || out->revoked);
}

/* What one line says; HOST_KEY_UNKNOWN_HOST: nothing about this host. */
static enum host_key line_check(const struct line *line, const char *name, const char *type,
                                const void *key, size_t key_length)
{
    if (!names_match(line->names, name)) {
        return HOST_KEY_UNKNOWN_HOST;
    }
    if (!span_is(line->type, type)) {
        return line->revoked ? HOST_KEY_UNKNOWN_HOST : HOST_KEY_OTHER_TYPE;
    }
    bool same = same_key(line->key, key, key_length);
    if (line->revoked) {
        return same ? HOST_KEY_REVOKED : HOST_KEY_UNKNOWN_HOST;
    }
    return same ? HOST_KEY_MATCH : HOST_KEY_CHANGED;
}

static char *host_name(const char *host, int port)
{
    AUTO(free_auto) char *lower = str_lower(host);
    return port == 22 ? mem_strdup(lower) : mem_printf("[%s]:%d", lower, port);
}

void known_hosts_extract(const char *text, const char *host, int port, struct buf *out)
{
    AUTO(free_auto) char *name = host_name(host, port);
    for (const char *at = text; *at;) {
        const char *end = at + strcspn(at, "\r\n");
        AUTO(buf_done) struct buf key = BUF(FIELD_MAX);
        struct line line = { 0 };
        if (line_parse(at, end, &line) && !line.revoked && names_match(line.names, name) &&
            line.type.length > 0 && base64_parse(line.key.at, line.key.length, &key) &&
            key.len > 0) {
            buf_addf(out, "%s %.*s %.*s\n", name, (int)line.type.length, line.type.at,
                     (int)line.key.length, line.key.at);
        }
        at = *end ? end + 1 : end;
    }
}

void host_key_type(const void *key, size_t key_length, char *out, size_t out_size)
{
    const unsigned char *b = key;
    size_t length = 0;
    if (key_length >= 4) {
        length = (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
    }
    bool fits = key_length >= 4 && length > 0 && length <= key_length - 4 && length < out_size;
    for (size_t i = 0; fits && i < length; i++) {
        fits = b[4 + i] > 0x20 && b[4 + i] < 0x7f;
    }
    (void)snprintf(out, out_size, "%.*s", fits ? (int)length : 7,
                   fits ? (const char *)b + 4 : "unknown");
}

enum host_key known_hosts_check(const char *text, const char *host, int port, const void *key,
                                size_t key_length)
{
    AUTO(free_auto) char *name = host_name(host, port);
    char type[64];
    host_key_type(key, key_length, type, sizeof type);
    enum host_key best = HOST_KEY_UNKNOWN_HOST;
    for (const char *at = text; *at;) {
        const char *end = at + strcspn(at, "\r\n");
        struct line line = { 0 };
        enum host_key said = HOST_KEY_UNKNOWN_HOST;
        if (line_parse(at, end, &line)) {
            said = line_check(&line, name, type, key, key_length);
        }
        if (said == HOST_KEY_REVOKED) {
            return said; /* wherever it stands */
        }
        best = said > best ? said : best;
        at = *end ? end + 1 : end;
    }
    return best;
}
