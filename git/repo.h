/* SPDX-License-Identifier: Apache-2.0 */
/* Git repositories as a source of migrations: ask where a ref stands, fetch a commit, read folders.
 *
 * Every contact with a git server, and every parse of what it sent, happens in a child process
 * (`sluice fetch-once`) with a total deadline and rlimits; the request goes to its standard input
 * (credentials are in no argument, environment or file), the answer is a small format that the
 * parent checks piece by piece and digest by digest. All functions here block for at most
 * `timeout_ms` and may be called from any thread. Nothing is logged. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/secret.h"
#include "base/str.h"
#include "model/naming.h"
#include "model/tree.h"

#define REPO_COMMIT_LEN 65 /* hex commit id and NUL; room for SHA-256 repositories */
#define REPO_KEY_LEN 65
#define REPO_ANCESTORS 64 /* docs/reference/migrationplan.md 2, coveredCommits */

/* Schemes a caller may allow besides https and ssh, which always are. */
enum {
    REPO_ALLOW_HTTP = 1,
    REPO_ALLOW_FILE = 2
};

/* NULL or unset = not given. Filled by repo_credentials_parse() or by hand (command line). */
struct repo_credentials {
    char *username;             /* owned, as all below */
    struct secret password;     /* https: with username; ssh without identity: the password */
    struct secret bearer_token; /* https only: Authorization: Bearer */
    struct secret identity;     /* ssh private key, PEM or OpenSSH text */
    struct secret passphrase;   /* of identity */
    char *known_hosts;          /* ssh: required */
    char *ca_crt;               /* https: replaces the system store */
    char *tls_crt;              /* https: client certificate */
    struct secret tls_key;
};

/* The data of a source Secret (docs/reference/migrationplan.md 1): username+password | bearerToken |
 * identity+known_hosts(+password = passphrase); optional ca.crt, tls.crt, tls.key (caFile, certFile,
 * keyFile are accepted too). ERR_TERMINAL SecretInvalid naming the keys that clash or are missing
 * for the scheme of `url`; InvalidSpec for a url of no scheme at all. An empty list is fine for
 * https, http and file. */
struct err *repo_credentials_parse(const struct kvlist *data, const char *url,
                                   struct repo_credentials *out) ERR_MUST_USE;
void repo_credentials_done(struct repo_credentials *credentials);

/* https://host/path, ssh://[user@]host[:port]/path, http:// and file:/// when allowed. No password
 * in it, no scp form, no option-like host or user, no shell characters in an ssh path.
 * ERR_TERMINAL InvalidSpec that says what to write instead. */
struct err *repo_url_check(const char *url, unsigned allow) ERR_MUST_USE;

enum repo_ref_kind {
    REPO_REF_BRANCH,
    REPO_REF_TAG,    /* annotated tags are peeled to their commit */
    REPO_REF_COMMIT, /* 40 hex digits; must be reachable from a branch or tag of the server */
    REPO_REF_NAME,   /* full name: refs/... or HEAD */
    REPO_REF_ANY,    /* command line: 40 hex = commit, HEAD, refs/... = name, else branch or tag */
};

struct repo_ref {
    enum repo_ref_kind kind;
    const char *name; /* borrowed */
};

/* Zero = default. Only ever lowered or raised by an operator, never by a tenant. */
struct repo_limits {
    int64_t pack_bytes;   /* LIMIT_PACK: received from the server in one fetch */
    int64_t object_bytes; /* LIMIT_OBJECT */
    int64_t objects;      /* LIMIT_OBJECTS in one pack */
    int64_t memory_bytes; /* RLIMIT_AS of the child, 1 GiB */
};

struct repo_source { /* everything borrowed */
    const char *url;
    unsigned allow;                             /* REPO_ALLOW_... */
    const struct repo_credentials *credentials; /* NULL: none */
    const char *proxy;                          /* https and http; NULL: none (the environment's is
                                                 * not used: hand it over to use it) */
    const char *no_proxy;                       /* NULL: none */
    int64_t timeout_ms;                         /* total; 0: 60 s */
    struct repo_limits limits;
    /* The rest is for tests and shutdown. */
    const char *exe;      /* program that has fetch-once; NULL: /proc/self/exe */
    const char *scratch;  /* where a private folder may be made; NULL: $TMPDIR or /tmp */
    const int *cancel_fd; /* readable = give up with ERR_WAIT Interrupted; NULL: none */
    const int *stderr_fd; /* the child's standard error; NULL: /dev/null */
};

/* Identifies (url, credentials): polls with equal keys may be shared. An HMAC under a random key of
 * this process, so it tells nothing about the password; not for disk. */
void repo_source_key(const struct repo_source *source, char out[REPO_KEY_LEN]);

/* The folder under `base` for the clone of `url`: <base>/<32 hex of SHA-256(scope, url)>. Owned.
 * Give a tenant (namespace) as scope to keep tenants' clones apart. */
