/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice describe plan/NAME`: one plan for a person: conditions, roll-out, databases, gates, past. */
#include <stdio.h>
#include <string.h>

#include "controller/cli/commands.h"
#include "controller/cli/plans.h"
#include "controller/cli/render.h"
#include "reconcile/base/auto.h"
#include "reconcile/base/clock.h"
#include "reconcile/model/reason.h"

struct describe_values {
    struct plan_args plan;
};

static const struct option_row describe_rows[] = {
    PLAN_OPTIONS(struct describe_values),
    PLAN_OUTPUT(struct describe_values, "json for the whole object"),
};

static const struct cli_spec describe_spec = {
    .command = "describe",
    .synopsis = "plan/NAME",
    .about = "Shows one plan: what its conditions say, where its roll-out and each database stand.",
    .rows = describe_rows,
    .row_count = sizeof describe_rows / sizeof *describe_rows,
    .min_words = 1,
    .max_words = 2,
};

static void line(const char *key, const char *value)
{
    if (value && *value) {
        printf("%-18s %s\n", key, value);
    }
}

static void print_conditions(const struct status *status)
{
    printf("Conditions:\n");
    for (int type = 0; type < CONDITION_TYPE_MAX_; type++) {
        const struct condition *c = &status->conditions[type];
        char since[TIME_TEXT_LEN];
        const struct reason *reason = c->reason ? reason_find(c->reason) : NULL;
        if (c->status == CONDITION_ABSENT) {
            continue;
        }
        time_format(c->transition_ms, since);
        printf("  %-19s %-8s %-24s since %s\n", condition_type_text((enum condition_type)type),
               condition_status_text(c->status), c->reason ? c->reason : "", since);
        if (c->message && *c->message) {
            printf("    %s\n", c->message);
        }
        if (type == CONDITION_STALLED && reason && reason->remedy && *reason->remedy) {
            printf("    what to do: %s\n", reason->remedy);
        }
    }
}

static void print_rollout(const struct status *status)
{
    const struct rollout_status *r = &status->rollout;
    char started[TIME_TEXT_LEN];

    if (!r->present) {
        return;
    }
    time_format(r->started_ms, started);
    printf("Roll-out:\n  commit %s, wave %s, %s, started %s\n",
           r->revision ? r->revision : r->commit, r->wave ? r->wave : "-",
           rollout_phase_text(r->phase), started);
    if (r->restarted) {
        printf("  began anew: %s\n", r->restarted);
    }
    if (status->queued_commit[0]) {
        printf("  queued: %.12s, rolled out when this one has ended\n", status->queued_commit);
    }
}

static void print_databases(const struct status *status)
{
    size_t width = 4;

    for (size_t i = 0; i < status->database_count; i++) {
        size_t length = strlen(status->databases[i].name);
        width = length > width ? length : width;
    }
    printf("Databases:\n");
    for (size_t i = 0; i < status->database_count; i++) {
        const struct database_status *d = &status->databases[i];
        printf("  %-*s  %-11s  version %-10s", (int)width, d->name, database_state_text(d->state),
               d->version ? d->version : "-");
        if (d->wave) {
            printf("  wave %s", d->wave);
        }
        if (d->begun) {
            printf("  has begun");
        }
        if (d->job) {
            printf("  job %s", d->job);
        }
        if (d->message && *d->message) {
            printf("\n  %*s  %s", (int)width, "", d->message);
        }
        printf("\n");
    }
}

static void print_gates(const struct status *status)
{
    if (status->gate_count) {
        printf("Gates:\n");
    }
    for (size_t i = 0; i < status->gate_count; i++) {
        const struct gate_status *g = &status->gates[i];
        printf("  %s/%s  %s  value %s, %d passed, %d failed\n", g->wave, g->name,
               gate_state_text(g->state), g->last_value ? g->last_value : "-", g->successes,
               g->failures);
    }
}

static void print_history(const struct status *status)
{
    if (status->history_count) {
        printf("History:\n");
    }
    for (size_t i = 0; i < status->history_count; i++) {
        const struct history_entry *h = &status->history[i];
        char finished[TIME_TEXT_LEN];
        time_format(h->finished_ms, finished);
        printf("  %.10s  %-9s  %s  %s\n", h->commit, h->succeeded ? "Succeeded" : "Failed",
               finished, h->message ? h->message : "");
    }
}

static void print_plan(const struct json *object)
{
    AUTO(plan_text_done) struct plan_text text = { 0 };
    char verified[TIME_TEXT_LEN];

    plan_text_make(object, &text);
    line("Name:", text.name);
    line("Namespace:", text.namespace_);
    line("Source:", json_get_string(json_get(json_get(object, "spec"), "source"), "url"));
    printf("%-18s %lld (observed: %lld)\n", "Generation:", (long long)text.generation,
           (long long)text.status.observed_generation);
    line("Applied:", text.status.last_applied_revision);
    line("Attempted:", text.status.last_attempted_revision);
    line("Queued commit:", text.status.queued_commit);
    line("Progress:", text.progress);
    if (text.status.last_verified_ms) {
        time_format(text.status.last_verified_ms, verified);
        line("Last verified:", verified);
    }
    line("Suspended:", text.suspended ? "yes" : "");
    line("Deleting:", text.deleting ? "yes" : "");
    print_conditions(&text.status);
    print_rollout(&text.status);
    print_databases(&text.status);
    print_gates(&text.status);
    print_history(&text.status);
}

int describe_main(int argc, char **argv)
{
    static const char *const formats[] = { "json", NULL };
    struct describe_values values = { 0 };
    AUTO(strlist_done) struct strlist words = { 0 };
    AUTO(plans_close) struct platform platform = { 0 };
    AUTO(json_free_auto) struct json *object = NULL;
    const char *name = NULL;
    bool json = false;
    bool help = false;

    struct err *failed = cli_parse(&describe_spec, argc, argv, &values, &words, &help);
    if (help) {
        return 0;
    }
    failed = failed ? failed : cli_output(values.plan.output, formats, &json);
    failed = failed ? failed : plan_word("describe", words.items[words.count - 1], &name);
    failed = failed ? failed : plans_open("describe", &values.plan, &platform);
    if (!failed) {
        failed = platform.ops->read_plan(platform.self, plans_namespace(&values.plan, &platform),
                                         name, &object);
        plans_warn(&platform);
    }
    if (failed) {
        return cli_fail("describe", failed, json);
    }
    if (json) {
        render_print(TAKE(object));
    } else {
        print_plan(object);
    }
    return 0;
}
