/* SPDX-License-Identifier: Apache-2.0 */
/* Cells, snapshots and inspections: making, finding, forgetting. */
#include "controller/cell.h"

#include <stdlib.h>
#include <string.h>

#include "reconcile/base/auto.h"
#include "reconcile/base/clock.h"
#include "reconcile/base/mem.h"
#include "reconcile/model/reason.h"

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

struct seen *seen_new(struct inspection *inspection, int64_t began_mono_ms)
{
    static atomic_uint_fast64_t serials;
    struct seen *seen = mem_alloc(sizeof *seen);

    atomic_init(&seen->refs, 1);
    seen->serial = atomic_fetch_add(&serials, 1) + 1;
    seen->inspection = *inspection;
    *inspection = (struct inspection){ 0 };
    seen->began_mono_ms = began_mono_ms;
    seen->ended_mono_ms = clock_mono_ms();
    return seen;
}

struct seen *seen_ref(struct seen *seen)
{
    if (seen) {
        atomic_fetch_add(&seen->refs, 1);
    }
    return seen;
}

void seen_unref(struct seen *seen)
{
    if (seen && atomic_fetch_sub(&seen->refs, 1) == 1) {
        inspection_done(&seen->inspection);
        free(seen);
    }
}

void judgement_clear(struct judgement *judgement)
{
    if (judgement->has_plan) {
        plan_done(&judgement->plan);
    }
    err_free(judgement->error);
    free(judgement->assume);
    *judgement = (struct judgement){ 0 };
}

/* ---- parts of a cell --------------------------------------------------------------------------- */

static void database_forget_facts(struct database_cell *d)
{
    seen_unref(d->seen);
    d->seen = NULL;
    d->state = INSPECTION_NONE;
    d->due_mono_ms = 0;
    d->again = d->submitted; /* the one under way looks at the old place */
    note_clear(&d->failure);
    note_clear(&d->create);
    note_clear(&d->record);
    judgement_clear(&d->judgement);
    d->inputs_snapshot = 0;
}

static void database_done(struct database_cell *d)
{
    database_forget_facts(d);
    free(d->name);
    free(d->connection);
    free(d->server);
    free(d->url);
}

void slot_clear(struct fetch_slot *slot)
{
    trees_unref(slot->trees);
    note_clear(&slot->failure);
    free(slot->revision);
    *slot = (struct fetch_slot){ 0 };
}

static void gates_done(struct cell *cell)
{
    for (size_t i = 0; i < cell->gate_count; i++) {
        free(cell->gates[i].wave);
        free(cell->gates[i].name);
    }
    free(cell->gates);
    cell->gates = NULL;
    cell->gate_count = 0;
    cell->gate_cap = 0;
}

static void databases_done(struct cell *cell)
{
    for (size_t i = 0; i < cell->database_count; i++) {
        database_done(&cell->databases[i]);
    }
    free(cell->databases);
    free(cell->by_name);
    cell->databases = NULL;
    cell->by_name = NULL;
    cell->database_count = 0;
}

void cell_reset(struct cell *cell)
{
    snapshot_unref(cell->snapshot);
    cell->snapshot = NULL;
    selection_done(&cell->selection);
    if (cell->status_known) {
        status_done(&cell->status);
        status_done(&cell->stored);
    }
    cell->status_known = cell->dirty = false;
    cell->written_mono_ms = 0;
    cell->held_mono_ms = 0;
    cell->deleting_mono_ms = 0;
    free(cell->retry);
    cell->retry = NULL;
    note_clear(&cell->write_failure);
    note_clear(&cell->read_failure);
    note_clear(&cell->source_failure);
    free(cell->source);
    cell->source = NULL;
    poll_answer_done(&cell->poll);
    slot_clear(&cell->newest);
    slot_clear(&cell->rollout);
    databases_done(cell);
    gates_done(cell);
    strlist_done(&cell->secrets);
    cell->secrets = (struct strlist){ 0 };
    free(cell->ended);
    cell->ended = NULL;
    cell->ended_count = 0;
    free(cell->logged);
    cell->logged = NULL;
}

static int compare_names(const void *a, const void *b)
{
    const struct database_name *x = a, *y = b;

    return strcmp(x->name, y->name);
}