char *repo_cache_path(const char *base, const char *scope, const char *url);

/* ---- poll ------------------------------------------------------------------------------------ */

struct repo_tip {
    struct err *error; /* RevisionNotFound for this ref alone; owned; then the rest is empty */
    char commit[REPO_COMMIT_LEN]; /* peeled where the server says so */
    char *ref;                    /* full name, e.g. refs/heads/main; "" for a commit; owned */
};

/* Where the refs stand now: one ls-remote for all of them, no object is fetched. tips[] (count of
 * them) is set on success. REPO_REF_COMMIT answers itself without asking; if all are commits, no
 * server is contacted. Errors as repo_fetch. */
struct err *repo_poll(const struct repo_source *source, const struct repo_ref *refs, size_t count,
                      struct repo_tip *tips) ERR_MUST_USE;
void repo_tips_done(struct repo_tip *tips, size_t count);

/* ---- fetch ----------------------------------------------------------------------------------- */

struct repo_request {
    struct repo_source source;
    struct repo_ref ref;
    const char *revision;     /* NULL, or a full commit id to use instead of the tip: it must be
                               * reachable from ref (or be ref's commit) */
    const char *last_applied; /* NULL, or a commit id: result.history tells how it relates */
    const char *cache; /* folder of the bare clone; made when absent; NULL: a throw-away one */
    /* One tree is read per set: the resolved paths of one database ("sql/orders"; "." = the root).
     * Give equal path lists once. */
    const struct strlist *sets;
    size_t set_count;
    const struct naming *naming; /* of which files the content is wanted; NULL: Flyway's defaults */
};

enum repo_history {         /* last_applied seen from the ref's tip (not from a pinned revision) */
    REPO_HISTORY_NONE,      /* no last_applied was given */
    REPO_HISTORY_SAME,      /* it is the tip */
    REPO_HISTORY_ANCESTOR,  /* the tip descends from it */
    REPO_HISTORY_REWRITTEN, /* it does not, or the server no longer has it: the rule of rewritten
                             * history applies: compare the SHA-256 (and names) of what the
                             * database's journal says was applied with the files of trees[] */
};

struct repo_tree {
    struct err
        *error; /* owned; InvalidMigration, SourceTooLarge: this set only; then tree is empty */
    struct tree tree; /* commit, locations, oids, files; usable when error is NULL */
};

struct repo_result {
    char *ref;                    /* full name, "" for a commit; owned */
    char tip[REPO_COMMIT_LEN];    /* where the ref stands */
    char commit[REPO_COMMIT_LEN]; /* the commit that was read: the tip, or the pinned revision */
    char *revision;               /* "main@sha1:<hex>", "sha1:<hex>" for a commit; owned */
    enum repo_history history;
    bool older_than_last;     /* commit is a proper ancestor of last_applied */
    struct strlist ancestors; /* first-parent ancestors of commit, nearest first, <= 64 */
    struct repo_tree *trees;  /* one per set, in order; owned */
    size_t tree_count;
    bool cache_rebuilt; /* the clone was damaged or overgrown and was made anew */
};

/* Resolve, fetch what is missing into the cache, read the trees.
 * ERR_TRANSIENT: SourceUnavailable (unreachable, 404, 5xx, redirect, deadline), AccessDenied,
 *   TLSVerificationFailed, HostKeyMismatch, RevisionNotFound (absent ref, empty repository,
 *   revision not reachable from ref), SourceFetchFailed (the child died, local disk).
 * ERR_TERMINAL: SourceTooLarge (limit and value), InvalidSpec (url, ref name), SecretInvalid.
 * An unusable folder is an error of its set: trees[i].error. *out is untouched on failure. */
struct err *repo_fetch(const struct repo_request *request, struct repo_result *out) ERR_MUST_USE;
void repo_result_done(struct repo_result *result);

/* The child's main: `sluice fetch-once`, reached through the command table. Exit code 0 when an
 * answer (an error answer too) was written to standard output. */
int repo_fetch_once_main(int argc, char **argv);

/* ---- plain folder ---------------------------------------------------------------------------- */

/* --dir: the files under `path` as one location of `tree` (tree->locations gets the path as given).
 * Call once per folder, then tree_finish(). The same refusals as in git, but `.git` is passed over
 * like every hidden folder. Flyway follows links; here a symlinked file or folder is refused, except
 * in the layout of a mounted ConfigMap or Secret (name -> ..data/name, ..data -> ..<time>); `path`
 * itself may be a link. Scripts are named relative to `path`, tree_file.path is `path`/script.
 * naming as in a request. ERR_TERMINAL InvalidMigration, SourceTooLarge. */
struct err *repo_read_dir(const char *path, const struct naming *naming, struct tree *tree)
    ERR_MUST_USE;

/* Adds libgit2 and libcurl with the versions that are loaded. */
void repo_libraries(struct kvlist *out);
