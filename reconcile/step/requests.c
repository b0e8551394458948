/* SPDX-License-Identifier: Apache-2.0 */
/* One-shot requests by annotation: reconcile now, retry, verdicts, acceptance of a target. */
#include "reconcile/step/internal.h"

#include "base/hash.h"

void step_token(const char *annotation, char out[65])
{
    out[0] = '\0';
    if (annotation && annotation[0]) {
        sha256_hex(annotation, strlen(annotation), out);
    }
}

void step_retry_token(const struct mplan *plan, const struct status *status, char out[65])
{
    const char *annotation = step_annotation(plan, ANNOTATION_RETRY);
    step_token(annotation ? annotation : status->last_handled_retry, out);
}

/* Ours and Flux's; both are times, so the later one is the newer request. */
static const char *requested_at(const struct mplan *plan)
{
    const char *ours = step_annotation(plan, ANNOTATION_REQUESTED);
    const char *flux = step_annotation(plan, ANNOTATION_FLUX_REQUESTED);
    if (!ours || !flux) {
        return ours ? ours : flux;
    }
    return strcmp(ours, flux) >= 0 ? ours : flux;
}

static void handle_requested(struct step *s)
{
    const char *value = requested_at(s->plan);
    if (value && !str_eq(value, s->old->last_handled_reconcile)) {
        step_want(s, EFFECT_REFRESH, SIZE_MAX);
        mem_strset(&s->next->last_handled_reconcile, value);
    }
}

/* The wave's soak begins anew, on the clock of the databases. */
static int64_t newest_database_now(const struct step *s)
{
    int64_t newest = 0;
    for (size_t i = 0; i < s->plan->database_count; i++) {
        const struct database_view *view = &s->seen->databases[i];
        int64_t now = view->known ? view->now_ms + view->age_ms : 0;
        newest = now > newest ? now : newest;
    }
    return step_whole_second(newest);
}

/* The present wave once more: its counted time, its soak and its gates. */
static void repeat_wave(struct step *s)
{
    s->next->rollout.phase = PHASE_APPLYING;
    s->next->rollout.elapsed_ms = 0;
    s->next->rollout.soak_since_ms = newest_database_now(s);
    gates_reset(s);
}

static void handle_retry(struct step *s)
{
    const char *value = step_annotation(s->plan, ANNOTATION_RETRY);
    if (!value || str_eq(value, s->old->last_handled_retry)) {
        return;
    }
    if (step_retry_waits(s->seen)) {
        s->retry_waits = true;
        return; /* the end of a look is a change, so somebody comes back */
    }
    s->retry_new = true;
    mem_strset(&s->next->last_handled_retry, value);
    s->next->outage_ms = 0;
    for (size_t i = 0; i < s->next->database_count; i++) {
        s->next->databases[i].outage_ms = 0;
    }
    if (s->next->rollout.present) {
        repeat_wave(s);
    }
}

/* An edit that does not touch the gates is no answer to what one of them said; one that does begins the
 * roll-out anew (begin.c). */
static bool gate_said_no(const struct step *s)
{
    for (size_t i = 0; i < s->next->gate_count; i++) {
        if (s->next->gates[i].state == GATE_FAILED) {
            return true;
        }
    }
    return false;
}

void requests_before(struct step *s)
{
    if (s->suspended) {
        return;
    }
    handle_requested(s);
    handle_retry(s);
    if (!s->spec_same && s->next->rollout.phase == PHASE_FAILED && !gate_said_no(s)) {
        repeat_wave(s); /* a new spec may cure what failed */
    }
}

/* ---- verdicts ---------------------------------------------------------------------------------- */

static size_t find_database(const struct step *s, const char *name)
{
    for (size_t i = 0; i < s->plan->database_count; i++) {
        if (str_eq(s->plan->databases[i].name, name)) {
            return i;
        }
    }
    return s->plan->database_count;
}

/* Its newest look is good, and nobody else is at it. */
static bool may_record(const struct step *s, size_t index)
{
    const struct database_view *view = &s->seen->databases[index];
    return view->inspection == INSPECTION_OK && !view->busy && !view->inspecting &&
           s->judged[index].kind != J_LIVE && s->judged[index].kind != J_STALE;
}

/* True: this item needs nothing more. */
static bool handle_item(struct step *s, size_t item)
{
    size_t index = find_database(s, s->seen->resolve->items[item].database);
    if (s->seen->resolved[item]) {
        return true;
    }
    if (index == s->plan->database_count) {
        step_event(s, true, REASON_INVALID_SPEC,
                   mem_printf("%s: the plan has no database %s", ANNOTATION_RESOLVE,
                              s->seen->resolve->items[item].database));
        return true;
    }
    const struct database_view *view = &s->seen->databases[index];
    const struct failure *record = &view->record;
    if (record->reason && step_class_of(record->reason) != REASON_CLASS_RETRY) {
        step_event(s, true, record->reason,
                   mem_printf("%s: %s: %s", ANNOTATION_RESOLVE, s->plan->databases[index].name,
                              record->message));
        return true;
    }
    int64_t wait = record->reason ? step_backoff_ms(s->plan, record->count) - record->age_ms : 0;
    s->verdict_waits = true;
    if (wait > 0) {
        step_wake(s, wait);
    } else if (may_record(s, index)) {
        s->out->item = s->out->effect == EFFECT_NONE ? item : s->out->item;
        step_want(s, EFFECT_RECORD_RESOLUTION, index);
    }
    return false;
}

static void handle_resolve(struct step *s)
{
    const char *value = step_annotation(s->plan, ANNOTATION_RESOLVE);
    if (!value || str_eq(value, s->old->last_handled_resolve)) {
        return;
    }
    bool all = true;
    if (s->seen->resolve_error) {
        step_event(s, true, REASON_INVALID_SPEC, mem_strdup(s->seen->resolve_error->message));
    } else if (s->seen->resolve) {
        size_t recorded = 0;
        for (size_t i = 0; i < s->seen->resolve->count; i++) {
            recorded += s->seen->resolved[i];
            all = handle_item(s, i) && all;
        }
        if (all && recorded > 0) {
            step_event(s, false, REASON_OUTCOME_RESOLVED,
                       mem_printf("%zu verdicts recorded", recorded));
        }
    } else {
        return; /* not parsed yet */
    }
    if (all) {
        mem_strset(&s->next->last_handled_resolve, value);
    }
}

void requests_after(struct step *s)
{
    if (!s->suspended) {
        handle_resolve(s);
        accept_finish(s);
    }
}
