/* SPDX-License-Identifier: Apache-2.0 */
/* Plans' state files: one JSON each, written whole, so that a crash leaves the old or the new one. */
#include "local/state.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "local/overlay.h"
#include "manifest/manifest.h"
#include "model/reason.h"

#define FORMAT "1"

static char *plan_path(const struct state *s, const char *namespace_, const char *name)
{
    return mem_printf("%s/plans/%s.%s.json", s->dir, namespace_, name);
}

/* ---- the folder ----------------------------------------------------------------------------- */

static struct err *read_small(const char *path, struct buf *out)
{
    TRY(file_read(path, out));
    while (out->len > 0 && (out->data[out->len - 1] == '\n' || out->data[out->len - 1] == ' ')) {
        out->data[--out->len] = '\0';
    }
    return NULL;
}

static struct err *check_format(const struct state *s)
{
    AUTO(free_auto) char *path = mem_printf("%s/format", s->dir);
    AUTO(buf_done) struct buf text = BUF(64);

    TRY(read_small(path, &text));
    if (!str_eq(buf_text(&text), FORMAT)) {
        return err_new(ERR_TERMINAL, REASON_FORMAT_TOO_NEW,
                       "%s says format \"%s\", this program knows " FORMAT, path, buf_text(&text));
    }
    return NULL;
}

static struct err *read_cluster_id(struct state *s)
{
    AUTO(free_auto) char *path = mem_printf("%s/cluster-id", s->dir);
    AUTO(buf_done) struct buf text = BUF(64);

    TRY(read_small(path, &text));
    if (text.len != sizeof s->cluster_id - 1) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC,
                       "%s holds no UUID; put the old one back, or remove the file to become a new"
                       " installation (its databases then need accept-target)",
                       path);
    }
    memcpy(s->cluster_id, text.data, sizeof s->cluster_id);
    return NULL;
}

static struct err *write_if_missing(const struct state *s, const char *name, const char *text)
{
    AUTO(free_auto) char *path = mem_printf("%s/%s", s->dir, name);

    return file_exists(path) ? NULL : file_write_atomic(path, text, strlen(text), 0600);
}

struct err *state_create(const char *dir, struct state *out)
{
    static const char *const folders[] = { "", "/plans", "/overlay", "/jobs", "/tmp" };
    struct state s = { .dir = mem_printf("%s/.sluice", dir) };
    struct err *failed = NULL;
    char uuid[37];

    for (size_t i = 0; i < sizeof folders / sizeof *folders && !failed; i++) {
        AUTO(free_auto) char *path = mem_printf("%s%s", s.dir, folders[i]);
        failed = file_mkdirs(path, 0700);
    }
    random_uuid(uuid);
    AUTO(free_auto) char *id = mem_printf("%s\n", uuid);
    failed = failed ? failed : write_if_missing(&s, ".gitignore", "*\n");
    failed = failed ? failed : write_if_missing(&s, "format", FORMAT "\n");
    failed = failed ? failed : check_format(&s);
    failed = failed ? failed : write_if_missing(&s, "cluster-id", id);
    failed = failed ? failed : read_cluster_id(&s);
    if (failed) {
        state_done(&s);
        return failed;
    }
    *out = s;
    return NULL;
}

struct err *state_attach(const char *dir, struct state *out)
{
    struct state s = { .dir = mem_printf("%s/.sluice", dir) };
    AUTO(free_auto) char *last = mem_printf("%s/cluster-id", s.dir);
    struct err *failed = NULL;

    if (file_exists(last)) { /* the last file of a new state: a controller may be starting now */
        failed = check_format(&s);
        failed = failed ? failed : read_cluster_id(&s);
    }
    if (failed) {
        state_done(&s);
        return failed;
    }
    *out = s;
    return NULL;
}

/* ---- one plan's file ------------------------------------------------------------------------ */

static void plan_state_done(struct plan_state *plan)
{
    free(plan->namespace_);
    free(plan->name);
    free(plan->created);
    free(plan->deleted);
    json_free(plan->object);
    json_free(plan->status);
    *plan = (struct plan_state){ 0 };
}

static struct err *plan_parse(const struct json *root, const char *path, struct plan_state *out)
{
    const struct json *metadata = json_get(root, "metadata");
    const char *uid = json_get_string(metadata, "uid");
    const char *name = json_get_string(metadata, "name");
    const char *namespace_ = json_get_string(metadata, "namespace");
    const char *created = json_get_string(metadata, "creationTimestamp");
    const char *sha = json_get_string(root, "specSha256");
    int64_t generation = json_get_int64(metadata, "generation", 0);

    if (!uid || strlen(uid) != sizeof out->uid - 1 || !name || !namespace_ || !created || !sha ||
        strlen(sha) != SHA256_HEX_LEN || generation < 1) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC,
                       "%s: uid, generation, names or specSha256 are missing", path);
    }
    *out = (struct plan_state){
        .namespace_ = mem_strdup(namespace_),
        .name = mem_strdup(name),
        .generation = generation,
        .created = mem_strdup(created),
        .deleted = mem_strdup(json_get_string(metadata, "deletionTimestamp")),
        .status = json_type(json_get(root, "status")) == JSON_OBJECT
                      ? json_copy(json_get(root, "status"))
                      : json_object(),
    };
    memcpy(out->uid, uid, sizeof out->uid);
    memcpy(out->spec_sha256, sha, sizeof out->spec_sha256);
    return NULL;
}

