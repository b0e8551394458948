/* SPDX-License-Identifier: Apache-2.0 */
/* The answer, written by the child and taken apart by the parent, who believes nothing in it. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "git/paths.h"
#include "git/wire.h"
#include "model/reason.h"

#define MAGIC "SLFETCH1"
#define MAGIC_LEN 8
#define PREFIX_LEN (MAGIC_LEN + 4)

/* What a child may say; any other reason would be a way into our conditions. */
static const char *const reasons_allowed[] = {
    REASON_SOURCE_UNAVAILABLE, REASON_SOURCE_FETCH_FAILED,     REASON_SOURCE_TOO_LARGE,
    REASON_REVISION_NOT_FOUND, REASON_HOST_KEY_MISMATCH,       REASON_SECRET_INVALID,
    REASON_INVALID_MIGRATION,  REASON_TLS_VERIFICATION_FAILED, REASON_ACCESS_DENIED,
    REASON_INVALID_SPEC,
};

static const char *const kinds[] = { "transient", "conflict", "wait", "terminal" };
static const char *const histories[] = { "none", "same", "ancestor", "rewritten" };

/* ---- writing --------------------------------------------------------------------------------- */

static struct json *format_error(const struct err *error)
{
    struct json *object = json_object();
    json_set_string(object, "kind", kinds[error->kind]);
    json_set_string(object, "reason", error->reason);
    json_set_string(object, "message", error->message);
    return object;
}

static bool write_all(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t n = write(fd, at, length);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        at += n;
        length -= (size_t)n;
    }
    return true;
}

static bool write_header(int fd, const struct json *header)
{
    AUTO(buf_done) struct buf text = BUF(WIRE_HEADER_MAX);
    json_write(header, false, &text);
    AUTO(err_free_auto) struct err *large =
        buf_check(&text, REASON_SOURCE_TOO_LARGE, "the list of files");
    if (large) {
        return wire_write_error(fd, large);
    }
    unsigned char prefix[PREFIX_LEN] = MAGIC;
    for (int i = 0; i < 4; i++) {
        prefix[MAGIC_LEN + i] = (unsigned char)(text.len >> (24 - 8 * i));
    }
    return write_all(fd, prefix, sizeof prefix) && write_all(fd, text.data, text.len);
}

bool wire_write_error(int fd, const struct err *error)
{
    AUTO(json_free_auto) struct json *header = json_object();
    json_set(header, "error", format_error(error));
    return write_header(fd, header);
}

bool wire_write_tips(int fd, const struct repo_tip *tips, size_t count)
{
    AUTO(json_free_auto) struct json *header = json_object();
    struct json *array = json_array();
    for (size_t i = 0; i < count; i++) {
        struct json *tip = json_object();
        if (tips[i].error) {
            json_set(tip, "error", format_error(tips[i].error));
        } else {
            json_set_string(tip, "commit", tips[i].commit);
            json_set_string(tip, "ref", tips[i].ref);
        }
        json_push(array, tip);
    }
    json_set(header, "tips", array);
    return write_header(fd, header);
}

/* Many sets share files: each content is sent once. */
struct blob {
    uint8_t digest[SHA256_LEN];
    const uint8_t *bytes;
    size_t size;
    struct content *content; /* reading: a reference, once a file has it; else NULL */
};

struct blobs {
    struct blob *items;
    size_t count;
};

static int blob_compare(const void *a, const void *b)
{
    const struct blob *left = a;
    const struct blob *right = b;
    return memcmp(left->digest, right->digest, SHA256_LEN);
}

static void blobs_done(struct blobs *blobs)
{
    free(blobs->items);
}

static struct blob blob_make(const struct tree_file *file)
{
    struct blob blob = { .bytes = file->bytes, .size = file->size };
    memcpy(blob.digest, file->content->sha256, SHA256_LEN);
    return blob;
}

