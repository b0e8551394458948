/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest, read strictly: every key known, every key there, every value in bounds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "model/assignment.h"
#include "model/reason.h"

#define PARTS_MAX 100 /* 64 MiB that do not compress */
#define RANK_MAX INT32_MAX
#define NUMBER_MAX 9007199254740992

struct reader { /* remembers the first error, so that fields read one a line */
    struct err *error;
    const char *where; /* prefix of the path, e.g. "plan." */
};

static void problem(struct reader *r, const char *key, const char *text)
{
    if (!r->error) {
        r->error = err_new(ERR_TERMINAL, REASON_ASSIGNMENT_STALE, "assignment: %s%s: %s", r->where,
                           key, text);
    }
}

/* An object with exactly these keys, or NULL. "?key" may be missing: earlier versions do not write it. */
static const struct json *object_at(struct reader *r, const struct json *node, const char *name,
                                    const char *const *keys)
{
    if (json_type(node) != JSON_OBJECT) {
        problem(r, name, "not an object");
        return NULL;
    }
    for (const struct json *m = json_first(node); m; m = json_next(m)) {
        bool known = false;
        for (const char *const *k = keys; *k && !known; k++) {
            known = str_eq(*k + (**k == '?'), json_key(m));
        }
        if (!known) {
            problem(r, json_key(m), "unknown key: the controller is of another version");
        }
    }
    for (const char *const *k = keys; *k; k++) {
        if (**k != '?' && !json_get(node, *k)) {
            problem(r, *k, "missing");
        }
    }
    return r->error ? NULL : node;
}

/* Borrowed; NULL only if nullable and null, or on error. */
static const char *text_at(struct reader *r, const struct json *o, const char *key, bool nullable)
{
    const struct json *node = json_get(o, key);
    const char *text = json_string(node);
    if (!text && !(nullable && json_type(node) == JSON_NULL)) {
        problem(r, key, "not a string");
    }
    return text;
}

static char *copy_at(struct reader *r, const struct json *o, const char *key, bool nullable)
{
    return mem_strdup(text_at(r, o, key, nullable));
}

/* Into a fixed array; null becomes "". */
static void fixed_at(struct reader *r, const struct json *o, const char *key, bool nullable,
                     char *out, size_t size)
{
    const char *text = text_at(r, o, key, nullable);
    if (text && strlen(text) >= size) {
        problem(r, key, "too long");
        return;
    }
    (void)snprintf(out, size, "%s", text ? text : "");
}

static void hex_at(struct reader *r, const struct json *o, const char *key, bool nullable,
                   size_t length, char *out)
{
    fixed_at(r, o, key, nullable, out, SHA256_HEX_LEN + 1);
    size_t n = strlen(out);
    if (!r->error &&
        ((n != length && !(nullable && n == 0)) || out[strspn(out, "0123456789abcdef")])) {
        problem(r, key, "not lower-case hex of the right length");
    }
}

static int64_t int_at(struct reader *r, const struct json *o, const char *key, int64_t min,
                      int64_t max)
{
    int64_t value = 0;
    if (!json_int64(json_get(o, key), &value) || value < min || value > max) {
        problem(r, key, "not a number in bounds");
        return min;
    }
    return value;
}

static bool bool_at(struct reader *r, const struct json *o, const char *key)
{
    const struct json *node = json_get(o, key);
    if (json_type(node) != JSON_BOOL) {
        problem(r, key, "not true or false");
    }
    return json_bool(node, false);
}

static void read_plan(struct reader *r, const struct json *node, struct assignment *a)
{
    static const char *const keys[] = { "uid", "namespace", "name", "generation", "cluster", NULL };
    r->where = "plan.";
    const struct json *o = object_at(r, node, "", keys);
    if (!o) {
        return;
    }
    a->plan.uid = copy_at(r, o, "uid", false);
    a->plan.namespace_ = copy_at(r, o, "namespace", false);
    a->plan.name = copy_at(r, o, "name", false);
    a->plan.generation = int_at(r, o, "generation", 0, NUMBER_MAX);
    a->plan.cluster = copy_at(r, o, "cluster", false);
}

static void read_connection(struct reader *r, const struct json *node, struct assignment *a)
{
    static const char *const keys[] = { "type", "host", "port", "database", NULL };
    r->where = "database.connection.";
    const struct json *o = object_at(r, node, "", keys);
    if (!o) {
        return;
    }
    const char *type = text_at(r, o, "type", true);
    if (type && engine_parse(type) != a->database.engine) {
        problem(r, "type", "not the engine");
    }
    a->database.host = copy_at(r, o, "host", true);
    a->database.database = copy_at(r, o, "database", true);
    if (json_type(json_get(o, "port")) != JSON_NULL) {
        a->database.port = (int32_t)int_at(r, o, "port", 1, 65535);
    }
}