static struct err *plan_read(const char *path, struct plan_state *out)
{
    AUTO(buf_done) struct buf text = BUF(LIMIT_JSON_TEXT);
    AUTO(json_free_auto) struct json *root = NULL;

    TRY(file_read(path, &text));
    TRY(json_parse(buf_text(&text), text.len, path, &root));
    return plan_parse(root, path, out);
}

static struct err *plan_write(const struct state *s, const struct plan_state *plan)
{
    AUTO(json_free_auto) struct json *root = json_object();
    AUTO(free_auto) char *path = plan_path(s, plan->namespace_, plan->name);
    struct json *metadata = json_object();

    json_set_string(root, "apiVersion", "sluice.dev/v1alpha1");
    json_set_string(root, "kind", "MigrationPlan");
    json_set_string(metadata, "name", plan->name);
    json_set_string(metadata, "namespace", plan->namespace_);
    json_set_string(metadata, "uid", plan->uid);
    json_set_int64(metadata, "generation", plan->generation);
    json_set_string(metadata, "creationTimestamp", plan->created);
    json_set_string_opt(metadata, "deletionTimestamp", plan->deleted);
    json_set(root, "metadata", metadata);
    json_set_string(root, "specSha256", plan->spec_sha256);
    json_set(root, "status", json_copy(plan->status));
    AUTO(free_auto) char *text = json_text(root);
    return file_write_atomic(path, text, strlen(text), 0600);
}

/* ---- the list ------------------------------------------------------------------------------- */

struct plan_state *state_find(const struct state *s, const char *namespace_, const char *name)
{
    for (size_t i = 0; i < s->count; i++) {
        if (str_eq(s->plans[i].name, name) && str_eq(s->plans[i].namespace_, namespace_)) {
            return &s->plans[i];
        }
    }
    return NULL;
}

static struct plan_state *list_add(struct state *s, struct plan_state *plan)
{
    s->plans = mem_grow(s->plans, &s->cap, s->count + 1, sizeof *s->plans);
    s->plans[s->count] = *plan;
    *plan = (struct plan_state){ 0 };
    return &s->plans[s->count++];
}

static void list_remove(struct state *s, struct plan_state *plan)
{
    plan_state_done(plan);
    *plan = s->plans[--s->count];
}

/* A state file that cannot be read stops the start: guessing a new uid would change ownership. */
struct err *state_load(struct state *s)
{
    AUTO(free_auto) char *path = mem_printf("%s/plans", s->dir);
    DIR *dir = opendir(path);
    struct err *failed = NULL;
    const struct dirent *entry;

    if (!dir) {
        return NULL;
    }
    while (!failed && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.' || !str_ends(entry->d_name, ".json")) {
            continue;
        }
        AUTO(free_auto) char *file = mem_printf("%s/%s", path, entry->d_name);
        struct plan_state plan = { 0 };
        failed = plan_read(file, &plan);
        if (!failed) {
            list_add(s, &plan);
        } else if (!file_exists(file)) { /* a controller deletes plans while a command lists them */
            err_free(failed);
            failed = NULL;
        }
    }
    closedir(dir);
    return failed;
}

void state_reload(struct state *s, const char *namespace_, const char *name)
{
    AUTO(free_auto) char *path = plan_path(s, namespace_, name);
    struct plan_state *present = state_find(s, namespace_, name);
    struct plan_state next = { 0 };
    struct err *failed = file_exists(path) ? plan_read(path, &next)
                                           : err_new(ERR_TERMINAL, REASON_NOT_FOUND, "gone");

    if (present && (!failed || str_eq(failed->reason, REASON_NOT_FOUND))) {
        list_remove(s, present);
    }
    if (!failed) {
        list_add(s, &next);
    }
    err_free(failed);
}

/* ---- manifest and overlay -> object --------------------------------------------------------- */

static void set_own_metadata(struct json *metadata, const struct plan_state *plan)
{
    json_set_string(metadata, "name", plan->name);
    json_set_string(metadata, "namespace", plan->namespace_);
    json_set_string(metadata, "uid", plan->uid);
    json_set_int64(metadata, "generation", plan->generation);
    json_set_string(metadata, "creationTimestamp", plan->created);
    json_remove(metadata, "deletionTimestamp");
    json_set_string_opt(metadata, "deletionTimestamp", plan->deleted);
}

/* The spec as the API server would store it: defaulted when it decodes, else as written, so that the
 * decoder's complaint reaches the status. */
static void default_spec(struct json *object)
{
    struct mplan decoded = { 0 };
    struct err *failed = mplan_decode(object, &decoded);

    if (!failed && decoded.defaulted) {
        json_set(object, "spec", json_copy(decoded.defaulted));
    }
    err_free(failed);
    mplan_done(&decoded);
}

