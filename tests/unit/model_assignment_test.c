/* SPDX-License-Identifier: Apache-2.0 */
/* Assignments: the documented manifest, and nothing but what it says. */
#include <stdlib.h>
#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/assignment.h"
#include "runner/read.h"
#include "tests/unit/rows.h"

TestSuite(assignment, .timeout = 60);

static struct migration file_make(enum migration_kind kind, const char *version, const char *text)
{
    struct migration m = {
        .kind = kind, .bytes = (const uint8_t *)text, .size = strlen(text), .raw_checksum = -17
    };
    (void)version_parse(version, &m.version);
    m.description = mem_strdup("add \"x\"");
    m.script = mem_printf("%s.sql", version);
    m.path = mem_printf("sql/%s.sql", version);
    sha256(text, m.size, m.sha256);
    return m;
}

static void fill(struct assignment *a)
{
    *a = (struct assignment){ .attempt = 4,
                              .ownership = OWNERSHIP_ADOPT,
                              .start_before_ms = 1795341600000 };
    a->plan.uid = mem_strdup("8f2c");
    a->plan.namespace_ = mem_strdup("shop");
    a->plan.name = mem_strdup("shop");
    a->plan.generation = 3;
    a->plan.cluster = mem_strdup("c1");
    a->digest = mem_strdup("sha256:aa");
    memcpy(a->commit, "4f2c", 5);
    a->revision = mem_strdup("main@sha1:4f2c");
    a->database.name = mem_strdup("orders");
    a->database.engine = ENGINE_POSTGRESQL;
    a->database.tls = TLS_VERIFY_CA;
    a->database.table = mem_strdup("flyway_schema_history");
    a->expect.rank = 13;
    a->expect.journal_seq = 57;
    a->expect.epoch = 3;
    migrations_options_init(&a->migrations);
    kvlist_set(&a->migrations.placeholders, "region", "eu");
    execution_options_init(&a->execution);
}

static void pack(struct assignment *a, struct buf *stream)
{
    struct migration files[2] = { file_make(MIGRATION_VERSIONED, "14", "create table t (i int);\n"),
                                  file_make(MIGRATION_REPEATABLE, "", "select 1;") };
    const struct migration *list[2] = { &files[0], &files[1] };
    check_error("pack", assignment_pack(a, list, 2, stream), NULL);
    migration_done(&files[0]);
    migration_done(&files[1]);
}

