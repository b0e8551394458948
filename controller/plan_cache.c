/* SPDX-License-Identifier: Apache-2.0 */
/* Plans, snapshots and inspections: making, finding, forgetting. */
#include "controller/plan_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "manifest/manifest.h"
#include "model/reason.h"

/* ---- snapshots and inspections ---------------------------------------------------------------- */

char *snapshot_print(const struct json *object)
{
    const struct json *metadata = json_get(object, "metadata");
    const struct json *annotations = json_get(metadata, "annotations");
    const char *uid = json_get_string(metadata, "uid");
    AUTO(free_auto) char *text = annotations ? json_text_sorted(annotations) : NULL;

    return mem_printf("%s %lld %s %s", uid ? uid : "",
                      (long long)json_get_int64(metadata, "generation", 0),
                      json_get(metadata, "deletionTimestamp") ? "deleting" : "", text ? text : "");
}

struct snapshot *snapshot_new(const struct json *object, const struct selection *selection)
{
    static atomic_uint_fast64_t serials;
    struct snapshot *s = mem_alloc(sizeof *s);

    atomic_init(&s->refs, 1);
    s->serial = atomic_fetch_add(&serials, 1) + 1;
    s->print = snapshot_print(object);
    if (selection) {
        s->error = mplan_decode_selected(object, selection->secrets, &s->plan);
        s->selection = mem_strdup(selection->text);
        s->selection_problem = selection->secrets ? NULL : mem_strdup(selection->problem);
    } else {
        s->error = mplan_decode(object, &s->plan);
    }
    step_spec_hash(&s->plan, s->spec_hash);
    const char *resolve = kvlist_get(&s->plan.annotations, ANNOTATION_RESOLVE);
    if (resolve && *resolve) {
        s->resolve_error = resolve_parse(resolve, &s->resolve);
        s->has_resolve = !s->resolve_error;
    }
    return s;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    if (snapshot) {
        atomic_fetch_add(&snapshot->refs, 1);
    }
    return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
    if (!snapshot || atomic_fetch_sub(&snapshot->refs, 1) > 1) {
        return;
    }
    mplan_done(&snapshot->plan);
    err_free(snapshot->error);
    if (snapshot->has_resolve) {
        resolve_list_done(&snapshot->resolve);
    }
    err_free(snapshot->resolve_error);
    free(snapshot->selection);
    free(snapshot->selection_problem);
    free(snapshot->print);
    free(snapshot);
}

struct inspected *inspected_new(struct inspection *inspection, int64_t began_mono_ms)
{
    static atomic_uint_fast64_t serials;
    struct inspected *inspected = mem_alloc(sizeof *inspected);

    atomic_init(&inspected->refs, 1);
    inspected->serial = atomic_fetch_add(&serials, 1) + 1;
    inspected->inspection = *inspection;
    *inspection = (struct inspection){ 0 };
    kept_rows_take(&inspected->inspection, &inspected->rows);
    inspected->began_mono_ms = began_mono_ms;
    inspected->ended_mono_ms = clock_mono_ms();
    return inspected;
}

struct inspected *inspected_ref(struct inspected *inspected)
{
    if (inspected) {
        atomic_fetch_add(&inspected->refs, 1);
    }
    return inspected;
}

void inspected_unref(struct inspected *inspected)
{
    if (inspected && atomic_fetch_sub(&inspected->refs, 1) == 1) {
        inspection_done(&inspected->inspection);
        kept_rows_done(&inspected->rows);
        free(inspected);
    }
}

struct inspection inspected_open(const struct inspected *inspected)
{
    struct inspection out = inspected->inspection;
    kept_rows_open(&inspected->rows, &out);
    return out;
}

void pending_clear(struct pending *pending)
{
    if (pending->has_plan) {
        kept_release(pending->plan.entries);
        kept_release(pending->plan.actions);
        pending->plan.entries = NULL;
        pending->plan.actions = NULL;
        plan_done(&pending->plan);
    }
    err_free(pending->error);
    free(pending->assume);
    *pending = (struct pending){ 0 };
}

/* ---- parts of a cache --------------------------------------------------------------------------- */

static void database_forget_facts(struct database_cache *d)
{
    inspected_unref(d->inspected);
    d->inspected = NULL;
    d->state = INSPECTION_NONE;
    d->due_mono_ms = 0;
    d->again = d->submitted; /* the one under way is of the old place */
    last_failure_clear(&d->failure);
    last_failure_clear(&d->create_failure);
    last_failure_clear(&d->journal_failure);
    pending_clear(&d->pending);
    d->inputs_snapshot = 0;
}

