/* SPDX-License-Identifier: Apache-2.0 */
/* Assignments: writing the manifest, packing and reading the SQL. */
#include "reconcile/model/assignment.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "reconcile/base/auto.h"
#include "reconcile/base/clock.h"
#include "reconcile/base/file.h"
#include "reconcile/base/gzip.h"
#include "reconcile/base/json.h"
#include "reconcile/base/limits.h"
#include "reconcile/base/mem.h"
#include "reconcile/model/reason.h"

static const char *const ownerships[] = { "Keep", "Adopt", "TakeOver", "Accept" };

const char *ownership_text(enum ownership o)
{
    return (size_t)o < sizeof ownerships / sizeof *ownerships ? ownerships[o] : "";
}

/* ---- manifest ------------------------------------------------------------------------------ */

static const char *or_null(const char *text)
{
    return text && *text ? text : NULL;
}

static struct json *plan_json(const struct assignment *a)
{
    struct json *o = json_object();
    json_set_string(o, "uid", a->plan.uid);
    json_set_string(o, "namespace", a->plan.namespace_);
    json_set_string(o, "name", a->plan.name);
    json_set_int64(o, "generation", a->plan.generation);
    json_set_string(o, "cluster", a->plan.cluster);
    return o;
}

static struct json *database_json(const struct assignment *a)
{
    struct json *connection = json_object();
    json_set_string(connection, "type", or_null(engine_text(a->database.engine)));
    json_set_string(connection, "host", or_null(a->database.host));
    if (a->database.port) {
        json_set_int64(connection, "port", a->database.port);
    } else {
        json_set_null(connection, "port");
    }
    json_set_string(connection, "database", or_null(a->database.database));

    struct json *o = json_object();
    json_set_string(o, "name", a->database.name);
    json_set_string(o, "engine", engine_text(a->database.engine));
    json_set_string(o, "schema", or_null(a->database.schema));
    json_set_string(o, "table", a->database.table ? a->database.table : a->migrations.table);
    json_set(o, "connection", connection);
    json_set_string(o, "tlsMode",
                    tls_mode_text(a->database.tls ? a->database.tls : TLS_VERIFY_FULL));
    return o;
}

static struct json *expect_json(const struct assignment *a)
{
    struct json *o = json_object();
    json_set_string(o, "target", or_null(a->expect.target));
    json_set_string(o, "owner", or_null(a->expect.owner));
    json_set_int64(o, "rank", a->expect.rank);
    json_set_int64(o, "journalSeq", a->expect.journal_seq);
    json_set_string(o, "journalHash", or_null(a->expect.journal_hash));
    json_set_int64(o, "epoch", a->expect.epoch);
    return o;
}

static struct json *execution_json(const struct execution_options *x)
{
    struct json *o = json_object();
    json_set_int64(o, "lockTimeoutMs", x->lock_timeout_ms);
    json_set_int64(o, "lockRetryForMs", x->lock_retry_for_ms);
    json_set_int64(o, "statementTimeoutMs", x->statement_timeout_ms);
    json_set_int64(o, "deadlineMs", x->deadline_ms);
    json_set_string(o, "oldSessions",
                    x->old_sessions == OLD_SESSIONS_TERMINATE ? "Terminate" : "Wait");
    json_set_bool(o, "allowSuperuser", x->allow_superuser);
    return o;
}

static struct json *bundles_json(const struct assignment *a)
{
    struct json *list = json_array();
    for (size_t i = 0; i < a->bundle_count; i++) {
        struct json *o = json_object();
        json_set_string(o, "name", a->bundles[i].name);
        json_set_string(o, "sha256", a->bundles[i].sha256);
        json_set_int64(o, "bytes", a->bundles[i].bytes);
        json_set_int64(o, "parts", a->bundles[i].parts);
        json_push(list, o);
    }
    return list;
}

static struct json *files_json(const struct assignment *a)
{
    struct json *list = json_array();
    for (size_t i = 0; i < a->file_count; i++) {
        const struct assignment_file *f = &a->files[i];
        struct json *o = json_object();
        json_append(o, "kind", json_string_new(migration_kind_text(f->kind)));
        json_set_string(o, "version", or_null(f->version.text));
        json_set_string(o, "description", f->description);
        json_set_string(o, "script", f->script);
        json_set_string(o, "path", f->path);
        json_set_string(o, "sha256", f->sha256);
        if (f->has_checksum) {
            json_set_int64(o, "checksum", f->checksum);
        } else {
            json_set_null(o, "checksum");
        }
        json_set_int64(o, "bundle", f->bundle);
        json_set_int64(o, "offset", f->offset);
        json_set_int64(o, "bytes", f->bytes);
        json_push(list, o);
    }
    return list;
}

