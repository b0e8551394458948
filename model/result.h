/* SPDX-License-Identifier: Apache-2.0 */
/* What a runner says when it ends: one JSON line, docs/reference/formats.md 3. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

enum outcome {
    OUTCOME_NONE,
    OUTCOME_DONE,
    OUTCOME_NOTHING_TO_DO,
    OUTCOME_PAUSED, /* its time was over before all files were begun; neither a failure nor a try */
    OUTCOME_FAILED,
    OUTCOME_INVALID,
    OUTCOME_BUSY,
    OUTCOME_FENCED,
    OUTCOME_UNKNOWN,
    OUTCOME_UNREACHABLE,
    OUTCOME_DENIED,
    OUTCOME_MOVED,
    OUTCOME_INTERRUPTED,
    OUTCOME_TIMED_OUT,
    OUTCOME_ERROR,
    OUTCOME_MAX_
};
const char *outcome_text(enum outcome outcome); /* Done NothingToDo Failed ... */
enum outcome outcome_parse(const char *text);

struct result {
    char nonce[33];
    int64_t attempt;
    int code; /* exit code */
    enum outcome outcome;
    char *reason, *message; /* owned; NULL on success */
    struct {
        int64_t count;
        char *first, *last; /* version or description; owned */
    } applied;
    struct { /* present when script is not NULL; strings owned */
        char *version, *description, *script;
        int line, column;
        int statement; /* from 1; 0: the file as a whole */
        char sqlstate[6];
        int error_number; /* MySQL errno */
        char *lines; /* what a terminal shows below the message; not in the JSON; NULL: nothing */
    } failed;
    struct { /* notices and warnings of the server's */
        int64_t count;
        char *first; /* owned; NULL: none */
    } said;
    char target[37];
    int64_t epoch;
    struct {
        int32_t rank;
        int64_t journal_seq;
        char journal_hash[65];
    } head;
    struct {
        int64_t lock, apply, total;
    } ms;
};

char *result_format(const struct result *result); /* one line, <= LIMIT_RESULT bytes; owned */
/* Unknown keys are ignored. ERR_TERMINAL InternalError when it is not a result. */
struct err *result_parse(const char *text, size_t length, struct result *out) ERR_MUST_USE;
void result_copy(const struct result *from, struct result *out); /* out is untouched memory */
void result_done(struct result *result);
