/* SPDX-License-Identifier: Apache-2.0 */
/* What surrounds a run: the lock's key, cancel, deadline, outcome and result. */
#include <criterion/criterion.h>
#include "base/auto.h"
#include "base/clock.h"
#include "database/run.h"
#include "model/reason.h"

#define FLYWAY INT64_C(0x466C79776179)

Test(run, the_lock_key_is_flyways)
{
    static const struct {
        const char *name;
        int32_t hash;
    } rows[] = {
        { "\"public\".\"flyway_schema_history\"", 2125624436 },
        { "\"app\".\"flyway_schema_history\"", -271308480 },
        { "\"public\".\"schema_version\"", -906680483 },
        { "\"\xc3\x9c"
          "ber\".\"flyway_schema_history\"",
          -1999179926 },
        { "\"a\"\"b\".\"flyway_schema_history\"", 1566947644 },
        { "`d1`.`flyway_schema_history`", 1507086156 },
        { "`app`.`flyway_schema_history`", -320650056 },
        { "", 0 },
        { "\xf0\x9f\x9a\x80", 31 * 0xD83D + 0xDE80 }, /* a surrogate pair in Java */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(lock_java_hash(rows[i].name), rows[i].hash, "%s", rows[i].name);
    }
    cr_expect_eq(FLYWAY + lock_java_hash("\"public\".\"flyway_schema_history\""), 77433833903597);
}

Test(run, a_cancel_stays_and_ends_every_wait)
{
    struct cancel cancel;
    cancel_init(&cancel);
    const struct execution_options execution = { .deadline_ms = 0 };
    const struct apply_request request = { .cancel = &cancel, .execution = &execution };
    const struct run run = { .request = &request, .started_mono_ms = clock_mono_ms() };
    cr_expect_not(cancel_triggered(&cancel));
    cr_expect_null(run_pause(&run, 1));
    cancel_trigger(&cancel);
    cancel_trigger(&cancel);
    for (int i = 0; i < 2; i++) {
        AUTO(err_free_auto) struct err *e = run_pause(&run, 3600000);
        cr_assert(e);
        cr_expect_str_eq(e->reason, REASON_INTERRUPTED);
    }
    cr_expect(cancel_triggered(&cancel));
    cancel_done(&cancel);
    cr_expect_not(cancel_triggered(NULL));
}

Test(run, the_deadline_ends_a_wait)
{
    const struct execution_options execution = { .deadline_ms = 30 };
    const struct apply_request request = { .execution = &execution };
    const struct run run = { .request = &request, .started_mono_ms = clock_mono_ms() };
    AUTO(err_free_auto) struct err *e = run_pause(&run, 3600000);
    cr_assert(e);
    cr_expect_str_eq(e->reason, REASON_DEADLINE_EXCEEDED);
    cr_expect_eq(run_remaining_ms(&run), 0);
}

Test(run, outcomes_follow_the_exit_code)
{
    static const struct {
        const char *reason;
        enum outcome outcome;
    } rows[] = {
        { REASON_MIGRATION_FAILED, OUTCOME_FAILED },
        { REASON_TRANSACTION_CONTROL, OUTCOME_FAILED },
        { REASON_CHECKSUM_MISMATCH, OUTCOME_INVALID },
        { REASON_POOLER_UNSUPPORTED, OUTCOME_INVALID },
        { REASON_DATABASE_BUSY, OUTCOME_BUSY },
        { REASON_WAITING_FOR_OLD_SESSION, OUTCOME_BUSY },
        { REASON_OUTCOME_UNKNOWN, OUTCOME_UNKNOWN },
        { REASON_DATABASE_UNAVAILABLE, OUTCOME_UNREACHABLE },
        { REASON_ACCESS_DENIED, OUTCOME_DENIED },
        { REASON_ASSIGNMENT_STALE, OUTCOME_MOVED },
        { REASON_LOCK_TIMEOUT, OUTCOME_TIMED_OUT },
        { REASON_INTERRUPTED, OUTCOME_INTERRUPTED },
        { REASON_INTERNAL, OUTCOME_ERROR },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(run_outcome(rows[i].reason), rows[i].outcome, "%s", rows[i].reason);
    }
}

Test(run, an_unknown_engine_is_refused)
{
    const struct target target = { .engine = ENGINE_UNKNOWN };
    const struct db_options options = { .read_only = true };
    struct db *db = NULL;
    AUTO(err_free_auto) struct err *e = db_open(&target, &options, &db);
    cr_assert(e);
    cr_expect_str_eq(e->reason, REASON_UNSUPPORTED_SERVER);
    cr_expect_null(db);
    db_close(NULL);
}
