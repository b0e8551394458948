/* SPDX-License-Identifier: Apache-2.0 */
/* Shared polls: sources by key, watchers by plan, one queue of source keys. */
#include "controller/polls.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "controller/queue.h"
#include "model/reason.h"

/* "namespace/key of the repository": what one namespace's plans keep waiting, another's do not share. */
#define SOURCE_KEY_LEN (256 + REPO_KEY_LEN)

struct watcher {
    struct watcher *next;
    char *plan;
    char source[SOURCE_KEY_LEN];
    enum repo_ref_kind kind;
    char *ref;
    int64_t interval_ms, retry_ms;
    struct poll_answer answer;
};

struct source {
    struct source *next;
    char key[SOURCE_KEY_LEN];
    char *url;
    struct kvlist secret;
    int64_t timeout_ms;
    int64_t last_ms; /* start of the newest poll; 0: none */
};

struct polls {
    struct polls_options options;
    struct queue *queue;
    pthread_mutex_t lock;
    struct watcher *watchers;
    struct source *sources;
};

static int64_t poll_source(void *payload, const char *key);

struct polls *polls_new(const struct polls_options *options)
{
    struct polls *polls = mem_alloc(sizeof *polls);

    polls->options = *options;
    pthread_mutex_init(&polls->lock, NULL);
    polls->queue = queue_new("sources", options->threads, poll_source, polls);
    return polls;
}

struct err *polls_start(struct polls *polls)
{
    return queue_start(polls->queue);
}

void poll_answer_done(struct poll_answer *answer)
{
    last_failure_clear(&answer->failure);
    *answer = (struct poll_answer){ 0 };
}

/* ---- lists ------------------------------------------------------------------------------------ */

static struct watcher *watcher_find(struct polls *polls, const char *plan)
{
    struct watcher *w = polls->watchers;

    while (w && !str_eq(w->plan, plan)) {
        w = w->next;
    }
    return w;
}

static struct source *source_find(struct polls *polls, const char *key)
{
    struct source *s = polls->sources;

    while (s && !str_eq(s->key, key)) {
        s = s->next;
    }
    return s;
}

static void secret_list_done(struct kvlist *list)
{
    for (size_t i = 0; i < list->count; i++) {
        secret_wipe(list->items[i].value, strlen(list->items[i].value));
    }
    kvlist_done(list);
    *list = (struct kvlist){ 0 };
}

static void source_free(struct source *s)
{
    free(s->url);
    secret_list_done(&s->secret);
    free(s);
}

/* A source that nobody watches is polled no more. */
static void source_release(struct polls *polls, const char *key)
{
    for (const struct watcher *w = polls->watchers; w; w = w->next) {
        if (str_eq(w->source, key)) {
            return;
        }
    }
    for (struct source **link = &polls->sources; *link; link = &(*link)->next) {
        struct source *s = *link;
        if (str_eq(s->key, key)) {
            *link = s->next;
            queue_forget(polls->queue, key);
            source_free(s);
            return;
        }
    }
}

static void watcher_remove(struct polls *polls, const char *plan)
{
    for (struct watcher **link = &polls->watchers; *link; link = &(*link)->next) {
        struct watcher *w = *link;
        if (str_eq(w->plan, plan)) {
            *link = w->next;
            source_release(polls, w->source);
            poll_answer_done(&w->answer);
            free(w->plan);
            free(w->ref);
            free(w);
            return;
        }
    }
}

/* ---- watch ------------------------------------------------------------------------------------ */

static void source_ensure(struct polls *polls, const char *key, const struct poll_want *want)
{
    struct source *s = source_find(polls, key);

    if (!s) {
        s = mem_alloc(sizeof *s);
        memcpy(s->key, key, sizeof s->key);
        s->url = mem_strdup(want->url);
        if (want->secret) {
            kvlist_copy(want->secret, &s->secret);
        }
        s->timeout_ms = want->timeout_ms;
        s->next = polls->sources;
        polls->sources = s;
    }
    s->timeout_ms = want->timeout_ms > s->timeout_ms ? want->timeout_ms : s->timeout_ms;
}

static void poll_soon(struct polls *polls, const struct source *s)
{
    int64_t gap_ms = s->last_ms ? s->last_ms + polls->options.min_gap_ms - clock_mono_ms() : 0;

    queue_add_after(polls->queue, s->key, gap_ms > 0 ? gap_ms : 0);
}

static struct err *source_key(struct polls *polls, const char *plan, const struct poll_want *want,
                              char out[SOURCE_KEY_LEN])
{
    static const struct kvlist none = { 0 };
    struct repo_credentials credentials = { 0 };
    char key[REPO_KEY_LEN];
    size_t tenant = strcspn(plan, "/");
    int length = tenant < 255 ? (int)tenant : 255;

    TRY(repo_url_check(want->url, polls->options.allow));
    TRY(repo_credentials_parse(want->secret ? want->secret : &none, want->url, &credentials));
    const struct repo_source source = { .url = want->url, .credentials = &credentials };
    repo_source_key(&source, key);
    (void)snprintf(out, SOURCE_KEY_LEN, "%.*s/%s", length, plan, key);
    repo_credentials_done(&credentials);
    return NULL;
}

