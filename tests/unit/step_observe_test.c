/* SPDX-License-Identifier: Apache-2.0 */
/* From an inspection to facts; tokens, hashes and verdicts from annotations. */
#include "base/auto.h"
#include "base/str.h"
#include "model/reason.h"
#include "reconcile/step/step.h"
#include "rows.h"

static char *text(const char *literal)
{
    return (char *)(uintptr_t)literal;
}

static struct mplan_database entries[2];
static struct mplan plan = { .databases = entries, .database_count = 2 };

static void setup(void)
{
    entries[0].name = text("orders");
    entries[1].name = text("billing");
    plan.uid = text("uid-1");
}

struct lease_row {
    const char *rule;
    bool present;
    const char *uid, *cluster, *database;
    enum owner_relation want;
    const char *label;
};
static const struct lease_row leases[] = {
    { "no lease row", false, NULL, NULL, NULL, OWNER_NONE, "" },
    { "never owned", true, NULL, NULL, NULL, OWNER_NONE, "" },
    { "mine", true, "uid-1", "c1", "orders", OWNER_MINE, "plan shop/plan, database orders" },
    { "another entry of this plan", true, "uid-1", "c1", "billing", OWNER_OTHER_ENTRY,
      "plan shop/plan, database billing" },
    { "an entry that is no longer in the spec", true, "uid-1", "c1", "old", OWNER_GONE,
      "plan shop/plan, database old" },
    { "another plan", true, "uid-2", "c1", "orders", OWNER_OTHER_PLAN,
      "plan shop/plan, database orders" },
    { "another cluster, whatever else it says", true, "uid-1", "c2", "orders", OWNER_OTHER_CLUSTER,
      "plan shop/plan, database orders" },
    { "a lease without its entry's name", true, "uid-1", "c1", NULL, OWNER_GONE,
      "plan shop/plan, database ?" },
};

Test(step_observe, who_the_lease_names, .init = setup)
{
    for (size_t i = 0; i < ROWS(leases); i++) {
        const struct lease_row *r = &leases[i];
        struct inspection inspection = { .lease = {
                                             .present = r->present,
                                             .owner_plan_uid = text(r->uid),
                                             .owner_cluster = text(r->cluster),
                                             .owner_database = text(r->database),
                                             .owner_namespace = text("shop"),
                                             .owner_name = text("plan"),
                                             .target_id = "aaaabbbb-0000-4000-8000-000000000000",
                                             .epoch = 7,
                                         } };
        struct database_view view = { 0 };
        step_observe(&inspection, &plan, 0, "c1", &view);
        cr_expect(view.owner == r->want, "%s: %d", r->rule, view.owner);
        check_text(r->rule, view.owner_label, r->label);
        cr_expect(view.epoch == (r->present ? 7 : 0), "%s: epoch", r->rule);
        cr_expect((view.target[0] != '\0') == r->present, "%s: target", r->rule);
        cr_expect(view.known, "%s", r->rule);
    }
}

struct idle_row {
    const char *rule;
    bool looked, present;
    int64_t attempt; /* that the lease names */
    int64_t look_age_ms, job_age_ms;
    bool want;
};
static const struct idle_row idlers[] = {
    /* of attempt 4, with startTimeout 10m and deadline 1h */
    { "it may begin yet", true, true, 3, 0, 11 * 60000 - 1, false },
    { "it cannot begin any more", true, true, 3, 0, 11 * 60000, true },
    { "nor where nothing ever began", true, false, 0, 0, 11 * 60000, true },
    { "nor once a command has taken over", true, true, 0, 0, 11 * 60000, true },
    { "the look is from before that", true, true, 3, 1, 11 * 60000, false },
    { "a later look is newer", true, true, 3, 60000, 12 * 60000, true },
    { "it has begun", true, true, 4, 0, 11 * 60000, false },
    { "it has begun, and has its time", true, true, 4, 0, 90 * 60000 - 1, false },
    { "it has begun, and its time is over", true, true, 4, 0, 90 * 60000, true },
    { "nobody has looked", false, false, 0, 0, 90 * 60000 - 1, false },
    { "nobody has looked, and its time is over", false, false, 0, 0, 90 * 60000, true },
};

