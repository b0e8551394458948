/* SPDX-License-Identifier: Apache-2.0 */
/* Files of a plain folder that are too large to be kept. Private to git/. */
#pragma once
#include "model/large.h"

/* Opens them by their path: what stands there must be what was read before, by its digest, whatever became of folders and
 * links. It is copied first, so that an edit meanwhile changes nothing that runs. */
#define DIR_KEEP ((size_t)2 * 1024 * 1024) /* bytes of a file that is kept */
extern const struct large_ops dir_large_ops;

struct err *dir_unread(const char *path, int code) ERR_MUST_USE; /* code: an errno */
/* Reads fd from its beginning to its end; *out is the caller's. ERR_TERMINAL InvalidMigration. */
struct err *dir_large_scan(int fd, const char *path, struct large **out) ERR_MUST_USE;
