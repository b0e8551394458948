/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into a controller: kills it before or after its n-th write to disk or start of a child.
 * KILL_AT=n; 0: never. KILL_COUNT=FILE gets the number of points that were passed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void point(void)
{
    static atomic_long passed;
    const char *at = getenv("KILL_AT");
    const char *file = getenv("KILL_COUNT");
    long now = atomic_fetch_add(&passed, 1) + 1;

    if (file) {
        char text[32];
        int length = snprintf(text, sizeof text, "%ld\n", now);
        int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 || pwrite(fd, text, (size_t)length, 0) != length) {
            abort();
        }
        close(fd);
    }
    if (at && atol(at) == now) {
        kill(getpid(), SIGKILL);
    }
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) =
        (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    point();
    int result = real(from, to);
    point();
    return result;
}

int unlink(const char *path)
{
    int (*real)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
    point();
    int result = real(path);
    point();
    return result;
}

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
    int (*real)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                const posix_spawnattr_t *, char *const[], char *const[]) =
        (int (*)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                 const posix_spawnattr_t *, char *const[], char *const[]))dlsym(RTLD_NEXT,
                                                                                "posix_spawn");
    point();
    int result = real(pid, path, actions, attributes, argv, envp);
    point();
    return result;
}
