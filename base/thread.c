/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that take no signals, and waits on the monotonic clock. */
#include "base/thread.h"
#include <errno.h>
#include <signal.h>
#include <string.h>

struct err *thread_start(pthread_t *out, void *(*run)(void *payload), void *payload)
{
    sigset_t all;
    sigset_t before;
    char text[128];
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(out, NULL, run, payload);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code ? err_new(ERR_TRANSIENT, "InternalError", "could not start a thread: %s",
                          strerror_r(code, text, sizeof text))
                : NULL;
}

void thread_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &attr);
    (void)pthread_condattr_destroy(&attr);
}

bool thread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline_ms)
{
    struct timespec at = {
        .tv_sec = (time_t)(deadline_ms / 1000),
        .tv_nsec = (long)(deadline_ms % 1000) * 1000000,
    };
    return pthread_cond_timedwait(cond, lock, &at) != ETIMEDOUT;
}