static void database_done(struct database_cache *d)
{
    database_forget_facts(d);
    free(d->name);
    free(d->connection);
    free(d->server);
    free(d->url);
}

void slot_clear(struct fetch_slot *slot)
{
    commit_files_unref(slot->files);
    last_failure_clear(&slot->failure);
    free(slot->revision);
    *slot = (struct fetch_slot){ 0 };
}

static void gates_done(struct plan_cache *cache)
{
    for (size_t i = 0; i < cache->gate_count; i++) {
        free(cache->gates[i].wave);
        free(cache->gates[i].name);
    }
    free(cache->gates);
    cache->gates = NULL;
    cache->gate_count = 0;
    cache->gate_cap = 0;
}

static void databases_done(struct plan_cache *cache)
{
    for (size_t i = 0; i < cache->database_count; i++) {
        database_done(&cache->databases[i]);
    }
    free(cache->databases);
    free(cache->by_name);
    cache->databases = NULL;
    cache->by_name = NULL;
    cache->database_count = 0;
}

void selection_done(struct selection *selection)
{
    free(selection->of);
    json_free(selection->secrets);
    free(selection->text);
    free(selection->problem);
    *selection = (struct selection){ 0 };
}

void plan_cache_reset(struct plan_cache *cache)
{
    snapshot_unref(cache->snapshot);
    cache->snapshot = NULL;
    selection_done(&cache->selection);
    if (cache->status_known) {
        status_done(&cache->status);
        status_done(&cache->stored);
    }
    cache->status_known = cache->dirty = false;
    cache->written_mono_ms = 0;
    cache->held_mono_ms = 0;
    cache->deleting_mono_ms = 0;
    free(cache->retry);
    cache->retry = NULL;
    last_failure_clear(&cache->write_failure);
    last_failure_clear(&cache->read_failure);
    last_failure_clear(&cache->source_failure);
    free(cache->source);
    cache->source = NULL;
    poll_answer_done(&cache->poll);
    slot_clear(&cache->newest);
    slot_clear(&cache->rollout);
    databases_done(cache);
    gates_done(cache);
    strlist_done(&cache->secrets);
    cache->secrets = (struct strlist){ 0 };
    free(cache->ended);
    cache->ended = NULL;
    cache->ended_count = 0;
    free(cache->logged);
    cache->logged = NULL;
}

static int compare_names(const void *a, const void *b)
{
    const struct database_name *x = a, *y = b;

    return strcmp(x->name, y->name);
}

size_t plan_cache_index(const struct plan_cache *cache, const char *name)
{
    const struct database_name key = { .name = name };
    const struct database_name *found =
        name && cache->by_name
            ? bsearch(&key, cache->by_name, cache->database_count, sizeof key, compare_names)
            : NULL;

    return found ? found->index : SIZE_MAX;
}

struct database_cache *plan_cache_database(struct plan_cache *cache, const char *name)
{
    size_t index = plan_cache_index(cache, name);

    return index == SIZE_MAX ? NULL : &cache->databases[index];
}

struct gate_cache *plan_cache_gate(struct plan_cache *cache, const char *wave, const char *name)
{
    for (size_t i = 0; i < cache->gate_count; i++) {
        if (str_eq(cache->gates[i].wave, wave) && str_eq(cache->gates[i].name, name)) {
            return &cache->gates[i];
        }
    }
    cache->gates =
        mem_grow(cache->gates, &cache->gate_cap, cache->gate_count + 1, sizeof *cache->gates);
    struct gate_cache *gate = &cache->gates[cache->gate_count++];
    gate->wave = mem_strdup(wave);
    gate->name = mem_strdup(name);
    return gate;
}

static int compare_ended(const void *a, const void *b)
{
    const struct ended_job *x = a, *y = b;

    return strcmp(x->name, y->name);
}

bool plan_cache_ended_since(const struct plan_cache *cache, const char *job, int64_t *mono_ms)
{
    struct ended_job key;

    snprintf(key.name, sizeof key.name, "%s", job);
    const struct ended_job *found =
        cache->ended_count
            ? bsearch(&key, cache->ended, cache->ended_count, sizeof key, compare_ended)
            : NULL;
    if (found) {
        *mono_ms = found->mono_ms;
    }
    return found != NULL;
}

