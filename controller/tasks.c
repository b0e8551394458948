/* SPDX-License-Identifier: Apache-2.0 */
/* Work that waits for databases: looks and gates. Each task holds its cell and
 * the snapshot that it was started for, and its result counts only if it still fits. */
#include <stdlib.h>
#include <string.h>

#include "controller/core.h"
#include "controller/credentials.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/clock.h"
#include "reconcile/base/log.h"
#include "reconcile/base/mem.h"
#include "reconcile/model/reason.h"

#define PER_SERVER 4
#define PER_PLAN 16
#define GATE_TIMEOUT_MS 30000

struct err *task_target(struct controller *c, const struct mplan *plan, size_t index,
                        struct target *target, struct credential_files *certificates)
{
    const struct mplan_database *entry = &plan->databases[index];
    AUTO(credentials_wipe) struct kvlist keys = { 0 };

    TRY(credentials_collect(&c->platform, plan, entry, &keys));
    TRY(credentials_target(&keys, &entry->connection, target, certificates));
    target->schema =
        mem_strdup(entry->migrations.schema ? entry->migrations.schema : entry->schema);
    target->table = mem_strdup(entry->migrations.table);
    return NULL;
}

/* ---- looks -------------------------------------------------------------------------------------- */

struct look {
    struct controller *c;
    struct cell *cell;
    struct snapshot *snapshot;
    size_t index; /* in the snapshot */
    char *connection;
    int64_t began_mono_ms;
    char *server, *url; /* found out */
};

/* How a person gets there; certificates are files of this process alone. */
static char *url_of(const struct target *target)
{
    struct target plain = *target; /* borrowed */

    plain.ca_file = plain.cert_file = plain.key_file = NULL;
    return command_url(&plain, true);
}

static struct err *inspect(struct look *look, struct inspection *out)
{
    AUTO(target_done) struct target target = { 0 };
    AUTO(credential_files_done) struct credential_files certificates = { 0 };
    AUTO(db_close_auto) struct db *db = NULL;
    const struct db_options options = { .application = "sluice-controller",
                                        .read_only = true,
                                        .cancel = &look->c->cancel };

    TRY(task_target(look->c, &look->snapshot->plan, look->index, &target, &certificates));
    look->server = credentials_server(&target);
    look->url = url_of(&target);
    TRY(db_open(&target, &options, &db));
    return db_inspect(db, JOURNAL_FILES, out);
}

static void submit_next(struct controller *c, struct cell *cell);

static int64_t next_look_ms(const struct controller *c, const struct mplan *plan)
{
    int64_t every_ms = plan->interval_ms;

    every_ms = every_ms < c->config->min_interval_ms ? c->config->min_interval_ms : every_ms;
    return every_ms * 9 / 10 + jitter_ms(every_ms / 10);
}

static void take_success(struct look *look, struct database_cell *d, struct inspection *inspection)
{
    if (d->failure.reason) {
        LOG(LOG_INFO, "database answers again", LOG_S("plan", look->cell->key),
            LOG_S("database", d->name));
    }
    seen_unref(d->seen);
    d->seen = seen_new(inspection, look->began_mono_ms);
    d->state = INSPECTION_OK;
    d->busy = false;
    note_clear(&d->failure);
}

static void take_failure(const struct look *look, struct database_cell *d, struct err *e)
{
    d->state = INSPECTION_FAILED;
    d->busy = false;
    if (note_failure(&d->failure, e, clock_mono_ms())) {
        LOG(LOG_WARN, "database not inspected", LOG_S("plan", look->cell->key),
            LOG_S("database", d->name), LOG_S("reason", d->failure.reason),
            LOG_S("message", d->failure.message));
    }
}

/* Cell locked. True: it counted. */
static bool take_look(struct look *look, struct inspection *inspection, struct err *failed)
{
    const char *name = look->snapshot->plan.databases[look->index].name;
    struct database_cell *d = cell_database(look->cell, name);

    look->cell->inspections--;
    if (!d || !d->submitted) {
        err_free(failed);
        return false;
    }
    bool fits = str_eq(d->connection, look->connection);
    d->submitted = false;
    d->inspecting = d->again || !fits;
    d->again = false;
    d->before_retry = d->before_retry && d->inspecting;
    if (!fits || (failed && str_eq(failed->reason, REASON_INTERRUPTED))) {
        err_free(failed);
        return false;
    }
    if (look->server) {
        free(d->server);
        d->server = TAKE(look->server);
        free(d->url);
        d->url = TAKE(look->url);
    }
    if (failed) {
        take_failure(look, d, failed);
    } else {
        take_success(look, d, inspection);
    }
    d->due_mono_ms = clock_mono_ms() + next_look_ms(look->c, &look->snapshot->plan);
    return true;
}

static void run_look(void *payload)
{
    struct look *look = payload;
    struct controller *c = look->c;
    struct inspection inspection = { 0 };

    look->began_mono_ms = clock_mono_ms();
    struct err *failed = inspect(look, &inspection);
    metrics_add(c->metrics, METRIC_INSPECTIONS,
                LABELS({ "result", failed ? failed->reason : "ok" }), 1);
    pthread_mutex_lock(&look->cell->lock);
    (void)take_look(look, &inspection, failed);
    submit_next(c, look->cell);
    bool gone = look->cell->gone;
    pthread_mutex_unlock(&look->cell->lock);
    inspection_done(&inspection);
    if (!gone) {
        queue_add(c->plans, look->cell->key);
    }
    snapshot_unref(look->snapshot);
    cell_unref(look->cell);
    free(look->connection);
    free(look->server);
    free(look->url);
    free(look);
}

