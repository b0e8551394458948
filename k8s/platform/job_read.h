/* SPDX-License-Identifier: Apache-2.0 */
/* What a Job and its pods say about an attempt (docs/reference/migrationplan.md 4). PURE. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/json.h"
#include "model/platform.h"

/* A Job controller that is slow, or a container beside ours that does not end: so long after the
 * runner's end the attempt counts as ended although the Job does not say so yet. */
#define JOB_LINGER_MS 60000

/* `pods`: a JSON array of pods or NULL; those of other Jobs are passed over. False: not one of our
 * Jobs, whatever its labels say: its name is not the one that its plan, database and attempt give.
 * Strings of *out are owned (job_done). */
bool job_read(const struct json *job, const struct json *pods, int64_t now_ms, struct job *out);

/* The last words of one more pod of a Job that is over: its result, if *out has none. */
void job_read_words(const struct json *pod, struct job *out);

/* The pieces, for those who must not trust a cache. */
bool job_read_terminal(const struct json *job); /* Complete=True or Failed=True */
bool job_read_is_pod_of(const struct json *pod, const struct json *job); /* by the owner's uid */
bool job_read_started(const struct json *pod);    /* the runner's container runs or ran */
bool job_read_terminated(const struct json *pod); /* it ran and ended; a message may be there */
const char *job_read_plan(const struct json *job_or_pod); /* its plan's name; NULL: not ours */