static struct json *object_make(const struct manifest *manifest, const struct json *overlay)
{
    struct json *object = json_copy(manifest->object);
    struct json *metadata = json_get_mut(object, "metadata");

    json_remove(object, "status");
    json_set_string(metadata, "name", manifest->name);
    json_set_string(metadata, "namespace", manifest->namespace_);
    if (overlay) {
        json_merge_patch(object, overlay);
    }
    default_spec(object);
    return object;
}

static void spec_digest(const struct json *object, char out[SHA256_HEX_LEN + 1])
{
    const struct json *spec = json_get(object, "spec");
    AUTO(free_auto) char *text = spec ? json_text_sorted(spec) : mem_strdup("null");

    sha256_hex(text, strlen(text), out);
}

static struct plan_state plan_new(const char *namespace_, const char *name)
{
    struct plan_state plan = { .namespace_ = mem_strdup(namespace_),
                               .name = mem_strdup(name),
                               .status = json_object() };
    char now[TIME_TEXT_LEN];

    random_uuid(plan.uid);
    time_format(clock_utc_ms(), now);
    plan.created = mem_strdup(now);
    json_set_int64(plan.status, "observedGeneration", -1);
    return plan;
}

struct err *state_settle(struct state *s, const struct manifest *manifest, bool writable,
                         bool *changed)
{
    AUTO(json_free_auto) struct json *overlay =
        overlay_read(s->dir, manifest->namespace_, manifest->name, &s->problems);
    AUTO(json_free_auto) struct json *object = object_make(manifest, overlay);
    struct plan_state *plan = state_find(s, manifest->namespace_, manifest->name);
    char sha[SHA256_HEX_LEN + 1];

    spec_digest(object, sha);
    if (!plan) {
        struct plan_state fresh = plan_new(manifest->namespace_, manifest->name);
        plan = list_add(s, &fresh);
    }
    bool moved = !str_eq(plan->spec_sha256, sha);
    if (moved || plan->deleted) { /* a reader sees the generation that the controller will write */
        plan->generation += moved ? 1 : 0;
        memcpy(plan->spec_sha256, sha, sizeof sha);
        free(plan->deleted); /* the manifest came back before the plan was gone */
        plan->deleted = NULL;
        if (writable) {
            TRY(plan_write(s, plan));
        }
    }
    set_own_metadata(json_get_mut(object, "metadata"), plan);
    *changed = !plan->object || !json_equal(plan->object, object);
    json_free(plan->object);
    plan->object = TAKE(object);
    return NULL;
}

struct err *state_delete(struct state *s, struct plan_state *plan, bool *changed)
{
    char now[TIME_TEXT_LEN];

    if (plan->deleted) {
        return NULL;
    }
    time_format(clock_utc_ms(), now);
    plan->deleted = mem_strdup(now);
    *changed = true;
    if (plan->object) {
        set_own_metadata(json_get_mut(plan->object, "metadata"), plan);
    }
    return plan_write(s, plan);
}

struct json *state_object(const struct plan_state *plan)
{
    struct json *object = NULL;

    if (plan->object) {
        object = json_copy(plan->object);
    } else { /* its manifest is gone since before we started */
        object = json_object();
        json_set_string(object, "apiVersion", "sluice.dev/v1alpha1");
        json_set_string(object, "kind", "MigrationPlan");
        json_set(object, "metadata", json_object());
        set_own_metadata(json_get_mut(object, "metadata"), plan);
    }
    json_set(object, "status", json_copy(plan->status));
    return object;
}

struct err *state_write_status(struct state *s, struct plan_state *plan, const struct json *status)
{
    if (json_equal(plan->status, status)) {
        return NULL;
    }
    struct json *before = plan->status;
    plan->status = json_copy(status);
    struct err *failed = plan_write(s, plan);
    if (failed) {
        json_free(plan->status);
        plan->status = before;
        return failed;
    }
    json_free(before);
    return NULL;
}

struct err *state_release(struct state *s, const char *namespace_, const char *name)
{
    AUTO(free_auto) char *path = plan_path(s, namespace_, name);
    struct plan_state *plan = state_find(s, namespace_, name);

    TRY(overlay_remove(s->dir, namespace_, name));
    if (unlink(path) && errno != ENOENT) {
        return err_new(ERR_TRANSIENT, REASON_INTERNAL, "could not remove %s: %s", path,
                       strerror(errno));
    }
    if (plan) {
        list_remove(s, plan);
    }
    return NULL;
}

struct err *state_patch(struct state *s, const char *namespace_, const char *name,
                        const struct json *patch)
{
    if (!file_exists(s->dir)) {
        return err_new(ERR_TERMINAL, REASON_NOT_FOUND,
                       "%s does not exist: no controller has run on this folder yet", s->dir);
    }
    return overlay_patch(s->dir, namespace_, name, patch);
}

void state_done(struct state *s)
{
    for (size_t i = 0; i < s->count; i++) {
        plan_state_done(&s->plans[i]);
    }
    free(s->plans);
    free(s->dir);
    strlist_done(&s->problems);
    *s = (struct state){ 0 };
}
