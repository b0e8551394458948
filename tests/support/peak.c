/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a command and says what it took: "CODE SECONDS MIB" on standard error's last line, or in $PEAK_FILE. MIB is the
 * largest resident size of one process among the command and all its descendants that were waited for; CODE is 128 + the
 * signal for one that was killed. Ends with that code.
 *
 *   peak COMMAND [ARGUMENT...] */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct timespec before, after;
    struct rusage usage;
    int status = 0;

    if (argc < 2) {
        return 1;
    }
    clock_gettime(CLOCK_MONOTONIC, &before);
    const pid_t pid = fork();
    if (pid == 0) {
        execvp(argv[1], argv + 1);
        _exit(127);
    }
    if (pid < 0 || wait4(pid, &status, 0, &usage) != pid) {
        return 1;
    }
    clock_gettime(CLOCK_MONOTONIC, &after);
    const int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    const char *path = getenv("PEAK_FILE");
    FILE *out = path ? fopen(path, "w") : stderr;
    getrusage(RUSAGE_CHILDREN, &usage);
    fprintf(out ? out : stderr, "%d %.1f %ld\n", code,
            (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9,
            usage.ru_maxrss / 1024);
    return code;
}
