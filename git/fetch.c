/* SPDX-License-Identifier: Apache-2.0 */
/* Ask, download, resolve, read: what a poll and a fetch do in the child. */
#include "git/fetch.h"
#include <git2/commit.h>
#include <git2/errors.h>
#include <git2/graph.h>
#include <git2/object.h>
#include <git2/odb.h>
#include <git2/oid.h>
#include <git2/refs.h>
#include <git2/remote.h>
#include <git2/repository.h>
#include <git2/strarray.h>
#include <git2/tag.h>
#include <string.h>
#include "base/auto.h"
#include "base/hash.h"
#include "base/mem.h"
#include "git/clone.h"
#include "git/refs.h"
#include "git/remote.h"
#include "git/walk.h"
#include "model/reason.h"

#define CACHE_FACTOR 4 /* a clone beyond so many fetch limits is made anew */

DEFINE_AUTO(git_remote, git_remote_free)
DEFINE_AUTO(git_commit, git_commit_free)
DEFINE_AUTO(git_object, git_object_free)
DEFINE_AUTO(git_odb, git_odb_free)

struct fetch {
    const struct wire_job *job;
    struct remote remote;
    struct clone clone;
    git_remote *server;
    const git_remote_head **heads; /* borrowed from server */
    size_t head_count;
    bool damaged; /* the clone is at fault: throw it away and try once more */
};

/* A local step failed: the clone cannot be trusted any more. */
static struct err *damaged(struct fetch *fetch, const char *what)
{
    const git_error *last = git_error_last();
    fetch->damaged = true;
    return err_new(ERR_TRANSIENT, REASON_SOURCE_FETCH_FAILED, "could not %s: %s", what,
                   last && last->message ? last->message : "unknown failure");
}

/* ---- server ---------------------------------------------------------------------------------- */

static int on_progress(const git_indexer_progress *stats, void *payload)
{
    struct remote *remote = payload;
    int64_t limit = remote->source->limits.objects;
    if ((int64_t)stats->total_objects > limit) {
        return remote_fail(remote, err_new(ERR_TERMINAL, REASON_SOURCE_TOO_LARGE,
                                           "the repository sends %u objects; the limit is %lld",
                                           stats->total_objects, (long long)limit));
    }
    /* Our http transport counts every byte itself; ssh and file are counted here. */
    bool counted =
        remote->url.scheme == REPO_SCHEME_HTTPS || remote->url.scheme == REPO_SCHEME_HTTP;
    int64_t fresh = (int64_t)stats->received_bytes - remote->received;
    return counted || fresh <= 0 || remote_count(remote, fresh) ? 0 : -1;
}

static void set_callbacks(struct remote *remote, struct git_remote_callbacks *out)
{
    (void)git_remote_init_callbacks(out, GIT_REMOTE_CALLBACKS_VERSION);
    out->payload = remote;
    out->transfer_progress = on_progress;
    out->credentials = ssh_credentials;
    out->certificate_check = ssh_certificate;
    if (remote->url.scheme == REPO_SCHEME_HTTPS || remote->url.scheme == REPO_SCHEME_HTTP) {
        out->transport = http_transport;
    }
}

static struct err *list_refs(struct remote *remote, git_remote *server,
                             const git_remote_head ***heads, size_t *count)
{
    git_remote_callbacks callbacks;
    set_callbacks(remote, &callbacks);
    int code = git_remote_connect(server, GIT_DIRECTION_FETCH, &callbacks, NULL, NULL);
    if (code == 0) {
        code = git_remote_ls(heads, count, server);
    }
    return code == 0 ? NULL : remote_error(remote, code);
}

