/* SPDX-License-Identifier: Apache-2.0 */
/* From what a user wrote to one of the refs that a server lists: exact look-ups only, no revision
 * syntax. Private to git/. */
#pragma once
#include <stddef.h>
#include "git/repo.h"

struct git_remote_head;

struct resolved {
    char *ref;                    /* full name; "" for a commit; owned */
    char *label;                  /* before '@' in the revision; "" for a commit; owned */
    char oid[REPO_COMMIT_LEN];    /* what the ref holds: a commit or an annotated tag */
    char peeled[REPO_COMMIT_LEN]; /* the tag's commit where the server lists it, else = oid */
};

/* ERR_TERMINAL InvalidSpec (impossible name), ERR_TRANSIENT RevisionNotFound. */
struct err *refs_resolve(const struct git_remote_head *const *heads, size_t count,
                         const struct repo_ref *ref, struct resolved *out) ERR_MUST_USE;
void resolved_done(struct resolved *resolved);

bool refs_is_commit(const struct repo_ref *ref); /* commit kind, or 40 hex digits of any kind */
/* ERR_TERMINAL InvalidSpec unless 40 lower- or upper-case hex digits. out: lower case. */
struct err *refs_commit_parse(const char *text, char out[REPO_COMMIT_LEN]) ERR_MUST_USE;
/* "branch 'main'", for messages. Owned. */
char *refs_describe(const struct repo_ref *ref);