static void blobs_collect(const struct repo_result *result, struct blobs *out)
{
    size_t count = 0;
    for (size_t i = 0; i < result->tree_count; i++) {
        count += result->trees[i].tree.count;
    }
    out->items = mem_array(count + 1, sizeof *out->items);
    for (size_t i = 0; i < result->tree_count; i++) {
        const struct tree *tree = &result->trees[i].tree;
        for (size_t k = 0; k < tree->count; k++) {
            if (!tree->files[k].large) {
                out->items[out->count++] = blob_make(&tree->files[k]);
            }
        }
    }
    qsort(out->items, out->count, sizeof *out->items, blob_compare);
    size_t kept = 0;
    for (size_t i = 0; i < out->count; i++) {
        if (kept == 0 || blob_compare(&out->items[kept - 1], &out->items[i]) != 0) {
            out->items[kept++] = out->items[i];
        }
    }
    out->count = kept;
}

static struct json *format_files(const struct tree *tree, const struct blobs *blobs)
{
    struct json *files = json_array();
    for (size_t i = 0; i < tree->count; i++) {
        if (tree->files[i].large) {
            json_push(files, wire_format_large(&tree->files[i]));
            continue;
        }
        struct blob wanted = blob_make(&tree->files[i]);
        const struct blob *found =
            bsearch(&wanted, blobs->items, blobs->count, sizeof wanted, blob_compare);
        struct json *file = json_array();
        json_push_string(file, tree->files[i].path);
        json_push_string(file, tree->files[i].script);
        json_push(file, json_int64_new(found - blobs->items));
        json_push(files, file);
    }
    return files;
}

static struct json *format_strings(const struct strlist *list)
{
    struct json *array = json_array();
    for (size_t i = 0; i < list->count; i++) {
        json_push_string(array, list->items[i]);
    }
    return array;
}

static struct json *format_trees(const struct repo_result *result, const struct blobs *blobs)
{
    struct json *trees = json_array();
    for (size_t i = 0; i < result->tree_count; i++) {
        const struct repo_tree *from = &result->trees[i];
        struct json *tree = json_object();
        if (from->error) {
            json_set(tree, "error", format_error(from->error));
        } else {
            json_set(tree, "oids", format_strings(&from->tree.oids));
            json_set(tree, "files", format_files(&from->tree, blobs));
        }
        json_push(trees, tree);
    }
    return trees;
}

bool wire_write_result(int fd, const struct repo_result *result)
{
    AUTO(blobs_done) struct blobs blobs = { 0 };
    blobs_collect(result, &blobs);
    AUTO(json_free_auto) struct json *header = json_object();
    json_set_string(header, "ref", result->ref);
    json_set_string(header, "tip", result->tip);
    json_set_string(header, "commit", result->commit);
    json_set_string(header, "revision", result->revision);
    json_set_string(header, "history", histories[result->history]);
    json_set_bool(header, "older", result->older_than_last);
    json_set_bool(header, "rebuilt", result->cache_rebuilt);
    json_set(header, "ancestors", format_strings(&result->ancestors));
    struct json *list = json_array();
    size_t total = PREFIX_LEN + WIRE_HEADER_MAX;
    for (size_t i = 0; i < blobs.count; i++) {
        char hex[SHA256_HEX_LEN + 1];
        hex_format(blobs.items[i].digest, SHA256_LEN, hex);
        struct json *blob = json_array();
        json_push(blob, json_int64_new((int64_t)blobs.items[i].size));
        json_push_string(blob, hex);
        json_push(list, blob);
        total += blobs.items[i].size;
    }
    json_set(header, "blobs", list);
    json_set(header, "trees", format_trees(result, &blobs));
    if (total > (size_t)WIRE_ANSWER_MAX) {
        AUTO(err_free_auto) struct err *large =
            err_new(ERR_TERMINAL, REASON_SOURCE_TOO_LARGE,
                    "the migration files of all databases are larger than %ld bytes together",
                    WIRE_ANSWER_MAX - PREFIX_LEN - WIRE_HEADER_MAX);
        return wire_write_error(fd, large);
    }
    bool ok = write_header(fd, header);
    for (size_t i = 0; ok && i < blobs.count; i++) {
        ok = write_all(fd, blobs.items[i].bytes, blobs.items[i].size);
    }
    return ok;
}

