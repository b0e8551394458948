/* SPDX-License-Identifier: Apache-2.0 */
/* What the fetch process writes comes back unchanged, and nothing else is believed. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/hash.h"
#include "base/mem.h"
#include "git/wire.h"
#include "model/reason.h"

TestSuite(wire, .timeout = 120);

#define OID "0123456789abcdef0123456789abcdef01234567"
#define OID2 "89abcdef0123456789abcdef0123456789abcdef"

static void add_file(struct tree *tree, const char *path, const char *script, const char *text)
{
    uint8_t *bytes = mem_alloc(strlen(text) + 1);
    memcpy(bytes, text, strlen(text));
    cr_assert_null(tree_add(tree, path, script, bytes, strlen(text)));
}

struct sample {
    struct repo_result result;
    struct repo_request request;
    struct strlist sets[3];
};

static void sample_make(struct sample *out)
{
    memset(out, 0, sizeof *out);
    struct repo_result *r = &out->result;
    r->ref = mem_strdup("refs/heads/main");
    r->revision = mem_strdup("main@sha1:" OID);
    memcpy(r->tip, OID2, 41);
    memcpy(r->commit, OID, 41);
    r->history = REPO_HISTORY_ANCESTOR;
    r->older_than_last = true;
    strlist_add(&r->ancestors, OID2);
    r->trees = mem_array(3, sizeof *r->trees);
    r->tree_count = 3;
    add_file(&r->trees[0].tree, "sql/V1__a.sql", "V1__a.sql", "select 1;");
    add_file(&r->trees[0].tree, "sql/sub/V2__b.sql", "sub/V2__b.sql", "select 2;");
    strlist_add(&r->trees[0].tree.oids, OID);
    r->trees[1].error = err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION, "folder 'x' is missing");
    add_file(&r->trees[2].tree, "other/V1__a.sql", "V1__a.sql", "select 1;"); /* the same bytes */
    strlist_add(&r->trees[2].tree.oids, OID2);
    strlist_add(&out->sets[0], "sql");
    strlist_add(&out->sets[1], "x");
    strlist_add(&out->sets[2], "./other/");
    out->request.sets = out->sets;
    out->request.set_count = 3;
}

static void sample_done(struct sample *sample)
{
    repo_result_done(&sample->result);
    for (int i = 0; i < 3; i++) {
        strlist_done(&sample->sets[i]);
    }
}

static void slurp(int fd, struct buf *out)
{
    char chunk[4096];
    cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
    ssize_t n = 0;
    while ((n = read(fd, chunk, sizeof chunk)) > 0) {
        buf_add(out, chunk, (size_t)n);
    }
    (void)close(fd);
}

static void answer_make(const struct sample *sample, struct buf *out)
{
    int fd = memfd_create("answer", MFD_CLOEXEC);
    cr_assert(wire_write_result(fd, &sample->result));
    slurp(fd, out);
}

Test(wire, carries_a_result)
{
    AUTO(sample_done) struct sample sample;
    sample_make(&sample);
    AUTO(buf_done) struct buf answer = BUF(1 << 20);
    answer_make(&sample, &answer);
    AUTO(repo_result_done) struct repo_result got = { 0 };
    AUTO(err_free_auto) struct err *error =
        wire_parse_result(answer.data, answer.len, &sample.request, &got);
    cr_assert_null(error, "%s", error ? error->message : "");
    cr_expect_str_eq(got.ref, "refs/heads/main");
    cr_expect_str_eq(got.tip, OID2);
    cr_expect_str_eq(got.commit, OID);
    cr_expect_str_eq(got.revision, "main@sha1:" OID);
    cr_expect_eq(got.history, REPO_HISTORY_ANCESTOR);
    cr_expect(got.older_than_last);
    cr_expect_eq(got.ancestors.count, 1);
    cr_assert_eq(got.tree_count, 3);
    cr_assert_null(got.trees[0].error);
    cr_assert_eq(got.trees[0].tree.count, 2);
    cr_expect_str_eq(got.trees[0].tree.files[1].path, "sql/sub/V2__b.sql");
    cr_expect_str_eq(got.trees[0].tree.files[1].script, "sub/V2__b.sql");
    cr_expect_eq(memcmp(got.trees[0].tree.files[1].bytes, "select 2;", 10), 0);
    cr_expect_str_eq(got.trees[0].tree.commit, OID);
    cr_expect_str_eq(got.trees[1].error->reason, REASON_INVALID_MIGRATION);
    cr_expect_str_eq(got.trees[2].tree.locations.items[0], "other");
    cr_expect_str_eq(got.trees[2].tree.oids.items[0], OID2);
    cr_expect_eq(got.trees[2].tree.files[0].bytes, got.trees[0].tree.files[0].bytes,
                 "equal files are one copy");
    size_t copies = 0;
    for (const char *at = answer.data;
         (at = memmem(at, answer.len - (size_t)(at - answer.data), "select 1;", 9)); at += 9) {
        copies++;
    }
    cr_expect_eq(copies, 1, "equal files travel once");
}

