/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that are too many for memory: a file without a name, mapped. What stands in it is read and written like
 * memory, at addresses that stay, and leaves the process's memory when spool_relax() is called; the kernel brings it
 * back when it is touched again. */
#pragma once
#include <stddef.h>
#include "base/err.h"

struct spool;

/* In $TMPDIR, else /var/tmp, else /tmp, which is often made of memory. `max`: bytes that it may hold.
 * ERR_TERMINAL SourceTooLarge naming the folder. */
struct err *spool_new(size_t max, struct spool **out) ERR_MUST_USE;
/* Appends at the next multiple of `align`, so that things of one type stand like an array. Room on the disk is taken
 * first: a full one is an error here and no signal later. NULL: spool_check() says why; so it stays. */
void *spool_add(struct spool *spool, size_t align, const void *bytes, size_t size);
/* ERR_TERMINAL SourceTooLarge: an append found no room. */
struct err *spool_check(const struct spool *spool) ERR_MUST_USE;
/* Its pages leave the memory of the process. Nothing that can be read changes. */
void spool_relax(struct spool *spool);
void spool_free(struct spool *spool); /* NULL is fine */
