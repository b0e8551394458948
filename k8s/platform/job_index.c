/* SPDX-License-Identifier: Apache-2.0 */
/* Hash tables of Jobs and of plans; the Jobs of a plan are sorted by database and attempt. */
#include "k8s/platform/job_index.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "k8s/platform/job_read.h"
#include "k8s/platform/names.h"

#define JOB_BUCKETS 4096
#define PLAN_BUCKETS 1024

/* Whoever may create pods may label them as ours, and a pod may be told of before its Job, or after it. */
#define ORPHANS_MAX 10000

struct entry {
    struct entry *next; /* of the bucket */
    char *uid;
    char *namespace_;       /* what wears the same labels or UIDs elsewhere is somebody else's */
    struct plan_jobs *plan; /* NULL: only pods of it are known, or it only wears our labels */
    char *database;
    int64_t attempt;
    struct json *job;  /* NULL: it is over, or not known yet */
    bool orphan;       /* no Job of this UID has been seen, only pods */
    struct json *pods; /* an array: those that are there, and those that went with last words */
    bool asked;        /* the server, for pods that we have not seen */
    bool settled;      /* over, and all is known: `over` says it, job and pods are freed */
    struct job over;
    char *why;      /* the cluster's events; NULL: they were not asked, or say nothing */
    int64_t why_ms; /* UTC, when they were asked last */
};

struct plan_jobs {
    struct plan_jobs *next;
    char *uid; /* "namespace/uid" */
    struct entry **items;
    size_t count, cap;
};

struct job_index {
    pthread_mutex_t lock;
    struct entry *jobs[JOB_BUCKETS];
    struct plan_jobs *plans[PLAN_BUCKETS];
    size_t orphans; /* entries of which only pods have been seen */
};

/* ---- texts of objects -------------------------------------------------------------------------- */

static const char *meta(const struct json *object, const char *key)
{
    return json_get_string(json_get(object, "metadata"), key);
}

static const char *label(const struct json *object, const char *key)
{
    return json_get_string(json_get(json_get(object, "metadata"), "labels"), key);
}

static const char *job_of(const struct json *pod)
{
    const struct json *owners = json_get(json_get(pod, "metadata"), "ownerReferences");

    for (const struct json *o = json_first(owners); o; o = json_next(o)) {
        if (json_bool(json_get(o, "controller"), false)) {
            return json_get_string(o, "uid");
        }
    }
    return NULL;
}

static size_t hash(const char *text)
{
    return (size_t)fnv_add(FNV_START, text, strlen(text));
}

/* ---- entries: lock held, as in all that is static ------------------------------------------------ */

static struct entry *find(const struct job_index *index, const char *uid)
{
    struct entry *e = uid ? index->jobs[hash(uid) % JOB_BUCKETS] : NULL;

    while (e && !str_eq(e->uid, uid)) {
        e = e->next;
    }
    return e;
}

static struct entry *get(struct job_index *index, const char *uid, const char *namespace_)
{
    struct entry *e = find(index, uid);

    if (!e) {
        struct entry **bucket = &index->jobs[hash(uid) % JOB_BUCKETS];
        e = mem_alloc(sizeof *e);
        e->uid = mem_strdup(uid);
        e->namespace_ = mem_strdup(namespace_);
        e->pods = json_array();
        e->next = *bucket;
        *bucket = e;
    }
    return e;
}

static struct plan_jobs *find_plan(const struct job_index *index, const char *uid)
{
    struct plan_jobs *plan = uid ? index->plans[hash(uid) % PLAN_BUCKETS] : NULL;

    while (plan && !str_eq(plan->uid, uid)) {
        plan = plan->next;
    }
    return plan;
}

