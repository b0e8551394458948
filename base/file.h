/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files: bounded reads, writes that are old or new but never half. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "base/buf.h"
#include "base/err.h"

/* Reads a regular file (symlinks followed) into out, up to out->max bytes. ERR_TERMINAL
 * InvalidSpec "could not read FILE: ..." (ENOENT too: test file_exists() first where it matters). */
struct err *file_read(const char *path, struct buf *out) ERR_MUST_USE;
/* Then it is -1, with which nothing is done. For AUTO, too. */
void fd_close(int *fd);
bool file_exists(const char *path);
/* Temporary file in the same folder, fsync, rename, fsync of the folder. */
struct err *file_write_atomic(const char *path, const void *bytes, size_t length, mode_t mode)
    ERR_MUST_USE;
struct err *file_mkdirs(const char *path, mode_t mode) ERR_MUST_USE; /* like mkdir -p */
struct err *file_remove_tree(const char *path)
    ERR_MUST_USE; /* no symlink followed; absent is fine */