static void add_large(struct tree *tree, const char *text)
{
    struct large_scan *scan = large_scan_new();
    large_scan_add(scan, text, strlen(text));
    cr_assert_null(tree_add_large(tree, "other/V3__c.sql", "V3__c.sql", large_scan_end(scan)));
}

Test(wire, carries_what_is_known_of_a_large_file)
{
    static const char text[] = "-- sluice: idempotent=true\nselect '${a}';\ncaf\xE9";
    AUTO(sample_done) struct sample sample;
    sample_make(&sample);
    add_large(&sample.result.trees[2].tree, text);
    const struct large *told = sample.result.trees[2].tree.files[1].large;
    AUTO(buf_done) struct buf answer = BUF(1 << 20);
    answer_make(&sample, &answer);
    AUTO(repo_result_done) struct repo_result got = { 0 };
    AUTO(err_free_auto) struct err *error =
        wire_parse_result(answer.data, answer.len, &sample.request, &got);
    cr_assert_null(error, "%s", error ? error->message : "");
    cr_assert_eq(got.trees[2].tree.count, 2);
    const struct tree_file *file = &got.trees[2].tree.files[1];
    cr_assert(file->large && !file->bytes && !file->large->ops);
    cr_expect_str_eq(file->large->path, "other/V3__c.sql");
    cr_expect_eq(file->size, strlen(text));
    cr_expect_eq(memcmp(file->large->sha256, told->sha256, SHA256_LEN), 0);
    cr_expect_eq(file->large->checksum, told->checksum);
    cr_expect_eq(file->large->fault, LARGE_NOT_UTF8);
    cr_expect_eq(file->large->fault_line, 3);
    cr_expect_eq(file->large->fault_byte, 0xE9);
    cr_expect(file->large->has_placeholder);
    cr_expect_str_eq((const char *)file->large->head, text);
}

Test(wire, carries_tips_and_errors)
{
    struct repo_tip tips[2] = {
        { .commit = OID, .ref = mem_strdup("refs/heads/main") },
        { .error = err_new(ERR_TRANSIENT, REASON_REVISION_NOT_FOUND, "gone") },
    };
    int fd = memfd_create("answer", MFD_CLOEXEC);
    cr_assert(wire_write_tips(fd, tips, 2));
    AUTO(buf_done) struct buf answer = BUF(1 << 20);
    slurp(fd, &answer);
    repo_tips_done(tips, 2);
    struct repo_tip got[2] = { 0 };
    cr_assert_null(wire_parse_tips(answer.data, answer.len, 2, got));
    cr_expect_str_eq(got[0].commit, OID);
    cr_expect_str_eq(got[0].ref, "refs/heads/main");
    cr_expect_str_eq(got[1].error->reason, REASON_REVISION_NOT_FOUND);
    repo_tips_done(got, 2);
    AUTO(err_free_auto) struct err *fewer = wire_parse_tips(answer.data, answer.len, 3, got);
    cr_assert_not_null(fewer);
    cr_expect_str_eq(fewer->reason, REASON_SOURCE_FETCH_FAILED);
}

