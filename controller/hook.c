/* SPDX-License-Identifier: Apache-2.0 */
/* The webhook: whose token it is, whether the signature fits, how often. */
#include "controller/hook.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "controller/bucket.h"
#include "controller/internal.h"
#include "controller/shares.h"
#include "controller/webhook.h"

#define TOKEN_MS 5000 /* a token that was read longer ago is read again before it counts */
#define AWAIT_MS 5000 /* for a reading; whoever pushed may try again */
#define WAITING 64    /* requests that may wait for the platform; of one namespace fewer */
#define NAMES_MAX 1024

struct hook_name { /* a controller that waits for the lease: where a plan's token is */
    char *key, *secret;
    int64_t read_ms;
};

/* Requests have threads of their own: the lock is over everything, and never held over a wait. */
static struct {
    pthread_mutex_t lock;
    struct buckets plans;  /* valid pushes, by plan */
    struct buckets denied; /* the rest, by address */
    struct buckets reads;  /* what the platform is asked for, by namespace */
    struct shares waiting; /* for the platform, by namespace */
    struct hook_name names[NAMES_MAX];
    size_t count;
} hook = { .lock = PTHREAD_MUTEX_INITIALIZER, .waiting = { .places = WAITING, .weight = 1 } };

static const struct bucket_rate push_rate = { .burst = 60, .per_second = 20 };
static const struct bucket_rate denied_rate = {
    .burst = 60, .per_second = 20, .all_burst = 600, .all_per_second = 200
};
static const struct bucket_rate read_rate = { .burst = 60, .per_second = 20 };

/* "/hook/ns/plan" -> "ns/plan"; NULL: another path. */
static const char *hook_key(const char *path)
{
    const char *rest = str_starts(path, "/hook/") ? path + strlen("/hook/") : NULL;
    const char *slash = rest ? strchr(rest, '/') : NULL;

    return slash && slash > rest && slash[1] && !strchr(slash + 1, '/') ? rest : NULL;
}

static bool may_pass(struct buckets *buckets, const struct bucket_rate *rate, const char *name,
                     int64_t now_ms)
{
    pthread_mutex_lock(&hook.lock);
    bool pass = buckets_take(buckets, rate, name, now_ms);
    pthread_mutex_unlock(&hook.lock);
    return pass;
}

/* ---- waiting for the platform -------------------------------------------------------------------- */

/* NULL: too many of this namespace wait, or it asked too often. */
static struct share *wait_begin(const char *namespace_, int64_t now_ms)
{
    pthread_mutex_lock(&hook.lock);
    struct share *share = shares_join(&hook.waiting, namespace_);
    if (shares_room(&hook.waiting, share) &&
        buckets_take(&hook.reads, &read_rate, namespace_, now_ms)) {
        shares_take(&hook.waiting, share);
    } else {
        shares_leave(&hook.waiting, share);
        share = NULL;
    }
    pthread_mutex_unlock(&hook.lock);
    return share;
}

static void wait_end(struct share *share)
{
    pthread_mutex_lock(&hook.lock);
    shares_give(&hook.waiting, share);
    shares_leave(&hook.waiting, share);
    pthread_mutex_unlock(&hook.lock);
}

/* ---- where a token is ---------------------------------------------------------------------------- */

/* NULL: no such plan, or it takes no webhooks. No I/O: who leads knows every plan. */
static char *known_name(struct controller *c, const char *key)
{
    struct plan_cache *cache = plan_caches_find(&c->caches, key);
    char *name = NULL;

    if (!cache) {
        return NULL;
    }
    pthread_mutex_lock(&cache->lock);
    if (cache->snapshot && !cache->snapshot->error) {
        name = mem_strdup(cache->snapshot->plan.source.webhook_secret_name);
    }
    pthread_mutex_unlock(&cache->lock);
    plan_cache_unref(cache);
    return name;
}

static void name_done(struct hook_name *name)
{
    free(TAKE(name->key));
    free(TAKE(name->secret));
}

void hook_done(void)
{
    while (hook.count > 0) {
        name_done(&hook.names[--hook.count]);
    }
}

/* Lock held. The one of this key; NULL: none. */
static struct hook_name *find_name(const char *key)
{
    for (size_t i = 0; i < hook.count; i++) {
        if (str_eq(hook.names[i].key, key)) {
            return &hook.names[i];
        }
    }
    return NULL;
}

