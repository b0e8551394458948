/* SPDX-License-Identifier: Apache-2.0 */
/* Exhaustive walks over what can be observed, with the invariants of every decision. */
#include "step_view.h"

/* ---- walk 1: everything about one database ----------------------------------------------------- */

static void set_target(struct view *v, size_t i, int target)
{
    struct database_view *d = &v->databases[i];
    if (target == 1) {
        d->target[0] = '\0';
    } else if (target == 2) {
        d->head = 1; /* went backwards */
    }
}

static void set_snag(struct view *v, size_t i, int snag)
{
    struct database_view *d = &v->databases[i];
    switch (snag) {
    case 1:
        d->read_only = true;
        break;
    case 2:
        d->create = (struct failure){ "a reason of another version", "not ours", 1000, 1 };
        break;
    case 3:
        d->record = (struct failure){ REASON_DATABASE_UNAVAILABLE, "no answer", 1000, 1 };
        break;
    case 4:
        d->after_job = d->job.phase != JOB_ENDED;
        break;
    case 5:
        d->record = (struct failure){ REASON_FORMAT_TOO_NEW, "too new", 1000, 1 };
        break;
    case 6:
        d->job.tries = 9;
        break;
    case 7:
        d->busy = true;
        break;
    case 8:
        d->job.retry_token = NULL;
        d->inspecting = true;
        break;
    default:
        break;
    }
}

Test(step_walk, everything_about_one_database)
{
    static const enum memory memories[] = { NEVER, READY, FIRST_WAVE, FAILED };
    struct tally tally = { 0 };
    int counts[] = { LOOKS, JOBS, PLANS, OWNERS, TARGETS, SNAGS, (int)ROWS(memories) };
    int pick[ROWS(counts)] = { 0 };
    do {
        if (pick[0] != 1 && (pick[3] > 1 || pick[4] > 0)) {
            continue; /* owner and target are facts of a good look */
        }
        static struct view v;
        view_init(&v, 1);
        remember(&v, memories[pick[6]]);
        set_look(&v, 0, pick[0]);
        set_job(&v, 0, pick[1]);
        set_plan(&v, 0, pick[2]);
        v.databases[0].owner = (enum owner_relation)pick[3];
        set_target(&v, 0, pick[4]);
        set_snag(&v, 0, pick[5]);
        check_view(&v, &tally, "one database");
        view_done(&v);
    } while (next_pick(counts, pick, ROWS(counts)));
    cr_expect(tally.views > 100000, "walked %ld", tally.views);
    cr_log_info("walked %ld", tally.views);
    cr_expect(tally.effects[EFFECT_CREATE_JOB] > 0 && tally.effects[EFFECT_INSPECT] > 0 &&
                  tally.effects[EFFECT_RECORD_FAILURE] > 0,
              "the walk reaches the effects");
}

/* ---- walk 2: the plan around two databases ----------------------------------------------------- */

enum {
    KINDS = 10,
    LIVES = 7,
    SOURCES = 13,
    POLLS = 3
};

static void set_kind(struct view *v, size_t i, int kind)
{
    switch (kind) {
    case 0:
        break; /* up to date */
    case 1:
        set_look(v, i, 0);
        break;
    case 2:
        set_look(v, i, 2);
        break;
    case 3:
        set_plan(v, i, 2);
        break;
    case 4:
        set_plan(v, i, 2);
        set_job(v, i, 2);
        break;
    case 5:
        set_plan(v, i, 2);
        set_job(v, i, 1);
        break;
    case 6:
        fail_with(v, i, REASON_MIGRATION_FAILED);
        break;
    case 7:
        fail_with(v, i, REASON_CHECKSUM_MISMATCH);
        break;
    case 8: /* up to date, of a plan that is gone */
        v->databases[i].owner = OWNER_GONE;
        break;
    default: /* failed, and the database does not know */
        set_plan(v, i, 2);
        set_job(v, i, 3 + OUTCOME_FAILED);
        break;
    }
}

