/* SPDX-License-Identifier: Apache-2.0 */
/* The parent's side: start the child, hand it the request, take its answer, never wait longer than
 * agreed. */
#include "git/repo.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/proc.h"
#include "git/refs.h"
#include "git/url.h"
#include "git/wire.h"
#include "model/reason.h"

#define TIMEOUT_MS 60000
#define MEMORY_BYTES (1024LL * 1024 * 1024)
#define END_MS 2000                /* an answer is complete, yet the child does not end */
#define SMALL_ANSWER (1024 * 1024) /* bytes */
#define TURN_MS 30000              /* for the rest of a large answer: the child has it in memory */
#define TURN_LOOK_MS 20
#define CHILD_LEAD_MS 250 /* the child ends a little earlier: it knows better what it waited for */

struct call { /* one child from start to end */
    const struct repo_source *source;
    const struct repo_request *request;
    int64_t deadline_ms;
    char *home;    /* private folder; owned */
    int socket_fd; /* to the child's standard input */
    int pipe_fd;   /* from its standard output */
    struct proc proc;
    struct buf request_text;
    size_t sent;
    struct buf answer;
    bool has_turn;
};

/* Large answers are taken and parsed one at a time: as many as there are threads would together need
 * more memory than this process may have. The others' children wait with theirs. */
static atomic_flag turn = ATOMIC_FLAG_INIT;

static void call_done(struct call *call)
{
    if (call->proc.pid > 0) {
        proc_kill(&call->proc);
    }
    fd_close(&call->socket_fd);
    fd_close(&call->pipe_fd);
    secret_buf_done(&call->request_text);
    buf_done(&call->answer);
    if (call->has_turn) {
        atomic_flag_clear(&turn);
    }
    if (call->home) {
        err_free(file_remove_tree(call->home));
        free(call->home);
    }
}

static struct err *local_error(const char *what)
{
    char text[128];
    return err_new(ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED, "could not %s: %s", what,
                   strerror_r(errno, text, sizeof text));
}

static struct err *deadline_error(const struct repo_source *source)
{
    char text[TIME_TEXT_LEN];
    duration_format_short(source->timeout_ms, text);
    return err_new(ERR_TRANSIENT, REASON_SOURCE_UNAVAILABLE, "no complete answer within %s", text);
}

/* ---- start ----------------------------------------------------------------------------------- */

static struct err *make_home(struct call *call)
{
    const char *base = call->source->scratch ? call->source->scratch : getenv("TMPDIR");
    call->home = mem_printf("%s/sluice-fetch-XXXXXX", base && base[0] ? base : "/tmp");
    if (!mkdtemp(call->home)) {
        struct err *error = local_error("make a private folder");
        free(TAKE(call->home));
        return error;
    }
    return NULL;
}

static struct err *spawn(struct call *call)
{
    int in[2] = { -1, -1 }; /* a socket: a child that dies early must not raise SIGPIPE here */
    int out[2] = { -1, -1 };
    static const char *const argv[] = { "sluice", "fetch-once", NULL };
    static const char *const envp[] = { "LC_ALL=C", NULL };
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) != 0) {
        return local_error("make a socket");
    }
    call->socket_fd = in[0];
    if (pipe2(out, O_CLOEXEC) != 0) {
        struct err *error = local_error("make a pipe");
        (void)close(in[1]);
        return error;
    }
    call->pipe_fd = out[0];
    struct proc_spec spec = {
        .path = call->source->exe ? call->source->exe : "/proc/self/exe",
        .argv = argv,
        .envp = envp,
        .stdin_fd = in[1],
        .stdout_fd = out[1],
        .stderr_fd = call->source->stderr_fd ? *call->source->stderr_fd : -1,
    };
    struct err *error = proc_spawn(&spec, &call->proc);
    (void)close(in[1]);
    (void)close(out[1]);
    if (error) {
        AUTO(free_auto) char *text = mem_strdup(error->message);
        err_free(error);
        return err_new(ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED, "%s", text);
    }
    (void)fcntl(call->socket_fd, F_SETFL, O_NONBLOCK);
    (void)fcntl(call->pipe_fd, F_SETFL, O_NONBLOCK);
    return NULL;
}

