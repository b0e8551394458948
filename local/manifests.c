/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the folder of manifests: what changed, what is defined twice, what is no object. */
#include "local/manifests.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/mem.h"
#include "local/manifest.h"

#define FRESH_MS 50 /* file times come from the kernel's tick, 4 to 10 ms apart */

static void manifest_file_clear(struct manifest_file *file)
{
    for (size_t i = 0; i < file->count; i++) {
        manifest_done(&file->items[i]);
    }
    free(file->items);
    file->items = NULL;
    file->count = 0;
    file->cap = 0;
    strlist_done(&file->problems);
    file->problems = (struct strlist){ 0 };
}

static void add_change(struct manifests_changes *out, const struct manifest *m)
{
    manifests_changes_add(out, m->kind, m->namespace_, m->name);
}

static bool same_object(const struct manifest *a, const struct manifest *b)
{
    return a->kind == b->kind && str_eq(a->namespace_, b->namespace_) && str_eq(a->name, b->name);
}

static const struct manifest *find_in(const struct manifest_file *file, const struct manifest *like)
{
    for (size_t i = 0; i < file->count; i++) {
        if (same_object(&file->items[i], like)) {
            return &file->items[i];
        }
    }
    return NULL;
}

static void compare_files(const struct manifest_file *before, const struct manifest_file *after,
                          struct manifests_changes *out)
{
    for (size_t i = 0; i < after->count; i++) {
        const struct manifest *old = find_in(before, &after->items[i]);
        if (!old || !json_equal(old->object, after->items[i].object)) {
            add_change(out, &after->items[i]);
        }
    }
    for (size_t i = 0; i < before->count; i++) {
        if (!find_in(after, &before->items[i])) {
            add_change(out, &before->items[i]);
        }
    }
}

static bool same_signature(const struct manifest_signature *a, const struct manifest_signature *b)
{
    return a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns && a->size == b->size &&
           a->inode == b->inode;
}

static struct manifest_signature signature_of(const struct stat *st)
{
    return (struct manifest_signature){
        .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
        .ctime_ns = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec,
        .size = st->st_size,
        .inode = st->st_ino,
    };
}

static struct manifest_file *file_of(struct manifests *m, const char *name)
{
    for (size_t i = 0; i < m->count; i++) {
        if (str_eq(m->files[i].name, name)) {
            return &m->files[i];
        }
    }
    m->files = mem_grow(m->files, &m->cap, m->count + 1, sizeof *m->files);
    m->files[m->count] = (struct manifest_file){ .name = mem_strdup(name) };
    return &m->files[m->count++];
}

static void read_file(struct manifest_file *file, const char *path, struct manifests_changes *out)
{
    struct manifest_file next = { .name = file->name };
    bool usable = manifest_file_parse(path, file->name, &next);

    if (!usable && file->count > 0) { /* keep what was good, report what is wrong now */
        strlist_done(&file->problems);
        file->problems = next.problems;
        file->broken = true;
        return;
    }
    compare_files(file, &next, out);
    manifest_file_clear(file);
    file->items = next.items;
    file->count = next.count;
    file->cap = next.cap;
    file->problems = next.problems;
    file->broken = next.broken;
}

static void scan_file(struct manifests *m, const char *name, int64_t now_utc_ms,
                      const struct manifests_patience *patience, struct manifests_changes *out)
{
    AUTO(free_auto) char *path = mem_printf("%s/%s", m->dir, name);
    struct stat st;

    if (stat(path, &st) || !S_ISREG(st.st_mode)) {
        return;
    }
    struct manifest_file *file = file_of(m, name);
    struct manifest_signature now = signature_of(&st);
    int64_t age_ms = now_utc_ms - now.mtime_ns / 1000000;
    file->absent_since_ms = 0;
    if (file->read && !file->fresh && same_signature(&file->signature, &now)) {
        return;
    }
    if (age_ms >= 0 && age_ms < patience->settle_ms) {
        out->unsettled = true;
        return;
    }
    file->signature = now;
    file->fresh = age_ms >= 0 && age_ms < FRESH_MS;
    out->unsettled = out->unsettled || file->fresh;
    file->read = true;
    read_file(file, path, out);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct manifest_file *)a)->name, ((const struct manifest_file *)b)->name);
}

