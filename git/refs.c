/* SPDX-License-Identifier: Apache-2.0 */
/* Refs by exact name in the server's list. */
#include "git/refs.h"
#include <git2/net.h>
#include <git2/oid.h>
#include <git2/refs.h>
#include <string.h>
#include "base/auto.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "model/reason.h"

#define SHA1_HEX 40
#define SHA256_HEX 64
#define NAMES_SHOWN 4

static bool is_hex(const char *text, size_t length)
{
    return strlen(text) == length && strspn(text, "0123456789abcdefABCDEF") == length;
}

bool refs_is_commit(const struct repo_ref *ref)
{
    return ref->kind == REPO_REF_COMMIT ||
           (ref->kind == REPO_REF_ANY && is_hex(ref->name, SHA1_HEX));
}

struct err *refs_commit_parse(const char *text, char out[REPO_COMMIT_LEN])
{
    if (is_hex(text, SHA256_HEX)) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC,
                       "commit '%s' is a SHA-256 id, and SHA-256 repositories are not supported",
                       text);
    }
    if (!is_hex(text, SHA1_HEX)) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC,
                       "commit '%.80s' is not a full commit id: write all 40 hex digits", text);
    }
    AUTO(free_auto) char *lower = str_lower(text);
    memcpy(out, lower, SHA1_HEX + 1);
    return NULL;
}

char *refs_describe(const struct repo_ref *ref)
{
    static const char *const words[] = { "branch", "tag", "commit", "ref", "branch or tag" };
    return mem_printf("%s '%s'", refs_is_commit(ref) ? "commit" : words[ref->kind], ref->name);
}

static struct err *check_name(const char *full, const struct repo_ref *ref)
{
    int valid = 0;
    bool head = strcmp(full, "HEAD") == 0;
    if (strlen(full) <= LIMIT_PATH && str_utf8_valid(full, strlen(full)) == strlen(full) &&
        (head || (strchr(full, '/') && git_reference_name_is_valid(&valid, full) == 0 && valid))) {
        return NULL;
    }
    AUTO(free_auto) char *what = refs_describe(ref);
    return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "%s is not a valid git ref name%s", what,
                   ref->kind == REPO_REF_NAME ? ": write refs/heads/..., refs/tags/... or HEAD"
                                              : "");
}

static const git_remote_head *find(const git_remote_head *const *heads, size_t count,
                                   const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (heads[i]->name && strcmp(heads[i]->name, name) == 0) {
            return heads[i];
        }
    }
    return NULL;
}

/* "; it has 'dev', 'main' and 3 more": most wrong names are typing errors. */
static void add_candidates(const git_remote_head *const *heads, size_t count, const char *prefix,
                           struct buf *out)
{
    size_t seen = 0;
    for (size_t i = 0; i < count; i++) {
        const char *name = heads[i]->name;
        if (name && str_starts(name, prefix) && !str_ends(name, "^{}")) {
            if (seen < NAMES_SHOWN) {
                buf_addf(out, "%s'%.60s'", seen == 0 ? "; it has " : ", ", name + strlen(prefix));
            }
            seen++;
        }
    }
    if (seen > NAMES_SHOWN) {
        buf_addf(out, " and %zu more", seen - NAMES_SHOWN);
    }
}

static struct err *not_found(const git_remote_head *const *heads, size_t count,
                             const struct repo_ref *ref)
{
    AUTO(free_auto) char *what = refs_describe(ref);
    if (count == 0) {
        return err_new(ERR_TRANSIENT, REASON_REVISION_NOT_FOUND,
                       "%s does not exist: the repository is empty", what);
    }
    AUTO(buf_done) struct buf names = BUF(1024);
    if (ref->kind == REPO_REF_TAG) {
        add_candidates(heads, count, "refs/tags/", &names);
    } else {
        add_candidates(heads, count, ref->kind == REPO_REF_NAME ? "" : "refs/heads/", &names);
    }
    return err_new(ERR_TRANSIENT, REASON_REVISION_NOT_FOUND,
                   "%s does not exist in the repository%s", what, buf_text(&names));
}

static void oid_text(const git_oid *oid, char out[REPO_COMMIT_LEN])
{
    memset(out, 0, REPO_COMMIT_LEN);
    (void)git_oid_tostr(out, SHA1_HEX + 1, oid);
}

static void take(const git_remote_head *const *heads, size_t count, const git_remote_head *head,
                 const char *label, struct resolved *out)
{
    AUTO(free_auto) char *peeled_name = mem_printf("%s^{}", head->name);
    const git_remote_head *peeled = find(heads, count, peeled_name);
    out->ref = mem_strdup(head->name);
    out->label = mem_strdup(label);
    oid_text(&head->oid, out->oid);
    oid_text(peeled ? &peeled->oid : &head->oid, out->peeled);
}

static struct err *resolve_any(const git_remote_head *const *heads, size_t count,
                               const struct repo_ref *ref, struct resolved *out)
{
    if (strcmp(ref->name, "HEAD") == 0 || str_starts(ref->name, "refs/")) {
        struct repo_ref full = { .kind = REPO_REF_NAME, .name = ref->name };
        return refs_resolve(heads, count, &full, out);
    }
    AUTO(free_auto) char *branch_name = mem_printf("refs/heads/%s", ref->name);
    AUTO(free_auto) char *tag_name = mem_printf("refs/tags/%s", ref->name);
    TRY(check_name(branch_name, ref));
    const git_remote_head *branch = find(heads, count, branch_name);
    const git_remote_head *tag = find(heads, count, tag_name);
    if (branch && tag) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC,
                       "'%s' is a branch and a tag: write %s or %s", ref->name, branch_name,
                       tag_name);
    }
    if (!branch && !tag) {
        return not_found(heads, count, ref);
    }
    take(heads, count, branch ? branch : tag, ref->name, out);
    return NULL;
}

struct err *refs_resolve(const git_remote_head *const *heads, size_t count,
                         const struct repo_ref *ref, struct resolved *out)
{
    if (refs_is_commit(ref)) {
        TRY(refs_commit_parse(ref->name, out->oid));
        memcpy(out->peeled, out->oid, sizeof out->peeled);
        out->ref = mem_strdup("");
        out->label = mem_strdup("");
        return NULL;
    }
    if (ref->kind == REPO_REF_ANY) {
        return resolve_any(heads, count, ref, out);
    }
    static const char *const prefixes[] = {
        [REPO_REF_BRANCH] = "refs/heads/",
        [REPO_REF_TAG] = "refs/tags/",
        [REPO_REF_NAME] = "",
    };
    AUTO(free_auto) char *full = mem_printf("%s%s", prefixes[ref->kind], ref->name);
    TRY(check_name(full, ref));
    const git_remote_head *head = find(heads, count, full);
    if (!head) {
        return not_found(heads, count, ref);
    }
    take(heads, count, head, ref->name, out);
    return NULL;
}

void resolved_done(struct resolved *resolved)
{
    free(resolved->ref);
    free(resolved->label);
    *resolved = (struct resolved){ 0 };
}