/* Cut anywhere, or longer: never an answer. */
Test(wire, believes_no_part_of_an_answer)
{
    AUTO(sample_done) struct sample sample;
    sample_make(&sample);
    AUTO(buf_done) struct buf answer = BUF(1 << 20);
    answer_make(&sample, &answer);
    for (size_t length = 0; length <= answer.len + 1; length++) {
        if (length == answer.len) {
            continue;
        }
        AUTO(free_auto) char *part =
            mem_alloc(length + 1); /* exact size: ASan sees a step beyond */
        memcpy(part, answer.data, length < answer.len ? length : answer.len);
        AUTO(repo_result_done) struct repo_result got = { 0 };
        AUTO(err_free_auto) struct err *error =
            wire_parse_result(part, length, &sample.request, &got);
        cr_assert_not_null(error, "%zu bytes of %zu were an answer", length, answer.len);
        cr_expect_str_eq(error->reason, REASON_SOURCE_FETCH_FAILED);
        cr_expect_null(got.trees);
    }
}

/* One bit anywhere: files keep their content, whatever else the parser makes of it. */
Test(wire, survives_every_flipped_bit)
{
    AUTO(sample_done) struct sample sample;
    sample_make(&sample);
    AUTO(buf_done) struct buf answer = BUF(1 << 20);
    answer_make(&sample, &answer);
    size_t header =
        12 + ((size_t)(unsigned char)answer.data[10] << 8) + (unsigned char)answer.data[11];
    for (size_t bit = 0; bit < 8 * answer.len; bit++) {
        answer.data[bit / 8] = (char)(answer.data[bit / 8] ^ (1 << (bit % 8)));
        AUTO(repo_result_done) struct repo_result got = { 0 };
        AUTO(err_free_auto) struct err *error =
            wire_parse_result(answer.data, answer.len, &sample.request, &got);
        cr_expect(error || bit / 8 < header, "bit %zu of a file's content", bit);
        answer.data[bit / 8] = (char)(answer.data[bit / 8] ^ (1 << (bit % 8)));
    }
}

static void frame(const char *json, const char *blobs, struct buf *out)
{
    size_t length = strlen(json);
    buf_adds(out, "SLFETCH1");
    for (int shift = 24; shift >= 0; shift -= 8) {
        buf_addc(out, (char)(length >> shift));
    }
    buf_adds(out, json);
    buf_adds(out, blobs);
}

#define HEAD                                                                                       \
    "\"ref\":\"refs/heads/m\",\"tip\":\"" OID "\",\"commit\":\"" OID                               \
    "\",\"revision\":\"m@sha1:x\",\"history\":\"none\",\"ancestors\":[]"
#define A_SHA "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb" /* "a" */
#define BLOBS "\"blobs\":[[1,\"" A_SHA "\"]]"
#define TREE(files) "\"trees\":[{\"oids\":[\"" OID "\"],\"files\":[" files "]}]"

