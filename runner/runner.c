/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice run`: one assignment on one database, inside a Job. Everything is checked before anything
 * is done; the last word is one line of JSON in --result. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "controller/cli/cli.h"
#include "controller/cli/commands.h"
#include "controller/cli/signals.h"
#include "controller/credentials.h"
#include "database/database.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/clock.h"
#include "reconcile/base/file.h"
#include "reconcile/base/log.h"
#include "reconcile/base/mem.h"
#include "reconcile/migration/directive.h"
#include "reconcile/migration/parse.h"
#include "reconcile/migration/placeholder.h"
#include "reconcile/model/assignment.h"
#include "reconcile/model/reason.h"

#define LOCK_WAIT_MS 10000 /* docs/commands.md: Jobs give up soon, the controller tries again */

struct run_values {
    const char *assignment, *sha256, *credentials, *result, *job, *log_level;
    int64_t alive_fd, lock_wait_ms;
};

#define ROW(name, type, value, help, field)                                                        \
    {                                                                                              \
        name, 0, type, value, help, offsetof(struct run_values, field)                             \
    }
static const struct option_row run_rows[] = {
    ROW("assignment", OPTION_TEXT, "DIR", "folder with manifest.json and the SQL", assignment),
    ROW("assignment-sha256", OPTION_TEXT, "HEX", "SHA-256 of manifest.json, checked first", sha256),
    ROW("credentials", OPTION_TEXT, "DIR", "folder of the database Secret's keys", credentials),
    ROW("result", OPTION_TEXT, "FILE", "where the verdict goes (default /dev/termination-log)",
        result),
    ROW("job", OPTION_TEXT, "NAME", "name of the Job, kept in the lease for people", job),
    ROW("alive-fd", OPTION_NUMBER, "N", "standalone: the descriptor that holds the Job's lock",
        alive_fd),
    ROW("lock-wait", OPTION_DURATION, "TIME", "how long to wait for another runner (default 10s)",
        lock_wait_ms),
    ROW("log-level", OPTION_TEXT, "LEVEL", "debug, info, warn or error (default info)", log_level),
};

static const struct cli_spec run_spec = {
    .command = "run",
    .synopsis = "--assignment DIR --assignment-sha256 HEX --credentials DIR",
    .about = "Applies one assignment of the controller to one database. Meant for Jobs; people use"
             " sluice migrate.",
    .rows = run_rows,
    .row_count = sizeof run_rows / sizeof *run_rows,
};

struct runner {
    const struct run_values *values;
    struct assignment assignment;
    struct migration_set files;
    char *content;
    struct target target;
    struct credential_files certificates;
    char timestamp[32];
    char *working_directory;
};

static struct cancel interrupted = { .fd = -1 };

/* ---- expectations ----------------------------------------------------------------------------- */

static struct err *moved(const char *what, const char *expected, const char *found)
{
    return err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE,
                   "the database moved since the assignment was made: %s is %s, expected %s", what,
                   found && *found ? found : "none", expected && *expected ? expected : "none");
}

static struct err *moved_number(const char *what, int64_t expected, int64_t found)
{
    AUTO(free_auto) char *a = mem_printf("%lld", (long long)expected);
    AUTO(free_auto) char *b = mem_printf("%lld", (long long)found);

    return moved(what, a, b);
}

static struct err *check_time(const struct assignment *a, const struct inspection *seen)
{
    char now[TIME_TEXT_LEN];
    char limit[TIME_TEXT_LEN];

    if (seen->identity.now_ms <= a->start_before_ms) {
        return NULL;
    }
    time_format(seen->identity.now_ms, now);
    time_format(a->start_before_ms, limit);
    return err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE,
                   "the assignment had to start before %s and the database says %s", limit, now);
}

static int32_t head_rank(const struct history *history)
{
    return history->count ? history->rows[history->count - 1].rank : 0;
}

/* docs/migrationplan.md 6: the database is exactly where the plan thought, else nothing is done. */
static struct err *check_expectations(const struct assignment *a, const struct inspection *seen)
{
    const char *target = seen->lease.present ? seen->lease.target_id : "";

    if (!str_eq(a->expect.target, target)) {
        return err_new(ERR_CONFLICT, REASON_TARGET_CHANGED,
                       "another database answers: its target id is %s, expected %s",
                       *target ? target : "none", a->expect.target[0] ? a->expect.target : "none");
    }
    if (!str_eq(a->expect.owner, seen->lease.present ? seen->lease.owner_plan_uid : NULL)) {
        return moved("the owner", a->expect.owner, seen->lease.owner_plan_uid);
    }
    if (a->expect.rank != head_rank(&seen->history)) {
        return moved_number("the newest history row", a->expect.rank, head_rank(&seen->history));
    }
    if (a->expect.journal_seq != seen->journal.head_seq) {
        return moved_number("the newest journal row", a->expect.journal_seq,
                            seen->journal.head_seq);
    }
    if (a->expect.journal_seq && !str_eq(a->expect.journal_hash, seen->journal.head_hash)) {
        return moved("the journal's hash", a->expect.journal_hash, seen->journal.head_hash);
    }
    if (seen->lease.present && a->expect.epoch != seen->lease.epoch) {
        return moved_number("the lease's epoch", a->expect.epoch, seen->lease.epoch);
    }
    return check_time(a, seen);
}

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

static void placeholders_of(const struct runner *r, const struct identity *identity,
                            struct placeholders *out)
{
    const struct migrations_options *options = &r->assignment.migrations;

    *out = (struct placeholders){
        .replacement = options->placeholder_replacement,
        .user = &options->placeholders,
        .default_schema = identity->schema,
        .db_user = identity->user,
        .database = identity->database,
        .timestamp = r->timestamp,
        .table = options->table,
        .working_directory = r->working_directory ? r->working_directory : "",
        .environment = "default",
    };
}

static struct err *make_list(const struct runner *r, const struct inspection *seen,
                             struct apply_list *out)
{
    const struct assignment *a = &r->assignment;
    struct placeholders placeholders;

    placeholders_of(r, &seen->identity, &placeholders);
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
        TRY(check_expectations(&r->assignment, seen));
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

static struct err *setup_log(const char *word)
{
    static const char *const levels[] = { "debug", "info", "warn", "error" };

    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (!word || str_eq(word, levels[i])) {
            log_setup(STDOUT_FILENO, word ? (enum log_level)i : LOG_INFO);
            return NULL;
        }
    }
    return err_new(ERR_TERMINAL, REASON_USAGE, "run --log-level: \"%s\" is not a level", word);
}

/* ---- the run ---------------------------------------------------------------------------------- */

static struct err *prepare(struct runner *r)
{
    const struct assignment *a = &r->assignment;
    AUTO(credentials_wipe) struct kvlist keys = { 0 };
    struct tm local;
    time_t now = (time_t)(clock_utc_ms() / 1000);

    TRY(assignment_read(r->values->assignment, r->values->sha256, &r->assignment, &r->files,
                        &r->content));
    for (size_t i = 0; i < r->files.count; i++) {
        TRY(directives_parse(&r->files.items[i], &r->files.items[i].directives));
    }
    TRY(credentials_read(r->values->credentials, &keys));
    const struct target_overrides overrides = { .type = engine_text(a->database.engine),
                                                .host = a->database.host,
                                                .database = a->database.database,
                                                .port = a->database.port,
                                                .tls = a->database.tls };
    TRY(credentials_target(&keys, &overrides, &r->target, &r->certificates));
    r->target.schema = mem_strdup(a->database.schema);
    r->target.table = mem_strdup(a->database.table);
    r->working_directory = getcwd(NULL, 0);
    if (localtime_r(&now, &local)) {
        strftime(r->timestamp, sizeof r->timestamp, "%Y-%m-%d %H:%M:%S", &local);
    }
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
        .holder = r->values->job ? r->values->job : "sluice run",
        .git_commit = a->commit,
        .retry_token = a->retry_token,
        .timestamp = r->timestamp,
        .lock_wait_ms = r->values->lock_wait_ms ? r->values->lock_wait_ms : LOCK_WAIT_MS,
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

static enum outcome outcome_of(int code)
{
    static const enum outcome by_code[] = {
        [1] = OUTCOME_ERROR,  [2] = OUTCOME_TIMED_OUT, [3] = OUTCOME_FAILED,
        [4] = OUTCOME_ERROR,  [5] = OUTCOME_DENIED,    [6] = OUTCOME_INVALID,
        [7] = OUTCOME_BUSY,   [8] = OUTCOME_UNKNOWN,   [9] = OUTCOME_UNREACHABLE,
        [10] = OUTCOME_MOVED,
    };

    if (code == 143) {
        return OUTCOME_INTERRUPTED;
    }
    return code > 0 && code <= 10 ? by_code[code] : OUTCOME_ERROR;
}

/* What apply_run did not get to say. */
static void complete_result(const struct runner *r, const struct err *failed, struct result *out)
{
    out->attempt = r->assignment.attempt;
    out->code = failed ? reason_exit_code(failed->reason) : 0;
    if (!failed) {
        return;
    }
    if (out->outcome == OUTCOME_NONE) {
        out->outcome = outcome_of(out->code);
    }
    if (!out->reason || !str_eq(out->reason, failed->reason)) {
        free(out->reason);
        free(out->message);
        out->reason = mem_strdup(failed->reason);
        out->message = mem_strdup(failed->message);
    }
}

/* The kubelet has made its file and mounted it: it is written in place. Elsewhere the result appears
 * whole, by rename. */
static struct err *write_result(const char *path, const struct result *result)
{
    AUTO(free_auto) char *line = result_format(result);
    AUTO(free_auto) char *text = mem_printf("%s\n", line);
    size_t length = strlen(text);

    if (!file_exists(path)) {
        return file_write_atomic(path, text, length, 0600);
    }
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    ssize_t written = fd < 0 ? -1 : write(fd, text, length);
    int saved = errno;
    if (fd >= 0) {
        close(fd);
    }
    return written == (ssize_t)length ? NULL
                                      : err_new(ERR_TRANSIENT, REASON_INTERNAL,
                                                "could not write %s: %s", path, strerror(saved));
}

static void finish(const struct runner *r, struct err *failed, const struct result *result)
{
    const char *path = r->values->result ? r->values->result : "/dev/termination-log";
    struct err *unwritten = write_result(path, result);

    if (unwritten) {
        LOG(LOG_ERROR, "result not written", LOG_S("message", unwritten->message));
    }
    err_free(unwritten);
    if (r->values->alive_fd > 0) { /* standalone: the copies were made for this process alone */
        err_free(file_remove_tree(r->values->credentials));
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

static struct err *check_values(const struct run_values *values)
{
    if (!values->assignment || !values->sha256 || !values->credentials) {
        return err_new(ERR_TERMINAL, REASON_USAGE,
                       "run: --assignment, --assignment-sha256 and --credentials are needed");
    }
    return setup_log(values->log_level);
}

int run_main(int argc, char **argv)
{
    struct run_values values = { 0 };
    AUTO(runner_done) struct runner r = { .values = &values };
    AUTO(result_done) struct result result = { 0 };
    bool help = false;

    credentials_protect_process();
    struct err *failed = cli_parse(&run_spec, argc, argv, &values, NULL, &help);
    if (help) {
        return 0;
    }
    failed = failed ? failed : check_values(&values);
    if (failed) {
        return cli_fail("run", failed, false);
    }
    announce_alive(values.alive_fd);
    signals_watch(&interrupted);
    failed = prepare(&r);
    failed = failed ? failed : execute(&r, &result);
    complete_result(&r, failed, &result);
    int code = result.code;
    finish(&r, failed, &result);
    return code;
}
