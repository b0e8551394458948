/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of a process on itself. */
#include "base/confine.h"
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>

void confine_early(void)
{
    const struct rlimit none = { 0, 0 };
    (void)umask(077);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#ifndef SANITIZED /* LeakSanitizer traces its own process */
    (void)prctl(PR_SET_DUMPABLE, 0);
#endif
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* write() then fails with EFBIG, which has a message */
    (void)setrlimit(RLIMIT_CORE, &none);
}

void confine_cap(int resource, int64_t value)
{
    struct rlimit now;
    if (value > 0 && getrlimit((__rlimit_resource_t)resource, &now) == 0) {
        const rlim_t wanted = (rlim_t)value;
        now.rlim_max = now.rlim_max < wanted ? now.rlim_max : wanted;
        now.rlim_cur = now.rlim_max;
        (void)setrlimit((__rlimit_resource_t)resource, &now);
    }
}

/* Private memory that can be written to. Address space would count libraries, and what allocators only reserve. */
void confine_memory(int64_t bytes)
{
#ifdef SANITIZED
    (void)bytes;
#else
    confine_cap(RLIMIT_DATA, bytes);
#endif
}

/* At the hard limit the signal would be SIGKILL, which says nothing. */
void confine_work(int64_t seconds)
{
    confine_cap(RLIMIT_CPU, seconds + 1);
    const struct rlimit limit = { (rlim_t)seconds, (rlim_t)seconds + 1 };
    (void)signal(SIGXCPU, SIG_DFL);
    (void)setrlimit(RLIMIT_CPU, &limit);
}

void confine_time(int64_t ms)
{
    const struct itimerval timer = { .it_value = { .tv_sec = ms / 1000,
                                                   .tv_usec = ms % 1000 * 1000 } };
    (void)signal(SIGALRM, SIG_DFL);
    (void)setitimer(ITIMER_REAL, &timer, NULL);
}
