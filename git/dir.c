/* SPDX-License-Identifier: Apache-2.0 */
/* --dir: a plain folder, read with the same eyes as a commit. Nothing is opened by a path that
 * could have been swapped: every step is relative to an open folder, links are not followed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "git/dir_large.h"
#include "git/paths.h"
#include "git/repo.h"
#include "model/reason.h"

#define DATA_LINK "..data" /* kubelet's atomic switch: ..data -> ..2026_11_22_10_00_00.123 */

struct reading {
    const struct naming *naming;
    const char *root; /* as given, without '/' at its end */
    struct tree *tree;
    size_t entries;
};

static void closedir_auto(DIR **dir)
{
    if (*dir) {
        (void)closedir(*dir);
    }
}

static int name_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct err *list_names(int folder_fd, const char *path, struct strlist *out)
{
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(closedir_auto) DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        struct err *error = dir_unread(path, errno);
        fd_close(&fd);
        return error;
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry && errno) {
            return dir_unread(path, errno);
        }
        if (!entry) {
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            strlist_add(out, entry->d_name);
        }
    }
    if (out->count > 1) {
        qsort(out->items, out->count, sizeof *out->items, name_compare);
    }
    return NULL;
}

/* A mounted ConfigMap: NAME -> ..data/NAME beside ..data -> ..SOMETHING, all in this folder. On
 * success *out is an open descriptor of the real entry. */
static bool open_mounted(int folder_fd, const char *name, int *out)
{
    char target[PATH_MAX];
    AUTO(free_auto) char *wanted = mem_printf("%s/%s", DATA_LINK, name);
    ssize_t n = readlinkat(folder_fd, name, target, sizeof target - 1);
    if (n < 0 || (size_t)n != strlen(wanted) || memcmp(target, wanted, (size_t)n) != 0) {
        return false;
    }
    n = readlinkat(folder_fd, DATA_LINK, target, sizeof target - 1);
    if (n <= 2) {
        return false;
    }
    target[n] = '\0';
    if (!str_starts(target, "..") || strchr(target, '/')) {
        return false;
    }
    AUTO(fd_close) int data =
        openat(folder_fd, target, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    *out = data < 0 ? -1 : openat(data, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return *out >= 0;
}

static enum tree_entry_kind kind_of(const struct stat *st)
{
    return S_ISREG(st->st_mode)   ? TREE_FILE
           : S_ISDIR(st->st_mode) ? TREE_DIR
           : S_ISLNK(st->st_mode) ? TREE_SYMLINK
                                  : TREE_OTHER;
}

/* stated: the size of the file as it was seen before. *out stays NULL if it is too large to be kept. */
static struct err *read_bytes(int fd, const char *path, off_t stated, uint8_t **out, size_t *size)
{
    AUTO(buf_done) struct buf bytes = BUF(DIR_KEEP);
    // To zero it for each file, as the build does with other variables, would cost more than to read the file.
    char chunk[65536] __attribute__((uninitialized));
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return dir_unread(path, errno);
        }
        if (n == 0) {
            break;
        }
        buf_add(&bytes, chunk, (size_t)n);
        if (bytes.failed) {
            return NULL;
        }
        if ((size_t)n < sizeof chunk && (off_t)bytes.len == stated) {
            break; /* as much as there was, and less than asked for: this is its end */
        }
    }
    *size = bytes.len;
    *out = (uint8_t *)buf_take(&bytes);
    return NULL;
}

static struct err *add_large(struct reading *reading, int fd, const char *path, const char *script)
{
    struct large *large = NULL;
    TRY(dir_large_scan(fd, path, &large));
    struct err *e = tree_add_large(reading->tree, path, script, large);
    if (e) {
        large_free(large);
    }
    return e;
}

