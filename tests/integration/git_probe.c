/* SPDX-License-Identifier: Apache-2.0 */
/* git/ by hand: each flag fills one field of the request, each line of output is one field of the
 * answer. The scripts beside it run this against real servers.
 *   git_probe poll|fetch|dir URL|PATH [--branch B | --tag T | --commit C | --name N | --any A]... */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "git/repo.h"

#define REFS_MAX 16
#define SETS_MAX 16

struct flags {
    struct repo_request request;
    struct repo_ref refs[REFS_MAX];
    size_t ref_count;
    struct strlist sets[SETS_MAX];
    struct kvlist secret;
    int cancel_fd;
    int stderr_fd;
    bool bytes;
};

static int fail(struct err *error)
{
    printf("error %d %s: %s\n", (int)error->kind, error->reason, error->message);
    err_free(error);
    return 3;
}

static void add_ref(struct flags *flags, enum repo_ref_kind kind, const char *name)
{
    flags->refs[flags->ref_count++] = (struct repo_ref){ .kind = kind, .name = name };
}

/* --secret key=text or key=@file */
static void add_secret(struct flags *flags, const char *pair)
{
    const char *equals = strchr(pair, '=');
    AUTO(free_auto) char *key = mem_strndup(pair, (size_t)(equals - pair));
    if (equals[1] != '@') {
        kvlist_set(&flags->secret, key, equals + 1);
        return;
    }
    AUTO(buf_done) struct buf text = BUF(1 << 20);
    AUTO(err_free_auto) struct err *error = file_read(equals + 2, &text);
    if (error) {
        fprintf(stderr, "%s\n", error->message);
        return;
    }
    kvlist_set(&flags->secret, key, buf_text(&text));
}

static int64_t number(const char *text)
{
    int64_t value = 0;
    return str_to_int64(text, 0, INT64_MAX, &value) ? value : -1;
}

static bool take_ref(struct flags *flags, const char *flag, const char *value)
{
    static const char *const names[] = { "--branch", "--tag", "--commit", "--name", "--any" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(flag, names[i]) == 0) {
            add_ref(flags, (enum repo_ref_kind)i, value);
            return true;
        }
    }
    return false;
}

static bool take_limit(struct repo_source *source, const char *flag, const char *value)
{
    int64_t *field = strcmp(flag, "--timeout") == 0        ? &source->timeout_ms
                     : strcmp(flag, "--pack-bytes") == 0   ? &source->limits.pack_bytes
                     : strcmp(flag, "--object-bytes") == 0 ? &source->limits.object_bytes
                     : strcmp(flag, "--objects") == 0      ? &source->limits.objects
                     : strcmp(flag, "--memory") == 0       ? &source->limits.memory_bytes
                                                           : NULL;
    if (field) {
        *field = number(value);
    }
    return field != NULL;
}

