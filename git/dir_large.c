/* SPDX-License-Identifier: Apache-2.0 */
/* Large files of a plain folder: read once for their digests, copied aside when they run. */
#include "git/dir_large.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/spool.h"
#include "base/str.h"
#include "model/reason.h"

#define CHUNK ((size_t)65536)
#define RELAX ((size_t)4 * 1024 * 1024)

struct err *dir_unread(const char *path, int code)
{
    char text[128];
    AUTO(free_auto) char *shown = str_printable(path, strlen(path));
    return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION, "could not read %s: %s", shown,
                   strerror_r(code, text, sizeof text));
}

/* A whole chunk but at the end of the file; *size 0: that is reached. */
static struct err *read_chunk(int fd, const char *path, char *chunk, size_t *size)
{
    *size = 0;
    while (*size < CHUNK) {
        ssize_t n = read(fd, chunk + *size, CHUNK - *size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return dir_unread(path, errno);
        }
        if (n == 0) {
            break;
        }
        *size += (size_t)n;
    }
    return NULL;
}

struct err *dir_large_scan(int fd, const char *path, struct large **out)
{
    AUTO(free_auto) char *chunk = mem_alloc(CHUNK);
    struct large_scan *scan = large_scan_new();
    struct err *e = lseek(fd, 0, SEEK_SET) < 0 ? dir_unread(path, errno) : NULL;
    for (size_t size = 1; !e && size > 0;) {
        e = read_chunk(fd, path, chunk, &size);
        if (!e && size > 0) {
            large_scan_add(scan, chunk, size);
        }
    }
    struct large *large = large_scan_end(scan);
    if (e) {
        large_free(large);
        return e;
    }
    *out = large;
    return NULL;
}

static struct err *changed(const struct large *c)
{
    return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION,
                   "%s: the file was changed while it was read: run it again", c->path);
}

static struct err *open_file(const struct large *c, int *out)
{
    struct stat st;
    int fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) != 0) {
        int code = errno;
        fd_close(&fd);
        return dir_unread(c->path, code);
    }
    if (!S_ISREG(st.st_mode) || (size_t)st.st_size != c->size) {
        fd_close(&fd);
        return changed(c);
    }
    *out = fd;
    return NULL;
}

/* Where the bytes go: memory for a file that would have been kept but for the number of others. */
static struct err *make_place(struct large *c, uint8_t **memory)
{
    if (c->size <= DIR_KEEP) {
        *memory = mem_alloc(c->size + 1);
        return NULL;
    }
    return spool_new(c->size + CHUNK, &c->spool);
}

static void put(struct large *c, uint8_t *memory, size_t at, const char *chunk, size_t size)
{
    if (memory) {
        memcpy(memory + at, chunk, size);
        return;
    }
    const uint8_t *there = spool_add(c->spool, 1, chunk, size);
    c->bytes = c->bytes ? c->bytes : there;
    if (at % RELAX == 0) {
        spool_relax(c->spool);
    }
}

static struct err *copy(struct large *c, int fd, uint8_t *memory)
{
    AUTO(free_auto) char *chunk = mem_alloc(CHUNK);
    struct sha256 *digest = sha256_new();
    uint8_t seen[SHA256_LEN];
    size_t at = 0;
    struct err *e = NULL;
    for (size_t size = 1; !e && size > 0 && at <= c->size; at += size) {
        e = read_chunk(fd, c->path, chunk, &size);
        sha256_add(digest, chunk, e ? 0 : size);
        size = !e && size > c->size - at ? c->size - at : size;
        if (!e) {
            put(c, memory, at, chunk, size);
        }
    }
    sha256_end(digest, seen);
    if (e || memcmp(seen, c->sha256, sizeof seen) != 0) {
        return e ? e : changed(c);
    }
    if (!memory) {
        (void)spool_add(c->spool, 1, "", 1); /* the NUL behind it */
        return spool_check(c->spool);
    }
    c->bytes = memory;
    return NULL;
}

static void forget(struct large *c)
{
    if (c->spool) {
        spool_free(TAKE(c->spool));
    } else {
        free((void *)(uintptr_t)c->bytes);
    }
    c->bytes = NULL;
}

static struct err *open_large(struct large *c)
{
    AUTO(fd_close) int fd = -1;
    uint8_t *memory = NULL;
    TRY(open_file(c, &fd));
    TRY(make_place(c, &memory));
    struct err *e = copy(c, fd, memory);
    if (e) {
        free(memory);
        forget(c);
    }
    return e;
}

const struct large_ops dir_large_ops = {
    .open = open_large,
    .close = forget,
    .spool_new = spool_new,
    .spool_add = spool_add,
    .spool_check = spool_check,
    .spool_relax = spool_relax,
    .spool_free = spool_free,
};
