/* SPDX-License-Identifier: Apache-2.0 */
/* A plan's release, and its paths. */
#include "model/mplan.h"
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"

static void database_done(struct mplan_database *d)
{
    const char *const borrowed[] = { d->connection.type, d->connection.host,
                                     d->connection.database };
    for (size_t i = 0; i < sizeof borrowed / sizeof *borrowed; i++) {
        char *text = NULL;
        memcpy(&text, &borrowed[i], sizeof text); /* ours, const only for target_from_secret() */
        free(text);
    }
    free(d->name);
    free(d->secret_name);
    free(d->ca_kind);
    free(d->ca_name);
    free(d->ca_key);
    free(d->client_cert_secret);
    free(d->schema);
    strlist_done(&d->paths);
    kvlist_done(&d->labels);
    migrations_options_done(&d->migrations);
}

static void wave_done(struct mplan_wave *w)
{
    for (size_t i = 0; i < w->gate_count; i++) {
        free(w->gates[i].name);
        free(w->gates[i].query);
    }
    free(w->gates);
    free(w->name);
    strlist_done(&w->names);
    kvlist_done(&w->labels);
}

static void windows_done(struct mplan_window *windows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(windows[i].schedule);
        free(windows[i].time_zone);
        free(windows[i].from);
        free(windows[i].to);
    }
    free(windows);
}

static void job_done(struct mplan_job *job)
{
    json_free(job->resources);
    json_free(job->node_selector);
    json_free(job->tolerations);
    json_free(job->affinity);
    json_free(job->labels);
    json_free(job->annotations);
    json_free(job->image_pull_secrets);
    free(job->priority_class);
}

void mplan_done(struct mplan *plan)
{
    for (size_t i = 0; i < plan->database_count; i++) {
        database_done(&plan->databases[i]);
    }
    for (size_t i = 0; i < plan->wave_count; i++) {
        wave_done(&plan->waves[i]);
    }
    windows_done(plan->windows, plan->window_count);
    windows_done(plan->freezes, plan->freeze_count);
    free(plan->databases);
    free(plan->waves);
    free(plan->namespace_);
    free(plan->name);
    free(plan->uid);
    kvlist_done(&plan->annotations);
    free(plan->source.url);
    free(plan->source.ref);
    free(plan->source.secret_name);
    free(plan->source.webhook_secret_name);
    strlist_done(&plan->source.paths);
    free(plan->revision);
    free(plan->service_account);
    kvlist_done(&plan->selector.match_labels);
    job_done(&plan->job);
    migrations_options_done(&plan->migrations);
    json_free(plan->defaulted);
    *plan = (struct mplan){ 0 };
}

char *mplan_path(const char *path, const char *database)
{
    static const char placeholder[] = "${database}";
    AUTO(buf_done) struct buf out = BUF((size_t)LIMIT_PATH * 64);
    const char *at = NULL;
    while ((at = strstr(path, placeholder))) {
        buf_add(&out, path, (size_t)(at - path));
        buf_adds(&out, database);
        path = at + sizeof placeholder - 1;
    }
    buf_adds(&out, path);
    return buf_take(&out);
}