static void set_life(struct view *v, int life)
{
    v->plan.suspend = life == 1 || life == 6;
    v->plan.deleting = life == 2 || life == 3 || life == 5;
    v->plan.deletion_policy = life == 3 || life == 5 ? DELETION_CANCEL : DELETION_WAIT;
    v->databases[0].job.cancelling = life == 5;
    if (life == 4 || life == 6) {
        v->invalid = (struct err){ ERR_TERMINAL, REASON_INVALID_SPEC, text("spec.x: unknown") };
        v->seen.spec_error = &v->invalid;
    }
}

/* 7: with other trees; 8: not looked into yet; 9: rewritten; from 10 on the roll-out's is not to be
 * had: gone, cut off, too large. */
static void another_commit(struct view *v, int source)
{
    struct commit_view *newest = &v->seen.source.newest;
    v->seen.source.rollout = *newest;
    memcpy(newest->commit, OLDER, sizeof OLDER);
    newest->rewrite = source == 9 ? REWRITE_CHANGED : REWRITE_NONE;
    if (source >= 10) {
        static const char *const reasons_[] = { REASON_REVISION_NOT_FOUND,
                                                REASON_SOURCE_FETCH_FAILED,
                                                REASON_SOURCE_TOO_LARGE };
        v->seen.source.rollout.fetch = FETCH_FAILED;
        v->seen.source.rollout.fetch_failure =
            (struct failure){ reasons_[source - 10], "not to be had", 1000, 1 };
    }
    for (size_t i = 0; i < v->plan.database_count; i++) {
        memcpy(v->databases[i].newest_inputs, source == 8 ? "" : "9999222233334444",
               source == 8 ? 1 : 17);
    }
}

static void set_source(struct view *v, int source)
{
    struct commit_view *newest = &v->seen.source.newest;
    switch (source) {
    case 0:
        break; /* here, the roll-out's own */
    case 1:
        memset(newest, 0, sizeof *newest);
        break;
    case 2:
        newest->fetch = FETCH_NONE;
        break;
    case 3:
        newest->fetch = FETCH_RUNNING;
        break;
    case 4:
        newest->fetch = FETCH_FAILED;
        newest->fetch_failure = (struct failure){ REASON_SOURCE_FETCH_FAILED, "cut off", 1000, 1 };
        break;
    case 5:
        newest->fetch = FETCH_FAILED;
        newest->fetch_failure = (struct failure){ REASON_SOURCE_TOO_LARGE, "too large", 1000, 1 };
        break;
    case 6:
        newest->rewrite = REWRITE_CHANGED;
        break;
    default: /* another commit than the roll-out's */
        another_commit(v, source);
        break;
    }
    if (newest->fetch != FETCH_DONE) {
        for (size_t i = 0; i < v->plan.database_count; i++) {
            v->databases[i].plan = NULL;
            v->databases[i].plan_error = NULL;
            v->databases[i].inputs[0] = v->databases[i].newest_inputs[0] = '\0';
        }
    }
}

static void set_poll(struct view *v, int poll)
{
    if (poll > 0) {
        v->seen.source.poll =
            (struct failure){ REASON_SOURCE_UNAVAILABLE, "no route", 1000, poll == 1 ? 1 : 3 };
    }
}

static void set_waves(struct view *v, int strategy)
{
    if (strategy == 1) {
        v->plan.strategy = STRATEGY_ALL_AT_ONCE;
    } else if (strategy > 1) {
        set_first_wave(v, strategy - 1);
    }
}

