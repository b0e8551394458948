/* SPDX-License-Identifier: Apache-2.0 */
/* The oldest of everything that runs. */
#include "controller/health.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "controller/internal.h"

#define LOG_EVERY_MS 60000
#define EXIT_NOT_IN_TIME 1

void health_oldest(struct controller *c, struct oldest out[HEALTH_KINDS])
{
    out[0] = (struct oldest){ .kind = "pass" };
    out[0].age_ms = queue_oldest(c->plans, &out[0].plan);
    out[1] = (struct oldest){ .kind = "poll" };
    out[1].age_ms = polls_oldest(c->polls, &out[1].plan);
    out[2] = (struct oldest){ .kind = "task" };
    out[2].age_ms = pool_oldest(c->pool, &out[2].kind, &out[2].plan);
}

void health_done(struct oldest list[HEALTH_KINDS])
{
    for (size_t i = 0; i < HEALTH_KINDS; i++) {
        free(list[i].plan);
    }
}

/* Probes come every few seconds. */
static void log_stuck(struct controller *c, const struct oldest *o)
{
    int64_t now_ms = clock_mono_ms();
    int64_t logged_ms = atomic_load(&c->stuck_logged_ms);

    if (logged_ms && now_ms - logged_ms < LOG_EVERY_MS) {
        return;
    }
    atomic_store(&c->stuck_logged_ms, now_ms);
    LOG(LOG_ERROR, "stuck", LOG_S("what", o->kind), LOG_S("plan", o->plan),
        LOG_I("seconds", o->age_ms / 1000));
}

char *health_problem(struct controller *c)
{
    struct oldest list[HEALTH_KINDS];
    const struct oldest *worst = &list[0];
    char *text = NULL;

    health_oldest(c, list);
    for (size_t i = 1; i < HEALTH_KINDS; i++) {
        worst = list[i].age_ms > worst->age_ms ? &list[i] : worst;
    }
    if (worst->age_ms > c->config->stuck_ms) {
        log_stuck(c, worst);
        text = mem_printf("stuck: a%s %s has been running for %lld s; the log names its plan\n",
                          strchr("io", worst->kind[0]) ? "n" : "", worst->kind,
                          (long long)(worst->age_ms / 1000));
    }
    health_done(list);
    return text;
}

/* ---- the end ------------------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct controller *c;
    int64_t until_ms;
    bool ended;
} ending = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void end_now(void)
{
    struct oldest list[HEALTH_KINDS];

    health_oldest(ending.c, list);
    for (size_t i = 0; i < HEALTH_KINDS; i++) {
        if (list[i].age_ms >= 0) {
            LOG(LOG_WARN, "not waited for", LOG_S("what", list[i].kind),
                LOG_S("plan", list[i].plan), LOG_I("seconds", list[i].age_ms / 1000));
        }
    }
    LOG(LOG_WARN, "controller ends without waiting any longer");
    _exit(EXIT_NOT_IN_TIME);
}

static void *end_anyway(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&ending.lock);
    while (!ending.ended && thread_cond_wait(&ending.wake, &ending.lock, ending.until_ms)) {
    }
    if (!ending.ended) {
        end_now();
    }
    pthread_mutex_unlock(&ending.lock);
    return NULL;
}

void health_end_within(struct controller *c, int64_t limit_ms)
{
    pthread_t thread;

    thread_cond_init(&ending.wake);
    ending.until_ms = clock_mono_ms() + limit_ms;
    ending.c = c;
    struct err *failed = thread_start(&thread, end_anyway, NULL);
    if (failed) { /* whoever stops us kills us when that takes too long */
        LOG(LOG_WARN, "the end is not bounded", LOG_S("message", failed->message));
        err_free(failed);
        return;
    }
    pthread_detach(thread);
}

void health_ended(void)
{
    pthread_mutex_lock(&ending.lock);
    ending.ended = true;
    pthread_cond_signal(&ending.wake);
    pthread_mutex_unlock(&ending.lock);
}
