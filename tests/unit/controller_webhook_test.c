/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures of push webhooks: published vectors, and what must not pass. */
#include <criterion/criterion.h>
#include <string.h>

#include "controller/webhook.h"

/* The example of GitHub's documentation of webhook validation. */
#define TOKEN "It's a Secret to Everybody"
#define BODY "Hello, World!"
#define HEX "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
#define BAD "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e18"
#define SHA1 "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59"

static const struct row {
    const char *name;
    struct webhook_headers headers;
    const char *body, *token;
    bool want;
} rows[] = {
    { "GitHub: sha256= and the right digest",
      { .hub_signature_256 = "sha256=" HEX },
      BODY,
      TOKEN,
      true },
    { "GitHub: one digit differs", { .hub_signature_256 = "sha256=" BAD }, BODY, TOKEN, false },
    { "GitHub: the digest without its prefix", { .hub_signature_256 = HEX }, BODY, TOKEN, false },
    { "Gitea: bare hex", { .gitea_signature = HEX }, BODY, TOKEN, true },
    { "Gitea sends an old SHA-1 header beside its own",
      { .gitea_signature = HEX, .hub_signature = SHA1 },
      BODY,
      TOKEN,
      true },
    { "an old SHA-1 header alone proves nothing", { .hub_signature = SHA1 }, BODY, TOKEN, false },
    { "Bitbucket: X-Hub-Signature with sha256=",
      { .hub_signature = "sha256=" HEX },
      BODY,
      TOKEN,
      true },
    { "Bitbucket: wrong digest", { .hub_signature = "sha256=" BAD }, BODY, TOKEN, false },
    { "generic: with prefix", { .sluice_signature = "sha256=" HEX }, BODY, TOKEN, true },
    { "generic: without", { .sluice_signature = HEX }, BODY, TOKEN, true },
    { "GitLab: the token itself", { .gitlab_token = TOKEN }, BODY, TOKEN, true },
    { "GitLab: a prefix of it", { .gitlab_token = "It's a Secret" }, BODY, TOKEN, false },
    { "GitLab: empty", { .gitlab_token = "" }, BODY, TOKEN, false },
    { "no header at all", { 0 }, BODY, TOKEN, false },
    { "a right header beside a wrong one",
      { .gitea_signature = HEX, .gitlab_token = "x" },
      BODY,
      TOKEN,
      false },
    { "another body", { .hub_signature_256 = "sha256=" HEX }, "Hello, World?", TOKEN, false },
    { "another token", { .hub_signature_256 = "sha256=" HEX }, BODY, "secret", false },
    { "an empty token opens nothing", { .gitlab_token = "" }, BODY, "", false },
    { "no token opens nothing", { .gitlab_token = "" }, BODY, NULL, false },
    { "a digest that is too short", { .gitea_signature = "7571" }, BODY, TOKEN, false },
    { "a digest that is too long", { .gitea_signature = HEX "00" }, BODY, TOKEN, false },
    { "a digest that is not hex",
      { .gitea_signature = "zz7107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" },
      BODY,
      TOKEN,
      false },
};

Test(webhook, follows_the_table)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        cr_expect_eq(webhook_verify(&row->headers, row->body, strlen(row->body), row->token),
                     row->want, "%s", row->name);
    }
}
