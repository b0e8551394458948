/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures of the usual git servers: HMAC-SHA-256 over the raw body, or the token itself. */
#include "controller/webhook.h"

#include <string.h>

#include "base/hash.h"
#include "base/str.h"

#define PREFIX "sha256="

static bool signature_right(const char *given, bool prefix_needed, const uint8_t want[SHA256_LEN])
{
    uint8_t got[SHA256_LEN];

    if (str_starts(given, PREFIX)) {
        given += strlen(PREFIX);
    } else if (prefix_needed) { /* e.g. sha1=: an older, weaker scheme */
        return false;
    }
    if (strlen(given) != SHA256_HEX_LEN || !hex_parse(given, SHA256_HEX_LEN, got)) {
        return false;
    }
    return bytes_equal_consttime(got, want, SHA256_LEN);
}

/* Digests are compared, so that the time tells nothing about the token's length either. */
static bool token_right(const char *given, const char *token)
{
    uint8_t a[SHA256_LEN];
    uint8_t b[SHA256_LEN];

    sha256(given, strlen(given), a);
    sha256(token, strlen(token), b);
    return bytes_equal_consttime(a, b, SHA256_LEN);
}

bool webhook_verify(const struct webhook_headers *headers, const void *body, size_t length,
                    const char *token)
{
    uint8_t want[SHA256_LEN];
    int present = 0;
    bool right = true;

    if (!token || !*token) {
        return false;
    }
    hmac_sha256(token, strlen(token), body, length, want);
    const struct {
        const char *value;
        bool prefix_needed;
    } signatures[] = {
        { headers->hub_signature_256, true },
        { headers->hub_signature, true },
        { headers->gitea_signature, false },
        { headers->sluice_signature, false },
    };
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        /* Gitea sends X-Hub-Signature with sha1= beside its own: what another header proves is not
         * asked of that one. */
        const char *value = signatures[i].value;
        if (value && !(value == headers->hub_signature && !str_starts(value, PREFIX) &&
                       (headers->hub_signature_256 || headers->gitea_signature))) {
            present++;
            right = signature_right(value, signatures[i].prefix_needed, want) && right;
        }
    }
    if (headers->gitlab_token) {
        present++;
        right = token_right(headers->gitlab_token, token) && right;
    }
    return present > 0 && right;
}
