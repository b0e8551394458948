/* SPDX-License-Identifier: Apache-2.0 */
/* What the schedules want: rows that read as rules. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "reconcile/step/step.h"

#define RETRY_INTERVAL_MS 4000

enum quiet {
    LOUD,
    SUSPENDED,
    DELETING,
    INVALID
};

static const struct row {
    const char *rule;
    /* of both databases, but for what `second` says */
    enum inspection_state inspection;
    bool inspecting, changed;
    int64_t due_in_ms;
    enum quiet quiet;
    const char *retry, *handled;
    int64_t retry_age_ms;
    bool pinned, source_failed;
    int64_t list_in_ms;
    /* wanted */
    size_t inspect;
    bool watch, poll_now, list;
    int64_t next_ms;
} rows[] = {
    { "nothing is due: the next one wakes", INSPECTION_OK, .due_in_ms = 5000, .list_in_ms = -1,
      .watch = true, .next_ms = 5000 },
    { "time has passed", INSPECTION_OK, .due_in_ms = 0, .list_in_ms = -1, .inspect = 2,
      .watch = true, .next_ms = -1 },
    { "after a failure, too", INSPECTION_FAILED, .due_in_ms = -1, .list_in_ms = -1, .inspect = 2,
      .watch = true, .next_ms = -1 },
    { "one is under way", INSPECTION_OK, .inspecting = true, .due_in_ms = -1, .list_in_ms = -1,
      .watch = true, .next_ms = -1 },
    { "the first one of all is an effect's", INSPECTION_NONE, .due_in_ms = -1, .list_in_ms = -1,
      .watch = true, .next_ms = -1 },
    { "a Secret that changed counts while one is under way", INSPECTION_OK, .inspecting = true,
      .changed = true, .due_in_ms = 5000, .list_in_ms = -1, .inspect = 2, .watch = true,
      .next_ms = -1 },
    { "and before the first", INSPECTION_NONE, .changed = true, .list_in_ms = -1, .inspect = 2,
      .watch = true, .next_ms = -1 },
    { "a suspended plan asks nobody", INSPECTION_OK, .changed = true, .quiet = SUSPENDED,
      .retry = "one", .retry_age_ms = -1, .list_in_ms = -1, .next_ms = -1 },
    { "nor does one that is deleted", INSPECTION_OK, .changed = true, .quiet = DELETING,
      .list_in_ms = -1, .next_ms = -1 },
    { "nor one that cannot be read", INSPECTION_OK, .changed = true, .quiet = INVALID,
      .list_in_ms = -1, .next_ms = -1 },
    { "a retry that is new asks everybody", INSPECTION_OK, .due_in_ms = 900000, .retry = "one",
      .retry_age_ms = -1, .list_in_ms = -1, .inspect = 2, .watch = true, .poll_now = true,
      .next_ms = STEP_RETRY_BOUND_MS },
    { "once", INSPECTION_OK, .due_in_ms = 900000, .retry = "one", .retry_age_ms = 10,
      .list_in_ms = -1, .watch = true, .next_ms = STEP_RETRY_BOUND_MS },
    { "one that is handled is none", INSPECTION_OK, .due_in_ms = 900000, .retry = "one",
      .handled = "one", .retry_age_ms = -1, .list_in_ms = -1, .watch = true, .next_ms = 900000 },
    { "a pinned commit is not polled for", INSPECTION_OK, .due_in_ms = 7, .pinned = true,
      .list_in_ms = -1, .next_ms = 7 },
    { "a source that cannot be polled is tried again", INSPECTION_OK, .due_in_ms = 900000,
      .source_failed = true, .list_in_ms = -1, .watch = true, .next_ms = RETRY_INTERVAL_MS },
    { "a fleet's Secrets are listed", INSPECTION_OK, .due_in_ms = 900000, .watch = true,
      .list = true, .next_ms = 900000 },
    { "or will be", INSPECTION_OK, .due_in_ms = 900000, .list_in_ms = 700, .watch = true,
      .next_ms = 700 },
    { "also while it is suspended", INSPECTION_OK, .quiet = SUSPENDED, .list_in_ms = 700,
      .next_ms = 700 },
};

static void check(const struct row *row)
{
    struct mplan_database databases[2] = { { .name = (char[]){ "a" } },
                                           { .name = (char[]){ "b" } } };
    struct mplan plan = { .databases = databases,
                          .database_count = 2,
                          .retry_interval_ms = RETRY_INTERVAL_MS,
                          .suspend = row->quiet == SUSPENDED,
                          .deleting = row->quiet == DELETING };
    struct status status = { 0 };
    struct database_view views[2] = { 0 };
    struct decision decision;
    struct err *broken = err_new(ERR_TERMINAL, "InvalidSpec", "x");
    char revision[] = "abc";
    struct observed seen = { .plan = &plan,
                             .status = &status,
                             .databases = views,
                             .spec_error = row->quiet == INVALID ? broken : NULL,
                             .retry_age_ms = row->retry_age_ms,
                             .source_failed = row->source_failed,
                             .list_in_ms = row->list_in_ms };

    plan.revision = row->pinned ? revision : NULL;
    if (row->retry) {
        kvlist_set(&plan.annotations, ANNOTATION_RETRY, row->retry);
    }
    status.last_handled_retry = mem_strdup(row->handled);
    for (size_t i = 0; i < 2; i++) {
        views[i].inspection = row->inspection;
        views[i].failure =
            (struct failure){ .reason = "DatabaseUnavailable", .message = "x", .count = 1 };
        views[i].inspecting = row->inspecting;
        views[i].changed = row->changed;
        views[i].due_in_ms = row->due_in_ms;
        views[i].due = step_is_due(&seen, i);
        views[i].inspecting = views[i].inspecting || views[i].due;
    }
    step_decide(&seen, &decision);
    const struct wishes *wishes = &decision.wishes;
    cr_expect_eq(wishes->inspect_count, row->inspect, "%s: %zu inspections", row->rule,
                 wishes->inspect_count);
    cr_expect_eq(wishes->watch, row->watch, "%s: watch", row->rule);
    cr_expect_eq(wishes->poll_now, row->poll_now, "%s: poll now", row->rule);
    cr_expect_eq(wishes->list, row->list, "%s: list", row->rule);
    cr_expect_eq(wishes->next_ms, row->next_ms, "%s: next in %lld ms", row->rule,
                 (long long)wishes->next_ms);
    decision_done(&decision);
    free(status.last_handled_retry);
    kvlist_done(&plan.annotations);
    err_free(broken);
}

Test(step_wishes, the_schedules_want)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check(&rows[i]);
    }
}
