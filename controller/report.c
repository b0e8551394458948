/* SPDX-License-Identifier: Apache-2.0 */
/* What people and dashboards get to see: a log line when something changed, metrics always. */
#include <stdlib.h>

#include "base/auto.h"
#include "base/log.h"
#include "base/mem.h"
#include "controller/internal.h"
#include "model/reason.h"

static void tell(const struct controller *c, const struct plan_cache *cache, bool warning,
                 const char *reason, const char *message)
{
    if (c->platform.ops->event && reason && *reason) {
        c->platform.ops->event(c->platform.self, cache->namespace_, cache->name, cache->uid,
                               warning, reason, message ? message : "");
    }
}

static void report_ready(struct controller *c, struct plan_cache *cache,
                         const struct status *status)
{
    const struct condition *ready = &status->conditions[CONDITION_READY];
    const struct condition *stalled = &status->conditions[CONDITION_STALLED];
    AUTO(free_auto) char *now = mem_printf("%s %s %s", condition_status_text(ready->status),
                                           ready->reason ? ready->reason : "",
                                           status->rollout.wave ? status->rollout.wave : "");

    if (str_eq(now, cache->logged)) {
        return;
    }
    mem_strset(&cache->logged, now);
    LOG(stalled->status == CONDITION_TRUE ? LOG_ERROR : LOG_INFO, "plan", LOG_S("plan", cache->key),
        LOG_S("ready", condition_status_text(ready->status)), LOG_S("reason", ready->reason),
        LOG_S("message", ready->message), LOG_S("wave", status->rollout.wave),
        LOG_S("commit",
              status->rollout.present ? status->rollout.commit : status->last_applied_commit));
    tell(c, cache, ready->status == CONDITION_FALSE, ready->reason, ready->message);
}

/* What the line about Ready says already is not said twice. */
static void report_events(const struct controller *c, const struct plan_cache *cache,
                          const struct decision *decision)
{
    const struct condition *ready = &decision->status.conditions[CONDITION_READY];

    for (size_t i = 0; i < decision->event_count; i++) {
        const struct event *event = &decision->events[i];
        if (str_eq(event->reason, ready->reason)) {
            continue;
        }
        LOG(event->warning ? LOG_WARN : LOG_INFO, "event", LOG_S("plan", cache->key),
            LOG_S("reason", event->reason), LOG_S("message", event->message));
        tell(c, cache, event->warning, event->reason, event->message);
    }
}

static void report_conditions_metric(struct controller *c, const struct plan_cache *cache,
                                     const struct status *status)
{
    for (int type = 0; type < CONDITION_TYPE_MAX_; type++) {
        metrics_set(c->metrics, METRIC_CONDITION,
                    LABELS({ "namespace", cache->namespace_ }, { "plan", cache->name },
                           { "type", condition_type_text((enum condition_type)type) },
                           { "status", condition_status_text(CONDITION_TRUE) }),
                    status->conditions[type].status == CONDITION_TRUE ? 1 : 0);
    }
    if (status->last_verified_ms) {
        metrics_set(c->metrics, METRIC_VERIFIED,
                    LABELS({ "namespace", cache->namespace_ }, { "plan", cache->name }),
                    (double)status->last_verified_ms / 1000);
    }
}

static void report_states(struct controller *c, struct plan_cache *cache,
                          const struct status *status)
{
    double counts[DATABASE_STATE_MAX_] = { 0 };

    for (size_t i = 0; i < status->database_count; i++) {
        counts[status->databases[i].state]++;
    }
    for (int state = DATABASE_UP_TO_DATE; state < DATABASE_STATE_MAX_; state++) {
        metrics_set(c->metrics, METRIC_DATABASES,
                    LABELS({ "namespace", cache->namespace_ }, { "plan", cache->name },
                           { "state", database_state_text((enum database_state)state) }),
                    counts[state]);
    }
    for (size_t i = 0; i < cache->database_count; i++) {
        struct database_cache *d = &cache->databases[i];
        const struct pending *j = &d->pending;
        bool changed = !d->reported || d->reported_count != j->plan.action_count;
        if (j->has_plan && !j->error && changed) {
            d->reported = true;
            d->reported_count = j->plan.action_count;
            metrics_set(c->metrics, METRIC_PENDING,
                        LABELS({ "namespace", cache->namespace_ }, { "plan", cache->name },
                               { "database", cache->databases[i].name }),
                        (double)j->plan.action_count);
        }
    }
}

void report_decision(struct controller *c, struct plan_cache *cache,
                     const struct decision *decision)
{
    report_ready(c, cache, &decision->status);
    report_events(c, cache, decision);
    if (!status_equal(&decision->status, &cache->status)) {
        report_conditions_metric(c, cache, &decision->status);
        report_states(c, cache, &decision->status);
    }
}

void report_job(struct controller *c, const struct plan_cache *cache, const struct job *job)
{
    const char *outcome = job->has_result ? outcome_text(job->result.outcome) : "None";
    const struct metric_label *labels = LABELS(
        { "namespace", cache->namespace_ }, { "plan", cache->name }, { "database", job->database });

    LOG(job->has_result && job->result.code == 0 ? LOG_INFO : LOG_WARN, "job ended",
        LOG_S("plan", cache->key), LOG_S("database", job->database), LOG_S("job", job->name),
        LOG_S("outcome", outcome), LOG_I("code", job->has_result ? job->result.code : -1),
        LOG_S("reason", job->has_result ? job->result.reason : ""),
        LOG_S("message", job->has_result ? job->result.message : ""),
        LOG_S("ended", job->ended_by));
    metrics_add(c->metrics, METRIC_ATTEMPTS,
                LABELS({ "namespace", cache->namespace_ }, { "plan", cache->name },
                       { "database", job->database }, { "outcome", outcome }),
                1);
    if (!job->has_result) {
        return;
    }
    metrics_add(c->metrics, METRIC_APPLIED, labels, (double)job->result.applied.count);
    metrics_observe(c->metrics, METRIC_ATTEMPT_SECONDS, labels,
                    (double)job->result.ms.total / 1000);
    metrics_observe(c->metrics, METRIC_LOCK_WAIT_SECONDS, labels,
                    (double)job->result.ms.lock / 1000);
    if (job->result.outcome == OUTCOME_FENCED || job->result.outcome == OUTCOME_BUSY) {
        metrics_add(c->metrics, METRIC_FENCED, labels, 1);
    }
}