static bool take(struct flags *flags, const char *flag, const char *value)
{
    struct repo_request *request = &flags->request;
    if (take_ref(flags, flag, value) || take_limit(&request->source, flag, value)) {
        return true;
    }
    if (strcmp(flag, "--path") == 0) { /* of the newest set */
        request->set_count += request->set_count == 0;
        strlist_add(&flags->sets[request->set_count - 1], value);
    } else if (strcmp(flag, "--set") == 0) { /* begins another set */
        strlist_add(&flags->sets[request->set_count++], value);
    } else if (strcmp(flag, "--secret") == 0) {
        add_secret(flags, value);
    } else if (strcmp(flag, "--cache") == 0) {
        request->cache = value;
    } else if (strcmp(flag, "--last") == 0) {
        request->last_applied = value;
    } else if (strcmp(flag, "--revision") == 0) {
        request->revision = value;
    } else if (strcmp(flag, "--scratch") == 0) {
        request->source.scratch = value;
    } else if (strcmp(flag, "--proxy") == 0) {
        request->source.proxy = value;
    } else if (strcmp(flag, "--exe") == 0) {
        request->source.exe = value;
    } else if (strcmp(flag, "--cancel-fifo") == 0) {
        flags->cancel_fd = open(value, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        request->source.cancel_fd = &flags->cancel_fd;
    } else {
        return false;
    }
    return true;
}

static void print_tree(size_t index, const struct tree *tree, bool bytes)
{
    for (size_t i = 0; i < tree->oids.count; i++) {
        printf("tree %zu %s %s\n", index, tree->locations.items[i], tree->oids.items[i]);
    }
    for (size_t i = 0; i < tree->count; i++) {
        const struct tree_file *file = &tree->files[i];
        char hex[SHA256_HEX_LEN + 1] = "not kept";
        if (file->bytes) {
            sha256_hex(file->bytes, file->size, hex);
        }
        printf("file %zu %s %s %zu %.12s\n", index, file->path, file->script, file->size, hex);
        if (bytes && file->bytes) {
            (void)fwrite(file->bytes, 1, file->size, stdout);
        }
    }
}

static int run_fetch(struct flags *flags)
{
    static const char *const histories[] = { "none", "same", "ancestor", "rewritten" };
    AUTO(repo_result_done) struct repo_result result = { 0 };
    flags->request.ref = flags->refs[0];
    flags->request.sets = flags->sets;
    struct err *error = repo_fetch(&flags->request, &result);
    if (error) {
        return fail(error);
    }
    printf("ref %s\ntip %s\ncommit %s\nrevision %s\nhistory %s\nolder %d\nrebuilt %d\n", result.ref,
           result.tip, result.commit, result.revision, histories[result.history],
           result.older_than_last, result.cache_rebuilt);
    printf("ancestors %zu %s\n", result.ancestors.count,
           result.ancestors.count ? result.ancestors.items[0] : "-");
    for (size_t i = 0; i < result.tree_count; i++) {
        if (result.trees[i].error) {
            printf("tree-error %zu %s: %s\n", i, result.trees[i].error->reason,
                   result.trees[i].error->message);
        } else {
            print_tree(i, &result.trees[i].tree, flags->bytes);
        }
    }
    return 0;
}

static int run_poll(struct flags *flags)
{
    struct repo_tip tips[REFS_MAX];
    struct err *error = repo_poll(&flags->request.source, flags->refs, flags->ref_count, tips);
    if (error) {
        return fail(error);
    }
    for (size_t i = 0; i < flags->ref_count; i++) {
        if (tips[i].error) {
            printf("tip-error %zu %s: %s\n", i, tips[i].error->reason, tips[i].error->message);
        } else {
            printf("tip %zu %s %s\n", i, tips[i].commit, tips[i].ref[0] ? tips[i].ref : "-");
        }
    }
    repo_tips_done(tips, flags->ref_count);
    return 0;
}

static int run_dir(const char *path)
{
    AUTO(tree_done) struct tree tree = { 0 };
    struct err *error = repo_read_dir(path, NULL, &tree);
    if (!error) {
        error = tree_finish(&tree);
    }
    if (error) {
        return fail(error);
    }
    print_tree(0, &tree, false);
    return 0;
}

static int run(const char *verb, struct flags *flags)
{
    struct repo_credentials credentials = { 0 };
    struct err *error =
        repo_credentials_parse(&flags->secret, flags->request.source.url, &credentials);
    if (error) {
        return fail(error);
    }
    flags->request.source.credentials = &credentials;
    if (flags->ref_count == 0) {
        add_ref(flags, REPO_REF_BRANCH, "main");
    }
    int code = strcmp(verb, "poll") == 0 ? run_poll(flags) : run_fetch(flags);
    repo_credentials_done(&credentials);
    return code;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "fetch-once") == 0) {
        return repo_fetch_once_main(argc - 1, argv + 1);
    }
    if (argc < 3) {
        return 1;
    }
    if (strcmp(argv[1], "dir") == 0) {
        return run_dir(argv[2]);
    }
    struct flags flags = { .stderr_fd = 2 };
    flags.request.source.url = argv[2];
    flags.request.source.stderr_fd = &flags.stderr_fd;
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "--http") == 0) {
            flags.request.source.allow |= REPO_ALLOW_HTTP;
        } else if (strcmp(argv[i], "--file") == 0) {
            flags.request.source.allow |= REPO_ALLOW_FILE;
        } else if (strcmp(argv[i], "--bytes") == 0) {
            flags.bytes = true;
        } else if (i + 1 >= argc || !take(&flags, argv[i], argv[i + 1])) {
            (void)fprintf(stderr, "git_probe: %s?\n", argv[i]);
            return 1;
        } else {
            i++;
        }
    }
    int code = run(argv[1], &flags);
    for (size_t i = 0; i < flags.request.set_count; i++) {
        strlist_done(&flags.sets[i]);
    }
    kvlist_done(&flags.secret);
    return code;
}