/* Lock held. Where the new one goes: a free place, or that of the oldest. */
static struct hook_name *place_name(void)
{
    struct hook_name *oldest = &hook.names[0];

    if (hook.count < NAMES_MAX) {
        return &hook.names[hook.count++];
    }
    for (size_t i = 1; i < hook.count; i++) {
        oldest = hook.names[i].read_ms < oldest->read_ms ? &hook.names[i] : oldest;
    }
    name_done(oldest);
    return oldest;
}

/* One that waits for the lease works on no plan: it asks for the object. Blocks. A plan that takes no webhooks is
 * not remembered: paths that somebody makes up must not push out those of others. */
static char *asked_name(struct controller *c, const char *key, const char *namespace_)
{
    AUTO(json_free_auto) struct json *object = NULL;
    AUTO(snapshot_unref_auto) struct snapshot *snapshot = NULL;
    struct err *failed =
        c->platform.ops->read_plan(c->platform.self, namespace_, strchr(key, '/') + 1, &object);

    if (failed) {
        err_free(failed);
        return NULL;
    }
    snapshot = snapshot_new(object, NULL);
    const char *secret = snapshot->error ? NULL : snapshot->plan.source.webhook_secret_name;
    if (!secret) {
        return NULL;
    }
    pthread_mutex_lock(&hook.lock);
    struct hook_name *name = find_name(key);
    if (name) {
        free(TAKE(name->secret));
    } else {
        name = place_name();
        name->key = mem_strdup(key);
    }
    name->secret = mem_strdup(secret);
    name->read_ms = clock_mono_ms();
    pthread_mutex_unlock(&hook.lock);
    return mem_strdup(secret);
}

static char *remembered_name(const char *key, int64_t now_ms)
{
    pthread_mutex_lock(&hook.lock);
    const struct hook_name *name = find_name(key);
    char *secret = name && now_ms - name->read_ms < TOKEN_MS ? mem_strdup(name->secret) : NULL;
    pthread_mutex_unlock(&hook.lock);
    return secret;
}

/* ---- tokens -------------------------------------------------------------------------------------- */

enum verdict_of_push {
    PUSH_DENIED, /* no such plan, no webhook, no signature that fits: they look the same */
    PUSH_SIGNED,
    PUSH_UNKNOWN, /* signed with a token that was right, and the platform does not say that it still is */
};

static bool is_signed(const struct http_request *request, const char *token)
{
    const struct webhook_headers headers = {
        .hub_signature_256 = http_header(request, "X-Hub-Signature-256"),
        .hub_signature = http_header(request, "X-Hub-Signature"),
        .gitea_signature = http_header(request, "X-Gitea-Signature"),
        .gitlab_token = http_header(request, "X-Gitlab-Token"),
        .sluice_signature = http_header(request, "X-Sluice-Signature"),
    };

    return token && *token && webhook_verify(&headers, request->body, request->length, token);
}

/* By what is known of the Secret. */
static enum verdict_of_push judge(struct controller *c, const struct http_request *request,
                                  const char *namespace_, const char *secret)
{
    AUTO(secret_kvlist_done) struct kvlist data = { 0 };

    (void)secret_cache_get(c->secrets, namespace_, secret, &data, NULL);
    return is_signed(request, kvlist_get(&data, "token")) ? PUSH_SIGNED : PUSH_DENIED;
}

/* Whoever shows a token that was right may know that there is such a plan. */
static enum verdict_of_push judge_stale(struct controller *c, const struct http_request *request,
                                        const char *namespace_, const char *secret)
{
    bool was_right = secret && judge(c, request, namespace_, secret) == PUSH_SIGNED;

    return was_right ? PUSH_UNKNOWN : PUSH_DENIED;
}

/* With what the platform says now. Blocks. */
static enum verdict_of_push ask_and_judge(struct controller *c, const struct http_request *request,
                                          const char *key, const char *namespace_,
                                          const char *known, int64_t now_ms)
{
    AUTO(free_auto) char *secret = known ? mem_strdup(known) : asked_name(c, key, namespace_);

    if (!secret) {
        return PUSH_DENIED;
    }
    if (!secret_cache_fresh(c->secrets, namespace_, secret, TOKEN_MS)) {
        secret_cache_refresh(c->secrets, key, secret, TOKEN_MS);
        if (!secret_cache_await(c->secrets, namespace_, secret, now_ms - TOKEN_MS, AWAIT_MS)) {
            return judge_stale(c, request, namespace_, secret);
        }
    }
    return judge(c, request, namespace_, secret);
}

