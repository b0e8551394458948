/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps Criterion from hanging under the Address sanitizer.
 *
 * Criterion forks for every test while threads of its own and of libnanomsg run. glibc makes its own
 * malloc safe for the child; the sanitizer of GCC 12 and Clang 14 does not: if another thread is
 * inside malloc, starts or ends at that moment, the child waits for ever for a lock that nobody
 * holds any more. So
 * - libnanomsg's allocation functions, which are looked up in the program first, use glibc's malloc;
 * - a fork waits until every other thread is blocked in the kernel;
 * - the programs run with --jobs 1: no other test is there to wake a thread in between. */
#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void __libc_free(void *block);

void *nn_alloc_(size_t size);
void *nn_realloc(void *block, size_t size);
void nn_free(void *block);

void *nn_alloc_(size_t size)
{
    return __libc_malloc(size);
}

void *nn_realloc(void *block, size_t size)
{
    return __libc_realloc(block, size);
}

void nn_free(void *block)
{
    __libc_free(block);
}

/* "232 0x4 ..." while it is blocked in a system call, "running" otherwise; true too if the kernel
 * does not tell. */
static bool is_blocked(const char *thread)
{
    char path[64], text[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%.16s/syscall", thread);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return true;
    }
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    return length <= 0 || isdigit((unsigned char)text[0]);
}

static bool others_are_blocked(void)
{
    char self[16];
    bool quiet = true;
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks) {
        return true;
    }
    snprintf(self, sizeof self, "%ld", syscall(SYS_gettid));
    for (struct dirent *e = readdir(tasks); e && quiet; e = readdir(tasks)) {
        quiet = e->d_name[0] == '.' || strcmp(e->d_name, self) == 0 || is_blocked(e->d_name);
    }
    closedir(tasks);
    return quiet;
}

pid_t fork(void)
{
    pid_t (*real_fork)(void) = (pid_t(*)(void))dlsym(RTLD_NEXT, "fork");
    for (int i = 0; i < 5000 && !others_are_blocked(); i++) {
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    return real_fork();
}
