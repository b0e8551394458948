/* SPDX-License-Identifier: Apache-2.0 */
/* Fetching and parsing the files of a commit. */
#include "controller/commit_files.h"

#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/limits.h"
#include "base/mem.h"
#include "controller/held.h"
#include "model/reason.h"

void commit_files_paths(const struct mplan *plan, size_t database, struct strlist *out)
{
    const struct mplan_database *entry = &plan->databases[database];
    const struct strlist *paths = entry->paths.count ? &entry->paths : &plan->source.paths;

    for (size_t i = 0; i < paths->count; i++) {
        AUTO(free_auto) char *path = mplan_path(paths->items[i], entry->name);
        strlist_add(out, path);
    }
}

static void add_set(struct files_want *want, const struct strlist *paths)
{
    for (size_t i = 0; i < want->set_count; i++) {
        if (strlist_equal(&want->sets[i], paths)) {
            return;
        }
    }
    want->sets = mem_grow(want->sets, &want->set_cap, want->set_count + 1, sizeof *want->sets);
    strlist_copy(paths, &want->sets[want->set_count++]);
}

void commit_files_sets(const struct mplan *plan, struct files_want *want)
{
    for (size_t i = 0; i < plan->database_count; i++) {
        AUTO(strlist_done) struct strlist paths = { 0 };
        commit_files_paths(plan, i, &paths);
        add_set(want, &paths);
    }
}

void files_want_join(struct files_want *to, const struct files_want *from)
{
    for (size_t i = 0; i < from->set_count; i++) {
        add_set(to, &from->sets[i]);
    }
}

const struct path_files *commit_files_find(const struct commit_files *files,
                                           const struct strlist *paths)
{
    for (size_t i = 0; files && i < files->count; i++) {
        if (strlist_equal(&files->sets[i].paths, paths)) {
            return &files->sets[i];
        }
    }
    return NULL;
}

const struct migration *path_files_script(const struct path_files *set, const char *script)
{
    for (size_t i = 0; set && script && i < set->files.count; i++) {
        AUTO(free_auto) char *stored = script_stored(set->files.items[i].script);
        if (str_eq(stored, script)) {
            return &set->files.items[i];
        }
    }
    return NULL;
}

/* False: no more fits. */
static bool add_notices(const struct path_files *set, struct strlist *out)
{
    for (size_t i = 0; set && i < set->files.notices.count; i++) {
        const char *text = set->files.notices.items[i];
        if (strlist_has(out, text)) {
            continue;
        }
        if (out->count == LIMIT_NOTICES) {
            return false;
        }
        strlist_add(out, text);
    }
    return true;
}

void commit_files_notices(const struct commit_files *files, const struct mplan *plan,
                          struct strlist *out)
{
    for (size_t i = 0; files->notices && i < plan->database_count; i++) {
        AUTO(strlist_done) struct strlist paths = { 0 };
        commit_files_paths(plan, i, &paths);
        if (!add_notices(commit_files_find(files, &paths), out)) {
            strlist_add(out, "more files are passed over because of their names");
            return;
        }
    }
}

/* ---- make ------------------------------------------------------------------------------------- */

static void set_make(const struct strlist *paths, const struct naming *naming,
                     struct repo_tree *from, struct path_files *out)
{
    strlist_copy(paths, &out->paths);
    out->error = TAKE(from->error);
    out->tree = from->tree;
    from->tree = (struct tree){ 0 };
    if (!out->error) {
        out->error = migration_set_parse(&out->tree, naming, &out->files);
    }
    if (out->error) { /* a text in place of OIDs: an unusable tree is a tree of its own */
        AUTO(free_auto) char *oid = mem_printf("error: %s", out->error->message);
        strlist_add(&out->oids, oid);
    } else {
        strlist_copy(&out->tree.oids, &out->oids);
    }
    for (size_t i = 0; i < out->files.count; i++) {
        out->has_after = out->has_after || out->files.items[i].directives.after.count > 0;
    }
}

static struct commit_files *files_make(const struct files_want *want, struct repo_result *from)
{
    static atomic_uint_fast64_t serials;
    struct commit_files *files = mem_alloc(sizeof *files);

    atomic_init(&files->refs, 1);
    files->serial = atomic_fetch_add(&serials, 1) + 1;
    memcpy(files->commit, from->commit, sizeof files->commit);
    memcpy(files->last_applied, want->last_applied, sizeof files->last_applied);
    files->revision = TAKE(from->revision);
    files->history = from->history;
    files->ancestors = from->ancestors;
    from->ancestors = (struct strlist){ 0 };
    naming_copy(&want->naming, &files->naming);
    files->sets = mem_array(from->tree_count, sizeof *files->sets);
    files->count = from->tree_count;
    for (size_t i = 0; i < from->tree_count; i++) {
        set_make(&want->sets[i], &want->naming, &from->trees[i], &files->sets[i]);
        files->notices = files->notices || files->sets[i].files.notices.count > 0;
    }
    return files;
}

struct err *commit_files_fetch(const struct files_want *want, const struct files_options *options,
                               struct commit_files **out)
{
    struct repo_credentials credentials = { 0 };
    struct repo_result result = { 0 };

    TRY(repo_credentials_parse(&want->secret, want->url, &credentials));
    const struct repo_request request = {
        .source = { .url = want->url,
                    .allow = options->allow,
                    .credentials = &credentials,
                    .timeout_ms = want->timeout_ms,
                    .scratch = options->scratch,
                    .cancel_fd = options->cancel_fd },
        .ref = { .kind = want->kind, .name = want->ref },
        .revision = want->revision,
        .last_applied = want->last_applied[0] ? want->last_applied : NULL,
        .cache = want->cache,
        .sets = want->sets,
        .set_count = want->set_count,
        .naming = &want->naming,
    };
    struct err *failed = repo_fetch(&request, &result);
    repo_credentials_done(&credentials);
    if (failed) {
        return failed;
    }
    *out = files_make(want, &result);
    repo_result_done(&result);
    return NULL;
}

/* ---- lifetime --------------------------------------------------------------------------------- */

struct commit_files *commit_files_ref(struct commit_files *files)
{
    if (files) {
        atomic_fetch_add(&files->refs, 1);
    }
    return files;
}

void commit_files_unref(struct commit_files *files)
{
    if (!files || atomic_fetch_sub(&files->refs, 1) > 1) {
        return;
    }
    held_leave(files);
    for (size_t i = 0; i < files->count; i++) {
        struct path_files *set = &files->sets[i];
        strlist_done(&set->paths);
        strlist_done(&set->oids);
        err_free(set->error);
        migration_set_done(&set->files);
        tree_done(&set->tree);
    }
    free(files->sets);
    naming_done(&files->naming);
    free(files->revision);
    strlist_done(&files->ancestors);
    free(files);
}

void files_want_done(struct files_want *want)
{
    free(want->namespace_);
    free(want->url);
    free(want->ref);
    free(want->revision);
    free(want->cache);
    for (size_t i = 0; i < want->secret.count; i++) {
        secret_wipe(want->secret.items[i].value, strlen(want->secret.items[i].value));
    }
    kvlist_done(&want->secret);
    for (size_t i = 0; i < want->set_count; i++) {
        strlist_done(&want->sets[i]);
    }
    free(want->sets);
    naming_done(&want->naming);
    *want = (struct files_want){ 0 };
}
