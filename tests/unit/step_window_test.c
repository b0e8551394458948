/* SPDX-License-Identifier: Apache-2.0 */
/* Windows and freezes in the small world: what is held back, what is not, and how it goes on. */
#include "base/calendar.h"
#include "base/clock.h"
#include "reconcile/rollout/window.h"
#include "step_rules.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)

static struct mplan_window freezes[2];
static char freeze_from[2][TIME_TEXT_LEN], freeze_to[2][TIME_TEXT_LEN];

/* From `after_ms` from now on, so long. */
static void freeze(struct world *w, size_t index, int64_t after_ms, int64_t length_ms)
{
    struct mplan_window *f = &freezes[index];
    const int64_t now = w->utc_ms - w->utc_ms % 1000;
    *f = (struct mplan_window){ .from = freeze_from[index],
                                .to = freeze_to[index],
                                .from_ms = now + after_ms,
                                .to_ms = now + after_ms + length_ms };
    time_format(f->from_ms, f->from);
    time_format(f->to_ms, f->to);
    w->plan.execution.deadline_ms = HOUR_MS;
    w->plan.freezes = freezes;
    w->plan.freeze_count = index + 1;
    new_spec(w);
}

/* orders goes first, without a soak. */
static void orders_first(struct world *w)
{
    static char first[] = "first", orders[] = "orders";
    static char *names[] = { orders };
    w->waves[0] = (struct mplan_wave){ .name = first, .select = SELECT_NAMES };
    w->waves[0].names = (struct strlist){ .items = names, .count = 1 };
    w->plan.waves = w->waves;
    w->plan.wave_count = 1;
}

static void thaw(struct world *w)
{
    w->plan.freeze_count = 0;
    new_spec(w);
}

static void waits_and_goes_on(struct world *w, const char *rule)
{
    settle_with(w, 1);
    freeze(w, 0, 0, 8 * HOUR_MS);
    world_push(w, 2, false);
    world_pass(w, 2 * HOUR_MS);
    want(w, rule, CONDITION_READY, "Unknown AwaitingWindow");
    want(w, rule, CONDITION_WAITING, "True AwaitingWindow");
    want(w, rule, CONDITION_RECONCILING, "True AwaitingWindow");
    want_message(w, rule, CONDITION_WAITING, "wave canary waits: frozen (");
    want_message(w, rule, CONDITION_WAITING, freeze_to[0]);
    want_applied(w, rule, "orders:1 billing:1");
    cr_expect_eq(w->status.rollout.phase, PHASE_WAITING, "%s", rule);
    cr_expect(w->status.window.present && !w->status.window.open, "%s", rule);
    want_number(rule, "the end of the freeze", w->status.window.next_ms, freezes[0].to_ms);
    want_number(rule, "seconds of spec.timeout", w->status.rollout.elapsed_ms, 0);
    world_pass(w, 7 * HOUR_MS); /* nobody looks in: the decision has set its own clock */
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_applied(w, rule, "orders:3 billing:3");
    cr_expect(w->status.window.open, "%s", rule);
}

static void edit_opens(struct world *w, const char *rule)
{
    settle_with(w, 1);
    freeze(w, 0, 0, 8 * HOUR_MS);
    world_push(w, 1, false);
    world_settle(w, MINUTE_MS);
    char digest[sizeof w->status.rollout.digest];
    memcpy(digest, w->status.rollout.digest, sizeof digest);
    cr_expect(digest[0], "%s: frozen at once", rule);
    int64_t started = w->status.rollout.started_ms;
    thaw(w);
    world_pass(w, 100);
    want_number(rule, "when it began", w->status.rollout.started_ms, started);
    world_settle(w, 60 * MINUTE_MS);
    want_applied(w, rule, "orders:2 billing:2");
    cr_expect_not(w->status.window.present, "%s", rule);
}

static void between_waves(struct world *w, const char *rule)
{
    orders_first(w);
    settle_with(w, 1);
    freeze(w, 0, 90, 4 * HOUR_MS);
    world_push(w, 1, false);
    world_pass(w, HOUR_MS);
    want_applied(w, rule, "orders:1 billing:1 stock:1");
    thaw(w);
    w->databases[0].file_ms = 10 * MINUTE_MS;
    world_pass(w, 2 * MINUTE_MS); /* the canary is at work */
    freeze(w, 0, MINUTE_MS, 4 * HOUR_MS);
    world_pass(w, HOUR_MS);
    want_applied(w, rule, "orders:2 billing:1 stock:1");
    want(w, rule, CONDITION_WAITING, "True AwaitingWindow");
    want_message(w, rule, CONDITION_WAITING, "wave rest waits");
    world_pass(w, 5 * HOUR_MS);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_applied(w, rule, "orders:2 billing:2 stock:2");
}

