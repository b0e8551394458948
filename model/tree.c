/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a plan, checked while they are added. */
#include "model/tree.h"
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/limits.h"
#include "base/mem.h"
#include "model/casefold.h"
#include "model/reason.h"

static const char lfs_pointer[] = "version https://git-lfs.github.com/spec/v1";

static struct err *refuse(const char *path, size_t length, const char *problem)
{
    AUTO(free_auto) char *shown = str_printable(path, length);
    return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION, "%s: %s", shown, problem);
}

static bool has_control(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)name[i];
        bool c1 = c == 0xc2 && i + 1 < length && (unsigned char)name[i + 1] < 0xa0;
        if (c < 0x20 || c == 0x7f || c1) {
            return true;
        }
    }
    return false;
}

static const char *kind_problem(enum tree_entry_kind kind)
{
    switch (kind) {
    case TREE_SYMLINK:
        return "symbolic links are not followed: put the file itself here";
    case TREE_SUBMODULE:
        return "submodules are not read: put the files themselves here";
    case TREE_OTHER:
        return "not a regular file";
    case TREE_FILE:
    case TREE_DIR:
    default:
        return NULL;
    }
}

struct err *tree_check_entry(const char *path, size_t path_length, enum tree_entry_kind kind,
                             int depth, bool *skip)
{
    *skip = false;
    const char *slash = memrchr(path, '/', path_length);
    const char *name = slash ? slash + 1 : path;
    size_t length = (size_t)(path + path_length - name);
    if (str_utf8_valid(name, length) < length) {
        return refuse(path, path_length, "the name is not valid UTF-8");
    }
    if (has_control(name, length)) {
        return refuse(path, path_length, "control character in the name");
    }
    AUTO(free_auto) char *text = mem_strndup(name, length);
    if (length == 0 || str_eq(text, ".") || str_eq(text, "..") || str_ieq(text, ".git")) {
        return refuse(path, path_length, "this name is not allowed");
    }
    if (path_length > LIMIT_PATH) {
        return refuse(path, path_length, "the path is longer than 1024 bytes");
    }
    if (kind_problem(kind)) {
        return refuse(path, path_length, kind_problem(kind));
    }
    if (kind == TREE_DIR && text[0] == '.') {
        *skip = true;
        return NULL;
    }
    if (depth > LIMIT_TREE_DEPTH) {
        return err_new(ERR_TERMINAL, REASON_SOURCE_TOO_LARGE, "%.*s: more than %d folders deep",
                       (int)path_length, path, LIMIT_TREE_DEPTH);
    }
    return NULL;
}

static bool is_migration_name(const char *path)
{
    AUTO(free_auto) char *lower = str_lower(path);
    return str_ends(lower, ".sql") || str_ends(lower, ".sql.conf");
}

static struct err *check_file(const struct tree *tree, const char *path, const uint8_t *bytes,
                              size_t size)
{
    if (tree->count == LIMIT_MIGRATIONS) {
        return err_new(ERR_TERMINAL, REASON_SOURCE_TOO_LARGE, "%s: more than %d files", path,
                       LIMIT_MIGRATIONS);
    }
    if (size >= sizeof lfs_pointer - 1 && memcmp(bytes, lfs_pointer, sizeof lfs_pointer - 1) == 0 &&
        is_migration_name(path)) {
        return refuse(path, strlen(path),
                      "a Git LFS pointer, not the file: keep migrations out of LFS");
    }
    return NULL;
}

static struct tree_file *add(struct tree *tree, const char *path, const char *script)
{
    tree->files = mem_grow(tree->files, &tree->cap, tree->count + 1, sizeof *tree->files);
    struct tree_file *file = &tree->files[tree->count++];
    *file = (struct tree_file){ .path = mem_strdup(path), .script = mem_strdup(script) };
    return file;
}

static void set_large(const struct tree *tree, struct tree_file *file, struct large *large)
{
    large->ops = tree->large_ops;
    mem_strset(&large->path, file->path);
    file->large = large;
    file->size = large->size;
}

/* Its digests stay, its bytes go. */
static void let_go(struct tree *tree, struct tree_file *file)
{
    struct large_scan *scan = large_scan_new();
    large_scan_add(scan, file->bytes, file->size);
    set_large(tree, file, large_scan_end(scan));
    file->bytes = NULL;
    content_unref(TAKE(file->content));
    tree->total_bytes -= file->size;
}

