/* SPDX-License-Identifier: Apache-2.0 */
/* libgit2 checks nothing in a fetched tree: "..", ".git", links, wrong order and double names all
 * come through. Every entry is judged here before it is used. */
#include "git/walk.h"
#include <git2/blob.h>
#include <git2/commit.h>
#include <git2/errors.h>
#include <git2/odb.h>
#include <git2/oid.h>
#include <git2/repository.h>
#include <git2/tree.h>
#include <string.h>
#include "base/auto.h"
#include "base/limits.h"
#include "base/mem.h"
#include "git/paths.h"
#include "model/casefold.h"
#include "model/reason.h"

DEFINE_AUTO(git_tree, git_tree_free)
DEFINE_AUTO(git_blob, git_blob_free)
DEFINE_AUTO(git_odb, git_odb_free)

#define SHORT_COMMIT 12

struct place { /* where in the walk we are */
    struct walk *walk;
    const char *location; /* normalized */
    struct tree *out;
};

static struct err *damaged(struct walk *walk, const char *path)
{
    const git_error *last = git_error_last();
    walk->damaged = true;
    return err_new(ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED, "could not read %s: %s", path,
                   last && last->message ? last->message : "unknown failure");
}

static void commit_text(const struct walk *walk, char out[SHORT_COMMIT + 1])
{
    (void)git_oid_tostr(out, SHORT_COMMIT + 1, git_commit_id(walk->commit));
}

static enum tree_entry_kind entry_kind(const git_tree_entry *entry)
{
    unsigned mode = (unsigned)git_tree_entry_filemode_raw(entry);
    switch (mode & 0170000U) {
    case 0100000U:
        return TREE_FILE;
    case 0040000U:
        return TREE_DIR;
    case 0120000U:
        return TREE_SYMLINK;
    case 0160000U:
        return TREE_SUBMODULE;
    default:
        return TREE_OTHER;
    }
}

static struct err *count_entries(struct walk *walk, size_t count, const char *path)
{
    walk->entries += (int64_t)count;
    if (walk->entries > LIMIT_TREE_ENTRIES) {
        return err_new(ERR_TERMINAL, REASON_SOURCE_TOO_LARGE,
                       "%s: more than %d entries under the paths", path, LIMIT_TREE_ENTRIES);
    }
    return NULL;
}

/* Asked before anything is unpacked: a bomb stays packed. */
static struct err *object_size(struct walk *walk, const git_oid *oid, const char *path,
                               git_object_t type, size_t *out)
{
    AUTO(git_odb_free_auto) git_odb *odb = NULL;
    git_object_t found = GIT_OBJECT_INVALID;
    if (git_repository_odb(&odb, walk->repo) != 0 ||
        git_odb_read_header(out, &found, odb, oid) != 0) {
        return damaged(walk, path);
    }
    return found == type ? NULL
                         : err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION,
                                   "%s: listed as a %s, but its object is none", path,
                                   type == GIT_OBJECT_TREE ? "folder" : "file");
}

/* A tree is loaded whole. */
static struct err *load_tree(struct walk *walk, const git_oid *oid, const char *path,
                             git_tree **out)
{
    size_t size = 0;
    TRY(object_size(walk, oid, path, GIT_OBJECT_TREE, &size));
    if (size > LIMIT_OBJECT) {
        return err_new(ERR_TERMINAL, REASON_SOURCE_TOO_LARGE,
                       "%s: the list of this folder has %zu bytes; the limit is %d", path, size,
                       LIMIT_OBJECT);
    }
    return git_tree_lookup(out, walk->repo, oid) == 0 ? NULL : damaged(walk, path);
}

/* ---- the way to a location ------------------------------------------------------------------- */

static struct err *absent(const struct walk *walk, const char *path)
{
    char commit[SHORT_COMMIT + 1];
    commit_text(walk, commit);
    AUTO(free_auto) char *shown = str_printable(path, strlen(path));
    return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION,
                   "folder '%s' does not exist at commit %s", shown, commit);
}

