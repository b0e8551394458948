/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice describe plan/NAME`: one plan for a person: conditions, roll-out, databases, gates, past. */
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/plans.h"
#include "cli/render.h"
#include "cli/table.h"
#include "model/reason.h"

struct describe_values {
    struct plan_args plan;
};

static const struct option_row describe_rows[] = {
    PLAN_OPTIONS(struct describe_values),
    PLAN_OUTPUT(struct describe_values, "json", "the whole object"),
};

const struct cli_spec describe_spec = {
    .command = "describe",
    .synopsis = "plan/NAME",
    .about = "Shows one plan: what its conditions say, where its roll-out and each database stand.",
    .rows = describe_rows,
    .row_count = sizeof describe_rows / sizeof *describe_rows,
    .argument = "plan/NAME",
    .min_words = 1,
    .max_words = 2,
};

static void line(const char *key, const char *value)
{
    if (value && *value) {
        say("%-18s %s\n", key, value);
    }
}

static enum ink condition_ink(const struct status *status, enum condition_type type)
{
    const bool stalled = status->conditions[CONDITION_STALLED].status == CONDITION_TRUE;

    if (type == CONDITION_READY) {
        return status->conditions[type].status == CONDITION_TRUE ? INK_GOOD
               : stalled                                         ? INK_BAD
                                                                 : INK_WAIT;
    }
    return type == CONDITION_STALLED && stalled ? INK_BAD : INK_PLAIN;
}

static void print_conditions(const struct status *status)
{
    say("Conditions:\n");
    for (int type = 0; type < CONDITION_TYPE_MAX_; type++) {
        const struct condition *c = &status->conditions[type];
        char since[TIME_TEXT_LEN];
        const struct reason *reason = c->reason ? reason_find(c->reason) : NULL;
        if (c->status == CONDITION_ABSENT) {
            continue;
        }
        time_format(c->transition_ms, since);
        say("  %-19s ", condition_type_text((enum condition_type)type));
        say_in(condition_ink(status, (enum condition_type)type), "%-8s",
               condition_status_text(c->status));
        say(" %-24s since %s\n", c->reason ? c->reason : "", since);
        if (c->message && *c->message) {
            say("    %s\n", c->message);
        }
        if (type == CONDITION_STALLED && reason && reason->remedy && *reason->remedy) {
            say("    what to do: %s\n", reason->remedy);
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
    say("Roll-out:\n  commit %s, wave %s, %s, started %s\n", r->revision ? r->revision : r->commit,
        r->wave ? r->wave : "-", rollout_phase_text(r->phase), started);
    if (r->restarted) {
        say("  began anew: %s\n", r->restarted);
    }
    if (status->queued_commit[0]) {
        say("  queued: %.12s, rolled out when this one has ended\n", status->queued_commit);
    }
}

static enum ink database_ink(enum database_state state)
{
    switch (state) {
    case DATABASE_UP_TO_DATE:
        return INK_GOOD;
    case DATABASE_FAILED:
    case DATABASE_UNREACHABLE:
        return INK_BAD;
    case DATABASE_RUNNING:
        return INK_WAIT;
    default:
        return INK_PLAIN;
    }
}

static void print_databases(const struct status *status)
{
    AUTO(table_done) struct table t = { .columns = 4, .indent = "  " };

    for (size_t i = 0; i < status->database_count; i++) {
        const struct database_status *d = &status->databases[i];
        AUTO(free_auto) char *version = mem_printf("version %s", d->version ? d->version : "-");
        AUTO(free_auto)
        char *rest =
            mem_printf("%s%s%s%s%s", d->wave ? "wave " : "", d->wave ? d->wave : "",
                       d->begun ? "  has begun" : "", d->job ? "  job " : "", d->job ? d->job : "");
        table_add(&t, INK_PLAIN, d->name);
        table_add(&t, database_ink(d->state), database_state_text(d->state));
        table_add(&t, INK_PLAIN, version);
        table_add(&t, INK_PLAIN, rest + strspn(rest, " "));
        if (d->message && *d->message) {
            table_note(&t, d->message);
        }
    }
    say("Databases:\n");
    table_print(&t);
}

static void print_gates(const struct status *status)
{
    if (status->gate_count) {
        say("Gates:\n");
    }
    for (size_t i = 0; i < status->gate_count; i++) {
        const struct gate_status *g = &status->gates[i];
        say("  %s/%s  %s  value %s, %d passed, %d failed\n", g->wave, g->name,
            gate_state_text(g->state), g->last_value ? g->last_value : "-", g->successes,
            g->failures);
    }
}

static void print_notices(const struct status *status)
{
    if (status->notices.count) {
        say("Notices:\n");
    }
    for (size_t i = 0; i < status->notices.count; i++) {
        say("  %s\n", status->notices.items[i]);
    }
}

static void print_history(const struct status *status)
{
    if (status->history_count) {
        say("History:\n");
    }
    for (size_t i = 0; i < status->history_count; i++) {
        const struct history_entry *h = &status->history[i];
        char finished[TIME_TEXT_LEN];
        time_format(h->finished_ms, finished);
        say("  %.10s  %-9s  %s  %s\n", h->commit, h->succeeded ? "Succeeded" : "Failed", finished,
            h->message ? h->message : "");
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
    say("%-18s %lld (observed: %lld)\n", "Generation:", (long long)text.generation,
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
    print_notices(&text.status);
    print_history(&text.status);
}

int describe_main(int argc, char **argv)
{
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
    json = str_eq(values.plan.output, "json");
    failed = failed ? failed : plan_word(words.items[words.count - 1], &name);
    failed = failed ? failed : plans_open(&values.plan, &platform);
    if (!failed) {
        failed = platform.ops->read_plan(platform.self, plans_namespace(&values.plan, &platform),
                                         name, &object);
        plans_warn(&platform);
        plans_warn_unattended(&platform);
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