static struct err *open_server(struct fetch *fetch, git_repository *repo)
{
    const char *url = fetch->job->request.source.url;
    int code = repo ? git_remote_create_anonymous(&fetch->server, repo, url)
                    : git_remote_create_detached(&fetch->server, url);
    if (code != 0) {
        return damaged(fetch, "prepare the contact with the server");
    }
    if (fetch->remote.url.scheme == REPO_SCHEME_SSH) {
        TRY(ssh_prepare(&fetch->remote, fetch->job->home));
    }
    return list_refs(&fetch->remote, fetch->server, &fetch->heads, &fetch->head_count);
}

static void fetch_done(struct fetch *fetch)
{
    git_remote_free(fetch->server);
    clone_close(&fetch->clone);
    remote_done(&fetch->remote);
}

struct err *fetch_poll(const struct wire_job *job, struct repo_tip *tips)
{
    AUTO(fetch_done) struct fetch fetch = { .job = job, .clone = { .lock_fd = -1 } };
    TRY(remote_open(&job->request.source, job->deadline_ms, &fetch.remote));
    TRY(open_server(&fetch, NULL));
    for (size_t i = 0; i < job->ref_count; i++) {
        struct resolved resolved = { 0 };
        tips[i].error = refs_resolve(fetch.heads, fetch.head_count, &job->refs[i], &resolved);
        if (!tips[i].error) {
            memcpy(tips[i].commit, resolved.peeled, sizeof tips[i].commit);
            tips[i].ref = TAKE(resolved.ref);
        }
        resolved_done(&resolved);
    }
    return NULL;
}

/* ---- download -------------------------------------------------------------------------------- */

/* refs/sluice/<hash of the full name>: a user's name never becomes a file name of ours, and every
 * ref once fetched is offered as known the next time. */
static char *local_name(const char *ref)
{
    char hex[SHA256_HEX_LEN + 1];
    sha256_hex(ref, strlen(ref), hex);
    return mem_printf("refs/sluice/%.32s", hex);
}

/* Set only after a complete download: all that it reaches is here. */
static bool have(struct fetch *fetch, const char *local, const git_oid *oid)
{
    git_oid known;
    git_object *object = NULL;
    bool found = git_reference_name_to_id(&known, fetch->clone.repo, local) == 0 &&
                 git_oid_equal(&known, oid) &&
                 git_object_lookup(&object, fetch->clone.repo, oid, GIT_OBJECT_ANY) == 0;
    git_object_free(object);
    return found;
}

static struct err *download(struct fetch *fetch, char **specs, size_t count)
{
    git_fetch_options options;
    (void)git_fetch_options_init(&options, GIT_FETCH_OPTIONS_VERSION);
    set_callbacks(&fetch->remote, &options.callbacks);
    options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
    options.update_fetchhead = 0;
    git_strarray refspecs = { .strings = specs, .count = count };
    int code = git_remote_download(fetch->server, &refspecs, &options);
    if (code == 0) {
        return NULL;
    }
    /* A base object that the clone should have held is the clone's fault; a limit is nobody's. */
    bool ours = fetch->remote.error != NULL;
    int class = git_error_last() ? git_error_last()->klass : 0;
    struct err *error = remote_error(&fetch->remote, code);
    fetch->damaged =
        !ours && error->kind != ERR_TERMINAL &&
        (class == GIT_ERROR_ODB || class == GIT_ERROR_INDEXER || class == GIT_ERROR_ZLIB ||
         class == GIT_ERROR_OBJECT || class == GIT_ERROR_REFERENCE || class == GIT_ERROR_OS);
    return error;
}

static struct err *keep(struct fetch *fetch, const char *local, const git_oid *oid)
{
    git_reference *ref = NULL;
    int code = git_reference_create(&ref, fetch->clone.repo, local, oid, 1, NULL);
    git_reference_free(ref);
    return code == 0 ? NULL : damaged(fetch, "store the ref");
}

static struct err *obtain_ref(struct fetch *fetch, const char *ref, const git_oid *oid)
{
    AUTO(free_auto) char *local = local_name(ref);
    if (have(fetch, local, oid)) {
        return NULL;
    }
    AUTO(free_auto) char *spec = mem_printf("+%s:%s", ref, local);
    TRY(download(fetch, &spec, 1));
    return keep(fetch, local, oid);
}

