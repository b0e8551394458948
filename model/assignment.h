/* SPDX-License-Identifier: Apache-2.0 */
/* A Job's assignment: manifest.json and its bundles (docs/reference/formats.md 2). Written by the controller,
 * verified byte for byte by the runner. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "model/migration.h"
#include "model/options.h"
#include "model/target.h"

enum ownership {
    OWNERSHIP_KEEP,
    OWNERSHIP_ADOPT,
    OWNERSHIP_TAKE_OVER,
    OWNERSHIP_ACCEPT
};
const char *ownership_text(enum ownership o); /* Keep Adopt TakeOver Accept */

struct assignment_file {
    enum migration_kind kind;
    struct version version;
    char *description, *script, *path; /* owned */
    char sha256[SHA256_HEX_LEN + 1];
    bool has_checksum; /* false: a repeatable, the runner computes it */
    int32_t checksum;
    int32_t bundle;
    int64_t offset, bytes;
};

struct assignment_bundle {
    char name[64];                   /* sluice-sql-<16 hex> */
    char sha256[SHA256_HEX_LEN + 1]; /* uncompressed */
    int64_t bytes;                   /* uncompressed */
    int32_t parts;
};

struct assignment {
    struct {
        char *uid, *namespace_, *name, *cluster; /* owned */
        int64_t generation;
    } plan;
    char *digest; /* "sha256:..."; owned */
    char commit[65];
    char *revision; /* owned */
    int64_t attempt;
    char retry_token[65];
    struct {
        char *name, *schema, *table, *host, *database; /* schema may be NULL */
        enum engine engine;
        int32_t port;
        enum tls_mode tls;
    } database;
    struct {
        char target[37]; /* "": null */
        char *owner;     /* NULL: null */
        int32_t rank;
        int64_t journal_seq;
        char journal_hash[SHA256_HEX_LEN + 1]; /* "": null */
        int64_t epoch;
    } expect;
    enum ownership ownership;
    int64_t start_before_ms; /* UTC, on the database's clock */
    int64_t stop_at_ms;      /* the same clock: no file is begun from then on; 0: no such time */
    struct migrations_options migrations;
    struct execution_options execution;
    struct assignment_bundle *bundles;
    size_t bundle_count;
    struct assignment_file *files; /* in the order to apply */
    size_t file_count;
};

#define ASSIGNMENT_PART_BYTES 900000

char *assignment_format(const struct assignment *a); /* manifest.json; owned */
/* Strict: an unknown key or another format is ERR_TERMINAL AssignmentStale. */
struct err *assignment_parse(const char *text, size_t length, struct assignment *out) ERR_MUST_USE;
void assignment_done(struct assignment *a);
/* Packs the raw bytes of `files` in order into a->bundles/files and gives the compressed stream. */
struct err *assignment_pack(struct assignment *a, const struct migration *const *files,
                            size_t count, struct buf *stream) ERR_MUST_USE;
