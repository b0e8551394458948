/* SPDX-License-Identifier: Apache-2.0 */
/* Where the sources stand: one poll per (url, credentials), shared by all the plans of a namespace that
 * watch it, on a schedule of its own. A plan is told only when the answer for its ref changed. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/str.h"
#include "controller/metrics.h"
#include "controller/last_failure.h"
#include "git/repo.h"

struct polls;

struct polls_options {
    int threads;
    unsigned allow;          /* REPO_ALLOW_... */
    int64_t min_interval_ms; /* floor of every schedule */
    int64_t min_gap_ms;      /* between two polls of one source, requests included */
    const int *cancel_fd;
    const char *scratch;
    struct metrics *metrics;
    void (*changed)(void *payload, const char *plan); /* on a thread of the polls */
    void *payload;
};

struct poll_want { /* borrowed */
    const char *url;
    const struct kvlist *secret; /* data of source.secretRef; NULL: none */
    enum repo_ref_kind kind;
    const char *ref;
    int64_t interval_ms, retry_ms, timeout_ms;
};

struct poll_answer {
    char commit[REPO_COMMIT_LEN]; /* newest one seen; "": none yet */
    int64_t answered_mono_ms;     /* 0: never */
    int64_t tried_mono_ms;        /* of the newest try, good or bad; 0: none */
    struct last_failure failure;  /* of the newest try */
};

struct polls *polls_new(const struct polls_options *options);
struct err *polls_start(struct polls *polls) ERR_MUST_USE; /* queue_start() */
/* Watches (again): nothing happens when the plan watches the same already; another source or ref is
 * polled at once and its answer is empty until then. SecretInvalid, InvalidSpec: not watched. */
struct err *polls_watch(struct polls *polls, const char *plan, const struct poll_want *want)
    ERR_MUST_USE;
/* What is known of what polls_watch() would watch: an empty answer while the plan does not watch it; an
 * error when it could not. Nothing is begun. The answer is a copy: poll_answer_done(). */
struct err *polls_answer(struct polls *polls, const char *plan, const struct poll_want *want,
                         struct poll_answer *out) ERR_MUST_USE;
void poll_answer_done(struct poll_answer *answer);
void polls_now(struct polls *polls, const char *plan);
void polls_forget(struct polls *polls, const char *plan);
int64_t polls_sources(struct polls *polls);
/* Age of the poll that has run longest, in ms, and a plan that it is for (owned); -1: none runs. */
int64_t polls_oldest(struct polls *polls, char **plan);
void polls_stop(struct polls *polls);
void polls_free(struct polls *polls);
