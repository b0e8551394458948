// SPDX-License-Identifier: Apache-2.0
// The asking side: a child, its request, its answer, and how large it may become.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/proc_call.h"
#include "database/ask_child.h"
#include "database/ask_wire.h"
#include "model/reason.h"

#define REQUEST_MAX ((size_t)32 * 1024 * 1024) // a list of files, credentials
#define CHILD_LEAD_MS 250 // the child gives up a little earlier: it knows better what it waited for
#define KILL_GRACE_MS 2000 // its own alarm: only for a parent that is gone
#define RECORD_TIMEOUT_MS 60000
#define JOURNAL_TIMEOUT_MS 600000
#define GATE_LEAD_MS 5000 // the server's own limit comes first
#define LARGE_AT_ONCE 2
#define FILES_MAX 8

// ---- who may become large -----------------------------------------------------------------------

static struct {
    pthread_mutex_t lock;
    pthread_cond_t free;
    const char *shares[LARGE_AT_ONCE]; // borrowed while they work; NULL: free
} large = { .lock = PTHREAD_MUTEX_INITIALIZER, .free = PTHREAD_COND_INITIALIZER };

// The place of `share`, or -1: none is free, or it has one.
static int place_for(const char *share)
{
    int place = -1;
    for (int i = 0; i < LARGE_AT_ONCE; i++) {
        if (large.shares[i] && str_eq(large.shares[i], share)) {
            return -1;
        }
        place = large.shares[i] ? place : i;
    }
    return place;
}

// -1: cancelled, or the deadline passed.
static int large_enter(const struct ask *ask, int64_t deadline_ms)
{
    pthread_mutex_lock(&large.lock);
    int place = place_for(ask->share);
    while (place < 0 && clock_mono_ms() < deadline_ms && !cancel_triggered(ask->cancel)) {
        struct timespec at;
        clock_gettime(CLOCK_REALTIME, &at);
        at.tv_nsec += 200000000; // to look at the cancel
        at.tv_sec += at.tv_nsec / 1000000000;
        at.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&large.free, &large.lock, &at);
        place = place_for(ask->share);
    }
    if (place >= 0) {
        large.shares[place] = ask->share;
    }
    pthread_mutex_unlock(&large.lock);
    return place;
}

static void large_leave(int place)
{
    pthread_mutex_lock(&large.lock);
    large.shares[place] = NULL;
    pthread_cond_broadcast(&large.free);
    pthread_mutex_unlock(&large.lock);
}

// ---- one child ----------------------------------------------------------------------------------

struct question {
    const struct ask *ask;
    struct ask_job job;
    int64_t deadline_ms;    // monotonic; of all children together
    const char *unanswered; // the reason when there is no answer
};

static struct err *no_answer(const struct question *q, const char *why)
{
    AUTO(free_auto) char *label = target_label(q->ask->target);
    return err_new(ERR_TRANSIENT, q->unanswered, "no answer of %s: %s", label, why);
}

static struct err *interrupted(void)
{
    return err_new(ERR_TRANSIENT, REASON_INTERRUPTED, "interrupted");
}

static struct err *late(const struct question *q)
{
    return no_answer(q, "it was not complete in time");
}

static struct err *too_large(const struct question *q, int64_t memory_bytes)
{
    AUTO(free_auto) char *why =
        mem_printf("it needs more than %lld MiB of memory, which is all that one may take "
                   "(docs/reference/limits.md); "
                   "where a journal is that long by right, `sluice prune` shortens it",
                   (long long)(memory_bytes >> 20));
    return no_answer(q, why);
}

static struct err *ended(const struct question *q, const struct proc_end *how)
{
    AUTO(free_auto) char *why = how->signalled && how->code == SIGXCPU
                                    ? mem_strdup("it takes more processor time than one may need")
                                : how->signalled && how->code == SIGALRM
                                    ? mem_strdup("it was not complete in time")
                                    : mem_printf("the process that asked was ended by %s %d",
                                                 how->signalled ? "signal" : "code", how->code);
    return no_answer(q, why);
}

static size_t kept_files(const struct ask *ask, int out[FILES_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < ask->file_count && count < FILES_MAX; i++) {
        if (ask->files[i] >= 0) {
            out[count++] = ask->files[i];
        }
    }
    return count;
}

static void format_request(struct question *q, int64_t memory_bytes, int64_t left_ms,
                           struct buf *out)
{
    struct wire w = { .out = out };
    q->job.left_ms = left_ms > 4 * CHILD_LEAD_MS ? left_ms - CHILD_LEAD_MS : left_ms;
    q->job.memory_bytes = memory_bytes;
    wire_job(&w, &q->job);
}

