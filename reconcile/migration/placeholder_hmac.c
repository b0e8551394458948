/* SPDX-License-Identifier: Apache-2.0 */
/* What a journal row keeps of the placeholders' values: enough to see a change, not the values. */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "reconcile/migration/placeholder.h"

void placeholders_hmac(const struct script *script, const struct placeholders *p,
                       const char *target_id, char out[SHA256_HEX_LEN + 1])
{
    out[0] = '\0';
    if (!script || script->placeholders_used.count == 0 || !target_id || target_id[0] == '\0') {
        return;
    }
    AUTO(buf_done) struct buf text = BUF(LIMIT_EXPANDED);
    for (size_t i = 0; i < script->placeholders_used.count; i++) { /* sorted by the parser */
        const char *name = script->placeholders_used.items[i];
        const char *value = "";
        for (size_t k = 0; p->user && k < p->user->count; k++) {
            if (str_ieq(p->user->items[k].key, name)) {
                value = p->user->items[k].value;
            }
        }
        buf_add(&text, name, strlen(name) + 1);
        buf_add(&text, value, strlen(value) + 1);
    }
    uint8_t digest[SHA256_LEN];
    hmac_sha256(target_id, strlen(target_id), text.data, text.len, digest);
    hex_format(digest, sizeof digest, out);
}

#define NO_SECRET "sluice"

/* Values are keyed with the database's own id. Settings are no secret, and stay what they are when the lease was lost
 * and the id is a new one. */
static void with_session(const char *values, const char *session, const char *target_id,
                         char out[SHA256_HEX_LEN + 1])
{
    AUTO(free_auto) char *text = mem_printf("%s\n%s", values, session);
    const char *key = values[0] ? target_id : NO_SECRET;
    uint8_t digest[SHA256_LEN];
    hmac_sha256(key, strlen(key), text, strlen(text), digest);
    hex_format(digest, sizeof digest, out);
}

void placeholders_step_hmac(const struct script *script, const char *session,
                            const struct placeholders *p, const char *target_id,
                            char out[SHA256_HEX_LEN + 1])
{
    char values[SHA256_HEX_LEN + 1];
    placeholders_hmac(script, p, target_id, values);
    out[0] = '\0';
    if (target_id && target_id[0]) {
        with_session(values, session, target_id, out);
    }
}

#define TRIED 12 /* 4,096 selections: some milliseconds */

static int by_name(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

static bool fits(const struct script *script, const char *session, const struct placeholders *p,
                 const char *target_id, const char *hmac)
{
    char values[SHA256_HEX_LEN + 1], all[SHA256_HEX_LEN + 1];
    placeholders_hmac(script, p, target_id, values);
    with_session(values, session, target_id, all);
    return str_eq(all, hmac) || (values[0] && str_eq(values, hmac));
}

bool placeholders_unchanged(const struct script *script, const char *session,
                            const struct placeholders *p, const char *target_id, const char *hmac)
{
    size_t count = p->user ? p->user->count : 0;
    char *names[TRIED], *some[TRIED];
    if (fits(script, session, p, target_id, hmac) || count > TRIED) {
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        names[i] = p->user->items[i].key;
    }
    qsort(names, count, sizeof *names, by_name);
    for (unsigned mask = 0; mask < 1u << count; mask++) {
        struct script tried = { .placeholders_used.items = some };
        for (size_t i = 0; i < count; i++) {
            if (mask & 1u << i) {
                some[tried.placeholders_used.count++] = names[i];
            }
        }
        if (fits(&tried, session, p, target_id, hmac)) {
            return true;
        }
    }
    return false;
}
