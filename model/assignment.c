/* SPDX-License-Identifier: Apache-2.0 */
/* Assignments: writing the manifest, packing the SQL. */
#include "model/assignment.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/gzip.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "model/reason.h"

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
    if (x->show_values) { // an assignment without it is one of an earlier version, too
        json_set_bool(o, "showValues", true);
    }
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
    if (a->stop_at_ms > 0) { /* absent when there is none: runners of before know no such key */
        char stop[TIME_TEXT_LEN];
        time_format(a->stop_at_ms, stop);
        json_set_string(o, "stopAt", stop);
    }
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
    assert(!m->undigested); // it comes from a repository
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
        TRY(files[i]->large ? large_refused(files[i]->large) : NULL);
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