void plan_cache_jobs_ended(struct plan_cache *cache, const struct job_list *jobs,
                           int64_t now_mono_ms)
{
    struct ended_job *fresh = mem_array(jobs->count + 1, sizeof *fresh);
    size_t count = 0;

    for (size_t i = 0; i < jobs->count; i++) {
        const struct job *job = &jobs->items[i];
        if (job->phase == JOB_ENDED) {
            struct ended_job *ended = &fresh[count++];
            snprintf(ended->name, sizeof ended->name, "%s", job->name);
            ended->mono_ms = now_mono_ms;
            (void)plan_cache_ended_since(cache, job->name, &ended->mono_ms);
        }
    }
    qsort(fresh, count, sizeof *fresh, compare_ended);
    free(cache->ended);
    cache->ended = fresh;
    cache->ended_count = count;
}

/* Where an entry is: whatever of it changes, facts of the old place say nothing about the new one. */
static char *connection_text(const struct mplan_database *d)
{
    return mem_printf(
        "%s|%s|%s|%s|%d|%d|%s|%s|%s|%s|%s|%s", d->secret_name,
        d->connection.type ? d->connection.type : "", d->connection.host ? d->connection.host : "",
        d->connection.database ? d->connection.database : "", d->connection.port,
        (int)d->connection.tls, d->ca_kind ? d->ca_kind : "", d->ca_name ? d->ca_name : "",
        d->ca_key ? d->ca_key : "", d->client_cert_secret ? d->client_cert_secret : "",
        d->schema ? d->schema : "", d->migrations.table);
}

static void sync_databases(struct plan_cache *cache, const struct mplan *plan)
{
    struct database_cache *fresh = mem_array(plan->database_count + 1, sizeof *fresh);

    for (size_t i = 0; i < plan->database_count; i++) {
        const struct mplan_database *entry = &plan->databases[i];
        struct database_cache *old = plan_cache_database(cache, entry->name);
        char *connection = connection_text(entry);
        if (old) {
            fresh[i] = *old;
            *old = (struct database_cache){ 0 };
        } else {
            fresh[i].name = mem_strdup(entry->name);
        }
        if (!str_eq(fresh[i].connection, connection)) {
            database_forget_facts(&fresh[i]);
        }
        free(fresh[i].connection);
        fresh[i].connection = connection;
    }
    databases_done(cache);
    cache->databases = fresh;
    cache->database_count = plan->database_count;
    cache->by_name = mem_array(plan->database_count + 1, sizeof *cache->by_name);
    for (size_t i = 0; i < plan->database_count; i++) {
        cache->by_name[i] = (struct database_name){ .name = fresh[i].name, .index = i };
    }
    qsort(cache->by_name, plan->database_count, sizeof *cache->by_name, compare_names);
}

/* What a commit is of. The Secret's content is the polls' business. */
static char *source_text(const struct mplan *plan)
{
    const struct mplan_source *s = &plan->source;

    return mem_printf("%s|%d|%s|%s|%s", s->url ? s->url : "", (int)s->ref_kind,
                      s->ref ? s->ref : "", plan->revision ? plan->revision : "",
                      s->secret_name ? s->secret_name : "");
}

static void sync_source(struct plan_cache *cache, const struct mplan *plan)
{
    char *text = source_text(plan);

    if (!str_eq(text, cache->source)) {
        mem_strset(&cache->source, text);
        poll_answer_done(&cache->poll);
        last_failure_clear(&cache->source_failure);
        slot_clear(&cache->newest);
        slot_clear(&cache->rollout);
    }
    free(text);
}

void plan_cache_take_snapshot(struct plan_cache *cache, struct snapshot *snapshot)
{
    snapshot_unref(cache->snapshot);
    cache->snapshot = snapshot;
    if (!snapshot->error) {
        sync_databases(cache, &snapshot->plan);
        sync_source(cache, &snapshot->plan);
    }
}

/* ---- the list of caches -------------------------------------------------------------------------- */

char *plan_cache_key(const char *namespace_, const char *name)
{
    return mem_printf("%s/%s", namespace_, name);
}

void plan_caches_init(struct plan_caches *caches)
{
    *caches = (struct plan_caches){ 0 };
    pthread_mutex_init(&caches->lock, NULL);
}

struct plan_cache *plan_cache_ref(struct plan_cache *cache)
{
    atomic_fetch_add(&cache->refs, 1);
    return cache;
}