Test(step_walk, the_plan_around_two_databases)
{
    struct tally tally = { 0 };
    int counts[] = { KINDS, KINDS, LIVES, SOURCES, POLLS, MEMORIES, 4, 2, 2 };
    int pick[ROWS(counts)] = { 0 };
    do {
        bool plain = pick[4] == 0 && pick[7] == 0 && pick[8] == 0;
        bool source = pick[3] < 2 || pick[3] == 7;
        if ((pick[2] > 0 && (!plain || !source)) || (pick[4] > 0 && pick[3] > 1) ||
            (pick[6] > 1 && (pick[7] || pick[8]))) {
            continue; /* poll, token, maxFailures and source do not matter there */
        }
        static struct view v;
        view_init(&v, 2);
        set_waves(&v, pick[6]);
        v.plan.max_failures = pick[8];
        remember(&v, (enum memory)pick[5]);
        set_kind(&v, 0, pick[0]);
        set_kind(&v, 1, pick[1]);
        set_life(&v, pick[2]);
        set_source(&v, pick[3]);
        set_poll(&v, pick[4]);
        if (pick[7]) {
            v.annotations[0] = (struct kv){ text(ANNOTATION_RETRY), text("now") };
            v.plan.annotations.count = 1;
        }
        check_view(&v, &tally, "two databases");
        view_done(&v);
    } while (next_pick(counts, pick, ROWS(counts)));
    cr_expect(tally.views > 100000, "walked %ld", tally.views);
    cr_log_info("walked %ld", tally.views);
    for (int effect = EFFECT_NONE; effect < EFFECT_MAX_; effect++) {
        bool elsewhere = effect == EFFECT_REFRESH || effect == EFFECT_DELETE_STRAYS ||
                         effect == EFFECT_RECORD_FAILURE || effect == EFFECT_RECORD_RESOLUTION;
        cr_expect(elsewhere || tally.effects[effect] > 0, "the walk never reaches %s",
                  effect_text((enum effect)effect));
    }
}

/* ---- walk 3: verdicts -------------------------------------------------------------------------- */

enum {
    RECORDS = 5,
    ITEMS = 5
};

static void set_record(struct view *v, int record)
{
    struct failure failures[RECORDS] = { { 0 },
                                         { REASON_DATABASE_UNAVAILABLE, "no answer", 1000, 1 },
                                         { REASON_DATABASE_UNAVAILABLE, "no answer", 900000, 1 },
                                         { REASON_INVALID_SPEC, "nothing to resolve", 1000, 1 },
                                         { REASON_SUCCEEDED, "no reason to fail", 1000, 1 } };
    v->databases[0].record = failures[record];
}

Test(step_walk, verdicts)
{
    static const enum memory memories[] = { NEVER, FIRST_WAVE, FAILED };
    struct tally tally = { 0 };
    int counts[] = { RECORDS, ITEMS, LOOKS, 5, 2, 2, (int)ROWS(memories) };
    int pick[ROWS(counts)] = { 0 };
    do {
        struct resolve_item items[2] = { { .database = text("orders"), .version = text("1") },
                                         { .database = text("nobody"), .version = text("1") } };
        struct resolve_list list = { .items = items, .count = (size_t)(pick[1] > 2) + 1 };
        bool resolved[2] = { pick[1] == 1 || pick[1] == 4, false };
        static struct view v;
        view_init(&v, 1);
        remember(&v, memories[pick[6]]);
        set_look(&v, 0, pick[2]);
        set_job(&v, 0, pick[3]);
        set_record(&v, pick[0]);
        if (v.databases[0].known) {
            fail_with(&v, 0, REASON_OUTCOME_UNKNOWN);
        }
        v.databases[0].busy = pick[4];
        v.databases[0].inspecting = pick[5];
        v.annotations[0] = (struct kv){ text(ANNOTATION_RESOLVE), text("[...]") };
        v.plan.annotations.count = 1;
        items[1].database = pick[1] == 3 ? text("orders") : text("nobody");
        v.databases[0].after_job = pick[3] < 3 || pick[1] > 0;
        items[0].database = pick[1] == 2 ? text("nobody") : text("orders");
        v.seen.resolve = pick[1] == 0 && pick[4] ? NULL : &list;
        v.seen.resolved = resolved;
        check_view(&v, &tally, "verdicts");
        view_done(&v);
    } while (next_pick(counts, pick, ROWS(counts)));
    cr_expect(tally.effects[EFFECT_RECORD_RESOLUTION] > 0, "the walk reaches the effect");
}
