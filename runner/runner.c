/* SPDX-License-Identifier: Apache-2.0 */
/* Settles, decides and applies by one assignment; tells the log and the verdict's file. */
#include "runner/runner.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "database/credentials.h"
#include "database/overdue.h"
#include "model/reason.h"
#include "reconcile/migration/directive.h"
#include "reconcile/migration/parse.h"
#include "reconcile/migration/placeholder.h"
#include "runner/budget.h"
#include "runner/internal.h"
#include "runner/read.h"
#include "runner/signals.h"

#define LOCK_WAIT_MS                                                                               \
    10000 /* docs/reference/commands.md: Jobs give up soon, the controller tries again */

struct runner {
    const struct run_order *order;
    struct assignment assignment;
    struct migration_set files;
    char *content;
    struct target target;
    struct credential_files certificates;
    char timestamp[TIME_TEXT_LEN];
    char *working_directory;
};

static struct cancel interrupted = { .fd = -1 };

/* ---- what to apply ---------------------------------------------------------------------------- */

/* Settling an earlier attempt may have recorded a file as applied: it is in the history then. */
static bool applied_already(const struct assignment *a, const struct history *history,
                            const struct migration *file)
{
    for (size_t i = 0; i < history->count; i++) {
        const struct history_row *row = &history->rows[i];
        if (!row->success) {
            continue;
        }
        if (file->kind == MIGRATION_REPEATABLE) {
            AUTO(free_auto) char *description = description_stored(file->description);
            if (!row->has_version && row->rank > a->expect.rank &&
                str_eq(row->description, description)) {
                return true;
            }
        } else if (row->has_version && version_compare(&row->version, &file->version) == 0) {
            return true;
        }
    }
    return false;
}

static struct err *make_list(const struct runner *r, const struct inspection *seen,
                             struct apply_list *out)
{
    const struct assignment *a = &r->assignment;
    const struct placeholders placeholders =
        placeholders_for(&a->migrations, &seen->identity, r->timestamp, r->working_directory);
    out->items = mem_array(r->files.count + 1, sizeof *out->items);
    if (a->migrations.baseline_on_migrate && !seen->history.table_exists &&
        !seen->history.schema_empty) {
        out->items[out->count++] = (struct apply_item){ .baseline_marker = true };
    }
    for (size_t i = 0; i < r->files.count; i++) {
        const struct migration *file = &r->files.items[i];
        int32_t checksum = file->raw_checksum;
        if (applied_already(a, &seen->history, file)) {
            continue;
        }
        if (!a->files[i].has_checksum) {
            TRY(placeholders_checksum(file, &placeholders, &checksum));
        }
        out->items[out->count++] = (struct apply_item){ .file = file, .checksum = checksum };
    }
    return NULL;
}

static struct err *decide(void *payload, const struct inspection *seen, bool settled,
                          struct apply_list *out)
{
    const struct runner *r = payload;

    if (!settled) {
        TRY(runner_check(&r->assignment, seen));
    }
    return make_list(r, seen, out);
}

/* ---- log -------------------------------------------------------------------------------------- */

static void log_statement(void *payload, const struct migration *file, int statement,
                          int64_t elapsed_ms)
{
    (void)payload;
    LOG(LOG_DEBUG, "statement done", LOG_S("script", file->script), LOG_I("statement", statement),
        LOG_I("ms", elapsed_ms));
}

static void log_file(void *payload, const struct migration *file, int64_t elapsed_ms,
                     const struct err *e)
{
    (void)payload;
    if (e) {
        LOG(LOG_ERROR, "migration failed", LOG_S("script", file->script), LOG_I("ms", elapsed_ms),
            LOG_S("reason", e->reason), LOG_S("message", e->message));
    } else {
        LOG(LOG_INFO, "migration applied", LOG_S("script", file->script), LOG_I("ms", elapsed_ms));
    }
}

static void log_notice(void *payload, const char *text)
{
    (void)payload;
    LOG(LOG_INFO, "notice", LOG_S("text", text));
}

/* ---- the run ---------------------------------------------------------------------------------- */

static struct err *prepare(struct runner *r)
{
    const struct assignment *a = &r->assignment;
    AUTO(secret_kvlist_done) struct kvlist keys = { 0 };

    TRY(assignment_read(r->order->assignment, r->order->sha256, &r->assignment, &r->files,
                        &r->content));
    for (size_t i = 0; i < r->files.count; i++) {
        TRY(directives_parse(&r->files.items[i], &r->files.items[i].directives));
    }
    TRY(credentials_read(r->order->credentials, &keys));
    const struct target_overrides overrides = { .type = engine_text(a->database.engine),
                                                .host = a->database.host,
                                                .database = a->database.database,
                                                .port = a->database.port,
                                                .tls = a->database.tls };
    TRY(credentials_target(&keys, &overrides, &r->target, &r->certificates));
    r->target.schema = mem_strdup(a->database.schema);
    r->target.table = mem_strdup(a->database.table);
    r->working_directory = getcwd(NULL, 0);
    time_format_local(r->timestamp);
    return NULL;
}

