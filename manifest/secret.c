/* SPDX-License-Identifier: Apache-2.0 */
/* Secret and ConfigMap manifests to keys and bytes. No message repeats a value. */
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/secret.h"
#include "manifest/fields.h"
#include "manifest/manifest.h"
#include "manifest/secret_hosts.h"
#include "model/mplan.h"
#include "model/reason.h"

static struct err *bad(const char *part, const char *key, const char *problem)
{
    return err_new(ERR_TERMINAL, REASON_SECRET_INVALID, "%s%s%s: %s", part, key ? "." : "",
                   key ? key : "", problem);
}

/* Line breaks inside base64 are what a YAML block scalar leaves; Kubernetes skips them too. */
static struct err *decode_base64(const char *part, const char *key, const char *text,
                                 struct kvlist *out)
{
    AUTO(secret_buf_done) struct buf plain = BUF(LIMIT_YAML_TEXT);
    AUTO(secret_buf_done) struct buf bytes = BUF(LIMIT_YAML_TEXT);
    while (*text) {
        size_t n = strcspn(text, "\r\n");
        buf_add(&plain, text, n);
        text += n;
        text += strspn(text, "\r\n");
    }
    if (plain.failed || !base64_parse(buf_text(&plain), plain.len, &bytes)) {
        return bad(part, key, "not base64: stringData takes plain text");
    }
    if (strlen(buf_text(&bytes)) != bytes.len) {
        return bad(part, key, "holds a NUL byte");
    }
    kvlist_set(out, key, buf_text(&bytes));
    return NULL;
}

static struct err *decode_part(const struct json *object, const char *part, bool base64,
                               struct kvlist *out)
{
    const struct json *map = json_get(object, part);
    if (map && json_type(map) != JSON_OBJECT && json_type(map) != JSON_NULL) {
        return bad(part, NULL, "must be a map of strings");
    }
    for (const struct json *n = json_first(map); n; n = json_next(n)) {
        const char *key = json_key(n);
        const char *text = json_string(n);
        if (!*key || mplan_grammar_problem(GRAMMAR_KEY, key)) {
            return bad(part, key, "keys are letters, digits, '-', '_' and '.'");
        }
        if (!text) {
            return bad(part, key, "must be a string: put it in quotes");
        }
        if (base64) {
            TRY(decode_base64(part, key, text, out));
        } else {
            kvlist_set(out, key, text);
        }
    }
    return NULL;
}

static struct err *check_head(const struct json *object, const char *kind, const char *const *known)
{
    if (!str_eq(json_get_string(object, "kind"), kind) ||
        !str_eq(json_get_string(object, "apiVersion"), "v1")) {
        return err_new(ERR_TERMINAL, REASON_SECRET_INVALID, "not a %s: apiVersion must be v1",
                       kind);
    }
    for (const struct json *n = json_first(object); n; n = json_next(n)) {
        bool found = false;
        for (const char *const *k = known; *k && !found; k++) {
            found = str_eq(*k, json_key(n));
        }
        if (!found) {
            return bad(json_key(n), NULL, "unknown field");
        }
    }
    return NULL;
}

struct err *secret_decode(const struct json *object, struct kvlist *out)
{
    static const char *const known[] = { "apiVersion", "kind", "metadata",   "type",
                                         "immutable",  "data", "stringData", NULL };
    AUTO(secret_kvlist_done) struct kvlist values = { 0 };
    TRY(check_head(object, "Secret", known));
    TRY(decode_part(object, "data", true, &values));
    TRY(decode_part(object, "stringData", false, &values));
    const char *hosts =
        json_get_string(json_get(json_get(object, "metadata"), "annotations"), SECRET_HOSTS);
    if (hosts) {
        kvlist_set(&values, SECRET_HOSTS, hosts);
    }
    *out = values;
    values = (struct kvlist){ 0 };
    return NULL;
}

struct err *configmap_decode(const struct json *object, struct kvlist *out)
{
    static const char *const known[] = { "apiVersion", "kind",       "metadata", "immutable",
                                         "data",       "binaryData", NULL };
    AUTO(secret_kvlist_done) struct kvlist values = { 0 };
    TRY(check_head(object, "ConfigMap", known));
    TRY(decode_part(object, "binaryData", true, &values));
    TRY(decode_part(object, "data", false, &values));
    *out = values;
    values = (struct kvlist){ 0 };
    return NULL;
}
