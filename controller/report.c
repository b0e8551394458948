/* SPDX-License-Identifier: Apache-2.0 */
/* What people and dashboards get to see: a log line when something changed, metrics always. */
#include <stdlib.h>

#include "controller/core.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/log.h"
#include "reconcile/base/mem.h"
#include "reconcile/model/reason.h"

static void tell(const struct controller *c, const struct cell *cell, bool warning,
                 const char *reason, const char *message)
{
    if (c->platform.ops->event && reason && *reason) {
        c->platform.ops->event(c->platform.self, cell->namespace_, cell->name, cell->uid, warning,
                               reason, message ? message : "");
    }
}

static void report_ready(struct controller *c, struct cell *cell, const struct status *status)
{
    const struct condition *ready = &status->conditions[CONDITION_READY];
    const struct condition *stalled = &status->conditions[CONDITION_STALLED];
    AUTO(free_auto) char *now = mem_printf("%s %s %s", condition_status_text(ready->status),
                                           ready->reason ? ready->reason : "",
                                           status->rollout.wave ? status->rollout.wave : "");

    if (str_eq(now, cell->logged)) {
        return;
    }
    mem_strset(&cell->logged, now);
    LOG(stalled->status == CONDITION_TRUE ? LOG_ERROR : LOG_INFO, "plan", LOG_S("plan", cell->key),
        LOG_S("ready", condition_status_text(ready->status)), LOG_S("reason", ready->reason),
        LOG_S("message", ready->message), LOG_S("wave", status->rollout.wave),
        LOG_S("commit",
              status->rollout.present ? status->rollout.commit : status->last_applied_commit));
    tell(c, cell, ready->status == CONDITION_FALSE, ready->reason, ready->message);
}

/* What the line about Ready says already is not said twice. */
static void report_events(const struct controller *c, const struct cell *cell,
                          const struct decision *decision)
{
    const struct condition *ready = &decision->status.conditions[CONDITION_READY];

    for (size_t i = 0; i < decision->event_count; i++) {
        const struct event *event = &decision->events[i];
        if (str_eq(event->reason, ready->reason)) {
            continue;
        }
        LOG(event->warning ? LOG_WARN : LOG_INFO, "event", LOG_S("plan", cell->key),
            LOG_S("reason", event->reason), LOG_S("message", event->message));
        tell(c, cell, event->warning, event->reason, event->message);
    }
}

static void report_conditions_metric(struct controller *c, const struct cell *cell,
                                     const struct status *status)
{
    for (int type = 0; type < CONDITION_TYPE_MAX_; type++) {
        metrics_set(c->metrics, METRIC_CONDITION,
                    LABELS({ "namespace", cell->namespace_ }, { "plan", cell->name },
                           { "type", condition_type_text((enum condition_type)type) },
                           { "status", condition_status_text(CONDITION_TRUE) }),
                    status->conditions[type].status == CONDITION_TRUE ? 1 : 0);
    }
    if (status->last_verified_ms) {
        metrics_set(c->metrics, METRIC_VERIFIED,
                    LABELS({ "namespace", cell->namespace_ }, { "plan", cell->name }),
                    (double)status->last_verified_ms / 1000);
    }
}

static void report_states(struct controller *c, struct cell *cell, const struct status *status)
{
    double counts[DATABASE_STATE_MAX_] = { 0 };

    for (size_t i = 0; i < status->database_count; i++) {
        counts[status->databases[i].state]++;
    }
    for (int state = DATABASE_UP_TO_DATE; state < DATABASE_STATE_MAX_; state++) {
        metrics_set(c->metrics, METRIC_DATABASES,
                    LABELS({ "namespace", cell->namespace_ }, { "plan", cell->name },
                           { "state", database_state_text((enum database_state)state) }),
                    counts[state]);
    }
    for (size_t i = 0; i < cell->database_count; i++) {
        struct database_cell *d = &cell->databases[i];
        const struct judgement *j = &d->judgement;
        bool changed = !d->pending_reported || d->pending != j->plan.action_count;
        if (j->has_plan && !j->error && changed) {
            d->pending_reported = true;
            d->pending = j->plan.action_count;
            metrics_set(c->metrics, METRIC_PENDING,
                        LABELS({ "namespace", cell->namespace_ }, { "plan", cell->name },
                               { "database", cell->databases[i].name }),
                        (double)j->plan.action_count);
        }
    }
}

void report_decision(struct controller *c, struct cell *cell, const struct decision *decision)
{
    report_ready(c, cell, &decision->status);
    report_events(c, cell, decision);
    if (!status_equal(&decision->status, &cell->status)) {
        report_conditions_metric(c, cell, &decision->status);
        report_states(c, cell, &decision->status);
    }
}

void report_job(struct controller *c, const struct cell *cell, const struct job *job)
{
    const char *outcome = job->has_result ? outcome_text(job->result.outcome) : "None";
    const struct metric_label *labels = LABELS(
        { "namespace", cell->namespace_ }, { "plan", cell->name }, { "database", job->database });

    LOG(job->has_result && job->result.code == 0 ? LOG_INFO : LOG_WARN, "job ended",
        LOG_S("plan", cell->key), LOG_S("database", job->database), LOG_S("job", job->name),
        LOG_S("outcome", outcome), LOG_I("code", job->has_result ? job->result.code : -1),
        LOG_S("reason", job->has_result ? job->result.reason : ""),
        LOG_S("message", job->has_result ? job->result.message : ""),
        LOG_S("ended", job->ended_by));
    metrics_add(c->metrics, METRIC_ATTEMPTS,
                LABELS({ "namespace", cell->namespace_ }, { "plan", cell->name },
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