static struct err *wrong_kind(const struct walk *walk, const char *path, enum tree_entry_kind kind)
{
    char commit[SHORT_COMMIT + 1];
    commit_text(walk, commit);
    const char *word = kind == TREE_SYMLINK     ? "a symbolic link"
                       : kind == TREE_SUBMODULE ? "a submodule"
                       : kind == TREE_FILE      ? "a file"
                                                : "not a folder";
    return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION,
                   "'%s' at commit %s is %s: a path must "
                   "name a folder of the repository itself",
                   path, commit, word);
}

static bool folds_to(const char *name, const char *folded)
{
    if (str_utf8_valid(name, strlen(name)) != strlen(name)) {
        return false; /* not ours to judge: it is beside the way, not on it */
    }
    AUTO(free_auto) char *text = casefold(name);
    return strcmp(text, folded) == 0;
}

/* The entry called `name`, and no second one that a folder without case would confuse with it. */
static struct err *find_step(struct walk *walk, const git_tree *tree, const char *name,
                             const char *path, const git_tree_entry **out)
{
    size_t count = git_tree_entrycount(tree);
    AUTO(free_auto) char *folded = casefold(name);
    const git_tree_entry *found = NULL;
    const char *twin = NULL;
    TRY(count_entries(walk, count, path));
    for (size_t i = 0; i < count; i++) {
        const git_tree_entry *entry = git_tree_entry_byindex(tree, i);
        const char *entry_name = git_tree_entry_name(entry);
        if (strcmp(entry_name, name) == 0 && !found) {
            found = entry;
        } else if (folds_to(entry_name, folded)) {
            twin = entry_name;
        }
    }
    if (!found) {
        return absent(walk, path);
    }
    if (twin) {
        return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION,
                       "%s: '%s' stands beside it and differs at most in upper and lower case: "
                       "rename one",
                       path, twin);
    }
    *out = found;
    return NULL;
}

static struct err *step_into(struct walk *walk, const char *name, const char *path, git_tree **tree)
{
    const git_tree_entry *entry = NULL;
    TRY(find_step(walk, *tree, name, path, &entry));
    if (entry_kind(entry) != TREE_DIR) {
        return wrong_kind(walk, path, entry_kind(entry));
    }
    git_tree *next = NULL;
    TRY(load_tree(walk, git_tree_entry_id(entry), path, &next));
    git_tree_free(*tree);
    *tree = next;
    return NULL;
}

static struct err *open_location(struct walk *walk, const char *location, git_tree **out)
{
    AUTO(git_tree_free_auto) git_tree *tree = NULL;
    TRY(load_tree(walk, git_commit_tree_id(walk->commit), "the root folder", &tree));
    bool root = strcmp(location, ".") == 0;
    for (const char *at = root ? "" : location; *at;) {
        size_t length = strcspn(at, "/");
        AUTO(free_auto) char *name = mem_strndup(at, length);
        AUTO(free_auto) char *path = mem_strndup(location, (size_t)(at - location) + length);
        TRY(step_into(walk, name, path, &tree));
        at += length;
        at += strspn(at, "/");
    }
    *out = TAKE(tree);
    return NULL;
}

/* ---- below a location ------------------------------------------------------------------------ */

static struct err *check_size(struct walk *walk, const git_oid *oid, const char *path, size_t *out)
{
    TRY(object_size(walk, oid, path, GIT_OBJECT_BLOB, out));
    return *out <= LIMIT_OBJECT
               ? NULL
               : err_new(ERR_TERMINAL, REASON_SOURCE_TOO_LARGE, "%s: %zu bytes; the limit is %d",
                         path, *out, LIMIT_OBJECT);
}

/* What is too large for a Job is known by its digests alone. */
static struct err *add_large(const struct place *place, const git_blob *blob, const char *path,
                             const char *script)
{
    struct large_scan *scan = large_scan_new();
    large_scan_add(scan, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob));
    struct large *large = large_scan_end(scan);
    struct err *refused = tree_add_large(place->out, path, script, large);
    if (refused) {
        large_free(large);
    }
    return refused;
}

