/* SPDX-License-Identifier: Apache-2.0 */
/* Soak, gates' verdicts and the rule of commits in the middle. */
#include "reconcile/rollout/rollout.h"

void gate_answer_add(struct gate_answer *sum, const char *database, bool answered, bool pass,
                     const char *text, const char *message)
{
    bool yes = answered && pass, no = answered && !pass;
    bool sum_yes = sum->answered && sum->pass, sum_no = sum->answered && !sum->pass;
    bool first = !sum->taken;
    sum->taken = true;
    /* Keep what is there when it weighs at least as much: no > silence > yes. */
    if (!first && (sum_no || (!sum_yes && !no) || yes)) {
        return;
    }
    sum->answered = answered;
    sum->pass = pass;
    (void)snprintf(sum->text, sizeof sum->text, "%s", answered ? text : "");
    (void)snprintf(sum->message, sizeof sum->message, "%s: %s", database,
                   answered ? text : message);
}

bool gate_applies(const struct mplan_gate *gate, enum engine engine)
{
    return gate->engine == ENGINE_UNKNOWN || gate->engine == engine;
}

enum gate_verdict gate_judge(const struct mplan_gate *gate, const struct gate_count *count)
{
    if (count->failures > gate->failure_limit) {
        return GATE_VERDICT_FAIL;
    }
    /* A tolerated failure is a measurement too: it takes the place of one success. */
    int32_t taken = count->successes + count->failures;
    return count->at_end && taken >= gate->count && count->successes > 0 ? GATE_VERDICT_PASS
                                                                         : GATE_VERDICT_OPEN;
}

int64_t soak_left_ms(int64_t soak_ms, int64_t database_now_ms, int64_t newest_finished_ms,
                     int64_t since_ms)
{
    int64_t from = newest_finished_ms > since_ms ? newest_finished_ms : since_ms;
    if (from == 0) {
        return 0;
    }
    int64_t elapsed = database_now_ms > from ? database_now_ms - from : 0;
    return elapsed < soak_ms ? soak_ms - elapsed : 0;
}

bool rollout_may_supersede(int32_t supersessions, bool failed)
{
    return failed || supersessions < ROLLOUT_SUPERSESSIONS;
}

int32_t rollout_supersede(int32_t supersessions, bool failed, int32_t wave_index)
{
    return failed || wave_index > 0 ? 0 : supersessions + 1;
}
