/* SPDX-License-Identifier: Apache-2.0 */
/* A wave that is applied: its soak on the databases' clocks, its gates through the soak and at its
 * end. */
#include "base/clock.h"
#include "reconcile/step/internal.h"

struct soak {
    bool any;         /* a database of the wave is up to date */
    int64_t left_ms;  /* until the last of them is soaked; 0: over */
    int64_t over_ms;  /* since then; INT64_MAX: always was */
    int64_t until_ms; /* on the databases' clocks */
};

static bool in_spec(const struct step *s, const struct gate_status *slot)
{
    for (size_t w = 0; w < s->waves.count; w++) {
        const struct rollout_wave *wave = &s->waves.items[w];
        for (size_t i = 0; i < wave->gate_count; i++) {
            if (str_eq(wave->name, slot->wave) && str_eq(wave->gates[i].name, slot->name)) {
                return true;
            }
        }
    }
    return false;
}

static void reset(struct gate_status *slot)
{
    free(TAKE(slot->last_value));
    slot->state = GATE_WAITING;
    slot->successes = slot->failures = 0;
    slot->at_end = false;
    slot->round++;
}

/* Rounds go on, so that a measurement taken before cannot count afterwards. */
void gates_reset(struct step *s)
{
    struct status *next = s->next;
    size_t kept = 0;
    for (size_t i = 0; i < next->gate_count; i++) {
        struct gate_status *slot = &next->gates[i];
        reset(slot);
        if (!in_spec(s, slot)) {
            free(slot->wave);
            free(slot->name);
            continue;
        }
        next->gates[kept++] = *slot;
    }
    next->gate_count = kept;
}

/* A wave that comes with the name, soak and gates of one before it starts from nothing. */
void gates_begin_wave(struct step *s)
{
    int32_t at = s->next->rollout.wave_index;
    for (size_t i = 0; i < s->next->gate_count; i++) {
        struct gate_status *slot = &s->next->gates[i];
        if (str_eq(slot->wave, s->waves.items[at].name)) {
            reset(slot);
        }
    }
}

static void soak_add(const struct step *s, size_t index, int64_t soak_ms, struct soak *soak)
{
    const struct database_view *view = &s->seen->databases[index];
    int64_t since = s->next->rollout.soak_since_ms;
    int64_t from = view->newest_finished_ms > since ? view->newest_finished_ms : since;
    int64_t now = view->now_ms + view->age_ms;
    int64_t left = soak_left_ms(soak_ms, now, view->newest_finished_ms, since);
    soak->any = true;
    soak->left_ms = left > soak->left_ms ? left : soak->left_ms;
    if (from > 0) {
        int64_t over = now - from - soak_ms;
        over = left == 0 && over < 0 ? 0 : over; /* a clock that is behind its newest row */
        soak->over_ms = over < soak->over_ms ? over : soak->over_ms;
        soak->until_ms = from + soak_ms > soak->until_ms ? from + soak_ms : soak->until_ms;
    }
}

static struct soak soak_make(const struct step *s, int32_t wave)
{
    struct soak soak = { .over_ms = INT64_MAX };
    for (size_t i = 0; i < s->plan->database_count; i++) {
        if (step_in_wave(s, i, wave) && s->judged[i].kind == J_UP_TO_DATE) {
            soak_add(s, i, s->waves.items[wave].soak_ms, &soak);
        }
    }
    return soak;
}

/* ---- one gate ---------------------------------------------------------------------------------- */

static const struct gate_view *gate_look(const struct step *s, const struct gate_status *slot)
{
    for (size_t i = 0; i < s->seen->gate_count; i++) {
        const struct gate_view *view = &s->seen->gates[i];
        if (str_eq(view->wave, slot->wave) && str_eq(view->name, slot->name)) {
            return view;
        }
    }
    return NULL;
}

static struct gate_status *gate_slot(struct step *s, const char *wave, const char *name)
{
    struct status *next = s->next;
    for (size_t i = 0; i < next->gate_count; i++) {
        if (str_eq(next->gates[i].wave, wave) && str_eq(next->gates[i].name, name)) {
            return &next->gates[i];
        }
    }
    size_t cap = next->gate_count;
    next->gates = mem_grow(next->gates, &cap, next->gate_count + 1, sizeof *next->gates);
    struct gate_status *slot = &next->gates[next->gate_count++];
    *slot = (struct gate_status){
        .wave = mem_strdup(wave),
        .name = mem_strdup(name),
        .state = GATE_WAITING,
        .round = 1,
    };
    const struct gate_view *view = gate_look(s, slot);
    slot->round =
        view ? view->round + 1 : 1; /* an answer to a slot of that name before is none to it */
    return slot;
}

/* A measurement counts once: the round moves on. Silence neither passes nor fails. */
static void take_answer(const struct gate_view *view, int64_t over_ms, struct gate_status *slot)
{
    const struct gate_answer *answer = &view->answer;
    slot->round++;
    free(slot->last_value);
    slot->last_value =
        mem_strdup(answer->answered && answer->pass ? answer->text : answer->message);
    if (!answer->answered) {
        slot->state = GATE_NO_ANSWER;
        return;
    }
    slot->state = GATE_PASSING;
    if (answer->pass) {
        slot->successes++;
        slot->at_end = slot->at_end || view->age_ms <= over_ms;
    } else {
        slot->failures++;
    }
}

static bool gate_asks(const struct step *s, const struct mplan_gate *gate, size_t index)
{
    return step_in_wave(s, index, s->next->rollout.wave_index) &&
           s->judged[index].kind == J_UP_TO_DATE &&
           gate_applies(gate, s->seen->databases[index].engine);
}