static const struct lie {
    const char *name, *json, *blobs;
} lies[] = {
    { "not an object", "[]", "" },
    { "nothing in it", "{}", "" },
    { "a digest of other bytes", "{" HEAD "," BLOBS "," TREE("[\"sql/V1.sql\",\"V1.sql\",0]") "}",
      "b" },
    { "a size beyond the end",
      "{" HEAD ",\"blobs\":[[9,\"" A_SHA "\"]]," TREE("[\"sql/V1.sql\",\"V1.sql\",0]") "}", "a" },
    { "a negative size",
      "{" HEAD ",\"blobs\":[[-1,\"" A_SHA "\"]]," TREE("[\"sql/V1.sql\",\"V1.sql\",0]") "}", "a" },
    { "a size of 2^53", "{" HEAD ",\"blobs\":[[9007199254740992,\"" A_SHA "\"]]," TREE("") "}",
      "a" },
    { "a file that no blob is for",
      "{" HEAD "," BLOBS "," TREE("[\"sql/V1.sql\",\"V1.sql\",1]") "}", "a" },
    { "a negative index", "{" HEAD "," BLOBS "," TREE("[\"sql/V1.sql\",\"V1.sql\",-1]") "}", "a" },
    { "bytes of nobody", "{" HEAD ",\"blobs\":[]," TREE("") "}", "a" },
    { "a name '..'", "{" HEAD "," BLOBS "," TREE("[\"sql/..\",\"..\",0]") "}", "a" },
    { "a folder '..'", "{" HEAD "," BLOBS "," TREE("[\"sql/../V1.sql\",\"../V1.sql\",0]") "}",
      "a" },
    { "a folder without a name",
      "{" HEAD "," BLOBS "," TREE("[\"sql/a//V1.sql\",\"a//V1.sql\",0]") "}", "a" },
    { "a hidden folder", "{" HEAD "," BLOBS "," TREE("[\"sql/.a/V1.sql\",\".a/V1.sql\",0]") "}",
      "a" },
    { "a control character", "{" HEAD "," BLOBS "," TREE("[\"sql/V1\\n.sql\",\"V1\\n.sql\",0]") "}",
      "a" },
    { "a script that is not the path's end",
      "{" HEAD "," BLOBS "," TREE("[\"sql/V1.sql\",\"V2.sql\",0]") "}", "a" },
    { "no script", "{" HEAD "," BLOBS "," TREE("[\"sql/V1.sql\",\"\",0]") "}", "a" },
    { "a file outside the path", "{" HEAD "," BLOBS "," TREE("[\"etc/V1.sql\",\"V1.sql\",0]") "}",
      "a" },
    { "a file outside the path, beside a right one",
      "{" HEAD "," BLOBS
      "," TREE("[\"etc/V2.sql\",\"V2.sql\",0],[\"sql/V1.sql\",\"V1.sql\",0]") "}",
      "a" },
    { "the same file twice",
      "{" HEAD "," BLOBS
      "," TREE("[\"sql/V1.sql\",\"V1.sql\",0],[\"sql/V1.sql\",\"V1.sql\",0]") "}",
      "a" },
    { "no tree", "{" HEAD "," BLOBS ",\"trees\":[]}", "a" },
    { "two trees", "{" HEAD ",\"blobs\":[],\"trees\":[{},{}]}", "" },
    { "no folder's id",
      "{" HEAD "," BLOBS ",\"trees\":[{\"oids\":[],\"files\":[[\"sql/V1.sql\",\"V1.sql\",0]]}]}",
      "a" },
    { "a folder's id of letters",
      "{" HEAD "," BLOBS
      ",\"trees\":[{\"oids\":[\"zz\"],\"files\":[[\"sql/V1.sql\",\"V1.sql\",0]]}]}",
      "a" },
    { "no commit",
      "{\"ref\":\"r\",\"tip\":\"x\",\"revision\":\"r\",\"history\":\"none\"," BLOBS
      "," TREE("[\"sql/V1.sql\",\"V1.sql\",0]") "}",
      "a" },
    { "an unknown history",
      "{\"ref\":\"r\",\"tip\":\"" OID "\",\"commit\":\"" OID
      "\",\"revision\":\"r\",\"history\":\"fine\"," BLOBS
      "," TREE("[\"sql/V1.sql\",\"V1.sql\",0]") "}",
      "a" },
};

Test(wire, believes_no_lie)
{
    AUTO(strlist_done) struct strlist paths = { 0 };
    strlist_add(&paths, "sql");
    struct repo_request request = { .sets = &paths, .set_count = 1 };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        AUTO(buf_done) struct buf answer = BUF(1 << 20);
        AUTO(repo_result_done) struct repo_result got = { 0 };
        frame(lies[i].json, lies[i].blobs, &answer);
        AUTO(err_free_auto) struct err *error =
            wire_parse_result(answer.data, answer.len, &request, &got);
        cr_assert_not_null(error, "%s was believed", lies[i].name);
        cr_expect_str_eq(error->reason, REASON_SOURCE_FETCH_FAILED, "%s: %s", lies[i].name,
                         error->message);
        cr_expect_eq(error->kind, ERR_TRANSIENT);
    }
    AUTO(buf_done) struct buf answer =
        BUF(1 << 20); /* the frame of the lies, with the truth in it */
    AUTO(repo_result_done) struct repo_result got = { 0 };
    frame("{" HEAD "," BLOBS "," TREE("[\"sql/V1.sql\",\"V1.sql\",0]") "}", "a", &answer);
    cr_expect_null(wire_parse_result(answer.data, answer.len, &request, &got));
}

