/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a command: measure FIGURES COMMAND…; wall and CPU microseconds and peak KiB go to FIGURES. */
#include <errno.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t us(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

int main(int argc, char **argv)
{
    struct rusage used;
    pid_t pid;
    int status = 0;
    if (argc < 3) {
        fprintf(stderr, "usage: measure FIGURES COMMAND [ARGUMENT]...\n");
        return 1;
    }
    const int64_t start = now_us();
    const int code = posix_spawnp(&pid, argv[2], NULL, NULL, argv + 2, environ);
    if (code != 0) {
        fprintf(stderr, "could not start %s: %s\n", argv[2], strerror(code));
        return 127;
    }
    while (wait4(pid, &status, 0, &used) < 0 && errno == EINTR) {
    }
    const int64_t wall = now_us() - start;
    FILE *out = fopen(argv[1], "we");
    if (!out) {
        fprintf(stderr, "could not write %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    fprintf(out, "%lld %lld %ld\n", (long long)wall,
            (long long)(us(used.ru_utime) + us(used.ru_stime)), used.ru_maxrss);
    fclose(out);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
