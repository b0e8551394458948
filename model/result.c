/* SPDX-License-Identifier: Apache-2.0 */
/* The runner's last line (docs/reference/formats.md 3). */
#include "model/result.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/reason.h"

static const char *const outcomes[OUTCOME_MAX_] = {
    [OUTCOME_NONE] = "",
    [OUTCOME_DONE] = "Done",
    [OUTCOME_PAUSED] = "Paused",
    [OUTCOME_NOTHING_TO_DO] = "NothingToDo",
    [OUTCOME_FAILED] = "Failed",
    [OUTCOME_INVALID] = "Invalid",
    [OUTCOME_BUSY] = "Busy",
    [OUTCOME_FENCED] = "Fenced",
    [OUTCOME_UNKNOWN] = "Unknown",
    [OUTCOME_UNREACHABLE] = "Unreachable",
    [OUTCOME_DENIED] = "Denied",
    [OUTCOME_MOVED] = "Moved",
    [OUTCOME_INTERRUPTED] = "Interrupted",
    [OUTCOME_TIMED_OUT] = "TimedOut",
    [OUTCOME_ERROR] = "Error",
};

const char *outcome_text(enum outcome outcome)
{
    return (unsigned)outcome < OUTCOME_MAX_ ? outcomes[outcome] : "";
}

enum outcome outcome_parse(const char *text)
{
    for (int i = OUTCOME_DONE; i < OUTCOME_MAX_; i++) {
        if (str_eq(outcomes[i], text)) {
            return (enum outcome)i;
        }
    }
    return OUTCOME_NONE;
}

/* NULL and "" become null; longer than max: cut on a character's border. */
static void set_text(struct json *object, const char *key, const char *text, size_t max)
{
    if (!text || !*text) {
        json_set_null(object, key);
        return;
    }
    AUTO(free_auto) char *cut = mem_strndup(text, str_utf8_cut(text, strlen(text), max));
    json_set_string(object, key, cut);
}

static struct json *failed_json(const struct result *r, size_t max)
{
    if (!r->failed.script) {
        return json_null_new();
    }
    struct json *f = json_object();
    bool versioned = r->failed.version && *r->failed.version;
    set_text(f, versioned ? "version" : "description",
             versioned ? r->failed.version : r->failed.description, max);
    set_text(f, "script", r->failed.script, max);
    json_set_int64(f, "line", r->failed.line);
    json_set_int64(f, "column", r->failed.column);
    json_set_int64(f, "statement", r->failed.statement);
    set_text(f, "sqlstate", r->failed.sqlstate, max);
    if (r->failed.error_number) {
        json_set_int64(f, "errno", r->failed.error_number);
    } else {
        json_set_null(f, "errno");
    }
    return f;
}

static struct json *numbers_json(const char *const *keys, const int64_t *values, size_t count)
{
    struct json *object = json_object();
    for (size_t i = 0; i < count; i++) {
        json_set_int64(object, keys[i], values[i]);
    }
    return object;
}

static char *format_with(const struct result *r, size_t max)
{
    AUTO(json_free_auto) struct json *o = json_object();
    json_set_int64(o, "format", 1);
    json_set_string(o, "nonce", r->nonce);
    json_set_int64(o, "attempt", r->attempt);
    json_set_int64(o, "code", r->code);
    json_set_string(o, "outcome", outcome_text(r->outcome));
    set_text(o, "reason", r->reason, max);
    set_text(o, "message", r->message, max);

    struct json *applied = json_object();
    json_set_int64(applied, "count", r->applied.count);
    set_text(applied, "first", r->applied.first, max);
    set_text(applied, "last", r->applied.last, max);
    json_set(o, "applied", applied);

    json_set(o, "failed", failed_json(r, max));
    if (r->said.count > 0) {
        struct json *said = json_object();
        json_set_int64(said, "count", r->said.count);
        set_text(said, "first", r->said.first, max / 2);
        json_set(o, "notices", said);
    }
    set_text(o, "target", r->target, max);
    json_set_int64(o, "epoch", r->epoch);

    static const char *const head_keys[] = { "rank", "journalSeq" };
    struct json *head =
        numbers_json(head_keys, (const int64_t[]){ r->head.rank, r->head.journal_seq }, 2);
    set_text(head, "journalHash", r->head.journal_hash, max);
    json_set(o, "head", head);

    static const char *const ms_keys[] = { "lock", "apply", "total" };
    json_set(o, "ms",
             numbers_json(ms_keys, (const int64_t[]){ r->ms.lock, r->ms.apply, r->ms.total }, 3));
    return json_text(o);
}

char *result_format(const struct result *result)
{
    /* A pod's termination message ends at 4 KiB: better a short message than half a line. */
    char *text = NULL;
    for (size_t max = LIMIT_RESULT_MESSAGE; max >= 64; max /= 2) {
        free(text);
        text = format_with(result, max);
        if (strlen(text) <= LIMIT_RESULT) {
            break;
        }
    }
    return text;
}

