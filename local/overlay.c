/* SPDX-License-Identifier: Apache-2.0 */
/* Overlay files: merge patches that are added to, never replaced, under one lock. */
#include "local/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "model/reason.h"

static char *overlay_path(const char *state_dir, const char *namespace_, const char *name)
{
    return mem_printf("%s/overlay/%s.%s.json", state_dir, namespace_, name);
}

static struct err *read_file(const char *path, struct json **out)
{
    AUTO(buf_done) struct buf text = BUF(LIMIT_YAML_TEXT);

    TRY(file_read(path, &text));
    TRY(json_parse(buf_text(&text), text.len, path, out));
    if (json_type(*out) != JSON_OBJECT) {
        json_free(*out);
        *out = NULL;
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "%s: not a JSON object", path);
    }
    return NULL;
}

/* Nothing but what requests may say gets through, whatever the file holds. */
static struct json *reduce(const struct json *patch)
{
    const struct json *annotations = json_get(json_get(patch, "metadata"), "annotations");
    const struct json *suspend = json_get(json_get(patch, "spec"), "suspend");
    struct json *out = json_object();

    if (json_type(annotations) == JSON_OBJECT) {
        json_set(out, "metadata", json_object());
        json_set(json_get_mut(out, "metadata"), "annotations", json_copy(annotations));
    }
    if (suspend) {
        json_set(out, "spec", json_object());
        json_set(json_get_mut(out, "spec"), "suspend", json_copy(suspend));
    }
    return out;
}

struct json *overlay_read(const char *state_dir, const char *namespace_, const char *name,
                          struct strlist *problems)
{
    AUTO(free_auto) char *path = overlay_path(state_dir, namespace_, name);
    AUTO(json_free_auto) struct json *patch = NULL;
    struct err *failed = file_exists(path) ? read_file(path, &patch) : NULL;

    if (failed) {
        if (!strlist_has(problems, failed->message)) {
            strlist_add(problems, failed->message);
        }
        err_free(failed);
        return NULL;
    }
    return patch ? reduce(patch) : NULL;
}

/* A merge patch of a merge patch keeps its nulls: they still have to delete what the manifest says. */
static void add_members(struct json *base, const char *outer, const char *inner,
                        const struct json *patch)
{
    const struct json *from = json_get(json_get(patch, outer), inner);

    if (!from) {
        return;
    }
    if (json_type(json_get(base, outer)) != JSON_OBJECT) {
        json_set(base, outer, json_object());
    }
    struct json *parent = json_get_mut(base, outer);
    if (json_type(from) != JSON_OBJECT) {
        json_set(parent, inner, json_copy(from));
        return;
    }
    if (json_type(json_get(parent, inner)) != JSON_OBJECT) {
        json_set(parent, inner, json_object());
    }
    for (const struct json *m = json_first(from); m; m = json_next(m)) {
        json_set(json_get_mut(parent, inner), json_key(m), json_copy(m));
    }
}

static struct err *lock_folder(const char *state_dir, int *fd)
{
    AUTO(free_auto) char *folder = mem_printf("%s/overlay", state_dir);
    AUTO(free_auto) char *path = mem_printf("%s/.lock", folder);

    TRY(file_mkdirs(folder, 0700));
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0 || flock(*fd, LOCK_EX)) {
        int saved = errno;
        if (*fd >= 0) {
            close(*fd);
        }
        return err_new(ERR_TRANSIENT, REASON_INTERNAL, "could not lock %s: %s", path,
                       strerror(saved));
    }
    return NULL;
}

static struct err *patch_locked(const char *path, const struct json *patch)
{
    AUTO(json_free_auto) struct json *present = NULL;

    if (file_exists(path)) {
        TRY(read_file(path, &present));
    } else {
        present = json_object();
    }
    add_members(present, "metadata", "annotations", patch);
    add_members(present, "spec", "suspend", patch);
    AUTO(free_auto) char *text = json_text_pretty(present);
    return file_write_atomic(path, text, strlen(text), 0600);
}

struct err *overlay_patch(const char *state_dir, const char *namespace_, const char *name,
                          const struct json *patch)
{
    AUTO(free_auto) char *path = overlay_path(state_dir, namespace_, name);
    int fd = -1;

    TRY(lock_folder(state_dir, &fd));
    struct err *failed = patch_locked(path, patch);
    close(fd);
    return failed;
}

struct err *overlay_remove(const char *state_dir, const char *namespace_, const char *name)
{
    AUTO(free_auto) char *path = overlay_path(state_dir, namespace_, name);

    if (unlink(path) && errno != ENOENT) {
        return err_new(ERR_TRANSIENT, REASON_INTERNAL, "could not remove %s: %s", path,
                       strerror(errno));
    }
    return NULL;
}