// Where certificates and libraries are, and what sanitizers need: nothing that libpq or Connector/C would obey.
static void environment_make(struct strlist *out)
{
    static const char *const names[] = { "SSL_CERT_FILE", "SSL_CERT_DIR",  "LD_LIBRARY_PATH",
                                         "ASAN_OPTIONS",  "UBSAN_OPTIONS", "LSAN_OPTIONS" };
    strlist_add(out, "LC_ALL=C");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value) {
            AUTO(free_auto) char *pair = mem_printf("%s=%s", names[i], value);
            strlist_add(out, pair);
        }
    }
    out->items = mem_grow(out->items, &out->cap, out->count + 1, sizeof *out->items);
    out->items[out->count] = NULL;
}

// *larger: it needs more memory than that.
static struct err *ask_one(struct question *q, int64_t memory_bytes, bool *larger,
                           struct buf *answer)
{
    static const char *const argv[] = { "sluice", "ask-once", NULL };
    const int64_t left = q->deadline_ms - clock_mono_ms();
    int files[FILES_MAX];
    enum proc_call_end end = PROC_CALL_LATE;
    struct proc_end how = { 0 };
    AUTO(secret_buf_done) struct buf request = BUF(REQUEST_MAX);
    AUTO(strlist_done) struct strlist environment = { 0 };
    if (left <= 0) {
        return late(q);
    }
    format_request(q, memory_bytes, left, &request);
    TRY(buf_check(&request, q->unanswered, "what is asked of a database"));
    environment_make(&environment);
    const struct proc_call call = { .argv = argv,
                                    .envp = (const char *const *)environment.items,
                                    .keep_fds = files,
                                    .keep_count = kept_files(q->ask, files),
                                    .stderr_fd = -1,
                                    .cancel_fd = q->ask->cancel ? q->ask->cancel->fd : -1,
                                    .deadline_ms = q->deadline_ms };
    // It is this machine that fails; what is asked for is not there all the same.
    TRY(err_reason(proc_call(&call, &request, answer, &end, &how), q->unanswered));
    if (end == PROC_CALL_CANCELLED) {
        return interrupted();
    }
    if (end == PROC_CALL_LATE) {
        return late(q);
    }
    *larger = end == PROC_CALL_TOO_LARGE || (!how.signalled && how.code == ASK_EXIT_MEMORY);
    if (*larger) {
        return too_large(q, memory_bytes);
    }
    return how.signalled || how.code != 0 ? ended(q, &how) : NULL;
}

static struct err *ask_small_first(struct question *q, int64_t memory_bytes, struct buf *answer)
{
    bool larger = false;
    const int64_t small = memory_bytes < ASK_MEMORY_SMALL ? memory_bytes : ASK_MEMORY_SMALL;
    *answer = BUF((size_t)small / ASK_ANSWER_PART);
    struct err *e = ask_one(q, small, &larger, answer);
    if (!e || !larger || small == memory_bytes) {
        return e;
    }
    err_free(e);
    buf_done(answer);
    const int place = large_enter(q->ask, q->deadline_ms);
    if (place < 0) {
        return cancel_triggered(q->ask->cancel)
                   ? interrupted()
                   : no_answer(q, "it is large, and other large ones were before it");
    }
    *answer = BUF((size_t)memory_bytes / ASK_ANSWER_PART);
    e = ask_one(q, memory_bytes, &larger, answer);
    large_leave(place);
    return e;
}

static struct err *ask_any(struct question *q, struct buf *answer)
{
    const struct ask *ask = q->ask;
    const int64_t memory_bytes = ask->memory_bytes > 0 ? ask->memory_bytes : ASK_MEMORY;
    bool larger = false;
    if (ask->share) {
        return ask_small_first(q, memory_bytes, answer);
    }
    *answer = BUF((size_t)memory_bytes / ASK_ANSWER_PART);
    return ask_one(q, memory_bytes, &larger, answer);
}

static struct question question(const struct ask *ask, enum ask_kind kind, int64_t timeout_ms)
{
    const int64_t connect = ask->connect_timeout_ms > 0 ? ask->connect_timeout_ms : 10000;
    union {
        const char *in;
        char *out;
    } application = { .in = ask->application };
    return (struct question){
        .ask = ask,
        .job = { .kind = kind,
                 .target = *ask->target, // borrowed
                 .application = application.out,
                 .connect_timeout_ms = connect,
                 .show_values = ask->show_values,
                 .has_place = ask->place != NULL,
                 .place = ask->place ? *ask->place : (struct command_place){ 0 } },
        .deadline_ms =
            clock_mono_ms() + (ask->timeout_ms > 0 ? ask->timeout_ms : connect + timeout_ms),
        .unanswered = REASON_DATABASE_UNAVAILABLE
    };
}

// The error that the child tells, or whether what follows can be read.
static struct err *read_error(const struct question *q, struct wire *w)
{
    struct err *e = NULL;
    wire_error(w, &e);
    if (w->bad) {
        err_free(e);
        return no_answer(q, "the process that asked gave none that can be used");
    }
    return e;
}

static struct err *unusable(const struct question *q, const struct wire *w)
{
    return wire_complete(w) ? NULL
                            : no_answer(q, "the process that asked gave none that can be used");
}