static void read_database(struct reader *r, const struct json *node, struct assignment *a)
{
    static const char *const keys[] = { "name",       "engine",  "schema", "table",
                                        "connection", "tlsMode", NULL };
    r->where = "database.";
    const struct json *o = object_at(r, node, "", keys);
    if (!o) {
        return;
    }
    a->database.name = copy_at(r, o, "name", false);
    a->database.engine = engine_parse(text_at(r, o, "engine", false));
    a->database.schema = copy_at(r, o, "schema", true);
    a->database.table = copy_at(r, o, "table", false);
    a->database.tls = tls_mode_parse(text_at(r, o, "tlsMode", false));
    if (a->database.engine == ENGINE_UNKNOWN) {
        problem(r, "engine", "unknown engine");
    }
    if (a->database.tls == TLS_UNSET) {
        problem(r, "tlsMode", "unknown mode");
    }
    read_connection(r, json_get(o, "connection"), a);
}

static void read_expect(struct reader *r, const struct json *node, struct assignment *a)
{
    static const char *const keys[] = { "target",      "owner", "rank", "journalSeq",
                                        "journalHash", "epoch", NULL };
    r->where = "expect.";
    const struct json *o = object_at(r, node, "", keys);
    if (!o) {
        return;
    }
    fixed_at(r, o, "target", true, a->expect.target, sizeof a->expect.target);
    a->expect.owner = copy_at(r, o, "owner", true);
    a->expect.rank = (int32_t)int_at(r, o, "rank", INT32_MIN, RANK_MAX);
    a->expect.journal_seq = int_at(r, o, "journalSeq", 0, NUMBER_MAX);
    hex_at(r, o, "journalHash", true, SHA256_HEX_LEN, a->expect.journal_hash);
    a->expect.epoch = int_at(r, o, "epoch", 0, NUMBER_MAX);
}

static void read_patterns(struct reader *r, const struct json *list, struct migrations_options *m)
{
    const int max = (int)(sizeof m->ignore / sizeof *m->ignore);
    m->ignore_count = 0;
    if (json_type(list) != JSON_ARRAY) {
        problem(r, "ignoreMigrationPatterns", "not a list");
        return;
    }
    for (const struct json *n = json_first(list); n; n = json_next(n)) {
        if (m->ignore_count == max ||
            !ignore_pattern_parse(json_string(n), &m->ignore[m->ignore_count])) {
            problem(r, "ignoreMigrationPatterns", "not a list of patterns");
            return;
        }
        m->ignore_count++;
    }
}

static void read_placeholders(struct reader *r, const struct json *object,
                              struct migrations_options *m)
{
    if (json_type(object) != JSON_OBJECT || json_count(object) > LIMIT_PLACEHOLDERS) {
        problem(r, "placeholders", "not an object in bounds");
        return;
    }
    for (const struct json *n = json_first(object); n; n = json_next(n)) {
        if (!json_string(n)) {
            problem(r, "placeholders", "not strings");
            return;
        }
        kvlist_set(&m->placeholders, json_key(n), json_string(n));
    }
}

static void read_migrations(struct reader *r, const struct json *node, struct assignment *a)
{
    static const char *const keys[] = { "format",
                                        "table",
                                        "target",
                                        "outOfOrder",
                                        "baselineOnMigrate",
                                        "baselineVersion",
                                        "baselineDescription",
                                        "ignoreMigrationPatterns",
                                        "placeholders",
                                        "placeholderReplacement",
                                        NULL };
    r->where = "migrations.";
    const struct json *o = object_at(r, node, "", keys);
    if (!o) {
        return;
    }
    struct migrations_options *m = &a->migrations;
    if (!str_eq(text_at(r, o, "format", false), "Flyway")) {
        problem(r, "format", "unknown format");
    }
    m->table = copy_at(r, o, "table", false);
    m->schema = mem_strdup(a->database.schema);
    if (!migrations_target_parse(text_at(r, o, "target", false), m)) {
        problem(r, "target", "not a target");
    }
    m->out_of_order = bool_at(r, o, "outOfOrder");
    m->baseline_on_migrate = bool_at(r, o, "baselineOnMigrate");
    if (!version_parse(text_at(r, o, "baselineVersion", false), &m->baseline_version)) {
        problem(r, "baselineVersion", "not a version");
    }
    m->baseline_description = copy_at(r, o, "baselineDescription", false);
    read_patterns(r, json_get(o, "ignoreMigrationPatterns"), m);
    read_placeholders(r, json_get(o, "placeholders"), m);
    m->placeholder_replacement = bool_at(r, o, "placeholderReplacement");
}

