/* SPDX-License-Identifier: Apache-2.0 */
/* A tenant fleet: the entries of a plan whose databases are the Secrets that its selector finds. */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/limits.h"
#include "base/mem.h"
#include "manifest/fields.h"
#include "manifest/manifest.h"
#include "model/mplan.h"
#include "model/reason.h"

/* A Secret may carry more labels than an entry: those that a wave asks for are kept, and tier, which
 * chooses the canary where there are no waves. */
static struct json *wave_labels(const struct mplan *plan, const struct json *labels)
{
    struct json *out = json_object();

    json_set_string_opt(out, "tier", json_get_string(labels, "tier"));
    for (size_t w = 0; w < plan->wave_count; w++) {
        const struct kvlist *asked = &plan->waves[w].labels;
        for (size_t i = 0; i < asked->count; i++) {
            const char *value = json_get_string(labels, asked->items[i].key);
            if (value) {
                json_set_string(out, asked->items[i].key, value);
            }
        }
    }
    return out;
}

static struct json *paths_of(const char *text)
{
    AUTO(free_auto) char *copy = mem_strdup(text);
    struct json *out = json_array();
    char *rest = copy;
    const char *path;

    while ((path = strsep(&rest, ","))) {
        path += strspn(path, " ");
        size_t length = strlen(path);
        while (length > 0 && path[length - 1] == ' ') {
            length--;
        }
        AUTO(free_auto) char *trimmed = mem_strndup(path, length);
        if (length > 0) {
            json_push_string(out, trimmed);
        }
    }
    return out;
}

static struct json *entry_of(const struct mplan *plan, const struct json *secret)
{
    struct json *entry = json_object();
    struct json *reference = json_object();
    const struct json *annotations = json_get(secret, "annotations");
    const char *given = json_get_string(json_get(secret, "labels"), SECRET_LABEL_DATABASE);
    const char *paths = json_get_string(annotations, SECRET_ANNOTATION_PATHS);

    json_set_string(entry, "name", given ? given : json_get_string(secret, "name"));
    json_set_string(reference, "name", json_get_string(secret, "name"));
    json_set(entry, "secretRef", reference);
    json_set_string_opt(entry, "schema", json_get_string(annotations, SECRET_ANNOTATION_SCHEMA));
    if (paths) {
        json_set(entry, "paths", paths_of(paths));
    }
    json_set(entry, "labels", wave_labels(plan, json_get(secret, "labels")));
    return entry;
}

/* The error names a place in a list that nobody wrote: say which Secret it came from. */
static struct err *name_secret(struct err *failed, const struct json *secrets)
{
    static const char place[] = "spec.databases[";
    const char *at = failed ? strstr(failed->message, place) : NULL;
    size_t index = 0;

    if (!at) {
        return failed;
    }
    for (at += sizeof place - 1; *at >= '0' && *at <= '9' && index <= LIMIT_DATABASES; at++) {
        index = index * 10 + (size_t)(*at - '0');
    }
    const struct json *secret = json_first(secrets);
    while (secret && index > 0) {
        secret = json_next(secret);
        index--;
    }
    const char *name = json_get_string(secret, "name");
    return name ? err_wrap(failed, "spec.databaseSelector finds Secret %s, which gives", name)
                : failed;
}

struct err *mplan_decode_selected(const struct json *object, const struct json *secrets,
                                  struct mplan *out)
{
    TRY(mplan_decode(object, out));
    if (!out->selector.set) {
        return NULL;
    }
    AUTO(json_free_auto) struct json *whole = json_copy(object);
    struct json *entries = json_array();
    for (const struct json *s = json_first(secrets); s; s = json_next(s)) {
        json_push(entries, entry_of(out, s));
    }
    json_set(json_get_mut(whole, "spec"), "databases", entries);
    mplan_done(out);
    return name_secret(mplan_decode_spec(whole, true, out), secrets);
}