Test(step_observe, which_job_can_do_nothing_any_more, .init = setup)
{
    plan.start_timeout_ms = 10 * 60000;
    plan.execution.deadline_ms = 60 * 60000;
    for (size_t i = 0; i < ROWS(idlers); i++) {
        const struct idle_row *r = &idlers[i];
        const struct lease lease = { .present = r->present, .attempt = r->attempt, .epoch = 9 };
        cr_expect_eq(
            step_is_idle(&plan, r->looked ? &lease : NULL, r->look_age_ms, 4, r->job_age_ms),
            r->want, "%s", r->rule);
    }
}

Test(step_observe, head_journal_and_clock, .init = setup)
{
    struct history_row rows[3] = { { .rank = 1, .success = true },
                                   { .rank = 2, .success = true },
                                   { .rank = 3, .success = false } };
    struct journal_row journal[3] = { { .seq = 1, .finished_ms = 500 },
                                      { .seq = 2, .finished_ms = 900 },
                                      { .seq = 3, .finished_ms = 0 } };
    struct inspection inspection = {
        .identity = { .engine = ENGINE_MARIADB, .now_ms = 1234, .read_only = true },
        .history = { .rows = rows, .count = 3 },
        .journal = { .rows = journal, .count = 3, .head_seq = 3 },
        .other_lease_table = text("other"),
    };
    struct database_view view = { 0 };
    step_observe(&inspection, &plan, 1, "c1", &view);
    cr_expect(view.head == 2, "the newest successful row is the head");
    cr_expect(view.journal == 3 && view.newest_finished_ms == 900 && view.now_ms == 1234, "times");
    cr_expect(view.read_only && view.other_table && view.engine == ENGINE_MARIADB, "identity");
}

struct failure_row {
    const char *rule;
    const char *script; /* of the result; NULL: it names none */
    const char *row;    /* script of the journal row */
    enum journal_state state;
    int64_t attempt, epoch;
    const char *applied; /* version in the history */
    bool want;
    bool undone;     /* that row is success = false */
    bool repeatable; /* the result names no version */
};
static const struct failure_row failures[] = {
    { "its own failed row", "V2", "V2", JOURNAL_FAILED, 5, 5, NULL, true, false, false },
    { "a row of it that is not failed", "V2", "V2", JOURNAL_INTENT, 5, 5, NULL, false, false,
      false },
    { "a failed row of an earlier attempt", "V2", "V2", JOURNAL_FAILED, 4, 4, NULL, false, false,
      false },
    { "a failed row of another file", "V2", "V1", JOURNAL_FAILED, 5, 5, NULL, false, false, false },
    { "the controller wrote it", "V2", "V2", JOURNAL_FAILED, 0, 6, NULL, true, false, false },
    { "somebody went on from there", "V2", "V2", JOURNAL_DONE, 0, 6, NULL, true, false, false },
    { "its own row after its epoch was bumped is no news", "V2", "V2", JOURNAL_DONE, 5, 6, NULL,
      false, false, false },
    { "the version was applied since", "V2", "V1", JOURNAL_DONE, 1, 1, "2", true, false, false },
    { "another version was applied", "V2", "V1", JOURNAL_DONE, 1, 1, "1", false, false, false },
    { "a failure that names no file", NULL, "V2", JOURNAL_FAILED, 5, 5, NULL, false, false, false },
    { "the version failed again since", "V2", "V1", JOURNAL_DONE, 1, 1, "2", false, true, false },
    { "a repeatable has no version", "V2", "V1", JOURNAL_DONE, 1, 1, "2", false, false, true },
};

Test(step_observe, when_the_database_knows_of_a_failure, .init = setup)
{
    for (size_t i = 0; i < ROWS(failures); i++) {
        const struct failure_row *r = &failures[i];
        struct journal_row row = {
            .script = text(r->row), .state = r->state, .attempt = r->attempt, .epoch = r->epoch
        };
        struct history_row applied = { .version_text = text(r->applied), .success = !r->undone };
        struct inspection inspection = {
            .journal = { .rows = &row, .count = 1 },
            .history = { .rows = &applied, .count = r->applied != NULL },
        };
        struct result result = { .failed = { .script = text(r->script),
                                             .version = text(r->repeatable ? NULL : "2") } };
        struct database_view view = { .job = { .attempt = 5, .result = &result } };
        step_observe(&inspection, &plan, 0, "c1", &view);
        cr_expect(view.failure_recorded == r->want, "%s", r->rule);
        view.job.result = NULL;
        step_observe(&inspection, &plan, 0, "c1", &view);
        cr_expect(!view.failure_recorded, "%s: no result", r->rule);
    }
}