static struct err *add_kept(const struct place *place, const git_blob *blob, const char *path,
                            const char *script)
{
    size_t size = blob ? (size_t)git_blob_rawsize(blob) : 0;
    AUTO(free_auto) uint8_t *bytes = mem_alloc(size + 1);
    if (size > 0) {
        memcpy(bytes, git_blob_rawcontent(blob), size);
    }
    TRY(tree_add(place->out, path, script, bytes, size));
    (void)TAKE(bytes);
    return NULL;
}

static struct err *add_file(const struct place *place, const git_tree_entry *entry,
                            const char *path)
{
    struct walk *walk = place->walk;
    const git_oid *oid = git_tree_entry_id(entry);
    size_t prefix = strcmp(place->location, ".") == 0 ? 0 : strlen(place->location) + 1;
    AUTO(git_blob_free_auto) git_blob *blob = NULL;
    size_t size = 0;
    if (!paths_wants_content(git_tree_entry_name(entry), walk->naming)) {
        return add_kept(place, NULL, path, path + prefix);
    }
    TRY(check_size(walk, oid, path, &size));
    if (git_blob_lookup(&blob, walk->repo, oid) != 0) {
        return damaged(walk, path);
    }
    return size > LIMIT_MIGRATION_FILE ? add_large(place, blob, path, path + prefix)
                                       : add_kept(place, blob, path, path + prefix);
}

static struct err *read_folder(const struct place *place, const git_tree *tree, const char *folder,
                               int depth);

static struct err *read_entry(const struct place *place, const git_tree_entry *entry,
                              const char *folder, int depth)
{
    const char *name = git_tree_entry_name(entry);
    AUTO(free_auto) char *path = paths_join(folder, name);
    enum tree_entry_kind kind = entry_kind(entry);
    bool skip = false;
    if (strchr(name, '/')) {
        AUTO(free_auto) char *shown = str_printable(path, strlen(path));
        return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION, "%s: a name with '/' in it", shown);
    }
    TRY(tree_check_entry(path, strlen(path), kind, depth, &skip));
    if (skip) {
        return NULL;
    }
    if (kind != TREE_DIR) {
        return add_file(place, entry, path);
    }
    AUTO(git_tree_free_auto) git_tree *below = NULL;
    TRY(load_tree(place->walk, git_tree_entry_id(entry), path, &below));
    return read_folder(place, below, path, depth + 1);
}

static struct err *read_folder(const struct place *place, const git_tree *tree, const char *folder,
                               int depth)
{
    size_t count = git_tree_entrycount(tree);
    AUTO(strlist_done) struct strlist names = { 0 };
    TRY(count_entries(place->walk, count, folder));
    for (size_t i = 0; i < count; i++) {
        const git_tree_entry *entry = git_tree_entry_byindex(tree, i);
        strlist_add(&names, git_tree_entry_name(entry));
        if (i > 0 && git_tree_entry_cmp(git_tree_entry_byindex(tree, i - 1), entry) > 0) {
            return err_new(ERR_TERMINAL, REASON_INVALID_MIGRATION,
                           "%s: the folder's entries are not in git's order: the commit was not "
                           "made by git",
                           folder);
        }
    }
    for (size_t i = 0; i < count; i++) {
        TRY(read_entry(place, git_tree_entry_byindex(tree, i), folder, depth));
    }
    return paths_check_siblings(&names, folder);
}

struct err *walk_read(struct walk *walk, const struct strlist *paths, struct tree *out)
{
    AUTO(tree_done) struct tree tree = { 0 };
    (void)git_oid_tostr(tree.commit, 41, git_commit_id(walk->commit));
    TRY(paths_normalize_all(paths, &tree.locations));
    for (size_t i = 0; i < tree.locations.count; i++) {
        const char *location = tree.locations.items[i];
        AUTO(git_tree_free_auto) git_tree *root = NULL;
        char oid[41];
        TRY(open_location(walk, location, &root));
        (void)git_oid_tostr(oid, sizeof oid, git_tree_id(root));
        strlist_add(&tree.oids, oid);
        if (!paths_covered(&tree.locations, i)) {
            struct place place = { .walk = walk, .location = location, .out = &tree };
            TRY(read_folder(&place, root, location, 0));
        }
    }
    TRY(tree_finish(&tree));
    *out = tree;
    tree = (struct tree){ 0 };
    return NULL;
}