static struct wire reader(const struct buf *answer)
{
    return (struct wire){ .at = answer->data, .end = answer->data + answer->len };
}

// ---- the questions ------------------------------------------------------------------------------

struct err *ask_inspect(const struct ask *ask, struct inspection *out)
{
    struct question q = question(ask, ASK_INSPECT, ASK_TIMEOUT_MS);
    AUTO(buf_done) struct buf answer = BUF(0);
    AUTO(inspection_done) struct inspection seen = { 0 };
    TRY(ask_any(&q, &answer));
    struct wire w = reader(&answer);
    TRY(read_error(&q, &w));
    wire_inspection(&w, &seen);
    TRY(unusable(&q, &w));
    inspection_complete(&seen);
    *out = seen;
    seen = (struct inspection){ 0 };
    return NULL;
}

struct err *ask_look_around(const struct ask *ask, struct inspection *out,
                            struct ask_around *around)
{
    struct question q = question(ask, ASK_AROUND, ASK_TIMEOUT_MS);
    AUTO(buf_done) struct buf answer = BUF(0);
    AUTO(inspection_done) struct inspection seen = { 0 };
    AUTO(ask_around_done) struct ask_around beside = { 0 };
    TRY(ask_any(&q, &answer));
    struct wire w = reader(&answer);
    TRY(read_error(&q, &w));
    wire_inspection(&w, &seen);
    wire_around(&w, &beside);
    TRY(unusable(&q, &w));
    inspection_complete(&seen);
    *out = seen;
    *around = beside;
    seen = (struct inspection){ 0 };
    beside = (struct ask_around){ 0 };
    return NULL;
}

void ask_around_done(struct ask_around *around)
{
    free(around->runner);
    kvlist_done(&around->histories);
    *around = (struct ask_around){ 0 };
}

struct err *ask_journal(const struct ask *ask, int64_t *rows)
{
    struct question q = question(ask, ASK_JOURNAL, JOURNAL_TIMEOUT_MS);
    AUTO(buf_done) struct buf answer = BUF(0);
    int64_t count = 0;
    TRY(ask_any(&q, &answer));
    struct wire w = reader(&answer);
    TRY(read_error(&q, &w));
    wire_int64(&w, &count, 0, INT64_MAX);
    TRY(unusable(&q, &w));
    *rows = count;
    return NULL;
}

struct err *ask_gate(const struct ask *ask, const char *query, int64_t timeout_ms,
                     struct gate_value *out)
{
    struct question q = question(ask, ASK_GATE, timeout_ms + GATE_LEAD_MS);
    AUTO(free_auto) char *text = mem_strdup(query);
    AUTO(buf_done) struct buf answer = BUF(0);
    struct gate_value value = { 0 };
    q.job.query = text;
    q.job.query_timeout_ms = timeout_ms;
    q.unanswered = REASON_ANALYSIS_UNAVAILABLE;
    TRY(ask_any(&q, &answer));
    struct wire w = reader(&answer);
    TRY(read_error(&q, &w));
    wire_gate(&w, &value);
    TRY(unusable(&q, &w));
    *out = value;
    return NULL;
}

static struct err *ask_record(struct question *q, const struct apply_request *request)
{
    AUTO(buf_done) struct buf answer = BUF(0);
    AUTO(free_auto) char *holder = mem_strdup(request->holder);
    AUTO(free_auto) char *commit = mem_strdup(request->git_commit);
    AUTO(free_auto) char *token = mem_strdup(request->retry_token);
    q->job.migrations = *request->migrations; // borrowed
    q->job.execution = *request->execution;
    q->job.holder = holder;
    q->job.git_commit = commit;
    q->job.retry_token = token;
    q->job.lock_wait_ms = request->lock_wait_ms;
    q->job.has_files = request->files != NULL;
    if (request->files) {
        q->job.files = *request->files; // borrowed
    }
    TRY(ask_any(q, &answer));
    struct wire w = reader(&answer);
    TRY(read_error(q, &w));
    return unusable(q, &w);
}

struct err *ask_failure(const struct ask *ask, const struct apply_request *request,
                        const struct migration *file, const struct result *failed)
{
    struct question q = question(ask, ASK_FAILURE, RECORD_TIMEOUT_MS);
    q.job.script = file->script;
    q.job.failed = *failed; // borrowed
    return ask_record(&q, request);
}

struct err *ask_take_over(const struct ask *ask, const struct apply_request *request,
                          const char *former)
{
    struct question q = question(ask, ASK_TAKE_OVER, RECORD_TIMEOUT_MS);
    AUTO(free_auto) char *uid = mem_strdup(former);
    q.job.owner = request->owner; // borrowed
    q.job.former = uid;
    return ask_record(&q, request);
}

struct err *ask_resolution(const struct ask *ask, const struct apply_request *request,
                           const struct resolution *resolution)
{
    struct question q = question(ask, ASK_RESOLUTION, RECORD_TIMEOUT_MS);
    q.job.resolution = *resolution; // borrowed
    return ask_record(&q, request);
}