/* Is the commit below something that the server shows to us now? What other credentials brought
 * into the clone does not count. */
static bool listed_reach(struct fetch *fetch, const git_oid *oid)
{
    git_oid *tips = mem_array(fetch->head_count + 1, sizeof *tips);
    size_t count = 0;
    bool found = false;
    for (size_t i = 0; i < fetch->head_count; i++) {
        git_object *object = NULL;
        git_object *commit = NULL;
        if (git_object_lookup(&object, fetch->clone.repo, &fetch->heads[i]->oid, GIT_OBJECT_ANY) ==
                0 &&
            git_object_peel(&commit, object, GIT_OBJECT_COMMIT) == 0) {
            git_oid_cpy(&tips[count++], git_object_id(commit));
            found = found || git_oid_equal(git_object_id(commit), oid);
        }
        git_object_free(commit);
        git_object_free(object);
    }
    git_commit *commit = NULL;
    if (!found && count > 0 && git_commit_lookup(&commit, fetch->clone.repo, oid) == 0) {
        found = git_graph_reachable_from_any(fetch->clone.repo, oid, tips, count) == 1;
    }
    git_commit_free(commit);
    free(tips);
    return found;
}

static struct err *obtain_commit(struct fetch *fetch, const git_oid *oid, const char *text)
{
    if (!fetch->clone.made_now && listed_reach(fetch, oid)) {
        return NULL;
    }
    char heads[] = "+refs/heads/*:refs/sluice/heads/*";
    char tags[] = "+refs/tags/*:refs/sluice/tags/*";
    char *specs[] = { heads, tags };
    TRY(download(fetch, specs, 2));
    if (!listed_reach(fetch, oid)) {
        return err_new(ERR_TRANSIENT, REASON_REVISION_NOT_FOUND,
                       "commit '%s' is not in the history of any branch or tag of the repository",
                       text);
    }
    AUTO(free_auto) char *local = local_name(text);
    return keep(fetch, local, oid);
}

/* ---- which commit ---------------------------------------------------------------------------- */

static struct err *check_size(struct fetch *fetch, const git_oid *oid)
{
    AUTO(git_odb_free_auto) git_odb *odb = NULL;
    size_t size = 0;
    git_object_t type = GIT_OBJECT_INVALID;
    int64_t limit = fetch->job->request.source.limits.object_bytes;
    if (git_repository_odb(&odb, fetch->clone.repo) != 0 ||
        git_odb_read_header(&size, &type, odb, oid) != 0) {
        return damaged(fetch, "find the fetched commit");
    }
    if ((int64_t)size > limit) {
        return err_new(ERR_TERMINAL, REASON_SOURCE_TOO_LARGE,
                       "the commit itself has %zu bytes; the limit is %lld", size,
                       (long long)limit);
    }
    return NULL;
}

static struct err *peel(struct fetch *fetch, const struct resolved *resolved, git_commit **out)
{
    git_oid oid;
    AUTO(git_object_free_auto) git_object *object = NULL;
    AUTO(git_object_free_auto) git_object *commit = NULL;
    if (git_oid_fromstr(&oid, resolved->oid) != 0) {
        return damaged(fetch, "read the ref");
    }
    TRY(check_size(fetch, &oid));
    if (git_object_lookup(&object, fetch->clone.repo, &oid, GIT_OBJECT_ANY) != 0) {
        return damaged(fetch, "find the fetched commit");
    }
    int code = git_object_peel(&commit, object, GIT_OBJECT_COMMIT);
    if (code == GIT_EPEEL || code == GIT_EINVALIDSPEC) {
        return err_new(ERR_TRANSIENT, REASON_REVISION_NOT_FOUND,
                       "'%s' points to a %s, not to a commit",
                       resolved->label[0] ? resolved->label : resolved->oid,
                       git_object_type2string(git_object_type(object)));
    }
    if (code != 0) {
        return damaged(fetch, "find the fetched commit");
    }
    if (git_commit_lookup(out, fetch->clone.repo, git_object_id(commit)) != 0) {
        return damaged(fetch, "read the fetched commit");
    }
    return NULL;
}