/* ---- reading --------------------------------------------------------------------------------- */

static struct err *malformed(const char *what)
{
    return err_new(ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED,
                   "the fetch process gave no usable answer (%s)", what);
}

/* Never NULL: a malformed error is an error too. */
static struct err *parse_error(const struct json *object)
{
    const char *kind_text = json_get_string(object, "kind");
    const char *reason = json_get_string(object, "reason");
    const char *message = json_get_string(object, "message");
    enum err_kind kind = ERR_TRANSIENT;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        kind = str_eq(kind_text, kinds[i]) ? (enum err_kind)i : kind;
    }
    for (size_t i = 0; reason && i < sizeof reasons_allowed / sizeof *reasons_allowed; i++) {
        if (strcmp(reason, reasons_allowed[i]) == 0) {
            return err_new(kind, reasons_allowed[i], "%s", message ? message : "no message");
        }
    }
    return err_new(ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED, "%s",
                   message ? message : "no message");
}

/* The JSON and what follows it. */
static struct err *open_answer(const char *bytes, size_t length, struct json **header,
                               size_t *blobs_at)
{
    if (length < PREFIX_LEN || memcmp(bytes, MAGIC, MAGIC_LEN) != 0) {
        return malformed(length == 0 ? "it wrote nothing" : "wrong first bytes");
    }
    size_t size = 0;
    for (int i = 0; i < 4; i++) {
        size = size << 8 | (unsigned char)bytes[MAGIC_LEN + i];
    }
    if (size > WIRE_HEADER_MAX || size > length - PREFIX_LEN) {
        return malformed("cut short");
    }
    struct json *root = NULL;
    AUTO(err_free_auto) struct err *error = json_parse(bytes + PREFIX_LEN, size, "answer", &root);
    if (error) {
        return malformed(error->message);
    }
    const struct json *told = json_get(root, "error");
    if (told) {
        struct err *out = parse_error(told);
        json_free(root);
        return out;
    }
    *header = root;
    *blobs_at = PREFIX_LEN + size;
    return NULL;
}

static bool copy_commit(const struct json *object, const char *key, char out[REPO_COMMIT_LEN])
{
    const char *text = json_get_string(object, key);
    uint8_t raw[32];
    size_t length = text ? strlen(text) : 0;
    if ((length != 40 && length != 64) || !hex_parse(text, length, raw)) {
        return false;
    }
    hex_format(raw, length / 2, out);
    return true;
}

struct err *wire_parse_tips(const char *bytes, size_t length, size_t count, struct repo_tip *out)
{
    AUTO(json_free_auto) struct json *root = NULL;
    size_t end = 0;
    TRY(open_answer(bytes, length, &root, &end));
    const struct json *array = json_get(root, "tips");
    if (end != length || json_count(array) != count) {
        return malformed("another number of refs");
    }
    struct repo_tip *tips = mem_array(count + 1, sizeof *tips);
    size_t i = 0;
    bool ok = true;
    for (const struct json *tip = json_first(array); tip && i < count; tip = json_next(tip), i++) {
        const struct json *error = json_get(tip, "error");
        const char *ref = json_get_string(tip, "ref");
        if (error) {
            tips[i].error = parse_error(error);
            continue;
        }
        ok = ok && ref && strlen(ref) <= LIMIT_PATH && copy_commit(tip, "commit", tips[i].commit);
        tips[i].ref = mem_strdup(ref ? ref : "");
    }
    if (ok) {
        memcpy(out, tips, count * sizeof *tips);
    } else {
        repo_tips_done(tips, count);
    }
    free(tips);
    return ok ? NULL : malformed("a tip without a commit");
}

struct taken { /* blobs of an answer: borrowed pointers into it */
    struct blob *items;
    size_t count;
};

