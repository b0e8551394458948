/* SPDX-License-Identifier: Apache-2.0 */
/* What the process that fetches says: the parent believes nothing that it did not ask for, and what it takes is told
 * again as the same bytes. An input: a byte that chooses, then the answer, raw or as its JSON, a NUL and the files. */
#include <sys/mman.h>
#include <unistd.h>
#include "base/buf.h"
#include "fuzz.h"
#include "git/paths.h"
#include "git/wire.h"
#include "model/reason.h"

#define MOST ((size_t)16 * 1024 * 1024)

static void add_frame(struct buf *out, const char *bytes, size_t length)
{
    const char *nul = memchr(bytes, '\0', length);
    const size_t header = nul ? (size_t)(nul - bytes) : length;

    buf_adds(out, "SLFETCH1");
    for (int shift = 24; shift >= 0; shift -= 8) {
        buf_addc(out, (char)(header >> shift));
    }
    buf_add(out, bytes, header);
    if (nul) {
        buf_add(out, nul + 1, length - header - 1);
    }
}

static void slurp(int fd, struct buf *out)
{
    char chunk[4096];
    ssize_t n = 0;

    assert(lseek(fd, 0, SEEK_SET) == 0);
    while ((n = read(fd, chunk, sizeof chunk)) > 0) {
        buf_add(out, chunk, (size_t)n);
    }
    (void)close(fd);
}

static void tell(const struct repo_result *result, struct buf *out)
{
    int fd = memfd_create("answer", MFD_CLOEXEC);

    assert(fd >= 0 && wire_write_result(fd, result));
    slurp(fd, out);
}

/* Below a folder that was asked for, by names that are no way out of it. */
static void check_file(const struct tree *tree, const struct tree_file *file)
{
    bool below = false;

    for (size_t i = 0; i < tree->locations.count; i++) {
        AUTO(free_auto) char *path = paths_join(tree->locations.items[i], file->script);
        below = below || str_eq(path, file->path);
    }
    assert(below && file->script[0]);
    AUTO(free_auto) char *inside = mem_printf("/%s/", file->path);
    assert(!strstr(inside, "/../") && !strstr(inside, "/./"));
    if (!file->large) {
        uint8_t digest[SHA256_LEN];
        sha256(file->bytes, file->size, digest);
        assert(memcmp(digest, file->content->sha256, SHA256_LEN) == 0);
    }
}

static void check_result(const struct repo_request *request, const struct repo_result *result)
{
    assert(result->tree_count == request->set_count);
    for (size_t i = 0; i < result->tree_count; i++) {
        const struct tree *tree = &result->trees[i].tree;
        assert(!result->trees[i].error || tree->count == 0);
        for (size_t k = 0; k < tree->count; k++) {
            assert(k == 0 || strcmp(tree->files[k - 1].path, tree->files[k].path) < 0);
            check_file(tree, &tree->files[k]);
        }
    }
    AUTO(buf_done) struct buf told = BUF(MOST);
    AUTO(buf_done) struct buf twice = BUF(MOST);
    AUTO(repo_result_done) struct repo_result again = { 0 };
    tell(result, &told);
    fuzz_read_again(wire_parse_result(told.data, told.len, request, &again), told.data + 12);
    tell(&again, &twice);
    assert(told.len == twice.len && memcmp(told.data, twice.data, told.len) == 0);
}

static void check_refused(struct err *e)
{
    assert(e->message[0] && e->reason[0]);
    err_free(e);
}

static void fuzz_result(const char *bytes, size_t length)
{
    struct strlist sets[2] = { 0 };
    strlist_add(&sets[0], "sql");
    strlist_add(&sets[1], ".");
    strlist_add(&sets[1], "./other/");
    const struct repo_request request = { .sets = sets, .set_count = 2 };
    AUTO(repo_result_done) struct repo_result result = { 0 };
    struct err *e = wire_parse_result(bytes, length, &request, &result);

    if (e) {
        assert(!result.trees && !result.ref);
        check_refused(e);
    } else {
        check_result(&request, &result);
    }
    strlist_done(&sets[0]);
    strlist_done(&sets[1]);
}

static void fuzz_tips(const char *bytes, size_t length)
{
    struct repo_tip tips[2] = { 0 };
    struct err *e = wire_parse_tips(bytes, length, 2, tips);

    if (e) {
        check_refused(e);
        return;
    }
    for (int i = 0; i < 2; i++) {
        assert(tips[i].error || (tips[i].ref && strlen(tips[i].commit) >= 40));
    }
    repo_tips_done(tips, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    AUTO(buf_done) struct buf framed = BUF(MOST);
    const char *bytes = (const char *)data + 1;
    size_t length = size - 1;

    if (data[0] & 1) {
        add_frame(&framed, bytes, length);
        bytes = framed.data;
        length = framed.len;
    }
    if (data[0] & 2) {
        fuzz_tips(bytes, length);
    } else {
        fuzz_result(bytes, length);
    }
    return 0;
}