/* Small files are many and change, large ones are data that was loaded once. */
static void keep_within(struct tree *tree, size_t most)
{
    while (tree->total_bytes > most) {
        struct tree_file *largest = NULL;
        for (size_t i = 0; i < tree->count; i++) {
            struct tree_file *file = &tree->files[i];
            bool larger = file->bytes && (!largest || file->size > largest->size);
            largest = larger ? file : largest;
        }
        let_go(tree, largest);
    }
}

static void keep(struct tree *tree, const char *path, const char *script, struct content *content)
{
    struct tree_file *file = add(tree, path, script);
    file->content = content;
    file->bytes = content->bytes;
    file->size = content->size;
    tree->total_bytes += content->size;
    keep_within(tree, LIMIT_TREE_BYTES);
}

struct err *tree_add(struct tree *tree, const char *path, const char *script, uint8_t *bytes,
                     size_t size)
{
    TRY(check_file(tree, path, bytes, size));
    keep(tree, path, script, content_take(bytes, size));
    return NULL;
}

struct err *tree_add_content(struct tree *tree, const char *path, const char *script,
                             struct content *content)
{
    TRY(check_file(tree, path, content->bytes, content->size));
    keep(tree, path, script, content);
    return NULL;
}

struct err *tree_add_large(struct tree *tree, const char *path, const char *script,
                           struct large *large)
{
    TRY(check_file(tree, path, large->head, large->head_size));
    set_large(tree, add(tree, path, script), large);
    return NULL;
}

static int file_compare(const void *a, const void *b)
{
    const struct tree_file *x = a;
    const struct tree_file *y = b;
    return strcmp(x->path, y->path);
}

struct folded {
    char *text; /* owned */
    const char *path;
};

static int folded_compare(const void *a, const void *b)
{
    const struct folded *x = a;
    const struct folded *y = b;
    int order = strcmp(x->text, y->text);
    return order ? order : strcmp(x->path, y->path);
}

/* On a folder that ignores case, one of the two would hide the other. */
static struct err *check_case(const struct tree *tree)
{
    struct folded *names = mem_array(tree->count, sizeof *names);
    for (size_t i = 0; i < tree->count; i++) {
        names[i] = (struct folded){ casefold(tree->files[i].path), tree->files[i].path };
    }
    mem_sort(names, tree->count, sizeof *names, folded_compare);
    struct err *e = NULL;
    for (size_t i = 1; i < tree->count && !e; i++) {
        if (str_eq(names[i].text, names[i - 1].text)) {
            bool same = str_eq(names[i].path, names[i - 1].path);
            e = same ? err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION,
                               "%s: found twice: one location lies inside another", names[i].path)
                     : err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION,
                               "%s and %s differ only in upper and lower case: rename one",
                               names[i - 1].path, names[i].path);
        }
    }
    for (size_t i = 0; i < tree->count; i++) {
        free(names[i].text);
    }
    free(names);
    return e;
}

static const char *without_dot(const char *path)
{
    while (str_starts(path, "./")) {
        path += 2;
        path += strspn(path, "/");
    }
    return path;
}

static bool holds_file(const struct tree *tree, const char *location)
{
    const char *folder = without_dot(location);
    size_t length = strlen(folder);
    while (length > 0 && folder[length - 1] == '/') {
        length--;
    }
    bool everything = length == 0 || (length == 1 && folder[0] == '.');
    for (size_t i = 0; i < tree->count; i++) {
        const char *path = without_dot(tree->files[i].path);
        const char *slash = strrchr(path, '/');
        bool hidden = (slash ? slash[1] : path[0]) == '.'; /* .gitkeep does not fill a folder */
        bool inside = everything || (strncmp(path, folder, length) == 0 && path[length] == '/');
        if (inside && !hidden) {
            return true;
        }
    }
    return false;
}

struct err *tree_finish(struct tree *tree)
{
    mem_sort(tree->files, tree->count, sizeof *tree->files, file_compare);
    for (size_t i = 0; i < tree->locations.count; i++) {
        if (!holds_file(tree, tree->locations.items[i])) {
            return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION,
                           "%s: no file in this folder: is the path right?",
                           tree->locations.items[i]);
        }
    }
    return check_case(tree);
}

void tree_done(struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        free(tree->files[i].path);
        free(tree->files[i].script);
        large_free(tree->files[i].large);
        content_unref(tree->files[i].content);
    }
    free(tree->files);
    strlist_done(&tree->locations);
    strlist_done(&tree->oids);
    *tree = (struct tree){ 0 };
}