size_t cell_database_index(const struct cell *cell, const char *name)
{
    const struct database_name key = { .name = name };
    const struct database_name *found =
        name && cell->by_name
            ? bsearch(&key, cell->by_name, cell->database_count, sizeof key, compare_names)
            : NULL;

    return found ? found->index : SIZE_MAX;
}

struct database_cell *cell_database(struct cell *cell, const char *name)
{
    size_t index = cell_database_index(cell, name);

    return index == SIZE_MAX ? NULL : &cell->databases[index];
}

struct gate_cell *cell_gate(struct cell *cell, const char *wave, const char *name)
{
    for (size_t i = 0; i < cell->gate_count; i++) {
        if (str_eq(cell->gates[i].wave, wave) && str_eq(cell->gates[i].name, name)) {
            return &cell->gates[i];
        }
    }
    cell->gates = mem_grow(cell->gates, &cell->gate_cap, cell->gate_count + 1, sizeof *cell->gates);
    struct gate_cell *gate = &cell->gates[cell->gate_count++];
    gate->wave = mem_strdup(wave);
    gate->name = mem_strdup(name);
    return gate;
}

static int compare_ended(const void *a, const void *b)
{
    const struct ended_job *x = a, *y = b;

    return strcmp(x->name, y->name);
}

bool cell_ended_since(const struct cell *cell, const char *job, int64_t *mono_ms)
{
    struct ended_job key;

    snprintf(key.name, sizeof key.name, "%s", job);
    const struct ended_job *found =
        cell->ended_count ? bsearch(&key, cell->ended, cell->ended_count, sizeof key, compare_ended)
                          : NULL;
    if (found) {
        *mono_ms = found->mono_ms;
    }
    return found != NULL;
}