static void pauses_between_files(struct world *w, const char *rule)
{
    orders_first(w);
    freeze(w, 0, 15 * MINUTE_MS, 4 * HOUR_MS);
    w->databases[0].file_ms = 10 * MINUTE_MS;
    world_push(w, 3, false);
    world_pass(w, HOUR_MS);
    want_applied(w, rule,
                 "orders:2 billing:0"); /* the second one was at work when the freeze began */
    want(w, rule, CONDITION_WAITING, "True AwaitingWindow");
    want_number(rule, "tries", w->databases[0].highest_attempt, 1);
    world_pass(w, 6 * HOUR_MS);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
    want_applied(w, rule, "orders:3 billing:3");
    want_number(rule, "tries", w->databases[0].highest_attempt, 2);
}

static void interrupted_goes_on(struct world *w, const char *rule)
{
    orders_first(w);
    settle_with(w, 1);
    world_push(w, 3, false);
    freeze(w, 0, 0, 4 * HOUR_MS);
    w->databases[0].interrupted = 1;
    world_pass(w, HOUR_MS);
    want_applied(w, rule, "orders:2 billing:1"); /* that file, and no other */
    want(w, rule, CONDITION_WAITING, "True AwaitingWindow");
    world_pass(w, 4 * HOUR_MS);
    want_applied(w, rule, "orders:4 billing:4");
}

