/* SPDX-License-Identifier: Apache-2.0 */
/* The drive loop: observe, decide, store, act, look again. A crash between any two lines leads to the
 * same next decision. */
#include <stdlib.h>
#include <string.h>

#include "controller/core.h"
#include "controller/failpoint.h"
#include "controller/writes.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/clock.h"
#include "reconcile/base/log.h"
#include "reconcile/base/mem.h"
#include "reconcile/model/reason.h"

#define RETRY_FIRST_MS 200
#define RETRY_MAX_MS 30000

struct pass {
    struct controller *c;
    struct cell *cell;
    struct snapshot *snapshot; /* a reference */
    struct observation o;
    struct decision decision;
    int64_t now_mono_ms;
    int64_t requeue_ms; /* -1: none */
    int64_t blocked_ms; /* the status could not be stored: nothing before then */
};

static void wake(struct pass *p, int64_t after_ms)
{
    if (after_ms >= 0 && (p->requeue_ms < 0 || after_ms < p->requeue_ms)) {
        p->requeue_ms = after_ms;
    }
}

/* ---- the object --------------------------------------------------------------------------------- */

static void wake_waiting(void *payload, struct cell *cell)
{
    struct controller *c = payload;

    if (atomic_load(&cell->waits_for_owner)) {
        queue_add(c->plans, cell->key);
    }
}

static void plan_gone(struct controller *c, struct cell *cell)
{
    pthread_mutex_lock(&cell->lock);
    cell->gone = true;
    pthread_mutex_unlock(&cell->lock);
    polls_forget(c->polls, cell->key);
    metrics_forget_plan(c->metrics, cell->namespace_, cell->name);
    queue_forget(c->plans, cell->key);
    cells_drop(&c->cells, cell);
    owners_forget(&c->owners, cell->namespace_, cell->name);
    cells_each(&c->cells, wake_waiting, c);
}

/* Cell locked. */
static void take_object(struct cell *cell, const struct json *object)
{
    AUTO(free_auto) char *print = snapshot_print(object);
    const char *uid = json_get_string(json_get(object, "metadata"), "uid");

    if (!str_eq(cell->uid, uid)) {
        cell_reset(cell);
        snprintf(cell->uid, sizeof cell->uid, "%s", uid ? uid : "");
    }
    const struct selection *selection = select_of(object) ? &cell->selection : NULL;
    if (!cell->snapshot || !str_eq(cell->snapshot->print, print) ||
        !snapshot_selected(cell->snapshot, selection)) {
        cell_take_snapshot(cell, snapshot_new(object, selection));
    }
    if (!cell->status_known) {
        status_parse(json_get(object, "status"), &cell->status);
        status_copy(&cell->status, &cell->stored);
        cell->status_known = true;
    }
}

static int64_t back_off_ms(const struct note *note)
{
    int64_t wait_ms = RETRY_FIRST_MS;

    for (int32_t i = 1; i < note->count && wait_ms < RETRY_MAX_MS; i++) {
        wait_ms *= 2;
    }
    return jitter_ms(wait_ms < RETRY_MAX_MS ? wait_ms : RETRY_MAX_MS);
}

static int64_t read_failed(struct controller *c, struct cell *cell, struct err *e)
{
    metrics_add(c->metrics, METRIC_RECONCILE_ERRORS, LABELS({ "controller", "migrationplan" }), 1);
    pthread_mutex_lock(&cell->lock);
    if (note_failure(&cell->read_failure, e, clock_mono_ms())) {
        LOG(LOG_ERROR, "plan not read", LOG_S("plan", cell->key),
            LOG_S("reason", cell->read_failure.reason),
            LOG_S("message", cell->read_failure.message));
    }
    int64_t wait_ms = back_off_ms(&cell->read_failure);
    pthread_mutex_unlock(&cell->lock);
    return wait_ms;
}

/* ---- schedules of our own ------------------------------------------------------------------------- */

static bool names_changed_object(const struct cell *cell, const struct mplan_database *entry)
{
    for (size_t i = 0; i < cell->secrets.count; i++) {
        const char *object = cell->secrets.items[i];
        bool secret = str_starts(object, "Secret/");
        const char *name = strchr(object, '/') + 1;
        bool ca_secret = str_eq(entry->ca_kind, "Secret");
        if ((secret &&
             (str_eq(name, entry->secret_name) || str_eq(name, entry->client_cert_secret))) ||
            (entry->ca_name && secret == ca_secret && str_eq(name, entry->ca_name))) {
            return true;
        }
    }
    return false;
}

/* Looks that nobody asked for: the plan's interval, and Secrets that changed. Cell locked. */
static void schedule_looks(struct pass *p)
{
    struct cell *cell = p->cell;
    const struct mplan *plan = &cell->snapshot->plan;

    for (size_t i = 0; i < cell->database_count; i++) {
        struct database_cell *d = &cell->databases[i];
        if (names_changed_object(cell, &plan->databases[i])) {
            task_inspect(p->c, cell, i);
        }
        if (d->inspecting || d->state == INSPECTION_NONE) {
            continue; /* step asks for the first one */
        }
        if (d->due_mono_ms <= p->now_mono_ms) {
            task_inspect(p->c, cell, i);
        } else {
            wake(p, d->due_mono_ms - p->now_mono_ms);
        }
    }
    strlist_done(&cell->secrets);
    cell->secrets = (struct strlist){ 0 };
}

