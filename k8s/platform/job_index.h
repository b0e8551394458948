/* SPDX-License-Identifier: Apache-2.0 */
/* Our view of Jobs and their pods, by the plan that they are of. A Job is kept whole while it can still
 * change; of one that is over only what it was, so that thousands of them cost little memory and no time.
 *
 * Thread rule: any function from any thread; no function blocks. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/json.h"
#include "model/platform.h"

struct job_index;

struct job_index *job_index_new(void);
void job_index_free(struct job_index *index); /* NULL is fine */

/* What a watch saw; each takes the object. Jobs and pods come in any order. */
void job_index_put_job(struct job_index *index, struct json *job);
void job_index_put_pod(struct job_index *index, struct json *pod);
/* They are no more. A pod's last words stay with its Job: a deleted pod shows its end once, in the event
 * that says that it is gone. `last` may be no more than the object's names. */
void job_index_drop_job(struct job_index *index, const struct json *last);
void job_index_drop_pod(struct job_index *index, const struct json *last);

/* The key of a plan: its namespace, and its UID as the label has it. Whoever may create Jobs in another namespace can
 * give them our labels and the plan's UID. Owned. */
char *job_index_plan(const char *namespace_, const char *uid);
/* Adds the Jobs of a plan that count for a decision: those that are not over, and of each database the
 * newest attempt and the ended ones for the same commit and retry token. */
void job_index_list(struct job_index *index, const char *plan_key, int64_t now_ms,
                    struct job_list *out);
/* Copies of Jobs whose end has not been seen, of one namespace or (NULL) all. An array, owned. */
struct json *job_index_live(struct job_index *index, const char *namespace_);
bool job_index_knows(struct job_index *index, const char *job_uid);

struct job_ref { /* owned */
    char *namespace_, *name, *uid;
    char *plan; /* its name */
    char *pod;  /* uid of the pod that does not start; NULL: there is none */
};
struct job_refs {
    struct job_ref *items;
    size_t count, cap;
};
void job_refs_done(struct job_refs *refs);
/* Jobs of the plan that are over and whose runner was not seen to end: their pods are worth a question. */
void job_index_wordless(struct job_index *index, const char *plan_key, struct job_refs *out);
/* The answer: pods of that Job, copied; whatever they say, it is not asked again. */
void job_index_words(struct job_index *index, const char *job_uid, const struct json *pods);
/* Jobs made before `since_ms` (UTC) that wait without anybody saying why, and that were not handed out
 * after `asked_ms`: at most `max`. */
void job_index_unexplained(struct job_index *index, int64_t since_ms, int64_t asked_ms, size_t max,
                           struct job_refs *out);
/* What the cluster's events say of it. True: that is news. */
bool job_index_explain(struct job_index *index, const char *job_uid, const char *why);
/* Plans ("namespace/name") with a Job whose runner has ended though its pod goes on. */
void job_index_lingering(struct job_index *index, struct strlist *out);