static struct err *execute(struct runner *r, struct result *out)
{
    const struct assignment *a = &r->assignment;
    const struct progress progress = { .statement = log_statement,
                                       .file_end = log_file,
                                       .notice = log_notice };
    const struct command_place place = { .plan = a->plan.name,
                                         .namespace_ = a->plan.namespace_,
                                         .database = a->database.name,
                                         .standalone = getenv("SLUICE_STANDALONE") };
    const struct apply_request request = {
        .target = &r->target,
        .migrations = &a->migrations,
        .execution = &a->execution,
        .lease = LEASE_JOB,
        .attempt = a->attempt,
        .owner = { .plan_uid = a->plan.uid,
                   .namespace_ = a->plan.namespace_,
                   .name = a->plan.name,
                   .database = a->database.name,
                   .cluster = a->plan.cluster },
        .ownership = a->ownership,
        .holder = r->order->job ? r->order->job : "sluice run",
        .git_commit = a->commit,
        .retry_token = a->retry_token,
        .timestamp = r->timestamp,
        .stop_at_ms = a->stop_at_ms,
        .lock_wait_ms = r->order->lock_wait_ms ? r->order->lock_wait_ms : LOCK_WAIT_MS,
        .cancel = &interrupted,
        .progress = &progress,
        .place = &place,
        .decide = decide,
        .payload = r,
        .files = &r->files,
    };

    LOG(LOG_INFO, "run started", LOG_S("namespace", a->plan.namespace_),
        LOG_S("plan", a->plan.name), LOG_S("database", a->database.name),
        LOG_S("commit", a->commit), LOG_I("attempt", a->attempt),
        LOG_I("files", (int64_t)a->file_count));
    if (a->execution.deadline_ms > 0) {
        alarm((unsigned)((a->execution.deadline_ms + 999) / 1000));
    }
    struct err *failed = apply_run(&request, out);
    if (failed && signals_alarmed() && str_eq(failed->reason, REASON_INTERRUPTED)) {
        failed->reason = REASON_DEADLINE_EXCEEDED;
        failed = err_wrap(failed, "the Job ran longer than execution.deadline");
        out->outcome = OUTCOME_TIMED_OUT;
    }
    return failed;
}

static const struct run_order *told_by; /* of this process */
static int64_t attempt_at_work;

/* A login that does not end: the verdict that the thread which is kept there cannot give. */
static void give_up(const char *message)
{
    struct result result = { .attempt = attempt_at_work,
                             .code = reason_exit_code(REASON_DATABASE_UNAVAILABLE),
                             .outcome = OUTCOME_UNREACHABLE,
                             .reason = mem_strdup(REASON_DATABASE_UNAVAILABLE),
                             .message = mem_strdup(message) };

    LOG(LOG_ERROR, "run ended", LOG_S("outcome", outcome_text(result.outcome)),
        LOG_I("code", result.code), LOG_S("reason", result.reason), LOG_S("message", message));
    err_free(verdict_write(told_by->result, &result));
    if (told_by->alive_fd > 0) {
        err_free(file_remove_tree(told_by->credentials));
    }
    _exit(result.code);
}

static void finish(const struct runner *r, struct err *failed, const struct result *result)
{
    struct err *unwritten = verdict_write(r->order->result, result);

    if (unwritten) {
        LOG(LOG_ERROR, "result not written", LOG_S("message", unwritten->message));
    }
    err_free(unwritten);
    if (r->order->alive_fd > 0) { /* standalone: the copies were made for this process alone */
        err_free(file_remove_tree(r->order->credentials));
    }
    if (result->said.count > 0) {
        LOG(LOG_INFO, "notices of the server", LOG_I("count", result->said.count),
            LOG_S("first", result->said.first));
    }
    LOG(failed ? LOG_ERROR : LOG_INFO, "run ended", LOG_S("outcome", outcome_text(result->outcome)),
        LOG_I("code", result->code), LOG_S("reason", result->reason),
        LOG_S("message", result->message), LOG_I("applied", result->applied.count),
        LOG_I("ms", result->ms.total));
    err_free(failed);
}

/* The lock on the descriptor lives until this process does; children must not prolong it. Its file
 * tells an after-coming controller whom to signal. */
static void announce_alive(int64_t fd)
{
    AUTO(free_auto) char *pid = mem_printf("%ld\n", (long)getpid());

    if (fd > 0 && (fcntl((int)fd, F_SETFD, FD_CLOEXEC) ||
                   pwrite((int)fd, pid, strlen(pid), 0) != (ssize_t)strlen(pid))) {
        LOG(LOG_WARN, "lock file not written", LOG_S("message", strerror(errno)));
    }
}

static void runner_done(struct runner *r)
{
    assignment_done(&r->assignment);
    migration_set_done(&r->files);
    free(r->content);
    target_done(&r->target);
    credential_files_done(&r->certificates);
    free(r->working_directory);
}

int runner_run(const struct run_order *order)
{
    AUTO(runner_done) struct runner r = { .order = order };
    AUTO(result_done) struct result result = { 0 };

    announce_alive(order->alive_fd);
    budget_begin("run", 0);
    signals_watch(&interrupted);
    struct err *failed = prepare(&r);
    told_by = order;
    attempt_at_work = r.assignment.attempt;
    overdue_handler(give_up);
    failed = failed ? failed : execute(&r, &result);
    verdict_complete(&r.assignment, failed, &result);
    const int code = result.code;
    finish(&r, failed, &result);
    return code;
}