/* *out: does `commit` descend from (or equal) `ancestor`? */
static struct err *descends(struct fetch *fetch, const git_oid *commit, const git_oid *ancestor,
                            bool *out)
{
    if (git_oid_equal(commit, ancestor)) {
        *out = true;
        return NULL;
    }
    int code = git_graph_descendant_of(fetch->clone.repo, commit, ancestor);
    if (code < 0) {
        return damaged(fetch, "walk the history");
    }
    *out = code == 1;
    return NULL;
}

static struct err *pin(struct fetch *fetch, const char *revision, const git_commit *tip,
                       git_commit **out)
{
    char text[REPO_COMMIT_LEN];
    char tip_text[41];
    git_oid oid;
    bool reached = false;
    TRY(refs_commit_parse(revision, text));
    (void)git_oid_fromstr(&oid, text);
    if (git_commit_lookup(out, fetch->clone.repo, &oid) == 0) {
        TRY(descends(fetch, git_commit_id(tip), &oid, &reached));
    }
    if (reached) {
        return NULL;
    }
    AUTO(free_auto) char *what = refs_describe(&fetch->job->request.ref);
    (void)git_oid_tostr(tip_text, sizeof tip_text, git_commit_id(tip));
    return err_new(ERR_TRANSIENT, REASON_REVISION_NOT_FOUND,
                   "revision %s is not in the history of %s (at %.12s)", text, what, tip_text);
}

static struct err *relate(struct fetch *fetch, const git_commit *tip, const git_commit *commit,
                          struct repo_result *out)
{
    const char *last_text = fetch->job->request.last_applied;
    if (!last_text || last_text[0] == '\0') {
        return NULL;
    }
    char text[REPO_COMMIT_LEN];
    git_oid last;
    bool below = false;
    bool older = false;
    TRY(refs_commit_parse(last_text, text));
    (void)git_oid_fromstr(&last, text);
    AUTO(git_commit_free_auto) git_commit *known = NULL;
    out->history = REPO_HISTORY_REWRITTEN;
    if (git_commit_lookup(&known, fetch->clone.repo, &last) != 0) {
        return NULL; /* the server has dropped it */
    }
    TRY(descends(fetch, git_commit_id(tip), &last, &below));
    if (below) {
        out->history =
            git_oid_equal(git_commit_id(tip), &last) ? REPO_HISTORY_SAME : REPO_HISTORY_ANCESTOR;
    }
    if (!git_oid_equal(git_commit_id(commit), &last)) {
        TRY(descends(fetch, &last, git_commit_id(commit), &older));
    }
    out->older_than_last = older;
    return NULL;
}