/* ---- talk ------------------------------------------------------------------------------------ */

static void send_request(struct call *call)
{
    size_t left = call->request_text.len - call->sent;
    ssize_t n = send(call->socket_fd, call->request_text.data + call->sent, left, MSG_NOSIGNAL);
    if (n > 0) {
        call->sent += (size_t)n;
    }
    bool broken = n < 0 && errno != EAGAIN && errno != EINTR; /* the answer will tell why */
    if (call->sent == call->request_text.len || broken) {
        fd_close(&call->socket_fd);
    }
}

/* True at the end of file. */
static bool receive(struct call *call)
{
    char chunk[65536];
    ssize_t n = read(call->pipe_fd, chunk, sizeof chunk);
    if (n > 0) {
        buf_add(&call->answer, chunk, (size_t)n);
        return call->answer.failed;
    }
    return n == 0 || (errno != EAGAIN && errno != EINTR);
}

/* May more of the answer be read? Whoever has the turn must be quick. */
static bool may_receive(struct call *call)
{
    if (call->answer.len < SMALL_ANSWER || call->has_turn) {
        return true;
    }
    call->has_turn = !atomic_flag_test_and_set(&turn);
    if (call->has_turn) {
        int64_t until_ms = clock_mono_ms() + TURN_MS;
        call->deadline_ms = call->deadline_ms < until_ms ? call->deadline_ms : until_ms;
    }
    return call->has_turn;
}

static struct err *talk(struct call *call)
{
    for (;;) {
        bool receiving = may_receive(call);
        int64_t left = call->deadline_ms - clock_mono_ms();
        int64_t most = receiving ? 60000 : TURN_LOOK_MS;
        if (left <= 0) {
            return deadline_error(call->source);
        }
        struct pollfd fds[] = {
            { .fd = receiving ? call->pipe_fd : -1, .events = POLLIN },
            { .fd = call->source->cancel_fd ? *call->source->cancel_fd : -1, .events = POLLIN },
            { .fd = call->socket_fd, .events = POLLOUT },
        };
        if (poll(fds, 3, (int)(left < most ? left : most)) < 0 && errno != EINTR) {
            return local_error("wait for the fetch process");
        }
        if (fds[1].revents) {
            return err_new(ERR_WAIT, REASON_INTERRUPTED, "the fetch was given up: shutting down");
        }
        if (fds[2].revents) {
            send_request(call);
        }
        if (fds[0].revents && receive(call)) {
            return NULL;
        }
    }
}

/* Also tells whether a damaged clone may have been the cause. */
static struct err *end(struct call *call, bool *crashed)
{
    struct proc_end how = { 0 };
    if (call->answer.failed) {
        return err_new(ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED,
                       "the fetch process wrote more than %ld bytes", WIRE_ANSWER_MAX);
    }
    if (!proc_wait(&call->proc, END_MS, &how)) {
        return err_new(ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED, "the fetch process does not end");
    }
    if (how.signalled) {
        *crashed = how.code == SIGSEGV || how.code == SIGBUS || how.code == SIGABRT ||
                   how.code == SIGILL || how.code == SIGFPE;
        return err_new(ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED,
                       "the fetch process was ended by signal %d%s", how.code,
                       how.code == SIGXCPU   ? " (it used more processor time than its deadline)"
                       : how.code == SIGKILL ? " (killed, perhaps for lack of memory)"
                                             : "");
    }
    if (how.code != 0 && call->answer.len == 0) {
        return err_new(ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED,
                       "the fetch process ended with code %d and no answer", how.code);
    }
    return NULL;
}

/* A request whose url, timeout and limits are checked and resolved. */
static struct err *call_run(struct call *call, struct wire_job *job, bool *crashed)
{
    AUTO(free_auto) char *cache = NULL;
    TRY(make_home(call));
    job->request = *call->request;
    if (!job->request.cache) {
        cache = mem_printf("%s/clone", call->home);
        job->request.cache = cache;
    }
    int64_t left = call->deadline_ms - clock_mono_ms();
    job->home = call->home;
    job->left_ms = left > 4 * CHILD_LEAD_MS ? left - CHILD_LEAD_MS : left;
    call->request_text = BUF(WIRE_REQUEST_MAX);
    call->answer = BUF(WIRE_ANSWER_MAX);
    wire_format_request(job, &call->request_text);
    TRY(buf_check(&call->request_text, REASON_SECRET_INVALID,
                  "the request of a fetch (credentials and paths)"));
    if (left <= 0) {
        return deadline_error(call->source);
    }
    TRY(spawn(call));
    TRY(talk(call));
    return end(call, crashed);
}