static void taken_done(struct taken *taken)
{
    for (size_t i = 0; i < taken->count; i++) {
        content_unref(taken->items[i].content);
    }
    free(taken->items);
}

static struct err *take_blobs(const struct json *root, const char *bytes, size_t length, size_t at,
                              struct taken *out)
{
    const struct json *list = json_get(root, "blobs");
    out->items = mem_array(json_count(list) + 1, sizeof *out->items);
    for (const struct json *item = json_first(list); item; item = json_next(item)) {
        const struct json *size_node = json_first(item);
        const char *hex = json_string(size_node ? json_next(size_node) : NULL);
        int64_t size = -1;
        uint8_t told[SHA256_LEN];
        if (!json_int64(size_node, &size) || size < 0 || (uint64_t)size > length - at || !hex ||
            strlen(hex) != SHA256_HEX_LEN || !hex_parse(hex, SHA256_HEX_LEN, told)) {
            return malformed("a file without size or digest");
        }
        struct blob *blob = &out->items[out->count++];
        *blob = (struct blob){ .bytes = (const uint8_t *)bytes + at, .size = (size_t)size };
        sha256(blob->bytes, blob->size, blob->digest);
        if (memcmp(blob->digest, told, SHA256_LEN) != 0) {
            return malformed("a file's digest differs");
        }
        at += (size_t)size;
    }
    return at == length ? NULL : malformed("bytes after its end");
}

/* path = one of the folders that were asked for + script */
static bool is_below(const struct tree *tree, const char *path, const char *script)
{
    for (size_t i = 0; i < tree->locations.count; i++) {
        AUTO(free_auto) char *expected = paths_join(tree->locations.items[i], script);
        if (strcmp(expected, path) == 0) {
            return true;
        }
    }
    return false;
}

/* Each name of the script, as the child checks them on its way down; path ends with script. */
static struct err *check_names(const char *path, const char *script)
{
    const char *rest = path + strlen(path) - strlen(script);
    bool skip = false;
    int depth = 0;
    for (const char *slash = strchr(rest, '/'); slash; slash = strchr(slash + 1, '/')) {
        TRY(tree_check_entry(path, (size_t)(slash - path), TREE_DIR, depth++, &skip));
        if (skip) {
            return malformed("a file in a hidden folder");
        }
    }
    return tree_check_entry(path, strlen(path), TREE_FILE, depth, &skip);
}

/* With a reference. The answer is freed; what is kept of it is one copy of each content. */
static struct content *content_of(struct blob *blob)
{
    if (!blob->content) {
        blob->content = content_copy(blob->bytes, blob->size, blob->digest);
    }
    return content_ref(blob->content);
}

static struct err *take_large(const struct json *known, const char *path, const char *script,
                              struct tree *tree)
{
    struct large *large = wire_read_large(known);
    struct err *e = large ? tree_add_large(tree, path, script, large)
                          : malformed("a large file that is not described");
    if (e) {
        large_free(large);
    }
    return e;
}

static struct err *take_file(const struct json *item, struct taken *blobs, struct tree *tree)
{
    const struct json *script_node = json_next(json_first(item));
    const char *path = json_string(json_first(item));
    const char *script = json_string(script_node);
    const struct json *what = script_node ? json_next(script_node) : NULL;
    int64_t index = -1;
    if (!path || !script || script[0] == '\0' || !is_below(tree, path, script)) {
        return malformed("a file without path");
    }
    TRY(check_names(path, script));
    if (json_type(what) == JSON_OBJECT) {
        return take_large(what, path, script, tree);
    }
    if (!json_int64(what, &index) || index < 0 || (uint64_t)index >= blobs->count) {
        return malformed("a file without content");
    }
    struct content *content = content_of(&blobs->items[index]);
    struct err *refused = tree_add_content(tree, path, script, content);
    if (refused) {
        content_unref(content);
    }
    return refused;
}

