/* SPDX-License-Identifier: Apache-2.0 */
/* The first process of a pod: keeps its namespaces, reaps what is left to it, ends on request. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int signal)
{
    (void)signal;
    _exit(0);
}

static void reap(int signal)
{
    (void)signal;
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
}

int main(void)
{
    if (sigaction(SIGTERM, &(struct sigaction){ .sa_handler = end }, NULL) ||
        sigaction(SIGINT, &(struct sigaction){ .sa_handler = end }, NULL) ||
        sigaction(SIGCHLD, &(struct sigaction){ .sa_handler = reap, .sa_flags = SA_NOCLDSTOP },
                  NULL)) {
        return 1;
    }
    for (;;) {
        pause();
    }
}
