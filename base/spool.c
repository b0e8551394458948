/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that are too many for memory. */
#include "base/spool.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/mem.h"

#define STEP ((size_t)16 * 1024 * 1024) /* bytes by which the file grows */

struct spool {
    int fd;
    const char *folder; /* borrowed: of the environment or a literal */
    uint8_t *base;      /* max bytes of addresses; those below `room` may be touched */
    size_t max, room, used;
    int failed; /* errno; EFBIG: max */
};

static const char *const folders[] = { "/var/tmp", "/tmp" };

static int open_in(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) {
        return fd;
    }
    char *name = mem_printf("%s/sluice.XXXXXX", folder); /* a file system without O_TMPFILE */
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0) {
        (void)unlink(name);
    }
    free(name);
    return fd;
}

static int open_somewhere(const char **folder)
{
    const char *own = getenv("TMPDIR");
    if (own && own[0]) {
        *folder = own;
        return open_in(own);
    }
    int fd = -1;
    for (size_t i = 0; i < sizeof folders / sizeof *folders && fd < 0; i++) {
        *folder = folders[i];
        fd = open_in(folders[i]);
    }
    return fd;
}

static struct err *refused(const char *folder, int code)
{
    char text[128];
    return err_new(ERR_TERMINAL, "SourceTooLarge",
                   "could not keep a large file in %s: %s; set TMPDIR to a folder with room",
                   folder, strerror_r(code, text, sizeof text));
}

struct err *spool_new(size_t max, struct spool **out)
{
    const char *folder = NULL;
    int fd = open_somewhere(&folder);
    if (fd < 0) {
        return refused(folder, errno);
    }
    void *base = mmap(NULL, max, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (base == MAP_FAILED) {
        int code = errno;
        (void)close(fd);
        return refused(folder, code);
    }
    struct spool *spool = mem_alloc(sizeof *spool);
    *spool = (struct spool){ .fd = fd, .folder = folder, .base = base, .max = max };
    *out = spool;
    return NULL;
}

/* To touch what the file does not have would end the process. */
static int make_room(struct spool *spool, size_t need)
{
    while (spool->room < need) {
        size_t step = need - spool->room > STEP ? need - spool->room : STEP;
        step = step > spool->max - spool->room ? spool->max - spool->room : step;
        int code = posix_fallocate(spool->fd, (off_t)spool->room, (off_t)step);
        if (code && code != EINTR) {
            return code;
        }
        spool->room += code ? 0 : step;
    }
    return 0;
}

void *spool_add(struct spool *spool, size_t align, const void *bytes, size_t size)
{
    size_t at = (spool->used + align - 1) / align * align;
    if (!spool->failed && (at > spool->max || size > spool->max - at)) {
        spool->failed = EFBIG;
    }
    if (!spool->failed) {
        spool->failed = make_room(spool, at + size);
    }
    if (spool->failed) {
        return NULL;
    }
    if (size > 0) {
        memcpy(spool->base + at, bytes, size);
    }
    spool->used = at + size;
    return spool->base + at;
}

struct err *spool_check(const struct spool *spool)
{
    return spool->failed ? refused(spool->folder, spool->failed) : NULL;
}

void spool_relax(struct spool *spool)
{
    if (spool->room > 0) { /* of a shared mapping: the file keeps what was written */
        (void)madvise(spool->base, spool->room, MADV_DONTNEED);
    }
}

void spool_free(struct spool *spool)
{
    if (!spool) {
        return;
    }
    (void)munmap(spool->base, spool->max);
    (void)close(spool->fd);
    free(spool);
}
