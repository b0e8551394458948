// SPDX-License-Identifier: Apache-2.0
// `sluice ask-once`: limits on itself first, then the request, the work, one answer.
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "database/ask_child.h"
#include "base/auto.h"
#include "base/confine.h"
#include "base/mem.h"
#include "database/ask_wire.h"
#include "database/engine.h"
#include "model/reason.h"

#define OPEN_FILES 64         // one connection or two, the store of certificates
#define PROCESSOR_S 10        // a login asks for milliseconds of it; one of 2^31 rounds for hours
#define RECORD_PROCESSOR_S 30 // with a journal to verify
#define ALARM_GRACE_MS 2000   // after the parent's deadline: only for a parent that is gone
#define NICE 5                // who asks comes before what is asked
#define REQUEST_MAX ((size_t)32 * 1024 * 1024)

static void out_of_memory(void)
{
    _exit(ASK_EXIT_MEMORY);
}

static void confine(const struct ask_job *job, size_t request_bytes)
{
    // What came with the request is ours, not the server's.
    confine_memory(job->memory_bytes + 4 * (int64_t)request_bytes);
    confine_work(ask_is_record(job->kind) ? RECORD_PROCESSOR_S : PROCESSOR_S);
    confine_cap(RLIMIT_NOFILE, OPEN_FILES);
    const struct rlimit none = { 0, 0 };
    (void)setrlimit(RLIMIT_FSIZE, &none);
    (void)setpriority(PRIO_PROCESS, 0, NICE);
    confine_time(job->left_ms + ALARM_GRACE_MS);
}

static struct err *read_request(struct ask_job *job, size_t *length)
{
    AUTO(secret_buf_done) struct buf text = BUF(REQUEST_MAX);
    char chunk[65536];
    for (ssize_t n; (n = read(STDIN_FILENO, chunk, sizeof chunk)) != 0;) {
        if (n < 0 && errno != EINTR) {
            return err_new(ERR_TRANSIENT, REASON_INTERNAL, "could not read the request");
        }
        if (n > 0) {
            buf_add(&text, chunk, (size_t)n);
        }
    }
    struct wire w = { .at = text.data, .end = text.data + text.len };
    wire_job(&w, job);
    *length = text.len;
    secret_wipe(chunk, sizeof chunk);
    return wire_complete(&w) ? NULL
                             : err_new(ERR_TRANSIENT, REASON_INTERNAL, "the request is damaged");
}

// ---- the work -----------------------------------------------------------------------------------

static struct db_options options_of(const struct ask_job *job)
{
    return (struct db_options){ .application = job->application,
                                .connect_timeout_ms = job->connect_timeout_ms,
                                .read_only = true,
                                .show_values = job->show_values,
                                .place = job->has_place ? &job->place : NULL };
}

static bool has_open_statement(const struct journal *journal)
{
    for (size_t i = 0; i < journal->count; i++) {
        if (journal->rows[i].state == JOURNAL_INTENT &&
            journal_is_newest(journal, &journal->rows[i])) {
            return true;
        }
    }
    return false;
}

static struct err *look_around(struct db *db, struct inspection *seen, struct ask_around *around)
{
    around->runner = db_lock_holder(db, &seen->lease);
    if (!around->runner && has_open_statement(&seen->journal)) {
        inspection_done(seen); // its runner may have ended between the two looks
        TRY(db_inspect(db, JOURNAL_FILES, seen));
    }
    return seen->history.count > 0 ? NULL : db_foreign_histories(db, &around->histories);
}

static struct err *inspect(const struct ask_job *job, struct inspection *seen,
                           struct ask_around *around, int64_t *rows)
{
    AUTO(db_close_auto) struct db *db = NULL;
    const struct db_options options = options_of(job);
    TRY(db_open(&job->target, &options, &db));
    TRY(db_inspect(db, JOURNAL_FILES, seen));
    return job->kind == ASK_JOURNAL  ? db_verify_journal(db, seen, rows)
           : job->kind == ASK_AROUND ? look_around(db, seen, around)
                                     : NULL;
}

static struct err *gate(const struct ask_job *job, struct gate_value *value)
{
    AUTO(db_close_auto) struct db *db = NULL;
    const struct db_options options = options_of(job);
    TRY(db_open(&job->target, &options, &db));
    return db_gate(db, job->query ? job->query : "", job->query_timeout_ms, value);
}

static struct err *nothing_to_apply(void *payload, const struct inspection *seen, bool settled,
                                    struct apply_list *out)
{
    (void)payload;
    (void)seen;
    (void)settled;
    (void)out;
    return NULL;
}