/* The first place whose entry is not before. */
static size_t place_of(const struct plan_jobs *plan, const char *database, int64_t attempt)
{
    size_t low = 0;
    size_t high = plan->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(plan->items[middle]->database, database);
        if (order < 0 || (order == 0 && plan->items[middle]->attempt < attempt)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void join(struct job_index *index, struct entry *e, const char *plan_uid,
                 const struct job *seen)
{
    struct plan_jobs *plan = find_plan(index, plan_uid);

    if (!plan) {
        struct plan_jobs **bucket = &index->plans[hash(plan_uid) % PLAN_BUCKETS];
        plan = mem_alloc(sizeof *plan);
        plan->uid = mem_strdup(plan_uid);
        plan->next = *bucket;
        *bucket = plan;
    }
    e->plan = plan;
    e->database = mem_strdup(seen->database);
    e->attempt = seen->attempt;
    size_t at = place_of(plan, e->database, e->attempt);
    plan->items = mem_grow(plan->items, &plan->cap, plan->count + 1, sizeof *plan->items);
    memmove(plan->items + at + 1, plan->items + at, (plan->count - at) * sizeof *plan->items);
    plan->items[at] = e;
    plan->count++;
}

static void plan_free(struct plan_jobs *plan)
{
    free(plan->uid);
    free(plan->items);
    free(plan);
}

static void leave(struct job_index *index, struct entry *e)
{
    struct plan_jobs *plan = e->plan;
    size_t at = place_of(plan, e->database, e->attempt);

    while (plan->items[at] !=
           e) { /* a Job of that name was made anew before this one was dropped */
        at++;
    }
    plan->count--;
    memmove(plan->items + at, plan->items + at + 1, (plan->count - at) * sizeof *plan->items);
    if (plan->count == 0) {
        struct plan_jobs **link = &index->plans[hash(plan->uid) % PLAN_BUCKETS];
        while (*link != plan) {
            link = &(*link)->next;
        }
        *link = plan->next;
        plan_free(plan);
    }
}

static void entry_free(struct entry *e)
{
    free(e->uid);
    free(e->namespace_);
    free(e->database);
    json_free(e->job);
    json_free(e->pods);
    job_done(&e->over);
    free(e->why);
    free(e);
}

static void forget(struct job_index *index, struct entry *e)
{
    struct entry **link = &index->jobs[hash(e->uid) % JOB_BUCKETS];

    while (*link != e) {
        link = &(*link)->next;
    }
    *link = e->next;
    index->orphans -= e->orphan;
    if (e->plan) {
        leave(index, e);
    }
    entry_free(e);
}

/* ---- what is known of one Job -------------------------------------------------------------------- */

static bool seen_to_end(const struct entry *e)
{
    for (const struct json *pod = json_first(e->pods); pod; pod = json_next(pod)) {
        if (job_read_terminated(pod)) {
            return true;
        }
    }
    return false;
}

/* Nothing that is still to come can change what a Job was: it is over, and the end of its runner was
 * seen, or the server was asked for it. */
static void settle(struct entry *e)
{
    bool told = !e->plan || e->asked || seen_to_end(e);

    if (!e->job || !job_read_terminal(e->job) || !told ||
        (e->plan && !job_read(e->job, e->pods, clock_utc_ms(), &e->over))) {
        return;
    }
    e->settled = true;
    json_free(TAKE(e->job));
    json_free(TAKE(e->pods));
    free(TAKE(e->why));
}

/* Replaces the pod's state before; takes it. */
static void put_pod(struct entry *e, struct json *pod)
{
    struct json *kept = json_array();

    for (const struct json *p = json_first(e->pods); p; p = json_next(p)) {
        if (!str_eq(meta(p, "uid"), meta(pod, "uid"))) {
            json_push(kept, json_copy(p));
        }
    }
    json_push(kept, pod);
    json_free(e->pods);
    e->pods = kept;
}

static void drop_pod(struct entry *e, const char *uid)
{
    struct json *kept = json_array();

    for (const struct json *p = json_first(e->pods); p; p = json_next(p)) {
        if (!str_eq(meta(p, "uid"), uid) || job_read_terminated(p)) {
            json_push(kept, json_copy(p));
        }
    }
    json_free(e->pods);
    e->pods = kept;
}

/* ---- what a watch saw ---------------------------------------------------------------------------- */

struct job_index *job_index_new(void)
{
    struct job_index *index = mem_alloc(sizeof *index);

    pthread_mutex_init(&index->lock, NULL);
    return index;
}

void job_index_free(struct job_index *index)
{
    if (!index) {
        return;
    }
    for (size_t i = 0; i < JOB_BUCKETS; i++) {
        while (index->jobs[i]) {
            forget(index, index->jobs[i]);
        }
    }
    pthread_mutex_destroy(&index->lock);
    free(index);
}

void job_index_put_job(struct job_index *index, struct json *job)
{
    const char *uid = meta(job, "uid");
    AUTO(job_done) struct job seen = { 0 };

    if (!uid) {
        json_free(job);
        return;
    }
    pthread_mutex_lock(&index->lock);
    struct entry *e = get(index, uid, meta(job, "namespace"));
    index->orphans -= e->orphan;
    e->orphan = false;
    if (!str_eq(e->namespace_,
                meta(job, "namespace"))) { /* pods that came first and only claim to be of it */
        mem_strset(&e->namespace_, meta(job, "namespace"));
        json_free(e->pods);
        e->pods = json_array();
    }
    if (e->settled) {
        json_free(job);
    } else {
        json_free(e->job);
        e->job = job;
        if (!e->plan && job_read(job, NULL, 0, &seen)) {
            AUTO(free_auto) char *plan = job_index_plan(e->namespace_, label(job, LABEL_PLAN_UID));
            join(index, e, plan, &seen);
        }
        settle(e);
    }
    pthread_mutex_unlock(&index->lock);
}

void job_index_put_pod(struct job_index *index, struct json *pod)
{
    const char *uid = job_of(pod);

    if (!uid || !meta(pod, "uid")) {
        json_free(pod);
        return;
    }
    pthread_mutex_lock(&index->lock);
    struct entry *e = find(index, uid);
    if (!e && index->orphans >= ORPHANS_MAX) {
        pthread_mutex_unlock(&index->lock);
        json_free(pod);
        return;
    }
    if (!e) {
        e = get(index, uid, meta(pod, "namespace"));
        e->orphan = true;
        index->orphans++;
    }
    if (!str_eq(e->namespace_, meta(pod, "namespace"))) {
        json_free(pod);
    } else if (e->settled) {
        job_read_words(pod, &e->over);
        json_free(pod);
    } else {
        put_pod(e, pod);
        settle(e);
    }
    pthread_mutex_unlock(&index->lock);
}

void job_index_drop_job(struct job_index *index, const struct json *last)
{
    pthread_mutex_lock(&index->lock);
    struct entry *e = find(index, meta(last, "uid"));
    if (e) {
        forget(index, e);
    }
    pthread_mutex_unlock(&index->lock);
}

void job_index_drop_pod(struct job_index *index, const struct json *last)
{
    pthread_mutex_lock(&index->lock);
    struct entry *e = find(index, job_of(last));
    if (e && e->orphan && str_eq(e->namespace_, meta(last, "namespace"))) {
        forget(index, e); /* its Job went before it, or never was */
    } else if (e && !e->settled && str_eq(e->namespace_, meta(last, "namespace"))) {
        if (e->job && job_read_terminated(last)) {
            put_pod(e, json_copy(last));
            settle(e);
        } else {
            drop_pod(e, meta(last, "uid"));
        }
        if (!e->settled && !e->job && json_count(e->pods) == 0) {
            forget(index, e);
        }
    }
    pthread_mutex_unlock(&index->lock);
}

/* ---- what a decision looks at -------------------------------------------------------------------- */

static bool same_try(const struct job *a, const struct job *b)
{
    return str_eq(a->commit, b->commit) && str_eq(a->retry_token, b->retry_token);
}

static void add(const struct entry *e, int64_t now_ms, struct job_list *out)
{
    struct job job = { 0 };

    if (e->settled) {
        job_copy(&e->over, &job);
    } else if (!e->job || !job_read(e->job, e->pods, now_ms, &job)) {
        return;
    }
    if (job.unexplained && e->why) {
        mem_strset(&job.waiting, e->why);
    }
    out->items = mem_grow(out->items, &out->cap, out->count + 1, sizeof *out->items);
    out->items[out->count++] = job;
}

/* One database's, in the order of attempts. */
static void list_database(struct entry *const *items, size_t count, int64_t now_ms,
                          struct job_list *out)
{
    size_t first = out->count;

    add(items[count - 1], now_ms, out);
    for (size_t i = 0; i + 1 < count; i++) {
        const struct entry *e = items[i];
        if (!e->settled || (out->count > first && same_try(&e->over, &out->items[first]))) {
            add(e, now_ms, out);
        }
    }
}

char *job_index_plan(const char *namespace_, const char *uid)
{
    return mem_printf("%s/%s", namespace_ ? namespace_ : "", uid ? uid : "");
}

void job_index_list(struct job_index *index, const char *plan_key, int64_t now_ms,
                    struct job_list *out)
{
    pthread_mutex_lock(&index->lock);
    const struct plan_jobs *plan = find_plan(index, plan_key);
    for (size_t from = 0; plan && from < plan->count;) {
        size_t to = from + 1;
        while (to < plan->count && str_eq(plan->items[to]->database, plan->items[from]->database)) {
            to++;
        }
        list_database(plan->items + from, to - from, now_ms, out);
        from = to;
    }
    pthread_mutex_unlock(&index->lock);
}

struct json *job_index_live(struct job_index *index, const char *namespace_)
{
    struct json *out = json_array();

    pthread_mutex_lock(&index->lock);
    for (size_t i = 0; i < JOB_BUCKETS; i++) {
        for (const struct entry *e = index->jobs[i]; e; e = e->next) {
            if (e->job && !job_read_terminal(e->job) &&
                (!namespace_ || str_eq(meta(e->job, "namespace"), namespace_))) {
                json_push(out, json_copy(e->job));
            }
        }
    }
    pthread_mutex_unlock(&index->lock);
    return out;
}

bool job_index_knows(struct job_index *index, const char *job_uid)
{
    pthread_mutex_lock(&index->lock);
    const struct entry *e = find(index, job_uid);
    bool known = e && (e->job || e->settled);
    pthread_mutex_unlock(&index->lock);
    return known;
}

/* ---- what has to be asked for -------------------------------------------------------------------- */

void job_refs_done(struct job_refs *refs)
{
    for (size_t i = 0; i < refs->count; i++) {
        free(refs->items[i].namespace_);
        free(refs->items[i].name);
        free(refs->items[i].uid);
        free(refs->items[i].plan);
        free(refs->items[i].pod);
    }
    free(refs->items);
    *refs = (struct job_refs){ 0 };
}

static void add_ref(const struct entry *e, struct job_refs *out)
{
    out->items = mem_grow(out->items, &out->cap, out->count + 1, sizeof *out->items);
    out->items[out->count++] =
        (struct job_ref){ .namespace_ = mem_strdup(meta(e->job, "namespace")),
                          .name = mem_strdup(meta(e->job, "name")),
                          .uid = mem_strdup(e->uid),
                          .plan = mem_strdup(job_read_plan(e->job)),
                          .pod = mem_strdup(meta(json_first(e->pods), "uid")) };
}

void job_index_wordless(struct job_index *index, const char *plan_key, struct job_refs *out)
{
    pthread_mutex_lock(&index->lock);
    const struct plan_jobs *plan = find_plan(index, plan_key);
    for (size_t i = 0; plan && i < plan->count; i++) {
        const struct entry *e = plan->items[i];
        if (!e->settled && e->job && job_read_terminal(e->job)) {
            add_ref(e, out);
        }
    }
    pthread_mutex_unlock(&index->lock);
}

void job_index_words(struct job_index *index, const char *job_uid, const struct json *pods)
{
    pthread_mutex_lock(&index->lock);
    struct entry *e = find(index, job_uid);
    if (e && !e->settled) {
        for (const struct json *pod = json_first(pods); pod; pod = json_next(pod)) {
            if (str_eq(job_of(pod), job_uid) && job_read_terminated(pod)) {
                put_pod(e, json_copy(pod));
            }
        }
        e->asked = true;
        settle(e);
    }
    pthread_mutex_unlock(&index->lock);
}

static bool waits_unexplained(const struct entry *e, int64_t since_ms)
{
    AUTO(job_done) struct job job = { 0 };

    return e->plan && e->job && job_read(e->job, e->pods, since_ms, &job) &&
           job.phase == JOB_WAITING && job.unexplained && job.created_ms <= since_ms;
}

void job_index_unexplained(struct job_index *index, int64_t since_ms, int64_t asked_ms, size_t max,
                           struct job_refs *out)
{
    pthread_mutex_lock(&index->lock);
    for (size_t i = 0; i < JOB_BUCKETS; i++) {
        for (struct entry *e = index->jobs[i]; e && out->count < max; e = e->next) {
            if (!e->settled && e->why_ms <= asked_ms && waits_unexplained(e, since_ms)) {
                e->why_ms = clock_utc_ms();
                add_ref(e, out);
            }
        }
    }
    pthread_mutex_unlock(&index->lock);
}

bool job_index_explain(struct job_index *index, const char *job_uid, const char *why)
{
    bool news = false;

    pthread_mutex_lock(&index->lock);
    struct entry *e = find(index, job_uid);
    if (e && !e->settled && !str_eq(e->why, why)) {
        mem_strset(&e->why, why);
        news = true;
    }
    pthread_mutex_unlock(&index->lock);
    return news;
}

static bool lingers(const struct entry *e)
{
    for (const struct json *pod = json_first(e->pods); pod; pod = json_next(pod)) {
        const char *phase = json_get_string(json_get(pod, "status"), "phase");
        if (str_eq(phase, "Running") && job_read_terminated(pod)) {
            return true;
        }
    }
    return false;
}

void job_index_lingering(struct job_index *index, struct strlist *out)
{
    pthread_mutex_lock(&index->lock);
    for (size_t i = 0; i < JOB_BUCKETS; i++) {
        for (const struct entry *e = index->jobs[i]; e; e = e->next) {
            if (e->job && e->plan && lingers(e)) {
                AUTO(free_auto) char *key =
                    mem_printf("%s/%s", meta(e->job, "namespace"), job_read_plan(e->job));
                if (!strlist_has(out, key)) {
                    strlist_add(out, key);
                }
            }
        }
    }
    pthread_mutex_unlock(&index->lock);
}
