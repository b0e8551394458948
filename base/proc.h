/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes by posix_spawn and pidfd: no SIGCHLD handler, no descriptor leaks. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"

struct proc_spec {
    const char *path;        /* absolute */
    const char *const *argv; /* NULL-terminated */
    const char *const *envp; /* NULL-terminated; never NULL: nothing is inherited by accident */
    int stdin_fd, stdout_fd, stderr_fd; /* -1: /dev/null */
    const int *keep_fds;                /* further descriptors the child gets, same numbers */
    size_t keep_count;
    bool new_session; /* setsid: survives our terminal and our death */
};

struct proc {
    pid_t pid; /* 0: none */
    int pidfd; /* readable when the child has ended; -1: none */
};

struct proc_end {
    bool signalled;
    int code; /* exit code, or signal number */
};

struct err *proc_spawn(const struct proc_spec *spec, struct proc *out) ERR_MUST_USE;
/* False: still running after timeout_ms. True: reaped, *out set, proc closed. */
bool proc_wait(struct proc *proc, int64_t timeout_ms, struct proc_end *out);
/* SIGKILL to the child's whole process group, then reap. */
void proc_kill(struct proc *proc);