static struct err *add_file(struct reading *reading, int fd, const char *path, const char *script,
                            off_t stated)
{
    AUTO(free_auto) uint8_t *bytes = NULL;
    size_t size = 0;
    if (!paths_wants_content(script, reading->naming)) {
        bytes = mem_alloc(1);
    } else if (stated <= (off_t)DIR_KEEP) {
        TRY(read_bytes(fd, path, stated, &bytes, &size));
    }
    if (!bytes) {
        return add_large(reading, fd, path, script);
    }
    struct content *content = content_alone(TAKE(bytes), size); // of one command, which ends soon
    struct err *e = tree_add_content(reading->tree, path, script, content);
    if (e) {
        content_unref(content);
    }
    return e;
}

static struct err *read_folder(struct reading *reading, int folder_fd, const char *script,
                               int depth);

/* Of each file: what printf() does besides would be a tenth of reading it. */
static char *full_path(const struct reading *reading, const char *script)
{
    const size_t folder = strlen(reading->root), length = strlen(script);
    char *path = mem_alloc(folder + 1 + length + 1);
    memcpy(path, reading->root, folder);
    path[folder] = '/';
    memcpy(path + folder + 1, script, length + 1);
    return path;
}

static struct err *read_entry(struct reading *reading, int folder_fd, const char *name,
                              const char *script, int depth)
{
    AUTO(free_auto) char *path = full_path(reading, script);
    AUTO(fd_close) int fd = -1;
    struct stat st;
    bool skip = false;
    if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? NULL : dir_unread(path, errno); /* gone since it was listed */
    }
    if (strcmp(name, ".git") == 0 || (S_ISDIR(st.st_mode) && name[0] == '.')) {
        return NULL; /* the working copy's own, and hidden folders */
    }
    if (S_ISLNK(st.st_mode) && strcmp(name, DATA_LINK) == 0) {
        return NULL; /* what it points to is reached by the names beside it */
    }
    if (S_ISLNK(st.st_mode) && open_mounted(folder_fd, name, &fd) && fstat(fd, &st) != 0) {
        return dir_unread(path, errno);
    }
    TRY(tree_check_entry(path, strlen(path), kind_of(&st), depth, &skip));
    if (skip) {
        return NULL;
    }
    if (fd < 0) {
        fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    }
    if (fd < 0) {
        return dir_unread(path, errno);
    }
    return S_ISDIR(st.st_mode) ? read_folder(reading, fd, script, depth + 1)
                               : add_file(reading, fd, path, script, st.st_size);
}

static struct err *read_folder(struct reading *reading, int folder_fd, const char *script,
                               int depth)
{
    AUTO(strlist_done) struct strlist names = { 0 };
    AUTO(free_auto) char *path =
        script[0] ? mem_printf("%s/%s", reading->root, script) : mem_strdup(reading->root);
    TRY(list_names(folder_fd, path, &names));
    reading->entries += names.count;
    if (reading->entries > LIMIT_TREE_ENTRIES) {
        return err_new(ERR_TERMINAL, REASON_SOURCE_TOO_LARGE, "%s: more than %d entries", path,
                       LIMIT_TREE_ENTRIES);
    }
    for (size_t i = 0; i < names.count; i++) {
        AUTO(free_auto) char *below = paths_join(script, names.items[i]);
        TRY(read_entry(reading, folder_fd, names.items[i], below, depth));
    }
    return paths_check_siblings(&names, path);
}

struct err *repo_read_dir(const char *path, const struct naming *naming, struct tree *tree)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    AUTO(free_auto) char *root = mem_strndup(path, length);
    AUTO(fd_close) int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        AUTO(free_auto) char *shown = str_printable(path, strlen(path));
        const char *why = errno == ENOENT    ? "does not exist"
                          : errno == ENOTDIR ? "is not a folder"
                                             : NULL;
        return why ? err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION, "folder '%s' %s", shown, why)
                   : dir_unread(path, errno);
    }
    /* "/" + "/" + script would not begin with the location. */
    struct reading reading = { .naming = naming,
                               .root = strcmp(root, "/") == 0 ? "" : root,
                               .tree = tree };
    strlist_add(&tree->locations, path);
    tree->large_ops = &dir_large_ops;
    return read_folder(&reading, fd, "", 0);
}