static void submit_look(struct controller *c, struct cell *cell, size_t index)
{
    struct database_cell *d = &cell->databases[index];
    struct look *look = mem_alloc(sizeof *look);

    *look = (struct look){ .c = c,
                           .cell = cell_ref(cell),
                           .snapshot = snapshot_ref(cell->snapshot),
                           .index = index,
                           .connection = mem_strdup(d->connection) };
    if (!d->server) {
        d->server = mem_printf("%s/%s", cell->namespace_,
                               cell->snapshot->plan.databases[index].secret_name);
    }
    d->submitted = true;
    cell->inspections++;
    pool_submit(c->pool, d->server, PER_SERVER, run_look, look);
}

/* One plan with many databases takes its share of the pool and no more. */
static void submit_next(struct controller *c, struct cell *cell)
{
    if (cell->gone || cell->snapshot->error || cancel_triggered(&c->cancel)) {
        return;
    }
    for (size_t i = 0; i < cell->database_count && cell->inspections < PER_PLAN; i++) {
        if (cell->databases[i].inspecting && !cell->databases[i].submitted) {
            submit_look(c, cell, i);
        }
    }
}

void task_inspect(struct controller *c, struct cell *cell, size_t index)
{
    struct database_cell *d = &cell->databases[index];

    if (d->submitted) {
        d->again = true; /* the one under way may have looked before what is asked about */
        return;
    }
    d->inspecting = true;
    submit_next(c, cell);
}

/* ---- gates -------------------------------------------------------------------------------------- */

struct gate_run { /* one measurement: a task a database, the last one hands the sum in */
    struct controller *c;
    struct cell *cell;
    struct snapshot *snapshot;
    char *wave, *name, *query;
    int32_t round;
    int64_t timeout_ms;
    pthread_mutex_t lock;
    size_t left;
    struct gate_answer sum;
};

struct gate_ask {
    struct gate_run *run;
    size_t index;
};

static struct err *ask_gate(const struct gate_run *run, size_t index, struct gate_value *out)
{
    AUTO(target_done) struct target target = { 0 };
    AUTO(credential_files_done) struct credential_files certificates = { 0 };
    AUTO(db_close_auto) struct db *db = NULL;
    const struct db_options options = { .application = "sluice-gate",
                                        .read_only = true,
                                        .cancel = &run->c->cancel };

    TRY(task_target(run->c, &run->snapshot->plan, index, &target, &certificates));
    TRY(db_open(&target, &options, &db));
    return db_gate(db, run->query, run->timeout_ms, out);
}

static void gate_finish(struct gate_run *run)
{
    struct cell *cell = run->cell;

    pthread_mutex_lock(&cell->lock);
    struct gate_cell *gate = cell_gate(cell, run->wave, run->name);
    if (gate->round == run->round) {
        const char *answer = !run->sum.answered ? "none" : run->sum.pass ? "pass" : "fail";
        bool changed = !str_eq(gate->logged, answer);
        gate->logged = answer;
        gate->running = false;
        gate->answer = run->sum;
        gate->taken_mono_ms = clock_mono_ms();
        if (changed) {
            LOG(LOG_INFO, "gate measured", LOG_S("plan", cell->key), LOG_S("wave", run->wave),
                LOG_S("gate", run->name), LOG_S("answer", answer), LOG_S("value", run->sum.text),
                LOG_S("message", run->sum.message));
        }
    }
    pthread_mutex_unlock(&cell->lock);
    queue_add(run->c->plans, cell->key);
    snapshot_unref(run->snapshot);
    cell_unref(cell);
    pthread_mutex_destroy(&run->lock);
    free(run->wave);
    free(run->name);
    free(run->query);
    free(run);
}

static void run_gate(void *payload)
{
    struct gate_ask *ask = payload;
    struct gate_run *run = ask->run;
    const char *database = run->snapshot->plan.databases[ask->index].name;
    struct gate_value value = { 0 };
    struct err *failed = ask_gate(run, ask->index, &value);

    pthread_mutex_lock(&run->lock);
    gate_answer_add(&run->sum, database, !failed && value.answered, value.pass, value.text,
                    failed ? failed->message : NULL);
    bool last = --run->left == 0;
    pthread_mutex_unlock(&run->lock);
    err_free(failed);
    free(ask);
    if (last) {
        gate_finish(run);
    }
}

void task_gate(struct controller *c, struct cell *cell, const struct decision *decision)
{
    if (decision->count == 0) {
        return;
    }
    struct gate_cell *gate = cell_gate(cell, decision->wave, decision->gate->name);
    struct gate_run *run = mem_alloc(sizeof *run);

    *run = (struct gate_run){ .c = c,
                              .cell = cell_ref(cell),
                              .snapshot = snapshot_ref(cell->snapshot),
                              .wave = mem_strdup(decision->wave),
                              .name = mem_strdup(decision->gate->name),
                              .query = mem_strdup(decision->gate->query),
                              .round = decision->round,
                              .timeout_ms = GATE_TIMEOUT_MS,
                              .left = decision->count };
    pthread_mutex_init(&run->lock, NULL);
    gate->round = decision->round;
    gate->running = true;
    gate->answer = (struct gate_answer){ 0 };
    for (size_t i = 0; i < decision->count; i++) {
        struct gate_ask *ask = mem_alloc(sizeof *ask);
        const char *server = cell->databases[decision->databases[i]].server;
        *ask = (struct gate_ask){ .run = run, .index = decision->databases[i] };
        pool_submit(c->pool, server ? server : cell->key, PER_SERVER, run_gate, ask);
    }
}
