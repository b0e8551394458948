// SPDX-License-Identifier: Apache-2.0
// What both adapters need during a run: the lock's key, bounded waits, the result's fields.
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "database/engine.h"
#include "model/reason.h"
#include "reconcile/migration/parse.h"

int32_t lock_java_hash(const char *text)
{
    uint32_t hash = 0;
    const uint8_t *p = (const uint8_t *)text;
    while (*p) {
        uint32_t c = *p++;
        int more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : c >= 0xC0 ? 1 : 0;
        c &= more == 3 ? 0x07u : more == 2 ? 0x0Fu : more == 1 ? 0x1Fu : 0x7Fu;
        for (; more > 0 && (*p & 0xC0u) == 0x80u; more--) {
            c = c << 6 | (*p++ & 0x3Fu);
        }
        if (c >= 0x10000u) { // two UTF-16 units
            hash = 31u * hash + (0xD800u + ((c - 0x10000u) >> 10));
            c = 0xDC00u + ((c - 0x10000u) & 0x3FFu);
        }
        hash = 31u * hash + c;
    }
    return (int32_t)hash;
}

int64_t run_remaining_ms(const struct run *run)
{
    const int64_t deadline = run->request->execution->deadline_ms;
    if (deadline <= 0) {
        return INT64_MAX;
    }
    const int64_t left = run->started_mono_ms + deadline - clock_mono_ms();
    return left > 0 ? left : 0;
}

struct err *run_check(const struct run *run)
{
    if (cancel_triggered(run->request->cancel)) {
        return err_new(ERR_TRANSIENT, REASON_INTERRUPTED, "interrupted");
    }
    if (run_remaining_ms(run) == 0) {
        return err_new(ERR_TRANSIENT, REASON_DEADLINE_EXCEEDED,
                       "execution.deadline of %" PRId64 " s is over",
                       run->request->execution->deadline_ms / 1000);
    }
    return NULL;
}

struct err *run_pause(const struct run *run, int64_t ms)
{
    const int64_t left = run_remaining_ms(run);
    int64_t wait = ms < left ? ms : left;
    wait = wait > INT32_MAX ? INT32_MAX : wait;
    struct pollfd p = { .fd = run->request->cancel ? run->request->cancel->fd : -1,
                        .events = POLLIN };
    const int64_t end = clock_mono_ms() + wait;
    do { // a signal of somebody else's must not shorten the wait
        if (poll(&p, 1, (int)wait) > 0) {
            break;
        }
        wait = end - clock_mono_ms();
    } while (wait > 0);
    return run_check(run);
}

void run_applied(struct run *run, const struct migration *file, int32_t rank)
{
    struct result *result = run->result;
    run->rank = rank > run->rank ? rank : run->rank;
    const char *name = !file ? run->request->migrations->baseline_version.text
                       : version_set(&file->version) ? file->version.text
                                                     : file->description;
    result->applied.count++;
    if (!result->applied.first) {
        result->applied.first = mem_strdup(name);
    }
    mem_strset(&result->applied.last, name);
}

void run_failed(struct run *run, const struct migration *file, int statement, int line, int column,
                const char *sqlstate, int error_number)
{
    struct result *result = run->result;
    free(result->failed.version);
    free(result->failed.description);
    free(result->failed.script);
    result->failed.version = version_set(&file->version) ? mem_strdup(file->version.text) : NULL;
    result->failed.description = mem_strdup(file->description);
    result->failed.script = mem_strdup(file->script);
    free(TAKE(result->failed.lines));
    result->failed.line = line;
    result->failed.column = column;
    result->failed.statement = statement;
    result->failed.error_number = error_number;
    snprintf(result->failed.sqlstate, sizeof result->failed.sqlstate, "%s",
             sqlstate ? sqlstate : "");
}

// What a Job says comes back cut at 512 bytes (docs/reference/formats.md 3): the way out must be among them.
#define LEAST_HEAD 80

static struct err *with_way(const struct run *run, const char *reason, const char *way,
                            const char *said)
{
    const struct command_place *place = run->request->place;
    const size_t limit = place && place->plan ? LIMIT_RESULT_MESSAGE : LIMIT_ERR_MESSAGE;
    const size_t tail = strlen(way) + strlen("...; ");
    const size_t head = limit > tail + LEAST_HEAD ? limit - tail : LEAST_HEAD;
    const size_t length = strlen(said);
    const size_t cut = str_utf8_cut(said, length, head);
    return err_new(ERR_TERMINAL, reason, "%.*s%s; %s", (int)cut, said, cut < length ? "..." : "",
                   way);
}

__attribute__((format(printf, 1, 0))) static char *format_said(const char *fmt, va_list args)
{
    char *said = NULL;
    if (vasprintf(&said, fmt, args) < 0) {
        said = mem_strdup(fmt);
    }
    return said;
}

struct err *run_unknown(const struct run *run, const struct migration *file, int32_t step,
                        const char *fmt, ...)
{
    AUTO(free_auto) char *description = description_stored(file->description);
    AUTO(free_auto)
    char *verdicts = command_verdicts(run->request->place,
                                      version_set(&file->version) ? file->version.text : NULL,
                                      description, step);
    va_list args;
    va_start(args, fmt);
    AUTO(free_auto) char *said = format_said(fmt, args);
    va_end(args);
    return with_way(run, REASON_OUTCOME_UNKNOWN, verdicts, said);
}

struct err *run_changed(const struct run *run, const struct migration *file, const char *reason,
                        const char *fmt, ...)
{
    AUTO(free_auto) char *description = description_stored(file->description);
    AUTO(free_auto)
    char *command = command_resolve(run->request->place,
                                    version_set(&file->version) ? file->version.text : NULL,
                                    description, 0, VERDICT_RESTART);
    AUTO(free_auto)
    char *way = mem_printf("or, when what stays of it is wanted or undone, let the file run as a "
                           "whole: %s",
                           command);
    va_list args;
    va_start(args, fmt);
    AUTO(free_auto) char *said = format_said(fmt, args);
    va_end(args);
    return with_way(run, reason, way, said);
}

void run_tell_begin(const struct run *run, const struct migration *file,
                    const struct script *script, int statement)
{
    const struct progress *progress = run->request->progress;
    if (progress && progress->statement_begin) {
        progress->statement_begin(progress->payload, file, statement, (int)script->count,
                                  script_at(script, (size_t)statement - 1));
    }
}

void run_notice(const struct run *run, const char *fmt, ...)
{
    const struct progress *progress = run->request->progress;
    if (!progress || !progress->notice) {
        return;
    }
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    progress->notice(progress->payload, text);
}