static bool gate_asks_any(const struct step *s, const struct mplan_gate *gate)
{
    for (size_t i = 0; i < s->plan->database_count; i++) {
        if (gate_asks(s, gate, i)) {
            return true;
        }
    }
    return false;
}

static void want_measure(struct step *s, const struct mplan_gate *gate,
                         const struct gate_status *slot)
{
    if (s->out->effect != EFFECT_NONE) {
        s->again = true;
        return;
    }
    for (size_t i = 0; i < s->plan->database_count; i++) {
        if (gate_asks(s, gate, i)) {
            step_want(s, EFFECT_MEASURE_GATE, i);
        }
    }
    s->out->gate = gate;
    s->out->wave = s->waves.items[s->next->rollout.wave_index].name;
    s->out->round = slot->round;
}

/* At once when there is none yet and when the soak has just ended, else at the gate's interval. */
static void next_measure(struct step *s, const struct mplan_gate *gate,
                         const struct gate_view *view, const struct soak *soak,
                         const struct gate_status *slot)
{
    if (view && view->running) {
        return;
    }
    bool taken = view && view->answer.taken;
    bool ended_since = taken && soak->left_ms == 0 && view->age_ms > soak->over_ms;
    int64_t wait = taken && !ended_since ? gate->interval_ms - view->age_ms : 0;
    if (wait > 0) {
        step_wake(s, wait);
    } else {
        want_measure(s, gate, slot);
    }
}

static void judge_gate(struct step *s, const struct rollout_wave *wave,
                       const struct mplan_gate *gate, const struct soak *soak)
{
    struct gate_status *slot = gate_slot(s, wave->name, gate->name);
    if (!gate_asks_any(s, gate)) {
        slot->state = GATE_PASSED; /* no database of its engine in this wave */
        return;
    }
    const struct gate_view *view = gate_look(s, slot);
    if (view && view->answer.taken && view->round == slot->round) {
        take_answer(view, soak->over_ms, slot);
    }
    struct gate_count counted = { slot->successes, slot->failures, slot->at_end };
    enum gate_verdict verdict = gate_judge(gate, &counted);
    if (verdict == GATE_VERDICT_OPEN) {
        next_measure(s, gate, view, soak, slot);
    } else {
        slot->state = verdict == GATE_VERDICT_PASS ? GATE_PASSED : GATE_FAILED;
    }
}

/* ---- the wave ---------------------------------------------------------------------------------- */

/* The first gate of the wave in that state; NULL: none. */
static const struct gate_status *find_state(const struct step *s, const struct rollout_wave *wave,
                                            enum gate_state state)
{
    for (size_t i = 0; i < s->next->gate_count; i++) {
        const struct gate_status *slot = &s->next->gates[i];
        if (str_eq(slot->wave, wave->name) && slot->state == state) {
            return slot;
        }
    }
    return NULL;
}

bool gates_failed(const struct step *s)
{
    return !s->retry_new &&
           find_state(s, &s->waves.items[s->next->rollout.wave_index], GATE_FAILED) != NULL;
}

static bool all_passed(const struct step *s, const struct rollout_wave *wave)
{
    return !find_state(s, wave, GATE_WAITING) && !find_state(s, wave, GATE_PASSING) &&
           !find_state(s, wave, GATE_NO_ANSWER);
}

static const char *value_of(const struct gate_status *slot)
{
    return slot->last_value ? slot->last_value : "?"; /* uncovered: a status from elsewhere */
}

static void say_failed_gate(struct step *s, const struct gate_status *slot)
{
    AUTO(free_auto) char *hint = retry_hint(s);
    step_say(s, SAY_STALLED, REASON_GATE_FAILED,
             mem_printf("wave %s: gate %s failed: %s; %s", slot->wave, slot->name, value_of(slot),
                        hint));
}

static void say_waiting(struct step *s, const struct rollout_wave *wave, const struct soak *soak)
{
    const struct gate_status *silent = find_state(s, wave, GATE_NO_ANSWER);
    const char *restarted = step_restarted(s);
    const char *why = restarted ? restarted : "", *colon = restarted ? ": " : "";
    const char *again = restarted ? " again" : "";
    if (silent) {
        step_say(s, SAY_WAIT, REASON_ANALYSIS_UNAVAILABLE,
                 mem_printf("wave %s: gate %s gives no answer: %s", wave->name, silent->name,
                            value_of(silent)));
    } else if (soak->left_ms > 0) {
        char until[TIME_TEXT_LEN];
        time_format(soak->until_ms, until);
        step_say(s, SAY_WAIT, REASON_SOAKING,
                 mem_printf("%s%swave %s soaks%s until %s", why, colon, wave->name, again, until));
    } else {
        step_say(s, SAY_WAIT, REASON_SOAKING,
                 mem_printf("%s%swave %s is soaked; its gates are being judged%s", why, colon,
                            wave->name, again));
    }
}

bool wave_verify(struct step *s)
{
    int32_t index = s->next->rollout.wave_index;
    const struct rollout_wave *wave = &s->waves.items[index];
    struct soak soak = soak_make(s, index);
    if (!soak.any) {
        return true;
    }
    for (size_t i = 0; i < wave->gate_count; i++) {
        judge_gate(s, wave, &wave->gates[i], &soak);
    }
    const struct gate_status *failed = find_state(s, wave, GATE_FAILED);
    if (failed) {
        say_failed_gate(s, failed);
        return false;
    }
    if (soak.left_ms == 0 && all_passed(s, wave)) {
        return true;
    }
    s->next->rollout.phase = PHASE_SOAKING;
    if (soak.left_ms > 0) {
        step_wake(s, soak.left_ms);
    }
    say_waiting(s, wave, &soak);
    return false;
}
