/* SPDX-License-Identifier: Apache-2.0 */
/* Is the database where the assignment says? */
#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "model/reason.h"
#include "runner/internal.h"

static struct err *moved(const char *what, const char *expected, const char *found)
{
    return err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE,
                   "the database moved since the assignment was made: %s is %s, expected %s", what,
                   found && *found ? found : "none", expected && *expected ? expected : "none");
}

static struct err *moved_number(const char *what, int64_t expected, int64_t found)
{
    AUTO(free_auto) char *a = mem_printf("%lld", (long long)expected);
    AUTO(free_auto) char *b = mem_printf("%lld", (long long)found);

    return moved(what, a, b);
}

static struct err *check_time(const struct assignment *a, const struct inspection *seen)
{
    char now[TIME_TEXT_LEN];
    char limit[TIME_TEXT_LEN];

    if (seen->identity.now_ms <= a->start_before_ms) {
        return NULL;
    }
    time_format(seen->identity.now_ms, now);
    time_format(a->start_before_ms, limit);
    return err_new(ERR_CONFLICT, REASON_ASSIGNMENT_STALE,
                   "the assignment had to start before %s and the database says %s", limit, now);
}

static int32_t head_rank(const struct history *history)
{
    return history->count ? history->rows[history->count - 1].rank : 0;
}

struct err *runner_check(const struct assignment *a, const struct inspection *seen)
{
    const char *target = seen->lease.present ? seen->lease.target_id : "";

    if (!str_eq(a->expect.target, target)) {
        return err_new(ERR_CONFLICT, REASON_TARGET_CHANGED,
                       "another database answers: its target id is %s, expected %s",
                       *target ? target : "none", a->expect.target[0] ? a->expect.target : "none");
    }
    if (!str_eq(a->expect.owner, seen->lease.present ? seen->lease.owner_plan_uid : NULL)) {
        return moved("the owner", a->expect.owner, seen->lease.owner_plan_uid);
    }
    if (a->expect.rank != head_rank(&seen->history)) {
        return moved_number("the newest history row", a->expect.rank, head_rank(&seen->history));
    }
    if (a->expect.journal_seq != seen->journal.head_seq) {
        return moved_number("the newest journal row", a->expect.journal_seq,
                            seen->journal.head_seq);
    }
    if (a->expect.journal_seq && !str_eq(a->expect.journal_hash, seen->journal.head_hash)) {
        return moved("the journal's hash", a->expect.journal_hash, seen->journal.head_hash);
    }
    if (seen->lease.present && a->expect.epoch != seen->lease.epoch) {
        return moved_number("the lease's epoch", a->expect.epoch, seen->lease.epoch);
    }
    return check_time(a, seen);
}