void cell_note_ended(struct cell *cell, const struct job_list *jobs, int64_t now_mono_ms)
{
    struct ended_job *fresh = mem_array(jobs->count + 1, sizeof *fresh);
    size_t count = 0;

    for (size_t i = 0; i < jobs->count; i++) {
        const struct job *job = &jobs->items[i];
        if (job->phase == JOB_ENDED) {
            struct ended_job *ended = &fresh[count++];
            snprintf(ended->name, sizeof ended->name, "%s", job->name);
            ended->mono_ms = now_mono_ms;
            (void)cell_ended_since(cell, job->name, &ended->mono_ms);
        }
    }
    qsort(fresh, count, sizeof *fresh, compare_ended);
    free(cell->ended);
    cell->ended = fresh;
    cell->ended_count = count;
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

static void sync_databases(struct cell *cell, const struct mplan *plan)
{
    struct database_cell *fresh = mem_array(plan->database_count + 1, sizeof *fresh);

    for (size_t i = 0; i < plan->database_count; i++) {
        const struct mplan_database *entry = &plan->databases[i];
        struct database_cell *old = cell_database(cell, entry->name);
        char *connection = connection_text(entry);
        if (old) {
            fresh[i] = *old;
            *old = (struct database_cell){ 0 };
        } else {
            fresh[i].name = mem_strdup(entry->name);
        }
        if (!str_eq(fresh[i].connection, connection)) {
            database_forget_facts(&fresh[i]);
        }
        free(fresh[i].connection);
        fresh[i].connection = connection;
    }
    databases_done(cell);
    cell->databases = fresh;
    cell->database_count = plan->database_count;
    cell->by_name = mem_array(plan->database_count + 1, sizeof *cell->by_name);
    for (size_t i = 0; i < plan->database_count; i++) {
        cell->by_name[i] = (struct database_name){ .name = fresh[i].name, .index = i };
    }
    qsort(cell->by_name, plan->database_count, sizeof *cell->by_name, compare_names);
}

/* What a commit is of. The Secret's content is the polls' business. */
static char *source_text(const struct mplan *plan)
{
    const struct mplan_source *s = &plan->source;

    return mem_printf("%s|%d|%s|%s|%s", s->url ? s->url : "", (int)s->ref_kind,
                      s->ref ? s->ref : "", plan->revision ? plan->revision : "",
                      s->secret_name ? s->secret_name : "");
}

static void sync_source(struct cell *cell, const struct mplan *plan)
{
    char *text = source_text(plan);

    if (!str_eq(text, cell->source)) {
        mem_strset(&cell->source, text);
        poll_answer_done(&cell->poll);
        note_clear(&cell->source_failure);
        slot_clear(&cell->newest);
        slot_clear(&cell->rollout);
    }
    free(text);
}

void cell_take_snapshot(struct cell *cell, struct snapshot *snapshot)
{
    snapshot_unref(cell->snapshot);
    cell->snapshot = snapshot;
    if (!snapshot->error) {
        sync_databases(cell, &snapshot->plan);
        sync_source(cell, &snapshot->plan);
    }
}

/* ---- the list of cells -------------------------------------------------------------------------- */

char *cell_key(const char *namespace_, const char *name)
{
    return mem_printf("%s/%s", namespace_, name);
}

void cells_init(struct cells *cells)
{
    *cells = (struct cells){ 0 };
    pthread_mutex_init(&cells->lock, NULL);
}

struct cell *cell_ref(struct cell *cell)
{
    atomic_fetch_add(&cell->refs, 1);
    return cell;
}

void cell_unref(struct cell *cell)
{
    if (!cell || atomic_fetch_sub(&cell->refs, 1) > 1) {
        return;
    }
    cell_reset(cell);
    pthread_mutex_destroy(&cell->lock);
    free(cell->key);
    free(cell->namespace_);
    free(cell->name);
    free(cell);
}

static struct cell *find(struct cells *cells, const char *key)
{
    for (size_t i = 0; i < cells->count; i++) {
        if (str_eq(cells->items[i]->key, key)) {
            return cells->items[i];
        }
    }
    return NULL;
}

struct cell *cells_find(struct cells *cells, const char *key)
{
    pthread_mutex_lock(&cells->lock);
    struct cell *cell = find(cells, key);
    if (cell) {
        cell_ref(cell);
    }
    pthread_mutex_unlock(&cells->lock);
    return cell;
}

struct cell *cells_get(struct cells *cells, const char *namespace_, const char *name)
{
    AUTO(free_auto) char *key = cell_key(namespace_, name);

    pthread_mutex_lock(&cells->lock);
    struct cell *cell = find(cells, key);
    if (!cell) {
        cell = mem_alloc(sizeof *cell);
        cell->key = TAKE(key);
        cell->namespace_ = mem_strdup(namespace_);
        cell->name = mem_strdup(name);
        atomic_init(&cell->refs, 1);
        pthread_mutex_init(&cell->lock, NULL);
        cells->items = mem_grow(cells->items, &cells->cap, cells->count + 1, sizeof *cells->items);
        cells->items[cells->count++] = cell;
    }
    cell_ref(cell);
    pthread_mutex_unlock(&cells->lock);
    return cell;
}

void cells_drop(struct cells *cells, struct cell *cell)
{
    pthread_mutex_lock(&cells->lock);
    for (size_t i = 0; i < cells->count; i++) {
        if (cells->items[i] == cell) {
            cells->items[i] = cells->items[--cells->count];
            cell_unref(cell);
            break;
        }
    }
    pthread_mutex_unlock(&cells->lock);
}

void cells_note_object(struct cells *cells, enum platform_kind kind, const char *namespace_,
                       const char *name, struct strlist *tell)
{
    AUTO(free_auto) char *object =
        mem_printf("%s/%s", kind == PLATFORM_SECRET ? "Secret" : "ConfigMap", name);

    pthread_mutex_lock(&cells->lock);
    for (size_t i = 0; i < cells->count; i++) {
        struct cell *cell = cells->items[i];
        if (!str_eq(cell->namespace_, namespace_)) {
            continue;
        }
        pthread_mutex_lock(&cell->lock);
        if (!strlist_has(&cell->secrets, object)) {
            strlist_add(&cell->secrets, object);
        }
        cell->selection.again = true;
        pthread_mutex_unlock(&cell->lock);
        strlist_add(tell, cell->key);
    }
    pthread_mutex_unlock(&cells->lock);
}

void cells_each(struct cells *cells, void (*visit)(void *payload, struct cell *cell), void *payload)
{
    pthread_mutex_lock(&cells->lock);
    for (size_t i = 0; i < cells->count; i++) {
        visit(payload, cells->items[i]);
    }
    pthread_mutex_unlock(&cells->lock);
}

void cells_done(struct cells *cells)
{
    for (size_t i = 0; i < cells->count; i++) {
        cell_unref(cells->items[i]);
    }
    free(cells->items);
    pthread_mutex_destroy(&cells->lock);
    *cells = (struct cells){ 0 };
}