static void read_execution(struct reader *r, const struct json *node, struct assignment *a)
{
    static const char *const keys[] = { "lockTimeoutMs",      "lockRetryForMs",
                                        "statementTimeoutMs", "deadlineMs",
                                        "oldSessions",        "allowSuperuser",
                                        "?showValues",        NULL };
    r->where = "execution.";
    const struct json *o = object_at(r, node, "", keys);
    if (!o) {
        return;
    }
    struct execution_options *x = &a->execution;
    x->lock_timeout_ms = int_at(r, o, "lockTimeoutMs", 0, NUMBER_MAX);
    x->lock_retry_for_ms = int_at(r, o, "lockRetryForMs", 0, NUMBER_MAX);
    x->statement_timeout_ms = int_at(r, o, "statementTimeoutMs", 0, NUMBER_MAX);
    x->deadline_ms = int_at(r, o, "deadlineMs", 0, NUMBER_MAX);
    const char *old = text_at(r, o, "oldSessions", false);
    x->old_sessions = str_eq(old, "Terminate") ? OLD_SESSIONS_TERMINATE : OLD_SESSIONS_WAIT;
    if (!str_eq(old, "Terminate") && !str_eq(old, "Wait")) {
        problem(r, "oldSessions", "not Wait or Terminate");
    }
    x->allow_superuser = bool_at(r, o, "allowSuperuser");
    x->show_values = json_get(o, "showValues") && bool_at(r, o, "showValues");
}

/* The name becomes a file name: nothing but our own form. */
static bool bundle_name_ok(const char *name)
{
    static const char prefix[] = "sluice-sql-";
    if (!str_starts(name, prefix)) {
        return false;
    }
    const char *hex = name + sizeof prefix - 1;
    return strlen(hex) == 16 && strspn(hex, "0123456789abcdef") == 16;
}

static void read_bundles(struct reader *r, const struct json *list, struct assignment *a)
{
    static const char *const keys[] = { "name", "sha256", "bytes", "parts", NULL };
    r->where = "bundles.";
    size_t count = json_count(list);
    if (json_type(list) != JSON_ARRAY || count > 16) {
        problem(r, "", "not a list in bounds");
        return;
    }
    a->bundles = mem_array(count, sizeof *a->bundles);
    int64_t total = 0;
    for (const struct json *n = json_first(list); n && !r->error; n = json_next(n)) {
        struct assignment_bundle *b = &a->bundles[a->bundle_count++];
        const struct json *o = object_at(r, n, "", keys);
        if (!o) {
            return;
        }
        fixed_at(r, o, "name", false, b->name, sizeof b->name);
        hex_at(r, o, "sha256", false, SHA256_HEX_LEN, b->sha256);
        b->bytes = int_at(r, o, "bytes", 0, LIMIT_TREE_BYTES);
        b->parts = (int32_t)int_at(r, o, "parts", 1, PARTS_MAX);
        total += b->bytes;
        if (!r->error && !bundle_name_ok(b->name)) {
            problem(r, "name", "not a bundle name");
        }
    }
    if (total > LIMIT_TREE_BYTES) {
        problem(r, "", "larger than 64 MiB");
    }
}

static void read_file_entry(struct reader *r, const struct json *node, struct assignment *a,
                            struct assignment_file *f)
{
    static const char *const keys[] = { "kind",   "version", "description", "script",
                                        "path",   "sha256",  "checksum",    "bundle",
                                        "offset", "bytes",   NULL };
    const struct json *o = object_at(r, node, "", keys);
    if (!o) {
        return;
    }
    f->kind = migration_kind_parse(text_at(r, o, "kind", false));
    const char *version = text_at(r, o, "version", true);
    bool repeatable = f->kind == MIGRATION_REPEATABLE;
    if (f->kind != MIGRATION_VERSIONED && f->kind != MIGRATION_BASELINE && !repeatable) {
        problem(r, "kind", "unknown kind");
    }
    if (repeatable ? version != NULL : !version_parse(version, &f->version)) {
        problem(r, "version", "does not fit the kind");
    }
    f->description = copy_at(r, o, "description", false);
    f->script = copy_at(r, o, "script", false);
    f->path = copy_at(r, o, "path", false);
    hex_at(r, o, "sha256", false, SHA256_HEX_LEN, f->sha256);
    f->has_checksum = json_type(json_get(o, "checksum")) != JSON_NULL;
    if (f->has_checksum) {
        f->checksum = (int32_t)int_at(r, o, "checksum", INT32_MIN, INT32_MAX);
    }
    if (f->has_checksum == repeatable) {
        problem(r, "checksum", "does not fit the kind");
    }
    f->bundle = (int32_t)int_at(r, o, "bundle", 0, (int64_t)a->bundle_count - 1);
    f->offset = int_at(r, o, "offset", 0, LIMIT_TREE_BYTES);
    f->bytes = int_at(r, o, "bytes", 0, LIMIT_MIGRATION_FILE);
}