char *assignment_format(const struct assignment *a)
{
    AUTO(json_free_auto) struct json *o = json_object();
    char start[TIME_TEXT_LEN];
    time_format(a->start_before_ms, start);
    json_set_int64(o, "format", 1);
    json_set(o, "plan", plan_json(a));
    json_set_string(o, "digest", a->digest);
    json_set_string(o, "commit", a->commit);
    json_set_string(o, "revision", a->revision);
    json_set_int64(o, "attempt", a->attempt);
    json_set_string(o, "retryToken", a->retry_token);
    json_set(o, "database", database_json(a));
    json_set(o, "expect", expect_json(a));
    json_set_string(o, "ownership", ownership_text(a->ownership));
    json_set_string(o, "startBefore", start);
    json_set(o, "migrations", migrations_options_json(&a->migrations));
    json_set(o, "execution", execution_json(&a->execution));
    json_set(o, "bundles", bundles_json(a));
    json_set(o, "files", files_json(a));
    return json_text(o);
}

static void files_done(struct assignment *a)
{
    for (size_t i = 0; i < a->file_count; i++) {
        free(a->files[i].description);
        free(a->files[i].script);
        free(a->files[i].path);
    }
    free(a->files);
    free(a->bundles);
    a->files = NULL;
    a->bundles = NULL;
    a->file_count = 0;
    a->bundle_count = 0;
}

void assignment_done(struct assignment *a)
{
    files_done(a);
    free(a->plan.uid);
    free(a->plan.namespace_);
    free(a->plan.name);
    free(a->plan.cluster);
    free(a->digest);
    free(a->revision);
    free(a->database.name);
    free(a->database.schema);
    free(a->database.table);
    free(a->database.host);
    free(a->database.database);
    free(a->expect.owner);
    migrations_options_done(&a->migrations);
    *a = (struct assignment){ 0 };
}

/* ---- packing ------------------------------------------------------------------------------- */

static void add_file(struct assignment *a, const struct migration *m, int64_t offset)
{
    struct assignment_file *f = &a->files[a->file_count++];
    *f = (struct assignment_file){
        .kind = m->kind,
        .version = m->version,
        .description = mem_strdup(m->description),
        .script = mem_strdup(m->script),
        .path = mem_strdup(m->path),
        .has_checksum = m->kind != MIGRATION_REPEATABLE,
        .checksum = m->kind != MIGRATION_REPEATABLE ? m->raw_checksum : 0,
        .offset = offset,
        .bytes = (int64_t)m->size,
    };
    hex_format(m->sha256, SHA256_LEN, f->sha256);
}

struct err *assignment_pack(struct assignment *a, const struct migration *const *files,
                            size_t count, struct buf *stream)
{
    AUTO(buf_done) struct buf content = BUF(LIMIT_TREE_BYTES);
    files_done(a);
    if (count == 0) {
        return NULL;
    }
    a->files = mem_array(count, sizeof *a->files);
    for (size_t i = 0; i < count; i++) {
        add_file(a, files[i], (int64_t)content.len);
        buf_add(&content, files[i]->bytes, files[i]->size);
    }
    TRY(buf_check(&content, REASON_SOURCE_TOO_LARGE, "the pending SQL of one database"));
    gzip_pack(buf_text(&content), content.len, stream);
    TRY(buf_check(stream, REASON_SOURCE_TOO_LARGE, "the packed SQL of one database"));

    a->bundles = mem_array(1, sizeof *a->bundles);
    a->bundle_count = 1;
    struct assignment_bundle *b = &a->bundles[0];
    sha256_hex(buf_text(&content), content.len, b->sha256);
    (void)snprintf(b->name, sizeof b->name, "sluice-sql-%.16s", b->sha256);
    b->bytes = (int64_t)content.len;
    b->parts = (int32_t)((stream->len + ASSIGNMENT_PART_BYTES - 1) / ASSIGNMENT_PART_BYTES);
    return NULL;
}

/* ---- reading ------------------------------------------------------------------------------- */

static struct err *stale(const char *what, const char *problem)
{
    return err_new(ERR_TERMINAL, REASON_ASSIGNMENT_STALE, "assignment: %s: %s", what, problem);
}

static struct err *read_file(const char *dir, const char *name, struct buf *out)
{
    AUTO(free_auto) char *path = mem_printf("%s/%s", dir, name);
    struct err *e = file_read(path, out);
    if (e) {
        e->reason = REASON_ASSIGNMENT_STALE;
    }
    return err_wrap(e, "assignment");
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