// Whoever owns it now, it is not the one that was seen to be gone, or an attempt was interrupted: a Job must find out.
static struct err *still_left(void *payload, const struct inspection *seen, bool settled,
                              struct apply_list *out)
{
    const struct ask_job *job = payload;
    const struct lease *lease = &seen->lease;
    (void)settled;
    (void)out;
    const bool left = lease->present && str_eq(lease->owner_plan_uid, job->former);
    if ((left || lease_is_ours(lease, &job->owner)) && !has_open_statement(&seen->journal)) {
        return NULL;
    }
    return err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE,
                   left ? "an attempt was interrupted since the database was inspected"
                        : "the owner of the database has changed since it was inspected");
}

static const struct migration *file_of(const struct ask_job *job)
{
    for (size_t i = 0; i < job->files.count; i++) {
        if (str_eq(job->files.items[i].script, job->script)) {
            return &job->files.items[i];
        }
    }
    return NULL;
}

static struct err *record(struct ask_job *job)
{
    AUTO(result_done) struct result result = { 0 };
    struct apply_request request = { .target = &job->target,
                                     .migrations = &job->migrations,
                                     .execution = &job->execution,
                                     .lease = LEASE_COMMAND,
                                     .ownership = OWNERSHIP_KEEP,
                                     .holder = job->holder,
                                     .git_commit = job->git_commit,
                                     .retry_token = job->retry_token,
                                     .lock_wait_ms = job->lock_wait_ms,
                                     .place = job->has_place ? &job->place : NULL,
                                     .decide = nothing_to_apply,
                                     .files = job->has_files ? &job->files : NULL };
    if (job->kind == ASK_TAKE_OVER) {
        request.owner = job->owner;
        request.ownership = OWNERSHIP_TAKE_OVER;
        request.decide = still_left;
        request.payload = job;
        return apply_run(&request, &result);
    }
    if (job->kind == ASK_RESOLUTION) {
        return record_resolution(&request, &job->resolution, &result);
    }
    const struct migration *file = file_of(job);
    return file
               ? record_failure(&request, file, &job->failed, &result)
               : err_new(ERR_TERMINAL, REASON_INTERNAL, "the file that failed was not handed over");
}

// ---- the answer ---------------------------------------------------------------------------------

static bool write_all(const struct buf *bytes)
{
    for (size_t sent = 0; sent < bytes->len;) {
        const ssize_t n = write(STDOUT_FILENO, bytes->data + sent, bytes->len - sent);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        sent += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static struct err *work(struct ask_job *job, struct buf *out)
{
    AUTO(inspection_done) struct inspection seen = { 0 };
    AUTO(ask_around_done) struct ask_around around = { 0 };
    struct gate_value value = { 0 };
    struct wire w = { .out = out };
    struct err *none = NULL;
    int64_t rows = 0;
    switch (job->kind) {
    case ASK_INSPECT:
    case ASK_AROUND:
    case ASK_JOURNAL:
        TRY(inspect(job, &seen, &around, &rows));
        break;
    case ASK_GATE:
        TRY(gate(job, &value));
        break;
    case ASK_FAILURE:
    case ASK_RESOLUTION:
    case ASK_TAKE_OVER:
        TRY(record(job));
        break;
    case ASK_KIND_MAX_:
        break;
    }
    wire_error(&w, &none);
    if (job->kind == ASK_INSPECT || job->kind == ASK_AROUND) {
        wire_inspection(&w, &seen);
    }
    if (job->kind == ASK_AROUND) {
        wire_around(&w, &around);
    } else if (job->kind == ASK_JOURNAL) {
        wire_int64(&w, &rows, 0, INT64_MAX);
    } else if (job->kind == ASK_GATE) {
        wire_gate(&w, &value);
    }
    return NULL;
}

// A login that does not end: told by the thread that watches it.
static void give_up(const char *message)
{
    struct err *e = err_new(ERR_TRANSIENT, REASON_DATABASE_UNAVAILABLE, "%s", message);
    AUTO(buf_done) struct buf out = BUF(65536);
    struct wire w = { .out = &out };
    wire_error(&w, &e);
    _exit(write_all(&out) ? 0 : 1);
}

static bool answer(struct ask_job *job)
{
    AUTO(buf_done) struct buf out = BUF((size_t)job->memory_bytes / ASK_ANSWER_PART);
    AUTO(err_free_auto) struct err *e = work(job, &out);
    if (e && db_memory_was_short()) {
        out_of_memory();
    }
    if (e) {
        struct wire w = { .out = &out };
        buf_reset(&out);
        wire_error(&w, &e);
    }
    if (out.failed) {
        out_of_memory();
    }
    return write_all(&out);
}

int ask_once_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct ask_job job = { 0 };
    size_t length = 0;
    confine_early();
    mem_on_exhausted(out_of_memory);
    overdue_handler(give_up);
    struct err *e = read_request(&job, &length);
    if (e) {
        err_free(e);
        return 1;
    }
    confine(&job, length);
    const bool told = answer(&job);
    ask_job_done(&job);
    return told ? 0 : 1;
}