static void empty_newcomer(struct world *w, const char *rule)
{
    w->plan.database_count = 1;
    settle_with(w, 2);
    freeze(w, 0, 0, 4 * HOUR_MS);
    w->plan.database_count = 2;
    new_spec(w);
    world_pass(w, HOUR_MS);
    want_applied(w, rule, "orders:2 billing:2");
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void filled_newcomer(struct world *w, const char *rule)
{
    w->plan.database_count = 1;
    settle_with(w, 2);
    w->databases[1].tables = true;
    freeze(w, 0, 0, 4 * HOUR_MS);
    w->plan.database_count = 2;
    new_spec(w);
    world_pass(w, HOUR_MS);
    want_applied(w, rule, "orders:2 billing:0");
    want(w, rule, CONDITION_WAITING, "True AwaitingWindow");
}

static void newer_commits(struct world *w, const char *rule)
{
    settle_with(w, 1);
    freeze(w, 0, 0, 8 * HOUR_MS);
    for (int i = 0; i < 5; i++) { /* more than may supersede what has begun */
        world_push(w, 1, false);
        world_pass(w, 10 * MINUTE_MS);
    }
    cr_expect(str_eq(w->status.rollout.commit, w->commits[w->commit_count - 1].id), "%s", rule);
    cr_expect(w->status.queued_commit[0] == '\0', "%s", rule);
    want_number(rule, "supersessions", w->status.rollout.supersessions, 0);
    world_pass(w, 8 * HOUR_MS);
    want_applied(w, rule, "orders:6 billing:6");
}

static void waiting_jobs(struct world *w, const char *rule)
{
    orders_first(w);
    settle_with(w, 1);
    freeze(w, 0, 5 * MINUTE_MS, HOUR_MS);
    world_push(w, 1, false);
    w->databases[0].start_ms = HOUR_MS; /* no node for its pod */
    world_pass(w, 4 * MINUTE_MS);
    cr_expect_eq(w->databases[0].job.phase, JOB_WAITING, "%s", rule);
    w->databases[0].start_ms = 0;
    world_pass(w, 10 * MINUTE_MS);
    cr_expect_neq(w->databases[0].job.phase, JOB_WAITING, "%s: it may start at any moment", rule);
    want(w, rule, CONDITION_READY, "Unknown AwaitingWindow");
    world_pass(w, 2 * HOUR_MS);
    want_applied(w, rule, "orders:2 billing:2");
}

static void suspended_and_shut(struct world *w, const char *rule)
{
    settle_with(w, 1);
    w->plan.suspend = true;
    freeze(w, 0, 0, HOUR_MS);
    world_push(w, 1, false);
    world_pass(w, 10 * MINUTE_MS);
    cr_expect(w->status.window.present && !w->status.window.open, "%s", rule);
    want_applied(w, rule, "orders:1");
    world_pass(w, 2 * HOUR_MS);
    want_applied(w, rule, "orders:1"); /* the end of a freeze is no resume */
}

static void never(struct world *w, const char *rule)
{
    settle_with(w, 1);
    freeze(w, 0, 0, 400 * 24 * HOUR_MS);
    world_push(w, 1, false);
    world_settle(w, MINUTE_MS);
    want(w, rule, CONDITION_STALLED, "True InvalidSpec");
    want_message(w, rule, CONDITION_STALLED, "no window opens within 366 days");
    thaw(w);
    world_settle(w, HOUR_MS);
    want_applied(w, rule, "orders:2");
}

static void crash_in_a_wait(struct world *w, const char *rule)
{
    settle_with(w, 1);
    freeze(w, 0, 0, HOUR_MS);
    world_push(w, 1, false);
    for (int i = 0; i < 20; i++) {
        world_crash(w);
        world_pass(w, 2 * MINUTE_MS);
        want_applied(w, rule, "orders:1 billing:1");
    }
    world_pass(w, HOUR_MS);
    want_applied(w, rule, "orders:2 billing:2");
}

static bool tells(struct world *w, const char *reason, const char *piece)
{
    struct decision d;
    bool told = false;
    world_decide(w, &d);
    for (size_t i = 0; i < d.event_count; i++) {
        told = told || (str_eq(d.events[i].reason, reason) && strstr(d.events[i].message, piece));
    }
    decision_done(&d);
    return told;
}

/* Two minutes of a window, in which the Job finds no node; or it finds one. */
static void missed_or_not(struct world *w, const char *rule, bool starts)
{
    orders_first(w);
    settle_with(w, 1);
    freeze(w, 0, 0, 10 * MINUTE_MS);
    freeze(w, 1, 12 * MINUTE_MS, HOUR_MS);
    world_push(w, 1, false);
    w->databases[0].start_ms = starts ? 0 : HOUR_MS;
    while (w->utc_ms < freezes[1].from_ms - 20) {
        world_pass(w, 10);
    }
    cr_expect(w->status.window.open, "%s", rule);
    cr_expect_not(tells(w, REASON_WINDOW_MISSED, ""), "%s: not yet", rule);
    w->utc_ms += 1000;
    cr_expect_eq(tells(w, REASON_WINDOW_MISSED, "between two freezes) has ended, and no file of"),
                 !starts, "%s", rule);
}

static void missed(struct world *w, const char *rule)
{
    missed_or_not(w, rule, false);
}

static void not_missed(struct world *w, const char *rule)
{
    missed_or_not(w, rule, true);
}

/* ---- corners ---------------------------------------------------------------------------------- */

static void all_at_once(struct world *w, int parallel)
{
    w->plan.strategy = STRATEGY_ALL_AT_ONCE;
    w->plan.max_parallel = parallel;
}

static void not_first(struct world *w, const char *rule)
{
    orders_first(w);
    settle_with(w, 1);
    world_push(w, 3, false);
    freeze(w, 0, 0, HOUR_MS);
    w->databases[0].interrupted = 2;
    world_pass(w, 30 * MINUTE_MS);
    want_applied(w, rule, "orders:1 billing:1");
    want(w, rule, CONDITION_WAITING, "True AwaitingWindow");
}

static void interrupted_beside(struct world *w, const char *rule)
{
    all_at_once(w, 2);
    settle_with(w, 1);
    world_push(w, 2, false);
    freeze(w, 0, 0, HOUR_MS);
    w->databases[0].interrupted = 1;
    world_pass(w, 30 * MINUTE_MS);
    want_applied(w, rule, "orders:2 billing:1");
    want(w, rule, CONDITION_WAITING, "True AwaitingWindow");
}

static void one_runs(struct world *w, const char *rule)
{
    all_at_once(w, 1);
    settle_with(w, 1);
    w->databases[0].file_ms = w->databases[1].file_ms = 20 * MINUTE_MS;
    world_push(w, 1, false);
    world_pass(w, 5 * MINUTE_MS);
    freeze(w, 0, MINUTE_MS, 2 * HOUR_MS);
    world_pass(w, 10 * MINUTE_MS);
    want(w, rule, CONDITION_READY, "Unknown Progressing"); /* one is at work */
    world_pass(w, 30 * MINUTE_MS);
    want(w, rule, CONDITION_READY, "Unknown AwaitingWindow");
    cr_expect_eq(w->databases[0].applied + w->databases[1].applied, 3, "%s", rule);
}

static void failing(struct world *w, const char *rule)
{
    orders_first(w);
    settle_with(w, 1);
    w->plan.retry_interval_ms = 20 * MINUTE_MS;
    w->databases[0].file_ms = 10 * MINUTE_MS;
    world_push(w, 1, false);
    for (int i = 0; i < 9000 && w->databases[0].job.phase != JOB_RUNNING; i++) {
        world_pass(w, 10);
    }
    world_pass(w, 9 * MINUTE_MS);
    w->databases[0].up = false; /* at the end of the file, and for a moment */
    while (w->databases[0].job.phase == JOB_RUNNING) {
        world_pass(w, 10);
    }
    w->databases[0].up = true;
    freeze(w, 0, 0, 2 * HOUR_MS);
    world_pass(w, 15 * MINUTE_MS);
    want(w, rule, CONDITION_READY, "Unknown AwaitingWindow");
    world_pass(w, 4 * HOUR_MS);
    want_applied(w, rule, "orders:2 billing:2");
}

static void unseen(struct world *w, const char *rule)
{
    w->databases[1].up = false;
    freeze(w, 0, 0, HOUR_MS);
    world_push(w, 1, false);
    world_pass(w, 20 * MINUTE_MS);
    cr_expect_eq(jobs_ever(w), 0, "%s", rule);
    w->stray_jobs = 1;
    w->look_again = true;
    world_pass(w, MINUTE_MS);
    cr_expect_eq(jobs_ever(w), 0, "%s", rule);
    w->stray_jobs = 0;
    w->databases[1].up = true;
    world_pass(w, 3 * HOUR_MS);
    want_applied(w, rule, "orders:1 billing:1");
}

static void taken_over(struct world *w, const char *rule)
{
    settle_with(w, 1);
    freeze(w, 0, 0, HOUR_MS);
    int64_t before = jobs_ever(w);
    w->databases[1].owner = OWNER_GONE; /* nothing is pending but the lease */
    w->databases[1].next_look_ms = w->mono_ms;
    world_pass(w, 20 * MINUTE_MS);
    want_number(rule, "Jobs", jobs_ever(w), before);
    want(w, rule, CONDITION_WAITING, "True AwaitingWindow");
    world_pass(w, HOUR_MS);
    want(w, rule, CONDITION_READY, "True ReconciliationSucceeded");
}

static void begun_then_newer(struct world *w, const char *rule)
{
    orders_first(w);
    settle_with(w, 1);
    w->databases[0].file_ms = 10 * MINUTE_MS;
    freeze(w, 0, 5 * MINUTE_MS, 4 * HOUR_MS);
    world_push(w, 1, false);
    world_pass(w, 30 * MINUTE_MS);
    want_applied(w, rule, "orders:2 billing:1");
    want(w, rule, CONDITION_WAITING, "True AwaitingWindow");
    w->status.rollout.supersessions = w->stored.rollout.supersessions = 2;
    world_push(w, 1, false);
    world_pass(w, 10 * MINUTE_MS);
    cr_expect(w->status.queued_commit[0], "%s: what has begun goes first", rule);
}

static void superseded_often(struct world *w, const char *rule)
{
    settle_with(w, 1);
    freeze(w, 0, 0, 8 * HOUR_MS);
    world_push(w, 1, false);
    world_pass(w, 10 * MINUTE_MS);
    w->status.rollout.supersessions = w->stored.rollout.supersessions = 2;
    world_push(w, 1, false);
    world_pass(w, 10 * MINUTE_MS);
    cr_expect(str_eq(w->status.rollout.commit, w->commits[w->commit_count - 1].id), "%s", rule);
    cr_expect(w->status.queued_commit[0] == '\0', "%s", rule);
}

/* A window of five minutes that opened just now, once a year. */
static void scheduled(struct world *w, const char *rule)
{
    static struct mplan_window window;
    static char schedule[64];
    settle_with(w, 1);
    const int64_t minute = (w->utc_ms / MINUTE_MS + 20) * MINUTE_MS; /* opens in about 20 minutes */
    const struct date date = date_of_day(minute / (24 * HOUR_MS));
    (void)snprintf(schedule, sizeof schedule, "%d %d %d %d *", (int)(minute / MINUTE_MS % 60),
                   (int)(minute / HOUR_MS % 24), date.day, date.month);
    window = (struct mplan_window){ .schedule = schedule,
                                    .zone = zone_get("UTC"),
                                    .duration_ms = 5 * MINUTE_MS };
    cr_assert_null(cron_parse(schedule, &window.cron), "%s", schedule);
    w->plan.windows = &window;
    w->plan.window_count = 1;
    new_spec(w);
    world_push(w, 1, false);
    world_pass(w, 10 * MINUTE_MS);
    want_message(w, rule, CONDITION_WAITING, "waits: no window is open; Jobs may start from ");
    want_number(rule, "the opening", w->status.window.next_ms, minute);
    w->databases[0].start_ms = w->databases[1].start_ms = HOUR_MS;
    while (w->utc_ms < minute + 5 * MINUTE_MS - 20) {
        world_pass(w, 10);
    }
    cr_expect(w->status.window.open && strstr(w->status.window.because, "for 5m0s UTC"), "%s",
              rule);
    w->utc_ms += 1000;
    cr_expect(tells(w, REASON_WINDOW_MISSED, "* for 5m0s UTC) has ended"), "%s", rule);
}

static void tells_of_a_pause(struct world *w, const char *rule)
{
    orders_first(w);
    settle_with(w, 1);
    w->databases[0].file_ms = 10 * MINUTE_MS;
    freeze(w, 0, 5 * MINUTE_MS, 4 * HOUR_MS);
    world_push(w, 2, false);
    bool told = false;
    for (int i = 0; i < 400 && !told; i++) {
        world_pass(w, 3000);
        told = w->databases[0].job.phase == JOB_ENDED &&
               w->databases[0].job.result.outcome == OUTCOME_PAUSED;
    }
    cr_expect(told, "%s: it has paused", rule);
    want_applied(w, rule, "orders:2 billing:1");
}

/* A Job that has surely ended by then may send files ahead, and needs no end. */
static void far_end(struct world *w, const char *rule)
{
    orders_first(w);
    settle_with(w, 1);
    freeze(w, 0, 8 * HOUR_MS, HOUR_MS);
    w->databases[0].start_ms = w->databases[1].start_ms = 5 * MINUTE_MS;
    world_push(w, 1, false);
    world_pass(w, MINUTE_MS);
    want_number(rule, "the first one's end", w->databases[0].job.stop_ms, 0);
    world_settle(w, 30 * MINUTE_MS);
    want_applied(w, rule, "orders:2 billing:2");
    /* startTimeout and deadline are 70 minutes, and it may be made a little later than it was decided. */
    freeze(w, 0, 70 * MINUTE_MS + MINUTE_MS / 2, HOUR_MS);
    world_push(w, 1, false);
    world_pass(w, MINUTE_MS);
    cr_expect(w->databases[0].job.stop_ms > 0, "%s", rule);
}

static const struct scene scenes[] = {
    { "outside the windows nothing starts; the end of the wait is the decision's own", 2,
      waits_and_goes_on },
    { "an edit of the freezes counts at once and begins nothing anew", 2, edit_opens },
    { "a window that ends between waves holds the next one", 3, between_waves },
    { "a running Job ends its file and begins no other, which is no try", 2, pauses_between_files },
    { "a file in which an attempt was interrupted is finished, and no other", 2,
      interrupted_goes_on },
    { "an empty newcomer needs no window", 2, empty_newcomer },
    { "a newcomer with tables does", 2, filled_newcomer },
    { "while nobody has got a file each newer commit takes its place", 2, newer_commits },
    { "a Job that has not started is deleted at the end of the window", 2, waiting_jobs },
    { "suspended stays suspended", 1, suspended_and_shut },
    { "no opening within a year: InvalidSpec until the plan is edited", 1, never },
    { "a controller that dies while it waits waits on", 2, crash_in_a_wait },
    { "a window that ends without a file applied: WindowMissed", 2, missed },
    { "one in which a file was applied was not missed", 2, not_missed },
    { "an interrupted file behind another one waits with it", 2, not_first },
    { "an interrupted file is finished while others wait", 2, interrupted_beside },
    { "while one is at work the others are not said to wait", 2, one_runs },
    { "an attempt that failed is repeated when it may", 2, failing },
    { "what has not been seen yet, and what runs elsewhere, change nothing", 2, unseen },
    { "a lease is taken over when a window is open", 2, taken_over },
    { "a newer commit waits for one that has begun", 2, begun_then_newer },
    { "a newer commit takes the place of one that has not, however often", 2, superseded_often },
    { "a window by its schedule", 2, scheduled },
    { "a pause between files", 2, tells_of_a_pause },
    { "a Job that is over before the window is has no end of its own", 2, far_end },
};

Test(step_window, what_is_held_back)
{
    play_scenes(scenes, ROWS(scenes));
}