void plan_cache_unref(struct plan_cache *cache)
{
    if (!cache || atomic_fetch_sub(&cache->refs, 1) > 1) {
        return;
    }
    plan_cache_reset(cache);
    pthread_mutex_destroy(&cache->lock);
    free(cache->key);
    free(cache->namespace_);
    free(cache->name);
    free(cache);
}

static struct plan_cache *find(struct plan_caches *caches, const char *key)
{
    for (size_t i = 0; i < caches->count; i++) {
        if (str_eq(caches->items[i]->key, key)) {
            return caches->items[i];
        }
    }
    return NULL;
}

struct plan_cache *plan_caches_find(struct plan_caches *caches, const char *key)
{
    pthread_mutex_lock(&caches->lock);
    struct plan_cache *cache = find(caches, key);
    if (cache) {
        plan_cache_ref(cache);
    }
    pthread_mutex_unlock(&caches->lock);
    return cache;
}

struct plan_cache *plan_caches_get(struct plan_caches *caches, const char *namespace_,
                                   const char *name)
{
    AUTO(free_auto) char *key = plan_cache_key(namespace_, name);

    pthread_mutex_lock(&caches->lock);
    struct plan_cache *cache = find(caches, key);
    if (!cache) {
        cache = mem_alloc(sizeof *cache);
        cache->key = TAKE(key);
        cache->namespace_ = mem_strdup(namespace_);
        cache->name = mem_strdup(name);
        atomic_init(&cache->refs, 1);
        pthread_mutex_init(&cache->lock, NULL);
        caches->items =
            mem_grow(caches->items, &caches->cap, caches->count + 1, sizeof *caches->items);
        caches->items[caches->count++] = cache;
    }
    plan_cache_ref(cache);
    pthread_mutex_unlock(&caches->lock);
    return cache;
}

void plan_caches_drop(struct plan_caches *caches, struct plan_cache *cache)
{
    pthread_mutex_lock(&caches->lock);
    for (size_t i = 0; i < caches->count; i++) {
        if (caches->items[i] == cache) {
            caches->items[i] = caches->items[--caches->count];
            plan_cache_unref(cache);
            break;
        }
    }
    pthread_mutex_unlock(&caches->lock);
}

/* References, of one namespace or (NULL) all: whoever visits them may wait for one that is decided about, and nobody
 * is to wait for the list meanwhile. */
static struct plan_cache **take_refs(struct plan_caches *caches, const char *namespace_,
                                     size_t *count)
{
    pthread_mutex_lock(&caches->lock);
    struct plan_cache **list = mem_array(caches->count + 1, sizeof(struct plan_cache *));
    *count = 0;
    for (size_t i = 0; i < caches->count; i++) {
        if (!namespace_ || str_eq(caches->items[i]->namespace_, namespace_)) {
            list[(*count)++] = plan_cache_ref(caches->items[i]);
        }
    }
    pthread_mutex_unlock(&caches->lock);
    return list;
}

void plan_caches_object_changed(struct plan_caches *caches, enum platform_kind kind,
                                const char *namespace_, const char *name, struct strlist *tell)
{
    AUTO(free_auto) char *object =
        mem_printf("%s/%s", kind == PLATFORM_SECRET ? "Secret" : "ConfigMap", name);
    size_t count = 0;
    struct plan_cache **list = take_refs(caches, namespace_, &count);

    for (size_t i = 0; i < count; i++) {
        struct plan_cache *cache = list[i];
        pthread_mutex_lock(&cache->lock);
        if (!strlist_has(&cache->secrets, object)) {
            strlist_add(&cache->secrets, object);
        }
        cache->selection.again = true;
        pthread_mutex_unlock(&cache->lock);
        strlist_add(tell, cache->key);
        plan_cache_unref(cache);
    }
    free(list);
}

void plan_caches_each(struct plan_caches *caches,
                      void (*visit)(void *payload, struct plan_cache *cache), void *payload)
{
    size_t count = 0;
    struct plan_cache **list = take_refs(caches, NULL, &count);

    for (size_t i = 0; i < count; i++) {
        visit(payload, list[i]);
        plan_cache_unref(list[i]);
    }
    free(list);
}

void plan_caches_done(struct plan_caches *caches)
{
    for (size_t i = 0; i < caches->count; i++) {
        plan_cache_unref(caches->items[i]);
    }
    free(caches->items);
    pthread_mutex_destroy(&caches->lock);
    *caches = (struct plan_caches){ 0 };
}
