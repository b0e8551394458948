/* SPDX-License-Identifier: Apache-2.0 */
/* Waves, and what is remembered of the databases in them. */
#include "reconcile/step/internal.h"

const struct database_status *step_before(const struct step *s, size_t index)
{
    const char *name = s->plan->databases[index].name;
    if (index < s->old->database_count && str_eq(s->old->databases[index].name, name)) {
        return &s->old->databases[index]; /* the usual case: the list did not change */
    }
    return status_database(s->old, name);
}

/* Newcomers and stragglers; whoever else turns up with files waits for their end (begin.c). */
static void catch_up_waves(struct step *s)
{
    s->waves.count = 0;
    s->waves.items[s->waves.count++] = (struct rollout_wave){ .name = "rest" };
    s->waves.items[s->waves.count++] = (struct rollout_wave){ .name = "later" };
    s->next->rollout.wave_index = 0;
    for (size_t i = 0; i < s->waves.database_count; i++) {
        s->waves.member[i] = s->next->databases[i].member == 0 ? 0 : 1;
    }
}

/* The last wave. Members frozen behind it are in one more: the spec has lost databases since. */
static int32_t last_wave(const struct step *s)
{
    int32_t last = (int32_t)s->waves.count - 1;
    for (size_t i = 0; i < s->next->database_count; i++) {
        if (s->next->databases[i].member > last) {
            return last + 1;
        }
    }
    return last;
}

/* Membership is frozen while a roll-out is on; who came later belongs to the last wave. */
static void apply_frozen_members(struct step *s)
{
    struct rollout_waves *waves = &s->waves;
    int32_t last = last_wave(s);
    if ((int32_t)waves->count <= last) {
        waves->items[waves->count++] = (struct rollout_wave){ .name = "rest" };
    }
    for (size_t i = 0; i < waves->database_count; i++) {
        int32_t member = s->next->databases[i].member;
        waves->member[i] = member < 0 || member > last ? last : member;
    }
    int32_t *at = &s->next->rollout.wave_index;
    *at = *at > last ? last : *at;
}

/* Only when something needs them: a fleet's order is a thousand digests. */
void step_waves(struct step *s)
{
    const struct rollout_status *rollout = &s->next->rollout;
    bool frozen = rollout->present && rollout->digest[0];
    if (s->waves.member) {
        return;
    }
    rollout_waves_make(s->plan, NULL, &s->waves);
    if (frozen && s->waves.count > 0 && !rollout->catch_up) {
        int32_t most = (int32_t)s->plan->database_count; /* a status may come from anybody */
        rollout_waves_lead(&s->waves, rollout->lead < most ? rollout->lead : most);
    }
    if (frozen && rollout->catch_up) {
        catch_up_waves(s);
    } else if (frozen && s->waves.count > 0) {
        apply_frozen_members(s);
    }
    for (size_t i = 0; i < s->plan->database_count; i++) {
        s->judged[i].member = s->waves.member[i];
    }
}

const char *step_restarted(const struct step *s)
{
    const struct rollout_status *rollout = &s->next->rollout;
    return rollout->wave_index <= rollout->lead ? rollout->restarted : NULL;
}

void step_soak_from_now(struct step *s, size_t index)
{
    const struct database_view *view = &s->seen->databases[index];
    int64_t now = step_whole_second(view->now_ms + view->age_ms);
    int64_t *since = &s->next->rollout.soak_since_ms;
    *since = now > *since ? now : *since;
}

/* The spec's later waves have their soak and gates, though all of their databases went first. */
bool step_in_wave(const struct step *s, size_t index, int32_t wave)
{
    return s->judged[index].member == wave || s->next->databases[index].own == wave;
}
