/* SPDX-License-Identifier: Apache-2.0 */
/* MigrationPlan: metadata, the order of the checks, release. */
#include "reconcile/model/mplan.h"
#include <stdlib.h>
#include <string.h>
#include "reconcile/base/auto.h"
#include "reconcile/base/buf.h"
#include "reconcile/base/clock.h"
#include "reconcile/base/limits.h"
#include "reconcile/base/mem.h"
#include "reconcile/model/mplan_fields.h"
#include "reconcile/model/reason.h"

/* ---- metadata ------------------------------------------------------------------------------ */

static struct err *metadata_problem(const char *field, const char *problem)
{
    return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "metadata.%s: %s", field, problem);
}

static struct err *read_annotations(const struct json *node, struct mplan *out)
{
    if (node && json_type(node) != JSON_OBJECT && json_type(node) != JSON_NULL) {
        return metadata_problem("annotations", "must be a map of strings");
    }
    struct err *e = NULL;
    for (const struct json *n = json_first(node); n; n = json_next(n)) {
        if (json_string(n)) {
            kvlist_set(&out->annotations, json_key(n), json_string(n));
        } else if (!e) {
            e = err_new(ERR_TERMINAL, REASON_INVALID_SPEC,
                        "metadata.annotations.%s: must be a string: "
                        "put it in quotes",
                        json_key(n));
        }
    }
    return e;
}

/* Fills what it can before it complains: the complaint needs a plan to hang on. */
static struct err *read_metadata(const struct json *object, struct mplan *out)
{
    const struct json *m = json_get(object, "metadata");
    const char *namespace_ = json_get_string(m, "namespace");
    out->name = mem_strdup(json_get_string(m, "name"));
    out->namespace_ = mem_strdup(namespace_ ? namespace_ : "default");
    out->uid = mem_strdup(json_get_string(m, "uid"));
    out->generation = json_get_int64(m, "generation", 0);
    (void)time_parse(json_get_string(m, "creationTimestamp"), &out->created_ms);
    out->deleting = json_get_string(m, "deletionTimestamp") != NULL;
    TRY(read_annotations(json_get(m, "annotations"), out));
    if (!out->name || !*out->name) {
        return metadata_problem("name", "is required");
    }
    const char *problem = mplan_grammar_problem(GRAMMAR_NAME, out->name);
    if (problem || strlen(out->name) > 253) {
        return metadata_problem("name", problem ? problem : "must not be longer than 253 bytes");
    }
    problem = mplan_grammar_problem(GRAMMAR_NAME, out->namespace_);
    if (problem || strchr(out->namespace_, '.') || strlen(out->namespace_) > 63) {
        return metadata_problem("namespace",
                                "must be at most 63 lower-case letters, digits and '-'");
    }
    return NULL;
}

static struct err *check_head(const struct json *object)
{
    static const char *const known[] = { "apiVersion", "kind", "metadata", "spec", "status" };
    if (!str_eq(json_get_string(object, "apiVersion"), "sluice.dev/v1alpha1")) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC,
                       "apiVersion: must be sluice.dev/v1alpha1");
    }
    if (!str_eq(json_get_string(object, "kind"), "MigrationPlan")) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "kind: must be MigrationPlan");
    }
    for (const struct json *m = json_first(object); m; m = json_next(m)) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            found = found || str_eq(known[i], json_key(m));
        }
        if (!found) {
            return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "%s: unknown field", json_key(m));
        }
    }
    return NULL;
}

struct err *mplan_decode(const struct json *object, struct mplan *out)
{
    return mplan_decode_spec(object, false, out);
}

struct err *mplan_decode_spec(const struct json *object, bool expanded, struct mplan *out)
{
    *out = (struct mplan){ .selector.expanded = expanded };
    TRY(read_metadata(object, out));
    TRY(check_head(object));
    if (!json_get(object, "spec")) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "spec: is required");
    }
    out->defaulted = json_copy(json_get(object, "spec"));
    TRY(mplan_walk(out->defaulted, out));
    return mplan_check(out);
}

/* ---- release ------------------------------------------------------------------------------- */

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
