/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes by posix_spawn and pidfd. */
#include "base/proc.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"

#define STD_COUNT 3

static struct err *spawn_error(const char *path, int code)
{
    char text[128];
    bool shortage = code == EAGAIN || code == ENOMEM || code == EMFILE || code == ENFILE;
    return err_new(shortage ? ERR_TRANSIENT : ERR_TERMINAL, "InternalError",
                   "could not start %s: %s", path, strerror_r(code, text, sizeof text));
}

/* Sources below 3 are moved up first: dup2 onto 0..2 must not overwrite one still needed. */
static int lift(int fd, int *lifted)
{
    *lifted = fd;
    if (fd < 0 || fd >= STD_COUNT) {
        return 0;
    }
    *lifted = fcntl(fd, F_DUPFD_CLOEXEC, STD_COUNT);
    return *lifted < 0 ? errno : 0;
}

static bool kept(const struct proc_spec *spec, int fd)
{
    for (size_t i = 0; i < spec->keep_count; i++) {
        if (spec->keep_fds[i] == fd) {
            return true;
        }
    }
    return false;
}

static int add_files(posix_spawn_file_actions_t *actions, const struct proc_spec *spec,
                     const int std[STD_COUNT])
{
    int code = 0;
    for (int i = 0; i < STD_COUNT && code == 0; i++) {
        code = std[i] < 0 ? posix_spawn_file_actions_addopen(actions, i, "/dev/null",
                                                             i == 0 ? O_RDONLY : O_WRONLY, 0)
                          : posix_spawn_file_actions_adddup2(actions, std[i], i);
    }
    int last = STD_COUNT - 1;
    for (size_t i = 0; i < spec->keep_count && code == 0; i++) {
        int fd = spec->keep_fds[i];
        /* dup2 onto itself is how posix_spawn clears FD_CLOEXEC. */
        code = fd < STD_COUNT ? EBADF : posix_spawn_file_actions_adddup2(actions, fd, fd);
        last = fd > last ? fd : last;
    }
    for (int fd = STD_COUNT; fd < last && code == 0; fd++) {
        if (!kept(spec, fd)) {
            code = posix_spawn_file_actions_addclose(actions, fd); /* not open is fine */
        }
    }
    return code ? code : posix_spawn_file_actions_addclosefrom_np(actions, last + 1);
}

static int add_attributes(posix_spawnattr_t *attr, const struct proc_spec *spec)
{
    sigset_t none;
    sigset_t all;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    (void)sigdelset(&all, SIGKILL);
    (void)sigdelset(&all, SIGSTOP);
    int code = posix_spawnattr_setsigmask(attr, &none);
    code = code ? code : posix_spawnattr_setsigdefault(attr, &all);
    code = code ? code : posix_spawnattr_setpgroup(attr, 0);
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    flags |= spec->new_session ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP;
    return code ? code : posix_spawnattr_setflags(attr, (short)flags);
}

static int spawn(const struct proc_spec *spec, const int std[STD_COUNT], pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int code = posix_spawn_file_actions_init(&actions);
    if (code) {
        return code;
    }
    code = posix_spawnattr_init(&attr);
    if (code == 0) {
        code = add_files(&actions, spec, std);
        code = code ? code : add_attributes(&attr, spec);
        if (code == 0) {
            /* The standard's signature lacks const; nothing is written through it. */
            union {
                const char *const *in;
                char *const *out;
            } argv = { .in = spec->argv }, envp = { .in = spec->envp };
            code = posix_spawn(pid, spec->path, &actions, &attr, argv.out, envp.out);
        }
        (void)posix_spawnattr_destroy(&attr);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return code;
}

struct err *proc_spawn(const struct proc_spec *spec, struct proc *out)
{
    const int wanted[STD_COUNT] = { spec->stdin_fd, spec->stdout_fd, spec->stderr_fd };
    int std[STD_COUNT] = { -1, -1, -1 };
    int code = 0;
    for (int i = 0; i < STD_COUNT && code == 0; i++) {
        code = lift(wanted[i], &std[i]);
    }
    pid_t pid = 0;
    code = code ? code : spawn(spec, std, &pid);
    for (int i = 0; i < STD_COUNT; i++) {
        if (std[i] >= 0 && std[i] != wanted[i]) {
            (void)close(std[i]);
        }
    }
    if (code) {
        return spawn_error(spec->path, code);
    }
    int pidfd = pidfd_open(pid, 0);
    if (pidfd < 0) { /* out of descriptors: a child that cannot be watched must not run */
        code = errno;
        (void)kill(-pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return spawn_error(spec->path, code);
    }
    *out = (struct proc){ .pid = pid, .pidfd = pidfd };
    return NULL;
}

static void reap(struct proc *proc, struct proc_end *out)
{
    siginfo_t info = { 0 };
    while (waitid(P_PIDFD, (id_t)proc->pidfd, &info, WEXITED) != 0 && errno == EINTR) {
    }
    *out = (struct proc_end){ .signalled = info.si_code != CLD_EXITED, .code = info.si_status };
    (void)close(proc->pidfd);
    *proc = (struct proc){ .pidfd = -1 };
}

bool proc_wait(struct proc *proc, int64_t timeout_ms, struct proc_end *out)
{
    int64_t deadline = clock_mono_ms() + timeout_ms;
    for (;;) {
        int64_t left = timeout_ms < 0 ? -1 : deadline - clock_mono_ms();
        left = timeout_ms >= 0 && left < 0 ? 0 : left;
        struct pollfd p = { .fd = proc->pidfd, .events = POLLIN };
        int n = poll(&p, 1, left > 1000000 ? 1000000 : (int)left);
        if (n > 0) {
            reap(proc, out);
            return true;
        }
        if (n == 0 && timeout_ms >= 0 && clock_mono_ms() >= deadline) {
            return false;
        }
        if (n < 0 && errno != EINTR) {
            return false;
        }
    }
}

void proc_kill(struct proc *proc)
{
    if (proc->pid <= 0) {
        return;
    }
    struct proc_end end;
    (void)kill(-proc->pid, SIGKILL); /* unreaped, so the number is still its own */
    reap(proc, &end);
}