/* A reason outside the fetch's own would reach conditions and exit codes. */
Test(wire, takes_only_reasons_of_a_fetch)
{
    static const char *const rows[][2] = {
        { "AccessDenied", "AccessDenied" },       { "SourceTooLarge", "SourceTooLarge" },
        { "Succeeded", "SourceFetchFailed" },     { "OutcomeUnknown", "SourceFetchFailed" },
        { "TargetChanged", "SourceFetchFailed" }, { "", "SourceFetchFailed" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AUTO(free_auto) char *json = mem_printf(
            "{\"error\":{\"kind\":\"terminal\",\"reason\":\"%s\",\"message\":\"a\\u001b[2Jb\"}}",
            rows[i][0]);
        AUTO(buf_done) struct buf answer = BUF(4096);
        frame(json, "", &answer);
        AUTO(err_free_auto) struct err *error = wire_parse_tips(answer.data, answer.len, 0, NULL);
        cr_assert_not_null(error);
        cr_expect_str_eq(error->reason, rows[i][1]);
        cr_expect_null(strchr(error->message, '\x1b'), "no escape sequence gets through");
    }
}

Test(wire, carries_a_request_with_any_bytes_in_its_secrets)
{
    struct repo_credentials c = {
        .username = mem_strdup("u"),
        .password = secret_make("\xff\x01\"\\\n", 5),
        .known_hosts = mem_strdup("host ssh-ed25519 AAAA\n"),
    };
    AUTO(strlist_done) struct strlist paths = { 0 };
    strlist_add(&paths, "sql/\xc3\xa4");
    struct repo_ref ref = { .kind = REPO_REF_TAG, .name = "v1" };
    struct wire_job job = {
        .home = "/tmp/h", .left_ms = 5, .refs = &ref, .ref_count = 1, .anew = true,
        .request = {
            .source = { .url = "https://h/x", .allow = 3, .credentials = &c, .timeout_ms = 7,
                        .proxy = "http://p:1",
                        .limits = { .pack_bytes = 1, .object_bytes = 2, .objects = 3,
                                    .memory_bytes = 4 } },
            .revision = OID, .last_applied = OID2, .cache = "/c", .sets = &paths, .set_count = 1,
        },
    };
    AUTO(buf_done) struct buf text = BUF(WIRE_REQUEST_MAX);
    wire_format_request(&job, &text);
    AUTO(wire_job_done) struct wire_job got = { 0 };
    AUTO(err_free_auto) struct err *error = wire_parse_request(text.data, text.len, &got);
    cr_assert_null(error, "%s", error ? error->message : "");
    const struct repo_source *source = &got.request.source;
    cr_expect_eq(source->credentials->password.length, 5);
    cr_expect_eq(memcmp(source->credentials->password.bytes, "\xff\x01\"\\\n", 5), 0);
    cr_expect_str_eq(source->credentials->username, "u");
    cr_expect_str_eq(source->credentials->known_hosts, "host ssh-ed25519 AAAA\n");
    cr_expect_not(secret_set(&source->credentials->identity));
    cr_expect_str_eq(source->url, "https://h/x");
    cr_expect_str_eq(source->proxy, "http://p:1");
    cr_expect_null(source->no_proxy);
    cr_expect_eq(source->timeout_ms, 7);
    cr_expect_eq(source->limits.memory_bytes, 4);
    cr_expect_eq(got.left_ms, 5);
    cr_expect(got.anew);
    cr_expect_eq(got.request.ref.kind, REPO_REF_TAG);
    cr_expect_str_eq(got.request.ref.name, "v1");
    cr_expect_str_eq(got.request.revision, OID);
    cr_expect_str_eq(got.request.last_applied, OID2);
    cr_expect_str_eq(got.request.cache, "/c");
    cr_expect_eq(got.request.set_count, 1);
    cr_expect_str_eq(got.request.sets[0].items[0], "sql/\xc3\xa4");
    repo_credentials_done(&c);
}
