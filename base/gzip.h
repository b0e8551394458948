/* SPDX-License-Identifier: Apache-2.0 */
/* One gzip stream in, one out, bounded. Output is deterministic: no name, no time. */
#pragma once
#include <stddef.h>
#include "base/buf.h"
#include "base/err.h"

void gzip_pack(const void *bytes, size_t length, struct buf *out);
/* ERR_TERMINAL AssignmentStale on a damaged stream, trailing bytes, or more than out->max bytes. */
struct err *gzip_unpack(const void *bytes, size_t length, struct buf *out) ERR_MUST_USE;
