/* SPDX-License-Identifier: Apache-2.0 */
/* What one decision wants done, when it wants to be asked again and what it says: what every part of
 * it stands on. */
#include "reconcile/step/internal.h"
#include "base/clock.h"

#define BACKOFF_MAX_MS (5 * 60 * 1000)

static bool takes_many(enum effect effect)
{
    return effect == EFFECT_INSPECT || effect == EFFECT_TAKE_OVER || effect == EFFECT_CREATE_JOB ||
           effect == EFFECT_DELETE_JOB || effect == EFFECT_CANCEL_JOB ||
           effect == EFFECT_MEASURE_GATE;
}

void step_want(struct step *s, enum effect effect, size_t index)
{
    struct decision *out = s->out;
    if (out->effect != EFFECT_NONE && (out->effect != effect || !takes_many(effect))) {
        s->again = true; /* once the first one is under way */
        return;
    }
    if (out->effect == EFFECT_NONE) {
        out->effect = effect;
        out->databases = mem_array(s->plan->database_count, sizeof *out->databases);
    }
    if (index < s->plan->database_count) {
        out->databases[out->count++] = index;
    }
}

void step_wake(struct step *s, int64_t after_ms)
{
    int64_t at_least = after_ms > 0 ? after_ms : 0;
    if (s->wake_ms < 0 || at_least < s->wake_ms) {
        s->wake_ms = at_least;
    }
}

void step_say(struct step *s, enum say say, const char *reason, char *message)
{
    free(s->message);
    s->say = say;
    s->reason = reason;
    s->message = message;
}

void step_event(struct step *s, bool warning, const char *reason, char *message)
{
    struct decision *out = s->out;
    size_t cap = out->event_count;
    out->events = mem_grow(out->events, &cap, out->event_count + 1, sizeof *out->events);
    out->events[out->event_count++] =
        (struct event){ .warning = warning, .reason = reason, .message = message };
}

static bool for_conditions(enum reason_class class)
{
    return class >= REASON_CLASS_RETRY && class <= REASON_CLASS_STICKY;
}

const char *step_reason(const char *reason, const char *otherwise)
{
    const struct reason *found = reason_find(reason);
    return found && for_conditions(found->class) ? found->name : otherwise;
}

enum reason_class step_class_of(const char *reason)
{
    const struct reason *found = reason_find(step_reason(reason, REASON_SOURCE_UNAVAILABLE));
    return found->class;
}

bool step_may_delete(const struct job_view *job)
{
    return job->phase == JOB_WAITING && !job->cancelling;
}

int64_t step_backoff_ms(const struct mplan *plan, int32_t tries)
{
    const int64_t first = plan->retry_interval_ms;
    return backoff_ms(first, first > BACKOFF_MAX_MS ? first : BACKOFF_MAX_MS, tries);
}

const char *step_annotation(const struct mplan *plan, const char *key)
{
    const char *value = kvlist_get(&plan->annotations, key);
    return value && value[0] ? value : NULL;
}

bool step_ready_before(const struct step *s)
{
    return s->old->conditions[CONDITION_READY].status == CONDITION_TRUE && s->spec_same;
}