/* A retry is judged by what the databases say after it came: whoever says it has just put something
 * right. Cell locked. */
static void look_for_retry(struct pass *p)
{
    struct cell *cell = p->cell;
    const char *retry = kvlist_get(&cell->snapshot->plan.annotations, ANNOTATION_RETRY);

    if (!retry || str_eq(retry, cell->status.last_handled_retry)) {
        return;
    }
    wake(p, RETRY_LOOK_MS);
    if (str_eq(retry, cell->retry)) {
        return;
    }
    mem_strset(&cell->retry, retry);
    cell->retry_mono_ms = p->now_mono_ms;
    for (size_t i = 0; i < cell->database_count; i++) {
        cell->databases[i].before_retry = true;
        task_inspect(p->c, cell, i);
    }
    polls_now(p->c->polls, cell->key);
}

static void schedule(struct pass *p)
{
    const struct snapshot *s = p->cell->snapshot;

    if (s->error || s->plan.deleting) {
        polls_forget(p->c->polls, p->cell->key);
        return;
    }
    source_sync(p->c, p->cell);
    if (p->cell->source_failure.reason) {
        wake(p, s->plan.retry_interval_ms);
    }
    if (!s->plan.suspend) {
        schedule_looks(p);
        look_for_retry(p);
    }
}

/* ---- status ---------------------------------------------------------------------------------------- */

/* Cell locked. Must this status be stored now, later, or not at all? */
static bool write_due(struct pass *p)
{
    struct cell *cell = p->cell;
    const struct pending_write write = { .stored = &cell->stored,
                                         .next = &p->decision.status,
                                         .first = p->decision.write_first,
                                         .again = p->decision.requeue_after_ms == 0,
                                         .written_mono_ms = cell->written_mono_ms,
                                         .now_mono_ms = p->now_mono_ms };
    int64_t held_ms = p->decision.effect == EFFECT_FORGET
                          ? WRITE_NOTHING
                          : write_in_ms(&write, &cell->held_mono_ms);

    cell->dirty = held_ms != WRITE_NOTHING;
    if (!cell->dirty) {
        return false;
    }
    if (cell->write_failure.reason) {
        int64_t wait_ms =
            cell->write_failure.mono_ms + back_off_ms(&cell->write_failure) - p->now_mono_ms;
        if (wait_ms > 0) {
            wake(p, wait_ms);
            return p->decision.write_first;
        }
    }
    if (held_ms > 0) {
        wake(p, held_ms);
    }
    return held_ms == 0;
}

/* False: it could not be stored, and the effect may depend on it. */
static bool write_status(struct pass *p)
{
    struct cell *cell = p->cell;
    AUTO(json_free_auto) struct json *json = status_format(&p->decision.status);

    failpoint("before_status");
    struct err *failed = p->c->platform.ops->write_status(p->c->platform.self, cell->namespace_,
                                                          cell->name, p->snapshot->plan.uid, json);
    failpoint("status_written");
    pthread_mutex_lock(&cell->lock);
    if (!failed) {
        status_done(&cell->stored);
        status_copy(&p->decision.status, &cell->stored);
        cell->written_mono_ms = p->now_mono_ms;
        cell->held_mono_ms = 0;
        cell->dirty = false;
        note_clear(&cell->write_failure);
    } else if (failed->kind == ERR_CONFLICT) {
        wake(p, 0); /* another object by now: the next pass sees it */
    } else {
        if (note_failure(&cell->write_failure, TAKE(failed), p->now_mono_ms)) {
            LOG(LOG_ERROR, "status not written", LOG_S("plan", cell->key),
                LOG_S("reason", cell->write_failure.reason),
                LOG_S("message", cell->write_failure.message));
        }
        p->blocked_ms = back_off_ms(&cell->write_failure);
        wake(p, p->blocked_ms);
    }
    bool stored = !cell->dirty;
    pthread_mutex_unlock(&cell->lock);
    err_free(failed);
    return stored;
}

/* ---- former owners ------------------------------------------------------------------------------- */

#define OWNER_ROUNDS 4 /* a look that ends while we ask may name one more */

/* Cell locked. */
static void gather_owners(const struct pass *p, struct owner_list *out)
{
    const struct cell *cell = p->cell;
    const char *cluster_id = p->c->platform.ops->cluster_id(p->c->platform.self);
    struct owner_key key;

    for (size_t i = 0; i < cell->database_count; i++) {
        const struct seen *seen = cell->databases[i].seen;
        if (seen && owners_key(&seen->inspection.lease, &cell->snapshot->plan, cluster_id, &key)) {
            owner_list_add(out, &p->c->owners, &key, p->now_mono_ms);
        }
    }
}

/* A thousand databases of a plan that was renamed name one former owner: it is asked for once, and nobody
 * waits for the answer with the cell locked. Cell locked; unlocks while it asks. */
