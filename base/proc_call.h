/* SPDX-License-Identifier: Apache-2.0 */
/* A question to a child process: the request to its standard input, the answer from its standard output, and one
 * deadline over both that nothing restarts. */
#pragma once
#include "base/buf.h"
#include "base/proc.h"

struct proc_call {
    const char *exe;         /* NULL: this program */
    const char *const *argv; /* NULL-terminated */
    const char *const *envp; /* NULL-terminated */
    const int *keep_fds;     /* further descriptors the child gets, same numbers */
    size_t keep_count;
    int stderr_fd;       /* -1: /dev/null */
    int cancel_fd;       /* readable = give up; -1: none */
    int64_t deadline_ms; /* monotonic */
};

enum proc_call_end {
    PROC_CALL_ENDED,     /* the child has ended: `how` */
    PROC_CALL_LATE,      /* the deadline passed */
    PROC_CALL_CANCELLED, /* cancel_fd */
    PROC_CALL_TOO_LARGE, /* the answer passed answer->max */
};

/* Blocks until the deadline at most; the child has ended by then, or was killed with its group. An error is of this
 * machine: no process, no pipe. Any thread. */
struct err *proc_call(const struct proc_call *call, const struct buf *request, struct buf *answer,
                      enum proc_call_end *end, struct proc_end *how) ERR_MUST_USE;
