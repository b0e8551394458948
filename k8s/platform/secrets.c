/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets and ConfigMaps: one GET by name. A Secret each time: how old one may be is for the caller to say, and those
 * of databases are never kept, since a copy would be one more place for a password to be. A ConfigMap is kept for seconds: it has the
 * certificate authority of a whole fleet. */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/secret.h"
#include "k8s/platform/internal.h"
#include "manifest/secret_hosts.h"
#include "model/reason.h"

/* Values that no text can be (a Java key store beside the password) are not for us. */
static void take_base64(const struct json *value, struct kvlist *out)
{
    AUTO(secret_buf_done) struct buf bytes = BUF(LIMIT_YAML_TEXT);
    const char *text = json_string(value);

    if (text && base64_parse(text, strlen(text), &bytes) && strlen(buf_text(&bytes)) == bytes.len) {
        kvlist_set(out, json_key(value), buf_text(&bytes));
    }
}

static struct err *read_object(struct k8s *k, const char *kind, const char *path,
                               const char *namespace_, const char *name, struct json **out)
{
    struct err *failed = kube_call(k->kube, KUBE_GET, path, NULL, 0, out);

    if (failed && str_eq(failed->reason, KUBE_NOT_FOUND)) {
        err_free(failed);
        return err_new(ERR_TERMINAL, REASON_NOT_FOUND, "%s %s/%s does not exist", kind, namespace_,
                       name);
    }
    if (failed && str_eq(failed->reason, KUBE_FORBIDDEN)) {
        failed->reason = REASON_SECRET_INVALID;
        return err_wrap(failed, "%s %s/%s may not be read: grant the right to get it", kind,
                        namespace_, name);
    }
    return failed;
}

struct err *k8s_secret_read(void *self, const char *namespace_, const char *name,
                            struct kvlist *out)
{
    AUTO(free_auto) char *path = kube_path("/api/v1/namespaces/%s/secrets/%s", namespace_, name);
    AUTO(json_free_auto) struct json *object = NULL;

    TRY(read_object(self, "Secret", path, namespace_, name, &object));
    const struct json *data = json_get(object, "data");
    for (const struct json *m = json_first(data); m; m = json_next(m)) {
        take_base64(m, out);
    }
    const char *hosts =
        json_get_string(json_get(json_get(object, "metadata"), "annotations"), SECRET_HOSTS);
    if (hosts) {
        kvlist_set(out, SECRET_HOSTS, hosts);
    }
    return NULL;
}

static void take_map(const struct json *object, struct kvlist *out)
{
    const struct json *data = json_get(object, "binaryData");

    for (const struct json *m = json_first(data); m; m = json_next(m)) {
        take_base64(m, out);
    }
    data = json_get(object, "data");
    for (const struct json *m = json_first(data); m; m = json_next(m)) {
        if (json_string(m)) {
            kvlist_set(out, json_key(m), json_string(m));
        }
    }
}

#define MAP_LASTS_MS 5000

struct cached_map {
    char *path;
    struct kvlist data;
    int64_t mono_ms; /* when it was asked for */
};

static void map_done(struct cached_map *map)
{
    free(map->path);
    kvlist_done(&map->data);
}

/* Lock held. Forgets what is too old on the way. */
static const struct cached_map *find_map(struct k8s *k, const char *path)
{
    int64_t oldest_ms = clock_mono_ms() - MAP_LASTS_MS;

    for (size_t i = 0; i < k->map_count;) {
        struct cached_map *map = &k->maps[i];
        if (map->mono_ms < oldest_ms) {
            map_done(map);
            *map = k->maps[--k->map_count];
        } else if (str_eq(map->path, path)) {
            return map;
        } else {
            i++;
        }
    }
    return NULL;
}

static bool recall_map(struct k8s *k, const char *path, struct kvlist *out)
{
    pthread_mutex_lock(&k->lock);
    const struct cached_map *map = find_map(k, path);
    if (map) {
        kvlist_copy(&map->data, out);
    }
    pthread_mutex_unlock(&k->lock);
    return map != NULL;
}

static void remember_map(struct k8s *k, const char *path, const struct kvlist *data,
                         int64_t mono_ms)
{
    pthread_mutex_lock(&k->lock);
    if (!find_map(k, path)) {
        k->maps = mem_grow(k->maps, &k->map_cap, k->map_count + 1, sizeof *k->maps);
        struct cached_map *map = &k->maps[k->map_count++];
        *map = (struct cached_map){ .path = mem_strdup(path), .mono_ms = mono_ms };
        kvlist_copy(data, &map->data);
    }
    pthread_mutex_unlock(&k->lock);
}

void configmaps_done(struct k8s *k)
{
    for (size_t i = 0; i < k->map_count; i++) {
        map_done(&k->maps[i]);
    }
    free(k->maps);
}

struct err *k8s_configmap_read(void *self, const char *namespace_, const char *name,
                               struct kvlist *out)
{
    struct k8s *k = self;
    AUTO(free_auto) char *path = kube_path("/api/v1/namespaces/%s/configmaps/%s", namespace_, name);
    AUTO(json_free_auto) struct json *object = NULL;
    int64_t now_ms = clock_mono_ms();

    if (recall_map(k, path, out)) {
        return NULL;
    }
    TRY(read_object(k, "ConfigMap", path, namespace_, name, &object));
    take_map(object, out);
    remember_map(k, path, out, now_ms);
    return NULL;
}

static void add_row(const struct json *object, struct json *rows)
{
    static const char *const maps[] = { "labels", "annotations" };
    const struct json *metadata = json_get(object, "metadata");
    struct json *row = json_object();

    json_set_string(row, "name", json_get_string(metadata, "name"));
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        const struct json *map = json_get(metadata, maps[i]);
        json_set(row, maps[i], map ? json_copy(map) : json_object());
    }
    json_push(rows, row);
}

/* Metadata alone travels. The server's order is that of the names. */
struct err *k8s_secrets_list(void *self, const char *namespace_, const struct kvlist *match_labels,
                             struct json **out)
{
    const struct k8s *k = self;
    AUTO(buf_done) struct buf selector = BUF(8192);
    AUTO(json_free_auto) struct json *items = NULL;

    for (size_t i = 0; i < match_labels->count; i++) {
        buf_addf(&selector, "%s%s=%s", i ? "," : "", match_labels->items[i].key,
                 match_labels->items[i].value);
    }
    AUTO(free_auto) char *path = kube_path("/api/v1/namespaces/%s/secrets?labelSelector=%s",
                                           namespace_, buf_text(&selector));
    struct err *failed = k8s_list(k->kube, KUBE_GET_METADATA, path, &items);
    if (failed && str_eq(failed->reason, KUBE_FORBIDDEN)) {
        failed->reason = REASON_SECRET_INVALID;
        return err_wrap(failed, "Secrets of %s may not be listed: grant the right to list them",
                        namespace_);
    }
    TRY(failed);
    struct json *rows = json_array();
    for (const struct json *item = json_first(items); item; item = json_next(item)) {
        add_row(item, rows);
    }
    *out = rows;
    return NULL;
}
