/* SPDX-License-Identifier: Apache-2.0 */
/* What parent and child say to each other. Request: one JSON text, then end of file. Answer:
 * "SLFETCH1", 4 bytes big-endian length, that many bytes of JSON, then the blobs named there, each
 * with size and SHA-256, and nothing else. The parent trusts none of it. Private to git/. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/buf.h"
#include "base/json.h"
#include "git/repo.h"

#define WIRE_REQUEST_MAX (8 * 1024 * 1024)   /* bytes; credentials and 2,000 path lists */
#define WIRE_HEADER_MAX (64 * 1024 * 1024)   /* bytes; lists of files of all sets */
#define WIRE_ANSWER_MAX (384 * 1024 * 1024L) /* bytes; header and the different files of all sets */

struct wire_job { /* the child's view of a request */
    bool poll;
    struct repo_request request; /* borrows from what follows */
    const struct repo_ref *refs; /* poll: all of them; fetch: one */
    size_t ref_count;
    const char *home;    /* private folder, removed by the parent */
    bool anew;           /* empty the clone first: it brought a child down */
    int64_t left_ms;     /* of request.source.timeout_ms */
    int64_t deadline_ms; /* monotonic; set by the child when it starts */
    struct repo_credentials credentials;
    struct repo_ref *owned_refs; /* what refs points to, in the child */
    struct strlist *sets;
    struct naming naming;
    struct json *root;
};

/* Uses poll, refs, ref_count, home, anew, left_ms and request of `job`. */
void wire_format_request(const struct wire_job *job, struct buf *out);
struct err *wire_parse_request(const char *text, size_t length, struct wire_job *out) ERR_MUST_USE;
void wire_job_done(struct wire_job *job);

/* The child's side: write to fd. False: the parent is gone. */
bool wire_write_error(int fd, const struct err *error);
bool wire_write_tips(int fd, const struct repo_tip *tips, size_t count);
bool wire_write_result(int fd, const struct repo_result *result);

/* [path, script, what is known]: the last stands in the place of the blob's number. Owned. */
struct json *wire_format_large(const struct tree_file *file);
/* What is known, without path and ops; owned. NULL: it is malformed. */
struct large *wire_read_large(const struct json *known);

/* The parent's side. An error answer comes back as that error; anything that is not an answer is
 * ERR_TRANSIENT SourceFetchFailed. */
struct err *wire_parse_tips(const char *bytes, size_t length, size_t count, struct repo_tip *out)
    ERR_MUST_USE;
struct err *wire_parse_result(const char *bytes, size_t length, const struct repo_request *request,
                              struct repo_result *out) ERR_MUST_USE;