static bool is_watching(const struct watcher *w, const char *key, const struct poll_want *want)
{
    return str_eq(w->source, key) && w->kind == want->kind && str_eq(w->ref, want->ref);
}

struct err *polls_watch(struct polls *polls, const char *plan, const struct poll_want *want)
{
    char key[SOURCE_KEY_LEN];

    TRY(source_key(polls, plan, want, key));
    pthread_mutex_lock(&polls->lock);
    struct watcher *w = watcher_find(polls, plan);
    if (w && is_watching(w, key, want)) {
        w->interval_ms = want->interval_ms;
        w->retry_ms = want->retry_ms;
        pthread_mutex_unlock(&polls->lock);
        return NULL;
    }
    source_ensure(polls, key, want);
    if (w) {
        char old[SOURCE_KEY_LEN];
        memcpy(old, w->source, sizeof old);
        free(w->ref);
        poll_answer_done(&w->answer);
        memcpy(w->source, key, sizeof key);
        source_release(polls, old);
    } else {
        w = mem_alloc(sizeof *w);
        w->plan = mem_strdup(plan);
        memcpy(w->source, key, sizeof key);
        w->next = polls->watchers;
        polls->watchers = w;
    }
    w->kind = want->kind;
    w->ref = mem_strdup(want->ref);
    w->interval_ms = want->interval_ms;
    w->retry_ms = want->retry_ms;
    poll_soon(polls, source_find(polls, key));
    pthread_mutex_unlock(&polls->lock);
    return NULL;
}

struct err *polls_answer(struct polls *polls, const char *plan, const struct poll_want *want,
                         struct poll_answer *out)
{
    char key[SOURCE_KEY_LEN];

    TRY(source_key(polls, plan, want, key));
    *out = (struct poll_answer){ 0 };
    pthread_mutex_lock(&polls->lock);
    const struct watcher *w = watcher_find(polls, plan);
    if (w && is_watching(w, key, want)) {
        *out = w->answer;
        out->failure = (struct last_failure){ 0 };
        last_failure_copy(&w->answer.failure, &out->failure);
    }
    pthread_mutex_unlock(&polls->lock);
    return NULL;
}

void polls_now(struct polls *polls, const char *plan)
{
    pthread_mutex_lock(&polls->lock);
    const struct watcher *w = watcher_find(polls, plan);
    const struct source *s = w ? source_find(polls, w->source) : NULL;
    if (s) {
        poll_soon(polls, s);
    }
    pthread_mutex_unlock(&polls->lock);
}

void polls_forget(struct polls *polls, const char *plan)
{
    pthread_mutex_lock(&polls->lock);
    watcher_remove(polls, plan);
    pthread_mutex_unlock(&polls->lock);
}

int64_t polls_sources(struct polls *polls)
{
    int64_t count = 0;

    pthread_mutex_lock(&polls->lock);
    for (const struct source *s = polls->sources; s; s = s->next) {
        count++;
    }
    pthread_mutex_unlock(&polls->lock);
    return count;
}

int64_t polls_oldest(struct polls *polls, char **plan)
{
    AUTO(free_auto) char *key = NULL;
    int64_t age_ms = queue_oldest(polls->queue, &key);

    if (age_ms < 0) {
        return -1;
    }
    pthread_mutex_lock(&polls->lock);
    const struct watcher *w = polls->watchers;
    while (w && !str_eq(w->source, key)) {
        w = w->next;
    }
    *plan = mem_strdup(w ? w->plan : "one that is gone");
    pthread_mutex_unlock(&polls->lock);
    return age_ms;
}

/* ---- poll ------------------------------------------------------------------------------------- */

struct ask { /* one poll: a copy of what it needs, made under the lock */
    char *url;
    struct kvlist secret;
    int64_t timeout_ms;
    struct repo_ref *refs;
    struct strlist names;
    size_t count;
};

static size_t ref_index(const struct ask *ask, enum repo_ref_kind kind, const char *name)
{
    for (size_t i = 0; i < ask->count; i++) {
        if (ask->refs[i].kind == kind && str_eq(ask->names.items[i], name)) {
            return i;
        }
    }
    return ask->count;
}

static bool ask_make(struct polls *polls, const char *key, struct ask *out)
{
    struct source *s = source_find(polls, key);
    size_t cap = 0;

    if (!s) {
        return false;
    }
    s->last_ms = clock_mono_ms();
    out->url = mem_strdup(s->url);
    out->timeout_ms = s->timeout_ms;
    kvlist_copy(&s->secret, &out->secret);
    for (const struct watcher *w = polls->watchers; w; w = w->next) {
        if (!str_eq(w->source, key) || ref_index(out, w->kind, w->ref) < out->count) {
            continue;
        }
        out->refs = mem_grow(out->refs, &cap, out->count + 1, sizeof *out->refs);
        strlist_add(&out->names, w->ref);
        out->refs[out->count++].kind = w->kind;
    }
    for (size_t i = 0; i < out->count; i++) { /* only now: the list's items do not move any more */
        out->refs[i].name = out->names.items[i];
    }
    return out->count > 0;
}