/* scan() set absent_since_ms of every file; seeing one has reset it. */
static void drop_absent(struct manifests *m, int64_t now_utc_ms,
                        const struct manifests_patience *patience, struct manifests_changes *out)
{
    size_t kept = 0;

    for (size_t i = 0; i < m->count; i++) {
        struct manifest_file *file = &m->files[i];
        int64_t absent_ms = now_utc_ms - file->absent_since_ms;
        if (file->absent_since_ms == 0 || (absent_ms >= 0 && absent_ms < patience->absence_ms)) {
            out->unsettled = out->unsettled || file->absent_since_ms != 0;
            m->files[kept++] = *file;
            continue;
        }
        for (size_t k = 0; k < file->count; k++) {
            add_change(out, &file->items[k]);
        }
        manifest_file_clear(file);
        free(file->name);
    }
    m->count = kept;
}

/* The first manifest in the order of file names counts; later ones of the same object are refused. */
static void mark_duplicates(struct manifests *m, struct manifests_changes *out)
{
    for (size_t f = 0; f < m->count; f++) {
        for (size_t i = 0; i < m->files[f].count; i++) {
            struct manifest *item = &m->files[f].items[i];
            const struct manifest *first =
                manifests_find(m, item->kind, item->namespace_, item->name);
            bool shadowed = first && first != item;
            if (item->shadowed != shadowed) {
                item->shadowed = shadowed;
                add_change(out, item);
            }
            if (shadowed) {
                AUTO(free_auto) char *text = mem_printf("%s: %s %s/%s is defined already at %s; "
                                                        "this one is not used, remove one of them",
                                                        item->where, manifest_kind_text(item->kind),
                                                        item->namespace_, item->name, first->where);
                strlist_add(&m->problems, text);
            }
        }
    }
}

static bool is_manifest_name(const char *name)
{
    return name[0] != '.' && (str_ends(name, ".yaml") || str_ends(name, ".yml"));
}

void manifests_scan(struct manifests *m, int64_t now_utc_ms,
                    const struct manifests_patience *patience, struct manifests_changes *out)
{
    DIR *dir = opendir(m->dir);
    const struct dirent *entry;

    strlist_done(&m->problems);
    m->problems = (struct strlist){ 0 };
    if (!dir) { /* keep everything: a folder that cannot be read deletes nothing */
        AUTO(free_auto) char *text =
            mem_printf("%s: could not read the folder: %s", m->dir, strerror(errno));
        strlist_add(&m->problems, text);
        return;
    }
    for (size_t i = 0; i < m->count; i++) {
        if (m->files[i].absent_since_ms == 0) {
            m->files[i].absent_since_ms = now_utc_ms;
        }
    }
    while ((entry = readdir(dir))) {
        if (is_manifest_name(entry->d_name)) {
            scan_file(m, entry->d_name, now_utc_ms, patience, out);
        }
    }
    closedir(dir);
    drop_absent(m, now_utc_ms, patience, out);
    if (m->count) {
        qsort(m->files, m->count, sizeof *m->files, by_name);
    }
    mark_duplicates(m, out);
}

const struct manifest *manifests_find(const struct manifests *m, enum platform_kind kind,
                                      const char *namespace_, const char *name)
{
    for (size_t f = 0; f < m->count; f++) {
        for (size_t i = 0; i < m->files[f].count; i++) {
            const struct manifest *item = &m->files[f].items[i];
            if (item->kind == kind && str_eq(item->name, name) &&
                str_eq(item->namespace_, namespace_)) {
                return item;
            }
        }
    }
    return NULL;
}

bool manifests_broken(const struct manifests *m)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->files[i].broken || !m->files[i].read) {
            return true;
        }
    }
    return m->count == 0 && m->problems.count > 0;
}

void manifests_problems(const struct manifests *m, struct strlist *out)
{
    for (size_t i = 0; i < m->problems.count; i++) {
        strlist_add(out, m->problems.items[i]);
    }
    for (size_t f = 0; f < m->count; f++) {
        for (size_t i = 0; i < m->files[f].problems.count; i++) {
            strlist_add(out, m->files[f].problems.items[i]);
        }
    }
}

void manifests_done(struct manifests *m)
{
    for (size_t i = 0; i < m->count; i++) {
        manifest_file_clear(&m->files[i]);
        free(m->files[i].name);
    }
    free(m->files);
    free(m->dir);
    strlist_done(&m->problems);
    *m = (struct manifests){ 0 };
}

void manifests_changes_add(struct manifests_changes *changes, enum platform_kind kind,
                           const char *namespace_, const char *name)
{
    changes->items =
        mem_grow(changes->items, &changes->cap, changes->count + 1, sizeof *changes->items);
    changes->items[changes->count++] =
        (struct manifests_change){ kind, mem_strdup(namespace_), mem_strdup(name) };
}

void manifests_changes_done(struct manifests_changes *changes)
{
    for (size_t i = 0; i < changes->count; i++) {
        free(changes->items[i].namespace_);
        free(changes->items[i].name);
    }
    free(changes->items);
    *changes = (struct manifests_changes){ 0 };
}