static struct err *not_a_result(const char *what)
{
    return err_new(ERR_TERMINAL, REASON_INTERNAL, "result: %s", what);
}

static void take_text(const struct json *object, const char *key, char *out, size_t size)
{
    const char *text = json_get_string(object, key);
    (void)snprintf(out, size, "%s", text ? text : "");
}

static char *take_copy(const struct json *object, const char *key)
{
    return mem_strdup(json_get_string(object, key));
}

static int take_int(const struct json *object, const char *key)
{
    int64_t value = json_get_int64(object, key, 0);
    return value > INT32_MAX || value < INT32_MIN ? 0 : (int)value;
}

static void parse_failed(const struct json *f, struct result *r)
{
    if (!json_get_string(f, "script")) {
        return;
    }
    r->failed.version = take_copy(f, "version");
    r->failed.description = take_copy(f, "description");
    r->failed.script = take_copy(f, "script");
    r->failed.line = take_int(f, "line");
    r->failed.column = take_int(f, "column");
    r->failed.statement = take_int(f, "statement");
    take_text(f, "sqlstate", r->failed.sqlstate, sizeof r->failed.sqlstate);
    r->failed.error_number = take_int(f, "errno");
}

static void parse_body(const struct json *o, struct result *r)
{
    take_text(o, "nonce", r->nonce, sizeof r->nonce);
    r->attempt = json_get_int64(o, "attempt", 0);
    r->code = take_int(o, "code");
    r->outcome = outcome_parse(json_get_string(o, "outcome"));
    r->reason = take_copy(o, "reason");
    r->message = take_copy(o, "message");
    const struct json *applied = json_get(o, "applied");
    r->applied.count = json_get_int64(applied, "count", 0);
    r->applied.first = take_copy(applied, "first");
    r->applied.last = take_copy(applied, "last");
    parse_failed(json_get(o, "failed"), r);
    const struct json *said = json_get(o, "notices");
    r->said.count = json_get_int64(said, "count", 0);
    r->said.first = take_copy(said, "first");
    take_text(o, "target", r->target, sizeof r->target);
    r->epoch = json_get_int64(o, "epoch", 0);
    const struct json *head = json_get(o, "head");
    r->head.rank = take_int(head, "rank");
    r->head.journal_seq = json_get_int64(head, "journalSeq", 0);
    take_text(head, "journalHash", r->head.journal_hash, sizeof r->head.journal_hash);
    const struct json *ms = json_get(o, "ms");
    r->ms.lock = json_get_int64(ms, "lock", 0);
    r->ms.apply = json_get_int64(ms, "apply", 0);
    r->ms.total = json_get_int64(ms, "total", 0);
}

struct err *result_parse(const char *text, size_t length, struct result *out)
{
    AUTO(json_free_auto) struct json *o = NULL;
    if (length > LIMIT_RESULT + 1) {
        return not_a_result("larger than 4096 bytes");
    }
    TRY(err_reason(json_parse(text, length, "result", &o), REASON_INTERNAL));
    int64_t number = 0;
    if (!json_int64(json_get(o, "format"), &number) || number < 1) {
        return not_a_result("no format number");
    }
    if (number > 1) {
        return err_new(ERR_TERMINAL, REASON_FORMAT_TOO_NEW,
                       "result: format %lld, this Sluice reads 1", (long long)number);
    }
    if (!json_get_string(o, "nonce") || !json_int64(json_get(o, "attempt"), &number) ||
        !json_int64(json_get(o, "code"), &number) || number < 0 || number > 255) {
        return not_a_result("nonce, attempt or code is missing");
    }
    if (outcome_parse(json_get_string(o, "outcome")) == OUTCOME_NONE) {
        return not_a_result("unknown outcome");
    }
    *out = (struct result){ 0 };
    parse_body(o, out);
    return NULL;
}

void result_copy(const struct result *from, struct result *out)
{
    *out = *from;
    out->reason = mem_strdup(from->reason);
    out->message = mem_strdup(from->message);
    out->applied.first = mem_strdup(from->applied.first);
    out->applied.last = mem_strdup(from->applied.last);
    out->failed.version = mem_strdup(from->failed.version);
    out->failed.description = mem_strdup(from->failed.description);
    out->failed.script = mem_strdup(from->failed.script);
    out->failed.lines = mem_strdup(from->failed.lines);
    out->said.first = mem_strdup(from->said.first);
}

void result_done(struct result *result)
{
    free(result->reason);
    free(result->message);
    free(result->applied.first);
    free(result->applied.last);
    free(result->failed.version);
    free(result->failed.description);
    free(result->failed.script);
    free(result->failed.lines);
    free(result->said.first);
    *result = (struct result){ 0 };
}
