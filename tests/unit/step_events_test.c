/* SPDX-License-Identifier: Apache-2.0 */
/* What is told as an event, because no condition changes for it. */
#include "base/auto.h"
#include "step_rules.h"

/* The one event of that reason that this observation leads to; its message into `message`. */
static bool is_told(const struct observed *seen, const char *reason, char message[256])
{
    struct decision d;
    bool found = false;

    message[0] = '\0';
    step_decide(seen, &d);
    for (size_t i = 0; i < d.event_count; i++) {
        if (str_eq(d.events[i].reason, reason)) {
            cr_expect(!found, "%s is told twice in one decision", reason);
            found = true;
            (void)snprintf(message, 256, "%s", d.events[i].message);
        }
    }
    decision_done(&d);
    return found;
}

static void tag(struct world *w, const char *rule)
{
    char message[256];
    struct observed seen;
    settle_with(w, 1);
    world_observe(w, &seen);
    seen.source.newest.tag_moved = true;
    cr_expect(!is_told(&seen, REASON_TAG_MOVED, message), "%s: told of the same commit", rule);
    memset(seen.source.newest.commit, 'c', 40);
    cr_expect(is_told(&seen, REASON_TAG_MOVED, message), "%s", rule);
    cr_expect(strstr(message, "now names cccccccccccc"), "%s: %s", rule, message);
    seen.source.newest.tag_moved = false;
    cr_expect(!is_told(&seen, REASON_TAG_MOVED, message), "%s: told of a branch", rule);
}

static void passed_over(struct world *w, const char *rule)
{
    static char first[] = "sql/a.sql is passed over", second[] = "sql/b.sql is passed over";
    static char *both[] = { first, second }, *other[] = { second };
    static const struct strlist none = { 0 }, one = { .items = both, .count = 1 },
                                two = { .items = both, .count = 2 },
                                another = { .items = other, .count = 1 };
    char message[256];
    struct observed seen;
    struct decision d;
    settle_with(w, 1);
    world_observe(w, &seen);
    cr_expect(!is_told(&seen, REASON_FILES_PASSED_OVER, message), "%s: not known", rule);
    seen.notices = &none;
    cr_expect(!is_told(&seen, REASON_FILES_PASSED_OVER, message), "%s: there are none", rule);
    seen.notices = &one;
    cr_expect(is_told(&seen, REASON_FILES_PASSED_OVER, message), "%s", rule);
    check_text(rule, message, first);
    seen.notices = &two;
    cr_expect(is_told(&seen, REASON_FILES_PASSED_OVER, message), "%s: of two", rule);
    check_text(rule, message, "sql/a.sql is passed over (and 1 more, see status.notices)");
    step_decide(&seen, &d);
    want_number(rule, "status.notices", (long long)d.status.notices.count, 2);
    seen.status = &d.status;
    cr_expect(!is_told(&seen, REASON_FILES_PASSED_OVER, message), "%s: told once", rule);
    seen.notices = &one;
    cr_expect(is_told(&seen, REASON_FILES_PASSED_OVER, message), "%s: fewer", rule);
    decision_done(&d);
    seen.status = &w->status;
    seen.notices = &one;
    step_decide(&seen, &d);
    seen.status = &d.status;
    seen.notices = &another;
    cr_expect(is_told(&seen, REASON_FILES_PASSED_OVER, message), "%s: another", rule);
    seen.notices = &none;
    cr_expect(!is_told(&seen, REASON_FILES_PASSED_OVER, message), "%s: renamed", rule);
    decision_done(&d);
}

static void verdicts(struct world *w, const char *rule)
{
    static char orders[] = "orders", one[] = "1";
    static struct resolve_item items[] = {
        { .database = orders, .version = one, .step = 1, .verdict = VERDICT_APPLIED },
    };
    static const struct resolve_list list = { .items = items, .count = 1 };
    static const bool done[] = { true }, open[] = { false };
    char message[256];
    struct observed seen;
    w->databases[0].unknown = true;
    world_push(w, 1, false);
    world_settle(w, 10000);
    world_annotate(w, ANNOTATION_RESOLVE, "the list");
    world_observe(w, &seen);
    seen.resolve = &list;
    seen.resolved = open;
    cr_expect(!is_told(&seen, REASON_OUTCOME_RESOLVED, message), "%s: told too early", rule);
    seen.resolved = done;
    cr_expect(is_told(&seen, REASON_OUTCOME_RESOLVED, message), "%s", rule);
    cr_expect(strstr(message, "1 verdict"), "%s: %s", rule, message);
}

static void lost_status(struct world *w, const char *rule)
{
    static const struct status nothing = { 0 };
    char message[256];
    struct observed seen;
    settle_with(w, 2);
    world_observe(w, &seen);
    cr_expect(!is_told(&seen, REASON_RECOVERED_FROM_HISTORY, message), "%s: nothing was lost",
              rule);
    seen.status = &nothing;
    cr_expect(is_told(&seen, REASON_RECOVERED_FROM_HISTORY, message), "%s", rule);
    cr_expect_neq(message[0], '\0', "%s", rule);
}

static void dead_job(struct world *w, const char *rule)
{
    char message[256];
    struct observed seen;
    settle_with(w, 1);
    world_observe(w, &seen);
    cr_assert_eq(seen.databases[0].job.phase, JOB_ENDED);
    cr_assert_not_null(seen.databases[0].job.result);
    struct database_view view = seen.databases[0];
    struct database_status before = seen.status->databases[0];
    struct status old = *seen.status;
    before.journal--;
    old.databases = &before;
    seen.databases = &view;
    seen.status = &old;
    cr_expect(!is_told(&seen, REASON_RECOVERED_FROM_HISTORY, message), "%s: its Job said so", rule);
    view.job.result = NULL;
    cr_expect(is_told(&seen, REASON_RECOVERED_FROM_HISTORY, message), "%s", rule);
    cr_expect(strstr(message, "orders"), "%s: %s", rule, message);
    before.journal++;
    cr_expect(!is_told(&seen, REASON_RECOVERED_FROM_HISTORY, message), "%s: nothing moved", rule);
}

static const struct scene scenes[] = {
    { "a tag that names another commit is an event", 1, tag },
    { "files that are passed over are an event, when they are found and when others are", 1,
      passed_over },
    { "verdicts that were recorded are an event, once all are", 1, verdicts },
    { "a plan without a status, up to date by what its databases say, is an event", 1,
      lost_status },
    { "a Job that died without a word, and its database says that it is done, is an event", 1,
      dead_job },
};

Test(step_events, are_told)
{
    play_scenes(scenes, ROWS(scenes));
}