/* ---- what it proves for others ---------------------------------------------------------------- */

Test(step_observe, an_empty_database_and_the_commit_of_its_newest_row, .init = setup)
{
    struct journal_row rows[] = { { .git_commit = text("aa"), .finished_ms = 5 },
                                  { .git_commit = text("bb"), .finished_ms = 9 },
                                  { .git_commit = text(""), .finished_ms = 7 },
                                  { .git_commit = NULL, .finished_ms = 7 } };
    struct history_row applied = { .success = true, .rank = 1 };
    struct inspection inspection = { .journal = { .rows = rows, .count = 4 },
                                     .history = { .schema_empty = true } };
    struct database_view view = { 0 };
    step_observe(&inspection, &plan, 0, "c1", &view);
    cr_expect(view.empty, "no history, no tables");
    check_text("a row without a commit says nothing", view.newest_commit, "bb");
    inspection.journal.count = 0;
    inspection.history.schema_empty = false;
    step_observe(&inspection, &plan, 0, "c1", &view);
    cr_expect(!view.empty, "tables of somebody");
    check_text("no row", view.newest_commit, "");
    inspection.history = (struct history){ .schema_empty = true, .rows = &applied, .count = 1 };
    step_observe(&inspection, &plan, 0, "c1", &view);
    cr_expect(!view.empty, "a history");
}

struct foreign_row {
    const char *rule;
    int32_t history[5]; /* ranks; negative: not successful */
    int32_t journal[5]; /* installed_rank of rows, in their order */
    int32_t want;
    int32_t pruned; /* highest rank whose rows were deleted */
};
static const struct foreign_row foreigns[] = {
    { "nothing", { 0 }, { 0 }, 0, 0 },
    { "all of them ours", { 1, 2, 3 }, { 1, 2, 3 }, 0, 0 },
    { "adopted: none of them ours", { 1, 2, 3 }, { 0 }, 3, 0 },
    { "adopted, then ours", { 1, 2, 3 }, { 3 }, 2, 0 },
    { "by hand after ours", { 1, 2, 3 }, { 1, 2 }, 3, 0 },
    { "by hand between ours", { 1, 2, 3 }, { 1, 3 }, 2, 0 },
    { "steps before the row of the file", { 1, 2 }, { 1, -1, -1, 2 }, 0, 0 },
    { "several rows of one rank", { 1, 2 }, { 1, 2, 2, 2 }, 0, 0 },
    { "a row of ours that is gone from the history", { 1 }, { 1, 2 }, 0, 0 },
    { "one that failed is not applied", { 1, -2 }, { 1 }, 0, 0 },
    { "ours, of which the journal was pruned", { 1, 2, 3 }, { 3 }, 0, .pruned = 2 },
    { "by hand after what was pruned", { 1, 2, 3, 4 }, { 4 }, 3, .pruned = 2 },
};

Test(step_observe, the_newest_row_that_another_tool_wrote, .init = setup)
{
    for (size_t i = 0; i < ROWS(foreigns); i++) {
        const struct foreign_row *r = &foreigns[i];
        struct history_row history[5] = { 0 };
        struct journal_row journal[5] = { 0 };
        struct inspection inspection = { .history = { .rows = history },
                                         .journal = { .rows = journal },
                                         .lease = { .pruned_rank = r->pruned } };
        for (size_t k = 0; k < 5 && r->history[k]; k++) {
            int32_t rank = r->history[k];
            history[inspection.history.count++] =
                (struct history_row){ .rank = rank < 0 ? -rank : rank, .success = rank > 0 };
        }
        for (size_t k = 0; k < 5 && r->journal[k]; k++) { /* -1: a row of a step */
            journal[inspection.journal.count++].installed_rank =
                r->journal[k] > 0 ? r->journal[k] : 0;
        }
        struct database_view view = { 0 };
        step_observe(&inspection, &plan, 0, "c1", &view);
        cr_expect(view.foreign == r->want, "%s: %d", r->rule, view.foreign);
    }
}