/* A token that was read lately decides at once; for all else the platform is asked, by few at a time. */
static enum verdict_of_push verdict_of(struct controller *c, const struct http_request *request,
                                       const char *key, int64_t now_ms)
{
    const bool leads = config_leads(c->config);
    AUTO(free_auto) char *namespace_ = mem_strndup(key, strcspn(key, "/"));
    AUTO(free_auto) char *secret = leads ? known_name(c, key) : remembered_name(key, now_ms);

    if (leads && !secret) {
        return PUSH_DENIED;
    }
    if (secret && secret_cache_fresh(c->secrets, namespace_, secret, TOKEN_MS)) {
        return judge(c, request, namespace_, secret);
    }
    struct share *share = wait_begin(namespace_, now_ms);
    if (!share) {
        return judge_stale(c, request, namespace_, secret);
    }
    enum verdict_of_push verdict = ask_and_judge(c, request, key, namespace_, secret, now_ms);
    wait_end(share);
    return verdict;
}

/* ---- answers ------------------------------------------------------------------------------------- */

/* The one that leads sees the annotation and polls. */
static struct err *ask_leader(struct controller *c, const char *key)
{
    AUTO(free_auto) char *namespace_ = mem_strndup(key, strcspn(key, "/"));
    char now[TIME_TEXT_LEN];

    time_format_micro(clock_utc_ms() * 1000, now);
    AUTO(json_free_auto) struct json *patch = annotation_patch(ANNOTATION_REQUESTED, now);
    return c->platform.ops->patch_plan(c->platform.self, namespace_, strchr(key, '/') + 1, patch);
}

static void count_hook(struct controller *c, const char *result)
{
    metrics_add(c->metrics, METRIC_WEBHOOKS, LABELS({ "result", result }), 1);
}

static void limited(struct controller *c, struct http_response *r)
{
    count_hook(c, "limited");
    http_say(r, 429, "too many requests\n");
}

/* A plan that is not there, one without a webhook and a wrong signature look the same. */
static void deny(struct controller *c, const struct http_request *request, const char *key,
                 int64_t now_ms, struct http_response *r)
{
    if (!may_pass(&hook.denied, &denied_rate, request->peer, now_ms)) {
        limited(c, r);
        return;
    }
    count_hook(c, "denied");
    LOG(LOG_WARN, "webhook denied", LOG_S("plan", key), LOG_S("peer", request->peer));
    http_say(r, 404,
             "no such webhook: the path names no plan with source.webhook, or the signature is"
             " missing or wrong\n");
}

static void take_push(struct controller *c, const struct http_request *request, const char *key,
                      struct http_response *r)
{
    bool ours = config_leads(c->config);
    struct err *failed = ours ? NULL : ask_leader(c, key);

    count_hook(c, "accepted");
    LOG(LOG_INFO, "webhook", LOG_S("plan", key), LOG_S("peer", request->peer));
    if (failed) {
        LOG(LOG_WARN, "webhook not passed on", LOG_S("plan", key),
            LOG_S("message", failed->message));
        err_free(failed);
        http_say(r, 503, "try again\n");
        return;
    }
    if (ours) {
        polls_now(c->polls, key);
    }
    http_say(r, 202, "accepted\n");
}

void hook_answer(void *payload, const struct http_request *request, struct http_response *r)
{
    struct controller *c = payload;
    const char *key = hook_key(request->path);
    int64_t now_ms = clock_mono_ms();

    if (key && !str_eq(request->method, "POST")) {
        r->allow = "POST";
        http_say(r, 405, "only POST is answered here\n");
        return;
    }
    enum verdict_of_push verdict = key ? verdict_of(c, request, key, now_ms) : PUSH_DENIED;
    if (verdict == PUSH_UNKNOWN) {
        count_hook(c, "unavailable");
        LOG(LOG_WARN, "webhook not checked", LOG_S("plan", key), LOG_S("peer", request->peer));
        http_say(r, 503, "try again\n");
    } else if (verdict == PUSH_DENIED) {
        deny(c, request, key ? key : "", now_ms, r);
    } else if (!may_pass(&hook.plans, &push_rate, key, now_ms)) {
        limited(c, r);
    } else {
        take_push(c, request, key, r);
    }
}