static void ask_for_owners(struct pass *p)
{
    for (int round = 0; round < OWNER_ROUNDS; round++) {
        AUTO(owner_list_done) struct owner_list list = { 0 };
        gather_owners(p, &list);
        if (list.count == 0) {
            return;
        }
        pthread_mutex_unlock(&p->cell->lock);
        for (size_t i = 0; i < list.count; i++) {
            const struct owner_key key = { .namespace_ = list.items[i].namespace_,
                                           .name = list.items[i].name,
                                           .uid = list.items[i].uid };
            (void)owners_gone(&p->c->owners, &p->c->platform, &key, p->now_mono_ms);
        }
        pthread_mutex_lock(&p->cell->lock);
    }
}

/* ---- the pass -------------------------------------------------------------------------------------- */

static void report_ended(struct pass *p)
{
    const struct cell *cell = p->cell;

    for (size_t i = 0; i < p->o.jobs.count; i++) {
        const struct job *job = &p->o.jobs.items[i];
        int64_t since_ms = 0;
        bool known = cell_ended_since(cell, job->name, &since_ms);
        /* After a start what ended before is old news, but for the metrics of this process too. */
        if (job->phase == JOB_ENDED && !known && cell->jobs_listed) {
            report_job(p->c, cell, job);
        }
    }
}

/* Cell locked. */
static void note_waiting(struct pass *p)
{
    bool waits = false;

    for (size_t i = 0; i < p->cell->database_count && !p->cell->snapshot->error; i++) {
        waits = waits || p->o.views[i].owner == OWNER_OTHER_PLAN;
    }
    atomic_store(&p->cell->waits_for_owner, waits);
}

/* Cell locked. */
static bool decide(struct pass *p)
{
    struct cell *cell = p->cell;

    schedule(p);
    report_ended(p);
    observe(p->c, cell, p->now_mono_ms, &p->o);
    cell->jobs_listed = true;
    note_waiting(p);
    failpoint("jobs_listed");
    step_decide(&p->o.seen, &p->decision);
    failpoint("decided");
    wake(p, p->decision.requeue_after_ms);
    bool write = write_due(p);
    report_decision(p->c, cell, &p->decision);
    status_done(&cell->status);
    status_copy(&p->decision.status, &cell->status);
    p->snapshot = snapshot_ref(cell->snapshot);
    return write;
}

static int64_t run_pass(struct controller *c, struct cell *cell, const struct json *object)
{
    struct pass p = { .c = c, .cell = cell, .requeue_ms = -1 };
    const char *uid = json_get_string(json_get(object, "metadata"), "uid");
    struct err *failed =
        c->platform.ops->list_jobs(c->platform.self, cell->namespace_, uid ? uid : "", &p.o.jobs);

    if (failed) {
        return read_failed(c, cell, failed);
    }
    p.now_mono_ms = clock_mono_ms();
    wake(&p, select_look(c, cell, object, p.now_mono_ms));
    pthread_mutex_lock(&cell->lock);
    note_clear(&cell->read_failure);
    take_object(cell, object);
    ask_for_owners(&p);
    bool write = decide(&p);
    pthread_mutex_unlock(&cell->lock);
    bool stored = !write || write_status(&p);
    if (stored || !p.decision.write_first) {
        int64_t wait_ms = act(c, cell, p.snapshot, &p.decision, &p.o);
        p.requeue_ms = p.requeue_ms >= 0 && p.requeue_ms < wait_ms ? wait_ms : p.requeue_ms;
    } else if (p.blocked_ms > 0) {
        p.requeue_ms = p.blocked_ms;
    }
    snapshot_unref(p.snapshot);
    decision_done(&p.decision);
    observation_done(&p.o);
    return p.requeue_ms;
}

static void count_pass(struct controller *c, int64_t requeue_ms)
{
    const char *result = requeue_ms < 0 ? "success" : requeue_ms == 0 ? "requeue" : "requeue_after";

    metrics_add(c->metrics, METRIC_RECONCILE_TOTAL,
                LABELS({ "controller", "migrationplan" }, { "result", result }), 1);
}

int64_t drive_pass(void *payload, const char *key)
{
    struct controller *c = payload;
    const char *slash = strchr(key, '/');
    AUTO(free_auto) char *namespace_ = mem_strndup(key, (size_t)(slash - key));
    AUTO(json_free_auto) struct json *object = NULL;

    if (cancel_triggered(&c->cancel)) {
        return -1;
    }
    struct cell *cell = cells_get(&c->cells, namespace_, slash + 1);
    struct err *failed =
        c->platform.ops->read_plan(c->platform.self, namespace_, slash + 1, &object);
    int64_t requeue_ms = -1;
    if (failed && str_eq(failed->reason, REASON_NOT_FOUND)) {
        plan_gone(c, cell);
        err_free(failed);
    } else if (failed) {
        requeue_ms = read_failed(c, cell, failed);
    } else {
        requeue_ms = run_pass(c, cell, object);
    }
    cell_unref(cell);
    count_pass(c, requeue_ms);
    return requeue_ms;
}
