/* SPDX-License-Identifier: Apache-2.0 */
/* A question to a child process. */
#include "base/proc_call.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"

struct talk {
    const struct proc_call *call;
    const struct buf *request;
    struct buf *answer;
    struct proc proc;
    int in, out; /* to the child's standard input, from its standard output */
    size_t sent;
};

static void talk_done(struct talk *talk)
{
    if (talk->proc.pid > 0) {
        proc_kill(&talk->proc);
    }
    fd_close(&talk->in);
    fd_close(&talk->out);
}

static struct err *local_error(const char *what)
{
    char text[128];
    return err_new(ERR_TRANSIENT, "InternalError", "could not %s: %s", what,
                   strerror_r(errno, text, sizeof text));
}

static struct err *start(struct talk *talk)
{
    int in[2] = { -1, -1 }; /* a socket: a child that dies early must not raise SIGPIPE here */
    int out[2] = { -1, -1 };
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) != 0) {
        return local_error("make a socket");
    }
    talk->in = in[0];
    if (pipe2(out, O_CLOEXEC) != 0) {
        struct err *e = local_error("make a pipe");
        (void)close(in[1]);
        return e;
    }
    talk->out = out[0];
    const struct proc_spec spec = { .path = talk->call->exe ? talk->call->exe : "/proc/self/exe",
                                    .argv = talk->call->argv,
                                    .envp = talk->call->envp,
                                    .stdin_fd = in[1],
                                    .stdout_fd = out[1],
                                    .stderr_fd = talk->call->stderr_fd,
                                    .keep_fds = talk->call->keep_fds,
                                    .keep_count = talk->call->keep_count };
    struct err *e = proc_spawn(&spec, &talk->proc);
    (void)close(in[1]);
    (void)close(out[1]);
    (void)fcntl(talk->in, F_SETFL, O_NONBLOCK);
    (void)fcntl(talk->out, F_SETFL, O_NONBLOCK);
    return e;
}

static void send_some(struct talk *talk)
{
    const size_t left = talk->request->len - talk->sent;
    const ssize_t n = send(talk->in, talk->request->data + talk->sent, left, MSG_NOSIGNAL);
    if (n > 0) {
        talk->sent += (size_t)n;
    }
    const bool broken = n < 0 && errno != EAGAIN && errno != EINTR; /* the answer will tell why */
    if (talk->sent == talk->request->len || broken) {
        fd_close(&talk->in);
    }
}

/* True at the end of file, and of what may be taken. */
static bool receive(const struct talk *talk)
{
    char chunk[65536];
    const ssize_t n = read(talk->out, chunk, sizeof chunk);
    if (n > 0) {
        buf_add(talk->answer, chunk, (size_t)n);
        return talk->answer->failed;
    }
    return n == 0 || (errno != EAGAIN && errno != EINTR);
}

static struct err *converse(struct talk *talk, enum proc_call_end *end)
{
    for (;;) {
        const int64_t left = talk->call->deadline_ms - clock_mono_ms();
        if (left <= 0) {
            *end = PROC_CALL_LATE;
            return NULL;
        }
        struct pollfd fds[] = {
            { .fd = talk->out, .events = POLLIN },
            { .fd = talk->call->cancel_fd, .events = POLLIN },
            { .fd = talk->in, .events = POLLOUT },
        };
        if (poll(fds, 3, left < 60000 ? (int)left : 60000) < 0 && errno != EINTR) {
            return local_error("wait for a child process");
        }
        if (fds[1].revents) {
            *end = PROC_CALL_CANCELLED;
            return NULL;
        }
        if (fds[2].revents) {
            send_some(talk);
        }
        if (fds[0].revents && receive(talk)) {
            *end = talk->answer->failed ? PROC_CALL_TOO_LARGE : PROC_CALL_ENDED;
            return NULL;
        }
    }
}

struct err *proc_call(const struct proc_call *call, const struct buf *request, struct buf *answer,
                      enum proc_call_end *end, struct proc_end *how)
{
    AUTO(talk_done)
    struct talk talk = { .call = call,
                         .request = request,
                         .answer = answer,
                         .proc = { .pidfd = -1 },
                         .in = -1,
                         .out = -1 };
    TRY(start(&talk));
    TRY(converse(&talk, end));
    if (*end == PROC_CALL_ENDED) { /* it has closed its output, so it is about to end */
        const int64_t left = call->deadline_ms - clock_mono_ms();
        *end = proc_wait(&talk.proc, left > 0 ? left : 0, how) ? PROC_CALL_ENDED : PROC_CALL_LATE;
    }
    return NULL;
}