static struct err *take_tree(const struct json *node, const struct strlist *paths,
                             struct taken *blobs, const char *commit, struct repo_tree *out)
{
    const struct json *error = json_get(node, "error");
    if (error) {
        out->error = parse_error(error);
        return NULL;
    }
    struct tree *tree = &out->tree;
    memcpy(tree->commit, commit, sizeof tree->commit);
    TRY(paths_normalize_all(paths, &tree->locations));
    for (const struct json *oid = json_first(json_get(node, "oids")); oid; oid = json_next(oid)) {
        const char *hex = json_string(oid);
        uint8_t raw[32];
        size_t length = hex ? strlen(hex) : 0;
        if ((length != 40 && length != 64) || !hex_parse(hex, length, raw)) {
            return malformed("a folder without id");
        }
        strlist_add(&tree->oids, hex);
    }
    if (tree->oids.count != paths->count) {
        return malformed("another number of folders");
    }
    for (const struct json *file = json_first(json_get(node, "files")); file;
         file = json_next(file)) {
        TRY(take_file(file, blobs, tree));
    }
    return tree_finish(tree);
}

static struct err *take_trees(const struct json *root, struct taken *blobs,
                              const struct repo_request *request, struct repo_result *out)
{
    const struct json *array = json_get(root, "trees");
    if (json_count(array) != request->set_count) {
        return malformed("another number of trees");
    }
    out->trees = mem_array(request->set_count + 1, sizeof *out->trees);
    for (const struct json *node = json_first(array); node; node = json_next(node)) {
        size_t i = out->tree_count++;
        TRY(take_tree(node, &request->sets[i], blobs, out->commit, &out->trees[i]));
    }
    return NULL;
}

static struct err *take_head(const struct json *root, struct repo_result *out)
{
    const char *ref = json_get_string(root, "ref");
    const char *revision = json_get_string(root, "revision");
    const char *history = json_get_string(root, "history");
    if (!ref || !revision || strlen(ref) > LIMIT_PATH || strlen(revision) > LIMIT_PATH + 128 ||
        !copy_commit(root, "tip", out->tip) || !copy_commit(root, "commit", out->commit)) {
        return malformed("no commit");
    }
    bool known = false;
    for (size_t i = 0; i < sizeof histories / sizeof *histories; i++) {
        if (str_eq(history, histories[i])) {
            out->history = (enum repo_history)i;
            known = true;
        }
    }
    const struct json *ancestors = json_get(root, "ancestors");
    if (!known || json_count(ancestors) > REPO_ANCESTORS) {
        return malformed("no history");
    }
    for (const struct json *node = json_first(ancestors); node; node = json_next(node)) {
        const char *hex = json_string(node);
        uint8_t raw[32];
        size_t length = hex ? strlen(hex) : 0;
        if ((length != 40 && length != 64) || !hex_parse(hex, length, raw)) {
            return malformed("an ancestor that is no commit");
        }
        strlist_add(&out->ancestors, hex);
    }
    out->ref = mem_strdup(ref);
    out->revision = mem_strdup(revision);
    out->older_than_last = json_bool(json_get(root, "older"), false);
    out->cache_rebuilt = json_bool(json_get(root, "rebuilt"), false);
    return NULL;
}

struct err *wire_parse_result(const char *bytes, size_t length, const struct repo_request *request,
                              struct repo_result *out)
{
    AUTO(json_free_auto) struct json *root = NULL;
    AUTO(taken_done) struct taken blobs = { 0 };
    AUTO(repo_result_done) struct repo_result result = { 0 };
    size_t at = 0;
    TRY(open_answer(bytes, length, &root, &at));
    TRY(take_blobs(root, bytes, length, at, &blobs));
    TRY(take_head(root, &result));
    struct err *error = take_trees(root, &blobs, request, &result);
    if (error) { /* the child checks the same: a difference means that it is not to be believed */
        AUTO(free_auto) char *text = mem_strdup(error->message);
        err_free(error);
        return malformed(text);
    }
    *out = result;
    result = (struct repo_result){ 0 };
    return NULL;
}