/* ---- the two questions ----------------------------------------------------------------------- */

static struct err *resolve_source(const struct repo_source *from, struct repo_source *out)
{
    *out = *from;
    TRY(repo_url_check(from->url, from->allow));
    struct repo_limits *l = &out->limits;
    out->timeout_ms = from->timeout_ms > 0 ? from->timeout_ms : TIMEOUT_MS;
    l->pack_bytes = l->pack_bytes > 0 ? l->pack_bytes : LIMIT_PACK;
    l->object_bytes = l->object_bytes > 0 ? l->object_bytes : LIMIT_OBJECT;
    l->objects = l->objects > 0 ? l->objects : LIMIT_OBJECTS;
    l->memory_bytes = l->memory_bytes > 0 ? l->memory_bytes : MEMORY_BYTES;
    return NULL;
}

static struct call call_make(const struct repo_request *request, int64_t deadline_ms)
{
    return (struct call){
        .source = &request->source,
        .request = request,
        .deadline_ms = deadline_ms,
        .socket_fd = -1,
        .pipe_fd = -1,
        .proc = { .pidfd = -1 },
    };
}

static struct err *ask(const struct repo_request *request, const struct repo_ref *refs,
                       size_t count, struct repo_tip *tips)
{
    bool crashed = false;
    struct wire_job job = { .poll = true, .refs = refs, .ref_count = count };
    AUTO(call_done) struct call call =
        call_make(request, clock_mono_ms() + request->source.timeout_ms);
    TRY(call_run(&call, &job, &crashed));
    return wire_parse_tips(call.answer.data, call.answer.len, count, tips);
}

static struct err *answer_commits(const struct repo_ref *refs, size_t count, struct repo_tip *tips)
{
    for (size_t i = 0; i < count; i++) {
        tips[i].error = refs_commit_parse(refs[i].name, tips[i].commit);
        tips[i].ref = mem_strdup("");
    }
    return NULL;
}

struct err *repo_poll(const struct repo_source *source, const struct repo_ref *refs, size_t count,
                      struct repo_tip *tips)
{
    struct repo_request request = { 0 };
    bool only_commits = true;
    memset(tips, 0, count * sizeof *tips);
    TRY(resolve_source(source, &request.source));
    for (size_t i = 0; i < count; i++) {
        only_commits = only_commits && refs_is_commit(&refs[i]);
    }
    if (only_commits) {
        return answer_commits(refs, count, tips);
    }
    return err_wrap(ask(&request, refs, count, tips), "could not ask '%s'", source->url);
}

static struct err *fetch_once(const struct repo_request *request, int64_t deadline_ms, bool anew,
                              bool *crashed, struct repo_result *out)
{
    struct wire_job job = { .anew = anew, .refs = &request->ref, .ref_count = 1 };
    AUTO(call_done) struct call call = call_make(request, deadline_ms);
    TRY(call_run(&call, &job, crashed));
    return wire_parse_result(call.answer.data, call.answer.len, request, out);
}

struct err *repo_fetch(const struct repo_request *request, struct repo_result *out)
{
    struct repo_request resolved = *request;
    bool crashed = false;
    TRY(resolve_source(&request->source, &resolved.source));
    int64_t deadline_ms = clock_mono_ms() + resolved.source.timeout_ms;
    struct err *error = fetch_once(&resolved, deadline_ms, false, &crashed, out);
    if (error && crashed && request->cache) {
        /* A damaged file can bring libgit2 down before it notices: once more, from nothing. */
        err_free(error);
        error = fetch_once(&resolved, deadline_ms, true, &crashed, out);
    }
    return err_wrap(error, "could not fetch '%s'", request->source.url);
}
