/* SPDX-License-Identifier: Apache-2.0 */
/* Is this push webhook from somebody who knows the token? Pure: nothing is parsed before the answer
 * is yes, and nothing after it either, because all a webhook can do is to ask for a poll. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct webhook_headers {           /* NULL: absent */
    const char *hub_signature_256; /* X-Hub-Signature-256: sha256=<hex>; GitHub, Gitea, generic */
    const char *hub_signature;     /* X-Hub-Signature: sha256=<hex>; Bitbucket */
    const char *gitea_signature;   /* X-Gitea-Signature: <hex> */
    const char *gitlab_token;      /* X-Gitlab-Token: the token itself */
    const char *sluice_signature;  /* X-Sluice-Signature: sha256=<hex> or <hex>; generic */
};

/* True only when one header is there and every header that is there is right; constant time. */
bool webhook_verify(const struct webhook_headers *headers, const void *body, size_t length,
                    const char *token);