/* Files fill their bundles without gaps, in order: nothing unlisted can hide between them. */
static void check_layout(struct reader *r, const struct assignment *a)
{
    int32_t bundle = 0;
    int64_t offset = 0;
    for (size_t i = 0; i < a->file_count; i++) {
        const struct assignment_file *f = &a->files[i];
        if (f->bundle == bundle + 1 && offset == a->bundles[bundle].bytes) {
            bundle++;
            offset = 0;
        }
        if (f->bundle != bundle || f->offset != offset ||
            f->bytes > a->bundles[bundle].bytes - offset) {
            problem(r, "offset", "the files do not fill their bundles");
            return;
        }
        offset += f->bytes;
    }
    size_t used = a->file_count ? (size_t)bundle + 1 : 0;
    if (used != a->bundle_count || (used && offset != a->bundles[bundle].bytes)) {
        problem(r, "offset", "the files do not fill their bundles");
    }
}

static void read_files(struct reader *r, const struct json *list, struct assignment *a)
{
    r->where = "files.";
    size_t count = json_count(list);
    if (json_type(list) != JSON_ARRAY || count > LIMIT_MIGRATIONS) {
        problem(r, "", "not a list in bounds");
        return;
    }
    a->files = mem_array(count, sizeof *a->files);
    for (const struct json *n = json_first(list); n && !r->error; n = json_next(n)) {
        read_file_entry(r, n, a, &a->files[a->file_count++]);
    }
    if (!r->error) {
        check_layout(r, a);
    }
}

static void read_top(struct reader *r, const struct json *o, struct assignment *a)
{
    a->digest = copy_at(r, o, "digest", false);
    fixed_at(r, o, "commit", false, a->commit, sizeof a->commit);
    a->revision = copy_at(r, o, "revision", false);
    a->attempt = int_at(r, o, "attempt", 0, NUMBER_MAX);
    fixed_at(r, o, "retryToken", false, a->retry_token, sizeof a->retry_token);
    const char *ownership = text_at(r, o, "ownership", false);
    int found = -1;
    for (int i = OWNERSHIP_KEEP; i <= OWNERSHIP_ACCEPT; i++) {
        found = str_eq(ownership_text((enum ownership)i), ownership) ? i : found;
    }
    if (found < 0) {
        problem(r, "ownership", "unknown word");
    } else {
        a->ownership = (enum ownership)found;
    }
    if (!time_parse(text_at(r, o, "startBefore", false), &a->start_before_ms)) {
        problem(r, "startBefore", "not a time");
    }
    if (json_get(o, "stopAt") && !time_parse(text_at(r, o, "stopAt", false), &a->stop_at_ms)) {
        problem(r, "stopAt", "not a time");
    }
}

static void read_manifest(struct reader *r, const struct json *root, struct assignment *a)
{
    static const char *const keys[] = { "format",    "plan",      "digest",      "commit",
                                        "revision",  "attempt",   "retryToken",  "database",
                                        "expect",    "ownership", "startBefore", "migrations",
                                        "execution", "bundles",   "files",       "?stopAt",
                                        NULL };
    int64_t format = 0;
    if (!json_int64(json_get(root, "format"), &format) || format != 1) {
        problem(r, "format", "this runner reads format 1 only");
        return;
    }
    const struct json *o = object_at(r, root, "", keys);
    if (!o) {
        return;
    }
    read_top(r, o, a);
    read_plan(r, json_get(o, "plan"), a);
    read_database(r, json_get(o, "database"), a);
    read_expect(r, json_get(o, "expect"), a);
    read_migrations(r, json_get(o, "migrations"), a);
    read_execution(r, json_get(o, "execution"), a);
    read_bundles(r, json_get(o, "bundles"), a);
    if (!r->error) {
        read_files(r, json_get(o, "files"), a);
    }
}

struct err *assignment_parse(const char *text, size_t length, struct assignment *out)
{
    AUTO(json_free_auto) struct json *root = NULL;
    TRY(err_reason(json_parse(text, length, "assignment", &root), REASON_ASSIGNMENT_STALE));
    struct assignment a = { 0 };
    struct reader r = { .where = "" };
    read_manifest(&r, root, &a);
    if (r.error) {
        assignment_done(&a);
        return r.error;
    }
    *out = a;
    return NULL;
}
