/* SPDX-License-Identifier: Apache-2.0 */
/* Which statuses are written, and when. */
#include <criterion/criterion.h>

#include "controller/writes.h"
#include "model/reason.h"
#include "tests/unit/rows.h"

#define NOW 100000

struct row {
    const char *rule;
    /* what the new status has that the stored one has not */
    bool ready, progress, message;
    int64_t verified_ms;
    bool first, again;
    int64_t written_mono_ms, held_mono_ms;
    int64_t expected, expected_held;
};

static const struct row rows[] = {
    { "nothing has changed", .written_mono_ms = 1, .expected = WRITE_NOTHING },
    { "nothing has changed, and an effect waits", .first = true, .written_mono_ms = 1,
      .expected = WRITE_NOTHING },
    { "the first status of a plan goes at once", .message = true, .expected = 0 },
    { "what an effect depends on goes at once", .message = true, .first = true,
      .written_mono_ms = NOW - 1, .expected = 0 },
    { "the end of a roll-out goes at once", .ready = true, .written_mono_ms = NOW - 1,
      .expected = 0 },
    { "how far it is waits its turn", .progress = true, .written_mono_ms = NOW - 500,
      .expected = 1500, .expected_held = NOW },
    { "a message waits its turn", .message = true, .written_mono_ms = NOW - 500, .expected = 1500,
      .expected_held = NOW },
    { "and goes then", .message = true, .written_mono_ms = NOW - WRITE_GAP_MS,
      .held_mono_ms = NOW - 1500, .expected = 0 },
    { "after a long silence it may still come with greater news", .message = true,
      .written_mono_ms = 1, .expected = WRITE_SETTLE_MS, .expected_held = NOW },
    { "a pass that follows at once makes the write", .ready = true, .again = true,
      .written_mono_ms = 1, .expected = WRITE_GAP_MS, .expected_held = NOW },
    { "not for ever", .ready = true, .again = true, .written_mono_ms = 1,
      .held_mono_ms = NOW - WRITE_GAP_MS, .expected = 0 },
    { "it is held no more", .ready = true, .written_mono_ms = 1, .held_mono_ms = NOW - 5,
      .expected = 0 },
    { "that all is as it was is no news", .verified_ms = VERIFIED_GAP_MS - 1, .written_mono_ms = 1,
      .expected = WRITE_NOTHING },
    { "but once an hour", .verified_ms = VERIFIED_GAP_MS, .written_mono_ms = 1,
      .held_mono_ms = NOW - WRITE_SETTLE_MS, .expected = 0 },
    { "it comes along with other news", .message = true, .verified_ms = 5, .written_mono_ms = 1,
      .held_mono_ms = NOW - WRITE_SETTLE_MS, .expected = 0 },
};

static void make(const struct row *row, bool next, struct status *out)
{
    bool ready = next && row->ready;

    status_init(out);
    condition_set(out, CONDITION_READY, ready ? CONDITION_TRUE : CONDITION_UNKNOWN,
                  ready ? REASON_RECONCILIATION_SUCCEEDED : REASON_PROGRESSING,
                  next && row->message ? "2 of 3" : "1 of 3", 1000, 1);
    condition_set(out, CONDITION_MIGRATED, next && row->progress ? CONDITION_TRUE : CONDITION_FALSE,
                  REASON_PROGRESSING, "", 1000, 1);
    out->last_verified_ms = 1000 + (next ? row->verified_ms : 0);
}

Test(writes, when_a_status_is_worth_a_write)
{
    for (size_t i = 0; i < ROWS(rows); i++) {
        const struct row *row = &rows[i];
        struct status stored, next;
        int64_t held_ms = row->held_mono_ms;
        make(row, false, &stored);
        make(row, true, &next);
        const struct pending_write write = { .stored = &stored,
                                             .next = &next,
                                             .first = row->first,
                                             .again = row->again,
                                             .written_mono_ms = row->written_mono_ms,
                                             .now_mono_ms = NOW };
        cr_expect_eq(write_in_ms(&write, &held_ms), row->expected, "%s", row->rule);
        cr_expect_eq(held_ms, row->expected_held, "%s: held", row->rule);
        status_done(&stored);
        status_done(&next);
    }
}
