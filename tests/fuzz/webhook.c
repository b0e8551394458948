/* SPDX-License-Identifier: Apache-2.0 */
/* Push webhooks: accepted only with a right signature or token, of this very body. An input is texts that a NUL ends:
 * the token and five headers ("": absent; a leading '@' stands for the right signature), then the body. */
#include <ctype.h>
#include "base/hash.h"
#include "controller/webhook.h"
#include "fuzz.h"

#define HEADERS 5

static const char *next_text(const uint8_t **data, size_t *size)
{
    const char *text = (const char *)*data;
    const uint8_t *nul = memchr(*data, '\0', *size);

    if (!nul) {
        return "";
    }
    *size -= (size_t)(nul + 1 - *data);
    *data = nul + 1;
    return text;
}

/* A header as it is sent. Owned; NULL: absent. */
static char *header_make(const char *text, const char *signature)
{
    const char *mark = strchr(text, '@');

    return !*text  ? NULL
           : !mark ? mem_strdup(text)
                   : mem_printf("%.*s%s%s", (int)(mark - text), text, signature, mark + 1);
}

/* By hand: does the header have the signature, in any case, or the token? */
static bool proves(size_t header, const char *text, const char *signature, const char *token)
{
    if (header == 3) {
        return str_eq(text, token);
    }
    return str_ieq(str_starts(text, "sha256=") ? text + 7 : text, signature);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *token = next_text(&data, &size);
    const char *texts[HEADERS];
    uint8_t digest[SHA256_LEN];
    char signature[SHA256_HEX_LEN + 1];

    for (size_t i = 0; i < HEADERS; i++) {
        texts[i] = next_text(&data, &size);
    }
    hmac_sha256(token, strlen(token), data, size, digest);
    hex_format(digest, sizeof digest, signature);
    char *headers[HEADERS];
    size_t proofs = 0, present = 0;
    for (size_t i = 0; i < HEADERS; i++) {
        headers[i] = header_make(texts[i], signature);
        present += headers[i] != NULL;
        proofs += headers[i] && proves(i, headers[i], signature, token);
    }
    const struct webhook_headers given = {
        .hub_signature_256 = headers[0],
        .hub_signature = headers[1],
        .gitea_signature = headers[2],
        .gitlab_token = headers[3],
        .sluice_signature = headers[4],
    };
    const bool yes = webhook_verify(&given, data, size, token);
    assert(!yes || (proofs > 0 && *token));
    assert(!yes || proofs == present || (headers[1] && proofs == present - 1)); /* an old SHA-1 */
    if (yes && !headers[3]) { /* a signature is of one body; a token of any */
        AUTO(free_auto) uint8_t *other = mem_alloc(size + 1);
        memcpy(other, data, size);
        assert(!webhook_verify(&given, other, size + 1, token));
        other[size / 2] ^= 1;
        assert(size == 0 || !webhook_verify(&given, other, size, token));
    }
    for (size_t i = 0; i < HEADERS; i++) {
        free(headers[i]);
    }
    return 0;
}