static void ask_done(struct ask *ask)
{
    free(ask->url);
    secret_list_done(&ask->secret);
    free(ask->refs);
    strlist_done(&ask->names);
}

static struct err *poll_once(struct polls *polls, const struct ask *ask, struct repo_tip *tips)
{
    struct repo_credentials credentials = { 0 };

    TRY(repo_credentials_parse(&ask->secret, ask->url, &credentials));
    const struct repo_source source = { .url = ask->url,
                                        .allow = polls->options.allow,
                                        .credentials = &credentials,
                                        .timeout_ms = ask->timeout_ms,
                                        .scratch = polls->options.scratch,
                                        .cancel_fd = polls->options.cancel_fd };
    struct err *failed = repo_poll(&source, ask->refs, ask->count, tips);
    repo_credentials_done(&credentials);
    return failed;
}

/* True when the plan is reconciled: another commit, the first answer, another failure or its end. */
static bool take_answer(struct watcher *w, const struct repo_tip *tip, const struct err *failed,
                        int64_t now_ms)
{
    const struct err *e = failed ? failed : tip->error;
    struct poll_answer *a = &w->answer;

    a->tried_mono_ms = now_ms;
    if (e) {
        return last_failure_set(&a->failure, err_new(e->kind, e->reason, "%s", e->message), now_ms);
    }
    bool changed = a->answered_mono_ms == 0 || a->failure.reason || !str_eq(a->commit, tip->commit);
    last_failure_clear(&a->failure);
    a->answered_mono_ms = now_ms;
    memcpy(a->commit, tip->commit, sizeof a->commit);
    return changed;
}

static void log_answer(const char *plan, const struct poll_answer *a)
{
    if (a->failure.reason) {
        LOG(LOG_WARN, "source not polled", LOG_S("plan", plan), LOG_S("reason", a->failure.reason),
            LOG_S("message", a->failure.message));
    } else {
        LOG(LOG_INFO, "source moved", LOG_S("plan", plan), LOG_S("commit", a->commit));
    }
}

/* Returns when the next poll is due, and adds the plans that have to be told. */
static int64_t hand_out(struct polls *polls, const char *key, const struct ask *ask,
                        const struct repo_tip *tips, const struct err *failed, struct strlist *tell)
{
    int64_t now_ms = clock_mono_ms();
    int64_t next_ms = -1;

    for (struct watcher *w = polls->watchers; w; w = w->next) {
        size_t index = ref_index(ask, w->kind, w->ref);
        if (!str_eq(w->source, key) || index == ask->count) {
            continue;
        }
        if (take_answer(w, &tips[index], failed, now_ms)) {
            log_answer(w->plan, &w->answer);
            strlist_add(tell, w->plan);
        }
        int64_t own_ms = w->interval_ms;
        if (w->answer.failure.reason && w->retry_ms < own_ms) {
            own_ms = w->retry_ms;
        }
        next_ms = next_ms < 0 || own_ms < next_ms ? own_ms : next_ms;
    }
    if (next_ms >= 0 && next_ms < polls->options.min_interval_ms) {
        next_ms = polls->options.min_interval_ms;
    }
    return next_ms < 0 ? -1 : next_ms * 9 / 10 + jitter_ms(next_ms / 10);
}

static int64_t poll_source(void *payload, const char *key)
{
    struct polls *polls = payload;
    AUTO(ask_done) struct ask ask = { 0 };
    AUTO(strlist_done) struct strlist tell = { 0 };

    pthread_mutex_lock(&polls->lock);
    bool any = ask_make(polls, key, &ask);
    pthread_mutex_unlock(&polls->lock);
    if (!any) {
        return -1;
    }
    struct repo_tip *tips = mem_array(ask.count, sizeof *tips);
    struct err *failed = poll_once(polls, &ask, tips);
    if (failed && str_eq(failed->reason, REASON_INTERRUPTED)) { /* we are going down */
        err_free(failed);
        free(tips);
        return -1;
    }
    metrics_add(polls->options.metrics, METRIC_SOURCE_POLLS,
                LABELS({ "result", failed ? failed->reason : "ok" }), 1);
    pthread_mutex_lock(&polls->lock);
    int64_t next_ms = hand_out(polls, key, &ask, tips, failed, &tell);
    pthread_mutex_unlock(&polls->lock);
    for (size_t i = 0; i < tell.count; i++) {
        polls->options.changed(polls->options.payload, tell.items[i]);
    }
    if (!failed) {
        repo_tips_done(tips, ask.count);
    }
    err_free(failed);
    free(tips);
    return next_ms;
}

void polls_stop(struct polls *polls)
{
    queue_stop(polls->queue);
}

void polls_free(struct polls *polls)
{
    if (!polls) {
        return;
    }
    while (polls->watchers) {
        AUTO(free_auto) char *plan = mem_strdup(polls->watchers->plan);
        watcher_remove(polls, plan);
    }
    queue_free(polls->queue);
    pthread_mutex_destroy(&polls->lock);
    free(polls);
}
