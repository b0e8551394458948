/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files: bounded reads, writes that are old or new but never half. */
#include "base/file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/mem.h"

#define REMOVE_DEPTH 64 /* folders inside folders; one descriptor each */

void fd_close(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

static struct err *failure(const char *verb, const char *path, int code)
{
    char text[128];
    return err_new(ERR_TERMINAL, "InvalidSpec", "could not %s %s: %s", verb, path,
                   strerror_r(code, text, sizeof text));
}

static struct err *read_all(int fd, const char *path, struct buf *out)
{
    char chunk[65536];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return failure("read", path, errno);
        }
        if (n == 0) {
            return NULL;
        }
        buf_add(out, chunk, (size_t)n);
        if (out->failed) {
            return err_new(ERR_TERMINAL, "InvalidSpec", "could not read %s: larger than %zu bytes",
                           path, out->max);
        }
    }
}

struct err *file_read(const char *path, struct buf *out)
{
    /* O_NONBLOCK: a FIFO must not hold us up before fstat() can refuse it. */
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        return failure("read", path, errno);
    }
    if (!S_ISREG(st.st_mode)) {
        return err_new(ERR_TERMINAL, "InvalidSpec", "could not read %s: %s", path,
                       S_ISDIR(st.st_mode) ? "it is a folder" : "not a regular file");
    }
    buf_add(out, "", 0); /* an empty file gives "", not NULL */
    return read_all(fd, path, out);
}

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static int write_all(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t n = write(fd, bytes, length);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno;
        }
        bytes += n;
        length -= (size_t)n;
    }
    return 0;
}

/* Everything up to the rename; returns errno. */
static int write_temporary(int fd, const void *bytes, size_t length, mode_t mode)
{
    int code = fchmod(fd, mode) != 0 ? errno : write_all(fd, bytes, length);
    if (code == 0 && fsync(fd) != 0) {
        code = errno;
    }
    if (close(fd) != 0 && code == 0) {
        code = errno;
    }
    return code;
}

static int sync_folder(const char *folder)
{
    AUTO(fd_close) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) != 0 ? errno : 0;
}

struct err *file_write_atomic(const char *path, const void *bytes, size_t length, mode_t mode)
{
    const char *slash = strrchr(path, '/');
    AUTO(free_auto) char *folder =
        !slash ? mem_strdup(".") : mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
    AUTO(free_auto) char *temporary = mem_printf("%s/.%s.XXXXXX", folder, slash ? slash + 1 : path);

    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        return failure("write", path, errno);
    }
    int code = write_temporary(fd, bytes, length, mode);
    if (code == 0 && rename(temporary, path) != 0) {
        code = errno;
    }
    if (code != 0) {
        (void)unlink(temporary);
        return failure("write", path, code);
    }
    code = sync_folder(folder);
    return code ? failure("write", path, code) : NULL;
}

struct err *file_mkdirs(const char *path, mode_t mode)
{
    AUTO(free_auto) char *copy = mem_strdup(path);
    for (char *p = copy + 1;; p++) {
        if (*p != '/' && *p != '\0') {
            continue;
        }
        char end = *p;
        *p = '\0';
        struct stat st;
        if (mkdir(copy, mode) != 0) {
            int code = errno;
            if (stat(copy, &st) != 0 || !S_ISDIR(st.st_mode)) {
                return failure("make folder", copy, code == EEXIST ? ENOTDIR : code);
            }
        }
        *p = end;
        if (end == '\0') {
            return NULL;
        }
    }
}

static int remove_at(int parent, const char *name, int depth);

/* Returns errno; closes fd. */
static int remove_children(int fd, int depth)
{
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int code = errno;
        (void)close(fd);
        return code;
    }
    int code = depth > REMOVE_DEPTH ? ELOOP : 0;
    while (code == 0) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) {
            code = errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            code = remove_at(fd, entry->d_name, depth);
        }
    }
    (void)closedir(dir);
    return code;
}

static int remove_at(int parent, const char *name, int depth)
{
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) {
        return 0;
    }
    int code = errno;
    if (code != EISDIR && code != EPERM) { /* EPERM: POSIX's word for a folder */
        return code;
    }
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOTDIR ? code : errno;
    }
    code = remove_children(fd, depth + 1);
    if (code == 0 && unlinkat(parent, name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
        code = errno;
    }
    return code;
}

struct err *file_remove_tree(const char *path)
{
    int code = remove_at(AT_FDCWD, path, 0);
    return code ? failure("remove", path, code) : NULL;
}