static struct err *list_ancestors(struct fetch *fetch, const git_commit *commit,
                                  struct strlist *out)
{
    AUTO(git_commit_free_auto) git_commit *at = NULL;
    if (git_commit_lookup(&at, fetch->clone.repo, git_commit_id(commit)) != 0) {
        return damaged(fetch, "read the commit");
    }
    while (out->count < REPO_ANCESTORS && git_commit_parentcount(at) > 0) {
        git_commit *parent = NULL;
        char text[41];
        if (git_commit_parent(&parent, at, 0) != 0) {
            return damaged(fetch, "read the commit's parents");
        }
        (void)git_oid_tostr(text, sizeof text, git_commit_id(parent));
        strlist_add(out, text);
        git_commit_free(at);
        at = parent;
    }
    return NULL;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static struct err *read_trees(struct fetch *fetch, const git_commit *commit,
                              struct repo_result *out)
{
    const struct repo_request *request = &fetch->job->request;
    struct walk walk = { .repo = fetch->clone.repo, .commit = commit, .naming = request->naming };
    out->trees = mem_array(request->set_count + 1, sizeof *out->trees);
    for (size_t i = 0; i < request->set_count; i++) {
        struct repo_tree *tree = &out->trees[i];
        out->tree_count = i + 1;
        walk.entries = 0;
        tree->error = walk_read(&walk, &request->sets[i], &tree->tree);
        if (walk.damaged) { /* no verdict about the commit */
            fetch->damaged = true;
            return TAKE(tree->error);
        }
    }
    return NULL;
}

static struct err *describe(struct fetch *fetch, const struct resolved *resolved,
                            const git_commit *tip, const git_commit *commit,
                            struct repo_result *out)
{
    (void)git_oid_tostr(out->tip, 41, git_commit_id(tip));
    (void)git_oid_tostr(out->commit, 41, git_commit_id(commit));
    out->ref = mem_strdup(resolved->ref);
    out->revision =
        mem_printf("%s%ssha1:%s", resolved->label, resolved->label[0] ? "@" : "", out->commit);
    out->cache_rebuilt = fetch->clone.rebuilt;
    TRY(relate(fetch, tip, commit, out));
    TRY(list_ancestors(fetch, commit, &out->ancestors));
    return read_trees(fetch, commit, out);
}

static struct err *obtain(struct fetch *fetch, const struct resolved *resolved)
{
    git_oid oid;
    if (git_oid_fromstr(&oid, resolved->oid) != 0) {
        return damaged(fetch, "read the ref");
    }
    return resolved->ref[0] ? obtain_ref(fetch, resolved->ref, &oid)
                            : obtain_commit(fetch, &oid, resolved->oid);
}

static struct err *work(struct fetch *fetch, bool anew, struct repo_result *out)
{
    const struct repo_request *request = &fetch->job->request;
    AUTO(resolved_done) struct resolved resolved = { 0 };
    AUTO(git_commit_free_auto) git_commit *tip = NULL;
    AUTO(git_commit_free_auto) git_commit *commit = NULL;
    AUTO(repo_result_done) struct repo_result result = { 0 };
    TRY(clone_open(request->cache, request->source.url,
                   CACHE_FACTOR * request->source.limits.pack_bytes, fetch->remote.deadline_ms,
                   anew, &fetch->clone));
    TRY(open_server(fetch, fetch->clone.repo));
    TRY(refs_resolve(fetch->heads, fetch->head_count, &request->ref, &resolved));
    TRY(obtain(fetch, &resolved));
    TRY(peel(fetch, &resolved, &tip));
    if (request->revision && request->revision[0]) {
        TRY(pin(fetch, request->revision, tip, &commit));
    } else if (git_commit_lookup(&commit, fetch->clone.repo, git_commit_id(tip)) != 0) {
        return damaged(fetch, "read the fetched commit");
    }
    TRY(describe(fetch, &resolved, tip, commit, &result));
    *out = result;
    result = (struct repo_result){ 0 };
    return NULL;
}

static struct err *attempt(const struct wire_job *job, bool anew, bool *again,
                           struct repo_result *out)
{
    AUTO(fetch_done) struct fetch fetch = { .job = job, .clone = { .lock_fd = -1 } };
    TRY(remote_open(&job->request.source, job->deadline_ms, &fetch.remote));
    struct err *error = work(&fetch, anew, out);
    *again = error && fetch.damaged && !fetch.clone.made_now;
    return error;
}

struct err *fetch_run(const struct wire_job *job, struct repo_result *out)
{
    bool again = false;
    struct err *error = attempt(job, job->anew, &again, out);
    if (again) { /* the clone is a cache: what is wrong in it is not repaired but fetched */
        err_free(error);
        error = attempt(job, true, &again, out);
    }
    return error;
}