Test(assignment, the_manifest_is_the_documented_one)
{
    AUTO(assignment_done) struct assignment a;
    AUTO(buf_done) struct buf stream = BUF(100000);
    fill(&a);
    pack(&a, &stream);
    AUTO(free_auto) char *text = assignment_format(&a);
    check_text(
        "manifest", text,
        "{\"format\":1,\"plan\":{\"uid\":\"8f2c\",\"namespace\":\"shop\",\"name\":\"shop\","
        "\"generation\":3,"
        "\"cluster\":\"c1\"},\"digest\":\"sha256:aa\",\"commit\":\"4f2c\",\"revision\":\"main@sha1:"
        "4f2c\","
        "\"attempt\":4,\"retryToken\":\"\",\"database\":{\"name\":\"orders\",\"engine\":"
        "\"postgresql\","
        "\"schema\":null,\"table\":\"flyway_schema_history\",\"connection\":{\"type\":"
        "\"postgresql\",\"host\":null,"
        "\"port\":null,\"database\":null},\"tlsMode\":\"verify-ca\"},\"expect\":{\"target\":null,"
        "\"owner\":null,"
        "\"rank\":13,\"journalSeq\":57,\"journalHash\":null,\"epoch\":3},\"ownership\":\"Adopt\","
        "\"startBefore\":\"2026-11-22T10:00:00Z\",\"migrations\":{\"format\":\"Flyway\","
        "\"table\":\"flyway_schema_history\",\"target\":\"latest\",\"outOfOrder\":false,"
        "\"baselineOnMigrate\":false,\"baselineVersion\":\"1\",\"baselineDescription\":\"<< Flyway "
        "Baseline >>\","
        "\"ignoreMigrationPatterns\":[\"*:future\"],\"placeholders\":{\"region\":\"eu\"},"
        "\"placeholderReplacement\":true},\"execution\":{\"lockTimeoutMs\":1000,\"lockRetryForMs\":"
        "600000,"
        "\"statementTimeoutMs\":0,\"deadlineMs\":86400000,\"oldSessions\":\"Wait\","
        "\"allowSuperuser\":false},"
        "\"bundles\":[{\"name\":\"sluice-sql-0738600ee567a339\","
        "\"sha256\":\"0738600ee567a33925e9fdea48cf8c2f7cd600d386da6d37f3862cac090e59d8\",\"bytes\":"
        "33,"
        "\"parts\":1}],\"files\":[{\"kind\":\"versioned\",\"version\":\"14\",\"description\":\"add "
        "\\\"x\\\"\","
        "\"script\":\"14.sql\",\"path\":\"sql/14.sql\",\"sha256\":"
        "\"359829142f66b564ea3725d6f4743d9e77b2c4a4245d20cb5a692c5abafe4567\",\"checksum\":-17,"
        "\"bundle\":0,\"offset\":0,"
        "\"bytes\":24},{\"kind\":\"repeatable\",\"version\":null,\"description\":\"add "
        "\\\"x\\\"\",\"script\":\".sql\","
        "\"path\":\"sql/"
        ".sql\",\"sha256\":\"354b7196c9ba5fb4b21cf615bb6ec4cd5c07503c34229feef033fc081a8c03f4\","
        "\"checksum\":null,\"bundle\":0,\"offset\":24,\"bytes\":9}]}");
}

Test(assignment, what_is_written_reads_back_equal)
{
    AUTO(assignment_done) struct assignment a;
    AUTO(assignment_done) struct assignment b = { 0 };
    AUTO(buf_done) struct buf stream = BUF(100000);
    fill(&a);
    pack(&a, &stream);
    a.database.schema = mem_strdup("app");
    a.database.host = mem_strdup("h");
    a.database.port = 5433;
    a.expect.owner = mem_strdup("8f2c");
    memcpy(a.expect.target, "1f0c2a9b-0000-4000-8000-000000000000", 37);
    memset(a.expect.journal_hash, 'a', SHA256_HEX_LEN);
    a.execution.old_sessions = OLD_SESSIONS_TERMINATE;
    a.stop_at_ms = 1795345200000;
    AUTO(free_auto) char *text = assignment_format(&a);
    check_error("parse", assignment_parse(text, strlen(text), &b), NULL);
    AUTO(free_auto) char *again = assignment_format(&b);
    check_text("round trip", again, text);
    cr_expect_eq(b.stop_at_ms, a.stop_at_ms);
    check_text("schema reaches the options", b.migrations.schema, "app");
    cr_expect(b.files[0].has_checksum && b.files[0].checksum == -17 && !b.files[1].has_checksum);
}

/* Every key of every object: one more and one less are refused. */
static void check_keys(struct json *root, struct json *object, const char *path)
{
    json_set_int64(object, "unexpected", 1);
    AUTO(free_auto) char *more = json_text(root);
    json_remove(object, "unexpected");
    struct assignment out = { 0 };
    struct err *e = assignment_parse(more, strlen(more), &out);
    cr_expect(e && strcmp(e->reason, "AssignmentStale") == 0 && strstr(e->message, "unexpected"),
              "%s: an unknown key is refused", path);
    err_free(e);
    for (size_t i = json_count(object); i > 0; i--) {
        /* Each is put back at the end, so the first is always the next one. */
        AUTO(free_auto) char *key = mem_strdup(json_key(json_first(object)));
        AUTO(json_free_auto) struct json *saved = json_copy(json_first(object));
        json_remove(object, key);
        AUTO(free_auto) char *less = json_text(root);
        e = assignment_parse(less, strlen(less), &out);
        cr_expect(e && strcmp(e->reason, "AssignmentStale") == 0, "%s.%s: a missing key is refused",
                  path, key);
        err_free(e);
        json_set(object, key, json_array()); /* no field is happy with an empty list */
        AUTO(free_auto) char *wrong = json_text(root);
        e = assignment_parse(wrong, strlen(wrong), &out);
        cr_expect(e != NULL || strcmp(key, "ignoreMigrationPatterns") == 0,
                  "%s.%s: a wrong type is refused", path, key);
        err_free(e);
        assignment_done(&out);
        json_remove(object, key);
        json_set(object, key, TAKE(saved));
    }
}

