/* SPDX-License-Identifier: Apache-2.0 */
/* Fetching and parsing the trees of a commit. */
#include "controller/trees.h"

#include <stdlib.h>
#include <string.h>

#include "reconcile/base/auto.h"
#include "reconcile/base/mem.h"
#include "reconcile/model/reason.h"

static bool same_list(const struct strlist *a, const struct strlist *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (!str_eq(a->items[i], b->items[i])) {
            return false;
        }
    }
    return true;
}

void trees_paths(const struct mplan *plan, size_t database, struct strlist *out)
{
    const struct mplan_database *entry = &plan->databases[database];
    const struct strlist *paths = entry->paths.count ? &entry->paths : &plan->source.paths;

    for (size_t i = 0; i < paths->count; i++) {
        AUTO(free_auto) char *path = mplan_path(paths->items[i], entry->name);
        strlist_add(out, path);
    }
}

static void add_set(struct trees_want *want, const struct strlist *paths)
{
    for (size_t i = 0; i < want->set_count; i++) {
        if (same_list(&want->sets[i], paths)) {
            return;
        }
    }
    want->sets = mem_grow(want->sets, &want->set_cap, want->set_count + 1, sizeof *want->sets);
    strlist_copy(paths, &want->sets[want->set_count++]);
}

void trees_sets(const struct mplan *plan, struct trees_want *want)
{
    for (size_t i = 0; i < plan->database_count; i++) {
        AUTO(strlist_done) struct strlist paths = { 0 };
        trees_paths(plan, i, &paths);
        add_set(want, &paths);
    }
}

void trees_want_sets(struct trees_want *to, const struct trees_want *from)
{
    for (size_t i = 0; i < from->set_count; i++) {
        add_set(to, &from->sets[i]);
    }
}

const struct tree_set *trees_find(const struct trees *trees, const struct strlist *paths)
{
    for (size_t i = 0; trees && i < trees->count; i++) {
        if (same_list(&trees->sets[i].paths, paths)) {
            return &trees->sets[i];
        }
    }
    return NULL;
}

const struct migration *tree_set_script(const struct tree_set *set, const char *script)
{
    for (size_t i = 0; set && script && i < set->files.count; i++) {
        AUTO(free_auto) char *stored = script_stored(set->files.items[i].script);
        if (str_eq(stored, script)) {
            return &set->files.items[i];
        }
    }
    return NULL;
}

/* ---- make ------------------------------------------------------------------------------------- */

static void set_make(const struct strlist *paths, struct repo_tree *from, struct tree_set *out)
{
    strlist_copy(paths, &out->paths);
    out->error = TAKE(from->error);
    out->tree = from->tree;
    from->tree = (struct tree){ 0 };
    if (!out->error) {
        out->error = migration_set_parse(&out->tree, &out->files);
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

static struct trees *trees_make(const struct trees_want *want, struct repo_result *from)
{
    static atomic_uint_fast64_t serials;
    struct trees *trees = mem_alloc(sizeof *trees);

    atomic_init(&trees->refs, 1);
    trees->serial = atomic_fetch_add(&serials, 1) + 1;
    memcpy(trees->commit, from->commit, sizeof trees->commit);
    memcpy(trees->last_applied, want->last_applied, sizeof trees->last_applied);
    trees->revision = TAKE(from->revision);
    trees->history = from->history;
    trees->ancestors = from->ancestors;
    from->ancestors = (struct strlist){ 0 };
    trees->sets = mem_array(from->tree_count, sizeof *trees->sets);
    trees->count = from->tree_count;
    for (size_t i = 0; i < from->tree_count; i++) {
        set_make(&want->sets[i], &from->trees[i], &trees->sets[i]);
    }
    return trees;
}

struct err *trees_fetch(const struct trees_want *want, const struct trees_options *options,
                        struct trees **out)
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
    };
    struct err *failed = repo_fetch(&request, &result);
    repo_credentials_done(&credentials);
    if (failed) {
        return failed;
    }
    *out = trees_make(want, &result);
    repo_result_done(&result);
    return NULL;
}

/* ---- lifetime --------------------------------------------------------------------------------- */

struct trees *trees_ref(struct trees *trees)
{
    if (trees) {
        atomic_fetch_add(&trees->refs, 1);
    }
    return trees;
}

void trees_unref(struct trees *trees)
{
    if (!trees || atomic_fetch_sub(&trees->refs, 1) > 1) {
        return;
    }
    for (size_t i = 0; i < trees->count; i++) {
        struct tree_set *set = &trees->sets[i];
        strlist_done(&set->paths);
        strlist_done(&set->oids);
        err_free(set->error);
        migration_set_done(&set->files);
        tree_done(&set->tree);
    }
    free(trees->sets);
    free(trees->revision);
    strlist_done(&trees->ancestors);
    free(trees);
}

void trees_want_done(struct trees_want *want)
{
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
    *want = (struct trees_want){ 0 };
}
