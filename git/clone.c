/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, checking, emptying and locking the clone. */
#include "git/clone.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <git2/errors.h>
#include <git2/repository.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/reason.h"

#define MARKER "sluice-clone"
#define PACKS_MAX 200 /* one a fetch; libgit2 does not repack, so a fresh clone is the repack */
#define MARKER_MAX 4096
#define LOCK_POLL_NS (20 * 1000 * 1000L)

static void closedir_auto(DIR **dir)
{
    if (*dir) {
        (void)closedir(*dir);
    }
}

static struct err *failed(const char *verb, const char *path)
{
    return err_new(ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED, "could not %s the clone in %s: %s",
                   verb, path, strerror(errno));
}

/* base's file errors speak of specs; here a full or read-only disk is meant. */
static struct err *local_failure(struct err *error)
{
    if (!error) {
        return NULL;
    }
    AUTO(free_auto) char *text = mem_strdup(error->message);
    err_free(error);
    return err_new(ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED, "%s", text);
}

static struct err *git_failed(const char *verb, const char *path)
{
    const git_error *last = git_error_last();
    return err_new(ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED, "could not %s the clone in %s: %s",
                   verb, path, last && last->message ? last->message : "unknown failure");
}

/* ---- lock ------------------------------------------------------------------------------------ */

static struct err *lock(const char *path, int64_t deadline_ms, int *out)
{
    AUTO(free_auto) char *name = mem_printf("%s.lock", path);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return failed("lock", path);
    }
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        bool late = clock_mono_ms() >= deadline_ms;
        if (late || (errno != EWOULDBLOCK && errno != EINTR)) {
            struct err *error =
                late ? err_new(ERR_TRANSIENT, REASON_SOURCE_UNAVAILABLE,
                               "another fetch of this repository still runs: no turn in time")
                     : failed("lock", path);
            (void)close(fd);
            return error;
        }
        (void)nanosleep(&(struct timespec){ .tv_nsec = LOCK_POLL_NS }, NULL);
    }
    *out = fd;
    return NULL;
}

/* ---- what is there --------------------------------------------------------------------------- */

enum content {
    CONTENT_EMPTY,
    CONTENT_OURS,
    CONTENT_OTHER_URL,
    CONTENT_FOREIGN
};

static bool is_empty(const char *path)
{
    AUTO(closedir_auto) DIR *dir = opendir(path);
    const struct dirent *entry = NULL;
    while (dir && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            return false;
        }
    }
    return true;
}

static enum content look(const char *path, const char *url)
{
    AUTO(free_auto) char *marker = mem_printf("%s/%s", path, MARKER);
    AUTO(buf_done) struct buf text = BUF(MARKER_MAX);
    AUTO(free_auto) char *wanted = mem_printf("1\n%s\n", url);
    if (!file_exists(marker)) {
        return is_empty(path) ? CONTENT_EMPTY : CONTENT_FOREIGN;
    }
    AUTO(err_free_auto) struct err *error = file_read(marker, &text);
    return !error && strcmp(buf_text(&text), wanted) == 0 ? CONTENT_OURS : CONTENT_OTHER_URL;
}

/* By rename first: killed in the middle, neither half of it is taken for a clone. */
static struct err *empty_out(const char *path)
{
    AUTO(free_auto) char *trash = mem_printf("%s.trash", path);
    TRY(local_failure(file_remove_tree(trash)));
    if (rename(path, trash) != 0 && errno != ENOENT) {
        return failed("replace", path);
    }
    TRY(local_failure(file_remove_tree(trash)));
    return NULL;
}

static struct err *check_owner(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        errno = ENOTDIR;
        return failed("open", path);
    }
    if (st.st_uid != geteuid()) {
        return err_new(ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED,
                       "the clone in %s belongs to another user: remove it", path);
    }
    return NULL;
}

/* ---- packs ----------------------------------------------------------------------------------- */

/* Counts packs, and removes what a killed fetch left half-written. */
static bool overgrown(const char *path, int64_t max_bytes)
{
    AUTO(free_auto) char *folder = mem_printf("%s/objects/pack", path);
    AUTO(closedir_auto) DIR *dir = opendir(folder);
    const struct dirent *entry = NULL;
    int packs = 0;
    int64_t bytes = 0;
    while (dir && (entry = readdir(dir))) {
        struct stat st;
        if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(st.st_mode)) {
            continue;
        }
        bool pack = str_ends(entry->d_name, ".pack");
        if (!pack && !str_ends(entry->d_name, ".idx")) {
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
            continue;
        }
        packs += pack;
        bytes += st.st_size;
    }
    return packs > PACKS_MAX || bytes > max_bytes;
}

/* ---- open ------------------------------------------------------------------------------------ */

static struct err *write_marker(const char *path, const char *url)
{
    /* Created by name at once, so that a crash leaves a folder that we know as ours. */
    AUTO(free_auto) char *marker = mem_printf("%s/%s", path, MARKER);
    AUTO(free_auto) char *text = mem_printf("1\n%s\n", url);
    int fd = open(marker, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return failed("mark", path);
    }
    ssize_t n = write(fd, text, strlen(text));
    if (close(fd) != 0 || n != (ssize_t)strlen(text)) {
        return failed("mark", path);
    }
    return NULL;
}

static struct err *make(const char *path, const char *url, git_repository **out)
{
    TRY(local_failure(file_mkdirs(path, 0700)));
    TRY(check_owner(path));
    TRY(write_marker(path, url));
    git_repository_init_options options;
    (void)git_repository_init_options_init(&options, GIT_REPOSITORY_INIT_OPTIONS_VERSION);
    options.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKDIR;
    if (git_repository_init_ext(out, path, &options) != 0) {
        return git_failed("make", path);
    }
    return NULL;
}

static struct err *open_locked(const char *path, const char *url, int64_t max_bytes, bool anew,
                               struct clone *out)
{
    enum content content = CONTENT_EMPTY;
    if (file_exists(path)) {
        TRY(check_owner(path));
        content = look(path, url);
    }
    if (content == CONTENT_FOREIGN) {
        return err_new(ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED,
                       "%s is to hold a clone, but other files are in it: name another folder",
                       path);
    }
    if (content == CONTENT_OURS && !anew && !overgrown(path, max_bytes) &&
        git_repository_open_bare(&out->repo, path) == 0) {
        return NULL;
    }
    out->made_now = true;
    out->rebuilt = content != CONTENT_EMPTY;
    if (out->rebuilt) {
        TRY(empty_out(path));
    }
    return make(path, url, &out->repo);
}

static struct err *make_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path) {
        return NULL;
    }
    AUTO(free_auto) char *parent = mem_strndup(path, (size_t)(slash - path));
    return local_failure(file_mkdirs(parent, 0700));
}

struct err *clone_open(const char *path, const char *url, int64_t max_bytes, int64_t deadline_ms,
                       bool anew, struct clone *out)
{
    struct clone clone = { .lock_fd = -1 };
    TRY(make_parent(path));
    TRY(lock(path, deadline_ms, &clone.lock_fd));
    struct err *error = open_locked(path, url, max_bytes, anew, &clone);
    if (error) {
        clone_close(&clone);
        return error;
    }
    *out = clone;
    return NULL;
}

void clone_close(struct clone *clone)
{
    git_repository_free(clone->repo);
    if (clone->lock_fd >= 0) {
        (void)close(clone->lock_fd); /* and so the lock */
    }
    *clone = (struct clone){ .lock_fd = -1 };
}