Test(assignment, keys_are_neither_more_nor_less)
{
    AUTO(assignment_done) struct assignment a;
    AUTO(buf_done) struct buf stream = BUF(100000);
    fill(&a);
    pack(&a, &stream);
    AUTO(free_auto) char *text = assignment_format(&a);
    AUTO(json_free_auto) struct json *root = NULL;
    check_error("JSON", json_parse(text, strlen(text), "t", &root), NULL);
    static const char *const objects[] = { "plan", "database", "expect", "migrations",
                                           "execution" };
    for (size_t i = 0; i < ROWS(objects); i++) {
        check_keys(root, json_get_mut(root, objects[i]), objects[i]);
    }
    check_keys(root, json_get_mut(json_get_mut(root, "database"), "connection"), "connection");
    check_keys(root, json_at_mut(json_get_mut(root, "bundles"), 0), "bundles");
    check_keys(root, json_at_mut(json_get_mut(root, "files"), 0), "files");
    check_keys(root, root, "manifest");
}

Test(assignment, values_out_of_bounds_are_refused)
{
    static const struct {
        const char *name, *from, *to, *want;
    } rows[] = {
        { "another format", "\"format\":1,", "\"format\":2,",
          "format: this runner reads format 1 only" },
        { "an unknown ownership", "\"Adopt\"", "\"Steal\"", "ownership" },
        { "an unknown engine", "\"engine\":\"postgresql\"", "\"engine\":\"oracle\"",
          "database.engine" },
        { "a connection of another engine", "\"type\":\"postgresql\"", "\"type\":\"mysql\"",
          "connection.type" },
        { "an unknown TLS mode", "\"verify-ca\"", "\"prefer\"", "tlsMode" },
        { "a time that is none", "2026-11-22T10:00:00Z", "tomorrow", "startBefore" },
        { "an end that is none",
          "\"startBefore\":", "\"stopAt\":\"soon\",\"startBefore\":", "stopAt" },
        { "a negative attempt", "\"attempt\":4", "\"attempt\":-4", "attempt" },
        { "a fraction", "\"attempt\":4", "\"attempt\":4.5", "attempt" },
        { "a bundle that leads elsewhere", "sluice-sql-", "../../etc-", "bundles.name" },
        { "an upper-case digest", "\"sha256\":\"", "\"sha256\":\"A", "sha256" },
        { "a bundle that is not there", "\"bundle\":0", "\"bundle\":1", "files.bundle" },
        { "a gap before a file", "\"offset\":0", "\"offset\":1", "do not fill" },
        { "a file that is too short", "\"bytes\":24", "\"bytes\":23", "do not fill" },
        { "a file behind the bundle's end", "\"bytes\":24", "\"bytes\":25", "do not fill" },
        { "zero parts", "\"parts\":1", "\"parts\":0", "bundles.parts" },
        { "thousands of parts", "\"parts\":1", "\"parts\":99999", "bundles.parts" },
        { "a versioned file without a version", "\"version\":\"14\"", "\"version\":null",
          "files.version" },
        { "a repeatable with a checksum", "\"checksum\":null", "\"checksum\":1", "files.checksum" },
        { "a versioned file without a checksum", "\"checksum\":-17", "\"checksum\":null",
          "files.checksum" },
        { "a kind that never runs from a bundle", "\"kind\":\"versioned\"", "\"kind\":\"undo\"",
          "files.kind" },
        { "an unknown kind", "\"kind\":\"versioned\"", "\"kind\":\"magic\"", "files.kind" },
        { "an unknown pattern", "*:future", "*:past", "ignoreMigrationPatterns" },
        { "a target that is none", "\"latest\"", "\"last\"", "migrations.target" },
        { "text behind the end", "\"format\":1", "\"format\":1}x{\"f\":1", "line 1" },
    };
    AUTO(assignment_done) struct assignment a;
    AUTO(buf_done) struct buf stream = BUF(100000);
    fill(&a);
    pack(&a, &stream);
    AUTO(free_auto) char *text = assignment_format(&a);
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *at = strstr(text, rows[i].from);
        cr_assert(at != NULL, "%s", rows[i].name);
        AUTO(free_auto) char *changed =
            mem_printf("%.*s%s%s", (int)(at - text), text, rows[i].to, at + strlen(rows[i].from));
        AUTO(assignment_done) struct assignment out = { 0 };
        struct err *e = assignment_parse(changed, strlen(changed), &out);
        cr_expect(e && strcmp(e->reason, "AssignmentStale") == 0, "%s: reason", rows[i].name);
        check_error(rows[i].name, e, rows[i].want);
    }
}

