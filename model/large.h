/* SPDX-License-Identifier: Apache-2.0 */
/* A file of a tree whose bytes are not kept in memory: what must be known of it without them, and the way to them.
 * Files that are applied already need no more than the first; a file that must run is opened for as long as a script
 * of it lives. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/hash.h"

#define LARGE_HEAD 8192 /* bytes kept of its beginning: where directives stand */

enum large_fault { /* the first one found; what makes it no migration */
    LARGE_FINE,
    LARGE_UTF16,
    LARGE_NUL,
    LARGE_NOT_UTF8,
};

struct large;
struct spool;

struct large_ops { /* whoever read the file; git/dir.c */
    /* Sets bytes, which stay until close() and hold what was read before, by its digest.
     * ERR_TERMINAL SourceTooLarge, InvalidMigration: it has changed meanwhile. */
    struct err *(*open)(struct large *large);
    void (*close)(struct large *large);
    /* Storage that is not memory, for what is made of it: base/spool.h. */
    struct err *(*spool_new)(size_t max, struct spool **out);
    void *(*spool_add)(struct spool *spool, size_t align, const void *bytes, size_t size);
    struct err *(*spool_check)(const struct spool *spool);
    void (*spool_relax)(struct spool *spool);
    void (*spool_free)(struct spool *spool);
};

struct large {
    const struct large_ops *ops; /* NULL: there is no way to the bytes from here */
    char *path;                  /* to open it; owned */
    size_t size;
    uint8_t sha256[SHA256_LEN];
    uint8_t lines_sha256[SHA256_LEN]; /* model/lines.h */
    int32_t checksum;                 /* Flyway's, over the raw text */
    bool has_placeholder;             /* "${" stands in it */
    enum large_fault fault;
    int fault_line; /* from 1 */
    uint8_t fault_byte;
    uint8_t *head; /* the first LARGE_HEAD bytes, owned, followed by a NUL that is not counted */
    size_t head_size;
    const uint8_t *bytes; /* while users > 0 */
    int users;
    struct spool *spool; /* where they stand when they are too many for memory; of ops */
    size_t touched;      /* bytes, since memory was last given back */
};

/* Counted: open() and close() of the ops are called for the first and the last. One thread at a time.
 * ERR_TERMINAL SourceTooLarge without ops, or over LIMIT_STREAM_FILE. */
struct err *large_open(struct large *c) ERR_MUST_USE;
void large_close(struct large *c);
/* ERR_TERMINAL SourceTooLarge: a Job cannot carry it. */
struct err *large_refused(const struct large *c) ERR_MUST_USE;
/* What was touched of its bytes leaves memory again. */
void large_relax(const struct large *c);
void large_free(struct large *c); /* NULL is fine */

/* Reads a file piece by piece. The first piece has at least 3 bytes, or the file has no more. */
struct large_scan;
struct large_scan *large_scan_new(void);
void large_scan_add(struct large_scan *scan, const void *bytes, size_t size);
/* What was found; owned by the caller, without ops and path. Frees the scan. */
struct large *large_scan_end(struct large_scan *scan) __attribute__((returns_nonnull));

/* Flyway's checksum, piece by piece from 0: CRC-32 over the lines without LF and CR (docs/reference/flyway.md 2.1). */
uint32_t large_checksum_add(uint32_t crc, const char *text, size_t length);
