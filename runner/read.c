/* SPDX-License-Identifier: Apache-2.0 */
/* A Job's assignment, read from its folder and verified byte for byte. */
#include "runner/read.h"
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/file.h"
#include "base/gzip.h"
#include "base/limits.h"
#include "base/mem.h"
#include "model/lines.h"
#include "model/reason.h"

static struct err *stale(const char *what, const char *problem)
{
    return err_new(ERR_TERMINAL, REASON_ASSIGNMENT_STALE, "assignment: %s: %s", what, problem);
}

static struct err *read_file(const char *dir, const char *name, struct buf *out)
{
    AUTO(free_auto) char *path = mem_printf("%s/%s", dir, name);
    return err_wrap(err_reason(file_read(path, out), REASON_ASSIGNMENT_STALE), "assignment");
}

static struct err *read_bundle(const char *dir, const struct assignment_bundle *b,
                               struct buf *content)
{
    AUTO(buf_done) struct buf packed = BUF((size_t)LIMIT_TREE_BYTES + ASSIGNMENT_PART_BYTES);
    for (int part = 0; part < b->parts; part++) {
        AUTO(free_auto) char *name = mem_printf("%s.%03d", b->name, part);
        TRY(read_file(dir, name, &packed));
    }
    TRY(err_wrap(gzip_unpack(packed.data, packed.len, content), "assignment: %s", b->name));
    char hex[SHA256_HEX_LEN + 1];
    sha256_hex(buf_text(content), content->len, hex);
    if ((int64_t)content->len != b->bytes || !str_eq(hex, b->sha256)) {
        return stale(b->name, "the content is not what the manifest says");
    }
    return NULL;
}

/* Copies one file behind *to, with a NUL behind it. */
static struct err *take_file(const struct assignment_file *f, const char *bundle, char **to,
                             struct migration_set *files)
{
    const char *bytes = bundle + f->offset;
    size_t size = (size_t)f->bytes;
    char hex[SHA256_HEX_LEN + 1];
    sha256_hex(bytes, size, hex);
    if (!str_eq(hex, f->sha256)) {
        return stale(f->path, "the file's SHA-256 is not what the manifest says");
    }
    memcpy(*to, bytes, size);
    struct migration *m = &files->items[files->count++];
    *m = (struct migration){
        .kind = f->kind,
        .version = f->version,
        .description = mem_strdup(f->description),
        .script = mem_strdup(f->script),
        .path = mem_strdup(f->path),
        .bytes = (const uint8_t *)*to,
        .size = size,
        .raw_checksum = f->checksum,
        .directives = { .lock_timeout_ms = -1, .statement_timeout_ms = -1 },
    };
    sha256(bytes, size, m->sha256);
    lines_sha256(bytes, size, m->lines_sha256);
    *to += size + 1;
    return NULL;
}

static struct err *read_bundles(const char *dir, const struct assignment *a,
                                struct migration_set *files, char *content)
{
    files->items = mem_array(a->file_count, sizeof *files->items);
    files->cap = a->file_count;
    for (size_t b = 0; b < a->bundle_count; b++) {
        AUTO(buf_done) struct buf bundle = BUF((size_t)a->bundles[b].bytes);
        TRY(read_bundle(dir, &a->bundles[b], &bundle));
        for (size_t i = 0; i < a->file_count; i++) {
            if (a->files[i].bundle ==
                (int32_t)b) { /* bundles follow each other, so do their files */
                TRY(take_file(&a->files[i], buf_text(&bundle), &content, files));
            }
        }
    }
    return NULL;
}

struct err *assignment_read(const char *dir, const char *sha256_hex_wanted, struct assignment *out,
                            struct migration_set *files, char **content)
{
    AUTO(buf_done) struct buf manifest = BUF(LIMIT_JSON_TEXT);
    TRY(read_file(dir, "manifest.json", &manifest));
    char hex[SHA256_HEX_LEN + 1];
    sha256_hex(manifest.data, manifest.len, hex);
    if (!str_eq(hex, sha256_hex_wanted)) {
        return stale("manifest.json", "its SHA-256 is not the one of --assignment-sha256");
    }
    AUTO(assignment_done) struct assignment a = { 0 };
    AUTO(migration_set_done) struct migration_set set = { 0 };
    TRY(assignment_parse(manifest.data, manifest.len, &a));
    size_t total = a.file_count + 1;
    for (size_t i = 0; i < a.file_count; i++) {
        total += (size_t)a.files[i].bytes;
    }
    AUTO(free_auto) char *bytes = mem_alloc(total);
    TRY(read_bundles(dir, &a, &set, bytes));
    *out = a;
    *files = set;
    *content = TAKE(bytes);
    a = (struct assignment){ 0 };
    set = (struct migration_set){ 0 };
    return NULL;
}