/* ---- tokens and hashes ------------------------------------------------------------------------- */

Test(step_observe, tokens)
{
    char token[65], other[65];
    step_token("a", token);
    check_text("SHA-256", token,
               "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
    step_token("", token);
    check_text("empty", token, "");
    step_token(NULL, token);
    check_text("none", token, "");
    struct kv annotation = { text(ANNOTATION_RETRY), text("a") };
    struct mplan p = { .annotations = { .items = &annotation, .count = 1 } };
    struct status s;
    status_init(&s);
    step_retry_token(&p, &s, token);
    step_token("a", other);
    check_text("the annotation's", token, other);
    p.annotations.count = 0;
    s.last_handled_retry = text("a");
    step_retry_token(&p, &s, token);
    check_text("taken away: the last handled one's", token, other);
}

static void spec_hash(const char *json, char out[17])
{
    AUTO(json_free_auto) struct json *spec = NULL;
    if (json) {
        err_free(json_parse(json, strlen(json), "spec", &spec));
    }
    struct mplan p = { .defaulted = spec };
    step_spec_hash(&p, out);
}

Test(step_observe, spec_hash_leaves_suspend_out)
{
    char a[17], b[17];
    spec_hash("{\"x\":1,\"suspend\":false}", a);
    spec_hash("{\"suspend\":true,\"x\":1}", b);
    check_text("suspend is no part of it", b, a);
    spec_hash("{\"x\":2,\"suspend\":false}", b);
    cr_expect(!str_eq(a, b), "everything else is");
    spec_hash(NULL, b);
    cr_expect(strlen(b) == 16 && !str_eq(a, b), "a broken spec has one too");
}

Test(step_observe, effects_have_names)
{
    check_text("first", effect_text(EFFECT_NONE), "None");
    check_text("last", effect_text(EFFECT_FORGET), "Forget");
}

/* ---- verdicts ---------------------------------------------------------------------------------- */

struct resolve_row {
    const char *rule;
    const char *json;
    const char *error; /* NULL: fine */
};
static const struct resolve_row resolves[] = {
    { "a version",
      "[{\"database\":\"orders\",\"version\":\"14\",\"step\":2,\"verdict\":\"applied\"}]", NULL },
    { "a description",
      "[{\"database\":\"o\",\"description\":\"views\",\"step\":0,\"verdict\":\"not-applied\","
      "\"reason\":\"looked\"}]",
      NULL },
    { "a restart, whatever its step",
      "[{\"database\":\"orders\",\"version\":\"14\",\"step\":2,\"verdict\":\"restart\"}]", NULL },
    { "not JSON", "[", "sluice.dev/resolve: line 1" },
    { "not a list", "{}", "sluice.dev/resolve: not a list" },
    { "not an object", "[1]", "element 0: not an object" },
    { "an unknown key", "[{\"databse\":\"o\"}]", "element 0: unknown key databse" },
    { "no database", "[{\"version\":\"1\",\"step\":1,\"verdict\":\"applied\"}]",
      "database is missing" },
    { "both names",
      "[{\"database\":\"o\",\"version\":\"1\",\"description\":\"d\",\"step\":1,"
      "\"verdict\":\"applied\"}]",
      "exactly one of version and description" },
    { "neither name", "[{\"database\":\"o\",\"step\":1,\"verdict\":\"applied\"}]",
      "exactly one of version and description" },
    { "no verdict", "[{\"database\":\"o\",\"version\":\"1\",\"step\":1}]",
      "neither applied nor not-applied" },
    { "another verdict", "[{\"database\":\"o\",\"version\":\"1\",\"step\":1,\"verdict\":\"yes\"}]",
      "neither applied nor not-applied" },
    { "no step", "[{\"database\":\"o\",\"version\":\"1\",\"verdict\":\"applied\"}]",
      "step is not the number" },
    { "a negative step",
      "[{\"database\":\"o\",\"version\":\"1\",\"step\":-1,\"verdict\":\"applied\"}]",
      "step is not the number" },
    { "too large a step",
      "[{\"database\":\"o\",\"version\":\"1\",\"step\":100001,\"verdict\":\"applied\"}]",
      "step is not the number" },
    { "the second element is named",
      "[{\"database\":\"o\",\"version\":\"1\",\"step\":1,\"verdict\":\"applied\"},{}]",
      "element 1: database is missing" },
};

Test(step_observe, the_resolve_annotation)
{
    for (size_t i = 0; i < ROWS(resolves); i++) {
        AUTO(resolve_list_done) struct resolve_list list = { 0 };
        struct err *e = resolve_parse(resolves[i].json, &list);
        cr_expect(!e || str_eq(e->reason, REASON_INVALID_SPEC), "%s", resolves[i].rule);
        cr_expect(e || list.count == 1, "%s", resolves[i].rule);
        check_error(resolves[i].rule, e, resolves[i].error);
    }
}

Test(step_observe, a_restart_is_of_the_whole_file)
{
    AUTO(resolve_list_done) struct resolve_list list = { 0 };
    cr_assert_null(resolve_parse(
        "[{\"database\":\"o\",\"version\":\"14\",\"step\":2,\"verdict\":\"restart\"}]", &list));
    cr_expect_eq(list.items[0].step, 0);
    cr_expect_eq(list.items[0].verdict, VERDICT_RESTART);
}

struct resolved_row {
    const char *rule;
    struct journal_row row;
    bool by_description, want;
};

Test(step_observe, a_verdict_in_the_journal)
{
    char one[] = "1", views[] = "views", token[] = "t", other[] = "u";
    const struct resolved_row rows[] = {
        { "the verdict",
          { .version = one,
            .state = JOURNAL_RESOLVED,
            .step = 2,
            .verdict = VERDICT_APPLIED,
            .retry_token = token },
          false,
          true },
        { "another token",
          { .version = one,
            .state = JOURNAL_RESOLVED,
            .step = 2,
            .verdict = VERDICT_APPLIED,
            .retry_token = other },
          false,
          false },
        { "another verdict",
          { .version = one,
            .state = JOURNAL_RESOLVED,
            .step = 2,
            .verdict = VERDICT_NOT_APPLIED,
            .retry_token = token },
          false,
          false },
        { "another step",
          { .version = one,
            .state = JOURNAL_RESOLVED,
            .step = 1,
            .verdict = VERDICT_APPLIED,
            .retry_token = token },
          false,
          false },
        { "no verdict",
          { .version = one,
            .state = JOURNAL_INTENT,
            .step = 2,
            .verdict = VERDICT_APPLIED,
            .retry_token = token },
          false,
          false },
        { "another file",
          { .version = views,
            .state = JOURNAL_RESOLVED,
            .step = 2,
            .verdict = VERDICT_APPLIED,
            .retry_token = token },
          false,
          false },
        { "a repeatable",
          { .description = views,
            .state = JOURNAL_RESOLVED,
            .step = 2,
            .verdict = VERDICT_APPLIED,
            .retry_token = token },
          true,
          true },
        { "another repeatable",
          { .description = one,
            .state = JOURNAL_RESOLVED,
            .step = 2,
            .verdict = VERDICT_APPLIED,
            .retry_token = token },
          true,
          false },
        { "a version with the repeatable's description",
          { .version = one,
            .description = views,
            .state = JOURNAL_RESOLVED,
            .step = 2,
            .verdict = VERDICT_APPLIED,
            .retry_token = token },
          true,
          false },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct journal_row row = rows[i].row;
        struct inspection inspection = { .journal = { .rows = &row, .count = 1 } };
        struct resolve_item item = { .version = rows[i].by_description ? NULL : one,
                                     .description = rows[i].by_description ? views : NULL,
                                     .step = 2,
                                     .verdict = VERDICT_APPLIED };
        cr_expect(step_resolved(&inspection, &item, "t") == rows[i].want, "%s", rows[i].rule);
    }
}