/* ---- on disk ------------------------------------------------------------------------------- */

struct place {
    char dir[40];
    char *manifest; /* owned */
    char sha[SHA256_HEX_LEN + 1];
};

static void place_done(struct place *p)
{
    err_free(file_remove_tree(p->dir));
    free(p->manifest);
}

static void write_part(const struct place *p, const char *name, int part, const void *bytes,
                       size_t size)
{
    AUTO(free_auto) char *path = mem_printf("%s/%s.%03d", p->dir, name, part);
    check_error("part", file_write_atomic(path, bytes, size, 0600), NULL);
}

static void place_make(struct place *p, const struct assignment *a, const struct buf *stream)
{
    memcpy(p->dir, "/tmp/sluice-unit-XXXXXX", 24);
    cr_assert(mkdtemp(p->dir) != NULL);
    p->manifest = assignment_format(a);
    sha256_hex(p->manifest, strlen(p->manifest), p->sha);
    AUTO(free_auto) char *path = mem_printf("%s/manifest.json", p->dir);
    check_error("manifest", file_write_atomic(path, p->manifest, strlen(p->manifest), 0600), NULL);
    for (size_t at = 0; at < stream->len; at += ASSIGNMENT_PART_BYTES) {
        size_t left = stream->len - at;
        write_part(p, a->bundles[0].name, (int)(at / ASSIGNMENT_PART_BYTES), stream->data + at,
                   left < ASSIGNMENT_PART_BYTES ? left : ASSIGNMENT_PART_BYTES);
    }
}

static struct err *read_place(const struct place *p, struct migration_set *set, char **content)
{
    AUTO(assignment_done) struct assignment out = { 0 };
    return assignment_read(p->dir, p->sha, &out, set, content);
}

Test(assignment, a_folder_reads_back_byte_for_byte)
{
    AUTO(assignment_done) struct assignment a;
    AUTO(buf_done) struct buf stream = BUF(100000);
    AUTO(place_done) struct place p = { .dir = "" };
    AUTO(migration_set_done) struct migration_set set = { 0 };
    AUTO(free_auto) char *content = NULL;
    fill(&a);
    pack(&a, &stream);
    place_make(&p, &a, &stream);
    check_error("read", read_place(&p, &set, &content), NULL);
    cr_assert(set.count == 2);
    check_text("first", (const char *)set.items[0].bytes, "create table t (i int);\n");
    check_text("second, with its NUL", (const char *)set.items[1].bytes, "select 1;");
    cr_expect(set.items[0].raw_checksum == -17 && set.items[1].kind == MIGRATION_REPEATABLE);
    check_text("version", set.items[0].version.text, "14");
    check_text("script", set.items[0].script, "14.sql");
}

