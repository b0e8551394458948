/* SPDX-License-Identifier: Apache-2.0 */
/* Measuring gates in the pool: one question a database, and the sum of their answers. */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "controller/internal.h"
#include "database/credentials.h"

#define GATE_TIMEOUT_MS 30000

struct gate_run { /* one measurement: a task a database, the last one hands the sum in */
    struct controller *c;
    struct plan_cache *cache;
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

static struct err *measure(const struct gate_run *run, size_t index, struct gate_value *out)
{
    AUTO(target_done) struct target target = { 0 };
    AUTO(credential_files_done) struct credential_files certificates = { 0 };

    TRY(task_target(run->c, &run->snapshot->plan, index, &target, &certificates));
    const struct ask ask = task_ask(run->c, run->cache, &target, &certificates, "sluice-gate");
    return ask_gate(&ask, run->query, run->timeout_ms, out);
}

static void gate_finish(struct gate_run *run)
{
    struct plan_cache *cache = run->cache;

    pthread_mutex_lock(&cache->lock);
    struct gate_cache *gate = plan_cache_gate(cache, run->wave, run->name);
    if (gate->round == run->round) {
        const char *answer = !run->sum.answered ? "none" : run->sum.pass ? "pass" : "fail";
        bool changed = !str_eq(gate->logged, answer);
        gate->logged = answer;
        gate->running = false;
        gate->answer = run->sum;
        gate->taken_mono_ms = clock_mono_ms();
        if (changed) {
            LOG(LOG_INFO, "gate measured", LOG_S("plan", cache->key), LOG_S("wave", run->wave),
                LOG_S("gate", run->name), LOG_S("answer", answer), LOG_S("value", run->sum.text),
                LOG_S("message", run->sum.message));
        }
    }
    pthread_mutex_unlock(&cache->lock);
    queue_add(run->c->plans, cache->key);
    snapshot_unref(run->snapshot);
    plan_cache_unref(cache);
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
    struct err *failed = measure(run, ask->index, &value);

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

void gate_task_start(struct controller *c, struct plan_cache *cache,
                     const struct decision *decision)
{
    if (decision->count == 0) {
        return;
    }
    struct gate_cache *gate = plan_cache_gate(cache, decision->wave, decision->gate->name);
    struct gate_run *run = mem_alloc(sizeof *run);

    *run = (struct gate_run){ .c = c,
                              .cache = plan_cache_ref(cache),
                              .snapshot = snapshot_ref(cache->snapshot),
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
        const char *server = cache->databases[decision->databases[i]].server;
        *ask = (struct gate_ask){ .run = run, .index = decision->databases[i] };
        const struct pool_task work = { .plan = cache->key,
                                        .kind = "gate",
                                        .group = server ? server : cache->key,
                                        .group_limit = TASKS_PER_SERVER,
                                        .run = run_gate,
                                        .payload = ask };
        pool_submit(c->pool, &work);
    }
}