Test(assignment, a_large_bundle_comes_in_parts)
{
    AUTO(assignment_done) struct assignment a;
    AUTO(buf_done) struct buf stream = BUF(8000000);
    AUTO(place_done) struct place p = { .dir = "" };
    AUTO(migration_set_done) struct migration_set set = { 0 };
    AUTO(free_auto) char *content = NULL;
    AUTO(free_auto) char *text = mem_alloc(4000001);
    random_hex(text, 4000000); /* half a byte of information each: about 2.3 MB packed */
    fill(&a);
    struct migration m = file_make(MIGRATION_BASELINE, "1", text);
    const struct migration *list[] = { &m };
    check_error("pack", assignment_pack(&a, list, 1, &stream), NULL);
    migration_done(&m);
    cr_expect(a.bundles[0].parts == 3, "%d parts", a.bundles[0].parts);
    place_make(&p, &a, &stream);
    check_error("read", read_place(&p, &set, &content), NULL);
    cr_assert(set.count == 1);
    cr_expect(strcmp((const char *)set.items[0].bytes, text) == 0);
}

Test(assignment, no_file_needs_no_bundle)
{
    AUTO(assignment_done) struct assignment a;
    AUTO(buf_done) struct buf stream = BUF(100000);
    AUTO(place_done) struct place p = { .dir = "" };
    AUTO(migration_set_done) struct migration_set set = { 0 };
    AUTO(free_auto) char *content = NULL;
    fill(&a);
    check_error("pack", assignment_pack(&a, NULL, 0, &stream), NULL);
    place_make(&p, &a, &stream);
    check_error("read", read_place(&p, &set, &content), NULL);
    cr_expect(set.count == 0 && stream.len == 0);
}

Test(assignment, any_changed_byte_is_found)
{
    AUTO(assignment_done) struct assignment a;
    AUTO(buf_done) struct buf stream = BUF(100000);
    AUTO(place_done) struct place p = { .dir = "" };
    fill(&a);
    pack(&a, &stream);
    place_make(&p, &a, &stream);
    for (size_t i = 0; i < stream.len; i++) {
        if (i >= 3 && i <= 9) {
            continue; /* flags, time and system of the gzip header say nothing about the content */
        }
        stream.data[i] ^= 0x20;
        write_part(&p, a.bundles[0].name, 0, stream.data, stream.len);
        stream.data[i] ^= 0x20;
        struct migration_set set = { 0 };
        char *content = NULL;
        struct err *e = read_place(&p, &set, &content);
        cr_expect(e && strcmp(e->reason, "AssignmentStale") == 0 && set.count == 0 && !content,
                  "byte %zu", i);
        err_free(e);
    }
}

Test(assignment, a_folder_that_is_not_whole_is_stale)
{
    AUTO(assignment_done) struct assignment a;
    AUTO(buf_done) struct buf stream = BUF(100000);
    AUTO(place_done) struct place p = { .dir = "" };
    fill(&a);
    pack(&a, &stream);
    place_make(&p, &a, &stream);
    struct migration_set set = { 0 };
    char *content = NULL;

    p.sha[0] = p.sha[0] == '0' ? '1' : '0';
    check_error("another manifest", read_place(&p, &set, &content), "--assignment-sha256");
    p.sha[0] = '\0';
    check_error("no digest", read_place(&p, &set, &content), "--assignment-sha256");
    sha256_hex(p.manifest, strlen(p.manifest), p.sha);
    write_part(&p, a.bundles[0].name, 0, stream.data, stream.len - 1);
    check_error("half a part", read_place(&p, &set, &content), "cut short");
    AUTO(free_auto) char *part = mem_printf("%s/%s.000", p.dir, a.bundles[0].name);
    check_error("remove", file_remove_tree(part), NULL);
    struct err *e = read_place(&p, &set, &content);
    cr_expect(e && strcmp(e->reason, "AssignmentStale") == 0);
    check_error("no part", e, "No such file");
}
